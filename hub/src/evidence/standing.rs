//! Standing authorisations of a responsible person, for judicial authority and Judicial Police.
//!
//! Data may always be handed to them for crimes (art. 17 c. 2), while an authorisation is needed all the same (All. 1
//! c. 7): one is recorded for all their requests. This module owns the table `standing_permits`.

use std::time::Duration;

use thiserror::Error;
use varco_proto::time::UtcTime;

use crate::approvals::subject::RecipientKind;
use crate::audit::acting::Acting;
use crate::audit::action::Action;
use crate::audit::{AuditEntry, AuditError};
use crate::bodies::BodyId;
use crate::store::sql::{Connection, Row, params};
use crate::store::{Doing as _, StoreError};

/// The table, for [`crate::store::migrate`].
pub const SCHEMA: &str = "
    CREATE TABLE standing_permits (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        body TEXT NOT NULL,
        recipient_kind TEXT NOT NULL CHECK (recipient_kind IN ('judicial-authority', 'judicial-police')),
        act TEXT NOT NULL,
        given_by TEXT NOT NULL,
        given_by_id TEXT NOT NULL,
        given_at_us INTEGER NOT NULL,
        until_us INTEGER NOT NULL CHECK (until_us > given_at_us),
        ended_at_us INTEGER
    ) STRICT;";

/// The longest that one stands: a year. What is still needed then is authorised anew.
pub const LONGEST: Duration = Duration::from_secs(366 * 86_400);
/// Longest act, in characters.
const ACT_CHARACTERS_MAX: usize = 120;

/// A standing authorisation is not made or ended.
#[derive(Debug, Error)]
pub enum StandingPermitError {
    /// For others each extraction is authorised on its own.
    #[error(
        "an authorisation stands for judicial authority and Judicial Police alone; others need one each time"
    )]
    Recipient,
    /// The act.
    #[error("name the act in 3 to {ACT_CHARACTERS_MAX} printable characters")]
    Act,
    /// The end.
    #[error("it ends in the future, and a year on at most")]
    Until,
    /// No such one that holds.
    #[error("no standing authorisation {0} of your office holds")]
    Unknown(i64),
    /// No audit line, no act.
    #[error("the audit line cannot be written, so nothing was done")]
    Audit(#[from] AuditError),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A standing authorisation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StandingPermit {
    /// Its number.
    pub number: i64,
    /// Whose people it lets extract.
    pub body: BodyId,
    /// For whose requests.
    pub recipient_kind: RecipientKind,
    /// The act that it rests on.
    pub act: String,
    /// Who gave it, by name.
    pub given_by: String,
    /// When.
    pub given_at: UtcTime,
    /// Until when.
    pub until: UtcTime,
    /// When it was ended before.
    pub ended_at: Option<UtcTime>,
}

impl StandingPermit {
    /// Whether it holds at a moment.
    #[must_use]
    pub fn holds_at(&self, now: UtcTime) -> bool {
        self.given_at <= now && now < self.until && self.ended_at.is_none_or(|ended| now < ended)
    }
}

/// Records one. Gives its number.
///
/// # Errors
/// [`StandingPermitError`].
pub fn make(
    main: &mut Connection,
    wanted: &StandingPermit,
    acting: &Acting<'_>,
) -> Result<i64, StandingPermitError> {
    if !wanted.recipient_kind.is_judicial() {
        return Err(StandingPermitError::Recipient);
    }
    let characters = wanted.act.chars().count();
    if !(3..=ACT_CHARACTERS_MAX).contains(&characters) || wanted.act.chars().any(char::is_control) {
        return Err(StandingPermitError::Act);
    }
    if wanted.until <= acting.now || wanted.until > acting.now + LONGEST {
        return Err(StandingPermitError::Until);
    }
    acting.change(main, |main| {
        main.execute(
            "INSERT INTO standing_permits (body, recipient_kind, act, given_by, given_by_id, given_at_us, until_us)
             VALUES (?, ?, ?, ?, ?, ?, ?)",
            params![
                wanted.body.as_str(),
                wanted.recipient_kind.as_str(),
                wanted.act,
                acting.actor.name(),
                acting.actor.id(),
                acting.now.unix_us(),
                wanted.until.unix_us()
            ],
        )
        .doing("record a standing authorisation")?;
        let number = main.last_insert_rowid();
        let details = serde_json::json!({
            "permit": number, "body": wanted.body.as_str(), "recipient_kind": wanted.recipient_kind,
            "act": wanted.act, "until": wanted.until,
        });
        let entry = AuditEntry::plain(acting.actor.clone(), Action::StandingPermitMade, details);
        Ok((number, entry))
    })
}

