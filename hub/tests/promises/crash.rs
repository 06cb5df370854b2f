//! Kills between the two commits of a batch, and stores that fail.

use std::fs;
use std::sync::{Arc, Mutex};

use varco_hub::hours::partition::{Partition, Term};
use varco_hub::intake::batcher;
use varco_hub::timekeeping::Clock as _;

use crate::backing::rows_on_disk;
use crate::support::House;

/// The main database as it was before the batch: its commit never happened, the hours' did.
fn kill_between_commits(house: &House, batch: impl FnOnce()) {
    let path = house.home.main_database();
    let main = house.home.open_main().unwrap();
    main.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
        .unwrap();
    drop(main);
    let before = fs::read(&path).unwrap();
    batch();
    house.restart();
    for side in ["-wal", "-shm"] {
        let mut name = path.clone().into_os_string();
        name.push(side);
        fs::remove_file(name).ok();
    }
    fs::write(&path, before).unwrap();
}

/// Where the present hour lies.
fn hour_file(house: &House) -> std::path::PathBuf {
    let hour = Partition::of(house.clock.now(), Term::WHOLE);
    house
        .home
        .partitions_folder()
        .join(format!("{hour}.sqlite"))
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
    assert_eq!(rows_on_disk(&house), 10, "the hour was committed");
    assert_eq!(house.stored(), 0, "and does not count");
    assert_eq!(
        house.count("SELECT count(*) FROM chain"),
        0,
        "the chain was not"
    );
    // The edge got no receipt, so it sends everything again.
    let taken = house.writer().take(&batch).unwrap();
    assert_eq!(house.receipts(&taken), (1..=20).collect::<Vec<u64>>());
    assert!(house.refusals(&taken).is_empty());
    assert_eq!((house.stored(), rows_on_disk(&house)), (20, 20));
    assert_eq!(house.count("SELECT count(*) FROM chain WHERE stored"), 20);
}

#[test]
fn what_was_never_receipted_does_not_hold_its_place() {
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
    assert_eq!(house.receipts(&taken), [1]);
    assert!(house.refusals(&taken).is_empty());
    assert_eq!((house.stored(), rows_on_disk(&house)), (1, 1));
}

#[test]
fn a_batch_that_cannot_be_stored_is_neither_stored_nor_receipted() {
    let house = House::new();
    let mut edge = house.edge("porta-nord-01");
    let message = edge.seal("AB123CD", house.clock.now());
    let mut writer = house.writer();
    // A folder where the hour's file should be stands for a disk that refuses.
    let hour = hour_file(&house);
    fs::create_dir(&hour).unwrap();
    let error = writer.take(std::slice::from_ref(&message)).unwrap_err();
    assert!(!error.is_of_the_record(), "it is tried again: {error}");
    assert_eq!(house.count("SELECT count(*) FROM chain"), 0);
    fs::remove_dir(&hour).unwrap();
    let taken = writer.take(&[message]).unwrap();
    assert_eq!(house.receipts(&taken), [1]);
}

#[tokio::test]
async fn a_store_that_fails_is_tried_again_until_it_works() {
    let house = House::new();
    let mut edge = house.edge("porta-nord-01");
    let batch: Arc<[_]> = [edge.seal("AB123CD", house.clock.now())].into();
    let path = hour_file(&house);
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

#[test]
fn days_of_an_older_version_are_neither_lost_nor_overlooked() {
    let house = House::new();
    let day = house.home.partitions_folder().join("2026-11-22.sqlite");
    fs::write(&day, b"").unwrap();
    let refused = house
        .home
        .open_archive(varco_hub::config::RETENTION_MAX)
        .unwrap_err();
    assert!(refused.to_string().contains("older varco-hub"), "{refused}");
    assert!(day.exists());
}
