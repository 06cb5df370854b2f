//! Every access is tracked and archived (C24), for six months at least (C27), and a year (C28): over HTTPS, at the
//! console, by the hub itself, and found again after a restart and in an export.

use std::collections::BTreeSet;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser as _;
use serde_json::{Value, json};
use tokio::sync::watch;
use varco_hub::audit::ending::end_due;
use varco_hub::audit::export::LINES_FILE;
use varco_hub::audit::exported::{Trusted, check};
use varco_hub::audit::log;
use varco_hub::backup::create::create;
use varco_hub::backup::restore::{recovery_key, restore};
use varco_hub::cli::arguments::Arguments;
use varco_hub::cli::execute;
use varco_hub::config::audit::WitnessAddress;
use varco_hub::config::backup::BackupPlace;
use varco_hub::home::Home;
use varco_hub::people::tokens::Permission;
use varco_hub::running;
use varco_hub::timekeeping::Clock as _;
use varco_hub::tlog::note::{NoteKey, NoteKind};
use varco_hub::witnessing::standing;

use crate::http::{grounds, house_with};
use crate::levels_support::Hall;
use crate::matrix::{askers, rows};
use crate::matrix_requests::sent;
use crate::signed::{TestPerson, TestPost, lines, post_code_in, post_json};
use crate::support::{Carrying as _, DAY, House, SECOND, token_of};
use crate::witnessed::{exported, new_key};

/// What is done at the console, and the line that it leaves.
const CONSOLE: [(&str, &str); 22] = [
    ("edge list", "edges-listed"),
    ("edge show porta-nord-01", "edges-listed"),
    ("gate list", "gates-listed"),
    ("municipality list", "municipalities-listed"),
    ("purpose list", "purposes-listed"),
    ("body list", "bodies-listed"),
    ("person list", "persons-listed"),
    ("office show owner", "office-shown"),
    ("agreement list", "agreements-listed"),
    ("hotlist list", "hotlists-listed"),
    ("webhook list", "webhooks-listed"),
    ("token list", "tokens-listed"),
    ("account list", "accounts-listed"),
    ("post list", "posts-listed"),
    ("session list", "sessions-listed"),
    ("approval list", "approvals-listed"),
    ("audit show 1", "audit-read"),
    ("audit search", "audit-read"),
    ("audit prove 1", "audit-read"),
    ("municipality set Deruta --hub-term", "municipality-changed"),
    (
        "token add --service --actor Sistema --purpose public-safety",
        "token-issued",
    ),
    ("post invite Sala-2 --body owner", "post-invited"),
];

/// What is done otherwise.
const OTHER: [&str; 8] = [
    "sign-in-refused",
    "signed-in",
    "live-opened",
    "live-closed",
    "backup-begun",
    "witnesses-changed",
    "hub-started",
    "hub-stopped",
];

fn count(house: &House, action: &str) -> usize {
    lines(house, action).len()
}

/// Does at the console what somebody types there.
fn console(home: &Home, typed: &str) {
    let root = home.root().display().to_string();
    let words = ["varco-hub", "--home", &root]
        .into_iter()
        .chain(typed.split(' '));
    let arguments =
        Arguments::try_parse_from(words).unwrap_or_else(|error| panic!("{typed}: {error}"));
    let mut out = Vec::new();
    execute(arguments, &mut out).unwrap_or_else(|error| panic!("{typed}: {error:#}"));
}

