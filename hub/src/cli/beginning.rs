//! `varco-hub begin`: from a new home to a first responsible person who signs in.

use std::io::Write;

use clap::Args;
use serde_json::json;

use super::console::Console;
use super::output::Output;
use crate::bodies::BodyId;
use crate::bodies::desk::{self as bodies, WantedBody};
use crate::home::Home;
use crate::hours::partition::Term;
use crate::municipalities::{Municipality, desk as municipal};
use crate::opening::init;
use crate::people::actors;
use crate::people::appointing::{self, WantedAppointment};
use crate::people::appointments::{self, Role};
use crate::people::tokens::{Permission, Permissions};
use crate::signing::desk::{self as signing, AccountInvite};
use crate::signing::post_desk::{self, PostInvite};
use crate::signing::user_name::UserName;
use crate::store::sql::Connection;

/// What a responsible person may do from the beginning: all but looking for vehicles that travel together, which an
/// act names where it is wanted.
const TASKS: [Permission; 8] = [
    Permission::Lookups,
    Permission::Alerts,
    Permission::Hotlists,
    Permission::Statistics,
    Permission::Cases,
    Permission::Oversight,
    Permission::Persons,
    Permission::Admission,
];

/// `begin`.
#[derive(Debug, Args)]
pub struct Begin {
    /// The municipality whose police runs this hub, as people write it.
    #[arg(long, value_name = "NAME")]
    pub municipality: Municipality,
    /// Who answers for it, as lines name them: 'Comm. Maria Verdi'.
    #[arg(long, value_name = "NAME")]
    pub responsible: String,
    /// The act that appoints them: its number, date and office.
    #[arg(long, value_name = "ACT")]
    pub act: String,
    /// The user name with which they sign in.
    #[arg(long, value_name = "USER")]
    pub user: UserName,
    /// They are an officer or agent of Judicial Police; nobody else looks transits up.
    #[arg(long)]
    pub judicial_police: bool,
    /// The police's own name [default: Polizia Locale di NAME]
    #[arg(long, value_name = "NAME")]
    pub police: Option<String>,
    /// The workstation from which they sign in.
    #[arg(long, value_name = "NAME", default_value = "Sala operativa 1")]
    pub post: String,
}

/// Makes them.
///
/// # Errors
/// What is wrong, and what to do. What was done before it stays, and may be done again.
pub(super) fn begin(
    home: &Home,
    asked: Begin,
    output: Output,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    let (mut main, console) = Console::open(home)?;
    let acting = console.acting();
    expect_a_beginning(&main, &asked.responsible)?;
    let owner = BodyId::owner();
    municipal::set(&mut main, &asked.municipality, Term::WHOLE, None, &acting)?;
    let wanted = WantedBody {
        id: owner.clone(),
        name: asked
            .police
            .unwrap_or_else(|| format!("Polizia Locale di {}", asked.municipality)),
        kind: None,
        municipality: Some(asked.municipality.to_string()),
    };
    let police = bodies::set(&mut main, &wanted, &acting)?;
    let wanted = WantedAppointment {
        name: asked.responsible.clone(),
        body: owner.clone(),
        role: Role::Responsible,
        may: Permissions::of(&TASKS),
        act: asked.act,
        is_police: asked.judicial_police,
        trained_on: None,
        from: acting.now,
        until: None,
    };
    let actor = appointing::appoint(&mut main, &wanted, &acting)?;
    let invite = AccountInvite {
        user_name: &asked.user,
        person: Some(actor.name()),
    };
    let account = signing::invite(&mut main, &home.signing_key()?, &invite, &acting)?;
    let invite = PostInvite {
        name: &asked.post,
        body: owner.as_str(),
    };
    let post = post_desk::invite(&mut main, &invite, &acting)?;
    let url = init::url_of(home.config()?.listen);
    let what = json!({
        "body": police.name, "municipality": asked.municipality, "responsible": actor.name(),
        "user_name": asked.user.as_str(), "url": url,
        "post": { "name": asked.post, "code": post.code.as_str(), "ends_at": post.ends_at },
        "account": { "code": account.code.as_str(), "ends_at": account.ends_at },
    });
    let police_hint = if asked.judicial_police {
        ""
    } else {
        "\nWithout --judicial-police they look no transit up; say so and begin again if they may."
    };
    let said = format!(
        "{person} answers for {body}. With the hub and its broker running, at the workstation \"{post_name}\":\n\
         1. Let its browser trust {authority}, and open {url}\n\
         2. \"Registra questa postazione\", with the code    {post_code}\n\
         3. \"Ho un codice di invito\", with the code        {account_code}\n\
         \x20  It asks for a password and shows a picture for the telephone's app.\n\
         4. Sign in as {user} with password and the app's six digits, and look a plate up.\n\
         The codes are shown once and hold until {ends}.{police_hint}",
        person = actor.name(),
        body = police.name,
        post_name = asked.post,
        authority = home.authority_certificate().display(),
        post_code = post.code,
        account_code = account.code,
        user = asked.user,
        ends = account.ends_at,
    );
    output.done(out, &what, &said)?;
    Ok(())
}

/// Nobody else answers for the hub's own body already.
fn expect_a_beginning(main: &Connection, name: &str) -> anyhow::Result<()> {
    let held = appointments::all(main)?.into_iter().find(|held| {
        held.role == Role::Responsible && held.body == BodyId::owner() && held.ended_at.is_none()
    });
    let Some(held) = held else {
        return Ok(());
    };
    let actor = actors::of_id(main, &held.actor_id)?;
    let known = actor.map_or_else(|| held.actor_id.clone(), |actor| actor.name().to_owned());
    anyhow::ensure!(
        known.to_lowercase() == name.trim().to_lowercase(),
        "{known} answers for this hub already, by {}; appoint others with `varco-hub person appoint`, or dismiss \
         them first with `varco-hub person dismiss`",
        held.act
    );
    Ok(())
}
