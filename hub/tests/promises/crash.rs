//! Kills between the two commits of a batch, and stores that fail.

use std::fs;
use std::sync::{Arc, Mutex};

use varco_hub::clock::Clock as _;
use varco_hub::intake::batcher;
use varco_proto::receipt::RefusalReason;

use crate::support::House;

/// The main database as it was before the batch: its commit never happened, the days' did.
fn kill_between_commits(house: &House, batch: impl FnOnce()) {
    let path = house.home.main_database();
    let main = house.home.open_main().unwrap();
    main.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
        .unwrap();
    drop(main);
    let before = fs::read(&path).unwrap();
    batch();
    for side in ["-wal", "-shm"] {
        let mut name = path.clone().into_os_string();
        name.push(side);
        fs::remove_file(name).ok();
    }
    fs::write(&path, before).unwrap();
}

#[test]
fn k04_a_kill_between_the_commits_loses_and_doubles_nothing() {
    let house = House::new();
    let mut edge = house.edge("porta-nord-01");
    let now = house.clock.now();
    let batch: Vec<_> = (0..20).map(|_| edge.seal("AB123CD", now)).collect();
    kill_between_commits(&house, || {
        house.writer().take(&batch[..10]).unwrap();
    });
    assert_eq!(house.stored(), 10, "the day was committed");
    assert_eq!(
        house.count("SELECT count(*) FROM chain"),
        0,
        "the chain was not"
    );
    // The edge got no receipt, so it sends everything again.
    let taken = house.writer().take(&batch).unwrap();
    assert_eq!(house.receipts(&taken), (1..=20).collect::<Vec<u64>>());
    assert!(house.refusals(&taken).is_empty());
    assert_eq!(house.stored(), 20);
    assert_eq!(house.count("SELECT count(*) FROM chain WHERE stored"), 20);
}

#[test]
fn another_record_in_the_place_of_one_that_only_its_day_knows_is_refused() {
    let house = House::new();
    let mut edge = house.edge("porta-nord-01");
    let start = edge.head;
    let first = edge.seal("AB123CD", house.clock.now());
    kill_between_commits(&house, || {
        house.writer().take(&[first]).unwrap();
    });
    edge.head = start;
    let other = edge.seal("ZZ999ZZ", house.clock.now());
    let taken = house.writer().take(&[other]).unwrap();
    assert!(house.receipts(&taken).is_empty());
    assert_eq!(house.refusals(&taken).len(), 1);
    assert_eq!(house.stored(), 1);
}

#[test]
fn a_batch_that_cannot_be_stored_is_neither_stored_nor_receipted() {
    let house = House::new();
    let mut edge = house.edge("porta-nord-01");
    let message = edge.seal("AB123CD", house.clock.now());
    let mut writer = house.writer();
    // A folder where the day's file should be stands for a disk that refuses.
    let day = house.home.partitions().path(house.clock.now().day());
    fs::create_dir(&day).unwrap();
    let error = writer.take(std::slice::from_ref(&message)).unwrap_err();
    assert!(!error.is_of_the_record(), "it is tried again: {error}");
    assert_eq!(house.count("SELECT count(*) FROM chain"), 0);
    fs::remove_dir(&day).unwrap();
    let taken = writer.take(&[message]).unwrap();
    assert_eq!(house.receipts(&taken), [1]);
}

#[test]
fn transits_of_several_days_are_stored_each_in_its_own() {
    let house = House::new();
    let mut edge = house.edge("porta-nord-01");
    let now = house.clock.now();
    let batch: Vec<_> = (0..3)
        .map(|days| edge.seal("AB123CD", now - days * crate::support::DAY))
        .collect();
    house.writer().take(&batch).unwrap();
    let days = house.home.partitions().days().unwrap();
    let names: Vec<_> = days.iter().map(ToString::to_string).collect();
    assert_eq!(names, ["2026-11-20", "2026-11-21", "2026-11-22"]);
}

#[tokio::test]
async fn a_record_that_the_store_cannot_hold_is_refused_and_the_others_are_stored() {
    let house = House::new();
    let mut edge = house.edge("porta-nord-01");
    let now = house.clock.now();
    let day = house.home.partitions().open(now.day()).unwrap();
    day.execute_batch(
        "CREATE TRIGGER poison BEFORE INSERT ON transits WHEN NEW.plate = 'ZZ999ZZ'
         BEGIN SELECT raise(ABORT, 'poison'); END",
    )
    .unwrap();
    let plates = ["AB123CD", "ZZ999ZZ", "AB124CD"];
    let batch: Arc<[_]> = plates.iter().map(|plate| edge.seal(plate, now)).collect();
    let writer = Arc::new(Mutex::new(house.writer()));
    let taken = batcher::store(&writer, batch).await;
    let receipts: Vec<_> = taken.iter().flat_map(|t| house.receipts(t)).collect();
    assert_eq!(receipts, [1, 3]);
    let refusals = taken.iter().flat_map(|t| house.refusals(t));
    let reasons: Vec<_> = refusals.map(|(_, reason)| reason).collect();
    assert_eq!(reasons, [RefusalReason::Malformed, RefusalReason::Gap]);
    assert_eq!(house.stored(), 2);
}

#[tokio::test]
async fn a_store_that_fails_is_tried_again_until_it_works() {
    let house = House::new();
    let mut edge = house.edge("porta-nord-01");
    let batch: Arc<[_]> = [edge.seal("AB123CD", house.clock.now())].into();
    let path = house.home.partitions().path(house.clock.now().day());
    fs::create_dir(&path).unwrap();
    let writer = Arc::new(Mutex::new(house.writer()));
    let storing = tokio::spawn(async move { batcher::store(&writer, batch).await });
    // Whether the first try comes before or after this, the batch ends up stored.
    tokio::task::yield_now().await;
    fs::remove_dir(&path).unwrap();
    let taken = storing.await.unwrap();
    assert_eq!(house.receipts(&taken[0]), [1]);
    assert_eq!(house.stored(), 1);
}
