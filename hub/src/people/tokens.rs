//! API tokens of systems: persons sign in. This module owns the table `tokens`, whose columns
//! `actor_id` and `ends_at_us` came with `actors`.
//!
//! A token is 32 random bytes; only its SHA-256 is stored, so that the database does not let
//! anyone in. It is for its purposes alone, shows others' gates under its agreement alone, and ends: at its
//! time, by a word, when it lies unused for six months, or with its body.

use std::collections::BTreeSet;
use std::time::Duration;

use thiserror::Error;
use varco_proto::ids::Digest;
use varco_proto::time::UtcTime;

use super::actors::{self, ActorError};
pub use super::permissions::{Permission, Permissions};
use crate::audit::actor::{self, Actor};
use crate::audit::purpose::Purpose;
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

/// For what a token may be used, by name with spaces between, and under which agreement it shows others' gates.
///
/// And when it was last noted that it is used. Tokens of before are for no purpose, and show no vehicle.
pub const SCHEMA_BOUNDS: &str = "
    ALTER TABLE tokens ADD COLUMN purposes TEXT NOT NULL DEFAULT '';
    ALTER TABLE tokens ADD COLUMN agreement TEXT;
    ALTER TABLE tokens ADD COLUMN used_at_us INTEGER;";

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
/// How long a token may lie unused (C29): as long as the shortest six months of a calendar.
pub const UNUSED_MAX: Duration = Duration::from_secs(181 * 86_400);
/// How often it is noted that a token is used.
const NOTED_EVERY: Duration = Duration::from_secs(86_400);
/// How long the first token of a home holds.
pub const FIRST_VALID: Duration = Duration::from_secs(24 * 3600);

/// A token cannot be made.
#[derive(Debug, Error)]
pub enum TokenError {
    /// Its name.
    #[error(transparent)]
    Actor(#[from] ActorError),
    /// It would be for nothing.
    #[error(
        "a token is for at least one purpose: give --purpose, one or several times; there are {}",
        names()
    )]
    Purpose,
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

/// What a token is to be.
#[derive(Debug, Clone)]
pub struct Order {
    /// Whose.
    pub actor: Actor,
    /// What it may do.
    pub may: Permissions,
    /// For what, and under which agreement.
    pub bounds: TokenBounds,
    /// When it ends.
    pub ends_at: UtcTime,
}

/// What a token is bound to besides its tasks.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TokenBounds {
    /// For what it may be used; a token of an older version for nothing.
    pub purposes: BTreeSet<Purpose>,
    /// The one agreement under which it shows others' gates, by its id; none for its body's own gates alone.
    pub agreement: Option<String>,
}

impl TokenBounds {
    /// These purposes, and no agreement.
    #[must_use]
    pub fn of(purposes: &[Purpose]) -> Self {
        Self {
            purposes: purposes.iter().copied().collect(),
            agreement: None,
        }
    }

    /// The purposes by name, with spaces between.
    #[must_use]
    pub fn purposes_text(&self) -> String {
        let names: Vec<_> = self.purposes.iter().map(|one| one.as_str()).collect();
        names.join(" ")
    }
}

/// The names of all purposes.
fn names() -> String {
    Purpose::ALL.map(|(_, name)| name).join(", ")
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
    if order.bounds.purposes.is_empty() {
        return Err(TokenError::Purpose);
    }
    let token = format!("{PREFIX}{}", hex::encode(random::bytes::<32>()?));
    let digest = Digest::of(token.as_bytes());
    connection
        .execute(
            "INSERT INTO tokens (digest, actor, actor_id, created_at_us, ends_at_us, may, purposes,
             agreement) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            params![
                digest.as_bytes(),
                order.actor.name(),
                order.actor.id(),
                now.unix_us(),
                order.ends_at.unix_us(),
                order.may.to_text(),
                order.bounds.purposes_text(),
                order.bounds.agreement,
            ],
        )
        .doing("store the token's digest")?;
    let row = TokenRow {
        digest: digest.to_string(),
        actor: order.actor.name().to_owned(),
        actor_id: order.actor.id().to_owned(),
        may: order.may.to_text(),
        purposes: order.bounds.purposes_text(),
        agreement: order.bounds.agreement.clone(),
        created_at: now,
        ends_at: order.ends_at,
        used_at: None,
        revoked_at: None,
    };
    Ok(IssuedToken { token, row })
}

