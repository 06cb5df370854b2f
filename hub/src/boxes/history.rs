//! What each box reported last, and over a week. This module owns the tables `box_reports` and
//! `box_history`.
//!
//! Of the reports, one a minute, what changes is kept and one in a quarter of an hour.

use std::time::Duration;

use varco_proto::ids::EdgeId;
use varco_proto::time::UtcTime;

use super::report::BoxReport;
use crate::store::sql::{Connection, OptionalExtension as _, params};
use crate::store::{Doing as _, StoreError};

/// The tables, for [`crate::store::migrate`]. A box that was heard and never understood has no
/// report.
pub const SCHEMA: &str = "
    CREATE TABLE box_reports (
        edge TEXT PRIMARY KEY,
        heard_at_us INTEGER NOT NULL,
        report TEXT
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE box_history (
        edge TEXT NOT NULL,
        received_at_us INTEGER NOT NULL,
        report TEXT NOT NULL,
        PRIMARY KEY (edge, received_at_us)
    ) STRICT, WITHOUT ROWID;";

/// How long reports are kept.
const KEPT: Duration = Duration::from_secs(7 * 24 * 3600);
/// A report is kept after so long though nothing changed.
const SAMPLE_EVERY: Duration = Duration::from_secs(15 * 60);
/// And not sooner though something did: anomalies have their own times.
const CHANGE_EVERY: Duration = Duration::from_secs(60);
/// Most reports kept of one box: samples of a week, and as many changes.
const ROWS_MAX: u32 = 1500;

/// Notes that a box was heard, whatever it said.
///
/// # Errors
/// [`StoreError`].
pub fn heard(main: &Connection, edge: &EdgeId, now: UtcTime) -> Result<(), StoreError> {
    main.prepare_cached(
        "INSERT INTO box_reports (edge, heard_at_us) VALUES (?1, ?2)
         ON CONFLICT DO UPDATE SET heard_at_us = ?2",
    )
    .and_then(|mut statement| statement.execute(params![edge.as_str(), now.unix_us()]))
    .doing("note that a box was heard")?;
    Ok(())
}

/// When each box was last heard.
///
/// # Errors
/// [`StoreError`].
pub fn heard_at(main: &Connection) -> Result<Vec<(String, UtcTime)>, StoreError> {
    const DOING: &str = "read when the boxes were heard";
    let mut statement = main
        .prepare_cached("SELECT edge, heard_at_us FROM box_reports")
        .doing(DOING)?;
    let rows = statement
        .query_map([], |row| {
            Ok((row.get(0)?, UtcTime::from_unix_us(row.get(1)?)))
        })
        .doing(DOING)?;
    rows.map(|row| row.doing(DOING)).collect()
}

/// Keeps a report as a box's latest, and in its history when it belongs there.
///
/// # Errors
/// [`StoreError`].
pub fn keep(main: &Connection, edge: &EdgeId, report: &BoxReport) -> Result<(), StoreError> {
    const DOING: &str = "keep a box's report";
    let text = serde_json::to_string(report).map_err(|_| damaged())?;
    main.prepare_cached("UPDATE box_reports SET report = ?2 WHERE edge = ?1")
        .and_then(|mut statement| statement.execute(params![edge.as_str(), text]))
        .doing(DOING)?;
    let last = of_edge(main, edge, UtcTime::from_unix_us(0), 1)?.pop();
    if !last.is_none_or(|last| is_worth_keeping(&last, report)) {
        return Ok(());
    }
    main.prepare_cached("INSERT OR REPLACE INTO box_history VALUES (?, ?, ?)")
        .and_then(|mut statement| {
            statement.execute(params![edge.as_str(), report.received_at.unix_us(), text])
        })
        .doing(DOING)?;
    main.prepare_cached(
        "DELETE FROM box_history WHERE edge = ?1 AND received_at_us <=
         (SELECT received_at_us FROM box_history WHERE edge = ?1
          ORDER BY received_at_us DESC LIMIT 1 OFFSET ?2)",
    )
    .and_then(|mut statement| statement.execute(params![edge.as_str(), ROWS_MAX]))
    .doing(DOING)?;
    Ok(())
}

fn is_worth_keeping(last: &BoxReport, report: &BoxReport) -> bool {
    let since = report.received_at.since(last.received_at);
    // A hub's clock that went back must not end the history.
    let is_before = report.received_at < last.received_at;
    is_before
        || since >= SAMPLE_EVERY
        || (since >= CHANGE_EVERY && state_of(last) != state_of(report))
}

/// What a person would call another state.
fn state_of(report: &BoxReport) -> String {
    let mut state = format!(
        "{:?} {} {} {} {}",
        report.clock_kept,
        report.suspended_by > 0,
        report.records_in_memory > 0,
        report.spool_dropped,
        report.software_version,
    );
    for (id, camera) in &report.cameras {
        state += &format!(
            " {id} {} {:?} {}",
            camera.connected, camera.picture, camera.decoder
        );
    }
    state
}

/// What a box reported last; none when it never did.
///
/// # Errors
/// [`StoreError`].
pub fn latest(main: &Connection, edge: &EdgeId) -> Result<Option<BoxReport>, StoreError> {
    const DOING: &str = "read a box's report";
    let found: Option<Option<String>> = main
        .prepare_cached("SELECT report FROM box_reports WHERE edge = ?")
        .and_then(|mut statement| {
            statement
                .query_row([edge.as_str()], |row| row.get(0))
                .optional()
        })
        .doing(DOING)?;
    let parse = |text: String| serde_json::from_str(&text).map_err(|_| damaged());
    found.flatten().map(parse).transpose()
}

/// What a box reported since a moment, newest first, `most` at most.
///
/// # Errors
/// [`StoreError`].
pub fn of_edge(
    main: &Connection,
    edge: &EdgeId,
    since: UtcTime,
    most: u32,
) -> Result<Vec<BoxReport>, StoreError> {
    const DOING: &str = "read a box's history";
    let mut statement = main
        .prepare_cached(
            "SELECT report FROM box_history WHERE edge = ? AND received_at_us >= ?
             ORDER BY received_at_us DESC LIMIT ?",
        )
        .doing(DOING)?;
    let rows = statement
        .query_map(params![edge.as_str(), since.unix_us(), most], |row| {
            row.get::<_, String>(0)
        })
        .doing(DOING)?;
    rows.map(|text| serde_json::from_str(&text.doing(DOING)?).map_err(|_| damaged()))
        .collect()
}

/// Lets go of what is older than a week.
///
/// # Errors
/// [`StoreError`].
pub fn forget(main: &Connection, now: UtcTime) -> Result<(), StoreError> {
    main.execute(
        "DELETE FROM box_history WHERE received_at_us < ?",
        [(now - KEPT).unix_us()],
    )
    .doing("let go of old reports")?;
    Ok(())
}

fn damaged() -> StoreError {
    StoreError::Damaged {
        what: "report of a box",
    }
}
