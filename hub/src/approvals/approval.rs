//! A request as it stands, and reading it. This module reads and writes `approvals` and `approval_decisions`.

use std::time::Duration;

use varco_proto::time::UtcTime;

use super::ApprovalId;
pub use super::refusal::ApprovalError;
use super::subject::{ApprovalFor, ApprovalSubject};
use crate::bodies::BodyId;
use crate::store::sql::{Connection, OptionalExtension as _, Params, Row, params};
use crate::store::{Doing as _, StoreError};

/// A request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Approval {
    /// Its id.
    pub id: ApprovalId,
    /// What it is about.
    pub subject: ApprovalSubject,
    /// Who asked, by id.
    pub asked_by: String,
    /// Who asked, by the name of then.
    pub asked_name: String,
    /// For whom they worked then.
    pub asked_body: BodyId,
    /// The session that they had signed in with.
    pub asked_session: Option<String>,
    /// Why.
    pub reason: String,
    /// When.
    pub asked_at: UtcTime,
    /// The first moment in which it waits no more.
    pub waits_until: UtcTime,
    /// How many other persons must agree.
    pub needed: u32,
    /// For how long it unlocks, from the last word on.
    pub lasts: Duration,
    /// Who said what, oldest first.
    pub decisions: Vec<ApprovalDecision>,
    /// When the last word was said.
    pub decided_at: Option<UtcTime>,
    /// The first moment in which it is unlocked no more; none while it waits, or was refused.
    pub until: Option<UtcTime>,
    /// When it was used up.
    pub used_at: Option<UtcTime>,
    /// When it was withdrawn, taken back or noted as expired.
    pub ended_at: Option<UtcTime>,
    /// Why.
    pub ended_why: Option<ApprovalEnd>,
}

/// What somebody said of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApprovalDecision {
    /// Who, by id.
    pub actor_id: String,
    /// Who, by the name of then.
    pub name: String,
    /// For whom they worked then.
    pub body: BodyId,
    /// The session that they had signed in with.
    pub session: Option<String>,
    /// When.
    pub at: UtcTime,
    /// Whether they agreed.
    pub approves: bool,
    /// What they added; may be empty.
    pub note: String,
}

/// Why a request, or what it unlocked, ended before its time or was noted as over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ApprovalEnd {
    /// Nobody decided in time.
    Expired,
    /// Who asked took it back while it waited.
    Withdrawn,
    /// What it had unlocked was taken back.
    TakenBack,
    /// The time for which it unlocked was over.
    Over,
    /// An older copy of the database was put in place.
    Restored,
}

impl ApprovalEnd {
    const ALL: [(Self, &'static str); 5] = [
        (Self::Expired, "expired"),
        (Self::Withdrawn, "withdrawn"),
        (Self::TakenBack, "taken-back"),
        (Self::Over, "over"),
        (Self::Restored, "restored"),
    ];

    /// The word, as the table has it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        let found = Self::ALL.iter().find(|(why, _)| *why == self);
        found.map_or("", |(_, name)| name)
    }

    fn named(name: &str) -> Option<Self> {
        let found = Self::ALL.iter().find(|(_, known)| *known == name);
        found.map(|(why, _)| *why)
    }
}

/// Where a request stands at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ApprovalState {
    /// Somebody has to decide.
    Waiting,
    /// What it is for is unlocked.
    Approved,
    /// Somebody refused it.
    Refused,
    /// What it unlocked was done.
    Used,
    /// Nobody decided in time.
    Expired,
    /// Who asked took it back.
    Withdrawn,
    /// What it unlocked was taken back.
    TakenBack,
    /// The time for which it unlocked is over.
    Over,
}

impl ApprovalState {
    /// The word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Approved => "approved",
            Self::Refused => "refused",
            Self::Used => "used",
            Self::Expired => "expired",
            Self::Withdrawn => "withdrawn",
            Self::TakenBack => "taken-back",
            Self::Over => "over",
        }
    }
}

impl Approval {
    /// What it is for.
    #[must_use]
    pub fn what(&self) -> ApprovalFor {
        self.subject.what()
    }

