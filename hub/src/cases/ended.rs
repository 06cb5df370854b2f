//! Cases that were closed and blocks that hold, for the floor that no restored database goes below.

use std::collections::BTreeMap;

use varco_proto::time::UtcTime;

use super::case::{self, CaseError, CaseId};
use super::keys::CaseKeys;
use crate::store::sql::{Connection, params};
use crate::store::{Doing as _, StoreError};

/// When each closed case was, in microseconds.
pub type EndedCases = BTreeMap<CaseId, i64>;
/// Order and moment, in microseconds, of each block that holds, by the transit in hexadecimal digits.
pub type Blocks = BTreeMap<String, (String, i64)>;

/// Those that the database knows.
///
/// # Errors
/// [`StoreError`].
pub fn read(main: &Connection) -> Result<EndedCases, StoreError> {
    let cases = case::all(main)?.into_iter();
    let closed = cases.filter_map(|case| Some((case.id, case.closed_at?.unix_us())));
    Ok(closed.collect())
}

/// Closes those of them that are open, and destroys what they hold. Gives which were.
///
/// # Errors
/// [`StoreError`].
pub fn end(main: &Connection, ended: &EndedCases) -> Result<Vec<CaseId>, StoreError> {
    let mut closed = Vec::new();
    for (id, at_us) in ended {
        if close(main, id, UtcTime::from_unix_us(*at_us))? {
            closed.push(id.clone());
        }
    }
    Ok(closed)
}

/// Closes the cases whose key is gone: they were closed after this database was copied.
///
/// # Errors
/// [`StoreError`].
pub fn end_without_key(
    main: &Connection,
    keys: &CaseKeys,
    now: UtcTime,
) -> Result<Vec<CaseId>, StoreError> {
    let mut closed = Vec::new();
    for case in case::all(main)? {
        let is_open = case.closed_at.is_none();
        if is_open && !keys.has(main, &case.id)? && close(main, &case.id, now)? {
            closed.push(case.id);
        }
    }
    Ok(closed)
}

fn close(main: &Connection, id: &CaseId, at: UtcTime) -> Result<bool, StoreError> {
    match case::close(main, id, at) {
        Ok(()) => Ok(true),
        Err(CaseError::Store(error)) => Err(error),
        Err(_) => Ok(false), // Closed there too, or never opened.
    }
}

/// The blocks that hold.
///
/// # Errors
/// [`StoreError`].
pub fn blocks(main: &Connection) -> Result<Blocks, StoreError> {
    const DOING: &str = "list what is blocked";
    let sql = "SELECT hex(transit), order_reference, blocked_at_us FROM blocks
               WHERE lifted_at_us IS NULL";
    let mut statement = main.prepare(sql).doing(DOING)?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, (row.get(1)?, row.get(2)?))));
    rows.doing(DOING)?.map(|row| row.doing(DOING)).collect()
}

/// Blocks again what is not blocked. Gives which were not, in lower hexadecimal digits.
///
/// # Errors
/// [`StoreError`].
pub fn block_again(main: &Connection, blocks: &Blocks) -> Result<Vec<String>, StoreError> {
    const DOING: &str = "block a transit again";
    let sql = "INSERT INTO blocks (transit, order_reference, blocked_at_us) VALUES (?, ?, ?)
               ON CONFLICT (transit) DO UPDATE SET order_reference = excluded.order_reference,
                   blocked_at_us = excluded.blocked_at_us, lifted_at_us = NULL
               WHERE lifted_at_us IS NOT NULL";
    let mut statement = main.prepare(sql).doing(DOING)?;
    let mut again = Vec::new();
    for (transit, (order, at_us)) in blocks {
        let damaged = StoreError::Damaged { what: "block" };
        let transit = hex::decode(transit).map_err(|_| damaged)?;
        let changed = statement
            .execute(params![transit, order, at_us])
            .doing(DOING)?;
        if changed > 0 {
            again.push(hex::encode(transit));
        }
    }
    Ok(again)
}
