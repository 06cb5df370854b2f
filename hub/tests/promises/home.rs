//! What holds of the store in the home alone: its files, its indexes and how its chains are kept.

use std::time::Duration;

use varco_hub::chains::heads::RUN_LINKS;
use varco_hub::hours::keys::HourKeys;
use varco_hub::hours::partition::{Partition, Term};
use varco_hub::timekeeping::Clock as _;
use varco_proto::receipt::RefusalReason;

use crate::chains::{known, seals, whole};
use crate::http::{grounds, house_with, plates};
use crate::lookups::{found, house, query};
use crate::support::{DAY, House, SECOND};

fn settled(house: &House) -> i64 {
    house.count("SELECT count(*) FROM chain_settled")
}

#[test]
fn an_index_that_was_damaged_is_made_anew_from_the_rows() {
    let house = house();
    let archive = house.archive();
    let asked = query(&house, "AB*");
    let before = found(&house, &asked);
    let hours: Vec<Partition> = house
        .hour_files()
        .iter()
        .map(|path| path.file_stem().unwrap().to_str().unwrap().parse().unwrap())
        .collect();
    for hour in &hours {
        archive.seal(*hour).unwrap();
    }
    drop(archive);
    for path in house.hour_files() {
        let index = path.with_extension("index");
        let mut bytes = std::fs::read(&index).unwrap();
        let middle = bytes.len() / 5;
        bytes[middle] ^= 1;
        std::fs::write(&index, bytes).unwrap();
    }
    house.restart();
    assert_eq!(found(&house, &asked), before);
}

#[test]
fn k04_what_is_past_its_term_is_destroyed_and_leaves_an_audit_line() {
    let house = House::new();
    let mut edge = house.edge("porta-nord-01");
    let now = house.clock.now();
    let hour = Duration::from_secs(3600);
    let captures = (0..4)
        .map(|hours| now - hours * hour)
        .chain([now - 2 * DAY]);
    let batch: Vec<_> = captures.map(|at| edge.seal("AB123CD", at)).collect();
    let mut writer = house.writer();
    writer.take(&batch).unwrap();
    let archive = house.archive();
    archive
        .seal(Partition::of(now - 2 * DAY, Term::WHOLE))
        .unwrap();
    let none = writer.expire(usize::MAX).unwrap();
    assert_eq!((none.hours.len(), none.transits), (0, 0));

    house.clock.set(now + 7 * DAY - 2 * hour + SECOND);
    let expired = writer.expire(usize::MAX).unwrap();
    let names: Vec<_> = expired.hours.iter().map(ToString::to_string).collect();
    assert_eq!(names, ["2026-11-20T12", "2026-11-22T09"]);
    assert_eq!((expired.transits, house.stored()), (2, 3));
    assert_eq!(
        house.hour_files().len(),
        5,
        "unreadable, and not yet unlinked"
    );
    let keys = HourKeys::open(&house.home.hour_keys(), &house.home.store_key_file()).unwrap();
    assert_eq!(keys.hours().unwrap().len(), 3, "the keys are gone at once");
    archive.unlink(&expired.hours).unwrap();
    assert_eq!(house.hour_files().len(), 3);
    assert_eq!(
        archive.size().unwrap().plates,
        0,
        "the sealed hour's plates are forgotten"
    );
    assert!(writer.expire(usize::MAX).unwrap().hours.is_empty());

    // An hour goes whole once the term of its last moment is over, and not before.
    house.clock.set(now + 7 * DAY - hour - SECOND);
    assert!(writer.expire(usize::MAX).unwrap().hours.is_empty());
    house.clock.set(now + 9 * DAY);
    let expired = writer.expire(usize::MAX).unwrap();
    assert_eq!(expired.hours.len(), 3);
    archive.unlink(&expired.hours).unwrap();
    assert_eq!((house.stored(), house.hour_files().len()), (0, 0));
    let left = std::fs::read_dir(house.home.partitions_folder()).unwrap();
    assert_eq!(left.count(), 0, "no index, no log");
    let lines = "SELECT count(*) FROM audit WHERE action LIKE '%-expired'";
    assert_eq!(house.count(lines), 5);
}

#[test]
fn c30_an_hour_without_its_key_is_dead_and_its_files_go_at_the_next_start() {
    let house = House::new();
    let mut edge = house.edge("porta-nord-01");
    let batch = [edge.seal("AB123CD", house.clock.now())];
    house.writer().take(&batch).unwrap();
    house.clock.advance(9 * DAY);
    assert_eq!(house.writer().expire(usize::MAX).unwrap().hours.len(), 1);
    // Killed before the files were unlinked.
    assert_eq!(house.hour_files().len(), 1);
    house.restart();
    assert_eq!(house.archive().size().unwrap().transits, 0);
    assert_eq!(house.hour_files().len(), 0);
}

