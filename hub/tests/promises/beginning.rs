//! `varco-hub begin`: from a new home to a first responsible person and a first lookup.

use std::process::Command;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use varco_hub::bodies::BodyKind;
use varco_hub::bodies::desk::{self as bodies, WantedBody};
use varco_hub::people::tokens::Permission;
use varco_hub::proof::verification::verify;
use varco_hub::timekeeping::Clock as _;

use crate::agreements::act;
use crate::signed::{TestPerson, TestPost, lines, post_json, told};
use crate::support::{Carrying as _, DAY, House, SECOND, Served, token_for};

fn begin(house: &House, more: &[&str]) -> (bool, Value) {
    let output = Command::new(env!("CARGO_BIN_EXE_varco-hub"))
        .arg("--home")
        .arg(house.home.root())
        .args(["--json", "begin", "--municipality", "Macerata"])
        .args(["--act", "Decreto sindacale 12/2026"])
        .args(more)
        .output()
        .unwrap();
    let said = serde_json::from_slice(&output.stdout).unwrap_or(Value::Null);
    (output.status.success(), said)
}

#[tokio::test]
async fn a_new_home_leads_to_a_responsible_person_who_signs_in_and_looks_up() {
    let house = House::new();
    let verdi = ["--responsible", "Comm. Maria Verdi", "--user", "m.verdi"];
    let (done, _) = begin(&house, &verdi);
    assert!(done);
    // Again, as they are of Judicial Police: the codes of before hold no more.
    let (done, said) = begin(&house, &[&verdi[..], &["--judicial-police"]].concat());
    assert!(done, "{said}");
    let (others, _) = begin(&house, &["--responsible", "Isp. Neri", "--user", "neri"]);
    assert!(!others, "one answers for it already");

    // The command's time is the home's own, which nobody vouched for.
    house.clock.advance(SECOND * 60);
    let hub = house.serve().await;
    let code = |of: &str| said[of]["code"].as_str().unwrap().to_owned();
    let post = TestPost::with_code(&hub, &code("post")).await;
    let mut verdi = TestPerson::open(&hub, &house, &code("account"), &post).await;
    assert_eq!(verdi.look_up(&hub).await, 200);
    verdi.sign_in(&house, &hub, &post).await;
    assert_eq!(verdi.look_up(&hub).await, 200);
    let (status, line) = verdi
        .ask(&hub, "GET /api/v1/audit/lines/1", &Value::Null)
        .await;
    assert_eq!(status, 200, "{line}");
}

/// What a lookup of everything that there is says.
async fn seen(hub: &Served, person: &TestPerson, house: &House) -> (u16, Value) {
    let now = house.clock.now();
    let body = json!({
        "plate": "AB123CD", "from": (now - DAY * 30).to_string(), "to": now.to_string(),
        "purpose": "public-safety", "case_reference": "PG 9/2026",
    });
    person.ask(hub, "POST /api/v1/lookups", &body).await
}

/// Every byte that the home has on its disk.
fn on_disk(house: &House, text: &str) -> bool {
    let mut folders = vec![house.home.root().to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if let Ok(bytes) = std::fs::read(&path)
                && bytes
                    .windows(text.len())
                    .any(|part| part == text.as_bytes())
            {
                return true;
            }
        }
    }
    false
}

