//! What is blocked (C01) is kept and not processed: every question that can show, count, keep or tell
//! a transit is asked before a block, while it holds, and after it is lifted.

use std::time::Duration;

use futures_util::StreamExt as _;
use serde_json::{Value, json};
use varco_hub::alerts::alert;
use varco_hub::cli::lookup::{Lookup, look_up};
use varco_hub::hours::partition::{Partition, Term};
use varco_hub::people::tokens::Permission;
use varco_hub::proof::verification::verify;
use varco_hub::timekeeping::Clock as _;
use varco_proto::time::UtcTime;

use crate::alerts::list;
use crate::support::{Carrying as _, DAY, House, SECOND, Served, TestEdge};
use crate::support::{system_token, token_of};

/// The vehicle all of whose transits are blocked.
pub(crate) const BLOCKED: &str = "CO111NV";

pub(crate) struct Scene {
    house: House,
    hub: Served,
    token: String,
    begins: UtcTime,
}

/// When a route is asked.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Before,
    Blocked,
    Lifted,
}

/// The number at a place of an answer: a list's is its length.
fn told(answer: &Value, at: &str) -> u64 {
    let value = answer.pointer(at);
    let value = value.unwrap_or_else(|| panic!("{at} is not in {answer}"));
    match value {
        Value::Array(all) => u64::try_from(all.len()).unwrap(),
        other => other.as_u64().unwrap_or_else(|| panic!("{at}: {answer}")),
    }
}

/// Somebody else of the hub's owner agrees to what was asked.
pub(crate) async fn agree(house: &House, hub: &Served, asked: &Value) {
    let token = token_of(house, "Isp. Secondo", &[Permission::Cases]);
    let id = asked["id"].as_str().unwrap_or_else(|| panic!("{asked}"));
    let url = format!("{}/api/v1/approvals/{id}/decision", hub.url);
    let request = hub.client.post(url).carrying(token);
    let said = request.json(&json!({"approve": true})).send().await;
    assert_eq!(said.unwrap().status(), 200);
}

impl Scene {
    async fn new() -> Self {
        let mut house = House::new();
        house.companions = true;
        let begins = house.clock.now();
        let mut north = house.edge("porta-nord-01");
        let mut south = house.edge_at("porta-sud-01", "porta-sud");
        house.clock.advance(SECOND * 7200);
        let hub = house.serve().await;
        let (status, answer) = hub
            .send("POST", "/api/v1/hotlists", Some(list("rubate")))
            .await;
        assert_eq!(status, 201, "{answer}");
        let listed = format!("{BLOCKED}\nZZ000ZZ\n");
        assert_eq!(hub.import("rubate", &listed).await.0, 200);
        let may = [
            Permission::Lookups,
            Permission::Cases,
            Permission::Convoys,
            Permission::Statistics,
            Permission::Alerts,
        ];
        let token = token_of(&house, "Commissario Verdi", &may);
        let mut writer = house.writer();
        let mut drive = |edge: &mut TestEdge, passes: &[(u32, &str)]| {
            for (after, plate) in passes {
                let message = edge.seal(plate, begins + SECOND * *after);
                writer.take(&[message]).unwrap();
            }
        };
        drive(
            &mut north,
            &[
                (0, "AB001CD"),
                (5, BLOCKED),
                (8, "ZZ000ZZ"),
                (20, "AB002CD"),
                (30, "AB003CD"),
                (40, "AB004CD"),
            ],
        );
        // Half of it is in a sealed index, half in memory.
        let hour = Partition::of(begins, Term::WHOLE);
        house.archive().seal(hour).unwrap();
        drive(
            &mut south,
            &[
                (590, BLOCKED),
                (595, "ZZ000ZZ"),
                (600, "AB001CD"),
                (700, "AB005CD"),
                (710, "AB006CD"),
                (720, "AB007CD"),
                (4000, "AB008CD"),
                (4010, "AB009CD"),
            ],
        );
        Self {
            house,
            hub,
            token,
            begins,
        }
    }

    /// The process begins anew, with all that is stored in sealed indexes.
    async fn restart(&mut self) {
        for hour in self.house.hours() {
            self.house.archive().seal(hour).unwrap();
        }
        self.house.restart();
        self.hub = self.house.serve().await;
    }

