//! Every table that lines made is held against them, row by row and column by column.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::time::Duration;

use serde_json::json;
use varco_hub::agreements::desk::{self as agreements, Party};
use varco_hub::alerts::desk as webhooks;
use varco_hub::alerts::webhook::{NewWebhook, WebhookTells};
use varco_hub::approvals::claims::{self, WantedClaim};
use varco_hub::approvals::subject::RecipientKind;
use varco_hub::audit::acting::Acting;
use varco_hub::audit::actor::{Actor, ActorKind};
use varco_hub::audit::purpose::Purpose;
use varco_hub::bodies::BodyId;
use varco_hub::bodies::desk as bodies;
use varco_hub::boxes::registered::Claimed;
use varco_hub::departures::cessation;
use varco_hub::enrolment::{self, Invitee};
use varco_hub::evidence::register::{self, SignedHow, Visitor, VisitorKind};
use varco_hub::evidence::standing::{self, StandingPermit};
use varco_hub::judgement::desk as judgement;
use varco_hub::judgement::duty::DutyShift;
use varco_hub::map::desk as places;
use varco_hub::map::gates::Spot;
use varco_hub::map::place::Place;
use varco_hub::municipalities::desk as municipal;
use varco_hub::opening::floor;
use varco_hub::people::actors;
use varco_hub::people::appointing::{self, WantedAppointment};
use varco_hub::people::appointments::Role;
use varco_hub::people::custody::{self, HandOver, KeptKey};
use varco_hub::people::delegations::{self, WantedDelegation};
use varco_hub::people::external_staff::{self, StaffWork, WantedStaff};
use varco_hub::people::tokens::{Permission, Permissions};
use varco_hub::proof::verification::register::{HeldAgainst, VerifiedTable, verified_tables};
use varco_hub::proof::verification::{Verification, verify};
use varco_hub::purposes::PurposeScope;
use varco_hub::purposes::desk::{self as purposes, WantedPurposes};
use varco_hub::store::sql::Connection;
use varco_hub::timekeeping::Clock as _;

use crate::agreements::{Consortium, act, name, pact};
use crate::signed::{TestPerson, TestPost};
use crate::support::{DAY, House, SECOND};

const HOUR: Duration = Duration::from_secs(3600);

fn check(house: &House) -> Verification {
    verify(&house.home, house.clock.now()).unwrap()
}

fn appoint(main: &mut Connection, who: &str, role: Role, acting: &Acting<'_>) {
    let wanted = WantedAppointment {
        name: who.to_owned(),
        body: BodyId::owner(),
        role,
        may: Permissions::of(&[Permission::Lookups]),
        act: " Decreto 9/2026 ".to_owned(),
        is_police: true,
        trained_on: Some("2026-11-01".to_owned()),
        from: acting.now,
        until: Some(acting.now + DAY * 300),
    };
    appointing::appoint(main, &wanted, acting).unwrap();
}

fn offices(main: &mut Connection, acting: &Acting<'_>) {
    appoint(main, "Com. Conti", Role::Responsible, acting);
    appoint(main, "Isp. Gialli", Role::Operator, acting);
    appoint(main, "Ag. Viola", Role::Operator, acting);
    appointing::dismiss(main, "Ag. Viola", "trasferita", acting).unwrap();
    let wanted = WantedDelegation {
        body: BodyId::owner(),
        to: "Isp. Gialli".to_owned(),
        functions: Permissions::of(&[Permission::Admission]),
        act: " Delega 3/2026 ".to_owned(),
        mayor_told_on: "2026-11-20".to_owned(),
        notice: "prot. 8812".to_owned(),
        from: acting.now,
        until: acting.now + DAY * 30,
    };
    delegations::delegate(main, &wanted, acting).unwrap();
    let ended = delegations::delegate(main, &wanted, acting).unwrap();
    delegations::end(main, ended, "revocata", acting).unwrap();
    for to in ["Isp. Gialli", "Com. Conti"] {
        let wanted = HandOver {
            body: BodyId::owner(),
            key: KeptKey::ServerRoom,
            to: to.to_owned(),
            act: "verbale 2/2026".to_owned(),
        };
        custody::hand_over(main, &wanted, acting).unwrap();
    }
    let wanted = WantedStaff {
        name: "Tecnico Bruni".to_owned(),
        firm: " Varchi S.r.l. ".to_owned(),
        work: StaffWork::Maintenance,
        body: BodyId::owner(),
        communication: "PEC 3/2026".to_owned(),
        communicated_on: "2026-11-20".to_owned(),
        secrecy: Some("Dichiarazione prot. 8/2026".to_owned()),
        secrecy_on: Some("2026-11-20".to_owned()),
        from: acting.now,
        until: acting.now + DAY * 30,
    };
    external_staff::enter(main, &wanted, acting).unwrap();
    let ended = external_staff::enter(main, &wanted, acting).unwrap();
    external_staff::end(main, ended, "finito", acting).unwrap();
}

