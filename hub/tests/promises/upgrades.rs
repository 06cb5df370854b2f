//! A home of an older version is brought forward, and what that version told no line of is told once.

use std::collections::BTreeSet;

use varco_hub::audit::action::Action;
use varco_hub::audit::actor::Actor;
use varco_hub::audit::{self, AuditEntry, AuditLine, baseline};
use varco_hub::config::Config;
use varco_hub::hours::partition::Partition;
use varco_hub::opening::clock;
use varco_hub::people::tokens;
use varco_hub::proof::verification::{Verification, verify};
use varco_hub::running;
use varco_hub::timekeeping::Clock as _;

use crate::support::House;

/// What lines of versions before did not say.
const NEW: [&str; 6] = [
    "tells_all",
    "token_digest",
    "may",
    "actor_id",
    "actor_kind",
    "ends_at",
];

/// A house whose lines are those that an older version would have written.
fn older() -> House {
    let house = House::new();
    let mut edge = house.edge("porta-nord-01");
    let message = edge.seal("AB123CD", house.clock.now());
    house.writer().take(&[message]).unwrap();
    let main = house.home.open_main().unwrap();
    let mut statement = main
        .prepare("SELECT line FROM audit ORDER BY sequence")
        .unwrap();
    let lines = statement
        .query_map([], |row| row.get::<_, String>(0))
        .unwrap();
    let lines: Vec<AuditLine> = lines
        .map(|line| serde_json::from_str(&line.unwrap()).unwrap())
        .collect();
    main.execute_batch(
        "DROP TRIGGER audit_is_never_changed; DROP TRIGGER audit_is_never_deleted;
         DROP TRIGGER audit_tree_is_never_deleted; DELETE FROM audit_tree;
         DELETE FROM audit; DELETE FROM audit_hours;
         UPDATE audit_head SET sequence = 0, digest = zeroblob(32);
         UPDATE tokens SET ends_at_us = created_at_us + 365 * 86400000000;",
    )
    .unwrap();
    let key = house.home.sealing_key().unwrap();
    for line in lines {
        let action = line.action.known().unwrap();
        if action == Action::PartitionBegun {
            continue;
        }
        let mut details = line.details;
        let fields = details.as_object_mut().unwrap();
        NEW.iter().for_each(|field| drop(fields.remove(*field)));
        let entry = AuditEntry::plain(Actor::console(), action, details);
        audit::append(&main, &entry, line.at, &key).unwrap();
    }
    main.execute_batch("UPDATE audit_head SET signature = NULL, at_us = NULL")
        .unwrap();
    std::fs::remove_file(house.home.floor_file()).unwrap();
    house
}

fn check(house: &House) -> Verification {
    verify(&house.home, house.clock.now()).unwrap()
}

/// As a hub does when it starts.
fn note(house: &House) -> bool {
    let hours: BTreeSet<Partition> = house.hours().into_iter().collect();
    let (key, now) = (house.home.sealing_key().unwrap(), house.clock.now());
    let mut main = house.home.open_main().unwrap();
    let noted = baseline::note(&mut main, &hours, tokens::noted, now, &key).unwrap();
    varco_hub::opening::floor::keep(&house.home, &main).unwrap();
    noted
}

#[test]
fn c28_part_what_an_older_version_told_no_line_of_is_told_once_and_held_from_then_on() {
    let house = older();
    let before = check(&house);
    assert!(!before.is_broken(), "{before:?}");
    assert!(
        before.unestablished.len() >= 3,
        "{:?}",
        before.unestablished
    );
    assert!(note(&house));
    assert!(!note(&house), "once");
    let after = check(&house);
    assert!(after.intact, "{after:?}");
    for sql in [
        "UPDATE tokens SET may = 'lookups cases'",
        "UPDATE tokens SET ends_at_us = ends_at_us + 1",
        "DELETE FROM tokens",
        "DELETE FROM transit_hours",
    ] {
        let house = older();
        note(&house);
        house.home.open_main().unwrap().execute_batch(sql).unwrap();
        assert!(check(&house).is_broken(), "{sql}");
    }
}

#[test]
fn c28_part_a_token_put_in_before_the_new_version_came_is_found() {
    let house = older();
    let sql = "INSERT INTO tokens (digest, actor, created_at_us, may)
               VALUES (randomblob(32), 'Bianchi', 0, 'lookups cases')";
    house.home.open_main().unwrap().execute_batch(sql).unwrap();
    note(&house);
    let found = check(&house).broken_audit_lines;
    let what: Vec<_> = found.iter().map(|line| line.what.as_str()).collect();
    assert_eq!(what, ["it notes a token that no line made"]);
}

#[test]
fn the_hub_itself_brings_an_older_home_forward_when_it_starts() {
    let house = House::new();
    let file = house.home.config_file();
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace("127.0.0.1:1\"", "127.0.0.1:0\"")).unwrap();
    let main = house.home.open_main().unwrap();
    // The schema of the version before the log: its lines are taken into the tree.
    let steps: i64 = main
        .query_row("PRAGMA user_version", [], |row| row.get(0))
        .unwrap();
    main.execute_batch("DROP TABLE passkeys").unwrap();
    main.execute_batch(&format!("PRAGMA user_version = {}", steps - 1))
        .unwrap();
    drop(main);
    let config: Config = house.home.config().unwrap();
    let beginning = running::begin(&house.home, &config, house.clock.now()).unwrap();
    // What is opened next, by the process that holds the home's lock.
    clock::of(&house.home).unwrap();
    drop(beginning);
    let lines = house.count("SELECT count(*) FROM audit");
    assert!(lines > 0 && house.count("SELECT count(*) FROM audit_tree") >= lines);
    assert!(check(&house).intact);
}
