//! Transits that end before their term, at the request of whom they are about (art. 9 c. 2 C c10; art. 18 c. 2 and 3).
//!
//! This module owns the table `erasures`: which, on whose word, and whether it is done.
//!
//! From the moment on in which it is ordered nobody processes them. A row stays when it is done, so that no older copy
//! of anything brings a transit back: see [`super::ended`].

use std::collections::HashSet;

use serde::{Deserialize, Serialize};
use varco_proto::time::UtcTime;

use crate::hours::partition::Partition;
use crate::store::sql::{Connection, Row, params};
use crate::store::{Doing as _, StoreError};

/// The table, for [`crate::store::migrate`]. `hour` and `row` say where a transit lies once that was looked for.
pub const SCHEMA: &str = "
    CREATE TABLE erasures (
        transit BLOB PRIMARY KEY,
        approval TEXT NOT NULL,
        request TEXT NOT NULL,
        requested_on TEXT NOT NULL,
        data_right TEXT NOT NULL,
        ordered_at_us INTEGER NOT NULL,
        hour INTEGER,
        row INTEGER,
        done_at_us INTEGER
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX erasures_pending ON erasures (transit) WHERE done_at_us IS NULL;";

/// How long after the newest an erasure is remembered, in microseconds: far longer than any copy holds a transit.
pub(super) const REMEMBERED_US: i64 = 62 * 86_400 * 1_000_000;

/// On whose word transits are erased.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErasureOrder {
    /// The request that the responsible person granted, by its id.
    pub approval: String,
    /// The reference of what the person whom the transits are about asked for; no name.
    pub request: String,
    /// When they asked for it, YYYY-MM-DD.
    pub requested_on: String,
    /// Which right they used: `erasure` or `objection`.
    pub right: String,
    /// When it was granted.
    pub ordered_at: UtcTime,
}

/// A transit that is to be destroyed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Erasure {
    pub(super) transit: [u8; 16],
    pub(super) order: ErasureOrder,
    /// Its hour and its row there; none when it was not looked for.
    pub(super) place: Option<(Partition, u32)>,
}

const COLUMNS: &str =
    "transit, approval, request, requested_on, data_right, ordered_at_us, hour, row";
const DAMAGED: StoreError = StoreError::Damaged { what: "erasure" };

/// Orders that transits be destroyed, in the caller's transaction. What was ordered before stays as it was.
///
/// # Errors
/// [`StoreError`].
pub fn order(
    main: &Connection,
    transits: impl IntoIterator<Item = [u8; 16]>,
    order: &ErasureOrder,
) -> Result<(), StoreError> {
    let sql =
        "INSERT INTO erasures (transit, approval, request, requested_on, data_right, ordered_at_us)
        VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (transit) DO NOTHING";
    for transit in transits {
        let values = params![
            &transit[..],
            order.approval,
            order.request,
            order.requested_on,
            order.right,
            order.ordered_at.unix_us(),
        ];
        main.execute(sql, values).doing("order an erasure")?;
    }
    Ok(())
}

/// Whether any transit waits to be destroyed.
///
/// # Errors
/// [`StoreError`].
pub fn is_any_pending(main: &Connection) -> Result<bool, StoreError> {
    let sql = "SELECT EXISTS (SELECT 1 FROM erasures WHERE done_at_us IS NULL)";
    main.query_row(sql, [], |row| row.get(0))
        .doing("look for erasures")
}

/// Whether a transit is to be destroyed, or was.
///
/// # Errors
/// [`StoreError`].
pub fn is_ordered(main: &Connection, transit: &[u8; 16]) -> Result<bool, StoreError> {
    let sql = "SELECT EXISTS (SELECT 1 FROM erasures WHERE transit = ?)";
    main.query_row(sql, [&transit[..]], |row| row.get(0))
        .doing("look for an erasure")
}

/// Those that are not done, by approval and transit.
pub(super) fn pending(main: &Connection) -> Result<Vec<Erasure>, StoreError> {
    const DOING: &str = "read the erasures";
    let sql = format!(
        "SELECT {COLUMNS} FROM erasures WHERE done_at_us IS NULL ORDER BY approval, transit"
    );
    let mut statement = main.prepare(&sql).doing(DOING)?;
    let mut rows = statement.query([]).doing(DOING)?;
    let mut all = Vec::new();
    while let Some(row) = rows.next().doing(DOING)? {
        all.push(from_row(row)?);
    }
    Ok(all)
}

/// Every erasure that is remembered, with its transit.
pub(super) fn remembered(main: &Connection) -> Result<Vec<([u8; 16], ErasureOrder)>, StoreError> {
    const DOING: &str = "read the erasures";
    let sql = format!("SELECT {COLUMNS} FROM erasures");
    let mut statement = main.prepare(&sql).doing(DOING)?;
    let mut rows = statement.query([]).doing(DOING)?;
    let mut all = Vec::new();
    while let Some(row) = rows.next().doing(DOING)? {
        let one = from_row(row)?;
        all.push((one.transit, one.order));
    }
    Ok(all)
}

fn from_row(row: &Row<'_>) -> Result<Erasure, StoreError> {
    const DOING: &str = "read an erasure";
    let text = |at: usize| row.get::<_, String>(at).doing(DOING);
    let transit: Vec<u8> = row.get(0).doing(DOING)?;
    let hour: Option<i64> = row.get(6).doing(DOING)?;
    let place: Option<u32> = row.get(7).doing(DOING)?;
    Ok(Erasure {
        transit: transit.try_into().map_err(|_| DAMAGED)?,
        order: ErasureOrder {
            approval: text(1)?,
            request: text(2)?,
            requested_on: text(3)?,
            right: text(4)?,
            ordered_at: row.get(5).map(UtcTime::from_unix_us).doing(DOING)?,
        },
        place: hour.map(Partition::from_number).zip(place),
    })
}

/// Notes where a transit lies. It stands before anything of it is destroyed, so that a cut leaves it to be found again.
pub(super) fn note_place(
    main: &Connection,
    transit: &[u8; 16],
    hour: Partition,
    row: u32,
) -> Result<(), StoreError> {
    main.execute(
        "UPDATE erasures SET hour = ?, row = ? WHERE transit = ?",
        params![hour.number(), row, &transit[..]],
    )
    .doing("note where an erased transit lies")?;
    Ok(())
}

/// Notes that transits are there no more, and forgets what was ordered long before the newest.
pub(super) fn note_done(
    main: &Connection,
    transits: &HashSet<[u8; 16]>,
    now: UtcTime,
) -> Result<(), StoreError> {
    const DOING: &str = "note that transits were erased";
    for transit in transits {
        let sql = "UPDATE erasures SET done_at_us = ? WHERE transit = ? AND done_at_us IS NULL";
        main.execute(sql, params![now.unix_us(), &transit[..]])
            .doing(DOING)?;
    }
    let sql = "DELETE FROM erasures WHERE done_at_us IS NOT NULL
        AND ordered_at_us < (SELECT max(ordered_at_us) FROM erasures) - ?";
    main.execute(sql, [REMEMBERED_US]).doing(DOING)?;
    Ok(())
}
