//! The gates whose transits somebody may see, and from when until when: what a policy comes to. Every search is
//! handed it, so that nothing else is found, paired, counted, kept or named.

use std::collections::{BTreeMap, BTreeSet};

use varco_proto::ids::GateId;
use varco_proto::time::UtcTime;

use super::Municipality;
use super::owners::Ownership;

/// Gates, with when; and those that were left out of it, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reach {
    kind: Kind,
    left_out: Vec<LeftOut>,
    /// What of it is another municipality's, by what it is shared under.
    shared: BTreeMap<SharedUnder, BTreeMap<GateId, Ownership>>,
}

/// Under which agreement a municipality shares what its gates saw.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct SharedUnder {
    /// The agreement's id.
    pub agreement: String,
    /// Whose transits they are.
    pub municipality: Municipality,
}

/// Why somebody may not see what gates saw, of which they know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum WhyLeftOut {
    /// The first level uses them.
    InUse,
    /// An officer on duty of the gates' own police must let their office in first.
    Admission,
    /// The gates, or the agreement, are not for the stated purpose.
    Purpose,
    /// No agreement gives it.
    Agreement,
}

impl WhyLeftOut {
    /// Each with its word.
    pub const ALL: [(Self, &'static str); 4] = [
        (Self::InUse, "in-use"),
        (Self::Admission, "admission"),
        (Self::Purpose, "purpose"),
        (Self::Agreement, "agreement"),
    ];
}

/// Gates that were left out: the asker's own, or some of an agreement to which their office is a party.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftOut {
    /// Whose; none when nobody's.
    pub municipality: Option<Municipality>,
    /// Which; all of them when empty.
    pub gates: BTreeSet<GateId>,
    /// Why.
    pub why: WhyLeftOut,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    Everywhere,
    Within {
        gates: BTreeMap<GateId, Ownership>,
        /// What every municipality has or had, when what none of them had is within reach too.
        owned: Option<BTreeMap<GateId, Ownership>>,
        /// Of all this only these gates; all when none.
        only: Option<BTreeSet<GateId>>,
    },
}

impl Reach {
    /// Every gate, at any time: for what the hub does on its own, and for whoever works on its machine.
    #[must_use]
    pub fn everywhere() -> Self {
        Self::of(Kind::Everywhere)
    }

    fn of(kind: Kind) -> Self {
        Self {
            kind,
            left_out: Vec::new(),
            shared: BTreeMap::new(),
        }
    }

    /// What was left out of it, of that which the asker knows of.
    #[must_use]
    pub fn left_out(&self) -> &[LeftOut] {
        &self.left_out
    }

    /// The gates that were left out because the first level uses them.
    #[must_use]
    pub fn in_use(&self) -> BTreeSet<&GateId> {
        let in_use = self.left_out.iter();
        let in_use = in_use.filter(|one| one.why == WhyLeftOut::InUse);
        let gates = in_use.flat_map(|one| &one.gates);
        gates.filter(|gate| self.is_within(gate)).collect()
    }

    /// Whether a gate is among those to which it is narrowed.
    fn is_within(&self, gate: &GateId) -> bool {
        match &self.kind {
            Kind::Within {
                only: Some(only), ..
            } => only.contains(gate),
            _ => true,
        }
    }

    /// With what was left out of it.
    #[must_use]
    pub fn without(self, left_out: Vec<LeftOut>) -> Self {
        Self { left_out, ..self }
    }

    /// Nothing.
    #[must_use]
    pub fn nowhere() -> Self {
        Self::within(BTreeMap::new())
    }

    /// These gates.
    #[must_use]
    pub fn within(gates: BTreeMap<GateId, Ownership>) -> Self {
        Self::of(Kind::Within {
            gates,
            owned: None,
            only: None,
        })
    }

    /// These too.
    pub fn add(&mut self, gate: &GateId, owned: &Ownership) {
        if let Kind::Within { gates, .. } = &mut self.kind {
            gates.entry(gate.clone()).or_default().add(owned);
        }
    }

