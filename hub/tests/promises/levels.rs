//! The levels of Perugia's regulation (art. 7 c. 4, art. 8): who is let in by whom, who goes first, who sees what, and
//! who is never alone.

use std::time::Duration;

use futures_util::{Stream, StreamExt as _};
use serde_json::{Value, json};
use varco_hub::people::appointing;
use varco_hub::people::appointments::Role;
use varco_hub::people::external_staff::{self, StaffWork, WantedStaff};
use varco_hub::people::tokens::Permission;
use varco_hub::proof::verification::verify;
use varco_hub::timekeeping::Clock as _;

use crate::levels_support::{
    Hall, Hired, NORD, OFFICER, OPERATOR, SUD, admission, appoint, gates_of, id_of,
};
use crate::signed::{TestPerson, TestPost, ask_with, at_console, lines, post_code_in, told};
use crate::support::{Carrying as _, DAY, SECOND, system_token};

const LIVE: &str = "transits/live?purpose=public-safety&case_reference=PG+9%2F2026";
const NONE: [&str; 0] = [];

impl Hall {
    async fn watch(&self, token: &str) -> impl Stream<Item = String> + Unpin + use<> {
        let url = format!("{}/api/v1/{LIVE}", self.hub.url);
        let response = self
            .hub
            .client
            .get(url)
            .carrying(token)
            .send()
            .await
            .unwrap();
        assert_eq!(response.status(), 200);
        let parts = response.bytes_stream();
        Box::pin(parts.map(|part| String::from_utf8_lossy(&part.unwrap()).into_owned()))
    }

    /// A vehicle passes a gate, stored and told.
    fn pass(&mut self, gate: usize, plate: &str) {
        let message = self.edges[gate].seal(plate, self.house.clock.now());
        let taken = self.house.writer().take(&[message]).unwrap();
        for transit in taken.stored {
            let _ = self.hub.live.send(transit);
        }
    }
}

/// What a stream tells until one of its events has this text; fails after a while.
async fn until(stream: &mut (impl Stream<Item = String> + Unpin), wanted: &str) -> String {
    let mut all = String::new();
    while !all.contains(wanted) {
        let next = tokio::time::timeout(Duration::from_secs(20), stream.next()).await;
        let next = next.unwrap_or_else(|_| panic!("no {wanted} in {all}"));
        all.push_str(&next.unwrap_or_else(|| panic!("it ended without {wanted}: {all}")));
    }
    all
}

