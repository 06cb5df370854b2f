//! Locking a session and unlocking it with the password or a passkey (C65), and signing out.

use super::accounts;
use super::desk;
use super::passwords::{self, HashError};
use super::sessions::{self, KnownSession, MISSES_MAX, WhyEnded};
use super::sign_in::Recognised;
use crate::audit::acting::Acting;
use crate::audit::action::Action;
use crate::audit::told::{SessionTurned, SignInDenied, Told as _};
use crate::audit::{self, AuditEntry, AuditError};
use crate::store::sql::{Connection, TransactionBehavior};
use crate::store::{Doing as _, StoreError};

fn turned(
    session: &KnownSession,
    action: Action,
    why: &str,
    acting: &Acting<'_>,
) -> Result<AuditEntry, AuditError> {
    let told = SessionTurned {
        session: session.id.clone(),
        account: session.account.clone(),
        why: why.to_owned(),
    };
    told.entry(acting.actor.clone(), action)
}

/// Locks a session because its person says so.
///
/// # Errors
/// [`AuditError`].
pub fn lock(
    main: &mut Connection,
    session: &KnownSession,
    acting: &Acting<'_>,
) -> Result<(), AuditError> {
    let transaction = main
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .doing("begin to lock a session")?;
    if sessions::lock(&transaction, &session.id, acting.now)? {
        let entry = turned(session, Action::SessionLocked, "by its person", acting)?;
        audit::append(&transaction, &entry, acting.now, acting.key)?;
        transaction
            .commit()
            .doing("commit that a session is locked")?;
    }
    Ok(())
}

/// Ends a session because its person signs out.
///
/// # Errors
/// [`AuditError`].
pub fn sign_out(
    main: &mut Connection,
    session: &KnownSession,
    acting: &Acting<'_>,
) -> Result<(), AuditError> {
    let transaction = main
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .doing("begin to sign somebody out")?;
    if sessions::end(&transaction, &session.id, WhyEnded::SignedOut, acting.now)? {
        let why = WhyEnded::SignedOut.as_str();
        desk::note(&transaction, &session.id, &session.account, why, acting)?;
        transaction
            .commit()
            .doing("commit that somebody signed out")?;
    }
    Ok(())
}

/// Whether a password is that of a session's person. It takes tens of milliseconds and writes nothing.
///
/// # Errors
/// [`UnlockError`].
pub fn is_right(
    main: &Connection,
    session: &KnownSession,
    password: &str,
) -> Result<bool, UnlockError> {
    let account = accounts::of_id(main, &session.account)?;
    let credentials = account.and_then(|account| account.credentials);
    let kept = credentials
        .as_ref()
        .map(|credentials| credentials.password.as_str());
    Ok(passwords::is_right(password, kept)?)
}

/// A password at a locked session cannot be checked.
#[derive(Debug, thiserror::Error)]
pub enum UnlockError {
    /// See [`HashError`].
    #[error(transparent)]
    Hash(#[from] HashError),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// By what a session is to be unlocked.
#[derive(Debug, Clone)]
pub enum UnlockedBy {
    /// The password was right.
    Password,
    /// A passkey of the session's person was checked.
    Passkey(Box<Recognised>),
    /// By nothing: what was wrong, for the line.
    Nothing(&'static str),
}

impl UnlockedBy {
    fn words(&self) -> &'static str {
        match self {
            Self::Password => "with the password",
            Self::Passkey(_) => "with a passkey",
            Self::Nothing(why) => why,
        }
    }
}

/// What came of an attempt to unlock a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unlocking {
    /// It holds again.
    Unlocked,
    /// The password was wrong; the session stays locked.
    Wrong,
    /// It was wrong for the last time, or the session had ended: it has ended.
    Ended,
}

/// Unlocks a session when somebody proved that they are its person, else counts the miss, which ends it at the
/// fifth.
///
/// # Errors
/// [`AuditError`].
pub fn unlock(
    main: &mut Connection,
    session: &KnownSession,
    by: &UnlockedBy,
    acting: &Acting<'_>,
) -> Result<Unlocking, AuditError> {
    let transaction = main
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .doing("begin to unlock a session")?;
    let (now, key) = (acting.now, acting.key);
    let was_right = match by {
        UnlockedBy::Password => true,
        UnlockedBy::Passkey(recognised) => {
            recognised.is_of(&session.account) && recognised.take(&transaction, now)?
        }
        UnlockedBy::Nothing(_) => false,
    };
    let came = if was_right {
        if !sessions::unlock(&transaction, &session.id, now)? {
            return Ok(Unlocking::Ended);
        }
        let entry = turned(session, Action::SessionUnlocked, by.words(), acting)?;
        audit::append(&transaction, &entry, now, key)?;
        Unlocking::Unlocked
    } else {
        let told = SignInDenied {
            account: Some(session.account.clone()),
            post: session.post.clone(),
            why: by.words().to_owned(),
            address: None,
        };
        let entry = told.entry(acting.actor.clone(), Action::SignInRefused)?;
        audit::append(&transaction, &entry, now, key)?;
        let is_last = sessions::miss(&transaction, &session.id)? >= MISSES_MAX;
        if is_last && sessions::end(&transaction, &session.id, WhyEnded::Misses, now)? {
            let why = WhyEnded::Misses.as_str();
            desk::note(&transaction, &session.id, &session.account, why, acting)?;
        }
        if is_last {
            Unlocking::Ended
        } else {
            Unlocking::Wrong
        }
    };
    transaction
        .commit()
        .doing("commit what came of unlocking")?;
    Ok(came)
}
