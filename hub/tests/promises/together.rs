//! Questions over several vehicles.

use std::time::Duration;

use serde_json::{Value, json};
use varco_hub::people::tokens::Permission;
use varco_hub::timekeeping::Clock as _;
use varco_proto::time::UtcTime;

use crate::support::token_of;
use crate::support::{Carrying as _, House, SECOND, Served, TestEdge};

pub(crate) struct Road {
    pub(crate) house: House,
    pub(crate) here: TestEdge,
    pub(crate) there: TestEdge,
    pub(crate) begins: UtcTime,
}

impl Road {
    pub(crate) fn new() -> Self {
        let house = House::new();
        let begins = house.clock.now();
        let (here, there) = (house.edge("porta-nord-01"), house.edge("porta-sud-01"));
        house.clock.advance(SECOND * 7200);
        Self {
            house,
            here,
            there,
            begins,
        }
    }

    /// Each pass: whether it is here, seconds after the beginning, and the plate.
    pub(crate) fn drive(&mut self, passes: &[(bool, u32, &str)]) {
        let mut writer = self.house.writer();
        for (here, after, plate) in passes {
            let edge = if *here {
                &mut self.here
            } else {
                &mut self.there
            };
            let message = edge.seal(plate, self.begins + SECOND * *after);
            writer.take(&[message]).unwrap();
        }
    }

    pub(crate) fn token(&self, may: &[Permission]) -> String {
        token_of(&self.house, "Commissario Verdi", may)
    }

    pub(crate) fn window(&self) -> (String, String) {
        let end = self.begins + Duration::from_secs(7200);
        (self.begins.to_string(), end.to_string())
    }
}

pub(crate) async fn post(hub: &Served, token: &str, path: &str, body: &Value) -> (u16, Value) {
    let request = hub
        .client
        .post(format!("{}{path}", hub.url))
        .carrying(token);
    let response = request.json(body).send().await.unwrap();
    (response.status().as_u16(), response.json().await.unwrap())
}

#[tokio::test]
async fn vehicles_that_passed_both_places_are_found_by_the_time_between() {
    let mut road = Road::new();
    road.drive(&[
        (true, 0, "AB001CD"),
        (true, 10, "AB002CD"),
        (true, 20, "AB003CD"),
        (false, 310, "AB002CD"),
        (false, 100, "AB001CD"),
        (false, 3000, "AB001CD"),
        (false, 200, "AB009CD"),
    ]);
    // Half of it from a sealed index, half from memory.
    let archive = road.house.archive();
    archive
        .seal(varco_hub::hours::partition::Partition::of(
            road.begins,
            varco_hub::hours::partition::Term::WHOLE,
        ))
        .unwrap();
    road.drive(&[(false, 900, "AB003CD")]);
    let hub = road.house.serve().await;
    let (from, to) = road.window();
    let place = |camera: &str| json!({"cameras": [camera], "from": from, "to": to});
    let body = json!({
        "here": place("porta-nord-01"), "there": place("porta-sud-01"),
        "purpose": "public-safety", "case_reference": "PG 9/2026",
    });
    let (status, answer) = post(&hub, &hub.token, "/api/v1/lookups/both", &body).await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(answer["total"], 3);
    let vehicles = answer["vehicles"].as_array().unwrap();
    let found: Vec<_> = vehicles
        .iter()
        .map(|both| both["here"]["plate"].as_str().unwrap())
        .collect();
    assert_eq!(
        found,
        ["AB001CD", "AB002CD", "AB003CD"],
        "nearest in time first"
    );
    assert_eq!(vehicles[0]["there"]["camera"], "porta-sud-01");
    let line = "SELECT line FROM audit WHERE action = 'lookup-both'";
    let main = road.house.home.open_main().unwrap();
    let line: String = main.query_row(line, [], |row| row.get(0)).unwrap();
    assert!(
        line.contains("PG 9/2026") && !line.contains("AB001CD"),
        "{line}"
    );
    for (change, why) in [
        (json!({"purpose": null}), "purpose"),
        (
            json!({"here": {"from": from, "to": to}}),
            "name cameras or gates",
        ),
        (json!({"there": place("porta-nord-01")}), "different ones"),
    ] {
        let mut wrong = body.clone();
        for (key, value) in change.as_object().unwrap() {
            wrong[key] = value.clone();
        }
        let (status, answer) = post(&hub, &hub.token, "/api/v1/lookups/both", &wrong).await;
        assert_eq!(status, 422, "{answer}");
        assert!(answer.to_string().contains(why), "{answer}");
    }
}

#[tokio::test]
async fn vehicles_that_travel_together_are_found_only_where_that_is_switched_on() {
    let mut road = Road::new();
    road.drive(&[
        (true, 0, "AB001CD"),
        (true, 5, "CO111NV"),
        (true, 8, "ZZ000ZZ"),
        (false, 600, "AB001CD"),
        (false, 590, "CO111NV"),
        (false, 900, "ZZ000ZZ"),
        (true, 3000, "AB001CD"),
        (true, 3010, "ZZ000ZZ"),
    ]);
    let (from, to) = road.window();
    let body = json!({
        "plate": "AB001CD", "from": from, "to": to, "window_s": 30, "least": 2,
        "purpose": "public-safety", "case_reference": "PG 9/2026",
    });
    let path = "/api/v1/lookups/companions";
    let hub = road.house.serve().await;
    let may = road.token(&[Permission::Convoys]);
    let (status, answer) = post(&hub, &may, path, &body).await;
    assert_eq!(status, 403, "switched off: {answer}");
    road.house.companions = true;
    let hub = road.house.serve().await;
    let (status, answer) = post(&hub, &hub.token, path, &body).await;
    assert_eq!(status, 403, "the first token is not for it: {answer}");
    let (status, answer) = post(&hub, &may, path, &body).await;
    assert_eq!(status, 200, "{answer}");
    let vehicles = answer["vehicles"].as_array().unwrap();
    let found: Vec<_> = vehicles
        .iter()
        .map(|v| {
            (
                v["plate"].as_str().unwrap(),
                v["together"].as_u64(),
                v["cameras"].as_u64(),
            )
        })
        .collect();
    // Two cameras tell more than one camera twice.
    assert_eq!(
        found,
        [("CO111NV", Some(2), Some(2)), ("ZZ000ZZ", Some(2), Some(1))]
    );
    assert_eq!(vehicles[0]["passes"].as_array().unwrap().len(), 2);
    for (key, value) in [
        ("least", json!(1)),
        ("window_s", json!(601)),
        ("plate", json!("AB*")),
    ] {
        let mut wrong = body.clone();
        wrong[key] = value;
        let (status, answer) = post(&hub, &may, path, &wrong).await;
        assert_eq!(status, 422, "{key}: {answer}");
    }
}
