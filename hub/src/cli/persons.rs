//! `varco-hub body` and `varco-hub person`: offices, and the persons whom an act appoints.

use std::io::Write;

use clap::{Args, Subcommand};
use serde_json::json;
use varco_proto::time::UtcTime;

use super::console::Console;
use super::output::{Output, json, table};
use crate::bodies::desk::{self as bodies_desk, WantedBody};
use crate::bodies::reference::ReferenceForm;
use crate::bodies::{self, Body, BodyId, BodyKind};
use crate::home::Home;
use crate::people::actors;
use crate::people::appointing::{self, WantedAppointment};
use crate::people::appointments::{self, Role};
use crate::people::tokens::{Permission, Permissions};
use crate::store::sql::Connection;

/// `body`.
#[derive(Debug, Subcommand)]
pub enum BodyCommand {
    /// Name a body, or change the name and municipality of one that there is.
    ///
    /// `owner` is the body that runs the hub: give it its name and municipality first.
    Set(BodySet),
    /// Say how a body writes the references of its cases; a search under another is refused.
    ReferenceForm {
        /// Its id.
        id: BodyId,
        /// As PL/####/YYYY: # a digit, #+ digits, @ a letter, @+ letters, YYYY a year, all else as it stands, and
        /// ' | ' between two forms.
        #[arg(required_unless_present = "any")]
        form: Option<ReferenceForm>,
        /// Any reference will do.
        #[arg(long, conflicts_with = "form")]
        any: bool,
    },
    /// End a body: its people and systems may nothing from now on.
    End {
        /// Its id.
        id: BodyId,
    },
    /// List the bodies.
    List,
}

/// `body set`.
#[derive(Debug, Args)]
pub struct BodySet {
    /// Its id, for good: 1 to 64 of a-z, 0-9 and '-'.
    pub id: BodyId,
    /// As people call it: 'Questura di Perugia'.
    #[arg(long)]
    pub name: String,
    /// municipality, local-police, state-police, carabinieri, finance-police, prosecutor, prefecture or
    /// maintenance; needed for a new one.
    #[arg(long, value_name = "KIND")]
    pub kind: Option<BodyKind>,
    /// Whose it is, for a municipality's own: name or ISTAT code.
    #[arg(long, value_name = "NAME")]
    pub municipality: Option<String>,
}

/// `person`.
#[derive(Debug, Subcommand)]
pub enum PersonCommand {
    /// Appoint a person for a body, as what and for which tasks the act says. It ends their appointment before.
    Appoint(Box<PersonAppoint>),
    /// End a person's appointment: from now on they may nothing.
    Dismiss {
        /// Whom.
        name: String,
        /// Why: transferred, retired, the act that ends it.
        #[arg(long)]
        why: String,
    },
    /// List the persons and their appointments.
    List,
}

/// `person appoint`.
#[derive(Debug, Args)]
pub struct PersonAppoint {
    /// As lines name them: 'Isp. Maria Bianchi'. One name is one person for good.
    pub name: String,
    /// For which body.
    #[arg(long, value_name = "ID")]
    pub body: BodyId,
    /// responsible, duty-officer, operator, guard-corps, oversight, administrator or maintenance.
    #[arg(long)]
    pub role: Role,
    /// The act: its number, date and office.
    #[arg(long)]
    pub act: String,
    /// A task that the act names; may be given several times: lookups, alerts, hotlists, statistics, edges,
    /// convoys, cases, oversight, persons, admission.
    #[arg(long, value_name = "TASK", required = true)]
    pub may: Vec<Permission>,
    /// They are an officer or agent of Judicial Police (art. 57 of the code of criminal procedure).
    #[arg(long)]
    pub judicial_police: bool,
    /// The day of their last training, YYYY-MM-DD.
    #[arg(long, value_name = "DAY")]
    pub trained_on: Option<String>,
    /// From when, RFC 3339 [default: now]
    #[arg(long, value_name = "TIME")]
    pub from: Option<UtcTime>,
    /// Of a new responsible person: whose place they take, whose appointment ends with it.
    #[arg(long, value_name = "NAME")]
    pub in_place_of: Option<String>,
    /// Until when, RFC 3339 [default: until they are dismissed]
    #[arg(long, value_name = "TIME")]
    pub until: Option<UtcTime>,
}

/// Names, ends or lists bodies.
///
/// # Errors
/// What is wrong, and what to do.
pub(super) fn body(
    home: &Home,
    command: BodyCommand,
    output: Output,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    let (mut main, console) = Console::open(home)?;
    let acting = console.acting();
    match command {
        BodyCommand::Set(asked) => {
            let wanted = WantedBody {
                id: asked.id,
                name: asked.name,
                kind: asked.kind,
                municipality: asked.municipality,
            };
            let body = bodies_desk::set(&mut main, &wanted, &acting)?;
            let said = format!("{}: {}, {}", body.id, body.name, body.kind.as_str());
            output.done(out, &body_json(&body), &said)?;
        }
        BodyCommand::ReferenceForm { id, form, .. } => {
            let form = form.as_ref();
            let body = bodies_desk::set_reference_form(&mut main, &id, form, &acting)?;
            let said = match &body.reference_form {
                Some(form) => format!("{} writes its references as {form}", body.name),
                None => format!("{} writes its references as it likes", body.name),
            };
            output.done(out, &body_json(&body), &said)?;
        }
        BodyCommand::End { id } => {
            let body = bodies_desk::end(&mut main, &id, &acting)?;
            let said = format!(
                "{} has ended: its people and systems may nothing",
                body.name
            );
            output.done(out, &body_json(&body), &said)?;
        }
        BodyCommand::List => list_bodies(&main, output, out)?,
    }
    Ok(())
}

