//! The hub that stops a stalker (issue 20, part 8), over HTTPS. The cases are those of `field-2026.md`, "Misuse".

use std::time::Duration;

use serde_json::{Value, json};
use varco_hub::audit::acting::Acting;
use varco_hub::audit::actor::Actor;
use varco_hub::bodies::BodyKind;
use varco_hub::bodies::desk::{self as bodies, WantedBody};
use varco_hub::judgement::desk;
use varco_hub::people::actors;
use varco_hub::people::tokens::Permission;
use varco_hub::proof::verification::verify;
use varco_hub::timekeeping::Clock as _;

use crate::http::house_with;
use crate::signed::at_console;
use crate::support::{Carrying as _, DAY, House, SECOND, Served, token_for, token_of};

const HOUR: Duration = Duration::from_secs(3600);

/// Somebody with a token.
struct Officer<'a> {
    hub: &'a Served,
    token: String,
}

impl<'a> Officer<'a> {
    fn of(house: &House, hub: &'a Served, name: &str, may: &[Permission]) -> Self {
        Self {
            hub,
            token: token_of(house, name, may),
        }
    }

    async fn send(&self, asked: &str, body: &Value) -> (u16, Value) {
        let (method, path) = asked.split_once(' ').unwrap();
        let url = format!("{}{path}", self.hub.url);
        let request = self.hub.client.request(method.parse().unwrap(), url);
        let mut request = request.carrying(&self.token);
        if !body.is_null() {
            request = request.body(body.to_string());
        }
        let response = request.send().await.unwrap();
        let status = response.status().as_u16();
        (status, response.json().await.unwrap_or(Value::Null))
    }

    /// Searches a plate under a reference.
    async fn search(&self, plate: &str, reference: &str) -> (u16, Value) {
        let body = json!({
            "plate": plate, "from": "2026-11-22T00:00:00Z", "to": "2026-11-22T23:00:00Z",
            "purpose": "urban-security", "case_reference": reference,
        });
        self.send("POST /api/v1/lookups", &body).await
    }

    async fn status(&self, plate: &str, reference: &str) -> u16 {
        self.search(plate, reference).await.0
    }
}

fn grounds(plate: &str) -> Value {
    json!({"plate": plate, "purpose": "urban-security", "case_reference": "PG 1/2026"})
}

fn rule(answer: &Value) -> &str {
    answer["needs_second_person"]["rule"].as_str().unwrap()
}

/// The lines of an action, as they are signed.
fn lines(house: &House, action: &str) -> Vec<Value> {
    let main = house.home.open_main().unwrap();
    let mut statement = main
        .prepare("SELECT line FROM audit WHERE action = ? ORDER BY sequence")
        .unwrap();
    let lines = statement.query_map([action], |row| row.get::<_, String>(0));
    let parsed = |line: Result<String, _>| serde_json::from_str(&line.unwrap()).unwrap();
    lines.unwrap().map(parsed).collect()
}

