//! Lookups over hours in memory, hours with a sealed index, and both.

use std::time::Duration;

use varco_hub::audit::actor::Actor;
use varco_hub::audit::purpose::Grounds;
use varco_hub::hours::partition::{Partition, Term};
use varco_hub::lookups::lookup::Found;
use varco_hub::lookups::question::Asking;
use varco_hub::plates::pattern::PlatePattern;
use varco_hub::plates::plate::text_of;
use varco_hub::timekeeping::Clock as _;
use varco_hub::transits::query::{Filter, Query};
use varco_proto::transit::{Direction, Travel};

use crate::support::{DAY, House};

/// Transits a house has: 600 over three days, at two cameras.
const PASSES: u32 = 600;

pub(crate) fn house() -> House {
    let house = House::new();
    let (mut north, mut south) = (house.edge("porta-nord-01"), house.edge("porta-sud"));
    let now = house.clock.now();
    let mut batch = Vec::new();
    for k in 0..PASSES {
        let at = now - Duration::from_secs(u64::from(PASSES - k) * 400);
        let plate = format!("AB{:03}C{}", k % 97, char::from(b'A' + (k % 7) as u8));
        let edge = if k % 3 == 0 { &mut south } else { &mut north };
        let mut transit = edge.transit(&plate, at);
        transit.direction = (k % 2 == 0).then_some(Direction::Towards);
        transit.travel = (k % 5 == 0).then_some(Travel::In);
        if k % 50 == 0 {
            transit.plate.countries[0].country = "FR".into();
        }
        batch.push(edge.seal_transit(transit));
    }
    house.writer().take(&batch).unwrap();
    house
}

pub(crate) fn query(house: &House, plate: &str) -> Query {
    let now = house.clock.now();
    Query {
        plate: PlatePattern::normalise(plate).unwrap(),
        fold: false,
        misread: false,
        from: now - 7 * DAY,
        to: now,
        filter: Filter::default(),
        limit: 1000,
        oldest_first: false,
        after: None,
    }
}

pub(crate) fn ask(house: &House, query: &Query) -> Found {
    let key = house.home.sealing_key().unwrap();
    let asking = Asking {
        actor: &Actor::at_console("test").unwrap(),
        grounds: Some(&Grounds::stated(Some("traffic"), Some("PG 1")).unwrap()),
        reach: &varco_hub::municipalities::reach::Reach::everywhere(),
        now: house.clock.now(),
        key: &key,
        judge: &house.home.judge().unwrap(),
        grown_at: None,
    };
    house.archive().look_up(query, &asking).unwrap()
}

/// Sequence and edge of what was found, in its order.
pub(crate) fn found(house: &House, query: &Query) -> Vec<(String, u64)> {
    let found = ask(house, query);
    assert_eq!(found.total, found.transits.len() as u64);
    assert!(!found.total_is_estimate);
    let name = |t: &varco_hub::transits::stored::StoredTransit| (t.edge.clone(), t.head.sequence);
    found.transits.iter().map(name).collect()
}

fn queries(house: &House) -> Vec<Query> {
    let mut all: Vec<_> = [
        "AB007CA", "AB0?7C*", "*7CA", "AB*", "*0*C*", "ZZ999ZZ", "AB???CB",
    ]
    .iter()
    .map(|plate| query(house, plate))
    .collect();
    let now = house.clock.now();
    for filter in [
        Filter {
            cameras: vec!["porta-sud".parse().unwrap()],
            ..Filter::default()
        },
        Filter {
            gates: vec!["porta-nord".parse().unwrap()],
            direction: Some(Direction::Towards),
            ..Filter::default()
        },
        Filter {
            cameras: vec!["porta-sud".parse().unwrap()],
            travel: Some(Travel::In),
            ..Filter::default()
        },
        Filter {
            cameras: vec!["porta-nord-01".parse().unwrap()],
            country: Some(*b"FR"),
            confidence_min: Some(0.9),
            time_of_day: None,
            ..Filter::default()
        },
        Filter {
            cameras: vec!["nowhere".parse().unwrap()],
            ..Filter::default()
        },
    ] {
        let mut any = query(house, "*");
        any.filter = filter;
        any.from = now - Duration::from_secs(150_000);
        any.to = now - Duration::from_secs(20_000);
        all.push(any);
    }
    let mut misread = query(house, "AB0O7CA");
    misread.misread = true;
    all.push(misread);
    all
}

