//! Standing authorisations that were ended, for the floor that no restored database goes below.

use std::collections::BTreeMap;

use crate::store::sql::{Connection, params};
use crate::store::{Doing as _, StoreError};

/// When each was ended, by its number and when it was given, all moments in microseconds.
pub type EndedPermits = BTreeMap<String, i64>;

/// Those that the database knows.
///
/// # Errors
/// [`StoreError`].
pub fn read(main: &Connection) -> Result<EndedPermits, StoreError> {
    const DOING: &str = "list standing authorisations that were ended";
    let sql = "SELECT number || ':' || given_at_us, ended_at_us FROM standing_permits
               WHERE ended_at_us IS NOT NULL";
    let mut statement = main.prepare(sql).doing(DOING)?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)));
    rows.doing(DOING)?.map(|row| row.doing(DOING)).collect()
}

/// Ends those of them that hold. Gives how many did.
///
/// # Errors
/// [`StoreError`].
pub fn end(main: &Connection, ended: &EndedPermits) -> Result<Vec<String>, StoreError> {
    let sql = "UPDATE standing_permits SET ended_at_us = ?
               WHERE number || ':' || given_at_us = ? AND ended_at_us IS NULL";
    let mut lived = Vec::new();
    for (id, at_us) in ended {
        let changed = main.execute(sql, params![at_us, id]);
        if changed.doing("end a standing authorisation again")? > 0 {
            lived.push(id.clone());
        }
    }
    Ok(lived)
}
