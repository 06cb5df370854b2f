//! What people do to cases: each act with its audit line, in one transaction.

use thiserror::Error;
use varco_proto::ids::Digest;

use super::case::{self, Case, CaseError, CaseId, Item};
use super::closing::{self, Asked, Closing};
use super::keys::CaseKeys;
use crate::approvals::approval::ApprovalError;
use crate::approvals::desk::{self as approvals, JudgesDeciders};
use crate::approvals::using;
use crate::audit::acting::Acting;
use crate::audit::action::Action;
use crate::audit::purpose::Grounds;
use crate::audit::told::{CaseClosingAsked, CaseEnded, CaseMade, Told as _};
use crate::audit::{self, AuditEntry, AuditError};
use crate::judgement::second_looks::are_one_person;
use crate::store::sql::Connection;
use crate::store::{StoreError, number};
use crate::transits::blocks;

/// Nothing was done.
#[derive(Debug, Error)]
pub enum CaseDeskError {
    /// The case.
    #[error(transparent)]
    Case(#[from] CaseError),
    /// What is to be blocked is not there, or what is to be lifted is not blocked.
    #[error("{0}")]
    Unknown(String),
    /// One person's word is not enough.
    #[error(
        "you asked for this case to be closed at {}: a second person must confirm, with the same request \
         and a token of their own, until {}",
        .0.at(), .0.ends_at()
    )]
    OnePerson(Asked),
    /// What was asked cannot be asked or agreed to.
    #[error(transparent)]
    Approval(#[from] ApprovalError),
    /// Another act came in between: do it again.
    #[error("somebody else acted on the case in the meantime, and nothing was done: do it again")]
    Meanwhile,
    /// No audit line, no act.
    #[error("the audit line cannot be written, so nothing was done")]
    Audit(#[from] AuditError),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

fn line(
    acting: &Acting<'_>,
    action: Action,
    grounds: &Grounds,
    details: serde_json::Value,
) -> AuditEntry {
    AuditEntry {
        grounds: Some(grounds.clone()),
        ..AuditEntry::plain(acting.actor.clone(), action, details)
    }
}

/// Opens a case.
///
/// # Errors
/// [`CaseDeskError`].
pub fn open(
    main: &mut Connection,
    keys: &CaseKeys,
    case: &Case,
    acting: &Acting<'_>,
) -> Result<(), CaseDeskError> {
    let told = CaseMade {
        case: case.id.to_string(),
        authority: case.authority.clone(),
        order: case.order.clone(),
        until: case.until,
    };
    let entry = AuditEntry {
        grounds: Some(case.grounds.clone()),
        ..told.entry(acting.actor.clone(), Action::CaseOpened)?
    };
    acting.act(main, &entry, |main| Ok(case::open(main, keys, case)?))
}

/// What came of holding transits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Held {
    /// Of the transits, those that nobody blocked.
    pub found: u64,
    /// Of these, held now and not before.
    pub new: u64,
}

/// Puts transits into an open case, without those that were blocked since they were found.
///
/// # Errors
/// [`CaseDeskError`].
pub fn hold(
    main: &mut Connection,
    keys: &CaseKeys,
    id: &CaseId,
    mut items: Vec<Item>,
    acting: &Acting<'_>,
) -> Result<Held, CaseDeskError> {
    let case = find(main, id, acting)?;
    let blocked = blocks::all(main)?;
    items.retain(|item| !blocked.contains(&item.transit));
    let found = number::count(items.len())?;
    let entry = AuditEntry {
        result_count: Some(found),
        result_digests: items.iter().map(|item| item.digest).collect(),
        ..line(
            acting,
            Action::CaseHeld,
            &case.grounds,
            serde_json::json!({ "case": id }),
        )
    };
    let mut new = 0;
    acting.act(main, &entry, |main| {
        new = case::hold(main, keys, id, &items, acting.now)?;
        Ok::<_, CaseDeskError>(())
    })?;
    Ok(Held { found, new })
}

/// Checks that a case is open and its order's term not over.
///
/// # Errors
/// [`CaseDeskError`].
pub fn check_open(
    main: &Connection,
    id: &CaseId,
    acting: &Acting<'_>,
) -> Result<(), CaseDeskError> {
    find(main, id, acting).map(drop)
}

/// What a case holds, without what is blocked; that it was shown is on the disk when this returns.
///
/// `tell` adds to its line.
///
/// # Errors
/// [`CaseDeskError`].
pub fn show(
    main: &mut Connection,
    keys: &CaseKeys,
    id: &CaseId,
    acting: &Acting<'_>,
    tell: impl FnOnce(&Connection, &[Item], &mut serde_json::Value) -> Result<(), StoreError>,
) -> Result<(Case, Vec<Item>), CaseDeskError> {
    let case = find(main, id, acting)?;
    let items = case::items(main, keys, id)?;
    let digests: Vec<Digest> = items.iter().map(|item| item.digest).collect();
    let mut details = serde_json::json!({ "case": id });
    tell(main, &items, &mut details)?;
    let entry = AuditEntry {
        result_count: Some(number::count(items.len())?),
        result_digests: digests,
        ..line(acting, Action::CaseShown, &case.grounds, details)
    };
    acting.act(main, &entry, |_| Ok::<_, CaseDeskError>(()))?;
    Ok((case, items))
}

/// What an open case holds, without what is blocked. The caller writes the line.
///
/// # Errors
/// [`CaseDeskError`].
pub fn held(
    main: &Connection,
    keys: &CaseKeys,
    id: &CaseId,
    acting: &Acting<'_>,
) -> Result<Vec<Item>, CaseDeskError> {
    find(main, id, acting)?;
    Ok(case::items(main, keys, id)?)
}

/// What came of a person's word that a case be closed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// It is noted, and a second person is waited for.
    Asked(Asked),
    /// It was the second person's: the case is closed.
    Closed,
}