/// Ends one of a body's before its end.
///
/// # Errors
/// [`StandingPermitError`].
pub fn end(
    main: &mut Connection,
    number: i64,
    body: &BodyId,
    acting: &Acting<'_>,
) -> Result<(), StandingPermitError> {
    acting.change(main, |main| {
        let ended = main
            .execute(
                "UPDATE standing_permits SET ended_at_us = ?1
                 WHERE number = ?2 AND body = ?3 AND ended_at_us IS NULL AND until_us > ?1",
                params![acting.now.unix_us(), number, body.as_str()],
            )
            .doing("end a standing authorisation")?;
        if ended == 0 {
            return Err(StandingPermitError::Unknown(number));
        }
        let details = serde_json::json!({ "permit": number });
        let entry = AuditEntry::plain(acting.actor.clone(), Action::StandingPermitEnded, details);
        Ok(((), entry))
    })
}

/// Every one of a body, newest first.
///
/// # Errors
/// [`StoreError`].
pub fn of_body(main: &Connection, body: &BodyId) -> Result<Vec<StandingPermit>, StoreError> {
    const DOING: &str = "list standing authorisations";
    let sql =
        "SELECT number, body, recipient_kind, act, given_by, given_at_us, until_us, ended_at_us
               FROM standing_permits WHERE body = ? ORDER BY number DESC";
    let mut statement = main.prepare_cached(sql).doing(DOING)?;
    let mut rows = statement.query([body.as_str()]).doing(DOING)?;
    let mut all = Vec::new();
    while let Some(row) = rows.next().doing(DOING)? {
        all.push(from_row(row)?);
    }
    Ok(all)
}

/// One of a body's that holds.
///
/// # Errors
/// [`StandingPermitError`].
pub fn holding(
    main: &Connection,
    number: i64,
    body: &BodyId,
    now: UtcTime,
) -> Result<StandingPermit, StandingPermitError> {
    let mut all = of_body(main, body)?.into_iter();
    let found = all.find(|permit| permit.number == number && permit.holds_at(now));
    found.ok_or(StandingPermitError::Unknown(number))
}

fn from_row(row: &Row<'_>) -> Result<StandingPermit, StoreError> {
    const DOING: &str = "read a standing authorisation";
    let damaged = || StoreError::Damaged {
        what: "standing authorisation",
    };
    let text = |at: usize| row.get::<_, String>(at).doing(DOING);
    let time = |at: usize| {
        row.get::<_, i64>(at)
            .map(UtcTime::from_unix_us)
            .doing(DOING)
    };
    let kind = text(2)?;
    let kind = RecipientKind::ALL.iter().find(|(_, word)| *word == kind);
    let ended: Option<i64> = row.get(7).doing(DOING)?;
    Ok(StandingPermit {
        number: row.get(0).doing(DOING)?,
        body: text(1)?.parse().map_err(|_| damaged())?,
        recipient_kind: kind.ok_or_else(damaged)?.0,
        act: text(3)?,
        given_by: text(4)?,
        given_at: time(5)?,
        until: time(6)?,
        ended_at: ended.map(UtcTime::from_unix_us),
    })
}