    async fn send(&self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let url = format!("{}{path}", self.hub.url);
        let request = self.hub.client.request(method.parse().unwrap(), url);
        let request = request.carrying(&self.token);
        let request = if body.is_null() {
            request
        } else {
            request.json(body)
        };
        let response = request.send().await.unwrap();
        let status = response.status().as_u16();
        (status, response.json().await.unwrap_or(Value::Null))
    }

    pub(crate) fn window(&self) -> Value {
        json!({
            "from": self.begins.to_string(), "to": (self.begins + SECOND * 7200).to_string(),
            "purpose": "public-safety", "case_reference": "PG 9/2026",
        })
    }

    pub(crate) fn ask(&self, more: Value) -> Value {
        let mut body = self.window();
        for (key, value) in more.as_object().unwrap() {
            body[key] = value.clone();
        }
        body
    }

    /// The newest line of the audit.
    fn last_line(&self) -> Value {
        let main = self.house.home.open_main().unwrap();
        let sql = "SELECT line FROM audit ORDER BY sequence DESC LIMIT 1";
        let line: String = main.query_row(sql, [], |row| row.get(0)).unwrap();
        serde_json::from_str(&line).unwrap()
    }

    async fn block(&self, ids: &[String], lift: bool) -> (u16, Value) {
        let body = json!({
            "transits": ids, "order": "istanza 9/2026", "lift": lift, "purpose": "public-safety",
            "case_reference": "istanza 9/2026",
        });
        self.send("POST", "/api/v1/blocks", &body).await
    }

    /// Lifts blocks on two persons' word.
    async fn lift(&self, ids: &[String]) {
        let (status, asked) = self.block(ids, true).await;
        assert_eq!(status, 202, "one person asks: {asked}");
        agree(&self.house, &self.hub, &asked).await;
        let (status, answer) = self.block(ids, true).await;
        assert_eq!(status, 204, "{answer}");
    }

    async fn open_case(&self, id: &str) {
        let case = json!({
            "id": id, "authority": "Procura di Perugia", "order": "decreto 5/2026",
            "until": "2027-03-01T00:00:00Z", "purpose": "public-safety",
            "case_reference": "RGNR 123/2026",
        });
        assert_eq!(self.send("POST", "/api/v1/cases", &case).await.0, 201);
    }

    async fn hold(&self, case: &str, plate: &str) {
        let path = format!("/api/v1/cases/{case}/holdings");
        let body = self.ask(json!({"plate": plate}));
        assert_eq!(self.send("POST", &path, &body).await.1["held"], 2);
    }

    /// Ids and digests of what a plate's lookup shows.
    async fn found(&self, plate: &str) -> (Vec<String>, Vec<String>) {
        let (_, answer) = self
            .send(
                "POST",
                "/api/v1/lookups",
                &self.ask(json!({"plate": plate})),
            )
            .await;
        let results = answer["results"].as_array().unwrap().iter();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let ids = results.map(|one| text(&one["transit_id"])).collect();
        let line = self.last_line();
        let digests = line["result_digests"].as_array().unwrap().iter();
        (ids, digests.map(text).collect())
    }

    /// Asks every route, and proves what it shows and what its line names.
    async fn prove(&self, stage: Stage, case: &str, ids: &[String], digests: &[String]) {
        self.open_case(case).await;
        for route in self.routes(case) {
            let (status, answer) = self.send(route.method, &route.path, &route.body).await;
            assert_eq!(status, 200, "{}: {answer}", route.name);
            for number in &route.numbers {
                let expected = match stage {
                    Stage::Blocked => number.blocked,
                    Stage::Before | Stage::Lifted => number.free,
                };
                let found = told(&answer, number.at);
                assert_eq!(found, expected, "{} {}: {answer}", route.name, number.at);
            }
            let line = self.last_line();
            if let Some(expected) = &route.digests {
                let expected = match stage {
                    Stage::Blocked => expected.blocked,
                    Stage::Before | Stage::Lifted => expected.free,
                };
                let named = line["result_digests"].as_array().unwrap().len();
                assert_eq!(named, expected, "{}: {line}", route.name);
                assert_eq!(line["result_count"], json!(named), "{}: {line}", route.name);
            }
            if stage == Stage::Blocked {
                self.is_free(route.name, &answer.to_string(), ids, digests);
                let line = line.to_string();
                for digest in ids.iter().chain(digests) {
                    assert!(!line.contains(digest), "{}: {line}", route.name);
                }
            }
        }
    }

