//! Names of cameras, gates and edges as numbers, in PostgreSQL.

use super::link::Link;
use crate::store::StoreError;
use crate::transits::names::{Kind, Names};

fn number(column: i32) -> u32 {
    u32::try_from(column).unwrap_or(0)
}

/// Reads all.
///
/// # Errors
/// [`StoreError`].
pub(super) fn load(link: &mut Link) -> Result<Names, StoreError> {
    let mut names = Names::default();
    let sql = "SELECT number, kind, name FROM names";
    for row in link.rows("read the names", sql, &[])? {
        let kind = Kind::parse(row.get(1)).ok_or(StoreError::Damaged { what: "name" })?;
        names.add(number(row.get(0)), kind, row.get(2));
    }
    Ok(names)
}

/// The number of a name, kept when it is new, in the caller's transaction.
///
/// # Errors
/// [`StoreError`].
pub(super) fn number_of(link: &mut Link, kind: Kind, name: &str) -> Result<u32, StoreError> {
    const DOING: &str = "keep a name";
    let find = "SELECT number FROM names WHERE kind = $1 AND name = $2";
    let keep = "INSERT INTO names (kind, name) VALUES ($1, $2) ON CONFLICT DO NOTHING
                RETURNING number";
    for sql in [find, keep, find] {
        if let Some(row) = link.row(DOING, sql, &[&kind.as_str(), &name])? {
            return Ok(number(row.get(0)));
        }
    }
    Err(StoreError::Damaged { what: "name" })
}
