//! Requirements asserted whole: who is connected, from where, under what, and what the lines say of it.

use serde_json::{Value, json};
use varco_hub::agreements::desk::{self as agreements, AgreementError, Party, WantedAgreement};
use varco_hub::audit::purpose::Purpose;
use varco_hub::bodies::BodyKind;
use varco_hub::bodies::desk::{self as bodies, WantedBody};
use varco_hub::hours::partition::Term;
use varco_hub::municipalities::desk as municipal;
use varco_hub::people::appointments::Role;
use varco_hub::people::tokens::Permissions;
use varco_hub::timekeeping::Clock as _;

use crate::levels_support::{Hall, Hired, NORD, OFFICER, OPERATOR, SUD, gates_of, id_of};
use crate::signed::{
    PASSWORD, TestPerson, TestPost, at_console, lines, post_code_in, post_json, told,
};
use crate::support::{DAY, SECOND};

const LOOKUPS: &str = "POST /api/v1/lookups";
const NONE: [&str; 0] = [];

fn connect(hall: &Hall, id: &str, kind: BodyKind) {
    at_console(&hall.house, |main, acting| {
        let wanted = WantedBody {
            id: id.parse().unwrap(),
            name: id.to_owned(),
            kind: Some(kind),
            municipality: None,
        };
        bodies::set(main, &wanted, acting).unwrap();
    });
}

fn join(hall: &Hall, agreement: &str, body: &str) {
    at_console(&hall.house, |main, acting| {
        let party = Party::Receiver(body.parse().unwrap());
        agreements::join(main, &agreement.parse().unwrap(), &party, acting).unwrap();
    });
}

fn admission(body: &str) -> Value {
    json!({
        "for": "admission", "agreement": "perugia-questura", "municipality": "Perugia",
        "body": body,
    })
}

#[tokio::test]
async fn c03_operations_rooms_are_connected_and_later_ones_enter_at_the_second_level() {
    let hall = Hall::new().await;
    hall.agree("perugia-questura");
    let room = hall.hire("Ag. Gialli", "owner", Role::Operator, &OPERATOR);
    let marshal = hall.hire("Mar. Bianchi", "owner", Role::DutyOfficer, &OFFICER);
    let questura = hall.hire("Comm. Verdi", "questura", Role::Operator, &OPERATOR);
    assert_eq!(hall.gates(&room).await, [NORD, SUD], "the municipal room");
    let (_, asked) = hall.ask(&questura, admission("questura"), 120).await;
    assert_eq!(hall.decide(&marshal, &id_of(&asked), true).await.0, 200);
    assert_eq!(hall.gates(&questura).await, [NORD, SUD], "the Questura");
    // Others come later, while these go on.
    for (body, kind) in [
        ("carabinieri", BodyKind::Carabinieri),
        ("finanza", BodyKind::FinancePolice),
    ] {
        connect(&hall, body, kind);
        let who = format!("Mar. {body}");
        let later = hall.hire(&who, body, Role::Operator, &OFFICER);
        assert_eq!(
            hall.ask(&later, admission(body), 60).await.0,
            422,
            "no party yet"
        );
        join(&hall, "perugia-questura", body);
        // At the second level: let in by the first, never before it, and after what it uses.
        assert_eq!(hall.gates(&later).await, NONE, "{body}: not let in");
        let (status, asked) = hall.ask(&later, admission(body), 60).await;
        assert_eq!(status, 201, "{asked}");
        let id = id_of(&asked);
        let (status, _) = hall.decide(&questura, &id, true).await;
        assert!(
            [403, 409].contains(&status),
            "level 2 lets nobody in: {status}"
        );
        assert_eq!(hall.decide(&marshal, &id, true).await.0, 200);
        assert_eq!(hall.gates(&later).await, [NORD, SUD], "{body}");
        let nord = json!({"gates": [NORD], "minutes": 5});
        assert_eq!(
            hall.post(&later, "gate-claims", &nord).await.0,
            403,
            "{body}"
        );
        assert_eq!(hall.post(&room, "gate-claims", &nord).await.0, 204);
        assert_eq!(hall.gates(&later).await, [SUD], "{body}");
        let nord = json!({"gates": [NORD]});
        assert_eq!(hall.post(&room, "gate-claims/ending", &nord).await.0, 204);
        assert_eq!(hall.gates(&questura).await, [NORD, SUD], "it goes on");
        assert_eq!(hall.gates(&room).await, [NORD, SUD]);
    }
}