#[expect(clippy::too_many_lines, reason = "one story, told in its order")]
#[tokio::test]
async fn c19_level_2_is_let_in_by_the_duty_officer_of_level_1_and_the_responsible_is_told() {
    let mut hall = Hall::new().await;
    hall.agree("perugia-questura");
    let questura = hall.hire("Comm. Verdi", "questura", Role::Operator, &OPERATOR);
    let marshal = hall.hire("Mar. Bianchi", "owner", Role::DutyOfficer, &OFFICER);
    let lieutenant = hall.hire("Ten. Rossi", "owner", Role::Responsible, &OFFICER);
    assert_eq!(hall.gates(&questura).await, NONE, "not let in");
    let mut live = hall.watch(&questura).await;
    let (status, asked) = hall.ask(&questura, admission(), 30).await;
    assert_eq!(status, 201, "{asked}");
    let id = id_of(&asked);
    assert_eq!(hall.gates(&questura).await, NONE, "asking lets nobody in");
    // It waits where whoever decides sees it.
    for token in [&marshal, &lieutenant] {
        let (_, shown) = hall.get(token, "approvals").await;
        assert_eq!(shown["to_decide"][0]["id"], json!(id), "{shown}");
        assert_eq!(shown["to_decide"][0]["subject"]["body"], "questura");
    }
    hall.pass(0, "ZZ001ZZ");
    let (status, let_in) = hall.decide(&marshal, &id, true).await;
    assert_eq!(
        (status, &let_in["state"]),
        (200, &json!("approved")),
        "{let_in}"
    );
    assert_eq!(hall.gates(&questura).await, [NORD, SUD]);
    hall.pass(0, "ZZ002ZZ");
    let seen = until(&mut live, "ZZ002ZZ").await;
    assert!(!seen.contains("ZZ001ZZ"), "it was before: {seen}");
    // The marshal decided, so the lieutenant is told, until it was read.
    assert_eq!(hall.get(&marshal, "notices").await.0, 403);
    assert_eq!(hall.get(&questura, "notices").await.0, 403);
    for _ in 0..2 {
        let (_, told) = hall.get(&lieutenant, "notices").await;
        assert_eq!(told["notices"][0]["approval"]["id"], json!(id), "{told}");
        assert_eq!(
            told["notices"][0]["approval"]["decisions"][0]["by"],
            "Mar. Bianchi"
        );
    }
    let read = format!("notices/{id}/reading");
    assert_eq!(hall.post(&lieutenant, &read, &json!({})).await.0, 204);
    assert_eq!(hall.post(&lieutenant, &read, &json!({})).await.0, 409);
    assert_eq!(
        hall.get(&lieutenant, "notices").await.1["notices"],
        json!([])
    );
    // It ends at its second.
    hall.house.clock.advance(SECOND * (30 * 60 - 1));
    assert_eq!(hall.gates(&questura).await, [NORD, SUD]);
    hall.house.clock.advance(SECOND);
    assert_eq!(hall.gates(&questura).await, NONE);
    hall.pass(0, "ZZ003ZZ");
    // What the lieutenant decides themself they are not told of; taken back, nothing is seen from then on.
    let (_, asked) = hall.ask(&questura, admission(), 30).await;
    let id = id_of(&asked);
    assert_eq!(hall.decide(&lieutenant, &id, true).await.0, 200);
    assert_eq!(
        hall.get(&lieutenant, "notices").await.1["notices"],
        json!([])
    );
    hall.pass(0, "ZZ004ZZ");
    let seen = until(&mut live, "ZZ004ZZ").await;
    assert!(!seen.contains("ZZ003ZZ"), "it was after the end: {seen}");
    let ending = format!("approvals/{id}/ending");
    assert_eq!(hall.post(&marshal, &ending, &json!({})).await.0, 204);
    assert_eq!(hall.gates(&questura).await, NONE);
    hall.pass(0, "ZZ005ZZ");
    let next = tokio::time::timeout(Duration::from_secs(3), live.next()).await;
    assert!(
        !next
            .ok()
            .flatten()
            .is_some_and(|text| text.contains("ZZ005ZZ"))
    );
    // Refused, nobody is let in.
    let (_, asked) = hall.ask(&questura, admission(), 30).await;
    assert_eq!(hall.decide(&marshal, &id_of(&asked), false).await.0, 200);
    assert_eq!(hall.gates(&questura).await, NONE);
    let decided = lines(&hall.house, "approval-decided");
    let told: Vec<_> = decided
        .iter()
        .map(|line| &line["details"]["told"])
        .collect();
    assert_eq!(told, [&json!("owner"), &Value::Null, &Value::Null]);
    assert_eq!(decided[0]["actor"], "Mar. Bianchi");
    assert_eq!(lines(&hall.house, "notice-read").len(), 1);
    assert_eq!(lines(&hall.house, "approval-ended").len(), 1);
    assert!(
        verify(&hall.house.home, hall.house.clock.now())
            .unwrap()
            .intact
    );
}

