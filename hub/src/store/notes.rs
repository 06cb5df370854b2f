//! The main database within one batch: what is known of edges, and what is noted of them.

use std::cell::RefCell;
use std::ops::Deref;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::store::sql::Connection;
use crate::store::{Doing as _, StoreError};

/// The main database within a batch. Dropped without [`Notes::commit`], nothing was noted.
///
/// Reads need nothing. What writes goes through [`Notes::writing`], which begins the transaction at
/// the first: with PostgreSQL most batches note nothing here, and two hubs of one home would only
/// wait for one another.
#[derive(Debug)]
pub struct Notes<'a> {
    main: &'a Connection,
    turn: &'a Mutex<()>,
    /// Held from the first write on.
    held: RefCell<Option<MutexGuard<'a, ()>>>,
}

impl<'a> Notes<'a> {
    /// Over the main database; `turn` is held while it is written.
    #[must_use]
    pub fn over(main: &'a Connection, turn: &'a Mutex<()>) -> Self {
        Self {
            main,
            turn,
            held: RefCell::default(),
        }
    }

    /// The main database, to be written: the transaction is begun when it is not yet.
    ///
    /// # Errors
    /// [`StoreError`]; the batch is then given up whole.
    pub fn writing(&self) -> Result<&'a Connection, StoreError> {
        let mut held = self.held.borrow_mut();
        if held.is_none() {
            let turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
            self.main
                .execute_batch("BEGIN IMMEDIATE")
                .doing("begin the batch")?;
            *held = Some(turn);
        }
        Ok(self.main)
    }

    /// Commits what was noted.
    ///
    /// # Errors
    /// [`StoreError`]: nobody knows whether it was.
    pub fn commit(self) -> Result<(), StoreError> {
        if self.held.borrow().is_some() {
            self.main
                .execute_batch("COMMIT")
                .doing("commit the batch")?;
            *self.held.borrow_mut() = None;
        }
        Ok(())
    }
}

impl Deref for Notes<'_> {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        self.main
    }
}

impl Drop for Notes<'_> {
    fn drop(&mut self) {
        if self.held.borrow().is_some() && !self.main.is_autocommit() {
            // A connection that cannot even do this is given up by its next use.
            let _ = self.main.execute_batch("ROLLBACK");
        }
    }
}
