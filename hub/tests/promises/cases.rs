//! What outlives its term by a recorded order (C40), and what nobody may process meanwhile (C01).

use serde_json::{Value, json};
use varco_hub::audit::actor::Actor;
use varco_hub::people::tokens::Permission;
use varco_hub::timekeeping::Clock as _;

use crate::blocked::agree;
use crate::support::{Carrying as _, DAY, House, SECOND, Served, token_of};

struct Ordered {
    house: House,
    hub: Served,
    token: String,
    /// Of a second person.
    second: String,
}

/// Three transits of one plate, and a person who may open cases.
async fn ordered() -> Ordered {
    let house = House::new();
    let mut edge = house.edge("porta-nord-01");
    let mut writer = house.writer();
    for plate in ["AB123CD", "AB123CD", "AB123CD", "ZZ999ZZ"] {
        writer.take(&[edge.seal(plate, house.clock.now())]).unwrap();
        house.clock.advance(SECOND);
    }
    let may = [Permission::Cases, Permission::Lookups];
    let token = token_of(&house, "Commissario Verdi", &may);
    let second = token_of(&house, "Vicecomandante Neri", &may);
    let hub = house.serve().await;
    Ordered {
        house,
        hub,
        token,
        second,
    }
}

const CLOSING: &str = "/api/v1/cases/rgnr-123/closing";

impl Ordered {
    async fn send(&self, method: &str, path: &str, body: Value) -> (u16, Value) {
        self.send_with(&self.token, method, path, body).await
    }

    /// What comes of asking for the case to be closed.
    async fn close(&self, token: &str) -> (u16, Value) {
        self.send_with(token, "POST", CLOSING, Value::Null).await
    }

    async fn send_with(&self, token: &str, method: &str, path: &str, body: Value) -> (u16, Value) {
        let url = format!("{}{path}", self.hub.url);
        let request = self.hub.client.request(method.parse().unwrap(), url);
        let request = request.carrying(token);
        let request = if body.is_null() {
            request
        } else {
            request.json(&body)
        };
        let response = request.send().await.unwrap();
        let status = response.status().as_u16();
        (status, response.json().await.unwrap_or(Value::Null))
    }

    fn lookup(&self) -> Value {
        json!({
            "plate": "AB123CD", "from": "2026-11-22T00:00:00Z", "to": "2026-11-22T13:00:00Z",
            "purpose": "public-safety", "case_reference": "RGNR 123/2026",
        })
    }

    async fn open_and_hold(&self) {
        let case = json!({
            "id": "rgnr-123", "authority": "Procura di Perugia", "order": "decreto 5/2026",
            "until": "2027-03-01T00:00:00Z", "purpose": "public-safety",
            "case_reference": "RGNR 123/2026",
        });
        let (status, answer) = self.send("POST", "/api/v1/cases", case.clone()).await;
        assert_eq!(status, 201, "{answer}");
        assert_eq!(self.send("POST", "/api/v1/cases", case).await.0, 409);
        for expected in [3, 0] {
            let path = "/api/v1/cases/rgnr-123/holdings";
            let (status, answer) = self.send("POST", path, self.lookup()).await;
            assert_eq!(status, 200, "{answer}");
            assert_eq!(
                (&answer["found"], &answer["held"]),
                (&json!(3), &json!(expected))
            );
        }
    }
}