    /// Proves that a text has nothing of the blocked vehicle.
    fn is_free(&self, name: &str, text: &str, ids: &[String], digests: &[String]) {
        let plate = BLOCKED.to_owned();
        for wrong in ids.iter().chain(digests).chain([&plate]) {
            assert!(!text.contains(wrong), "{name} has {wrong}: {text}");
        }
    }

    /// What the stream of alerts tells from the beginning on, until another vehicle's last alert.
    async fn stream(&self) -> String {
        let url = format!("{}/api/v1/alerts/live?after=0", self.hub.url);
        let request = self.hub.client.get(url).carrying(&self.token);
        let mut stream = request.send().await.unwrap().bytes_stream();
        let mut text = String::new();
        while !text.contains("id: 4") {
            let next = tokio::time::timeout(Duration::from_secs(60), stream.next()).await;
            text.push_str(&String::from_utf8_lossy(&next.unwrap().unwrap().unwrap()));
        }
        text
    }

    /// What `varco-hub lookup` shows of everything.
    async fn console(&self) -> String {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("token");
        let token = system_token(&self.house, "Terminale", &[Permission::Lookups]);
        std::fs::write(&file, token).unwrap();
        let lookup = Lookup {
            plate: "*".to_owned(),
            from: self.begins.to_string(),
            to: (self.begins + SECOND * 7200).to_string(),
            camera: Vec::new(),
            gate: Vec::new(),
            municipality: Vec::new(),
            area: None,
            around: None,
            direction: None,
            travel: None,
            country: None,
            confidence_min: None,
            misread: false,
            oldest_first: false,
            purpose: "public-safety".to_owned(),
            case: "PG 9/2026".to_owned(),
            limit: Some(100),
            fold: false,
            after: None,
            hub: Some(self.hub.url.clone()),
            ca: None,
            token_file: Some(file),
        };
        let home = self.house.home.clone();
        let shown = tokio::task::spawn_blocking(move || look_up(&home, lookup).unwrap());
        serde_json::to_string(&shown.await.unwrap()).unwrap()
    }

    /// The ids on all pages of one, by following `next`.
    async fn pages(&self) -> Vec<String> {
        let mut ids = Vec::new();
        let mut after = Value::Null;
        loop {
            let body = self.ask(json!({"plate": "*", "limit": 1, "after": after}));
            let (status, answer) = self.send("POST", "/api/v1/lookups", &body).await;
            assert_eq!(status, 200, "{answer}");
            let results = answer["results"].as_array().unwrap();
            assert_eq!(results.len(), 1, "no page is empty: {answer}");
            ids.push(results[0]["transit_id"].as_str().unwrap().to_owned());
            after = answer["next"].clone();
            if after.is_null() {
                return ids;
            }
        }
    }

    fn open_alerts(&self) -> u64 {
        alert::count_open(&self.house.home.open_main().unwrap()).unwrap()
    }
}

