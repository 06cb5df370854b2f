//! Tokens are issued and revoked, each with its line.

use std::time::Duration;

use thiserror::Error;
use varco_proto::keys::SealingKey;
use varco_proto::time::UtcTime;

use super::actors::{self};
use super::tokens::{self, IssuedToken, Order, Permissions, TokenError, TokenRow};
use crate::audit::action::Action;
use crate::audit::actor::{Actor, ActorKind};
use crate::audit::told::{TokenEnded, TokenMade, Told as _};
use crate::audit::{self, AuditError};
use crate::store::sql::{Connection, TransactionBehavior};
use crate::store::{Doing as _, StoreError};

/// A token was neither issued nor revoked.
#[derive(Debug, Error)]
pub enum TokenDeskError {
    /// See [`TokenError`].
    #[error(transparent)]
    Token(#[from] TokenError),
    /// The line.
    #[error(transparent)]
    Audit(#[from] AuditError),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Whom a token is for.
#[derive(Debug, Clone, Copy)]
pub struct WantedToken<'a> {
    /// Whoever bears this name; made when nobody does.
    pub name: &'a str,
    /// What they are.
    pub kind: ActorKind,
    /// What the token may do.
    pub may: &'a Permissions,
    /// How long it holds.
    pub valid: Duration,
}

/// Issues a token, within the caller's transaction.
///
/// # Errors
/// [`TokenDeskError`].
pub fn issue_within(
    main: &Connection,
    wanted: &WantedToken<'_>,
    key: &SealingKey,
    now: UtcTime,
) -> Result<IssuedToken, TokenDeskError> {
    let actor = actors::named(main, wanted.name, wanted.kind, now).map_err(TokenError::from)?;
    let order = Order {
        actor,
        may: wanted.may.clone(),
        ends_at: now + wanted.valid,
    };
    let issued = tokens::issue(main, &order, now)?;
    let told = TokenMade {
        actor: order.actor.name().to_owned(),
        actor_id: Some(order.actor.id().to_owned()),
        actor_kind: Some(order.actor.kind()),
        may: Some(order.may.to_text()),
        token_digest: Some(issued.row.digest.clone()),
        ends_at: Some(order.ends_at),
    };
    let entry = told.entry(Actor::console(), Action::TokenIssued)?;
    audit::append(main, &entry, now, key)?;
    Ok(issued)
}

/// Issues a token.
///
/// # Errors
/// [`TokenDeskError`].
pub fn issue(
    main: &mut Connection,
    wanted: &WantedToken<'_>,
    key: &SealingKey,
    now: UtcTime,
) -> Result<IssuedToken, TokenDeskError> {
    let transaction = main
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .doing("begin to issue a token")?;
    let issued = issue_within(&transaction, wanted, key, now)?;
    transaction.commit().doing("commit the token")?;
    Ok(issued)
}

/// Revokes a token, by the digits that name it: from then on it lets nobody in.
///
/// # Errors
/// [`TokenDeskError`].
pub fn revoke(
    main: &mut Connection,
    id: &str,
    key: &SealingKey,
    now: UtcTime,
) -> Result<TokenRow, TokenDeskError> {
    let transaction = main
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .doing("begin to revoke a token")?;
    let row = tokens::revoke(&transaction, id, now)?;
    let told = TokenEnded {
        actor: row.actor.clone(),
        token_digest: row.digest.clone(),
    };
    let entry = told.entry(Actor::console(), Action::TokenRevoked)?;
    audit::append(&transaction, &entry, now, key)?;
    transaction
        .commit()
        .doing("commit that a token is revoked")?;
    Ok(row)
}