#[tokio::test]
async fn a_stalker_is_stopped_at_the_fourth_search_and_sees_the_rule_before_it_fires() {
    let (house, hub) = house_with(&["AB123CD"]).await;
    let anna = Officer::of(&house, &hub, "anna", &[Permission::Lookups]);
    // However the plate is written or misread, and under whatever reference.
    let writings = [
        ("AB123CD", "PG 1/2026"),
        ("A8123CD", "PG 2/2026"),
        ("ab 123-co", "PG 3/2026"),
    ];
    for ((plate, reference), looks) in writings.into_iter().zip(1..) {
        let (status, answer) = anna.search(plate, reference).await;
        assert_eq!(status, 200, "{answer}");
        let near = answer["near"].as_array().unwrap();
        if looks == 1 {
            assert!(near.is_empty(), "{answer}");
        } else {
            assert_eq!(
                (&near[0]["count"], &near[0]["of"]),
                (&json!(looks), &json!(4))
            );
            let said = near[0]["it"].as_str().unwrap();
            assert!(said.contains(&format!("{looks} su 4")), "{said}");
        }
        house.clock.advance(3 * DAY);
    }
    let (status, answer) = anna.search("AB123CD", "PG 4/2026").await;
    assert_eq!((status, rule(&answer)), (403, "one-plate"), "{answer}");
    let why = &answer["needs_second_person"];
    assert_eq!(
        (&why["count"], &why["of"], &why["days"]),
        (&json!(4), &json!(4), &json!(9))
    );
    assert!(
        why["it"].as_str().unwrap().contains("4 volte in 9 giorni"),
        "{answer}"
    );
    assert!(
        why["en"].as_str().unwrap().contains("4 times in 9 days"),
        "{answer}"
    );
    let stopped = lines(&house, "search-stopped");
    assert_eq!(stopped.len(), 1);
    assert_eq!(stopped[0]["actor"], "anna");
    assert_eq!(stopped[0]["details"]["rule"], "one-plate");
    assert_eq!(stopped[0]["case_reference"], "PG 4/2026");
    let attempts = lines(&house, "attempt-refused");
    let said = attempts.last().unwrap()["details"]["why"].as_str().unwrap();
    assert!(said.contains("one-plate"), "{said}");
    for line in stopped.iter().chain(&attempts) {
        assert!(!line.to_string().contains("123C"), "{line}");
    }
    assert_eq!(lines(&house, "lookup").len(), 3, "it was not searched");
    // Somebody else is not held for her.
    let bruno = Officer::of(&house, &hub, "bruno", &[Permission::Lookups]);
    assert_eq!(bruno.status("AB123CD", "PG 9/2026").await, 200);
    // Half a year later nothing of it is left.
    house.clock.advance(200 * DAY);
    assert_eq!(anna.status("AB123CD", "PG 5/2026").await, 200);
}

#[expect(clippy::too_many_lines, reason = "one story, told in its order")]
#[tokio::test]
async fn a_colleagues_consent_opens_the_next_search_and_nobody_consents_to_themselves() {
    let (house, hub) = house_with(&["AB123CD"]).await;
    let both = [Permission::Lookups, Permission::Cases];
    let anna = Officer::of(&house, &hub, "anna", &both);
    let second = Officer::of(&house, &hub, "anna-rossi", &both);
    let bruno = Officer::of(&house, &hub, "bruno", &[Permission::Lookups]);
    let carla = Officer::of(&house, &hub, "carla", &both);
    let ask = "POST /api/v1/second-looks";
    assert_eq!(
        anna.send(ask, &grounds("AB123CD")).await.0,
        409,
        "none is needed"
    );
    for _ in 0..3 {
        assert_eq!(anna.status("AB123CD", "PG 1/2026").await, 200);
        house.clock.advance(DAY);
    }
    assert_eq!(anna.status("AB123CD", "PG 1/2026").await, 403);
    let (status, asked) = anna.send(ask, &grounds("AB123CD")).await;
    assert_eq!(
        (status, &asked["why"]["rule"]),
        (201, &json!("one-plate")),
        "{asked}"
    );
    assert_eq!(
        anna.status("AB123CD", "PG 1/2026").await,
        403,
        "nobody agreed yet"
    );
    let decide = decision(&asked);
    let yes = json!({"approve": true});
    let number = decide.replace(asked["approval"].as_str().unwrap(), "1");
    for gone in ["POST /api/v1/second-looks/1/decision", number.as_str()] {
        let status = carla.send(gone, &yes).await.0;
        assert!(
            [404, 422].contains(&status),
            "no way but the request: {gone} {status}"
        );
    }
    assert_eq!(anna.send(&decide, &yes).await.0, 403, "her own");
    assert_eq!(bruno.send(&decide, &yes).await.0, 403, "he may not");
    // Two accounts of one person are one person, where that is known.
    let main = &mut house.home.open_main().unwrap();
    let known = |name: &str| actors::of_name(main, name).unwrap().unwrap();
    let accounts = [known("anna"), known("anna-rossi")];
    let acting = Acting {
        actor: &Actor::console(),
        now: house.clock.now(),
        key: &house.home.sealing_key().unwrap(),
    };
    desk::tell_accounts(main, "Rossi Anna", &accounts, &acting).unwrap();
    assert_eq!(second.send(&decide, &yes).await.0, 403, "her other account");
    let list = "GET /api/v1/second-looks";
    let (_, own) = second.send(list, &Value::Null).await;
    assert_eq!(own["second_looks"], json!([]), "she sees none of her own");
    let (_, waiting) = carla.send(list, &Value::Null).await;
    let look = &waiting["second_looks"][0];
    assert_eq!(
        (&look["plate"], &look["asked_by"], &look["approval"]),
        (&json!("AB123CD"), &json!("anna"), &asked["approval"])
    );
    // The request waits where all do, without the plate.
    let (_, shown) = carla.send("GET /api/v1/approvals", &Value::Null).await;
    assert_eq!(shown["to_decide"][0]["id"], asked["approval"], "{shown}");
    assert_eq!(shown["to_decide"][0]["subject"]["rule"], "one-plate");
    assert!(!shown.to_string().contains("AB123CD"), "{shown}");
    let (status, said) = carla.send(&decide, &yes).await;
    assert_eq!(
        (status, &said["state"]),
        (200, &json!("approved")),
        "{said}"
    );
    assert_eq!(carla.send(&decide, &yes).await.0, 403, "once");
    house.clock.advance(SECOND);
    assert_eq!(anna.status("AB123CD", "PG 1/2026").await, 200);
    let line = &lines(&house, "second-look-decided")[0];
    assert_eq!(
        (&line["actor"], &line["details"]["asked_by"]),
        (&json!("carla"), &json!("anna"))
    );
    assert!(!line.to_string().contains("AB123CD"), "{line}");
    let sealed = house.count("SELECT count(*) FROM second_looks WHERE sealed IS NOT NULL");
    assert_eq!(sealed, 0, "the plate is gone with the decision");
    for action in ["approval-asked", "approval-decided"] {
        let line = &lines(&house, action)[0];
        assert!(!line.to_string().contains("AB123CD"), "{line}");
    }
    assert!(verify(&house.home, house.clock.now()).unwrap().intact);
    refused_and_too_late(&house, &anna, &carla).await;
}

