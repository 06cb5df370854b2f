//! Edges whose chain has forked, as when a box or its disk is copied. This module owns the table
//! `forks`. It holds digests alone: the envelopes may tell of transits, which have their term.

use serde::Serialize;
use utoipa::ToSchema;
use varco_proto::ids::{Digest, EdgeId};
use varco_proto::time::UtcTime;

use crate::store::sql::{Connection, OptionalExtension as _, Row, params};
use crate::store::{Doing as _, StoreError, number};

/// The table, for [`crate::store::migrate`].
pub const SCHEMA: &str = "
    CREATE TABLE forks (
        edge TEXT NOT NULL,
        sequence INTEGER NOT NULL,
        digest BLOB NOT NULL CHECK (length(digest) = 32),
        noticed_at_us INTEGER NOT NULL,
        PRIMARY KEY (edge, sequence, digest)
    ) STRICT, WITHOUT ROWID;
    ALTER TABLE edges ADD COLUMN forked_at_us INTEGER;";

/// A fork as the hub shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ForkView {
    /// The place in the chain that two records claim.
    pub sequence: u64,
    /// When the hub noticed it.
    #[schema(value_type = String, format = DateTime)]
    pub noticed_at: UtcTime,
}

/// Notes that a second record claims a place in an edge's chain. From now on nothing of the edge
/// is taken.
///
/// # Errors
/// [`StoreError`].
pub fn note(
    main: &Connection,
    edge: &EdgeId,
    sequence: u64,
    digest: Digest,
    now: UtcTime,
) -> Result<(), StoreError> {
    const DOING: &str = "note the fork";
    main.execute(
        "INSERT INTO forks VALUES (?, ?, ?, ?)
         ON CONFLICT DO UPDATE SET noticed_at_us = excluded.noticed_at_us",
        params![
            edge.as_str(),
            number::signed(sequence, "chain")?,
            digest.as_bytes(),
            now.unix_us(),
        ],
    )
    .doing(DOING)?;
    main.execute(
        "UPDATE edges SET forked_at_us = coalesce(forked_at_us, ?2) WHERE id = ?1",
        params![edge.as_str(), now.unix_us()],
    )
    .doing(DOING)?;
    Ok(())
}

/// The fork that keeps an edge out; none when none does.
///
/// # Errors
/// [`StoreError`].
pub fn open_fork(main: &Connection, edge: &EdgeId) -> Result<Option<ForkView>, StoreError> {
    let found: Option<(i64, i64)> = main
        .prepare_cached(
            "SELECT sequence, noticed_at_us FROM forks
             JOIN edges ON edges.id = edge AND noticed_at_us >= forked_at_us
             WHERE edge = ? ORDER BY noticed_at_us, sequence LIMIT 1",
        )
        .and_then(|mut statement| {
            let fork = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?));
            statement.query_row([edge.as_str()], fork).optional()
        })
        .doing("read the fork")?;
    let fork = found.map(|(sequence, noticed_at_us)| {
        Ok(ForkView {
            sequence: number::unsigned(sequence, "fork")?,
            noticed_at: UtcTime::from_unix_us(noticed_at_us),
        })
    });
    fork.transpose()
}

/// Takes an edge in again, on the chain that the hub has.
///
/// # Errors
/// [`StoreError`].
pub fn release(main: &Connection, edge: &EdgeId) -> Result<(), StoreError> {
    main.execute(
        "UPDATE edges SET forked_at_us = NULL WHERE id = ?",
        [edge.as_str()],
    )
    .doing("release the edge")?;
    Ok(())
}
