//! The links that stand in the keyed table, and the gaps between them.
//!
//! Whoever calls these has settled the edge first ([`super::heads::Links::settle`]), so that the
//! keyed table alone has every link of it.

use varco_proto::drops::SequenceRange;
use varco_proto::ids::EdgeId;
use varco_proto::time::UtcTime;

use crate::chains::heads::{ChainLink, Standing};
use crate::chains::place::{Around, KnownLink, Missing};
use crate::chains::ranges::{Range, Ranges};
use crate::chains::{column, digest, place, whole};
use crate::store::sql::{Connection, params};
use crate::store::{Doing as _, StoreError};

/// What is known around a place in an edge's chain.
///
/// # Errors
/// [`StoreError`].
pub(super) fn around(
    main: &Connection,
    edge: &EdgeId,
    sequence: u64,
    standing: &Standing,
) -> Result<Around, StoreError> {
    const DOING: &str = "read the edge's chain";
    let mut around = Around {
        head: standing.sequence,
        ..Around::default()
    };
    let mut statement = main
        .prepare_cached(
            "SELECT sequence, digest, previous, stored FROM chain_settled
             WHERE edge = ?1 AND sequence BETWEEN ?2 - 1 AND ?2 + 1",
        )
        .doing(DOING)?;
    let place = place(sequence);
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
                around.here = Some(KnownLink {
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
    if around.here.is_none() && sequence <= standing.pruned_through {
        around.pruned = !is_missing(main, edge, sequence)?;
    }
    Ok(around)
}

/// Whether a place lies in an open gap.
fn is_missing(main: &Connection, edge: &EdgeId, sequence: u64) -> Result<bool, StoreError> {
    main.prepare_cached(
        "SELECT EXISTS (SELECT 1 FROM gaps
         WHERE edge = ?1 AND closed_at_us IS NULL AND ?2 BETWEEN first AND last)",
    )
    .and_then(|mut statement| {
        statement.query_row(params![edge.as_str(), place(sequence)], |row| row.get(0))
    })
    .doing("read the gaps")
}

/// Puts a link where it belongs; false when its place was known.
pub(super) fn insert(
    main: &Connection,
    edge: &EdgeId,
    link: &ChainLink,
) -> Result<bool, StoreError> {
    const DOING: &str = "note the record in its chain";
    let mut statement = main
        .prepare_cached(
            "INSERT INTO chain_settled
             (edge, sequence, digest, previous, captured_at_us, received_at_us, stored, kind)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
        )
        .doing(DOING)?;
    let added = statement
        .execute(params![
            edge.as_str(),
            column(link.sequence)?,
            link.digest.as_bytes(),
            link.previous.as_bytes(),
            link.captured_at_us,
            link.received_at_us,
            link.stored,
            link.kind,
        ])
        .doing(DOING)?;
    Ok(added == 1)
}

/// Notes a record in its edge's chain, and closes or narrows the gap that it fills.
///
/// # Errors
/// [`StoreError`].
pub(super) fn note(
    main: &Connection,
    edge: &EdgeId,
    link: &ChainLink,
    now: UtcTime,
) -> Result<(), StoreError> {
    let sequence = column(link.sequence)?;
    if !insert(main, edge, link)? {
        // Refused before, and taken now: its place was known.
        main.execute(
            "UPDATE chain_settled SET stored = ?3, received_at_us = ?4 WHERE edge = ?1 AND sequence = ?2",
            params![
                edge.as_str(),
                sequence,
                link.stored,
                now.unix_us()
            ],
        )
        .doing("note that the record is stored")?;
        return Ok(());
    }
    let here = SequenceRange {
        first: link.sequence,
        last: link.sequence,
    };
    let mut ranges = ranges_of(main, edge, here)?;
    ranges.fill(link.sequence, now);
    write_ranges(main, edge, &ranges)
}

/// Takes what an edge let go out of its gaps: it is explained, and not waited for any more. What
/// an earlier report explained stays with that one.
///
/// # Errors
/// [`StoreError`].
pub(super) fn explain(
    main: &Connection,
    edge: &EdgeId,
    range: SequenceRange,
    now: UtcTime,
) -> Result<(), StoreError> {
    let mut ranges = ranges_of(main, edge, range)?;
    ranges.explain(range, now, |from, to| {
        let sql =
            "SELECT count(*) FROM chain_settled WHERE edge = ?1 AND sequence BETWEEN ?2 AND ?3";
        let between = params![edge.as_str(), place(from), place(to)];
        let there = main.query_row(sql, between, |row| row.get(0));
        whole(there.doing("explain missing records")?)
    })?;
    write_ranges(main, edge, &ranges)
}

/// The open gaps of an edge, and what it let go, that touch a range.
fn ranges_of(
    main: &Connection,
    edge: &EdgeId,
    within: SequenceRange,
) -> Result<Ranges, StoreError> {
    const DOING: &str = "read the gaps";
    let read = |sql: &str| -> Result<Vec<Range>, StoreError> {
        let mut statement = main.prepare_cached(sql).doing(DOING)?;
        let bounds = params![edge.as_str(), place(within.first), place(within.last)];
        let rows = statement.query_map(bounds, |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
        });
        let range = |row| {
            let (first, last, missing, opened_at_us) = row;
            Ok(Range {
                first: whole(first)?,
                last: whole(last)?,
                missing: whole(missing)?,
                opened_at_us,
                closed_at_us: None,
                changed: false,
            })
        };
        rows.doing(DOING)?
            .map(|row| range(row.doing(DOING)?))
            .collect()
    };
    Ok(Ranges {
        gaps: read(
            "SELECT first, last, missing, opened_at_us FROM gaps
             WHERE edge = ?1 AND closed_at_us IS NULL AND first <= ?3 AND last >= ?2
             ORDER BY first",
        )?,
        dropped: read(
            "SELECT first, last, missing, 0 FROM dropped
             WHERE edge = ?1 AND first <= ?3 AND last >= ?2 ORDER BY first",
        )?,
    })
}

