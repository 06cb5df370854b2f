//! A listed plate is read, and somebody is told.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use varco_hub::alerts::webhook::{self, NewWebhook};
use varco_hub::intake::writer::Writer;
use varco_hub::people::tokens::Permission;
use varco_hub::timekeeping::Clock as _;
use varco_hub::web::webhooks::deliver_regularly;
use varco_proto::confidence::Confidence;
use varco_proto::transit::CharacterCandidate;

use crate::support::token_of;
use crate::support::{Carrying as _, DAY, House, SECOND, Served, TestEdge};

pub(crate) struct Watched {
    pub(crate) house: House,
    pub(crate) hub: Served,
    pub(crate) edge: TestEdge,
    pub(crate) writer: Writer,
}

pub(crate) fn list(id: &str) -> Value {
    json!({
        "id": id, "name": "Rubate", "reason": "furto", "owner": "Questura", "near": true,
        "purpose": "public-safety", "case_reference": "PG 77/2026", "priority": 90,
        "valid_to": "2026-12-31T00:00:00Z",
    })
}

pub(crate) async fn watched(plates: &str) -> Watched {
    let house = House::new();
    let edge = house.edge("porta-nord-01");
    let hub = house.serve().await;
    let (status, answer) = hub
        .send("POST", "/api/v1/hotlists", Some(list("rubate")))
        .await;
    assert_eq!(status, 201, "{answer}");
    let (status, answer) = hub.import("rubate", plates).await;
    assert_eq!(status, 200, "{answer}");
    let writer = house.writer();
    Watched {
        house,
        hub,
        edge,
        writer,
    }
}

impl Served {
    pub(crate) async fn send(&self, method: &str, path: &str, body: Option<Value>) -> (u16, Value) {
        self.send_as(&self.token, method, path, body).await
    }

    async fn send_as(
        &self,
        token: &str,
        method: &str,
        path: &str,
        body: Option<Value>,
    ) -> (u16, Value) {
        let url = format!("{}{path}", self.url);
        let request = self.client.request(method.parse().unwrap(), url);
        let request = request.carrying(token);
        let request = match body {
            Some(body) => request.json(&body),
            None => request,
        };
        let response = request.send().await.unwrap();
        let status = response.status().as_u16();
        (status, response.json().await.unwrap_or(Value::Null))
    }

    pub(crate) async fn import(&self, id: &str, plates: &str) -> (u16, Value) {
        let url = format!("{}/api/v1/hotlists/{id}/entries", self.url);
        let request = self.client.post(url).carrying(&self.token);
        let response = request.body(plates.to_owned()).send().await.unwrap();
        let status = response.status().as_u16();
        (status, response.json().await.unwrap())
    }

    pub(crate) async fn open_alerts(&self) -> Vec<Value> {
        let (status, answer) = self.send("GET", "/api/v1/alerts?open=true", None).await;
        assert_eq!(status, 200, "{answer}");
        answer["alerts"].as_array().unwrap().clone()
    }
}

impl Watched {
    pub(crate) fn passes(&mut self, plate: &str) {
        let message = self.edge.seal(plate, self.house.clock.now());
        self.writer.take(&[message]).unwrap();
    }

    fn token(&self, actor: &str, may: &[Permission]) -> String {
        token_of(&self.house, actor, may)
    }
}

#[tokio::test]
async fn d02_a_listed_plate_raises_one_alert_with_the_picture() {
    let mut watched = watched("targa;motivo\nAB123CD;fermare, avvisare la Questura\n").await;
    let message = watched.edge.seal("AB123CD", watched.house.clock.now());
    watched.writer.take(std::slice::from_ref(&message)).unwrap();
    // The receipt was lost: the same record comes again.
    watched.writer.take(&[message]).unwrap();
    watched.passes("AB124CD");
    let alerts = watched.hub.open_alerts().await;
    assert_eq!(alerts.len(), 1, "{alerts:?}");
    let alert = &alerts[0];
    for (field, expected) in [
        ("list", json!("rubate")),
        ("kind", json!("exact")),
        ("listed", json!("AB123CD")),
        ("read", json!("AB123CD")),
        ("priority", json!(90)),
        ("note", json!("fermare, avvisare la Questura")),
        ("differences", json!([])),
        ("acknowledged", Value::Null),
    ] {
        assert_eq!(alert[field], expected, "{field}");
    }
    let transit = &alert["transit"];
    assert_eq!(transit["plate"], "AB123CD");
    assert!(
        transit["crop"]
            .as_str()
            .unwrap()
            .starts_with("data:image/jpeg;base64,")
    );
    let shown = "SELECT count(*) FROM audit WHERE action = 'alerts-shown'";
    assert_eq!(watched.house.count(shown), 1);
}