/// Signs in from a post, or from none.
async fn sign_in_from(hall: &Hall, person: &TestPerson, post: Option<&TestPost>) -> u16 {
    hall.house.clock.advance(SECOND * 31);
    let mut typed = person.typed(&hall.house);
    typed["post"] = match post {
        Some(post) => post.proof(&hall.hub, &person.user).await,
        None => Value::Null,
    };
    post_json(&hall.hub, "/api/v1/session", &typed)
        .await
        .status()
        .as_u16()
}

#[expect(clippy::too_many_lines, reason = "one story, told in its order")]
#[tokio::test]
async fn c04_c21_part_e02_each_room_looks_up_saves_and_duplicates_from_its_own_enrolled_post_alone()
{
    let hall = Hall::new().await;
    hall.agree("perugia-questura");
    connect(&hall, "carabinieri", BodyKind::Carabinieri);
    join(&hall, "perugia-questura", "carabinieri");
    let marshal = hall.hire("Mar. Bianchi", "owner", Role::DutyOfficer, &OFFICER);
    let rooms = ["owner", "questura", "carabinieri"];
    let mut posts = Vec::new();
    for body in rooms {
        let code = post_code_in(&hall.house, &format!("Postazione {body}"), body);
        posts.push(TestPost::with_code(&hall.hub, &code).await);
    }
    for (k, body) in rooms.into_iter().enumerate() {
        let hired = Hired {
            body,
            role: Role::Operator,
            may: &OPERATOR,
        };
        let mut person = hall.sign_in(&format!("a.{body}"), hired, &posts[k]).await;
        if body != "owner" {
            let wanted = json!({
                "subject": admission(body), "reason": "rapina in corso", "minutes": 60,
            });
            let (_, asked) = person
                .ask(&hall.hub, "POST /api/v1/approvals", &wanted)
                .await;
            assert_eq!(
                hall.decide(&marshal, &id_of(&asked), true).await.0,
                200,
                "{asked}"
            );
        }
        let case = json!({
            "id": format!("caso-{body}"), "authority": "Procura", "order": "decreto 5/2026",
            "until": "2027-03-01T00:00:00Z", "purpose": "public-safety", "case_reference": "PG 9/2026",
        });
        let holdings = format!("POST /api/v1/cases/caso-{body}/holdings");
        let shown = format!("GET /api/v1/cases/caso-{body}");
        let evidence = json!({
            "case_type": "complaint", "reference": "Querela 12/2026", "transits": [],
            "recipient_kind": "judicial-authority", "recipient": "Procura di Perugia",
        });
        let live = "GET /api/v1/transits/live?purpose=public-safety&case_reference=PG+9%2F2026";
        let asked = [
            (LOOKUPS, hall.lookup()),
            ("POST /api/v1/cases", case),
            (holdings.as_str(), hall.lookup()),
            (shown.as_str(), Value::Null),
            ("POST /api/v1/evidence", evidence),
        ];
        for (what, body_sent) in &asked {
            let (status, told) = person.ask(&hall.hub, what, body_sent).await;
            assert!(
                ![401, 403].contains(&status),
                "{body}: {what}: {status} {told}"
            );
        }
        let looked = lines(&hall.house, "lookup");
        assert_eq!(looked.last().unwrap()["post"], json!(posts[k].id), "{body}");
        assert_eq!(looked.last().unwrap()["session"], json!(person.session));
        // From no post nobody comes in; from another room's, whatever they are, they consult nothing.
        assert_eq!(sign_in_from(&hall, &person, None).await, 401, "{body}");
        let elsewhere = &posts[(k + 1) % posts.len()];
        person.sign_in(&hall.house, &hall.hub, elsewhere).await;
        for (what, body_sent) in &asked {
            let (status, told) = person.ask(&hall.hub, what, body_sent).await;
            assert_eq!(status, 403, "{body}: {what}: {told}");
        }
        assert_eq!(person.ask(&hall.hub, live, &Value::Null).await.0, 403);
        person.sign_in(&hall.house, &hall.hub, &posts[k]).await;
        assert_eq!(person.ask(&hall.hub, LOOKUPS, &hall.lookup()).await.0, 200);
        // What was lent is called back, with every session that was begun at it.
        posts[k].revoke(&hall.house);
        assert_eq!(person.ask(&hall.hub, LOOKUPS, &hall.lookup()).await.0, 401);
        assert_eq!(sign_in_from(&hall, &person, Some(&posts[k])).await, 401);
        let code = post_code_in(&hall.house, &format!("Postazione nuova {body}"), body);
        posts[k] = TestPost::with_code(&hall.hub, &code).await;
    }
    assert_eq!(lines(&hall.house, "post-revoked").len(), 3);
}

