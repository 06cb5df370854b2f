//! Appointments, delegations, custodies of keys, external staff.

use super::{Said, Unsaid};
use crate::audit::action::Action;
use crate::audit::told::EndedAgain;
use crate::proof::verification::rows::{Fact, Facts, LinedTable, ToldRows};

const ENDED: &str = "ended_at_us";

pub(super) const TABLES: &[LinedTable] = &[
    LinedTable {
        name: "appointments",
        key: "CAST(number AS TEXT)",
        which: "1",
        columns: &[
            "actor_id",
            "body",
            "role",
            "may",
            "act",
            "is_police",
            "trained_on",
            "from_us",
            "until_us",
            "made_at_us",
            ENDED,
        ],
        end: ENDED,
        rows_go: false,
    },
    LinedTable {
        name: "delegations",
        key: "CAST(number AS TEXT)",
        which: "1",
        columns: &[
            "body",
            "by_actor",
            "to_actor",
            "functions",
            "act",
            "mayor_told_on",
            "notice",
            "from_us",
            "until_us",
            "made_at_us",
            ENDED,
        ],
        end: ENDED,
        rows_go: false,
    },
    LinedTable {
        name: "key_custody",
        key: "CAST(number AS TEXT)",
        which: "1",
        columns: &["body", "kept_key", "holder", "act", "made_at_us", ENDED],
        end: ENDED,
        rows_go: false,
    },
    LinedTable {
        name: "external_staff",
        key: "CAST(number AS TEXT)",
        which: "1",
        columns: &[
            "actor_id",
            "firm",
            "work",
            "body",
            "communication",
            "communicated_on",
            "secrecy_on",
            "from_us",
            "until_us",
            "made_at_us",
            ENDED,
        ],
        end: ENDED,
        rows_go: false,
    },
];

/// Why an appointment ends that nobody ended.
const OVER: &str = "its time is over";

pub(super) fn take(rows: &mut ToldRows, action: Action, said: Said<'_>) -> Result<(), Unsaid> {
    match action {
        Action::PersonAppointed => appointed(rows, said)?,
        Action::PersonDismissed => {
            let is_over = said.text("why")? == OVER;
            end_appointments(rows, said.text("actor_id")?, said, is_over);
        }
        Action::FunctionsDelegated => {
            let number = said.number("delegation")?.to_string();
            let facts = Facts::of([
                ("body", said.fact("body")?),
                ("by_actor", said.fact("by")?),
                ("to_actor", said.fact("actor_id")?),
                ("functions", said.fact("functions")?),
                ("act", said.trimmed("act")?),
                ("mayor_told_on", said.fact("mayor_told_on")?),
                ("notice", said.trimmed("notice")?),
                ("from_us", said.moment("from")?),
                ("until_us", said.moment("until")?),
                ("made_at_us", said.at()),
                (ENDED, Fact::Empty),
            ]);
            rows.table("delegations").insert(number, facts);
        }
        Action::DelegationEnded => end(rows, "delegations", said, "delegation")?,
        Action::KeyHandedOver => handed_over(rows, said)?,
        Action::StaffEntered => {
            let number = said.number("entry")?.to_string();
            let facts = Facts::of([
                ("actor_id", said.fact("actor_id")?),
                ("firm", said.trimmed("firm")?),
                ("work", said.fact("work")?),
                ("body", said.fact("body")?),
                ("communication", said.trimmed("communication")?),
                ("communicated_on", said.fact("communicated_on")?),
                ("secrecy_on", Fact::maybe(said.maybe("secrecy_on")?)),
                ("from_us", said.moment("from")?),
                ("until_us", said.moment("until")?),
                ("made_at_us", said.at()),
                (ENDED, Fact::Empty),
            ]);
            rows.table("external_staff").insert(number, facts);
        }
        Action::StaffEnded => end(rows, "external_staff", said, "entry")?,
        _ => {}
    }
    Ok(())
}

fn end(rows: &mut ToldRows, table: &'static str, said: Said<'_>, name: &str) -> Result<(), Unsaid> {
    let number = said.number(name)?.to_string();
    let row = rows.row(table, &number).ok_or(Unsaid)?;
    row.set(ENDED, said.at());
    Ok(())
}

