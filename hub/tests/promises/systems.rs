//! Persons sign in by an act, systems ask by a token; each may what it is for, and no longer than it is used and its office
//! lasts.

use serde_json::{Value, json};
use varco_hub::agreements::desk::{self as agreements, WantedAgreement};
use varco_hub::audit::acting::Acting;
use varco_hub::audit::actor::Actor;
use varco_hub::audit::purpose::Purpose;
use varco_hub::bodies::desk as bodies;
use varco_hub::people::actors;
use varco_hub::people::appointing::{self, WantedAppointment};
use varco_hub::people::appointments::Role;
use varco_hub::people::desk::{self as people, WantedToken};
use varco_hub::people::tokens::{Permission, Permissions, TokenBounds};
use varco_hub::proof::verification::verify;
use varco_hub::signing::tidying;
use varco_hub::store::sql::params;
use varco_hub::timekeeping::Clock as _;
use varco_proto::ids::Digest;

use crate::levels_support::{Hall, Hired, NORD, OFFICER, OPERATOR, SUD};
use crate::matrix_requests::sent;
use crate::signed::{TestPost, at_console, challenge, lines, post_code_in, post_json, told};
use crate::support::{Carrying as _, DAY, SECOND};

/// A token of a system of a body, for a year, that looks up and counts.
fn token(hall: &Hall, name: &str, body: &str, bounds: &TokenBounds) -> String {
    let key = hall.house.home.sealing_key().unwrap();
    let may = Permissions::of(&[Permission::Lookups, Permission::Statistics]);
    let body = body.parse().unwrap();
    let wanted = WantedToken {
        name,
        body: Some(&body),
        may: &may,
        bounds,
        valid: DAY * 365,
    };
    let mut main = hall.house.home.open_main().unwrap();
    let issued = people::issue(&mut main, &wanted, &key, hall.house.clock.now());
    issued.unwrap().token
}

/// Perugia gives the Questura one gate.
fn give(hall: &Hall, id: &str, gate: &str) {
    at_console(&hall.house, |main, acting| {
        let wanted = WantedAgreement {
            id: id.parse().unwrap(),
            title: "Convenzione".to_owned(),
            legal_basis: "L. 48/2017, art. 5".to_owned(),
            lead: "Perugia".parse().unwrap(),
            purposes: [Purpose::PublicSafety, Purpose::Traffic].into(),
            may: Permissions::of(&OPERATOR),
            admission: false,
            from: acting.now,
            until: acting.now + DAY * 300,
            givers: ["Perugia".parse().unwrap()].into(),
            receivers: ["questura".parse().unwrap()].into(),
            gates: [gate.parse().unwrap()].into(),
        };
        agreements::make(main, &wanted, acting).unwrap();
    });
}

/// What the hub does by itself each minute. Gives how many tokens and accounts it ended.
fn tidy(hall: &Hall) -> (usize, usize) {
    let acting = Acting {
        actor: &Actor::hub(),
        now: hall.house.clock.now(),
        key: &hall.house.home.sealing_key().unwrap(),
    };
    let mut main = hall.house.home.open_main().unwrap();
    let tokens = people::end_over(&main, &acting).unwrap();
    (tokens, tidying::accounts(&mut main, &acting).unwrap())
}

fn whys(hall: &Hall, action: &str) -> Vec<Value> {
    let told = lines(&hall.house, action).into_iter();
    told.map(|line| line["details"]["why"].clone()).collect()
}