/// Where somebody decides about what was asked.
fn decision(asked: &Value) -> String {
    let request = asked["approval"].as_str().unwrap();
    format!("POST /api/v1/approvals/{request}/decision")
}

/// A refusal opens nothing, what is taken back does no more, and what nobody decides in a day waits no more.
async fn refused_and_too_late(house: &House, anna: &Officer<'_>, carla: &Officer<'_>) {
    let (ask, yes) = ("POST /api/v1/second-looks", json!({"approve": true}));
    house.clock.advance(DAY + HOUR);
    for _ in 0..2 {
        assert_eq!(anna.status("AB123CD", "PG 1/2026").await, 200);
        house.clock.advance(DAY);
    }
    assert_eq!(
        anna.status("AB123CD", "PG 1/2026").await,
        403,
        "the fourth since then"
    );
    let (_, asked) = anna.send(ask, &grounds("AB123CD")).await;
    let no = json!({"approve": false});
    assert_eq!(carla.send(&decision(&asked), &no).await.0, 200);
    assert_eq!(anna.status("AB123CD", "PG 1/2026").await, 403);
    let (_, asked) = anna.send(ask, &grounds("AB123CD")).await;
    assert_eq!(carla.send(&decision(&asked), &yes).await.0, 200);
    let ending = decision(&asked).replace("/decision", "/ending");
    assert_eq!(carla.send(&ending, &json!({})).await.0, 204);
    assert_eq!(anna.status("AB123CD", "PG 1/2026").await, 403, "taken back");
    let (_, asked) = anna.send(ask, &grounds("AB123CD")).await;
    let withdrawal = decision(&asked).replace("/decision", "/withdrawal");
    assert_eq!(anna.send(&withdrawal, &json!({})).await.0, 204);
    assert_eq!(
        carla.send(&decision(&asked), &yes).await.0,
        409,
        "withdrawn"
    );
    let (_, asked) = anna.send(ask, &grounds("AB123CD")).await;
    house.clock.advance(DAY + SECOND);
    assert_eq!(carla.send(&decision(&asked), &yes).await.0, 409, "too late");
}

