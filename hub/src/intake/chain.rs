//! Every edge's chain as the hub knows it, and its gaps.
//!
//! This module owns the tables `chain`, `gaps` and `dropped`. They hold no plate: a chain outlives
//! its transits, so that what was destroyed at its term is not asked for again.

use varco_proto::drops::SequenceRange;
use varco_proto::envelope::Verified;
use varco_proto::ids::{Digest, EdgeId};
use varco_proto::record::{Record, RecordBody};
use varco_proto::time::UtcTime;

use super::judge::{Around, Link, Missing};
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

fn column(sequence: u64) -> i64 {
    i64::try_from(sequence).unwrap_or(i64::MAX)
}

fn digest(bytes: &[u8]) -> Result<Digest, StoreError> {
    Digest::try_from(bytes).map_err(|_| StoreError::Damaged { what: "chain" })
}

/// What is known around a place in an edge's chain.
///
/// # Errors
/// [`StoreError`].
pub fn around(main: &Connection, edge: &EdgeId, sequence: u64) -> Result<Around, StoreError> {
    const DOING: &str = "read the edge's chain";
    let mut around = Around {
        head: head(main, edge)?,
        ..Around::default()
    };
    let mut statement = main
        .prepare_cached(
            "SELECT sequence, digest, previous, stored FROM chain
             WHERE edge = ?1 AND sequence BETWEEN ?2 - 1 AND ?2 + 1",
        )
        .doing(DOING)?;
    let place = column(sequence);
    let mut rows = statement
        .query(params![edge.as_str(), place])
        .doing(DOING)?;
    while let Some(row) = rows.next().doing(DOING)? {
        let found: i64 = row.get(0).doing(DOING)?;
        let own = digest(&row.get::<_, Vec<u8>>(1).doing(DOING)?)?;
        match found.cmp(&place) {
            std::cmp::Ordering::Less => around.before = Some(own),
            std::cmp::Ordering::Equal => {
                let stored = row.get(3).doing(DOING)?;
                around.here = Some(Link {
                    digest: own,
                    stored,
                });
            }
            std::cmp::Ordering::Greater => {
                let previous = row.get::<_, Vec<u8>>(2).doing(DOING)?;
                around.after_follows = Some(digest(&previous)?);
            }
        }
    }
    Ok(around)
}

/// The highest sequence known of an edge; 0 for none.
///
/// # Errors
/// [`StoreError`].
pub fn head(main: &Connection, edge: &EdgeId) -> Result<u64, StoreError> {
    let mut statement = main
        .prepare_cached("SELECT coalesce(max(sequence), 0) FROM chain WHERE edge = ?")
        .doing("read the chain's head")?;
    let head: i64 = statement
        .query_row([edge.as_str()], |row| row.get(0))
        .doing("read the chain's head")?;
    Ok(u64::try_from(head).unwrap_or(0))
}