#[tokio::test]
async fn c42_part_a_token_serves_its_purposes_under_its_agreement_and_until_its_end_alone() {
    let hall = Hall::new().await;
    give(&hall, "patto-nord", NORD);
    give(&hall, "patto-sud", SUD);
    let bound = |agreement: &str| TokenBounds {
        agreement: Some(agreement.to_owned()),
        ..TokenBounds::of(&[Purpose::PublicSafety])
    };
    let nord = token(&hall, "Questura 1", "questura", &bound("patto-nord"));
    let sud = token(&hall, "Questura 2", "questura", &bound("patto-sud"));
    let none = TokenBounds::of(&[Purpose::PublicSafety]);
    let alone = token(&hall, "Questura 3", "questura", &none);
    let own = token(&hall, "Centrale", "owner", &none);
    let person = hall.hire("Comm. Verdi", "questura", Role::Operator, &OPERATOR);
    assert_eq!(hall.gates(&person).await, [NORD, SUD], "both agreements");
    assert_eq!(hall.gates(&nord).await, [NORD]);
    assert_eq!(hall.gates(&sud).await, [SUD]);
    assert!(hall.gates(&alone).await.is_empty(), "no agreement is its");
    assert_eq!(hall.gates(&own).await, [NORD, SUD], "its own need none");
    // Another purpose, which gates and agreement are for.
    let mut traffic = hall.lookup();
    traffic["purpose"] = json!("traffic");
    assert_eq!(hall.post(&person, "lookups", &traffic).await.0, 200);
    for token in [&nord, &own] {
        let before = lines(&hall.house, "attempt-refused").len();
        let (status, answer) = hall.post(token, "lookups", &traffic).await;
        assert_eq!(status, 422, "{answer}");
        let why = answer["what_to_do"].as_str().unwrap();
        assert!(why.contains("is not for `traffic`"), "{why}");
        let refused = lines(&hall.house, "attempt-refused");
        assert_eq!(refused.len(), before + 1);
        assert_eq!(refused[before]["purpose"], "traffic");
        assert_eq!(refused[before]["actor_kind"], "service");
    }
    // Asked for by name, the gate of the other agreement is not searched, and the line says so.
    let mut named = hall.lookup();
    named["gates"] = json!([SUD]);
    let (status, answer) = hall.post(&nord, "lookups", &named).await;
    assert_eq!((status, &answer["total"]), (200, &json!(0)), "{answer}");
    let line = lines(&hall.house, "lookup").pop().unwrap();
    assert_eq!(line["result_count"], 0, "{line}");
    // The end of its agreement ends what it showed, and no other comes in its place.
    at_console(&hall.house, |main, acting| {
        agreements::end(main, &"patto-nord".parse().unwrap(), acting).unwrap();
    });
    assert!(hall.gates(&nord).await.is_empty());
    assert_eq!(hall.gates(&sud).await, [SUD]);
    // Each of its bounds stands in its line, and the table is held against it.
    let issued = lines(&hall.house, "token-issued");
    let told = &issued
        .iter()
        .find(|line| line["details"]["for"] == "Questura 2");
    let told = &told.unwrap()["details"];
    assert_eq!(told["purposes"], "public-safety");
    assert_eq!(told["agreement"], "patto-sud");
    let check = || verify(&hall.house.home, hall.house.clock.now()).unwrap();
    assert!(check().intact);
    for (wider, back) in [
        ("purposes = 'traffic'", "purposes = 'public-safety'"),
        ("agreement = 'patto-nord'", "agreement = 'patto-sud'"),
    ] {
        let main = hall.house.home.open_main().unwrap();
        let set = |what: &str| {
            let sql = format!("UPDATE tokens SET {what} WHERE actor = 'Questura 2'");
            main.execute_batch(&sql).unwrap();
        };
        set(wider);
        assert!(check().is_broken(), "{wider}");
        set(back);
    }
    assert!(check().intact);
    hall.house.clock.advance(DAY * 365);
    let refused = lines(&hall.house, "attempt-refused").len();
    assert_eq!(hall.post(&own, "lookups", &hall.lookup()).await.0, 401);
    assert_eq!(lines(&hall.house, "attempt-refused").len(), refused + 1);
}

