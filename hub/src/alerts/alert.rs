//! An alert and what became of it. This module owns the tables `alerts` and `alert_showings`.
//!
//! What an alert says is sealed under the key of its transit's hour: it dies with the transit. The
//! row goes with the hour too; that it was acknowledged, by whom and how, stays in the audit.

use crate::audit::actor::Actor;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use thiserror::Error;
use varco_proto::ids::{Digest, GateId};
use varco_proto::time::UtcTime;

use crate::hotlists::list::ListId;
use crate::hours::partition::Partition;
use crate::store::sql::{Connection, OptionalExtension as _, Row, Transaction, params};
use crate::store::{Doing as _, StoreError};
use crate::transits::blocks;
use varco_proto::cipher::Key;

/// The tables, for [`crate::store::migrate`].
pub const SCHEMA: &str = "
    CREATE TABLE alerts (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        transit BLOB NOT NULL CHECK (length(transit) = 16),
        list TEXT NOT NULL,
        hour INTEGER NOT NULL,
        priority INTEGER NOT NULL,
        near INTEGER NOT NULL CHECK (near IN (0, 1)),
        raised_at_us INTEGER NOT NULL,
        digest BLOB NOT NULL CHECK (length(digest) = 32),
        sealed BLOB NOT NULL,
        acknowledged_at_us INTEGER,
        acknowledged_by TEXT,
        outcome TEXT,
        UNIQUE (transit, list)
    ) STRICT;
    CREATE INDEX alerts_by_hour ON alerts (hour);
    CREATE TABLE alert_showings (
        alert INTEGER NOT NULL,
        actor TEXT NOT NULL,
        at_us INTEGER NOT NULL,
        PRIMARY KEY (alert, actor)
    ) STRICT, WITHOUT ROWID;";

/// When a list last raised one.
pub const SCHEMA_BY_LIST: &str = "CREATE INDEX alerts_by_list ON alerts (list, raised_at_us);";

/// What was found out about an alert by whoever looked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AlertOutcome {
    /// It is the vehicle, and is being acted on.
    Confirmed,
    /// The crop shows another plate.
    Misread,
    /// The plate is right and the vehicle is not the one meant.
    OtherVehicle,
    /// The list is no longer right.
    NoLongerWanted,
}

impl AlertOutcome {
    /// Every outcome with its name.
    pub const ALL: [(Self, &'static str); 4] = [
        (Self::Confirmed, "confirmed"),
        (Self::Misread, "misread"),
        (Self::OtherVehicle, "other-vehicle"),
        (Self::NoLongerWanted, "no-longer-wanted"),
    ];

    /// The name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        let found = Self::ALL.iter().find(|(outcome, _)| *outcome == self);
        found.map_or("", |(_, name)| name)
    }

    /// By its name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let found = Self::ALL.iter().find(|(_, known)| *known == name);
        found.map(|(outcome, _)| *outcome)
    }
}

/// One character that differs between the listed plate and the read one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct CharacterDifference {
    /// From 1.
    pub place: usize,
    /// On the list; O as 0 and I as 1.
    pub listed: char,
    /// As read; O as 0 and I as 1.
    pub read: char,
}

/// What an alert says; sealed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Content {
    /// The plate on the list.
    pub listed: String,
    /// The plate as it was read.
    pub read: String,
    /// When the vehicle passed.
    pub captured_at: UtcTime,
    /// The share, 0 to 1, that the camera's own doubts leave to the listed plate.
    pub share: f32,
    /// What differs; nothing when the listed plate itself was read.
    pub differences: Vec<CharacterDifference>,
    /// What the list says of the plate.
    pub note: Option<String>,
    /// Where the list says that it is registered.
    pub country: Option<String>,
    /// The gate; versions before did not note it.
    #[serde(default)]
    pub gate: Option<GateId>,
}

