//! Bodies that ended, for the floor that no restored database goes below.

use std::collections::BTreeMap;

use crate::store::sql::{Connection, params};
use crate::store::{Doing as _, StoreError};

/// When each ended, in microseconds, by its id.
pub type EndedBodies = BTreeMap<String, i64>;

/// Those that the database knows.
///
/// # Errors
/// [`StoreError`].
pub fn read(main: &Connection) -> Result<EndedBodies, StoreError> {
    const DOING: &str = "list the ended bodies";
    let sql = "SELECT id, ended_at_us FROM bodies WHERE ended_at_us IS NOT NULL";
    let mut statement = main.prepare(sql).doing(DOING)?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)));
    rows.doing(DOING)?.map(|row| row.doing(DOING)).collect()
}

/// Ends those of them that live. Gives which did.
///
/// # Errors
/// [`StoreError`].
pub fn end(main: &Connection, ended: &EndedBodies) -> Result<Vec<String>, StoreError> {
    let sql = "UPDATE bodies SET ended_at_us = ? WHERE id = ? AND ended_at_us IS NULL";
    let mut lived = Vec::new();
    for (id, at_us) in ended {
        if main.execute(sql, params![at_us, id]).doing("end a body")? > 0 {
            lived.push(id.clone());
        }
    }
    Ok(lived)
}
