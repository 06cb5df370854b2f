//! How a person gets an account and signs in, and how nobody else does.

use serde_json::{Value, json};
use varco_hub::audit::acting::Acting;
use varco_hub::audit::actor::Actor;
use varco_hub::people::tokens::Permission;
use varco_hub::proof::verification::verify;
use varco_hub::signing::desk;
use varco_hub::signing::tidying;
use varco_hub::timekeeping::Clock as _;

use crate::http::house_with;
use crate::signed::{
    PASSWORD, TestPerson, TestPost, account_code, appoint, at_console, dismiss, enrol, lines,
    post_code_in, post_json, told,
};
use crate::support::{DAY, House, SECOND, Served};

const LOOK_UP: &[Permission] = &[Permission::Lookups];
const SIGN_IN: &str = "/api/v1/session";

async fn try_to(hub: &Served, post: &TestPost, mut typed: Value) -> (u16, Value) {
    let user = typed["user_name"].as_str().unwrap().to_owned();
    typed["post"] = post.proof(hub, &user).await;
    told(post_json(hub, SIGN_IN, &typed).await).await
}

fn with(mut typed: Value, field: &str, value: &str) -> Value {
    typed[field] = value.into();
    typed
}

#[tokio::test]
async fn c26_part_access_is_by_user_name_and_password_and_each_signing_in_leaves_its_line() {
    let (house, hub) = house_with(&["AB123CD"]).await;
    let post = TestPost::new(&house, &hub, "Sala operativa 1").await;
    let mut anna = TestPerson::new(&house, &hub, "a.rossi", LOOK_UP, &post).await;
    assert_eq!(anna.look_up(&hub).await, 200);
    let (status, shown) = anna.ask(&hub, "GET /api/v1/session", &Value::Null).await;
    assert_eq!(status, 200, "{shown}");
    assert_eq!(shown["name"], "Agente a.rossi");
    assert_eq!(shown["post"], "Sala operativa 1");
    assert_eq!(shown["may"], json!(["lookups"]));
    // What the appointment does not give is refused.
    let alerts = anna.ask(&hub, "GET /api/v1/alerts", &Value::Null).await;
    assert_eq!(alerts.0, 403, "{}", alerts.1);
    anna.sign_in(&house, &hub, &post).await;
    assert_eq!(anna.look_up(&hub).await, 200);
    let made = lines(&house, "signed-in");
    assert_eq!(made.len(), 2);
    assert_eq!(made[1]["actor"], "Agente a.rossi");
    assert_eq!(made[1]["session"], json!(anna.session));
    assert_eq!(made[1]["details"]["post"], json!(post.id));
    let looked = lines(&house, "lookup");
    assert_eq!(looked[1]["actor_id"], made[1]["actor_id"]);
    assert_eq!(looked[1]["session"], json!(anna.session));
    assert!(verify(&house.home, house.clock.now()).unwrap().intact);
}

#[tokio::test]
async fn c21_e02_part_nothing_is_consulted_from_a_post_in_the_rooms_of_another_body() {
    let (house, hub) = house_with(&["AB123CD"]).await;
    let own = TestPost::new(&house, &hub, "Sala operativa 1").await;
    let code = post_code_in(&house, "Commissariato", "commissariato");
    let lent = TestPost::with_code(&hub, &code).await;
    let mut anna = TestPerson::new(&house, &hub, "a.rossi", LOOK_UP, &own).await;
    assert_eq!(anna.look_up(&hub).await, 200);
    anna.sign_in(&house, &hub, &lent).await;
    assert_eq!(anna.look_up(&hub).await, 403, "it is the Commissariato's");
    anna.sign_in(&house, &hub, &own).await;
    assert_eq!(anna.look_up(&hub).await, 200);
}

