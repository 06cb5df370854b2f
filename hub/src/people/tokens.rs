//! API tokens, until people have accounts. This module owns the table `tokens`, whose columns
//! `actor_id` and `ends_at_us` came with `actors`.
//!
//! A token is 32 random bytes; only its SHA-256 is stored, so that the database does not let
//! anyone in.

use std::time::Duration;

use thiserror::Error;
use varco_proto::ids::Digest;
use varco_proto::time::UtcTime;

use super::actors::{self, ActorError};
use crate::audit::actor::{self, Actor};
use crate::audit::told::NotedToken;
use crate::machine::random;
use crate::store::sql::{Connection, OptionalExtension as _, Row, params};
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
/// Digits of a token's digest that name it.
const ID_DIGITS: usize = 16;
/// How long a token holds unless something else is said.
pub const DAYS_DEFAULT: u16 = 30;
/// How long it may hold.
pub const DAYS_MAX: u16 = 366;
/// How long tokens hold that versions before there was an end had issued, as `actors::SCHEMA` says.
pub const DAYS_OF_OLDER: Duration = Duration::from_secs(365 * 86_400);
/// How long the first token of a home holds.
pub const FIRST_VALID: Duration = Duration::from_secs(24 * 3600);

/// A token cannot be made.
#[derive(Debug, Error)]
pub enum TokenError {
    /// Its name.
    #[error(transparent)]
    Actor(#[from] ActorError),
    /// No such permission.
    #[error("there is no such permission; there are {}", permissions())]
    Permission,
    /// It would hold for too long, or not at all.
    #[error("a token holds for 1 to {DAYS_MAX} days")]
    Term,
    /// There is no such token that holds.
    #[error("no token `{0}` holds; `varco-hub token list` shows those there are")]
    Unknown(String),
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
    /// Read the audit. Never given unasked.
    Oversight,
    /// Appoint and dismiss persons. Never given unasked.
    Persons,
    /// Let other offices in, as the officer on duty. Never given unasked.
    Admission,
}

impl Permission {
    /// Every permission with its name.
    pub const ALL: [(Self, &'static str); 10] = [
        (Self::Lookups, "lookups"),
        (Self::Alerts, "alerts"),
        (Self::Hotlists, "hotlists"),
        (Self::Statistics, "statistics"),
        (Self::Edges, "edges"),
        (Self::Convoys, "convoys"),
        (Self::Cases, "cases"),
        (Self::Oversight, "oversight"),
        (Self::Persons, "persons"),
        (Self::Admission, "admission"),
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
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Permissions(Vec<Permission>);

impl Permissions {
    /// These.
    #[must_use]
    pub fn of(permissions: &[Permission]) -> Self {
        Self(permissions.to_vec())
    }

    /// Those that are given when nothing is said. The others are asked for by name.
    #[must_use]
    pub fn usual() -> Self {
        Self::of(&[
            Permission::Lookups,
            Permission::Alerts,
            Permission::Hotlists,
            Permission::Statistics,
            Permission::Edges,
        ])
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

    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = Permission> {
        self.0.iter().copied()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Those that another has too.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        Self(self.iter().filter(|one| other.has(*one)).collect())
    }

    /// These and another's.
    #[must_use]
    pub fn or(&self, other: &Self) -> Self {
        let more = other.iter().filter(|one| !self.has(*one));
        Self(self.iter().chain(more).collect())
    }

    /// The names, with spaces between; none when one of them is unknown.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        let names = text.split(' ').filter(|name| !name.is_empty());
        let permissions = names.map(|name| name.parse().ok());
        permissions.collect::<Option<Vec<_>>>().map(Self)
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

/// What a token is to be.
#[derive(Debug, Clone)]
pub struct Order {
    /// Whose.
    pub actor: Actor,
    /// What it may do.
    pub may: Permissions,
    /// When it ends.
    pub ends_at: UtcTime,
}

/// A token that was made.
#[derive(Debug, Clone)]
pub struct IssuedToken {
    /// Shown once and never again.
    pub token: String,
    /// As it is stored.
    pub row: TokenRow,
}

/// Makes a token.
///
/// # Errors
/// [`TokenError`].
pub fn issue(
    connection: &Connection,
    order: &Order,
    now: UtcTime,
) -> Result<IssuedToken, TokenError> {
    let longest = Duration::from_secs(u64::from(DAYS_MAX) * 86_400);
    if order.ends_at <= now || order.ends_at > now + longest {
        return Err(TokenError::Term);
    }
    let token = format!("{PREFIX}{}", hex::encode(random::bytes::<32>()?));
    let digest = Digest::of(token.as_bytes());
    connection
        .execute(
            "INSERT INTO tokens (digest, actor, actor_id, created_at_us, ends_at_us, may)
             VALUES (?, ?, ?, ?, ?, ?)",
            params![
                digest.as_bytes(),
                order.actor.name(),
                order.actor.id(),
                now.unix_us(),
                order.ends_at.unix_us(),
                order.may.to_text()
            ],
        )
        .doing("store the token's digest")?;
    let row = TokenRow {
        digest: digest.to_string(),
        actor: order.actor.name().to_owned(),
        actor_id: order.actor.id().to_owned(),
        may: order.may.to_text(),
        created_at: now,
        ends_at: order.ends_at,
        revoked_at: None,
    };
    Ok(IssuedToken { token, row })
}

/// What a token that was shown is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shown {
    /// It holds: whose it is, by this credential, and what it may do.
    Holds(Actor, Permissions),
    /// It held, and ended or was revoked.
    Ended(Actor),
    /// Nobody's.
    Unknown,
}

/// What a token is at a moment.
///
/// # Errors
/// [`StoreError`].
pub fn shown(connection: &Connection, token: &str, now: UtcTime) -> Result<Shown, StoreError> {
    // The digest of what was sent is looked up, so timing tells nothing about a stored token.
    shown_by(connection, &Digest::of(token.as_bytes()), now)
}

/// The same, by what is kept of the token.
///
/// # Errors
/// [`StoreError`].
pub fn shown_by(
    connection: &Connection,
    digest: &Digest,
    now: UtcTime,
) -> Result<Shown, StoreError> {
    const DOING: &str = "look the token up";
    let sql = format!("SELECT {COLUMNS} FROM tokens WHERE digest = ?");
    let mut statement = connection.prepare_cached(&sql).doing(DOING)?;
    let found = statement.query_row([digest.as_bytes()], |row| Ok(from_row(row)));
    let Some(row) = found.optional().doing(DOING)?.transpose()? else {
        return Ok(Shown::Unknown);
    };
    // Versions before gave tokens to anybody's name, also to the hub's own.
    let actor = actors::of_id(connection, &row.actor_id)?;
    let actor = actor.filter(|actor| actor::checked(actor.name()).is_ok());
    let Some(actor) = actor.map(|actor| actor.by(row.id().to_owned())) else {
        return Ok(Shown::Unknown);
    };
    if row.revoked_at.is_some() || row.ends_at <= now {
        return Ok(Shown::Ended(actor));
    }
    Ok(Shown::Holds(actor, Permissions::from_text(&row.may)))
}

/// Whether an actor ever had a token.
///
/// # Errors
/// [`StoreError`].
pub fn has_any(connection: &Connection, actor_id: &str) -> Result<bool, StoreError> {
    let sql = "SELECT EXISTS (SELECT 1 FROM tokens WHERE actor_id = ?)";
    connection
        .query_row(sql, [actor_id], |row| row.get(0))
        .doing("look for tokens of an actor")
}

/// Ends a token that holds, for good.
///
/// # Errors
/// [`TokenError::Unknown`], [`TokenError::Store`].
pub fn revoke(connection: &Connection, id: &str, now: UtcTime) -> Result<TokenRow, TokenError> {
    let unknown = || TokenError::Unknown(id.to_owned());
    let found = rows(connection)?.into_iter();
    let mut found = found.filter(|row| row.revoked_at.is_none() && row.id() == id);
    let row = found.next().ok_or_else(unknown)?;
    end(connection, &row, now)?;
    Ok(TokenRow {
        revoked_at: Some(now),
        ..row
    })
}

/// Notes that a token ended.
///
/// # Errors
/// [`StoreError`].
pub(super) fn end(connection: &Connection, row: &TokenRow, now: UtcTime) -> Result<(), StoreError> {
    let sql = "UPDATE tokens SET revoked_at_us = ? WHERE lower(hex(digest)) = ?";
    connection
        .execute(sql, params![now.unix_us(), row.digest])
        .doing("end the token")?;
    Ok(())
}

/// A token as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenRow {
    /// The token's digest, hexadecimal.
    pub digest: String,
    /// Whose it is, by the name of then.
    pub actor: String,
    /// Whose it is.
    pub actor_id: String,
    /// What it may do, by name.
    pub may: String,
    /// When it was issued.
    pub created_at: UtcTime,
    /// When it ends by itself.
    pub ends_at: UtcTime,
    /// When it was ended before that.
    pub revoked_at: Option<UtcTime>,
}

impl TokenRow {
    /// What names it in lists and lines, and opens nothing.
    #[must_use]
    pub fn id(&self) -> &str {
        self.digest.get(..ID_DIGITS).unwrap_or(&self.digest)
    }

    /// Whether it lets somebody in.
    #[must_use]
    pub fn holds_at(&self, now: UtcTime) -> bool {
        self.revoked_at.is_none() && now < self.ends_at
    }
}

const COLUMNS: &str = "lower(hex(digest)), actor, actor_id, may, created_at_us, ends_at_us,
    revoked_at_us";

fn from_row(row: &Row<'_>) -> Result<TokenRow, StoreError> {
    const DOING: &str = "read a token";
    let text = |at: usize| row.get::<_, String>(at).doing(DOING);
    let time = |at: usize| row.get(at).map(UtcTime::from_unix_us).doing(DOING);
    let revoked: Option<i64> = row.get(6).doing(DOING)?;
    Ok(TokenRow {
        digest: text(0)?,
        actor: text(1)?,
        actor_id: text(2)?,
        may: text(3)?,
        created_at: time(4)?,
        ends_at: time(5)?,
        revoked_at: revoked.map(UtcTime::from_unix_us),
    })
}

/// Every token, as the line tells them that notes what an older version left.
///
/// # Errors
/// [`StoreError`].
pub fn noted(connection: &Connection) -> Result<Vec<NotedToken>, StoreError> {
    let noted = |row: TokenRow| NotedToken {
        actor: row.actor,
        may: row.may,
        token_digest: row.digest,
        created_at: row.created_at,
        ends_at: row.ends_at,
    };
    Ok(rows(connection)?.into_iter().map(noted).collect())
}

/// Every token, oldest first.
///
/// # Errors
/// [`StoreError`].
pub fn rows(connection: &Connection) -> Result<Vec<TokenRow>, StoreError> {
    const DOING: &str = "list the tokens";
    let sql = format!("SELECT {COLUMNS} FROM tokens ORDER BY created_at_us, digest");
    let mut statement = connection.prepare(&sql).doing(DOING)?;
    let mut found = statement.query([]).doing(DOING)?;
    let mut rows = Vec::new();
    while let Some(row) = found.next().doing(DOING)? {
        rows.push(from_row(row)?);
    }
    Ok(rows)
}
