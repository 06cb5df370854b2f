//! Delegations: functions of a body's responsible person that another may exercise, by a written act and after
//! notice to the Mayor (art. 6 c. 3 of Perugia's regulation).
//!
//! This module owns the table `delegations`.
//!
//! One holds while the person who gave it is responsible and the one who got it works for the same body. It ends and
//! is never removed: lines name it.

use serde_json::json;
use thiserror::Error;
use varco_proto::time::UtcTime;

use super::actors;
use super::appointing::{day_of, is_reference};
use super::appointments::{self, Role};
use super::tokens::{Permission, Permissions};
use crate::audit::acting::Acting;
use crate::audit::action::Action;
use crate::audit::{AuditEntry, AuditError};
use crate::bodies::BodyId;
use crate::store::Doing as _;
use crate::store::StoreError;
use crate::store::sql::{Connection, Row, params};

/// The table, for [`crate::store::migrate`].
pub const SCHEMA: &str = "
    CREATE TABLE delegations (
        number INTEGER PRIMARY KEY,
        body TEXT NOT NULL,
        by_actor TEXT NOT NULL,
        to_actor TEXT NOT NULL,
        functions TEXT NOT NULL,
        act TEXT NOT NULL,
        mayor_told_on TEXT NOT NULL,
        notice TEXT NOT NULL,
        from_us INTEGER NOT NULL,
        until_us INTEGER NOT NULL CHECK (until_us > from_us),
        made_at_us INTEGER NOT NULL,
        ended_at_us INTEGER
    ) STRICT;
    CREATE INDEX delegations_by_actor ON delegations (to_actor);";

/// The functions that a responsible person may delegate: what the policy leaves to them besides their work.
pub const CAN_BE_DELEGATED: [Permission; 3] = [
    Permission::Persons,
    Permission::Admission,
    Permission::Oversight,
];
/// A day, in microseconds.
const DAY_US: i64 = 86_400_000_000;

/// Nothing was delegated, or no delegation ended.
#[derive(Debug, Error)]
pub enum DelegationError {
    /// There is none.
    #[error("`{0}` is not appointed for the body now; `varco-hub person list` shows who is")]
    Unknown(String),
    /// Only who has functions gives them.
    #[error("the body `{0}` has no responsible person now, who alone can delegate")]
    NoResponsible(BodyId),
    /// Their own role does not allow it.
    #[error(
        "functions are delegated to an operator or an officer on duty of the body, and to nobody else"
    )]
    Role,
    /// What.
    #[error("say which functions, of: persons, admission, oversight")]
    Functions,
    /// It must be said.
    #[error("say the {0}, in 3 to 200 characters: its number, date and office")]
    Reference(&'static str),
    /// The order of things.
    #[error(
        "the Mayor is told before a delegation begins: the notice's day is written YYYY-MM-DD and lies before the day \
         on which it begins"
    )]
    Notice,
    /// Its time.
    #[error("a delegation does not begin in the past, and ends after it begins")]
    Term,
    /// There is none.
    #[error(
        "no delegation has this number and holds; `varco-hub office show` shows those there are"
    )]
    NoDelegation,
    /// No audit line, no act.
    #[error("the audit line cannot be written, so nothing was done")]
    Audit(#[from] AuditError),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A delegation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delegation {
    /// Its number.
    pub number: i64,
    /// For which body.
    pub body: BodyId,
    /// By whom, an actor's id.
    pub by: String,
    /// To whom, an actor's id.
    pub to: String,
    /// Which functions.
    pub functions: Permissions,
    /// By which act.
    pub act: String,
    /// On which day the Mayor was told, YYYY-MM-DD.
    pub mayor_told_on: String,
    /// Under which reference.
    pub notice: String,
    /// From when.
    pub from: UtcTime,
    /// The first moment in which it does not hold any more.
    pub until: UtcTime,
    /// When it was written here.
    pub made_at: UtcTime,
    /// When it was ended before its end.
    pub ended_at: Option<UtcTime>,
}