    /// These too, which a municipality shares under an agreement.
    pub fn add_shared(&mut self, gate: &GateId, owned: &Ownership, under: &SharedUnder) {
        self.add(gate, owned);
        let shared = self.shared.entry(under.clone()).or_default();
        shared.entry(gate.clone()).or_default().add(owned);
    }

    /// Under what whoever asks sees what a gate saw at a moment; nothing where it is their own.
    pub fn shared(&self, gate: &GateId, at: UtcTime) -> impl Iterator<Item = &SharedUnder> {
        let has = move |gates: &BTreeMap<GateId, Ownership>| {
            gates.get(gate).is_some_and(|when| when.has(at))
        };
        let shared = self.shared.iter().filter(move |(_, gates)| has(gates));
        shared.map(|(under, _)| under)
    }

    /// Whether nothing of it is another municipality's.
    #[must_use]
    pub fn is_own(&self) -> bool {
        self.shared.is_empty()
    }

    /// And what no municipality has or had, which is all that is not in `owned`.
    #[must_use]
    pub fn and_unowned(self, owned: BTreeMap<GateId, Ownership>) -> Self {
        let kind = match self.kind {
            Kind::Within {
                gates, only: None, ..
            } if gates.is_empty() && owned.is_empty() => Kind::Everywhere,
            Kind::Within { gates, only, .. } => Kind::Within {
                gates,
                owned: Some(owned),
                only,
            },
            Kind::Everywhere => Kind::Everywhere,
        };
        Self { kind, ..self }
    }

    /// Of this only what these gates saw.
    #[must_use]
    pub fn only(self, only: &BTreeSet<GateId>) -> Self {
        let only = Some(only.clone());
        let kind = match self.kind {
            Kind::Within { gates, owned, .. } => Kind::Within { gates, owned, only },
            Kind::Everywhere => Kind::Within {
                gates: BTreeMap::new(),
                owned: Some(BTreeMap::new()),
                only,
            },
        };
        Self { kind, ..self }
    }

    /// Whether it is every gate.
    #[must_use]
    pub fn is_everywhere(&self) -> bool {
        self.kind == Kind::Everywhere
    }

    /// Whether there is no gate at all.
    #[must_use]
    pub fn is_nowhere(&self) -> bool {
        matches!(&self.kind, Kind::Within { gates, owned: None, .. } if gates.is_empty())
    }

    /// Whether what a gate saw at a moment is within reach.
    #[must_use]
    pub fn has(&self, gate: &GateId, at: UtcTime) -> bool {
        match &self.kind {
            Kind::Everywhere => true,
            Kind::Within { gates, owned, .. } => {
                self.is_within(gate)
                    && (gates.get(gate).is_some_and(|when| when.has(at))
                        || (owned.as_ref())
                            .is_some_and(|owned| !owned.get(gate).is_some_and(|when| when.has(at))))
            }
        }
    }

    /// Whether anything that a gate saw can be within reach.
    #[must_use]
    pub fn has_ever(&self, gate: &GateId) -> bool {
        match &self.kind {
            Kind::Everywhere => true,
            Kind::Within { gates, owned, .. } => {
                self.is_within(gate)
                    && (gates.contains_key(gate)
                        || (owned.as_ref()).is_some_and(|owned| {
                            !owned.get(gate).is_some_and(Ownership::is_always)
                        }))
            }
        }
    }

    /// Only the whole hours of UTC of it: a count takes an hour of a gate whole or not at all.
    #[must_use]
    pub fn in_whole_hours(&self) -> Self {
        let Kind::Within { gates, owned, only } = &self.kind else {
            return Self::everywhere();
        };
        let each = |of: &BTreeMap<GateId, Ownership>, hours: fn(&Ownership) -> Ownership| {
            let hours = of.iter().map(|(gate, when)| (gate.clone(), hours(when)));
            hours.collect::<BTreeMap<_, _>>()
        };
        let kind = Kind::Within {
            gates: each(gates, Ownership::in_whole_hours),
            owned: owned
                .as_ref()
                .map(|owned| each(owned, Ownership::in_touched_hours)),
            only: only.clone(),
        };
        Self {
            kind,
            ..self.clone()
        }
    }