#[test]
fn an_expiry_that_was_killed_goes_on_at_the_next_start() {
    let house = House::new();
    let mut edge = house.edge("porta-nord-01");
    let batch = [edge.seal("AB123CD", house.clock.now())];
    house.writer().take(&batch).unwrap();
    house.clock.advance(9 * DAY);
    // The line was written and the process killed before the key went: a new run tells it again.
    let keys = varco_hub::store::open(&house.home.hour_keys()).unwrap();
    keys.execute_batch("CREATE TABLE kept AS SELECT * FROM hour_keys")
        .unwrap();
    assert_eq!(house.writer().expire(usize::MAX).unwrap().transits, 1);
    keys.execute_batch("INSERT INTO hour_keys SELECT * FROM kept")
        .unwrap();
    house.restart();
    assert_eq!(house.writer().expire(usize::MAX).unwrap().hours.len(), 1);
    assert_eq!(house.writer().expire(usize::MAX).unwrap().hours.len(), 0);
}

#[test]
fn links_are_moved_in_runs_and_none_is_lost_or_doubled_on_the_way() {
    let house = House::new();
    let mut edges = ["porta-nord-01", "porta-sud-1"].map(|id| house.edge(id));
    let mut writer = house.writer();
    let mut came = 0;
    // Strictly in turns, so that no batch has a run of its own.
    for _ in 0..2 * RUN_LINKS {
        let batch: Vec<_> = edges
            .iter_mut()
            .flat_map(|edge| seals(&house, edge, 1))
            .collect();
        let taken = writer.take(&batch).unwrap();
        came += 2;
        assert_eq!(house.receipts(&taken).len(), 2);
        assert_eq!(known(&house), came);
        assert!(came - settled(&house) <= 2 * i64::try_from(RUN_LINKS).unwrap());
    }
    assert_eq!(settled(&house), came, "two runs of each");
    let batch = seals(&house, &mut edges[0], 3);
    writer.take(&batch).unwrap();
    assert_eq!((known(&house), settled(&house)), (came + 3, came));
    assert!(
        house.count("SELECT count(*) FROM chain_recent") <= 4,
        "trimmed"
    );
    whole(&house);
}

#[test]
fn a_burst_of_one_edge_goes_to_the_keyed_table_at_once() {
    let house = House::new();
    let mut edge = house.edge("porta-nord-01");
    let burst = seals(&house, &mut edge, RUN_LINKS);
    house.writer().take(&burst).unwrap();
    assert_eq!(settled(&house), known(&house));
    assert_eq!(house.count("SELECT count(*) FROM chain_recent"), 0);
    whole(&house);
}

#[test]
fn a_chain_of_the_older_schema_goes_on_where_it_stood() {
    let house = House::new();
    let mut edge = house.edge("porta-nord-01");
    let messages = seals(&house, &mut edge, 5);
    house.writer().take(&messages[..4]).unwrap();
    // As the migration leaves it: every link in the keyed table, each head from there.
    let main = house.home.open_main().unwrap();
    main.execute_batch(
        "CREATE TEMP TABLE links AS SELECT * FROM chain;
         DELETE FROM chain_recent; DELETE FROM chain_settled; DELETE FROM heads;
         INSERT INTO chain_settled SELECT * FROM links;
         INSERT INTO heads SELECT edge, top, digest, received_at_us, top, 0 FROM
            (SELECT edge, max(sequence) AS top, digest, received_at_us FROM links GROUP BY edge);",
    )
    .unwrap();
    let taken = house.writer().take(&messages[3..]).unwrap();
    assert_eq!(house.receipts(&taken), [4, 5]);
    assert_eq!(house.refusals(&taken), [(4, RefusalReason::Replay)]);
    whole(&house);
}

#[tokio::test]
async fn a_transit_that_was_changed_is_not_shown() {
    let (house, hub) = house_with(&["AB123CD", "AB123CD"]).await;
    let hour = varco_hub::store::open(&house.hour_files()[0]).unwrap();
    let swap = "UPDATE rows SET envelope = (SELECT envelope FROM rows WHERE row = 1) WHERE row = 2";
    assert_eq!(hour.execute(swap, []).unwrap(), 1);
    let (_, answer) = hub.look_up(grounds()).await;
    assert_eq!(plates(&answer).len(), 1);
    assert_eq!(answer["broken"], 1);
}
