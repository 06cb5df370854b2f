//! Connections to one database that stay open between requests: to open one takes longer than most questions.
//!
//! Nobody waits for a place: whoever finds none that is idle opens one. So a request may hold two, and what is
//! wrong with the database is told at once. A pool that waits and tries again, such as `r2d2`'s, does neither.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use scopeguard::ScopeGuard;

use super::StoreError;
use super::sql::Connection;

/// Connections that are kept while nobody needs them.
const IDLE_MAX: usize = 16;

/// Gives connections out and takes them back.
#[derive(Clone)]
pub struct ConnectionPool(Arc<Shared>);

struct Shared {
    path: PathBuf,
    idle: Mutex<Vec<Connection>>,
}

/// A connection, which goes back to its pool when it is dropped.
pub type Pooled = ScopeGuard<Connection, Box<dyn FnOnce(Connection) + Send>>;

impl fmt::Debug for ConnectionPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ConnectionPool").field(&self.0.path).finish()
    }
}

impl ConnectionPool {
    /// Of a database, of which nothing is opened yet.
    #[must_use]
    pub fn of(path: &Path) -> Self {
        Self(Arc::new(Shared {
            path: path.to_owned(),
            idle: Mutex::default(),
        }))
    }

    /// A connection that nobody else has.
    ///
    /// # Errors
    /// [`StoreError::Open`].
    pub fn take(&self) -> Result<Pooled, StoreError> {
        let connection = match self.0.pop() {
            Some(idle) => idle,
            None => super::open(&self.0.path)?,
        };
        let pool = Arc::clone(&self.0);
        let give_back: Box<dyn FnOnce(Connection) + Send> =
            Box::new(move |connection| pool.give_back(connection));
        Ok(scopeguard::guard(connection, give_back))
    }
}

impl Shared {
    fn pop(&self) -> Option<Connection> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.pop()
    }

    /// One that was left within a transaction is closed, which undoes that.
    fn give_back(&self, connection: Connection) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if connection.is_autocommit() && idle.len() < IDLE_MAX {
            idle.push(connection);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_is_used_again_unless_it_was_left_within_a_transaction() {
        let folder = tempfile::tempdir().unwrap();
        let pool = ConnectionPool::of(&folder.path().join("main"));
        let idle = || pool.0.idle.lock().unwrap().len();
        let (one, two) = (pool.take().unwrap(), pool.take().unwrap());
        one.execute_batch("CREATE TABLE a (b INTEGER); CREATE TEMP TABLE mine (c)")
            .unwrap();
        drop(one);
        assert_eq!(idle(), 1);
        let again = pool.take().unwrap();
        let seen = |connection: &Connection| connection.prepare("SELECT * FROM mine").is_ok();
        assert!(seen(&again) && !seen(&two), "the same connection");
        again
            .execute_batch("BEGIN; INSERT INTO a VALUES (1)")
            .unwrap();
        drop(again);
        assert_eq!(idle(), 0);
        let rows: i64 = two
            .query_row("SELECT count(*) FROM a", [], |row| row.get(0))
            .unwrap();
        assert_eq!(rows, 0, "it was undone");
        let none = ConnectionPool::of(&folder.path().join("no/such/folder"));
        assert!(matches!(none.take(), Err(StoreError::Open { .. })));
    }
}
