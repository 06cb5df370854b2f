//! Signing in: the post is shown first, then user name, password and second factor together, or a passkey, and
//! then a session begins. Whatever is wrong, the work is the same, and the answer too.

use std::net::IpAddr;
use std::time::Duration;

use thiserror::Error;
use varco_proto::cipher::Key;
use varco_proto::time::UtcTime;

use super::accounts::{self, PersonAccount, WhyDisabled};
use super::challenges::{ChallengeError, Challenges};
use super::desk::disable_by_rule;
use super::passkeys::{self, Passkey};
use super::passwords::{self, HashError};
use super::posts::{self, Post};
use super::sessions::{self, NewSession, WhyEnded};
use super::totp::TotpSecret;
use super::user_name::UserName;
use crate::audit::acting::Acting;
use crate::audit::action::Action;
use crate::audit::actor::Actor;
use crate::audit::told::{SessionMade, Told as _};
use crate::audit::{self, AuditError};
use crate::machine::random::{self, RandomError};
use crate::people::{actors, appointments};
use crate::store::sql::{Connection, TransactionBehavior};
use crate::store::{Doing as _, StoreError};

/// Nobody is let in.
#[derive(Debug, Error)]
pub enum SignInError {
    /// No post was shown, or not by its key, or it was revoked.
    #[error("this workstation is no enrolled post")]
    Post,
    /// See [`ChallengeError`].
    #[error(transparent)]
    Challenge(ChallengeError),
    /// User name, password or second factor, or the passkey; also where there is no such account.
    #[error("user name, password, code or passkey is wrong")]
    Wrong {
        /// Whose account was meant, for the line.
        account: Option<String>,
    },
    /// All was right, and the account lets nobody in.
    #[error("this account is disabled")]
    Disabled {
        /// Whose.
        account: String,
    },
    /// A password cannot be checked.
    #[error(transparent)]
    Hash(#[from] HashError),
    /// See [`RandomError`].
    #[error("cannot draw a session")]
    Random(#[from] RandomError),
    /// No audit line, no session.
    #[error("the audit line cannot be written, so nothing was done")]
    Audit(#[from] AuditError),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// How long sessions hold, and whether a post is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionTerms {
    /// How long one may lie idle before it is locked.
    pub idle: Duration,
    /// How long one lasts at most.
    pub longest: Duration,
    /// Whether persons sign in from enrolled posts alone.
    pub post_required: bool,
}

/// A post, as it shows that somebody signs in from it now.
#[derive(Debug, Clone)]
pub struct PostProof {
    /// Its id.
    pub post: String,
    /// The hub's own.
    pub challenge: String,
    /// 64 bytes, over [`proof_text`].
    pub signature: Vec<u8>,
}

/// What a post signs: the challenge, itself, and as whom somebody signs in (the user name or the one-time
/// code, as typed).
#[must_use]
pub fn proof_text(challenge: &str, post: &str, who: &str) -> Vec<u8> {
    format!("varco sign-in 1\n{challenge}\n{post}\n{who}").into_bytes()
}

/// Takes a post's proof, whose challenge is used from then on.
///
/// # Errors
/// [`SignInError::Post`], [`SignInError::Challenge`], [`SignInError::Store`].
pub fn prove_post(
    main: &mut Connection,
    challenges: &Challenges,
    proof: &PostProof,
    who: &str,
    now: UtcTime,
) -> Result<Post, SignInError> {
    let post = posts::of_id(main, &proof.post)?.ok_or(SignInError::Post)?;
    let text = proof_text(&proof.challenge, &proof.post, who);
    // Before anything is written: whoever has no post's key makes the hub write nothing.
    if !post.has_signed(&text, &proof.signature) {
        return Err(SignInError::Post);
    }
    let transaction = main
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .doing("begin to take a challenge")?;
    let taken = challenges.take(&transaction, &proof.challenge, now);
    taken.map_err(|error| match error {
        ChallengeError::Store(error) => SignInError::Store(error),
        error => SignInError::Challenge(error),
    })?;
    posts::seen(&transaction, &post.id, now)?;
    transaction.commit().doing("commit a challenge")?;
    Ok(post)
}

/// What somebody typed.
#[derive(Debug, Clone)]
pub struct Typed {
    /// As typed.
    pub user_name: String,
    /// As typed.
    pub password: String,
    /// The second factor's six digits.
    pub digits: String,
}

/// An account whose person was recognised.
#[derive(Debug, Clone)]
pub struct Recognised {
    account: PersonAccount,
    by: RecognisedBy,
}

/// By what a person was recognised; it is taken once.
#[derive(Debug, Clone)]
enum RecognisedBy {
    /// A step of the second factor, beside the password.
    Step(u64),
    /// A passkey as it was, and what is kept of it from now on.
    Passkey(Box<Passkey>, Vec<u8>),
}

impl Recognised {
    /// By a passkey that was checked.
    pub(super) fn by_passkey(account: PersonAccount, passkey: Passkey, moving: Vec<u8>) -> Self {
        Self {
            account,
            by: RecognisedBy::Passkey(Box::new(passkey), moving),
        }
    }

    /// Whether it is the person of this account.
    #[must_use]
    pub fn is_of(&self, account: &str) -> bool {
        self.account.id == account
    }

    /// The id of the passkey; none where there was none.
    pub(super) fn passkey(&self) -> Option<&str> {
        match &self.by {
            RecognisedBy::Passkey(passkey, _) => Some(&passkey.id),
            RecognisedBy::Step(_) => None,
        }
    }

    /// Takes what the person was recognised by, within the caller's transaction. False when it was taken
    /// meanwhile.
    pub(super) fn take(&self, main: &Connection, now: UtcTime) -> Result<bool, StoreError> {
        match &self.by {
            RecognisedBy::Step(step) => accounts::take_step(main, &self.account.id, *step, now),
            RecognisedBy::Passkey(passkey, moving) => {
                Ok(passkeys::used(main, passkey, moving, now)?
                    && accounts::used(main, &self.account.id, now)?)
            }
        }
    }
}

/// Holds what was typed against the accounts. It takes tens of milliseconds and writes nothing.
///
/// # Errors
/// [`SignInError::Wrong`], [`SignInError::Hash`], [`SignInError::Store`].
pub fn recognise(
    main: &Connection,
    key: &Key,
    typed: &Typed,
    now: UtcTime,
) -> Result<Recognised, SignInError> {
    let account = match typed.user_name.parse::<UserName>() {
        Ok(name) => accounts::of_user(main, &name)?,
        Err(_) => None,
    };
    let credentials = account
        .as_ref()
        .and_then(|account| account.credentials.as_ref());
    let kept = credentials.map(|credentials| credentials.password.as_str());
    let is_right = passwords::is_right(&typed.password, kept)?;
    let secret = match (&account, credentials) {
        (Some(account), Some(credentials)) => {
            TotpSecret::open(key, &account.id, &credentials.second_factor)?
        }
        _ => TotpSecret::random()?,
    };
    let step = secret.step(&typed.digits, now);
    let meant = account.as_ref().map(|account| account.id.clone());
    let wrong = || SignInError::Wrong {
        account: meant.clone(),
    };
    match (account, step) {
        (Some(account), Some(step)) if is_right && step > account.last_step => Ok(Recognised {
            account,
            by: RecognisedBy::Step(step),
        }),
        _ => Err(wrong()),
    }
}

/// Where somebody signs in from, and for how long.
#[derive(Debug, Clone, Copy)]
pub struct Entrance<'a> {
    /// The post that was shown.
    pub post: Option<&'a Post>,
    /// The address.
    pub address: Option<IpAddr>,
    /// How long the session holds.
    pub terms: &'a SessionTerms,
    /// The cookie that the browser had before, if it had one: its session ends.
    pub before: Option<&'a str>,
    /// The id of the passkey; none where there was none.
    pub passkey: Option<&'a str>,
}

/// A session that began.
#[derive(Debug, Clone)]
pub struct BegunSession {
    /// What the cookie holds: 64 hexadecimal digits, never shown again.
    pub cookie: String,
    /// Its id.
    pub id: String,
    /// Who.
    pub actor: Actor,
    /// When it ends at the latest.
    pub ends_at: UtcTime,
}

/// Lets somebody in who was recognised: takes what they were recognised by, begins a session and writes
/// its line.
///
/// An account that lies unused for six months, or whose person holds no office, is disabled instead.
///
/// # Errors
/// [`SignInError`].
pub fn let_in(
    main: &mut Connection,
    recognised: &Recognised,
    entrance: &Entrance<'_>,
    acting: &Acting<'_>,
) -> Result<BegunSession, SignInError> {
    let transaction = main
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .doing("begin to sign somebody in")?;
    let meant = &recognised.account.id;
    // Read again: what was recognised may have changed meanwhile.
    let account = accounts::of_id(&transaction, meant)?;
    let account = account.filter(|now| now.credentials == recognised.account.credentials);
    let wrong = || SignInError::Wrong {
        account: Some(meant.clone()),
    };
    let account = account.ok_or_else(wrong)?;
    if account.disabled_at.is_some() {
        return Err(SignInError::Disabled {
            account: account.id,
        });
    }
    if let Some(why) = ends_by_rule(&transaction, &account, acting.now)? {
        let hub = Actor::hub();
        let acting = Acting {
            actor: &hub,
            ..*acting
        };
        disable_by_rule(&transaction, &account.id, why, &acting)?;
        transaction
            .commit()
            .doing("commit that an account is disabled")?;
        return Err(SignInError::Disabled {
            account: account.id,
        });
    }
    if !recognised.take(&transaction, acting.now)? {
        return Err(wrong());
    }
    let entrance = &Entrance {
        passkey: recognised.passkey(),
        ..*entrance
    };
    let begun = begin(&transaction, &account, entrance, acting)?;
    transaction.commit().doing("commit a session")?;
    Ok(begun)
}

/// Whether a rule ends an account (C29), and which.
pub(super) fn ends_by_rule(
    main: &Connection,
    account: &PersonAccount,
    now: UtcTime,
) -> Result<Option<WhyDisabled>, StoreError> {
    if account.is_unused(now) {
        return Ok(Some(WhyDisabled::Unused));
    }
    let may = appointments::permissions(main, &account.actor_id, now)?;
    Ok(may.is_none().then_some(WhyDisabled::NoOffice))
}

/// Begins a session within the caller's transaction, with its line.
pub(super) fn begin(
    main: &Connection,
    account: &PersonAccount,
    entrance: &Entrance<'_>,
    acting: &Acting<'_>,
) -> Result<BegunSession, SignInError> {
    let now = acting.now;
    let damaged = StoreError::Damaged { what: "account" };
    let actor = actors::of_id(main, &account.actor_id)?.ok_or(damaged)?;
    let id = format!("s{}", hex::encode(random::bytes::<8>()?));
    let body = actors::body_of(main, actor.id())?;
    let post = entrance.post.map(|post| post.id.clone());
    let actor = actor.of_body(body.as_str()).signed_in(id.clone(), post);
    let by_person = Acting {
        actor: &actor,
        ..*acting
    };
    if let Some(cookie) = entrance.before {
        end_before(main, cookie, &by_person)?;
    }
    let cookie = hex::encode(random::bytes::<32>()?);
    let ends_at = now + entrance.terms.longest;
    let post = entrance.post.map(|post| post.id.as_str());
    let new = NewSession {
        id: &id,
        digest: &sessions::digest_of(&cookie),
        account: &account.id,
        actor_id: &account.actor_id,
        post,
        idle: entrance.terms.idle,
        ends_at,
    };
    sessions::make(main, new, now)?;
    let told = SessionMade {
        session: id.clone(),
        account: account.id.clone(),
        post: post.map(str::to_owned),
        ends_at,
        address: entrance.address,
        passkey: entrance.passkey.map(str::to_owned),
    };
    let entry = told.entry(actor.clone(), Action::SignedIn)?;
    audit::append(main, &entry, now, acting.key)?;
    Ok(BegunSession {
        cookie,
        id,
        actor,
        ends_at,
    })
}

/// Ends the session that the browser had before: a cookie that somebody planted is worth nothing.
fn end_before(main: &Connection, cookie: &str, acting: &Acting<'_>) -> Result<(), SignInError> {
    use sessions::SessionShown::{Ended, Holds, Locked, Unknown};
    match sessions::shown(main, cookie, acting.now)? {
        Holds(known) | Locked(known) => {
            if sessions::end(main, &known.id, WhyEnded::Replaced, acting.now)? {
                let why = WhyEnded::Replaced.as_str();
                super::desk::note(main, &known.id, &known.account, why, acting)?;
            }
        }
        Ended(_) | Unknown => {}
    }
    Ok(())
}