/// A token that holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldToken {
    /// Whose it is, by this credential.
    pub actor: Actor,
    /// What it may do.
    pub may: Permissions,
    /// For what, and under which agreement.
    pub bounds: TokenBounds,
    /// Whether it is time to note that it is used.
    pub is_to_be_noted: bool,
}

/// What a token that was shown is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shown {
    /// It holds.
    Holds(HeldToken),
    /// It held, and ended, was revoked, or lay unused for too long.
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
    if !row.holds_at(now) {
        return Ok(Shown::Ended(actor));
    }
    Ok(Shown::Holds(HeldToken {
        actor,
        may: Permissions::from_text(&row.may),
        bounds: row.bounds()?,
        is_to_be_noted: (row.used_at)
            .is_none_or(|used| now < used || now.since(used) >= NOTED_EVERY),
    }))
}

/// Notes that a token is used.
///
/// # Errors
/// [`StoreError`].
pub fn touch(connection: &Connection, digest: &Digest, now: UtcTime) -> Result<(), StoreError> {
    let sql = "UPDATE tokens SET used_at_us = ? WHERE digest = ? AND revoked_at_us IS NULL";
    connection
        .execute(sql, params![now.unix_us(), digest.as_bytes()])
        .doing("note that a token is used")?;
    Ok(())
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
    /// For what, by name.
    pub purposes: String,
    /// Under which agreement it shows others' gates.
    pub agreement: Option<String>,
    /// When it was issued.
    pub created_at: UtcTime,
    /// When it ends by itself.
    pub ends_at: UtcTime,
    /// When it was last noted that it is used.
    pub used_at: Option<UtcTime>,
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
        self.revoked_at.is_none() && now < self.ends_at && !self.is_unused(now)
    }

    /// Whether it lay unused for too long.
    #[must_use]
    pub fn is_unused(&self, now: UtcTime) -> bool {
        now >= self.used_at.unwrap_or(self.created_at) + UNUSED_MAX
    }

    fn bounds(&self) -> Result<TokenBounds, StoreError> {
        let purposes = self.purposes.split(' ').filter(|name| !name.is_empty());
        let purposes = purposes.map(|name| {
            let known = Purpose::ALL.iter().find(|(_, known)| *known == name);
            let known = known.map(|(purpose, _)| *purpose);
            known.ok_or(StoreError::Damaged { what: "token" })
        });
        Ok(TokenBounds {
            purposes: purposes.collect::<Result<_, _>>()?,
            agreement: self.agreement.clone(),
        })
    }
}

const COLUMNS: &str = "lower(hex(digest)), actor, actor_id, may, created_at_us, ends_at_us,
    revoked_at_us, purposes, agreement, used_at_us";

fn from_row(row: &Row<'_>) -> Result<TokenRow, StoreError> {
    const DOING: &str = "read a token";
    let text = |at: usize| row.get::<_, String>(at).doing(DOING);
    let time = |at: usize| row.get(at).map(UtcTime::from_unix_us).doing(DOING);
    let maybe = |at: usize| {
        let time: Option<i64> = row.get(at).doing(DOING)?;
        Ok::<_, StoreError>(time.map(UtcTime::from_unix_us))
    };
    Ok(TokenRow {
        digest: text(0)?,
        actor: text(1)?,
        actor_id: text(2)?,
        may: text(3)?,
        created_at: time(4)?,
        ends_at: time(5)?,
        revoked_at: maybe(6)?,
        purposes: text(7)?,
        agreement: row.get(8).doing(DOING)?,
        used_at: maybe(9)?,
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