#[tokio::test]
async fn c26_part_whoever_is_not_let_in_learns_nothing_of_who_has_an_account() {
    let (house, hub) = house_with(&[]).await;
    let post = TestPost::new(&house, &hub, "Sala operativa 1").await;
    let anna = TestPerson::new(&house, &hub, "a.rossi", LOOK_UP, &post).await;
    account_code(&house, "b.verdi", Some("Agente Verdi"));
    house.clock.advance(SECOND * 30);
    let right = anna.typed(&house);
    let mut answers = Vec::new();
    for typed in [
        with(right.clone(), "password", "cavallo graffetta batteriA"),
        with(right.clone(), "code", "000000"),
        with(right.clone(), "user_name", "nobody.here"),
        with(right.clone(), "user_name", "not a name!"),
        // Invited, and not opened.
        with(right.clone(), "user_name", "b.verdi"),
    ] {
        answers.push(try_to(&hub, &post, typed).await);
    }
    assert!(
        answers.iter().all(|answer| answer == &answers[0]),
        "{answers:?}"
    );
    assert_eq!(answers[0].0, 401);
    // Each leaves its line, which says whose account was meant and never what was typed.
    let refused = lines(&house, "sign-in-refused");
    assert_eq!(refused.len(), 5, "{refused:?}");
    let meant: Vec<_> = refused
        .iter()
        .map(|line| line["details"]["account"].is_string())
        .collect();
    assert_eq!(meant, [true, true, false, false, true]);
    let all = format!("{refused:?}");
    assert!(
        !all.contains("batteriA") && !all.contains("nobody.here"),
        "{all}"
    );
    assert_eq!(refused[0]["actor"], "nobody");
    // Somebody who is there waits as somebody who is not does, and others do not.
    for user in ["a.rossi", "nobody.here"] {
        let wrong = with(right.clone(), "user_name", user);
        let wrong = with(wrong, "password", "another long password");
        let mut told = Vec::new();
        for _ in 0..6 {
            told.push(try_to(&hub, &post, wrong.clone()).await.0);
        }
        let last = told.pop().unwrap();
        assert_eq!(last, 429, "{user}");
        assert!(
            told[..3].iter().all(|status| *status == 401),
            "{user}: {told:?}"
        );
    }
    assert_eq!(
        try_to(&hub, &post, right).await.0,
        429,
        "the right password waits too"
    );
    house.clock.advance(SECOND * 15 * 60);
    assert_eq!(try_to(&hub, &post, anna.typed(&house)).await.0, 201);
}

#[tokio::test]
async fn c26_part_digits_of_the_second_factor_are_taken_once() {
    let (house, hub) = house_with(&[]).await;
    let post = TestPost::new(&house, &hub, "Sala operativa 1").await;
    let anna = TestPerson::new(&house, &hub, "a.rossi", LOOK_UP, &post).await;
    // Those that opened the account.
    assert_eq!(try_to(&hub, &post, anna.typed(&house)).await.0, 401);
    house.clock.advance(SECOND * 30);
    let typed = anna.typed(&house);
    assert_eq!(try_to(&hub, &post, typed.clone()).await.0, 201);
    assert_eq!(try_to(&hub, &post, typed).await.0, 401);
    // Nor are earlier ones that would still count.
    let earlier = anna
        .secret
        .digits_at(house.clock.now() + SECOND * 30)
        .unwrap();
    house.clock.advance(SECOND * 60);
    assert_eq!(try_to(&hub, &post, anna.typed(&house)).await.0, 201);
    assert_eq!(
        try_to(&hub, &post, with(anna.typed(&house), "code", &earlier))
            .await
            .0,
        401
    );
}