/// Notes a record in its edge's chain, and closes or narrows the gap that it fills.
///
/// # Errors
/// [`StoreError`].
pub fn note(
    main: &Connection,
    verified: &Verified<Record>,
    stored: bool,
    now: UtcTime,
) -> Result<(), StoreError> {
    let record = verified.value();
    let kind = match &record.body {
        RecordBody::Transit(_) => "transit",
        RecordBody::Tamper(_) => "tamper",
        RecordBody::Drops(_) => "drops",
    };
    let mut statement = main
        .prepare_cached(
            "INSERT INTO chain
             (edge, sequence, digest, previous, captured_at_us, received_at_us, stored, kind)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
        )
        .doing("note the record in its chain")?;
    let added = statement
        .execute(params![
            record.edge.as_str(),
            column(record.sequence),
            verified.digest().as_bytes(),
            record.previous.as_bytes(),
            record.body.at().unix_us(),
            now.unix_us(),
            stored,
            kind,
        ])
        .doing("note the record in its chain")?;
    if added == 0 {
        // Refused before, and taken now: its place was known.
        main.execute(
            "UPDATE chain SET stored = ?3, received_at_us = ?4 WHERE edge = ?1 AND sequence = ?2",
            params![
                record.edge.as_str(),
                column(record.sequence),
                stored,
                now.unix_us()
            ],
        )
        .doing("note that the record is stored")?;
        return Ok(());
    }
    main.prepare_cached(
        "UPDATE gaps SET missing = missing - 1,
             closed_at_us = CASE WHEN missing = 1 THEN ?3 END
         WHERE edge = ?1 AND closed_at_us IS NULL AND ?2 BETWEEN first AND last
             AND NOT EXISTS (SELECT 1 FROM dropped AS d
                 WHERE d.edge = ?1 AND ?2 BETWEEN d.first AND d.last)",
    )
    .and_then(|mut statement| {
        statement.execute(params![
            record.edge.as_str(),
            column(record.sequence),
            now.unix_us()
        ])
    })
    .doing("narrow the gap")?;
    // Let go at the edge, but already on its way: it came all the same.
    main.prepare_cached(
        "UPDATE dropped SET missing = missing - 1
         WHERE edge = ?1 AND ?2 BETWEEN first AND last AND missing > 0",
    )
    .and_then(|mut statement| {
        statement.execute(params![record.edge.as_str(), column(record.sequence)])
    })
    .doing("narrow what was dropped")?;
    Ok(())
}

/// Takes what an edge let go out of its gaps: it is explained, and not waited for any more. What
/// an earlier report explained stays with that one.
///
/// # Errors
/// [`StoreError`].
pub fn explain(
    main: &Connection,
    edge: &EdgeId,
    range: SequenceRange,
    now: UtcTime,
) -> Result<(), StoreError> {
    const DOING: &str = "explain missing records";
    let told = ranges(
        main,
        "SELECT first, last FROM dropped WHERE edge = ?1 AND first <= ?3 AND last >= ?2
         ORDER BY first",
        edge,
        range,
    )?;
    for (first, last) in without(range, &told) {
        let gaps = ranges(
            main,
            "SELECT first, last FROM gaps
             WHERE edge = ?1 AND closed_at_us IS NULL AND first <= ?3 AND last >= ?2",
            edge,
            SequenceRange { first, last },
        )?;
        let mut explained = 0;
        for gap in gaps {
            let (from, to) = (column(first.max(gap.first)), column(last.min(gap.last)));
            let there: i64 = main
                .query_row(
                    "SELECT count(*) FROM chain WHERE edge = ?1 AND sequence BETWEEN ?2 AND ?3",
                    params![edge.as_str(), from, to],
                    |row| row.get(0),
                )
                .doing(DOING)?;
            let missing = (to - from + 1) - there;
            main.execute(
                "UPDATE gaps SET missing = missing - ?3,
                     closed_at_us = CASE WHEN missing = ?3 THEN ?4 END
                 WHERE edge = ?1 AND first = ?2",
                params![edge.as_str(), column(gap.first), missing, now.unix_us()],
            )
            .doing(DOING)?;
            explained += missing;
        }
        main.execute(
            "INSERT INTO dropped VALUES (?, ?, ?, ?)",
            params![edge.as_str(), column(first), column(last), explained],
        )
        .doing(DOING)?;
    }
    Ok(())
}

fn ranges(
    main: &Connection,
    sql: &str,
    edge: &EdgeId,
    within: SequenceRange,
) -> Result<Vec<SequenceRange>, StoreError> {
    const DOING: &str = "read the gaps";
    let whole = |value: i64| u64::try_from(value).unwrap_or(0);
    let mut statement = main.prepare_cached(sql).doing(DOING)?;
    let bounds = params![edge.as_str(), column(within.first), column(within.last)];
    let rows = statement
        .query_map(bounds, |row| {
            Ok(SequenceRange {
                first: whole(row.get(0)?),
                last: whole(row.get(1)?),
            })
        })
        .doing(DOING)?;
    rows.map(|row| row.doing(DOING)).collect()
}

