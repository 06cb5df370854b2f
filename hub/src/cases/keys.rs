//! The keys of the cases. This module owns the table `case_keys`, in the database of the hours' keys:
//! no backup of the data has it, so that every copy of what a closed case held is dead with its key.

use crate::store::cipher::Key;
use crate::store::sql::{Connection, OptionalExtension as _, params};
use crate::store::{Doing as _, StoreError};
use crate::transits::keys::HourKeys;

use super::case::{CaseError, CaseId};

/// The table, for [`crate::store::migrate`] of the keys' database.
pub const SCHEMA: &str = "
    CREATE TABLE case_keys (
        id TEXT PRIMARY KEY,
        wrapped BLOB NOT NULL
    ) STRICT;";

/// The keys, each wrapped by a key derived from the store key.
#[derive(Debug)]
pub struct CaseKeys {
    keys: HourKeys,
    wrapping: Key,
}

fn place(id: &CaseId) -> Vec<u8> {
    format!("case {id} key").into_bytes()
}

impl CaseKeys {
    /// Over the database of the hours' keys.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn over(keys: HourKeys) -> Result<Self, StoreError> {
        let wrapping = keys.derived(b"cases")?;
        Ok(Self { keys, wrapping })
    }

    /// Makes the key of a case that is being opened. It is on the disk when this returns; that of a
    /// case of this name whose opening failed gives way.
    pub(super) fn make(&self, id: &CaseId) -> Result<(), CaseError> {
        let wrapped = self.wrapping.seal(&place(id), Key::random()?.bytes())?;
        self.keep(id, &wrapped)?;
        Ok(())
    }

    fn keep(&self, id: &CaseId, wrapped: &[u8]) -> Result<(), StoreError> {
        self.keys.with(|connection| {
            connection
                .execute(
                    "INSERT OR REPLACE INTO case_keys (id, wrapped) VALUES (?, ?)",
                    params![id.as_str(), wrapped],
                )
                .doing("keep a case's key")
        })?;
        Ok(())
    }

    /// The key of an open case; none when it is destroyed.
    pub(super) fn get(&self, main: &Connection, id: &CaseId) -> Result<Option<Key>, StoreError> {
        let sql = "SELECT wrapped FROM case_keys WHERE id = ?";
        let kept: Option<Vec<u8>> = self.keys.with(|connection| {
            connection
                .query_row(sql, [id.as_str()], |row| row.get(0))
                .optional()
                .doing("read a case's key")
        })?;
        let wrapped = match kept {
            Some(wrapped) => Some(wrapped),
            None => of_older(main, id)?,
        };
        let Some(wrapped) = wrapped else {
            return Ok(None);
        };
        let bytes = self.wrapping.open(&place(id), &wrapped);
        let key = bytes.ok().and_then(|bytes| Key::from_bytes(&bytes));
        let damaged = StoreError::Damaged { what: "case's key" };
        key.ok_or(damaged).map(Some)
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
            let damaged = StoreError::Damaged { what: "case" };
            self.keep(&id.parse().map_err(|_| damaged)?, &wrapped)?;
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
        const DOING: &str = "destroy a case's key";
        let kept: Vec<String> = self.keys.with(|connection| {
            let mut statement = connection
                .prepare_cached("SELECT id FROM case_keys")
                .doing(DOING)?;
            let rows = statement
                .query_map([], |row| row.get::<_, String>(0))
                .doing(DOING)?;
            rows.map(|row| row.doing(DOING))
                .collect::<Result<Vec<String>, StoreError>>()
        })?;
        for id in kept {
            let sql = "SELECT closed_at_us IS NOT NULL FROM cases WHERE id = ?";
            let closed = main.query_row(sql, [&id], |row| row.get(0)).optional();
            if closed.doing(DOING)? == Some(true) {
                self.keys.with(|connection| {
                    connection
                        .execute("DELETE FROM case_keys WHERE id = ?", [&id])
                        .doing(DOING)?;
                    connection
                        .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
                        .doing(DOING)
                })?;
            }
        }
        Ok(())
    }

    /// The keys as they are kept, wrapped.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn wrapped(&self) -> Result<Vec<(String, Vec<u8>)>, StoreError> {
        const DOING: &str = "copy the cases' keys";
        self.keys.with(|connection| {
            let sql = "SELECT id, wrapped FROM case_keys ORDER BY id";
            let mut statement = connection.prepare(sql).doing(DOING)?;
            let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)));
            rows.doing(DOING)?.map(|row| row.doing(DOING)).collect()
        })
    }

    /// Puts a key back as [`CaseKeys::wrapped`] gave it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn put_wrapped(&self, id: &CaseId, wrapped: &[u8]) -> Result<(), StoreError> {
        self.keep(id, wrapped)
    }
}

/// Where a version before kept it.
fn of_older(main: &Connection, id: &CaseId) -> Result<Option<Vec<u8>>, StoreError> {
    let sql = "SELECT key FROM cases WHERE id = ? AND closed_at_us IS NULL";
    let found = main.query_row(sql, [id.as_str()], |row| row.get(0));
    Ok(found.optional().doing("read a case's key")?.flatten())
}
