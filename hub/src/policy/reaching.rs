//! What a policy comes to for one caller and one deed: the gates whose transits they may see.
//!
//! The policy is asked once for all gates of a municipality that are for the same. Of what it denies, those gates
//! are named that the caller knows of: their own municipality's, and those of agreements to which their body is a
//! party.

use std::collections::{BTreeMap, BTreeSet};

use varco_proto::ids::GateId;

use super::caller::Caller;
use super::world::{Alike, World};
use super::{Deed, OnSite, Policy, PolicyError};
use crate::agreements::Agreement;
use crate::audit::purpose::Purpose;
use crate::municipalities::Municipality;
use crate::municipalities::owners::Ownership;
use crate::municipalities::reach::{LeftOut, Reach, SharedUnder, WhyLeftOut};

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
        let asking = Reaching {
            policy: self,
            caller,
            deed,
            purpose,
            world,
        };
        let mut reaching = Reached {
            reach: Reach::nowhere(),
            left_out: BTreeMap::new(),
        };
        for (name, known) in &world.municipalities {
            for alike in world.alike(name, known) {
                asking.add(name, &alike, &mut reaching)?;
            }
        }
        let reach = asking.add_unowned(reaching)?;
        match &caller.beside {
            Some(beside) if caller.is_technician() => Ok(reach.only(&beside.gates)),
            _ => Ok(reach),
        }
    }
}

/// What was found so far.
struct Reached {
    reach: Reach,
    left_out: BTreeMap<(Option<Municipality>, WhyLeftOut), BTreeSet<GateId>>,
}

struct Reaching<'a> {
    policy: &'a Policy,
    caller: &'a Caller,
    deed: Deed,
    purpose: Option<Purpose>,
    world: &'a World,
}

/// What the policy is asked of gates that are for the same.
#[derive(Clone, Copy)]
struct AskedOf<'a> {
    municipality: Option<&'a Municipality>,
    purposes: &'a [Purpose],
    agreement: Option<&'a Agreement>,
    admitted: bool,
    /// Whether the first level uses the gates.
    claimed: bool,
}