/// Each route, by somebody who may, somebody who may not, a system, and nobody.
async fn routes(hall: &Hall) {
    let askers = askers(hall).await;
    let some = askers
        .iter()
        .filter(|asker| asker.is_at && "RGS".contains(asker.column));
    let some: Vec<_> = some.collect();
    assert_eq!(some.len(), 3);
    let mut unknown = 0;
    for row in rows() {
        for asker in &some {
            let before = asker.lines(hall);
            let status = asker.ask(hall, row.asked).await;
            assert!(status < 500 && status != 429, "{}: {status}", row.asked);
            assert!(
                asker.lines(hall) > before,
                "{}: {}",
                row.asked,
                asker.column
            );
        }
        let (method, path) = row.asked.split_once(' ').unwrap();
        let url = format!("{}{}", hall.hub.url, sent(row.asked, "").at(path));
        let request = hall.hub.client.request(method.parse().unwrap(), url);
        let status = request
            .bearer_auth("varco_nobody")
            .send()
            .await
            .unwrap()
            .status();
        assert!(
            [401, 429].contains(&status.as_u16()),
            "{}: {status}",
            row.asked
        );
        unknown += 1;
        hall.house.clock.advance(SECOND * 4);
    }
    // A failed sign-in, from a post.
    let code = post_code_in(&hall.house, "Sala 3", "owner");
    let post = TestPost::with_code(&hall.hub, &code).await;
    let may = [Permission::Lookups];
    let person = TestPerson::new(&hall.house, &hall.hub, "prova", &may, &post).await;
    hall.house.clock.advance(SECOND * 61);
    let mut typed = person.typed(&hall.house);
    typed["password"] = json!("non la so proprio");
    typed["post"] = post.proof(&hall.hub, "prova").await;
    let refused = post_json(&hall.hub, "/api/v1/session", &typed).await;
    assert_eq!(refused.status(), 401);
    // Of a flood some lines tell how many: together they tell of all.
    hall.hub.stop.send(true).unwrap();
    let told = || -> u64 {
        let all = lines(&hall.house, "attempt-refused").into_iter();
        let nobodys = all.filter(|line| line["actor"] == "nobody");
        nobodys
            .filter_map(|line| line["details"]["count"].as_u64())
            .sum()
    };
    for _ in 0..100 {
        if told() >= unknown {
            break;
        }
        tokio::time::sleep(SECOND / 20).await;
    }
    assert!(told() >= unknown, "{} of {unknown}", told());
}

/// The hub itself, as a daemon: it begins and ends.
async fn runs(house: &House) {
    let free = || {
        TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
    };
    let file = house.home.config_file();
    let text = std::fs::read_to_string(&file).unwrap();
    let text = text.replace(
        "listen = \"127.0.0.1:1\"",
        &format!("listen = \"{}\"", free()),
    );
    std::fs::write(&file, text).unwrap();
    house.restart();
    let config = house.home.config().unwrap();
    let beginning = running::begin(&house.home, &config, house.clock.now()).unwrap();
    let (stop, stopping) = watch::channel(false);
    let (home, clock) = (house.home.clone(), Arc::clone(&house.clock));
    let running =
        tokio::spawn(async move { running::run(&home, &config, beginning, clock, stopping).await });
    for _ in 0..400 {
        if count(house, "hub-started") > 0 || running.is_finished() {
            break;
        }
        tokio::time::sleep(SECOND / 20).await;
    }
    stop.send(true).ok();
    running.await.unwrap().unwrap();
}