fn body_json(body: &Body) -> serde_json::Value {
    json!({
        "body": body.id, "name": body.name, "kind": body.kind.as_str(),
        "municipality": body.municipality, "is_owner": body.is_owner, "ended_at": body.ended_at,
        "reference_form": body.reference_form.as_ref().map(ToString::to_string),
    })
}

fn list_bodies(main: &Connection, output: Output, out: &mut impl Write) -> anyhow::Result<()> {
    let all = bodies::all(main)?;
    if output.json {
        let rows: Vec<_> = all.values().map(body_json).collect();
        return Ok(json(out, &json!({ "bodies": rows }))?);
    }
    let mut shown = table(&["id", "name", "kind", "municipality", "state"]);
    for body in all.into_values() {
        let state = match (body.ended_at, body.is_owner) {
            (Some(at), _) => format!("ended {at}"),
            (None, true) => "runs the hub".to_owned(),
            (None, false) => "holds".to_owned(),
        };
        let municipality = body
            .municipality
            .map_or_else(|| "–".to_owned(), String::from);
        let kind = body.kind.as_str().to_owned();
        shown.add_row([body.id.to_string(), body.name, kind, municipality, state]);
    }
    writeln!(out, "{shown}")?;
    Ok(())
}

/// Appoints, dismisses or lists persons.
///
/// # Errors
/// What is wrong, and what to do.
pub(super) fn person(
    home: &Home,
    command: PersonCommand,
    output: Output,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    let (mut main, console) = Console::open(home)?;
    let acting = console.acting();
    match command {
        PersonCommand::Appoint(asked) => {
            let wanted = WantedAppointment {
                name: asked.name,
                body: asked.body,
                role: asked.role,
                may: Permissions::of(&asked.may),
                act: asked.act,
                is_police: asked.judicial_police,
                trained_on: asked.trained_on,
                from: asked.from.unwrap_or(acting.now),
                until: asked.until,
            };
            let actor = match &asked.in_place_of {
                Some(before) => {
                    appointing::appoint_in_place_of(&mut main, &wanted, before, &acting)?
                }
                None => appointing::appoint(&mut main, &wanted, &acting)?,
            };
            let what = json!({
                "person": actor.name(), "id": actor.id(), "body": wanted.body,
                "role": wanted.role.as_str(), "may": wanted.may.to_text(), "act": wanted.act,
            });
            let said = format!(
                "{} is appointed for {} as {}",
                actor.name(),
                wanted.body,
                wanted.role
            );
            output.done(out, &what, &said)?;
        }
        PersonCommand::Dismiss { name, why } => {
            let held = appointing::dismiss(&mut main, &name, &why, &acting)?;
            let what = json!({ "person": name, "body": held.body, "dismissed": true });
            output.done(out, &what, &format!("{name} may nothing any more"))?;
        }
        PersonCommand::List => list_persons(&main, acting.now, output, out)?,
    }
    Ok(())
}

fn list_persons(
    main: &Connection,
    now: UtcTime,
    output: Output,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    let mut rows = Vec::new();
    for held in appointments::all(main)? {
        let name = actors::of_id(main, &held.actor_id)?;
        let name = name.map_or_else(|| held.actor_id.clone(), |actor| actor.name().to_owned());
        rows.push((name, held));
    }
    if output.json {
        let rows = rows.iter().map(|(name, held)| {
            json!({
                "person": name, "id": held.actor_id, "body": held.body,
                "role": held.role.as_str(), "may": held.may.to_text(), "act": held.act,
                "judicial_police": held.is_police, "trained_on": held.trained_on,
                "from": held.from, "until": held.until, "ended_at": held.ended_at,
                "holds": held.holds_at(now),
            })
        });
        return Ok(json(
            out,
            &json!({ "appointments": rows.collect::<Vec<_>>() }),
        )?);
    }
    if rows.is_empty() {
        writeln!(
            out,
            "Nobody is appointed yet: `varco-hub person appoint` does it."
        )?;
        return Ok(());
    }
    let mut shown = table(&["person", "body", "role", "tasks", "act", "state"]);
    for (name, held) in rows {
        let state = match (held.ended_at, held.holds_at(now)) {
            (Some(at), _) => format!("ended {at}"),
            (None, true) => "holds".to_owned(),
            (None, false) if held.from > now => format!("from {}", held.from),
            (None, false) => "over".to_owned(),
        };
        let (role, may) = (held.role.to_string(), held.may.to_text());
        shown.add_row([name, held.body.to_string(), role, may, held.act, state]);
    }
    writeln!(out, "{shown}")?;
    Ok(())
}