/// The parts of a range that lie in none of the others, which are ascending and apart.
fn without(range: SequenceRange, others: &[SequenceRange]) -> Vec<(u64, u64)> {
    let mut parts = Vec::new();
    let mut next = range.first;
    for other in others {
        if next < other.first {
            parts.push((next, other.first - 1));
        }
        next = next.max(other.last.saturating_add(1));
    }
    if next <= range.last {
        parts.push((next, range.last));
    }
    parts
}

/// Notes that records are missing.
///
/// # Errors
/// [`StoreError`].
pub fn open_gap(
    main: &Connection,
    edge: &EdgeId,
    missing: Missing,
    now: UtcTime,
) -> Result<(), StoreError> {
    main.execute(
        "INSERT INTO gaps (edge, first, last, missing, opened_at_us) VALUES (?, ?, ?, ?, ?)
         ON CONFLICT DO NOTHING",
        params![
            edge.as_str(),
            column(missing.first),
            column(missing.last),
            column((missing.last - missing.first).saturating_add(1)),
            now.unix_us()
        ],
    )
    .doing("note the gap")?;
    Ok(())
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
    let head = head(main, edge)?;
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
    let received_at: Option<i64> = main
        .query_row(
            "SELECT received_at_us FROM chain WHERE edge = ? AND sequence = ?",
            params![edge.as_str(), column(head)],
            |row| row.get(0),
        )
        .optional()
        .doing(DOING)?;
    Ok(ChainState {
        head,
        missing: u64::try_from(missing).unwrap_or(0),
        dropped: u64::try_from(dropped).unwrap_or(0),
        received_at: received_at.map(UtcTime::from_unix_us),
    })
}

/// The digest under which a stored record stands in its edge's chain.
///
/// # Errors
/// [`StoreError`].
pub fn stored_digest(
    main: &Connection,
    edge: &str,
    sequence: i64,
) -> Result<Option<Vec<u8>>, StoreError> {
    main.prepare_cached("SELECT digest FROM chain WHERE edge = ? AND sequence = ? AND stored = 1")
        .and_then(|mut statement| {
            statement
                .query_row(params![edge, sequence], |row| row.get(0))
                .optional()
        })
        .doing("read the edge's chain")
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

/// Hands every stored transit that was captured since a moment to `each`.
///
/// # Errors
/// [`StoreError`].
pub fn for_each_stored(
    main: &Connection,
    since: UtcTime,
    mut each: impl FnMut(StoredLink) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    const DOING: &str = "read the chains";
    let mut statement = main
        .prepare(
            "SELECT edge, sequence, digest, captured_at_us FROM chain
             WHERE stored = 1 AND kind = 'transit' AND captured_at_us >= ? ORDER BY edge, sequence",
        )
        .doing(DOING)?;
    let mut rows = statement.query([since.unix_us()]).doing(DOING)?;
    while let Some(row) = rows.next().doing(DOING)? {
        each(StoredLink {
            edge: row.get(0).doing(DOING)?,
            sequence: row.get(1).doing(DOING)?,
            digest: row.get(2).doing(DOING)?,
            captured_at: UtcTime::from_unix_us(row.get(3).doing(DOING)?),
        })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_told_before_is_left_out_of_a_range() {
        let range = |first, last| SequenceRange { first, last };
        let told = [range(3, 4), range(8, 8)];
        assert_eq!(without(range(1, 9), &told), [(1, 2), (5, 7), (9, 9)]);
        assert_eq!(without(range(3, 8), &told), [(5, 7)]);
        assert_eq!(without(range(3, 4), &told[..1]), []);
        assert_eq!(without(range(1, 2), &[]), [(1, 2)]);
    }
}
