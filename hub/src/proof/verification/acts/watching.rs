//! Webhooks, places, what boxes are believed about, invitations, sessions, gates in use, duty hours, accounts of one
//! person, and whoever acts.

use super::{Said, Unsaid};
use crate::audit::AuditLine;
use crate::audit::action::Action;
use crate::audit::actor::ActorKind;
use crate::audit::told::EndedAgain;
use crate::map::place::Place;
use crate::proof::verification::rows::{Fact, Facts, LinedTable, ToldRows};

const REMOVED: &str = "removed_at_us";
const ENDED: &str = "ended_at_us";

pub(super) const TABLES: &[LinedTable] = &[
    LinedTable {
        name: "webhooks",
        key: "id",
        which: "1",
        columns: &[
            "url",
            "authority",
            "lists",
            "tells",
            "body",
            "made_at_us",
            REMOVED,
        ],
        end: REMOVED,
        rows_go: false,
    },
    LinedTable {
        name: "gate_places",
        key: "gate || char(10) || camera",
        which: "1",
        columns: &["latitude_e7", "longitude_e7"],
        end: "",
        rows_go: false,
    },
    LinedTable {
        name: "edge_registrations",
        key: "edge || char(10) || kind || char(10) || name",
        which: "way IN ('person', 'enrolment')",
        columns: &["kind"],
        end: "",
        rows_go: true,
    },
    LinedTable {
        name: "invitations",
        key: "edge",
        which: "1",
        columns: &["gate", "expires_at_us"],
        end: "",
        rows_go: true,
    },
    LinedTable {
        name: "sessions",
        key: "id",
        which: "1",
        columns: &["account", "actor_id", "post", "ends_at_us", ENDED],
        end: ENDED,
        rows_go: true,
    },
    LinedTable {
        name: "gate_claims",
        key: "gate",
        which: "1",
        columns: &["actor_id", "body", "from_us", "until_us"],
        end: "",
        rows_go: true,
    },
    LinedTable {
        name: "duty_hours",
        key: "actor || char(10) || from_us",
        which: "1",
        columns: &["to_us"],
        end: "",
        rows_go: true,
    },
    LinedTable {
        name: "accounts_of_one",
        key: "actor",
        which: "1",
        columns: &["person"],
        end: "",
        rows_go: false,
    },
    LinedTable {
        name: "actors",
        key: "id",
        which: "1",
        columns: &["name", "kind", "body"],
        end: "",
        rows_go: false,
    },
];

pub(super) fn take(rows: &mut ToldRows, action: Action, said: Said<'_>) -> Result<(), Unsaid> {
    match action {
        Action::WebhookMade => hook(rows, said)?,
        Action::WebhookRemoved => {
            let row = rows.row("webhooks", said.text("webhook")?).ok_or(Unsaid)?;
            row.set(REMOVED, said.at());
        }
        Action::GatePlaced => placed(rows, said)?,
        Action::EdgeAllowed => {
            for kind in ["gate", "camera"] {
                if let Some(name) = said.maybe(kind)? {
                    believe(rows, said.text("edge")?, kind, name);
                }
            }
        }
        Action::EdgeAdded | Action::EdgeEnrolled => {
            let edge = said.text("edge")?;
            believe(rows, edge, "gate", said.text("gate")?);
            believe(rows, edge, "camera", edge);
        }
        Action::EdgeInvited => {
            let facts = Facts::of([
                ("gate", said.fact("gate")?),
                ("expires_at_us", said.moment("expires_at")?),
            ]);
            let edge = said.text("edge")?.to_owned();
            rows.table("invitations").insert(edge, facts);
        }
        Action::SignedIn => {
            let facts = Facts::of([
                ("account", said.fact("account")?),
                ("actor_id", Fact::maybe(said.line.actor_id.as_deref())),
                ("post", Fact::maybe(said.maybe("post")?)),
                ("ends_at_us", said.moment("ends_at")?),
                (ENDED, Fact::Empty),
            ]);
            let id = said.text("session")?.to_owned();
            rows.table("sessions").insert(id, facts);
        }
        Action::SessionEnded => {
            if let Some(row) = rows.row("sessions", said.text("session")?) {
                row.set(ENDED, Fact::Something);
            }
        }
        Action::GatesClaimed | Action::GatesFreed => claimed(rows, action, said)?,
        Action::DutyTold => duty(rows, said)?,
        Action::AccountsTold => {
            let person = said.maybe("person_digest")?;
            for actor in said.texts("accounts")? {
                let mut facts = Facts::default();
                if let Some(digest) = person {
                    facts.set("person", Fact::Digest(digest.to_owned()));
                }
                rows.table("accounts_of_one")
                    .insert(actor.to_owned(), facts);
            }
        }
        Action::TokenIssued
        | Action::PersonAppointed
        | Action::StaffEntered
        | Action::AccountInvited => actor(rows, action, said)?,
        _ => {}
    }
    Ok(())
}

