//! Gates on the map, and lookups by an area of it.

use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Value, json};
use varco_hub::audit::acting::Acting;
use varco_hub::audit::actor::Actor;
use varco_hub::enrolment::adding::{self, AddEdgeError, NewEdge};
use varco_hub::enrolment::desk::revoke_edge;
use varco_hub::hours::partition::{Partition, Term};
use varco_hub::intake::writer::Message;
use varco_hub::map::desk::{self, PlaceDeskError};
use varco_hub::map::gates::Spot;
use varco_hub::map::place::Place;
use varco_hub::timekeeping::Clock as _;
use varco_proto::ids::TransitId;
use varco_proto::time::UtcTime;

use crate::http::plates;
use crate::support::{Carrying as _, DAY, House, SECOND, Served, TestEdge};

/// Perugia's Porta Sole, and a place 1.1 km north of it.
const SOLE: (f64, f64) = (43.1130, 12.3920);
const NORTH: (f64, f64) = (43.1230, 12.3920);
/// Assisi's Porta Nuova, some 19 km off.
const ASSISI: (f64, f64) = (43.0690, 12.6200);

fn spot(gate: &str, camera: Option<&str>) -> Spot {
    Spot {
        gate: gate.parse().unwrap(),
        camera: camera.map(|camera| camera.parse().unwrap()),
    }
}

fn at(place: (f64, f64)) -> Place {
    Place::new(place.0, place.1).unwrap()
}

pub(crate) fn place(house: &House, gate: &str, camera: Option<&str>, to: Option<(f64, f64)>) {
    let key = house.home.sealing_key().unwrap();
    let acting = Acting {
        actor: &Actor::console(),
        now: house.clock.now(),
        key: &key,
    };
    let mut main = house.home.open_main().unwrap();
    desk::place(&mut main, &spot(gate, camera), to.map(at), &acting).unwrap();
}

/// Stores a transit of the camera that bears its edge's name, at a gate.
pub(crate) fn pass(house: &House, edge: &mut TestEdge, gate: &str, plate: &str, moment: UtcTime) {
    house.allow_gate(edge, gate);
    let message = sealed(edge, gate, plate, moment);
    let taken = house.writer().take(&[message]).unwrap();
    assert_eq!(taken.stored.len(), 1);
}

fn sealed(edge: &mut TestEdge, gate: &str, plate: &str, moment: UtcTime) -> Message {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let mut transit = edge.transit(plate, moment);
    transit.gate = gate.parse().unwrap();
    // Edges whose names are of one length give ids that are the same.
    let mut random = [0; 10];
    random[..8].copy_from_slice(&NUMBER.fetch_add(1, Ordering::Relaxed).to_be_bytes());
    transit.id = TransitId::from_parts(moment.unix_ms(), random);
    edge.seal_transit(transit)
}

/// Three edges, each at a gate of its own; where two stand is known. Each passes a vehicle an hour.
fn town() -> House {
    let house = House::new();
    let edges = ["sole-01", "assisi-01", "bastia-01"].map(|id| house.edge(id));
    for (mut edge, (gate, plate)) in edges.into_iter().zip([
        ("sole", "AB001CD"),
        ("assisi", "AB002CD"),
        ("bastia", "AB003CD"),
    ]) {
        for hours in 0..3 {
            let moment = house.clock.now() - SECOND * (3600 * hours + 60);
            pass(&house, &mut edge, gate, plate, moment);
        }
    }
    // The edges are registered at this gate, and no transit states it.
    place(&house, "porta-nord", None, Some((45.0, 9.0)));
    place(&house, "sole", None, Some(SOLE));
    place(&house, "assisi", None, Some(ASSISI));
    house
}

fn body(area: &Value) -> Value {
    json!({
        "plate": "*", "from": "2026-11-20T00:00:00Z", "to": "2026-11-22T13:00:00Z", "area": area,
        "purpose": "urban-security", "case_reference": "PG 123/2026",
    })
}

fn around(place: (f64, f64), radius_m: f64) -> Value {
    json!({"circle": {"latitude": place.0, "longitude": place.1, "radius_m": radius_m}})
}

fn rectangle(south_west: (f64, f64), north_east: (f64, f64)) -> Value {
    json!({"rectangle": {
        "south": south_west.0, "west": south_west.1, "north": north_east.0, "east": north_east.1,
    }})
}

/// What an area finds, each plate once; the total must be that of all its passes.
async fn found(hub: &Served, area: &Value) -> (Vec<String>, Value) {
    let (status, answer) = hub.look_up(body(area)).await;
    assert_eq!(status, 200, "{answer}");
    let mut found: Vec<String> = plates(&answer).iter().map(ToString::to_string).collect();
    assert_eq!(answer["total"], found.len());
    found.sort();
    found.dedup();
    (found, answer["area"].clone())
}

