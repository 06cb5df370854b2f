//! What a hotlist has is what somebody put on it, and putting it there holds nobody up.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use varco_hub::audit::acting::Acting;
use varco_hub::audit::actor::Actor;
use varco_hub::hotlists::active::ActiveLists;
use varco_hub::hotlists::desk::{self, DeskError, HotlistShelf, ListFile};
use varco_hub::hotlists::import::How;
use varco_hub::hotlists::keys::ListKeys;
use varco_hub::hotlists::list::ListId;
use varco_hub::machine::stopwatch::Stopwatch;
use varco_hub::timekeeping::Clock as _;

use crate::alerts::{Watched, list, watched};
use crate::support::{Carrying as _, House};

const PLATES: &str = "/api/v1/hotlists/rubate/plates";
const REMOVAL: &str = "/api/v1/hotlists/rubate/plates/removal";

fn id() -> ListId {
    "rubate".parse().unwrap()
}

fn shelf(keys: &ListKeys) -> HotlistShelf<'_> {
    HotlistShelf {
        keys,
        active: None,
        turns: None,
    }
}

/// As another process does it.
fn imported(house: &House, file: &str) {
    let mut main = house.home.open_main().unwrap();
    let key = house.home.list_keys().unwrap();
    let acting = Acting {
        actor: &Actor::console(),
        now: house.clock.now(),
        key: &house.home.sealing_key().unwrap(),
    };
    let file = ListFile {
        list: &id(),
        bytes: file.as_bytes(),
        how: &How::default(),
    };
    desk::import(&mut main, &shelf(&key), file, &acting).unwrap();
}

fn many(from: u32, count: u32) -> String {
    let plates = (from..from + count).map(|n| {
        let letter = |shift: u32| char::from(b'A' + u8::try_from((n / shift) % 26).unwrap());
        format!("{}{}{:03}XY\n", letter(26_000), letter(1000), n % 1000)
    });
    plates.collect()
}

impl Watched {
    async fn notes(&self) -> Vec<String> {
        let alerts = self.hub.open_alerts().await;
        let note = |alert: &Value| alert["note"].as_str().unwrap_or_default().to_owned();
        alerts.iter().map(note).collect()
    }
}

#[tokio::test]
async fn a_plate_is_added_changed_and_removed_without_a_file() {
    let mut watched = watched("AB123CD\n").await;
    let added = json!({"plate": "gö ab 123", "note": "armato", "country": "Germania"});
    let (status, answer) = watched.hub.send("POST", PLATES, Some(added.clone())).await;
    assert_eq!(status, 204, "{answer}");
    let (status, _) = watched.hub.send("POST", PLATES, Some(added)).await;
    assert_eq!(status, 409, "it is there already");
    watched.passes("GOAB123");
    assert_eq!(watched.notes().await, ["(gö ab 123) armato"]);
    let changed = json!({"plate": "GO AB 123", "note": "non armato"});
    let (status, answer) = watched
        .hub
        .send("POST", &format!("{PLATES}/change"), Some(changed))
        .await;
    assert_eq!(status, 204, "{answer}");
    watched.passes("GOAB123");
    assert!(watched.notes().await.contains(&"non armato".to_owned()));
    let removed = || Some(json!({"plate": "GOAB123"}));
    assert_eq!(watched.hub.send("POST", REMOVAL, removed()).await.0, 204);
    assert_eq!(watched.hub.send("POST", REMOVAL, removed()).await.0, 409);
    watched.passes("GOAB123");
    assert_eq!(
        watched.hub.open_alerts().await.len(),
        2,
        "it is off the list"
    );
    watched.passes("AB123CD");
    assert_eq!(
        watched.hub.open_alerts().await.len(),
        3,
        "the others stay on it"
    );
    for action in ["added", "changed", "removed"] {
        let lines = format!("SELECT count(*) FROM audit WHERE action = 'hotlist-plate-{action}'");
        assert_eq!(watched.house.count(&lines), 1, "{action}");
    }
    let (status, answer) = watched
        .hub
        .send("POST", PLATES, Some(json!({"plate": "AB*"})))
        .await;
    assert_eq!(status, 422);
    assert!(!answer.to_string().contains("AB*"), "{answer}");
}

#[tokio::test]
async fn a_plate_on_an_empty_list_is_waited_for() {
    let mut watched = watched("AB123CD\n").await;
    assert_eq!(
        watched
            .hub
            .send("POST", "/api/v1/hotlists", Some(list("altra")))
            .await
            .0,
        201
    );
    let path = "/api/v1/hotlists/altra/plates";
    for plate in ["AB124CD", "AB125CD"] {
        let body = Some(json!({ "plate": plate }));
        assert_eq!(watched.hub.send("POST", path, body).await.0, 204);
        watched.passes(plate);
    }
    assert_eq!(watched.hub.open_alerts().await.len(), 2);
    let (status, _) = watched.hub.import("altra", "AB126CD\n").await;
    assert_eq!(status, 200);
    watched.passes("AB124CD");
    watched.passes("AB126CD");
    assert_eq!(
        watched.hub.open_alerts().await.len(),
        3,
        "a file replaces them"
    );
}

