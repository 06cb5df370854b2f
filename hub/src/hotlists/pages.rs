//! The plates of a list, sealed in pages. This module owns the tables `hotlist_pages` and
//! `hotlist_changes`.
//!
//! An import is written page by page beside the pages that hold, a few at a time, and then adopted
//! at once: whoever else writes never waits for more than a few pages. Whoever has the disk without
//! the store key, or a copy of it without the list's key, learns how many plates a list has, by the
//! thousand.

use serde::{Deserialize, Serialize};
use varco_proto::plate::PlateText;
use varco_proto::time::UtcTime;

use super::list::{self, ListError, ListId};
use crate::store::sql::{Connection, OptionalExtension as _, params};
use crate::store::{Doing as _, StoreError};
use varco_proto::cipher::Key;

/// Plates in a page.
pub const PAGE_ENTRIES: usize = 1024;
/// Page numbers kept free behind an import, for plates that are added singly.
const PAGES_FREE: i64 = 4096;

/// A plate that is waited for.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct HotlistEntry {
    /// Normal form.
    #[serde(rename = "p")]
    pub plate: PlateText,
    /// Where it is registered, ISO 3166-1 alpha-2, when the list says so. Evidence, never a filter.
    #[serde(rename = "c", default, skip_serializing_if = "Option::is_none")]
    pub country: Option<String>,
    /// What the list says of it: why, what to do.
    #[serde(rename = "n", default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// The plate as the list writes it, where letters were folded.
    #[serde(rename = "o", default, skip_serializing_if = "Option::is_none")]
    pub original: Option<String>,
    /// From when it is waited for, unless that is the list's own.
    #[serde(rename = "f", default, skip_serializing_if = "Option::is_none")]
    pub valid_from: Option<UtcTime>,
    /// Until when, unless that is the list's own.
    #[serde(rename = "t", default, skip_serializing_if = "Option::is_none")]
    pub valid_to: Option<UtcTime>,
}

/// Where a list's pages lie: `count` of them from `first` on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Extent {
    /// Number of the first.
    pub first: i64,
    /// How many.
    pub count: i64,
}

impl Extent {
    /// The numbers of its pages.
    pub fn numbers(self) -> std::ops::Range<i64> {
        self.first..self.first.saturating_add(self.count)
    }

    /// The number of an entry among the list's.
    #[must_use]
    pub fn entry_number(self, page: i64, within: usize) -> u32 {
        let before = usize::try_from(page - self.first).unwrap_or(usize::MAX);
        u32::try_from(before.saturating_mul(PAGE_ENTRIES) + within).unwrap_or(u32::MAX)
    }

    /// On which page an entry stands.
    #[must_use]
    pub fn page_of(self, entry_number: u32) -> i64 {
        let per_page = u32::try_from(PAGE_ENTRIES).unwrap_or(u32::MAX);
        self.first + i64::from(entry_number / per_page)
    }
}

fn place(list: &ListId, page: i64) -> Vec<u8> {
    format!("hotlist {list} page {page}").into_bytes()
}

fn damaged() -> StoreError {
    StoreError::Damaged {
        what: "hotlist's plates",
    }
}

/// Where an open list's pages lie.
///
/// # Errors
/// [`ListError::Unknown`], [`ListError::Store`].
pub fn extent(main: &Connection, id: &ListId) -> Result<Extent, ListError> {
    let found = main
        .prepare_cached(
            "SELECT first_page, pages FROM hotlists WHERE id = ? AND closed_at_us IS NULL",
        )
        .and_then(|mut statement| {
            let mut row = statement.query_map([id.as_str()], |row| {
                Ok(Extent {
                    first: row.get(0)?,
                    count: row.get(1)?,
                })
            })?;
            row.next().transpose()
        })
        .doing("find the hotlist's pages")?;
    found.ok_or_else(|| ListError::Unknown(id.clone()))
}

/// Keeps page numbers for an import that nobody else uses.
///
/// # Errors
/// [`ListError::Unknown`], [`ListError::Store`].
pub fn reserve(main: &Connection, id: &ListId, count: i64) -> Result<Extent, ListError> {
    let first = main
        .query_row(
            "UPDATE hotlists SET next_page = max(next_page, first_page + pages + ?3) + ?2
             WHERE id = ?1 AND closed_at_us IS NULL RETURNING next_page - ?2",
            params![id.as_str(), count + PAGES_FREE, PAGES_FREE],
            |row| row.get(0),
        )
        .optional()
        .doing("make room for the hotlist's plates")?;
    let first = first.ok_or_else(|| ListError::Unknown(id.clone()))?;
    Ok(Extent { first, count })
}

/// Seals a page.
///
/// # Errors
/// [`StoreError::Damaged`] when it cannot be sealed.
pub fn sealed(
    key: &Key,
    id: &ListId,
    number: i64,
    entries: &[HotlistEntry],
) -> Result<Vec<u8>, StoreError> {
    let plain = serde_json::to_vec(entries).map_err(|_| damaged())?;
    key.seal(&place(id, number), &plain).map_err(|_| damaged())
}

