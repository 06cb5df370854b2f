//! Bodies, purposes, agreements with their members.

use super::{Said, Unsaid};
use crate::audit::action::Action;
use crate::audit::told::EndedAgain;
use crate::proof::verification::rows::{Fact, Facts, LinedTable, ToldRows};

const ENDED: &str = "ended_at_us";
const LEFT: &str = "left_us";

pub(super) const TABLES: &[LinedTable] = &[
    LinedTable {
        name: "bodies",
        key: "id",
        which: "1",
        columns: &[
            "name",
            "kind",
            "municipality",
            "is_owner",
            "made_at_us",
            "reference_form",
            ENDED,
        ],
        end: ENDED,
        rows_go: false,
    },
    LinedTable {
        name: "purpose_lists",
        key: "scope || char(10) || name || char(10) || number",
        which: "1",
        columns: &["purposes", "act", "sanction_basis", "from_us", "made_at_us"],
        end: "",
        rows_go: false,
    },
    LinedTable {
        name: "agreements",
        key: "id",
        which: "1",
        columns: &[
            "title",
            "legal_basis",
            "lead",
            "purposes",
            "may",
            "admission",
            "from_us",
            "until_us",
            "made_at_us",
            ENDED,
        ],
        end: ENDED,
        rows_go: false,
    },
    LinedTable {
        name: GIVERS.table,
        key: "agreement || char(10) || municipality || char(10) || joined_us",
        which: "1",
        columns: &[LEFT],
        end: LEFT,
        rows_go: false,
    },
    LinedTable {
        name: RECEIVERS.table,
        key: "agreement || char(10) || body || char(10) || joined_us",
        which: "1",
        columns: &[LEFT],
        end: LEFT,
        rows_go: false,
    },
    LinedTable {
        name: "agreement_gates",
        key: "agreement || char(10) || gate",
        which: "1",
        columns: &["gate"],
        end: "",
        rows_go: false,
    },
];

/// One side of agreements.
#[derive(Debug, Clone, Copy)]
struct MemberSide {
    table: &'static str,
    /// What a line calls one who joins or leaves.
    one: &'static str,
    /// And those of the beginning.
    all: &'static str,
}

const GIVERS: MemberSide = MemberSide {
    table: "agreement_givers",
    one: "giver",
    all: "givers",
};
const RECEIVERS: MemberSide = MemberSide {
    table: "agreement_receivers",
    one: "receiver",
    all: "receivers",
};

/// Whoever runs the hub is a body before any line.
fn owner() -> Facts {
    Facts::of([
        ("name", Fact::Text("Hub owner".to_owned())),
        ("kind", Fact::Text("local-police".to_owned())),
        ("municipality", Fact::Empty),
        ("is_owner", Fact::Number(1)),
        ("made_at_us", Fact::Number(0)),
        ("reference_form", Fact::Empty),
        (ENDED, Fact::Empty),
    ])
}

pub(super) fn take(rows: &mut ToldRows, action: Action, said: Said<'_>) -> Result<(), Unsaid> {
    match action {
        Action::HubInitialised => {
            rows.table("bodies")
                .entry("owner".to_owned())
                .or_insert_with(owner);
        }
        Action::BodyChanged => body(rows, said)?,
        Action::ReferenceFormSet => {
            let form = Fact::maybe(said.maybe("reference_form")?);
            let row = rows.row("bodies", said.text("body")?).ok_or(Unsaid)?;
            row.set("reference_form", form);
        }
        Action::BodyEnded => {
            let row = rows.row("bodies", said.text("body")?).ok_or(Unsaid)?;
            row.set(ENDED, said.at());
        }
        Action::PurposesSet => purposes(rows, said)?,
        Action::AgreementMade => agreement(rows, said)?,
        Action::AgreementLed => {
            let row = rows
                .row("agreements", said.text("agreement")?)
                .ok_or(Unsaid)?;
            row.set("lead", said.fact("lead")?);
        }
        Action::AgreementEnded => {
            let row = rows
                .row("agreements", said.text("agreement")?)
                .ok_or(Unsaid)?;
            row.set(ENDED, said.at());
        }
        Action::AgreementJoined | Action::AgreementLeft => {
            let id = said.text("agreement")?;
            for side in [GIVERS, RECEIVERS] {
                match said.maybe(side.one)? {
                    Some(who) if action == Action::AgreementJoined => {
                        join(rows, side, id, who, said)
                    }
                    Some(who) => leave(rows, side, id, who, said),
                    None => {}
                }
            }
        }
        Action::MunicipalityCeased => {
            let who = said.text("municipality")?;
            for id in said.texts("agreements")? {
                leave(rows, GIVERS, id, who, said);
            }
        }
        _ => {}
    }
    Ok(())
}