#[tokio::test]
async fn c19_part_who_is_let_in_under_one_agreement_is_not_under_another_and_others_are_not() {
    let hall = Hall::new().await;
    hall.agree("perugia-questura");
    let questura = hall.hire("Comm. Verdi", "questura", Role::Operator, &OPERATOR);
    let corciano = hall.hire("Ag. Neri", "pl-corciano", Role::Operator, &OPERATOR);
    let marshal = hall.hire("Mar. Bianchi", "owner", Role::DutyOfficer, &OFFICER);
    assert_eq!(
        hall.ask(&corciano, admission(), 30).await.0,
        422,
        "it receives nothing"
    );
    let (_, asked) = hall.ask(&questura, admission(), 30).await;
    assert_eq!(hall.decide(&marshal, &id_of(&asked), true).await.0, 200);
    assert_eq!(hall.gates(&questura).await, [NORD, SUD]);
    assert_eq!(hall.gates(&corciano).await, NONE);
    at_console(&hall.house, |main, acting| {
        let id = "perugia-questura".parse().unwrap();
        varco_hub::agreements::desk::end(main, &id, acting).unwrap();
    });
    assert_eq!(hall.gates(&questura).await, NONE, "with the agreement");
    hall.agree("perugia-questura-2");
    assert_eq!(
        hall.gates(&questura).await,
        NONE,
        "under another nobody let it in"
    );
}

#[expect(clippy::too_many_lines, reason = "one story, told in its order")]
#[tokio::test]
async fn c17_c18_level_1_goes_first_and_level_2_is_independent_but_for_what_level_1_uses() {
    let mut hall = Hall::new().await;
    hall.agree("perugia-questura");
    let questura = hall.hire("Comm. Verdi", "questura", Role::Operator, &OPERATOR);
    let operator = hall.hire("Ag. Gialli", "owner", Role::Operator, &OPERATOR);
    let guard = hall.hire(
        "Ag. Guardia",
        "owner",
        Role::GuardCorps,
        &[Permission::Lookups],
    );
    let marshal = hall.hire("Mar. Bianchi", "owner", Role::DutyOfficer, &OFFICER);
    let (_, asked) = hall.ask(&questura, admission(), 12 * 60).await;
    assert_eq!(hall.decide(&marshal, &id_of(&asked), true).await.0, 200);
    // Independent: nobody of level 1 has to do anything more.
    assert_eq!(hall.gates(&questura).await, [NORD, SUD]);
    let mut live = hall.watch(&questura).await;
    // Level 2 claims nothing, nor does another municipality's police claim these gates.
    let use_nord = json!({"gates": [NORD], "minutes": 30});
    let corciano = hall.hire("Ag. Neri", "pl-corciano", Role::Operator, &OPERATOR);
    assert_eq!(hall.post(&questura, "gate-claims", &use_nord).await.0, 403);
    assert_eq!(hall.post(&corciano, "gate-claims", &use_nord).await.0, 422);
    assert_eq!(hall.post(&operator, "gate-claims", &use_nord).await.0, 204);
    let (_, held) = hall.get(&guard, "gate-claims").await;
    assert_eq!(held["claims"][0]["gate"], NORD, "{held}");
    assert_eq!(held["claims"][0]["by"], "Ag. Gialli");
    // Nothing of it for level 2, by no question, and it is named as left out; level 1 sees all.
    assert_eq!(hall.gates(&operator).await, [NORD, SUD]);
    let (_, answer) = hall.post(&questura, "lookups", &hall.lookup()).await;
    assert_eq!(
        (gates_of(&answer), &answer["in_use"]),
        (vec![SUD.to_owned()], &json!([NORD]))
    );
    let mut named = hall.lookup();
    named["gates"] = json!([NORD]);
    let (_, answer) = hall.post(&questura, "lookups", &named).await;
    assert_eq!(
        (&answer["total"], &answer["in_use"]),
        (&json!(0), &json!([NORD]))
    );
    let case = json!({
        "id": "della-questura", "authority": "Procura", "order": "decreto 5/2026",
        "until": "2027-03-01T00:00:00Z", "purpose": "public-safety", "case_reference": "PG 9/2026",
    });
    assert_eq!(hall.post(&questura, "cases", &case).await.0, 201);
    let (_, kept) = hall
        .post(&questura, "cases/della-questura/holdings", &hall.lookup())
        .await;
    assert_eq!(
        (&kept["held"], &kept["in_use"]),
        (&json!(1), &json!([NORD])),
        "{kept}"
    );
    let (_, answer) = hall.post(&operator, "lookups", &hall.lookup()).await;
    assert_eq!(answer["in_use"], json!([]), "level 1 is left nothing out");
    let told = until(&mut live, "event: in-use").await;
    assert!(told.contains(NORD), "{told}");
    hall.pass(0, "ZZ001ZZ");
    hall.pass(1, "ZZ002ZZ");
    let seen = until(&mut live, "ZZ002ZZ").await;
    assert!(!seen.contains("ZZ001ZZ"), "{seen}");
    // It ends by itself after half an hour at most, unless it is claimed again.
    for minutes in [0, 31] {
        let longer = json!({"gates": [NORD], "minutes": minutes});
        assert_eq!(hall.post(&operator, "gate-claims", &longer).await.0, 422);
    }
    hall.house.clock.advance(SECOND * 29 * 60);
    assert_eq!(
        hall.post(&guard, "gate-claims", &use_nord).await.0,
        204,
        "level 1 too"
    );
    hall.house.clock.advance(SECOND * 29 * 60);
    assert_eq!(hall.gates(&questura).await, [SUD]);
    hall.house.clock.advance(SECOND * 60);
    assert_eq!(hall.gates(&questura).await, [NORD, SUD]);
    // Or when level 1 uses it no more.
    assert_eq!(hall.post(&operator, "gate-claims", &use_nord).await.0, 204);
    assert_eq!(hall.gates(&questura).await, [SUD]);
    let free = json!({"gates": [NORD]});
    assert_eq!(
        hall.post(&questura, "gate-claims/ending", &free).await.0,
        403
    );
    assert_eq!(
        hall.post(&marshal, "gate-claims/ending", &free).await.0,
        204
    );
    assert_eq!(
        hall.post(&marshal, "gate-claims/ending", &free).await.0,
        409
    );
    assert_eq!(hall.gates(&questura).await, [NORD, SUD]);
    let claimed = lines(&hall.house, "gates-claimed");
    let by: Vec<_> = claimed.iter().map(|line| &line["actor"]).collect();
    assert_eq!(
        by,
        ["Ag. Gialli", "Ag. Guardia", "Ag. Gialli"],
        "each by themself"
    );
    assert_eq!(lines(&hall.house, "gates-freed").len(), 1);
}

