//! The plates of a list, sealed in pages. This module owns the table `hotlist_pages`.
//!
//! Whoever has the disk without the store key learns how many plates a list has, by the thousand.

use serde::{Deserialize, Serialize};
use varco_proto::plate::PlateText;
use varco_proto::time::UtcTime;

use super::list::{self, ListError, ListId};
use crate::store::cipher::Key;
use crate::store::sql::{Connection, OptionalExtension as _, params};
use crate::store::{Doing as _, StoreError};

/// Plates in a page.
pub const PAGE_ENTRIES: usize = 1024;

/// A plate that is waited for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Normal form.
    #[serde(rename = "p")]
    pub plate: PlateText,
    /// Where it is registered, ISO 3166-1 alpha-2, when the list says so. Evidence, never a filter.
    #[serde(rename = "c", default, skip_serializing_if = "Option::is_none")]
    pub country: Option<String>,
    /// What the list says of it: why, what to do.
    #[serde(rename = "n", default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// From when it is waited for, unless that is the list's own.
    #[serde(rename = "f", default, skip_serializing_if = "Option::is_none")]
    pub valid_from: Option<UtcTime>,
    /// Until when, unless that is the list's own.
    #[serde(rename = "t", default, skip_serializing_if = "Option::is_none")]
    pub valid_to: Option<UtcTime>,
}

fn place(list: &ListId, page: usize) -> Vec<u8> {
    format!("hotlist {list} page {page}").into_bytes()
}

fn damaged() -> StoreError {
    StoreError::Damaged {
        what: "hotlist's plates",
    }
}

/// Puts these plates in the place of all that the list had, within the caller's transaction.
///
/// # Errors
/// [`ListError::Unknown`], [`ListError::Store`].
pub fn replace(
    main: &Connection,
    key: &Key,
    id: &ListId,
    entries: &[Entry],
    now: UtcTime,
) -> Result<(), ListError> {
    const DOING: &str = "store the hotlist's plates";
    list::note_import(main, id, entries.len(), now)?;
    main.execute("DELETE FROM hotlist_pages WHERE list = ?", [id.as_str()])
        .doing(DOING)?;
    let mut statement = main
        .prepare_cached("INSERT INTO hotlist_pages (list, page, sealed) VALUES (?, ?, ?)")
        .doing(DOING)?;
    for (number, page) in entries.chunks(PAGE_ENTRIES).enumerate() {
        let plain = serde_json::to_vec(page).map_err(|_| damaged())?;
        let sealed = key
            .seal(&place(id, number), &plain)
            .map_err(|_| damaged())?;
        statement
            .execute(params![
                id.as_str(),
                i64::try_from(number).unwrap_or(i64::MAX),
                sealed
            ])
            .doing(DOING)?;
    }
    Ok(())
}

/// One page's plates, in the order of the import.
///
/// # Errors
/// [`StoreError`]; above all when it does not open.
pub fn page(
    main: &Connection,
    key: &Key,
    id: &ListId,
    number: usize,
) -> Result<Option<Vec<Entry>>, StoreError> {
    const DOING: &str = "read the hotlist's plates";
    let mut statement = main
        .prepare_cached("SELECT sealed FROM hotlist_pages WHERE list = ? AND page = ?")
        .doing(DOING)?;
    let at = i64::try_from(number).unwrap_or(i64::MAX);
    let sealed: Option<Vec<u8>> = statement
        .query_row(params![id.as_str(), at], |row| row.get(0))
        .optional()
        .doing(DOING)?;
    let Some(sealed) = sealed else {
        return Ok(None);
    };
    let plain = key
        .open(&place(id, number), &sealed)
        .map_err(|_| damaged())?;
    let entries = serde_json::from_slice(&plain).map_err(|_| damaged())?;
    Ok(Some(entries))
}

/// One plate, by its number on the list.
///
/// # Errors
/// [`StoreError`].
pub fn entry(
    main: &Connection,
    key: &Key,
    id: &ListId,
    number: usize,
) -> Result<Option<Entry>, StoreError> {
    let page = page(main, key, id, number / PAGE_ENTRIES)?;
    Ok(page.and_then(|entries| entries.into_iter().nth(number % PAGE_ENTRIES)))
}