#[tokio::test]
async fn c40_a_held_record_outlives_its_term_in_its_case_alone() {
    let ordered = ordered().await;
    ordered.open_and_hold().await;
    let in_main = "SELECT count(*) FROM cases WHERE key IS NOT NULL";
    assert_eq!(ordered.house.count(in_main), 0, "its key lies elsewhere");
    ordered.house.clock.advance(DAY * 7 + SECOND * 7200);
    let expired = ordered.house.writer().expire(9).unwrap();
    assert_eq!((expired.transits, ordered.house.stored()), (4, 0));
    let (_, found) = ordered
        .send("POST", "/api/v1/lookups", ordered.lookup())
        .await;
    assert_eq!(found["total"], 0, "no lookup shows it");
    let (status, answer) = ordered
        .send("GET", "/api/v1/cases/rgnr-123", Value::Null)
        .await;
    assert_eq!(status, 200, "{answer}");
    let transits = answer["transits"].as_array().unwrap();
    assert_eq!(transits.len(), 3);
    assert!(transits.iter().all(|t| t["plate"] == "AB123CD"));
    for action in ["case-opened", "case-held", "case-shown"] {
        let line = format!("SELECT count(*) FROM audit WHERE action = '{action}'");
        assert!(ordered.house.count(&line) > 0, "{action}");
    }
    assert_eq!(ordered.close(&ordered.token).await.0, 202);
    assert_eq!(ordered.close(&ordered.second).await.0, 204);
    assert_eq!(ordered.house.count("SELECT count(*) FROM case_items"), 0);
    let keys = varco_hub::store::open(&ordered.house.home.hour_keys()).unwrap();
    let count = "SELECT count(*) FROM case_keys";
    let count: i64 = keys.query_row(count, [], |row| row.get(0)).unwrap();
    assert_eq!(count, 0, "its key is destroyed");
    assert_eq!(
        ordered
            .send("GET", "/api/v1/cases/rgnr-123", Value::Null)
            .await
            .0,
        409
    );
    let (_, cases) = ordered.send("GET", "/api/v1/cases", Value::Null).await;
    assert!(
        cases["cases"][0]["closed_at"].is_string(),
        "that it was stays"
    );
}

#[tokio::test]
async fn c40_one_person_alone_closes_no_case_and_two_do() {
    let ordered = ordered().await;
    ordered.open_and_hold().await;
    let asked_at = ordered.house.clock.now().to_string();
    let (status, answer) = ordered.close(&ordered.token).await;
    assert_eq!(status, 202, "{answer}");
    assert_eq!(answer["asked_by"], "Commissario Verdi");
    assert_eq!(answer["asked_at"], asked_at);
    assert!(answer["awaits"].as_str().unwrap().contains("second person"));
    // Once more, and with another token of the same person.
    let may = [Permission::Cases];
    let again = token_of(&ordered.house, "Commissario Verdi", &may);
    for token in [&ordered.token, &again] {
        let (status, answer) = ordered.close(token).await;
        assert_eq!(status, 409, "{answer}");
        let what_to_do = answer["what_to_do"].as_str().unwrap();
        assert!(
            what_to_do.contains("second person must confirm"),
            "{answer}"
        );
    }
    assert_eq!(ordered.house.count("SELECT count(*) FROM case_items"), 3);
    let (_, cases) = ordered.send("GET", "/api/v1/cases", Value::Null).await;
    let case = &cases["cases"][0];
    assert_eq!(case["closing_asked_by"], "Commissario Verdi");
    assert_eq!(case["closing_asked_at"], asked_at);
    let path = "/api/v1/cases/rgnr-123";
    let (_, shown) = ordered.send("GET", path, Value::Null).await;
    assert_eq!(shown["case"]["closing_asked_by"], "Commissario Verdi");
    assert_eq!(ordered.close(&ordered.second).await.0, 204);
    assert_eq!(ordered.house.count("SELECT count(*) FROM case_items"), 0);
    let open = "SELECT count(*) FROM approvals WHERE used_at_us IS NULL AND ended_at_us IS NULL";
    assert_eq!(ordered.house.count(open), 0);
    assert_eq!(ordered.close(&ordered.second).await.0, 409, "it is closed");
    let line = |action: &str| {
        let sql = format!("SELECT sequence FROM audit WHERE action = '{action}'");
        let text = ordered.house.audit_line(ordered.house.count(&sql));
        serde_json::from_str::<Value>(&text).unwrap()
    };
    assert_eq!(line("case-closing-asked")["actor"], "Commissario Verdi");
    let closed = line("case-closed");
    assert_eq!(closed["actor"], "Vicecomandante Neri");
    assert_eq!(closed["details"]["asked_by"], "Commissario Verdi");
}

#[tokio::test]
async fn c40_who_asked_a_week_ago_has_nobodys_word_left() {
    let ordered = ordered().await;
    ordered.open_and_hold().await;
    assert_eq!(ordered.close(&ordered.token).await.0, 202);
    ordered.house.clock.advance(DAY * 7);
    let (_, cases) = ordered.send("GET", "/api/v1/cases", Value::Null).await;
    assert_eq!(cases["cases"][0]["closing_asked_by"], Value::Null);
    let (status, answer) = ordered.close(&ordered.second).await;
    assert_eq!(
        (status, &answer["asked_by"]),
        (202, &json!("Vicecomandante Neri"))
    );
    assert_eq!(ordered.house.count("SELECT count(*) FROM case_items"), 3);
    assert_eq!(ordered.close(&ordered.token).await.0, 204);
}

