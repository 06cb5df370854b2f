//! What one's own appointed persons see is no communication, and the lines of every kind of question tell the two apart
//! (C49); what a question leaves out stands in its line (C24).

use futures_util::StreamExt as _;
use serde_json::{Value, json};
use varco_hub::agreements::desk::{self as agreements, WantedAgreement};
use varco_hub::alerts::desk as webhooks;
use varco_hub::alerts::webhook::{NewWebhook, WebhookTells};
use varco_hub::audit::purpose::Purpose;
use varco_hub::people::tokens::Permission;
use varco_hub::purposes::PurposeScope;
use varco_hub::purposes::desk::{self as purposes, WantedPurposes};
use varco_hub::timekeeping::Clock as _;
use varco_hub::web::webhooks::deliver_regularly;
use varco_proto::transit::PlateCrop;

use crate::agreements::{Consortium, act, name, pact};
use crate::purposes::TASKS;
use crate::signed::lines;
use crate::support::{Carrying as _, SECOND, TestEdge, token_for};

/// Somebody who asks everything that there is to ask.
struct Everything<'a> {
    town: &'a Consortium,
    token: &'a str,
    actor: &'a str,
    body: &'a str,
    /// Two gates within their reach, the first of which sees the vehicle that is waited for.
    gates: [&'a str; 2],
}

impl Everything<'_> {
    async fn send(&self, path: &str, body: &Value) -> Value {
        let (status, answer) = self.town.send(self.token, path, body).await;
        assert!((200..300).contains(&status), "{path}: {status} {answer}");
        answer
    }

    async fn get(&self, path: &str) -> Value {
        let url = format!("{}{path}", self.town.hub.url);
        let request = self.town.hub.client.get(url).carrying(self.token);
        request.send().await.unwrap().json().await.unwrap()
    }

    /// Their newest line of an action; waited for, where it is written after the answer.
    async fn line(&self, action: &str) -> Value {
        for _ in 0..200 {
            let mut all = lines(&self.town.house, action).into_iter();
            let is_theirs = |line: &Value| {
                line["actor"] == self.actor || line["details"]["webhook"] == *self.body
            };
            if let Some(line) = all.rfind(is_theirs) {
                return line;
            }
            tokio::time::sleep(SECOND / 20).await;
        }
        panic!("no line of {action} by {}", self.actor);
    }

    /// The questions that are answered at once.
    async fn ask(&self) {
        let ask = |more: Value| self.town.ask(more);
        self.send("/api/v1/lookups", &ask(json!({"plate": "AB001CD"})))
            .await;
        let window = ask(json!({}));
        let place =
            |gate: &str| json!({"gates": [gate], "from": window["from"], "to": window["to"]});
        let [here, there] = self.gates;
        let both = json!({
            "here": place(here), "there": place(there), "purpose": "public-safety",
            "case_reference": "PG 9/2026",
        });
        let answer = self.send("/api/v1/lookups/both", &both).await;
        assert_eq!(answer["total"], 6, "{answer}");
        let company = ask(json!({"plate": "AB002CD", "window_s": 60, "least": 2}));
        let answer = self.send("/api/v1/lookups/companions", &company).await;
        assert_eq!(answer["total"], 5, "{answer}");
    }

    /// A list, a webhook and a stream that wait for a vehicle.
    async fn wait_for_it(&self) {
        let list = json!({
            "id": self.body, "name": "Rubate", "reason": "furto", "owner": "Ufficio",
            "valid_to": "2026-12-31T00:00:00Z", "purpose": "public-safety",
            "case_reference": "PG 9/2026",
        });
        self.send("/api/v1/hotlists", &list).await;
        let url = format!(
            "{}/api/v1/hotlists/{}/entries",
            self.town.hub.url, self.body
        );
        let import = self.town.hub.client.post(url).carrying(self.token);
        let import = import.body("targa\nZZ001ZZ\n").send().await.unwrap();
        assert_eq!(import.status(), 200);
        let key = self.town.house.home.webhook_key().unwrap();
        act(&self.town.house, |main, acting| {
            let new = NewWebhook {
                id: self.body,
                url: "http://127.0.0.1:9/nobody-listens",
                authority: None,
                lists: &[],
                body: &self.body.parse().unwrap(),
            };
            webhooks::make(main, &key, new, &[WebhookTells::Alerts], acting).unwrap();
        });
    }

    /// What is kept in a case, shown from it and extracted.
    async fn keep(&self, responsible: &str) {
        let case = json!({
            "id": self.body, "authority": "Procura di Perugia", "order": "decreto 5/2026",
            "until": "2027-03-01T00:00:00Z", "purpose": "public-safety",
            "case_reference": "RGNR 123/2026",
        });
        self.send("/api/v1/cases", &case).await;
        let to = self.town.house.clock.now() + SECOND;
        let wanted = self
            .town
            .ask(json!({"plate": "ZZ001ZZ", "to": to.to_string()}));
        let held = self
            .send(&format!("/api/v1/cases/{}/holdings", self.body), &wanted)
            .await;
        assert_eq!(held["held"], 1, "{held}");
        let shown = self.get(&format!("/api/v1/cases/{}", self.body)).await;
        let permit = json!({
            "recipient_kind": "judicial-authority", "act": "decreto 5/2026",
            "until": "2027-03-01T00:00:00Z",
        });
        let (status, made) = self
            .town
            .send(responsible, "/api/v1/extraction-permits", &permit)
            .await;
        assert_eq!(status, 201, "{made}");
        let extraction = json!({
            "case_type": "complaint", "reference": "querela 1/2026",
            "recipient_kind": "judicial-authority", "recipient": "Procura di Perugia",
            "transits": [shown["transits"][0]["transit_id"]], "held_in": self.body,
            "purpose": "public-safety", "case_reference": "RGNR 123/2026",
            "standing": made["number"],
        });
        self.send("/api/v1/evidence", &extraction).await;
    }

    /// What each line tells of what was communicated, by whose it was.
    async fn communicated(&self) -> Vec<(&'static str, Vec<String>)> {
        const ACTIONS: [&str; 9] = [
            "lookup",
            "lookup-both",
            "lookup-companions",
            "live-closed",
            "alerts-shown",
            "alerts-sent",
            "case-shown",
            "evidence-extracted",
            "counted",
        ];
        let mut all = Vec::new();
        for action in ACTIONS {
            let line = self.line(action).await;
            let details = &line["details"];
            let told = details["alerts"]
                .as_array()
                .and_then(|alerts| alerts.last());
            let told = &told.unwrap_or(details)["communicated"];
            let mut towns: Vec<_> = told
                .as_array()
                .into_iter()
                .flatten()
                .map(|one| one["municipality"].as_str().unwrap().to_owned())
                .collect();
            towns.sort();
            all.push((action, towns));
        }
        all
    }
}

