//! What edges say of hands laid on them, and releases. This module owns the tables
//! `tamper_events` and `releases`.

use serde::Serialize;
use utoipa::ToSchema;
use varco_proto::envelope::Verified;
use varco_proto::ids::EdgeId;
use varco_proto::record::Record;
use varco_proto::tamper::{TamperEvent, TamperKind};
use varco_proto::time::UtcTime;

use crate::boxes::anomalies::Sign;
use crate::boxes::kinds::Kind;
use crate::store::sql::{Connection, params};
use crate::store::{Doing as _, StoreError, number};

/// The tables, for [`crate::store::migrate`].
pub const SCHEMA: &str = "
    CREATE TABLE tamper_events (
        edge TEXT NOT NULL,
        sequence INTEGER NOT NULL CHECK (sequence > 0),
        kind TEXT NOT NULL,
        camera TEXT,
        noticed_at_us INTEGER NOT NULL,
        received_at_us INTEGER NOT NULL,
        detail TEXT NOT NULL,
        suspends INTEGER NOT NULL CHECK (suspends IN (0, 1)),
        envelope BLOB NOT NULL,
        PRIMARY KEY (edge, sequence)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE releases (
        edge TEXT NOT NULL,
        up_to_sequence INTEGER NOT NULL,
        released_at_us INTEGER NOT NULL,
        purpose TEXT NOT NULL,
        envelope BLOB NOT NULL,
        sent_at_us INTEGER,
        PRIMARY KEY (edge, up_to_sequence)
    ) STRICT, WITHOUT ROWID;
    ALTER TABLE edges ADD COLUMN suspended_by INTEGER NOT NULL DEFAULT 0;";

/// A release that its edge does not show as taken is sent again after this, in microseconds.
const AGAIN_AFTER_US: i64 = 60_000_000;

/// An event as the hub shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct TamperView {
    /// Its place in the edge's chain.
    pub sequence: u64,
    /// `covered`, `defocused`, `turned`, `looped`, `time-step`, `reboot`, `cabinet` or `changed`.
    pub kind: String,
    /// The camera; null when the edge as a whole is meant.
    pub camera: Option<String>,
    /// When, by the edge's clock.
    #[schema(value_type = String, format = DateTime)]
    pub noticed_at: UtcTime,
    /// What was noticed.
    pub detail: String,
}

/// Stores an event; a second time changes nothing.
///
/// # Errors
/// [`StoreError`].
pub fn note(
    main: &Connection,
    verified: &Verified<Record>,
    event: &TamperEvent,
    now: UtcTime,
) -> Result<(), StoreError> {
    let record = verified.value();
    main.execute(
        "INSERT OR IGNORE INTO tamper_events (edge, sequence, kind, camera, noticed_at_us,
         received_at_us, detail, suspends, envelope) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        params![
            record.edge.as_str(),
            number::signed(record.sequence, "chain")?,
            event.kind.as_str(),
            event.camera.as_ref().map(|camera| camera.as_str()),
            event.noticed_at.unix_us(),
            now.unix_us(),
            event.detail,
            event.suspends,
            verified.envelope(),
        ],
    )
    .doing("store the tamper event")?;
    Ok(())
}

/// The events that keep an edge's transits back, oldest first: those that suspend and are not
/// released.
///
/// # Errors
/// [`StoreError`].
pub fn open_events(main: &Connection, edge: &EdgeId) -> Result<Vec<TamperView>, StoreError> {
    const DOING: &str = "list the tamper events";
    let mut statement = main
        .prepare_cached(
            "SELECT sequence, kind, camera, noticed_at_us, detail FROM tamper_events
             WHERE edge = ?1 AND suspends = 1 AND sequence >
                (SELECT coalesce(max(up_to_sequence), 0) FROM releases WHERE edge = ?1)
             ORDER BY sequence",
        )
        .doing(DOING)?;
    let mut rows = statement.query([edge.as_str()]).doing(DOING)?;
    let mut events = Vec::new();
    while let Some(row) = rows.next().doing(DOING)? {
        events.push(TamperView {
            sequence: number::unsigned(row.get(0).doing(DOING)?, "tamper event")?,
            kind: row.get(1).doing(DOING)?,
            camera: row.get(2).doing(DOING)?,
            noticed_at: UtcTime::from_unix_us(row.get(3).doing(DOING)?),
            detail: row.get(4).doing(DOING)?,
        });
    }
    Ok(events)
}

