//! Tokens are issued and revoked, each with its line.

use std::time::Duration;

use thiserror::Error;
use varco_proto::keys::SealingKey;
use varco_proto::time::UtcTime;

use super::actors::{self};
use super::tokens::{self, IssuedToken, Order, Permissions, TokenBounds, TokenError, TokenRow};
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
    /// The system works for another.
    #[error("`{0}` works for `{1}`: a system works for one body; give another name")]
    WorksFor(String, BodyId),
    /// The line.
    #[error(transparent)]
    Audit(#[from] AuditError),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Which system a token is for.
#[derive(Debug, Clone, Copy)]
pub struct WantedToken<'a> {
    /// The system that bears this name; made when none does.
    pub name: &'a str,
    /// For which body it works; none for the one that it has, or, for a new one, whoever runs the hub.
    pub body: Option<&'a BodyId>,
    /// What the token may do.
    pub may: &'a Permissions,
    /// For what, and under which agreement.
    pub bounds: &'a TokenBounds,
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
    let actor = actors::named(main, wanted.name, ActorKind::Service, now);
    let actor = actor.map_err(TokenError::from)?;
    if let Some(body) = wanted.body {
        assign(main, &actor, body)?;
    }
    let order = Order {
        actor,
        may: wanted.may.clone(),
        bounds: wanted.bounds.clone(),
        ends_at: now + wanted.valid,
    };
    let issued = tokens::issue(main, &order, now)?;
    let told = TokenMade {
        actor: order.actor.name().to_owned(),
        actor_id: Some(order.actor.id().to_owned()),
        actor_kind: Some(order.actor.kind()),
        may: Some(order.may.to_text()),
        purposes: Some(order.bounds.purposes_text()),
        agreement: order.bounds.agreement.clone(),
        token_digest: Some(issued.row.digest.clone()),
        body: Some(actors::body_of(main, order.actor.id())?.to_string()),
        ends_at: Some(order.ends_at),
    };
    let entry = told.entry(Actor::console(), Action::TokenIssued)?;
    audit::append(main, &entry, now, key)?;
    Ok(issued)
}

/// Lets a new system work for a body. One that works for a body goes on there.
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

/// Ends for good the tokens that a rule ends by now. Within the caller's transaction; gives how many.
///
/// Those are whose time is over, that lie unused for six months, whose body ended, or that an older version gave to a
/// person. A clock that is set back afterwards brings none of them back.
///
/// # Errors
/// [`AuditError`]; the caller rolls back, and none of them lets anybody in meanwhile.
pub fn end_over(main: &Connection, acting: &Acting<'_>) -> Result<usize, AuditError> {
    let rows = tokens::rows(main)?.into_iter();
    let mut ended = 0;
    for row in rows.filter(|row| row.revoked_at.is_none()) {
        if let Some(why) = ends_by_rule(main, &row, acting.now)? {
            end(main, row, why, acting)?;
            ended += 1;
        }
    }
    Ok(ended)
}

/// Ends for good the tokens that an older version gave to persons, who sign in now. Gives how many.
///
/// # Errors
/// [`AuditError`]; nothing was changed, and none of them lets anybody in.
pub fn end_those_of_persons(
    main: &mut Connection,
    acting: &Acting<'_>,
) -> Result<usize, AuditError> {
    let transaction = main
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .doing("begin to end tokens of persons")?;
    let rows = tokens::rows(&transaction)?.into_iter();
    let mut ended = 0;
    for row in rows.filter(|row| row.revoked_at.is_none()) {
        if is_of_a_person(&transaction, &row)? {
            end(&transaction, row, OF_A_PERSON, acting)?;
            ended += 1;
        }
    }
    transaction
        .commit()
        .doing("commit that tokens of persons ended")?;
    Ok(ended)
}

const OF_A_PERSON: &str = "tokens are for systems, and persons sign in";

fn is_of_a_person(main: &Connection, row: &TokenRow) -> Result<bool, StoreError> {
    let actor = actors::of_id(main, &row.actor_id)?;
    Ok(actor.is_none_or(|actor| actor.kind() != ActorKind::Service))
}

/// Which rule ends a token that nobody ended.
fn ends_by_rule(
    main: &Connection,
    row: &TokenRow,
    now: UtcTime,
) -> Result<Option<&'static str>, StoreError> {
    if row.ends_at <= now {
        return Ok(Some("its time was over"));
    }
    if row.is_unused(now) {
        return Ok(Some("it lay unused for six months"));
    }
    if is_of_a_person(main, row)? {
        return Ok(Some(OF_A_PERSON));
    }
    let body = bodies::find(main, &actors::body_of(main, &row.actor_id)?)?;
    let holds = body.is_some_and(|body| body.holds());
    Ok((!holds).then_some("its body ended"))
}

fn end(main: &Connection, row: TokenRow, why: &str, acting: &Acting<'_>) -> Result<(), AuditError> {
    tokens::end(main, &row, acting.now)?;
    let told = TokenEnded {
        actor: row.actor,
        token_digest: row.digest,
        why: Some(why.to_owned()),
    };
    let entry = told.entry(acting.actor.clone(), Action::TokenRevoked)?;
    audit::append(main, &entry, acting.now, acting.key)?;
    Ok(())
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
        why: None,
    };
    let entry = told.entry(Actor::console(), Action::TokenRevoked)?;
    audit::append(&transaction, &entry, now, key)?;
    transaction
        .commit()
        .doing("commit that a token is revoked")?;
    Ok(row)
}