#[tokio::test]
async fn c26_access_is_by_user_name_and_password() {
    let hall = Hall::new().await;
    let code = post_code_in(&hall.house, "Sala", "owner");
    let post = TestPost::with_code(&hall.hub, &code).await;
    let hired = Hired {
        body: "owner",
        role: Role::Operator,
        may: &OPERATOR,
    };
    let mut person = hall.sign_in("a.rossi", hired, &post).await;
    assert_eq!(person.ask(&hall.hub, LOOKUPS, &hall.lookup()).await.0, 200);
    for (field, wrong) in [
        ("user_name", "a.bianchi"),
        ("user_name", ""),
        ("password", "cavallo graffetta batterio"),
        ("password", ""),
        ("code", ""),
    ] {
        hall.house.clock.advance(SECOND * 61);
        let mut typed = person.typed(&hall.house);
        let who = if field == "user_name" && !wrong.is_empty() {
            wrong
        } else {
            "a.rossi"
        };
        typed["post"] = post.proof(&hall.hub, who).await;
        typed[field] = json!(wrong);
        let (status, answer) = told(post_json(&hall.hub, "/api/v1/session", &typed).await).await;
        assert!(
            [401, 422].contains(&status),
            "{field} {wrong}: {status} {answer}"
        );
    }
    // Without either nothing is shown, nor with what is no session.
    let url = format!("{}/api/v1/lookups", hall.hub.url);
    for cookie in ["", "__Host-varco=00", PASSWORD] {
        let request = hall.hub.client.post(&url).header("cookie", cookie);
        let status = request.json(&hall.lookup()).send().await.unwrap().status();
        assert_eq!(status, 401, "{cookie}");
    }
    hall.house.clock.advance(SECOND * 61);
    person.sign_in(&hall.house, &hall.hub, &post).await;
    assert_eq!(person.ask(&hall.hub, LOOKUPS, &hall.lookup()).await.0, 200);
    let made = lines(&hall.house, "signed-in");
    assert_eq!(made.last().unwrap()["session"], json!(person.session));
}

/// Perugia's gate and Corciano's, given to all police that there is.
fn provincial(hall: &Hall, legal_basis: &str) -> Result<(), AgreementError> {
    at_console(&hall.house, |main, acting| {
        let receivers = ["owner", "pl-corciano", "questura", "carabinieri"];
        let wanted = WantedAgreement {
            id: "provincia".parse().unwrap(),
            title: "Protocollo di intesa".to_owned(),
            legal_basis: legal_basis.to_owned(),
            lead: "Perugia".parse().unwrap(),
            purposes: [Purpose::PublicSafety].into(),
            may: Permissions::of(&OPERATOR),
            admission: false,
            from: acting.now,
            until: acting.now + DAY * 300,
            givers: ["Perugia", "Corciano"]
                .map(|town| town.parse().unwrap())
                .into(),
            receivers: receivers.map(|body| body.parse().unwrap()).into(),
            gates: [].into(),
        };
        agreements::make(main, &wanted, acting).map(drop)
    })
}