/// Writes sealed pages.
///
/// # Errors
/// [`StoreError`].
pub fn write(main: &Connection, id: &ListId, pages: &[(i64, Vec<u8>)]) -> Result<(), StoreError> {
    const DOING: &str = "store the hotlist's plates";
    let mut statement = main
        .prepare_cached(
            "INSERT OR REPLACE INTO hotlist_pages (list, page, sealed) VALUES (?, ?, ?)",
        )
        .doing(DOING)?;
    for (number, sealed) in pages {
        statement
            .execute(params![id.as_str(), number, sealed])
            .doing(DOING)?;
    }
    Ok(())
}

/// Seals all pages of a list, also those that are not adopted yet, under another key. What does not open
/// stays as it is: it opened before neither.
///
/// # Errors
/// [`StoreError`].
pub(super) fn seal_anew(
    main: &Connection,
    id: &ListId,
    before: &Key,
    key: &Key,
) -> Result<(), StoreError> {
    const DOING: &str = "seal a hotlist's plates anew";
    let numbers: Vec<i64> = main
        .prepare_cached("SELECT page FROM hotlist_pages WHERE list = ?")
        .and_then(|mut statement| {
            let numbers = statement.query_map([id.as_str()], |row| row.get(0))?;
            numbers.collect()
        })
        .doing(DOING)?;
    for number in numbers {
        let place = place(id, number);
        let sealed = raw(main, id, number)?.ok_or_else(damaged)?;
        let Ok(plain) = before.open(&place, &sealed) else {
            tracing::error!(list = %id, "plates of a hotlist do not open; import it again");
            continue;
        };
        let sealed = key.seal(&place, &plain).map_err(StoreError::Key)?;
        write(main, id, &[(number, sealed)])?;
    }
    Ok(())
}

/// Puts pages that were written before in the place of all that the list had; false when they are
/// not all there.
///
/// # Errors
/// [`ListError::Unknown`], [`ListError::Store`].
pub fn adopt(
    main: &Connection,
    id: &ListId,
    extent: Extent,
    entries: usize,
    now: UtcTime,
) -> Result<bool, ListError> {
    const DOING: &str = "take the hotlist's plates";
    let range = extent.numbers();
    let there: i64 = main
        .query_row(
            "SELECT count(*) FROM hotlist_pages WHERE list = ? AND page >= ? AND page < ?",
            params![id.as_str(), range.start, range.end],
            |row| row.get(0),
        )
        .doing(DOING)?;
    if there != extent.count {
        return Ok(false);
    }
    let taken = main
        .execute(
            "UPDATE hotlists SET first_page = ?, pages = ?, entries = ?, imported_at_us = ?
             WHERE id = ? AND closed_at_us IS NULL",
            params![
                extent.first,
                extent.count,
                i64::try_from(entries).unwrap_or(i64::MAX),
                now.unix_us(),
                id.as_str()
            ],
        )
        .doing(DOING)?;
    if taken == 0 {
        return Err(ListError::Unknown(id.clone()));
    }
    main.execute("DELETE FROM hotlist_changes WHERE list = ?", [id.as_str()])
        .doing(DOING)?;
    list::bump(main)?;
    Ok(true)
}

/// Pages of a list that were rewritten singly.
#[derive(Debug)]
pub struct Rewritten {
    /// Where the list's pages lie then.
    pub extent: Extent,
    /// Its entries then.
    pub entries: i64,
    /// The pages.
    pub pages: Vec<(i64, Vec<u8>)>,
}

/// Writes pages that single plates changed.
///
/// # Errors
/// [`ListError::Unknown`], [`ListError::Store`].
pub fn rewrite(
    main: &Connection,
    id: &ListId,
    rewritten: &Rewritten,
    now: UtcTime,
) -> Result<(), ListError> {
    const DOING: &str = "change the hotlist's plates";
    let changed = main
        .execute(
            "UPDATE hotlists SET first_page = ?, pages = ?, entries = ?,
                imported_at_us = coalesce(imported_at_us, ?)
             WHERE id = ? AND closed_at_us IS NULL",
            params![
                rewritten.extent.first,
                rewritten.extent.count,
                rewritten.entries,
                now.unix_us(),
                id.as_str()
            ],
        )
        .doing(DOING)?;
    if changed == 0 {
        return Err(ListError::Unknown(id.clone()));
    }
    write(main, id, &rewritten.pages)?;
    list::bump(main)?;
    let version = list::version(main)?;
    for (page, _) in &rewritten.pages {
        main.execute(
            "INSERT OR REPLACE INTO hotlist_changes (list, page, version) VALUES (?, ?, ?)",
            params![id.as_str(), page, version],
        )
        .doing(DOING)?;
    }
    Ok(())
}

/// Pages that were rewritten singly after a version.
///
/// # Errors
/// [`StoreError`].
pub fn changed_since(main: &Connection, id: &ListId, version: i64) -> Result<Vec<i64>, StoreError> {
    main.prepare_cached("SELECT page FROM hotlist_changes WHERE list = ? AND version > ?")
        .and_then(|mut statement| {
            let rows = statement.query_map(params![id.as_str(), version], |row| row.get(0))?;
            rows.collect()
        })
        .doing("see which of the hotlist's plates changed")
}

