//! Making a passkey, with its line, and recognising a person by one.
//!
//! What a ceremony needs at its end is sealed under the hub's key and bound to a challenge, which is taken once
//! and within its minute.

use thiserror::Error;
use varco_proto::cipher::Key;
use varco_proto::time::UtcTime;

use super::accounts;
use super::challenges::{ChallengeError, Challenges};
use super::passkeys::{self, NAME_CHARACTERS_MAX, OF_ACCOUNT_MAX, Passkey};
use super::sign_in::{Recognised, SignInError};
use super::webauthn::{BegunCeremony, PasskeyHolder, PasskeySite, ShownKey, WebauthnError};
use crate::audit::AuditError;
use crate::audit::acting::Acting;
use crate::audit::action::Action;
use crate::audit::told::{PasskeyMade, Told as _};
use crate::machine::random::{self, RandomError};
use crate::store::sql::{Connection, TransactionBehavior};
use crate::store::{Doing as _, StoreError};

/// A passkey is not made, or not revoked.
#[derive(Debug, Error)]
pub enum PasskeyError {
    /// See [`ChallengeError`].
    #[error(transparent)]
    Challenge(ChallengeError),
    /// See [`WebauthnError`].
    #[error(transparent)]
    Webauthn(#[from] WebauthnError),
    /// A name that cannot be taken.
    #[error(
        "a passkey needs a name of 1 to {NAME_CHARACTERS_MAX} characters that is no other passkey's"
    )]
    Name,
    /// No more of them.
    #[error("an account has {OF_ACCOUNT_MAX} passkeys at most: revoke one first")]
    TooMany,
    /// The account lets nobody in.
    #[error("this account has no password and second factor")]
    NotOpen,
    /// See [`RandomError`].
    #[error("cannot draw a challenge")]
    Random(#[from] RandomError),
    /// No audit line, no passkey.
    #[error("the audit line cannot be written, so nothing was done")]
    Audit(#[from] AuditError),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<ChallengeError> for PasskeyError {
    fn from(error: ChallengeError) -> Self {
        match error {
            ChallengeError::Store(error) => Self::Store(error),
            error => Self::Challenge(error),
        }
    }
}

/// By what ceremonies are begun and ended.
#[derive(Debug, Clone, Copy)]
pub struct PasskeyRules<'a> {
    /// The hub's name and origins.
    pub site: &'a PasskeySite,
    /// Seals what comes back.
    pub key: &'a Key,
    /// Makes and takes challenges.
    pub challenges: &'a Challenges,
}

/// What a browser is given to begin with.
#[derive(Debug, Clone)]
pub struct AskedCeremony {
    /// The hub's own challenge, which holds once.
    pub challenge: String,
    /// What comes back with the answer.
    pub state: Vec<u8>,
    /// What the browser does.
    pub options: serde_json::Value,
}

/// What a browser sends at the end.
#[derive(Debug, Clone)]
pub struct CeremonyAnswer {
    /// As [`AskedCeremony`] had it.
    pub challenge: String,
    /// As [`AskedCeremony`] had it.
    pub state: Vec<u8>,
    /// What the device said: JSON.
    pub answer: Vec<u8>,
}

impl PasskeyRules<'_> {
    fn asked(
        &self,
        begun: BegunCeremony,
        what: &str,
        now: UtcTime,
    ) -> Result<AskedCeremony, PasskeyError> {
        let challenge = self.challenges.draw(now)?;
        let place = place(what, &challenge);
        let sealed = self.key.seal(&place, &begun.state);
        Ok(AskedCeremony {
            state: sealed.map_err(StoreError::Key)?,
            options: begun.options,
            challenge,
        })
    }

    fn opened(&self, answer: &CeremonyAnswer, what: &str) -> Result<Vec<u8>, WebauthnError> {
        let place = place(what, &answer.challenge);
        let opened = self.key.open(&place, &answer.state);
        opened.map_err(|_| WebauthnError::Unproven("another ceremony's answer".to_owned()))
    }
}

fn place(what: &str, challenge: &str) -> Vec<u8> {
    format!("passkey ceremony {what} {challenge}").into_bytes()
}

fn making(account: &str) -> String {
    format!("making {account}")
}

const SHOWING: &str = "showing";

/// Begins to make a passkey for an account.
///
/// # Errors
/// [`PasskeyError`].
pub fn begin_making(
    main: &Connection,
    rules: &PasskeyRules<'_>,
    account: &str,
    now: UtcTime,
) -> Result<AskedCeremony, PasskeyError> {
    let found = accounts::of_id(main, account)?;
    let found = found.filter(|found| found.credentials.is_some());
    let found = found.ok_or(PasskeyError::NotOpen)?;
    let known = passkeys::known(main, account)?;
    if known.len() >= OF_ACCOUNT_MAX {
        return Err(PasskeyError::TooMany);
    }
    let holder = PasskeyHolder {
        account,
        user_name: found.user_name.as_str(),
        known: &known,
    };
    rules.asked(rules.site.begin_making(&holder)?, &making(account), now)
}