#[expect(clippy::too_many_lines, reason = "one story, told in its order")]
#[tokio::test]
async fn d08_a_fresh_hub_protects_by_design_and_by_default_and_can_account_for_it() {
    let house = House::new();
    let conti = [
        "--responsible",
        "Comm. Conti",
        "--user",
        "conti",
        "--judicial-police",
    ];
    let (done, said) = begin(&house, &conti);
    assert!(done, "{said}");
    house.clock.advance(SECOND * 60);
    let hub = house.serve().await;
    let code = |of: &str| said[of]["code"].as_str().unwrap().to_owned();
    let post = TestPost::with_code(&hub, &code("post")).await;
    let mut conti = TestPerson::open(&hub, &house, &code("account"), &post).await;
    let mut edge = house.edge("porta-nord-01");
    let batch = ["AB123CD", "AA001AA"].map(|plate| edge.seal(plate, house.clock.now()));
    house.writer().take(&batch).unwrap();
    house.clock.advance(SECOND);

    // It shares nothing: no agreement, no list, no hook, nobody who is sent anything.
    for (path, what) in [
        ("agreements", &["agreements"][..]),
        ("hotlists", &["hotlists"]),
        ("approvals", &["to_decide", "unlocked", "asked"]),
    ] {
        let asked = format!("GET /api/v1/{path}");
        let (status, answer) = conti.ask(&hub, &asked, &Value::Null).await;
        assert_eq!(status, 200, "{path}: {answer}");
        for what in what {
            assert_eq!(answer[what], json!([]), "{path}: {answer}");
        }
    }
    assert_eq!(house.count("SELECT count(*) FROM webhooks"), 0);
    act(&house, |main, acting| {
        let wanted = WantedBody {
            id: "questura".parse().unwrap(),
            name: "Questura".to_owned(),
            kind: Some(BodyKind::StatePolice),
            municipality: None,
        };
        bodies::set(main, &wanted, acting).unwrap();
    });
    let other = token_for(&house, "Ag. Blu", Some("questura"), &[Permission::Lookups]);
    let everything = json!({
        "plate": "AB123CD", "from": "2026-11-01T00:00:00Z", "to": house.clock.now().to_string(),
        "purpose": "public-safety", "case_reference": "PG 9/2026",
    });
    let asked = hub
        .client
        .post(format!("{}/api/v1/lookups", hub.url))
        .carrying(other);
    let answer: Value = asked
        .json(&everything)
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(answer["total"], 0, "{answer}");
    let config = house.home.config().unwrap();
    assert!(config.stamping.is_none() && config.witness.is_none() && config.backup.is_none());
    assert!(config.metrics.is_none() && config.postgres.is_none() && !config.companions);
    assert!(config.audit.witnesses.is_empty());

    // A purpose, one of the regulation's nine, and a case: else nothing is answered.
    assert_eq!(seen(&hub, &conti, &house).await.1["total"], 1);
    for (field, wrong) in [
        ("purpose", json!(null)),
        ("purpose", json!("sanction")),
        ("case_reference", json!(" ")),
    ] {
        let mut body = everything.clone();
        body[field] = wrong.clone();
        let (status, told) = conti.ask(&hub, "POST /api/v1/lookups", &body).await;
        assert_eq!(status, 422, "{field} {wrong}: {told}");
    }
    // Persons sign in from an enrolled post, with two factors, and the session locks itself when it lies idle.
    house.clock.advance(SECOND * 31);
    let elsewhere = told(post_json(&hub, "/api/v1/session", &conti.typed(&house)).await).await;
    assert_eq!(elsewhere.0, 401, "{}", elsewhere.1);
    let mut wrong = conti.typed(&house);
    wrong["password"] = json!("non la so proprio");
    wrong["post"] = post.proof(&hub, "conti").await;
    let wrong = told(post_json(&hub, "/api/v1/session", &wrong).await).await;
    assert_eq!(wrong.0, 401, "{}", wrong.1);
    house.clock.advance(SECOND * 601);
    assert_eq!(seen(&hub, &conti, &house).await.0, 423);
    house.clock.advance(SECOND * 60);
    conti.sign_in(&house, &hub, &post).await;

    // It is encrypted on the disk and on the way.
    let main = house.home.open_main().unwrap();
    main.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)")
        .unwrap();
    drop(main);
    // Who searched a plate stands in the audit, which is kept; the vehicle that passed is AA001AA.
    assert!(!on_disk(&house, "AA001AA"));
    let mut plain = tokio::net::TcpStream::connect(hub.url.trim_start_matches("https://"))
        .await
        .unwrap();
    plain
        .write_all(b"GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n")
        .await
        .unwrap();
    let mut answer = Vec::new();
    let read = tokio::time::timeout(SECOND * 20, plain.read_to_end(&mut answer)).await;
    assert!(
        read.is_ok() && !answer.starts_with(b"HTTP/"),
        "plain HTTP is no way in"
    );

    // Seven days, to the second; after that nothing is found, and within the hour it is destroyed.
    house.clock.advance(DAY * 6);
    conti.sign_in(&house, &hub, &post).await;
    assert_eq!(seen(&hub, &conti, &house).await.1["total"], 1);
    house.clock.advance(DAY);
    conti.sign_in(&house, &hub, &post).await;
    assert_eq!(seen(&hub, &conti, &house).await.1["total"], 0);
    house.clock.advance(SECOND * 7200);
    let expired = house.writer().expire(usize::MAX).unwrap();
    assert_eq!(expired.hours.len(), 1, "its key is destroyed");
    house.archive().unlink(&expired.hours).unwrap();
    assert!(house.hours().is_empty());

    // It can account for all of it: who answers, who looked and why, what was destroyed, and that nothing was changed.
    house.clock.advance(SECOND * 60);
    conti.sign_in(&house, &hub, &post).await;
    let (_, office) = conti.ask(&hub, "GET /api/v1/office", &Value::Null).await;
    assert!(office.to_string().contains("Comm. Conti"), "{office}");
    for action in [
        "lookup",
        "attempt-refused",
        "signed-in",
        "sign-in-refused",
        "session-locked",
    ] {
        let search = json!({"action": action, "limit": 50});
        let (status, found) = conti.ask(&hub, "POST /api/v1/audit/search", &search).await;
        assert_eq!(status, 200, "{found}");
        let found = found["lines"].as_array().unwrap().len();
        // A session that is found idle is locked then, or within the minute by the running hub.
        assert!(found > 0 || action == "session-locked", "{action}");
    }
    assert_eq!(lines(&house, "partition-expired").len(), 1);
    let checked = verify(&house.home, house.clock.now()).unwrap();
    assert!(!checked.is_broken(), "{checked:?}");
}
