//! What people do about the rule: asking for a second person, being one, saying whose plates are a body's own and
//! who is on duty. Each act with its line.

use thiserror::Error;

use super::duty::{self, DutyShift, SHIFT_MAX};
use super::judge::{Judge, SearchTarget, Searcher};
use super::own_people;
use super::rule::Nearness;
use super::second_looks::{self, NewLook, WaitingLook};
use crate::audit::acting::Acting;
use crate::audit::action::Action;
use crate::audit::actor::{Actor, ActorKind};
use crate::audit::purpose::Grounds;
use crate::audit::{AuditEntry, AuditError};
use crate::plates::pattern::PlatePattern;
use crate::store::StoreError;
use crate::store::sql::Connection;

/// Nothing was done.
#[derive(Debug, Error)]
pub enum SecondLookError {
    /// The search would be answered.
    #[error("no second person is needed for this search: ask it")]
    NotNeeded,
    /// Too many requests of one person wait.
    #[error("you have asked for as many second looks as may wait: see that somebody decides them")]
    TooMany,
    /// It is decided, too old, or was never asked.
    #[error("no such second look waits")]
    Unknown,
    /// Their own.
    #[error("whoever asks does not decide, under no account: another person must")]
    OnePerson,
    /// A program.
    #[error("a person must decide, and no program")]
    NoPerson,
    /// A shift that ends before it begins, or is longer than a day.
    #[error("a shift ends after it begins and lasts at most 24 hours")]
    Shift,
    /// No line, no act.
    #[error("the audit line cannot be written, so nothing was done")]
    Audit(#[from] AuditError),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A second look that was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AskedLook {
    /// Its number.
    pub number: u64,
    /// The rule that needs it, and why.
    pub why: Nearness,
}

fn line(acting: &Acting<'_>, action: Action, details: serde_json::Value) -> AuditEntry {
    AuditEntry::plain(acting.actor.clone(), action, details)
}

/// Asks for a second person, for a search that the rule stops.
///
/// # Errors
/// [`SecondLookError`].
pub fn ask(
    main: &mut Connection,
    judge: &Judge,
    searcher: &Searcher<'_>,
    pattern: &PlatePattern,
    acting: &Acting<'_>,
) -> Result<AskedLook, SecondLookError> {
    acting.change(main, |main| {
        let target = SearchTarget::Plate {
            pattern,
            places: "",
        };
        let judged = judge.judge(main, searcher, target, &[])?;
        let found = judged
            .iter()
            .find_map(|search| Some((search, search.verdict.needs_second?)));
        let (search, why) = found.ok_or(SecondLookError::NotNeeded)?;
        let plate = search.plate().filter(|_| why.rule.is_about_a_plate());
        let new = NewLook {
            actor: acting.actor,
            person: search.person(),
            plate,
            reference: search.reference(),
            rule: why.rule,
            grounds: searcher.grounds,
            written: pattern.as_str(),
            at: acting.now,
        };
        let number = second_looks::ask(main, &judge.key, &new)?;
        let number = number.ok_or(SecondLookError::TooMany)?;
        let details = serde_json::json!({
            "second_look": number, "rule": why.rule.as_str(), "count": why.count, "of": why.of,
        });
        let entry = AuditEntry {
            grounds: Some(searcher.grounds.clone()),
            ..line(acting, Action::SecondLookAsked, details)
        };
        Ok((AskedLook { number, why }, entry))
    })
}

/// The second looks that wait for somebody other than who looks.
///
/// # Errors
/// [`SecondLookError`].
pub fn waiting(
    main: &mut Connection,
    judge: &Judge,
    acting: &Acting<'_>,
) -> Result<Vec<WaitingLook>, SecondLookError> {
    acting.change(main, |main| {
        let all = second_looks::waiting(main, &judge.key, acting.actor, acting.now)?;
        let mut others = Vec::new();
        for look in all {
            if !second_looks::are_one_person(main, &look.asked_by, acting.actor.id())? {
                others.push(look);
            }
        }
        let details = serde_json::json!({ "waiting": others.len() });
        let entry = line(acting, Action::SecondLooksListed, details);
        Ok((others, entry))
    })
}

/// Decides about a second look.
///
/// # Errors
/// [`SecondLookError`].
pub fn decide(
    main: &mut Connection,
    judge: &Judge,
    number: u64,
    agreed: bool,
    acting: &Acting<'_>,
) -> Result<(), SecondLookError> {
    if acting.actor.kind() != ActorKind::Person {
        return Err(SecondLookError::NoPerson);
    }
    acting.change(main, |main| {
        let look = second_looks::one(main, &judge.key, number, acting.actor, acting.now)?;
        let look = look.ok_or(SecondLookError::Unknown)?;
        if second_looks::are_one_person(main, &look.asked_by, acting.actor.id())? {
            return Err(SecondLookError::OnePerson);
        }
        if !second_looks::decide(main, &look, acting.actor, agreed, acting.now)? {
            return Err(SecondLookError::Unknown);
        }
        let details = serde_json::json!({
            "second_look": number, "rule": look.rule.as_str(), "agreed": agreed,
            "asked_by": look.asked_name, "asked_by_id": look.asked_by,
        });
        let grounds = Grounds::stated(Some(&look.purpose), Some(&look.case_reference));
        let entry = AuditEntry {
            grounds: Some(grounds.map_err(|_| StoreError::Damaged { what: "grounds" })?),
            ..line(acting, Action::SecondLookDecided, details)
        };
        Ok(((), entry))
    })
}

/// Plates of a body's own people and of their families.
#[derive(Debug, Clone, Copy)]
pub struct OwnPlates<'a> {
    /// The body's id.
    pub body: &'a str,
    /// Whole plates.
    pub plates: &'a [PlatePattern],
    /// Whether the body lists them; it takes them off otherwise.
    pub listed: bool,
}

