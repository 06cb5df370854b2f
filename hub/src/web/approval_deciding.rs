//! Who may decide about a request: the policy, asked within the transaction that decides.

use super::errors::ApiError;
use super::let_in::{LetInBy, caller_by};
use super::presence::left_to;
use super::state::HubState;
use crate::approvals::approval::{Approval, ApprovalError};
use crate::approvals::desk::{JudgesDeciders, MayDecide};
use crate::approvals::subject::ApprovalFor;
use crate::audit::actor::Actor;
use crate::bodies::BodyId;
use crate::policy::Deed;
use crate::store::sql::Connection;

/// The policy, asked within the transaction about whoever acts as they are at that moment.
pub(super) struct PolicyJudge<'a> {
    pub(super) state: &'a HubState,
    pub(super) by: &'a LetInBy,
    /// Whether they signed in: who showed a token sits nowhere.
    pub(super) is_signed_in: bool,
}

impl<'a> PolicyJudge<'a> {
    pub(super) fn of(state: &'a HubState, by: &'a LetInBy, actor: &Actor) -> Self {
        Self {
            state,
            by,
            is_signed_in: actor.session().is_some(),
        }
    }
}

impl JudgesDeciders for PolicyJudge<'_> {
    fn may_decide(
        &self,
        main: &Connection,
        approval: &Approval,
    ) -> Result<MayDecide, ApprovalError> {
        let unjudged = |error: ApiError| ApprovalError::Unjudged(error.to_string());
        let Some(caller) = caller_by(main, self.state, self.by).map_err(unjudged)? else {
            return Ok(MayDecide::No);
        };
        let what = approval.what();
        // Whoever sits beside a technician is there as long as their session is.
        if what == ApprovalFor::Maintenance && !self.is_signed_in {
            return Ok(MayDecide::No);
        }
        let unjudged =
            |error: crate::policy::PolicyError| ApprovalError::Unjudged(error.to_string());
        let (policy, owner) = (self.state.rights.policy(), BodyId::owner());
        let left_to = left_to(approval, &owner);
        if !policy
            .may_decide(&caller, Deed::deciding(what), left_to)
            .map_err(unjudged)?
        {
            return Ok(MayDecide::No);
        }
        // Whoever would be told decided themself.
        let is_told = policy
            .may_try(&caller, Deed::ReadNotices)
            .map_err(unjudged)?;
        Ok(match what {
            ApprovalFor::Admission if !is_told => MayDecide::AndTell(caller.body.id),
            _ => MayDecide::Yes,
        })
    }
}