#[tokio::test]
async fn a_batch_that_is_given_up_raises_nothing() {
    let mut watched = watched("AB123CD\n").await;
    watched.house.refuse_poison(&mut watched.edge);
    let now = watched.house.clock.now();
    let batch = [watched.edge.seal("AB123CD", now), watched.edge.poison(now)];
    assert!(watched.writer.take(&batch).is_err());
    assert!(watched.hub.open_alerts().await.is_empty());
    watched.writer.take(&batch[..1]).unwrap();
    assert_eq!(watched.hub.open_alerts().await.len(), 1);
}

#[tokio::test]
async fn an_unsure_read_alerts_with_what_differs_and_how_sure_it_is() {
    let mut watched = watched("AB123CD\n").await;
    let mut transit = watched.edge.transit("A8123CD", watched.house.clock.now());
    let sure = |share| Confidence::new(share).unwrap();
    transit.plate.confidence = sure(0.6);
    transit.plate.characters[1] = [('8', 0.6), ('B', 0.3)]
        .map(|(symbol, share)| CharacterCandidate {
            symbol,
            confidence: sure(share),
        })
        .to_vec();
    let message = watched.edge.seal_transit(transit);
    watched.writer.take(&[message]).unwrap();
    let alerts = watched.hub.open_alerts().await;
    assert_eq!(alerts.len(), 1);
    assert_eq!(alerts[0]["kind"], "near");
    let expected = json!([{"place": 2, "listed": "B", "read": "8"}]);
    assert_eq!(alerts[0]["differences"], expected);
    assert!((alerts[0]["share"].as_f64().unwrap() - 0.3).abs() < 0.01);
}

#[tokio::test]
async fn a_plate_is_waited_for_from_its_import_to_its_end() {
    let mut watched = watched("AB123CD\n").await;
    // Another process replaces the plates: the running writer takes them with its next batch.
    let (status, report) = watched
        .hub
        .import("rubate", "targa,al\nAB124CD,22/11/2026\n")
        .await;
    assert_eq!((status, &report["entries"]), (200, &json!(1)));
    watched.passes("AB123CD");
    watched.passes("AB124CD");
    assert_eq!(
        watched.hub.open_alerts().await.len(),
        1,
        "the new plate alone"
    );
    watched.house.clock.advance(DAY);
    watched.passes("AB124CD");
    assert_eq!(
        watched.hub.open_alerts().await.len(),
        1,
        "its own term is over"
    );
    let (status, _) = watched.hub.import("rubate", "AB125CD\n").await;
    assert_eq!(status, 200);
    let (status, _) = watched
        .hub
        .send("POST", "/api/v1/hotlists/rubate/closing", None)
        .await;
    assert_eq!(status, 204);
    watched.passes("AB125CD");
    assert_eq!(
        watched.hub.open_alerts().await.len(),
        1,
        "the list is closed"
    );
    assert_eq!(watched.house.count("SELECT count(*) FROM hotlist_pages"), 0);
    let (status, answer) = watched.hub.import("rubate", "AB123CD\n").await;
    assert_eq!(status, 409, "{answer}");
    let (status, answer) = watched
        .hub
        .send("POST", "/api/v1/hotlists", Some(list("rubate")))
        .await;
    assert_eq!(status, 409, "{answer}");
}

#[tokio::test]
async fn a_file_with_faults_changes_nothing_and_tells_no_plate() {
    let mut watched = watched("AB123CD\n").await;
    let (status, answer) = watched.hub.import("rubate", "AB124CD\nZZ*99\n").await;
    assert_eq!(status, 422);
    let told = answer.to_string();
    assert!(
        told.contains("row 2: refused") && !told.contains("ZZ"),
        "{told}"
    );
    watched.passes("AB123CD");
    assert_eq!(
        watched.hub.open_alerts().await.len(),
        1,
        "it keeps what it had"
    );
}

#[tokio::test]
async fn an_alert_is_acknowledged_once_by_somebody_who_saw_it() {
    let mut watched = watched("AB123CD\n").await;
    watched.passes("AB123CD");
    let path = "/api/v1/alerts/1/acknowledgement";
    let outcome = || Some(json!({"outcome": "confirmed"}));
    let (status, answer) = watched.hub.send("POST", path, outcome()).await;
    assert_eq!(status, 409, "{answer}");
    assert!(
        answer["what_to_do"]
            .as_str()
            .unwrap()
            .contains("open the alert")
    );
    assert_eq!(watched.hub.open_alerts().await.len(), 1);
    let wrong = Some(json!({"outcome": "whatever"}));
    assert_eq!(watched.hub.send("POST", path, wrong).await.0, 422);
    assert_eq!(watched.hub.send("POST", path, outcome()).await.0, 204);
    assert_eq!(watched.hub.send("POST", path, outcome()).await.0, 409);
    assert!(watched.hub.open_alerts().await.is_empty());
    let (_, all) = watched.hub.send("GET", "/api/v1/alerts", None).await;
    assert_eq!(all["alerts"][0]["acknowledged"]["outcome"], "confirmed");
    assert_eq!(all["alerts"][0]["acknowledged"]["by"], "first-token");
    let line = "SELECT count(*) FROM audit WHERE action = 'alert-acknowledged'";
    assert_eq!(watched.house.count(line), 1);
    let missing = "/api/v1/alerts/99/acknowledgement";
    assert_eq!(watched.hub.send("POST", missing, outcome()).await.0, 404);
}

