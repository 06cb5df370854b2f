//! Persons who sign in over HTTPS, from posts, as a browser would.

use reqwest::{Method, Response};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use serde_json::{Value, json};
use varco_hub::audit::acting::Acting;
use varco_hub::audit::actor::Actor;
use varco_hub::bodies::BodyId;
use varco_hub::people::actors;
use varco_hub::people::appointing::{self, WantedAppointment};
use varco_hub::people::appointments::Role;
use varco_hub::people::tokens::{Permission, Permissions};
use varco_hub::signing::accounts;
use varco_hub::signing::desk::{self, AccountInvite};
use varco_hub::signing::post_desk::{self, PostInvite, enrolment_text};
use varco_hub::signing::sign_in::proof_text;
use varco_hub::signing::totp::TotpSecret;
use varco_hub::store::sql::Connection;
use varco_hub::timekeeping::Clock as _;

use crate::support::{DAY, House, SECOND, Served};

pub(crate) const PASSWORD: &str = "cavallo graffetta batteria";

/// Does something as whoever works on the hub's machine.
pub(crate) fn at_console<T>(
    house: &House,
    act: impl FnOnce(&mut Connection, &Acting<'_>) -> T,
) -> T {
    let acting = Acting {
        actor: &Actor::console(),
        now: house.clock.now(),
        key: &house.home.sealing_key().unwrap(),
    };
    act(&mut house.home.open_main().unwrap(), &acting)
}

/// Every line of an action, oldest first.
pub(crate) fn lines(house: &House, action: &str) -> Vec<Value> {
    let main = house.home.open_main().unwrap();
    let sql = "SELECT line FROM audit WHERE action = ? ORDER BY sequence";
    let mut statement = main.prepare(sql).unwrap();
    let found = statement.query_map([action], |row| row.get::<_, String>(0));
    let found = found.unwrap();
    found
        .map(|line| serde_json::from_str(&line.unwrap()).unwrap())
        .collect()
}

pub(crate) async fn told(response: Response) -> (u16, Value) {
    let status = response.status().as_u16();
    (status, response.json().await.unwrap_or(Value::Null))
}

/// A workstation with its key.
pub(crate) struct TestPost {
    key: EcdsaKeyPair,
    pub(crate) id: String,
}

pub(crate) fn a_key() -> EcdsaKeyPair {
    let (rules, random) = (&ECDSA_P256_SHA256_FIXED_SIGNING, SystemRandom::new());
    let pkcs8 = EcdsaKeyPair::generate_pkcs8(rules, &random).unwrap();
    EcdsaKeyPair::from_pkcs8(rules, pkcs8.as_ref(), &random).unwrap()
}

fn signed(key: &EcdsaKeyPair, text: &[u8]) -> String {
    hex::encode(key.sign(&SystemRandom::new(), text).unwrap())
}

pub(crate) fn post_code(house: &House, name: &str) -> String {
    post_code_in(house, name, "owner")
}

/// A code for a post in the rooms of a body.
pub(crate) fn post_code_in(house: &House, name: &str, body: &str) -> String {
    let invite = PostInvite { name, body };
    let handed = at_console(house, |main, acting| {
        post_desk::invite(main, &invite, acting)
    });
    handed.unwrap().code.to_string()
}

pub(crate) async fn enrol(hub: &Served, key: &EcdsaKeyPair, code: &str) -> (u16, Value) {
    let body = json!({
        "code": code, "public_key": hex::encode(key.public_key()),
        "signature": signed(key, &enrolment_text(code)),
    });
    let request = hub.client.post(format!("{}/api/v1/posts", hub.url));
    told(request.json(&body).send().await.unwrap()).await
}

impl TestPost {
    pub(crate) async fn new(house: &House, hub: &Served, name: &str) -> Self {
        Self::with_code(hub, &post_code(house, name)).await
    }

    pub(crate) async fn with_code(hub: &Served, code: &str) -> Self {
        let key = a_key();
        let (status, answer) = enrol(hub, &key, code).await;
        assert_eq!(status, 201, "{answer}");
        let id = answer["post"].as_str().unwrap().to_owned();
        Self { key, id }
    }

    pub(crate) fn revoke(&self, house: &House) {
        at_console(house, |main, acting| {
            post_desk::revoke(main, &self.id, acting).unwrap();
        });
    }

    /// What it sends of a challenge, for somebody.
    pub(crate) fn proof_of(&self, challenge: &str, who: &str) -> Value {
        let signature = signed(&self.key, &proof_text(challenge, &self.id, who));
        json!({ "post": self.id, "challenge": challenge, "signature": signature })
    }

    pub(crate) async fn proof(&self, hub: &Served, who: &str) -> Value {
        self.proof_of(&challenge(hub).await, who)
    }
}

pub(crate) async fn challenge(hub: &Served) -> String {
    let url = format!("{}/api/v1/session/challenge", hub.url);
    let (status, answer) = told(hub.client.get(url).send().await.unwrap()).await;
    assert_eq!(status, 200, "{answer}");
    answer["challenge"].as_str().unwrap().to_owned()
}

/// A person with an account, and the session that their browser has.
pub(crate) struct TestPerson {
    pub(crate) user: String,
    pub(crate) secret: TotpSecret,
    pub(crate) cookie: String,
    pub(crate) mark: String,
    pub(crate) session: String,
}

/// Whether and how a request carries a session.
pub(crate) struct Carried<'a> {
    pub(crate) cookie: Option<&'a str>,
    pub(crate) mark: Option<&'a str>,
}

