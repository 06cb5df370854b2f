//! The keys of the cases. They lie in the table `case_keys` of the database of the hours' keys:
//! no backup of the data has it, so that every copy of what a closed case held is dead with its key.

use super::case::CaseId;
use crate::hours::keys::HourKeys;
use crate::store::sql::{Connection, OptionalExtension as _};
use crate::store::wrapped::{KeyTable, NamedKeys};
use crate::store::{Doing as _, StoreError};
use varco_proto::cipher::Key;

static TABLE: KeyTable = KeyTable {
    name: "case_keys",
    owner: "id",
    what: "case's key",
};

/// The keys, each wrapped by a key derived from the store key.
#[derive(Debug)]
pub struct CaseKeys(NamedKeys);

impl CaseKeys {
    /// Over the database of the hours' keys.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn over(keys: HourKeys) -> Result<Self, StoreError> {
        Ok(Self(keys.named(b"cases", &TABLE, "case")?))
    }

    /// Makes the key of a case that is being opened. It is on the disk when this returns; that of a
    /// case of this name whose opening failed gives way.
    pub(super) fn make(&self, id: &CaseId) -> Result<(), StoreError> {
        self.0.make(id.as_str())
    }

    /// The key of an open case; none when it is destroyed.
    pub(super) fn get(&self, main: &Connection, id: &CaseId) -> Result<Option<Key>, StoreError> {
        if let Some(key) = self.0.get(id.as_str())? {
            return Ok(Some(key));
        }
        let older = of_older(main, id)?;
        let key = older.map(|wrapped| self.0.open(id.as_str(), &wrapped));
        key.transpose()
    }

    pub(super) fn has(&self, main: &Connection, id: &CaseId) -> Result<bool, StoreError> {
        Ok(self.get(main, id)?.is_some())
    }

    /// Takes the keys over that a version before kept in the main database.
    ///
    /// # Errors
    /// [`StoreError`]; the next start goes on.
    pub fn take_over(&self, main: &Connection) -> Result<(), StoreError> {
        const DOING: &str = "take the cases' keys over";
        let sql = "SELECT id, key FROM cases WHERE key IS NOT NULL";
        let mut statement = main.prepare(sql).doing(DOING)?;
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)));
        let rows = rows.doing(DOING)?.map(|row| row.doing(DOING));
        let found: Vec<(String, Vec<u8>)> = rows.collect::<Result<_, StoreError>>()?;
        for (id, wrapped) in found {
            self.0.put_wrapped(&id, &wrapped)?;
            main.execute("UPDATE cases SET key = NULL WHERE id = ?", [id])
                .doing(DOING)?;
        }
        Ok(())
    }

    /// Destroys the keys of closed cases, also in the log of their database.
    ///
    /// # Errors
    /// [`StoreError`]; it is tried again.
    pub fn destroy_closed(&self, main: &Connection) -> Result<(), StoreError> {
        self.0.destroy_where(|id| {
            let sql = "SELECT closed_at_us IS NOT NULL FROM cases WHERE id = ?";
            let closed = main.query_row(sql, [id], |row| row.get(0)).optional();
            Ok(closed.doing("look whether a case is closed")? == Some(true))
        })
    }

    /// The keys as they are kept, wrapped.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn wrapped(&self) -> Result<Vec<(String, Vec<u8>)>, StoreError> {
        self.0.wrapped()
    }

    /// Puts a key back as [`CaseKeys::wrapped`] gave it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn put_wrapped(&self, id: &CaseId, wrapped: &[u8]) -> Result<(), StoreError> {
        self.0.put_wrapped(id.as_str(), wrapped)
    }
}

/// Where a version before kept it.
fn of_older(main: &Connection, id: &CaseId) -> Result<Option<Vec<u8>>, StoreError> {
    let sql = "SELECT key FROM cases WHERE id = ? AND closed_at_us IS NULL";
    let found = main.query_row(sql, [id.as_str()], |row| row.get(0));
    Ok(found.optional().doing("read a case's key")?.flatten())
}
