//! The keys of the hours. This module owns the table `hour_keys`, in a database of keys alone that no
//! backup of the data has: when an hour's key is destroyed, every copy of the hour is dead.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use crate::hours::partition::Partition;
use crate::machine::files::{self, FileError};
use crate::store::sql::Connection;
use crate::store::wrapped::{KeyTable, NamedKeys};
use crate::store::{self, Doing as _, StoreError};
use varco_proto::cipher::{CipherError, Key};

/// The database of keys, step by step; steps are only added. Each kind of owner has a table of one form,
/// which its domain names by a [`KeyTable`]. Keys are few and must leave no trace: what is deleted is
/// overwritten in place.
const SCHEMA: [&str; 3] = [
    "CREATE TABLE hour_keys (
        hour INTEGER PRIMARY KEY,
        wrapped BLOB NOT NULL
    ) STRICT;",
    "CREATE TABLE case_keys (
        id TEXT PRIMARY KEY,
        wrapped BLOB NOT NULL
    ) STRICT;",
    "CREATE TABLE hotlist_keys (
        id TEXT PRIMARY KEY,
        wrapped BLOB NOT NULL
    ) STRICT;",
];

static TABLE: KeyTable = KeyTable {
    name: "hour_keys",
    owner: "hour",
    what: "hour's key",
};

/// The keys, wrapped by the hub's store key.
#[derive(Debug)]
pub struct HourKeys {
    connection: Mutex<Connection>,
    store_key: Key,
    path: PathBuf,
}

fn place(hour: Partition) -> Vec<u8> {
    [&b"hour key"[..], &hour.number().to_le_bytes()].concat()
}

impl HourKeys {
    /// Opens the keys. The store key is made when there are neither keys nor a store key.
    ///
    /// # Errors
    /// [`StoreError`]; above all when the store key is gone and keys are there: another must not
    /// be made instead.
    pub fn open(path: &Path, store_key_file: &Path) -> Result<Self, StoreError> {
        let fresh = !path.exists();
        let mut connection = store::open(path)?;
        store::migrate(&mut connection, &SCHEMA)?;
        let failed = |error: FileError| StoreError::File {
            doing: "take the store key",
            path: store_key_file.to_owned(),
            source: std::io::Error::other(error),
        };
        let none = connection
            .query_row("SELECT count(*) = 0 FROM hour_keys", [], |row| row.get(0))
            .doing("count the hours' keys")?;
        if (fresh || none) && !store_key_file.exists() {
            let key = Key::random().map_err(|source| sealing(path, source))?;
            files::write_private(store_key_file, key.bytes()).map_err(failed)?;
        }
        let bytes = files::read(store_key_file).map_err(failed)?;
        let store_key = Key::from_bytes(&bytes).ok_or(StoreError::Damaged { what: "store key" })?;
        Ok(Self {
            connection: Mutex::new(connection),
            store_key,
            path: path.to_owned(),
        })
    }

    /// A key for something that lies beside the transits and outlives their hours, derived from the
    /// store key.
    ///
    /// # Errors
    /// [`StoreError::File`] when it cannot be derived.
    pub fn derived(&self, usage: &[u8]) -> Result<Key, StoreError> {
        let derived = self.store_key.derive(usage);
        derived.map_err(|source| sealing(&self.path, source))
    }

    /// Keys of something else in the same database, wrapped by a key derived from the store key.
    ///
    /// # Errors
    /// [`StoreError::File`] when it cannot be derived.
    pub fn named(
        self,
        usage: &[u8],
        table: &'static KeyTable,
        kind: &'static str,
    ) -> Result<NamedKeys, StoreError> {
        let wrapping = self.derived(usage)?;
        let keys = self.connection.into_inner();
        let keys = keys.unwrap_or_else(PoisonError::into_inner);
        Ok(NamedKeys::over(keys, wrapping, table, kind))
    }

    /// Works on the keys' database.
    fn with<T>(&self, act: impl FnOnce(&Connection) -> T) -> T {
        act(&self
            .connection
            .lock()
            .unwrap_or_else(PoisonError::into_inner))
    }

    /// The key of an hour; none when it was never made, or is destroyed.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] when it is there and does not open.
    pub fn get(&self, hour: Partition) -> Result<Option<Arc<Key>>, StoreError> {
        let wrapped = self.with(|keys| TABLE.read(keys, hour.number()))?;
        let Some(wrapped) = wrapped else {
            return Ok(None);
        };
        let bytes = self.store_key.open(&place(hour), &wrapped);
        match bytes.map(|bytes| Key::from_bytes(&bytes)) {
            Ok(Some(key)) => Ok(Some(Arc::new(key))),
            _ => Err(TABLE.damaged()),
        }
    }

