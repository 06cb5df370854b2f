//! The gaps of a chain against a list of what came and what was explained.

use std::collections::BTreeSet;

use proptest::prelude::*;
use varco_proto::drops::SequenceRange;
use varco_proto::time::UtcTime;

use super::place::Missing;
use super::ranges::Ranges;

/// What happens to a chain.
#[derive(Debug, Clone, Copy)]
enum Step {
    /// The record of this sequence comes, or comes again.
    Comes(u64),
    /// The edge says that it let these go.
    LetGo(u64, u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        3 => (1_u64..40).prop_map(Step::Comes),
        1 => (1_u64..40, 0_u64..6).prop_map(|(first, more)| Step::LetGo(first, first + more)),
    ];
    prop::collection::vec(step, 1..60)
}

/// What is known without any cleverness.
#[derive(Debug, Default)]
struct Listed {
    came: BTreeSet<u64>,
    explained: BTreeSet<u64>,
    head: u64,
}

fn take(step: Step, ranges: &mut Ranges, listed: &mut Listed, now: UtcTime) {
    match step {
        Step::Comes(sequence) if listed.came.insert(sequence) => {
            if sequence <= listed.head {
                ranges.fill(sequence, now);
                return;
            }
            if sequence > listed.head + 1 {
                let (first, last) = (listed.head + 1, sequence - 1);
                ranges.open(Missing { first, last }, now);
            }
            listed.head = sequence;
        }
        // A report tells of records before it alone.
        Step::LetGo(first, last) if last < listed.head => {
            let there = |from, to| Ok(u64::try_from(listed.came.range(from..=to).count()).unwrap());
            ranges
                .explain(SequenceRange { first, last }, now, there)
                .unwrap();
            listed.explained.extend(first..=last);
        }
        _ => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(600)
    })]

    #[test]
    fn a_gap_misses_what_neither_came_nor_was_let_go(steps in steps()) {
        let (mut ranges, mut listed) = (Ranges::default(), Listed::default());
        let now = UtcTime::from_unix_us(5);
        for step in steps {
            take(step, &mut ranges, &mut listed, now);
            let count = |first: u64, last: u64, is: &dyn Fn(&u64) -> bool| {
                u64::try_from((first..=last).filter(|one| is(one)).count()).unwrap()
            };
            let mut missing = 0;
            for gap in &ranges.gaps {
                let lost = |one: &u64| !listed.came.contains(one) && !listed.explained.contains(one);
                prop_assert_eq!(gap.missing, count(gap.first, gap.last, &lost), "{:?}", gap);
                prop_assert_eq!(gap.is_open(), gap.missing > 0);
                missing += gap.missing;
            }
            let unknown = |one: &u64| !listed.came.contains(one) && !listed.explained.contains(one);
            prop_assert_eq!(missing, count(1, listed.head, &unknown), "nothing is missing outside the gaps");
            let (mut told, mut before) = (BTreeSet::new(), 0);
            for dropped in &ranges.dropped {
                prop_assert!(dropped.first > before, "what was let go is told once");
                before = dropped.last;
                told.extend(dropped.first..=dropped.last);
                let gone = |one: &u64| !listed.came.contains(one);
                prop_assert_eq!(dropped.missing, count(dropped.first, dropped.last, &gone), "{:?}", dropped);
            }
            prop_assert_eq!(&told, &listed.explained);
        }
    }

    #[test]
    fn sequences_become_ranges_and_ranges_sequences(all in prop::collection::btree_set(1_u64..200, 0..60)) {
        let all: Vec<u64> = all.into_iter().collect();
        let ranges = SequenceRange::of(&all);
        let again: Vec<u64> = ranges.iter().flat_map(|range| range.first..=range.last).collect();
        prop_assert_eq!(&again, &all);
        prop_assert!(ranges.windows(2).all(|two| two[0].last + 1 < two[1].first), "as few as can be");
        let count: u64 = ranges.iter().map(|range| range.count()).sum();
        prop_assert_eq!(count, u64::try_from(all.len()).unwrap());
    }
}
