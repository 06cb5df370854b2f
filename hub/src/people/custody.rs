//! Who keeps the keys of server room, media cabinet and encryption (art. 6 c. 6 of Perugia's regulation). This module
//! owns the table `key_custody`.
//!
//! Each key of a body has one custodian: the person who is responsible, until it is handed over to somebody who works
//! for the body. A hand-over ends the one before and stays written.

use std::fmt;
use std::str::FromStr;

use serde_json::json;
use thiserror::Error;
use varco_proto::time::UtcTime;

use super::actors;
use super::appointing::is_reference;
use super::appointments;
use crate::audit::acting::Acting;
use crate::audit::action::Action;
use crate::audit::{AuditEntry, AuditError};
use crate::bodies::{self, BodyId};
use crate::store::sql::{Connection, Row, params};
use crate::store::{Doing as _, StoreError};

/// The table, for [`crate::store::migrate`].
pub const SCHEMA: &str = "
    CREATE TABLE key_custody (
        number INTEGER PRIMARY KEY,
        body TEXT NOT NULL,
        kept_key TEXT NOT NULL,
        holder TEXT NOT NULL,
        act TEXT NOT NULL,
        made_at_us INTEGER NOT NULL,
        ended_at_us INTEGER
    ) STRICT;
    CREATE UNIQUE INDEX key_custody_one_holder ON key_custody (body, kept_key)
        WHERE ended_at_us IS NULL;";

/// A key that somebody keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum KeptKey {
    /// Of the room where the server stands.
    ServerRoom,
    /// Of the cabinet with the media.
    MediaCabinet,
    /// The recovery key of the backups, and whatever else opens the encrypted disk.
    Encryption,
}

/// A word that is no key.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("there is no such key; there are server-room, media-cabinet, encryption")]
pub struct KeptKeyError;

impl KeptKey {
    /// Every key with its word.
    pub const ALL: [(Self, &'static str); 3] = [
        (Self::ServerRoom, "server-room"),
        (Self::MediaCabinet, "media-cabinet"),
        (Self::Encryption, "encryption"),
    ];

    /// The word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        let found = Self::ALL.iter().find(|(key, _)| *key == self);
        found.map_or("", |(_, name)| name)
    }
}

impl FromStr for KeptKey {
    type Err = KeptKeyError;
    fn from_str(text: &str) -> Result<Self, KeptKeyError> {
        let found = Self::ALL.iter().find(|(_, name)| *name == text);
        found.map(|(key, _)| *key).ok_or(KeptKeyError)
    }
}