#[expect(clippy::too_many_lines, reason = "one story, told in its order")]
#[tokio::test(flavor = "multi_thread")]
async fn c24_every_access_is_tracked_and_archived_and_found_after_a_restart_and_in_an_export() {
    let mut hall = Hall::new().await;
    hall.house.companions = true;
    hall.hub = hall.house.serve().await;
    routes(&hall).await;
    let house = &hall.house;
    for (typed, action) in CONSOLE {
        let before = count(house, action);
        console(&house.home, typed);
        assert!(count(house, action) > before, "{typed} left no line");
    }
    let folder = tempfile::tempdir().unwrap();
    let place = BackupPlace {
        data: folder.path().join("data"),
        keys: folder.path().join("keys"),
    };
    let witness = WitnessAddress {
        address: "https://dpo.example.it:9470".to_owned(),
        key: NoteKey::new("dpo.example.it", NoteKind::Witness, new_key().opening_key()).unwrap(),
        ca_file: None,
    };
    let key = house.home.sealing_key().unwrap();
    standing::take_over(
        &mut house.home.open_main().unwrap(),
        &[witness],
        house.clock.now(),
        &key,
    )
    .unwrap();
    runs(house).await;
    let report = create(&house.home, &place, house.clock.now()).unwrap();

    // All of it is there after a restart, over the route of those who oversee.
    let controller = token_of(house, "controller", &[Permission::Oversight]);
    hall.hub = hall.house.serve().await;
    let house = &hall.house;
    let all: BTreeSet<&str> = CONSOLE
        .iter()
        .map(|(_, action)| *action)
        .chain(OTHER)
        .collect();
    for action in &all {
        let body = json!({"action": action, "limit": 1});
        let (status, found) = hall.post(&controller, "audit/search", &body).await;
        assert_eq!(status, 200, "{found}");
        assert_eq!(
            found["lines"].as_array().unwrap().len(),
            1,
            "{action}: {found}"
        );
    }
    // And in an export, which proves itself.
    let (out, main) = (folder.path().join("out"), house.home.open_main().unwrap());
    exported(&main, &key, &out);
    let trusted = Trusted {
        log: log::public_key(&key).unwrap(),
        hub: key.opening_key(),
        witnesses: Vec::new(),
        checkpoints: Vec::new(),
        earlier: None,
        is_part: false,
        each_signature: true,
    };
    assert!(check(&out, &trusted).unwrap().intact);
    let text = std::fs::read_to_string(out.join(LINES_FILE)).unwrap();
    for action in all.iter().chain(&["attempt-refused", "lookup"]) {
        assert!(
            text.contains(&format!("\\\"action\\\":\\\"{action}\\\"")),
            "{action}"
        );
    }
    // A restore is a line of the restored home.
    let recovery = recovery_key(&report.recovery_key.unwrap()).unwrap();
    let home = Home::at(folder.path().join("new"));
    restore(&place, &recovery, &home, house.clock.now()).unwrap();
    let sql = "SELECT count(*) FROM audit WHERE action = 'hub-restored'";
    let restored: i64 = home
        .open_main()
        .unwrap()
        .query_row(sql, [], |row| row.get(0))
        .unwrap();
    assert_eq!(restored, 1);
}

/// What whoever oversees finds of a lookup over HTTPS after so long, once what may end has ended. `term` is what
/// hub.toml says; less than a year is none.
struct Kept {
    after: Duration,
    term: Duration,
    found: usize,
}

async fn kept_for(steps: &[Kept]) {
    let (house, hub) = house_with(&["AB123CD"]).await;
    let mut looked = grounds();
    looked["plate"] = "ZQ987ZQ".into();
    assert_eq!(hub.look_up(looked).await.0, 200);
    let begins = house.clock.now();
    let key = house.home.sealing_key().unwrap();
    for (number, step) in steps.iter().enumerate() {
        house
            .clock
            .advance(step.after - house.clock.now().since(begins));
        end_due(
            &mut house.home.open_main().unwrap(),
            step.term,
            house.clock.now(),
            &key,
        )
        .unwrap();
        let token = token_of(
            &house,
            &format!("controller {number}"),
            &[Permission::Oversight],
        );
        let request = hub.client.post(format!("{}/api/v1/audit/search", hub.url));
        let body = json!({"plate": "ZQ987ZQ", "action": "lookup"});
        let answer = request.carrying(token).json(&body).send().await.unwrap();
        assert_eq!(answer.status(), 200);
        let answer: Value = answer.json().await.unwrap();
        let found = answer["lines"].as_array().unwrap();
        assert_eq!(found.len(), step.found, "after {:?}: {answer}", step.after);
        for line in found {
            let line: Value = serde_json::from_str(line["line"].as_str().unwrap()).unwrap();
            assert_eq!(line["action"], "lookup");
            assert!(
                line["actor_id"].is_string() && line["purpose"] == "urban-security",
                "{line}"
            );
        }
    }
}

#[tokio::test]
async fn c27_the_history_of_accesses_is_kept_at_least_six_months() {
    let never_less = Duration::ZERO;
    let step = |days: u32| Kept {
        after: DAY * days,
        term: never_less,
        found: 1,
    };
    kept_for(&[step(0), step(30), step(90), step(180), step(184), step(200)]).await;
}

#[tokio::test]
async fn c28_the_servers_access_log_is_kept_one_year() {
    let at = |days: u32, term: u32, found| Kept {
        after: DAY * days,
        term: DAY * term,
        found,
    };
    // Whatever hub.toml could say, a year and a day; by default two years, and then no longer.
    kept_for(&[at(1, 0, 1), at(365, 0, 1), at(366, 0, 1)]).await;
    kept_for(&[
        at(365, 730, 1),
        at(366, 730, 1),
        at(729, 730, 1),
        at(732, 730, 0),
    ])
    .await;
}
