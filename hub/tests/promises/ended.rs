//! What had ended does not live again, whichever older copy is restored or put in place.

use std::fs;
use std::path::Path;
use varco_hub::config::backup::BackupPlace;
use varco_hub::enrolment::adding::{self, NewEdge};
use varco_hub::enrolment::desk::revoke_edge;

use varco_hub::alerts::desk as webhooks;
use varco_hub::alerts::webhook::{self, NewWebhook, WebhookTells};
use varco_hub::audit::acting::Acting;
use varco_hub::audit::actor::{Actor, ActorKind};
use varco_hub::audit::purpose::Grounds;
use varco_hub::backup::create::create;
use varco_hub::backup::restore::{recovery_key, restore};
use varco_hub::boxes::anomalies::{self, Sign};
use varco_hub::boxes::edges;
use varco_hub::boxes::kinds::Kind;
use varco_hub::cases::case::{self, Case, Item};
use varco_hub::cases::desk as case_desk;
use varco_hub::home::Home;
use varco_hub::hotlists::desk::{self};
use varco_hub::hotlists::list::{self, Hotlist};
use varco_hub::machine::files;
use varco_hub::municipalities;
use varco_hub::opening::floor;
use varco_hub::people::actors;

use varco_hub::people::tokens::{self, Permissions, Shown};
use varco_hub::store::sql::Connection;
use varco_hub::timekeeping::Clock as _;
use varco_hub::transits::blocks;
use varco_proto::cipher::Key;
use varco_proto::ids::Digest;
use varco_proto::time::UtcTime;

use crate::approvals::Anybody;
use crate::support::{DAY, House, SECOND, TestEdge};
use crate::tokens::add_token;

/// A house in which everything that can end is there, with its backup.
struct Living {
    house: House,
    edge: TestEdge,
    folder: tempfile::TempDir,
    place: BackupPlace,
    key: Key,
    token: String,
}

const TRANSIT: [u8; 16] = [7; 16];

fn grounds() -> Grounds {
    Grounds::stated(Some("public-safety"), Some("PG 5/2026")).unwrap()
}