pub(crate) fn account_code(house: &House, user: &str, person: Option<&str>) -> String {
    let (user, key) = (user.parse().unwrap(), house.home.signing_key().unwrap());
    let invite = AccountInvite {
        user_name: &user,
        person,
    };
    let handed = at_console(house, |main, acting| {
        desk::invite(main, &key, &invite, acting)
    });
    handed.unwrap().code.to_string()
}

/// Appoints the person of an account for two years.
pub(crate) fn appoint(house: &House, user: &str, may: &[Permission]) {
    at_console(house, |main, acting| {
        let account = accounts::of_user(main, &user.parse().unwrap()).unwrap();
        let actor = actors::of_id(main, &account.unwrap().actor_id).unwrap();
        let wanted = WantedAppointment {
            name: actor.unwrap().name().to_owned(),
            body: BodyId::owner(),
            role: Role::Operator,
            may: Permissions::of(may),
            act: "Determina 7/2026 del Comandante".to_owned(),
            is_police: true,
            trained_on: None,
            from: acting.now,
            until: Some(acting.now + DAY * 730),
        };
        appointing::appoint(main, &wanted, acting).unwrap();
    });
}

/// Ends the appointments of the person of an account.
pub(crate) fn dismiss(house: &House, user: &str) {
    at_console(house, |main, acting| {
        let account = accounts::of_user(main, &user.parse().unwrap()).unwrap();
        let actor = actors::of_id(main, &account.unwrap().actor_id).unwrap();
        appointing::dismiss(main, actor.unwrap().name(), "trasferito", acting).unwrap();
    });
}

pub(crate) async fn post_json(hub: &Served, path: &str, body: &Value) -> Response {
    let request = hub.client.post(format!("{}{path}", hub.url));
    request.json(body).send().await.unwrap()
}

/// The cookie that an answer gives; none when it gives none.
pub(crate) fn cookie_of(response: &Response) -> Option<String> {
    let header = response.headers().get("set-cookie")?.to_str().unwrap();
    let value = header.strip_prefix("__Host-varco=").unwrap();
    Some(value.split(';').next().unwrap().to_owned())
}

impl TestPerson {
    /// Opens an account with its code: the first signing in.
    pub(crate) async fn open(hub: &Served, house: &House, code: &str, post: &TestPost) -> Self {
        let asked = post_json(hub, "/api/v1/openings/invitation", &json!({ "code": code })).await;
        let (status, answer) = told(asked).await;
        assert_eq!(status, 200, "{answer}");
        let secret = TotpSecret::from_base32(answer["secret"].as_str().unwrap()).unwrap();
        let body = json!({
            "code": code, "password": PASSWORD, "post": post.proof(hub, code).await,
            "digits": secret.digits_at(house.clock.now()).unwrap(),
        });
        let response = post_json(hub, "/api/v1/openings", &body).await;
        let cookie = cookie_of(&response);
        let (status, answer) = told(response).await;
        assert_eq!(status, 201, "{answer}");
        let text = |field: &str| answer[field].as_str().unwrap().to_owned();
        Self {
            user: text("user_name"),
            secret,
            cookie: cookie.unwrap(),
            mark: text("mark"),
            session: text("session"),
        }
    }

    /// A person who may do this, signed in from a post.
    pub(crate) async fn new(
        house: &House,
        hub: &Served,
        user: &str,
        may: &[Permission],
        post: &TestPost,
    ) -> Self {
        let code = account_code(house, user, Some(&format!("Agente {user}")));
        appoint(house, user, may);
        Self::open(hub, house, &code, post).await
    }

    pub(crate) fn digits(&self, house: &House) -> String {
        self.secret.digits_at(house.clock.now()).unwrap()
    }

    /// What the person types to sign in.
    pub(crate) fn typed(&self, house: &House) -> Value {
        json!({ "user_name": self.user, "password": PASSWORD, "code": self.digits(house) })
    }

    /// Signs in again, half a minute later: a step of the second factor is taken once.
    pub(crate) async fn sign_in(&mut self, house: &House, hub: &Served, post: &TestPost) {
        house.clock.advance(SECOND * 30);
        let mut typed = self.typed(house);
        typed["post"] = post.proof(hub, &self.user).await;
        let response = post_json(hub, "/api/v1/session", &typed).await;
        let cookie = cookie_of(&response);
        let (status, answer) = told(response).await;
        assert_eq!(status, 201, "{answer}");
        self.cookie = cookie.unwrap();
        self.mark = answer["mark"].as_str().unwrap().to_owned();
        self.session = answer["session"].as_str().unwrap().to_owned();
    }

    pub(crate) fn carried(&self) -> Carried<'_> {
        Carried {
            cookie: Some(&self.cookie),
            mark: Some(&self.mark),
        }
    }

    /// Asks something with the session.
    pub(crate) async fn ask(&self, hub: &Served, asked: &str, body: &Value) -> (u16, Value) {
        told(ask_with(hub, asked, body, &self.carried()).await).await
    }

    /// Looks a plate up with the session.
    pub(crate) async fn look_up(&self, hub: &Served) -> u16 {
        let grounds = crate::http::grounds();
        self.ask(hub, "POST /api/v1/lookups", &grounds).await.0
    }
}

/// Asks something with whatever of a session.
pub(crate) async fn ask_with(
    hub: &Served,
    asked: &str,
    body: &Value,
    carried: &Carried<'_>,
) -> Response {
    let (method, path) = asked.split_once(' ').unwrap();
    let method: Method = method.parse().unwrap();
    let mut request = hub.client.request(method, format!("{}{path}", hub.url));
    if let Some(cookie) = carried.cookie {
        request = request.header("cookie", format!("__Host-varco={cookie}"));
    }
    if let Some(mark) = carried.mark {
        request = request.header("x-varco-session", mark);
    }
    if !body.is_null() {
        request = request.json(body);
    }
    request.send().await.unwrap()
}
