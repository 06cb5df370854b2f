//! Counts without plates, from which nobody can subtract their way to a lone vehicle.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};
use varco_hub::lookups::counts::{By, CELL_MIN, Counted, Counting, Scope};
use varco_hub::municipalities::reach::Reach;
use varco_hub::people::tokens::Permission;
use varco_hub::timekeeping::Clock as _;
use varco_proto::time::UtcTime;

use crate::lookups;
use crate::support::{DAY, House, SECOND, Served, system_token};
use crate::together::{Road, post};

const PATH: &str = "/api/v1/counts";

/// Who may count, and the window of a question.
struct Counter {
    hub: Served,
    token: String,
}

impl Counter {
    async fn of(road: &Road) -> Self {
        Self {
            hub: road.house.serve().await,
            token: system_token(&road.house, "Statistiche", &[Permission::Statistics]),
        }
    }

    async fn ask(&self, body: Value) -> Value {
        let (status, answer) = post(&self.hub, &self.token, PATH, &body).await;
        assert_eq!(status, 200, "{answer}");
        answer
    }

    /// What is told, and how many.
    async fn told(&self, body: Value) -> Vec<(String, u64)> {
        let answer = self.ask(body).await;
        let cells = answer["cells"].as_array().unwrap().iter();
        let cell = |cell: &Value| {
            let of = cell["of"].as_str().unwrap().to_owned();
            (of, cell["count"].as_u64().unwrap())
        };
        cells.map(cell).collect()
    }
}

/// Seven here and two there within an hour, the first and the last of here at its ends.
fn seven_and_two() -> Road {
    let mut road = Road::new();
    let plates: Vec<_> = (0..9).map(|number| format!("AB{number:03}CD")).collect();
    let after = [10, 600, 610, 620, 630, 640, 3590, 300, 900];
    let passes = plates.iter().zip(after).enumerate();
    let passes: Vec<_> = passes
        .map(|(place, (plate, after))| (place < 7, after, plate.as_str()))
        .collect();
    road.drive(&passes);
    road
}

