//! The numbers, texts and moments of hours under their terms.

use std::time::Duration;

use proptest::prelude::*;
use varco_proto::time::UtcTime;

use super::partition::{HOUR_US, Partition, Term};

/// From 1970 to the end of 2088: what an hour's number has room for.
fn moments() -> impl Strategy<Value = UtcTime> {
    (0_i64..(1 << 20) * HOUR_US).prop_map(UtcTime::from_unix_us)
}

fn terms() -> impl Strategy<Value = Term> {
    (0..=Term::HOURS_MAX).prop_map(|hours| Term::of_hours(hours).unwrap_or_default())
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(1000)
    })]

    #[test]
    fn an_hour_is_the_same_by_its_number_and_by_its_text(at in moments(), term in terms()) {
        let hour = Partition::of(at, term);
        prop_assert_eq!(Partition::from_number(hour.number()), hour);
        prop_assert_eq!(hour.to_string().parse(), Ok(hour));
        prop_assert_eq!(hour.term(), term);
    }

    #[test]
    fn any_number_is_an_hour_with_that_number(number in any::<i64>()) {
        prop_assert_eq!(Partition::from_number(number).number(), number);
    }

    #[test]
    fn every_moment_lies_in_its_hour_and_in_no_other(at in moments(), term in terms(), other in moments()) {
        let hour = Partition::of(at, term);
        prop_assert!(hour.start() <= at && at < hour.end());
        prop_assert_eq!(hour.at(hour.offset_us(at)), at);
        prop_assert_eq!(hour.end().since(hour.start()), Duration::from_secs(3600));
        let is_within = hour.start() <= other && other < hour.end();
        prop_assert_eq!(Partition::of(other, term) == hour, is_within);
        let (first, last) = hour.span();
        prop_assert!(first <= hour && hour <= last);
        prop_assert!((first..=last).contains(&Partition::of(other, term)) == is_within);
    }

    #[test]
    fn an_hour_goes_when_its_term_is_over_and_never_later_than_the_hubs(
        at in moments(), term in terms(), hub_hours in 1_u64..=168
    ) {
        let (hour, hub) = (Partition::of(at, term), Duration::from_secs(hub_hours * 3600));
        let gone = hour.gone_at(hub);
        prop_assert!(gone > at, "no transit goes before its own hour is over");
        prop_assert!(gone <= hour.end() + hub);
        let own = term.hours().map_or(hub, |hours| Duration::from_secs(u64::from(hours) * 3600));
        prop_assert!(gone <= hour.end() + own);
        prop_assert!(gone == hour.end() + own || gone == hour.end() + hub);
    }
}
