//! What goes when a bound is reached, and what is said of it.

use varco_proto::drops::{DropReport, SequenceRange};
use varco_proto::transit::Transit;

use super::*;

const HOUR: Duration = Duration::from_secs(3600);

fn report(spool: &Spool, sequence: u64, key: &SealingKey) -> DropReport {
    match &record(spool, sequence, key).value().body {
        RecordBody::Drops(report) => report.clone(),
        other => panic!("{sequence} is no report: {other:?}"),
    }
}

fn captured(at: UtcTime) -> RecordBody {
    let RecordBody::Transit(transit) = body(1) else {
        panic!("a transit");
    };
    let captured_at = CaptureTime {
        at,
        ..transit.captured_at
    };
    RecordBody::Transit(Transit {
        captured_at,
        ..transit
    })
}

fn waiting(spool: &Spool) -> Vec<u64> {
    spool.due(10_000).unwrap()
}

#[test]
fn e03_at_the_bound_the_oldest_transits_go_alarms_stay_and_the_chain_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let key = new_key();
    let mut spool = Spool::open(folder.path(), with_records_max(&key, 40), NOW).unwrap();
    spool.seal(alarm(false), NOW).unwrap();
    for _ in 0..40 {
        spool.seal(body(1), NOW).unwrap();
    }
    assert_eq!(spool.depth().unwrap().waiting, 41);
    // The next is sealed, the oldest sixteen and itself make room, and the alarm stays.
    assert_eq!(spool.seal(body(2), NOW).unwrap(), 42);
    let depth = spool.depth().unwrap();
    assert_eq!((depth.waiting, depth.dropped), (41 - 17 + 1 + 1, 17));
    let told = report(&spool, 43, &key);
    assert_eq!(told.reason, DropReason::Size);
    assert_eq!(told.ranges, [SequenceRange { first: 2, last: 18 }]);
    assert_eq!(waiting(&spool)[..2], [1, 19]);
    // A restart knows the same, and the chain goes on.
    drop(spool);
    let mut spool = Spool::open(folder.path(), with_records_max(&key, 40), NOW).unwrap();
    assert_eq!(spool.depth().unwrap(), depth);
    assert_eq!(spool.usage, Usage::of(&spool.db).unwrap());
    assert_eq!(spool.seal(body(3), NOW).unwrap(), 44);
    let (before, last) = (record(&spool, 43, &key), record(&spool, 44, &key));
    assert_eq!(last.value().previous, before.digest());
}

#[test]
fn e03_a_bound_in_bytes_holds_as_well_and_what_the_hub_refused_goes_first() {
    let folder = tempfile::tempdir().unwrap();
    let (key, hub) = (new_key(), new_key());
    let mut owner = owner(&key);
    owner.limits.bytes_max = 100_000;
    let mut spool = Spool::open(folder.path(), owner, NOW).unwrap();
    for _ in 0..10 {
        spool.seal(body(1), NOW).unwrap();
    }
    let nine = record(&spool, 9, &key).digest();
    spool
        .take_refusal(&refusal(&hub, 9, nine, RefusalReason::TooOld))
        .unwrap();
    let mut reports = 0;
    for _ in 0..40 {
        spool.seal(body(1), NOW).unwrap();
        let depth = spool.depth().unwrap();
        assert!(depth.bytes <= 101_000, "{depth:?}");
        if depth.dropped > 0 && reports == 0 {
            reports = spool.head().unwrap().sequence;
        }
    }
    let first = report(&spool, reports, &key);
    assert_eq!(first.ranges[0], SequenceRange { first: 9, last: 9 });
    assert_eq!(spool.depth().unwrap().refused, 0);
    assert_eq!(spool.usage, Usage::of(&spool.db).unwrap());
}

