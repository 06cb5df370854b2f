//! `varco-hub hotlist` and `varco-hub webhook`.

use std::io::Write;
use std::path::PathBuf;

use anyhow::bail;
use clap::{Args, Subcommand};
use serde_json::json;

use super::clock::time_of;
use super::output::Output;
use super::plates::{self, HotlistImport, PlateCommand};
use crate::alerts::desk as alerts;
use crate::alerts::webhook::{self, NewWebhook, WebhookTells};
use crate::audit::acting::Acting;
use crate::audit::actor::Actor;
use crate::bodies::{self, BodyId};
use crate::home::Home;
use crate::hotlists::desk::{self};
use crate::hotlists::list::ListId;
use crate::machine::files;
use crate::policy::world::WorldRead;
use crate::web::grounds::{self, GroundsRequest};
use crate::web::hotlists::{HotlistRequest, views};

/// `hotlist`.
#[derive(Debug, Subcommand)]
pub enum HotlistCommand {
    /// Make a hotlist, without plates yet. Its id is never used again.
    Add(Box<HotlistAdd>),
    /// Put the plates of a file in the place of all that the hotlist has, and account for each row.
    ///
    /// Columns are found by their headings, in Italian, English, German, French or Spanish, and those
    /// of other systems: targa or plate, nazione, motivo or note, dal, al or scadenza; --map
    /// says it for others. A running hub waits for the new plates from its next batch on, for more
    /// than a few thousand of them within some seconds.
    Import(Box<HotlistImport>),
    /// Put one plate on a hotlist, change what it says of it, or take it off.
    Plate {
        /// Which.
        #[command(subcommand)]
        command: PlateCommand,
    },
    /// List the hotlists, without their plates.
    List,
    /// Close a hotlist for good and destroy its plates.
    Close {
        /// The hotlist.
        id: ListId,
    },
}

/// `hotlist add`.
#[derive(Debug, Args)]
pub struct HotlistAdd {
    /// Its id: 1 to 64 of a-z, 0-9 and '-'.
    pub id: ListId,
    /// As people call it.
    #[arg(long)]
    pub name: String,
    /// Why the vehicles are waited for.
    #[arg(long)]
    pub reason: String,
    /// The office that answers for it.
    #[arg(long)]
    pub owner: String,
    /// public-safety, urban-security, emergency, heritage, area-control, monuments, events, traffic,
    /// vulnerable-people or sanction; one that the body's gates are for (`varco-hub purpose list`).
    #[arg(long)]
    pub purpose: String,
    /// Reference of the case or request.
    #[arg(long, value_name = "REFERENCE")]
    pub case: String,
    /// 0 to 100, 100 the most urgent.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u8).range(0..=100))]
    pub priority: u8,
    /// Raise alerts too for plates that may have been misread.
    #[arg(long)]
    pub near: bool,
    /// First moment, RFC 3339 [default: now]
    #[arg(long, value_name = "TIME")]
    pub from: Option<String>,
    /// End, RFC 3339; at most 366 days on.
    #[arg(long, value_name = "TIME")]
    pub to: String,
    /// Actor who sees its alerts; may be given several times. Whoever may see alerts when left out.
    #[arg(long, value_name = "ACTOR")]
    pub seen_by: Vec<String>,
    /// The body whose list it is.
    #[arg(long, value_name = "BODY", default_value = "owner")]
    pub body: BodyId,
}

/// `webhook`.
#[derive(Debug, Subcommand)]
pub enum WebhookCommand {
    /// Tell a system of alerts or anomalies over HTTPS. Prints once the secret that signs what it
    /// gets.
    ///
    /// Messages and signatures are those of the Standard Webhooks specification.
    Add {
        /// Its name: 1 to 64 of a-z, 0-9 and '-'.
        id: String,
        /// Where it listens: https://…
        #[arg(long)]
        url: String,
        /// The authority of its certificate, PEM [default: those that the system believes]
        #[arg(long, value_name = "FILE")]
        ca: Option<PathBuf>,
        /// Only alerts of this hotlist; may be given several times.
        #[arg(long, value_name = "ID")]
        list: Vec<ListId>,
        /// What it is told of: alerts, or anomalies of boxes and gates; may be given twice.
        #[arg(long, value_name = "WHAT", default_value = "alerts")]
        tell: Vec<WebhookTells>,
        /// The body whose system it is: it is told what that body may see.
        #[arg(long, value_name = "BODY", default_value = "owner")]
        body: BodyId,
    },
    /// List the systems that are told, whether they take it, and how many messages wait for each.
    List,
    /// Try a system again at once that is failing, parked or gone.
    ///
    /// One that took nothing for a day is parked: it is tried once an hour. One that answered 410 is
    /// gone: nothing is queued for it any more.
    Resume {
        /// Its name.
        id: String,
    },
    /// Tell a system no more.
    Remove {
        /// Its name.
        id: String,
    },
}