#[tokio::test]
async fn c29_credentials_are_deactivated_after_six_months_unused_or_on_loss_of_the_office() {
    let mut hall = Hall::new().await;
    let code = post_code_in(&hall.house, "Sala", "owner");
    let post = TestPost::with_code(&hall.hub, &code).await;
    let hired = Hired {
        body: "owner",
        role: Role::Operator,
        may: &OPERATOR,
    };
    let unused = hall.sign_in("a.rossi", hired, &post).await;
    let mut used = hall.sign_in("b.verdi", hired, &post).await;
    let mut leaves = hall.sign_in("c.neri", hired, &post).await;
    let bounds = TokenBounds::of(&[Purpose::PublicSafety]);
    let forgotten = token(&hall, "Dimenticata", "owner", &bounds);
    let busy = token(&hall, "Centrale", "owner", &bounds);
    let of_firm = token(&hall, "Terminale Questura", "questura", &bounds);
    let counts = json!({"from": hall.begins.to_string(), "to": (hall.begins + DAY).to_string()});
    let counts = async |hall: &Hall, token: &str| hall.post(token, "counts", &counts).await.0;
    assert_eq!(counts(&hall, &forgotten).await, 200);
    for _ in 0..2 {
        hall.house.clock.advance(DAY * 60);
        used.sign_in(&hall.house, &hall.hub, &post).await;
        assert_eq!(counts(&hall, &busy).await, 200);
        assert_eq!(counts(&hall, &of_firm).await, 200);
        leaves.sign_in(&hall.house, &hall.hub, &post).await;
        assert_eq!(tidy(&hall), (0, 0), "four months are no six");
    }
    // Loss of the office: at once, before the hub has looked.
    at_console(&hall.house, |main, acting| {
        appointing::dismiss(main, "Agente c.neri", "trasferito", acting).unwrap();
        bodies::end(main, &"questura".parse().unwrap(), acting).unwrap();
    });
    let lookup = hall.lookup();
    let looked = leaves.ask(&hall.hub, "POST /api/v1/lookups", &lookup);
    assert_eq!(looked.await.0, 403);
    assert_eq!(counts(&hall, &of_firm).await, 403);
    assert_eq!(tidy(&hall), (1, 1), "and for good");
    assert_eq!(counts(&hall, &of_firm).await, 401);
    // Six months unused: of themselves, before and after the hub has looked.
    hall.house.clock.advance(DAY * 61);
    assert_eq!(counts(&hall, &forgotten).await, 401);
    let mut typed = unused.typed(&hall.house);
    typed["post"] = post.proof(&hall.hub, "a.rossi").await;
    let (status, answer) = told(post_json(&hall.hub, "/api/v1/session", &typed).await).await;
    assert_eq!(status, 403, "{answer}");
    assert_eq!(tidy(&hall).0, 2, "and the first of the home");
    assert_eq!(counts(&hall, &forgotten).await, 401);
    let unused = "it lay unused for six months";
    assert_eq!(
        whys(&hall, "token-revoked"),
        ["its body ended", unused, unused]
    );
    assert_eq!(
        whys(&hall, "account-disabled"),
        ["no appointment holds", "unused for six months"]
    );
    // What is used goes on.
    assert_eq!(counts(&hall, &busy).await, 200);
    used.sign_in(&hall.house, &hall.hub, &post).await;
    let looked = used.ask(&hall.hub, "POST /api/v1/lookups", &lookup);
    let status = looked.await.0;
    assert!(![401, 403].contains(&status), "{status}");
    // No clock that is set back brings one back.
    hall.house.clock.set(hall.house.clock.now() - DAY * 150);
    assert_eq!(counts(&hall, &forgotten).await, 401);
    assert_eq!(counts(&hall, &of_firm).await, 401);
    hall.house.clock.advance(DAY * 150);
    let checked = verify(&hall.house.home, hall.house.clock.now()).unwrap();
    assert!(!checked.is_broken(), "{checked:?}");
    hall.begins = hall.house.clock.now();
}

