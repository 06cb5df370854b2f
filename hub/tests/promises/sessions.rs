//! What a session is worth, and when it is worth nothing.

use std::time::Duration;

use serde_json::{Value, json};
use varco_hub::audit::acting::Acting;
use varco_hub::audit::actor::Actor;
use varco_hub::machine::stopwatch::Stopwatch;
use varco_hub::opening::floor;
use varco_hub::people::desk as tokens_desk;
use varco_hub::people::tokens::{self, Permission};
use varco_hub::signing::desk;
use varco_hub::signing::sessions::WhyEnded;
use varco_hub::signing::tidying;
use varco_hub::timekeeping::Clock as _;

use crate::http::house_with;
use crate::signed::{
    Carried, PASSWORD, TestPerson, TestPost, account_code, ask_with, at_console, cookie_of,
    dismiss, lines, post_json, told,
};
use crate::support::{Carrying as _, House, SECOND, Served, system_token};

const LOOK_UP: &[Permission] = &[Permission::Lookups];
const LOOKUPS: &str = "POST /api/v1/lookups";

async fn anna_of(house: &House, hub: &Served) -> (TestPost, TestPerson) {
    let post = TestPost::new(house, hub, "Sala operativa 1").await;
    let anna = TestPerson::new(house, hub, "a.rossi", LOOK_UP, &post).await;
    (post, anna)
}

#[tokio::test]
async fn a_cookie_is_worth_nothing_after_signing_out_and_a_planted_one_never() {
    let (house, hub) = house_with(&["AB123CD"]).await;
    let (post, mut anna) = anna_of(&house, &hub).await;
    let before = anna.cookie.clone();
    assert_eq!(anna.look_up(&hub).await, 200);
    // A planted cookie does not become a session, and one that was there before ends.
    house.clock.advance(SECOND * 30);
    let planted = "ab".repeat(32);
    let mut typed = anna.typed(&house);
    typed["post"] = post.proof(&hub, "a.rossi").await;
    let carried = Carried {
        cookie: Some(&planted),
        mark: None,
    };
    let response = ask_with(&hub, "POST /api/v1/session", &typed, &carried).await;
    assert_eq!(response.status(), 201);
    let header = response.headers()["set-cookie"]
        .to_str()
        .unwrap()
        .to_owned();
    for part in ["Path=/", "Secure", "HttpOnly", "SameSite=Strict"] {
        assert!(header.contains(part), "{header}");
    }
    assert!(!header.contains("Domain"), "{header}");
    assert_ne!(cookie_of(&response).unwrap(), planted);
    let carried = Carried {
        cookie: Some(&planted),
        mark: None,
    };
    let asked = ask_with(&hub, "GET /api/v1/edges", &Value::Null, &carried).await;
    assert_eq!(asked.status(), 401);
    house.clock.advance(SECOND * 30);
    let mut typed = anna.typed(&house);
    typed["post"] = post.proof(&hub, "a.rossi").await;
    let response = ask_with(&hub, "POST /api/v1/session", &typed, &anna.carried()).await;
    let cookie = cookie_of(&response).unwrap();
    let (_, answer) = told(response).await;
    assert_eq!(anna.look_up(&hub).await, 401, "it was replaced");
    (anna.cookie, anna.mark) = (cookie, answer["mark"].as_str().unwrap().to_owned());
    assert_ne!(anna.cookie, before);
    assert_eq!(anna.look_up(&hub).await, 200);
    let out = ask_with(
        &hub,
        "POST /api/v1/session/ending",
        &Value::Null,
        &anna.carried(),
    )
    .await;
    assert_eq!(out.status(), 204);
    assert!(
        out.headers()["set-cookie"]
            .to_str()
            .unwrap()
            .contains("Max-Age=0")
    );
    assert_eq!(anna.look_up(&hub).await, 401);
    let why: Vec<_> = lines(&house, "session-ended")
        .into_iter()
        .map(|line| line["details"]["why"].clone())
        .collect();
    assert_eq!(why, ["signed in anew", "signed out"]);
    let attempts = lines(&house, "attempt-refused");
    assert_eq!(attempts.last().unwrap()["actor"], "Agente a.rossi");
}

