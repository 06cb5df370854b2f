//! Tampering is found.

use std::collections::HashSet;

use varco_hub::proof::verification::{Verification, verify};
use varco_hub::timekeeping::Clock as _;

use varco_hub::approvals::desk::{self as approvals, ApprovalSaid};
use varco_hub::audit::acting::Acting;
use varco_hub::audit::actor::{Actor, ActorKind};
use varco_hub::audit::head::{self, NotedHead};
use varco_hub::audit::purpose::{Grounds, Purpose};
use varco_hub::cases::blocking;
use varco_hub::cases::case::Case;
use varco_hub::cases::desk as cases;
use varco_hub::enrolment::desk;
use varco_hub::hotlists::desk::{self as hotlists};
use varco_hub::hotlists::list::Hotlist;
use varco_hub::opening::floor;
use varco_hub::people::actors;
use varco_hub::proof::verification::verify_from;
use varco_hub::store::sql::Connection;

use crate::approvals::Anybody;
use crate::ended::hotlist;
use crate::support::{DAY, House};
use crate::tokens::add_token;

fn house_with_transits() -> House {
    let house = House::new();
    let mut edge = house.edge("porta-nord-01");
    let now = house.clock.now();
    let batch: Vec<_> = (0..3).map(|_| edge.seal("AB123CD", now)).collect();
    house.writer().take(&batch).unwrap();
    house
}

fn check(house: &House) -> Verification {
    verify(&house.home, house.clock.now()).unwrap()
}

fn tamper_with_hour(house: &House, sql: &str) {
    let hour = varco_hub::store::open(&house.hour_files()[0]).unwrap();
    assert_eq!(hour.execute(sql, []).unwrap(), 1, "{sql}");
}

fn tamper_with_main(house: &House, sql: &str) {
    let main = house.home.open_main().unwrap();
    main.execute_batch("DROP TRIGGER audit_is_never_changed; DROP TRIGGER audit_is_never_deleted;")
        .unwrap();
    assert_eq!(main.execute(sql, []).unwrap(), 1, "{sql}");
}

#[test]
fn an_untouched_hub_is_intact() {
    let checked = check(&house_with_transits());
    assert!(checked.intact, "{checked:?}");
    // The home, its first token, the edge, the hour.
    assert_eq!((checked.transits, checked.audit_lines), (3, 4));
}

#[test]
fn c43_part_a_tampered_audit_line_is_found() {
    for (sql, sequence) in [
        (
            "UPDATE audit SET line = replace(line, 'porta', 'parte') WHERE sequence = 3",
            3,
        ),
        ("UPDATE audit SET actor = 'nobody' WHERE sequence = 2", 2),
        ("UPDATE audit SET at_us = at_us + 1 WHERE sequence = 2", 2),
        (
            "UPDATE audit SET digest = randomblob(32) WHERE sequence = 1",
            1,
        ),
        ("DELETE FROM audit WHERE sequence = 2", 3),
        ("DELETE FROM audit WHERE sequence = 4", 4),
    ] {
        let house = house_with_transits();
        tamper_with_main(&house, sql);
        let checked = check(&house);
        assert!(!checked.intact, "{sql}");
        let found = checked
            .broken_audit_lines
            .iter()
            .any(|l| l.sequence == sequence);
        assert!(found, "{sql}: {checked:?}");
    }
}

#[test]
fn a_tampered_row_is_found() {
    for sql in [
        "UPDATE rows SET head = randomblob(length(head)) WHERE row = 2",
        "UPDATE rows SET head = (SELECT head FROM rows WHERE row = 1) WHERE row = 2",
        "UPDATE rows SET envelope = (SELECT envelope FROM rows WHERE row = 3) WHERE row = 2",
        "UPDATE rows SET envelope = substr(envelope, 1, length(envelope) - 1) WHERE row = 2",
        "DELETE FROM rows WHERE row = 2",
    ] {
        let house = house_with_transits();
        tamper_with_hour(&house, sql);
        let checked = check(&house);
        let gone: Vec<_> = checked
            .broken_transits
            .iter()
            .filter(|t| t.sequence == 2)
            .collect();
        assert_eq!(gone.len(), 1, "{sql}: {checked:?}");
        assert!(gone[0].what.contains("gone") && checked.transits == 2);
    }
}

#[test]
fn an_hour_taken_away_or_without_its_key_is_found() {
    for away in ["file", "key"] {
        let house = house_with_transits();
        if away == "file" {
            std::fs::remove_file(&house.hour_files()[0]).unwrap();
        } else {
            let keys = varco_hub::store::open(&house.home.hour_keys()).unwrap();
            assert_eq!(keys.execute("DELETE FROM hour_keys", []).unwrap(), 1);
        }
        let checked = check(&house);
        assert_eq!(
            checked.broken_transits.len(),
            4,
            "the hour, and each of its transits"
        );
    }
}