fn hook(rows: &mut ToldRows, said: Said<'_>) -> Result<(), Unsaid> {
    let mut facts = Facts::of([("made_at_us", said.at()), (REMOVED, Fact::Empty)]);
    // Versions before said less.
    if !said.get("lists").is_null() {
        facts.set("lists", Fact::Text(said.get("lists").to_string()));
    }
    if !said.get("tells").is_null() {
        facts.set("tells", Fact::Text(said.texts("tells")?.join(" ")));
    }
    if let Some(body) = said.maybe("body")? {
        facts.set("body", Fact::Text(body.to_owned()));
    }
    if let Some(digest) = said.maybe("url_digest")? {
        facts.set("url", Fact::Digest(digest.to_owned()));
        let authority = said.maybe("authority_digest")?;
        let authority = authority.map(|digest| Fact::Digest(digest.to_owned()));
        facts.set("authority", authority.unwrap_or(Fact::Empty));
    }
    rows.table("webhooks")
        .insert(said.text("webhook")?.to_owned(), facts);
    Ok(())
}

fn placed(rows: &mut ToldRows, said: Said<'_>) -> Result<(), Unsaid> {
    let camera = said.maybe("camera")?.unwrap_or("");
    let key = format!("{}\n{camera}", said.text("gate")?);
    let after = said.get("after");
    if after.is_null() {
        rows.table("gate_places").remove(&key);
        return Ok(());
    }
    let degrees = |name: &str| {
        after
            .get(name)
            .and_then(serde_json::Value::as_f64)
            .ok_or(Unsaid)
    };
    let place = Place::new(degrees("latitude")?, degrees("longitude")?).map_err(|_| Unsaid)?;
    let (latitude, longitude) = place.e7();
    let facts = Facts::of([
        ("latitude_e7", Fact::Number(latitude.into())),
        ("longitude_e7", Fact::Number(longitude.into())),
    ]);
    rows.table("gate_places").insert(key, facts);
    Ok(())
}

/// A box that was believed already is believed in the same way as before.
fn believe(rows: &mut ToldRows, edge: &str, kind: &str, name: &str) {
    let facts = Facts::default();
    rows.table("edge_registrations")
        .insert(format!("{edge}\n{kind}\n{name}"), facts);
}

/// Claims end by their own time, and are forgotten then.
fn claimed(rows: &mut ToldRows, action: Action, said: Said<'_>) -> Result<(), Unsaid> {
    for gate in said.texts("gates")? {
        let before = rows.table("gate_claims").remove(gate);
        if action == Action::GatesFreed {
            continue;
        }
        let until = super::moment(said.text("until")?)?;
        // One of the same municipality that lasts longer goes on.
        let longest = match before.as_ref().and_then(|row| row.get("until_us")) {
            Some(Fact::AtMost(before)) => until.max(*before),
            _ => until,
        };
        let facts = Facts::of([
            ("actor_id", Fact::maybe(said.line.actor_id.as_deref())),
            ("body", Fact::maybe(said.line.body.as_deref())),
            ("from_us", said.at()),
            ("until_us", Fact::AtMost(longest)),
        ]);
        rows.table("gate_claims").insert(gate.to_owned(), facts);
    }
    Ok(())
}