#[tokio::test]
async fn another_site_changes_nothing_with_somebodys_cookie() {
    let (house, hub) = house_with(&["AB123CD"]).await;
    let (post, anna) = anna_of(&house, &hub).await;
    let bruno = TestPerson::new(&house, &hub, "b.verdi", LOOK_UP, &post).await;
    let grounds = crate::http::grounds();
    for mark in [None, Some(""), Some("00"), Some(bruno.mark.as_str())] {
        let carried = Carried {
            cookie: Some(&anna.cookie),
            mark,
        };
        let response = ask_with(&hub, LOOKUPS, &grounds, &carried).await;
        assert_eq!(response.status(), 403, "{mark:?}");
        let response = ask_with(&hub, "POST /api/v1/session/ending", &Value::Null, &carried).await;
        assert_eq!(response.status(), 403, "{mark:?}");
    }
    let host = hub.url.clone();
    for (name, value, status) in [
        ("origin", "https://evil.example", 403),
        ("origin", "null", 403),
        ("sec-fetch-site", "cross-site", 403),
        ("origin", host.as_str(), 200),
        ("sec-fetch-site", "same-origin", 200),
    ] {
        let request = hub.client.post(format!("{}/api/v1/lookups", hub.url));
        let request = request
            .header("cookie", format!("__Host-varco={}", anna.cookie))
            .header("x-varco-session", &anna.mark)
            .header(name, value);
        let response = request.json(&grounds).send().await.unwrap();
        assert_eq!(response.status(), status, "{name}: {value}");
    }
    // Nobody is signed in by another site either.
    let request = hub.client.post(format!("{}/api/v1/session", hub.url));
    let request = request.header("origin", "https://evil.example");
    let response = request.json(&anna.typed(&house)).send().await.unwrap();
    assert_eq!(response.status(), 403);
    // Two cookies of the name: one of them was planted.
    let request = hub.client.get(format!("{}/api/v1/edges", hub.url));
    let two = format!("__Host-varco={0}; __Host-varco={0}", anna.cookie);
    let response = request.header("cookie", two).send().await.unwrap();
    assert_eq!(response.status(), 401);
    assert_eq!(anna.look_up(&hub).await, 200, "the session itself holds");
}

fn tidy(house: &House) -> usize {
    let acting = Acting {
        actor: &Actor::hub(),
        now: house.clock.now(),
        key: &house.home.sealing_key().unwrap(),
    };
    tidying::sessions(&mut house.home.open_main().unwrap(), &acting).unwrap()
}

#[tokio::test]
async fn c65_part_an_idle_session_is_locked_and_shows_nothing_until_the_password_is_given() {
    let (house, hub) = house_with(&["AB123CD"]).await;
    let (_post, anna) = anna_of(&house, &hub).await;
    let minute = SECOND * 60;
    // Who does something is not locked.
    for _ in 0..3 {
        house.clock.advance(minute * 9);
        assert_eq!(tidy(&house), 0);
        let there = anna
            .ask(&hub, "POST /api/v1/session/presence", &Value::Null)
            .await;
        assert_eq!(there.0, 204);
    }
    house.clock.advance(minute * 10);
    let (status, answer) = anna.ask(&hub, LOOKUPS, &crate::http::grounds()).await;
    assert_eq!(
        (status, &answer["error"]),
        (423, &json!("this session is locked"))
    );
    let stayed = anna
        .ask(&hub, "POST /api/v1/session/presence", &Value::Null)
        .await;
    assert_eq!(stayed.0, 423, "presence unlocks nothing");
    assert_eq!(tidy(&house), 1);
    assert_eq!(tidy(&house), 0);
    let locked = lines(&house, "session-locked");
    assert_eq!(
        (&locked[0]["actor"], locked.len()),
        (&json!("varco-hub"), 1)
    );
    let (_, shown) = anna.ask(&hub, "GET /api/v1/session", &Value::Null).await;
    assert_eq!(
        (&shown["locked"], &shown["may"]),
        (&json!(true), &json!([]))
    );
    let unlock = async |password: &str| {
        let body = json!({ "password": password });
        anna.ask(&hub, "POST /api/v1/session/unlocking", &body)
            .await
            .0
    };
    assert_eq!(unlock("another long password").await, 401);
    assert_eq!(anna.look_up(&hub).await, 423);
    assert_eq!(unlock(PASSWORD).await, 200);
    assert_eq!(anna.look_up(&hub).await, 200);
    // By hand, and five wrong passwords end it.
    let locking = anna
        .ask(&hub, "POST /api/v1/session/locking", &Value::Null)
        .await;
    assert_eq!(locking.0, 204);
    assert_eq!(anna.look_up(&hub).await, 423);
    for _ in 0..5 {
        assert_eq!(unlock("another long password").await, 401);
    }
    assert_eq!(unlock(PASSWORD).await, 401);
    assert_eq!(anna.look_up(&hub).await, 401);
    let ended = lines(&house, "session-ended");
    assert_eq!(
        ended[0]["details"]["why"],
        "too many wrong passwords while it was locked"
    );
    assert_eq!(lines(&house, "session-unlocked").len(), 1);
    assert_eq!(lines(&house, "sign-in-refused").len(), 6);
}