#[tokio::test]
async fn all_that_a_list_says_of_a_plate_is_in_its_alert() {
    let file = "targa;nazione;motivo;dal;scadenza\n\
        AB1234;DE;rubata in DE;;\nAB1234;RO;rubata in RO;;\nAB1234;DE;ritrovata;;01/11/2026\n\
        AO123OO;;prima;;\nA0123OO;;seconda;;\n";
    let mut watched = watched(file).await;
    watched.passes("AB1234");
    assert_eq!(watched.notes().await, ["rubata in DE / RO rubata in RO"]);
    watched.passes("A0123OO");
    let alerts = watched.hub.open_alerts().await;
    let twin = alerts
        .iter()
        .find(|alert| alert["read"] == "A0123OO")
        .unwrap();
    assert_eq!(
        twin["listed"], "A0123OO",
        "the one that was read comes first"
    );
    assert_eq!(twin["note"], "seconda / AO123OO prima");
}

#[tokio::test]
async fn a_dry_run_shows_the_account_and_changes_nothing() {
    let mut watched = watched("targa;motivo\nAB123CD;x\nAB124CD;x\nAB125CD;x\n").await;
    let url = format!(
        "{}/api/v1/hotlists/rubate/entries?dry_run=true",
        watched.hub.url
    );
    let file = "targa;motivo\nAB123CD;x\nAB124CD;y\nAB126CD;z\nAB*;q\nAB126CD;z\n\n";
    let request = watched.hub.client.post(url).carrying(&watched.hub.token);
    let response = request.body(file).send().await.unwrap();
    assert_eq!(response.status(), 200);
    let account: Value = response.json().await.unwrap();
    let difference = json!({"added": 1, "gone": 1, "changed": 1, "unchanged": 1});
    assert_eq!(account["difference"], difference);
    for (field, count) in [
        ("rows", 6),
        ("taken", 3),
        ("folded", 1),
        ("refused", 1),
        ("empty", 1),
    ] {
        assert_eq!(account[field], count, "{field}");
    }
    assert_eq!(account["lines"][1]["folded_with"], 4);
    assert!(
        !account.to_string().contains("AB12"),
        "no plate in an account"
    );
    watched.passes("AB126CD");
    watched.passes("AB125CD");
    assert_eq!(
        watched.hub.open_alerts().await.len(),
        1,
        "it has what it had"
    );
    let lines = "SELECT count(*) FROM audit WHERE action = 'hotlist-compared'";
    assert_eq!(watched.house.count(lines), 1);
}

#[tokio::test]
async fn a_file_that_is_not_understood_changes_nothing_and_is_mapped() {
    let mut watched = watched("AB123CD\n").await;
    let file = "STOLEN;IT;AC000CD;1\nSTOLEN;IT;AC001CD;2\n";
    let (status, answer) = watched.hub.import("rubate", file).await;
    assert_eq!(status, 422);
    assert!(!answer.to_string().contains("AC000CD"), "{answer}");
    let mapped = "rubate/entries?map=plate%3D3,note%3D1";
    let url = format!("{}/api/v1/hotlists/{mapped}", watched.hub.url);
    let request = watched.hub.client.post(url).carrying(&watched.hub.token);
    assert_eq!(request.body(file).send().await.unwrap().status(), 200);
    for plate in ["STOLEN", "AB123CD", "AC000CD"] {
        watched.passes(plate);
    }
    assert_eq!(watched.notes().await, ["STOLEN"]);
}

#[tokio::test]
async fn nobody_waits_while_a_file_is_read() {
    let watched = watched("AB123CD\n").await;
    let house = &watched.house;
    let (store, key) = (house.archive(), house.home.list_keys().unwrap());
    let mut main = house.home.open_main().unwrap();
    let other = house.home.open_main().unwrap();
    let shelf = HotlistShelf {
        turns: Some(&store),
        ..shelf(&key)
    };
    let mut free = 0;
    let file = many(0, 3000);
    let file = ListFile {
        list: &id(),
        bytes: file.as_bytes(),
        how: &How::default(),
    };
    let prepared = desk::prepare(
        &mut main,
        &shelf,
        &Actor::console(),
        file,
        house.clock.now(),
        &mut |_| {
            // Would wait for ever, had the reader taken the turn or the database.
            let _turn = store.turn();
            other.execute_batch("BEGIN IMMEDIATE; COMMIT").unwrap();
            free += 1;
        },
    );
    assert_eq!(free, 3000);
    assert!(prepared.is_ok());
}

