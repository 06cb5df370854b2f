//! The one door to SQLite: how a database is opened, and how its schema moves forward.
//!
//! Tables belong to the domains: each keeps its SQL beside its rules and takes a connection
//! from here. Times are stored as microseconds since 1970-01-01 UTC, digests as 32 bytes.

use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use thiserror::Error;

pub mod awaited;
pub mod notes;
pub mod number;
pub mod pool;
pub mod tokens;
pub mod wrapped;

/// What the domains use of SQLite.
pub mod sql {
    pub use rusqlite::types::{FromSql, Value, ValueRef};
    pub use rusqlite::{
        Connection, Error, OptionalExtension, Params, Row, ToSql, Transaction, TransactionBehavior,
        params, params_from_iter,
    };
}

use sql::Connection;

/// How long a statement waits for another writer. A batch takes milliseconds, so this is long.
const BUSY_TIMEOUT: Duration = Duration::from_secs(15);

/// Most of a database that a connection keeps in memory. A batch's pages must fit, else they are
/// written to the log before they are whole, and again after.
const CACHE_KIB: i64 = 32 * 1024;
/// Pages in the log before they are moved into the database: a page that many batches write to
/// is moved once. 32 MiB, which are moved in a blink.
const CHECKPOINT_PAGES: i64 = 8192;
/// What PostgreSQL calls a row that another already wrote.
const UNIQUE_VIOLATION: &str = "23505";
/// What PostgreSQL calls a table that is not there.
const UNDEFINED_TABLE: &str = "42P01";
/// What a log is cut to after it grew beyond.
const LOG_BYTES_MAX: i64 = 64 * 1024 * 1024;

