//! Posts: who signs in from where, and what ends with a post.

use serde_json::{Value, json};
use varco_hub::people::tokens::Permission;
use varco_hub::signing::post_desk::{self, PostError, PostInvite};

use crate::http::house_with;
use crate::signed::{
    TestPerson, TestPost, a_key, at_console, challenge, enrol, lines, post_code, post_json, told,
};
use crate::support::{DAY, SECOND};

const LOOK_UP: &[Permission] = &[Permission::Lookups];

#[tokio::test]
async fn c04_part_c21_part_a_person_signs_in_from_an_enrolled_post_alone() {
    let (house, hub) = house_with(&["AB123CD"]).await;
    let post = TestPost::new(&house, &hub, "Sala operativa 1").await;
    let other = TestPost::new(&house, &hub, "Questura").await;
    let anna = TestPerson::new(&house, &hub, "a.rossi", LOOK_UP, &post).await;
    let attempt = async |proof: Value| {
        house.clock.advance(SECOND * 61);
        let mut typed = anna.typed(&house);
        typed["post"] = proof;
        told(post_json(&hub, "/api/v1/session", &typed).await).await
    };
    let fresh = async || {
        house.clock.advance(SECOND * 61);
        challenge(&hub).await
    };
    assert_eq!(attempt(Value::Null).await.0, 401, "no post");
    // Made before the clock moves on: a minute is over.
    let (status, answer) = attempt(post.proof(&hub, "a.rossi").await).await;
    assert_eq!(status, 401);
    assert_eq!(answer["error"], "the challenge does not hold any more");

    let now = async |proof: Value| {
        let mut typed = anna.typed(&house);
        typed["post"] = proof;
        told(post_json(&hub, "/api/v1/session", &typed).await).await
    };
    // Signed for somebody else, by another key, or not by the hub's challenge.
    let at = fresh().await;
    assert_eq!(now(post.proof_of(&at, "b.verdi")).await.0, 401);
    let mut foreign = other.proof_of(&at, "a.rossi");
    foreign["post"] = json!(post.id);
    assert_eq!(now(foreign).await.0, 401);
    assert_eq!(now(post.proof_of(&"ab".repeat(56), "a.rossi")).await.0, 401);
    // What was heard on the way is worth nothing a second time.
    let heard = post.proof_of(&at, "a.rossi");
    assert_eq!(now(heard.clone()).await.0, 201);
    house.clock.advance(SECOND * 30);
    let (status, answer) = now(heard).await;
    assert_eq!(status, 401);
    assert_eq!(answer["error"], "the challenge does not hold any more");
    // Any enrolled post will do, and the line says which.
    let at = fresh().await;
    assert_eq!(now(other.proof_of(&at, "a.rossi")).await.0, 201);
    let made = lines(&house, "signed-in");
    assert_eq!(made.last().unwrap()["details"]["post"], json!(other.id));
}

#[tokio::test]
async fn e02_part_a_lent_post_is_called_back_and_a_stolen_cookie_goes_with_it() {
    let (house, hub) = house_with(&["AB123CD"]).await;
    let lent = TestPost::new(&house, &hub, "Stazione dei Carabinieri").await;
    let own = TestPost::new(&house, &hub, "Sala operativa 1").await;
    let anna = TestPerson::new(&house, &hub, "a.rossi", LOOK_UP, &lent).await;
    let bruno = TestPerson::new(&house, &hub, "b.verdi", LOOK_UP, &own).await;
    assert_eq!(
        (anna.look_up(&hub).await, bruno.look_up(&hub).await),
        (200, 200)
    );
    lent.revoke(&house);
    assert_eq!(
        anna.look_up(&hub).await,
        401,
        "the cookie, wherever it was taken"
    );
    assert_eq!(bruno.look_up(&hub).await, 200);
    house.clock.advance(SECOND * 30);
    let mut typed = anna.typed(&house);
    typed["post"] = lent.proof(&hub, "a.rossi").await;
    let (status, answer) = told(post_json(&hub, "/api/v1/session", &typed).await).await;
    assert_eq!(
        (status, &answer["error"]),
        (401, &json!("this workstation is no enrolled post"))
    );
    let ended = lines(&house, "session-ended");
    assert_eq!(ended[0]["details"]["why"], "its post was revoked");
    assert_eq!(
        lines(&house, "post-revoked")[0]["details"]["post"],
        json!(lent.id)
    );
    let again = at_console(&house, |main, acting| {
        post_desk::revoke(main, &lent.id, acting)
    });
    assert!(matches!(again, Err(PostError::Unknown(_))));
}

#[tokio::test]
async fn a_post_is_enrolled_once_within_a_day_with_a_key_of_its_own() {
    let (house, hub) = house_with(&[]).await;
    let (code, key) = (post_code(&house, "Sala operativa 1"), a_key());
    // The name is taken over as long as no workstation has it.
    let second = post_code(&house, "sala operativa 1");
    assert_eq!(
        enrol(&hub, &key, &code).await.0,
        401,
        "the first code gave way"
    );
    let body = json!({"code": second, "public_key": "04", "signature": "00"});
    assert_eq!(post_json(&hub, "/api/v1/posts", &body).await.status(), 403);
    assert_eq!(enrol(&hub, &key, &second).await.0, 201);
    assert_eq!(enrol(&hub, &a_key(), &second).await.0, 401, "it was used");
    let third = post_code(&house, "Questura");
    assert_eq!(
        enrol(&hub, &key, &third).await.0,
        403,
        "the key is another post's"
    );
    house.clock.advance(DAY);
    assert_eq!(enrol(&hub, &a_key(), &third).await.0, 401, "a day is over");
    let taken = PostInvite {
        name: "SALA OPERATIVA 1",
        body: "x",
    };
    let taken = at_console(&house, |main, acting| {
        post_desk::invite(main, &taken, acting)
    });
    assert!(matches!(taken, Err(PostError::Taken(_))));
    assert_eq!(lines(&house, "post-enrolled").len(), 1);
}