#[test]
fn a_changed_chain_is_found() {
    let house = house_with_transits();
    tamper_with_main(
        &house,
        "UPDATE chain_recent SET digest = randomblob(32) WHERE sequence = 2",
    );
    assert!(!check(&house).intact);
}

#[test]
fn a_transit_past_its_term_is_not_missed() {
    let house = house_with_transits();
    house.clock.advance(8 * crate::support::DAY);
    house.writer().expire(usize::MAX).unwrap();
    let checked = check(&house);
    assert!(checked.intact, "{checked:?}");
    assert_eq!(checked.transits, 0);
}

/// A house with a row in every table that is held against lines: an edge that is revoked, a case, a
/// hotlist, a block, an hour.
fn house_with_all() -> House {
    let house = house_with_transits();
    let now = house.clock.now();
    let gone = house.edge("porta-sud").id;
    desk::revoke_edge(&house.home, &gone, now).unwrap();
    let grounds = Grounds {
        purpose: Purpose::ALL[0].0,
        case_reference: "Proc. 12/2026".to_owned(),
    };
    let acting = Acting {
        actor: &Actor::console(),
        now,
        key: &house.home.sealing_key().unwrap(),
    };
    let mut main = house.home.open_main().unwrap();
    let case = Case {
        id: "c1".parse().unwrap(),
        authority: "Procura".to_owned(),
        order: "1/2026".to_owned(),
        grounds: grounds.clone(),
        until: now + 30 * DAY,
        opened_at: now,
        opened_by: "console".to_owned(),
        body: varco_hub::bodies::BodyId::owner(),
        closed_at: None,
        items: 0,
        blocked: 0,
    };
    let keys = house.home.case_keys().unwrap();
    cases::open(&mut main, &keys, &case, &acting).unwrap();
    let both = [[7; 16], [8; 16]];
    let stored = HashSet::from(both);
    let blocks = |transits| blocking::Blocking {
        transits,
        stored: &stored,
        order: "2/2026",
        grounds: &grounds,
    };
    blocking::block(&mut main, blocks(&both), &acting).unwrap();
    let one = [both[1]];
    let asked = by(&house, "Neri", |main, acting| {
        blocking::lift(main, blocks(&one), acting).unwrap()
    });
    let blocking::Lifting::Asked(asked) = asked else {
        panic!("one person's word lifts nothing");
    };
    let said = ApprovalSaid {
        approves: true,
        note: String::new(),
    };
    by(&house, "Bianchi", |main, acting| {
        approvals::decide(main, &asked.id, &said, &Anybody, acting).unwrap()
    });
    let lifted = by(&house, "Neri", |main, acting| {
        blocking::lift(main, blocks(&one), acting).unwrap()
    });
    assert_eq!(lifted, blocking::Lifting::Done);
    let list = Hotlist {
        grounds,
        valid_to: now + DAY,
        ..hotlist(now)
    };
    let keys = house.home.list_keys().unwrap();
    hotlists::make(&mut main, &keys, &list, &acting).unwrap();
    house
}

fn tamper(house: &House, sql: &str) {
    let main = house.home.open_main().unwrap();
    main.execute_batch("DROP TRIGGER audit_is_never_changed; DROP TRIGGER audit_is_never_deleted;")
        .unwrap();
    main.execute_batch(sql).unwrap();
}

