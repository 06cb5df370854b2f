//! The audit over HTTPS, for those who oversee and nobody else; and the term of its lines.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use varco_hub::audit::action::Action;
use varco_hub::audit::ending::end_due;
use varco_hub::audit::export::{ExportedLine, LINES_FILE};
use varco_hub::audit::exported::{Trusted, check};
use varco_hub::audit::log::{self, StoredTree};
use varco_hub::audit::overseen::Overseen;
use varco_hub::audit::reading::{self, LineSearch, WantedLines};
use varco_hub::opening::floor;
use varco_hub::people::tokens::{Permission, Permissions};
use varco_hub::proof::verification::verify;
use varco_hub::store::sql::Connection;
use varco_hub::timekeeping::Clock as _;
use varco_hub::tlog::checkpoint::Checkpoint;
use varco_hub::tlog::note::Note;
use varco_hub::tlog::proof::LeafProof;
use varco_hub::tlog::tree::{TreeHash, TreeHead, check_consistency};
use varco_proto::keys::SealingKey;

use crate::http::{grounds, house_with};
use crate::support::{DAY, House, Served, token_of};
use crate::witnessed::exported;

/// A way to the audit.
const ROUTES: [(&str, &str); 7] = [
    ("POST", "search"),
    ("GET", "lines/1"),
    ("GET", "lines/1/proof"),
    ("GET", "consistency?old=1"),
    ("GET", "checkpoint"),
    ("GET", "tile/0/000.p/2"),
    ("GET", "tile/entries/000.p/2"),
];

async fn ask(hub: &Served, token: &str, route: (&str, &str)) -> (u16, String) {
    let (method, path) = route;
    let method: Method = method.parse().unwrap();
    let url = format!("{}/api/v1/audit/{path}", hub.url);
    let mut request = hub.client.request(method.clone(), url).bearer_auth(token);
    if method == Method::POST {
        request = request.json(&json!({}));
    }
    let answer = request.send().await.unwrap();
    let status = answer.status().as_u16();
    let bytes = answer.bytes().await.unwrap();
    (status, String::from_utf8_lossy(&bytes).into_owned())
}

fn lines(house: &House) -> i64 {
    house.count("SELECT count(*) FROM audit")
}

#[tokio::test]
async fn c11_c24_part_the_audit_is_read_by_oversight_alone_and_each_reading_is_a_line() {
    let (house, hub) = house_with(&["AB123CD"]).await;
    assert!(
        !Permissions::usual().has(Permission::Oversight),
        "never unasked"
    );
    let every: Vec<_> = Permission::ALL
        .iter()
        .map(|(permission, _)| *permission)
        .filter(|permission| *permission != Permission::Oversight)
        .collect();
    let operator = token_of(&house, "operator", &every);
    let controller = token_of(&house, "controller", &[Permission::Oversight]);
    for route in ROUTES {
        let (status, told) = ask(&hub, &operator, route).await;
        assert_eq!(status, 403, "{route:?}: {told}");
        assert!(told.contains("oversight"), "{told}");
        let (status, _) = ask(&hub, "varco_nobody", route).await;
        assert_eq!(status, 401, "{route:?}");
    }
    for route in ROUTES {
        let before = lines(&house);
        let (status, told) = ask(&hub, &controller, route).await;
        assert_eq!(status, 200, "{route:?}: {told}");
        assert_eq!(lines(&house), before + 1, "{route:?}");
        let last: Value = serde_json::from_str(&house.audit_line(before + 1)).unwrap();
        assert_eq!(last["action"], "audit-read", "{route:?}");
        assert_eq!(last["actor"], "controller");
    }
    // Who oversees looks no transits up.
    let looked = hub.client.post(format!("{}/api/v1/lookups", hub.url));
    let looked = looked.bearer_auth(&controller).json(&grounds()).send();
    assert_eq!(looked.await.unwrap().status(), 403);
    for wrong in [
        ("GET", "lines/99999"),
        ("GET", "lines/0"),
        ("GET", "lines/0/proof"),
        ("GET", "consistency?old=9&new=3"),
        ("GET", "consistency?old=1&new=99999"),
        ("GET", "tile/0/000"),
        ("GET", "tile/9/000"),
        ("GET", "tile/0/000.p/0"),
        ("GET", "tile/..%2F..%2Fmain.sqlite"),
    ] {
        let (status, told) = ask(&hub, &controller, wrong).await;
        assert_eq!(status, 404, "{wrong:?}: {told}");
    }
}