/// Makes, fills, lists or closes a hotlist.
///
/// # Errors
/// What is wrong, and what to do.
pub fn hotlist(
    home: &Home,
    command: HotlistCommand,
    output: Output,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    home.expect()?;
    let now = time_of(home)?.kept();
    let mut main = home.open_main()?;
    let key = home.sealing_key()?;
    let acting = Acting {
        actor: &Actor::console(),
        now,
        key: &key,
    };
    match command {
        HotlistCommand::Add(add) => {
            let body = bodies::find(&main, &add.body)?.filter(|body| body.holds());
            let Some(body) = body else {
                bail!(
                    "there is no body `{}`; `varco-hub body list` shows those there are",
                    add.body
                );
            };
            let list = request(*add).check(acting.actor, &body, now);
            let list = list.map_err(|error| anyhow::anyhow!(error.what_to_do()))?;
            grounds::allow_body(&WorldRead::at(&main, now)?.world, &body, &list.grounds)?;
            desk::make(&mut main, &home.list_keys()?, &list, &acting)?;
            let said = format!("made; now `varco-hub hotlist import {} FILE`", list.id);
            output.done(out, &json!({ "list": list.id }), &said)?;
        }
        HotlistCommand::Import(order) => {
            plates::import(home, &mut main, &acting, *order, output, out)?;
        }
        HotlistCommand::Plate { command } => {
            plates::change(home, &mut main, &acting, command, output, out)?;
        }
        HotlistCommand::List => output.hotlists(out, &views(&main, acting.actor, now)?)?,
        HotlistCommand::Close { id } => {
            desk::close(&mut main, &home.list_keys()?, &id, &acting)?;
            let said = "closed for good; its plates are destroyed";
            output.done(out, &json!({ "list": id }), said)?;
        }
    }
    Ok(())
}

fn request(add: HotlistAdd) -> HotlistRequest {
    HotlistRequest {
        id: add.id.to_string(),
        name: add.name,
        reason: add.reason,
        owner: add.owner,
        grounds: GroundsRequest::written(add.purpose, add.case),
        priority: Some(add.priority),
        near: add.near,
        valid_from: add.from,
        valid_to: add.to,
        seen_by: add.seen_by,
    }
}

/// Adds, lists or removes a webhook.
///
/// # Errors
/// What is wrong, and what to do.
pub fn webhook(
    home: &Home,
    command: WebhookCommand,
    output: Output,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    home.expect()?;
    let acting = Acting {
        actor: &Actor::console(),
        now: time_of(home)?.kept(),
        key: &*home.sealing_key()?,
    };
    match command {
        WebhookCommand::Add {
            id,
            url,
            ca,
            list,
            tell,
            body,
        } => {
            let authority = ca.map(|file| files::read_text(&file)).transpose()?;
            let secret_key = home.webhook_key()?;
            let new = NewWebhook {
                id: &id,
                url: &url,
                authority: authority.as_deref(),
                lists: &list,
                body: &body,
            };
            let secret = alerts::make(&mut home.open_main()?, &secret_key, new, &tell, &acting)?;
            let said =
                format!("made; its messages are signed with this secret, shown once:\n{secret}");
            output.done(out, &json!({ "webhook": id, "secret": secret }), &said)?;
        }
        WebhookCommand::List => output.webhooks(out, &webhook::all(&home.open_main()?)?)?,
        WebhookCommand::Resume { id } => {
            alerts::resume(&mut home.open_main()?, &id, &acting)?;
            output.done(out, &json!({ "webhook": id }), "it is tried again")?;
        }
        WebhookCommand::Remove { id } => {
            alerts::remove(&mut home.open_main()?, &id, &acting)?;
            output.done(out, &json!({ "webhook": id }), "removed")?;
        }
    }
    Ok(())
}