fn body(rows: &mut ToldRows, said: Said<'_>) -> Result<(), Unsaid> {
    let (name, municipality) = (said.fact("name")?, Fact::maybe(said.maybe("municipality")?));
    let kind = said.fact("kind")?;
    let made = || {
        Facts::of([
            ("kind", kind),
            ("is_owner", Fact::Number(0)),
            ("made_at_us", said.at()),
            ("reference_form", Fact::Empty),
            (ENDED, Fact::Empty),
        ])
    };
    let id = said.text("body")?.to_owned();
    let row = rows.table("bodies").entry(id).or_insert_with(made);
    row.set("name", name);
    row.set("municipality", municipality);
    Ok(())
}

fn purposes(rows: &mut ToldRows, said: Said<'_>) -> Result<(), Unsaid> {
    let scope = match said.maybe("municipality")? {
        Some(name) => format!("municipality\n{name}"),
        None => format!("gate\n{}", said.text("gate")?),
    };
    let key = format!("{scope}\n{}", said.number("number")?);
    let facts = Facts::of([
        ("purposes", Fact::Text(said.texts("purposes")?.join(" "))),
        ("act", said.fact("act")?),
        ("sanction_basis", Fact::maybe(said.maybe("sanction_basis")?)),
        ("from_us", said.moment("from")?),
        ("made_at_us", said.at()),
    ]);
    rows.table("purpose_lists").insert(key, facts);
    Ok(())
}

fn agreement(rows: &mut ToldRows, said: Said<'_>) -> Result<(), Unsaid> {
    let id = said.text("agreement")?;
    let admission = said.get("admission").as_bool().ok_or(Unsaid)?;
    let facts = Facts::of([
        ("title", said.fact("title")?),
        ("legal_basis", said.fact("legal_basis")?),
        ("lead", said.fact("lead")?),
        ("purposes", Fact::Text(said.texts("purposes")?.join(" "))),
        ("may", said.fact("may")?),
        ("admission", Fact::Number(admission.into())),
        ("from_us", said.moment("from")?),
        ("until_us", said.moment("until")?),
        ("made_at_us", said.at()),
        (ENDED, Fact::Empty),
    ]);
    rows.table("agreements").insert(id.to_owned(), facts);
    for side in [GIVERS, RECEIVERS] {
        for who in said.texts(side.all)? {
            join(rows, side, id, who, said);
        }
    }
    for gate in said.texts("gates")? {
        let facts = Facts::of([("gate", Fact::Text(gate.to_owned()))]);
        rows.table("agreement_gates")
            .insert(format!("{id}\n{gate}"), facts);
    }
    Ok(())
}

fn join(rows: &mut ToldRows, side: MemberSide, id: &str, who: &str, said: Said<'_>) {
    let key = format!("{id}\n{who}\n{}", said.at_us());
    rows.table(side.table)
        .insert(key, Facts::of([(LEFT, Fact::Empty)]));
}

fn leave(rows: &mut ToldRows, side: MemberSide, id: &str, who: &str, said: Said<'_>) {
    let member = format!("{id}\n{who}\n");
    let theirs = rows.table(side.table).iter_mut();
    for (_, row) in theirs.filter(|(key, _)| key.starts_with(&member)) {
        if row.get(LEFT) == Some(&Fact::Empty) {
            row.set(LEFT, said.at());
        }
    }
}

/// Bodies that a restore ended again have an end. Of an agreement its line does not say whether it ended or a member
/// left, so that either may be; lists of purposes stand in the line.
pub(super) fn restored(rows: &mut ToldRows, ended: &EndedAgain) -> Result<(), Unsaid> {
    for id in &ended.bodies {
        if let Some(row) = rows.row("bodies", id) {
            row.set(ENDED, Fact::Something);
        }
    }
    for id in &ended.agreements {
        if let Some(row) = rows.row("agreements", id) {
            row.forget(ENDED);
        }
        let member = format!("{id}\n");
        for side in [GIVERS, RECEIVERS] {
            let theirs = rows.table(side.table).iter_mut();
            for (_, row) in theirs.filter(|(key, _)| key.starts_with(&member)) {
                row.forget(LEFT);
            }
        }
    }
    for (key, list) in &ended.purposes_made {
        let facts = Facts::of([
            ("purposes", Fact::Text(list.purposes.clone())),
            ("act", Fact::Text(list.act.clone())),
            (
                "sanction_basis",
                Fact::maybe(list.sanction_basis.as_deref()),
            ),
            ("from_us", Fact::Number(list.from_us)),
            ("made_at_us", Fact::Number(list.made_at_us)),
        ]);
        rows.table("purpose_lists").insert(key.clone(), facts);
    }
    // Versions before named the lists only.
    if ended.purposes_made.is_empty() {
        for name in &ended.purposes {
            let (scope, name) = name.split_once(' ').ok_or(Unsaid)?;
            rows.leave_out("purpose_lists", format!("{scope}\n{name}\n"));
        }
    }
    Ok(())
}
