//! Each rule at its edge: the search before is answered, the next needs a second person.

use super::*;
use crate::judgement::thresholds::THRESHOLDS;

const MINUTE: Duration = Duration::from_secs(60);

fn now() -> UtcTime {
    "2026-11-18T10:00:00Z".parse().unwrap()
}

fn asked() -> SearchAsked {
    SearchAsked {
        at: now(),
        of: SearchOf::Plate(7),
    }
}

fn wide() -> SearchAsked {
    SearchAsked {
        of: SearchOf::Wide(1),
        ..asked()
    }
}

fn past() -> SearchPast {
    SearchPast::nothing(Duty::On)
}

fn days_before(days: impl IntoIterator<Item = u32>) -> Vec<UtcTime> {
    let mut times: Vec<UtcTime> = days.into_iter().map(|day| now() - day * DAY).collect();
    times.sort_unstable();
    times
}

fn fired(past: &SearchPast, asked: &SearchAsked) -> Option<SearchRule> {
    judge(past, asked, &THRESHOLDS)
        .needs_second
        .map(|why| why.rule)
}

#[test]
fn the_first_search_of_anybody_is_answered() {
    let verdict = judge(&past(), &asked(), &THRESHOLDS);
    assert_eq!((verdict.needs_second, verdict.looks()), (None, 1));
    assert_eq!(fired(&past(), &wide()), None);
}

#[test]
fn the_fourth_look_at_one_plate_needs_a_second_person() {
    let same = |days: &[u32]| SearchPast {
        same: days_before(days.iter().copied()),
        ..past()
    };
    assert_eq!(fired(&same(&[9, 5]), &asked()), None);
    let verdict = judge(&same(&[9, 5, 2]), &asked(), &THRESHOLDS);
    let why = verdict.needs_second.unwrap();
    let told = (why.rule, why.count, why.of, why.days);
    assert_eq!(told, (SearchRule::OnePlate, 4, 4, 9));
    let agreed = SearchPast {
        agreed: Agreed {
            plate: true,
            reference: false,
        },
        ..same(&[9, 5, 2])
    };
    assert_eq!(fired(&agreed, &asked()), None);
    let other = SearchPast {
        agreed: Agreed {
            plate: false,
            reference: true,
        },
        ..same(&[9, 5, 2])
    };
    assert_eq!(
        fired(&other, &asked()),
        Some(SearchRule::OnePlate),
        "another matter"
    );
}

#[test]
fn searches_within_half_an_hour_are_one_look_and_after_it_another() {
    let at = |minutes: &[u32]| {
        minutes
            .iter()
            .map(|m| now() + *m * MINUTE)
            .collect::<Vec<_>>()
    };
    let count = |minutes: &[u32]| looks(at(minutes), THRESHOLDS.look);
    assert_eq!(count(&[0, 10, 20, 29]), 1);
    assert_eq!(count(&[0, 29, 30]), 2, "from its first search on");
    assert_eq!(count(&[0, 20, 40, 60]), 2, "a look does not go on for ever");
    assert_eq!(count(&[]), 0);
}

#[test]
fn two_who_search_for_each_other_get_no_further_than_twelve_looks() {
    let together = |count: u32| SearchPast {
        same_without_colleagues: days_before(1..count),
        ..past()
    };
    assert_eq!(fired(&together(11), &asked()), None);
    assert_eq!(fired(&together(12), &asked()), Some(SearchRule::OnePlate));
}

#[test]
fn plates_that_go_together_count_together_from_three_looks_on() {
    let of = |own: &[u32], household: &[u32]| SearchPast {
        same: days_before(own.iter().copied()),
        household: household.to_vec(),
        ..past()
    };
    let three = |household: &[u32]| fired(&of(&[3, 2], household), &asked());
    assert_eq!(three(&[3, 3]), None, "nine");
    assert_eq!(
        three(&[3, 3, 2, 2, 2]),
        None,
        "what was seen twice does not count"
    );
    assert_eq!(three(&[3, 3, 3]), Some(SearchRule::Household));
    assert_eq!(three(&[7]), Some(SearchRule::Household), "ten");
    let second = of(&[3], &[3, 3, 3]);
    assert_eq!(fired(&second, &asked()), None, "this is its second look");
}

#[test]
fn a_plate_of_a_bodys_own_people_needs_a_second_person_at_once() {
    let listed = SearchPast {
        is_listed: true,
        ..past()
    };
    assert_eq!(fired(&listed, &asked()), Some(SearchRule::OwnPeople));
    let agreed = SearchPast {
        agreed: Agreed {
            plate: true,
            reference: false,
        },
        ..listed
    };
    assert_eq!(fired(&agreed, &asked()), None);
}