/// Whether a text has something that could be taken away of a record.
fn can_be_taken(text: &str) -> Option<&'static str> {
    let fields = [
        "crop",
        "transit_id",
        "record_digest",
        "envelope",
        "data:image",
        "\"onboard\"",
    ];
    fields.into_iter().find(|field| text.contains(field))
}

#[expect(clippy::too_many_lines, reason = "one story, told in its order")]
#[tokio::test]
async fn c15_the_operations_room_views_and_extracts_and_the_guard_corps_views_and_extracts_nothing()
{
    let mut hall = Hall::new().await;
    let may = [
        Permission::Lookups,
        Permission::Alerts,
        Permission::Hotlists,
        Permission::Cases,
        Permission::Statistics,
    ];
    let room = hall.hire("Ag. Gialli", "owner", Role::Operator, &may);
    let guard = hall.hire("Ag. Guardia", "owner", Role::GuardCorps, &may);
    let list = json!({
        "id": "rubate", "name": "Rubate", "reason": "furto", "owner": "Questura", "priority": 50,
        "valid_from": "2026-11-22T00:00:00Z", "valid_to": "2026-11-29T00:00:00Z",
        "purpose": "public-safety", "case_reference": "PG 9/2026",
    });
    let (status, made) = hall.post(&room, "hotlists", &list).await;
    assert_eq!(status, 201, "{made}");
    let plate = json!({"plate": "AB001CD"});
    let (status, added) = hall.post(&room, "hotlists/rubate/plates", &plate).await;
    assert!(status < 300, "{status} {added}");
    let mut streams = Vec::new();
    for token in [&room, &guard] {
        streams.push(hall.watch(token).await);
    }
    hall.pass(0, "AB001CD");
    let both = json!({
        "here": {"gates": [NORD], "from": hall.begins.to_string(), "to": "2026-11-22T13:00:00Z"},
        "there": {"gates": [SUD], "from": hall.begins.to_string(), "to": "2026-11-22T13:00:00Z"},
        "purpose": "public-safety", "case_reference": "PG 9/2026",
    });
    for (token, is_room) in [(&room, true), (&guard, false)] {
        let (status, found) = hall.post(token, "lookups", &hall.lookup()).await;
        assert_eq!((status, &found["total"]), (200, &json!(3)), "{found}");
        assert_eq!(found["results"][0]["plate"], "AB001CD", "both view");
        let (status, matched) = hall.post(token, "lookups/both", &both).await;
        assert_eq!((status, &matched["total"]), (200, &json!(1)), "{matched}");
        assert_eq!(matched["vehicles"][0]["here"]["plate"], "AB001CD");
        let (status, alerts) = hall.get(token, "alerts").await;
        assert_eq!(
            (status, &alerts["alerts"][0]["read"]),
            (200, &json!("AB001CD")),
            "{alerts}"
        );
        let seen = until(&mut streams[usize::from(!is_room)], "AB001CD").await;
        for text in [
            found.to_string(),
            matched.to_string(),
            alerts.to_string(),
            seen,
        ] {
            assert_eq!(can_be_taken(&text).is_some(), is_room, "{text}");
        }
    }
    // Nor by what would take records out.
    let case = json!({
        "id": "del-corpo", "authority": "Procura", "order": "decreto 5/2026",
        "until": "2027-03-01T00:00:00Z", "purpose": "public-safety", "case_reference": "PG 9/2026",
    });
    let extraction = json!({
        "for": "extraction", "case_type": "complaint", "reference": "Querela 1/2026",
        "recipient_kind": "office", "purpose": "public-safety", "case_reference": "RGNR 1/2026",
        "recipient": "Procura", "transits": ["0192f3a0-0000-7000-8000-000000000001"],
    });
    assert_eq!(hall.post(&guard, "cases", &case).await.0, 403);
    assert_eq!(hall.ask(&guard, extraction.clone(), 60).await.0, 403);
    assert_eq!(hall.post(&room, "cases", &case).await.0, 201);
    assert_eq!(hall.ask(&room, extraction, 60).await.0, 201);
    for path in ["cases/del-corpo/holdings", "cases/del-corpo/closing"] {
        assert_eq!(
            hall.post(&guard, path, &hall.lookup()).await.0,
            403,
            "{path}"
        );
    }
    assert_eq!(hall.get(&guard, "cases/del-corpo").await.0, 403);
    assert_eq!(
        hall.post(&guard, "hotlists/rubate/entries", &json!({}))
            .await
            .0,
        403
    );
}