#[tokio::test]
async fn the_published_pattern_of_69_and_24_and_15_searches_gets_three_answers_about_each_plate_at_most()
 {
    let (house, hub) = house_with(&["AB123CD"]).await;
    let anna = Officer::of(&house, &hub, "anna", &[Permission::Lookups]);
    let mut answered = [0; 3];
    for step in 0..108_u32 {
        // Ex-partner 69, her mother 24, her father 15, spread over seven months.
        let (plate, place) = match step {
            step if step % 9 == 1 || step % 9 == 6 => ("GH456JK", 1),
            step if step % 36 == 4 || step % 9 == 8 => ("MN789PR", 2),
            _ => ("AB123CD", 0),
        };
        let status = anna.status(plate, &format!("controllo {step}")).await;
        assert!([200, 403].contains(&status), "{status}");
        answered[place] += u32::from(status == 200);
        house.clock.advance(46 * HOUR);
    }
    assert_eq!(answered[0], 3, "{answered:?}");
    assert!(answered.iter().all(|count| *count <= 3), "{answered:?}");
    assert!(lines(&house, "search-stopped").len() >= 99);
}

#[tokio::test]
async fn a_case_that_grows_by_others_work_goes_on() {
    let (house, hub) = house_with(&["AB123CD"]).await;
    let both = [Permission::Lookups, Permission::Cases];
    let anna = Officer::of(&house, &hub, "anna", &both);
    let carla = Officer::of(&house, &hub, "carla", &both);
    let case = |id: &str| {
        json!({"id": id, "authority": "Procura", "order": "1", "until": "2027-11-22T00:00:00Z",
            "purpose": "public-safety", "case_reference": "pg 1-2026"})
    };
    let hold = json!({
        "plate": "AB123CD", "from": "2026-11-22T00:00:00Z", "to": "2026-11-22T23:00:00Z",
        "purpose": "public-safety", "case_reference": "PG 1/2026",
    });
    let mut looked = 0;
    for _ in 0..3 {
        assert_eq!(anna.status("AB123CD", "PG 1/2026").await, 200);
        looked += 1;
        house.clock.advance(HOUR);
    }
    assert_eq!(
        anna.status("AB123CD", "PG 1/2026").await,
        403,
        "after {looked}"
    );
    // What she holds herself, in a case of her own, is no growth.
    assert_eq!(anna.send("POST /api/v1/cases", &case("mio")).await.0, 201);
    assert_eq!(
        anna.send("POST /api/v1/cases/mio/holdings", &hold).await.0,
        403
    );
    assert_eq!(carla.send("POST /api/v1/cases", &case("loro")).await.0, 201);
    assert_eq!(
        carla
            .send("POST /api/v1/cases/loro/holdings", &hold)
            .await
            .0,
        200
    );
    house.clock.advance(HOUR);
    assert_eq!(anna.status("AB123CD", "PG 1/2026").await, 200);
    assert_eq!(
        anna.status("AB123CD", "PG 7/2026").await,
        200,
        "what was before it counts no more"
    );
}