#[tokio::test]
async fn c01_a_blocked_transit_is_kept_and_nobody_processes_it_by_any_route() {
    let mut scene = Scene::new().await;
    let (ids, digests) = scene.found(BLOCKED).await;
    assert_eq!((ids.len(), digests.len()), (2, 2));
    scene.open_case("held-before").await;
    for plate in [BLOCKED, "ZZ000ZZ"] {
        scene.hold("held-before", plate).await;
    }
    scene.prove(Stage::Before, "k-1", &ids, &digests).await;
    assert_eq!((scene.pages().await.len(), scene.open_alerts()), (14, 4));
    let (status, answer) = scene.block(&ids, false).await;
    assert_eq!(status, 204, "{answer}");
    for case in ["k-2", "k-3"] {
        scene.prove(Stage::Blocked, case, &ids, &digests).await;
        let pages = scene.pages().await;
        assert_eq!(pages.len(), 12);
        assert!(ids.iter().all(|id| !pages.contains(id)));
        assert_eq!(scene.open_alerts(), 2);
        let stream = scene.stream().await;
        scene.is_free("the stream of alerts", &stream, &ids, &digests);
        let console = scene.console().await;
        scene.is_free("varco-hub lookup", &console, &ids, &digests);
        assert!(console.contains("\"total\":12"), "{console}");
        let outcome = json!({"outcome": "confirmed"});
        let path = "/api/v1/alerts/1/acknowledgement";
        let (status, _) = scene.send("POST", path, &outcome).await;
        assert_eq!(status, 404, "what is blocked is not acknowledged");
        let kept = "SELECT count(*) FROM case_items WHERE id = 'held-before'";
        assert_eq!(
            (scene.house.stored(), scene.house.count(kept)),
            (14, 4),
            "it is kept"
        );
        scene.restart().await;
    }
    // One person lifts no block, by whatever account, nor twice with one word.
    let (status, asked) = scene.block(&ids, true).await;
    assert_eq!(
        (status, &asked["state"]),
        (202, &json!("waiting")),
        "{asked}"
    );
    assert_eq!(scene.block(&ids, true).await.0, 409, "it waits");
    let own = format!(
        "/api/v1/approvals/{}/decision",
        asked["id"].as_str().unwrap()
    );
    let yes = json!({"approve": true});
    assert_eq!(scene.send("POST", &own, &yes).await.0, 403, "their own");
    scene.prove(Stage::Blocked, "k-5", &ids, &digests).await;
    agree(&scene.house, &scene.hub, &asked).await;
    let (status, other) = scene.block(&ids[..1], true).await;
    assert_eq!(status, 202, "another agreed to both, not to one: {other}");
    assert_eq!(scene.block(&ids, true).await.0, 204);
    scene.prove(Stage::Lifted, "k-4", &ids, &digests).await;
    assert_eq!(scene.block(&ids, false).await.0, 204);
    let (status, asked) = scene.block(&ids, true).await;
    assert_eq!(status, 202, "a word is used once: {asked}");
    let now = scene.house.clock.now();
    assert!(verify(&scene.house.home, now).unwrap().intact);
}

#[tokio::test]
async fn c01_part_what_a_case_holds_beyond_the_term_can_be_blocked_too() {
    let scene = Scene::new().await;
    let (ids, _) = scene.found(BLOCKED).await;
    scene.open_case("held").await;
    scene.hold("held", BLOCKED).await;
    scene.house.clock.advance(DAY * 8);
    scene.house.writer().expire(9).unwrap();
    assert_eq!(scene.house.stored(), 0);
    assert_eq!(scene.block(&ids, false).await.0, 204);
    let (_, case) = scene.send("GET", "/api/v1/cases/held", &Value::Null).await;
    assert_eq!(
        (told(&case, "/transits"), told(&case, "/case/blocked")),
        (0, 2)
    );
    scene.lift(&ids).await;
    let (_, case) = scene.send("GET", "/api/v1/cases/held", &Value::Null).await;
    assert_eq!(told(&case, "/transits"), 2, "{case}");
}

#[tokio::test]
async fn c01_part_a_block_of_what_is_not_there_is_refused_whole() {
    let scene = Scene::new().await;
    let (ids, _) = scene.found(BLOCKED).await;
    let blocks = "SELECT count(*) FROM blocks WHERE lifted_at_us IS NULL";
    let unknown = "0193e2b4-0000-7000-8000-000000000000".to_owned();
    let mixed = [ids[0].clone(), unknown.clone()];
    for lift in [false, true] {
        let (status, answer) = scene.block(&mixed, lift).await;
        assert_eq!(status, 422, "lift {lift}: {answer}");
        for key in ["error", "what_to_do"] {
            assert!(answer[key].is_string(), "{answer}");
        }
        let what = answer["what_to_do"].as_str().unwrap();
        assert!(
            what.contains(&unknown) && !what.contains(&ids[0]) || lift,
            "{what}"
        );
        assert_eq!(scene.house.count(blocks), 0, "all or nothing");
    }
    assert_eq!(scene.block(&ids, false).await.0, 204);
    assert_eq!(scene.block(&ids, false).await.0, 204, "said again");
    let (status, answer) = scene.block(&mixed, true).await;
    assert_eq!(status, 422, "{answer}");
    assert_eq!(scene.house.count(blocks), 2, "none is lifted");
    scene.lift(&ids).await;
    assert_eq!(scene.house.count(blocks), 0);
    let lines = "SELECT count(*) FROM audit WHERE action IN ('transit-blocked', 'block-lifted')";
    assert_eq!(
        scene.house.count(lines),
        3,
        "what was refused is not told as done"
    );
}
