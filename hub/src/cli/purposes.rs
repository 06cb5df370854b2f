//! `varco-hub purpose` and `varco-hub gate purposes`: what gates are for.

use std::collections::BTreeSet;
use std::io::Write;

use anyhow::bail;
use clap::{Args, Subcommand};
use serde_json::json;
use varco_proto::ids::GateId;
use varco_proto::time::UtcTime;

use super::console::Console;
use super::output::{Output, json, table};
use crate::audit::acting::Acting;
use crate::audit::purpose::Purpose;
use crate::home::Home;
use crate::municipalities::{self, Municipality};
use crate::purposes::desk::{self, WantedPurposes};
use crate::purposes::{self, PurposeList, PurposeScope, PurposesInForce};
use crate::store::sql::Connection;

/// `purpose`.
#[derive(Debug, Subcommand)]
pub enum PurposeCommand {
    /// Say what a municipality's gates are for, by an act. The list takes the place of the one before.
    ///
    /// Who made none has the nine purposes of Perugia's regulation (art. 4 c. 5).
    Set(PurposeSet),
    /// List what municipalities and gates are for, with the lists that held before.
    List,
}

/// `purpose set`.
#[derive(Debug, Args)]
pub struct PurposeSet {
    /// Whose gates.
    pub municipality: Municipality,
    /// A purpose; may be given several times: public-safety, urban-security, emergency, heritage, area-control,
    /// monuments, events, traffic, vulnerable-people, sanction.
    #[arg(long, value_name = "PURPOSE", required = true)]
    pub purpose: Vec<Purpose>,
    /// The act or resolution: its number, date and office.
    #[arg(long)]
    pub act: String,
    /// The regulation that allows sanctions; needed with `--purpose sanction`, and with nothing else.
    #[arg(long, value_name = "TEXT")]
    pub sanction_basis: Option<String>,
    /// From when, RFC 3339 [default: now]
    #[arg(long, value_name = "TIME")]
    pub from: Option<UtcTime>,
}

/// `gate purposes`.
#[derive(Debug, Args)]
pub struct GatePurposes {
    /// The gate.
    pub gate: GateId,
    /// A purpose, of those of its municipality; may be given several times.
    #[arg(long, value_name = "PURPOSE", required_unless_present = "all")]
    pub purpose: Vec<Purpose>,
    /// It is for all that its municipality's gates are for.
    #[arg(long, conflicts_with = "purpose")]
    pub all: bool,
    /// The act or resolution: its number, date and office.
    #[arg(long)]
    pub act: String,
    /// From when, RFC 3339 [default: now]
    #[arg(long, value_name = "TIME")]
    pub from: Option<UtcTime>,
}

/// Makes or lists what municipalities' gates are for.
///
/// # Errors
/// What is wrong, and what to do.
pub(super) fn purpose(
    home: &Home,
    command: PurposeCommand,
    output: Output,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    let (mut main, console) = Console::open(home)?;
    let acting = console.acting();
    match command {
        PurposeCommand::List => list(&main, acting.now, output, out),
        PurposeCommand::Set(asked) => {
            let wanted = WantedPurposes {
                scope: PurposeScope::Municipality(asked.municipality),
                purposes: asked.purpose.into_iter().collect(),
                act: asked.act,
                sanction_basis: asked.sanction_basis,
                from: asked.from.unwrap_or(acting.now),
            };
            set(&mut main, &wanted, &acting, output, out)
        }
    }
}

/// Says what a gate is for.
pub(super) fn of_gate(
    main: &mut Connection,
    asked: GatePurposes,
    acting: &Acting<'_>,
    output: Output,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    if asked.all != asked.purpose.is_empty() {
        bail!("give either --purpose or --all");
    }
    let wanted = WantedPurposes {
        scope: PurposeScope::Gate(asked.gate),
        purposes: asked.purpose.into_iter().collect(),
        act: asked.act,
        sanction_basis: None,
        from: asked.from.unwrap_or(acting.now),
    };
    set(main, &wanted, acting, output, out)
}

fn set(
    main: &mut Connection,
    wanted: &WantedPurposes,
    acting: &Acting<'_>,
    output: Output,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    let made = desk::set(main, wanted, acting)?;
    let (_, name) = whose(&made.scope);
    let of = match made.purposes.is_empty() {
        true => "all that its municipality's gates are for".to_owned(),
        false => names(&made.purposes),
    };
    let said = format!("{name}: list {} from {} for {of}", made.number, made.from);
    output.done(out, &shown(&made), &said)?;
    Ok(())
}

fn names(purposes: &BTreeSet<Purpose>) -> String {
    let names: Vec<_> = purposes.iter().map(|purpose| purpose.as_str()).collect();
    names.join(", ")
}

fn whose(scope: &PurposeScope) -> (&'static str, &str) {
    match scope {
        PurposeScope::Municipality(name) => ("municipality", name.as_str()),
        PurposeScope::Gate(gate) => ("gate", gate.as_str()),
    }
}

fn shown(list: &PurposeList) -> serde_json::Value {
    let (kind, name) = whose(&list.scope);
    let purposes: Vec<_> = list.purposes.iter().map(|p| p.as_str()).collect();
    json!({
        kind: name, "number": list.number, "purposes": purposes, "act": list.act,
        "sanction_basis": list.sanction_basis, "from": list.from, "made_at": list.made_at,
    })
}

fn list(
    main: &Connection,
    now: UtcTime,
    output: Output,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    let made = purposes::all(main)?;
    let held = PurposesInForce::read(main, now)?;
    let towns = municipalities::all(main)?.into_keys();
    let towns: Vec<_> = towns
        .map(|name| {
            let now = held.of_municipality(Some(&name));
            (name, now)
        })
        .collect();
    if output.json {
        let now: Vec<_> = towns
            .iter()
            .map(|(name, purposes)| {
                let purposes: Vec<_> = purposes.iter().map(|p| p.as_str()).collect();
                json!({ "municipality": name, "purposes": purposes })
            })
            .collect();
        let made: Vec<_> = made.iter().map(shown).collect();
        return Ok(json(out, &json!({ "in_force": now, "lists": made }))?);
    }
    let mut shown = table(&["whose", "list", "from", "purposes", "by"]);
    for (name, _) in towns {
        let scope = PurposeScope::Municipality(name.clone());
        if !made.iter().any(|list| list.scope == scope) {
            let nine = names(&Purpose::REGULATION.into());
            shown.add_row([
                name.as_str(),
                "–",
                "–",
                &nine,
                "nobody's: the regulation's nine",
            ]);
        }
    }
    for list in &made {
        let (_, name) = whose(&list.scope);
        let purposes = match list.purposes.is_empty() {
            true => "as its municipality".to_owned(),
            false => names(&list.purposes),
        };
        let by = match &list.sanction_basis {
            Some(basis) => format!("{}; sanctions by {basis}", list.act),
            None => list.act.clone(),
        };
        let (number, from) = (list.number.to_string(), list.from.to_string());
        shown.add_row([name, &number, &from, &purposes, &by]);
    }
    writeln!(out, "{shown}")?;
    Ok(())
}
