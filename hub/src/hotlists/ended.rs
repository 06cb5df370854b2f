//! Hotlists that were closed, for the floor that no restored database goes below.

use std::collections::BTreeMap;

use varco_proto::time::UtcTime;

use super::keys::ListKeys;
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
        if close(main, id, UtcTime::from_unix_us(*at_us))? {
            closed.push(id.clone());
        }
    }
    Ok(closed)
}

/// Closes the lists whose key is gone: they were closed after this database was copied.
///
/// # Errors
/// [`StoreError`].
pub fn end_without_key(
    main: &Connection,
    keys: &ListKeys,
    now: UtcTime,
) -> Result<Vec<ListId>, StoreError> {
    let mut closed = Vec::new();
    for list in list::all(main)? {
        let is_open = list.closed_at.is_none();
        if is_open && keys.get(&list.id)?.is_none() && close(main, &list.id, now)? {
            closed.push(list.id);
        }
    }
    Ok(closed)
}

fn close(main: &Connection, id: &ListId, at: UtcTime) -> Result<bool, StoreError> {
    match list::close(main, id, at) {
        Ok(()) => Ok(true),
        Err(ListError::Store(error)) => Err(error),
        Err(_) => Ok(false), // Closed there too, or never made.
    }
}