#[test]
fn the_fourth_occasion_off_duty_needs_a_second_person_and_the_second_of_one_plate() {
    let off = |searches: &[(u32, bool)]| SearchPast {
        duty: Duty::Off,
        off_duty: searches
            .iter()
            .map(|(hours, is_same)| OffDutySearch {
                at: now() - *hours * HOUR,
                is_same: *is_same,
            })
            .collect(),
        ..past()
    };
    assert_eq!(fired(&off(&[]), &asked()), None);
    assert_eq!(
        fired(&off(&[(1, false), (2, false), (3, false)]), &asked()),
        None,
        "one night"
    );
    let others = [(30, false), (60, false), (90, false)];
    assert_eq!(fired(&off(&others[..2]), &asked()), None);
    assert_eq!(fired(&off(&others), &asked()), Some(SearchRule::OffDuty));
    assert_eq!(
        fired(&off(&[(30, true)]), &asked()),
        Some(SearchRule::OffDuty)
    );
    assert_eq!(
        fired(&off(&[(24 * 31, true)]), &asked()),
        None,
        "a month ago"
    );
    let on = SearchPast {
        duty: Duty::On,
        ..off(&[(30, true)])
    };
    assert_eq!(fired(&on, &asked()), None);
}

#[test]
fn duty_hours_are_learned_and_a_night_each_week_does_not_change_them() {
    let night = SearchAsked {
        at: now() + 14 * HOUR,
        ..asked()
    };
    let of = |days: u32, nights: &[u32]| {
        let day = |day: u32| SearchTime {
            at: now() - day * DAY,
            is_off_duty: false,
        };
        let mut times: Vec<SearchTime> = (1..=days).map(day).collect();
        times.extend(nights.iter().map(|night| SearchTime {
            at: now() - *night * DAY + 13 * HOUR,
            is_off_duty: true,
        }));
        times.sort_by_key(|time| std::cmp::Reverse(time.at));
        SearchPast {
            duty: Duty::Unknown,
            times,
            ..past()
        }
    };
    let is_off =
        |past: &SearchPast, asked: &SearchAsked| judge(past, asked, &THRESHOLDS).is_off_duty;
    assert!(is_off(&of(30, &[]), &night));
    assert!(!is_off(&of(29, &[]), &night), "too little is known");
    assert!(!is_off(&of(60, &[]), &asked()), "by day");
    assert!(
        is_off(&of(60, &[7, 14, 21, 28, 35, 42]), &night),
        "nights teach nothing"
    );
    let mut moved = of(60, &[1, 2, 3]);
    moved
        .times
        .retain(|time| time.is_off_duty || now() - 4 * DAY >= time.at);
    assert!(!is_off(&moved, &night), "all the last days were so");
}

#[test]
fn one_reference_for_many_plates_over_weeks_needs_a_second_person() {
    let under = |plates: u32, days: u32| SearchPast {
        reference: ReferencePast {
            first_at: Some(now() - days * DAY),
            plates,
            has_this: false,
            shared_by: 0,
        },
        ..past()
    };
    assert_eq!(fired(&under(13, 42), &asked()), None);
    assert_eq!(
        fired(&under(14, 42), &asked()),
        Some(SearchRule::OneReference)
    );
    assert_eq!(
        fired(&under(14, 41), &asked()),
        None,
        "a case of less than six weeks"
    );
    let change = |change: fn(&mut ReferencePast)| {
        let mut past = under(14, 42);
        change(&mut past.reference);
        fired(&past, &asked())
    };
    assert_eq!(change(|of| of.shared_by = 2), None, "a service's reference");
    assert_eq!(change(|of| of.has_this = true), None, "one of them again");
}

#[test]
fn whoever_goes_through_plates_or_cameras_needs_a_second_person() {
    let recent = |count: i64, of: fn(i64) -> SearchOf| SearchPast {
        recent: (0..count)
            .map(|number| RecentSearch {
                at: now() - MINUTE,
                of: of(number),
            })
            .collect(),
        ..past()
    };
    let plates = |count| recent(count, |number| SearchOf::Plate(100 + number));
    let scans = |count| recent(count, |number| SearchOf::Wide(100 + number));
    let rule = Some(SearchRule::Enumeration);
    assert_eq!(fired(&plates(148), &asked()), None);
    assert_eq!(fired(&plates(149), &asked()), rule);
    assert_eq!(fired(&plates(149), &wide()), None);
    assert_eq!(fired(&scans(58), &wide()), None);
    assert_eq!(fired(&scans(59), &wide()), rule);
    assert_eq!(fired(&scans(59), &asked()), None);
    let pages = recent(300, |_| SearchOf::Wide(1));
    assert_eq!(fired(&pages, &wide()), None, "pages of one question");
    let row = |run| SearchPast { run, ..past() };
    assert_eq!(fired(&row(4), &asked()), None);
    assert_eq!(fired(&row(5), &asked()), rule);
    let same = recent(300, |_| SearchOf::Plate(7));
    assert_eq!(fired(&same, &asked()), None, "one plate is no row");
    let mut slow = plates(599);
    for (search, minutes) in slow.recent.iter_mut().zip(0..) {
        search.at = now() - (61 + minutes) * MINUTE;
    }
    assert_eq!(fired(&slow, &asked()), rule, "in a day");
}
