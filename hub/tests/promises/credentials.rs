//! What lets the callers of the tests in: a person's session, begun through the library as signing in does it, and a
//! system's token.

use std::time::Duration;

use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use varco_hub::audit::acting::Acting;
use varco_hub::audit::actor::Actor;
use varco_hub::audit::purpose::Purpose;
use varco_hub::bodies::BodyId;
use varco_hub::people::actors;
use varco_hub::people::appointing::{self, WantedAppointment};
use varco_hub::people::appointments::{self, Appointment, Role};
use varco_hub::people::desk::{self as people, WantedToken};
use varco_hub::people::tokens::{Permission, Permissions, TokenBounds};
use varco_hub::signing::accounts::{self, PersonAccount};
use varco_hub::signing::desk::{self as signing, AccountInvite};
use varco_hub::signing::opening::{self, OpeningRequest};
use varco_hub::signing::post_desk::{self, PostEnrolment, PostInvite, enrolment_text};
use varco_hub::signing::posts::{self, Post};
use varco_hub::signing::sign_in::{self, Entrance, SessionTerms, Typed};
use varco_hub::signing::totp::TotpSecret;
use varco_hub::store::sql::Connection;
use varco_hub::timekeeping::Clock as _;
use varco_hub::web::signing_desk::SigningDesk;
use varco_proto::ids::Digest;
use varco_proto::time::UtcTime;

use crate::support::House;

const PASSWORD: &str = "cavallo graffetta batteria";
/// How long these sessions last: the tests move the clock by days. What a session's own terms do has its own tests.
const TERMS: SessionTerms = SessionTerms {
    idle: Duration::from_secs(400 * 86_400),
    longest: Duration::from_secs(400 * 86_400),
    post_required: true,
};
/// Seconds of one step of the second factor.
const STEP_S: u64 = 30;

/// A request that carries what lets its caller in.
pub(crate) trait Carrying {
    /// With a session (its cookie and its mark, with a colon between), or a system's token.
    fn carrying(self, credential: impl AsRef<str>) -> Self;
}

impl Carrying for reqwest::RequestBuilder {
    fn carrying(self, credential: impl AsRef<str>) -> Self {
        match credential.as_ref().split_once(':') {
            Some((cookie, mark)) => self
                .header("cookie", format!("__Host-varco={cookie}"))
                .header("x-varco-session", mark),
            None => self.bearer_auth(credential.as_ref()),
        }
    }
}

/// A session of a person of whoever runs the hub, who may do this.
#[allow(dead_code, reason = "not every test program needs it")]
pub(crate) fn token_of(house: &House, name: &str, may: &[Permission]) -> String {
    token_for(house, name, None, may)
}

/// A session of a person who works for a body, at a post in its rooms.
///
/// They are appointed unless an act gives them these
/// tasks: as an operator of Judicial Police, or, where a task is no operator's, as whoever has it.
pub(crate) fn token_for(
    house: &House,
    name: &str,
    body: Option<&str>,
    may: &[Permission],
) -> String {
    let (key, now) = (house.home.sealing_key().unwrap(), house.clock.now());
    let acting = Acting {
        actor: &Actor::console(),
        now,
        key: &key,
    };
    let mut main = house.home.open_main().unwrap();
    let held = held(&main, name, now);
    let body: Option<BodyId> = body.map(|body| body.parse().unwrap());
    let gives = |held: &Appointment| {
        body.as_ref().is_none_or(|body| *body == held.body)
            && may.iter().all(|task| held.may.has(*task))
    };
    if !held.as_ref().is_some_and(gives) {
        let body = body.or(held.as_ref().map(|held| held.body.clone()));
        let body = body.unwrap_or_else(BodyId::owner);
        let role = held.map_or_else(|| role_for(&main, &body, may, now), |held| held.role);
        let wanted = WantedAppointment {
            name: name.to_owned(),
            body,
            role,
            may: Permissions::of(may),
            act: "Decreto 1/2026 del Sindaco".to_owned(),
            is_police: true,
            trained_on: None,
            from: now,
            until: None,
        };
        appointing::appoint(&mut main, &wanted, &acting).unwrap();
    }
    session_of(house, &mut main, name, &acting)
}

/// A session of a person whom an act appoints.
#[allow(dead_code, reason = "not every test program needs it")]
pub(crate) fn session_for(house: &House, name: &str) -> String {
    let key = house.home.sealing_key().unwrap();
    let acting = Acting {
        actor: &Actor::console(),
        now: house.clock.now(),
        key: &key,
    };
    session_of(house, &mut house.home.open_main().unwrap(), name, &acting)
}

/// The token of a system of whoever runs the hub, for the regulation's nine purposes and a month.
#[allow(dead_code, reason = "not every test program needs it")]
pub(crate) fn system_token(house: &House, name: &str, may: &[Permission]) -> String {
    let wanted = WantedToken {
        name,
        body: None,
        may: &Permissions::of(may),
        bounds: &TokenBounds::of(&Purpose::REGULATION),
        valid: Duration::from_secs(30 * 86_400),
    };
    let (key, now) = (house.home.sealing_key().unwrap(), house.clock.now());
    let mut main = house.home.open_main().unwrap();
    people::issue(&mut main, &wanted, &key, now).unwrap().token
}

