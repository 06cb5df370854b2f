//! Keys in a database of keys alone, each wrapped by another. The tables belong to the domains.
//!
//! No copy of anything else has them: when a key is destroyed, every copy of what it sealed is dead.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::sql::{Connection, FromSql, OptionalExtension as _, ToSql, params};
use super::{Doing as _, StoreError};
use varco_proto::cipher::Key;

/// A table of wrapped keys: a column says whose each is, `wrapped` holds it.
#[derive(Debug)]
pub struct KeyTable {
    /// Its name.
    pub name: &'static str,
    /// The column that says whose a key is.
    pub owner: &'static str,
    /// What a key is called, as in "the stored … is damaged".
    pub what: &'static str,
}

impl KeyTable {
    /// A key as it is kept; none when it was never made, or is destroyed.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn read(
        &self,
        keys: &Connection,
        owner: impl ToSql,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        const DOING: &str = "read a key";
        let sql = format!("SELECT wrapped FROM {} WHERE {} = ?", self.name, self.owner);
        let mut statement = keys.prepare_cached(&sql).doing(DOING)?;
        let read = statement.query_row([owner], |row| row.get(0));
        read.optional().doing(DOING)
    }

    /// Keeps a key, in the place of what is there.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn keep(
        &self,
        keys: &Connection,
        owner: impl ToSql,
        wrapped: &[u8],
    ) -> Result<(), StoreError> {
        let sql = format!(
            "INSERT OR REPLACE INTO {} ({}, wrapped) VALUES (?, ?)",
            self.name, self.owner
        );
        keys.execute(&sql, params![owner, wrapped])
            .doing("keep a key")?;
        Ok(())
    }

    /// Keeps a key where none is; false when one is there.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn keep_first(
        &self,
        keys: &Connection,
        owner: impl ToSql,
        wrapped: &[u8],
    ) -> Result<bool, StoreError> {
        let sql = format!(
            "INSERT INTO {} ({}, wrapped) VALUES (?, ?) ON CONFLICT DO NOTHING",
            self.name, self.owner
        );
        let kept = keys.execute(&sql, params![owner, wrapped]);
        Ok(kept.doing("keep a key")? == 1)
    }

    /// Destroys a key, also in the database's own log.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn destroy(&self, keys: &Connection, owner: impl ToSql) -> Result<(), StoreError> {
        const DOING: &str = "destroy a key";
        let sql = format!("DELETE FROM {} WHERE {} = ?", self.name, self.owner);
        keys.execute(&sql, [owner]).doing(DOING)?;
        // The log held the page as it was: it is emptied now, not when it is full.
        keys.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
            .doing(DOING)
    }

    /// All keys as they are kept, by owner.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn all<Owner: FromSql>(
        &self,
        keys: &Connection,
    ) -> Result<Vec<(Owner, Vec<u8>)>, StoreError> {
        const DOING: &str = "list the keys";
        let sql = format!(
            "SELECT {0}, wrapped FROM {1} ORDER BY {0}",
            self.owner, self.name
        );
        let mut statement = keys.prepare(&sql).doing(DOING)?;
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)));
        rows.doing(DOING)?.map(|row| row.doing(DOING)).collect()
    }

    /// That a key is there and does not open.
    #[must_use]
    pub fn damaged(&self) -> StoreError {
        StoreError::Damaged { what: self.what }
    }
}

/// The keys of one table whose owners are texts.
#[derive(Debug)]
pub struct NamedKeys {
    keys: Mutex<Connection>,
    wrapping: Key,
    table: &'static KeyTable,
    /// What owns them, which each is bound to beside the owner's name.
    kind: &'static str,
}

impl NamedKeys {
    /// Over a connection to the keys' database, with what wraps them.
    #[must_use]
    pub fn over(
        keys: Connection,
        wrapping: Key,
        table: &'static KeyTable,
        kind: &'static str,
    ) -> Self {
        Self {
            keys: Mutex::new(keys),
            wrapping,
            table,
            kind,
        }
    }