#[tokio::test]
async fn c16_part_only_the_responsible_and_who_was_appointed_have_access_as_long_as_they_are() {
    let hall = Hall::new().await;
    let post = TestPost::new(&hall.house, &hall.hub, "Sala operativa 1").await;
    for (user, role) in [("c.capo", Role::Responsible), ("a.rossi", Role::Operator)] {
        let hired = Hired {
            body: "owner",
            role,
            may: &OPERATOR,
        };
        let mut person = hall.sign_in(user, hired, &post).await;
        let look = async |person: &TestPerson| {
            person
                .ask(&hall.hub, "POST /api/v1/lookups", &hall.lookup())
                .await
                .0
        };
        assert_eq!(look(&person).await, 200, "{user}");
        let name = format!("Agente {user}");
        at_console(&hall.house, |main, acting| {
            appointing::dismiss(main, &name, "trasferito", acting).unwrap();
        });
        assert_eq!(
            look(&person).await,
            403,
            "the act ended, and with it the access: {user}"
        );
        hall.house.clock.advance(SECOND * 30);
        let mut typed = person.typed(&hall.house);
        typed["post"] = post.proof(&hall.hub, user).await;
        let carried = person.carried();
        let again = ask_with(&hall.hub, "POST /api/v1/session", &typed, &carried).await;
        assert_eq!(told(again).await.0, 403, "nor does anybody sign in: {user}");
        appoint(&hall.house, &name, "owner", role, &OPERATOR);
        at_console(&hall.house, |main, acting| {
            varco_hub::signing::desk::enable(main, &user.parse().unwrap(), acting).ok();
        });
        person.sign_in(&hall.house, &hall.hub, &post).await;
        assert_eq!(look(&person).await, 200, "{user}");
    }
    // Whoever has no act has no account to come in by, and no code opens one.
    let code = crate::signed::account_code(&hall.house, "n.nessuno", Some("Nessuno"));
    let body = json!({
        "code": code, "password": "cavallo graffetta batteria", "digits": "000000",
        "post": post.proof(&hall.hub, &code).await,
    });
    let request = hall
        .hub
        .client
        .post(format!("{}/api/v1/openings", hall.hub.url));
    assert_eq!(told(request.json(&body).send().await.unwrap()).await.0, 403);
    // Nor by a session that outlived the act.
    let token = hall.hire("Ag. Ex", "owner", Role::Operator, &OPERATOR);
    assert_eq!(hall.gates(&token).await, [NORD, SUD]);
    at_console(&hall.house, |main, acting| {
        appointing::dismiss(main, "Ag. Ex", "pensione", acting).unwrap();
    });
    assert_eq!(hall.post(&token, "lookups", &hall.lookup()).await.0, 403);
}

