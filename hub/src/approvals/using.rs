//! Using what was approved: once, by who asked, for exactly what was asked, while it is unlocked.

use super::ApprovalId;
use super::approval::{self, Approval, ApprovalError, ApprovalState};
use super::desk::{self, ApprovalSaid, JudgesDeciders};
use super::subject::ApprovalSubject;
use crate::audit;
use crate::audit::acting::Acting;
use crate::audit::action::Action;
use crate::audit::told::{ApprovalUsedUp, Told as _};
use crate::store::sql::Connection;

/// A request that was approved and has just been used up. Only [`use_up`] makes one: what takes it as an argument
/// cannot be done without it, nor twice.
#[derive(Debug)]
pub struct UsedApproval {
    approval: Approval,
    line: u64,
}

impl UsedApproval {
    /// The request.
    #[must_use]
    pub fn approval(&self) -> &Approval {
        &self.approval
    }

    /// The number of the audit line that says that it was used.
    #[must_use]
    pub fn line(&self) -> u64 {
        self.line
    }
}

/// Says the last word on a request and uses it up at once, for who asked: where the second person's word does what was
/// asked. Within the caller's transaction; it writes both lines.
///
/// # Errors
/// Those of [`desk::decide_within`]; [`ApprovalError::Locked`] when more words are needed.
pub fn agree_and_use(
    main: &Connection,
    id: &ApprovalId,
    judges: &dyn JudgesDeciders,
    acting: &Acting<'_>,
) -> Result<UsedApproval, ApprovalError> {
    let said = ApprovalSaid {
        approves: true,
        note: String::new(),
    };
    let (agreed, entry) = desk::decide_within(main, id, &said, judges, acting)?;
    audit::append(main, &entry, acting.now, acting.key)?;
    mark_used(main, &agreed, acting)
}

/// Uses a request up, within the caller's transaction, which commits what is done with it or nothing. It writes its
/// own line. `subject` is what is about to be done.
///
/// # Errors
/// [`ApprovalError::Unknown`], [`ApprovalError::NotTheirs`], [`ApprovalError::Other`] when it is about something
/// else, [`ApprovalError::Locked`] when it waits, was used, ended, or its time is over; what the line or the
/// database say.
pub fn use_up(
    main: &Connection,
    id: &ApprovalId,
    subject: &ApprovalSubject,
    acting: &Acting<'_>,
) -> Result<UsedApproval, ApprovalError> {
    let found = approval::find(main, id)?.ok_or(ApprovalError::Unknown)?;
    if found.asked_by != acting.actor.id() {
        return Err(ApprovalError::NotTheirs);
    }
    if found.subject != *subject || !found.what().terms().once {
        return Err(ApprovalError::Other);
    }
    mark_used(main, &found, acting)
}

pub(super) fn mark_used(
    main: &Connection,
    found: &Approval,
    acting: &Acting<'_>,
) -> Result<UsedApproval, ApprovalError> {
    let id = &found.id;
    match found.state_at(acting.now) {
        ApprovalState::Approved => {}
        locked => return Err(ApprovalError::Locked(locked)),
    }
    if !approval::use_up(main, id, acting.now)? {
        return Err(ApprovalError::Locked(ApprovalState::Used));
    }
    let told = ApprovalUsedUp {
        approval: id.to_string(),
        what: found.what().to_string(),
        approved_by: found
            .decisions
            .iter()
            .filter(|decision| decision.approves)
            .map(|decision| decision.actor_id.clone())
            .collect(),
    };
    let entry = told.entry(acting.actor.clone(), Action::ApprovalUsed)?;
    let line = audit::append(main, &entry, acting.now, acting.key)?;
    let approval = approval::find(main, id)?.ok_or(ApprovalError::Unknown)?;
    Ok(UsedApproval { approval, line })
}