/// Asks a route as it wants to be asked.
async fn ask(hall: &Hall, credential: Option<&str>, asked: &str) -> u16 {
    let (method, path) = asked.split_once(' ').unwrap();
    let sent = sent(asked, "Nessuno");
    let url = format!("{}{}", hall.hub.url, sent.at(path));
    let mut request = hall.hub.client.request(method.parse().unwrap(), url);
    if let Some(credential) = credential {
        request = request.carrying(credential);
    }
    if let Some(body) = &sent.body {
        request = request.json(body);
    }
    request.send().await.unwrap().status().as_u16()
}

#[expect(clippy::too_many_lines, reason = "one story, told in its order")]
#[tokio::test]
async fn c16_only_the_responsible_and_appointed_persons_have_access_to_anything() {
    let hall = Hall::new().await;
    let responsible = hall.hire("Com. Rossi", "owner", Role::Responsible, &OFFICER);
    let appointed = hall.hire("Ag. Gialli", "owner", Role::Operator, &OPERATOR);
    for credential in [&responsible, &appointed] {
        assert_eq!(hall.gates(credential).await, [NORD, SUD]);
    }
    // Whose act ended, and is still signed in.
    let ended = hall.hire("Ag. Ex", "owner", Role::Operator, &OFFICER);
    assert_eq!(hall.gates(&ended).await, [NORD, SUD]);
    at_console(&hall.house, |main, acting| {
        appointing::dismiss(main, "Ag. Ex", "pensione", acting).unwrap();
    });
    // A token that an older version gave to a person, of one who is appointed and of one who never was.
    let by_token = ["varco_gialli", "varco_nessuno"];
    at_console(&hall.house, |main, acting| {
        let gialli = actors::of_name(main, "Ag. Gialli").unwrap().unwrap();
        let sql = "INSERT INTO actors (id, kind, name, made_at_us, body)
                   VALUES ('a0', 'person', 'Nessuno', 0, 'owner')";
        main.execute_batch(sql).unwrap();
        let all = Permissions::of(&Permission::ALL.map(|(task, _)| task));
        let whose = [(gialli.name(), gialli.id()), ("Nessuno", "a0")];
        for (token, (name, id)) in by_token.iter().zip(whose) {
            let sql = "INSERT INTO tokens (digest, actor, actor_id, created_at_us, ends_at_us, may,
                       purposes) VALUES (?, ?, ?, ?, ?, ?, 'public-safety traffic')";
            let may = all.to_text();
            let (made, ends) = (acting.now.unix_us(), (acting.now + DAY * 90).unix_us());
            let digest = Digest::of(token.as_bytes());
            main.execute(sql, params![digest.as_bytes(), name, id, made, ends, may])
                .unwrap();
        }
    });
    for row in crate::matrix::rows() {
        assert_eq!(ask(&hall, None, row.asked).await, 401, "{}", row.asked);
        for credential in [&*ended, by_token[0], by_token[1]] {
            let status = ask(&hall, Some(credential), row.asked).await;
            assert_eq!(status, 403, "{}", row.asked);
        }
        hall.house.clock.advance(SECOND * 4);
    }
    // The hub ends such tokens when it starts, each with its line.
    at_console(&hall.house, |main, acting| {
        assert_eq!(people::end_those_of_persons(main, acting).unwrap(), 2);
        assert_eq!(people::end_those_of_persons(main, acting).unwrap(), 0);
    });
    let of_persons = "tokens are for systems, and persons sign in";
    assert_eq!(whys(&hall, "token-revoked"), [of_persons, of_persons]);
    for token in by_token {
        assert_eq!(hall.post(token, "lookups", &hall.lookup()).await.0, 401);
    }
    // Nobody else comes to have any: no name of a person gets a token, and no code opens an account without an act.
    let bounds = TokenBounds::of(&[Purpose::PublicSafety]);
    let key = hall.house.home.sealing_key().unwrap();
    let may = Permissions::of(&OPERATOR);
    let wanted = WantedToken {
        name: "Ag. Gialli",
        body: None,
        may: &may,
        bounds: &bounds,
        valid: DAY,
    };
    let mut main = hall.house.home.open_main().unwrap();
    let refused = people::issue(&mut main, &wanted, &key, hall.house.clock.now());
    assert!(refused.unwrap_err().to_string().contains("is a person"));
    drop(main);
    let post = TestPost::with_code(&hall.hub, &post_code_in(&hall.house, "Sala", "owner")).await;
    let code = crate::signed::account_code(&hall.house, "n.altro", Some("Altro Nessuno"));
    let proof = post.proof_of(&challenge(&hall.hub).await, &code);
    let body = json!({
        "code": code, "password": "cavallo graffetta batteria", "digits": "000000", "post": proof,
    });
    let opened = post_json(&hall.hub, "/api/v1/openings", &body).await;
    assert_eq!(told(opened).await.0, 403);
    for credential in [&responsible, &appointed] {
        assert_eq!(
            hall.gates(credential).await,
            [NORD, SUD],
            "these still have"
        );
    }
}