/// Takes a person's word that a case be closed: the first asks, a second closes. Who asked and was agreed with
/// elsewhere closes it themself.
///
/// # Errors
/// [`CaseDeskError`].
pub fn close_by(
    main: &mut Connection,
    id: &CaseId,
    judges: &dyn JudgesDeciders,
    acting: &Acting<'_>,
) -> Result<Said, CaseDeskError> {
    acting.change(main, |main| {
        let case = unclosed(main, id, acting)?;
        let subject = closing::subject(id);
        let agreed = approvals::unlocked(main, subject.what(), acting.now)?;
        let agreed = agreed
            .into_iter()
            .find(|one| one.subject == subject && one.asked_by == acting.actor.id());
        let used = match (agreed, closing::waiting(main, acting.now)?.remove(id)) {
            (Some(agreed), _) => using::use_up(main, &agreed.id, &subject, acting)?,
            (None, None) => return ask(main, &case, acting),
            (None, Some(asked)) if are_one_person(main, asked.by_id(), acting.actor.id())? => {
                return Err(CaseDeskError::OnePerson(asked));
            }
            (None, Some(asked)) => using::agree_and_use(main, asked.id(), judges, acting)?,
        };
        let closing = Closing::of_two(id, used).ok_or(CaseDeskError::Meanwhile)?;
        let entry = close_within(main, &case, &closing, acting)?;
        Ok((Said::Closed, entry))
    })
}

/// Asks for a case to be closed; both the request and the case have their line.
fn ask(
    main: &Connection,
    case: &Case,
    acting: &Acting<'_>,
) -> Result<(Said, AuditEntry), CaseDeskError> {
    let (asked, entry) = approvals::ask_within(main, &closing::wanted(case), acting)?;
    audit::append(main, &entry, acting.now, acting.key)?;
    let told = CaseClosingAsked {
        case: case.id.to_string(),
    };
    let entry = AuditEntry {
        grounds: Some(case.grounds.clone()),
        ..told.entry(acting.actor.clone(), Action::CaseClosingAsked)?
    };
    Ok((Said::Asked(Asked::of(&asked)), entry))
}

/// Closes a case and destroys what it held.
///
/// # Errors
/// [`CaseDeskError`].
pub fn close(
    main: &mut Connection,
    closing: &Closing,
    acting: &Acting<'_>,
) -> Result<(), CaseDeskError> {
    acting.change(main, |main| {
        let case = unclosed(main, closing.case(), acting)?;
        let entry = close_within(main, &case, closing, acting)?;
        Ok(((), entry))
    })
}

fn close_within(
    main: &Connection,
    case: &Case,
    closing: &Closing,
    acting: &Acting<'_>,
) -> Result<AuditEntry, CaseDeskError> {
    let told = CaseEnded {
        case: case.id.to_string(),
        transits: case.items,
        blocked: Some(case.blocked),
        asked_by: closing.asked_by().map(str::to_owned),
        agreed_by: closing.agreed_by(acting.actor).map(str::to_owned),
    };
    approvals::end_all_of(main, &closing::subject(&case.id), acting)?;
    case::close(main, &case.id, acting.now)?;
    Ok(AuditEntry {
        grounds: Some(case.grounds.clone()),
        ..told.entry(acting.actor.clone(), Action::CaseClosed)?
    })
}

/// Closes the cases whose order's term is over.
///
/// # Errors
/// [`CaseDeskError`].
pub fn close_past(
    main: &mut Connection,
    acting: &Acting<'_>,
) -> Result<Vec<CaseId>, CaseDeskError> {
    let open = case::all(main)?.into_iter();
    let open = open.filter(|case| case.closed_at.is_none());
    let mut closed = Vec::new();
    for case in open {
        if let Some(closing) = Closing::of_term(&case, acting.now) {
            close(main, &closing, acting)?;
            closed.push(case.id);
        }
    }
    Ok(closed)
}

/// An open case whose term is not over.
fn find(main: &Connection, id: &CaseId, acting: &Acting<'_>) -> Result<Case, CaseDeskError> {
    let case = unclosed(main, id, acting)?;
    if case.until > acting.now {
        Ok(case)
    } else {
        Err(CaseError::Unknown(id.clone()).into())
    }
}

/// A case that is not closed, and that whoever acts may know of.
fn unclosed(main: &Connection, id: &CaseId, acting: &Acting<'_>) -> Result<Case, CaseDeskError> {
    let mut cases = case::all(main)?.into_iter();
    let found = cases
        .find(|case| case.id == *id && case.closed_at.is_none() && case.is_named_to(acting.actor));
    Ok(found.ok_or_else(|| CaseError::Unknown(id.clone()))?)
}
