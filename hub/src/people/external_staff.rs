//! People of firms that maintain the system or clean its rooms: their names are communicated in writing (art. 9 c. 2 A
//! a1 of Perugia's regulation). This module owns the table `external_staff`.
//!
//! Who maintains is bound to secrecy (art. 8 c. 2 B b2): without a declaration a technician is not registered.

use std::fmt;
use std::str::FromStr;

use serde_json::json;
use thiserror::Error;
use varco_proto::time::UtcTime;

use super::actors::{self, ActorError};
use super::appointing::{day_of, is_reference};
use crate::audit::acting::Acting;
use crate::audit::action::Action;
use crate::audit::actor::ActorKind;
use crate::audit::{AuditEntry, AuditError};
use crate::bodies::{self, BodyId};
use crate::store::sql::{Connection, Row, params};
use crate::store::{Doing as _, StoreError};

/// The table, for [`crate::store::migrate`].
pub const SCHEMA: &str = "
    CREATE TABLE external_staff (
        number INTEGER PRIMARY KEY,
        actor_id TEXT NOT NULL,
        firm TEXT NOT NULL,
        work TEXT NOT NULL,
        body TEXT NOT NULL,
        communication TEXT NOT NULL,
        communicated_on TEXT NOT NULL,
        secrecy_on TEXT,
        from_us INTEGER NOT NULL,
        until_us INTEGER NOT NULL CHECK (until_us > from_us),
        made_at_us INTEGER NOT NULL,
        ended_at_us INTEGER
    ) STRICT;
    CREATE INDEX external_staff_by_actor ON external_staff (actor_id);";

/// The document by which who maintains is bound to secrecy. Who was entered before has none, and maintains nothing
/// until they are entered anew.
pub const SCHEMA_SECRECY: &str = "ALTER TABLE external_staff ADD COLUMN secrecy TEXT;";

/// What somebody of a firm does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum StaffWork {
    /// Maintains the system.
    Maintenance,
    /// Cleans its rooms.
    Cleaning,
}

/// A word that is no such work.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("there is no such work; there are maintenance, cleaning")]
pub struct StaffWorkError;

impl StaffWork {
    /// Each with its word.
    pub const ALL: [(Self, &'static str); 2] = [
        (Self::Maintenance, "maintenance"),
        (Self::Cleaning, "cleaning"),
    ];

    /// The word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        let found = Self::ALL.iter().find(|(work, _)| *work == self);
        found.map_or("", |(_, name)| name)
    }
}

impl FromStr for StaffWork {
    type Err = StaffWorkError;
    fn from_str(text: &str) -> Result<Self, StaffWorkError> {
        let found = Self::ALL.iter().find(|(_, name)| *name == text);
        found.map(|(work, _)| *work).ok_or(StaffWorkError)
    }
}