#[tokio::test]
async fn c26_part_a_code_opens_an_account_once_within_a_day_and_a_new_one_ends_what_was() {
    let (house, hub) = house_with(&["AB123CD"]).await;
    let post = TestPost::new(&house, &hub, "Sala operativa 1").await;
    let code = account_code(&house, "a.rossi", Some("Anna Rossi"));
    let look = async |code: &str| {
        let body = json!({ "code": code });
        told(post_json(&hub, "/api/v1/openings/invitation", &body).await).await
    };
    let (_, shown) = look(&code.to_lowercase().replace('-', " ")).await;
    assert_eq!(shown["user_name"], "a.rossi", "{shown}");
    assert!(shown["qr"].as_array().unwrap().len() > 20);
    assert_eq!(look("0000-0000-0000-0000").await.0, 401);
    let secret = shown["secret"].as_str().unwrap();
    let secret = varco_hub::signing::totp::TotpSecret::from_base32(secret).unwrap();
    let body = async |password: &str, digits: &str| {
        json!({"code": code, "password": password, "digits": digits,
            "post": post.proof(&hub, &code).await})
    };
    let digits = secret.digits_at(house.clock.now()).unwrap();
    // Without an office nobody begins.
    let opening = post_json(&hub, "/api/v1/openings", &body(PASSWORD, &digits).await).await;
    assert_eq!(told(opening).await.0, 403);
    appoint(&house, "a.rossi", LOOK_UP);
    for (password, digits, status) in [
        ("troppo-corta", "", 422),
        ("a.rossi a.rossi", digits.as_str(), 422),
        ("password123456", digits.as_str(), 422),
        (PASSWORD, "000000", 422),
    ] {
        let opening = post_json(&hub, "/api/v1/openings", &body(password, digits).await).await;
        assert_eq!(told(opening).await.0, status, "{password}");
    }
    let mut anna = TestPerson::open(&hub, &house, &code, &post).await;
    assert_eq!(look(&code).await.0, 401, "it was used");
    // The telephone is lost: from the new code on nothing of before holds.
    let again = account_code(&house, "A.Rossi", None);
    assert_eq!(anna.look_up(&hub).await, 401);
    house.clock.advance(SECOND * 30);
    assert_eq!(try_to(&hub, &post, anna.typed(&house)).await.0, 401);
    anna = TestPerson::open(&hub, &house, &again, &post).await;
    assert_eq!(anna.look_up(&hub).await, 200);
    let late = account_code(&house, "a.rossi", None);
    house.clock.advance(DAY);
    assert_eq!(look(&late).await.0, 401, "a day is over");
    assert_eq!(lines(&house, "account-invited").len(), 3);
    assert_eq!(lines(&house, "account-opened").len(), 2);
    assert!(verify(&house.home, house.clock.now()).unwrap().intact);
}

fn tidy(house: &House) -> usize {
    let acting = Acting {
        actor: &Actor::hub(),
        now: house.clock.now(),
        key: &house.home.sealing_key().unwrap(),
    };
    tidying::accounts(&mut house.home.open_main().unwrap(), &acting).unwrap()
}

#[tokio::test]
async fn c29_part_an_account_is_disabled_by_itself_after_six_months_or_with_the_office() {
    let (house, hub) = house_with(&["AB123CD"]).await;
    let post = TestPost::new(&house, &hub, "Sala operativa 1").await;
    let mut anna = TestPerson::new(&house, &hub, "a.rossi", LOOK_UP, &post).await;
    let bruno = TestPerson::new(&house, &hub, "b.verdi", LOOK_UP, &post).await;
    let mut carla = TestPerson::new(&house, &hub, "c.neri", LOOK_UP, &post).await;
    house.clock.advance(DAY * 90);
    anna.sign_in(&house, &hub, &post).await;
    carla.sign_in(&house, &hub, &post).await;
    assert_eq!(tidy(&house), 0);
    // Carla loses the office: what she has open ends at once, and the account with it.
    dismiss(&house, "c.neri");
    assert_eq!(carla.look_up(&hub).await, 403);
    house.clock.advance(DAY * 91);
    // At signing in, before the hub itself has looked.
    let (status, told) = try_to(&hub, &post, bruno.typed(&house)).await;
    assert_eq!(
        (status, &told["error"]),
        (403, &json!("this account is disabled"))
    );
    assert_eq!(tidy(&house), 1, "Carla; Bruno was");
    assert_eq!(tidy(&house), 0);
    let why: Vec<_> = lines(&house, "account-disabled")
        .into_iter()
        .map(|line| line["details"]["why"].clone())
        .collect();
    assert_eq!(why, ["unused for six months", "no appointment holds"]);
    house.clock.advance(SECOND * 30);
    assert_eq!(
        try_to(&hub, &post, anna.typed(&house)).await.0,
        201,
        "three months are no six"
    );
    // By hand it goes both ways, each with its line.
    let user = "b.verdi".parse().unwrap();
    at_console(&house, |main, acting| desk::enable(main, &user, acting)).unwrap();
    house.clock.advance(SECOND * 30);
    assert_eq!(try_to(&hub, &post, bruno.typed(&house)).await.0, 201);
    at_console(&house, |main, acting| desk::disable(main, &user, acting)).unwrap();
    house.clock.advance(SECOND * 30);
    assert_eq!(try_to(&hub, &post, bruno.typed(&house)).await.0, 403);
    assert!(verify(&house.home, house.clock.now()).unwrap().intact);
}