/// Where the technician's signed declaration of secrecy is kept.
const SECRECY: &str = "Dichiarazione prot. 7/2026";

/// Names the technician in writing, as somebody who does this work. Gives the entry's number.
fn named(hall: &Hall, work: StaffWork) -> i64 {
    at_console(&hall.house, |main, acting| {
        let wanted = WantedStaff {
            name: "Agente t.tecnico".to_owned(),
            firm: "Impianti S.r.l.".to_owned(),
            work,
            body: "owner".parse().unwrap(),
            communication: "PEC prot. 771".to_owned(),
            communicated_on: "2026-11-20".to_owned(),
            secrecy: Some(SECRECY.to_owned()),
            secrecy_on: Some("2026-11-21".to_owned()),
            from: acting.now,
            until: acting.now + DAY * 90,
        };
        external_staff::enter(main, &wanted, acting).unwrap()
    })
}

/// A technician of the firm and an operator beside them.
struct Pair {
    technician: TestPerson,
    operator: TestPerson,
    post: TestPost,
}

impl Pair {
    async fn new(hall: &Hall) -> Self {
        let post = TestPost::new(&hall.house, &hall.hub, "Sala operativa 1").await;
        let firm = Hired {
            body: "ditta",
            role: Role::Maintenance,
            may: &[Permission::Lookups, Permission::Edges],
        };
        let room = Hired {
            body: "owner",
            role: Role::Operator,
            may: &OPERATOR,
        };
        let technician = hall.sign_in("t.tecnico", firm, &post).await;
        Self {
            technician,
            operator: hall.sign_in("a.rossi", room, &post).await,
            post,
        }
    }

    async fn look(&self, hall: &Hall) -> (u16, Value) {
        let lookup = hall.lookup();
        let asked = self
            .technician
            .ask(&hall.hub, "POST /api/v1/lookups", &lookup);
        asked.await
    }

    /// Whether the technician sees the one gate that was named, and nothing else.
    async fn works(&self, hall: &Hall) -> bool {
        let (status, answer) = self.look(hall).await;
        match status {
            200 => {
                assert_eq!(gates_of(&answer), [NORD], "{answer}");
                true
            }
            403 => false,
            _ => panic!("{status} {answer}"),
        }
    }

    async fn asks(&self, hall: &Hall, minutes: u32) -> (u16, Value) {
        self.asks_under(hall, minutes, SECRECY).await
    }

    async fn asks_under(&self, hall: &Hall, minutes: u32, secrecy: &str) -> (u16, Value) {
        let subject = json!({
            "for": "maintenance", "municipality": "Perugia", "gates": [NORD], "secrecy": secrecy,
        });
        let body =
            json!({"subject": subject, "reason": "pulizia dell'obiettivo", "minutes": minutes});
        self.technician
            .ask(&hall.hub, "POST /api/v1/approvals", &body)
            .await
    }