impl Reaching<'_> {
    fn add(
        &self,
        name: &Municipality,
        alike: &Alike<'_>,
        reached: &mut Reached,
    ) -> Result<(), PolicyError> {
        let own = AskedOf {
            municipality: Some(name),
            purposes: &alike.purposes,
            agreement: None,
            admitted: false,
            claimed: false,
        };
        if self.may(own)? {
            for (gate, when) in &alike.gates {
                reached.reach.add(gate, when);
            }
            return Ok(());
        }
        let mut left_out: BTreeMap<&GateId, WhyLeftOut> = BTreeMap::new();
        // Others' gates are none of theirs to know of.
        let is_own = self.caller.body.municipality.as_ref() == Some(name);
        if is_own && self.would_be_for(own)? {
            left_out.extend(
                alike
                    .gates
                    .iter()
                    .map(|(gate, _)| (*gate, WhyLeftOut::Purpose)),
            );
        }
        for agreement in &self.world.agreements {
            // The policy decides; these two spare it what cannot come to anything.
            let concerns = agreement.gives(name, self.world.now)
                && agreement.receives(&self.caller.body.id, self.world.now);
            if !concerns {
                continue;
            }
            let given =
                |gate: &GateId| agreement.gates.is_empty() || agreement.gates.contains(gate);
            let given = alike.gates.iter().filter(|(gate, _)| given(gate));
            let asked = AskedOf {
                agreement: Some(agreement),
                admitted: self.is_admitted(name, agreement),
                ..own
            };
            if self.may(asked)? {
                // Asked once, and only where the first level uses one of them.
                let is_used = |gate: &GateId| self.world.claimed.contains(gate);
                let used = AskedOf {
                    claimed: true,
                    ..asked
                };
                let shows_used =
                    !alike.gates.iter().any(|(gate, _)| is_used(gate)) || self.may(used)?;
                let under = SharedUnder {
                    agreement: agreement.id.to_string(),
                    municipality: name.clone(),
                };
                for (gate, when) in given {
                    if shows_used || !is_used(gate) {
                        reached.reach.add_shared(gate, when, &under);
                    } else {
                        left_out.insert(gate, WhyLeftOut::InUse);
                    }
                }
                continue;
            }
            let why = self.why_not(asked, agreement)?;
            for (gate, _) in given {
                let known = left_out.entry(gate).or_insert(why);
                *known = (*known).min(why);
            }
        }
        left_out.retain(|gate, _| !reached.reach.has_ever(gate));
        for (gate, why) in left_out {
            let of = reached.left_out.entry((Some(name.clone()), why));
            of.or_default().insert(gate.clone());
        }
        Ok(())
    }

    /// And the gates that no municipality has.
    fn add_unowned(&self, reached: Reached) -> Result<Reach, PolicyError> {
        let Reached {
            mut reach,
            mut left_out,
        } = reached;
        let purposes: Vec<_> = self.world.purposes(None).into_iter().collect();
        let asked = AskedOf {
            municipality: None,
            purposes: &purposes,
            agreement: None,
            admitted: false,
            claimed: false,
        };
        if self.may(asked)? {
            let mut owned: BTreeMap<GateId, Ownership> = BTreeMap::new();
            for known in self.world.municipalities.values() {
                for (gate, when) in &known.owned {
                    owned.entry(gate.clone()).or_default().add(when);
                }
            }
            let others = self.narrower(asked, &owned)?;
            for gate in &others {
                // As if somebody had it: what nobody has is all else.
                owned.insert(gate.clone(), Ownership::always());
            }
            if !others.is_empty() {
                left_out.insert((None, WhyLeftOut::Purpose), others);
            }
            reach = reach.and_unowned(owned);
        } else if self.caller.body.is_owner && self.would_be_for(asked)? {
            left_out.insert((None, WhyLeftOut::Purpose), BTreeSet::new());
        }
        let left_out = left_out
            .into_iter()
            .map(|((municipality, why), gates)| LeftOut {
                municipality,
                gates,
                why,
            });
        Ok(reach.without(left_out.collect()))
    }

    /// Gates that no municipality ever had, with a list of their own by which they are not for this.
    fn narrower(
        &self,
        asked: AskedOf<'_>,
        owned: &BTreeMap<GateId, Ownership>,
    ) -> Result<BTreeSet<GateId>, PolicyError> {
        let mut others = BTreeSet::new();
        let own = self.world.purposes.gates();
        for gate in own.filter(|gate| !owned.contains_key(*gate)) {
            let purposes = self.world.purposes.of_gate(gate, self.world.owner.as_ref());
            let purposes: Vec<_> = purposes.into_iter().collect();
            let asked = AskedOf {
                purposes: &purposes,
                ..asked
            };
            if !self.may(asked)? {
                others.insert(gate.clone());
            }
        }
        Ok(others)
    }

    /// Whether the policy would allow it, were the gates for the stated purpose.
    fn would_be_for(&self, asked: AskedOf<'_>) -> Result<bool, PolicyError> {
        match self.purpose {
            Some(purpose) => self.may(AskedOf {
                purposes: &[purpose],
                ..asked
            }),
            None => Ok(false),
        }
    }

    /// What stands between the caller and what an agreement shares.
    fn why_not(
        &self,
        asked: AskedOf<'_>,
        agreement: &Agreement,
    ) -> Result<WhyLeftOut, PolicyError> {
        let admitted = AskedOf {
            admitted: true,
            ..asked
        };
        if self.may(admitted)? {
            return Ok(WhyLeftOut::Admission);
        }
        let for_it = Agreement {
            purposes: self.purpose.into_iter().collect(),
            ..agreement.clone()
        };
        let for_it = AskedOf {
            agreement: Some(&for_it),
            ..admitted
        };
        match self.would_be_for(for_it)? {
            true => Ok(WhyLeftOut::Purpose),
            false => Ok(WhyLeftOut::Agreement),
        }
    }

    fn is_admitted(&self, name: &Municipality, agreement: &Agreement) -> bool {
        let mut admitted = self.world.admitted.iter();
        admitted.any(|one| {
            one.agreement == agreement.id.as_str()
                && one.municipality == *name
                && one.body == self.caller.body.id
        })
    }

    fn may(&self, asked: AskedOf<'_>) -> Result<bool, PolicyError> {
        let site = OnSite {
            municipality: asked.municipality,
            purpose: self.purpose,
            purposes: asked.purposes,
            agreement: asked.agreement,
            admitted: asked.admitted,
            claimed: asked.claimed,
            now: self.world.now,
        };
        self.policy.may_on(self.caller, self.deed, &site)
    }
}
