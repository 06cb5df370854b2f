//! A text that was misread is corrected, with its history, and found by both texts (C35).

use serde_json::{Value, json};
use varco_hub::people::tokens::Permission;
use varco_hub::timekeeping::Clock as _;

use crate::support::{Carrying as _, DAY, House, SECOND, Served, token_of};

struct Misread {
    house: House,
    hub: Served,
    token: String,
}

impl Misread {
    /// One transit that was read as AB123CD, and some others.
    async fn new() -> Self {
        let house = House::new();
        let mut edge = house.edge("porta-nord-01");
        let mut writer = house.writer();
        for plate in ["AA000AA", "AB123CD", "ZZ999ZZ"] {
            writer.take(&[edge.seal(plate, house.clock.now())]).unwrap();
            house.clock.advance(SECOND);
        }
        let token = token_of(
            &house,
            "Isp. Bianchi",
            &[Permission::Lookups, Permission::Cases],
        );
        let hub = house.serve().await;
        Self { house, hub, token }
    }

    async fn post(&self, token: &str, path: &str, body: &Value) -> (u16, Value) {
        let request = self.hub.client.post(format!("{}{path}", self.hub.url));
        let response = request.carrying(token).json(body).send().await.unwrap();
        let status = response.status().as_u16();
        (status, response.json().await.unwrap_or(Value::Null))
    }

    async fn find(&self, plate: &str) -> Value {
        let (status, answer) = self.look_up(json!({"plate": plate, "limit": 100})).await;
        assert_eq!(status, 200, "{answer}");
        answer
    }

    async fn look_up(&self, more: Value) -> (u16, Value) {
        let now = self.house.clock.now();
        let mut body = json!({
            "from": (now - DAY).to_string(), "to": now.to_string(), "purpose": "public-safety",
            "case_reference": "PG 9/2026",
        });
        for (key, value) in more.as_object().unwrap() {
            body[key] = value.clone();
        }
        self.post(&self.token, "/api/v1/lookups", &body).await
    }

    async fn correct(&self, token: &str, id: &str, plate: &str) -> (u16, Value) {
        let body = json!({
            "plate": plate, "reason": "la foto mostra O e non 0", "purpose": "public-safety",
            "case_reference": "PG 9/2026",
        });
        self.post(token, &format!("/api/v1/transits/{id}/corrections"), &body)
            .await
    }
}

fn ids(answer: &Value) -> Vec<&str> {
    let results = answer["results"].as_array().unwrap().iter();
    results
        .map(|one| one["transit_id"].as_str().unwrap())
        .collect()
}

