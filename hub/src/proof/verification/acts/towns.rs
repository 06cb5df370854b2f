//! Municipalities, their gates, what they ceased, what was certified when a member left.

use std::collections::BTreeMap;

use super::{Said, Unsaid};
use crate::audit::action::Action;
use crate::audit::told::EndedAgain;
use crate::proof::verification::rows::{Fact, Facts, LinedTable, ToldRows};

const UNTIL: &str = "until_us";
/// Hours of the hub's own term, for a municipality without a shorter one.
const WHOLE_HOURS: i64 = 168;

pub(super) const TABLES: &[LinedTable] = &[
    LinedTable {
        name: "municipalities",
        key: "name",
        which: "1",
        columns: &["term_hours", "istat"],
        end: "",
        rows_go: false,
    },
    LinedTable {
        name: "municipality_gates",
        key: "gate",
        which: "1",
        columns: &["municipality"],
        end: "",
        rows_go: false,
    },
    LinedTable {
        name: "gate_owners",
        key: "gate || char(10) || from_us",
        which: "1",
        columns: &["municipality", UNTIL],
        end: UNTIL,
        rows_go: false,
    },
    LinedTable {
        name: "ceased_municipalities",
        key: "municipality",
        which: "1",
        columns: &["act", "ceased_at_us"],
        end: "",
        rows_go: false,
    },
    LinedTable {
        name: "destruction_certificates",
        key: "CAST(number AS TEXT)",
        which: "1",
        columns: &["agreement", "party", "who", UNTIL, "text", "made_at_us"],
        end: "",
        rows_go: false,
    },
];

pub(super) fn take(rows: &mut ToldRows, action: Action, said: Said<'_>) -> Result<(), Unsaid> {
    match action {
        Action::MunicipalityChanged => {
            let name = said.text("municipality")?;
            if said.get("removed").as_bool() == Some(true) {
                rows.table("municipalities").remove(name);
                return Ok(());
            }
            let hours = said.get("term_hours").as_i64();
            set_term(rows, name, hours, said.maybe("istat")?);
        }
        Action::MunicipalityCeased => {
            let name = said.text("municipality")?;
            set_term(rows, name, Some(said.number("term_hours")?), None);
            let facts = Facts::of([("act", said.fact("act")?), ("ceased_at_us", said.at())]);
            rows.table("ceased_municipalities")
                .insert(name.to_owned(), facts);
        }
        Action::GateGiven => give(rows, said.text("gate")?, said.maybe("after")?, said),
        Action::DestructionCertified => certified(rows, said)?,
        _ => {}
    }
    Ok(())
}

fn set_term(rows: &mut ToldRows, name: &str, hours: Option<i64>, istat: Option<&str>) {
    let row = rows.table("municipalities").entry(name.to_owned());
    let row = row.or_insert_with(|| Facts::of([("istat", Fact::Empty)]));
    row.set("term_hours", hours.map_or(Fact::Empty, Fact::Number));
    if let Some(code) = istat {
        row.set("istat", Fact::Text(code.to_owned()));
    }
}

/// A gate is another's from now on; what it saw stays with whose it was.
fn give(rows: &mut ToldRows, gate: &str, to: Option<&str>, said: Said<'_>) {
    let told = to.map(|name| Fact::Text(name.to_owned()));
    match &told {
        Some(name) => {
            let facts = Facts::of([("municipality", name.clone())]);
            rows.table("municipality_gates")
                .insert(gate.to_owned(), facts);
        }
        None => drop(rows.table("municipality_gates").remove(gate)),
    }
    let of_gate = format!("{gate}\n");
    let owners = rows.table("gate_owners");
    let is_open = |key: &String, row: &Facts| {
        key.starts_with(&of_gate) && row.get(UNTIL) == Some(&Fact::Empty)
    };
    let open = owners.iter().find(|(key, row)| is_open(key, row));
    let before = open.map(|(key, row)| (key.clone(), row.get("municipality").cloned()));
    if before.as_ref().and_then(|(_, name)| name.clone()) == told {
        return;
    }
    if said.line.actor_id.is_none() {
        // Versions before kept no more than whose it is: what was known then holds from the beginning.
        owners.retain(|key, _| !key.starts_with(&of_gate));
        if let Some(name) = told {
            let facts = Facts::of([("municipality", name), (UNTIL, Fact::Empty)]);
            owners.insert(format!("{of_gate}0"), facts);
        }
        return;
    }
    let had = owners.keys().any(|key| key.starts_with(&of_gate));
    let now_us = said.at_us();
    if let Some((key, _)) = before {
        let began: Option<i64> = key.rsplit('\n').next().and_then(|from| from.parse().ok());
        // It began in this very moment: nobody saw anything under it.
        if began.is_some_and(|began| began >= now_us) {
            owners.remove(&key);
        } else if let Some(row) = owners.get_mut(&key) {
            row.set(UNTIL, said.at());
        }
    }
    if let Some(name) = told {
        let from = if had { now_us } else { 0 };
        let facts = Facts::of([("municipality", name), (UNTIL, Fact::Empty)]);
        owners.insert(format!("{of_gate}{from}"), facts);
    }
}

fn certified(rows: &mut ToldRows, said: Said<'_>) -> Result<(), Unsaid> {
    let party = ["giver", "receiver", "municipality"];
    let mut found = party
        .into_iter()
        .filter_map(|party| Some((party, said.maybe(party).ok()??)));
    let (party, who) = found.next().ok_or(Unsaid)?;
    // A municipality that left the hub is of none.
    let of_agreement = said.maybe("agreement")?.unwrap_or("");
    let facts = Facts::of([
        ("agreement", Fact::Text(of_agreement.to_owned())),
        ("party", Fact::Text(party.to_owned())),
        ("who", Fact::Text(who.to_owned())),
        (UNTIL, said.moment("since")?),
        ("text", Fact::Digest(said.text("digest")?.to_owned())),
        ("made_at_us", said.at()),
    ]);
    let number = said.number("certificate")?.to_string();
    rows.table("destruction_certificates").insert(number, facts);
    Ok(())
}

/// A restore shortened terms again, each with its gate's municipality. Versions before named the gates alone.
pub(super) fn restored(rows: &mut ToldRows, ended: &EndedAgain, said: Said<'_>) {
    let known: &BTreeMap<String, (String, i64)> = &ended.terms;
    for (gate, (name, hours)) in known {
        let before = rows
            .row("municipalities", name)
            .and_then(|row| match row.get("term_hours") {
                Some(Fact::Number(hours)) => Some(*hours),
                _ => None,
            });
        set_term(
            rows,
            name,
            Some(before.unwrap_or(WHOLE_HOURS).min(*hours)),
            None,
        );
        give(rows, gate, Some(name), said);
    }
    for gate in ended.gates.iter().filter(|gate| !known.contains_key(*gate)) {
        rows.leave_out("municipality_gates", gate.clone());
        rows.leave_out("gate_owners", format!("{gate}\n"));
        for row in rows.table("municipalities").values_mut() {
            row.forget("term_hours");
        }
        rows.leave_out("municipalities", String::new());
    }
}
