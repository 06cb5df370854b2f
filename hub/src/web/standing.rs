//! What a caller may see, by the policy, at a moment.

use std::collections::HashMap;
use std::sync::Arc;

use varco_proto::time::UtcTime;

use super::errors::ApiError;
use super::state::HubState;
use crate::audit::purpose::Purpose;
use crate::municipalities::reach::Reach;
use crate::policy::caller::Caller;
use crate::policy::rights::{KeptWorld, Rights};
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

    /// The gates whose transits they may do this with.
    pub(super) fn reach(&self, deed: Deed, purpose: Option<Purpose>) -> Result<Reach, PolicyError> {
        self.rights.reach(self.caller, deed, purpose, &self.world)
    }

    /// The gates that they could do this with, did the first level not use them.
    pub(super) fn in_use(
        &self,
        deed: Deed,
        purpose: Option<Purpose>,
    ) -> Result<Vec<String>, PolicyError> {
        let claimed = &self.world.now().claimed;
        if claimed.is_empty() {
            return Ok(Vec::new());
        }
        let open = (self.rights).reach_unclaimed(self.caller, deed, purpose, &self.world)?;
        let reach = self.reach(deed, purpose)?;
        let claimed = claimed.iter();
        let left_out = claimed.filter(|gate| open.has_ever(gate) && !reach.has_ever(gate));
        Ok(left_out.map(ToString::to_string).collect())
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