#[tokio::test]
async fn a_session_ends_after_half_a_day_whatever_its_person_does() {
    let (house, hub) = house_with(&["AB123CD"]).await;
    let (_post, anna) = anna_of(&house, &hub).await;
    for _ in 0..(12 * 60 / 9 - 1) {
        house.clock.advance(SECOND * 60 * 9);
        let there = anna
            .ask(&hub, "POST /api/v1/session/presence", &Value::Null)
            .await;
        assert_eq!(there.0, 204);
    }
    house.clock.advance(SECOND * 60 * 9);
    assert_eq!(anna.look_up(&hub).await, 401);
    assert_eq!(tidy(&house), 1);
    assert_eq!(
        lines(&house, "session-ended")[0]["details"]["why"],
        "its time was over"
    );
}

/// Opens a live stream, and gives how long it lived from when `end` was called.
async fn lived(response: reqwest::Response, since: &Stopwatch) -> Duration {
    let body = tokio::time::timeout(Duration::from_secs(20), response.bytes()).await;
    body.expect("the stream ends").unwrap();
    since.elapsed()
}

const LIVE: &str = "GET /api/v1/transits/live?purpose=traffic&case_reference=PG%201";

/// Ends what let each of them in, in a way of its own, and the token of a program.
async fn end_each_way(house: &House, hub: &Served, people: &[TestPerson]) {
    let signed_out = people[0]
        .ask(hub, "POST /api/v1/session/ending", &Value::Null)
        .await;
    assert_eq!(signed_out.0, 204);
    at_console(house, |main, acting| {
        desk::end_session(main, &people[1].session, WhyEnded::ByHand, acting).unwrap();
        let user = people[2].user.parse().unwrap();
        desk::disable(main, &user, acting).unwrap();
    });
    dismiss(house, "quattro");
    let locked = people[4]
        .ask(hub, "POST /api/v1/session/locking", &Value::Null)
        .await;
    assert_eq!(locked.0, 204);
    account_code(house, "sette", None);
    let main = house.home.open_main().unwrap();
    let row = tokens::rows(&main)
        .unwrap()
        .into_iter()
        .find(|row| row.actor == "Export");
    let (key, now) = (house.home.sealing_key().unwrap(), house.clock.now());
    let mut main = main;
    tokens_desk::revoke(&mut main, row.unwrap().id(), &key, now).unwrap();
}

