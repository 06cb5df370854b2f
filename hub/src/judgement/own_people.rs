//! Plates that a body lists as its own people's and their families': marks alone are kept.

use varco_proto::time::UtcTime;

use super::rule::Mark;
use crate::audit::actor::Actor;
use crate::store::sql::{Connection, params};
use crate::store::{Doing as _, StoreError};

/// Whether a body lists a plate.
///
/// # Errors
/// [`StoreError`].
pub fn is_listed(main: &Connection, exact: Mark) -> Result<bool, StoreError> {
    const DOING: &str = "look whether a plate is listed";
    let sql = "SELECT EXISTS (SELECT 1 FROM own_plates WHERE exact = ?)";
    let mut statement = main.prepare_cached(sql).doing(DOING)?;
    statement.query_row([exact], |row| row.get(0)).doing(DOING)
}

/// Lists a plate; false when it is listed already.
///
/// # Errors
/// [`StoreError`].
pub(super) fn list(
    main: &Connection,
    exact: Mark,
    by: &Actor,
    now: UtcTime,
) -> Result<bool, StoreError> {
    let sql = "INSERT INTO own_plates VALUES (?, ?, ?) ON CONFLICT DO NOTHING";
    let new = main.execute(sql, params![exact, by.id(), now.unix_us()]);
    Ok(new.doing("list a plate")? == 1)
}

/// Takes a plate off; false when it was not listed.
///
/// # Errors
/// [`StoreError`].
pub(super) fn unlist(main: &Connection, exact: Mark) -> Result<bool, StoreError> {
    let gone = main.execute("DELETE FROM own_plates WHERE exact = ?", [exact]);
    Ok(gone.doing("take a plate off the list")? == 1)
}