/// An alert as it is raised.
#[derive(Debug, Clone, PartialEq)]
pub struct New {
    /// UUID of the transit.
    pub transit: [u8; 16],
    /// The record's digest.
    pub digest: Digest,
    /// The list.
    pub list: ListId,
    /// Its priority then, 0 to 100.
    pub priority: u8,
    /// What it says.
    pub content: Content,
}

/// An alert as it is kept.
#[derive(Debug, Clone, PartialEq)]
pub struct Alert {
    /// 1 for the first ever.
    pub id: i64,
    /// UUID of the transit.
    pub transit: [u8; 16],
    /// The record's digest.
    pub digest: Digest,
    /// The list.
    pub list: ListId,
    /// The list's priority then, 0 to 100.
    pub priority: u8,
    /// Whether the listed plate may have been misread.
    pub near: bool,
    /// When the hub raised it.
    pub raised_at: UtcTime,
    /// The partition of its transit.
    pub hour: Partition,
    /// What somebody found out.
    pub acknowledged: Option<Acknowledged>,
    sealed: Vec<u8>,
}

/// What became of an alert.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acknowledged {
    /// When.
    pub at: UtcTime,
    /// By whom.
    pub by: String,
    /// With what.
    pub outcome: AlertOutcome,
}

fn place(transit: &[u8; 16], list: &ListId) -> Vec<u8> {
    [b"alert ", &transit[..], list.as_str().as_bytes()].concat()
}

fn damaged() -> StoreError {
    StoreError::Damaged { what: "alert" }
}

impl Alert {
    /// What it says, with the key of its hour.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] when it does not open.
    pub fn content(&self, key: &Key) -> Result<Content, StoreError> {
        let plain = key.open(&place(&self.transit, &self.list), &self.sealed);
        let plain = plain.map_err(|_| damaged())?;
        serde_json::from_slice(&plain).map_err(|_| damaged())
    }
}

/// Keeps an alert, in the transaction that stores its transit. Gives its id; none when the same
/// transit already raised one for the same list.
///
/// # Errors
/// [`StoreError`].
pub fn keep(
    main: &Connection,
    new: &New,
    hour: Partition,
    hour_key: &Arc<Key>,
    now: UtcTime,
) -> Result<Option<i64>, StoreError> {
    let plain = serde_json::to_vec(&new.content).map_err(|_| damaged())?;
    let sealed = hour_key
        .seal(&place(&new.transit, &new.list), &plain)
        .map_err(|_| damaged())?;
    let mut statement = main
        .prepare_cached(
            "INSERT OR IGNORE INTO alerts (transit, list, hour, priority, near, raised_at_us,
             digest, sealed) VALUES (?, ?, ?, ?, ?, ?, ?, ?) RETURNING id",
        )
        .doing("keep the alert")?;
    statement
        .query_row(
            params![
                &new.transit[..],
                new.list.as_str(),
                hour.number(),
                new.priority,
                !new.content.differences.is_empty(),
                now.unix_us(),
                new.digest.as_bytes(),
                sealed,
            ],
            |row| row.get(0),
        )
        .optional()
        .doing("keep the alert")
}

const COLUMNS: &str = "id, transit, digest, list, priority, near, raised_at_us, hour, sealed,
    acknowledged_at_us, acknowledged_by, outcome";

/// Which alerts are wanted, by their ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WantedAlerts {
    /// After this one, oldest first: what somebody has not seen yet.
    After(i64),
    /// Before this one, newest first: a page.
    Before(i64),
    /// Before this one, newest first, of those that nobody acknowledged.
    OpenBefore(i64),
}