#[tokio::test]
async fn c40_a_case_ends_with_its_orders_term() {
    let ordered = ordered().await;
    ordered.open_and_hold().await;
    ordered.house.clock.advance(DAY * 120);
    let (status, _) = ordered
        .send("GET", "/api/v1/cases/rgnr-123", Value::Null)
        .await;
    assert_eq!(status, 409, "at its end nothing is shown any more");
    let mut main = ordered.house.home.open_main().unwrap();
    let acting = varco_hub::audit::acting::Acting {
        actor: &Actor::hub(),
        now: ordered.house.clock.now(),
        key: &ordered.house.home.sealing_key().unwrap(),
    };
    let closed = varco_hub::cases::desk::close_past(&mut main, &acting).unwrap();
    assert_eq!(closed.len(), 1, "nobody has to confirm it");
    assert_eq!(ordered.house.count("SELECT count(*) FROM case_items"), 0);
}

#[tokio::test]
async fn c01_part_a_blocked_record_is_kept_and_shown_to_nobody() {
    let ordered = ordered().await;
    let (_, before) = ordered
        .send("POST", "/api/v1/lookups", ordered.lookup())
        .await;
    let id = before["results"][0]["transit_id"].as_str().unwrap();
    let mut block = json!({
        "transits": [id], "order": "istanza 9/2026", "purpose": "public-safety",
        "case_reference": "istanza 9/2026",
    });
    let (status, answer) = ordered.send("POST", "/api/v1/blocks", block.clone()).await;
    assert_eq!(status, 204, "{answer}");
    let (_, during) = ordered
        .send("POST", "/api/v1/lookups", ordered.lookup())
        .await;
    assert_eq!(during["results"].as_array().unwrap().len(), 2);
    assert_eq!(
        (&during["blocked"], &during["broken"]),
        (&json!(1), &json!(0))
    );
    assert!(!during.to_string().contains(id));
    let line = during["audit_line"].as_i64().unwrap();
    let text = ordered.house.audit_line(line);
    let line: serde_json::Value = serde_json::from_str(&text).unwrap();
    let told = |key: &str| line[key].as_array().map(Vec::len);
    assert_eq!(
        told("result_digests"),
        Some(2),
        "the audit names what was shown alone"
    );
    assert_eq!(line["result_count"], 2);
    assert_eq!(line["details"]["hidden"], 1);
    assert_eq!(ordered.house.stored(), 4, "it is kept");
    block["lift"] = json!(true);
    let (status, asked) = ordered.send("POST", "/api/v1/blocks", block.clone()).await;
    assert_eq!(status, 202, "{asked}");
    agree(&ordered.house, &ordered.hub, &asked).await;
    assert_eq!(ordered.send("POST", "/api/v1/blocks", block).await.0, 204);
    let (_, after) = ordered
        .send("POST", "/api/v1/lookups", ordered.lookup())
        .await;
    assert_eq!(after["results"].as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn c22_part_what_a_case_holds_lies_sealed_and_is_not_for_everybody() {
    let ordered = ordered().await;
    ordered.open_and_hold().await;
    for file in std::fs::read_dir(ordered.house.home.root()).unwrap() {
        let path = file.unwrap().path();

        if path.is_file() {
            let bytes = std::fs::read(&path).unwrap();
            // The audit says what was asked; nothing says what was found.
            let told = bytes.windows(7).filter(|w| *w == b"AB123CD").count();
            let asked = bytes.windows(9).filter(|w| *w == b"\"AB123CD\"").count();
            assert_eq!(told, asked, "{}", path.display());
        }
    }
    let first = ordered.hub.token.clone();
    let url = format!("{}/api/v1/cases", ordered.hub.url);
    let response = ordered
        .hub
        .client
        .get(url)
        .carrying(first)
        .send()
        .await
        .unwrap();
    assert_eq!(response.status().as_u16(), 403, "never given unasked");
}