/// Destroys up to `most` pages of a range that no list holds, and says how many it found.
///
/// # Errors
/// [`StoreError`].
pub fn destroy(
    main: &Connection,
    id: &ListId,
    range: std::ops::Range<i64>,
    most: usize,
) -> Result<usize, StoreError> {
    main.execute(
        "DELETE FROM hotlist_pages WHERE rowid IN (
            SELECT hotlist_pages.rowid FROM hotlist_pages JOIN hotlists ON id = list
            WHERE list = ?1 AND page >= ?2 AND page < ?3
                AND (page < first_page OR page >= first_page + pages) LIMIT ?4)",
        params![
            id.as_str(),
            range.start,
            range.end,
            i64::try_from(most).unwrap_or(i64::MAX)
        ],
    )
    .doing("destroy plates that a hotlist no longer has")
}

/// One page's plates, in the order of the import.
///
/// # Errors
/// [`StoreError`]; above all when it does not open.
pub fn page(
    main: &Connection,
    key: &Key,
    id: &ListId,
    number: i64,
) -> Result<Option<Vec<HotlistEntry>>, StoreError> {
    let Some(sealed) = raw(main, id, number)? else {
        return Ok(None);
    };
    let plain = key
        .open(&place(id, number), &sealed)
        .map_err(|_| damaged())?;
    let entries = serde_json::from_slice(&plain).map_err(|_| damaged())?;
    Ok(Some(entries))
}

/// One page, sealed.
fn raw(main: &Connection, id: &ListId, number: i64) -> Result<Option<Vec<u8>>, StoreError> {
    const DOING: &str = "read the hotlist's plates";
    let mut statement = main
        .prepare_cached("SELECT sealed FROM hotlist_pages WHERE list = ? AND page = ?")
        .doing(DOING)?;
    let sealed = statement.query_row(params![id.as_str(), number], |row| row.get(0));
    sealed.optional().doing(DOING)
}

/// One page's plates, where it must be there.
///
/// # Errors
/// [`StoreError`].
pub fn expect(
    main: &Connection,
    key: &Key,
    id: &ListId,
    number: i64,
) -> Result<Vec<HotlistEntry>, StoreError> {
    page(main, key, id, number)?.ok_or_else(damaged)
}

/// One plate, by its number on the list.
///
/// # Errors
/// [`StoreError`].
pub fn entry(
    main: &Connection,
    key: &Key,
    id: &ListId,
    extent: Extent,
    number: u32,
) -> Result<Option<HotlistEntry>, StoreError> {
    let page_number = extent.page_of(number);
    let page = page(main, key, id, page_number)?;
    let before = extent.entry_number(page_number, 0);
    let within = usize::try_from(number - before).unwrap_or(usize::MAX);
    Ok(page.and_then(|entries| entries.into_iter().nth(within)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(plate: &str) -> HotlistEntry {
        HotlistEntry {
            plate: plate.parse().unwrap(),
            country: None,
            note: None,
            original: None,
            valid_from: None,
            valid_to: None,
        }
    }

    #[test]
    fn the_plates_of_an_older_home_stay_and_imports_lie_apart() {
        let main = Connection::open_in_memory().unwrap();
        main.execute_batch(list::SCHEMA).unwrap();
        main.execute_batch(
            "INSERT INTO hotlists (id, name, reason, owner, purpose, case_reference, priority,
                near, valid_from_us, valid_to_us, seen_by, made_at_us, entries)
             VALUES ('rubate', 'a', 'b', 'c', 'public-safety', 'd', 1, 0, 0, 1, '[]', 0, 1)",
        )
        .unwrap();
        let (id, key): (ListId, _) = ("rubate".parse().unwrap(), Key::random().unwrap());
        let page = sealed(&key, &id, 0, &[entry("AB123CD")]).unwrap();
        write(&main, &id, &[(0, page)]).unwrap();
        main.execute_batch(list::SCHEMA_EXTENT).unwrap();
        let held = extent(&main, &id).unwrap();
        assert_eq!(held, Extent { first: 0, count: 1 });
        assert_eq!(expect(&main, &key, &id, 0).unwrap(), [entry("AB123CD")]);
        let first = reserve(&main, &id, 3).unwrap();
        let second = reserve(&main, &id, 2).unwrap();
        assert!(held.numbers().end + PAGES_FREE <= first.first);
        assert!(first.numbers().end + PAGES_FREE <= second.first);
        let late = adopt(&main, &id, first, 3, UtcTime::from_unix_us(5));
        assert!(!late.unwrap(), "its pages are not there");
        assert_eq!(extent(&main, &id).unwrap(), held);
        assert_eq!(
            destroy(&main, &id, 0..i64::MAX, 9).unwrap(),
            0,
            "it holds them"
        );
    }

    #[test]
    fn an_entry_is_found_by_its_number() {
        let extent = Extent {
            first: 40,
            count: 3,
        };
        let number = extent.entry_number(42, 5);
        assert_eq!((number, extent.page_of(number)), (2053, 42));
    }
}