#[tokio::test]
async fn alerts_are_seen_by_whom_the_list_names_and_who_may() {
    let mut watched = watched("AB123CD\n").await;
    let mut other = list("riservata");
    other["seen_by"] = json!(["Ispettore Bianchi"]);
    assert_eq!(
        watched
            .hub
            .send("POST", "/api/v1/hotlists", Some(other))
            .await
            .0,
        201
    );
    assert_eq!(watched.hub.import("riservata", "AB124CD\n").await.0, 200);
    watched.passes("AB123CD");
    watched.passes("AB124CD");
    let bianchi = watched.token("Ispettore Bianchi", &[Permission::Alerts]);
    let reader = watched.token("Agente Neri", &[Permission::Lookups]);
    let count = |answer: &Value| answer["alerts"].as_array().unwrap().len();
    let (_, first) = watched.hub.send("GET", "/api/v1/alerts", None).await;
    assert_eq!(count(&first), 1);
    let (_, named) = watched
        .hub
        .send_as(&bianchi, "GET", "/api/v1/alerts", None)
        .await;
    assert_eq!(count(&named), 2);
    let outcome = Some(json!({"outcome": "confirmed"}));
    let hidden = "/api/v1/alerts/2/acknowledgement";
    assert_eq!(watched.hub.send("POST", hidden, outcome).await.0, 404);
    let forbidden = [
        (&reader, "GET", "/api/v1/alerts"),
        (&reader, "GET", "/api/v1/hotlists"),
        (&bianchi, "POST", "/api/v1/hotlists"),
        (&bianchi, "GET", "/api/v1/edges"),
    ];
    for (token, method, path) in forbidden {
        let (status, answer) = watched.hub.send_as(token, method, path, None).await;
        assert_eq!(status, 403, "{method} {path}: {answer}");
    }
}

#[tokio::test]
async fn c39_an_alert_dies_with_its_transit() {
    let mut watched = watched("AB123CD\n").await;
    watched.passes("AB123CD");
    assert_eq!(watched.hub.open_alerts().await.len(), 1);
    watched.house.clock.advance(DAY * 7 + SECOND);
    assert!(
        watched.hub.open_alerts().await.is_empty(),
        "hidden to the second"
    );
    assert_eq!(watched.house.count("SELECT count(*) FROM alerts"), 1);
    watched.house.clock.advance(SECOND * 3600);
    watched.writer.expire(9).unwrap();
    assert_eq!(watched.house.count("SELECT count(*) FROM alerts"), 0);
    assert_eq!(
        watched.house.count("SELECT count(*) FROM alert_showings"),
        0
    );
}

#[tokio::test]
async fn c22_part_no_listed_plate_lies_on_the_disk_in_the_clear() {
    let mut watched = watched("targa;motivo\nXW987ZK;segreto-motivo\n").await;
    watched.passes("XW987ZK");
    assert_eq!(watched.hub.open_alerts().await.len(), 1);
    for file in std::fs::read_dir(watched.house.home.root()).unwrap() {
        let path = file.unwrap().path();
        if path.is_file() {
            let bytes = std::fs::read(&path).unwrap();
            for secret in [&b"XW987ZK"[..], b"segreto-motivo"] {
                let there = bytes.windows(secret.len()).any(|window| window == secret);
                assert!(!there, "{}", path.display());
            }
        }
    }
}

async fn next_event(
    stream: &mut (impl futures_util::Stream<Item = reqwest::Result<impl AsRef<[u8]>>> + Unpin),
) -> String {
    let mut text = String::new();
    while !text.contains("\n\n") || !text.contains("data:") {
        let bytes = tokio::time::timeout(Duration::from_secs(20), stream.next());
        let bytes = bytes.await.unwrap().unwrap().unwrap();
        text += std::str::from_utf8(bytes.as_ref()).unwrap();
    }
    text
}