#[expect(clippy::too_many_lines, reason = "one story, told in its order")]
#[tokio::test]
async fn c47_c49_part_d04_e01_all_police_search_all_members_on_a_legal_basis_and_lines_tell_communication()
 {
    let hall = Hall::new().await;
    connect(&hall, "carabinieri", BodyKind::Carabinieri);
    at_console(&hall.house, |main, acting| {
        municipal::set(
            main,
            &"Corciano".parse().unwrap(),
            Term::WHOLE,
            None,
            acting,
        )
        .unwrap();
        // From the beginning, so that what it saw is Corciano's too.
        main.execute_batch(
            "UPDATE gate_owners SET municipality = 'Corciano' WHERE gate = 'porta-sud';
             UPDATE municipality_gates SET municipality = 'Corciano' WHERE gate = 'porta-sud'",
        )
        .unwrap();
    });
    let police = ["owner", "pl-corciano", "questura", "carabinieri"];
    let tokens =
        police.map(|body| hall.hire(&format!("Ag. {body}"), body, Role::Operator, &OPERATOR));
    // By default, one's own and nothing else.
    let own = [vec![NORD], vec![SUD], vec![], vec![]];
    for (token, own) in tokens.iter().zip(&own) {
        assert_eq!(hall.gates(token).await, *own);
    }
    assert!(
        lines(&hall.house, "lookup")
            .iter()
            .all(|line| line["details"]["communicated"].is_null())
    );
    // Nothing is communicated without a legal basis, and it stays with the agreement.
    for none in ["", "   "] {
        assert!(provincial(&hall, none).is_err(), "{none:?}");
    }
    for (token, own) in tokens.iter().zip(&own) {
        assert_eq!(hall.gates(token).await, *own);
    }
    let basis = "L. 18 aprile 2017 n. 48, art. 5";
    provincial(&hall, basis).unwrap();
    let made = lines(&hall.house, "agreement-made");
    assert!(made.last().unwrap().to_string().contains(basis), "{made:?}");
    for (token, own) in tokens.iter().zip(&own) {
        let (status, answer) = hall.post(token, "lookups", &hall.lookup()).await;
        assert_eq!(
            (status, gates_of(&answer)),
            (200, vec![NORD.to_owned(), SUD.to_owned()])
        );
        // What one's own people see is no communication; the rest is, and the line says which and why.
        let line = lines(&hall.house, "lookup").pop().unwrap();
        let results = answer["results"].as_array().unwrap();
        let digests = line["result_digests"].as_array().unwrap();
        let mut communicated = Vec::new();
        for told in line["details"]["communicated"].as_array().unwrap() {
            assert_eq!(told["agreement"], "provincia", "{line}");
            for place in told["records"].as_array().unwrap() {
                let digest = &digests[usize::try_from(place.as_u64().unwrap()).unwrap()];
                let mut shown = results.iter();
                let shown = shown.find(|one| one["record_digest"] == *digest).unwrap();
                let gate = shown["gate"].as_str().unwrap().to_owned();
                let giver = if gate == NORD { "Perugia" } else { "Corciano" };
                assert_eq!(told["municipality"], giver, "{line}");
                communicated.push(gate);
            }
        }
        communicated.sort();
        let mut others = vec![NORD, SUD];
        others.retain(|gate| !own.contains(gate));
        assert_eq!(communicated, others, "{line}");
    }
    at_console(&hall.house, |main, acting| {
        agreements::end(main, &"provincia".parse().unwrap(), acting).unwrap();
    });
    for (token, own) in tokens.iter().zip(&own) {
        assert_eq!(hall.gates(token).await, *own, "it ended");
    }
    assert!(hall.begins < hall.house.clock.now());
}

/// The officer of each body reads what there is to oversee; every route that changes something, or shows a transit, is
/// refused to them.
pub(crate) async fn each_officer_changes_nothing() {
    let hall = Hall::new().await;
    let all = crate::described::all_permissions();
    for body in ["owner", "pl-corciano", "questura"] {
        let officer = hall.hire(&format!("RPD {body}"), body, Role::Oversight, &all);
        for path in ["audit/checkpoint", "edges", "approvals"] {
            assert_eq!(hall.get(&officer, path).await.0, 200, "{body}: {path}");
        }
        let searched = hall.post(&officer, "audit/search", &json!({})).await;
        assert_eq!(searched.0, 200, "{}", searched.1);
        for row in crate::matrix::rows().filter(|row| row.asked.starts_with("POST ")) {
            let path = row.asked.replace("{id}", "1");
            let path = path.strip_prefix("POST /api/v1/").unwrap();
            let reads = ["audit/search", "counts"].contains(&path);
            // Who needs leave may ask for it; it is for others to decide.
            if reads || path.starts_with("approvals") {
                continue;
            }
            let (status, told) = hall.post(&officer, path, &json!({})).await;
            assert_eq!(status, 403, "{body}: {path}: {told}");
        }
    }
}
