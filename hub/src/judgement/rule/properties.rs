//! More of the past never makes a stop go away: nobody searches himself free.

use proptest::prelude::*;

use super::*;
use crate::judgement::thresholds::THRESHOLDS;

const MINUTES: i64 = 60 * 24 * 200;

fn now() -> UtcTime {
    "2026-11-18T10:00:00Z".parse().unwrap()
}

/// So many minutes before.
fn before(minutes: i64) -> UtcTime {
    UtcTime::from_unix_us(now().unix_us() - minutes * 60_000_000)
}

fn times(most: usize) -> impl Strategy<Value = Vec<UtcTime>> {
    let near = prop_oneof![0..MINUTES, 0..200_i64];
    prop::collection::vec(near, 0..most).prop_map(|all| {
        let mut times: Vec<UtcTime> = all.into_iter().map(before).collect();
        times.sort_unstable();
        times
    })
}

fn searches() -> impl Strategy<Value = SearchOf> {
    prop_oneof![
        (0..400_i64).prop_map(SearchOf::Plate),
        (0..120_i64).prop_map(SearchOf::Wide)
    ]
}

fn recent() -> impl Strategy<Value = Vec<RecentSearch>> {
    let one = (0..1500_i64, searches()).prop_map(|(minutes, of)| RecentSearch {
        at: before(minutes),
        of,
    });
    prop::collection::vec(one, 0..300)
}

fn off_duty() -> impl Strategy<Value = Vec<OffDutySearch>> {
    let one = (0..60 * 24 * 40_i64, any::<bool>()).prop_map(|(minutes, is_same)| OffDutySearch {
        at: before(minutes),
        is_same,
    });
    prop::collection::vec(one, 0..6)
}

prop_compose! {
    /// Somebody's past whose duty is known: what is learned of hours may change with them, and should.
    fn past()(
        same in times(6), others in times(12), household in prop::collection::vec(0_u32..6, 0..4),
        recent in recent(), off_duty in off_duty(), (run, plates, shared_by) in (0_u32..8, 0_u32..20, 0_u32..3),
        first in prop::option::of(0..MINUTES), (is_listed, is_on) in (any::<bool>(), any::<bool>()),
        (plate, reference) in (any::<bool>(), any::<bool>()),
    ) -> SearchPast {
        let all = same.iter().chain(&others).copied();
        let mut without_colleagues: Vec<UtcTime> = all.collect();
        without_colleagues.sort_unstable();
        SearchPast {
            same,
            same_without_colleagues: without_colleagues,
            household,
            reference: ReferencePast { first_at: first.map(before), plates, has_this: false, shared_by },
            recent,
            run,
            is_listed,
            off_duty,
            agreed: Agreed { plate, reference },
            ..SearchPast::nothing(if is_on { Duty::On } else { Duty::Off })
        }
    }
}

/// The same person with more of each.
fn with(past: &SearchPast, more: &SearchPast) -> SearchPast {
    let joined = |one: &[UtcTime], other: &[UtcTime]| {
        let mut times = [one, other].concat();
        times.sort_unstable();
        times
    };
    SearchPast {
        same: joined(&past.same, &more.same),
        same_without_colleagues: joined(
            &past.same_without_colleagues,
            &more.same_without_colleagues,
        ),
        household: [&past.household[..], &more.household].concat(),
        reference: ReferencePast {
            first_at: past
                .reference
                .first_at
                .map(|at| more.reference.first_at.map_or(at, |more| at.min(more))),
            plates: past.reference.plates + more.reference.plates,
            ..past.reference
        },
        recent: [&past.recent[..], &more.recent].concat(),
        run: past.run + more.run,
        is_listed: past.is_listed || more.is_listed,
        off_duty: [&past.off_duty[..], &more.off_duty].concat(),
        ..past.clone()
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(400)
    })]

    #[test]
    fn whoever_is_stopped_stays_stopped_with_more_searches(past in past(), more in past(), of in searches()) {
        let asked = SearchAsked { at: now(), of };
        let less = judge(&past, &asked, &THRESHOLDS);
        let much = judge(&with(&past, &more), &asked, &THRESHOLDS);
        let place = |why: &Nearness| SearchRule::ALL.iter().position(|(rule, _)| *rule == why.rule);
        if let Some(why) = &less.needs_second {
            let still = much.needs_second.as_ref();
            prop_assert!(still.is_some(), "{why:?} went away");
            prop_assert!(place(still.unwrap()) <= place(why), "{why:?} became {still:?}");
        }
        prop_assert!(much.looks() >= less.looks());
    }

    #[test]
    fn a_look_more_never_counts_as_one_less(times in times(12), at in 0..MINUTES) {
        let count = |times: &[UtcTime]| looks(times.iter().copied(), THRESHOLDS.look);
        let mut more = times.clone();
        more.push(before(at));
        more.sort_unstable();
        let (few, many) = (count(&times), count(&more));
        prop_assert!(few <= many && many <= few + 1, "{few} and {many}");
    }

    #[test]
    fn a_second_persons_word_lets_only_its_own_matter_through(past in past(), of in searches()) {
        let asked = SearchAsked { at: now(), of };
        let agreed = SearchPast { agreed: Agreed { plate: true, reference: false }, ..past };
        if let Some(why) = judge(&agreed, &asked, &THRESHOLDS).needs_second {
            prop_assert!(!why.rule.is_about_a_plate());
        }
    }
}
