//! Whose a token is, how it ends, and who fails too often.

use serde_json::{Value, json};
use varco_hub::audit::purpose::Purpose;
use varco_hub::home::Home;
use varco_hub::people::desk::{self, TokenDeskError, WantedToken};
use varco_hub::people::tokens::{
    self, DAYS_DEFAULT, Permission, Permissions, TokenBounds, TokenError, TokenRow,
};
use varco_hub::proof::verification::verify;
use varco_hub::timekeeping::Clock as _;
use varco_proto::time::UtcTime;

use crate::http::{grounds, house_with};
use crate::support::{Carrying as _, DAY, House, Served, system_token, token_of};

/// Issues a token to a system, which may do what stands in `may` for the regulation's purposes, for as long as tokens
/// hold unless something else is said.
pub(crate) fn add_token(
    home: &Home,
    actor: &str,
    may: &Permissions,
    now: UtcTime,
) -> Result<String, TokenDeskError> {
    let wanted = WantedToken {
        name: actor,
        body: None,
        may,
        bounds: &TokenBounds::of(&Purpose::REGULATION),
        valid: u32::from(DAYS_DEFAULT) * DAY,
    };
    let (mut main, key) = (home.open_main().unwrap(), home.sealing_key().unwrap());
    let issued = desk::issue(&mut main, &wanted, &key, now)?;
    Ok(issued.token)
}

const LOOK_UP: &[Permission] = &[Permission::Lookups];