    /// With numbers for names; none for everywhere. A gate that has no number has seen nothing.
    pub(crate) fn numbered(
        &self,
        number: impl Fn(&GateId) -> Option<u32>,
    ) -> Option<NumberedReach> {
        let Kind::Within { gates, owned, only } = &self.kind else {
            return None;
        };
        let each = |of: &BTreeMap<GateId, Ownership>| {
            let known = of
                .iter()
                .filter_map(|(gate, when)| Some((number(gate)?, when.clone())));
            known.collect::<BTreeMap<_, _>>()
        };
        let only = only
            .as_ref()
            .map(|only| only.iter().filter_map(&number).collect());
        Some(NumberedReach {
            gates: each(gates),
            owned: owned.as_ref().map(each),
            only,
        })
    }
}

/// A reach with numbers for names.
#[derive(Debug, Clone)]
pub(crate) struct NumberedReach {
    gates: BTreeMap<u32, Ownership>,
    owned: Option<BTreeMap<u32, Ownership>>,
    only: Option<BTreeSet<u32>>,
}

impl NumberedReach {
    /// Whether what a gate saw at a moment is within reach.
    pub(crate) fn has(&self, gate: u32, at: UtcTime) -> bool {
        self.is_within(gate)
            && (self.gates.get(&gate).is_some_and(|when| when.has(at))
                || (self.owned.as_ref())
                    .is_some_and(|owned| !owned.get(&gate).is_some_and(|when| when.has(at))))
    }

    fn is_within(&self, gate: u32) -> bool {
        self.only.as_ref().is_none_or(|only| only.contains(&gate))
    }

    /// Whether anything that a gate saw can be within reach.
    pub(crate) fn has_ever(&self, gate: u32) -> bool {
        self.is_within(gate) && (self.gates.contains_key(&gate) || self.owned.is_some())
    }

    /// Whether nothing can be.
    pub(crate) fn is_empty(&self) -> bool {
        self.gates.is_empty() && self.owned.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gate(name: &str) -> GateId {
        name.parse().unwrap()
    }

    #[test]
    fn what_nobody_has_is_within_reach_only_where_that_is_said() {
        let at = UtcTime::from_unix_us(1);
        let owned = BTreeMap::from([(gate("nord"), Ownership::always())]);
        let sud = BTreeMap::from([(gate("sud"), Ownership::always())]);
        for (reach, nord, other) in [
            (Reach::everywhere(), true, true),
            (Reach::nowhere(), false, false),
            (Reach::within(owned.clone()), true, false),
            (Reach::nowhere().and_unowned(owned.clone()), false, true),
            (Reach::within(sud).and_unowned(owned.clone()), false, true),
            (
                Reach::everywhere().only(&[gate("nord")].into()),
                true,
                false,
            ),
            (
                Reach::within(owned.clone()).only(&[gate("sud")].into()),
                false,
                false,
            ),
        ] {
            let has = |name| (reach.has(&gate(name), at), reach.has_ever(&gate(name)));
            assert_eq!(has("nord"), (nord, nord), "{reach:?}");
            assert_eq!(has("elsewhere"), (other, other), "{reach:?}");
            let numbered = reach.numbered(|name| (name.as_str() == "nord").then_some(1));
            assert_eq!(numbered.is_none_or(|one| one.has(1, at)), nord, "{reach:?}");
            assert_eq!(numbered_other(&reach, at), other, "{reach:?}");
        }
        let unowned = Reach::nowhere().and_unowned(owned);
        let only = unowned.only(&[gate("elsewhere")].into());
        assert!(only.has(&gate("elsewhere"), at) && !only.has(&gate("another"), at));
        assert!(
            Reach::nowhere()
                .and_unowned(BTreeMap::new())
                .is_everywhere()
        );
    }

    fn numbered_other(reach: &Reach, at: UtcTime) -> bool {
        let number = |name: &GateId| {
            if name.as_str() == "nord" {
                Some(1)
            } else {
                None
            }
        };
        reach.numbered(number).is_none_or(|one| one.has(2, at))
    }
}