/// What is done by SQL, and what the verifier says of it.
const TAMPERED: &[(&str, &str)] = &[
    ("", ""),
    (
        "DELETE FROM audit WHERE sequence > 3; UPDATE audit_head SET sequence = 3,
             digest = (SELECT digest FROM audit WHERE sequence = 3)",
        "the head was set back",
    ),
    (
        "DELETE FROM audit; UPDATE audit_head SET sequence = 0, digest = zeroblob(32)",
        "there is no line",
    ),
    (
        "UPDATE audit_head SET signature = NULL",
        "the head is not signed",
    ),
    (
        "INSERT INTO tokens (digest, actor, created_at_us, may)
             VALUES (randomblob(32), 'Bianchi', 0, 'lookups cases')",
        "tokens: no line made it",
    ),
    (
        "UPDATE tokens SET digest = randomblob(32)",
        "tokens: no line made it",
    ),
    (
        "UPDATE tokens SET may = 'lookups cases'",
        "tokens: it is not what its line says",
    ),
    (
        "UPDATE tokens SET ends_at_us = ends_at_us + 1",
        "tokens: it is not what its line says",
    ),
    (
        "UPDATE tokens SET actor_id = 'a00'",
        "tokens: it is not what its line says",
    ),
    (
        "UPDATE tokens SET revoked_at_us = 1",
        "tokens: its row says that it ended",
    ),
    (
        "UPDATE hotlists SET made_by = 'a00'",
        "hotlists: it is not what",
    ),
    (
        "DELETE FROM tokens",
        "tokens: a line made it, and its row is gone",
    ),
    (
        "UPDATE edges SET revoked_at_us = NULL",
        "edges: a line ended it, and its row says",
    ),
    (
        "UPDATE edges SET revoked_at_us = 1",
        "edges: its row says that it ended",
    ),
    (
        "UPDATE edges SET opening_key = randomblob(32)",
        "edges: its key is not",
    ),
    ("UPDATE edges SET gate = 'x'", "edges: its gate is not"),
    (
        "DELETE FROM edges WHERE id = 'porta-sud'",
        "edges: a line made it, and its row is gone",
    ),
    (
        "INSERT INTO edges (id, gate, opening_key, certificate_serial, registered_at_us)
             VALUES ('x', 'x', randomblob(32), x'01', 0)",
        "edges: no line made it",
    ),
    (
        "INSERT INTO blocks VALUES (randomblob(16), '9', 0, NULL)",
        "blocks: no line made it",
    ),
    (
        "UPDATE blocks SET lifted_at_us = 1",
        "blocks: it was lifted, and no line says so",
    ),
    (
        "UPDATE blocks SET lifted_at_us = NULL",
        "blocks: no line made it",
    ),
    (
        "DELETE FROM blocks",
        "blocks: a line made it, and its row is gone",
    ),
    (
        "UPDATE cases SET until_us = until_us + 1",
        "cases: it is not what its line says",
    ),
    (
        "UPDATE cases SET closed_at_us = 1",
        "cases: its row says that it ended",
    ),
    (
        "DELETE FROM cases",
        "cases: a line made it, and its row is gone",
    ),
    (
        "UPDATE hotlists SET valid_to_us = valid_to_us + 1",
        "hotlists: it is not what",
    ),
    (
        "DELETE FROM hotlists",
        "hotlists: a line made it, and its row is gone",
    ),
    (
        "DELETE FROM transit_hours; DELETE FROM chain_recent; DELETE FROM chain_settled",
        "hours: a line says that it began, its term is not over, and it is gone",
    ),
    (
        "INSERT INTO transit_hours VALUES (498709, 0, 0)",
        "hours: no line made it",
    ),
];

#[test]
fn c28_part_what_is_done_by_sql_behind_the_lines_is_found_and_named() {
    for (sql, said) in TAMPERED {
        let house = house_with_all();
        tamper(&house, sql);
        let checked = check(&house);
        let lines = checked
            .broken_audit_lines
            .iter()
            .map(|line| line.what.clone());
        let rows = checked.broken_rows.iter();
        let rows = rows.map(|row| format!("{}: {}", row.table, row.what));
        let found: Vec<String> = lines.chain(rows).collect();
        assert_eq!(checked.intact, sql.is_empty(), "{sql}: {checked:?}");
        let is_said = found.iter().any(|what| what.contains(said));
        assert!(sql.is_empty() || is_said, "{sql}: {found:?}");
    }
}

/// What a person of the hub's owner does.
fn by<T>(house: &House, person: &str, act: impl FnOnce(&mut Connection, &Acting<'_>) -> T) -> T {
    let (mut main, now) = (house.home.open_main().unwrap(), house.clock.now());
    let actor = actors::named(&main, person, ActorKind::Person, now).unwrap();
    let acting = Acting {
        actor: &actor.of_body("owner"),
        now,
        key: &house.home.sealing_key().unwrap(),
    };
    act(&mut main, &acting)
}

/// A person says that the case be closed.
fn say_close(house: &House, person: &str) -> cases::Said {
    by(house, person, |main, acting| {
        cases::close_by(main, &"c1".parse().unwrap(), &Anybody, acting).unwrap()
    })
}

#[test]
fn c28_part_a_case_closed_on_a_request_that_nobody_made_is_found() {
    let house = house_with_all();
    say_close(&house, "Rossi");
    assert_eq!(say_close(&house, "Verdi"), cases::Said::Closed);
    assert!(check(&house).intact);

    let house = house_with_all();
    let now = house.clock.now().unix_us();
    let main = house.home.open_main().unwrap();
    let sql = r#"INSERT INTO approvals (id, kind, subject, asked_by, asked_name, asked_body, reason,
        asked_at_us, waits_until_us, needed, lasts_us) VALUES ('r0123456789abcdef', 'case-closing',
        '{"for":"case-closing","case":"c1"}', 'a1', 'Rossi', 'owner', 'decreto', ?1, ?1 + 1000000, 1, 60000000)"#;
    main.execute(sql, [now]).unwrap();
    assert_eq!(say_close(&house, "Verdi"), cases::Said::Closed);
    let checked = check(&house);
    let said = "no second person had asked";
    let mut found = checked.broken_audit_lines.iter();
    assert!(found.any(|line| line.what.contains(said)), "{checked:?}");
}