    /// Where it stands at a moment. A clock that was set back to before a step revives nothing.
    #[must_use]
    pub fn state_at(&self, now: UtcTime) -> ApprovalState {
        match self.ended_why {
            Some(ApprovalEnd::Expired) => return ApprovalState::Expired,
            Some(ApprovalEnd::Withdrawn) => return ApprovalState::Withdrawn,
            Some(ApprovalEnd::Over) => return ApprovalState::Over,
            Some(ApprovalEnd::TakenBack | ApprovalEnd::Restored) => {
                return ApprovalState::TakenBack;
            }
            None if self.ended_at.is_some() => return ApprovalState::TakenBack,
            None => {}
        }
        match (self.decided_at, self.until) {
            (None, _) if self.asked_at <= now && now < self.waits_until => ApprovalState::Waiting,
            (None, _) => ApprovalState::Expired,
            (Some(_), None) => ApprovalState::Refused,
            (Some(_), Some(_)) if self.used_at.is_some() => ApprovalState::Used,
            (Some(at), Some(until)) if at <= now && now < until => ApprovalState::Approved,
            (Some(_), Some(_)) => ApprovalState::Over,
        }
    }

    /// How many have agreed.
    #[must_use]
    pub fn agreed(&self) -> usize {
        let agreed = self.decisions.iter().filter(|decision| decision.approves);
        agreed.count()
    }
}

const COLUMNS: &str = "id, kind, subject, asked_by, asked_name, asked_body, asked_session, reason,
    asked_at_us, waits_until_us, needed, lasts_us, decided_at_us, until_us, used_at_us, ended_at_us, ended_why";

const DAMAGED: StoreError = StoreError::Damaged { what: "request" };

/// One request.
///
/// # Errors
/// [`StoreError`].
pub fn find(main: &Connection, id: &ApprovalId) -> Result<Option<Approval>, StoreError> {
    const DOING: &str = "look a request up";
    let sql = format!("SELECT {COLUMNS} FROM approvals WHERE id = ?");
    let mut statement = main.prepare_cached(&sql).doing(DOING)?;
    let found = statement.query_row([id.as_str()], |row| Ok(from_row(row)));
    let found = found.optional().doing(DOING)?.transpose()?;
    found.map(|found| decided(main, found)).transpose()
}

/// Those that nobody has decided or ended, oldest first.
///
/// # Errors
/// [`StoreError`].
pub fn waiting(main: &Connection) -> Result<Vec<Approval>, StoreError> {
    let rest = "decided_at_us IS NULL AND ended_at_us IS NULL ORDER BY asked_at_us, id";
    some(main, rest, [])
}

/// Those of one kind that were approved and neither used nor ended; the time of some may be over.
///
/// # Errors
/// [`StoreError`].
pub fn open(main: &Connection, what: ApprovalFor) -> Result<Vec<Approval>, StoreError> {
    let rest = "kind = ? AND until_us IS NOT NULL AND ended_at_us IS NULL AND used_at_us IS NULL
        ORDER BY until_us, id";
    some(main, rest, [what.as_str()])
}

/// All that were approved and neither used nor ended.
///
/// # Errors
/// [`StoreError`].
pub(super) fn all_open(main: &Connection) -> Result<Vec<Approval>, StoreError> {
    let rest = "until_us IS NOT NULL AND ended_at_us IS NULL AND used_at_us IS NULL
        ORDER BY until_us, id";
    some(main, rest, [])
}

/// The newest that somebody asked, newest first.
///
/// # Errors
/// [`StoreError`].
pub fn asked_by(main: &Connection, actor_id: &str, most: u32) -> Result<Vec<Approval>, StoreError> {
    let rest = "asked_by = ? ORDER BY asked_at_us DESC, id LIMIT ?";
    some(main, rest, params![actor_id, most])
}

/// Every one, oldest first.
///
/// # Errors
/// [`StoreError`].
pub fn all(main: &Connection) -> Result<Vec<Approval>, StoreError> {
    some(main, "1 ORDER BY asked_at_us, id", [])
}