#[tokio::test]
async fn an_import_that_is_cut_short_leaves_the_list_and_no_plate() {
    let mut watched = watched("AB123CD\n").await;
    let house = &watched.house;
    let key = house.home.list_keys().unwrap();
    let mut main = house.home.open_main().unwrap();
    let file = many(0, 3000);
    let now = house.clock.now();
    let file = ListFile {
        list: &id(),
        bytes: file.as_bytes(),
        how: &How::default(),
    };
    let console = Actor::console();
    let first = desk::prepare(&mut main, &shelf(&key), &console, file, now, &mut |_| {}).unwrap();
    let pages = "SELECT count(*) FROM hotlist_pages";
    assert_eq!(house.count(pages), 4);
    // The hub begins anew, as after a kill.
    desk::destroy_left_over(&mut main, &key).unwrap();
    assert_eq!(house.count(pages), 1);
    let acting = Acting {
        actor: &Actor::console(),
        now: house.clock.now(),
        key: &house.home.sealing_key().unwrap(),
    };
    let late = desk::adopt(&mut main, &shelf(&key), first, &acting);
    assert!(matches!(late, Err(DeskError::Meanwhile)), "{late:?}");
    watched.passes("AB123CD");
    assert_eq!(watched.hub.open_alerts().await.len(), 1);
}

#[tokio::test]
async fn a_large_list_of_another_process_is_read_beside_the_turn() {
    let watched = watched("AB123CD\n").await;
    let house = &watched.house;
    let main = house.home.open_main().unwrap();
    let lists = ActiveLists::load(&main, house.home.list_keys().unwrap().into()).unwrap();
    imported(house, "AB124CD\n");
    assert!(lists.refresh_in_turn(&main).unwrap(), "a small one at once");
    assert_eq!(lists.current().matcher.len(), 1);
    imported(house, &many(0, 20_000));
    assert!(
        !lists.refresh_in_turn(&main).unwrap(),
        "a large one not in the turn"
    );
    assert_eq!(lists.current().matcher.len(), 1);
    assert!(lists.refresh(&main).unwrap());
    assert_eq!(lists.current().matcher.len(), 20_000);
    let (status, answer) = watched
        .hub
        .send("POST", PLATES, Some(json!({"plate": "ZZ999ZZ"})))
        .await;
    assert_eq!(status, 204, "{answer}");
    assert!(
        lists.refresh_in_turn(&main).unwrap(),
        "one plate more at once"
    );
    assert_eq!(lists.current().matcher.len(), 20_001);
}

/// Prints the longest wait of a batch and of a lookup's audit line while a million rows are imported:
/// `cargo test --release -p varco-hub --test promises -- --ignored --nocapture a_million_rows`.
#[tokio::test]
#[ignore = "measures: takes a minute, and says something only of an optimised build"]
async fn a_million_rows_hold_no_receipt_up() {
    let mut watched = watched("AB123CD\n").await;
    let store = watched.house.archive();
    let key = watched.house.home.list_keys().unwrap();
    let lists = watched.house.hotlists();
    let file = many(0, 600_000) + &many(0, 400_000).replace("XY", "WZ");
    watched.writer = watched.house.writer().watching(lists.clone());
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let importing = scope.spawn(|| {
            let mut main = watched.house.home.open_main().unwrap();
            let shelf = HotlistShelf {
                keys: &key,
                active: Some(&lists),
                turns: Some(&store),
            };
            let acting = Acting {
                actor: &Actor::console(),
                now: watched.house.clock.now(),
                key: &watched.house.home.sealing_key().unwrap(),
            };
            let file = ListFile {
                list: &id(),
                bytes: file.as_bytes(),
                how: &How::default(),
            };
            let begun = Stopwatch::start();
            let account = desk::import(&mut main, &shelf, file, &acting);
            done.store(true, Ordering::SeqCst);
            (account.unwrap().entries, begun.elapsed())
        });
        let (mut longest, mut batches) = (Duration::ZERO, 0_u32);
        while !done.load(Ordering::SeqCst) {
            let message = watched.edge.seal("AB123CD", watched.house.clock.now());
            let begun = Stopwatch::start();
            watched.writer.take(&[message]).unwrap();
            longest = longest.max(begun.elapsed());
            batches += 1;
        }
        let (entries, took) = importing.join().unwrap();
        println!("{entries} entries in {took:?}; longest of {batches} batches {longest:?}");
    });
}