#[tokio::test]
async fn k05_an_area_finds_what_passed_at_the_gates_that_stand_in_it() {
    let house = town();
    let asked = [
        (
            rectangle((43.0, 12.3), (43.2, 12.5)),
            vec!["AB001CD"],
            json!(["sole"]),
        ),
        (around(SOLE, 900.0), vec!["AB001CD"], json!(["sole"])),
        (around(NORTH, 1105.0), vec![], json!([])),
        (around(NORTH, 1115.0), vec!["AB001CD"], json!(["sole"])),
        (
            around(ASSISI, 25_000.0),
            vec!["AB001CD", "AB002CD"],
            json!(["assisi", "sole"]),
        ),
        (around((45.0, 9.0), 50.0), vec![], json!(["porta-nord"])),
        (rectangle((-40.0, -70.0), (-30.0, -60.0)), vec![], json!([])),
    ];
    for round in ["in memory", "in an index", "from the disk"] {
        let hub = house.serve().await;
        for (area, wanted, gates) in &asked {
            let (plates, told) = found(&hub, area).await;
            assert_eq!(&plates, wanted, "{round}: {area}");
            let expected = json!({"gates": gates, "gates_without_place": 1});
            assert_eq!(told, expected, "{round}: {area}");
        }
        // With a plate, the dictionary finds it and the area decides.
        for (plate, count) in [("AB001CD", 3), ("AB003CD", 0), ("AB00*", 3)] {
            let mut asked = body(&around(SOLE, 900.0));
            asked["plate"] = plate.into();
            let (_, answer) = hub.look_up(asked).await;
            assert_eq!(answer["total"], count, "{round}: {plate}");
        }
        if round == "in an index" {
            house.restart();
        } else {
            for hour in house.hours() {
                house.archive().seal(hour).unwrap();
            }
        }
    }
}

#[tokio::test]
async fn in_an_hour_of_many_blocks_all_that_passed_in_the_area_is_found_and_nothing_else() {
    let house = House::new();
    let mut edges = ["sole-01", "sole-02", "assisi-01", "bastia-01"].map(|id| house.edge(id));
    let gates = ["sole", "sole", "assisi", "bastia"];
    for (edge, gate) in edges.iter().zip(gates) {
        house.allow_gate(edge, gate);
    }
    let begins = house.clock.now() - SECOND * 3600;
    let mut batch = Vec::new();
    // The second camera has the fewest, among the others' in every order.
    let mut passed = [0; 4];
    for number in 0..1500_u32 {
        let which = match number % 50 {
            7 => 1,
            rest => [0, 2, 3][usize::try_from(rest % 3).unwrap()],
        };
        passed[which] += 1;
        let plate = format!("AB{:03}C{}", number % 997, ["D", "E"][which % 2]);
        let moment = begins + SECOND * number;
        batch.push(sealed(&mut edges[which], gates[which], &plate, moment));
    }
    for some in batch.chunks(500) {
        house.writer().take(some).unwrap();
    }
    for hour in house.hours() {
        house.archive().seal(hour).unwrap();
    }
    place(&house, "sole", None, Some(SOLE));
    place(&house, "sole", Some("sole-02"), Some(NORTH));
    place(&house, "assisi", None, Some(ASSISI));
    let hub = house.serve().await;
    let (sole, north) = (around(SOLE, 500.0), around(NORTH, 500.0));
    let both = around(SOLE, 1500.0);
    let total = async |change: Value| {
        let mut asked = body(&change["area"]);
        asked["from"] = begins.to_string().into();
        for (key, value) in change.as_object().unwrap() {
            asked[key] = value.clone();
        }
        let (status, answer) = hub.look_up(asked).await;
        assert_eq!(status, 200, "{answer}");
        assert_eq!(answer["total_is_estimate"], false);
        answer["total"].as_u64().unwrap()
    };
    let [of_sole, apart, of_assisi, of_bastia] = passed;
    assert!(
        apart > 20 && of_sole > 400 && of_assisi + of_bastia > 700,
        "{passed:?}"
    );
    for (change, wanted) in [
        (json!({"area": sole}), of_sole),
        (json!({"area": north}), apart),
        (json!({"area": both}), of_sole + apart),
        (json!({"gates": ["sole"]}), of_sole + apart),
        (json!({"gates": ["sole"], "area": north}), apart),
        (json!({"gates": ["assisi"], "area": both}), 0),
        (json!({"gates": ["bastia"]}), of_bastia),
        (json!({"cameras": ["sole-02"]}), apart),
        (
            json!({"cameras": ["sole-01", "assisi-01"], "area": both}),
            of_sole,
        ),
        (json!({"cameras": ["sole-02"], "gates": ["assisi"]}), 0),
    ] {
        assert_eq!(total(change.clone()).await, wanted, "{change}");
    }
}

