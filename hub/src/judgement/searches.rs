//! The table of searches: noting one, and forgetting what is older than the memory. Reading is in `past`.

use varco_proto::time::UtcTime;

use super::rule::{Mark, SearchOf, Verdict};
use crate::store::sql::{Connection, params};
use crate::store::{Doing as _, StoreError};

/// Rows that one round forgets, so that nobody waits for it.
const FORGOTTEN_AT_ONCE: usize = 20_000;

/// A search as it is noted.
#[derive(Debug, Clone, Copy)]
pub struct NotedSearch<'a> {
    /// Who.
    pub person: Mark,
    /// By the hub's clock.
    pub at: UtcTime,
    /// What for.
    pub of: SearchOf,
    /// What was asked, letter by letter.
    pub exact: Mark,
    /// Under which reference.
    pub reference: Mark,
    /// For which purpose.
    pub purpose: &'a str,
    /// How many transits were shown.
    pub shown: u64,
    /// Plates in a row up to this one.
    pub run: u32,
    /// When the reference's case last grew, as far as it is known.
    pub grown_at: Option<UtcTime>,
}

/// Notes a search, answered or stopped: whoever goes on trying is not forgotten.
///
/// # Errors
/// [`StoreError`]; the caller rolls back.
pub fn note(
    main: &Connection,
    search: &NotedSearch<'_>,
    verdict: &Verdict,
) -> Result<(), StoreError> {
    const DOING: &str = "note a search";
    let sql =
        "INSERT INTO searches (person, at_us, plate, exact, reference, purpose, shown, off_duty,
        stopped, looks, run, grown_at_us) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
    let shown = i64::try_from(search.shown);
    let shown = shown.map_err(|_| StoreError::Damaged { what: "count" })?;
    let values = params![
        search.person,
        search.at.unix_us(),
        match search.of {
            SearchOf::Plate(plate) => Some(plate),
            SearchOf::Wide(_) => None,
        },
        search.exact,
        search.reference,
        search.purpose,
        shown,
        verdict.is_off_duty,
        verdict.needs_second.is_some(),
        verdict.looks(),
        search.run,
        search.grown_at.map(UtcTime::unix_us),
    ];
    let mut statement = main.prepare_cached(sql).doing(DOING)?;
    statement.execute(values).doing(DOING)?;
    Ok(())
}

/// Destroys what is older than that. Gives how many rows went; more may be left when it is
/// [`is_more_left`].
///
/// # Errors
/// [`StoreError`].
pub fn forget(main: &Connection, before: UtcTime) -> Result<usize, StoreError> {
    const DOING: &str = "forget old searches";
    let sql = format!(
        "DELETE FROM searches WHERE number IN
             (SELECT number FROM searches WHERE at_us < ? ORDER BY at_us LIMIT {FORGOTTEN_AT_ONCE})"
    );
    let gone = main.execute(&sql, [before.unix_us()]).doing(DOING)?;
    let sql = "DELETE FROM duty_hours WHERE to_us < ?";
    main.execute(sql, [before.unix_us()]).doing(DOING)?;
    Ok(gone)
}

/// Whether a round of so many may have left some.
#[must_use]
pub fn is_more_left(gone: usize) -> bool {
    gone >= FORGOTTEN_AT_ONCE
}