#[test]
fn the_same_is_found_in_memory_in_an_index_and_after_a_restart() {
    let house = house();
    let asked = queries(&house);
    let before: Vec<_> = asked.iter().map(|query| found(&house, query)).collect();
    let counts: Vec<_> = before.iter().map(Vec::len).collect();
    assert!(
        counts.iter().filter(|count| **count > 0).count() >= 10,
        "{counts:?}"
    );
    assert_eq!(
        (counts[5], counts[11]),
        (0, 0),
        "no such plate, no such camera"
    );

    let archive = house.archive();
    let hours = house.hours();
    for hour in hours.iter().step_by(2) {
        archive.seal(*hour).unwrap();
    }
    let half: Vec<_> = asked.iter().map(|query| found(&house, query)).collect();
    assert_eq!(half, before, "half of the hours sealed");
    for hour in &hours {
        archive.seal(*hour).unwrap();
    }
    let size = archive.size().unwrap();
    assert_eq!((size.transits, size.hot), (u64::from(PASSES), 0));
    let sealed: Vec<_> = asked.iter().map(|query| found(&house, query)).collect();
    assert_eq!(sealed, before, "all sealed");
    drop(archive);
    house.restart();
    assert_eq!(house.archive().size().unwrap(), size);
    let again: Vec<_> = asked.iter().map(|query| found(&house, query)).collect();
    assert_eq!(again, before, "from the disk");
}

#[test]
fn an_hour_that_grows_after_it_was_sealed_is_found_whole() {
    let house = House::new();
    let mut edge = house.edge("porta-nord-01");
    let (now, hour) = (
        house.clock.now(),
        Partition::of(house.clock.now(), Term::WHOLE),
    );
    for k in 0..4 {
        let batch = [
            edge.seal("AB123CD", now),
            edge.seal(&format!("ZZ00{k}ZZ"), now),
        ];
        house.writer().take(&batch).unwrap();
        if k % 2 == 0 {
            house.archive().seal(hour).unwrap();
        }
        assert_eq!(found(&house, &query(&house, "AB123CD")).len(), k + 1);
    }
    let size = house.archive().size().unwrap();
    assert_eq!((size.transits, size.hot, size.plates), (8, 2, 4));
    house.restart();
    assert_eq!(house.archive().size().unwrap().transits, 8);
    assert_eq!(found(&house, &query(&house, "ZZ*")).len(), 4);
}

#[test]
fn pages_join_without_a_gap_in_either_order() {
    let house = house();
    let archive = house.archive();
    archive
        .seal(Partition::of(house.clock.now() - DAY, Term::WHOLE))
        .unwrap();
    for oldest_first in [false, true] {
        let mut asked = query(&house, "AB*");
        asked.oldest_first = oldest_first;
        let whole = found(&house, &asked);
        assert_eq!(whole.len(), usize::try_from(PASSES).unwrap());
        asked.limit = 37;
        let mut joined = Vec::new();
        loop {
            let page = ask(&house, &asked);
            assert_eq!(page.total, u64::from(PASSES));
            let name =
                |t: &varco_hub::transits::stored::StoredTransit| (t.edge.clone(), t.head.sequence);
            joined.extend(page.transits.iter().map(name));
            match page.next {
                Some(next) => asked.after = Some(next),
                None => break,
            }
        }
        assert_eq!(joined, whole);
        let first = ask(&house, &query(&house, "AB*")).transits;
        let times: Vec<_> = first.iter().map(|t| t.head.entry.offset_us).collect();
        assert!(!times.is_empty());
    }
}

#[test]
fn k05_a_plate_that_was_misread_is_found_and_says_why() {
    let house = House::new();
    let mut edge = house.edge("porta-nord-01");
    let now = house.clock.now();
    let read = [
        "AB123CD", "A8123CD", "AB123C0", "AB123C", "XB123CD", "XX123CD",
    ];
    let batch: Vec<_> = read.iter().map(|plate| edge.seal(plate, now)).collect();
    house.writer().take(&batch).unwrap();
    let mut asked = query(&house, "AB123CD");
    asked.misread = true;
    for _ in 0..2 {
        let found = ask(&house, &asked);
        let mut plates: Vec<_> = found
            .transits
            .iter()
            .map(|t| {
                let why = t.misread.as_ref().map_or(0, |n| n.differences.len());
                (text_of(&t.head.entry.plate), why)
            })
            .collect();
        plates.sort();
        let wanted = [
            ("A8123CD", 1),
            ("AB123C", 1),
            ("AB123C0", 1),
            ("AB123CD", 0),
            ("XB123CD", 1),
        ];
        assert_eq!(plates, wanted.map(|(plate, why)| (plate.to_owned(), why)));
        house
            .archive()
            .seal(Partition::of(now, Term::WHOLE))
            .unwrap();
    }
}
