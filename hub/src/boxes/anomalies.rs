//! What is wrong with boxes, from when to when. This module owns the tables `box_anomalies` and
//! `box_news`.
//!
//! An anomaly is told when it is first seen, and its end only when it has stayed away for
//! [`HOLD`]: what comes and goes meanwhile is one anomaly.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use varco_proto::ids::EdgeId;
use varco_proto::time::UtcTime;

use super::kinds::Kind;
use crate::alerts::deliveries;
use crate::store::sql::{Connection, OptionalExtension as _, Row, params};
use crate::store::{Doing as _, StoreError};

/// The tables, for [`crate::store::migrate`]. An empty edge: a gate as a whole is meant; an empty
/// subject: the box as a whole.
pub const SCHEMA: &str = "
    CREATE TABLE box_anomalies (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        edge TEXT NOT NULL,
        kind TEXT NOT NULL,
        subject TEXT NOT NULL,
        detail TEXT NOT NULL,
        began_at_us INTEGER NOT NULL,
        seen_at_us INTEGER NOT NULL,
        away_since_us INTEGER,
        ended_at_us INTEGER
    ) STRICT;
    CREATE UNIQUE INDEX box_anomalies_open ON box_anomalies (edge, kind, subject)
        WHERE ended_at_us IS NULL;
    CREATE INDEX box_anomalies_ended ON box_anomalies (ended_at_us);
    CREATE TABLE box_news (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        anomaly INTEGER NOT NULL,
        event TEXT NOT NULL CHECK (event IN ('begun', 'ended')),
        at_us INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX box_news_of ON box_news (anomaly);";

/// How long an anomaly must stay away before it counts as over.
pub const HOLD: Duration = Duration::from_secs(5 * 60);
/// How long an anomaly that is over is kept.
pub const KEPT: Duration = Duration::from_secs(7 * 24 * 3600);
/// Most anomalies of one kind that a box has at once: one that invents names cannot fill the disk.
const OPEN_OF_KIND_MAX: i64 = 64;
/// Longest detail, in characters.
const DETAIL_CHARACTERS_MAX: usize = 200;

/// What is wrong with what.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Sign {
    /// What.
    pub kind: Kind,
    /// The camera, or the gate; empty when the box as a whole is meant.
    pub subject: String,
    /// What was found; never a plate.
    pub detail: String,
}

impl Sign {
    /// Of the box as a whole.
    #[must_use]
    pub fn of_box(kind: Kind, detail: impl Into<String>) -> Self {
        Self::of(kind, "", detail)
    }

    /// Of a camera or a gate.
    #[must_use]
    pub fn of(kind: Kind, subject: &str, detail: impl Into<String>) -> Self {
        Self {
            kind,
            subject: subject.to_owned(),
            detail: detail.into(),
        }
    }
}

/// An anomaly.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Anomaly {
    /// 1 for the first ever.
    pub id: i64,
    /// The edge; null when a gate as a whole is meant.
    pub edge: Option<String>,
    /// What is wrong.
    pub kind: Kind,
    /// The camera or the gate; null when the box as a whole is meant.
    pub subject: Option<String>,
    /// What was found, when it was last seen.
    pub detail: String,
    /// When the hub first saw it.
    #[schema(value_type = String, format = DateTime)]
    pub began_at: UtcTime,
    /// When it was over; null while it is not.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub ended_at: Option<UtcTime>,
}

/// Whether an anomaly began or ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Event {
    /// It was seen.
    Begun,
    /// It stayed away long enough.
    Ended,
}

impl Event {
    /// The text form.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Begun => "begun",
            Self::Ended => "ended",
        }
    }
}

/// What is told of an anomaly.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct News {
    /// 1 for the first ever.
    pub id: i64,
    /// Whether it began or ended.
    pub event: Event,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub at: UtcTime,
    /// Of what.
    pub anomaly: Anomaly,
}