#[tokio::test]
async fn plates_of_a_bodys_own_people_need_a_second_person_in_every_kind_of_question() {
    let mut house = House::new();
    house.companions = true;
    let hub = house.serve().await;
    let all = Permission::ALL.map(|(permission, _)| permission);
    let anna = Officer::of(&house, &hub, "anna", &all);
    let own = "POST /api/v1/own-plates";
    let listed = json!({"plates": ["ZZ 999 ZZ", "AB123CD"]});
    let (status, answer) = anna.send(own, &listed).await;
    assert_eq!((status, &answer["changed"]), (200, &json!(2)));
    assert_eq!(anna.send(own, &json!({"plates": ["ZZ*"]})).await.0, 422);
    assert_eq!(anna.send(own, &json!({"plates": []})).await.0, 422);
    let (status, answer) = anna.search("zz999zz", "PG 1/2026").await;
    assert_eq!((status, rule(&answer)), (403, "own-people"), "{answer}");
    let case = json!({"id": "uno", "authority": "Procura", "order": "1",
        "until": "2027-11-22T00:00:00Z", "purpose": "public-safety", "case_reference": "PG 1"});
    assert_eq!(anna.send("POST /api/v1/cases", &case).await.0, 201);
    let mut body = grounds("ZZ999ZZ");
    body["from"] = "2026-11-22T00:00:00Z".into();
    body["to"] = "2026-11-22T12:00:00Z".into();
    let (status, answer) = anna.send("POST /api/v1/cases/uno/holdings", &body).await;
    assert_eq!((status, rule(&answer)), (403, "own-people"), "{answer}");
    body["window_s"] = 60.into();
    body["least"] = 2.into();
    let (status, answer) = anna.send("POST /api/v1/lookups/companions", &body).await;
    assert_eq!((status, rule(&answer)), (403, "own-people"), "{answer}");
    let line = &lines(&house, "own-plates-changed")[0];
    assert!(!line.to_string().contains("999"), "{line}");
    let off = json!({"plates": ["ZZ999ZZ"], "remove": true});
    assert_eq!(anna.send(own, &off).await.1["changed"], 1);
    assert_eq!(anna.status("ZZ999ZZ", "PG 1/2026").await, 200);
    assert_eq!(anna.status("AB123CD", "PG 1/2026").await, 403);
}

#[tokio::test]
async fn a_listed_plate_is_taken_off_by_who_answers_for_its_body_and_by_no_other() {
    let (house, hub) = house_with(&["AB123CD"]).await;
    at_console(&house, |main, acting| {
        let wanted = WantedBody {
            id: "questura".parse().unwrap(),
            name: "Questura di Perugia".to_owned(),
            kind: Some(BodyKind::StatePolice),
            municipality: None,
        };
        bodies::set(main, &wanted, acting).unwrap();
    });
    let answers = [Permission::Lookups, Permission::Cases, Permission::Persons];
    let ours = Officer::of(&house, &hub, "anna", &answers);
    let theirs = Officer {
        hub: &hub,
        token: token_for(&house, "bice", Some("questura"), &answers),
    };
    let officer = Officer::of(
        &house,
        &hub,
        "carla",
        &[Permission::Lookups, Permission::Cases],
    );
    let own = "POST /api/v1/own-plates";
    let listed = json!({"plates": ["ZZ999ZZ"]});
    let off = json!({"plates": ["ZZ999ZZ"], "remove": true});
    assert_eq!(officer.send(own, &listed).await.0, 403, "no operator lists");
    assert_eq!(ours.send(own, &listed).await.1["changed"], 1);
    assert_eq!(officer.send(own, &off).await.0, 403, "nor takes off");
    assert_eq!(theirs.send(own, &off).await.1["changed"], 0);
    assert_eq!(officer.status("ZZ999ZZ", "PG 1/2026").await, 403);
    // Listed by both, it is stopped until both take it off.
    assert_eq!(theirs.send(own, &listed).await.1["changed"], 1);
    assert_eq!(ours.send(own, &off).await.1["changed"], 1);
    assert_eq!(officer.status("ZZ999ZZ", "PG 1/2026").await, 403);
    assert_eq!(theirs.send(own, &off).await.1["changed"], 1);
    assert_eq!(officer.status("ZZ999ZZ", "PG 1/2026").await, 200);
}

#[tokio::test]
async fn a_pattern_counts_for_what_it_matches() {
    let (house, hub) = house_with(&["AB123CD", "ZZ999ZZ"]).await;
    let anna = Officer::of(&house, &hub, "anna", &[Permission::Lookups]);
    for pattern in ["AB12*", "*23CD", "?B123C?"] {
        let (status, answer) = anna.search(pattern, "PG 1/2026").await;
        assert_eq!((status, &answer["total"]), (200, &json!(1)), "{answer}");
        house.clock.advance(HOUR);
    }
    for asked in ["AB1*", "A?123CD", "AB123CD"] {
        let (status, answer) = anna.search(asked, "PG 1/2026").await;
        assert_eq!(
            (status, rule(&answer)),
            (403, "one-plate"),
            "{asked}: {answer}"
        );
        assert!(answer["results"].is_null(), "{answer}");
    }
    assert_eq!(anna.status("ZZ999*", "PG 1/2026").await, 200);
}

