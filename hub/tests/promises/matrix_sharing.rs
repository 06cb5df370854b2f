//! How many records of another municipality each question shows, in each situation that an agreement can be in: one
//! table, written by hand from Perugia's regulation (art. 8, art. 17) and Macerata's protocol (art. 1, art. 4).

use std::time::Duration;

use futures_util::StreamExt as _;
use serde_json::{Value, json};
use varco_hub::timekeeping::Clock as _;

use crate::matrix_towns::{Between, GATES, HOUR, LAST, OTHERS, PLATES, Towns};
use crate::signed::told;
use crate::support::{Carrying as _, DAY};

/// How many records of the gates `porta-sud` and `porta-ovest` a question shows. Companions go by both gates, and by
/// one of their own: how many were met at two gates, and at three.
struct Shows {
    between: Between,
    lookups: [u64; 2],
    both: [u64; 2],
    companions: [u64; 2],
    counts: [u64; 2],
    holdings: [u64; 2],
    live: [u64; 2],
    alerts: [u64; 2],
}

const fn shows(between: Between, sud: bool, ovest: bool) -> Shows {
    let six = [if sud { 6 } else { 0 }, if ovest { 6 } else { 0 }];
    let one = [if sud { 1 } else { 0 }, if ovest { 1 } else { 0 }];
    Shows {
        between,
        lookups: six,
        both: six,
        companions: [
            if sud || ovest { 5 } else { 0 },
            if sud && ovest { 5 } else { 0 },
        ],
        counts: six,
        holdings: six,
        live: one,
        alerts: one,
    }
}

/// Art. 17 c. 1; art. 8 c. 2 A a1 to a3; Macerata, art. 1 c. 1 and art. 4.
const TABLE: [Shows; 14] = [
    Shows {
        // Nothing of Perugia's gate to be paired with.
        both: [0, 0],
        companions: [5, 0],
        ..shows(Between::Own, true, true)
    },
    shows(Between::Nothing, false, false),
    shows(Between::NotYet, false, false),
    shows(Between::Begun, true, true),
    shows(Between::Over, false, false),
    shows(Between::Ended, false, false),
    Shows {
        // A count tells of nobody, and is made for no purpose.
        counts: [6, 6],
        ..shows(Between::OtherPurpose, false, false)
    },
    shows(Between::OnlySud, true, false),
    shows(Between::NotAdmitted, false, false),
    shows(Between::Admitted, true, true),
    shows(Between::AdmissionOver, false, false),
    shows(Between::ReceiverLeft, false, false),
    shows(Between::GiverLeft, false, false),
    Shows {
        // Level 1 goes first where a gate is used, and an alert shows what its camera saw; a number uses none.
        counts: [6, 6],
        ..shows(Between::SudClaimed, false, true)
    },
];

/// Whoever asks every question in one situation.
struct Asker<'a> {
    towns: &'a mut Towns,
    token: String,
    purpose: &'static str,
    case: String,
}