#[tokio::test]
async fn c35_a_misread_is_corrected_with_its_history_and_found_by_both_texts_until_its_term() {
    let it = Misread::new().await;
    let before = it.find("AB123CD").await;
    let id = ids(&before)[0].to_owned();
    assert_eq!(before["results"][0]["corrections"], json!([]));
    assert_eq!(it.find("AB123OD").await["total"], 0);

    let lines = it.house.count("SELECT count(*) FROM audit");
    let (status, answer) = it.correct(&it.token, &id, "ab 123 od").await;
    assert_eq!(status, 201, "{answer}");
    assert_eq!(answer["plate_read"], "AB123CD");
    assert_eq!(answer["corrections"][0]["plate"], "AB123OD");
    assert_eq!(answer["corrections"][0]["by"], "Isp. Bianchi");
    let line = it.house.audit_line(lines + 1);
    assert!(
        line.contains("plate-corrected") && line.contains("PG 9/2026"),
        "{line}"
    );
    assert!(
        !line.contains("AB123"),
        "the audit outlives the transit: {line}"
    );
    let digest = before["results"][0]["record_digest"].as_str().unwrap();
    assert!(line.contains(digest), "{line}");

    // By both texts, by patterns of either, folded, once each; and what was sealed says what it said.
    for plate in ["AB123CD", "AB123OD", "AB123?D", "AB12*", "*OD"] {
        let found = it.find(plate).await;
        assert_eq!(
            (ids(&found), &found["total"]),
            (vec![id.as_str()], &json!(1)),
            "{plate}"
        );
        let one = &found["results"][0];
        assert_eq!(
            (&one["plate"], &one["record_digest"]),
            (&json!("AB123CD"), &json!(digest))
        );
        assert_eq!(one["corrections"].as_array().unwrap().len(), 1);
    }
    let (_, folded) = it.look_up(json!({"plate": "AB1230D", "fold": true})).await;
    assert_eq!(ids(&folded), [id.as_str()]);
    assert_eq!(it.find("AB1230D").await["total"], 0, "as written");
    assert_eq!(it.find("*").await["total"], 3, "nothing is there twice");
    let (_, elsewhere) = it
        .look_up(json!({"plate": "AB123OD", "gates": ["porta-sud"]}))
        .await;
    assert_eq!(elsewhere["total"], 0, "what else is asked holds too");

    // Again: the history stays, the last text holds, the one between finds nothing any more.
    assert_eq!(it.correct(&it.token, &id, "AB123QD").await.0, 201);
    let (status, again) = it.correct(&it.token, &id, "AB123QD").await;
    assert_eq!(status, 422, "{again}");
    assert_eq!(it.find("AB123OD").await["total"], 0);
    let now = it.find("AB123QD").await;
    let history = now["results"][0]["corrections"].as_array().unwrap();
    let texts: Vec<_> = history
        .iter()
        .map(|one| one["plate"].as_str().unwrap())
        .collect();
    assert_eq!(texts, ["AB123OD", "AB123QD"]);

    // It is on the disk under its hour's key alone, and ends with that.
    let main = it.house.home.open_main().unwrap();
    let plain: i64 = main
        .query_row(
            "SELECT count(*) FROM corrections WHERE instr(sealed, CAST('AB123' AS BLOB)) > 0
                OR instr(sealed, CAST('Bianchi' AS BLOB)) > 0",
            [],
            |row| row.get(0),
        )
        .unwrap();
    assert_eq!(plain, 0);
    it.house.clock.advance(DAY * 8);
    assert_eq!(it.house.writer().expire(10).unwrap().transits, 3);
    assert_eq!(it.house.count("SELECT count(*) FROM corrections"), 0);
}

#[tokio::test]
async fn c35_part_only_who_may_corrects_only_what_is_there_and_says_why() {
    let it = Misread::new().await;
    let id = ids(&it.find("AB123CD").await)[0].to_owned();
    let counts = token_of(&it.house, "who-counts", &[Permission::Statistics]);
    assert_eq!(it.correct(&counts, &id, "AB123OD").await.0, 403);
    for wrong in ["00000000-0000-7000-8000-000000000000", "x"] {
        assert_eq!(
            it.correct(&it.token, wrong, "AB123OD").await.0,
            422,
            "{wrong}"
        );
    }
    for (plate, reason, purpose) in [
        ("", "perché", "public-safety"),
        ("AB*", "perché", "public-safety"),
        ("AB123OD", "x", "public-safety"),
        ("AB123OD", "perché", "sanction"),
        ("AB123CD", "perché", "public-safety"),
    ] {
        let body = json!({
            "plate": plate, "reason": reason, "purpose": purpose, "case_reference": "PG 9/2026",
        });
        let path = format!("/api/v1/transits/{id}/corrections");
        let (status, answer) = it.post(&it.token, &path, &body).await;
        assert_eq!(status, 422, "{body} {answer}");
    }
    // What is blocked is not processed, and this is processing.
    let block = json!({
        "transits": [id], "order": "istanza 9/2026", "purpose": "public-safety", "case_reference": "PG 9/2026",
    });
    assert_eq!(it.post(&it.token, "/api/v1/blocks", &block).await.0, 204);
    assert_eq!(it.correct(&it.token, &id, "AB123OD").await.0, 422);
    assert_eq!(it.house.count("SELECT count(*) FROM corrections"), 0);
}

#[tokio::test]
async fn c01_part_a_corrected_transit_that_is_blocked_is_found_by_neither_text() {
    let it = Misread::new().await;
    let id = ids(&it.find("AB123CD").await)[0].to_owned();
    assert_eq!(it.correct(&it.token, &id, "AB123OD").await.0, 201);
    let block = json!({
        "transits": [id], "order": "istanza 9/2026", "purpose": "public-safety", "case_reference": "PG 9/2026",
    });
    assert_eq!(it.post(&it.token, "/api/v1/blocks", &block).await.0, 204);
    for plate in ["AB123CD", "AB123OD"] {
        assert_eq!(it.find(plate).await["total"], 0, "{plate}");
    }
}
