//! What a policy comes to for one caller and one deed: the gates whose transits they may see.

use std::collections::BTreeMap;

use varco_proto::ids::GateId;

use super::caller::Caller;
use super::world::World;
use super::{Deed, OnSite, Policy, PolicyError};
use crate::agreements::Agreement;
use crate::audit::purpose::Purpose;
use crate::municipalities::owners::Ownership;
use crate::municipalities::reach::Reach;
use crate::municipalities::{KnownMunicipality, Municipality};

impl Policy {
    /// The gates whose transits a caller may do this with, for this purpose.
    ///
    /// # Errors
    /// [`PolicyError::Entities`]: then it is none.
    pub fn reach(
        &self,
        caller: &Caller,
        deed: Deed,
        purpose: Option<Purpose>,
        world: &World,
    ) -> Result<Reach, PolicyError> {
        let mut reach = Reach::nowhere();
        let asking = Reaching {
            policy: self,
            caller,
            deed,
            purpose,
            world,
        };
        for (name, known) in &world.municipalities {
            asking.add(name, known, &mut reach)?;
        }
        if asking.may(None, None)? {
            let mut owned: BTreeMap<GateId, Ownership> = BTreeMap::new();
            for known in world.municipalities.values() {
                for (gate, when) in &known.owned {
                    owned.entry(gate.clone()).or_default().add(when);
                }
            }
            reach = reach.and_unowned(owned);
        }
        match &caller.beside {
            Some(beside) if caller.is_technician() => Ok(reach.only(&beside.gates)),
            _ => Ok(reach),
        }
    }
}

/// Whose gates, and under which agreement.
#[derive(Clone, Copy)]
struct SiteOf<'a> {
    municipality: Option<&'a Municipality>,
    agreement: Option<&'a Agreement>,
}

struct Reaching<'a> {
    policy: &'a Policy,
    caller: &'a Caller,
    deed: Deed,
    purpose: Option<Purpose>,
    world: &'a World,
}

impl Reaching<'_> {
    fn add(
        &self,
        name: &Municipality,
        known: &KnownMunicipality,
        reach: &mut Reach,
    ) -> Result<(), PolicyError> {
        if self.may(Some(name), None)? {
            for (gate, when) in &known.owned {
                reach.add(gate, when);
            }
            return Ok(());
        }
        for agreement in &self.world.agreements {
            // The policy decides; these two spare it what cannot come to anything.
            let concerns = agreement.gives(name, self.world.now)
                && agreement.receives(&self.caller.body.id, self.world.now);
            if !concerns || !self.may(Some(name), Some(agreement))? {
                continue;
            }
            let given =
                |gate: &GateId| agreement.gates.is_empty() || agreement.gates.contains(gate);
            let of = SiteOf {
                municipality: Some(name),
                agreement: Some(agreement),
            };
            // Asked once, and only where the first level uses one of them.
            let is_used = |gate: &GateId| self.world.claimed.contains(gate);
            let shows_used = !known.owned.keys().any(is_used) || self.may_used(of, true)?;
            for (gate, when) in known.owned.iter().filter(|(gate, _)| given(gate)) {
                if shows_used || !is_used(gate) {
                    reach.add(gate, when);
                }
            }
        }
        Ok(())
    }

    fn may(
        &self,
        municipality: Option<&Municipality>,
        agreement: Option<&Agreement>,
    ) -> Result<bool, PolicyError> {
        let of = SiteOf {
            municipality,
            agreement,
        };
        self.may_used(of, false)
    }

    /// The same, where the first level uses the gates or does not.
    fn may_used(&self, of: SiteOf<'_>, claimed: bool) -> Result<bool, PolicyError> {
        let SiteOf {
            municipality,
            agreement,
        } = of;
        let body = &self.caller.body.id;
        let admitted = municipality
            .zip(agreement)
            .is_some_and(|(name, agreement)| {
                let mut admitted = self.world.admitted.iter();
                admitted.any(|one| {
                    one.agreement == agreement.id.as_str()
                        && one.municipality == *name
                        && one.body == *body
                })
            });
        let site = OnSite {
            municipality,
            purpose: self.purpose,
            purposes: &self.world.purposes(municipality),
            agreement,
            admitted,
            claimed,
            now: self.world.now,
        };
        self.policy.may_on(self.caller, self.deed, &site)
    }
}