fn towns(main: &mut Connection, house: &House, acting: &Acting<'_>) {
    let form = "PS/####/YYYY".parse().unwrap();
    let questura: BodyId = "questura".parse().unwrap();
    bodies::set_reference_form(main, &questura, Some(&form), acting).unwrap();
    let wanted = |scope, purposes: &[Purpose]| WantedPurposes {
        scope,
        purposes: purposes.iter().copied().collect(),
        act: "D.C.C. 7/2026".to_owned(),
        sanction_basis: None,
        from: acting.now,
    };
    let town = PurposeScope::Municipality(name("Perugia"));
    let list = wanted(town, &[Purpose::PublicSafety, Purpose::Traffic]);
    purposes::set(main, &list, acting).unwrap();
    let gate = PurposeScope::Gate("porta-nord".parse().unwrap());
    purposes::set(main, &wanted(gate, &[Purpose::PublicSafety]), acting).unwrap();
    let mut pact = pact(
        "provincia",
        "Perugia",
        &["questura", "pl-corciano"],
        acting.now,
    );
    pact.gates = ["porta-nord".parse().unwrap()].into();
    agreements::make(main, &pact, acting).unwrap();
    let corciano = Party::Giver(name("Corciano"));
    agreements::join(main, &pact.id, &corciano, acting).unwrap();
    let police = Party::Receiver("pl-corciano".parse().unwrap());
    agreements::leave(main, &pact.id, &police, acting).unwrap();
    cessation::cease(main, &name("Corciano"), "D.C.C. 8/2026", acting).unwrap();
    let keys = house.home.case_keys().unwrap();
    let none = |_: &_| Ok::<_, Infallible>(0);
    cessation::certify(main, &keys, &name("Corciano"), none, acting).unwrap();
    municipal::give(
        main,
        &"porta-est".parse().unwrap(),
        Some(&name("Perugia")),
        acting,
    )
    .unwrap();
}

fn watching(main: &mut Connection, house: &House, acting: &Acting<'_>) {
    let key = house.home.webhook_key().unwrap();
    for id in ["centrale", "vecchia"] {
        let new = NewWebhook {
            id,
            url: "https://centrale.example/varco",
            authority: Some("-----BEGIN CERTIFICATE-----"),
            lists: &["rubate".parse().unwrap()],
            body: &BodyId::owner(),
        };
        let tells = [WebhookTells::Alerts, WebhookTells::Anomalies];
        webhooks::make(main, &key, new, &tells, acting).unwrap();
    }
    webhooks::resume(main, "centrale", acting).unwrap();
    webhooks::remove(main, "vecchia", acting).unwrap();
    let spot = Spot {
        gate: "porta-nord".parse().unwrap(),
        camera: None,
    };
    let place = Place::new(43.112_200_1, 12.388_5).unwrap();
    places::place(main, &spot, Some(place), acting).unwrap();
    let person = actors::named(main, "Isp. Gialli", ActorKind::Person, acting.now).unwrap();
    let shift = DutyShift {
        from: acting.now,
        to: acting.now + HOUR * 8,
    };
    judgement::tell_duty(main, &person, &[shift], acting).unwrap();
    judgement::tell_accounts(
        main,
        "GLLPLA80A01G478X",
        std::slice::from_ref(&person),
        acting,
    )
    .unwrap();
    let at_work = Acting {
        actor: &person.of_body("owner"),
        now: acting.now,
        key: acting.key,
    };
    let wanted = WantedClaim {
        municipality: &name("Perugia"),
        gates: &["porta-nord".parse().unwrap()],
        lasts: Duration::from_secs(600),
    };
    claims::claim(main, wanted, &at_work).unwrap();
    let visitor = Visitor {
        name: "Mario Bianchi".to_owned(),
        kind: VisitorKind::Subject,
        document: "CI AX1234567".to_owned(),
        authorisation: "aut. 3/2026".to_owned(),
        signed: SignedHow::Paper,
        signature_sha256: "ab".repeat(32),
    };
    let (key, owner) = (house.home.webhook_key().unwrap(), BodyId::owner());
    register::enter(main, &key, &owner, &visitor, &at_work).unwrap();
    let left = register::enter(main, &key, &owner, &visitor, &at_work).unwrap();
    register::leave(main, left, &owner, &at_work).unwrap();
    let permit = StandingPermit {
        number: 0,
        body: owner.clone(),
        recipient_kind: RecipientKind::JudicialAuthority,
        act: "decreto 5/2026".to_owned(),
        given_by: String::new(),
        given_at: acting.now,
        until: acting.now + DAY * 30,
        ended_at: None,
    };
    standing::make(main, &permit, &at_work).unwrap();
    let ended = standing::make(main, &permit, &at_work).unwrap();
    standing::end(main, ended, &owner, &at_work).unwrap();
}