    /// The key of an hour, made when there is none. It is on the disk when this returns. Of two
    /// processes that make it at once, both get the one that was first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn get_or_make(&self, hour: Partition) -> Result<Arc<Key>, StoreError> {
        if let Some(key) = self.get(hour)? {
            return Ok(key);
        }
        let failed = |source| sealing(&self.path, source);
        let key = Key::random().map_err(failed)?;
        let wrapped = self.store_key.seal(&place(hour), key.bytes());
        let wrapped = wrapped.map_err(failed)?;
        if self.with(|keys| TABLE.keep_first(keys, hour.number(), &wrapped))? {
            return Ok(Arc::new(key));
        }
        self.get(hour)?.ok_or_else(|| TABLE.damaged())
    }

    /// The keys as they are kept, wrapped by the store key.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn wrapped(&self) -> Result<Vec<(Partition, Vec<u8>)>, StoreError> {
        let all = self.with(|keys| TABLE.all(keys))?;
        let hour = |(number, wrapped)| (Partition::from_number(number), wrapped);
        Ok(all.into_iter().map(hour).collect())
    }

    /// Puts a key back as [`HourKeys::wrapped`] gave it.
    ///
    /// # Errors
    /// [`StoreError`]; [`StoreError::Damaged`] when it does not open with this store key.
    pub fn put_wrapped(&self, hour: Partition, wrapped: &[u8]) -> Result<(), StoreError> {
        self.with(|keys| TABLE.keep(keys, hour.number(), wrapped))?;
        self.get(hour).map(drop)
    }

    /// Destroys the key of an hour, also in the database's own log.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn destroy(&self, hour: Partition) -> Result<(), StoreError> {
        self.with(|keys| TABLE.destroy(keys, hour.number()))
    }

    /// The hours that have a key, oldest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn hours(&self) -> Result<Vec<Partition>, StoreError> {
        let all = self.wrapped()?.into_iter();
        let mut hours: Vec<Partition> = all.map(|(hour, _)| hour).collect();
        // Their numbers go by term first.
        hours.sort_unstable();
        Ok(hours)
    }
}

fn sealing(path: &Path, source: CipherError) -> StoreError {
    StoreError::File {
        doing: "make a key for",
        path: path.to_owned(),
        source: std::io::Error::other(source),
    }
}

#[cfg(test)]
mod tests {
    use crate::hours::keys::*;

    fn hour(number: i64) -> Partition {
        Partition::from_number(number)
    }

    #[test]
    fn c66_part_a_destroyed_key_leaves_no_trace() {
        let folder = tempfile::tempdir().unwrap();
        let (path, store) = (folder.path().join("keys.sqlite"), folder.path().join("key"));
        let keys = HourKeys::open(&path, &store).unwrap();
        let made = keys.get_or_make(hour(7)).unwrap();
        keys.get_or_make(hour(8)).unwrap();
        let sealed = made.seal(b"", b"x").unwrap();
        drop(keys);
        let keys = HourKeys::open(&path, &store).unwrap();
        let again = keys.get(hour(7)).unwrap().unwrap();
        assert_eq!(again.open(b"", &sealed).unwrap(), b"x");
        let wrapped: Vec<u8> = keys.with(|c| {
            c.query_row("SELECT wrapped FROM hour_keys WHERE hour = 7", [], |row| {
                row.get(0)
            })
            .unwrap()
        });
        keys.destroy(hour(7)).unwrap();
        assert!(keys.get(hour(7)).unwrap().is_none());
        assert_eq!(keys.hours().unwrap(), [hour(8)]);
        for file in std::fs::read_dir(folder.path()).unwrap() {
            let bytes = std::fs::read(file.unwrap().path()).unwrap();
            assert!(!bytes.windows(16).any(|w| w == &wrapped[..16]));
        }
    }

    #[test]
    fn a_lost_store_key_is_not_replaced_while_it_is_needed() {
        let folder = tempfile::tempdir().unwrap();
        let (path, store) = (folder.path().join("keys.sqlite"), folder.path().join("key"));
        let keys = HourKeys::open(&path, &store).unwrap();
        keys.get_or_make(hour(7)).unwrap();
        drop(keys);
        std::fs::remove_file(&store).unwrap();
        assert!(HourKeys::open(&path, &store).is_err());
        assert!(!store.exists());
    }
}
