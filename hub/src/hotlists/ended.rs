//! Hotlists that were closed, for the floor that no restored database goes below.

use std::collections::BTreeMap;

use varco_proto::time::UtcTime;

use super::list::{self, ListError, ListId};
use crate::store::StoreError;
use crate::store::sql::Connection;

/// When each closed list was, in microseconds.
pub type EndedLists = BTreeMap<ListId, i64>;

/// Those that the database knows.
///
/// # Errors
/// [`StoreError`].
pub fn read(main: &Connection) -> Result<EndedLists, StoreError> {
    let lists = list::all(main)?.into_iter();
    let closed = lists.filter_map(|list| Some((list.id, list.closed_at?.unix_us())));
    Ok(closed.collect())
}

/// Closes those of them that are open, and destroys their plates. Gives which were.
///
/// # Errors
/// [`StoreError`].
pub fn end(main: &Connection, ended: &EndedLists) -> Result<Vec<ListId>, StoreError> {
    let mut closed = Vec::new();
    for (id, at_us) in ended {
        match list::close(main, id, UtcTime::from_unix_us(*at_us)) {
            Ok(()) => closed.push(id.clone()),
            Err(ListError::Store(error)) => return Err(error),
            Err(_) => {} // Closed there too, or never made.
        }
    }
    Ok(closed)
}