#[tokio::test]
async fn a_camera_that_stands_apart_goes_by_its_own_place_for_what_is_stored_too() {
    let house = town();
    let mut far = house.edge("sole-02");
    pass(&house, &mut far, "sole", "ZZ999ZZ", house.clock.now());
    let hub = house.serve().await;
    let (here, north) = (around(SOLE, 100.0), around(NORTH, 100.0));
    assert_eq!(found(&hub, &here).await.0, ["AB001CD", "ZZ999ZZ"]);
    place(&house, "sole", Some("sole-02"), Some(NORTH));
    assert_eq!(found(&hub, &here).await.0, ["AB001CD"]);
    let (plates, told) = found(&hub, &north).await;
    assert_eq!(plates, ["ZZ999ZZ"]);
    assert_eq!(told["gates"], json!(["sole"]), "by its camera");
    // Of another gate, the same camera is another.
    pass(&house, &mut far, "assisi", "ZZ998ZZ", house.clock.now());
    assert_eq!(found(&hub, &north).await.0, ["ZZ999ZZ"]);
    assert_eq!(
        found(&hub, &around(ASSISI, 100.0)).await.0,
        ["AB002CD", "ZZ998ZZ"]
    );
    place(&house, "sole", Some("sole-02"), None);
    assert_eq!(found(&hub, &here).await.0, ["AB001CD", "ZZ999ZZ"]);
    // A gate that is moved takes what is stored with it.
    place(&house, "sole", None, Some(NORTH));
    assert_eq!(found(&hub, &here).await.0, [""; 0]);
    assert_eq!(found(&hub, &north).await.0, ["AB001CD", "ZZ999ZZ"]);
}

#[tokio::test]
async fn c24_part_the_audit_line_tells_the_area_and_how_many_gates_were_not_searched() {
    let house = town();
    let hub = house.serve().await;
    let (_, answer) = hub.look_up(body(&around(SOLE, 900.0))).await;
    let line = line_of(&house, answer["audit_line"].as_i64().unwrap());
    let area = &line["details"]["area"];
    assert_eq!(area["asked"]["circle"]["radius_m"], 900.0);
    assert_eq!(area["asked"]["circle"]["latitude"], SOLE.0);
    assert_eq!(
        (&area["gates"], &area["gates_without_place"]),
        (&json!(1), &json!(1))
    );
    let (_, answer) = hub.look_up(body(&Value::Null)).await;
    let told = answer["what_to_do"].as_str().unwrap();
    assert!(
        told.contains("an area"),
        "without one it is too wide: {told}"
    );
}

#[tokio::test]
async fn what_is_no_area_is_refused_and_says_why() {
    let house = town();
    let hub = house.serve().await;
    for (area, why) in [
        (rectangle((43.2, 12.3), (43.0, 12.5)), "south"),
        (rectangle((-18.0, 179.0), (-17.0, -179.0)), "180th meridian"),
        (rectangle((43.0, 12.3), (95.0, 12.5)), "-85 to 85"),
        (rectangle((43.0, -190.0), (44.0, 12.5)), "-180 to 180"),
        (around(SOLE, 0.0), "metres"),
        (around(SOLE, 1e7), "metres"),
        (around((84.9999, 12.0), 500.0), "85 degrees"),
        (json!({}), "either a `rectangle` or a `circle`"),
    ] {
        let (status, answer) = hub.look_up(body(&area)).await;
        assert_eq!(status, 422, "{area}: {answer}");
        assert!(
            answer["error"].as_str().unwrap().contains("`area`"),
            "{answer}"
        );
        assert!(
            answer["what_to_do"].as_str().unwrap().contains(why),
            "{answer}"
        );
    }
    let half = json!({"rectangle": {"south": 43.0, "west": 12.0, "north": 44.0}});
    let (status, answer) = hub.look_up(body(&half)).await;
    assert_eq!(status, 400);
    assert!(answer.to_string().contains("east"), "{answer}");
}