impl fmt::Display for KeptKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A key was not handed over.
#[derive(Debug, Error)]
pub enum CustodyError {
    /// There is none.
    #[error("there is no body `{0}`; `varco-hub body list` shows those there are")]
    Body(BodyId),
    /// Keys stay with who holds an office.
    #[error("`{0}` is not appointed for the body now; `varco-hub person list` shows who is")]
    Unknown(String),
    /// It is there already.
    #[error("`{0}` keeps it already")]
    Same(String),
    /// It must be said.
    #[error("say the act or the record of the hand-over, in 3 to 200 characters")]
    Act,
    /// No audit line, no act.
    #[error("the audit line cannot be written, so nothing was done")]
    Audit(#[from] AuditError),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// That somebody keeps a key, or kept it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Custody {
    /// Of which body.
    pub body: BodyId,
    /// Which key.
    pub key: KeptKey,
    /// Who, an actor's id.
    pub holder: String,
    /// By which act or record.
    pub act: String,
    /// Since when.
    pub made_at: UtcTime,
    /// Until when; none while they keep it.
    pub ended_at: Option<UtcTime>,
}

/// Every hand-over, oldest first.
///
/// # Errors
/// [`StoreError`].
pub fn all(main: &Connection) -> Result<Vec<Custody>, StoreError> {
    const DOING: &str = "read who keeps keys";
    let sql = "SELECT body, kept_key, holder, act, made_at_us, ended_at_us FROM key_custody
        ORDER BY number";
    let mut statement = main.prepare_cached(sql).doing(DOING)?;
    let mut rows = statement.query([]).doing(DOING)?;
    let mut all = Vec::new();
    while let Some(row) = rows.next().doing(DOING)? {
        all.push(from_row(row)?);
    }
    Ok(all)
}

fn from_row(row: &Row<'_>) -> Result<Custody, StoreError> {
    const DOING: &str = "read who keeps a key";
    const DAMAGED: StoreError = StoreError::Damaged {
        what: "custody of a key",
    };
    let text = |at: usize| row.get::<_, String>(at).doing(DOING);
    let ended: Option<i64> = row.get(5).doing(DOING)?;
    Ok(Custody {
        body: text(0)?.parse().map_err(|_| DAMAGED)?,
        key: text(1)?.parse().map_err(|_| DAMAGED)?,
        holder: text(2)?,
        act: text(3)?,
        made_at: row.get(4).map(UtcTime::from_unix_us).doing(DOING)?,
        ended_at: ended.map(UtcTime::from_unix_us),
    })
}

/// Who keeps a body's key now, an actor's id: who it was handed over to, while they work for the body; else the
/// person who is responsible. None when there is nobody.
///
/// # Errors
/// [`StoreError`].
pub fn holder(
    main: &Connection,
    body: &BodyId,
    key: KeptKey,
    now: UtcTime,
) -> Result<Option<String>, StoreError> {
    let is_it = |one: &Custody| one.body == *body && one.key == key && one.ended_at.is_none();
    if let Some(custody) = all(main)?.into_iter().find(is_it) {
        let held = appointments::of(main, &custody.holder, now)?;
        if held.is_some_and(|held| held.body == *body) {
            return Ok(Some(custody.holder));
        }
    }
    let responsible = appointments::responsible(main, body, now)?;
    Ok(responsible.map(|held| held.actor_id))
}

/// A hand-over.
#[derive(Debug, Clone)]
pub struct HandOver {
    /// Of which body.
    pub body: BodyId,
    /// Which key.
    pub key: KeptKey,
    /// To whom, by name.
    pub to: String,
    /// By which act or record.
    pub act: String,
}

/// Hands a key over. Gives who kept it before, an actor's id.
///
/// # Errors
/// [`CustodyError`].
pub fn hand_over(
    main: &mut Connection,
    wanted: &HandOver,
    acting: &Acting<'_>,
) -> Result<Option<String>, CustodyError> {
    let HandOver { body, key, to, act } = wanted;
    acting.change(main, |main| {
        if !is_reference(act) {
            return Err(CustodyError::Act);
        }
        let known = bodies::find(main, body)?.filter(|body| body.holds());
        if known.is_none() {
            return Err(CustodyError::Body(body.clone()));
        }
        let unknown = || CustodyError::Unknown(to.clone());
        let to = actors::of_name(main, to)?.ok_or_else(unknown)?;
        let held = appointments::of(main, to.id(), acting.now)?;
        held.filter(|held| held.body == *body).ok_or_else(unknown)?;
        let before = holder(main, body, *key, acting.now)?;
        if before.as_deref() == Some(to.id()) {
            return Err(CustodyError::Same(to.name().to_owned()));
        }
        note(main, wanted, to.id(), acting.now)?;
        let details = json!({
            "body": body, "key": key.as_str(), "for": to.name(), "actor_id": to.id(),
            "act": act, "before": before,
        });
        let entry = AuditEntry::plain(acting.actor.clone(), Action::KeyHandedOver, details);
        Ok((before, entry))
    })
}

fn note(main: &Connection, wanted: &HandOver, to: &str, now: UtcTime) -> Result<(), StoreError> {
    const DOING: &str = "note who keeps a key";
    let (body, key) = (wanted.body.as_str(), wanted.key.as_str());
    main.execute(
        "UPDATE key_custody SET ended_at_us = ?3
         WHERE body = ?1 AND kept_key = ?2 AND ended_at_us IS NULL",
        params![body, key, now.unix_us()],
    )
    .doing(DOING)?;
    main.execute(
        "INSERT INTO key_custody (body, kept_key, holder, act, made_at_us) VALUES (?, ?, ?, ?, ?)",
        params![body, key, to, wanted.act.trim(), now.unix_us()],
    )
    .doing(DOING)?;
    Ok(())
}
