//! The real router over HTTPS.

use std::time::Duration;

use serde_json::{Value, json};
use varco_hub::timekeeping::Clock as _;

use crate::support::{Carrying as _, House, SECOND, Served};

pub(crate) fn grounds() -> Value {
    json!({
        "plate": "AB123CD", "from": "2026-11-22T00:00:00Z", "to": "2026-11-22T13:00:00Z",
        "purpose": "urban-security", "case_reference": "PG 123/2026",
    })
}

fn with(change: Value) -> Value {
    let mut body = grounds();
    for (key, value) in change.as_object().unwrap() {
        body[key] = value.clone();
    }
    body
}

pub(crate) async fn house_with(plates: &[&str]) -> (House, Served) {
    let house = House::new();
    let mut edge = house.edge("porta-nord-01");
    let mut writer = house.writer();
    for plate in plates {
        let message = edge.seal(plate, house.clock.now());
        writer.take(&[message]).unwrap();
        house.clock.advance(SECOND);
    }
    let served = house.serve().await;
    (house, served)
}

pub(crate) fn plates(answer: &Value) -> Vec<&str> {
    let results = answer["results"].as_array().unwrap();
    results
        .iter()
        .map(|r| r["plate"].as_str().unwrap())
        .collect()
}

#[tokio::test]
async fn k05_a_plate_is_found_exactly_by_pattern_and_folded() {
    let (_house, hub) = house_with(&["AB123CD", "AB1O3CD", "AB103CD", "ZZ999ZZ"]).await;
    for (change, expected) in [
        (json!({}), vec!["AB123CD"]),
        (json!({"plate": "ab 123-cd"}), vec!["AB123CD"]),
        (
            json!({"plate": "AB1*"}),
            vec!["AB103CD", "AB1O3CD", "AB123CD"],
        ),
        (
            json!({"plate": "*3CD"}),
            vec!["AB103CD", "AB1O3CD", "AB123CD"],
        ),
        (
            json!({"plate": "AB1?3CD"}),
            vec!["AB103CD", "AB1O3CD", "AB123CD"],
        ),
        (json!({"plate": "AB103CD"}), vec!["AB103CD"]),
        (
            json!({"plate": "ABI03CD", "fold": true}),
            vec!["AB103CD", "AB1O3CD"],
        ),
        (json!({"plate": "AB1O3C?"}), vec!["AB1O3CD"]),
        (
            json!({"plate": "*", "cameras": ["porta-nord-01"], "limit": 1}),
            vec!["ZZ999ZZ"],
        ),
        (json!({"cameras": ["elsewhere"]}), vec![]),
        (json!({"to": "2026-11-22T11:59:59Z"}), vec![]),
    ] {
        let (status, answer) = hub.look_up(with(change.clone())).await;
        assert_eq!(status, 200, "{change}: {answer}");
        assert_eq!(plates(&answer), expected, "{change}");
    }
}

#[tokio::test]
async fn a_result_shows_its_doubts_its_place_and_its_picture() {
    let (_house, hub) = house_with(&["AB123CD"]).await;
    let (_, answer) = hub.look_up(grounds()).await;
    let result = &answer["results"][0];
    assert_eq!(result["gate"], "porta-nord");
    assert_eq!(result["camera"], "porta-nord-01");
    assert_eq!(result["captured_at"], "2026-11-22T12:00:00.000000Z");
    assert_eq!(result["uncertainty_ms"], 40.0);
    assert_eq!(result["agreeing_reads"], 5);
    assert_eq!(result["candidates"][0][0]["symbol"], "A");
    assert_eq!(result["countries"][0]["country"], "IT");
    let crop = result["crop"].as_str().unwrap();
    assert!(crop.starts_with("data:image/jpeg;base64,"));
    assert_eq!(
        (&answer["total"], &answer["next"]),
        (&json!(1), &Value::Null)
    );
}

#[tokio::test]
async fn a_plate_that_was_misread_says_what_differs_as_data() {
    let (_house, hub) = house_with(&["A8123CD"]).await;
    let asked = json!({"plate": "AB123CD", "misread": true});
    let (status, answer) = hub.look_up(with(asked)).await;
    assert_eq!(status, 200, "{answer}");
    let differs = json!([{"kind": "other", "position": 2, "searched": "B", "read": "8",
        "confidence": null}]);
    assert_eq!(answer["results"][0]["misread"], differs);
    let (_, answer) = hub
        .look_up(with(json!({"plate": "A8123CD", "misread": true})))
        .await;
    assert!(answer["results"][0]["misread"].is_null());
}