#[tokio::test]
async fn c02_part_counts_show_no_plate_and_no_lone_vehicle() {
    let road = seven_and_two();
    let counter = Counter::of(&road).await;
    let (from, to) = road.window();
    let answer = counter
        .ask(json!({"from": from, "to": to, "by": "camera"}))
        .await;
    let begins = road.begins.to_string();
    let ends = (road.begins + SECOND * 3600).to_string();
    assert_eq!(
        answer["cells"],
        json!([{"begins": begins, "of": "porta-nord-01", "count": 7}])
    );
    assert_eq!(
        (&answer["cell_min"], &answer["hidden_cells"]),
        (&json!(5), &json!(1))
    );
    assert_eq!(
        (&answer["counted_from"], &answer["counted_to"]),
        (&json!(begins), &json!(ends)),
        "the hour after is not over by ten minutes"
    );
    assert!(!answer.to_string().contains("AB0"), "{answer}");
    let line = road
        .house
        .audit_line(answer["audit_line"].as_i64().unwrap());
    assert!(line.contains(r#""action":"counted""#), "{line}");
    let (hub, token) = (&counter.hub, &counter.token);
    let (status, _) = post(hub, token, "/api/v1/lookups", &json!({})).await;
    assert_eq!(status, 403, "who counts does not look");
    let wrong = json!({"from": from, "to": to, "by": "plate"});
    assert_eq!(post(hub, token, PATH, &wrong).await.0, 422);
}

#[tokio::test]
async fn c02_part_nine_over_two_cameras_less_seven_over_one_is_not_told() {
    let road = seven_and_two();
    let counter = Counter::of(&road).await;
    let (from, to) = road.window();
    let (one, two) = ("porta-nord-01", "porta-sud-01");
    for (cameras, by, of) in [
        (json!([one, two]), "all", Some("all")),
        (json!([]), "all", Some("all")),
        (json!([one]), "all", Some("all")),
        (json!([one, two]), "gate", Some("porta-nord")),
        (json!([one, two]), "camera", Some(one)),
        (json!([one, two]), "country", Some("IT")),
        (json!([one, two]), "way", Some("unknown")),
        (json!([two]), "all", None),
    ] {
        for daily in [false, true] {
            let asked =
                json!({"from": from, "to": to, "cameras": cameras, "by": by, "daily": daily});
            let wanted: Vec<_> = of.iter().map(|of| ((*of).to_owned(), 7)).collect();
            assert_eq!(counter.told(asked.clone()).await, wanted, "{asked}");
        }
    }
}

#[tokio::test]
async fn c02_part_a_window_a_minute_later_leaves_the_hour_out_whole() {
    let road = seven_and_two();
    let counter = Counter::of(&road).await;
    let at = |seconds: u32| (road.begins + SECOND * seconds).to_string();
    let before = (road.begins - SECOND * 3600).to_string();
    for (from, to, wanted) in [
        (at(0), at(3600), 7),
        (before.clone(), at(3600), 7),
        (at(0), at(3660), 7),
        (before.clone(), at(3540), 0),
        (at(60), at(7200), 0),
        (at(60), at(3660), 0),
    ] {
        let told = counter.told(json!({"from": from, "to": to})).await;
        let total: u64 = told.iter().map(|(_, count)| count).sum();
        assert_eq!(total, wanted, "{from} {to}");
    }
    let answer = counter.ask(json!({"from": at(60), "to": at(3660)})).await;
    for none in ["counted_from", "counted_to"] {
        assert!(answer[none].is_null(), "{answer}");
    }
    // Nor is it counted while it goes on, or by halves at the end of its term.
    let asked = json!({"from": before, "to": at(9 * 24 * 3600)});
    let week = 7 * DAY;
    for (after, wanted) in [
        (SECOND * 1800, 0),
        (SECOND * (3600 + 599), 0),
        (SECOND * (3600 + 600), 7),
        (week, 7),
        (week + SECOND, 0),
    ] {
        road.house.clock.set(road.begins + after);
        let told = counter.told(asked.clone()).await;
        let total: u64 = told.iter().map(|(_, count)| count).sum();
        assert_eq!(total, wanted, "{after:?}");
    }
}

#[tokio::test]
async fn c02_part_a_country_is_not_the_hour_less_the_others() {
    let mut road = Road::new();
    let mut writer = road.house.writer();
    let countries = [
        "IT", "IT", "IT", "IT", "IT", "IT", "DE", "DE", "DE", "DE", "DE", "FR",
    ];
    for (country, after) in countries.into_iter().zip(0..) {
        let mut transit = road.here.transit("AB123CD", road.begins + SECOND * after);
        transit.plate.countries[0].country = country.into();
        let message = road.here.seal_transit(transit);
        writer.take(&[message]).unwrap();
    }
    let counter = Counter::of(&road).await;
    let (from, to) = road.window();
    let asked = |by: &str| json!({"from": from, "to": to, "by": by});
    assert_eq!(counter.told(asked("all")).await, [("all".to_owned(), 12)]);
    let wanted = [("IT".to_owned(), 6), ("others".to_owned(), 6)];
    assert_eq!(counter.told(asked("country")).await, wanted);
}

fn count(house: &House, (from, to): (UtcTime, UtcTime), by: By, daily: bool) -> Counted {
    let asked = Counting {
        from,
        to,
        scope: Scope::default(),
        by,
        daily,
    };
    let (archive, now) = (house.archive(), house.clock.now());
    archive
        .count_by(
            &asked,
            now,
            &archive.allowed(now, &Reach::everywhere()).unwrap(),
        )
        .unwrap()
}

/// Nine vehicles an hour, of which three pass the one camera and six the other, some French.
#[test]
fn c02_part_a_window_that_grows_by_the_minute_gains_whole_cells() {
    let house = lookups::house();
    let hours = house.hours();
    for hour in hours.iter().take(hours.len() / 2) {
        house.archive().seal(*hour).unwrap();
    }
    house.clock.advance(SECOND * 7200);
    let from = house.clock.now() - Duration::from_secs(36 * 3600);
    let (mut steps, mut last) = (0, 0);
    let by = [By::All, By::Camera, By::Gate, By::Country, By::Way];
    for by in by {
        let mut before: BTreeMap<String, u64> = BTreeMap::new();
        for minute in (0..300).step_by(7) {
            let to = from + SECOND * (60 * minute);
            let counted = count(&house, (from, to), by, true);
            let mut now: BTreeMap<String, u64> = BTreeMap::new();
            for cell in counted.cells {
                *now.entry(cell.of).or_default() += cell.count;
            }
            for (of, count) in &now {
                let gained = count - before.get(of).copied().unwrap_or(0);
                assert!(gained == 0 || gained >= CELL_MIN, "{of} gained {gained}");
                steps += u64::from(gained > 0);
            }
            last = now.values().sum();
            before = now;
        }
        assert_eq!(last, 4 * 6, "four hours of the one camera, by {by:?}");
    }
    assert!(steps >= 5 * 4, "{steps}");
    let all = (from - 7 * DAY, house.clock.now());
    for by in by {
        let daily: u64 = count(&house, all, by, true)
            .cells
            .iter()
            .map(|cell| cell.count)
            .sum();
        let hourly = count(&house, all, by, false);
        let total: u64 = hourly.cells.iter().map(|cell| cell.count).sum();
        assert_eq!((total, daily), (66 * 6, 66 * 6), "by {by:?}");
        assert!(hourly.cells.iter().all(|cell| cell.count >= CELL_MIN));
    }
}