/// Notes that an anomaly is there. Gives the number of the news when it begins.
///
/// # Errors
/// [`StoreError`].
pub fn see(
    main: &Connection,
    edge: Option<&EdgeId>,
    sign: &Sign,
    now: UtcTime,
) -> Result<Option<i64>, StoreError> {
    const DOING: &str = "note an anomaly";
    let (edge, kind) = (name_of(edge), sign.kind.as_str());
    let detail: String = sign.detail.chars().take(DETAIL_CHARACTERS_MAX).collect();
    let again = main
        .prepare_cached(
            "UPDATE box_anomalies SET seen_at_us = max(seen_at_us, ?4), away_since_us = NULL,
                detail = ?5
             WHERE edge = ?1 AND kind = ?2 AND subject = ?3 AND ended_at_us IS NULL",
        )
        .and_then(|mut statement| {
            statement.execute(params![edge, kind, sign.subject, now.unix_us(), detail])
        })
        .doing(DOING)?;
    if again > 0 {
        return Ok(None);
    }
    let open: i64 = main
        .query_row(
            "SELECT count(*) FROM box_anomalies
             WHERE edge = ? AND kind = ? AND ended_at_us IS NULL",
            params![edge, kind],
            |row| row.get(0),
        )
        .doing(DOING)?;
    if open >= OPEN_OF_KIND_MAX {
        return Ok(None);
    }
    main.execute(
        "INSERT INTO box_anomalies (edge, kind, subject, detail, began_at_us, seen_at_us)
         VALUES (?1, ?2, ?3, ?4, ?5, ?5)",
        params![edge, kind, sign.subject, detail, now.unix_us()],
    )
    .doing(DOING)?;
    tracing::warn!(
        edge.id = edge,
        anomaly = kind,
        subject = sign.subject,
        "something is wrong with a box"
    );
    tell(main, main.last_insert_rowid(), Event::Begun, now).map(Some)
}

/// Notes that what is open of these kinds, and is not among the signs, was not seen this time. What
/// stays away for [`HOLD`] is ended by [`end_due`].
///
/// # Errors
/// [`StoreError`].
pub fn note_away(
    main: &Connection,
    edge: Option<&EdgeId>,
    of_kind: impl Fn(Kind) -> bool,
    there: &[Sign],
    now: UtcTime,
) -> Result<(), StoreError> {
    for open in open_of(main, edge)? {
        let subject = open.subject.as_deref().unwrap_or_default();
        let seen = |sign: &Sign| sign.kind == open.kind && sign.subject == subject;
        if of_kind(open.kind) && !there.iter().any(seen) {
            main.prepare_cached(
                "UPDATE box_anomalies SET away_since_us = coalesce(away_since_us, ?2)
                 WHERE id = ?1",
            )
            .and_then(|mut statement| statement.execute(params![open.id, now.unix_us()]))
            .doing("note that an anomaly is away")?;
        }
    }
    Ok(())
}

/// Ends what has stayed away long enough. Gives how many.
///
/// # Errors
/// [`StoreError`].
pub fn end_due(main: &Connection, now: UtcTime) -> Result<usize, StoreError> {
    const DOING: &str = "end anomalies";
    let mut statement = main
        .prepare_cached(
            "SELECT id FROM box_anomalies WHERE ended_at_us IS NULL AND away_since_us <= ?",
        )
        .doing(DOING)?;
    let due: Result<Vec<i64>, _> = statement
        .query_map([(now - HOLD).unix_us()], |row| row.get(0))
        .doing(DOING)?
        .collect();
    let due = due.doing(DOING)?;
    for id in &due {
        end(main, *id, now)?;
    }
    Ok(due.len())
}

/// Ends an anomaly at once.
///
/// # Errors
/// [`StoreError`].
pub fn end(main: &Connection, id: i64, now: UtcTime) -> Result<(), StoreError> {
    let ended = main
        .execute(
            "UPDATE box_anomalies SET ended_at_us = ?2 WHERE id = ?1 AND ended_at_us IS NULL",
            params![id, now.unix_us()],
        )
        .doing("end an anomaly")?;
    if ended > 0 {
        tell(main, id, Event::Ended, now)?;
    }
    Ok(())
}

/// Lets go of what was over long ago.
///
/// # Errors
/// [`StoreError`].
pub fn forget(main: &Connection, now: UtcTime) -> Result<(), StoreError> {
    const DOING: &str = "let go of old anomalies";
    let before = (now - KEPT).unix_us();
    main.execute(
        "DELETE FROM box_news WHERE anomaly IN
         (SELECT id FROM box_anomalies WHERE ended_at_us < ?)",
        [before],
    )
    .doing(DOING)?;
    main.execute("DELETE FROM box_anomalies WHERE ended_at_us < ?", [before])
        .doing(DOING)?;
    Ok(())
}

fn tell(main: &Connection, anomaly: i64, event: Event, now: UtcTime) -> Result<i64, StoreError> {
    main.execute(
        "INSERT INTO box_news (anomaly, event, at_us) VALUES (?, ?, ?)",
        params![anomaly, event.as_str(), now.unix_us()],
    )
    .doing("note what is to be told")?;
    let news = main.last_insert_rowid();
    deliveries::enqueue_anomaly(main, news, now)?;
    Ok(news)
}

const COLUMNS: &str = "a.id, a.edge, a.kind, a.subject, a.detail, a.began_at_us, a.ended_at_us";

/// What is wrong with an edge now, or with gates as a whole when none is named; oldest first.
///
/// # Errors
/// [`StoreError`].
pub fn open_of(main: &Connection, edge: Option<&EdgeId>) -> Result<Vec<Anomaly>, StoreError> {
    let which = "a.edge = ? AND a.ended_at_us IS NULL ORDER BY a.id";
    some(main, which, params![name_of(edge)])
}