/// A consortium in which every act was done that a table has a row of.
async fn busy() -> Consortium {
    let town = Consortium::new().await;
    let house = &town.house;
    let levante = house.edge_at("porta-levante-02", "porta-est");
    house
        .allow(&levante, Claimed::Gate("porta-nord".parse().unwrap()))
        .unwrap();
    let invitee = Invitee {
        edge: "porta-ovest-01".parse().unwrap(),
        gate: "porta-ovest".parse().unwrap(),
        place: None,
        broker_host: None,
        broker_port: None,
        valid: DAY,
    };
    enrolment::invite(&house.home, invitee, house.clock.now()).unwrap();
    // A correction, a second look and a session, over HTTPS.
    let found = town.ask(json!({"plate": "AB001CD", "limit": 1}));
    let (_, answer) = town.send(&town.perugia, "/api/v1/lookups", &found).await;
    let id = answer["results"][0]["transit_id"].as_str().unwrap();
    let text = json!({"plate": "AB001OD", "reason": "foto", "purpose": "public-safety",
        "case_reference": "PG 9/2026"});
    let path = format!("/api/v1/transits/{id}/corrections");
    assert_eq!(town.send(&town.perugia, &path, &text).await.0, 201);
    for count in 0..4 {
        let wanted =
            town.ask(json!({"plate": "AB002CD", "case_reference": format!("PG {count}/2026")}));
        town.send(&town.perugia, "/api/v1/lookups", &wanted).await;
        house.clock.advance(HOUR);
    }
    let look =
        json!({"plate": "AB002CD", "purpose": "public-safety", "case_reference": "PG 8/2026"});
    let (status, answer) = town
        .send(&town.perugia, "/api/v1/second-looks", &look)
        .await;
    assert_eq!(status, 201, "{answer}");
    let post = TestPost::new(house, &town.hub, "Sala operativa").await;
    TestPerson::new(house, &town.hub, "rossi", &[Permission::Lookups], &post).await;
    act(house, |main, acting| {
        offices(main, acting);
        watching(main, house, acting);
        towns(main, house, acting);
    });
    house.clock.advance(SECOND);
    town
}

/// A column as SQLite knows it.
struct Column {
    name: String,
    kind: String,
}

fn columns(main: &Connection, table: &str) -> Vec<Column> {
    let sql = format!("SELECT name, type FROM pragma_table_info('{table}')");
    let mut statement = main.prepare(&sql).unwrap();
    let all = statement.query_map([], |row| {
        Ok(Column {
            name: row.get(0)?,
            kind: row.get(1)?,
        })
    });
    all.unwrap().map(Result::unwrap).collect()
}