/// Stores what changed of them.
fn write_ranges(main: &Connection, edge: &EdgeId, ranges: &Ranges) -> Result<(), StoreError> {
    for gap in ranges.gaps.iter().filter(|gap| gap.changed) {
        let (first, last, missing) = (column(gap.first)?, column(gap.last)?, column(gap.missing)?);
        main.prepare_cached(
            "INSERT INTO gaps (edge, first, last, missing, opened_at_us, closed_at_us)
             VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (edge, first) DO UPDATE
                 SET missing = excluded.missing, closed_at_us = excluded.closed_at_us",
        )
        .and_then(|mut statement| {
            statement.execute(params![
                edge.as_str(),
                first,
                last,
                missing,
                gap.opened_at_us,
                gap.closed_at_us,
            ])
        })
        .doing("note the gap")?;
    }
    for dropped in ranges.dropped.iter().filter(|dropped| dropped.changed) {
        let missing = column(dropped.missing)?;
        main.prepare_cached(
            "INSERT INTO dropped (edge, first, last, missing) VALUES (?, ?, ?, ?)
             ON CONFLICT (edge, first) DO UPDATE SET missing = excluded.missing",
        )
        .and_then(|mut statement| {
            statement.execute(params![
                edge.as_str(),
                place(dropped.first),
                place(dropped.last),
                missing,
            ])
        })
        .doing("note what was let go")?;
    }
    Ok(())
}

/// The parts of a range that lie in none of the others, which are ascending and apart, and may lie anywhere.
pub(crate) fn without(range: SequenceRange, others: &[SequenceRange]) -> Vec<(u64, u64)> {
    let mut parts = Vec::new();
    let mut next = range.first;
    let touches = |other: &&SequenceRange| other.first <= range.last && range.first <= other.last;
    for other in others.iter().filter(touches) {
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
pub(super) fn open_gap(
    main: &Connection,
    edge: &EdgeId,
    missing: Missing,
    now: UtcTime,
) -> Result<(), StoreError> {
    let only = SequenceRange {
        first: missing.first,
        last: missing.first,
    };
    let mut ranges = ranges_of(main, edge, only)?;
    ranges.open(missing, now);
    write_ranges(main, edge, &ranges)
}

#[cfg(test)]
mod tests {
    use crate::chains::settled::*;

    #[test]
    fn what_was_told_before_is_left_out_of_a_range() {
        let range = |first, last| SequenceRange { first, last };
        let told = [range(3, 4), range(8, 8)];
        assert_eq!(without(range(1, 9), &told), [(1, 2), (5, 7), (9, 9)]);
        assert_eq!(without(range(3, 8), &told), [(5, 7)]);
        assert_eq!(without(range(3, 4), &told[..1]), []);
        assert_eq!(without(range(1, 2), &[]), [(1, 2)]);
        assert_eq!(
            without(range(1, 1), &told),
            [(1, 1)],
            "nothing between it and what was told later"
        );
        assert_eq!(without(range(9, 9), &told), [(9, 9)]);
    }
}