#[tokio::test]
async fn an_area_with_more_gates_than_anybody_names_does_not_narrow_a_lookup() {
    let house = town();
    let hub = house.serve().await;
    let all = rectangle((43.0, 12.0), (44.0, 13.0));
    for number in 0..62 {
        place(&house, &format!("gate-{number}"), None, Some(SOLE));
    }
    assert_eq!(hub.look_up(body(&all)).await.0, 200, "64 gates");
    place(&house, "gate-62", None, Some(SOLE));
    let (status, answer) = hub.look_up(body(&all)).await;
    assert_eq!(status, 422, "65 gates");
    assert!(
        answer["what_to_do"].as_str().unwrap().contains("too wide"),
        "{answer}"
    );
    let mut day = body(&all);
    day["from"] = "2026-11-22T00:00:00Z".into();
    assert_eq!(hub.look_up(day).await.0, 200, "a day's window");
}

#[tokio::test]
async fn both_places_and_counts_take_an_area() {
    let house = town();
    let mut assisi = house.edge("assisi-02");
    let now = house.clock.now();
    pass(&house, &mut assisi, "assisi", "AB001CD", now);
    let hub = house.serve().await;
    let post = async |path: &str, body: Value| {
        let request = hub.client.post(format!("{}{path}", hub.url));
        let response = request.carrying(&hub.token).json(&body).send();
        let response = response.await.unwrap();
        (response.status(), response.json::<Value>().await.unwrap())
    };
    let stretch = |area: &Value| json!({"area": area, "from": "2026-11-22T00:00:00Z", "to": "2026-11-22T13:00:00Z"});
    let both = json!({
        "here": stretch(&around(SOLE, 500.0)), "there": stretch(&around(ASSISI, 500.0)),
        "purpose": "public-safety", "case_reference": "PG 9/2026",
    });
    let (status, answer) = post("/api/v1/lookups/both", both).await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(answer["total"], 1);
    assert_eq!(answer["vehicles"][0]["here"]["plate"], "AB001CD");
    assert_eq!(answer["there_area"]["gates"], json!(["assisi"]));
    let line = line_of(&house, answer["audit_line"].as_i64().unwrap());
    assert_eq!(
        line["details"]["here_area"]["asked"]["circle"]["radius_m"],
        500.0
    );

    let mut edge = house.edge("sole-03");
    for seconds in 0..7 {
        pass(
            &house,
            &mut edge,
            "sole",
            "CO000NT",
            now - SECOND * (60 + seconds),
        );
    }
    house.clock.advance(SECOND * 3600);
    let mut count = stretch(&around(SOLE, 500.0));
    count["by"] = "gate".into();
    count["daily"] = true.into();
    let (status, answer) = post("/api/v1/counts", count).await;
    assert_eq!(status, 200, "{answer}");
    let cells = answer["cells"].as_array().unwrap();
    assert_eq!(cells.len(), 1, "{answer}");
    assert_eq!(
        (&cells[0]["of"], &cells[0]["count"]),
        (&json!("sole"), &json!(7))
    );
    assert_eq!(
        answer["hidden_cells"],
        2 * 12 - 1,
        "two cameras and twelve hours, in which the first had one vehicle or none"
    );
    assert_eq!(
        answer["area"],
        json!({"gates": ["sole"], "gates_without_place": 1})
    );
}