/// Forgets those that were over before a moment; their lines stay.
///
/// # Errors
/// [`StoreError`].
pub(super) fn forget(main: &Connection, before: UtcTime) -> Result<(), StoreError> {
    const DOING: &str = "forget old requests";
    const OVER: &str = "SELECT id FROM approvals WHERE coalesce(ended_at_us, used_at_us, CASE WHEN until_us IS NULL
        THEN decided_at_us END) < ?";
    for table in ["approval_notices", "approval_decisions"] {
        let sql = format!("DELETE FROM {table} WHERE approval IN ({OVER})");
        main.execute(&sql, [before.unix_us()]).doing(DOING)?;
    }
    let sql = format!("DELETE FROM approvals WHERE id IN ({OVER})");
    main.execute(&sql, [before.unix_us()]).doing(DOING)?;
    Ok(())
}

/// The newest of all, newest first.
///
/// # Errors
/// [`StoreError`].
pub fn newest(main: &Connection, most: u32) -> Result<Vec<Approval>, StoreError> {
    some(main, "1 ORDER BY asked_at_us DESC, id LIMIT ?", [most])
}

fn some(main: &Connection, rest: &str, values: impl Params) -> Result<Vec<Approval>, StoreError> {
    const DOING: &str = "read requests";
    let sql = format!("SELECT {COLUMNS} FROM approvals WHERE {rest}");
    let mut statement = main.prepare_cached(&sql).doing(DOING)?;
    let mut rows = statement.query(values).doing(DOING)?;
    let mut all = Vec::new();
    while let Some(row) = rows.next().doing(DOING)? {
        all.push(decided(main, from_row(row)?)?);
    }
    Ok(all)
}

fn from_row(row: &Row<'_>) -> Result<Approval, StoreError> {
    const DOING: &str = "read a request";
    let text = |at: usize| row.get::<_, String>(at).doing(DOING);
    let time = |at: usize| row.get(at).map(UtcTime::from_unix_us).doing(DOING);
    let maybe = |at: usize| {
        let time: Option<i64> = row.get(at).doing(DOING)?;
        Ok::<_, StoreError>(time.map(UtcTime::from_unix_us))
    };
    let subject: ApprovalSubject = serde_json::from_str(&text(2)?).map_err(|_| DAMAGED)?;
    if subject.what().as_str() != text(1)? {
        return Err(DAMAGED);
    }
    let lasts: i64 = row.get(11).doing(DOING)?;
    let why: Option<String> = row.get(16).doing(DOING)?;
    let why = why.map(|why| ApprovalEnd::named(&why).ok_or(DAMAGED));
    Ok(Approval {
        id: text(0)?.parse().map_err(|_| DAMAGED)?,
        subject,
        asked_by: text(3)?,
        asked_name: text(4)?,
        asked_body: text(5)?.parse().map_err(|_| DAMAGED)?,
        asked_session: row.get(6).doing(DOING)?,
        reason: text(7)?,
        asked_at: time(8)?,
        waits_until: time(9)?,
        needed: row.get(10).doing(DOING)?,
        lasts: Duration::from_micros(u64::try_from(lasts).map_err(|_| DAMAGED)?),
        decisions: Vec::new(),
        decided_at: maybe(12)?,
        until: maybe(13)?,
        used_at: maybe(14)?,
        ended_at: maybe(15)?,
        ended_why: why.transpose()?,
    })
}

fn decided(main: &Connection, mut approval: Approval) -> Result<Approval, StoreError> {
    const DOING: &str = "read who decided about a request";
    let sql = "SELECT actor_id, name, body, session, at_us, approves, note FROM approval_decisions
        WHERE approval = ? ORDER BY at_us, actor_id";
    let mut statement = main.prepare_cached(sql).doing(DOING)?;
    let mut rows = statement.query([approval.id.as_str()]).doing(DOING)?;
    while let Some(row) = rows.next().doing(DOING)? {
        let body: String = row.get(2).doing(DOING)?;
        approval.decisions.push(ApprovalDecision {
            actor_id: row.get(0).doing(DOING)?,
            name: row.get(1).doing(DOING)?,
            body: body.parse().map_err(|_| DAMAGED)?,
            session: row.get(3).doing(DOING)?,
            at: row.get(4).map(UtcTime::from_unix_us).doing(DOING)?,
            approves: row.get(5).doing(DOING)?,
            note: row.get(6).doing(DOING)?,
        });
    }
    Ok(approval)
}

