//! Acts of a person: something is done and its line is written, or neither.

use varco_proto::keys::SealingKey;
use varco_proto::time::UtcTime;

use crate::audit::actor::Actor;
use crate::audit::{AuditEntry, AuditError};
use crate::store::sql::{Connection, TransactionBehavior};
use crate::store::{Doing as _, StoreError};

/// Who acts, when, and what signs the line.
pub struct Acting<'a> {
    /// Who.
    pub actor: &'a Actor,
    /// By the hub's clock.
    pub now: UtcTime,
    /// The hub's key.
    pub key: &'a SealingKey,
}

/// What was done, and the number of its line.
pub(crate) struct DoneInLine<T> {
    pub(crate) done: T,
    pub(crate) line: u64,
}

impl Acting<'_> {
    /// Does something and writes its line, or neither.
    ///
    /// # Errors
    /// The work's own, or that of the line or the commit.
    pub(crate) fn act<E: From<StoreError> + From<AuditError>>(
        &self,
        main: &mut Connection,
        entry: &AuditEntry,
        work: impl FnOnce(&Connection) -> Result<(), E>,
    ) -> Result<(), E> {
        self.change(main, |main| {
            work(main)?;
            Ok(((), entry.clone()))
        })
    }

    /// As [`Acting::act`], for a line that says what was found on the way; gives what the work gives.
    ///
    /// # Errors
    /// The work's own, or that of the line or the commit.
    pub(crate) fn change<T, E: From<StoreError> + From<AuditError>>(
        &self,
        main: &mut Connection,
        work: impl FnOnce(&Connection) -> Result<(T, AuditEntry), E>,
    ) -> Result<T, E> {
        Ok(self.change_in(main, work)?.done)
    }

    /// As [`Acting::change`], with the number of the line.
    ///
    /// # Errors
    /// The work's own, or that of the line or the commit.
    pub(crate) fn change_in<T, E: From<StoreError> + From<AuditError>>(
        &self,
        main: &mut Connection,
        work: impl FnOnce(&Connection) -> Result<(T, AuditEntry), E>,
    ) -> Result<DoneInLine<T>, E> {
        let transaction = main
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .doing("begin the change")?;
        let (done, entry) = work(&transaction)?;
        let line = super::append(&transaction, &entry, self.now, self.key)?;
        transaction.commit().doing("commit the change")?;
        Ok(DoneInLine { done, line })
    }
}
