//! What it takes to know a caller and the gates within their reach, as each request does before it is answered.

use std::time::Duration;

use anyhow::Context as _;

use super::fill::{self, Filled};
use super::{BenchSettings, Quantiles};
use crate::agreements::desk::{self as agreements, WantedAgreement};
use crate::audit::acting::Acting;
use crate::audit::actor::Actor;
use crate::audit::purpose::Purpose;
use crate::bodies::desk::{self as bodies, WantedBody};
use crate::bodies::{BodyId, BodyKind};
use crate::hours::partition::Term;
use crate::machine::stopwatch::Stopwatch;
use crate::municipalities::{Municipality, desk as municipal};
use crate::people::actors;
use crate::people::appointing::{self, WantedAppointment};
use crate::people::appointments::Role;
use crate::people::permissions::{Permission, Permissions};
use crate::policy::Deed;
use crate::policy::caller::Caller;
use crate::policy::rights::Rights;
use crate::signing::desk::{self, AccountInvite};
use crate::signing::opening::{self, OpeningRequest};
use crate::signing::sessions::{self, SessionShown};
use crate::signing::sign_in::{Entrance, SessionTerms};
use crate::signing::totp::TotpSecret;
use crate::store::pool::ConnectionPool;
use crate::store::sql::Connection;

/// Municipalities that share, each with as many gates.
const MUNICIPALITIES: u32 = 20;
const GATES_OF_EACH: u32 = 10;
const DAY: Duration = Duration::from_secs(86_400);

/// Transits of the home that is made for it: what it measures reads none.
const ROWS: u64 = 1000;

/// From the session's cookie to the reach, with a connection of its pool's, as a request has: a Questura that may see what each of
/// twenty municipalities gives by an agreement of its own. In a home of its own: these municipalities would weigh on
/// whatever is measured afterwards.
pub(super) fn authorising(settings: &BenchSettings) -> anyhow::Result<Quantiles> {
    let folder = super::fill_folder(settings)?;
    let few = BenchSettings {
        rows: ROWS,
        ..settings.clone()
    };
    let filled = &fill::fill(folder.path(), &few)?;
    let cookie = consortium(filled)?;
    let rights = Rights::built_in()?;
    let pool = ConnectionPool::of(&filled.home.main_database());
    let mut times = Vec::new();
    for _ in 0..settings.lookups {
        let begun = Stopwatch::start();
        let main = pool.take()?;
        let SessionShown::Holds(known) = sessions::shown(&main, &cookie, filled.now)? else {
            anyhow::bail!("the session does not hold");
        };
        let actor = actors::of_id(&main, &known.actor_id)?;
        let actor = actor.context("nobody has the session")?;
        let caller = Caller::by_session(&main, &actor, filled.now)?;
        let caller = Caller {
            at_post: true,
            ..caller.context("no act appoints whoever has the session")?
        };
        anyhow::ensure!(rights.may_try(&caller, Deed::LookUp)?, "it may not look up");
        let world = rights.world(&main, filled.now)?;
        let reach = rights.reach(&caller, Deed::LookUp, Some(Purpose::PublicSafety), &world)?;
        times.push(begun.elapsed());
        let last = gate(MUNICIPALITIES - 1, GATES_OF_EACH - 1).parse()?;
        anyhow::ensure!(reach.has(&last, filled.now), "it sees what is shared");
    }
    Ok(Quantiles::of(times))
}

fn gate(municipality: u32, number: u32) -> String {
    format!("varco-{municipality}-{number}")
}

/// Municipalities, a Questura and its agreements; gives the cookie of somebody of the Questura.
fn consortium(filled: &Filled) -> anyhow::Result<String> {
    let (mut main, key) = (filled.home.open_main()?, filled.home.sealing_key()?);
    let acting = Acting {
        actor: &Actor::console(),
        now: filled.now,
        key: &key,
    };
    let questura: BodyId = "questura".parse()?;
    let wanted = WantedBody {
        id: questura.clone(),
        name: "Questura".to_owned(),
        kind: Some(BodyKind::StatePolice),
        municipality: None,
    };
    bodies::set(&mut main, &wanted, &acting)?;
    for number in 0..MUNICIPALITIES {
        share(&mut main, number, &questura, &acting)?;
    }
    sign_in(&mut main, filled, &questura, &acting)
}

/// Somebody of the Questura signs in; gives the cookie.
fn sign_in(
    main: &mut Connection,
    filled: &Filled,
    questura: &BodyId,
    acting: &Acting<'_>,
) -> anyhow::Result<String> {
    let wanted = WantedAppointment {
        name: "bench".to_owned(),
        body: questura.clone(),
        role: Role::Operator,
        may: Permissions::of(&[Permission::Lookups]),
        act: "bench".to_owned(),
        is_police: true,
        trained_on: None,
        from: acting.now,
        until: None,
    };
    appointing::appoint(main, &wanted, acting)?;
    let sealing = filled.home.signing_key()?;
    let user_name = "bench".parse()?;
    let invite = AccountInvite {
        user_name: &user_name,
        person: Some("bench"),
    };
    let code = desk::invite(main, &sealing, &invite, acting)?.code;
    let shown = opening::show(main, &sealing, code.as_str(), acting.now)?;
    let secret = TotpSecret::from_base32(&shown.secret).context("no second factor")?;
    let asked = OpeningRequest {
        code: code.to_string(),
        password: "banco di prova misura".to_owned(),
        digits: secret.digits_at(acting.now).context("no digits")?,
    };
    let ready = opening::prepare(main, &sealing, &asked, acting.now)?;
    let terms = SessionTerms {
        idle: DAY,
        longest: DAY,
        post_required: false,
    };
    let entrance = Entrance {
        post: None,
        address: None,
        terms: &terms,
        before: None,
        passkey: None,
    };
    Ok(opening::open(main, &ready, &entrance, acting)?.cookie)
}

fn share(
    main: &mut Connection,
    number: u32,
    questura: &BodyId,
    acting: &Acting<'_>,
) -> anyhow::Result<()> {
    let name: Municipality = format!("Comune {number}").parse()?;
    municipal::set(main, &name, Term::WHOLE, None, acting)?;
    for of in 0..GATES_OF_EACH {
        municipal::give(main, &gate(number, of).parse()?, Some(&name), acting)?;
    }
    let wanted = WantedAgreement {
        id: format!("patto-{number}").parse()?,
        title: format!("Patto {number}"),
        legal_basis: "L. 48/2017".to_owned(),
        lead: name.clone(),
        purposes: [Purpose::PublicSafety].into(),
        may: Permissions::of(&[Permission::Lookups]),
        admission: false,
        from: acting.now,
        until: acting.now + DAY * 365,
        givers: [name].into(),
        receivers: [questura.clone()].into(),
        gates: [].into(),
    };
    agreements::make(main, &wanted, acting)?;
    Ok(())
}
