//! Power cuts everywhere: what was sealed is stored, and stored once.

use std::collections::HashSet;
use std::fs;
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};
use varco_edge::adapters::spool::Spool;
use varco_edge::adapters::spool::owner::Owner;
use varco_edge::adapters::vault::{BoxKey, Purpose};
use varco_edge::config::SpoolLimits;
use varco_hub::home::Home;
use varco_hub::hours::keys::HourKeys;
use varco_hub::transits::names;
use varco_hub::transits::rows::{Head, HourPlace};
use varco_proto::keys::SealingKey;
use varco_proto::record::RecordBody;
use varco_rig::camera::clip::Clip;
use varco_rig::camera::{Camera, StreamSettings};
use varco_rig::clock;
use varco_rig::house::{CameraAddress, EDGE};
use varco_rig::sender;

use crate::stage::{Stage, street, until};

/// Records sealed before the edge starts, so that something is always on its way.
const BACKLOG: u32 = 3000;

/// Last sequence sealed and records that wait, from the edge's own disk.
pub(crate) fn spool(state: &Path) -> (u64, u64) {
    let file = state.join("spool.sqlite");
    let db = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    let ask = |sql: &str| db.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
    let sealed = ask("SELECT coalesce(max(sequence), 0) FROM chain");
    let waiting = ask("SELECT count(*) FROM waiting");
    (
        u64::try_from(sealed).unwrap(),
        u64::try_from(waiting).unwrap(),
    )
}

/// Seals a backlog with the edge's own spool, as if the link had been down for a while.
fn seal_backlog(stage: &Stage) {
    let bundle = stage.house.bundle();
    let key = SealingKey::from_pkcs8(&fs::read(bundle.join("signing.pk8")).unwrap()).unwrap();
    fs::create_dir_all(stage.house.edge_state()).unwrap();
    let box_key = BoxKey::make(&bundle.join("box.key")).unwrap();
    let owner = Owner {
        edge: EDGE.parse().unwrap(),
        key: key.into(),
        cipher: box_key.cipher(Purpose::Spool),
        limits: SpoolLimits::default(),
    };
    let mut spool = Spool::open(&stage.house.edge_state(), owner, stage.since).unwrap();
    for number in 0..BACKLOG {
        let at = stage.since - Duration::from_millis(u64::from(BACKLOG - number) * 10);
        let mut random = [0; 10];
        random[..4].copy_from_slice(&number.to_be_bytes());
        let transit = sender::transit(&format!("ZZ{number:05}"), at, random).unwrap();
        spool.seal(RecordBody::Transit(transit), at).unwrap();
    }
}

/// Holds what is stored against what was sealed: each of the first `sealed` sequences, once.
pub(crate) fn stored_once_each(hub_home: &Path, sealed: u64) {
    let rows = partitions(hub_home);
    let ids: HashSet<_> = rows.iter().map(|(id, _)| id).collect();
    assert_eq!(ids.len(), rows.len(), "a transit is stored twice");
    let mut sequences: Vec<_> = rows.iter().map(|(_, sequence)| *sequence).collect();
    sequences.sort_unstable();
    let wanted: Vec<_> = (1..=i64::try_from(sealed).unwrap()).collect();
    assert_eq!(sequences, wanted, "stored against sealed");
}

/// Transit ids and sequences of the rows that count at the hub, each as often as it is there.
fn partitions(hub_home: &Path) -> Vec<([u8; 16], i64)> {
    let home = Home::at(hub_home.to_owned());
    let main = home.open_main().unwrap();
    let keys = HourKeys::open(&home.hour_keys(), &home.store_key_file()).unwrap();
    let mut found = Vec::new();
    for (hour, rows) in names::hours(&main).unwrap() {
        let key = keys.get(hour).unwrap().unwrap();
        let place = HourPlace::new(&home.partitions_folder(), hour, key);
        let connection = place.open().unwrap();
        let mut take = |head: Result<Head, u32>| {
            let head = head.unwrap();
            found.push((head.id, i64::try_from(head.sequence).unwrap()));
            Ok(())
        };
        place.heads(&connection, 1..=rows, &mut take).unwrap();
    }
    found
}

#[tokio::test]
async fn c22_part_what_is_sealed_is_stored_exactly_once_whoever_is_killed() {
    let clip = Clip::open(&street(), false).unwrap();
    let camera = Camera::start(Box::new(clip), &StreamSettings::default()).unwrap();
    let mut stage = Stage::lay(&CameraAddress {
        url: camera.url(),
        credentials: None,
    });
    seal_backlog(&stage);
    stage.house.start().unwrap();
    let state = stage.house.edge_state();
    let short = Duration::from_millis(700);

    // Each is killed while records flow, twice over, and comes back a moment later.
    for _ in 0..2 {
        tokio::time::sleep(short).await;
        stage.house.take_hub().unwrap().kill().unwrap();
        tokio::time::sleep(short).await;
        stage.house.start_hub().unwrap();
        tokio::time::sleep(short).await;
        stage.house.take_broker().unwrap().kill().unwrap();
        tokio::time::sleep(short).await;
        stage.house.start_broker().unwrap();
        tokio::time::sleep(short).await;
        stage.house.take_edge().unwrap().kill().unwrap();
        stage.house.start_edge().unwrap();
    }

    let limit = Duration::from_secs(90);
    until(
        "vehicles were sealed after the last kill",
        limit,
        async || (spool(&state).0 >= u64::from(BACKLOG) + 3).then_some(()),
    )
    .await;
    until("the show is over", limit, async || {
        camera.is_over().then_some(())
    })
    .await;
    until("the spool is empty", limit, async || {
        (spool(&state).1 == 0).then_some(())
    })
    .await;
    let begin = clock::instant();
    stage.house.take_edge().unwrap().end().unwrap();
    assert!(begin.elapsed() < Duration::from_secs(8));

    let (sealed, _) = spool(&state);
    stored_once_each(&stage.house.hub_home(), sealed);
    stage.hub_says(&["audit", "verify"]).unwrap();
    stage.house.end().unwrap();
}
