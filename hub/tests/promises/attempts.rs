//! An attempt is an access too (C24): what is refused or broken off leaves its line.

use std::time::Duration;

use serde_json::{Value, json};
use varco_hub::people::tokens::Permission;

use crate::http::{grounds, house_with};
use crate::support::{Carrying as _, House, Served, token_of};

/// Every line of an attempt, oldest first.
fn attempts(house: &House) -> Vec<Value> {
    let main = house.home.open_main().unwrap();
    let sql = "SELECT line FROM audit WHERE action IN ('lookup-refused', 'attempt-refused')
               ORDER BY sequence";
    let mut statement = main.prepare(sql).unwrap();
    let lines = statement.query_map([], |row| row.get::<_, String>(0));
    let lines = lines.unwrap();
    lines
        .map(|line| serde_json::from_str(&line.unwrap()).unwrap())
        .collect()
}

async fn until_attempts(house: &House, count: usize) -> Vec<Value> {
    for _ in 0..200 {
        if attempts(house).len() >= count {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    attempts(house)
}

async fn send(hub: &Served, token: &str, asked: &str, body: &Value) -> u16 {
    let (method, path) = asked.split_once(' ').unwrap();
    let url = format!("{}{path}", hub.url);
    let request = hub.client.request(method.parse().unwrap(), url);
    let request = request.carrying(token).body(body.to_string());
    request.send().await.unwrap().status().as_u16()
}

fn stretch(camera: &str) -> Value {
    json!({"from": "2026-11-22T00:00:00Z", "to": "2026-11-22T01:00:00Z", "cameras": [camera]})
}

#[tokio::test]
async fn c24_part_a_question_that_is_refused_leaves_a_line_whatever_it_asks() {
    let (house, hub) = house_with(&["AB123CD"]).await;
    let all = Permission::ALL.map(|(permission, _)| permission);
    let all = token_of(&house, "anna", &all);
    let none = token_of(&house, "bruno", &[]);
    let both = json!({"here": stretch("a"), "there": stretch("b"), "purpose": "traffic",
        "case_reference": "x"});
    let companions = json!({"plate": "ZZ999ZZ", "window_s": 60, "least": 2});
    let case = json!({"id": "uno", "authority": "Procura", "order": "1", "until": "soon",
        "purpose": "curiosity", "case_reference": "PG 77"});
    let live = "GET /api/v1/transits/live?purpose=curiosity&case_reference=PG%2077";
    let holdings = "POST /api/v1/cases/uno/holdings";
    for (token, asked, body, status) in [
        (
            &all,
            "POST /api/v1/lookups",
            json!({"plate": "ZZ999ZZ"}),
            422,
        ),
        (
            &all,
            "POST /api/v1/lookups",
            json!({"palte": "ZZ999ZZ"}),
            400,
        ),
        (&all, "POST /api/v1/lookups/both", both, 422),
        (&all, "POST /api/v1/lookups/companions", companions, 403),
        (&all, "POST /api/v1/counts", json!({"by": "plate"}), 422),
        (&all, "POST /api/v1/cases", case, 422),
        (&all, holdings, json!({}), 422),
        (&all, holdings, grounds(), 409),
        (&all, "GET /api/v1/cases/uno", Value::Null, 409),
        (&all, "GET /api/v1/cases/%ff", Value::Null, 400),
        (
            &all,
            "POST /api/v1/blocks",
            json!({"transits": [], "order": "o"}),
            422,
        ),
        (&all, live, Value::Null, 422),
        (&all, "GET /api/v1/alerts?limit=abc", Value::Null, 400),
        (&none, "POST /api/v1/lookups", grounds(), 403),
        (&none, "POST /api/v1/counts", json!({}), 403),
        (&none, "GET /api/v1/cases", Value::Null, 403),
        (&none, "GET /api/v1/edges", Value::Null, 403),
        (&none, "GET /api/v1/alerts", Value::Null, 403),
    ] {
        let before = attempts(&house).len();
        assert_eq!(send(&hub, token, asked, &body).await, status, "{asked}");
        let lines = attempts(&house);
        assert_eq!(lines.len(), before + 1, "{asked}: {status}");
        let line = lines.last().unwrap();
        let actor = if *token == all { "anna" } else { "bruno" };
        assert_eq!(line["actor"], actor, "{line}");
        let details = &line["details"];
        assert_eq!(details["status"], status, "{line}");
        assert_eq!(details["address"], "127.0.0.1", "{line}");
        let path = details["asked"].as_str().unwrap();
        let path = path.split('{').next().unwrap();
        assert!(asked.starts_with(path), "{line}");
        assert!(!line.to_string().contains("ZZ999ZZ"), "{line}");
        if body["purpose"] == "curiosity" || asked == live {
            assert_eq!(details["purpose"], "curiosity", "{line}");
            assert_eq!(details["case_reference"], "PG 77", "{line}");
        }
    }
}

#[tokio::test]
async fn c24_part_wrong_tokens_leave_a_line_of_their_address_and_a_flood_of_them_two() {
    let (house, hub) = house_with(&[]).await;
    let wrong = format!("varco_{}", "ab".repeat(32));
    for _ in 0..30 {
        let asked = "POST /api/v1/lookups";
        let status = send(&hub, &wrong, asked, &grounds()).await;
        assert!([401, 429].contains(&status), "{status}");
        let asked = "GET /api/v1/alerts";
        assert_eq!(send(&hub, "", asked, &Value::Null).await, 401);
    }
    let lines = attempts(&house);
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert_eq!(lines[0]["actor"], "nobody");
    assert_eq!(lines[0]["action"], "attempt-refused");
    assert_eq!(lines[0]["details"]["address"], "127.0.0.1");
    assert_eq!(lines[0]["details"]["count"], 1);
    assert!(!lines[0].to_string().contains("abab"), "{lines:?}");
    // The rest is told when the minute is over, or the hub stops before.
    hub.stop.send(true).unwrap();
    let lines = until_attempts(&house, 2).await;
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert_eq!(lines[1]["details"]["count"], 59);
}

#[tokio::test]
async fn holding_in_a_case_waits_for_its_turn_and_leaves_a_line_when_it_is_broken_off() {
    let (house, hub) = house_with(&["AB123CD"]).await;
    let all = Permission::ALL.map(|(permission, _)| permission);
    let all = token_of(&house, "anna", &all);
    let case = json!({"id": "uno", "authority": "Procura", "order": "1",
        "until": "2027-11-22T00:00:00Z", "purpose": "public-safety", "case_reference": "PG 1"});
    assert_eq!(send(&hub, &all, "POST /api/v1/cases", &case).await, 201);
    let turns = hub.state.lookups.clone();
    let every = turns.acquire_many_owned(4).await.unwrap();
    let (asked, body) = ("POST /api/v1/cases/uno/holdings", grounds());
    let holding = send(&hub, &all, asked, &body);
    let answered = tokio::time::timeout(Duration::from_millis(700), holding).await;
    assert!(answered.is_err(), "it is one of the searches: {answered:?}");
    let lines = until_attempts(&house, 1).await;
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert_eq!(lines[0]["actor"], "anna");
    assert_eq!(lines[0]["purpose"], "urban-security");
    drop(every);
    assert_eq!(send(&hub, &all, asked, &body).await, 200);
}

#[tokio::test]
async fn a_list_is_named_only_to_those_who_may_see_it() {
    let (house, hub) = house_with(&[]).await;
    for (id, seen_by) in [
        ("aperta", json!([])),
        ("riservata", json!(["Ispettore Bianchi"])),
    ] {
        let list = json!({"id": id, "name": id, "reason": "furto", "owner": "PM",
            "purpose": "public-safety", "case_reference": "PG 1", "seen_by": seen_by,
            "valid_to": "2026-12-22T00:00:00Z"});
        let asked = "POST /api/v1/hotlists";
        assert_eq!(send(&hub, &hub.token, asked, &list).await, 201);
    }
    for (actor, may, expected) in [
        (
            "Ispettore Bianchi",
            Permission::Alerts,
            vec!["aperta", "riservata"],
        ),
        ("Agente Neri", Permission::Alerts, vec!["aperta"]),
        ("Agente Verdi", Permission::Hotlists, vec!["aperta"]),
    ] {
        let token = token_of(&house, actor, &[may]);
        let request = hub.client.get(format!("{}/api/v1/hotlists", hub.url));
        let answer = request.carrying(token).send().await.unwrap();
        let answer: Value = answer.json().await.unwrap();
        let lists = answer["hotlists"].as_array().unwrap().iter();
        let named: Vec<_> = lists.map(|list| list["id"].as_str().unwrap()).collect();
        assert_eq!(named, expected, "{actor}");
    }
}
