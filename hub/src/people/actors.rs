//! Whoever acts, as the database knows them. This module owns the table `actors`.
//!
//! An actor is its id, which never changes and is never given twice; the name is what it was called when
//! a line was written. A name belongs to one actor for good, so that what names somebody means that one.

use thiserror::Error;
use varco_proto::time::UtcTime;

use crate::audit::actor::{Actor, ActorKind, ActorNameError, checked};
use crate::bodies::BodyId;
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

/// Somebody cannot act under a name.
#[derive(Debug, Error)]
pub enum ActorError {
    /// The name cannot be borne.
    #[error(transparent)]
    Name(#[from] ActorNameError),
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

/// Whoever bears this name, who is made when nobody does. Upper and lower case are one name.
///
/// # Errors
/// [`ActorError`].
pub fn named(
    connection: &Connection,
    name: &str,
    kind: ActorKind,
    now: UtcTime,
) -> Result<Actor, ActorError> {
    let name = checked(name)?;
    if let Some(actor) = find(connection, "name", name)? {
        return match actor.kind() == kind {
            true => Ok(actor),
            false => Err(ActorError::Kind(
                actor.name().to_owned(),
                actor.kind().as_str(),
            )),
        };
    }
    let id = format!("a{}", hex::encode(random::bytes::<8>()?));
    let actor = Actor::known(id, kind, name.to_owned());
    connection
        .execute(
            "INSERT INTO actors (id, kind, name, made_at_us) VALUES (?, ?, ?, ?)",
            params![actor.id(), kind.as_str(), actor.name(), now.unix_us()],
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

/// An actor, by its name; upper and lower case are one.
///
/// # Errors
/// [`StoreError`].
pub fn of_name(connection: &Connection, name: &str) -> Result<Option<Actor>, StoreError> {
    find(connection, "name", name.trim())
}

/// Lets an actor work for a body.
///
/// # Errors
/// [`StoreError`].
pub(super) fn assign(connection: &Connection, id: &str, body: &BodyId) -> Result<(), StoreError> {
    let sql = "UPDATE actors SET body = ? WHERE id = ?";
    connection
        .execute(sql, [body.as_str(), id])
        .doing("let an actor work for a body")?;
    Ok(())
}

/// For whom an actor works.
///
/// # Errors
/// [`StoreError`].
pub fn body_of(connection: &Connection, id: &str) -> Result<BodyId, StoreError> {
    const DOING: &str = "look up for whom an actor works";
    let sql = "SELECT body FROM actors WHERE id = ?";
    let mut statement = connection.prepare_cached(sql).doing(DOING)?;
    let body: String = statement.query_row([id], |row| row.get(0)).doing(DOING)?;
    body.parse()
        .map_err(|_| StoreError::Damaged { what: "body" })
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
    let kind = ActorKind::named(&kind).ok_or(StoreError::Damaged { what: "actor" })?;
    let (id, name) = (row.get(0).doing(DOING)?, row.get(2).doing(DOING)?);
    Ok(Actor::known(id, kind, name))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

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
        let after = [
            tokens::SCHEMA,
            tokens::SCHEMA_MAY,
            SCHEMA,
            tokens::SCHEMA_BOUNDS,
        ];
        crate::store::migrate(&mut main, &after).unwrap();
        let year = std::time::Duration::from_secs(365 * 86_400);
        let shown = |token: &str, at: UtcTime| tokens::shown(&main, token, at).unwrap();
        let Shown::Holds(one) = shown("1", made) else {
            panic!("it held before");
        };
        let Shown::Holds(other) = shown("2", made + tokens::UNUSED_MAX - Duration::from_secs(1))
        else {
            panic!("it holds for six months unused");
        };
        let (one, other) = (one.actor, other.actor);
        assert_eq!((one.id(), one.kind()), (other.id(), ActorKind::Person));
        assert_ne!(one.credential(), other.credential());
        assert!(matches!(shown("1", made + year), Shown::Ended(_)));
        assert_eq!(shown("3", made), Shown::Unknown, "it is the console's name");
    }
}