    fn keys(&self) -> MutexGuard<'_, Connection> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn place(&self, owner: &str) -> Vec<u8> {
        format!("{} {owner} key", self.kind).into_bytes()
    }

    fn fresh(&self, owner: &str) -> Result<(Key, Vec<u8>), StoreError> {
        let made = Key::random().and_then(|key| {
            let wrapped = self.wrapping.seal(&self.place(owner), key.bytes())?;
            Ok((key, wrapped))
        });
        made.map_err(StoreError::Key)
    }

    /// Makes a key, in the place of one that is there. It is on the disk when this returns.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn make(&self, owner: &str) -> Result<(), StoreError> {
        let (_, wrapped) = self.fresh(owner)?;
        self.table.keep(&self.keys(), owner, &wrapped)
    }

    /// The key that is there, or one that is made. Of two processes that make it at once, both get the
    /// one that was first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn get_or_make(&self, owner: &str) -> Result<Key, StoreError> {
        if let Some(key) = self.get(owner)? {
            return Ok(key);
        }
        let (key, wrapped) = self.fresh(owner)?;
        if self.table.keep_first(&self.keys(), owner, &wrapped)? {
            return Ok(key);
        }
        self.get(owner)?.ok_or_else(|| self.table.damaged())
    }

    /// A key; none when it was never made, or is destroyed.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] when it is there and does not open.
    pub fn get(&self, owner: &str) -> Result<Option<Key>, StoreError> {
        let wrapped = self.table.read(&self.keys(), owner)?;
        let key = wrapped.map(|wrapped| self.open(owner, &wrapped));
        key.transpose()
    }

    /// Opens a key as it is kept.
    ///
    /// # Errors
    /// [`StoreError::Damaged`].
    pub fn open(&self, owner: &str, wrapped: &[u8]) -> Result<Key, StoreError> {
        let bytes = self.wrapping.open(&self.place(owner), wrapped).ok();
        let key = bytes.and_then(|bytes| Key::from_bytes(&bytes));
        key.ok_or_else(|| self.table.damaged())
    }

    /// Destroys the keys of those that have ended.
    ///
    /// # Errors
    /// [`StoreError`], or that of the question; it is tried again.
    pub fn destroy_where(
        &self,
        has_ended: impl Fn(&str) -> Result<bool, StoreError>,
    ) -> Result<(), StoreError> {
        for (owner, _) in self.wrapped()? {
            if has_ended(&owner)? {
                self.table.destroy(&self.keys(), &owner)?;
            }
        }
        Ok(())
    }

    /// The keys as they are kept.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn wrapped(&self) -> Result<Vec<(String, Vec<u8>)>, StoreError> {
        self.table.all(&self.keys())
    }

    /// Puts a key back as [`NamedKeys::wrapped`] gave it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn put_wrapped(&self, owner: &str, wrapped: &[u8]) -> Result<(), StoreError> {
        self.table.keep(&self.keys(), owner, wrapped)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static TABLE: KeyTable = KeyTable {
        name: "thing_keys",
        owner: "id",
        what: "thing's key",
    };

    fn keys(folder: &std::path::Path) -> NamedKeys {
        let keys = crate::store::open(&folder.join("keys.sqlite")).unwrap();
        let table = "CREATE TABLE IF NOT EXISTS thing_keys (id TEXT PRIMARY KEY, wrapped BLOB)";
        keys.execute_batch(table).unwrap();
        let wrapping = Key::from_bytes(&[7; 32]).unwrap();
        NamedKeys::over(keys, wrapping, &TABLE, "thing")
    }

    #[test]
    fn a_key_is_its_owners_and_stays_until_it_is_destroyed_without_a_trace() {
        let folder = tempfile::tempdir().unwrap();
        let all = keys(folder.path());
        let made = all.get_or_make("a").unwrap();
        all.make("b").unwrap();
        let again = keys(folder.path()).get_or_make("a").unwrap();
        assert_eq!(again.bytes(), made.bytes());
        let (_, wrapped) = all.wrapped().unwrap().remove(0);
        assert!(all.open("b", &wrapped).is_err(), "another's");
        all.destroy_where(|owner| Ok(owner == "a")).unwrap();
        assert!(all.get("a").unwrap().is_none());
        assert!(all.get("b").unwrap().is_some());
        for file in std::fs::read_dir(folder.path()).unwrap() {
            let bytes = std::fs::read(file.unwrap().path()).unwrap();
            assert!(!bytes.windows(16).any(|w| w == &wrapped[..16]));
        }
    }
}
