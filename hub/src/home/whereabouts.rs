//! Where the transits and chains of a home are. This module owns the table `whereabouts`.
//!
//! The main database says it, not the configuration: a line that somebody forgot, or wrote too early,
//! must never let an empty store answer. PostgreSQL bears an id that stands here too, so that another
//! database, empty or not, is not taken for it.
//!
//! Forward only: a home that moved into PostgreSQL stays there.

use thiserror::Error;

use crate::home::HomeError;
use crate::machine::random::{self, RandomError};
use crate::store::sql::{Connection, OptionalExtension as _, TransactionBehavior, params};
use crate::store::{Doing as _, StoreError};

/// The table, for [`crate::store::migrate`].
pub const SCHEMA: &str = "
    CREATE TABLE whereabouts (
        one INTEGER PRIMARY KEY CHECK (one = 1),
        state TEXT NOT NULL CHECK (state IN ('home', 'moving', 'postgres')),
        database BLOB CHECK (length(database) = 16),
        lines TEXT
    ) STRICT;";

/// What the database in PostgreSQL is told apart by; it stands there too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DatabaseId([u8; 16]);

impl DatabaseId {
    /// A new one.
    ///
    /// # Errors
    /// [`RandomError`].
    pub fn random() -> Result<Self, RandomError> {
        Ok(Self(random::bytes()?))
    }

    /// As it is stored; none when that is no id.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// As it is stored.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// Where the transits are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Whereabouts {
    /// No hub of this version worked here yet.
    Unsaid,
    /// In the home.
    Home,
    /// In the home, and being copied into this database.
    Moving(DatabaseId),
    /// In this database.
    Postgres {
        /// Which.
        id: DatabaseId,
        /// What hub.toml must say to name it.
        lines: String,
    },
}

/// What the configuration says is not where the transits are. Nothing was opened or changed; exit
/// code 78.
#[derive(Debug, Error)]
pub enum WhereaboutsError {
    /// Begun anew in PostgreSQL, every edge would be asked for all that it ever sealed.
    #[error(
        "hub.toml names PostgreSQL, but transits and chains are in the home still: take `[store] \
         postgres` out until they are moved, with `varco-hub store move --to ... --finish`"
    )]
    NotMoved,
    /// Begun anew in the home, every edge would be asked for all that it ever sealed.
    #[error(
        "the transits and chains of this home are in PostgreSQL, and hub.toml does not name it. Write \
         into hub.toml:\n\n{0}\n\nThere is no way back into the home"
    )]
    InPostgres(String),
    /// The same, moved by a version that did not note where to.
    #[error(
        "the edges' chains are not in this home, though it has keys of hours: its transits were moved \
         into PostgreSQL. Name that in hub.toml: `[store] postgres = \"host=... dbname=...\"`"
    )]
    Elsewhere,
    /// Another database, or the right one emptied.
    #[error(
        "the PostgreSQL that hub.toml names does not have the transits of this home: {0}. Name the \
         database that they were moved into, or restore it"
    )]
    OtherDatabase(&'static str),
}

/// What the main database says.
///
/// # Errors
/// [`StoreError`].
pub fn read(main: &Connection) -> Result<Whereabouts, StoreError> {
    const DOING: &str = "read where the transits are";
    type Columns = (String, Option<Vec<u8>>, Option<String>);
    let row: Option<Columns> = main
        .query_row(
            "SELECT state, database, lines FROM whereabouts",
            [],
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
        )
        .optional()
        .doing(DOING)?;
    let Some((state, id, lines)) = row else {
        return Ok(Whereabouts::Unsaid);
    };
    let id = id.and_then(|bytes| DatabaseId::from_bytes(&bytes));
    match (state.as_str(), id) {
        ("home", _) => Ok(Whereabouts::Home),
        ("moving", Some(id)) => Ok(Whereabouts::Moving(id)),
        ("postgres", Some(id)) => Ok(Whereabouts::Postgres {
            id,
            lines: lines.unwrap_or_default(),
        }),
        _ => Err(StoreError::Damaged {
            what: "word on where the transits are",
        }),
    }
}

/// Says where they are, in the caller's transaction.
///
/// # Errors
/// [`StoreError`].
pub fn say(main: &Connection, whereabouts: &Whereabouts) -> Result<(), StoreError> {
    const DOING: &str = "note where the transits are";
    let (state, id, lines) = match whereabouts {
        Whereabouts::Unsaid => {
            main.execute("DELETE FROM whereabouts", []).doing(DOING)?;
            return Ok(());
        }
        Whereabouts::Home => ("home", None, None),
        Whereabouts::Moving(id) => ("moving", Some(id), None),
        Whereabouts::Postgres { id, lines } => ("postgres", Some(id), Some(lines)),
    };
    main.execute(
        "INSERT OR REPLACE INTO whereabouts (one, state, database, lines) VALUES (1, ?, ?, ?)",
        params![state, id.map(DatabaseId::as_bytes), lines],
    )
    .doing(DOING)?;
    Ok(())
}

/// Says that a move has begun, on the disk when this returns, and gives the id of the database that
/// it goes into: the one that is said already, or a new one. Of two that begin at once, both get one.
///
/// # Errors
/// [`HomeError`].
pub fn begin_moving(main: &mut Connection) -> Result<DatabaseId, HomeError> {
    let fresh = DatabaseId::random()?;
    let held = main
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .doing("begin the move")?;
    let id = match read(&held)? {
        Whereabouts::Moving(id) | Whereabouts::Postgres { id, .. } => id,
        Whereabouts::Unsaid | Whereabouts::Home => fresh,
    };
    if !matches!(read(&held)?, Whereabouts::Postgres { .. }) {
        say(&held, &Whereabouts::Moving(id))?;
    }
    held.commit().doing("commit the beginning of the move")?;
    Ok(id)
}

#[cfg(test)]
mod tests {
    use crate::home::whereabouts::*;

    #[test]
    fn what_was_said_is_read_again_and_only_the_last_counts() {
        let main = Connection::open_in_memory().unwrap();
        main.execute_batch(SCHEMA).unwrap();
        assert_eq!(read(&main).unwrap(), Whereabouts::Unsaid);
        let id = DatabaseId::random().unwrap();
        let lines = "[store]\npostgres = \"host=/run\"".to_owned();
        for said in [
            Whereabouts::Home,
            Whereabouts::Moving(id),
            Whereabouts::Postgres { id, lines },
        ] {
            say(&main, &said).unwrap();
            assert_eq!(read(&main).unwrap(), said);
        }
        main.execute_batch("UPDATE whereabouts SET database = NULL")
            .unwrap();
        assert!(read(&main).is_err(), "what cannot be read means no");
    }
}