fn act<T>(house: &House, act: impl FnOnce(&mut Connection, &Acting<'_>) -> T) -> T {
    let acting = Acting {
        actor: &Actor::console(),
        now: house.clock.now(),
        key: &house.home.sealing_key().unwrap(),
    };
    act(&mut house.home.open_main().unwrap(), &acting)
}

pub(crate) fn hotlist(now: UtcTime) -> Hotlist {
    Hotlist {
        id: "rubate".parse().unwrap(),
        name: "Rubate".into(),
        reason: "furto".into(),
        owner: "Questura".into(),
        grounds: grounds(),
        priority: 50,
        near: false,
        valid_from: now,
        valid_to: now + DAY * 100,
        seen_by: Vec::new(),
        made_at: now,
        made_by: "console".into(),
        body: varco_hub::bodies::BodyId::owner(),
        closed_at: None,
        entries: 0,
        imported_at: None,
    }
}

/// On two persons' word.
fn close_case(main: &mut Connection, acting: &Acting<'_>) {
    for person in ["Verdi", "Neri"] {
        let actor = actors::named(main, person, ActorKind::Person, acting.now).unwrap();
        let acting = Acting {
            actor: &actor.of_body("owner"),
            ..*acting
        };
        case_desk::close_by(main, &"c1".parse().unwrap(), &Anybody, &acting).unwrap();
    }
}

fn a_case(now: UtcTime) -> Case {
    Case {
        id: "c1".parse().unwrap(),
        authority: "Procura di Perugia".into(),
        order: "decreto 5/2026".into(),
        grounds: grounds(),
        until: now + DAY * 30,
        opened_at: now,
        opened_by: "console".into(),
        body: varco_hub::bodies::BodyId::owner(),
        closed_at: None,
        items: 0,
        blocked: 0,
    }
}

fn raise(house: &House, number: u8) {
    let sql =
        "INSERT INTO alerts (transit, list, hour, priority, near, raised_at_us, digest, sealed)
               VALUES (?, 'rubate', ?, 50, 0, 0, zeroblob(32), x'00')";
    let main = house.home.open_main().unwrap();
    let hour = house.hours()[0].number();
    main.execute(sql, ([number; 16].to_vec(), hour)).unwrap();
}

/// A list with a plate, and a case that holds a transit.
fn list_and_case(house: &House) {
    let now = house.clock.now();
    let keys = house.home.case_keys().unwrap();
    act(house, |main, acting| {
        let list = hotlist(now);
        desk::make(main, &house.home.list_keys().unwrap(), &list, acting).unwrap();
        main.execute_batch("INSERT INTO hotlist_pages VALUES ('rubate', 1, x'00')")
            .unwrap();
        let case = a_case(now);
        case_desk::open(main, &keys, &case, acting).unwrap();
        let item = Item {
            transit: TRANSIT,
            digest: Digest::of(b"record"),
            edge: "porta-nord-01".into(),
            envelope: b"sealed original".to_vec(),
        };
        case_desk::hold(main, &keys, &case.id, vec![item], acting).unwrap();
    });
}

fn living() -> Living {
    let house = House::new();
    let mut edge = house.edge("porta-nord-01");
    list_and_case(&house);
    let now = house.clock.now();
    let hook = house.home.webhook_key().unwrap();
    act(&house, |main, acting| {
        let new = NewWebhook {
            id: "centrale",
            url: "https://centrale.example.it/varco",
            authority: None,
            lists: &[],
            body: &varco_hub::bodies::BodyId::owner(),
        };
        webhooks::make(main, &hook, new, &[WebhookTells::Alerts], acting).unwrap();
    });
    let token = add_token(&house.home, "Agente Rossi", &Permissions::usual(), now).unwrap();
    house.writer().take(&[edge.seal("AB123CD", now)]).unwrap();
    raise(&house, 1);
    let folder = tempfile::tempdir().unwrap();
    let place = BackupPlace {
        data: folder.path().join("data"),
        keys: folder.path().join("keys"),
    };
    let report = create(&house.home, &place, now).unwrap();
    let key = recovery_key(&report.recovery_key.unwrap()).unwrap();
    Living {
        house,
        edge,
        folder,
        place,
        key,
        token,
    }
}

impl Living {
    /// Everything ends, and a second alert is raised; then the next backup run follows.
    fn end(&mut self) {
        let house = &self.house;
        house.clock.advance(SECOND * 60);
        let now = house.clock.now();
        let second = [self.edge.seal("AB123CD", now)];
        house.writer().take(&second).unwrap();
        raise(house, 2);
        // One that the older copy does not even know.
        house.edge("porta-sud");
        for edge in ["porta-nord-01", "porta-sud"] {
            revoke_edge(&house.home, &edge.parse().unwrap(), now).unwrap();
        }
        let keys = house.home.case_keys().unwrap();
        act(house, |main, acting| {
            let lists = house.home.list_keys().unwrap();
            desk::close(main, &lists, &"rubate".parse().unwrap(), acting).unwrap();
            close_case(main, acting);
            keys.destroy_closed(main).unwrap();
            webhook::remove(main, "centrale", now).unwrap();
            let digest = Digest::of(self.token.as_bytes()).to_string();
            tokens::revoke(main, &digest[..16], now).unwrap();
            blocks::block(main, &TRANSIT, "istanza 9/2026", now).unwrap();
            main.execute_batch(
                "INSERT INTO municipalities (name, term_hours) VALUES ('Macerata', 24);
                 INSERT INTO municipality_gates VALUES ('porta-nord', 'Macerata')",
            )
            .unwrap();
        });
    }
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_folder(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}

fn expect_revoked(home: &Home) {
    let main = home.open_main().unwrap();
    for edge in ["porta-nord-01", "porta-sud"] {
        let found = edges::find(&main, &edge.parse().unwrap()).unwrap();
        assert!(found.unwrap().revoked_at.is_some(), "{edge}");
    }
    assert_eq!(edges::revoked(&main).unwrap().len(), 2);
}

#[test]
fn what_had_ended_does_not_live_again_with_an_older_data_folder() {
    let mut living = living();
    let old = BackupPlace {
        data: living.folder.path().join("old"),
        keys: living.place.keys.clone(),
    };
    copy_folder(&living.place.data, &old.data);
    living.end();
    let now = living.house.clock.now();
    create(&living.house.home, &living.place, now).unwrap();
    let list = files::read(&living.house.home.revocation_list()).unwrap();

    let home = Home::at(living.folder.path().join("restored"));
    let report = restore(&old, &living.key, &home, now + SECOND).unwrap();
    assert!(
        report.intact,
        "{:?}",
        varco_hub::proof::verification::verify(&home, now)
    );
    let raised = &report.ended_again;
    assert_eq!(raised.edges, ["porta-nord-01", "porta-sud"]);
    assert_eq!(raised.cases, ["c1"]);
    assert_eq!(raised.hotlists, ["rubate"]);
    assert_eq!(raised.webhooks, ["centrale"]);
    assert_eq!(raised.gates, ["porta-nord"]);
    assert_eq!((raised.tokens, raised.blocks.len()), (1, 1));
    assert_eq!(report.keys_made_at, now.to_string());

    expect_revoked(&home);
    assert_ne!(files::read(&home.revocation_list()).unwrap(), list);
    let main = home.open_main().unwrap();
    let case = "c1".parse().unwrap();
    let keys = home.case_keys().unwrap();
    assert!(case::items(&main, &keys, &case).is_err());
    assert!(keys.wrapped().unwrap().is_empty());
    assert!(home.list_keys().unwrap().wrapped().unwrap().is_empty());
    let count = |sql: &str| -> i64 { main.query_row(sql, [], |row| row.get(0)).unwrap() };
    assert_eq!(count("SELECT count(*) FROM case_items"), 0);
    assert_eq!(count("SELECT count(*) FROM hotlist_pages"), 0);
    let lists = list::all(&main).unwrap();
    assert!(lists[0].closed_at.is_some());
    assert!(webhook::all(&main).unwrap().is_empty());
    let token = tokens::shown(&main, &living.token, living.house.clock.now());
    assert!(matches!(token, Ok(Shown::Ended(_))), "{token:?}");
    assert!(blocks::all(&main).unwrap().contains(&TRANSIT));
    let terms = municipalities::terms(&main).unwrap();
    assert_eq!(terms.all().count(), 1);
    // The next alert has a number that no receiver has seen.
    let highest = "SELECT seq FROM sqlite_sequence WHERE name = 'alerts'";
    assert_eq!(count(highest), 2);
    // The next revocation forgets none of those before.
    drop(main);
    restore_again_and_revoke(&living, &old, now);
}

/// A revocation in a restored home names the edges of before too.
fn restore_again_and_revoke(living: &Living, old: &BackupPlace, now: UtcTime) {
    let home = Home::at(living.folder.path().join("again"));
    restore(old, &living.key, &home, now).unwrap();
    let bundle = living.house.bundle("porta-ovest");
    let (edge, gate) = (
        "porta-ovest".parse().unwrap(),
        "porta-ovest".parse().unwrap(),
    );
    adding::add_edge(
        &home,
        NewEdge {
            id: &edge,
            gate: &gate,
            place: None,
        },
        &bundle,
        now,
    )
    .unwrap();
    revoke_edge(&home, &edge, now).unwrap();
    let main = home.open_main().unwrap();
    assert_eq!(edges::revoked(&main).unwrap().len(), 3);
}

#[test]
fn a_webhook_that_was_made_anew_does_not_live_again_as_it_was() {
    let living = living();
    let old = BackupPlace {
        data: living.folder.path().join("old"),
        keys: living.place.keys.clone(),
    };
    copy_folder(&living.place.data, &old.data);
    let house = &living.house;
    house.clock.advance(SECOND * 60);
    let (now, hook) = (house.clock.now(), house.home.webhook_key().unwrap());
    let url = "https://nuova.example.it/varco";
    act(house, |main, _| {
        webhook::remove(main, "centrale", now).unwrap();
        webhook::make(
            main,
            &hook,
            NewWebhook {
                id: "centrale",
                url,
                authority: None,
                lists: &[],
                body: &varco_hub::bodies::BodyId::owner(),
            },
            now,
        )
        .unwrap();
    });
    create(&house.home, &living.place, now).unwrap();

    let home = Home::at(living.folder.path().join("restored"));
    let report = restore(&old, &living.key, &home, now + SECOND).unwrap();
    assert_eq!(report.ended_again.webhooks, ["centrale"]);
    let main = home.open_main().unwrap();
    assert!(webhook::all(&main).unwrap().is_empty());
    // The data folder of the same run has the new one, and keeps it.
    let home = Home::at(living.folder.path().join("today"));
    let report = restore(&living.place, &living.key, &home, now + SECOND).unwrap();
    assert!(report.ended_again.webhooks.is_empty());
    let told = webhook::all(&home.open_main().unwrap()).unwrap();
    assert_eq!(told[0].url, url);
}

#[test]
fn news_of_boxes_have_numbers_that_no_reader_has_seen() {
    let living = living();
    let old = BackupPlace {
        data: living.folder.path().join("old"),
        keys: living.place.keys.clone(),
    };
    copy_folder(&living.place.data, &old.data);
    let (house, edge) = (&living.house, &living.edge.id);
    let now = house.clock.now();
    let see = |main: &Connection, kind: Kind| {
        let sign = Sign::of_box(kind, "found");
        anomalies::see(main, Some(edge), &sign, now).unwrap()
    };
    let main = house.home.open_main().unwrap();
    assert_eq!(see(&main, Kind::Silent), Some(1));
    assert_eq!(see(&main, Kind::DiskLow), Some(2));
    create(&house.home, &living.place, now).unwrap();

    let home = Home::at(living.folder.path().join("restored"));
    restore(&old, &living.key, &home, now + SECOND).unwrap();
    let main = home.open_main().unwrap();
    assert_eq!(anomalies::newest(&main).unwrap(), 2);
    assert_eq!(see(&main, Kind::Silent), Some(3));
}

#[test]
fn an_older_data_folder_has_nothing_that_opens_a_closed_case() {
    let mut living = living();
    let old = BackupPlace {
        data: living.folder.path().join("old"),
        keys: living.place.keys.clone(),
    };
    copy_folder(&living.place.data, &old.data);
    // A restore while the case is open has it.
    let now = living.house.clock.now();
    let home = Home::at(living.folder.path().join("open"));
    restore(&old, &living.key, &home, now).unwrap();
    let (main, keys) = (home.open_main().unwrap(), home.case_keys().unwrap());
    let case = "c1".parse().unwrap();
    assert_eq!(case::items(&main, &keys, &case).unwrap().len(), 1);
    // With its items put back by hand and the case said to be open, today's keys open nothing.
    living.end();
    create(&living.house.home, &living.place, living.house.clock.now()).unwrap();
    let closed = Home::at(living.folder.path().join("closed"));
    restore(&old, &living.key, &closed, now).unwrap();
    let keys = closed.case_keys().unwrap();
    assert!(case::items(&main, &keys, &case).is_err(), "the key is gone");
}

#[test]
fn an_older_main_database_put_in_place_by_hand_revives_nothing() {
    let mut living = living();
    let home = &living.house.home.clone();
    let copy = living.folder.path().join("main.copy");
    let target = copy.to_string_lossy().into_owned();
    let main = home.open_main().unwrap();
    main.execute("VACUUM INTO ?", [target]).unwrap();
    drop(main);
    living.end();
    let now = living.house.clock.now();
    floor::keep(home, &home.open_main().unwrap()).unwrap();
    living.house.restart();
    for side in ["sqlite-wal", "sqlite-shm"] {
        fs::remove_file(home.main_database().with_extension(side)).ok();
    }
    fs::copy(&copy, home.main_database()).unwrap();
    let mut main = home.open_main().unwrap();
    let raised = floor::hold(home, &mut main, now).unwrap();
    assert_eq!(raised.edges, ["porta-nord-01", "porta-sud"]);
    assert_eq!((raised.cases.len(), raised.hotlists.len()), (1, 1));
    assert_eq!(raised.tokens, 1);
    expect_revoked(home);
    let again = floor::hold(home, &mut main, now).unwrap();
    assert!(again.is_nothing(), "{again:?}");
    let lines = "SELECT count(*) FROM audit WHERE action = 'hub-restored'";
    assert_eq!(living.house.count(lines), 1);
}

#[test]
fn what_is_older_is_merged_and_what_was_taken_back_is_not() {
    let mut living = living();
    let home = &living.house.home.clone();
    let before = floor::kept(home).unwrap();
    living.end();
    let ended = floor::keep(home, &home.open_main().unwrap()).unwrap();
    assert_ne!(before, ended);
    // A run into a place that was written by a home that knew more keeps what that knew.
    let main = home.open_main().unwrap();
    main.execute_batch("DELETE FROM edges WHERE id = 'porta-sud'")
        .unwrap();
    let later = floor::keep(home, &main).unwrap();
    assert_eq!(later, ended, "a name that was revoked stays so");
    main.execute_batch("UPDATE blocks SET lifted_at_us = 1")
        .unwrap();
    assert_ne!(
        floor::keep(home, &main).unwrap(),
        ended,
        "a block is lifted"
    );
}
