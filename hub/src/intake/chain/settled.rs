//! The links that stand in the keyed table, and the gaps between them.
//!
//! Whoever calls these has settled the edge first ([`super::heads::Links::settle`]), so that the
//! keyed table alone has every link of it.

use varco_proto::drops::SequenceRange;
use varco_proto::ids::EdgeId;
use varco_proto::time::UtcTime;

use super::heads::{Link, Standing};
use super::{column, digest, place, whole};
use crate::intake::judge::{Around, Link as Known, Missing};
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
                around.here = Some(Known {
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
pub(super) fn insert(main: &Connection, edge: &EdgeId, link: &Link) -> Result<bool, StoreError> {
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
    link: &Link,
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
    main.prepare_cached(
        "UPDATE gaps SET missing = missing - 1,
             closed_at_us = CASE WHEN missing = 1 THEN ?3 END
         WHERE edge = ?1 AND closed_at_us IS NULL AND ?2 BETWEEN first AND last
             AND NOT EXISTS (SELECT 1 FROM dropped AS d
                 WHERE d.edge = ?1 AND ?2 BETWEEN d.first AND d.last)",
    )
    .and_then(|mut statement| statement.execute(params![edge.as_str(), sequence, now.unix_us()]))
    .doing("narrow the gap")?;
    // Let go at the edge, but already on its way: it came all the same.
    main.prepare_cached(
        "UPDATE dropped SET missing = missing - 1
         WHERE edge = ?1 AND ?2 BETWEEN first AND last AND missing > 0",
    )
    .and_then(|mut statement| statement.execute(params![edge.as_str(), sequence]))
    .doing("narrow what was dropped")?;
    Ok(())
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
            let (from, to) = (place(first.max(gap.first)), place(last.min(gap.last)));
            let there: i64 = main
                .query_row(
                    "SELECT count(*) FROM chain_settled WHERE edge = ?1 AND sequence BETWEEN ?2 AND ?3",
                    params![edge.as_str(), from, to],
                    |row| row.get(0),
                )
                .doing(DOING)?;
            let missing = (to - from + 1) - there;
            main.execute(
                "UPDATE gaps SET missing = missing - ?3,
                     closed_at_us = CASE WHEN missing = ?3 THEN ?4 END
                 WHERE edge = ?1 AND first = ?2",
                params![edge.as_str(), place(gap.first), missing, now.unix_us()],
            )
            .doing(DOING)?;
            explained += missing;
        }
        main.execute(
            "INSERT INTO dropped VALUES (?, ?, ?, ?)",
            params![edge.as_str(), place(first), place(last), explained],
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
    let mut statement = main.prepare_cached(sql).doing(DOING)?;
    let bounds = params![edge.as_str(), place(within.first), place(within.last)];
    let rows = statement
        .query_map(bounds, |row| Ok((row.get(0)?, row.get(1)?)))
        .doing(DOING)?;
    rows.map(|row| {
        let (first, last) = row.doing(DOING)?;
        Ok(SequenceRange {
            first: whole(first)?,
            last: whole(last)?,
        })
    })
    .collect()
}

/// The parts of a range that lie in none of the others, which are ascending and apart.
pub(crate) fn without(range: SequenceRange, others: &[SequenceRange]) -> Vec<(u64, u64)> {
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
pub(super) fn open_gap(
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
            column(missing.first)?,
            column(missing.last)?,
            column((missing.last - missing.first).saturating_add(1))?,
            now.unix_us()
        ],
    )
    .doing("note the gap")?;
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
