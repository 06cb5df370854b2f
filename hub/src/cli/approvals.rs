//! `varco-hub approval`: what waits for somebody to decide, what is unlocked, and what came of the rest. Deciding is
//! for persons who are signed in: there is no command for it.

use std::io::Write;

use clap::Subcommand;
use serde_json::json;

use super::console::Console;
use super::output::{Output, json as as_json, table};
use crate::approvals::approval::{self, Approval, ApprovalState};
use crate::approvals::{ApprovalId, claims};
use crate::audit::AuditEntry;
use crate::audit::acting::Acting;
use crate::audit::action::Action;
use crate::home::Home;
use crate::store::sql::Connection;
use crate::web::approval_view::ApprovalView;

/// Most requests of one list.
const SHOWN_MAX: u32 = 200;

/// `approval`.
#[derive(Debug, Subcommand)]
pub enum ApprovalCommand {
    /// List the requests that wait or unlock something now.
    List {
        /// Those that are over too, newest first.
        #[arg(long)]
        all: bool,
    },
    /// Show one request with who said what.
    Show {
        /// Which.
        id: ApprovalId,
    },
    /// List the gates that the first level uses now.
    Gates,
}

/// Lists or shows requests.
///
/// # Errors
/// What is wrong, and what to do.
pub(super) fn approval(
    home: &Home,
    command: ApprovalCommand,
    output: Output,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    let (mut main, console) = Console::open(home)?;
    let acting = console.acting();
    match command {
        ApprovalCommand::List { all } => {
            let mut shown = approval::newest(&main, SHOWN_MAX)?;
            let lives = |one: &Approval| {
                let state = one.state_at(acting.now);
                matches!(state, ApprovalState::Waiting | ApprovalState::Approved)
            };
            shown.retain(|one| all || lives(one));
            note(&mut main, &acting, &shown)?;
            list(&shown, &acting, output, out)
        }
        ApprovalCommand::Show { id } => {
            let found = approval::find(&main, &id)?;
            let found = found.ok_or_else(|| {
                anyhow::anyhow!(
                    "there is no request `{id}`; `varco-hub approval list --all` shows them"
                )
            })?;
            note(&mut main, &acting, std::slice::from_ref(&found))?;
            show(&found, &acting, output, out)
        }
        ApprovalCommand::Gates => gates(&main, &acting, output, out),
    }
}

fn note(main: &mut Connection, acting: &Acting<'_>, shown: &[Approval]) -> anyhow::Result<()> {
    let ids: Vec<_> = shown.iter().map(|one| &one.id).collect();
    let entry = AuditEntry::plain(
        acting.actor.clone(),
        Action::ApprovalsListed,
        json!({ "approvals": ids }),
    );
    acting.act(main, &entry, |_| Ok::<_, crate::audit::AuditError>(()))?;
    Ok(())
}

fn list(
    shown: &[Approval],
    acting: &Acting<'_>,
    output: Output,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    if output.json {
        let views = shown.iter().map(|one| ApprovalView::of(one, acting.now));
        let views: Vec<_> = views.collect();
        return Ok(as_json(out, &json!({ "approvals": views }))?);
    }
    if shown.is_empty() {
        writeln!(out, "No requests.")?;
        return Ok(());
    }
    let mut rows = table(&["id", "for", "asked by", "asked at", "state", "until"]);
    for one in shown {
        let state = one.state_at(acting.now);
        let until = match (state, one.until) {
            (ApprovalState::Waiting, _) => one.waits_until.to_string(),
            (_, Some(until)) => until.to_string(),
            (_, None) => String::new(),
        };
        rows.add_row([
            one.id.to_string(),
            one.what().to_string(),
            format!("{} ({})", one.asked_name, one.asked_body),
            one.asked_at.to_string(),
            state.as_str().to_owned(),
            until,
        ]);
    }
    writeln!(out, "{rows}")?;
    Ok(())
}

fn show(
    one: &Approval,
    acting: &Acting<'_>,
    output: Output,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    let view = ApprovalView::of(one, acting.now);
    if output.json {
        return Ok(as_json(out, &view)?);
    }
    writeln!(out, "{}  {}  {}", one.id, one.what(), view.state)?;
    writeln!(
        out,
        "asked by {} ({}) at {}",
        view.asked_by, view.body, view.asked_at
    )?;
    writeln!(out, "reason: {}", view.reason)?;
    writeln!(out, "about: {}", serde_json::to_string(&view.subject)?)?;
    writeln!(out, "waits until {}", view.waits_until)?;
    if let Some(until) = &view.until {
        writeln!(out, "unlocked until {until}")?;
    }
    for said in &view.decisions {
        let word = if said.approves { "agreed" } else { "refused" };
        writeln!(
            out,
            "{} ({}) {word} at {} {}",
            said.by, said.body, said.at, said.note
        )?;
    }
    Ok(())
}

fn gates(
    main: &Connection,
    acting: &Acting<'_>,
    output: Output,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    let held = claims::held(main, acting.now)?;
    if output.json {
        let rows = held.values().map(|claim| {
            json!({ "gate": claim.gate, "municipality": claim.municipality, "by": claim.name,
                "from": claim.from, "until": claim.until })
        });
        let rows: Vec<_> = rows.collect();
        return Ok(as_json(out, &json!({ "gates": rows }))?);
    }
    if held.is_empty() {
        writeln!(out, "No gate is in use by the first level.")?;
        return Ok(());
    }
    let mut rows = table(&["gate", "municipality", "by", "until"]);
    for claim in held.values() {
        rows.add_row([
            claim.gate.to_string(),
            claim.municipality.to_string(),
            claim.name.clone(),
            claim.until.to_string(),
        ]);
    }
    writeln!(out, "{rows}")?;
    Ok(())
}