#[tokio::test]
async fn c13_the_responsible_appoints_each_operator_by_an_act_with_specific_tasks_and_limits() {
    let hall = Hall::new().await;
    let post = TestPost::with_code(&hall.hub, &post_code_in(&hall.house, "Sala", "owner")).await;
    let hired = |may| Hired {
        body: "owner",
        role: Role::Operator,
        may,
    };
    let searches = hall
        .sign_in("a.rossi", hired(&[Permission::Lookups]), &post)
        .await;
    let counts = hall
        .sign_in("b.verdi", hired(&[Permission::Statistics]), &post)
        .await;
    // The account cites the act, and says the tasks that it gives.
    for (person, task) in [(&searches, "lookups"), (&counts, "statistics")] {
        let (status, answer) = person
            .ask(&hall.hub, "GET /api/v1/session", &Value::Null)
            .await;
        assert_eq!(status, 200, "{answer}");
        assert_eq!(answer["act"], "Determina 12/2026 del Comandante");
        assert_eq!(answer["may"], json!([task]));
    }
    // Each may what the act says, and nothing else.
    let number = json!({"from": hall.begins.to_string(), "to": (hall.begins + DAY).to_string()});
    let lookup = hall.lookup();
    for (person, may_search, may_count) in [(&searches, 200, 403), (&counts, 403, 200)] {
        let searched = person.ask(&hall.hub, "POST /api/v1/lookups", &lookup).await;
        let counted = person.ask(&hall.hub, "POST /api/v1/counts", &number).await;
        assert_eq!((searched.0, counted.0), (may_search, may_count));
    }
    // An act without its words, or whose end lies before its beginning, appoints nobody; the training is recorded.
    at_console(&hall.house, |main, acting| {
        let wanted = WantedAppointment {
            name: "Agente c.neri".to_owned(),
            body: "owner".parse().unwrap(),
            role: Role::Operator,
            may: Permissions::of(&[Permission::Lookups]),
            act: " ".to_owned(),
            is_police: true,
            trained_on: Some("2026-05-01".to_owned()),
            from: acting.now,
            until: Some(acting.now + DAY),
        };
        assert!(appointing::appoint(main, &wanted, acting).is_err());
        let act = "Determina 13/2026 del Comandante".to_owned();
        let backwards = WantedAppointment {
            act: act.clone(),
            from: acting.now + DAY * 2,
            ..wanted.clone()
        };
        assert!(appointing::appoint(main, &backwards, acting).is_err());
        appointing::appoint(main, &WantedAppointment { act, ..wanted }, acting).unwrap();
    });
    let line = lines(&hall.house, "person-appointed").pop().unwrap();
    assert_eq!(line["details"]["act"], "Determina 13/2026 del Comandante");
    assert_eq!(line["details"]["trained_on"], "2026-05-01");
    // The limit of time ends it, whatever is still open.
    let limited = crate::support::session_for(&hall.house, "Agente c.neri");
    assert_eq!(hall.gates(&limited).await, [NORD, SUD]);
    hall.house.clock.advance(DAY);
    assert_eq!(hall.post(&limited, "lookups", &hall.lookup()).await.0, 403);
}
