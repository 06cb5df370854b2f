//! `varco-hub office`: who answers for a body, what they delegated, who keeps its keys, and which people of firms
//! come in.

use std::io::Write;

use clap::{Args, Subcommand};
use serde_json::json;
use varco_proto::time::UtcTime;

use super::console::Console;
use super::output::{Output, json, table};
use crate::audit::acting::Acting;
use crate::bodies::BodyId;
use crate::home::Home;
use crate::people::custody::{self, HandOver, KeptKey};
use crate::people::delegations::{self, WantedDelegation};
use crate::people::external_staff::{self, StaffWork, WantedStaff};
use crate::people::office::Office;
use crate::people::tokens::{Permission, Permissions};
use crate::store::sql::Connection;

/// `office`.
#[derive(Debug, Subcommand)]
pub enum OfficeCommand {
    /// Show who answers for a body, what they delegated, who keeps its keys, and its external staff.
    Show {
        /// Its id.
        body: BodyId,
    },
    /// Note that the person who answers for a body delegated functions, by a written act and after notice to the
    /// Mayor (art. 6 c. 3).
    Delegate(Box<OfficeDelegate>),
    /// End a delegation before its end.
    EndDelegation {
        /// Its number.
        number: i64,
        /// Why, in 3 to 200 characters.
        #[arg(long)]
        why: String,
    },
    /// Note that a key was handed over to somebody who works for the body.
    HandOver {
        /// Whose key.
        body: BodyId,
        /// server-room, media-cabinet or encryption.
        key: KeptKey,
        /// To whom.
        #[arg(long, value_name = "NAME")]
        to: String,
        /// The act or the record of the hand-over.
        #[arg(long)]
        act: String,
    },
    /// Enter somebody of a firm that maintains the system or cleans its rooms, named in writing (art. 9 c. 2 A a1).
    EnterStaff(Box<OfficeEnterStaff>),
    /// Take somebody out of the external staff.
    EndStaff {
        /// The entry's number.
        number: i64,
        /// Why, in 3 to 200 characters.
        #[arg(long)]
        why: String,
    },
}

/// `office delegate`.
#[derive(Debug, Args)]
pub struct OfficeDelegate {
    /// For which body.
    pub body: BodyId,
    /// To whom: an operator or an officer on duty of the body.
    #[arg(long, value_name = "NAME")]
    pub to: String,
    /// persons, admission or oversight; may be given several times.
    #[arg(long, value_name = "FUNCTION", required = true)]
    pub function: Vec<Permission>,
    /// The written act: its number, date and office.
    #[arg(long)]
    pub act: String,
    /// The day on which the Mayor was told, YYYY-MM-DD; before the day on which it begins.
    #[arg(long, value_name = "DAY")]
    pub mayor_told_on: String,
    /// The notice to the Mayor: its number and date.
    #[arg(long)]
    pub notice: String,
    /// From when, RFC 3339 [default: now]
    #[arg(long, value_name = "TIME")]
    pub from: Option<UtcTime>,
    /// Until when, RFC 3339.
    #[arg(long, value_name = "TIME")]
    pub until: UtcTime,
}

/// `office enter-staff`.
#[derive(Debug, Args)]
pub struct OfficeEnterStaff {
    /// Who: 'Luca Rossi'. One name is one person for good.
    pub name: String,
    /// Of which firm.
    #[arg(long)]
    pub firm: String,
    /// maintenance or cleaning.
    #[arg(long)]
    pub work: StaffWork,
    /// The body to which they were named.
    #[arg(long, value_name = "ID", default_value = "owner")]
    pub body: BodyId,
    /// The writing in which they were named: its number, date and office.
    #[arg(long, value_name = "TEXT")]
    pub communication: String,
    /// The day of the writing, YYYY-MM-DD.
    #[arg(long, value_name = "DAY")]
    pub communicated_on: String,
    /// Where their signed declaration of secrecy is kept: its number and office; needed for maintenance.
    #[arg(long, value_name = "TEXT")]
    pub secrecy: Option<String>,
    /// The day of their declaration of secrecy, YYYY-MM-DD; needed for maintenance.
    #[arg(long, value_name = "DAY")]
    pub secrecy_on: Option<String>,
    /// From when, RFC 3339 [default: now]
    #[arg(long, value_name = "TIME")]
    pub from: Option<UtcTime>,
    /// Until when, RFC 3339.
    #[arg(long, value_name = "TIME")]
    pub until: UtcTime,
}