#[tokio::test]
async fn the_gates_are_told_with_their_places_and_a_gate_of_old_no_longer() {
    let house = town();
    place(&house, "sole", Some("sole-01"), Some(NORTH));
    let hub = house.serve().await;
    let request = hub.client.get(format!("{}/api/v1/gates", hub.url));
    let answer: Value = request
        .carrying(&hub.token)
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    let gates = answer["gates"].as_array().unwrap();
    let names: Vec<_> = gates
        .iter()
        .map(|gate| gate["id"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["assisi", "bastia", "porta-nord", "sole"]);
    assert_eq!(
        gates[0]["place"],
        json!({"latitude": ASSISI.0, "longitude": ASSISI.1})
    );
    assert_eq!(
        gates[0]["cameras"],
        json!([{"id": "assisi-01", "place": null}])
    );
    assert_eq!(gates[1]["place"], Value::Null);
    assert_eq!(gates[3]["cameras"][0]["place"]["latitude"], NORTH.0);
    let url = format!("{}/api/v1/openapi.json", hub.url);
    let described = hub.client.get(url).send().await.unwrap();
    let described: Value = described.json().await.unwrap();
    let schemas = &described["components"]["schemas"];
    for name in ["RectangleRequest", "CircleRequest", "AreaView", "GateView"] {
        assert!(schemas[name]["properties"].is_object(), "{name}");
    }
    let lines = "SELECT count(*) FROM audit WHERE action = 'gates-listed'";
    assert_eq!(house.count(lines), 1);
}

#[test]
fn where_a_gate_stands_is_said_once_and_changed_on_purpose_with_an_audit_line_each() {
    let house = House::new();
    let now = house.clock.now();
    let gate = "sole".parse().unwrap();
    let add = |id: &str, place: Option<(f64, f64)>| {
        let id = id.parse().unwrap();
        let bundle = house.bundle(&format!("bundle-{id}"));
        adding::add_edge(
            &house.home,
            NewEdge {
                id: &id,
                gate: &gate,
                place: place.map(at),
            },
            &bundle,
            now,
        )
    };
    add("sole-01", Some(SOLE)).unwrap();
    add("sole-02", Some(SOLE)).unwrap();
    add("sole-03", None).unwrap();
    let refused = add("sole-04", Some(NORTH));
    let is_elsewhere = matches!(
        &refused,
        Err(AddEdgeError::Place(PlaceDeskError::Elsewhere { .. }))
    );
    assert!(is_elsewhere, "{refused:?}");
    let views = house.edge_views();
    let edges: Vec<_> = views.iter().map(|edge| edge.id.as_str()).collect();
    assert_eq!(
        edges,
        ["sole-01", "sole-02", "sole-03"],
        "the fourth is not there"
    );
    let places = views.iter().map(|edge| edge.place.unwrap().latitude);
    assert_eq!(places.collect::<Vec<_>>(), [SOLE.0; 3]);

    place(&house, "sole", None, Some(NORTH));
    place(&house, "sole", None, None);
    let main = house.home.open_main().unwrap();
    let mut lines = main
        .prepare("SELECT line FROM audit WHERE action = 'gate-placed' ORDER BY sequence")
        .unwrap();
    let lines: Vec<Value> = lines
        .query_map([], |row| row.get::<_, String>(0))
        .unwrap()
        .map(|line| serde_json::from_str(&line.unwrap()).unwrap())
        .collect();
    let told: Vec<_> = lines
        .iter()
        .map(|line| {
            let details = &line["details"];
            let latitude = |of: &str| details[of]["latitude"].as_f64();
            (latitude("before"), latitude("after"))
        })
        .collect();
    let (sole, north) = (Some(SOLE.0), Some(NORTH.0));
    assert_eq!(told, [(None, sole), (sole, north), (north, None)]);
}

#[test]
fn without_its_audit_line_no_gate_is_moved() {
    let house = House::new();
    place(&house, "sole", None, Some(SOLE));
    let mut main = house.home.open_main().unwrap();
    main.execute_batch(
        "CREATE TRIGGER no_room BEFORE INSERT ON audit
         BEGIN SELECT raise(ABORT, 'no room'); END",
    )
    .unwrap();
    let key = house.home.sealing_key().unwrap();
    let acting = Acting {
        actor: &Actor::console(),
        now: house.clock.now(),
        key: &key,
    };
    let refused = desk::place(&mut main, &spot("sole", None), Some(at(NORTH)), &acting);
    assert!(refused.is_err());
    let stands = varco_hub::map::gates::find(&main, &spot("sole", None)).unwrap();
    assert_eq!(stands, Some(at(SOLE)));
    let none = desk::place(&mut main, &spot("nowhere", None), None, &acting);
    assert!(matches!(none, Err(PlaceDeskError::None(_))));
}

#[tokio::test]
async fn a_gate_that_only_transits_of_old_named_is_found_while_they_are_stored() {
    let house = House::new();
    let mut edge = house.edge("sole-01");
    let now = house.clock.now();
    // The box was set to another gate than the one it is registered at.
    pass(&house, &mut edge, "elsewhere", "AB123CD", now - DAY);
    place(&house, "elsewhere", None, Some(SOLE));
    revoke_edge(&house.home, &edge.id, now).unwrap();
    house
        .archive()
        .seal(Partition::of(now - DAY, Term::WHOLE))
        .unwrap();
    let hub = house.serve().await;
    let (plates, told) = found(&hub, &around(SOLE, 10.0)).await;
    assert_eq!(plates, ["AB123CD"]);
    assert_eq!(
        told["gates_without_place"], 1,
        "that of the edge, revoked just now"
    );
    house.clock.advance(8 * DAY);
    let (_, told) = found(&hub, &around(SOLE, 10.0)).await;
    assert_eq!(
        told["gates_without_place"], 0,
        "nothing of it can be stored any more"
    );
}

fn line_of(house: &House, sequence: i64) -> Value {
    let main = house.home.open_main().unwrap();
    let sql = "SELECT line FROM audit WHERE sequence = ?";
    let line: String = main.query_row(sql, [sequence], |row| row.get(0)).unwrap();
    serde_json::from_str(&line).unwrap()
}