/// Alerts, `most` at most, without those of blocked transits.
///
/// # Errors
/// [`StoreError`].
pub fn some(main: &Connection, wanted: WantedAlerts, most: u32) -> Result<Vec<Alert>, StoreError> {
    const DOING: &str = "list the alerts";
    let (which, id) = match wanted {
        WantedAlerts::After(id) => ("id > ? ORDER BY id", id),
        WantedAlerts::Before(id) => ("id < ? ORDER BY id DESC", id),
        WantedAlerts::OpenBefore(id) => {
            ("id < ? AND acknowledged_at_us IS NULL ORDER BY id DESC", id)
        }
    };
    let free = blocks::FREE;
    let text = format!("SELECT {COLUMNS} FROM alerts WHERE {free} AND {which} LIMIT ?");
    let mut statement = main.prepare_cached(&text).doing(DOING)?;
    let mut rows = statement.query(params![id, most]).doing(DOING)?;
    let mut alerts = Vec::new();
    while let Some(row) = rows.next().doing(DOING)? {
        alerts.push(from_row(row)?);
    }
    Ok(alerts)
}

/// One alert; none when its transit is blocked, too.
///
/// # Errors
/// [`StoreError`].
pub fn find(main: &Connection, id: i64) -> Result<Option<Alert>, StoreError> {
    const DOING: &str = "find the alert";
    let text = format!(
        "SELECT {COLUMNS} FROM alerts WHERE id = ? AND {}",
        blocks::FREE
    );
    let mut statement = main.prepare_cached(&text).doing(DOING)?;
    let found = statement.query_row([id], |row| Ok(from_row(row)));
    found.optional().doing(DOING)?.transpose()
}

/// The id of the newest alert; 0 when there was never one.
///
/// # Errors
/// [`StoreError`].
pub fn newest(main: &Connection) -> Result<i64, StoreError> {
    let mut statement = main
        .prepare_cached("SELECT coalesce(max(id), 0) FROM alerts")
        .doing("find the newest alert")?;
    statement
        .query_row([], |row| row.get(0))
        .doing("find the newest alert")
}

/// Alerts that nobody acknowledged, without those of blocked transits.
///
/// # Errors
/// [`StoreError`].
pub fn count_open(main: &Connection) -> Result<u64, StoreError> {
    let free = blocks::FREE;
    let text = format!("SELECT count(*) FROM alerts WHERE acknowledged_at_us IS NULL AND {free}");
    let count: i64 = main
        .query_row(&text, [], |row| row.get(0))
        .doing("count the alerts")?;
    Ok(u64::try_from(count).unwrap_or(0))
}

fn from_row(row: &Row<'_>) -> Result<Alert, StoreError> {
    const DOING: &str = "read an alert";
    let bytes = |at: usize| row.get::<_, Vec<u8>>(at).doing(DOING);
    let at: Option<i64> = row.get(9).doing(DOING)?;
    let by: Option<String> = row.get(10).doing(DOING)?;
    let outcome: Option<String> = row.get(11).doing(DOING)?;
    let outcome = outcome.and_then(|name| AlertOutcome::named(&name));
    let acknowledged = match (at, by, outcome) {
        (Some(at), Some(by), Some(outcome)) => Some(Acknowledged {
            at: UtcTime::from_unix_us(at),
            by,
            outcome,
        }),
        _ => None,
    };
    let list: String = row.get(3).doing(DOING)?;
    Ok(Alert {
        id: row.get(0).doing(DOING)?,
        transit: bytes(1)?.try_into().map_err(|_| damaged())?,
        digest: Digest::try_from(&bytes(2)?[..]).map_err(|_| damaged())?,
        list: list.parse().map_err(|_| damaged())?,
        priority: row.get(4).doing(DOING)?,
        near: row.get(5).doing(DOING)?,
        raised_at: UtcTime::from_unix_us(row.get(6).doing(DOING)?),
        hour: Partition::from_number(row.get(7).doing(DOING)?),
        acknowledged,
        sealed: bytes(8)?,
    })
}

/// Notes that an alert, with its crop, was shown to somebody.
///
/// # Errors
/// [`StoreError`].
pub fn note_shown(main: &Connection, id: i64, to: &Actor, now: UtcTime) -> Result<(), StoreError> {
    main.execute(
        "INSERT OR IGNORE INTO alert_showings (alert, actor, at_us) VALUES (?, ?, ?)",
        params![id, to.id(), now.unix_us()],
    )
    .doing("note who saw the alert")?;
    Ok(())
}