#[test]
fn c37_c39_nothing_is_kept_longer_than_seven_days_from_its_capture() {
    let folder = tempfile::tempdir().unwrap();
    let (key, hub) = (new_key(), new_key());
    let mut spool = spool(folder.path(), &key);
    let day = 24 * HOUR;
    let old = NOW - 6 * day;
    spool.seal(alarm(false), NOW).unwrap();
    for at in [old, old, old + HOUR / 2, NOW] {
        spool.seal(captured(at), NOW).unwrap();
    }
    let three = record(&spool, 3, &key).digest();
    spool
        .take_refusal(&refusal(&hub, 3, three, RefusalReason::Malformed))
        .unwrap();
    assert_eq!(spool.expire(NOW).unwrap(), 0);
    let tick = Duration::from_micros(1);
    assert_eq!(spool.expire(NOW + day - tick).unwrap(), 0);
    // What would be too old within the hour goes with what is; refused or not.
    assert_eq!(spool.expire(NOW + day).unwrap(), 3);
    let told = report(&spool, 6, &key);
    assert_eq!(told.reason, DropReason::Age);
    assert_eq!(told.ranges, [SequenceRange { first: 2, last: 4 }]);
    assert_eq!(
        waiting(&spool),
        [1, 5, 6],
        "the alarm and the young one stay"
    );
    assert_eq!(spool.depth().unwrap().refused, 0);
    // By a clock that stands before the captures nothing goes.
    assert_eq!(spool.expire(UtcTime::from_unix_us(0)).unwrap(), 0);
    assert_eq!(spool.expire(NOW + 7 * day).unwrap(), 1);
    assert_eq!(waiting(&spool), [1, 6, 7]);
}

#[test]
fn the_alarm_that_keeps_transits_back_outlives_a_thousand_others() {
    let folder = tempfile::tempdir().unwrap();
    let key = new_key();
    let mut spool = spool(folder.path(), &key);
    spool.db.pragma_update(None, "synchronous", "OFF").unwrap();
    spool.seal(alarm(true), NOW).unwrap();
    for _ in 0..1000 {
        spool.seal(alarm(false), NOW).unwrap();
    }
    let due = waiting(&spool);
    assert_eq!(due[..2], [1, 12], "ten others made room");
    let told = report(&spool, 1002, &key);
    assert_eq!(told.ranges, [SequenceRange { first: 2, last: 11 }]);
    assert!(release(&mut spool, 1));
}

#[test]
fn e03_one_place_in_four_is_for_the_freshest() {
    let folder = tempfile::tempdir().unwrap();
    let (key, hub) = (new_key(), new_key());
    let mut spool = spool(folder.path(), &key);
    spool.db.pragma_update(None, "synchronous", "OFF").unwrap();
    for _ in 0..300 {
        spool.seal(body(1), NOW).unwrap();
    }
    let first: Vec<u64> = (1..=48).chain(285..=300).collect();
    assert_eq!(spool.due(64).unwrap(), first);
    // The hub stores a window at a time while a vehicle passes each time: each is on its way in
    // the very next window, and the backlog shrinks all the same.
    for turn in 0..5_u64 {
        let fresh = spool.seal(body(2), NOW).unwrap();
        assert_eq!(fresh, 301 + turn);
        let due = spool.due(64).unwrap();
        assert!(due.contains(&fresh), "turn {turn}");
        assert!(due.contains(&(1 + 48 * turn)), "turn {turn}");
        let lines: Vec<_> = due
            .iter()
            .map(|&sequence| (sequence, record(&spool, sequence, &key).digest()))
            .collect();
        assert_eq!(
            spool.take_receipt(&receipt(&hub, &lines)).unwrap(),
            64.min(due.len())
        );
    }
    assert_eq!(spool.depth().unwrap().waiting, 0);
}

#[test]
#[ignore = "a week at its real size: half a minute, and a gigabyte of disk"]
fn e03_a_week_without_a_link_fits_and_drains_without_starving_what_passes() {
    let folder = tempfile::tempdir().unwrap();
    let (key, hub) = (new_key(), new_key());
    let mut spool = spool(folder.path(), &key);
    spool.db.pragma_update(None, "synchronous", "OFF").unwrap();
    let RecordBody::Transit(mut transit) = body(1) else {
        panic!("a transit");
    };
    transit.crop.jpeg.resize(20_000, 7);
    let large = RecordBody::Transit(transit);
    for _ in 0..35_000 {
        spool.seal(large.clone(), NOW).unwrap();
    }
    let depth = spool.depth().unwrap();
    assert_eq!((depth.waiting, depth.dropped), (35_000, 0), "{depth:?}");
    let mut turns = 0_u64;
    while spool.depth().unwrap().waiting > 0 {
        // For a while a vehicle passes in every window.
        let fresh = (turns < 500).then(|| spool.seal(large.clone(), NOW).unwrap());
        let due = spool.due(64).unwrap();
        assert!(
            fresh.is_none_or(|fresh| due.contains(&fresh)),
            "turn {turns}"
        );
        let lines: Vec<_> = due
            .iter()
            .map(|&sequence| (sequence, record(&spool, sequence, &key).digest()))
            .collect();
        spool.take_receipt(&receipt(&hub, &lines)).unwrap();
        turns += 1;
    }
    assert_eq!(turns, 35_500_u64.div_ceil(64));
}