#[test]
fn c28_part_a_line_exchanged_for_another_that_the_hub_signed_is_found() {
    let house = house_with_all();
    let main = house.home.open_main().unwrap();
    let copy = house.home.main_database().with_extension("copy");
    main.execute("VACUUM INTO ?", [copy.to_string_lossy()])
        .unwrap();
    // Two hubs of one key write the next lines differently.
    add_token(
        &house.home,
        "one",
        &varco_hub::people::tokens::Permissions::usual(),
        house.clock.now(),
    )
    .unwrap();
    let lines = house.count("SELECT count(*) FROM audit");
    let other = varco_hub::store::open(&copy).unwrap();
    let made = varco_hub::audit::AuditEntry::plain(
        Actor::console(),
        varco_hub::audit::action::Action::GatesListed,
        serde_json::json!({}),
    );
    let key = house.home.sealing_key().unwrap();
    varco_hub::audit::append(&other, &made, house.clock.now(), &key).unwrap();
    drop(other);
    add_token(
        &house.home,
        "two",
        &varco_hub::people::tokens::Permissions::usual(),
        house.clock.now(),
    )
    .unwrap();
    let copy = copy.to_string_lossy();
    tamper(
        &house,
        &format!(
            "ATTACH '{copy}' AS other; DELETE FROM audit WHERE sequence = {lines};
        INSERT INTO audit SELECT * FROM other.audit WHERE sequence = {lines}"
        ),
    );
    let checked = check(&house);
    let found = checked.broken_audit_lines.iter();
    let found: Vec<_> = found
        .map(|line| (line.sequence, line.what.as_str()))
        .collect();
    let said = [
        (lines + 1, "it does not follow the line before"),
        (lines, "it is not the line whose hash is in the tree"),
    ];
    assert_eq!(found, said);
}

#[test]
fn c28_part_an_older_copy_and_a_cut_behind_a_noted_head_are_found() {
    let house = house_with_all();
    let main = house.home.open_main().unwrap();
    let noted = head::read(&main).unwrap().signed.unwrap().head.noted();
    let text = noted.to_string();
    assert_eq!(text.parse::<NotedHead>().unwrap(), noted);
    let copy = house.home.main_database().with_extension("copy");
    main.execute("VACUUM INTO ?", [copy.to_string_lossy()])
        .unwrap();
    drop(main);
    let now = house.clock.now();
    let may = varco_hub::people::tokens::Permissions::usual();
    add_token(&house.home, "one", &may, now).unwrap();
    let main = house.home.open_main().unwrap();
    let newest = head::read(&main).unwrap().signed.unwrap().head.noted();
    drop(main);
    let from = |noted| verify_from(&house.home, Some(noted), now).unwrap();
    assert!(from(&noted).intact && from(&newest).intact);
    floor::keep(&house.home, &house.home.open_main().unwrap()).unwrap();
    house.restart();
    for side in ["sqlite-wal", "sqlite-shm"] {
        std::fs::remove_file(house.home.main_database().with_extension(side)).ok();
    }
    std::fs::copy(&copy, house.home.main_database()).unwrap();
    let cut = |checked: &Verification| {
        let lines = checked.broken_audit_lines.iter();
        lines
            .filter(|line| line.what.contains("lines were cut, or an older copy"))
            .count()
    };
    assert_eq!(
        (cut(&check(&house)), cut(&from(&noted)), cut(&from(&newest))),
        (1, 1, 2)
    );
    // What is written since hides nothing.
    add_token(&house.home, "two", &may, now).unwrap();
    add_token(&house.home, "three", &may, now).unwrap();
    floor::keep(&house.home, &house.home.open_main().unwrap()).unwrap();
    assert_eq!(cut(&check(&house)), 1);
}

#[test]
fn what_an_older_version_did_not_tell_cannot_be_established() {
    let house = house_with_transits();
    std::fs::remove_file(house.home.floor_file()).unwrap();
    let checked = check(&house);
    assert!(!checked.intact && !checked.is_broken(), "{checked:?}");
    assert_eq!(checked.unestablished.len(), 1);
}
