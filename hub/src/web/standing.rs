//! What a caller may see, by the policy, at a moment.

use std::collections::HashMap;
use std::sync::Arc;

use varco_proto::time::UtcTime;

use super::errors::ApiError;
use super::grounds;
use super::state::HubState;
use crate::audit::purpose::{Grounds, GroundsError, Purpose};
use crate::municipalities::reach::Reach;
use crate::policy::caller::Caller;
use crate::policy::rights::{KeptWorld, Rights};
use crate::policy::world::World;
use crate::policy::{Deed, PolicyError};
use crate::store::StoreError;
use crate::store::sql::Connection;

/// A caller before the policy, with what it judges by.
pub(super) struct Standing<'a> {
    rights: Arc<Rights>,
    caller: &'a Caller,
    world: Arc<KeptWorld>,
}

/// A check that cannot be made means no.
impl From<PolicyError> for ApiError {
    fn from(error: PolicyError) -> Self {
        tracing::error!(error = %error, "the policy cannot judge, so nothing is allowed");
        Self::Internal
    }
}

impl<'a> Standing<'a> {
    /// Reads what the policy judges by.
    pub(super) fn of(
        state: &HubState,
        main: &Connection,
        caller: &'a Caller,
        now: UtcTime,
    ) -> Result<Self, StoreError> {
        Ok(Self {
            world: state.rights.world(main, now)?,
            rights: Arc::clone(&state.rights),
            caller,
        })
    }

    /// Whether their office may state these grounds' purpose.
    pub(super) fn allow(&self, stated: &Grounds) -> Result<(), GroundsError> {
        grounds::allow(self.world.now(), self.caller, stated)
    }

    /// What the policy judges by.
    pub(super) fn world(&self) -> &World {
        self.world.now()
    }

    /// The gates whose transits they may do this with.
    pub(super) fn reach(&self, deed: Deed, purpose: Option<Purpose>) -> Result<Reach, PolicyError> {
        self.rights.reach(self.caller, deed, purpose, &self.world)
    }

    /// The same for each of several purposes.
    pub(super) fn reaches(
        &self,
        deed: Deed,
        purposes: impl Iterator<Item = Purpose>,
    ) -> Result<HashMap<Purpose, Reach>, PolicyError> {
        let mut reaches = HashMap::new();
        for purpose in purposes {
            if let std::collections::hash_map::Entry::Vacant(free) = reaches.entry(purpose) {
                free.insert(self.reach(deed, Some(purpose))?);
            }
        }
        Ok(reaches)
    }
}

/// Refuses grounds whose purpose no gate is for which the caller's office may see: for what lasts beyond a question,
/// as a list or a case. A question is held against it where it is asked.
///
/// # Errors
/// [`ApiError`].
pub(super) fn allow(
    state: &HubState,
    main: &Connection,
    caller: &Caller,
    stated: &Grounds,
) -> Result<(), ApiError> {
    let standing = Standing::of(state, main, caller, state.clock.now())?;
    Ok(standing.allow(stated)?)
}
