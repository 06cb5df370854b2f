//! What is done to accounts and sessions by who sees to them: each act with its line.

use thiserror::Error;
use varco_proto::cipher::Key;
use varco_proto::time::UtcTime;

use super::accounts::{self, NewAccount, OpenInvitation, PersonAccount, WhyDisabled};
use super::codes::{self, OneTimeCode};
use super::passkey_revoking;
use super::sessions::{self, Of, WhyEnded};
use super::totp::TotpSecret;
use super::user_name::UserName;
use crate::audit::acting::Acting;
use crate::audit::action::Action;
use crate::audit::actor::ActorKind;
use crate::audit::told::{AccountMade, AccountTurned, SessionTurned, Told as _};
use crate::audit::{self, AuditError};
use crate::machine::random::{self, RandomError};
use crate::people::actors::{self, ActorError};
use crate::store::StoreError;
use crate::store::sql::Connection;

/// Nothing was done to an account or a session.
#[derive(Debug, Error)]
pub enum AccountError {
    /// The person's name cannot be taken.
    #[error(transparent)]
    Actor(#[from] ActorError),
    /// A new account needs to know whose it is.
    #[error("there is no account `{0}`: say whose it is to be, with --person NAME")]
    Whose(UserName),
    /// There is none.
    #[error("there is no account `{0}`; `varco-hub account list` shows those there are")]
    Unknown(UserName),
    /// The user name is somebody else's.
    #[error("`{user_name}` is the account of {person}: choose another user name")]
    Taken {
        /// Which.
        user_name: UserName,
        /// Whose.
        person: String,
    },
    /// A person has one account.
    #[error("{person} has the account `{user_name}`: invite that one")]
    Another {
        /// Who.
        person: String,
        /// Theirs.
        user_name: UserName,
    },
    /// It is already so.
    #[error("the account `{0}` is disabled already")]
    Disabled(UserName),
    /// It is already so.
    #[error("the account `{0}` is not disabled")]
    Enabled(UserName),
    /// There is none.
    #[error("no session `{0}` holds; `varco-hub session list` shows those that do")]
    NoSession(String),
    /// See [`RandomError`].
    #[error("cannot draw a code")]
    Random(#[from] RandomError),
    /// No audit line, no act.
    #[error("the audit line cannot be written, so nothing was done")]
    Audit(#[from] AuditError),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Who is to open an account.
#[derive(Debug, Clone, Copy)]
pub struct AccountInvite<'a> {
    /// What they will type.
    pub user_name: &'a UserName,
    /// Who they are; left out for an account that is there.
    pub person: Option<&'a str>,
}

/// A code that was made, to be handed over.
#[derive(Debug, Clone)]
pub struct HandedCode {
    /// Shown once and never again.
    pub code: OneTimeCode,
    /// What it opens: the account's or the post's id.
    pub of: String,
    /// Until when it holds.
    pub ends_at: UtcTime,
}

/// Gives a person a code to open an account with. What let them in before does no more, and their sessions
/// end.
///
/// # Errors
/// [`AccountError`].
pub fn invite(
    main: &mut Connection,
    key: &Key,
    invite: &AccountInvite<'_>,
    acting: &Acting<'_>,
) -> Result<HandedCode, AccountError> {
    let now = acting.now;
    acting.change(main, |main| {
        let account = found_or_made(main, invite, now)?;
        let code = OneTimeCode::draw()?;
        let invitation = OpenInvitation {
            digest: code.digest(),
            ends_at: now + codes::VALID,
            secret: TotpSecret::random()?.seal(key, &account.id)?,
        };
        accounts::invite(main, &account.id, &invitation, now)?;
        end_all(main, Of::Account(&account.id), WhyEnded::Account, acting)?;
        passkey_revoking::revoke_all(main, &account.id, acting)?;
        let person = actors::of_id(main, &account.actor_id)?;
        let person = person.ok_or(StoreError::Damaged { what: "account" })?;
        let told = AccountMade {
            account: account.id.clone(),
            person: person.name().to_owned(),
            actor_id: account.actor_id,
            user_name: account.user_name.to_string(),
            code_ends: invitation.ends_at,
        };
        let handed = HandedCode {
            code,
            of: account.id,
            ends_at: invitation.ends_at,
        };
        Ok((
            handed,
            told.entry(acting.actor.clone(), Action::AccountInvited)?,
        ))
    })
}

fn found_or_made(
    main: &Connection,
    invite: &AccountInvite<'_>,
    now: UtcTime,
) -> Result<PersonAccount, AccountError> {
    let user_name = invite.user_name;
    let found = accounts::of_user(main, user_name)?;
    let Some(person) = invite.person else {
        return found.ok_or_else(|| AccountError::Whose(user_name.clone()));
    };
    if let Some(account) = found {
        let owner = actors::of_id(main, &account.actor_id)?;
        let owner = owner.ok_or(StoreError::Damaged { what: "account" })?;
        if owner.name().to_lowercase() == person.trim().to_lowercase() {
            return Ok(account);
        }
        return Err(AccountError::Taken {
            user_name: user_name.clone(),
            person: owner.name().to_owned(),
        });
    }
    let actor = actors::named(main, person, ActorKind::Person, now)?;
    if let Some(other) = accounts::of_actor(main, actor.id())? {
        return Err(AccountError::Another {
            person: actor.name().to_owned(),
            user_name: other.user_name,
        });
    }
    let id = format!("u{}", hex::encode(random::bytes::<8>()?));
    let new = NewAccount {
        id: &id,
        actor_id: actor.id(),
        user_name,
    };
    accounts::make(main, new, now)?;
    let made = accounts::of_id(main, &id)?;
    Ok(made.ok_or(StoreError::Damaged { what: "account" })?)
}

/// Disables an account by hand, and ends its sessions. Gives how many there were.
///
/// # Errors
/// [`AccountError`].
pub fn disable(
    main: &mut Connection,
    user_name: &UserName,
    acting: &Acting<'_>,
) -> Result<usize, AccountError> {
    acting.change(main, |main| {
        let account = accounts::of_user(main, user_name)?;
        let account = account.ok_or_else(|| AccountError::Unknown(user_name.clone()))?;
        if !accounts::disable(main, &account.id, WhyDisabled::ByHand, acting.now)? {
            return Err(AccountError::Disabled(user_name.clone()));
        }
        let ended = end_all(main, Of::Account(&account.id), WhyEnded::Account, acting)?;
        let told = turned(&account.id, WhyDisabled::ByHand.as_str());
        Ok((
            ended,
            told.entry(acting.actor.clone(), Action::AccountDisabled)?,
        ))
    })
}

fn turned(account: &str, why: &str) -> AccountTurned {
    AccountTurned {
        account: account.to_owned(),
        why: why.to_owned(),
    }
}

/// Disables an account that the rules disable, within the caller's transaction, and ends its sessions.
/// False when it was.
pub(super) fn disable_by_rule(
    main: &Connection,
    account: &str,
    why: WhyDisabled,
    acting: &Acting<'_>,
) -> Result<bool, AuditError> {
    if !accounts::disable(main, account, why, acting.now)? {
        return Ok(false);
    }
    end_all(main, Of::Account(account), WhyEnded::Account, acting)?;
    let told = turned(account, why.as_str());
    let entry = told.entry(acting.actor.clone(), Action::AccountDisabled)?;
    audit::append(main, &entry, acting.now, acting.key)?;
    Ok(true)
}

/// Enables an account again; it counts as used now.
///
/// # Errors
/// [`AccountError`].
pub fn enable(
    main: &mut Connection,
    user_name: &UserName,
    acting: &Acting<'_>,
) -> Result<(), AccountError> {
    acting.change(main, |main| {
        let account = accounts::of_user(main, user_name)?;
        let account = account.ok_or_else(|| AccountError::Unknown(user_name.clone()))?;
        if !accounts::enable(main, &account.id, acting.now)? {
            return Err(AccountError::Enabled(user_name.clone()));
        }
        let told = turned(&account.id, WhyDisabled::ByHand.as_str());
        Ok((
            (),
            told.entry(acting.actor.clone(), Action::AccountEnabled)?,
        ))
    })
}

/// Ends sessions within the caller's transaction, with a line of each. Gives how many lived.
pub(super) fn end_all(
    main: &Connection,
    of: Of<'_>,
    why: WhyEnded,
    acting: &Acting<'_>,
) -> Result<usize, AuditError> {
    let mut ended = 0;
    let rows = sessions::open_rows(main)?;
    for id in sessions::end_all(main, of, why, acting.now)? {
        let row = rows.iter().find(|row| row.id == id);
        let row = row.ok_or(StoreError::Damaged { what: "session" })?;
        note(main, &row.id, &row.account, why.as_str(), acting)?;
        ended += 1;
    }
    Ok(ended)
}

/// Writes that a session ended.
pub(super) fn note(
    main: &Connection,
    session: &str,
    account: &str,
    why: &str,
    acting: &Acting<'_>,
) -> Result<(), AuditError> {
    let told = SessionTurned {
        session: session.to_owned(),
        account: account.to_owned(),
        why: why.to_owned(),
    };
    let entry = told.entry(acting.actor.clone(), Action::SessionEnded)?;
    audit::append(main, &entry, acting.now, acting.key)?;
    Ok(())
}

/// Ends a session, by its id.
///
/// # Errors
/// [`AccountError`].
pub fn end_session(
    main: &mut Connection,
    id: &str,
    why: WhyEnded,
    acting: &Acting<'_>,
) -> Result<(), AccountError> {
    acting.change(main, |main| {
        let rows = sessions::open_rows(main)?;
        let row = rows.into_iter().find(|row| row.id == id);
        let row = row.filter(|row| row.ends_at > acting.now);
        let row = row.ok_or_else(|| AccountError::NoSession(id.to_owned()))?;
        sessions::end(main, id, why, acting.now)?;
        let told = SessionTurned {
            session: row.id,
            account: row.account,
            why: why.as_str().to_owned(),
        };
        Ok(((), told.entry(acting.actor.clone(), Action::SessionEnded)?))
    })
}
