//! `varco-hub municipality`: municipalities, their gates and their terms.

use std::io::Write;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::json;
use varco_proto::ids::GateId;

use super::clock::time_of;
use super::console::Console;
use super::output::{Output, json, table};
use crate::audit::acting::Acting;
use crate::audit::actor::Actor;
use crate::departures::cessation;
use crate::home::Home;
use crate::hours::partition::Term;
use crate::machine::files;
use crate::municipalities::desk;
use crate::municipalities::{self, IstatCode, Municipality};
use crate::proof::remaining;
use crate::store::sql::Connection;

/// `municipality`.
#[derive(Debug, Subcommand)]
pub enum MunicipalityCommand {
    /// Name a municipality, or change how long its transits are kept.
    ///
    /// A shorter term holds at once, for what is stored too: lookups stop at it to the second, and the
    /// running hub destroys what is past it within minutes of each hour's end. A longer one holds for
    /// what comes from now on. It leaves an audit line with the term before. `gate municipality` says
    /// which gates are its own.
    Set(MunicipalitySet),
    /// Remove a municipality that has no gates.
    Remove {
        /// Its name.
        name: Municipality,
    },
    /// Note that a municipality ceases to take part (art. 14): it leaves every agreement at once, and a running hub
    /// destroys what its gates have stored within two hours after the last transit came.
    ///
    /// Revoke its boxes first, or let another municipality have its gates afterwards.
    Cease {
        /// Its name.
        name: Municipality,
        /// The act by which it leaves: its number, date and office.
        #[arg(long)]
        act: String,
    },
    /// Make the certificate of a municipality that ceased, once nothing of its gates is stored any more; what cases
    /// keep for proceedings is named. `varco-hub agreement verify` checks it anywhere.
    Certificate {
        /// Its name.
        name: Municipality,
        /// Write it into this file [default: to standard output]
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// List the municipalities with their terms and gates.
    List,
}

/// `municipality set`.
#[derive(Debug, Args)]
pub struct MunicipalitySet {
    /// Its name, as people write it: 'Città di Castello'.
    pub name: Municipality,
    #[command(flatten)]
    pub term: TermChoice,
    /// Its code of six digits at ISTAT, by which it can be asked for besides its name: 054039.
    #[arg(long, value_name = "CODE")]
    pub istat: Option<IstatCode>,
}

/// A term in arguments: one of its own, or the hub's.
#[derive(Debug, Clone, Copy, Args)]
#[group(required = true, multiple = false)]
pub struct TermChoice {
    /// Keep its transits for so many hours from their capture; never longer than the hub's own term.
    #[arg(long, value_name = "HOURS", value_parser = clap::value_parser!(u8).range(1..=168))]
    pub term_hours: Option<u8>,
    /// Keep them for the hub's own term.
    #[arg(long)]
    pub hub_term: bool,
}

/// Names, removes or lists municipalities.
///
/// # Errors
/// What is wrong, and what to do.
pub(super) fn municipality(
    home: &Home,
    command: MunicipalityCommand,
    output: Output,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    let (mut main, console) = Console::open(home)?;
    let acting = console.acting();
    match command {
        MunicipalityCommand::List => list(&main, output, out),
        MunicipalityCommand::Cease { name, act } => {
            let left = cessation::cease(&mut main, &name, &act, &acting)?;
            let left: Vec<_> = left.iter().map(ToString::to_string).collect();
            let what = json!({ "municipality": name, "ceased": true, "left": left });
            let said = format!(
                "{name} has ceased; it left {}; later `varco-hub municipality certificate '{name}'`",
                if left.is_empty() {
                    "no agreement".to_owned()
                } else {
                    left.join(", ")
                }
            );
            Ok(output.done(out, &what, &said)?)
        }
        MunicipalityCommand::Certificate { name, out: file } => {
            let stored = |gates: &_| remaining::stored_of(home, gates);
            let keys = home.case_keys()?;
            let text = cessation::certify(&mut main, &keys, &name, stored, &acting)?;
            let Some(file) = file else {
                return Ok(out.write_all(text.as_bytes())?);
            };
            files::write_private(&file, text.as_bytes())?;
            let what = json!({ "municipality": name, "certificate": file });
            Ok(output.done(out, &what, &format!("written to {}", file.display()))?)
        }
        MunicipalityCommand::Set(asked) => {
            let term = asked.term.term_hours.and_then(Term::of_hours);
            let term = term.unwrap_or_default();
            let before = desk::set(&mut main, &asked.name, term, asked.istat.as_ref(), &acting)?;
            let was = before.as_ref().map(|known| known.term.hours());
            let what = json!({
                "municipality": asked.name, "term_hours": term.hours(), "before": was,
                "istat": asked.istat,
            });
            let name = &asked.name;
            let said = match was {
                None => format!(
                    "{name}: {}; `varco-hub gate municipality GATE --of '{name}'` gives it its gates",
                    shown(term)
                ),
                Some(hours) => {
                    let before = hours.and_then(Term::of_hours).unwrap_or_default();
                    format!("{name}: {}; before, {}", shown(term), shown(before))
                }
            };
            output.done(out, &what, &said)?;
            Ok(())
        }
        MunicipalityCommand::Remove { name } => {
            desk::remove(&mut main, &name, &acting)?;
            let what = json!({ "municipality": name, "removed": true });
            output.done(out, &what, &format!("{name} is removed"))?;
            Ok(())
        }
    }
}

/// Gives a gate to a municipality, or to none.
///
/// # Errors
/// What is wrong, and what to do.
pub(super) fn give(
    home: &Home,
    main: &mut Connection,
    gate: &GateId,
    to: Option<&Municipality>,
    output: Output,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    let key = home.sealing_key()?;
    let acting = Acting {
        actor: &Actor::console(),
        now: time_of(home)?.kept(),
        key: &key,
    };
    let before = desk::give(main, gate, to, &acting)?;
    let what = json!({ "gate": gate, "before": before, "municipality": to });
    let now = to.map_or("is no municipality's".to_owned(), |name| {
        format!("is of {name}")
    });
    let said = match before {
        Some(before) => format!("{gate} {now}; before, of {before}"),
        None => format!("{gate} {now}"),
    };
    output.done(out, &what, &said)?;
    Ok(())
}

fn list(main: &Connection, output: Output, out: &mut impl Write) -> anyhow::Result<()> {
    let all = municipalities::all(main)?;
    if output.json {
        let rows = all.iter().map(|(name, known)| {
            json!({
                "municipality": name, "istat": known.istat, "term_hours": known.term.hours(),
                "gates": known.gates,
            })
        });
        let rows: Vec<_> = rows.collect();
        return Ok(json(out, &json!({ "municipalities": rows }))?);
    }
    if all.is_empty() {
        writeln!(
            out,
            "No municipalities yet: the hub's own term holds for every gate. `varco-hub municipality \
             set` names one."
        )?;
        return Ok(());
    }
    let mut table = table(&["municipality", "ISTAT", "transits are kept", "gates"]);
    for (name, known) in all {
        let gates: Vec<_> = known.gates.iter().map(ToString::to_string).collect();
        let istat = known.istat.map_or_else(|| "–".to_owned(), String::from);
        table.add_row([name.to_string(), istat, shown(known.term), gates.join(", ")]);
    }
    writeln!(out, "{table}")?;
    Ok(())
}

fn shown(term: Term) -> String {
    match term.hours() {
        Some(1) => "1 hour".to_owned(),
        Some(hours) => format!("{hours} hours"),
        None => "the hub's own term".to_owned(),
    }
}
