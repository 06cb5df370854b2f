//! Reports of edges that let records go. This module owns the table `drop_reports`.

use serde::Serialize;
use utoipa::ToSchema;
use varco_proto::drops::{DropReason, DropReport};
use varco_proto::envelope::Verified;
use varco_proto::ids::EdgeId;
use varco_proto::record::Record;
use varco_proto::time::UtcTime;

use crate::chains::ledger::Ledger;
use crate::store::sql::{Connection, params};
use crate::store::{Doing as _, StoreError};

/// The table, for [`crate::store::migrate`].
pub const SCHEMA: &str = "
    CREATE TABLE drop_reports (
        edge TEXT NOT NULL,
        sequence INTEGER NOT NULL CHECK (sequence > 0),
        reason TEXT NOT NULL,
        first INTEGER,
        last INTEGER,
        count INTEGER NOT NULL CHECK (count > 0),
        dropped_at_us INTEGER NOT NULL,
        received_at_us INTEGER NOT NULL,
        envelope BLOB NOT NULL,
        PRIMARY KEY (edge, sequence)
    ) STRICT, WITHOUT ROWID;";

/// Most reports that are shown of one edge.
const SHOWN_MAX: u32 = 10;

/// A report as the hub shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct DropView {
    /// Its place in the edge's chain.
    pub sequence: u64,
    /// `age`, `size`, `damage` or `unsealed`.
    pub reason: String,
    /// First record let go; null when they had no place in the chain.
    pub first: Option<u64>,
    /// Last record let go.
    pub last: Option<u64>,
    /// How many.
    pub count: u64,
    /// When, by the edge's clock.
    #[schema(value_type = String, format = DateTime)]
    pub dropped_at: UtcTime,
}

/// Stores a report and takes what it tells of out of the gaps; a second time changes nothing.
///
/// # Errors
/// [`StoreError`].
pub fn note(
    main: &Connection,
    ledger: &mut dyn Ledger,
    verified: &Verified<Record>,
    report: &DropReport,
    now: UtcTime,
) -> Result<(), StoreError> {
    let record = verified.value();
    let number = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
    main.execute(
        "INSERT OR IGNORE INTO drop_reports (edge, sequence, reason, first, last, count,
             dropped_at_us, received_at_us, envelope) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        params![
            record.edge.as_str(),
            number(record.sequence),
            report.reason.as_str(),
            report.ranges.first().map(|range| number(range.first)),
            report.ranges.last().map(|range| number(range.last)),
            number(report.count),
            report.dropped_at.unix_us(),
            now.unix_us(),
            verified.envelope(),
        ],
    )
    .doing("store the report of dropped records")?;
    // Also when the report is there already: with PostgreSQL a kill may lie between it and this.
    for range in &report.ranges {
        ledger.explain(&record.edge, *range, now)?;
    }
    Ok(())
}

/// The newest reports of an edge, newest first.
///
/// # Errors
/// [`StoreError`].
pub fn newest(main: &Connection, edge: &EdgeId) -> Result<Vec<DropView>, StoreError> {
    const DOING: &str = "list the reports of dropped records";
    let whole = |value: i64| u64::try_from(value).unwrap_or(0);
    let mut statement = main
        .prepare_cached(
            "SELECT sequence, reason, first, last, count, dropped_at_us FROM drop_reports
             WHERE edge = ?1 ORDER BY sequence DESC LIMIT ?2",
        )
        .doing(DOING)?;
    let rows = statement
        .query_map(params![edge.as_str(), SHOWN_MAX], |row| {
            Ok(DropView {
                sequence: whole(row.get(0)?),
                reason: row.get(1)?,
                first: row.get::<_, Option<i64>>(2)?.map(whole),
                last: row.get::<_, Option<i64>>(3)?.map(whole),
                count: whole(row.get(4)?),
                dropped_at: UtcTime::from_unix_us(row.get(5)?),
            })
        })
        .doing(DOING)?;
    rows.map(|row| row.doing(DOING)).collect()
}

/// Records that an edge lost before they were sealed.
///
/// # Errors
/// [`StoreError`].
pub fn unsealed(main: &Connection, edge: &EdgeId) -> Result<u64, StoreError> {
    let sum: i64 = main
        .query_row(
            "SELECT coalesce(sum(count), 0) FROM drop_reports WHERE edge = ? AND reason = ?",
            params![edge.as_str(), DropReason::Unsealed.as_str()],
            |row| row.get(0),
        )
        .doing("count the unsealed records")?;
    Ok(u64::try_from(sum).unwrap_or(0))
}