/// An alert is not acknowledged.
#[derive(Debug, Error)]
pub enum AcknowledgeError {
    /// Who acts must have looked.
    #[error("open the alert first and compare the picture with the plate")]
    NotShown,
    /// Somebody was faster.
    #[error("it was acknowledged before, by {0}")]
    Before(String),
    /// There is none.
    #[error("there is no such alert, or its transit's term is over")]
    None,
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Notes what somebody found out, once. It needs that the alert was shown to them.
///
/// # Errors
/// [`AcknowledgeError`].
pub fn acknowledge(
    main: &Connection,
    id: i64,
    actor: &Actor,
    outcome: AlertOutcome,
    now: UtcTime,
) -> Result<(), AcknowledgeError> {
    const DOING: &str = "acknowledge the alert";
    let alert = find(main, id)?.ok_or(AcknowledgeError::None)?;
    if let Some(before) = alert.acknowledged {
        return Err(AcknowledgeError::Before(before.by));
    }
    let shown: bool = main
        .query_row(
            "SELECT count(*) FROM alert_showings WHERE alert = ? AND actor = ?",
            params![id, actor.id()],
            |row| row.get(0),
        )
        .doing(DOING)?;
    if !shown {
        return Err(AcknowledgeError::NotShown);
    }
    main.execute(
        "UPDATE alerts SET acknowledged_at_us = ?, acknowledged_by = ?, outcome = ? WHERE id = ?",
        params![now.unix_us(), actor.to_string(), outcome.as_str(), id],
    )
    .doing(DOING)?;
    Ok(())
}

/// Lets go of the alerts of transits that were destroyed before their hour.
///
/// # Errors
/// [`StoreError`].
pub fn forget_transits(main: &Transaction<'_>, transits: &[[u8; 16]]) -> Result<(), StoreError> {
    const DOING: &str = "let go of the alerts of destroyed transits";
    for sql in [
        "DELETE FROM alert_showings WHERE alert IN (SELECT id FROM alerts WHERE transit = ?)",
        "DELETE FROM alerts WHERE transit = ?",
    ] {
        let mut statement = main.prepare_cached(sql).doing(DOING)?;
        for transit in transits {
            statement.execute([&transit[..]]).doing(DOING)?;
        }
    }
    Ok(())
}

/// Lets go of one alert, which its list's body may not see any more.
///
/// # Errors
/// [`StoreError`].
pub fn forget(main: &Connection, id: i64) -> Result<(), StoreError> {
    for sql in [
        "DELETE FROM alert_showings WHERE alert = ?",
        "DELETE FROM alerts WHERE id = ?",
    ] {
        main.execute(sql, [id]).doing("let go of an alert")?;
    }
    Ok(())
}

/// Lets go of the alerts of an hour that is destroyed: their key is gone, so must they be.
///
/// # Errors
/// [`StoreError`].
pub fn forget_hour(main: &Connection, hour: Partition) -> Result<(), StoreError> {
    const DOING: &str = "let go of an hour's alerts";
    main.execute(
        "DELETE FROM alert_showings WHERE alert IN (SELECT id FROM alerts WHERE hour = ?)",
        [hour.number()],
    )
    .doing(DOING)?;
    main.execute("DELETE FROM alerts WHERE hour = ?", [hour.number()])
        .doing(DOING)?;
    Ok(())
}
/// When a list last raised an alert that is still there; none when it raised none.
///
/// # Errors
/// [`StoreError`].
pub fn raised_at(main: &Connection, list: &ListId) -> Result<Option<UtcTime>, StoreError> {
    const DOING: &str = "look when a list last raised an alert";
    let sql = "SELECT max(raised_at_us) FROM alerts WHERE list = ?";
    let mut statement = main.prepare_cached(sql).doing(DOING)?;
    let at: Option<i64> = statement
        .query_row([list.as_str()], |row| row.get(0))
        .doing(DOING)?;
    Ok(at.map(UtcTime::from_unix_us))
}
