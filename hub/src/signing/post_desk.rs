//! What is done to posts: invited, enrolled and revoked, each with its line.

use thiserror::Error;
use varco_proto::time::UtcTime;

use super::codes::{self, OneTimeCode};
use super::desk::{HandedCode, end_all};
use super::posts::{self, KEY_BYTES, Post};
use super::sessions::{Of, WhyEnded};
use crate::audit::AuditError;
use crate::audit::acting::Acting;
use crate::audit::action::Action;
use crate::audit::told::{PostEnded, PostKeyed, PostMade, Told as _};
use crate::machine::random::{self, RandomError};
use crate::store::StoreError;
use crate::store::sql::Connection;

/// Most characters of a post's name, and of whose it is.
const CHARACTERS_MAX: usize = 80;

/// Nothing was done to a post.
#[derive(Debug, Error)]
pub enum PostError {
    /// Its name, or whose it is, cannot be taken.
    #[error("a post, and whose it is, are named with 1 to {CHARACTERS_MAX} printable characters")]
    Name,
    /// The name is another's.
    #[error("there is a post `{0}`: choose another name, or revoke that one")]
    Taken(String),
    /// There is none.
    #[error("no post `{0}` is there to be revoked; `varco-hub post list` shows those there are")]
    Unknown(String),
    /// The code was used, is over, or never was.
    #[error("this code does not hold")]
    Code,
    /// The key is not one, is another post's, or did not sign.
    #[error("the key is not proven")]
    Key,
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

fn named(text: &str) -> Result<&str, PostError> {
    let text = text.trim();
    let fits = (1..=CHARACTERS_MAX).contains(&text.chars().count());
    if fits && !text.chars().any(char::is_control) {
        Ok(text)
    } else {
        Err(PostError::Name)
    }
}

/// What a post is to be.
#[derive(Debug, Clone, Copy)]
pub struct PostInvite<'a> {
    /// What people call it.
    pub name: &'a str,
    /// Whose it is.
    pub body: &'a str,
}

/// Gives a code to enrol a post with.
///
/// # Errors
/// [`PostError`].
pub fn invite(
    main: &mut Connection,
    invite: &PostInvite<'_>,
    acting: &Acting<'_>,
) -> Result<HandedCode, PostError> {
    let (name, body) = (named(invite.name)?, named(invite.body)?);
    acting.change(main, |main| {
        if let Some(taken) = posts::of_name(main, name)? {
            // A code that was lost gives way to another, as long as no workstation has used it.
            if taken.public_key.is_some() {
                return Err(PostError::Taken(taken.name));
            }
            posts::revoke(main, &taken.id, acting.now)?;
            let ended = PostEnded { post: taken.id };
            let entry = ended.entry(acting.actor.clone(), Action::PostRevoked)?;
            crate::audit::append(main, &entry, acting.now, acting.key)?;
        }
        let code = OneTimeCode::draw()?;
        let ends_at = acting.now + codes::VALID;
        let post = Post {
            id: format!("p{}", hex::encode(random::bytes::<8>()?)),
            name: name.to_owned(),
            body: body.to_owned(),
            made_at: acting.now,
            code_ends_at: Some(ends_at),
            public_key: None,
            enrolled_at: None,
            seen_at: None,
            revoked_at: None,
        };
        posts::make(main, &post, &code.digest())?;
        let told = PostMade {
            post: post.id.clone(),
            name: post.name,
            body: post.body,
            code_ends: ends_at,
        };
        let handed = HandedCode {
            code,
            of: post.id,
            ends_at,
        };
        Ok((
            handed,
            told.entry(acting.actor.clone(), Action::PostInvited)?,
        ))
    })
}

/// What a workstation sends to be enrolled.
#[derive(Debug, Clone)]
pub struct PostEnrolment {
    /// As it was typed.
    pub code: String,
    /// 65 bytes: a point of P-256, uncompressed.
    pub public_key: Vec<u8>,
    /// 64 bytes, over [`enrolment_text`].
    pub signature: Vec<u8>,
}

/// What a workstation signs to be enrolled, so that its key is its own.
#[must_use]
pub fn enrolment_text(code: &str) -> Vec<u8> {
    format!("varco post 1\n{code}").into_bytes()
}

/// Enrols a post: its key is known from now on, and the code is used.
///
/// # Errors
/// [`PostError::Code`], [`PostError::Key`], [`PostError::Audit`], [`PostError::Store`].
pub fn enrol(
    main: &mut Connection,
    asked: &PostEnrolment,
    acting: &Acting<'_>,
) -> Result<Post, PostError> {
    let key = &asked.public_key;
    let text = enrolment_text(&asked.code);
    if key.len() != KEY_BYTES || !posts::is_signed(key, &text, &asked.signature) {
        return Err(PostError::Key);
    }
    acting.change(main, |main| {
        let now = acting.now;
        let post = posts::of_code(main, &codes::digest_of(&asked.code))?;
        let holds = |ends: UtcTime| now < ends;
        let post = post.filter(|post| post.code_ends_at.is_some_and(holds));
        let post = post.ok_or(PostError::Code)?;
        if posts::is_known_key(main, key)? {
            return Err(PostError::Key);
        }
        if !posts::enrol(main, &post.id, key, now)? {
            return Err(PostError::Code);
        }
        let told = PostKeyed {
            post: post.id.clone(),
            key_digest: posts::key_digest(key),
        };
        Ok((
            post,
            told.entry(acting.actor.clone(), Action::PostEnrolled)?,
        ))
    })
}

/// A post that was revoked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RevokedPost {
    /// What people called it.
    pub name: String,
    /// How many sessions ended with it.
    pub sessions: usize,
}

/// Revokes a post for good, by its id or its name, and ends the sessions from it.
///
/// # Errors
/// [`PostError`].
pub fn revoke(
    main: &mut Connection,
    which: &str,
    acting: &Acting<'_>,
) -> Result<RevokedPost, PostError> {
    acting.change(main, |main| {
        let post = match posts::of_id(main, which)? {
            Some(post) => Some(post),
            None => posts::of_name(main, which)?,
        };
        let unknown = || PostError::Unknown(which.to_owned());
        let post = post.ok_or_else(unknown)?;
        if !posts::revoke(main, &post.id, acting.now)? {
            return Err(unknown());
        }
        let sessions = end_all(main, Of::Post(&post.id), WhyEnded::Post, acting)?;
        let revoked = RevokedPost {
            name: post.name,
            sessions,
        };
        let told = PostEnded { post: post.id };
        Ok((
            revoked,
            told.entry(acting.actor.clone(), Action::PostRevoked)?,
        ))
    })
}