#[tokio::test]
async fn d02_alerts_are_told_as_they_are_raised_and_a_broken_stream_goes_on() {
    let mut watched = watched("AB123CD\nAB124CD\n").await;
    let url = format!("{}/api/v1/alerts/live", watched.hub.url);
    let open = |last: Option<&str>| {
        let request = watched.hub.client.get(&url).carrying(&watched.hub.token);
        match last {
            Some(last) => request.header("Last-Event-ID", last),
            None => request,
        }
        .send()
    };
    let mut stream = open(None).await.unwrap().bytes_stream();
    let message = watched.edge.seal("AB123CD", watched.house.clock.now());
    watched.writer.take(&[message]).unwrap();
    watched.hub.alerts.send_modify(|count| *count += 1);
    let event = next_event(&mut stream).await;
    assert!(
        event.contains("id: 1") && event.contains("AB123CD"),
        "{event}"
    );
    drop(stream);
    let message = watched.edge.seal("AB124CD", watched.house.clock.now());
    watched.writer.take(&[message]).unwrap();
    let mut stream = open(Some("1")).await.unwrap().bytes_stream();
    let event = next_event(&mut stream).await;
    assert!(
        event.contains("id: 2") && event.contains("AB124CD"),
        "{event}"
    );
    let lines = "SELECT count(*) FROM audit WHERE action = 'alerts-shown'";
    // A stream whose end the hub has not noticed yet may get the second alert too: that is told as
    // shown rather than left out. Each opening is told too.
    assert!((4..=5).contains(&watched.house.count(lines)));
}

/// Takes one request, answers with `status`, and gives its head and body.
async fn take_request(listener: &TcpListener, status: &str) -> (String, Vec<u8>) {
    let (mut socket, _) = listener.accept().await.unwrap();
    let mut bytes = Vec::new();
    loop {
        let mut buffer = [0; 4096];
        let count = socket.read(&mut buffer).await.unwrap();
        bytes.extend_from_slice(&buffer[..count]);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let Some((head, _)) = text.split_once("\r\n\r\n") else {
            continue;
        };
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "));
        let length: usize = length.unwrap().parse().unwrap();
        let body = bytes.split_off(head.len() + 4);
        if body.len() < length {
            bytes.extend_from_slice(&body);
            continue;
        }
        let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
        socket.write_all(answer.as_bytes()).await.unwrap();
        return (head.to_owned(), body);
    }
}

#[tokio::test]
async fn a_webhook_gets_each_alert_signed_until_it_has_it() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/alerts", listener.local_addr().unwrap());
    let mut watched = watched("AB123CD\n").await;
    let main = watched.house.home.open_main().unwrap();
    let key = watched.house.home.webhook_key().unwrap();
    let now = watched.house.clock.now();
    let secret = webhook::make(
        &main,
        &key,
        NewWebhook {
            id: "centrale",
            url: &url,
            authority: None,
            lists: &[],
            body: &varco_hub::bodies::BodyId::owner(),
        },
        now,
    )
    .unwrap();
    watched.passes("AB123CD");
    let telling = tokio::spawn(deliver_regularly(watched.hub.state.clone()));
    let (head, body) = take_request(&listener, "503 Service Unavailable").await;
    let clock = Arc::clone(&watched.house.clock);
    let moving = tokio::spawn(async move {
        loop {
            tokio::time::sleep(Duration::from_millis(50)).await;
            clock.advance(SECOND);
        }
    });
    let (again, same) = take_request(&listener, "204 No Content").await;
    moving.abort();
    let value = |head: &str, name: &str| {
        let line = head
            .lines()
            .find_map(|line| line.strip_prefix(name))
            .unwrap();
        line.trim_start_matches(": ").to_owned()
    };
    assert_eq!(value(&head, "webhook-id"), value(&again, "webhook-id"));
    assert_eq!(body, same);
    let told: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(told["type"], "alert.raised");
    assert_eq!(told["data"]["listed"], "AB123CD");
    let secret = secret.strip_prefix("whsec_").unwrap();
    assert!(!String::from_utf8_lossy(&body).contains(secret));
    for (head, body) in [(&head, &body), (&again, &same)] {
        let signed = format!(
            "{}.{}.{}",
            value(head, "webhook-id"),
            value(head, "webhook-timestamp"),
            String::from_utf8_lossy(body)
        );
        assert_eq!(value(head, "webhook-signature"), signature(secret, &signed));
    }
    let waiting = "SELECT count(*) FROM webhook_deliveries";
    for _ in 0..100 {
        if watched.house.count(waiting) == 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(watched.house.count(waiting), 0);
    telling.abort();
}

/// As the other side computes it, with another library call than the hub's.
fn signature(secret: &str, signed: &str) -> String {
    use base64::Engine as _;
    let engine = base64::engine::general_purpose::STANDARD;
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, &engine.decode(secret).unwrap());
    let tag = ring::hmac::sign(&key, signed.as_bytes());
    format!("v1,{}", engine.encode(tag.as_ref()))
}
