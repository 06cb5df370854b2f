//! What is told of a cell, whatever is in it.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::CELL_MIN;
use super::table::{Of, tellable};

fn parts() -> impl Strategy<Value = BTreeMap<Of, u64>> {
    let country = (b'A'..=b'F', b'A'..=b'C').prop_map(|(one, other)| Of::Country([one, other]));
    let count = prop_oneof![3 => 1_u64..9, 1 => 1_u64..500];
    prop::collection::btree_map(country, count, 0..9)
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(3000)
    })]

    #[test]
    fn nothing_below_the_least_is_told_and_nothing_below_it_can_be_subtracted(parts in parts()) {
        let told: BTreeMap<Of, u64> = tellable(&parts).into_iter().collect();
        let total: u64 = parts.values().sum();
        let sum: u64 = told.values().sum();
        prop_assert_eq!(sum, if total < CELL_MIN { 0 } else { total }, "the parts are the cell");
        prop_assert!(told.values().all(|count| *count >= CELL_MIN));
        for (of, count) in told.iter().filter(|(of, _)| **of != Of::Others) {
            prop_assert_eq!(parts.get(of), Some(count), "by its own name, whole");
        }
        // What is not told by its own name is nothing, or enough together.
        let own: u64 = told.iter().filter(|(of, _)| **of != Of::Others).map(|(_, count)| count).sum();
        prop_assert!(sum == own || sum - own >= CELL_MIN);
    }

    #[test]
    fn the_same_cell_is_told_the_same_in_any_order(parts in parts()) {
        let turned: BTreeMap<Of, u64> = parts.iter().rev().map(|(of, count)| (*of, *count)).collect();
        prop_assert_eq!(tellable(&parts), tellable(&turned));
    }
}