/// Shows or changes what belongs to a body's office.
///
/// # Errors
/// What is wrong, and what to do.
pub(super) fn office(
    home: &Home,
    command: OfficeCommand,
    output: Output,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    let (mut main, console) = Console::open(home)?;
    let acting = console.acting();
    let (what, said) = match command {
        OfficeCommand::Show { body } => {
            return show(&Office::of(&main, &body, acting.now)?, output, out);
        }
        OfficeCommand::Delegate(asked) => delegate(&mut main, *asked, &acting)?,
        OfficeCommand::EndDelegation { number, why } => {
            delegations::end(&mut main, number, &why, &acting)?;
            let what = json!({ "delegation": number, "ended": true });
            (what, format!("delegation {number} has ended"))
        }
        OfficeCommand::HandOver { body, key, to, act } => {
            let wanted = HandOver { body, key, to, act };
            custody::hand_over(&mut main, &wanted, &acting)?;
            let what = json!({ "body": wanted.body, "key": key.as_str(), "holder": wanted.to });
            let said = format!("{} keeps the key {key} of {}", wanted.to, wanted.body);
            (what, said)
        }
        OfficeCommand::EnterStaff(asked) => enter(&mut main, *asked, &acting)?,
        OfficeCommand::EndStaff { number, why } => {
            external_staff::end(&mut main, number, &why, &acting)?;
            let what = json!({ "entry": number, "ended": true });
            (
                what,
                format!("entry {number} of the external staff has ended"),
            )
        }
    };
    output.done(out, &what, &said)?;
    Ok(())
}

fn delegate(
    main: &mut Connection,
    asked: OfficeDelegate,
    acting: &Acting<'_>,
) -> anyhow::Result<(serde_json::Value, String)> {
    let wanted = WantedDelegation {
        body: asked.body,
        to: asked.to,
        functions: Permissions::of(&asked.function),
        act: asked.act,
        mayor_told_on: asked.mayor_told_on,
        notice: asked.notice,
        from: asked.from.unwrap_or(acting.now),
        until: asked.until,
    };
    let number = delegations::delegate(main, &wanted, acting)?;
    let functions = wanted.functions.to_text();
    let what = json!({ "delegation": number, "for": wanted.to, "functions": functions });
    let said = format!(
        "delegation {number}: {} exercises {functions} for who answers for {}, until {}",
        wanted.to, wanted.body, wanted.until
    );
    Ok((what, said))
}

fn enter(
    main: &mut Connection,
    asked: OfficeEnterStaff,
    acting: &Acting<'_>,
) -> anyhow::Result<(serde_json::Value, String)> {
    let wanted = WantedStaff {
        name: asked.name,
        firm: asked.firm,
        work: asked.work,
        body: asked.body,
        communication: asked.communication,
        communicated_on: asked.communicated_on,
        secrecy: asked.secrecy,
        secrecy_on: asked.secrecy_on,
        from: asked.from.unwrap_or(acting.now),
        until: asked.until,
    };
    let number = external_staff::enter(main, &wanted, acting)?;
    let what = json!({ "entry": number, "for": wanted.name, "firm": wanted.firm });
    let said = format!(
        "entry {number}: {} of {}, {}",
        wanted.name, wanted.firm, wanted.work
    );
    Ok((what, said))
}

fn show(office: &Office, output: Output, out: &mut impl Write) -> anyhow::Result<()> {
    if output.json {
        return Ok(json(out, office)?);
    }
    match &office.responsible {
        Some(held) => writeln!(
            out,
            "{} answers for {}: {}",
            held.person, office.body, held.act
        )?,
        None => writeln!(
            out,
            "Nobody answers for {}: `varco-hub person appoint --role responsible` appoints them.",
            office.body
        )?,
    }
    let mut keys = table(&["key", "kept by"]);
    for key in &office.keys {
        keys.add_row([&key.key, key.holder.as_deref().unwrap_or("nobody")]);
    }
    writeln!(out, "{keys}")?;
    let mut shown = table(&["delegation", "by", "to", "functions", "until", "state"]);
    for one in &office.delegations {
        let state = state(one.is_in_force);
        let row = [
            &one.number.to_string(),
            &one.by,
            &one.to,
            &one.functions,
            &one.until,
        ];
        shown.add_row(row.into_iter().map(String::as_str).chain([state]));
    }
    writeln!(out, "{shown}")?;
    let mut shown = table(&["entry", "person", "firm", "work", "until", "state"]);
    for one in &office.external_staff {
        let row = [
            &one.number.to_string(),
            &one.person,
            &one.firm,
            &one.work,
            &one.until,
        ];
        shown.add_row(
            row.into_iter()
                .map(String::as_str)
                .chain([state(one.holds)]),
        );
    }
    writeln!(out, "{shown}")?;
    Ok(())
}

fn state(holds: bool) -> &'static str {
    if holds { "holds" } else { "does not hold" }
}
