//! Plates that a body lists as its own people's and their families': marks alone are kept.

use super::rule::Mark;
use crate::audit::acting::Acting;
use crate::store::sql::{Connection, params};
use crate::store::{Doing as _, StoreError};

/// Whether some body lists a plate.
///
/// # Errors
/// [`StoreError`].
pub fn is_listed(main: &Connection, exact: Mark) -> Result<bool, StoreError> {
    const DOING: &str = "look whether a plate is listed";
    let sql = "SELECT EXISTS (SELECT 1 FROM own_plates WHERE exact = ?)";
    let mut statement = main.prepare_cached(sql).doing(DOING)?;
    statement.query_row([exact], |row| row.get(0)).doing(DOING)
}

/// Lists a plate for a body; false when it lists it already.
///
/// # Errors
/// [`StoreError`].
pub(super) fn list(
    main: &Connection,
    exact: Mark,
    body: &str,
    acting: &Acting<'_>,
) -> Result<bool, StoreError> {
    let sql = "INSERT INTO own_plates VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING";
    let by = acting.actor.id();
    let new = main.execute(sql, params![exact, body, by, acting.now.unix_us()]);
    Ok(new.doing("list a plate")? == 1)
}

/// Takes a plate off a body's list; false when the body did not list it. What others list stays.
///
/// # Errors
/// [`StoreError`].
pub(super) fn unlist(main: &Connection, exact: Mark, body: &str) -> Result<bool, StoreError> {
    let sql = "DELETE FROM own_plates WHERE exact = ? AND body = ?";
    let gone = main.execute(sql, params![exact, body]);
    Ok(gone.doing("take a plate off the list")? == 1)
}
