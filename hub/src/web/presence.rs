//! Whoever sits beside a technician, worked out anew each time: their session holds and is not locked, they sit at a
//! post of their own body, and the policy would let them say yes again (art. 8 c. 2 A a4, B b2).

use super::arrival::caller_of_person;
use super::errors::ApiError;
use super::state::HubState;
use crate::approvals::approval::Approval;
use crate::approvals::desk;
use crate::approvals::subject::{ApprovalFor, ApprovalSubject};
use crate::bodies::BodyId;
use crate::people::{actors, external_staff};
use crate::policy::caller::{Beside, Caller};
use crate::policy::{Deed, LeftTo};
use crate::signing::sessions::{self, SessionShown};
use crate::store::sql::Connection;

/// To whom it is left to decide about a request.
pub(super) fn left_to<'a>(approval: &'a Approval, owner: &'a BodyId) -> LeftTo<'a> {
    match (approval.subject.municipality(), approval.what()) {
        (Some(municipality), _) => LeftTo::Municipality(municipality),
        (None, ApprovalFor::Maintenance | ApprovalFor::PolicyWidening) => LeftTo::Body(owner),
        (None, _) => LeftTo::Body(&approval.asked_body),
    }
}

/// Who sits beside a technician now, and for which gates; none when nobody does.
pub(super) fn beside(
    main: &Connection,
    state: &HubState,
    technician: &Caller,
) -> Result<Option<Beside>, ApiError> {
    let now = state.clock.now();
    // Who is named in writing no more works no more, whoever sits there.
    if !external_staff::is_registered(main, &technician.id, now)? {
        return Ok(None);
    }
    let mut open = desk::unlocked(main, ApprovalFor::Maintenance, now)?;
    open.retain(|one| one.asked_by == technician.id);
    // The one that lasts longest first.
    for one in open.iter().rev() {
        let ApprovalSubject::Maintenance { gates, .. } = &one.subject else {
            continue;
        };
        if let Some(present) = present(main, state, one)? {
            return Ok(Some(Beside {
                body: present.body,
                gates: gates.clone(),
            }));
        }
    }
    Ok(None)
}

/// Whoever agreed to sit beside them, as they are now; none when they are there no more.
fn present(
    main: &Connection,
    state: &HubState,
    approval: &Approval,
) -> Result<Option<Caller>, ApiError> {
    for said in approval.decisions.iter().filter(|said| said.approves) {
        let Some(session) = &said.session else {
            continue;
        };
        let shown = sessions::shown_of(main, session, state.clock.now())?;
        let SessionShown::Holds(session) = shown else {
            continue;
        };
        let Some(actor) = actors::of_id(main, &said.actor_id)? else {
            continue;
        };
        if session.actor_id != said.actor_id {
            continue;
        }
        let Some(caller) = caller_of_person(main, state, &actor, &session)? else {
            continue;
        };
        let owner = BodyId::owner();
        let left_to = left_to(approval, &owner);
        if state
            .rights
            .policy()
            .may_decide(&caller, Deed::Accompany, left_to)?
        {
            return Ok(Some(caller));
        }
    }
    Ok(None)
}
