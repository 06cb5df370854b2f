//! Who acts: people, services, the hub itself. This module owns the table `actors`.
//!
//! An actor is its id, which never changes and is never given twice; the name is what it was called when
//! a line was written. A name belongs to one actor for good, so that what names somebody means that one.

use std::fmt;

use serde::{Deserialize, Serialize};
use thiserror::Error;
use varco_proto::time::UtcTime;

use crate::machine::random::{self, RandomError};
use crate::store::sql::{Connection, OptionalExtension as _, Row, params};
use crate::store::{Doing as _, StoreError};

/// The table, for [`crate::store::migrate`]: whoever had a token of an older version gets an id.
pub const SCHEMA: &str = "
    CREATE TABLE actors (
        id TEXT PRIMARY KEY,
        kind TEXT NOT NULL,
        name TEXT NOT NULL UNIQUE COLLATE NOCASE,
        made_at_us INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    INSERT OR IGNORE INTO actors
        SELECT 'a' || lower(hex(randomblob(8))), 'person', actor, min(created_at_us)
        FROM tokens GROUP BY actor;
    ALTER TABLE tokens ADD COLUMN actor_id TEXT NOT NULL DEFAULT '';
    UPDATE tokens SET actor_id = coalesce((SELECT id FROM actors WHERE name = tokens.actor), '');
    ALTER TABLE tokens ADD COLUMN ends_at_us INTEGER NOT NULL DEFAULT 0;
    UPDATE tokens SET ends_at_us = created_at_us + 365 * 86400000000;";

/// Longest name of an actor, in characters.
const CHARACTERS_MAX: usize = 80;
const HUB: &str = "varco-hub";
const CONSOLE: &str = "console";
const NOBODY: &str = "nobody";
/// Names that nobody bears but the hub.
const RESERVED: [&str; 3] = [HUB, CONSOLE, NOBODY];

/// Somebody cannot act under a name.
#[derive(Debug, Error)]
pub enum ActorError {
    /// The name is empty, too long or has control characters.
    #[error("an actor is named with 1 to {CHARACTERS_MAX} printable characters")]
    Name,
    /// The name is the hub's own.
    #[error("`console`, `varco-hub` and `nobody` are the hub's own names: choose another")]
    Reserved,
    /// The name is somebody else's: a name is never used twice.
    #[error("`{0}` is a {1}, and was it when its first token was issued: choose another name")]
    Kind(String, &'static str),
    /// See [`RandomError`].
    #[error("cannot draw an id")]
    Random(#[from] RandomError),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What somebody is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ActorKind {
    /// A person.
    Person,
    /// A program of somebody.
    Service,
    /// The hub, for what it does on its own.
    Hub,
    /// Whoever works on the hub's machine with its own command.
    Console,
    /// Somebody who showed no valid token.
    Nobody,
}

impl ActorKind {
    const ALL: [(Self, &'static str); 5] = [
        (Self::Person, "person"),
        (Self::Service, "service"),
        (Self::Hub, "hub"),
        (Self::Console, "console"),
        (Self::Nobody, "nobody"),
    ];

    /// The word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        let found = Self::ALL.iter().find(|(kind, _)| *kind == self);
        found.map_or("", |(_, name)| name)
    }

    fn named(name: &str) -> Option<Self> {
        let found = Self::ALL.iter().find(|(_, known)| *known == name);
        found.map(|(kind, _)| *kind)
    }
}

/// Who acts, and by which credential.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    id: String,
    kind: ActorKind,
    name: String,
    credential: Option<String>,
}

impl Actor {
    fn system(kind: ActorKind, name: &str) -> Self {
        Self {
            id: kind.as_str().to_owned(),
            kind,
            name: name.to_owned(),
            credential: None,
        }
    }

    /// The hub itself, for what it does on its own.
    #[must_use]
    pub fn hub() -> Self {
        Self::system(ActorKind::Hub, HUB)
    }

    /// Whoever works on the machine with the hub's own command.
    #[must_use]
    pub fn console() -> Self {
        Self::system(ActorKind::Console, CONSOLE)
    }

    /// The same, under the name that they give.
    ///
    /// # Errors
    /// [`ActorError::Name`], [`ActorError::Reserved`].
    pub fn at_console(name: &str) -> Result<Self, ActorError> {
        Ok(Self::system(ActorKind::Console, checked(name)?))
    }

    /// Somebody who showed no valid token.
    #[must_use]
    pub fn nobody() -> Self {
        Self::system(ActorKind::Nobody, NOBODY)
    }

    /// The same, by this credential.
    #[must_use]
    pub fn by(self, credential: String) -> Self {
        Self {
            credential: Some(credential),
            ..self
        }
    }

    /// What never changes.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// What it is.
    #[must_use]
    pub fn kind(&self) -> ActorKind {
        self.kind
    }

    /// What it is called.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// By what it was let in; none for what needs nothing.
    #[must_use]
    pub fn credential(&self) -> Option<&str> {
        self.credential.as_deref()
    }

    /// Whether it is the hub itself, or whoever works on its machine.
    #[must_use]
    pub fn is_system(&self) -> bool {
        matches!(self.kind, ActorKind::Hub | ActorKind::Console)
    }
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

/// A name that somebody may bear.
///
/// # Errors
/// [`ActorError::Name`], [`ActorError::Reserved`].
pub fn checked(name: &str) -> Result<&str, ActorError> {
    let name = name.trim();
    if RESERVED.iter().any(|of| of.eq_ignore_ascii_case(name)) {
        return Err(ActorError::Reserved);
    }
    let characters = name.chars().count();
    if !(1..=CHARACTERS_MAX).contains(&characters) || name.chars().any(char::is_control) {
        return Err(ActorError::Name);
    }
    Ok(name)
}

/// Whoever bears this name, who is made when nobody does. Upper and lower case are one name.
///
/// # Errors
/// [`ActorError`].
pub fn named(
    connection: &Connection,
    (name, kind): (&str, ActorKind),
    now: UtcTime,
) -> Result<Actor, ActorError> {
    let name = checked(name)?;
    if let Some(actor) = find(connection, "name", name)? {
        return match actor.kind == kind {
            true => Ok(actor),
            false => Err(ActorError::Kind(actor.name, actor.kind.as_str())),
        };
    }
    let actor = Actor {
        id: format!("a{}", hex::encode(random::bytes::<8>()?)),
        kind,
        name: name.to_owned(),
        credential: None,
    };
    connection
        .execute(
            "INSERT INTO actors (id, kind, name, made_at_us) VALUES (?, ?, ?, ?)",
            params![actor.id, kind.as_str(), actor.name, now.unix_us()],
        )
        .doing("make an actor")?;
    Ok(actor)
}

/// An actor, by its id.
///
/// # Errors
/// [`StoreError`].
pub fn of_id(connection: &Connection, id: &str) -> Result<Option<Actor>, StoreError> {
    find(connection, "id", id)
}

fn find(connection: &Connection, column: &str, value: &str) -> Result<Option<Actor>, StoreError> {
    const DOING: &str = "look an actor up";
    let sql = format!("SELECT id, kind, name FROM actors WHERE {column} = ?");
    let mut statement = connection.prepare_cached(&sql).doing(DOING)?;
    let found = statement.query_row([value], |row| Ok(from_row(row)));
    found.optional().doing(DOING)?.transpose()
}

fn from_row(row: &Row<'_>) -> Result<Actor, StoreError> {
    const DOING: &str = "read an actor";
    let kind: String = row.get(1).doing(DOING)?;
    Ok(Actor {
        id: row.get(0).doing(DOING)?,
        kind: ActorKind::named(&kind).ok_or(StoreError::Damaged { what: "actor" })?,
        name: row.get(2).doing(DOING)?,
        credential: None,
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn nobody_is_named_as_the_hub_or_its_console_is() {
        for name in ["console", " Varco-Hub ", "NOBODY"] {
            assert!(matches!(checked(name), Err(ActorError::Reserved)), "{name}");
        }
        assert!(matches!(checked(" "), Err(ActorError::Name)));
        assert!(matches!(checked("a\nb"), Err(ActorError::Name)));
        assert!(matches!(checked(&"x".repeat(81)), Err(ActorError::Name)));
        assert_eq!(checked(" Ispettore Bianchi ").unwrap(), "Ispettore Bianchi");
    }

    #[test]
    fn whoever_had_a_token_of_an_older_version_gets_an_id_and_the_token_an_end() {
        use crate::people::tokens::{self, Shown};
        let folder = tempfile::tempdir().unwrap();
        let mut main = crate::store::open(&folder.path().join("main")).unwrap();
        let before = [tokens::SCHEMA, tokens::SCHEMA_MAY];
        crate::store::migrate(&mut main, &before).unwrap();
        let made: UtcTime = "2026-11-22T12:00:00Z".parse().unwrap();
        for (token, actor) in [("1", "Anna"), ("2", "anna"), ("3", "console")] {
            let digest = varco_proto::ids::Digest::of(token.as_bytes());
            let sql = "INSERT INTO tokens (digest, actor, created_at_us) VALUES (?, ?, ?)";
            main.execute(sql, params![digest.as_bytes(), actor, made.unix_us()])
                .unwrap();
        }
        let after = [tokens::SCHEMA, tokens::SCHEMA_MAY, SCHEMA];
        crate::store::migrate(&mut main, &after).unwrap();
        let year = std::time::Duration::from_secs(365 * 86_400);
        let shown = |token: &str, at: UtcTime| tokens::shown(&main, token, at).unwrap();
        let Shown::Holds(one, _) = shown("1", made) else {
            panic!("it held before");
        };
        let Shown::Holds(other, _) = shown("2", made + year - Duration::from_secs(1)) else {
            panic!("it holds for a year");
        };
        assert_eq!((one.id(), one.kind()), (other.id(), ActorKind::Person));
        assert_ne!(one.credential(), other.credential());
        assert!(matches!(shown("1", made + year), Shown::Ended(_)));
        assert_eq!(shown("3", made), Shown::Unknown, "it is the console's name");
    }
}
