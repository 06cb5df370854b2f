//! What was changed behind the hub's back is found.

use std::path::PathBuf;

use rusqlite::Connection;
use varco_hub::hours::partition::{Partition, Term};
use varco_rig::clock;
use varco_rig::sender::transit;

use crate::stage::Stage;

/// A hub that stored two transits and answered one lookup, with nothing running any more.
async fn used_hub() -> (Stage, PathBuf) {
    let (mut stage, mut sender) = Stage::with_sender().await;
    let now = clock::now();
    for (number, text) in [(1, "AB123CD"), (2, "EF456GH")] {
        let envelope = sender.seal(transit(text, now, [number; 10]).unwrap(), now);
        sender.send(envelope).await.unwrap();
        sender.answer().await.unwrap();
    }
    let found = stage.stored().await;
    assert_eq!(found.len(), 2);
    stage.house.take_hub().unwrap().end().unwrap();
    let hour = Partition::of(now, Term::WHOLE);
    let partition = stage
        .house
        .hub_home()
        .join(format!("partitions/{hour}.sqlite"));
    stage.hub_says(&["audit", "verify"]).unwrap();
    (stage, partition)
}

#[tokio::test]
async fn c43_part_an_altered_plate_is_found_by_audit_verify() {
    let (stage, partition) = used_hub().await;
    let db = Connection::open(partition).unwrap();
    // A row is encrypted: whoever holds the file can put another's in its place, at most.
    let changed = db.execute(
        "UPDATE rows SET head = (SELECT head FROM rows WHERE row = 1) WHERE row = 2",
        [],
    );
    assert_eq!(changed.unwrap(), 1);
    drop(db);
    let complaint = stage.hub_says(&["audit", "verify"]).unwrap_err();
    assert!(
        !complaint.contains("ZZ999ZZ") && !complaint.contains("EF456GH"),
        "a plate is told"
    );
}

#[tokio::test]
async fn c43_part_an_altered_envelope_is_found_by_audit_verify() {
    let (stage, partition) = used_hub().await;
    let db = Connection::open(partition).unwrap();
    let read = "SELECT envelope FROM rows WHERE row = 1";
    let mut envelope: Vec<u8> = db.query_row(read, [], |row| row.get(0)).unwrap();
    let middle = envelope.len() / 2;
    envelope[middle] ^= 1;
    db.execute("UPDATE rows SET envelope = ?1 WHERE row = 1", [envelope])
        .unwrap();
    drop(db);
    stage.hub_says(&["audit", "verify"]).unwrap_err();
}

#[tokio::test]
async fn a_transit_taken_away_is_found_by_audit_verify() {
    let (stage, partition) = used_hub().await;
    let db = Connection::open(partition).unwrap();
    db.execute("DELETE FROM rows WHERE row = 1", []).unwrap();
    drop(db);
    stage.hub_says(&["audit", "verify"]).unwrap_err();
}

#[tokio::test]
async fn c24_part_an_altered_audit_line_is_found_by_audit_verify() {
    let (stage, _) = used_hub().await;
    let db = Connection::open(stage.house.hub_home().join("main.sqlite")).unwrap();
    // The table itself refuses; whoever owns the file can drop the refusal, and is found out.
    db.execute("UPDATE audit SET actor = 'nobody'", [])
        .unwrap_err();
    db.execute("DELETE FROM audit", []).unwrap_err();
    db.execute_batch("DROP TRIGGER audit_is_never_changed")
        .unwrap();
    assert!(db.execute("UPDATE audit SET actor = 'nobody'", []).unwrap() > 0);
    drop(db);
    stage.hub_says(&["audit", "verify"]).unwrap_err();
}

#[tokio::test]
async fn an_audit_line_taken_out_of_the_middle_is_found() {
    let (stage, _) = used_hub().await;
    let db = Connection::open(stage.house.hub_home().join("main.sqlite")).unwrap();
    db.execute_batch("DROP TRIGGER audit_is_never_deleted")
        .unwrap();
    let first = "DELETE FROM audit WHERE sequence = (SELECT min(sequence) FROM audit)";
    assert_eq!(db.execute(first, []).unwrap(), 1);
    drop(db);
    stage.hub_says(&["audit", "verify"]).unwrap_err();
}
