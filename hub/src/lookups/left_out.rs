//! Gates that a question did not search, and why: so that nobody takes silence for an answer, and its line tells it too.
//!
//! Only gates are named that the asker's office knows of: its own municipality's, those of agreements to which it is
//! a party, and what the question named itself, of which the same is said whether there is such a gate or not.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use varco_proto::ids::GateId;

use crate::map::gates::Within;
use crate::municipalities::Municipality;
use crate::municipalities::reach::{LeftOut, Reach, WhyLeftOut};
use crate::transits::query::Filter;

/// What was left out of where somebody looked: everywhere when there is no filter.
#[must_use]
pub fn of(reach: &Reach, filters: &[&Filter]) -> Vec<LeftOut> {
    let places: Vec<_> = filters.iter().map(|filter| Asked::of(filter)).collect();
    let everywhere = places.is_empty();
    let known = reach.left_out().iter().filter_map(|one| {
        let of_it = places.iter().filter_map(|asked| asked.of_it(one));
        match everywhere {
            true => Some(one.clone()),
            false => of_it.reduce(|all, more| LeftOut {
                gates: &all.gates | &more.gates,
                ..all
            }),
        }
    });
    let mut all: Vec<_> = known.collect();
    all.extend(unknown(reach, &places));
    all
}

/// As a line tells it: whose, which, and why; all of somebody's gates where none is named.
#[must_use]
pub fn told(left_out: &[LeftOut]) -> Value {
    let one = |one: &LeftOut| json!({ "municipality": one.municipality, "gates": one.gates, "why": word(one.why) });
    left_out.iter().map(one).collect()
}

fn word(why: WhyLeftOut) -> &'static str {
    let mut all = WhyLeftOut::ALL.iter();
    all.find(|(one, _)| *one == why)
        .map_or("", |(_, word)| word)
}

/// What a filter names.
struct Asked {
    gates: BTreeSet<GateId>,
    /// The gates in the area, when there is one.
    within: Option<BTreeSet<GateId>>,
    municipalities: BTreeMap<Municipality, BTreeSet<GateId>>,
}

impl Asked {
    fn of(filter: &Filter) -> Self {
        let touched = |within: &Within| within.gates_touched().into_iter().cloned().collect();
        let municipal = filter.municipal.iter();
        let of_each = municipal.flat_map(|of| {
            let gates: BTreeSet<GateId> = of.gates.keys().cloned().collect();
            of.names
                .iter()
                .map(move |name| (name.clone(), gates.clone()))
        });
        Self {
            gates: filter.gates.iter().cloned().collect(),
            within: filter.within.as_ref().map(touched),
            municipalities: of_each.collect(),
        }
    }

    /// The part of what was left out that was asked for; none when nothing of it was.
    fn of_it(&self, one: &LeftOut) -> Option<LeftOut> {
        let is_asked = |gate: &&GateId| {
            (self.gates.is_empty() || self.gates.contains(*gate))
                && self
                    .within
                    .as_ref()
                    .is_none_or(|within| within.contains(*gate))
        };
        let named = self.municipalities.is_empty()
            || (one.municipality.as_ref()).is_some_and(|of| self.municipalities.contains_key(of));
        if !named {
            return None;
        }
        // All of those that nobody has: which these are the hub does not list.
        let gates: BTreeSet<_> = match one.gates.is_empty() {
            true if self.gates.is_empty() => BTreeSet::new(),
            true => return None,
            false => one.gates.iter().filter(is_asked).cloned().collect(),
        };
        (one.gates.is_empty() || !gates.is_empty()).then(|| LeftOut {
            gates,
            ..one.clone()
        })
    }
}

/// What was named and is neither within reach nor left out for another reason.
fn unknown(reach: &Reach, places: &[Asked]) -> Vec<LeftOut> {
    let is_told = |gate: &GateId| {
        let mut left_out = reach.left_out().iter();
        left_out.any(|one| one.gates.contains(gate))
    };
    let mut all = Vec::new();
    let named = places.iter().flat_map(|asked| &asked.gates);
    let named: BTreeSet<_> = named
        .filter(|gate| !reach.has_ever(gate) && !is_told(gate))
        .cloned()
        .collect();
    if !named.is_empty() {
        all.push(LeftOut {
            municipality: None,
            gates: named,
            why: WhyLeftOut::Agreement,
        });
    }
    let towns: BTreeMap<_, _> = places
        .iter()
        .flat_map(|asked| &asked.municipalities)
        .collect();
    for (name, gates) in towns {
        let is_seen = gates
            .iter()
            .any(|gate| reach.has_ever(gate) || is_told(gate));
        if !is_seen {
            all.push(LeftOut {
                municipality: Some(name.clone()),
                gates: BTreeSet::new(),
                why: WhyLeftOut::Agreement,
            });
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::municipalities::owners::Ownership;

    fn gate(name: &str) -> GateId {
        name.parse().unwrap()
    }

    fn filter(gates: &[&str]) -> Filter {
        Filter {
            gates: gates.iter().map(|name| gate(name)).collect(),
            ..Filter::default()
        }
    }

    fn told(reach: &Reach, filters: &[&Filter]) -> Vec<String> {
        let all = of(reach, filters);
        let text = |one: LeftOut| {
            let whose = one.municipality.map(|name| name.to_string());
            let gates: Vec<_> = one.gates.iter().map(ToString::to_string).collect();
            let whose = whose.unwrap_or_default();
            format!("{whose}:{}:{}", gates.join(","), word(one.why))
        };
        all.into_iter().map(text).collect()
    }

    #[test]
    fn of_what_was_left_out_that_is_told_which_was_asked_for() {
        let seen = BTreeMap::from([(gate("nord"), Ownership::always())]);
        let left_out = |whose: Option<&str>, gates: &[&str], why| LeftOut {
            municipality: whose.map(|name| name.parse().unwrap()),
            gates: gates.iter().map(|name| gate(name)).collect(),
            why,
        };
        let reach = Reach::within(seen).without(vec![
            left_out(None, &[], WhyLeftOut::Purpose),
            left_out(Some("Corciano"), &["sud", "sud-2"], WhyLeftOut::Purpose),
            left_out(Some("Deruta"), &["est"], WhyLeftOut::Admission),
        ]);
        let everywhere = Filter::default();
        for filters in [&[][..], &[&everywhere]] {
            assert_eq!(
                told(&reach, filters),
                [
                    "::purpose",
                    "Corciano:sud,sud-2:purpose",
                    "Deruta:est:admission"
                ]
            );
        }
        assert!(told(&reach, &[&filter(&["nord"])]).is_empty());
        let some = filter(&["nord", "sud", "nowhere"]);
        assert_eq!(
            told(&reach, &[&some]),
            ["Corciano:sud:purpose", ":nowhere:agreement"]
        );
        let both = [&filter(&["sud"]), &filter(&["est", "sud-2"])];
        assert_eq!(
            told(&reach, &both),
            ["Corciano:sud,sud-2:purpose", "Deruta:est:admission"]
        );
    }
}