#[tokio::test]
async fn c43_part_what_the_hub_shows_over_https_proves_itself() {
    let (house, mut hub) = house_with(&["AB123CD"]).await;
    let mut looked = grounds();
    looked["plate"] = "AB123CD".into();
    hub.look_up(looked).await;
    hub.token = token_of(&house, "controller", &[Permission::Oversight]);
    let search = |body: Value| {
        let request = hub.client.post(format!("{}/api/v1/audit/search", hub.url));
        let request = request.bearer_auth(&hub.token).json(&body);
        async move { request.send().await.unwrap().json::<Value>().await.unwrap() }
    };
    let found = search(json!({"plate": "ab 123 cd", "action": "lookup"})).await;
    let found = &found["lines"].as_array().unwrap()[0];
    let sequence = found["sequence"].as_u64().unwrap();
    assert!(found["line"].as_str().unwrap().contains("AB123CD"));
    let page = search(json!({"limit": 2})).await;
    let next = page["next"].as_u64().unwrap();
    let older = search(json!({"limit": 2, "before": next})).await;
    assert_eq!(older["lines"][0]["sequence"], next - 1);
    let key = log::public_key(&house.home.sealing_key().unwrap()).unwrap();
    let path = format!("lines/{sequence}/proof");
    let (_, told) = ask(&hub, &hub.token, ("GET", &path)).await;
    let told: Value = serde_json::from_str(&told).unwrap();
    let line: ExportedLine = serde_json::from_value(told["line"].clone()).unwrap();
    let proof: LeafProof = told["proof"].as_str().unwrap().parse().unwrap();
    let leaf = line.remains().unwrap().leaf();
    assert_eq!(told["leaf"], leaf.to_string());
    let before = proof.check(leaf).unwrap();
    assert!(proof.checkpoint.signed_by(&key).unwrap().is_some());
    let (_, note) = ask(&hub, &hub.token, ("GET", "checkpoint")).await;
    let note = Note::parse(&note).unwrap();
    assert!(note.signed_by(&key).unwrap().is_some());
    let now = Checkpoint::of(&note).unwrap();
    let path = format!("consistency?old={}&new={}", before.head.size, now.head.size);
    let (_, told) = ask(&hub, &hub.token, ("GET", &path)).await;
    let told: Value = serde_json::from_str(&told).unwrap();
    let hashes = told["hashes"].as_array().unwrap().iter();
    let hashes: Vec<TreeHash> = hashes
        .map(|hash| hash.as_str().unwrap().parse().unwrap())
        .collect();
    check_consistency(&hashes, &before.head, &now.head).unwrap();
    let head = TreeHead {
        root: told["new_root"].as_str().unwrap().parse().unwrap(),
        ..now.head
    };
    assert_eq!(head, now.head);
}

/// Everything that is stored of lines, in the database's files.
fn is_stored(house: &House, text: &str) -> bool {
    let main = house.home.open_main().unwrap();
    main.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)")
        .unwrap();
    drop(main);
    let bytes = std::fs::read(house.home.main_database()).unwrap();
    bytes
        .windows(text.len())
        .any(|part| part == text.as_bytes())
}

/// No statement changes or ends a line.
fn refuses(house: &House) {
    for sql in [
        "DELETE FROM audit",
        "UPDATE audit SET line = '', actor = '', action = ''",
        "UPDATE audit SET line = '', actor = '', action = '' WHERE sequence = 1",
        "UPDATE audit_tree SET hash = zeroblob(32)",
        "DELETE FROM audit_tree",
        "DELETE FROM audit_ended",
    ] {
        let refused = house.home.open_main().unwrap().execute(sql, []);
        assert!(refused.is_err(), "{sql}");
    }
}

