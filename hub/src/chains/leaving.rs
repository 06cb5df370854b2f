//! The chains leaving the home for another store: all of them are read, and then let go.

use crate::store::sql::{Connection, Error, Row, params};
use crate::store::{Doing as _, StoreError};

const DOING: &str = "read the chains";

/// Where a chain stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeavingHead {
    /// Whose.
    pub edge: String,
    /// Highest sequence known.
    pub sequence: i64,
    /// Its digest.
    pub digest: Vec<u8>,
    /// When it came, in microseconds.
    pub received_at_us: i64,
    /// How far its links are let go.
    pub pruned_through: i64,
}

/// Records that are missing, or that an edge let go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeavingGap {
    /// Whose.
    pub edge: String,
    /// First of them.
    pub first: i64,
    /// Last of them.
    pub last: i64,
    /// How many never came.
    pub missing: i64,
    /// Since when, in microseconds; none for what the edge let go.
    pub opened_at_us: Option<i64>,
    /// When the last of them came, in microseconds.
    pub closed_at_us: Option<i64>,
}

/// Where every chain stands.
///
/// # Errors
/// [`StoreError`].
pub fn heads(main: &Connection) -> Result<Vec<LeavingHead>, StoreError> {
    all(
        main,
        "SELECT edge, sequence, digest, received_at_us, pruned_through FROM heads",
        |row| {
            Ok(LeavingHead {
                edge: row.get(0)?,
                sequence: row.get(1)?,
                digest: row.get(2)?,
                received_at_us: row.get(3)?,
                pruned_through: row.get(4)?,
            })
        },
    )
}

/// Every gap, and what the edges let go.
///
/// # Errors
/// [`StoreError`].
pub fn gaps(main: &Connection) -> Result<Vec<LeavingGap>, StoreError> {
    all(
        main,
        "SELECT edge, first, last, missing, opened_at_us, closed_at_us FROM gaps
         UNION ALL SELECT edge, first, last, missing, NULL, NULL FROM dropped",
        |row| {
            Ok(LeavingGap {
                edge: row.get(0)?,
                first: row.get(1)?,
                last: row.get(2)?,
                missing: row.get(3)?,
                opened_at_us: row.get(4)?,
                closed_at_us: row.get(5)?,
            })
        },
    )
}

fn all<T>(
    main: &Connection,
    sql: &str,
    of: impl Fn(&Row<'_>) -> Result<T, Error>,
) -> Result<Vec<T>, StoreError> {
    let mut statement = main.prepare(sql).doing(DOING)?;
    let rows = statement.query_map([], |row| of(row)).doing(DOING)?;
    rows.map(|row| row.doing(DOING)).collect()
}

/// A link; times are microseconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeavingLink {
    /// Whose.
    pub edge: String,
    /// Its place.
    pub sequence: i64,
    /// Its digest.
    pub digest: Vec<u8>,
    /// The digest that it follows.
    pub previous: Vec<u8>,
    /// By the edge's clock.
    pub captured_at_us: i64,
    /// By the hub's clock.
    pub received_at_us: i64,
    /// Whether it was stored.
    pub stored: bool,
    /// What it is.
    pub kind: String,
}

/// So many links of one edge behind a place, in their order.
///
/// # Errors
/// [`StoreError`].
pub fn links(
    main: &Connection,
    edge: &str,
    after: i64,
    most: u32,
) -> Result<Vec<LeavingLink>, StoreError> {
    let mut statement = main
        .prepare_cached(
            "SELECT edge, sequence, digest, previous, captured_at_us, received_at_us, stored, kind
             FROM chain WHERE edge = ?1 AND sequence > ?2 ORDER BY sequence LIMIT ?3",
        )
        .doing(DOING)?;
    let rows = statement
        .query_map(params![edge, after, most], |row| {
            Ok(LeavingLink {
                edge: row.get(0)?,
                sequence: row.get(1)?,
                digest: row.get(2)?,
                previous: row.get(3)?,
                captured_at_us: row.get(4)?,
                received_at_us: row.get(5)?,
                stored: row.get(6)?,
                kind: row.get(7)?,
            })
        })
        .doing(DOING)?;
    rows.map(|row| row.doing(DOING)).collect()
}

/// Lets all chains go, in the caller's transaction: another store has them.
///
/// # Errors
/// [`StoreError`].
pub fn let_go(main: &Connection) -> Result<(), StoreError> {
    main.execute_batch(
        "DELETE FROM chain_recent; DELETE FROM chain_settled; DELETE FROM heads; DELETE FROM gaps;
         DELETE FROM dropped; UPDATE chain_turn SET turn = turn + 1;",
    )
    .doing("let the chains go")
}
