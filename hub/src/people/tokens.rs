//! API tokens, until people have accounts. This module owns the table `tokens`.
//!
//! A token is 32 random bytes; only its SHA-256 is stored, so that the database does not let
//! anyone in.

use std::fmt;

use thiserror::Error;
use varco_proto::ids::Digest;
use varco_proto::time::UtcTime;

use crate::random;
use crate::store::sql::{Connection, OptionalExtension as _, params};
use crate::store::{Doing as _, StoreError};

/// The table, for [`crate::store::migrate`].
pub const SCHEMA: &str = "
    CREATE TABLE tokens (
        digest BLOB PRIMARY KEY CHECK (length(digest) = 32),
        actor TEXT NOT NULL,
        created_at_us INTEGER NOT NULL,
        revoked_at_us INTEGER
    ) STRICT, WITHOUT ROWID;";

/// What every token begins with, so that a leaked one can be recognised.
const PREFIX: &str = "varco_";
/// Longest name of an actor, in characters.
const ACTOR_CHARACTERS_MAX: usize = 80;

/// A token cannot be made.
#[derive(Debug, Error)]
pub enum TokenError {
    /// The name is empty, too long or has control characters.
    #[error("an actor is named with 1 to {ACTOR_CHARACTERS_MAX} printable characters")]
    Actor,
    /// See [`random::RandomError`].
    #[error("cannot draw a token")]
    Random(#[from] random::RandomError),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Who acts, as it stands in the audit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor(String);

impl Actor {
    /// Checks a name.
    ///
    /// # Errors
    /// [`TokenError::Actor`].
    pub fn named(name: &str) -> Result<Self, TokenError> {
        let name = name.trim();
        let characters = name.chars().count();
        if !(1..=ACTOR_CHARACTERS_MAX).contains(&characters) || name.chars().any(char::is_control) {
            return Err(TokenError::Actor);
        }
        Ok(Self(name.to_owned()))
    }

    /// The hub itself, for what it does on its own.
    #[must_use]
    pub fn hub() -> Self {
        Self("varco-hub".to_owned())
    }

    /// Whoever works on the machine with the hub's own command.
    #[must_use]
    pub fn console() -> Self {
        Self("console".to_owned())
    }
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Makes a token for an actor. It is shown once and never again.
///
/// # Errors
/// [`TokenError`].
pub fn issue(connection: &Connection, actor: &Actor, now: UtcTime) -> Result<String, TokenError> {
    let token = format!("{PREFIX}{}", hex::encode(random::bytes::<32>()?));
    connection
        .execute(
            "INSERT INTO tokens (digest, actor, created_at_us) VALUES (?, ?, ?)",
            params![
                Digest::of(token.as_bytes()).as_bytes(),
                actor.to_string(),
                now.unix_us()
            ],
        )
        .doing("store the token's digest")?;
    Ok(token)
}

/// Whose token this is; none when it is nobody's or revoked.
///
/// # Errors
/// [`StoreError`].
pub fn actor_of(connection: &Connection, token: &str) -> Result<Option<Actor>, StoreError> {
    // The digest of what was sent is looked up, so timing tells nothing about a stored token.
    let mut statement = connection
        .prepare_cached("SELECT actor FROM tokens WHERE digest = ? AND revoked_at_us IS NULL")
        .doing("look the token up")?;
    let actor = statement
        .query_row([Digest::of(token.as_bytes()).as_bytes()], |row| row.get(0))
        .optional()
        .doing("look the token up")?;
    Ok(actor.map(Actor))
}