#[tokio::test]
async fn pages_follow_one_another_without_loss() {
    let names: Vec<String> = (0..7).map(|n| format!("AB10{n}CD")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let (_house, hub) = house_with(&names).await;
    let (mut found, mut after) = (Vec::new(), Value::Null);
    for _ in 0..4 {
        let body = with(json!({"plate": "AB10*", "limit": 3, "after": after}));
        let (status, answer) = hub.look_up(body).await;
        assert_eq!((status, &answer["total"]), (200, &json!(7)));
        found.extend(plates(&answer).iter().map(ToString::to_string));
        after = answer["next"].clone();
        if after.is_null() {
            break;
        }
    }
    found.reverse();
    assert_eq!(found, names);
}

#[tokio::test]
async fn c42_a_lookup_without_purpose_is_refused() {
    let (house, hub) = house_with(&["AB123CD"]).await;
    for (change, told) in [
        (json!({"purpose": null}), "public-safety"),
        (json!({"purpose": "curiosity"}), "public-safety"),
        (json!({"purpose": "sanction"}), "art. 4 c. 7"),
        (json!({"case_reference": null}), "case"),
        (json!({"case_reference": " "}), "case"),
    ] {
        let (status, answer) = hub.look_up(with(change.clone())).await;
        assert_eq!(status, 422, "{change}");
        let what_to_do = answer["what_to_do"].as_str().unwrap();
        assert!(what_to_do.contains(told), "{change}: {what_to_do}");
        assert!(answer["results"].is_null());
    }
    let lines = |action| {
        let sql = format!("SELECT count(*) FROM audit WHERE action = '{action}'");
        house.count(&sql)
    };
    assert_eq!(lines("lookup"), 0);
    assert_eq!(lines("attempt-refused"), 5, "an attempt is tracked too");
}

#[tokio::test]
async fn what_cannot_be_answered_says_what_to_do() {
    let (_house, hub) = house_with(&["AB123CD"]).await;
    let wide = json!({"plate": "A*", "from": "2026-11-20T00:00:00Z"});
    for (body, status) in [
        (with(wide), 422),
        (with(json!({"from": "2026-11-23T00:00:00Z"})), 422),
        (with(json!({"from": "yesterday"})), 422),
        (with(json!({"to": null})), 422),
        (with(json!({"plate": ""})), 422),
        (with(json!({"plate": "AB[1]"})), 422),
        (with(json!({"cameras": ["Not A Name"]})), 422),
        (with(json!({"limit": 0})), 422),
        (with(json!({"after": "x"})), 422),
        (with(json!({"palte": "x"})), 400),
        (json!("text"), 400),
        (with(json!({"case_reference": "x".repeat(20_000)})), 413),
    ] {
        let (found, answer) = hub.look_up(body.clone()).await;
        assert_eq!(found, status, "{answer}");
        assert!(!answer["error"].as_str().unwrap().is_empty());
        assert!(!answer["what_to_do"].as_str().unwrap().is_empty());
    }
}

#[tokio::test]
async fn c24_part_every_lookup_leaves_an_audit_line() {
    let (house, hub) = house_with(&["AB123CD"]).await;
    let (_, answer) = hub.look_up(grounds()).await;
    let sequence = answer["audit_line"].as_i64().unwrap();
    let main = house.home.open_main().unwrap();
    let line: String = main
        .query_row(
            "SELECT line FROM audit WHERE sequence = ?",
            [sequence],
            |row| row.get(0),
        )
        .unwrap();
    let line: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(line["actor"], "first-token");
    assert_eq!(line["action"], "lookup");
    assert_eq!(line["purpose"], "urban-security");
    assert_eq!(line["case_reference"], "PG 123/2026");
    assert_eq!(line["query"], "AB123CD");
    assert_eq!(line["result_count"], 1);
    assert_eq!(
        line["result_digests"][0],
        answer["results"][0]["record_digest"]
    );
    // One that finds nothing leaves its line too.
    let (_, answer) = hub.look_up(with(json!({"plate": "XX000XX"}))).await;
    assert_eq!(answer["audit_line"], sequence + 1);
}

#[tokio::test]
async fn c24_part_without_its_audit_line_a_lookup_shows_nothing() {
    let (house, hub) = house_with(&["AB123CD"]).await;
    let main = house.home.open_main().unwrap();
    main.execute_batch(
        "CREATE TRIGGER no_room BEFORE INSERT ON audit
         BEGIN SELECT raise(ABORT, 'no room'); END",
    )
    .unwrap();
    let (status, answer) = hub.look_up(grounds()).await;
    assert_eq!(status, 503);
    assert!(answer["error"].as_str().unwrap().contains("audit"));
    assert!(answer["results"].is_null());
}

#[tokio::test]
async fn c26_part_without_a_token_nothing_is_shown() {
    let (_house, mut hub) = house_with(&["AB123CD"]).await;
    for token in ["", "varco_0000"] {
        token.clone_into(&mut hub.token);
        assert_eq!(hub.look_up(grounds()).await.0, 401);
        for path in [
            "/api/v1/edges",
            "/api/v1/transits/live?purpose=traffic&case_reference=PG1",
        ] {
            let request = hub.client.get(format!("{}{path}", hub.url)).carrying(token);
            assert_eq!(request.send().await.unwrap().status(), 401, "{path}");
        }
    }
}

#[tokio::test]
async fn c25_part_no_route_deletes_a_transit() {
    let (house, hub) = house_with(&["AB123CD"]).await;
    let url = format!("{}/api/v1/openapi.json", hub.url);
    let described: Value = hub
        .client
        .get(url)
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    let paths = described["paths"].as_object().unwrap();
    assert!(paths.contains_key("/api/v1/lookups"), "{described}");
    for (path, methods) in paths {
        for method in methods.as_object().unwrap().keys() {
            assert!(matches!(method.as_str(), "get" | "post"), "{method} {path}");
        }
        for method in [
            reqwest::Method::DELETE,
            reqwest::Method::PUT,
            reqwest::Method::PATCH,
        ] {
            let url = format!("{}{path}", hub.url);
            let request = hub.client.request(method.clone(), url).carrying(&hub.token);
            assert_eq!(
                request.send().await.unwrap().status(),
                405,
                "{method} {path}"
            );
        }
    }
    assert_eq!(house.stored(), 1);
}

#[tokio::test]
async fn readiness_says_what_is_wrong_and_what_to_do_and_names_nobody() {
    let (house, hub) = house_with(&["AB123CD"]).await;
    let ready = || async {
        let response = hub.client.get(format!("{}/readyz", hub.url)).send();
        let response = response.await.unwrap();
        (
            response.status().as_u16(),
            response.json::<Value>().await.unwrap(),
        )
    };
    let state = |answer: &Value, name: &str| {
        let checks = answer["checks"].as_array().unwrap().iter();
        let mut found = checks.filter(|check| check["name"] == name);
        found.next().unwrap()["state"].as_str().unwrap().to_owned()
    };
    let (status, answer) = ready().await;
    assert_eq!(
        (status, answer["ready"].as_bool()),
        (503, Some(false)),
        "no broker here"
    );
    assert_eq!(state(&answer, "broker"), "fault");
    assert_eq!(state(&answer, "store"), "ok");
    assert_eq!(state(&answer, "edges"), "warning", "it never reported");
    assert_eq!(state(&answer, "retention"), "ok");
    assert!(!answer.to_string().contains("porta-nord"), "{answer}");
    house.clock.advance(crate::support::DAY * 7 + SECOND * 7200);
    let (_, answer) = ready().await;
    assert_eq!(state(&answer, "retention"), "fault", "nobody destroyed it");
}

#[tokio::test]
async fn c77_part_the_page_and_the_api_use_nothing_from_outside() {
    let (_house, hub) = house_with(&[]).await;
    for path in [
        "/",
        "/page.js",
        "/alerts.js",
        "/map.js",
        "/agreements.js",
        "/post.js",
        "/signing.js",
        "/page.css",
        "/api/v1/openapi.json",
        "/nothing",
    ] {
        let response = hub
            .client
            .get(format!("{}{path}", hub.url))
            .send()
            .await
            .unwrap();
        let policy = response.headers()["content-security-policy"]
            .to_str()
            .unwrap();
        assert!(policy.contains("default-src 'none'"));
        assert_eq!(response.headers()["x-content-type-options"], "nosniff");
        assert_eq!(response.headers()["cache-control"], "no-store");
        let text = response.text().await.unwrap();
        assert!(
            !text.contains("http://") && !text.contains("https://"),
            "{path}"
        );
    }
}

#[tokio::test]
async fn d02_the_live_stream_shows_new_transits_and_leaves_two_audit_lines() {
    let (house, hub) = house_with(&[]).await;
    let mut edge = house.edge("porta-sud-01");
    let live = format!("{}/api/v1/transits/live", hub.url);
    let no_case = hub
        .client
        .get(format!("{live}?purpose=traffic"))
        .carrying(&hub.token);
    assert_eq!(no_case.send().await.unwrap().status(), 422);
    let url = format!("{live}?purpose=traffic&case_reference=PG%201");
    let request = hub.client.get(url).carrying(&hub.token);
    let mut response = request.send().await.unwrap();
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let message = edge.seal("AB123CD", house.clock.now());
    let taken = house.writer().take(&[message]).unwrap();
    hub.live.send(taken.stored[0].clone()).unwrap();
    let chunk = response.chunk().await.unwrap().unwrap();
    let text = String::from_utf8(chunk.to_vec()).unwrap();
    assert!(
        text.contains("event: transit") && text.contains("AB123CD"),
        "{text}"
    );
    hub.stop.send(true).unwrap();
    while response.chunk().await.unwrap_or(None).is_some() {}
    let closed = "SELECT count(*) FROM audit WHERE action = 'live-closed'
                  AND json_extract(line, '$.result_count') = 1";
    for _ in 0..200 {
        if house.count(closed) == 1 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    assert_eq!(house.count(closed), 1);
    assert_eq!(
        house.count("SELECT count(*) FROM audit WHERE action = 'live-opened'"),
        1
    );
}

#[tokio::test]
async fn the_state_of_the_edges_and_the_hub_is_told() {
    let (_house, hub) = house_with(&["AB123CD"]).await;
    let request = hub
        .client
        .get(format!("{}/api/v1/edges", hub.url))
        .carrying(&hub.token);
    let edges: Value = request.send().await.unwrap().json().await.unwrap();
    assert_eq!(edges["edges"][0]["id"], "porta-nord-01");
    assert_eq!(edges["edges"][0]["last_sequence"], 1);
    let health = hub
        .client
        .get(format!("{}/healthz", hub.url))
        .send()
        .await
        .unwrap();
    let health: Value = health.json().await.unwrap();
    assert_eq!(health, json!({"store": true, "broker": false}));
}

#[tokio::test]
async fn a_caller_who_goes_away_is_not_searched_for_any_further() {
    let (house, hub) = house_with(&["AB123CD"]).await;
    let lines = |action: &str| {
        let main = house.home.open_main().unwrap();
        let sql = "SELECT count(*) FROM audit WHERE action = ?";
        main.query_row(sql, [action], |row| row.get::<_, i64>(0))
            .unwrap()
    };
    assert_eq!(hub.look_up(grounds()).await.0, 200);
    assert_eq!((lines("lookup"), lines("attempt-refused")), (1, 0));

    // Somebody else writes; the answer waits for its audit line.
    let (archive, (let_go, wait)) = (house.archive(), std::sync::mpsc::channel::<()>());
    let (held, is_held) = std::sync::mpsc::channel();
    let holding = std::thread::spawn(move || {
        let _turn = archive.turn();
        held.send(()).unwrap();
        wait.recv().unwrap();
    });
    is_held.recv().unwrap();
    let asking = tokio::time::timeout(Duration::from_millis(500), hub.look_up(grounds()));
    assert!(asking.await.is_err(), "it goes away before it is answered");
    tokio::time::sleep(Duration::from_millis(500)).await;
    let_go.send(()).unwrap();
    holding.join().unwrap();
    for _ in 0..100 {
        if lines("attempt-refused") > 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let told = (lines("lookup"), lines("attempt-refused"));
    assert_eq!(
        told,
        (1, 1),
        "nobody was shown anything, and the attempt is noted"
    );
    assert_eq!(hub.look_up(grounds()).await.0, 200);
}