/// Lists plates, or takes those off that the same body listed. Gives how many changed.
///
/// # Errors
/// [`SecondLookError`].
pub fn list_own(
    main: &mut Connection,
    judge: &Judge,
    of: &OwnPlates<'_>,
    acting: &Acting<'_>,
) -> Result<u64, SecondLookError> {
    acting.change(main, |main| {
        let mut changed = 0;
        for plate in of.plates {
            let exact = judge.marks.pattern(plate).exact;
            let is_new = match of.listed {
                true => own_people::list(main, exact, of.body, acting)?,
                false => own_people::unlist(main, exact, of.body)?,
            };
            changed += u64::from(is_new);
        }
        let details =
            serde_json::json!({ "listed": of.listed, "changed": changed, "for": of.body });
        Ok((changed, line(acting, Action::OwnPlatesChanged, details)))
    })
}

/// Says when somebody is on duty, in place of what was said of the same time.
///
/// # Errors
/// [`SecondLookError`].
pub fn tell_duty(
    main: &mut Connection,
    of: &Actor,
    shifts: &[DutyShift],
    acting: &Acting<'_>,
) -> Result<(), SecondLookError> {
    let fits = |shift: &DutyShift| shift.to > shift.from && shift.to <= shift.from + SHIFT_MAX;
    if shifts.is_empty() || !shifts.iter().all(fits) {
        return Err(SecondLookError::Shift);
    }
    let details = serde_json::json!({ "for": of.name(), "id": of.id(), "shifts": shifts.len() });
    let entry = line(acting, Action::DutyTold, details);
    acting.act(main, &entry, |main| Ok(duty::note(main, of.id(), shifts)?))
}

/// Says that some actors are accounts of one person, who is named by any text that is always the same.
///
/// # Errors
/// [`SecondLookError`].
pub fn tell_accounts(
    main: &mut Connection,
    person: &str,
    accounts: &[Actor],
    acting: &Acting<'_>,
) -> Result<(), SecondLookError> {
    let ids: Vec<&str> = accounts.iter().map(Actor::id).collect();
    let entry = line(
        acting,
        Action::AccountsTold,
        serde_json::json!({ "accounts": ids }),
    );
    acting.act(main, &entry, |main| {
        for id in &ids {
            second_looks::note_account(main, id, person)?;
        }
        Ok(())
    })
}
