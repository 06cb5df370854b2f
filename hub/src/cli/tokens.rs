//! `varco-hub token`.

use std::io::Write;
use std::time::Duration;

use serde::Serialize;
use varco_proto::time::UtcTime;

use super::arguments::TokenCommand;
use super::clock::time_of;
use super::output::{Output, json, table};
use crate::audit::actor::ActorKind;
use crate::home::Home;
use crate::people::desk::{self, WantedToken};
use crate::people::tokens::{self, Permissions, TokenRow};

/// A token as it is listed.
#[derive(Debug, Serialize)]
struct TokenView {
    id: String,
    actor: String,
    actor_id: String,
    may: Vec<String>,
    created_at: UtcTime,
    ends_at: UtcTime,
    revoked_at: Option<UtcTime>,
    holds: bool,
}

impl TokenView {
    fn of(row: &TokenRow, now: UtcTime) -> Self {
        Self {
            id: row.id().to_owned(),
            actor: row.actor.clone(),
            actor_id: row.actor_id.clone(),
            may: row.may.split(' ').map(str::to_owned).collect(),
            created_at: row.created_at,
            ends_at: row.ends_at,
            // One whose time was over is noted as ended too.
            revoked_at: row.revoked_at.filter(|at| *at < row.ends_at),
            holds: row.holds_at(now),
        }
    }
}

/// Issues, lists or revokes tokens.
///
/// # Errors
/// What is wrong, and what to do.
pub(super) fn token(
    home: &Home,
    command: TokenCommand,
    output: Output,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    home.expect()?;
    let now = time_of(home)?.kept();
    let (key, mut main) = (home.sealing_key()?, home.open_main()?);
    match command {
        TokenCommand::Add {
            actor,
            service,
            body,
            days,
            may,
        } => {
            let may = if may.is_empty() {
                Permissions::usual()
            } else {
                Permissions::of(&may)
            };
            let kind = if service {
                ActorKind::Service
            } else {
                ActorKind::Person
            };
            let wanted = WantedToken {
                name: &actor,
                kind,
                body: body.as_ref(),
                may: &may,
                valid: Duration::from_secs(u64::from(days) * 86_400),
            };
            let issued = desk::issue(&mut main, &wanted, &key, now)?;
            let view = TokenView::of(&issued.row, now);
            if output.json {
                let mut shown = serde_json::to_value(&view)?;
                shown["token"] = issued.token.into();
                return Ok(json(out, &shown)?);
            }
            writeln!(out, "{}", issued.token)?;
            writeln!(
                out,
                "Shown once; it acts as \"{}\" until {}. Its id is {}.",
                view.actor, view.ends_at, view.id
            )?;
        }
        TokenCommand::List => list(&tokens::rows(&main)?, now, output, out)?,
        TokenCommand::Revoke { id } => {
            let row = desk::revoke(&mut main, &id, &key, now)?;
            let said = format!("the token of \"{}\" lets nobody in any more", row.actor);
            let view = TokenView::of(&row, now);
            output.done(out, &serde_json::to_value(&view)?, &said)?;
        }
    }
    Ok(())
}

fn list(
    rows: &[TokenRow],
    now: UtcTime,
    output: Output,
    out: &mut impl Write,
) -> std::io::Result<()> {
    let views: Vec<_> = rows.iter().map(|row| TokenView::of(row, now)).collect();
    if output.json {
        return json(out, &serde_json::json!({ "tokens": views }));
    }
    let mut shown = table(&["id", "whose", "may", "issued (UTC)", "ends (UTC)", "state"]);
    for view in views {
        let state = match (view.revoked_at, view.holds) {
            (Some(at), _) => format!("revoked {at}"),
            (None, true) => "holds".to_owned(),
            (None, false) => "ended".to_owned(),
        };
        shown.add_row([
            view.id,
            view.actor,
            view.may.join(", "),
            view.created_at.to_string(),
            view.ends_at.to_string(),
            state,
        ]);
    }
    writeln!(out, "{shown}")
}
