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
        Ok(reach)
    }
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
            for (gate, when) in known.owned.iter().filter(|(gate, _)| given(gate)) {
                reach.add(gate, when);
            }
        }
        Ok(())
    }

    fn may(
        &self,
        municipality: Option<&Municipality>,
        agreement: Option<&Agreement>,
    ) -> Result<bool, PolicyError> {
        let admitted = municipality.is_some_and(|name| {
            let pair = (name.clone(), self.caller.body.id.clone());
            self.world.admitted.contains(&pair)
        });
        let site = OnSite {
            municipality,
            purpose: self.purpose,
            purposes: &self.world.purposes(municipality),
            agreement,
            admitted,
            now: self.world.now,
        };
        self.policy.may_on(self.caller, self.deed, &site)
    }
}