/// What the verifier says of a table after somebody with the file changed it so; none when no row was there. Nothing stays.
fn changed(house: &House, table: &str, sql: &str) -> Option<Vec<String>> {
    let main = house.home.open_main().unwrap();
    let kept = house.home.main_database().with_extension("kept");
    std::fs::remove_file(&kept).ok();
    main.execute("VACUUM INTO ?", [kept.to_string_lossy()])
        .unwrap();
    let mut statement = main
        .prepare(
            "SELECT 'DROP ' || type || ' ' || name FROM sqlite_master
             WHERE type IN ('trigger', 'index') AND tbl_name = ? AND sql IS NOT NULL",
        )
        .unwrap();
    let guards = statement.query_map([table], |row| row.get::<_, String>(0));
    let guards: Vec<_> = guards.unwrap().map(Result::unwrap).collect();
    drop(statement);
    main.execute_batch("PRAGMA foreign_keys = OFF; PRAGMA ignore_check_constraints = ON")
        .unwrap();
    for guard in guards {
        main.execute_batch(&guard).unwrap();
    }
    let rows = main
        .execute(sql, [])
        .unwrap_or_else(|error| panic!("{sql}: {error}"));
    drop(main);
    let checked = (rows > 0).then(|| check(house));
    house.restart();
    for side in ["sqlite-wal", "sqlite-shm"] {
        std::fs::remove_file(house.home.main_database().with_extension(side)).ok();
    }
    std::fs::rename(&kept, house.home.main_database()).unwrap();
    let broken = checked?.broken_rows.into_iter();
    let of_it = broken.filter(|row| row.table == table);
    Some(of_it.map(|row| row.what).collect())
}

fn other(column: &Column) -> String {
    let Column { name, kind } = column;
    match kind.as_str() {
        "INTEGER" => format!("coalesce({name}, 0) + 1"),
        "TEXT" => format!("coalesce({name}, '') || 'x'"),
        _ => "randomblob(40)".to_owned(),
    }
}

fn tamper_with(house: &House, table: &VerifiedTable) -> usize {
    let VerifiedTable { name, .. } = table;
    let main = house.home.open_main().unwrap();
    let all = columns(&main, name);
    drop(main);
    let mut tried = 0;
    let mut named = |sql: &str| {
        let found = changed(house, name, sql);
        let found = found.unwrap_or_else(|| panic!("no row was there: {sql}"));
        assert!(!found.is_empty(), "not named: {sql}");
        tried += 1;
    };
    for held in table.columns {
        let column = all.iter().find(|column| column.name == *held).unwrap();
        named(&format!(
            "UPDATE OR IGNORE {name} SET {held} = {}",
            other(column)
        ));
    }
    // A row that no line made; its keys are others than those there are.
    let values = all.iter().map(|column| match column.kind.as_str() {
        "INTEGER" => format!("coalesce({}, 0) + 7000", column.name),
        "TEXT" if column.name == "way" => "way".to_owned(),
        "TEXT" => format!("coalesce({}, '') || 'y'", column.name),
        _ => "randomblob(16)".to_owned(),
    });
    let values: Vec<_> = values.collect();
    named(&format!(
        "INSERT INTO {name} SELECT {} FROM {name} LIMIT 1",
        values.join(", ")
    ));
    if !table.rows_go {
        named(&format!("DELETE FROM {name}"));
    }
    tried
}

#[tokio::test]
async fn c28_part_each_column_that_lines_tell_of_is_held_against_them() {
    let town = busy().await;
    let house = &town.house;
    let is_whole = || {
        let checked = check(house);
        assert!(checked.broken_rows.is_empty(), "{checked:?}");
        assert!(checked.broken_audit_lines.is_empty(), "{checked:?}");
    };
    is_whole();
    let tables = verified_tables();
    let lined = tables.iter().filter(|table| !table.columns.is_empty());
    let mut tried = 0;
    for table in lined {
        tried += tamper_with(house, table);
    }
    assert!(tried > 100, "{tried}");
    is_whole();
    assert!(floor::kept(&house.home).is_ok());
}

#[test]
fn c28_part_every_table_is_held_or_says_why_not() {
    let house = House::new();
    let main = house.home.open_main().unwrap();
    let sql = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'";
    let mut statement = main.prepare(sql).unwrap();
    let there = statement
        .query_map([], |row| row.get::<_, String>(0))
        .unwrap();
    let there: BTreeSet<String> = there.map(Result::unwrap).collect();
    let tables = verified_tables();
    let said: BTreeSet<String> = tables.iter().map(|table| table.name.to_owned()).collect();
    assert_eq!(
        there, said,
        "a table is new, or went: say what it is held against"
    );
    assert_eq!(said.len(), tables.len(), "one is said twice");
    for table in &tables {
        assert!(table.note.len() > 10, "{}", table.name);
        let has_columns = !table.columns.is_empty();
        assert!(
            !has_columns || table.against == HeldAgainst::Lines,
            "{}",
            table.name
        );
    }
    assert!(Actor::console().is_system());
}
