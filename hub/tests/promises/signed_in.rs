//! Whoever answers for a body sees who of it is signed in, and ends a session.

use std::time::Duration;

use serde_json::{Value, json};
use varco_hub::machine::stopwatch::Stopwatch;
use varco_hub::people::appointing::{self, WantedAppointment};
use varco_hub::people::appointments::Role;
use varco_hub::people::tokens::{Permission, Permissions};
use varco_hub::proof::verification::verify;
use varco_hub::timekeeping::Clock as _;
use varco_proto::time::UtcTime;

use crate::http::house_with;
use crate::signed::{
    TestPerson, TestPost, account_code, ask_with, at_console, lines, post_code_in,
};
use crate::support::{House, SECOND, Served};

const LIST: &str = "GET /api/v1/sessions";
const LIVE: &str = "GET /api/v1/transits/live?purpose=traffic&case_reference=PG%201";

/// The person who answers for a body, signed in.
async fn responsible(
    house: &House,
    hub: &Served,
    user: &str,
    body: &str,
    post: &TestPost,
) -> TestPerson {
    let name = format!("Com. {user}");
    let code = account_code(house, user, Some(&name));
    at_console(house, |main, acting| {
        let wanted = WantedAppointment {
            name,
            body: body.parse().unwrap(),
            role: Role::Responsible,
            may: Permissions::of(&[Permission::Persons, Permission::Lookups]),
            act: "Decreto 1/2026 del Sindaco".to_owned(),
            is_police: true,
            trained_on: None,
            from: acting.now,
            until: None,
        };
        appointing::appoint(main, &wanted, acting).unwrap();
    });
    TestPerson::open(hub, house, &code, post).await
}

fn ending(person: &TestPerson) -> String {
    format!("POST /api/v1/sessions/{}/ending", person.session)
}

#[tokio::test]
async fn c09_part_who_answers_for_a_body_sees_who_is_signed_in_and_ends_a_session_with_its_streams()
{
    let (house, hub) = house_with(&["AB123CD"]).await;
    at_console(&house, |main, acting| {
        let wanted = varco_hub::bodies::desk::WantedBody {
            id: "questura".parse().unwrap(),
            name: "Questura".to_owned(),
            kind: Some(varco_hub::bodies::BodyKind::StatePolice),
            municipality: None,
        };
        varco_hub::bodies::desk::set(main, &wanted, acting).unwrap();
    });
    let post = TestPost::new(&house, &hub, "Sala operativa 1").await;
    let theirs = post_code_in(&house, "Questura 1", "questura");
    let theirs = TestPost::with_code(&hub, &theirs).await;
    let chief = responsible(&house, &hub, "capo", "owner", &post).await;
    let other = responsible(&house, &hub, "dirigente", "questura", &theirs).await;
    house.clock.advance(SECOND * 60);
    let anna = TestPerson::new(&house, &hub, "a.rossi", &[Permission::Lookups], &post).await;

    // Each sees their own body's, and nobody who does not see to persons sees any.
    let (status, listed) = chief.ask(&hub, LIST, &Value::Null).await;
    assert_eq!(status, 200, "{listed}");
    let seen: Vec<_> = listed["sessions"].as_array().unwrap().iter().collect();
    assert_eq!(seen.len(), 2, "{listed}");
    let one = seen[1];
    assert_eq!(one["session"], json!(anna.session));
    assert_eq!(one["person"], "Agente a.rossi");
    assert_eq!(
        (&one["post"], &one["locked"]),
        (&json!("Sala operativa 1"), &json!(false))
    );
    let moment = |field: &str| -> UtcTime { one[field].as_str().unwrap().parse().unwrap() };
    let now = house.clock.now();
    assert_eq!((moment("since"), moment("seen_at")), (now, now));
    assert_eq!(moment("ends_at"), now + SECOND * 12 * 3600);
    let (_, listed) = other.ask(&hub, LIST, &Value::Null).await;
    assert_eq!(listed["sessions"][0]["person"], "Com. dirigente");
    assert_eq!(listed["sessions"].as_array().unwrap().len(), 1);
    assert_eq!(anna.ask(&hub, LIST, &Value::Null).await.0, 403);
    assert_eq!(lines(&house, "sessions-listed").len(), 2);

    // Nobody ends a session of another body's, nor one that there is not.
    let empty = json!({});
    assert_eq!(other.ask(&hub, &ending(&anna), &empty).await.0, 404);
    assert_eq!(anna.ask(&hub, &ending(&chief), &empty).await.0, 403);
    let none = chief.ask(&hub, "POST /api/v1/sessions/s0/ending", &empty);
    assert_eq!(none.await.0, 404);
    assert!(lines(&house, "session-ended").is_empty());
    assert_eq!(anna.look_up(&hub).await, 200);

    let stream = ask_with(&hub, LIVE, &Value::Null, &anna.carried()).await;
    assert_eq!(stream.status(), 200);
    let since = Stopwatch::start();
    assert_eq!(chief.ask(&hub, &ending(&anna), &empty).await.0, 204);
    let body = tokio::time::timeout(Duration::from_secs(20), stream.bytes()).await;
    body.expect("the stream ends").unwrap();
    assert!(since.elapsed() < Duration::from_secs(5));
    assert_eq!(anna.look_up(&hub).await, 401);
    assert_eq!(chief.ask(&hub, &ending(&anna), &empty).await.0, 404, "once");
    let ended = lines(&house, "session-ended");
    assert_eq!(ended.len(), 1);
    assert_eq!(ended[0]["actor"], "Com. capo");
    assert_eq!(ended[0]["details"]["why"], "by hand");
    assert_eq!(ended[0]["details"]["session"], json!(anna.session));
    let (_, listed) = chief.ask(&hub, LIST, &Value::Null).await;
    assert_eq!(listed["sessions"].as_array().unwrap().len(), 1);
    assert!(verify(&house.home, house.clock.now()).unwrap().intact);
}
