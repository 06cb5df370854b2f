//! The move out of the home into PostgreSQL.

use std::net::TcpListener;
use std::time::Duration;

use varco_hub::clock::Clock as _;
use varco_hub::moving::{self, MoveError, Moved};
use varco_hub::postgres::Address;
use varco_hub::verify;
use varco_proto::receipt::RefusalReason;

use crate::backing;
use crate::lookups::{found, query};
use crate::support::{DAY, House};

/// A house that keeps its transits in its home, and the connection string of the schema that they
/// are to be moved to.
fn house() -> (House, String, String) {
    let house = House::new();
    let configured = std::fs::read_to_string(house.home.config_file()).unwrap();
    let before = configured.split("\n[store]").next().unwrap();
    std::fs::write(house.home.config_file(), before).unwrap();
    let schema = backing::schema(&house.home);
    let address = schema.cluster().address(&schema.name);
    (house, address, configured)
}

fn go(house: &House, address: &str, finish: bool) -> Result<Moved, MoveError> {
    moving::run(&house.home, Address::parse(address, None).unwrap(), finish)
}

#[test]
fn c39_transits_and_chains_are_moved_while_intake_goes_on_and_nothing_is_lost() {
    let (house, address, configured) = house();
    let (mut edge, mut other) = (house.edge("porta-nord-01"), house.edge("porta-sud"));
    let now = house.clock.now();
    let mut writer = house.writer();
    let hour = Duration::from_secs(3600);
    for hours in 0..30 {
        let at = now - hours * hour;
        let batch = [edge.seal("AB123CD", at), other.seal("ZZ999ZZ", at)];
        writer.take(&batch).unwrap();
    }
    let moved = go(&house, &address, false).unwrap();
    assert_eq!(
        (moved.hours, moved.transits, moved.finished),
        (30, 60, false)
    );
    // Intake goes on; a gap is open, and a place is known as refused.
    let missing = edge.seal("AB123CD", now);
    let late = edge.seal("AB123CD", now);
    let old = other.seal("AB124CD", now - 8 * DAY);
    let taken = writer.take(&[late.clone(), old]).unwrap();
    assert_eq!(house.receipts(&taken), [32]);
    let again = go(&house, &address, false).unwrap();
    assert_eq!(again.transits, 1, "only what came since");
    // Of one moment, either may come first.
    let sorted = |mut found: Vec<(String, u64)>| {
        found.sort();
        found
    };
    let before = sorted(found(&house, &query(&house, "*")));
    assert_eq!(before.len(), 61);

    // A hub that runs is not left behind.
    let listen = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listen.local_addr().unwrap().port();
    let text = std::fs::read_to_string(house.home.config_file()).unwrap();
    let running = text.replace(
        "listen = \"127.0.0.1:1\"",
        &format!("listen = \"127.0.0.1:{port}\""),
    );
    assert_ne!(running, text);
    std::fs::write(house.home.config_file(), &running).unwrap();
    assert!(matches!(
        go(&house, &address, true),
        Err(MoveError::Running(_))
    ));
    drop(listen);
    std::fs::write(house.home.config_file(), &text).unwrap();

    drop(writer);
    house.restart();
    let moved = go(&house, &address, true).unwrap();
    assert_eq!((moved.transits, moved.links, moved.finished), (0, 62, true));
    assert!(house.hour_files().is_empty(), "nothing is left behind");
    std::fs::write(house.home.config_file(), &configured).unwrap();
    let after = sorted(found(&house, &query(&house, "*")));
    assert_eq!(after, before);
    let mut at_gate = query(&house, "*");
    at_gate.filter.gates = vec!["porta-nord".parse().unwrap()];
    let at_gate = sorted(found(&house, &at_gate));
    assert_eq!(at_gate, before, "which cameras the gate has came along");
    let chain = house.chain(&edge.id);
    assert_eq!((chain.head, chain.missing), (32, 1));
    // The chains are judged by as if they had always been there.
    let mut writer = house.writer();
    let taken = writer.take(&[missing, late]).unwrap();
    assert_eq!(house.receipts(&taken), [31, 32]);
    assert_eq!(house.refusals(&taken), [(32, RefusalReason::Replay)]);
    assert_eq!(house.chain(&edge.id).missing, 0);
    let next = [other.seal("AB125CD", now)];
    let taken = writer.take(&next).unwrap();
    assert!(house.refusals(&taken).is_empty());
    let verified = verify::verify(&house.home, now).unwrap();
    assert!(verified.intact, "{verified:?}");
    assert_eq!(verified.transits, 63);
}

#[test]
fn a_finish_that_was_broken_off_is_repeated_and_a_working_hub_is_not_overwritten() {
    let (house, address, configured) = house();
    let mut edge = house.edge("porta-nord-01");
    let now = house.clock.now();
    let batch: Vec<_> = (0..5).map(|_| edge.seal("AB123CD", now)).collect();
    house.writer().take(&batch).unwrap();
    house.restart();
    // Killed after PostgreSQL had all and before the home let go: the home is as it was.
    let main = std::fs::read(house.home.main_database()).unwrap();
    let log = house.home.main_database().with_extension("sqlite-wal");
    let logged = std::fs::read(&log).ok();
    let kept = tempfile::tempdir().unwrap();
    for file in house.hour_files() {
        std::fs::copy(&file, kept.path().join(file.file_name().unwrap())).unwrap();
    }
    go(&house, &address, true).unwrap();
    for side in ["sqlite-wal", "sqlite-shm"] {
        std::fs::remove_file(house.home.main_database().with_extension(side)).ok();
    }
    std::fs::write(house.home.main_database(), main).unwrap();
    if let Some(logged) = logged {
        std::fs::write(&log, logged).unwrap();
    }
    for file in std::fs::read_dir(kept.path()).unwrap() {
        let file = file.unwrap();
        let to = house.home.partitions_folder().join(file.file_name());
        std::fs::copy(file.path(), to).unwrap();
    }
    let again = go(&house, &address, true).unwrap();
    assert_eq!((again.transits, again.links, again.finished), (0, 5, true));
    std::fs::write(house.home.config_file(), &configured).unwrap();
    assert_eq!(found(&house, &query(&house, "AB123CD")).len(), 5);

    // Another home whose own hub works in its PostgreSQL.
    let working = House::new();
    let mut other = working.edge("porta-sud");
    working
        .writer()
        .take(&[other.seal("AB123CD", now)])
        .unwrap();
    let schema = backing::schema(&working.home);
    let occupied = schema.cluster().address(&schema.name);
    let text = configured.split("\n[store]").next().unwrap();
    std::fs::write(house.home.config_file(), text).unwrap();
    assert!(matches!(
        go(&house, &occupied, false),
        Err(MoveError::Occupied)
    ));
}