/// What an event is told as.
#[must_use]
pub fn sign_of(event: &TamperView) -> Option<Sign> {
    let kind = TamperKind::ALL.iter().find(|(_, name)| *name == event.kind);
    let kind = Kind::of_tampering(kind?.0);
    // The box's own cabinet has no camera.
    let camera = event.camera.as_deref().unwrap_or_default();
    Some(Sign::of(kind, camera, &*event.detail))
}

/// Keeps a sealed release, to be sent.
///
/// # Errors
/// [`StoreError`].
pub fn keep_release(
    main: &Connection,
    release: &varco_proto::tamper::Release,
    envelope: &[u8],
) -> Result<(), StoreError> {
    main.execute(
        "INSERT OR REPLACE INTO releases
         (edge, up_to_sequence, released_at_us, purpose, envelope) VALUES (?, ?, ?, ?, ?)",
        params![
            release.edge.as_str(),
            number::signed(release.up_to_sequence, "release")?,
            release.released_at.unix_us(),
            release.purpose,
            envelope,
        ],
    )
    .doing("keep the release")?;
    Ok(())
}

/// Notes what an edge says keeps it back: a sequence, 0 for nothing.
///
/// # Errors
/// [`StoreError`].
pub fn note_suspended_by(main: &Connection, edge: &EdgeId, by: u64) -> Result<(), StoreError> {
    // The edge's own word, which must hold nothing up: one that is too high is higher than any chain.
    let by = i64::try_from(by).unwrap_or(i64::MAX);
    main.execute(
        "UPDATE edges SET suspended_by = ?2 WHERE id = ?1",
        params![edge.as_str(), by],
    )
    .doing("note what suspends the edge")?;
    Ok(())
}

/// A release on its way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DueRelease {
    /// Whose.
    pub edge: String,
    /// What it releases.
    pub up_to_sequence: i64,
    /// Sealed.
    pub envelope: Vec<u8>,
}

/// The releases to be sent now: those never sent, and those whose edge still says that what they
/// release keeps it back.
///
/// # Errors
/// [`StoreError`].
pub fn due_releases(main: &Connection, now: UtcTime) -> Result<Vec<DueRelease>, StoreError> {
    const DOING: &str = "list the releases";
    let mut statement = main
        .prepare_cached(
            "SELECT edge, up_to_sequence, envelope FROM releases
             JOIN edges ON edges.id = edge AND edges.revoked_at_us IS NULL
             WHERE sent_at_us IS NULL
                OR (suspended_by BETWEEN 1 AND up_to_sequence AND sent_at_us < ?1)",
        )
        .doing(DOING)?;
    let before = now.unix_us().saturating_sub(AGAIN_AFTER_US);
    let rows = statement
        .query_map([before], |row| {
            Ok(DueRelease {
                edge: row.get(0)?,
                up_to_sequence: row.get(1)?,
                envelope: row.get(2)?,
            })
        })
        .doing(DOING)?;
    rows.map(|row| row.doing(DOING)).collect()
}

/// Notes that a release was sent.
///
/// # Errors
/// [`StoreError`].
pub fn release_sent(
    main: &Connection,
    release: &DueRelease,
    now: UtcTime,
) -> Result<(), StoreError> {
    main.execute(
        "UPDATE releases SET sent_at_us = ?3 WHERE edge = ?1 AND up_to_sequence = ?2",
        params![release.edge, release.up_to_sequence, now.unix_us()],
    )
    .doing("note that the release was sent")?;
    Ok(())
}