async fn status(hub: &Served, token: &str) -> (u16, Value) {
    let request = hub.client.post(format!("{}/api/v1/lookups", hub.url));
    let answer = request.carrying(token).json(&grounds()).send().await;
    let answer = answer.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

fn lines(house: &House, action: &str) -> Vec<Value> {
    let main = house.home.open_main().unwrap();
    let sql = "SELECT line FROM audit WHERE action = ? ORDER BY sequence";
    let mut statement = main.prepare(sql).unwrap();
    let found = statement.query_map([action], |row| row.get::<_, String>(0));
    let found = found.unwrap();
    found
        .map(|line| serde_json::from_str(&line.unwrap()).unwrap())
        .collect()
}

fn rows(house: &House) -> Vec<TokenRow> {
    tokens::rows(&house.home.open_main().unwrap()).unwrap()
}

fn row_of(house: &House, actor: &str) -> TokenRow {
    let mut found = rows(house).into_iter().filter(|row| row.actor == actor);
    found.next().unwrap()
}

fn issue(house: &House, name: &str, days: u32) -> Result<(), TokenDeskError> {
    let wanted = WantedToken {
        name,
        body: None,
        may: &Permissions::of(LOOK_UP),
        bounds: &TokenBounds::of(&Purpose::REGULATION),
        valid: DAY * days,
    };
    let (key, now) = (house.home.sealing_key().unwrap(), house.clock.now());
    let mut main = house.home.open_main().unwrap();
    desk::issue(&mut main, &wanted, &key, now).map(drop)
}

fn revoke(house: &House, id: &str) -> Result<TokenRow, TokenDeskError> {
    let (key, now) = (house.home.sealing_key().unwrap(), house.clock.now());
    desk::revoke(&mut house.home.open_main().unwrap(), id, &key, now)
}

#[tokio::test]
async fn c24_part_a_line_says_who_by_an_id_of_theirs_and_by_which_token() {
    let (house, hub) = house_with(&["AB123CD"]).await;
    let first = system_token(&house, "Centrale 1", LOOK_UP);
    let second = system_token(&house, "centrale 1", LOOK_UP);
    for token in [&first, &second] {
        assert_eq!(status(&hub, token).await.0, 200);
    }
    let told = lines(&house, "lookup");
    let of = |field: &str| {
        told.iter()
            .map(|line| line[field].clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(of("actor"), ["Centrale 1", "Centrale 1"]);
    assert_eq!(of("actor_kind"), ["service", "service"]);
    let ids = of("actor_id");
    assert!(
        ids[0] == ids[1] && ids[0].as_str().unwrap().len() == 17,
        "{ids:?}"
    );
    let credentials = of("credential");
    assert_ne!(credentials[0], credentials[1]);
    let issued = rows(&house);
    let issued: Vec<_> = issued.iter().map(|row| json!(row.id())).collect();
    assert!(
        credentials.iter().all(|one| issued.contains(one)),
        "{credentials:?}"
    );
    let begun = lines(&house, "hub-initialised");
    assert_eq!(begun[0]["actor_kind"], "console");
}

#[test]
fn c24_part_nobody_acts_under_the_name_of_the_hub_or_of_somebody_of_another_kind() {
    let house = House::new();
    for name in ["console", "VARCO-HUB", " nobody "] {
        assert!(issue(&house, name, 1).is_err(), "{name}");
    }
    token_of(&house, "Anna Rossi", LOOK_UP);
    let other = issue(&house, "anna rossi", 1);
    assert!(other.unwrap_err().to_string().contains("is a person"));
    for days in [0, 367] {
        let term = issue(&house, "Verdi", days);
        let term = matches!(term, Err(TokenDeskError::Token(TokenError::Term)));
        assert!(term, "{days}");
    }
    issue(&house, "Verdi", 366).unwrap();
}

#[tokio::test]
async fn a_token_ends_by_itself_or_by_a_word_and_what_was_tried_with_it_is_noted() {
    let (house, hub) = house_with(&["AB123CD"]).await;
    let revoked = system_token(&house, "Centrale 1", LOOK_UP);
    let id = row_of(&house, "Centrale 1").id().to_owned();
    assert_eq!(status(&hub, &revoked).await.0, 200);
    assert_eq!(revoke(&house, &id).unwrap().actor, "Centrale 1");
    let again = revoke(&house, &id).unwrap_err().to_string();
    assert!(again.contains("varco-hub token list"), "{again}");
    let (refused, told) = status(&hub, &revoked).await;
    assert_eq!(refused, 401);
    assert!(
        told["error"].as_str().unwrap().contains("revoked"),
        "{told}"
    );
    assert_eq!(lines(&house, "token-revoked").len(), 1);

    issue(&house, "Centrale 2", 3).unwrap();
    let ends_at = row_of(&house, "Centrale 2").ends_at;
    assert_eq!(ends_at, house.clock.now() + DAY * 3);
    let short = setup_short(&house);
    assert_eq!(status(&hub, &short).await.0, 200);
    house.clock.advance(DAY);
    assert_eq!(status(&hub, &short).await.0, 401);
    let attempts = lines(&house, "attempt-refused");
    let actors: Vec<_> = attempts.iter().map(|line| line["actor"].clone()).collect();
    assert_eq!(actors, ["Centrale 1", "Centrale 3"]);
    assert!(verify(&house.home, house.clock.now()).unwrap().intact);
}

fn setup_short(house: &House) -> String {
    let wanted = WantedToken {
        name: "Centrale 3",
        body: None,
        may: &Permissions::of(LOOK_UP),
        bounds: &TokenBounds::of(&Purpose::REGULATION),
        valid: DAY,
    };
    let (key, now) = (house.home.sealing_key().unwrap(), house.clock.now());
    let mut main = house.home.open_main().unwrap();
    let issued = desk::issue(&mut main, &wanted, &key, now);
    issued.unwrap().token
}

#[tokio::test]
async fn who_guesses_waits_and_the_colleague_behind_the_same_address_does_not() {
    let (house, hub) = house_with(&["AB123CD"]).await;
    let colleague = token_of(&house, "Anna Rossi", LOOK_UP);
    assert_eq!(status(&hub, &colleague).await.0, 200);
    let mut told = Vec::new();
    for number in 0..25 {
        told.push(status(&hub, &format!("varco_{number:064}")).await.0);
    }
    assert_eq!(told[..20], [401; 20]);
    assert_eq!(told[20..], [429; 5]);
    assert_eq!(status(&hub, &colleague).await.0, 200);
    house.clock.advance(std::time::Duration::from_secs(61));
    assert_eq!(status(&hub, "varco_00").await.0, 401);
}

#[tokio::test]
async fn a_token_that_is_refused_again_and_again_waits_for_its_minute() {
    let (house, hub) = house_with(&[]).await;
    let token = system_token(&house, "Export", &[Permission::Statistics]);
    for _ in 0..120 {
        assert_eq!(status(&hub, &token).await.0, 403);
    }
    assert_eq!(status(&hub, &token).await.0, 429);
    house.clock.advance(std::time::Duration::from_secs(61));
    assert_eq!(status(&hub, &token).await.0, 403);
}