/// Duty hours stand in the place of what was said of the same time, and are forgotten when they are long over.
fn duty(rows: &mut ToldRows, said: Said<'_>) -> Result<(), Unsaid> {
    let actor = format!("{}\n", said.text("id")?);
    let Some(hours) = said.get("hours").as_array() else {
        rows.leave_out("duty_hours", actor); // A version before said how many.
        return Ok(());
    };
    let mut shifts = Vec::new();
    for shift in hours {
        let at = |name: &str| shift.get(name).and_then(|at| at.as_str()).ok_or(Unsaid);
        shifts.push((super::moment(at("from")?)?, super::moment(at("to")?)?));
    }
    let first = shifts.iter().map(|(from, _)| *from).min().ok_or(Unsaid)?;
    let last = shifts.iter().map(|(_, to)| *to).max().ok_or(Unsaid)?;
    let table = rows.table("duty_hours");
    table.retain(|key, _| {
        let began = key.strip_prefix(&actor).and_then(|from| from.parse().ok());
        !began.is_some_and(|began: i64| (first..=last).contains(&began))
    });
    for (from, to) in shifts {
        let facts = Facts::of([("to_us", Fact::Number(to))]);
        table.insert(format!("{actor}{from}"), facts);
    }
    Ok(())
}

/// Whoever acts is somebody, also when the line that named them has ended.
pub(super) fn acted(rows: &mut ToldRows, line: &AuditLine) {
    let (Some(id), Some(kind)) = (&line.actor_id, line.actor_kind) else {
        return;
    };
    if matches!(kind, ActorKind::Person | ActorKind::Service) && rows.row("actors", id).is_none() {
        let facts = Facts::of([
            ("name", Fact::Text(line.actor.clone())),
            ("kind", Fact::Text(kind.as_str().to_owned())),
        ]);
        rows.table("actors").insert(id.clone(), facts);
    }
}

/// Whoever is named gets an id, and works for whoever runs the hub until something else is said.
fn actor(rows: &mut ToldRows, action: Action, said: Said<'_>) -> Result<(), Unsaid> {
    let Some(id) = said.maybe("actor_id")? else {
        // A version before there were ids: each actor of a token got one without a line.
        rows.leave_out("actors", String::new());
        return Ok(());
    };
    let new = || Facts::of([("body", Fact::Text("owner".to_owned()))]);
    let kind = match action {
        Action::TokenIssued => said.maybe("actor_kind")?,
        _ => Some("person"),
    };
    let body = match action {
        Action::TokenIssued | Action::PersonAppointed => said.maybe("body")?,
        _ => None,
    };
    let name = said.fact("for")?;
    let row = rows
        .table("actors")
        .entry(id.to_owned())
        .or_insert_with(new);
    row.set("name", name);
    if let Some(kind) = kind {
        row.set("kind", Fact::Text(kind.to_owned()));
    }
    if let Some(body) = body {
        row.set("body", Fact::Text(body.to_owned()));
    }
    Ok(())
}

/// Webhooks that a restore removed again, and sessions that it ended.
pub(super) fn restored(rows: &mut ToldRows, ended: &EndedAgain) {
    for id in &ended.signing.sessions {
        if let Some(row) = rows.row("sessions", id) {
            row.set(ENDED, Fact::Something);
        }
    }
    for id in &ended.webhooks {
        if let Some(row) = rows.row("webhooks", id) {
            row.set(REMOVED, Fact::Something);
        }
    }
}
