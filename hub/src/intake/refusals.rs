//! Every refusal, once with a count. This module owns the table `refusals`.

use varco_proto::ids::EdgeId;
use varco_proto::time::UtcTime;

use super::judge::Refused;
use crate::store::sql::{Connection, params};
use crate::store::{Doing as _, StoreError};

/// The table, for [`crate::store::migrate`].
pub const SCHEMA: &str = "
    CREATE TABLE refusals (
        edge TEXT NOT NULL,
        sequence INTEGER NOT NULL,
        digest BLOB NOT NULL CHECK (length(digest) = 32),
        reason TEXT NOT NULL,
        detail TEXT NOT NULL,
        first_at_us INTEGER NOT NULL,
        last_at_us INTEGER NOT NULL,
        times INTEGER NOT NULL,
        PRIMARY KEY (edge, reason, sequence, digest)
    ) STRICT, WITHOUT ROWID;";

/// Most distinct refusals noted of one edge and reason. Those beyond are counted together, so
/// that an edge gone mad cannot fill the disk.
const DISTINCT_MAX: i64 = 10_000;

/// Notes a refusal.
///
/// # Errors
/// [`StoreError`].
pub fn note(
    main: &Connection,
    edge: &EdgeId,
    refused: &Refused,
    now: UtcTime,
) -> Result<(), StoreError> {
    const DOING: &str = "note the refusal";
    let sequence = i64::try_from(refused.sequence).unwrap_or(i64::MAX);
    let reason = refused.reason.as_str();
    let again = main
        .prepare_cached(
            "UPDATE refusals SET last_at_us = ?5, times = times + 1
             WHERE edge = ?1 AND reason = ?2 AND sequence = ?3 AND digest = ?4",
        )
        .and_then(|mut statement| {
            let digest = refused.digest.as_bytes();
            statement.execute(params![
                edge.as_str(),
                reason,
                sequence,
                digest,
                now.unix_us()
            ])
        })
        .doing(DOING)?;
    if again == 1 {
        return Ok(());
    }
    let distinct: i64 = main
        .prepare_cached("SELECT count(*) FROM refusals WHERE edge = ? AND reason = ?")
        .and_then(|mut statement| {
            statement.query_row(params![edge.as_str(), reason], |row| row.get(0))
        })
        .doing(DOING)?;
    let full = distinct >= DISTINCT_MAX;
    let digest = if full {
        [0; 32]
    } else {
        *refused.digest.as_bytes()
    };
    main.prepare_cached(
        "INSERT INTO refusals
         (edge, sequence, digest, reason, detail, first_at_us, last_at_us, times)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6, 1)
         ON CONFLICT DO UPDATE SET last_at_us = excluded.last_at_us, times = times + 1",
    )
    .and_then(|mut statement| {
        statement.execute(params![
            edge.as_str(),
            if full { 0 } else { sequence },
            digest,
            reason,
            if full {
                "many more, counted together"
            } else {
                refused.detail.as_str()
            },
            now.unix_us(),
        ])
    })
    .doing(DOING)?;
    Ok(())
}

/// How often an edge was refused for each reason, by reason.
///
/// # Errors
/// [`StoreError`].
pub fn counts(main: &Connection, edge: &EdgeId) -> Result<Vec<(String, u64)>, StoreError> {
    const DOING: &str = "count the refusals";
    let mut statement = main
        .prepare_cached(
            "SELECT reason, sum(times) FROM refusals WHERE edge = ? GROUP BY reason ORDER BY reason",
        )
        .doing(DOING)?;
    let rows = statement
        .query_map([edge.as_str()], |row| {
            let times: i64 = row.get(1)?;
            Ok((row.get(0)?, u64::try_from(times).unwrap_or(0)))
        })
        .doing(DOING)?;
    rows.map(|row| row.doing(DOING)).collect()
}