#[tokio::test]
async fn a_flood_of_strangers_is_counted_and_does_not_keep_a_post_out() {
    let (house, hub) = house_with(&[]).await;
    let post = TestPost::new(&house, &hub, "Sala operativa 1").await;
    let anna = TestPerson::new(&house, &hub, "a.rossi", LOOK_UP, &post).await;
    house.clock.advance(SECOND * 61);
    let typed = anna.typed(&house);
    let mut told = Vec::new();
    for _ in 0..25 {
        told.push(post_json(&hub, SIGN_IN, &typed).await.status().as_u16());
    }
    assert_eq!(told[..20], [401; 20]);
    assert_eq!(told[20..], [429; 5]);
    let attempts = lines(&house, "attempt-refused");
    assert_eq!(attempts.len(), 1, "{attempts:?}");
    assert_eq!(
        attempts[0]["details"]["why"],
        "this workstation is no enrolled post"
    );
    assert_eq!(try_to(&hub, &post, typed).await.0, 201);
    // Codes cannot be guessed on and on either.
    let (status, _) = enrol(&hub, &crate::signed::a_key(), "0000-0000-0000-0000").await;
    assert_eq!(status, 429);
}

#[tokio::test]
async fn c43_part_an_account_a_password_or_a_post_that_no_line_gave_is_found() {
    let (house, hub) = house_with(&[]).await;
    let post = TestPost::new(&house, &hub, "Sala operativa 1").await;
    let anna = TestPerson::new(&house, &hub, "a.rossi", LOOK_UP, &post).await;
    TestPerson::new(&house, &hub, "b.verdi", LOOK_UP, &post).await;
    assert_eq!(anna.user, "a.rossi");
    let check = || verify(&house.home, house.clock.now()).unwrap();
    let execute = |sql: &str| house.home.open_main().unwrap().execute_batch(sql).unwrap();
    execute(
        "CREATE TABLE kept_accounts AS SELECT * FROM accounts;
         CREATE TABLE kept_posts AS SELECT * FROM posts;",
    );
    for sql in [
        "UPDATE accounts SET password = (SELECT password FROM accounts WHERE user_name = 'b.verdi')
         WHERE user_name = 'a.rossi'",
        "UPDATE accounts SET second_factor = x'00' WHERE user_name = 'a.rossi'",
        "UPDATE accounts SET actor_id = 'a0' WHERE user_name = 'a.rossi'",
        "DELETE FROM accounts WHERE user_name = 'b.verdi'",
        "INSERT INTO accounts (id, actor_id, user_name, made_at_us, changed_at_us)
         VALUES ('u0', 'a1', 'intruso', 0, 0)",
        "UPDATE posts SET public_key = randomblob(65)",
        "UPDATE posts SET name = 'Altrove'",
        "INSERT INTO posts (id, name, body, made_at_us) VALUES ('p0', 'x', 'y', 0)",
        "UPDATE posts SET revoked_at_us = 1",
    ] {
        assert!(check().intact, "before {sql}");
        execute(sql);
        assert!(check().is_broken(), "{sql}");
        execute(
            "DELETE FROM accounts; INSERT INTO accounts SELECT * FROM kept_accounts;
             DELETE FROM posts; INSERT INTO posts SELECT * FROM kept_posts;",
        );
    }
}