/// All that is wrong now, oldest first.
///
/// # Errors
/// [`StoreError`].
pub fn open(main: &Connection) -> Result<Vec<Anomaly>, StoreError> {
    some(main, "a.ended_at_us IS NULL ORDER BY a.id", params![])
}

/// What was wrong with an edge over the week, newest first, `most` at most.
///
/// # Errors
/// [`StoreError`].
pub fn of_edge(main: &Connection, edge: &EdgeId, most: u32) -> Result<Vec<Anomaly>, StoreError> {
    let which = "a.edge = ? ORDER BY a.id DESC LIMIT ?";
    some(main, which, params![edge.as_str(), most])
}

fn some(
    main: &Connection,
    which: &str,
    given: &[&dyn crate::store::sql::ToSql],
) -> Result<Vec<Anomaly>, StoreError> {
    const DOING: &str = "list the anomalies";
    let text = format!("SELECT {COLUMNS} FROM box_anomalies AS a WHERE {which}");
    let mut statement = main.prepare_cached(&text).doing(DOING)?;
    let mut rows = statement.query(given).doing(DOING)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next().doing(DOING)? {
        found.push(read(row)?);
    }
    Ok(found)
}

/// What was told after a number, oldest first, `most` at most.
///
/// # Errors
/// [`StoreError`].
pub fn news_after(main: &Connection, after: i64, most: u32) -> Result<Vec<News>, StoreError> {
    news(main, "n.id > ? ORDER BY n.id LIMIT ?", params![after, most])
}

/// One of the news; none when it was let go.
///
/// # Errors
/// [`StoreError`].
pub fn news_of(main: &Connection, id: i64) -> Result<Option<News>, StoreError> {
    Ok(news(main, "n.id = ?", params![id])?.pop())
}

/// The number of the newest news; 0 when there was never one.
///
/// # Errors
/// [`StoreError`].
pub fn newest(main: &Connection) -> Result<i64, StoreError> {
    const DOING: &str = "find the newest news";
    let newest: Option<i64> = main
        .prepare_cached("SELECT seq FROM sqlite_sequence WHERE name = 'box_news'")
        .and_then(|mut statement| statement.query_row([], |row| row.get(0)).optional())
        .doing(DOING)?;
    Ok(newest.unwrap_or(0))
}

/// No news get a number up to this one any more.
///
/// # Errors
/// [`StoreError`].
pub fn begin_above(main: &Connection, number: i64) -> Result<(), StoreError> {
    const DOING: &str = "number the news of the boxes on";
    let sql = "UPDATE sqlite_sequence SET seq = max(seq, ?) WHERE name = 'box_news'";
    if main.execute(sql, [number]).doing(DOING)? == 0 {
        let sql = "INSERT INTO sqlite_sequence (name, seq) VALUES ('box_news', ?)";
        main.execute(sql, [number]).doing(DOING)?;
    }
    Ok(())
}

fn news(
    main: &Connection,
    which: &str,
    given: &[&dyn crate::store::sql::ToSql],
) -> Result<Vec<News>, StoreError> {
    const DOING: &str = "read the news of the boxes";
    let text = format!(
        "SELECT {COLUMNS}, n.id, n.event, n.at_us FROM box_news AS n
         JOIN box_anomalies AS a ON a.id = n.anomaly WHERE {which}"
    );
    let mut statement = main.prepare_cached(&text).doing(DOING)?;
    let mut rows = statement.query(given).doing(DOING)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next().doing(DOING)? {
        let event: String = row.get(8).doing(DOING)?;
        found.push(News {
            id: row.get(7).doing(DOING)?,
            event: match event.as_str() {
                "begun" => Event::Begun,
                _ => Event::Ended,
            },
            at: UtcTime::from_unix_us(row.get(9).doing(DOING)?),
            anomaly: read(row)?,
        });
    }
    Ok(found)
}

fn read(row: &Row<'_>) -> Result<Anomaly, StoreError> {
    const DOING: &str = "read an anomaly";
    let text = |at: usize| row.get::<_, String>(at).doing(DOING);
    let named = |text: String| (!text.is_empty()).then_some(text);
    let kind = Kind::named(&text(2)?).ok_or(StoreError::Damaged { what: "anomaly" })?;
    let ended: Option<i64> = row.get(6).doing(DOING)?;
    Ok(Anomaly {
        id: row.get(0).doing(DOING)?,
        edge: named(text(1)?),
        kind,
        subject: named(text(3)?),
        detail: text(4)?,
        began_at: UtcTime::from_unix_us(row.get(5).doing(DOING)?),
        ended_at: ended.map(UtcTime::from_unix_us),
    })
}

fn name_of(edge: Option<&EdgeId>) -> &str {
    edge.map_or("", EdgeId::as_str)
}