    async fn agrees(&self, hall: &Hall, id: &str) -> (u16, Value) {
        let path = format!("POST /api/v1/approvals/{id}/decision");
        self.operator
            .ask(&hall.hub, &path, &json!({"approve": true}))
            .await
    }

    /// Asks and is allowed.
    async fn begins(&self, hall: &Hall, minutes: u32) -> String {
        let (status, asked) = self.asks(hall, minutes).await;
        assert_eq!(status, 201, "{asked}");
        let id = id_of(&asked);
        let (status, agreed) = self.agrees(hall, &id).await;
        assert_eq!(
            (status, &agreed["state"]),
            (200, &json!("approved")),
            "{agreed}"
        );
        assert!(self.works(hall).await);
        id
    }
}

#[expect(clippy::too_many_lines, reason = "one story, told in its order")]
#[tokio::test]
async fn c20_maintenance_works_beside_an_authorised_person_on_the_named_gates_bound_to_secrecy_and_never_alone()
 {
    let hall = Hall::new().await;
    let mut pair = Pair::new(&hall).await;
    assert!(!pair.works(&hall).await, "alone");
    // Who was not named in writing, bound to secrecy, cannot even ask; nor can who cleans.
    assert_eq!(pair.asks(&hall, 120).await.0, 422, "named by nobody");
    let cleaning = named(&hall, StaffWork::Cleaning);
    assert_eq!(pair.asks(&hall, 120).await.0, 422, "who cleans");
    let entry = named(&hall, StaffWork::Maintenance);
    let other = pair.asks_under(&hall, 120, "un altro foglio").await;
    assert_eq!(other.0, 422, "not the document of the entry: {}", other.1);
    assert_eq!(
        pair.asks(&hall, 4 * 60 + 1).await.0,
        422,
        "four hours at most"
    );
    let (_, asked) = pair.asks(&hall, 120).await;
    assert!(!pair.works(&hall).await, "asking is not enough");
    // Neither the technician's own word, nor a program's, nor somebody's of elsewhere.
    let id = id_of(&asked);
    let path = format!("POST /api/v1/approvals/{id}/decision");
    let own = pair
        .technician
        .ask(&hall.hub, &path, &json!({"approve": true}))
        .await;
    assert_eq!(own.0, 403, "{}", own.1);
    let program = system_token(&hall.house, "Programma", &OPERATOR);
    assert_eq!(
        hall.decide(&program, &id, true).await.0,
        403,
        "a program sits nowhere"
    );
    let elsewhere = Hired {
        body: "pl-corciano",
        role: Role::Operator,
        may: &OPERATOR,
    };
    let code = post_code_in(&hall.house, "Corciano", "pl-corciano");
    let there = TestPost::with_code(&hall.hub, &code).await;
    let other = hall.sign_in("c.neri", elsewhere, &there).await;
    let word = other.ask(&hall.hub, &path, &json!({"approve": true})).await;
    assert_eq!(word.0, 409, "{}", word.1);
    assert!(!pair.works(&hall).await);
    assert_eq!(pair.agrees(&hall, &id).await.0, 200);
    assert!(pair.works(&hall).await);
    // It extracts nothing, and keeps nothing.
    let case = json!({
        "id": "della-ditta", "authority": "Procura", "order": "decreto 5/2026",
        "until": "2027-03-01T00:00:00Z", "purpose": "public-safety", "case_reference": "PG 9/2026",
    });
    assert_eq!(
        pair.technician
            .ask(&hall.hub, "POST /api/v1/cases", &case)
            .await
            .0,
        403
    );
    // It ends when whoever is there says so,
    let ending = format!("POST /api/v1/approvals/{id}/ending");
    assert_eq!(
        pair.operator.ask(&hall.hub, &ending, &json!({})).await.0,
        204
    );
    assert!(!pair.works(&hall).await);
    // when their session is locked,
    pair.begins(&hall, 120).await;
    let live = format!("GET /api/v1/{LIVE}");
    let carried = pair.technician.carried();
    let stream = ask_with(&hall.hub, &live, &Value::Null, &carried).await;
    assert_eq!(stream.status(), 200);
    assert_eq!(
        pair.operator
            .ask(&hall.hub, "POST /api/v1/session/locking", &json!({}))
            .await
            .0,
        204
    );
    assert!(!pair.works(&hall).await);
    let ended = tokio::time::timeout(Duration::from_secs(6), stream.bytes()).await;
    assert!(ended.is_ok(), "what was open ends within seconds");
    // when it ends,
    pair.operator
        .sign_in(&hall.house, &hall.hub, &pair.post)
        .await;
    assert!(
        !pair.works(&hall).await,
        "a new session is not the one that agreed"
    );
    let second = pair.begins(&hall, 120).await;
    assert_eq!(
        pair.operator
            .ask(&hall.hub, "POST /api/v1/session/ending", &json!({}))
            .await
            .0,
        204
    );
    assert!(!pair.works(&hall).await);
    // when they lose the office,
    pair.operator
        .sign_in(&hall.house, &hall.hub, &pair.post)
        .await;
    let third = pair.begins(&hall, 120).await;
    appoint(
        &hall.house,
        "Agente a.rossi",
        "owner",
        Role::GuardCorps,
        &OPERATOR,
    );
    assert!(!pair.works(&hall).await);
    appoint(
        &hall.house,
        "Agente a.rossi",
        "owner",
        Role::Operator,
        &OPERATOR,
    );
    assert!(pair.works(&hall).await);
    // and when its time is over.
    for id in [second, third] {
        let ending = format!("POST /api/v1/approvals/{id}/ending");
        assert_eq!(
            pair.technician.ask(&hall.hub, &ending, &json!({})).await.0,
            204
        );
    }
    pair.begins(&hall, 2).await;
    hall.house.clock.advance(SECOND * 119);
    assert!(pair.works(&hall).await);
    hall.house.clock.advance(SECOND);
    assert!(!pair.works(&hall).await);
    // Or when who maintains is named no more, whoever sits beside them.
    pair.begins(&hall, 120).await;
    at_console(&hall.house, |main, acting| {
        external_staff::end(main, cleaning, "non più in servizio", acting).unwrap();
    });
    assert!(pair.works(&hall).await, "another entry");
    at_console(&hall.house, |main, acting| {
        external_staff::end(main, entry, "non più in servizio", acting).unwrap();
    });
    assert!(!pair.works(&hall).await);
    assert_eq!(pair.asks(&hall, 120).await.0, 422);
    let asked = lines(&hall.house, "approval-asked");
    assert_eq!(asked[0]["details"]["subject"]["secrecy"], SECRECY);
    let agreed = lines(&hall.house, "approval-decided");
    assert!(
        agreed.iter().all(|line| line["session"].is_string()),
        "{agreed:?}"
    );
    assert!(
        verify(&hall.house.home, hall.house.clock.now())
            .unwrap()
            .intact
    );
}

#[tokio::test]
async fn c67_part_who_answers_or_was_appointed_sees_images_and_whoever_runs_or_mends_the_system_does_not()
 {
    let hall = Hall::new().await;
    let all: Vec<Permission> = Permission::ALL.map(|(task, _)| task).to_vec();
    for (role, body, sees) in [
        (Role::Responsible, "owner", true),
        (Role::DutyOfficer, "owner", true),
        (Role::Operator, "owner", true),
        (Role::GuardCorps, "owner", true),
        (Role::Oversight, "owner", false),
        (Role::Administrator, "owner", false),
        (Role::Maintenance, "owner", false),
        (Role::Maintenance, "ditta", false),
        (Role::Operator, "ditta", false),
    ] {
        let who = format!("{role} {body}");
        let token = hall.hire(&who, body, role, &all);
        let (status, answer) = hall.post(&token, "lookups", &hall.lookup()).await;
        assert_eq!(status, if sees { 200 } else { 403 }, "{who}: {answer}");
        if !sees {
            assert_eq!(hall.get(&token, LIVE).await.0, 403, "{who}");
        }
    }
}
