//! A person opens an account with the code that was handed over: sets a password, enrols a second factor
//! and shows its first digits. It is the first signing in at once.

use thiserror::Error;
use varco_proto::cipher::Key;
use varco_proto::time::UtcTime;

use super::accounts::{self, Credentials, OpenInvitation, PersonAccount};
use super::codes;
use super::passwords::{self, HashError, PasswordFault};
use super::sign_in::{BegunSession, Entrance, SignInError, begin};
use super::totp::TotpSecret;
use super::user_name::UserName;
use crate::audit::acting::Acting;
use crate::audit::action::Action;
use crate::audit::told::{AccountSet, Told as _};
use crate::audit::{self, AuditError};
use crate::people::{actors, appointments};
use crate::store::sql::{Connection, TransactionBehavior};
use crate::store::{Doing as _, StoreError};

/// An account is not opened.
#[derive(Debug, Error)]
pub enum OpeningError {
    /// The code was used, is over, or never was.
    #[error("this code does not hold")]
    Code,
    /// The password cannot be taken.
    #[error(transparent)]
    Password(#[from] PasswordFault),
    /// The digits are not those of the second factor now.
    #[error("the digits are not those that the app shows now")]
    Digits,
    /// Its person holds no office.
    #[error("no appointment of this person holds now")]
    NoOffice,
    /// See [`SignInError`].
    #[error(transparent)]
    SignIn(#[from] SignInError),
    /// A password cannot be hashed.
    #[error(transparent)]
    Hash(#[from] HashError),
    /// No audit line, no account.
    #[error("the audit line cannot be written, so nothing was done")]
    Audit(#[from] AuditError),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What a code that holds shows to its person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShownInvitation {
    /// What they will type.
    pub user_name: UserName,
    /// The second factor's secret, as it is typed into an app.
    pub secret: String,
    /// The same, as an app reads it.
    pub address: String,
}

fn invited(main: &Connection, code: &str, now: UtcTime) -> Result<InvitedAccount, OpeningError> {
    let account = accounts::of_code(main, &codes::digest_of(code))?.ok_or(OpeningError::Code)?;
    let invitation = account.invitation.clone().ok_or(OpeningError::Code)?;
    if now >= invitation.ends_at || account.disabled_at.is_some() {
        return Err(OpeningError::Code);
    }
    Ok(InvitedAccount {
        account,
        invitation,
    })
}

struct InvitedAccount {
    account: PersonAccount,
    invitation: OpenInvitation,
}

/// Shows what a code is for.
///
/// # Errors
/// [`OpeningError::Code`], [`OpeningError::Store`].
pub fn show(
    main: &Connection,
    key: &Key,
    code: &str,
    now: UtcTime,
) -> Result<ShownInvitation, OpeningError> {
    let InvitedAccount {
        account,
        invitation,
    } = invited(main, code, now)?;
    let secret = TotpSecret::open(key, &account.id, &invitation.secret)?;
    Ok(ShownInvitation {
        secret: secret.base32(),
        address: secret.address(&account.user_name),
        user_name: account.user_name,
    })
}

/// What a person sends to open an account.
#[derive(Debug, Clone)]
pub struct OpeningRequest {
    /// As it was typed.
    pub code: String,
    /// The password to be.
    pub password: String,
    /// The second factor's six digits.
    pub digits: String,
}

/// An account that is ready to be opened.
#[derive(Debug)]
pub struct Ready {
    account: PersonAccount,
    set: Credentials,
    step: u64,
}

/// Checks what was sent and hashes the password. It takes tens of milliseconds and writes nothing.
///
/// # Errors
/// [`OpeningError`].
pub fn prepare(
    main: &Connection,
    key: &Key,
    asked: &OpeningRequest,
    now: UtcTime,
) -> Result<Ready, OpeningError> {
    let InvitedAccount {
        account,
        invitation,
    } = invited(main, &asked.code, now)?;
    if appointments::permissions(main, &account.actor_id, now)?.is_none() {
        return Err(OpeningError::NoOffice);
    }
    passwords::check(&asked.password, &account.user_name)?;
    let secret = TotpSecret::open(key, &account.id, &invitation.secret)?;
    let step = secret.step(&asked.digits, now);
    let step = step.ok_or(OpeningError::Digits)?;
    let set = Credentials {
        password: passwords::hash(&asked.password)?,
        second_factor: invitation.secret,
    };
    Ok(Ready { account, set, step })
}

/// Opens an account that is ready, and begins its first session; each with its line.
///
/// # Errors
/// [`OpeningError`].
pub fn open(
    main: &mut Connection,
    ready: &Ready,
    entrance: &Entrance<'_>,
    acting: &Acting<'_>,
) -> Result<BegunSession, OpeningError> {
    let Ready { account, set, step } = ready;
    let transaction = main
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .doing("begin to open an account")?;
    if !accounts::open(&transaction, account, set, *step, acting.now)? {
        return Err(OpeningError::Code);
    }
    let actor = actors::of_id(&transaction, &account.actor_id)?;
    let actor = actor.ok_or(StoreError::Damaged { what: "account" })?;
    let told = AccountSet {
        account: account.id.clone(),
        credentials: set.digest().to_string(),
    };
    let entry = told.entry(actor, Action::AccountOpened)?;
    audit::append(&transaction, &entry, acting.now, acting.key)?;
    let begun = begin(&transaction, account, entrance, acting)?;
    transaction.commit().doing("commit an account")?;
    Ok(begun)
}