/// Rows of these tables are numbered as they come, and none is ever removed.
fn next(rows: &mut ToldRows, table: &'static str) -> String {
    (rows.table(table).len() + 1).to_string()
}

fn appointed(rows: &mut ToldRows, said: Said<'_>) -> Result<(), Unsaid> {
    let in_place_of = said.get("in_place_of").get("actor_id");
    if let Some(before) = in_place_of.and_then(|id| id.as_str()) {
        end_appointments(rows, before, said, false);
    }
    let actor = said.text("actor_id")?;
    end_appointments(rows, actor, said, false);
    let is_police = said.get("is_police").as_bool().ok_or(Unsaid)?;
    let facts = Facts::of([
        ("actor_id", said.fact("actor_id")?),
        ("body", said.fact("body")?),
        ("role", said.fact("role")?),
        ("may", said.fact("may")?),
        ("act", said.trimmed("act")?),
        ("is_police", Fact::Number(is_police.into())),
        ("trained_on", Fact::maybe(said.maybe("trained_on")?)),
        ("from_us", said.moment("from")?),
        ("until_us", said.maybe_moment("until")?),
        ("made_at_us", said.at()),
        (ENDED, Fact::Empty),
    ]);
    let number = next(rows, "appointments");
    rows.table("appointments").insert(number, facts);
    Ok(())
}

/// Ends an actor's appointments that were still to end, or those whose end had come.
fn end_appointments(rows: &mut ToldRows, actor: &str, said: Said<'_>, is_over: bool) {
    let actor = Fact::Text(actor.to_owned());
    let at = said.at_us();
    let theirs = rows.table("appointments").values_mut();
    for row in theirs.filter(|row| row.get("actor_id") == Some(&actor)) {
        let has_come = matches!(row.get("until_us"), Some(Fact::Number(until)) if *until <= at);
        if row.get(ENDED) == Some(&Fact::Empty) && has_come == is_over {
            row.set(ENDED, said.at());
        }
    }
}

fn handed_over(rows: &mut ToldRows, said: Said<'_>) -> Result<(), Unsaid> {
    let (body, key) = (said.fact("body")?, said.fact("key")?);
    for row in rows.table("key_custody").values_mut() {
        let is_it = row.get("body") == Some(&body) && row.get("kept_key") == Some(&key);
        if is_it && row.get(ENDED) == Some(&Fact::Empty) {
            row.set(ENDED, said.at());
        }
    }
    let facts = Facts::of([
        ("body", body),
        ("kept_key", key),
        ("holder", said.fact("actor_id")?),
        ("act", said.trimmed("act")?),
        ("made_at_us", said.at()),
        (ENDED, Fact::Empty),
    ]);
    let number = next(rows, "key_custody");
    rows.table("key_custody").insert(number, facts);
    Ok(())
}

/// What a restore ended again has an end, which the copy did not know.
pub(super) fn restored(rows: &mut ToldRows, ended: &EndedAgain) {
    // Versions before counted them.
    let unnamed = [
        (&ended.appointments, &["appointments"][..]),
        (
            &ended.offices,
            &["delegations", "key_custody", "external_staff"],
        ),
    ];
    for (_, tables) in unnamed.iter().filter(|(ended, _)| ended.has_unnamed()) {
        for table in *tables {
            rows.table(table)
                .values_mut()
                .for_each(|row| row.forget_empty(ENDED));
        }
    }
    for actor in ended.appointments.names() {
        let actor = Fact::Text(actor.clone());
        let theirs = rows.table("appointments").values_mut();
        for row in theirs.filter(|row| row.get("actor_id") == Some(&actor)) {
            if row.get(ENDED) == Some(&Fact::Empty) {
                row.set(ENDED, Fact::Something);
            }
        }
    }
    for office in ended.offices.names() {
        let mut parts = office.split(' ');
        let (table, number) = (parts.next(), parts.next());
        let known = TABLES.iter().find(|known| table == Some(known.name));
        if let (Some(table), Some(number)) = (known, number)
            && let Some(row) = rows.row(table.name, number)
        {
            row.set(ENDED, Fact::Something);
        }
    }
}
