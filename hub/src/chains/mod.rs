//! Every edge's chain as the hub knows it, and its gaps.
//!
//! This module owns the tables `chain_settled`, `chain_recent`, `chain_turn`, `heads`, `gaps` and
//! `dropped`, and the view `chain`. They hold no plate: a chain outlives its transits, so that
//! what was destroyed at its term is not asked for again.
//!
//! A link is appended to `chain_recent`, in the order of arrival, and later moved to the keyed
//! `chain_settled` with the others of its edge: with a thousand edges each row written where its
//! key says would dirty a page of its own, a run of them dirties two. `heads` says where each
//! chain stands and what of it stands where; [`heads::Heads`] is the same in memory.

pub mod heads;
pub mod leaving;
pub mod ledger;
pub mod links;
pub mod place;
#[cfg(test)]
mod properties;
pub mod prune;
pub mod ranges;
mod settled;

pub(crate) use settled::without;

use std::collections::HashMap;

use varco_proto::ids::{Digest, EdgeId};
use varco_proto::time::UtcTime;

use crate::store::sql::{Connection, OptionalExtension as _, params};
use crate::store::{Doing as _, StoreError};

/// The tables, for [`crate::store::migrate`].
pub const SCHEMA: &str = "
    CREATE TABLE chain (
        edge TEXT NOT NULL,
        sequence INTEGER NOT NULL CHECK (sequence > 0),
        digest BLOB NOT NULL CHECK (length(digest) = 32),
        previous BLOB NOT NULL CHECK (length(previous) = 32),
        captured_at_us INTEGER NOT NULL,
        received_at_us INTEGER NOT NULL,
        stored INTEGER NOT NULL CHECK (stored IN (0, 1)),
        PRIMARY KEY (edge, sequence)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE gaps (
        edge TEXT NOT NULL,
        first INTEGER NOT NULL,
        last INTEGER NOT NULL CHECK (last >= first),
        missing INTEGER NOT NULL,
        opened_at_us INTEGER NOT NULL,
        closed_at_us INTEGER,
        PRIMARY KEY (edge, first)
    ) STRICT, WITHOUT ROWID;";

/// What each record is: only transits are looked for in the days.
pub const SCHEMA_KIND: &str = "
    ALTER TABLE chain ADD COLUMN kind TEXT NOT NULL DEFAULT 'transit'
        CHECK (kind IN ('transit', 'tamper'));";

/// What an edge says that it let go, in ranges that do not overlap; `missing` of them never came.
/// The chain's kinds know the report.
pub const SCHEMA_DROPPED: &str = "
    CREATE TABLE dropped (
        edge TEXT NOT NULL,
        first INTEGER NOT NULL,
        last INTEGER NOT NULL CHECK (last >= first),
        missing INTEGER NOT NULL,
        PRIMARY KEY (edge, first)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE chain_of_kinds (
        edge TEXT NOT NULL,
        sequence INTEGER NOT NULL CHECK (sequence > 0),
        digest BLOB NOT NULL CHECK (length(digest) = 32),
        previous BLOB NOT NULL CHECK (length(previous) = 32),
        captured_at_us INTEGER NOT NULL,
        received_at_us INTEGER NOT NULL,
        stored INTEGER NOT NULL CHECK (stored IN (0, 1)),
        kind TEXT NOT NULL CHECK (kind IN ('transit', 'tamper', 'drops')),
        PRIMARY KEY (edge, sequence)
    ) STRICT, WITHOUT ROWID;
    INSERT INTO chain_of_kinds SELECT edge, sequence, digest, previous, captured_at_us,
        received_at_us, stored, kind FROM chain;
    DROP TABLE chain;
    ALTER TABLE chain_of_kinds RENAME TO chain;";

/// Where each chain stands, and the links that are not in the keyed table yet.
///
/// Of `chain_recent` only what lies beyond its edge's `settled_through` counts: the rest was moved
/// and waits to be trimmed. `chain_turn` counts the writer's batches, so that a writer notices
/// when its memory is not what the tables say.
pub const SCHEMA_RECENT: &str = "
    ALTER TABLE chain RENAME TO chain_settled;
    CREATE TABLE heads (
        edge TEXT PRIMARY KEY,
        sequence INTEGER NOT NULL CHECK (sequence > 0),
        digest BLOB NOT NULL CHECK (length(digest) = 32),
        received_at_us INTEGER NOT NULL,
        settled_through INTEGER NOT NULL,
        pruned_through INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    INSERT INTO heads SELECT edge, top, digest, received_at_us, top, 0 FROM
        (SELECT edge, max(sequence) AS top, digest, received_at_us FROM chain_settled
         GROUP BY edge);
    CREATE TABLE chain_recent (
        row INTEGER PRIMARY KEY,
        edge TEXT NOT NULL,
        sequence INTEGER NOT NULL CHECK (sequence > 0),
        digest BLOB NOT NULL CHECK (length(digest) = 32),
        previous BLOB NOT NULL CHECK (length(previous) = 32),
        captured_at_us INTEGER NOT NULL,
        received_at_us INTEGER NOT NULL,
        stored INTEGER NOT NULL CHECK (stored IN (0, 1)),
        kind TEXT NOT NULL CHECK (kind IN ('transit', 'tamper', 'drops'))
    ) STRICT;
    CREATE TABLE chain_turn (
        one INTEGER PRIMARY KEY CHECK (one = 1),
        turn INTEGER NOT NULL
    ) STRICT;
    INSERT INTO chain_turn VALUES (1, 0);
    CREATE VIEW chain AS
        SELECT edge, sequence, digest, previous, captured_at_us, received_at_us, stored, kind
        FROM chain_settled
        UNION ALL
        SELECT r.edge, r.sequence, r.digest, r.previous, r.captured_at_us, r.received_at_us,
            r.stored, r.kind
        FROM chain_recent AS r JOIN heads AS h
            ON h.edge = r.edge AND r.sequence > h.settled_through;";

/// A sequence that is looked for, or that an edge says it let go: one that it made up may be higher than
/// any chain gets, must hold up no batch, and finds nothing. What stands in a chain is judged before.
pub(crate) fn place(sequence: u64) -> i64 {
    // It finds nothing there.
    i64::try_from(sequence).unwrap_or(i64::MAX)
}

/// A sequence as its column has it.
pub(crate) fn column(sequence: u64) -> Result<i64, StoreError> {
    i64::try_from(sequence).map_err(|_| StoreError::Damaged { what: "chain" })
}

/// A sequence from its column.
pub(crate) fn whole(column: i64) -> Result<u64, StoreError> {
    u64::try_from(column).map_err(|_| StoreError::Damaged { what: "chain" })
}

/// A digest from its column.
pub(crate) fn digest(bytes: &[u8]) -> Result<Digest, StoreError> {
    Digest::try_from(bytes).map_err(|_| StoreError::Damaged { what: "chain" })
}

/// Where an edge's chain stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ChainState {
    /// Highest sequence known.
    pub head: u64,
    /// Records missing before it, without those that the edge let go.
    pub missing: u64,
    /// Records that the edge let go, as it says itself, and that never came.
    pub dropped: u64,
    /// When the newest record came; none before the first.
    pub received_at: Option<UtcTime>,
}

/// Where an edge's chain stands.
///
/// # Errors
/// [`StoreError`].
pub fn state(main: &Connection, edge: &EdgeId) -> Result<ChainState, StoreError> {
    const DOING: &str = "read the chain's state";
    let head: Option<(i64, i64)> = main
        .prepare_cached("SELECT sequence, received_at_us FROM heads WHERE edge = ?")
        .and_then(|mut statement| {
            statement
                .query_row([edge.as_str()], |row| Ok((row.get(0)?, row.get(1)?)))
                .optional()
        })
        .doing(DOING)?;
    let missing: i64 = main
        .query_row(
            "SELECT coalesce(sum(missing), 0) FROM gaps WHERE edge = ? AND closed_at_us IS NULL",
            [edge.as_str()],
            |row| row.get(0),
        )
        .doing(DOING)?;
    let dropped: i64 = main
        .query_row(
            "SELECT coalesce(sum(missing), 0) FROM dropped WHERE edge = ?",
            [edge.as_str()],
            |row| row.get(0),
        )
        .doing(DOING)?;
    Ok(ChainState {
        head: head.map_or(Ok(0), |(sequence, _)| whole(sequence))?,
        missing: whole(missing)?,
        dropped: whole(dropped)?,
        received_at: head.map(|(_, at)| UtcTime::from_unix_us(at)),
    })
}

/// Whether the main database has the chain of any edge.
///
/// # Errors
/// [`StoreError`].
pub fn is_here(main: &Connection) -> Result<bool, StoreError> {
    main.query_row("SELECT EXISTS (SELECT 1 FROM heads)", [], |row| row.get(0))
        .doing("look for chains")
}

/// The links that were not in the keyed table when this was read, for looking many up. A link
/// that moves meanwhile is found here still.
#[derive(Debug)]
pub struct Recent(HashMap<(String, i64), Vec<u8>>);

impl Recent {
    /// Reads them.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn read(main: &Connection) -> Result<Self, StoreError> {
        const DOING: &str = "read the recent links";
        let mut statement = main
            .prepare(
                "SELECT r.edge, r.sequence, r.digest FROM chain_recent AS r JOIN heads AS h
                    ON h.edge = r.edge AND r.sequence > h.settled_through
                 WHERE r.stored = 1",
            )
            .doing(DOING)?;
        let rows = statement
            .query_map([], |row| {
                Ok(((row.get(0)?, row.get(1)?), row.get::<_, Vec<u8>>(2)?))
            })
            .doing(DOING)?;
        let links: Result<_, _> = rows.collect();
        Ok(Self(links.doing(DOING)?))
    }

    /// The digest under which a stored record stands in its edge's chain.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn stored_digest(
        &self,
        main: &Connection,
        edge: &str,
        sequence: i64,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        if let Some(digest) = self.0.get(&(edge.to_owned(), sequence)) {
            return Ok(Some(digest.clone()));
        }
        main.prepare_cached(
            "SELECT digest FROM chain_settled WHERE edge = ? AND sequence = ? AND stored = 1",
        )
        .and_then(|mut statement| {
            statement
                .query_row(params![edge, sequence], |row| row.get(0))
                .optional()
        })
        .doing("read the edge's chain")
    }
}