impl fmt::Display for StaffWork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Nobody was entered or taken out.
#[derive(Debug, Error)]
pub enum StaffError {
    /// The name.
    #[error(transparent)]
    Actor(#[from] ActorError),
    /// There is none.
    #[error("there is no body `{0}`; `varco-hub body list` shows those there are")]
    Body(BodyId),
    /// It must be said.
    #[error("say the {0}, in 3 to 200 characters")]
    Text(&'static str),
    /// Its day.
    #[error("the day of the {0} is written YYYY-MM-DD and does not lie in the future")]
    Day(&'static str),
    /// Without one nobody maintains.
    #[error(
        "who maintains is bound to secrecy: give the document of their declaration and its day"
    )]
    NoSecrecy,
    /// Its time.
    #[error("an entry ends after it begins, and not in the past")]
    Term,
    /// There is none.
    #[error("no entry has this number and holds; `varco-hub office show` shows those there are")]
    NoEntry,
    /// No audit line, no act.
    #[error("the audit line cannot be written, so nothing was done")]
    Audit(#[from] AuditError),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Somebody of a firm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StaffEntry {
    /// Its number.
    pub number: i64,
    /// Who, an actor's id.
    pub actor_id: String,
    /// Of which firm.
    pub firm: String,
    /// What they do.
    pub work: StaffWork,
    /// To which body they were named.
    pub body: BodyId,
    /// In which writing.
    pub communication: String,
    /// On which day, YYYY-MM-DD.
    pub communicated_on: String,
    /// Where their signed declaration that they keep secret what they see is kept.
    pub secrecy: Option<String>,
    /// When they signed it, YYYY-MM-DD.
    pub secrecy_on: Option<String>,
    /// From when.
    pub from: UtcTime,
    /// The first moment in which it does not hold any more.
    pub until: UtcTime,
    /// When it was written here.
    pub made_at: UtcTime,
    /// When it was ended before its end.
    pub ended_at: Option<UtcTime>,
}

impl StaffEntry {
    /// Whether it holds at a moment. What was ended has ended, also for a clock that was set back.
    #[must_use]
    pub fn holds_at(&self, now: UtcTime) -> bool {
        self.from <= now && now < self.until && self.ended_at.is_none()
    }
}

/// Every entry, oldest first.
///
/// # Errors
/// [`StoreError`].
pub fn all(main: &Connection) -> Result<Vec<StaffEntry>, StoreError> {
    const DOING: &str = "read the external staff";
    let sql = "SELECT number, actor_id, firm, work, body, communication, communicated_on,
        secrecy_on, from_us, until_us, made_at_us, ended_at_us, secrecy FROM external_staff ORDER BY number";
    let mut statement = main.prepare_cached(sql).doing(DOING)?;
    let mut rows = statement.query([]).doing(DOING)?;
    let mut all = Vec::new();
    while let Some(row) = rows.next().doing(DOING)? {
        all.push(from_row(row)?);
    }
    Ok(all)
}

fn from_row(row: &Row<'_>) -> Result<StaffEntry, StoreError> {
    const DOING: &str = "read an entry of the external staff";
    const DAMAGED: StoreError = StoreError::Damaged {
        what: "entry of the external staff",
    };
    let text = |at: usize| row.get::<_, String>(at).doing(DOING);
    let time = |at: usize| row.get(at).map(UtcTime::from_unix_us).doing(DOING);
    let ended: Option<i64> = row.get(11).doing(DOING)?;
    Ok(StaffEntry {
        number: row.get(0).doing(DOING)?,
        actor_id: text(1)?,
        firm: text(2)?,
        work: text(3)?.parse().map_err(|_| DAMAGED)?,
        body: text(4)?.parse().map_err(|_| DAMAGED)?,
        communication: text(5)?,
        communicated_on: text(6)?,
        secrecy: row.get(12).doing(DOING)?,
        secrecy_on: row.get(7).doing(DOING)?,
        from: time(8)?,
        until: time(9)?,
        made_at: time(10)?,
        ended_at: ended.map(UtcTime::from_unix_us),
    })
}

/// The entry by which a person maintains the system, bound to secrecy by a document; none when there is none that
/// holds.
///
/// # Errors
/// [`StoreError`]: then there is none.
pub fn maintaining(
    main: &Connection,
    actor_id: &str,
    now: UtcTime,
) -> Result<Option<StaffEntry>, StoreError> {
    let is_it = |entry: &StaffEntry| {
        entry.actor_id == actor_id
            && entry.work == StaffWork::Maintenance
            && entry.secrecy.is_some()
            && entry.secrecy_on.is_some()
            && entry.holds_at(now)
    };
    Ok(all(main)?.into_iter().rev().find(is_it))
}

/// Whether a person is registered as somebody who maintains the system, bound to secrecy.
///
/// # Errors
/// [`StoreError`]: then they are not.
pub fn is_registered(main: &Connection, actor_id: &str, now: UtcTime) -> Result<bool, StoreError> {
    Ok(maintaining(main, actor_id, now)?.is_some())
}

/// What an entry is to be.
#[derive(Debug, Clone)]
pub struct WantedStaff {
    /// Who, by name; made when nobody bears it.
    pub name: String,
    /// Of which firm.
    pub firm: String,
    /// What they do.
    pub work: StaffWork,
    /// To which body they are named.
    pub body: BodyId,
    /// In which writing.
    pub communication: String,
    /// On which day, YYYY-MM-DD.
    pub communicated_on: String,
    /// Where their signed declaration that they keep secret what they see is kept.
    pub secrecy: Option<String>,
    /// When they signed it, YYYY-MM-DD.
    pub secrecy_on: Option<String>,
    /// From when.
    pub from: UtcTime,
    /// Until when.
    pub until: UtcTime,
}

/// Enters somebody of a firm. Gives the entry's number.
///
/// # Errors
/// [`StaffError`].
pub fn enter(
    main: &mut Connection,
    wanted: &WantedStaff,
    acting: &Acting<'_>,
) -> Result<i64, StaffError> {
    acting.change(main, |main| {
        check(wanted, acting.now)?;
        let body = bodies::find(main, &wanted.body)?.filter(|body| body.holds());
        if body.is_none() {
            return Err(StaffError::Body(wanted.body.clone()));
        }
        let actor = actors::named(main, &wanted.name, ActorKind::Person, acting.now)?;
        main.execute(
            "INSERT INTO external_staff (actor_id, firm, work, body, communication,
             communicated_on, secrecy_on, from_us, until_us, made_at_us, secrecy)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            params![
                actor.id(),
                wanted.firm.trim(),
                wanted.work.as_str(),
                wanted.body.as_str(),
                wanted.communication.trim(),
                wanted.communicated_on,
                wanted.secrecy_on,
                wanted.from.unix_us(),
                wanted.until.unix_us(),
                acting.now.unix_us(),
                wanted.secrecy.as_deref().map(str::trim),
            ],
        )
        .doing("enter somebody into the external staff")?;
        let number = main.last_insert_rowid();
        let details = json!({
            "entry": number, "for": actor.name(), "actor_id": actor.id(), "firm": wanted.firm,
            "work": wanted.work.as_str(), "body": wanted.body,
            "communication": wanted.communication, "communicated_on": wanted.communicated_on,
            "secrecy": wanted.secrecy, "secrecy_on": wanted.secrecy_on, "from": wanted.from, "until": wanted.until,
        });
        let entry = AuditEntry::plain(acting.actor.clone(), Action::StaffEntered, details);
        Ok((number, entry))
    })
}

fn check(wanted: &WantedStaff, now: UtcTime) -> Result<(), StaffError> {
    for (what, text) in [
        ("firm", &wanted.firm),
        ("writing in which they were named", &wanted.communication),
    ] {
        if !is_reference(text) {
            return Err(StaffError::Text(what));
        }
    }
    for (what, day) in [
        ("writing", Some(&wanted.communicated_on)),
        ("declaration of secrecy", wanted.secrecy_on.as_ref()),
    ] {
        let is_past = |day: &String| day_of(day).is_some_and(|day| day <= now);
        if !day.is_none_or(is_past) {
            return Err(StaffError::Day(what));
        }
    }
    if let Some(document) = &wanted.secrecy
        && !is_reference(document)
    {
        return Err(StaffError::Text("document of their declaration of secrecy"));
    }
    let is_bound = wanted.secrecy.is_some() && wanted.secrecy_on.is_some();
    if wanted.work == StaffWork::Maintenance && !is_bound {
        return Err(StaffError::NoSecrecy);
    }
    match wanted.until > wanted.from && wanted.until > now {
        true => Ok(()),
        false => Err(StaffError::Term),
    }
}

/// Takes somebody out before the entry's end.
///
/// # Errors
/// [`StaffError`].
pub fn end(
    main: &mut Connection,
    number: i64,
    why: &str,
    acting: &Acting<'_>,
) -> Result<(), StaffError> {
    acting.change(main, |main| {
        if !is_reference(why) {
            return Err(StaffError::Text("reason"));
        }
        let sql = "UPDATE external_staff SET ended_at_us = ?2 WHERE number = ?1
            AND ended_at_us IS NULL AND until_us > ?2";
        let ended = main.execute(sql, params![number, acting.now.unix_us()]);
        if ended.doing("take somebody out of the external staff")? == 0 {
            return Err(StaffError::NoEntry);
        }
        let details = json!({ "entry": number, "why": why });
        let entry = AuditEntry::plain(acting.actor.clone(), Action::StaffEnded, details);
        Ok(((), entry))
    })
}
