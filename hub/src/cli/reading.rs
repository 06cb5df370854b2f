//! What somebody reads with the hub's own command leaves a line too (C24), before it is shown.

use super::agreements::AgreementCommand;
use super::arguments::{Command, EdgeCommand};
use super::clock::time_of;
use super::gates::GateCommand;
use super::municipalities::MunicipalityCommand;
use super::office::OfficeCommand;
use super::persons::{BodyCommand, PersonCommand};
use super::purposes::PurposeCommand;
use super::signing::{AccountCommand, PostCommand, SessionCommand};
use super::tokens::TokenCommand;
use super::watching::{HotlistCommand, WebhookCommand};
use crate::audit::action::Action;
use crate::audit::actor::Actor;
use crate::audit::{self, AuditEntry};
use crate::home::Home;

/// What a command shows of the hub's records; none for one that changes something, which leaves a line
/// of its own, and for one that shows the hub's own state.
fn shown(command: &Command) -> Option<(Action, serde_json::Value)> {
    let nothing = serde_json::json!({});
    let plain = |action| Some((action, nothing.clone()));
    match command {
        Command::Edge { command } => match command {
            EdgeCommand::List => plain(Action::EdgesListed),
            EdgeCommand::Show(show) => {
                let details = serde_json::json!({ "edge": show.id });
                Some((Action::EdgesListed, details))
            }
            _ => None,
        },
        Command::Gate {
            command: GateCommand::List,
        } => plain(Action::GatesListed),
        Command::Municipality {
            command: MunicipalityCommand::List,
        } => plain(Action::MunicipalitiesListed),
        Command::Purpose {
            command: PurposeCommand::List,
        } => plain(Action::PurposesListed),
        Command::Body {
            command: BodyCommand::List,
        } => plain(Action::BodiesListed),
        Command::Person {
            command: PersonCommand::List,
        } => plain(Action::PersonsListed),
        Command::Office {
            command: OfficeCommand::Show { body },
        } => Some((Action::OfficeShown, serde_json::json!({ "body": body }))),
        Command::Agreement {
            command: AgreementCommand::List,
        } => plain(Action::AgreementsListed),
        Command::Hotlist {
            command: HotlistCommand::List,
        } => plain(Action::HotlistsListed),
        Command::Webhook {
            command: WebhookCommand::List,
        } => plain(Action::WebhooksListed),
        Command::Token {
            command: TokenCommand::List,
        } => plain(Action::TokensListed),
        Command::Account {
            command: AccountCommand::List,
        } => plain(Action::AccountsListed),
        Command::Account {
            command: AccountCommand::Passkeys,
        } => plain(Action::PasskeysListed),
        Command::Post {
            command: PostCommand::List,
        } => plain(Action::PostsListed),
        Command::Session {
            command: SessionCommand::List,
        } => plain(Action::SessionsListed),
        _ => None,
    }
}

/// Writes the line of what a command is about to show.
///
/// # Errors
/// When it cannot be written: then nothing is shown.
pub(super) fn note(home: &Home, command: &Command) -> anyhow::Result<()> {
    let Some((action, details)) = shown(command) else {
        return Ok(());
    };
    let now = time_of(home)?.kept();
    let entry = AuditEntry::plain(Actor::console(), action, details);
    let (key, mut main) = (home.sealing_key()?, home.open_main()?);
    audit::append_alone(&mut main, &entry, now, &key)?;
    Ok(())
}