/// A stored record of a chain, for checking that its transit is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredLink {
    /// Whose.
    pub edge: String,
    /// Its place.
    pub sequence: i64,
    /// Its digest.
    pub digest: Vec<u8>,
    /// When its transit was captured.
    pub captured_at: UtcTime,
}

/// Hands every stored transit that was captured since a moment to `each`: those of the keyed
/// table by edge and sequence, then the others. The caller's transaction makes both one view.
///
/// # Errors
/// [`StoreError`].
pub fn for_each_stored(
    main: &Connection,
    since: UtcTime,
    mut each: impl FnMut(StoredLink) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    const DOING: &str = "read the chains";
    const WANTED: &str = "stored = 1 AND kind = 'transit' AND captured_at_us >= ?";
    // One statement over both would sort them all.
    for sql in [
        format!(
            "SELECT edge, sequence, digest, captured_at_us FROM chain_settled WHERE {WANTED}
             ORDER BY edge, sequence"
        ),
        format!(
            "SELECT r.edge, r.sequence, r.digest, captured_at_us FROM chain_recent AS r
             JOIN heads AS h ON h.edge = r.edge AND r.sequence > h.settled_through
             WHERE {WANTED} ORDER BY row"
        ),
    ] {
        let mut statement = main.prepare(&sql).doing(DOING)?;
        let mut rows = statement.query([since.unix_us()]).doing(DOING)?;
        while let Some(row) = rows.next().doing(DOING)? {
            each(StoredLink {
                edge: row.get(0).doing(DOING)?,
                sequence: row.get(1).doing(DOING)?,
                digest: row.get(2).doing(DOING)?,
                captured_at: UtcTime::from_unix_us(row.get(3).doing(DOING)?),
            })?;
        }
    }
    Ok(())
}