/// Writes a new request down.
///
/// # Errors
/// [`StoreError`].
pub(super) fn add(main: &Connection, approval: &Approval) -> Result<(), StoreError> {
    let subject = serde_json::to_string(&approval.subject).map_err(|_| DAMAGED)?;
    let lasts = i64::try_from(approval.lasts.as_micros()).map_err(|_| DAMAGED)?;
    let sql = "INSERT INTO approvals (id, kind, subject, asked_by, asked_name, asked_body, asked_session,
        reason, asked_at_us, waits_until_us, needed, lasts_us) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
    let values = params![
        approval.id.as_str(),
        approval.what().as_str(),
        subject,
        approval.asked_by,
        approval.asked_name,
        approval.asked_body.as_str(),
        approval.asked_session,
        approval.reason,
        approval.asked_at.unix_us(),
        approval.waits_until.unix_us(),
        approval.needed,
        lasts,
    ];
    main.execute(sql, values).doing("write a request down")?;
    Ok(())
}

/// Writes down what somebody said.
///
/// # Errors
/// [`StoreError`].
pub(super) fn add_decision(
    main: &Connection,
    id: &ApprovalId,
    decision: &ApprovalDecision,
) -> Result<(), StoreError> {
    let sql = "INSERT INTO approval_decisions (approval, actor_id, name, body, session, at_us, approves, note)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?)";
    let values = params![
        id.as_str(),
        decision.actor_id,
        decision.name,
        decision.body.as_str(),
        decision.session,
        decision.at.unix_us(),
        decision.approves,
        decision.note,
    ];
    main.execute(sql, values).doing("write a decision down")?;
    Ok(())
}

/// Notes that the last word was said, and until when it unlocks; without an end it was refused.
///
/// # Errors
/// [`StoreError`].
pub(super) fn settle(
    main: &Connection,
    id: &ApprovalId,
    until: Option<UtcTime>,
    now: UtcTime,
) -> Result<(), StoreError> {
    let sql = "UPDATE approvals SET decided_at_us = ?, until_us = ? WHERE id = ? AND decided_at_us IS NULL
        AND ended_at_us IS NULL";
    let values = params![now.unix_us(), until.map(UtcTime::unix_us), id.as_str()];
    let changed = main.execute(sql, values).doing("settle a request")?;
    match changed {
        1 => Ok(()),
        _ => Err(DAMAGED),
    }
}

/// Ends a request. False when it had ended.
///
/// # Errors
/// [`StoreError`].
pub(super) fn end(
    main: &Connection,
    id: &ApprovalId,
    why: ApprovalEnd,
    now: UtcTime,
) -> Result<bool, StoreError> {
    let sql =
        "UPDATE approvals SET ended_at_us = ?, ended_why = ? WHERE id = ? AND ended_at_us IS NULL";
    let values = params![now.unix_us(), why.as_str(), id.as_str()];
    Ok(main.execute(sql, values).doing("end a request")? == 1)
}

/// Uses a request up. False when it was, or has ended.
///
/// # Errors
/// [`StoreError`].
pub(super) fn use_up(main: &Connection, id: &ApprovalId, now: UtcTime) -> Result<bool, StoreError> {
    let sql = "UPDATE approvals SET used_at_us = ? WHERE id = ? AND used_at_us IS NULL AND ended_at_us IS NULL
        AND until_us IS NOT NULL";
    let values = params![now.unix_us(), id.as_str()];
    Ok(main.execute(sql, values).doing("use a request up")? == 1)
}
