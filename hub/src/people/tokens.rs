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

/// What a token may do, by name, with spaces between. Those issued before this column was there may
/// do what they could do then.
pub const SCHEMA_MAY: &str = "
    ALTER TABLE tokens ADD COLUMN may TEXT NOT NULL DEFAULT 'lookups alerts hotlists statistics';";

/// What every token begins with, so that a leaked one can be recognised.
const PREFIX: &str = "varco_";
/// Longest name of an actor, in characters.
const ACTOR_CHARACTERS_MAX: usize = 80;

const HUB: &str = "varco-hub";
const CONSOLE: &str = "console";
const NOBODY: &str = "nobody";
/// Names that no token bears.
const RESERVED: [&str; 3] = [HUB, CONSOLE, NOBODY];

/// A token cannot be made.
#[derive(Debug, Error)]
pub enum TokenError {
    /// The name is empty, too long or has control characters.
    #[error("an actor is named with 1 to {ACTOR_CHARACTERS_MAX} printable characters")]
    Actor,
    /// The name is the hub's own.
    #[error("`console`, `varco-hub` and `nobody` are the hub's own names: choose another")]
    Reserved,
    /// No such permission.
    #[error("there is no such permission; there are {}", permissions())]
    Permission,
    /// See [`random::RandomError`].
    #[error("cannot draw a token")]
    Random(#[from] random::RandomError),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

fn permissions() -> String {
    Permission::ALL.map(|(_, name)| name).join(", ")
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
        if RESERVED.iter().any(|of| of.eq_ignore_ascii_case(name)) {
            return Err(TokenError::Reserved);
        }
        let characters = name.chars().count();
        if !(1..=ACTOR_CHARACTERS_MAX).contains(&characters) || name.chars().any(char::is_control) {
            return Err(TokenError::Actor);
        }
        Ok(Self(name.to_owned()))
    }

    /// The hub itself, for what it does on its own.
    #[must_use]
    pub fn hub() -> Self {
        Self(HUB.to_owned())
    }

    /// Somebody who showed no valid token.
    #[must_use]
    pub fn nobody() -> Self {
        Self(NOBODY.to_owned())
    }

    /// Whoever works on the machine with the hub's own command.
    #[must_use]
    pub fn console() -> Self {
        Self(CONSOLE.to_owned())
    }

    /// Whether it is the hub itself, or whoever works on its machine.
    #[must_use]
    pub fn is_system(&self) -> bool {
        [HUB, CONSOLE].contains(&&*self.0)
    }
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Something that a token may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Permission {
    /// Look transits up, watch them, see the edges.
    Lookups,
    /// See alerts and acknowledge them.
    Alerts,
    /// Make, fill and close hotlists.
    Hotlists,
    /// Count transits, without plates.
    Statistics,
    /// Ask which vehicles travel together. Never given unasked.
    Convoys,
    /// See how the edges are and what is wrong with them, and be told.
    Edges,
    /// Open cases, which keep transits beyond their term, and block transits. Never given unasked.
    Cases,
}

impl Permission {
    /// Every permission with its name.
    pub const ALL: [(Self, &'static str); 7] = [
        (Self::Lookups, "lookups"),
        (Self::Alerts, "alerts"),
        (Self::Hotlists, "hotlists"),
        (Self::Statistics, "statistics"),
        (Self::Edges, "edges"),
        (Self::Convoys, "convoys"),
        (Self::Cases, "cases"),
    ];

    /// The name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        let found = Self::ALL.iter().find(|(permission, _)| *permission == self);
        found.map_or("", |(_, name)| name)
    }
}

impl std::str::FromStr for Permission {
    type Err = TokenError;
    fn from_str(text: &str) -> Result<Self, TokenError> {
        let found = Self::ALL.iter().find(|(_, name)| *name == text);
        found
            .map(|(permission, _)| *permission)
            .ok_or(TokenError::Permission)
    }
}

/// What a token may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Permissions(Vec<Permission>);

impl Permissions {
    /// These.
    #[must_use]
    pub fn of(permissions: &[Permission]) -> Self {
        Self(permissions.to_vec())
    }

    /// All but convoys and cases, which are asked for by name.
    #[must_use]
    pub fn usual() -> Self {
        let all = Permission::ALL.iter().map(|(permission, _)| *permission);
        Self(
            all.filter(|p| !matches!(p, Permission::Convoys | Permission::Cases))
                .collect(),
        )
    }

    /// Whether one is among them.
    #[must_use]
    pub fn has(&self, permission: Permission) -> bool {
        self.0.contains(&permission)
    }

    /// The names, with spaces between.
    #[must_use]
    pub fn to_text(&self) -> String {
        let names: Vec<_> = self
            .0
            .iter()
            .map(|permission| permission.as_str())
            .collect();
        names.join(" ")
    }

    /// What is not known gives nothing.
    fn from_text(text: &str) -> Self {
        Self(
            text.split(' ')
                .filter_map(|name| name.parse().ok())
                .collect(),
        )
    }
}

/// Makes a token for an actor. It is shown once and never again.
///
/// # Errors
/// [`TokenError`].
pub fn issue(
    connection: &Connection,
    actor: &Actor,
    may: &Permissions,
    now: UtcTime,
) -> Result<String, TokenError> {
    let token = format!("{PREFIX}{}", hex::encode(random::bytes::<32>()?));
    connection
        .execute(
            "INSERT INTO tokens (digest, actor, created_at_us, may) VALUES (?, ?, ?, ?)",
            params![
                Digest::of(token.as_bytes()).as_bytes(),
                actor.to_string(),
                now.unix_us(),
                may.to_text()
            ],
        )
        .doing("store the token's digest")?;
    Ok(token)
}

/// Whose token this is and what it may do; none when it is nobody's or revoked.
///
/// # Errors
/// [`StoreError`].
pub fn actor_of(
    connection: &Connection,
    token: &str,
) -> Result<Option<(Actor, Permissions)>, StoreError> {
    // The digest of what was sent is looked up, so timing tells nothing about a stored token.
    let mut statement = connection
        .prepare_cached("SELECT actor, may FROM tokens WHERE digest = ? AND revoked_at_us IS NULL")
        .doing("look the token up")?;
    let found: Option<(String, String)> = statement
        .query_row([Digest::of(token.as_bytes()).as_bytes()], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .optional()
        .doing("look the token up")?;
    // Versions before gave tokens to anybody's name, also to the hub's own.
    Ok(found.and_then(|(actor, may)| {
        let actor = Actor::named(&actor).ok()?;
        Some((actor, Permissions::from_text(&may)))
    }))
}

/// A token as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenRow {
    /// The token's digest, hexadecimal.
    pub digest: String,
    /// Whose it is.
    pub actor: String,
    /// What it may do, by name.
    pub may: String,
    /// When it was issued.
    pub created_at: UtcTime,
    /// Whether it was ended.
    pub is_revoked: bool,
}

/// Every token.
///
/// # Errors
/// [`StoreError`].
pub fn rows(connection: &Connection) -> Result<Vec<TokenRow>, StoreError> {
    const DOING: &str = "list the tokens";
    let sql = "SELECT lower(hex(digest)), actor, may, created_at_us, revoked_at_us IS NOT NULL
               FROM tokens";
    let mut statement = connection.prepare(sql).doing(DOING)?;
    let rows = statement.query_map([], |row| {
        Ok(TokenRow {
            digest: row.get(0)?,
            actor: row.get(1)?,
            may: row.get(2)?,
            created_at: UtcTime::from_unix_us(row.get(3)?),
            is_revoked: row.get(4)?,
        })
    });
    rows.doing(DOING)?.map(|row| row.doing(DOING)).collect()
}