/// The log is whole where there is no hub too, with so many lines that have ended.
fn check_elsewhere(main: &Connection, key: &SealingKey, ended: u64) {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    exported(main, key, &out);
    let trusted = Trusted {
        log: log::public_key(key).unwrap(),
        hub: key.opening_key(),
        witnesses: Vec::new(),
        checkpoints: Vec::new(),
        earlier: None,
        is_part: false,
        each_signature: true,
    };
    let found = check(&out, &trusted).unwrap();
    assert!(found.intact && found.ended == ended, "{found:?}");
    let text = std::fs::read_to_string(out.join(LINES_FILE)).unwrap();
    assert!(!text.contains("ZQ987ZQ"));
}

#[tokio::test]
async fn c27_c28_part_lines_are_kept_for_more_than_a_year_and_end_by_their_term_with_the_log_still_whole()
 {
    let (house, hub) = house_with(&["AB123CD"]).await;
    let mut looked = grounds();
    looked["plate"] = "ZQ987ZQ".into();
    assert_eq!(hub.look_up(looked).await.0, 200);
    let key = house.home.sealing_key().unwrap();
    let end = |term: Duration| {
        let mut main = house.home.open_main().unwrap();
        end_due(&mut main, term, house.clock.now(), &key).unwrap()
    };
    let (term, year) = (730 * DAY, 365 * DAY);
    let lookups = || {
        let wanted = WantedLines {
            plate: Some("ZQ987ZQ".to_owned()),
            ..WantedLines::default()
        };
        let asked = LineSearch {
            wanted: &wanted,
            of: &Overseen::Everything,
            limit: 10,
        };
        reading::search(&house.home.open_main().unwrap(), &asked)
            .unwrap()
            .len()
    };
    // What could end them before: no statement, no term below the least, no day of the year.
    refuses(&house);
    house.writer().expire(usize::MAX).unwrap();
    house.clock.advance(year);
    assert_eq!(end(Duration::ZERO), None);
    assert_eq!(end(term), None);
    assert!(lookups() == 1 && is_stored(&house, "ZQ987ZQ"));
    house.clock.advance(year - DAY);
    assert_eq!(end(term), None, "one day before");
    let before = lines(&house);
    let roots = || {
        let main = house.home.open_main().unwrap();
        StoredTree::of(&main)
            .root(u64::try_from(before).unwrap())
            .unwrap()
    };
    let root = roots();
    house.clock.advance(2 * DAY);
    house.writer().expire(usize::MAX).unwrap();
    let ended = end(term).unwrap();
    assert!(ended.lines >= 1 && ended.first <= ended.last, "{ended:?}");
    assert_eq!(end(term), None, "all at once");
    assert!(lookups() == 0 && !is_stored(&house, "ZQ987ZQ"));
    // What stays keeps log and chain whole, and a line tells what ended.
    let main = house.home.open_main().unwrap();
    let told = varco_hub::audit::of_action(&main, Action::AuditLinesEnded).unwrap();
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].details["lines"], ended.lines);
    assert_eq!(roots(), root);
    let gone = "SELECT count(*) FROM audit WHERE line = ''";
    assert_eq!(u64::try_from(house.count(gone)).unwrap(), ended.lines);
    floor::keep(&house.home, &main).unwrap();
    let verified = verify(&house.home, house.clock.now()).unwrap();
    assert!(verified.intact, "{verified:?}");
    check_elsewhere(&main, &key, ended.lines);
    // Nothing else can be changed or ended now, and a text that goes without a line is found.
    refuses(&house);
    main.execute_batch(
        "DROP TRIGGER audit_is_never_changed;
         UPDATE audit SET line = '', actor = '', action = '' WHERE action = 'audit-lines-ended'",
    )
    .unwrap();
    drop(main);
    let verified = verify(&house.home, house.clock.now()).unwrap();
    let untold = verified.broken_audit_lines.iter();
    let untold = untold.filter(|line| line.what.contains("no line tells"));
    assert!(untold.count() >= 2, "{verified:?}");
}