fn held(main: &Connection, name: &str, now: UtcTime) -> Option<Appointment> {
    let actor = actors::of_name(main, name).unwrap()?;
    appointments::of(main, actor.id(), now).unwrap()
}

fn role_for(main: &Connection, body: &BodyId, may: &[Permission], now: UtcTime) -> Role {
    let of_others = [
        Permission::Oversight,
        Permission::Persons,
        Permission::Admission,
    ];
    match may {
        may if !may.iter().any(|task| of_others.contains(task)) => Role::Operator,
        [Permission::Oversight] => Role::Oversight,
        // One answers for a body, and no two.
        _ if appointments::responsible(main, body, now)
            .unwrap()
            .is_some() =>
        {
            Role::DutyOfficer
        }
        _ => Role::Responsible,
    }
}

fn session_of(house: &House, main: &mut Connection, name: &str, acting: &Acting<'_>) -> String {
    let held = held(main, name, acting.now).expect("an act appoints whoever signs in");
    let post = post_in(main, held.body.as_str(), acting);
    let entrance = Entrance {
        post: Some(&post),
        address: None,
        terms: &TERMS,
        before: None,
        passkey: None,
    };
    let begun = match accounts::of_actor(main, &held.actor_id).unwrap() {
        Some(account) => sign_in(house, main, &account, &entrance, acting),
        None => open(house, main, name, &entrance, acting),
    };
    let config = house.home.config().unwrap().signing;
    let desk = SigningDesk::new(house.home.signing_key().unwrap(), &config).unwrap();
    format!("{begun}:{}", desk.mark(&begun))
}

/// The post in the rooms of a body, enrolled when there is none.
fn post_in(main: &mut Connection, body: &str, acting: &Acting<'_>) -> Post {
    let name = format!("Postazione di prova ({body})");
    if let Some(post) = posts::of_name(main, &name).unwrap() {
        return post;
    }
    let invite = PostInvite { name: &name, body };
    let code = post_desk::invite(main, &invite, acting).unwrap().code;
    let (rules, random) = (&ECDSA_P256_SHA256_FIXED_SIGNING, SystemRandom::new());
    let pkcs8 = EcdsaKeyPair::generate_pkcs8(rules, &random).unwrap();
    let key = EcdsaKeyPair::from_pkcs8(rules, pkcs8.as_ref(), &random).unwrap();
    let signature = key.sign(&random, &enrolment_text(code.as_str())).unwrap();
    let asked = PostEnrolment {
        code: code.to_string(),
        public_key: key.public_key().as_ref().to_vec(),
        signature: signature.as_ref().to_vec(),
    };
    post_desk::enrol(main, &asked, acting).unwrap();
    posts::of_name(main, &name).unwrap().unwrap()
}

/// Opens a person's account with its code, which is the first signing in; gives the cookie.
fn open(
    house: &House,
    main: &mut Connection,
    name: &str,
    entrance: &Entrance<'_>,
    acting: &Acting<'_>,
) -> String {
    let key = house.home.signing_key().unwrap();
    let digest = Digest::of(name.to_lowercase().as_bytes()).to_string();
    let user_name = format!("p{}", &digest[..12]).parse().unwrap();
    let invite = AccountInvite {
        user_name: &user_name,
        person: Some(name),
    };
    let code = signing::invite(main, &key, &invite, acting).unwrap().code;
    let shown = opening::show(main, &key, code.as_str(), acting.now).unwrap();
    let secret = TotpSecret::from_base32(&shown.secret).unwrap();
    let asked = OpeningRequest {
        code: code.to_string(),
        password: PASSWORD.to_owned(),
        digits: secret.digits_at(acting.now).unwrap(),
    };
    let ready = opening::prepare(main, &key, &asked, acting.now).unwrap();
    opening::open(main, &ready, entrance, acting)
        .unwrap()
        .cookie
}

/// Signs a person in whose account is open; gives the cookie.
fn sign_in(
    house: &House,
    main: &mut Connection,
    account: &PersonAccount,
    entrance: &Entrance<'_>,
    acting: &Acting<'_>,
) -> String {
    let key = house.home.signing_key().unwrap();
    let credentials = account.credentials.as_ref().unwrap();
    let secret = TotpSecret::open(&key, &account.id, &credentials.second_factor).unwrap();
    // Each step of the second factor is taken once, and the clock of a test stands.
    let next =
        UtcTime::from_unix_us(i64::try_from((account.last_step + 1) * STEP_S).unwrap() * 1_000_000);
    let at = next.max(acting.now);
    let typed = Typed {
        user_name: account.user_name.to_string(),
        password: PASSWORD.to_owned(),
        digits: secret.digits_at(at).unwrap(),
    };
    let recognised = sign_in::recognise(main, &key, &typed, at).unwrap();
    sign_in::let_in(main, &recognised, entrance, acting)
        .unwrap()
        .cookie
}
