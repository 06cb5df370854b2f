//! Corrections, the access register, standing authorisations, second looks.

use super::{Said, Unsaid};
use crate::audit::action::Action;
use crate::audit::told::EndedAgain;
use crate::proof::verification::rows::{Fact, Facts, LinedTable, ToldRows};

const ENDED: &str = "ended_at_us";
const LEFT: &str = "left_at_us";

pub(super) const TABLES: &[LinedTable] = &[
    LinedTable {
        name: "corrections",
        key: "lower(hex(transit)) || char(10) ||
            (row_number() OVER (PARTITION BY transit ORDER BY number) - 1)",
        which: "1",
        columns: &["sealed"],
        end: "",
        rows_go: false,
    },
    LinedTable {
        name: "access_entries",
        key: "CAST(number AS TEXT)",
        which: "1",
        columns: &["body", "entered_at_us", "let_in_by", "sealed", LEFT],
        end: LEFT,
        rows_go: false,
    },
    LinedTable {
        name: "standing_permits",
        key: "CAST(number AS TEXT)",
        which: "1",
        columns: &[
            "body",
            "recipient_kind",
            "act",
            "given_by",
            "given_by_id",
            "given_at_us",
            "until_us",
            ENDED,
        ],
        end: ENDED,
        rows_go: false,
    },
    LinedTable {
        name: "second_looks",
        key: "CAST(number AS TEXT)",
        which: "1",
        columns: &[
            "asked_by",
            "rule",
            "purpose",
            "case_reference",
            "asked_at_us",
            "decided_at_us",
            "decided_by",
            "agreed",
        ],
        end: "",
        rows_go: true,
    },
];

pub(super) fn take(rows: &mut ToldRows, action: Action, said: Said<'_>) -> Result<(), Unsaid> {
    match action {
        Action::PlateCorrected => corrected(rows, said)?,
        // What is destroyed takes its corrections with it.
        Action::PartitionExpired | Action::TransitsPurged | Action::TransitsErased => {
            let hour = Fact::Text(said.text("hour")?.to_owned());
            let is_whole = action == Action::PartitionExpired;
            let table = rows.table("corrections");
            table.retain(|_, row| !(is_whole && row.get("hour") == Some(&hour)));
            for row in table
                .values_mut()
                .filter(|row| row.get("hour") == Some(&hour))
            {
                row.may_be_gone = true;
            }
        }
        Action::AccessEntered => {
            let facts = Facts::of([
                ("body", said.fact("body")?),
                ("entered_at_us", said.at()),
                ("let_in_by", Fact::Text(said.line.actor.clone())),
                ("sealed", Fact::Digest(said.text("sealed")?.to_owned())),
                (LEFT, Fact::Empty),
            ]);
            let number = said.number("entry")?.to_string();
            rows.table("access_entries").insert(number, facts);
        }
        Action::AccessLeft => {
            let number = said.number("entry")?.to_string();
            let row = rows.row("access_entries", &number).ok_or(Unsaid)?;
            row.set(LEFT, said.at());
        }
        Action::AccessEntriesEnded => {
            let before = super::moment(said.text("before")?)?;
            let last = |row: &Facts| match (row.get(LEFT), row.get("entered_at_us")) {
                (Some(Fact::Number(at)), _) | (_, Some(Fact::Number(at))) => *at,
                _ => i64::MAX,
            };
            rows.table("access_entries")
                .retain(|_, row| last(row) >= before);
        }
        Action::StandingPermitMade => permitted(rows, said)?,
        Action::StandingPermitEnded => {
            let number = said.number("permit")?.to_string();
            let row = rows.row("standing_permits", &number).ok_or(Unsaid)?;
            row.set(ENDED, said.at());
        }
        Action::SecondLookAsked | Action::SecondLookDecided => looked(rows, action, said)?,
        _ => {}
    }
    Ok(())
}

fn corrected(rows: &mut ToldRows, said: Said<'_>) -> Result<(), Unsaid> {
    let key = format!("{}\n{}", said.text("transit")?, said.number("before")?);
    let mut facts = Facts::default();
    match (said.maybe("hour")?, said.maybe("sealed")?) {
        (Some(hour), Some(sealed)) => {
            facts.set("hour", Fact::Text(hour.to_owned()));
            facts.set("sealed", Fact::Digest(sealed.to_owned()));
        }
        // Versions before said neither.
        _ => facts.may_be_gone = true,
    }
    rows.table("corrections").insert(key, facts);
    Ok(())
}

fn permitted(rows: &mut ToldRows, said: Said<'_>) -> Result<(), Unsaid> {
    let facts = Facts::of([
        ("body", said.fact("body")?),
        ("recipient_kind", said.fact("recipient_kind")?),
        ("act", said.fact("act")?),
        ("given_by", Fact::Text(said.line.actor.clone())),
        ("given_by_id", Fact::maybe(said.line.actor_id.as_deref())),
        ("given_at_us", said.at()),
        ("until_us", said.moment("until")?),
        (ENDED, Fact::Empty),
    ]);
    let number = said.number("permit")?.to_string();
    rows.table("standing_permits").insert(number, facts);
    Ok(())
}

/// They are forgotten with the searches that they are about.
fn looked(rows: &mut ToldRows, action: Action, said: Said<'_>) -> Result<(), Unsaid> {
    let number = said.number("second_look")?.to_string();
    let by = Fact::maybe(said.line.actor_id.as_deref());
    if action == Action::SecondLookAsked {
        let facts = Facts::of([
            ("asked_by", by),
            ("rule", said.fact("rule")?),
            ("purpose", Fact::maybe(said.line.purpose.as_deref())),
            (
                "case_reference",
                Fact::maybe(said.line.case_reference.as_deref()),
            ),
            ("asked_at_us", said.at()),
            ("decided_at_us", Fact::Empty),
            ("decided_by", Fact::Empty),
            ("agreed", Fact::Empty),
        ]);
        rows.table("second_looks").insert(number, facts);
        return Ok(());
    }
    let agreed = said.get("agreed").as_bool().ok_or(Unsaid)?;
    let Some(row) = rows.row("second_looks", &number) else {
        return Ok(()); // The line that asked has ended.
    };
    row.set("decided_at_us", said.at());
    row.set("decided_by", by);
    row.set("agreed", Fact::Number(agreed.into()));
    Ok(())
}

/// Standing authorisations that a restore ended again.
pub(super) fn restored(rows: &mut ToldRows, ended: &EndedAgain) {
    if ended.permits.has_unnamed() {
        let permits = rows.table("standing_permits").values_mut();
        permits.for_each(|row| row.forget_empty(ENDED)); // Versions before counted them.
    }
    for permit in ended.permits.names() {
        let number = permit.split(':').next().unwrap_or(permit);
        if let Some(row) = rows.row("standing_permits", number) {
            row.set(ENDED, Fact::Something);
        }
    }
}