#[tokio::test]
async fn off_duty_the_second_search_of_a_plate_needs_a_second_person() {
    let (house, hub) = house_with(&["AB123CD"]).await;
    let anna = Officer::of(&house, &hub, "anna", &[Permission::Lookups]);
    let colleague = Officer::of(&house, &hub, "bruno", &[Permission::Cases]);
    let answers = [Permission::Cases, Permission::Persons];
    let carla = Officer::of(&house, &hub, "carla", &answers);
    let duty = "POST /api/v1/duty-hours";
    let shifts =
        |from: &str, to: &str| json!({"person": "anna", "shifts": [{"from": from, "to": to}]});
    let day = shifts("2026-11-22T07:00:00Z", "2026-11-22T13:00:00Z");
    assert_eq!(colleague.send(duty, &day).await.0, 403, "no colleague does");
    assert_eq!(carla.send(duty, &day).await.0, 204);
    let wrong = shifts("2026-11-22T13:00:00Z", "2026-11-22T07:00:00Z");
    assert_eq!(carla.send(duty, &wrong).await.0, 422);
    let nobody = json!({"person": "nobody", "shifts": day["shifts"]});
    assert_eq!(carla.send(duty, &nobody).await.0, 422);
    assert_eq!(anna.send(duty, &day).await.0, 403, "nobody tells their own");
    assert_eq!(anna.status("AB123CD", "PG 1/2026").await, 200);
    house.clock.advance(10 * HOUR);
    assert_eq!(
        anna.status("AB123CD", "PG 1/2026").await,
        200,
        "the first by night"
    );
    house.clock.advance(24 * HOUR);
    let (status, answer) = anna.search("AB123CD", "PG 1/2026").await;
    assert_eq!((status, rule(&answer)), (403, "off-duty"), "{answer}");
    assert_eq!(
        anna.status("XY111ZT", "PG 1/2026").await,
        200,
        "another plate"
    );
    house.clock.advance(24 * HOUR);
    assert_eq!(
        anna.status("NA111NA", "PG 1/2026").await,
        200,
        "the third night"
    );
    house.clock.advance(24 * HOUR);
    let live = "GET /api/v1/transits/live?purpose=traffic&case_reference=PG%201";
    let (status, answer) = anna.send(live, &Value::Null).await;
    assert_eq!((status, rule(&answer)), (403, "off-duty"), "{answer}");
    let on = shifts("2026-11-25T20:00:00Z", "2026-11-26T02:00:00Z");
    assert_eq!(carla.send(duty, &on).await.0, 204);
    assert_eq!(
        anna.status("XY111ZT", "PG 1/2026").await,
        200,
        "on duty now"
    );
}