impl Delegation {
    /// Whether it holds at a moment, as far as it says itself. What was ended has ended, also for a clock that was set
    /// back.
    #[must_use]
    pub fn holds_at(&self, now: UtcTime) -> bool {
        self.from <= now && now < self.until && self.ended_at.is_none()
    }

    /// Whether it holds, and both of whom it speaks hold their offices.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn is_in_force(&self, main: &Connection, now: UtcTime) -> Result<bool, StoreError> {
        if !self.holds_at(now) {
            return Ok(false);
        }
        let by = appointments::of(main, &self.by, now)?;
        let to = appointments::of(main, &self.to, now)?;
        let is_responsible =
            by.is_some_and(|by| by.role == Role::Responsible && by.body == self.body);
        Ok(is_responsible && to.is_some_and(|to| to.body == self.body && may_get(to.role)))
    }
}

/// Whether somebody may get functions of the person who answers for their body.
fn may_get(role: Role) -> bool {
    matches!(role, Role::Operator | Role::DutyOfficer)
}

/// Every delegation, oldest first.
///
/// # Errors
/// [`StoreError`].
pub fn all(main: &Connection) -> Result<Vec<Delegation>, StoreError> {
    read(main, "", &[])
}

fn read(main: &Connection, which: &str, of: &[&str]) -> Result<Vec<Delegation>, StoreError> {
    const DOING: &str = "read the delegations";
    let sql = format!(
        "SELECT number, body, by_actor, to_actor, functions, act, mayor_told_on, notice, from_us,
         until_us, made_at_us, ended_at_us FROM delegations {which} ORDER BY number"
    );
    let mut statement = main.prepare_cached(&sql).doing(DOING)?;
    let mut rows = statement
        .query(crate::store::sql::params_from_iter(of))
        .doing(DOING)?;
    let mut all = Vec::new();
    while let Some(row) = rows.next().doing(DOING)? {
        all.push(from_row(row)?);
    }
    Ok(all)
}

fn from_row(row: &Row<'_>) -> Result<Delegation, StoreError> {
    const DOING: &str = "read a delegation";
    const DAMAGED: StoreError = StoreError::Damaged { what: "delegation" };
    let text = |at: usize| row.get::<_, String>(at).doing(DOING);
    let time = |at: usize| row.get(at).map(UtcTime::from_unix_us).doing(DOING);
    let ended: Option<i64> = row.get(11).doing(DOING)?;
    Ok(Delegation {
        number: row.get(0).doing(DOING)?,
        body: text(1)?.parse().map_err(|_| DAMAGED)?,
        by: text(2)?,
        to: text(3)?,
        functions: Permissions::read(&text(4)?).ok_or(DAMAGED)?,
        act: text(5)?,
        mayor_told_on: text(6)?,
        notice: text(7)?,
        from: time(8)?,
        until: time(9)?,
        made_at: time(10)?,
        ended_at: ended.map(UtcTime::from_unix_us),
    })
}

/// The functions that a person exercises for the one who is responsible for their body.
///
/// # Errors
/// [`StoreError`].
pub fn functions_of(
    main: &Connection,
    actor_id: &str,
    now: UtcTime,
) -> Result<Permissions, StoreError> {
    let mut functions = Vec::new();
    for delegation in read(main, "WHERE to_actor = ?", &[actor_id])? {
        if delegation.is_in_force(main, now)? {
            functions.extend(delegation.functions.iter());
        }
    }
    Ok(Permissions::of(&functions))
}

/// What a delegation is to be.
#[derive(Debug, Clone)]
pub struct WantedDelegation {
    /// For which body; its responsible person gives it.
    pub body: BodyId,
    /// To whom, by name.
    pub to: String,
    /// Which functions.
    pub functions: Permissions,
    /// By which act.
    pub act: String,
    /// On which day the Mayor was told, YYYY-MM-DD.
    pub mayor_told_on: String,
    /// Under which reference.
    pub notice: String,
    /// From when.
    pub from: UtcTime,
    /// Until when.
    pub until: UtcTime,
}