impl Asker<'_> {
    fn with(&self, more: Value) -> Value {
        let mut body = json!({
            "from": self.towns.begins.to_string(), "to": (self.towns.begins + HOUR).to_string(),
            "purpose": self.purpose, "case_reference": format!("PG {}/2026", self.case),
        });
        for (key, value) in more.as_object().unwrap() {
            body[key] = value.clone();
        }
        body
    }

    async fn asked(&self, path: &str, body: &Value) -> Value {
        self.towns.asked(&self.token, path, body).await
    }

    async fn lookups(&self, gate: &str) -> u64 {
        let body = self.with(json!({"plate": "AB*", "gates": [gate], "limit": 100}));
        let answer = self.asked("lookups", &body).await;
        let results = answer["results"].as_array().unwrap();
        assert!(results.iter().all(|one| one["gate"] == gate), "{answer}");
        assert_eq!(answer["total"], json!(results.len()), "{answer}");
        answer["total"].as_u64().unwrap()
    }

    async fn both(&self, gate: &str) -> u64 {
        let all = self.with(json!({}));
        let place = |gate: &str| json!({"gates": [gate], "from": all["from"], "to": all["to"]});
        let both = json!({
            "here": place(GATES[0]), "there": place(gate),
            "purpose": all["purpose"], "case_reference": all["case_reference"],
        });
        let answer = self.asked("lookups/both", &both).await;
        answer["total"].as_u64().unwrap()
    }

    async fn companions(&self, least: u64) -> u64 {
        let body = self.with(json!({"plate": PLATES[0], "window_s": 60, "least": least}));
        let answer = self.asked("lookups/companions", &body).await;
        answer["total"].as_u64().unwrap()
    }

    async fn counts(&self, gate: &str) -> u64 {
        let all = self.with(json!({}));
        let body = json!({"from": all["from"], "to": all["to"], "by": "gate"});
        let answer = self.asked("counts", &body).await;
        let mut cells = answer["cells"].as_array().unwrap().iter();
        let cell = cells.find(|cell| cell["of"] == gate);
        cell.map_or(0, |cell| cell["count"].as_u64().unwrap())
    }

    async fn holdings(&self, gate: &str) -> u64 {
        let id = format!("{}-{gate}", self.case);
        let mut case = self.with(json!({
            "id": id, "authority": "Procura", "order": "decreto 5/2026",
            "until": "2027-03-01T00:00:00Z",
        }));
        case.as_object_mut()
            .unwrap()
            .retain(|key, _| key != "from" && key != "to");
        let opened = self.towns.post(&self.token, "cases", &case).await;
        assert_eq!(opened.0, 201, "{}", opened.1);
        let body = self.with(json!({"plate": "AB*", "gates": [gate], "limit": 100}));
        let held = self.asked(&format!("cases/{id}/holdings"), &body).await;
        held["held"].as_u64().unwrap()
    }

    /// Opens a stream, lets something happen, and reads until what passes last.
    async fn stream(
        &mut self,
        path: &str,
        last: &str,
        happens: impl FnOnce(&mut Towns),
    ) -> Vec<Value> {
        let url = format!("{}/api/v1/{path}", self.towns.hub.url);
        let request = self.towns.hub.client.get(url).carrying(&self.token);
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 200, "{path}");
        let mut parts = response.bytes_stream();
        happens(self.towns);
        let mut text = String::new();
        loop {
            let next = tokio::time::timeout(Duration::from_secs(20), parts.next()).await;
            let part = next.unwrap_or_else(|_| panic!("{path}: no {last} in {text}"));
            text.push_str(&String::from_utf8_lossy(&part.unwrap().unwrap()));
            if text.contains(last) && text.ends_with("\n\n") {
                break;
            }
        }
        let data = text.lines().filter_map(|line| line.strip_prefix("data:"));
        data.filter_map(|data| serde_json::from_str(data).ok())
            .collect()
    }

    async fn live(&mut self) -> [u64; 2] {
        let path = format!(
            "transits/live?purpose={}&case_reference=PG+{}%2F2026",
            self.purpose, self.case
        );
        // The last passes a gate of each.
        let events = self.stream(&path, "ZZ009ZZ", |towns| {
            let now = towns.house.clock.now();
            for (gate, plate) in [
                (1, "ZZ001ZZ"),
                (2, "ZZ002ZZ"),
                (1, "ZZ009ZZ"),
                (0, "ZZ009ZZ"),
            ] {
                let message = towns.edges[gate].seal(plate, now);
                for stored in towns.writer.take(&[message]).unwrap().stored {
                    let _ = towns.hub.live.send(stored);
                }
            }
        });
        let events = events.await;
        let seen = |plate: &str| {
            let of = events.iter().filter(|event| event["plate"] == plate);
            u64::try_from(of.count()).unwrap()
        };
        ["ZZ001ZZ", "ZZ002ZZ"].map(seen)
    }

    /// What it is told of the listed plate, by the list of its purpose.
    fn of_the_list(&self, alerts: &[Value]) -> [u64; 2] {
        let is_for = |alert: &Value| alert["list"].as_str().unwrap().ends_with(self.purpose);
        let of = alerts
            .iter()
            .filter(|alert| is_for(alert) && alert["listed"] == PLATES[0]);
        let gates: Vec<_> = of.map(|alert| alert["transit"]["gate"].clone()).collect();
        OTHERS.map(|gate| {
            let at = gates.iter().filter(|one| **one == gate);
            u64::try_from(at.count()).unwrap()
        })
    }

    async fn alerts(&mut self) -> [[u64; 2]; 2] {
        let url = format!("{}/api/v1/alerts?limit=200", self.towns.hub.url);
        let request = self.towns.hub.client.get(url).carrying(&self.token);
        let (status, shown) = told(request.send().await.unwrap()).await;
        assert_eq!(status, 200, "{shown}");
        let told = self.stream("alerts/live?after=0", LAST, |_| {}).await;
        [
            self.of_the_list(shown["alerts"].as_array().unwrap()),
            self.of_the_list(&told),
        ]
    }
}

#[tokio::test]
async fn d04_c47_c77_part_e01_what_each_question_shows_of_another_municipality_is_what_an_agreement_says()
 {
    let mut towns = Towns::new().await;
    let mut wrong = Vec::new();
    for (k, row) in TABLE.iter().enumerate() {
        let who = format!("Isp {k}");
        let token = towns.come_to(row.between, &who).await;
        let purpose = match row.between {
            Between::OtherPurpose => "traffic",
            _ => "public-safety",
        };
        let mut asker = Asker {
            towns: &mut towns,
            token,
            purpose,
            case: k.to_string(),
        };
        let mut cells = Vec::new();
        for (at, gate) in OTHERS.into_iter().enumerate() {
            cells.push((
                format!("lookups {gate}"),
                asker.lookups(gate).await,
                row.lookups[at],
            ));
            cells.push((format!("both {gate}"), asker.both(gate).await, row.both[at]));
            cells.push((
                format!("counts {gate}"),
                asker.counts(gate).await,
                row.counts[at],
            ));
            cells.push((
                format!("holdings {gate}"),
                asker.holdings(gate).await,
                row.holdings[at],
            ));
        }
        for (gates, says) in [2, 3].into_iter().zip(row.companions) {
            let met = asker.companions(gates).await;
            cells.push((format!("companions at {gates} gates"), met, says));
        }
        let (live, [alerts, told]) = (asker.live().await, asker.alerts().await);
        for (at, gate) in OTHERS.into_iter().enumerate() {
            cells.push((format!("live {gate}"), live[at], row.live[at]));
            cells.push((format!("alerts {gate}"), alerts[at], row.alerts[at]));
            cells.push((format!("alerts live {gate}"), told[at], row.alerts[at]));
        }
        assert_eq!(cells.len(), 16);
        let other = cells.into_iter().filter(|(_, shown, says)| shown != says);
        wrong.extend(other.map(|(what, shown, says)| {
            format!("{:?}: {what}: {shown}, and it says {says}", row.between)
        }));
        let id = format!("patto-isp-{k}");
        if !matches!(
            row.between,
            Between::Own | Between::Nothing | Between::Over | Between::Ended
        ) {
            towns.end(&id);
        }
    }
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    assert!(
        DAY * 7 > towns.house.clock.now().since(towns.begins),
        "nothing was too old"
    );
}
