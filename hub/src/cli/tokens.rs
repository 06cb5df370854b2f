//! `varco-hub token`.

use std::io::Write;
use std::time::Duration;

use clap::Subcommand;
use serde::Serialize;
use varco_proto::time::UtcTime;

use super::clock::time_of;
use super::output::{Output, json, table};
use crate::agreements::{self, AgreementId};
use crate::audit::purpose::Purpose;
use crate::bodies::BodyId;
use crate::home::Home;
use crate::people::desk::{self, WantedToken};
use crate::people::tokens::{
    self, DAYS_DEFAULT, DAYS_MAX, Permission, Permissions, TokenBounds, TokenRow,
};
use crate::store::sql::Connection;

/// `token`.
#[derive(Debug, Subcommand)]
pub enum TokenCommand {
    /// Issue a token to a system: a program of a body. It is printed once. Persons sign in instead: `account invite`.
    Add {
        /// Which system will act with it; stands in every audit line. A name belongs to one actor for good: what
        /// had a token before gets a further one.
        #[arg(long, value_name = "NAME")]
        actor: String,
        /// It is for a program. Needed, since a person gets none.
        #[arg(long)]
        service: bool,
        /// For what it may be used: public-safety, urban-security, emergency, heritage, area-control, monuments, events,
        /// traffic, vulnerable-people, sanction; at least one, may be given several times.
        #[arg(long, value_name = "PURPOSE")]
        purpose: Vec<Purpose>,
        /// The one agreement under which it sees other municipalities' gates [default: its body's own gates alone]
        #[arg(long, value_name = "AGREEMENT")]
        agreement: Option<AgreementId>,
        /// For which body it works [default: the one that it has; for a new one, whoever runs the hub]
        #[arg(long, value_name = "BODY")]
        body: Option<BodyId>,
        /// How long it holds.
        #[arg(long, value_name = "DAYS", default_value_t = DAYS_DEFAULT,
            value_parser = clap::value_parser!(u16).range(1..=i64::from(DAYS_MAX)))]
        days: u16,
        /// What it may do: lookups, alerts, hotlists, statistics, edges, convoys, cases, oversight, persons,
        /// admission; may be given several times. The first five when it is left out.
        #[arg(long, value_name = "WHAT")]
        may: Vec<Permission>,
    },
    /// List the tokens: whose they are, what they may do and for what, when they end. What they are is stored nowhere.
    List,
    /// Revoke a token: from its next request on it lets nobody in.
    Revoke {
        /// The digits that `token list` shows.
        id: String,
    },
}

/// A token as it is listed.
#[derive(Debug, Serialize)]
struct TokenView {
    id: String,
    actor: String,
    actor_id: String,
    may: Vec<String>,
    purposes: Vec<String>,
    agreement: Option<String>,
    created_at: UtcTime,
    ends_at: UtcTime,
    used_at: Option<UtcTime>,
    revoked_at: Option<UtcTime>,
    holds: bool,
}

impl TokenView {
    fn of(row: &TokenRow, now: UtcTime) -> Self {
        Self {
            id: row.id().to_owned(),
            actor: row.actor.clone(),
            actor_id: row.actor_id.clone(),
            may: words(&row.may),
            purposes: words(&row.purposes),
            agreement: row.agreement.clone(),
            created_at: row.created_at,
            ends_at: row.ends_at,
            used_at: row.used_at,
            // One whose time was over is noted as ended too.
            revoked_at: row.revoked_at.filter(|at| *at < row.ends_at),
            holds: row.holds_at(now),
        }
    }
}

fn words(text: &str) -> Vec<String> {
    let words = text.split(' ').filter(|word| !word.is_empty());
    words.map(str::to_owned).collect()
}

/// An agreement that there is, so that a slip is noticed at once.
fn expect_agreement(main: &Connection, id: &AgreementId) -> anyhow::Result<()> {
    let known = agreements::find(main, id)?;
    anyhow::ensure!(
        known.is_some_and(|known| known.ended_at.is_none()),
        "there is no agreement `{id}` that holds; `varco-hub agreement list` shows those there are"
    );
    Ok(())
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
            purpose,
            agreement,
            body,
            days,
            may,
        } => {
            anyhow::ensure!(
                service,
                "a token is for a program, and \"{actor}\" was not said to be one: give --service if it is. A person \
                 signs in: appoint them with `varco-hub person appoint`, give them an account with \
                 `varco-hub account invite USER --person NAME`, and enrol the workstation with `varco-hub post invite`"
            );
            let may = if may.is_empty() {
                Permissions::usual()
            } else {
                Permissions::of(&may)
            };
            let bounds = TokenBounds {
                agreement: agreement.as_ref().map(ToString::to_string),
                ..TokenBounds::of(&purpose)
            };
            if let Some(agreement) = &agreement {
                expect_agreement(&main, agreement)?;
            }
            let wanted = WantedToken {
                name: &actor,
                body: body.as_ref(),
                may: &may,
                bounds: &bounds,
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
    let mut shown = table(&[
        "id",
        "whose",
        "may",
        "for",
        "agreement",
        "issued (UTC)",
        "ends (UTC)",
        "state",
    ]);
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
            view.purposes.join(", "),
            view.agreement.unwrap_or_default(),
            view.created_at.to_string(),
            view.ends_at.to_string(),
            state,
        ]);
    }
    writeln!(out, "{shown}")
}