/// The database cannot do what was asked.
#[derive(Debug, Error)]
pub enum StoreError {
    /// The file cannot be opened: check that it exists, its owner and the disk.
    #[error("cannot open the database `{path}`")]
    Open {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: rusqlite::Error,
    },
    /// A statement failed. A full disk or a locked file passes: try again later.
    #[error("cannot {doing}")]
    Statement {
        /// What was being done.
        doing: &'static str,
        /// Why.
        source: rusqlite::Error,
    },
    /// The database was written by a newer version: run that one.
    #[error("the database has schema {found}, this version knows {known}: run the newer varco-hub")]
    Newer {
        /// In the file.
        found: usize,
        /// Known here.
        known: usize,
    },
    /// PostgreSQL was written by an older version, and who only reads changes nothing: start the hub
    /// of this version, which brings it forward.
    #[error(
        "PostgreSQL has schema {found}, this version uses {known}: start the hub of this version \
         first, which brings it forward"
    )]
    OlderSchema {
        /// There.
        found: usize,
        /// Used here.
        known: usize,
    },
    /// Transits of a version before lie where this one keeps its own.
    #[error(
        "`{path}` holds transits of an older varco-hub, which this one cannot read: run the older \
         one until their term is over, or move the file away"
    )]
    Older {
        /// Which file.
        path: PathBuf,
    },
    /// A stored value is not what the column holds: run `varco-hub audit verify`.
    #[error("the stored {what} is damaged; run `varco-hub audit verify`")]
    Damaged {
        /// Which value.
        what: &'static str,
    },
    /// PostgreSQL did not do it: it is away, or refused. Try again later, unless
    /// [`StoreError::is_of_the_record`].
    #[error("cannot {doing} in PostgreSQL")]
    Server {
        /// What was being done.
        doing: &'static str,
        /// The five characters of the server's `SQLSTATE`; empty when it gave none.
        state: String,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The caller went away before the answer: nothing is shown, and nothing was changed.
    #[error("nobody waits for the answer any more")]
    Unawaited,
    /// No key can be made: the system's random source failed.
    #[error("cannot make a key")]
    Key(#[source] varco_proto::cipher::CipherError),
    /// A file beside the databases cannot be handled.
    #[error("cannot {doing} `{path}`")]
    File {
        /// What was being done.
        doing: &'static str,
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

impl StoreError {
    /// Whether the record itself is at fault, so that trying again cannot help.
    #[must_use]
    pub fn is_of_the_record(&self) -> bool {
        use rusqlite::ErrorCode::{ConstraintViolation, TooBig, TypeMismatch};
        match self {
            Self::Statement { source, .. } => matches!(
                source.sqlite_error_code(),
                Some(ConstraintViolation | TooBig | TypeMismatch)
            ),
            // A value that no column takes, a constraint, a limit, or a trigger's word. Another hub
            // that was faster with the same row is no fault of the record.
            Self::Server { state, .. } => {
                let classes = ["22", "23", "54", "P0"];
                state != UNIQUE_VIOLATION && classes.iter().any(|class| state.starts_with(class))
            }
            _ => false,
        }
    }

    /// Whether PostgreSQL says that there is no such table.
    #[must_use]
    pub(crate) fn is_no_such_table(&self) -> bool {
        matches!(self, Self::Server { state, .. } if state == UNDEFINED_TABLE)
    }
}

/// Names what was being done when a statement failed.
pub trait Doing<T> {
    /// `doing` completes "cannot …".
    ///
    /// # Errors
    /// The statement's own, with the name.
    fn doing(self, doing: &'static str) -> Result<T, StoreError>;
}

impl<T> Doing<T> for Result<T, rusqlite::Error> {
    fn doing(self, doing: &'static str) -> Result<T, StoreError> {
        self.map_err(|source| StoreError::Statement { doing, source })
    }
}

/// Opens a database for reading and writing, making it when it is missing. Every commit is on
/// disk before it is answered (WAL, synchronous FULL).
///
/// # Errors
/// [`StoreError::Open`].
pub fn open(path: &Path) -> Result<Connection, StoreError> {
    make_private(path);
    let opened = Connection::open(path).and_then(|connection| {
        connection.busy_timeout(BUSY_TIMEOUT)?;
        connection.execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;
             PRAGMA temp_store = MEMORY; PRAGMA trusted_schema = OFF; PRAGMA secure_delete = ON;",
        )?;
        connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
        connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
        connection.pragma_update(None, "journal_size_limit", LOG_BYTES_MAX)?;
        connection.set_prepared_statement_cache_capacity(64);
        Ok(connection)
    });
    opened.map_err(|source| StoreError::Open {
        path: path.to_owned(),
        source,
    })
}

/// Makes a missing file so that only its owner reads it; SQLite's side files follow its mode.
fn make_private(path: &Path) {
    let made = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path);
    // It is there already, or SQLite says better what is wrong.
    drop(made);
}

/// What SQLite finds wrong with a database's pages, as it says it; none when they are sound.
///
/// # Errors
/// [`StoreError`].
pub fn page_fault(connection: &Connection) -> Result<Option<String>, StoreError> {
    let said = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get::<_, String>(0));
    let said = said.doing("check the pages")?;
    Ok((said != "ok").then_some(said))
}

/// How many steps of its schema a database has.
///
/// # Errors
/// [`StoreError::Statement`].
pub fn version(connection: &Connection) -> Result<usize, StoreError> {
    connection
        .query_row("PRAGMA user_version", [], |row| row.get::<_, u32>(0))
        .map(|version| usize::try_from(version).unwrap_or(usize::MAX))
        .doing("read the schema's version")
}

/// Brings a schema forward: `steps` are applied in order, each once, all in one transaction.
/// Steps are only ever added at the end.
///
/// # Errors
/// [`StoreError::Newer`] when the file knows more steps; [`StoreError::Statement`].
pub fn migrate(connection: &mut Connection, steps: &[&str]) -> Result<(), StoreError> {
    if version(connection)? == steps.len() {
        return Ok(());
    }
    let transaction = connection
        .transaction_with_behavior(sql::TransactionBehavior::Immediate)
        .doing("begin the schema change")?;
    let found = version(&transaction)?;
    let Some(missing) = steps.get(found..) else {
        return Err(StoreError::Newer {
            found,
            known: steps.len(),
        });
    };
    for step in missing {
        transaction
            .execute_batch(step)
            .doing("bring the schema forward")?;
    }
    transaction
        .pragma_update(
            None,
            "user_version",
            u32::try_from(steps.len()).unwrap_or(u32::MAX),
        )
        .doing("note the schema's version")?;
    transaction.commit().doing("commit the schema change")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schema_moves_forward_step_by_step() {
        let folder = tempfile::tempdir().unwrap();
        let mut connection = open(&folder.path().join("a.sqlite")).unwrap();
        migrate(&mut connection, &["CREATE TABLE a (x)"]).unwrap();
        let steps = ["CREATE TABLE a (x)", "CREATE TABLE b (x)"];
        migrate(&mut connection, &steps).unwrap();
        connection
            .execute_batch("INSERT INTO b VALUES (1)")
            .unwrap();
        let newer = migrate(&mut connection, &steps[..1]).unwrap_err();
        assert!(matches!(newer, StoreError::Newer { found: 2, known: 1 }));
    }

    #[test]
    fn a_commit_is_on_disk_before_it_is_answered() {
        let folder = tempfile::tempdir().unwrap();
        let connection = open(&folder.path().join("a.sqlite")).unwrap();
        let synchronous: u32 = connection
            .query_row("PRAGMA synchronous", [], |row| row.get(0))
            .unwrap();
        assert_eq!(synchronous, 2, "FULL");
    }
}