#[tokio::test]
async fn open_streams_end_within_five_seconds_of_what_let_somebody_in() {
    let (house, hub) = house_with(&[]).await;
    let post = TestPost::new(&house, &hub, "Sala operativa 1").await;
    let lent = TestPost::new(&house, &hub, "Questura").await;
    let all = &[Permission::Lookups, Permission::Alerts, Permission::Edges];
    let mut people = Vec::new();
    for (user, post) in [
        ("uno", &post),
        ("due", &post),
        ("tre", &post),
        ("quattro", &post),
        ("cinque", &post),
        ("sei", &lent),
        ("sette", &post),
    ] {
        people.push(TestPerson::new(&house, &hub, user, all, post).await);
    }
    let token = system_token(&house, "Export", LOOK_UP);
    let kept = system_token(&house, "Kept", LOOK_UP);
    let open = async |person: &TestPerson, asked: &str| {
        let response = ask_with(&hub, asked, &Value::Null, &person.carried()).await;
        assert_eq!(response.status(), 200, "{asked}");
        response
    };
    let by_token = async |token: &str| {
        let (_, path) = LIVE.split_once(' ').unwrap();
        let request = hub.client.get(format!("{}{path}", hub.url));
        request.carrying(token).send().await.unwrap()
    };
    let mut streams = Vec::new();
    for person in &people {
        streams.push(open(person, LIVE).await);
    }
    streams.push(open(&people[0], "GET /api/v1/alerts/live").await);
    streams.push(open(&people[1], "GET /api/v1/anomalies/live").await);
    streams.push(by_token(&token).await);
    let others = by_token(&kept).await;

    let since = Stopwatch::start();
    end_each_way(&house, &hub, &people).await;
    lent.revoke(&house);
    for (number, stream) in streams.into_iter().enumerate() {
        let lived = lived(stream, &since).await;
        assert!(lived < Duration::from_secs(5), "{number}: {lived:?}");
    }
    // Each leaves its closing line; who still may goes on.
    for _ in 0..100 {
        if lines(&house, "live-closed").len() == 8 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(lines(&house, "live-closed").len(), 8);
    let goes_on = tokio::time::timeout(Duration::from_secs(1), others.bytes()).await;
    assert!(goes_on.is_err(), "{goes_on:?}");
}

#[tokio::test]
async fn what_had_ended_of_signing_in_does_not_come_back_with_an_older_database() {
    let (house, hub) = house_with(&["AB123CD"]).await;
    let post = TestPost::new(&house, &hub, "Sala operativa 1").await;
    let lent = TestPost::new(&house, &hub, "Questura").await;
    let open_code = crate::signed::post_code(&house, "Stazione");
    let mut people = Vec::new();
    for (user, post) in [
        ("uno", &post),
        ("due", &post),
        ("tre", &lent),
        ("quattro", &post),
    ] {
        people.push(TestPerson::new(&house, &hub, user, LOOK_UP, post).await);
    }
    let copy = house.home.root().join("older.sqlite");
    let main = house.home.open_main().unwrap();
    main.execute("VACUUM INTO ?", [copy.to_str().unwrap()])
        .unwrap();
    house.clock.advance(SECOND * 10);
    let user = "uno".parse().unwrap();
    at_console(&house, |main, acting| desk::disable(main, &user, acting)).unwrap();
    account_code(&house, "due", None);
    lent.revoke(&house);
    people[3]
        .ask(&hub, "POST /api/v1/session/ending", &Value::Null)
        .await;
    let key = crate::signed::a_key();
    assert_eq!(crate::signed::enrol(&hub, &key, &open_code).await.0, 201);
    floor::keep(&house.home, &main).unwrap();
    drop(main);
    hub.stop.send(true).unwrap();
    house.restart();
    // Somebody puts the older copy in its place.
    for ending in ["", "-wal", "-shm"] {
        let file = format!("{}{ending}", house.home.main_database().display());
        let _ = std::fs::remove_file(file);
    }
    std::fs::rename(&copy, house.home.main_database()).unwrap();
    let mut main = house.home.open_main().unwrap();
    let now = house.clock.now();
    let raised = floor::hold(&house.home, &mut main, now).unwrap();
    assert_eq!(raised.signing.accounts.len(), 2, "{raised:?}");
    assert_eq!(raised.signing.posts.len(), 2, "{raised:?}");
    assert_eq!(raised.signing.sessions.len(), 4, "{raised:?}");
    let again = floor::hold(&house.home, &mut main, now).unwrap();
    assert!(again.is_nothing(), "{again:?}");
    drop(main);
    let hub = house.serve().await;
    for person in &people {
        assert_eq!(person.look_up(&hub).await, 401, "{}", person.user);
    }
    house.clock.advance(SECOND * 30);
    let attempt = async |person: &TestPerson, post: &TestPost| {
        let mut typed = person.typed(&house);
        typed["post"] = post.proof(&hub, &person.user).await;
        told(post_json(&hub, "/api/v1/session", &typed).await)
            .await
            .0
    };
    assert_eq!(attempt(&people[0], &post).await, 401);
    assert_eq!(attempt(&people[1], &post).await, 401);
    assert_eq!(attempt(&people[2], &lent).await, 401);
    assert_eq!(
        attempt(&people[3], &post).await,
        201,
        "only the session had ended"
    );
    let late = crate::signed::enrol(&hub, &crate::signed::a_key(), &open_code).await;
    assert_eq!(late.0, 401, "the code was used");
}
