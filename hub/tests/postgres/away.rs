//! A PostgreSQL that goes away and comes back.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::json;
use varco_hub::hours::keys::HourKeys;
use varco_hub::intake::batcher;
use varco_hub::proof::destruction::proof;
use varco_hub::proof::verification;
use varco_hub::timekeeping::Clock as _;

use crate::backing;
use crate::cluster::Cluster;
use crate::support::{DAY, House};

/// A house with a cluster of its own.
fn house() -> (House, Arc<Cluster>) {
    let house = House::new();
    let cluster = Arc::new(Cluster::start());
    backing::configure_in(&house.home, Some(cluster.clone()));
    (house, cluster)
}

#[tokio::test(flavor = "multi_thread")]
async fn k04_while_postgresql_is_away_nothing_is_receipted_and_all_goes_on_by_itself() {
    let (house, cluster) = house();
    let mut edge = house.edge("porta-nord-01");
    let now = house.clock.now();
    let batches: Vec<Arc<[_]>> = (0..3)
        .map(|_| Arc::from([edge.seal("AB123CD", now), edge.seal("AB123CD", now)]))
        .collect();
    let writer = Arc::new(Mutex::new(house.writer()));
    let taken = batcher::store(&writer, batches[0].clone()).await;
    assert_eq!(house.receipts(&taken[0]), [1, 2]);

    let hub = house.serve().await;
    let body = json!({
        "plate": "AB123CD", "from": "2026-11-22T00:00:00Z", "to": "2026-11-22T13:00:00Z",
        "purpose": "urban-security", "case_reference": "PG 123/2026",
    });
    assert_eq!(hub.look_up(body.clone()).await.0, 200);
    let lines = "SELECT count(*) FROM audit WHERE action = 'lookup'";
    let before = house.count(lines);

    cluster.stop();
    let error = writer.lock().unwrap().take(&batches[1]).unwrap_err();
    assert!(!error.is_of_the_record(), "it is tried again: {error}");
    assert!(house.archive().check().is_err());
    assert_eq!(hub.look_up(body.clone()).await.0, 503);
    assert_eq!(house.count(lines), before, "nothing was shown");

    // Intake waits with the batch, and stores it when the server is back.
    let (waiting, batch) = (writer.clone(), batches[1].clone());
    let storing = tokio::spawn(async move { batcher::store(&waiting, batch).await });
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(!storing.is_finished());
    tokio::task::block_in_place(|| cluster.resume());
    let taken = storing.await.unwrap();
    assert_eq!(house.receipts(&taken[0]), [3, 4]);
    let taken = batcher::store(&writer, batches[2].clone()).await;
    assert_eq!(house.receipts(&taken[0]), [5, 6]);
    let (status, answer) = hub.look_up(body).await;
    assert_eq!((status, answer["total"].as_u64()), (200, Some(6)));
    let verified = verification::verify(&house.home, now).unwrap();
    assert!(verified.intact, "{verified:?}");
}

#[test]
fn k04_a_batch_that_is_repeated_after_an_unknown_commit_is_stored_once() {
    let (house, cluster) = house();
    let mut edge = house.edge("porta-nord-01");
    let now = house.clock.now();
    let batch: Vec<_> = (0..50).map(|_| edge.seal("AB123CD", now)).collect();
    let mut writer = house.writer();
    writer.take(&batch).unwrap();
    // The hub never heard of its commit: the server was gone at once, and the edge sends again.
    cluster.stop();
    cluster.resume();
    let taken = writer.take(&batch).unwrap();
    assert_eq!(house.receipts(&taken).len(), 50);
    assert!(taken.stored.is_empty());
    assert_eq!(house.stored(), 50);
}

#[test]
fn k04_part_keys_die_at_their_term_though_postgresql_is_away() {
    let (house, cluster) = house();
    let mut edge = house.edge("porta-nord-01");
    let now = house.clock.now();
    let batch: Vec<_> = (0..3).map(|_| edge.seal("AB123CD", now)).collect();
    let mut writer = house.writer();
    writer.take(&batch).unwrap();
    let keys = HourKeys::open(&house.home.hour_keys(), &house.home.store_key_file()).unwrap();
    assert_eq!(keys.hours().unwrap().len(), 1);

    cluster.stop();
    house.clock.set(now + 8 * DAY);
    let expired = writer.expire(1).unwrap();
    assert_eq!((expired.hours.len(), keys.hours().unwrap().len()), (1, 0));
    assert!(writer.expire(1).is_err(), "what is left needs the server");

    cluster.resume();
    let expired = writer.expire(1).unwrap();
    assert_eq!((expired.hours.len(), expired.transits), (1, 3));
    assert_eq!(writer.expire(1).unwrap().hours, []);
    let proof = proof(&house.home, house.clock.now()).unwrap();
    assert!(proof.holds, "{proof:?}");
    let told: u64 = proof.destroyed.iter().map(|one| one.transits).sum();
    assert_eq!((told, proof.transits), (3, 0));
}

#[test]
fn k04_part_a_table_that_cannot_be_dropped_keeps_no_key_and_is_told_once() {
    let (house, _cluster) = house();
    let mut edge = house.edge("porta-nord-01");
    let now = house.clock.now();
    let mut writer = house.writer();
    writer.take(&[edge.seal("AB123CD", now)]).unwrap();
    // As a server without room: it reads, and commits no change.
    let schema = backing::schema(&house.home);
    schema.sql(
        "CREATE FUNCTION full_disk() RETURNS event_trigger LANGUAGE plpgsql AS
             $$ BEGIN RAISE EXCEPTION USING ERRCODE = 'disk_full'; END $$;
         CREATE EVENT TRIGGER full_disk ON sql_drop EXECUTE FUNCTION full_disk()",
    );
    house.clock.set(now + 8 * DAY);
    let keys = HourKeys::open(&house.home.hour_keys(), &house.home.store_key_file()).unwrap();
    for _ in 0..3 {
        assert!(writer.expire(1).is_err());
        assert_eq!(keys.hours().unwrap().len(), 0);
    }
    schema.sql("DROP EVENT TRIGGER full_disk");
    assert_eq!(writer.expire(1).unwrap().hours.len(), 1);
    let proof = proof(&house.home, house.clock.now()).unwrap();
    assert_eq!((proof.holds, proof.destroyed.len()), (true, 1), "{proof:?}");
}
