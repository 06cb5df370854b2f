//! A home of an older version is brought forward, and what that version told no line of is told once.

use std::collections::BTreeSet;

use varco_hub::audit::action::Action;
use varco_hub::audit::actor::Actor;
use varco_hub::audit::purpose::Purpose;
use varco_hub::audit::{self, AuditEntry, AuditLine, baseline};
use varco_hub::config::Config;
use varco_hub::hours::partition::Partition;
use varco_hub::opening::clock;
use varco_hub::people::tokens::{self, Shown};
use varco_hub::proof::verification::{Verification, verify};
use varco_hub::running;
use varco_hub::store::sql::params;
use varco_hub::timekeeping::Clock as _;
use varco_proto::ids::Digest;

use crate::support::{DAY, House};

/// What lines of versions before did not say.
const NEW: [&str; 7] = [
    "tells_all",
    "token_digest",
    "may",
    "actor_id",
    "actor_kind",
    "ends_at",
    "purposes",
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
         UPDATE tokens SET ends_at_us = created_at_us + 365 * 86400000000, purposes = '';",
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
    of_the_version_before(&house);
    let config: Config = house.home.config().unwrap();
    let beginning = running::begin(&house.home, &config, house.clock.now()).unwrap();
    // What is opened next, by the process that holds the home's lock.
    clock::of(&house.home).unwrap();
    drop(beginning);
    as_its_line_says(&house);
    let lines = house.count("SELECT count(*) FROM audit");
    assert!(lines > 0 && house.count("SELECT count(*) FROM audit_tree") >= lines);
    assert!(check(&house).intact);
}

/// A home of the version before, whose first start as this one is to come.
fn of_the_version_before(house: &House) {
    let file = house.home.config_file();
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace("127.0.0.1:1\"", "127.0.0.1:0\"")).unwrap();
    let main = house.home.open_main().unwrap();
    let steps: i64 = main
        .query_row("PRAGMA user_version", [], |row| row.get(0))
        .unwrap();
    main.execute_batch(&format!(
        "DROP TRIGGER audit_is_never_changed; CREATE TRIGGER audit_is_never_changed
         BEFORE UPDATE ON audit BEGIN SELECT raise(ABORT, 'never'); END;
         ALTER TABLE tokens DROP COLUMN purposes; ALTER TABLE tokens DROP COLUMN agreement;
         ALTER TABLE tokens DROP COLUMN used_at_us; DROP TABLE passkeys; PRAGMA user_version = {}",
        steps - 3
    ))
    .unwrap();
}

#[test]
fn c16_part_tokens_that_an_older_version_gave_to_persons_end_when_the_hub_starts() {
    let house = House::new();
    let (now, key) = (house.clock.now(), house.home.sealing_key().unwrap());
    let main = house.home.open_main().unwrap();
    let made = [("person", "Isp. Neri"), ("service", "Centrale")];
    for (kind, name) in made {
        let digest = Digest::of(name.as_bytes());
        let ends_at = now + DAY * 90;
        main.execute(
            "INSERT INTO actors (id, kind, name, made_at_us) VALUES (?, ?, ?, 0)",
            params![format!("a-{kind}"), kind, name],
        )
        .unwrap();
        main.execute(
            "INSERT INTO tokens (digest, actor, actor_id, created_at_us, ends_at_us, may)
             VALUES (?, ?, ?, ?, ?, 'lookups statistics')",
            params![
                digest.as_bytes(),
                name,
                format!("a-{kind}"),
                now.unix_us(),
                ends_at.unix_us()
            ],
        )
        .unwrap();
        let details = serde_json::json!({
            "for": name, "actor_id": format!("a-{kind}"), "actor_kind": kind,
            "may": "lookups statistics", "token_digest": digest.to_string(), "body": "owner",
            "ends_at": ends_at,
        });
        let entry = AuditEntry::plain(Actor::console(), Action::TokenIssued, details);
        audit::append(&main, &entry, now, &key).unwrap();
    }
    drop(main);
    of_the_version_before(&house);
    let config: Config = house.home.config().unwrap();
    drop(running::begin(&house.home, &config, now).unwrap());
    let main = house.home.open_main().unwrap();
    let rows = tokens::rows(&main).unwrap();
    let of = |name: &str| rows.iter().find(|row| row.actor == name).unwrap();
    assert_eq!(of("Isp. Neri").revoked_at, Some(now));
    assert_eq!(of("Centrale").revoked_at, None);
    let shown = |name: &str| tokens::shown(&main, name, now).unwrap();
    assert!(matches!(shown("Isp. Neri"), Shown::Ended(_)));
    let Shown::Holds(held) = shown("Centrale") else {
        panic!("a system's holds");
    };
    assert!(held.bounds.purposes.is_empty(), "and shows no vehicle");
    let sql = "SELECT line FROM audit WHERE action = 'token-revoked'";
    let line: String = main.query_row(sql, [], |row| row.get(0)).unwrap();
    let line: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!(line["details"]["for"], "Isp. Neri");
    assert_eq!(
        line["details"]["why"],
        "tokens are for systems, and persons sign in"
    );
    drop(main);
    as_its_line_says(&house);
    assert!(check(&house).intact);
}

/// The first token's line is of this version, and its row went through the version before.
fn as_its_line_says(house: &House) {
    let purposes = Purpose::REGULATION.map(Purpose::as_str).join(" ");
    let sql = "UPDATE tokens SET purposes = ? WHERE actor = 'first-token'";
    let main = house.home.open_main().unwrap();
    main.execute(sql, [purposes]).unwrap();
}
