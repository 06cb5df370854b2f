//! Tokens are issued and revoked, each with its line.

use std::time::Duration;

use thiserror::Error;
use varco_proto::keys::SealingKey;
use varco_proto::time::UtcTime;

use super::actors::{self};
use super::tokens::{self, IssuedToken, Order, Permissions, TokenError, TokenRow};
use crate::audit::acting::Acting;
use crate::audit::action::Action;
use crate::audit::actor::{Actor, ActorKind};
use crate::audit::told::{TokenEnded, TokenMade, Told as _};
use crate::audit::{self, AuditError};
use crate::bodies::{self, BodyId};
use crate::store::sql::{Connection, TransactionBehavior};
use crate::store::{Doing as _, StoreError};

/// A token was neither issued nor revoked.
#[derive(Debug, Error)]
pub enum TokenDeskError {
    /// See [`TokenError`].
    #[error(transparent)]
    Token(#[from] TokenError),
    /// There is none.
    #[error("there is no body `{0}`; `varco-hub body list` shows those there are")]
    Body(BodyId),
    /// Somebody works for another.
    #[error("`{0}` works for `{1}`: `varco-hub person appoint` moves a person to another body")]
    WorksFor(String, BodyId),
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
    /// For which body they work; none for the one that they have, or, for somebody new, whoever runs the hub.
    pub body: Option<&'a BodyId>,
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
    if let Some(body) = wanted.body {
        assign(main, &actor, body)?;
    }
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
        body: Some(actors::body_of(main, order.actor.id())?.to_string()),
        ends_at: Some(order.ends_at),
    };
    let entry = told.entry(Actor::console(), Action::TokenIssued)?;
    audit::append(main, &entry, now, key)?;
    Ok(issued)
}

/// Lets somebody new work for a body. Whoever works for one goes on there: an appointment moves persons.
fn assign(main: &Connection, actor: &Actor, body: &BodyId) -> Result<(), TokenDeskError> {
    let known = bodies::find(main, body)?.filter(|known| known.holds());
    if known.is_none() {
        return Err(TokenDeskError::Body(body.clone()));
    }
    let before = actors::body_of(main, actor.id())?;
    if before == *body {
        return Ok(());
    }
    if before != BodyId::owner() || tokens::has_any(main, actor.id())? {
        return Err(TokenDeskError::WorksFor(actor.name().to_owned(), before));
    }
    Ok(actors::assign(main, actor.id(), body)?)
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

/// Ends for good the tokens whose time is over by now: a clock that is set back afterwards brings none of them back.
/// Within the caller's transaction; gives how many.
///
/// # Errors
/// [`AuditError`]; the caller rolls back, and all are over by their own time.
pub fn end_over(main: &Connection, acting: &Acting<'_>) -> Result<usize, AuditError> {
    let is_over = |row: &TokenRow| row.revoked_at.is_none() && !row.holds_at(acting.now);
    let over = tokens::rows(main)?.into_iter().filter(is_over);
    let mut ended = 0;
    for row in over {
        tokens::end(main, &row, acting.now)?;
        let told = TokenEnded {
            actor: row.actor,
            token_digest: row.digest,
        };
        let entry = told.entry(acting.actor.clone(), Action::TokenRevoked)?;
        audit::append(main, &entry, acting.now, acting.key)?;
        ended += 1;
    }
    Ok(ended)
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