/// Notes a delegation by the person who is responsible for a body. Gives its number.
///
/// # Errors
/// [`DelegationError`].
pub fn delegate(
    main: &mut Connection,
    wanted: &WantedDelegation,
    acting: &Acting<'_>,
) -> Result<i64, DelegationError> {
    acting.change(main, |main| {
        check(wanted, acting.now)?;
        let by = appointments::responsible(main, &wanted.body, acting.now)?;
        let by = by.ok_or_else(|| DelegationError::NoResponsible(wanted.body.clone()))?;
        let unknown = || DelegationError::Unknown(wanted.to.clone());
        let to = actors::of_name(main, &wanted.to)?.ok_or_else(unknown)?;
        let held = appointments::of(main, to.id(), acting.now)?;
        let held = held
            .filter(|held| held.body == wanted.body)
            .ok_or_else(unknown)?;
        if !may_get(held.role) {
            return Err(DelegationError::Role);
        }
        main.execute(
            "INSERT INTO delegations (body, by_actor, to_actor, functions, act, mayor_told_on,
             notice, from_us, until_us, made_at_us) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            params![
                wanted.body.as_str(),
                by.actor_id,
                to.id(),
                wanted.functions.to_text(),
                wanted.act.trim(),
                wanted.mayor_told_on,
                wanted.notice.trim(),
                wanted.from.unix_us(),
                wanted.until.unix_us(),
                acting.now.unix_us(),
            ],
        )
        .doing("write the delegation down")?;
        let number = main.last_insert_rowid();
        let details = json!({
            "delegation": number, "body": wanted.body, "by": by.actor_id, "for": to.name(),
            "actor_id": to.id(), "functions": wanted.functions.to_text(), "act": wanted.act,
            "mayor_told_on": wanted.mayor_told_on, "notice": wanted.notice,
            "from": wanted.from, "until": wanted.until,
        });
        let entry = AuditEntry::plain(acting.actor.clone(), Action::FunctionsDelegated, details);
        Ok((number, entry))
    })
}

fn check(wanted: &WantedDelegation, now: UtcTime) -> Result<(), DelegationError> {
    let can = |one: Permission| CAN_BE_DELEGATED.contains(&one);
    if wanted.functions.is_empty() || !wanted.functions.iter().all(can) {
        return Err(DelegationError::Functions);
    }
    for (what, text) in [
        ("act that delegates", &wanted.act),
        ("notice to the Mayor", &wanted.notice),
    ] {
        if !is_reference(text) {
            return Err(DelegationError::Reference(what));
        }
    }
    if wanted.from < now || wanted.until <= wanted.from {
        return Err(DelegationError::Term);
    }
    let told = day_of(&wanted.mayor_told_on).ok_or(DelegationError::Notice)?;
    let begins = wanted.from.unix_us().div_euclid(DAY_US);
    match told <= now && told.unix_us().div_euclid(DAY_US) < begins {
        true => Ok(()),
        false => Err(DelegationError::Notice),
    }
}

/// Ends a delegation before its end.
///
/// # Errors
/// [`DelegationError`].
pub fn end(
    main: &mut Connection,
    number: i64,
    why: &str,
    acting: &Acting<'_>,
) -> Result<(), DelegationError> {
    acting.change(main, |main| {
        if !is_reference(why) {
            return Err(DelegationError::Reference("reason"));
        }
        let sql = "UPDATE delegations SET ended_at_us = ?2 WHERE number = ?1
            AND ended_at_us IS NULL AND until_us > ?2";
        let ended = main.execute(sql, params![number, acting.now.unix_us()]);
        if ended.doing("end a delegation")? == 0 {
            return Err(DelegationError::NoDelegation);
        }
        let details = json!({ "delegation": number, "why": why });
        let entry = AuditEntry::plain(acting.actor.clone(), Action::DelegationEnded, details);
        Ok(((), entry))
    })
}