#[tokio::test]
async fn whoever_goes_through_a_row_of_plates_or_from_camera_to_camera_needs_a_second_person() {
    let (house, hub) = house_with(&["AB123CD"]).await;
    let anna = Officer::of(&house, &hub, "anna", &[Permission::Lookups]);
    for number in 120..125 {
        assert_eq!(
            anna.status(&format!("AB{number}CD"), "PG 1").await,
            200,
            "{number}"
        );
    }
    let (status, answer) = anna.search("AB125CD", "PG 1/2026").await;
    assert_eq!((status, rule(&answer)), (403, "enumeration"), "{answer}");
    let bruno = Officer::of(&house, &hub, "bruno", &[Permission::Lookups]);
    let mut walked = 0;
    let stopped = loop {
        let body = json!({
            "plate": "*", "cameras": [format!("via-{walked}")], "from": "2026-11-22T00:00:00Z",
            "to": "2026-11-22T23:00:00Z", "purpose": "events", "case_reference": "corteo",
        });
        let (status, answer) = bruno.send("POST /api/v1/lookups", &body).await;
        if status == 403 {
            break answer;
        }
        assert_eq!(status, 200, "{answer}");
        walked += 1;
        assert!(walked < 100);
    };
    assert_eq!((walked, rule(&stopped)), (59, "enumeration"));
    // Consent is to the reference: no plate is named.
    let both = [Permission::Lookups, Permission::Cases];
    let carla = Officer::of(&house, &hub, "carla", &both);
    let wide = json!({"plate": "*", "purpose": "events", "case_reference": "corteo"});
    let (status, asked) = bruno.send("POST /api/v1/second-looks", &wide).await;
    assert_eq!(status, 201, "{asked}");
    let yes = json!({"approve": true});
    assert_eq!(carla.send(&decision(&asked), &yes).await.0, 200);
    assert_eq!(bruno.status("AB1*", "corteo").await, 200);
}

#[tokio::test]
async fn one_reference_for_unrelated_plates_over_weeks_needs_a_second_person() {
    let (house, hub) = house_with(&[]).await;
    let anna = Officer::of(&house, &hub, "anna", &[Permission::Lookups]);
    let mut last = (0, Value::Null);
    // Of different letters: what may be misread for one another is one plate.
    let plates = [
        "AA", "AS", "AP", "AZ", "AT", "AN", "AV", "AF", "AR", "AD", "SA", "SP", "SZ", "ST", "SN",
    ];
    for (number, letters) in plates.iter().enumerate() {
        last = anna.search(&format!("{letters}125AA"), "servizio").await;
        if number < 14 {
            assert_eq!(last.0, 200, "{number}: {}", last.1);
        }
        house.clock.advance(3 * DAY);
    }
    let (status, answer) = last;
    assert_eq!((status, rule(&answer)), (403, "one-reference"), "{answer}");
    assert_eq!(
        anna.status("XY111ZT", "PG 8/2026").await,
        200,
        "another reference"
    );
}

#[tokio::test]
async fn two_questions_at_once_are_two() {
    let (house, hub) = house_with(&["AB123CD"]).await;
    let anna = Officer::of(&house, &hub, "anna", &[Permission::Lookups]);
    for _ in 0..2 {
        assert_eq!(anna.status("AB123CD", "PG 1/2026").await, 200);
        house.clock.advance(HOUR);
    }
    let five: Vec<_> = (0..5)
        .map(|_| anna.status("AB123CD", "PG 1/2026"))
        .collect();
    let five = futures_util::future::join_all(five).await;
    assert!(
        five.iter().all(|status| *status == 200),
        "one look: {five:?}"
    );
    house.clock.advance(HOUR);
    let five: Vec<_> = (0..5)
        .map(|_| anna.status("AB123CD", "PG 1/2026"))
        .collect();
    let five = futures_util::future::join_all(five).await;
    assert!(five.iter().all(|status| *status == 403), "{five:?}");
}

#[tokio::test]
async fn what_is_kept_of_searches_tells_no_plate_no_reference_and_nobody() {
    let (house, hub) = house_with(&["AB123CD"]).await;
    let anna = Officer::of(&house, &hub, "anna", &[Permission::Lookups]);
    assert_eq!(anna.status("AB123CD", "PG 1/2026").await, 200);
    let main = house.home.open_main().unwrap();
    let sql = "SELECT plate, exact, reference, person, purpose FROM searches";
    let row = main.query_row(sql, [], |row| {
        let marks = [row.get::<_, i64>(0)?, row.get(1)?, row.get(2)?, row.get(3)?];
        Ok((marks, row.get::<_, String>(4)?))
    });
    let (marks, purpose) = row.unwrap();
    assert_eq!(purpose, "urban-security");
    let key = varco_proto::cipher::Key::from_bytes(&[7; 32]).unwrap();
    let other = varco_hub::judgement::marks::SearchMarks::under(&key).reference("PG 1/2026");
    assert!(!marks.contains(&other), "only the hub's own key makes them");
}
