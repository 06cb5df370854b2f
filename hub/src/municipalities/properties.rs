//! Ownership and reach as sets of moments at gates: what is together, what is without, and whole hours of it.

use std::collections::BTreeMap;

use proptest::prelude::*;
use varco_proto::ids::GateId;
use varco_proto::time::UtcTime;

use super::owners::Ownership;
use super::reach::Reach;
use crate::hours::partition::HOUR_US;

type Gates = BTreeMap<GateId, Ownership>;

/// A quarter of an hour: hours are begun within, and at their edges.
const QUARTER_US: i64 = HOUR_US / 4;
/// So many quarters are looked at.
const QUARTERS: i64 = 40;

fn ownership() -> impl Strategy<Value = Ownership> {
    let span = (0..QUARTERS, prop::option::of(1..12_i64));
    let spans = prop::collection::vec(span, 0..3).prop_map(|spans| {
        let mut all = Ownership::default();
        for (from, length) in spans {
            let until = length.map(|length| (from + length) * QUARTER_US);
            all.add(&Ownership::between(from * QUARTER_US, until));
        }
        all
    });
    prop_oneof![6 => spans, 1 => Just(Ownership::always())]
}

fn gates() -> impl Strategy<Value = Gates> {
    let gate = "[abc]".prop_map(|name: String| name.parse().unwrap());
    prop::collection::btree_map(gate, ownership(), 0..4)
}

/// Every moment that is looked at, at every gate.
fn everywhere() -> impl Iterator<Item = (GateId, UtcTime)> {
    ["a", "b", "c", "d"].into_iter().flat_map(|gate| {
        (0..QUARTERS + 16).map(move |quarter| {
            let at = UtcTime::from_unix_us(quarter * QUARTER_US);
            (gate.parse().unwrap(), at)
        })
    })
}

fn has(gates: &Gates, gate: &GateId, at: UtcTime) -> bool {
    gates.get(gate).is_some_and(|when| when.has(at))
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(150)
    })]

    #[test]
    fn a_reach_is_what_is_named_and_what_nobody_has(gates in gates(), owned in gates()) {
        let within = Reach::within(gates.clone());
        let with_unowned = within.clone().and_unowned(owned.clone());
        for (gate, at) in everywhere() {
            prop_assert!(Reach::everywhere().has(&gate, at) && !Reach::nowhere().has(&gate, at));
            prop_assert_eq!(within.has(&gate, at), has(&gates, &gate, at));
            let wanted = has(&gates, &gate, at) || !has(&owned, &gate, at);
            prop_assert_eq!(with_unowned.has(&gate, at), wanted, "{} {}", gate, at);
            for reach in [&within, &with_unowned] {
                prop_assert!(!reach.has(&gate, at) || reach.has_ever(&gate));
                prop_assert!(!reach.has(&gate, at) || !reach.is_nowhere());
                prop_assert!(reach.has(&gate, at) || !reach.is_everywhere());
            }
        }
    }

    #[test]
    fn what_is_added_is_there_together_with_what_was(gates in gates(), more in gates()) {
        let mut both = Reach::within(gates.clone());
        more.iter().for_each(|(gate, owned)| both.add(gate, owned));
        for (gate, at) in everywhere() {
            let wanted = has(&gates, &gate, at) || has(&more, &gate, at);
            prop_assert_eq!(both.has(&gate, at), wanted);
        }
    }

    #[test]
    fn a_whole_hour_is_within_reach_only_when_each_moment_of_it_is(gates in gates(), owned in gates()) {
        let reach = Reach::within(gates).and_unowned(owned);
        let whole = reach.in_whole_hours();
        for (gate, at) in everywhere() {
            let begins = at.unix_us().div_euclid(HOUR_US) * HOUR_US;
            let mut moments = (0..4).map(|part| UtcTime::from_unix_us(begins + part * QUARTER_US));
            prop_assert!(!whole.has(&gate, at) || moments.all(|at| reach.has(&gate, at)), "{} {}", gate, at);
        }
    }

    #[test]
    fn numbers_for_names_change_nothing(gates in gates(), owned in gates()) {
        let number = |gate: &GateId| "abcd".find(gate.as_str()).and_then(|at| u32::try_from(at).ok());
        for reach in [Reach::within(gates.clone()), Reach::within(gates).and_unowned(owned)] {
            let Some(numbered) = reach.numbered(number) else {
                prop_assert!(reach.is_everywhere());
                continue;
            };
            for (gate, at) in everywhere() {
                let known = number(&gate).unwrap();
                prop_assert_eq!(numbered.has(known, at), reach.has(&gate, at));
                prop_assert!(!numbered.has(known, at) || numbered.has_ever(known));
                prop_assert!(!numbered.has(known, at) || !numbered.is_empty());
            }
        }
    }
}