/// Begins to ask for a passkey, of whomever.
///
/// # Errors
/// [`PasskeyError`].
pub fn begin_showing(
    rules: &PasskeyRules<'_>,
    now: UtcTime,
) -> Result<AskedCeremony, PasskeyError> {
    rules.asked(rules.site.begin_showing()?, SHOWING, now)
}

/// A passkey as its person wants it kept.
#[derive(Debug, Clone)]
pub struct WantedPasskey {
    /// Whose account.
    pub account: String,
    /// What its person calls it.
    pub name: String,
    /// What the browser sent.
    pub answer: CeremonyAnswer,
}

/// Keeps the passkey that a browser made, with its line. That its person gave their password is the caller's to
/// see to.
///
/// # Errors
/// [`PasskeyError`].
pub fn make(
    main: &mut Connection,
    rules: &PasskeyRules<'_>,
    wanted: &WantedPasskey,
    acting: &Acting<'_>,
) -> Result<Passkey, PasskeyError> {
    let name = wanted.name.trim();
    let characters = name.chars().count();
    if characters == 0 || characters > NAME_CHARACTERS_MAX || name.chars().any(char::is_control) {
        return Err(PasskeyError::Name);
    }
    let state = rules.opened(&wanted.answer, &making(&wanted.account))?;
    let key = rules.site.finish_making(&state, &wanted.answer.answer)?;
    let made = Passkey {
        id: format!("k{}", hex::encode(random::bytes::<8>()?)),
        account: wanted.account.clone(),
        name: name.to_owned(),
        key,
        made_at: acting.now,
        used_at: None,
        revoked_at: None,
    };
    acting.change(main, |main| {
        rules
            .challenges
            .take(main, &wanted.answer.challenge, acting.now)?;
        let account = accounts::of_id(main, &wanted.account)?;
        let is_open = |account: &accounts::PersonAccount| {
            account.credentials.is_some() && account.disabled_at.is_none()
        };
        if !account.as_ref().is_some_and(is_open) {
            return Err(PasskeyError::NotOpen);
        }
        let there = passkeys::of_account(main, &wanted.account)?;
        if there.len() >= OF_ACCOUNT_MAX {
            return Err(PasskeyError::TooMany);
        }
        let is_same = |one: &Passkey| one.name.to_lowercase() == name.to_lowercase();
        if there.iter().any(is_same) {
            return Err(PasskeyError::Name);
        }
        if passkeys::of_credential(main, &made.key.credential)?.is_some() {
            let why = WebauthnError::Unproven("this passkey is known".to_owned());
            return Err(why.into());
        }
        passkeys::make(main, &made)?;
        let told = PasskeyMade {
            passkey: made.id.clone(),
            account: made.account.clone(),
            name: made.name.clone(),
            key_digest: made.digest(),
        };
        let entry = told.entry(acting.actor.clone(), Action::PasskeyMade)?;
        Ok((made.clone(), entry))
    })
}

/// Whose passkey was shown; its challenge is used from then on.
///
/// # Errors
/// [`SignInError::Wrong`], [`SignInError::Challenge`], [`SignInError::Store`].
pub fn recognise(
    main: &mut Connection,
    rules: &PasskeyRules<'_>,
    answer: &CeremonyAnswer,
    now: UtcTime,
) -> Result<Recognised, SignInError> {
    let wrong = |account: Option<&Passkey>| SignInError::Wrong {
        account: account.map(|one| one.account.clone()),
    };
    let shown = ShownKey::read(&answer.answer).map_err(|_| wrong(None))?;
    let passkey = passkeys::of_credential(main, shown.credential())?;
    let passkey = passkey.ok_or_else(|| wrong(None))?;
    if passkey.revoked_at.is_some() {
        return Err(wrong(Some(&passkey)));
    }
    let state = rules.opened(answer, SHOWING);
    let state = state.map_err(|_| wrong(Some(&passkey)))?;
    let checked = rules.site.finish_showing(&state, &shown, &passkey.kept());
    let moving = checked.map_err(|error| match error {
        WebauthnError::Damaged => SignInError::Store(StoreError::Damaged { what: "passkey" }),
        _ => wrong(Some(&passkey)),
    })?;
    // Only now is anything written: whoever has no passkey makes the hub write nothing.
    let transaction = main
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .doing("begin to take a passkey's challenge")?;
    let taken = rules.challenges.take(&transaction, &answer.challenge, now);
    taken.map_err(|error| match error {
        ChallengeError::Store(error) => SignInError::Store(error),
        error => SignInError::Challenge(error),
    })?;
    transaction.commit().doing("commit a passkey's challenge")?;
    let account = accounts::of_id(main, &passkey.account)?;
    let account = account.filter(|account| account.credentials.is_some());
    let account = account.ok_or_else(|| wrong(Some(&passkey)))?;
    Ok(Recognised::by_passkey(account, passkey, moving))
}