/// A vehicle passes with a picture that can be read.
fn pass(town: &Consortium, edge: &mut TestEdge, plate: &str) {
    let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/pictures/crop.jpg");
    let mut transit = edge.transit(plate, town.house.clock.now());
    transit.crop = PlateCrop {
        jpeg: std::fs::read(file).unwrap(),
        width_px: 230,
        height_px: 72,
    };
    let taken = town
        .house
        .writer()
        .take(&[edge.seal_transit(transit)])
        .unwrap();
    for transit in taken.stored {
        let _ = town.hub.live.send(transit);
    }
    town.hub.alerts.send_modify(|count| *count += 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn c49_what_appointed_persons_see_is_no_communication_and_every_kind_of_line_tells_the_two_apart()
 {
    let town = Consortium::new().await;
    act(&town.house, |main, acting| {
        let wanted = WantedAgreement {
            givers: [name("Perugia"), name("Corciano")].into(),
            ..pact("provincia", "Perugia", &["questura"], acting.now)
        };
        agreements::make(main, &wanted, acting).unwrap();
    });
    let mut edge = town.house.edge_at("porta-nord-02", "porta-nord");
    let local = token_for(&town.house, "Isp. Verde", Some("owner"), &TASKS);
    let state = token_for(&town.house, "Comm. Blu", Some("questura"), &TASKS);
    let own = Everything {
        town: &town,
        token: &local,
        actor: "Isp. Verde",
        body: "owner",
        gates: ["porta-nord", "porta-est"],
    };
    let others = Everything {
        token: &state,
        actor: "Comm. Blu",
        body: "questura",
        gates: ["porta-nord", "porta-sud"],
        ..own
    };
    let may = [
        Permission::Lookups,
        Permission::Cases,
        Permission::Admission,
    ];
    let commanders = ["owner", "questura"]
        .map(|body| token_for(&town.house, &format!("Com. {body}"), Some(body), &may));
    let telling = tokio::spawn(deliver_regularly(town.hub.state.clone()));
    let mut streams = Vec::new();
    for who in [&own, &others] {
        who.ask().await;
        who.wait_for_it().await;
        let window = town.ask(json!({}));
        let counts = json!({"from": window["from"], "to": window["to"]});
        who.send("/api/v1/counts", &counts).await;
        let (status, stream) = town.watch(who.token).await;
        assert_eq!(status, 200);
        streams.push(stream);
    }
    pass(&town, &mut edge, "ZZ001ZZ");
    for mut stream in streams {
        let next = tokio::time::timeout(SECOND * 20, stream.next()).await;
        assert!(next.unwrap().unwrap().contains("ZZ001ZZ"));
    }
    for (who, commander) in [&own, &others].into_iter().zip(&commanders) {
        let alerts = who.get("/api/v1/alerts?open=true").await;
        assert_eq!(alerts["alerts"].as_array().unwrap().len(), 1, "{alerts}");
        who.keep(commander).await;
    }
    for (action, towns) in own.communicated().await {
        assert!(towns.is_empty(), "{action}: one's own gates: {towns:?}");
    }
    for (action, towns) in others.communicated().await {
        let expected: &[&str] = match action {
            // It tells of nobody.
            "counted" => &[],
            "lookup-both" | "lookup-companions" => &["Corciano", "Perugia"],
            // The last is what was held in the case.
            _ => &["Perugia"],
        };
        assert_eq!(towns, expected, "{action}");
    }
    telling.abort();
}

#[tokio::test]
async fn c24_part_what_a_question_left_out_stands_in_its_line_as_in_its_answer() {
    let town = Consortium::new().await;
    act(&town.house, |main, acting| {
        let wanted = WantedPurposes {
            scope: PurposeScope::Gate("porta-nord".parse().unwrap()),
            purposes: [Purpose::Events].into(),
            act: "D.G.C. 4/2026".to_owned(),
            sanction_basis: None,
            from: acting.now,
        };
        purposes::set(main, &wanted, acting).unwrap();
    });
    town.house.clock.advance(SECOND);
    let window = town.ask(json!({}));
    let place = |gate: &str| json!({"gates": [gate], "from": window["from"], "to": window["to"]});
    let both = json!({
        "here": place("porta-nord"), "there": place("porta-est"), "purpose": "public-safety",
        "case_reference": "PG 9/2026",
    });
    let company = town.ask(json!({"plate": "AB002CD", "window_s": 60, "least": 2}));
    let (from, to) = (&window["from"], &window["to"]);
    for (path, body, action, has_it) in [
        (
            "lookups",
            town.ask(json!({"plate": "AB001CD"})),
            "lookup",
            true,
        ),
        ("lookups/both", both, "lookup-both", true),
        ("lookups/companions", company, "lookup-companions", true),
        // A count states no purpose, so that nothing is left out by it.
        ("counts", json!({"from": from, "to": to}), "counted", false),
    ] {
        let (status, answer) = town
            .send(&town.perugia, &format!("/api/v1/{path}"), &body)
            .await;
        assert_eq!(status, 200, "{path}: {answer}");
        let line = lines(&town.house, action).pop().unwrap();
        let told = &line["details"]["left_out"];
        let expected = json!([
            {"municipality": "Perugia", "gates": ["porta-nord"], "why": "purpose"},
        ]);
        let expected = if has_it { expected } else { Value::Null };
        assert_eq!(*told, expected, "{path}: {line}");
        if has_it {
            assert_eq!(answer["left_out"], *told, "{path}");
        }
    }
    let (status, _stream) = town.watch(&town.perugia).await;
    assert_eq!(status, 200);
    let opened = lines(&town.house, "live-opened").pop().unwrap();
    assert_eq!(
        opened["details"]["left_out"][0]["gates"],
        json!(["porta-nord"])
    );
}
