//! The one way of a question about stored transits: what may be processed is decided first, then it is
//! searched, and nothing is given back before the line that says who asked what, and why, is committed.

use thiserror::Error;
use varco_proto::ids::Digest;
use varco_proto::keys::SealingKey;
use varco_proto::time::UtcTime;

use super::store::TransitStore;
use crate::audit::action::Action;
use crate::audit::actor::Actor;
use crate::audit::purpose::Grounds;
use crate::audit::{self, AuditEntry, AuditError};
use crate::municipalities::reach::Reach;
use crate::store::awaited;
use crate::store::{Doing as _, StoreError, number};
use crate::transits::allowed::Allowed;

/// A question is not answered.
#[derive(Debug, Error)]
pub enum LookupError {
    /// The audit line cannot be written, so nothing is shown.
    #[error("the audit line cannot be written, so the lookup is refused")]
    Audit(#[from] AuditError),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Who asks, why and when.
#[derive(Debug, Clone, Copy)]
pub struct Asking<'a> {
    /// Who.
    pub actor: &'a Actor,
    /// Why; none for a count, which tells of nobody.
    pub grounds: Option<&'a Grounds>,
    /// The gates whose transits they may see.
    pub reach: &'a Reach,
    /// By the hub's clock.
    pub now: UtcTime,
    /// Signs the audit line.
    pub key: &'a SealingKey,
}

/// What the line says of a question and of its answer.
#[derive(Debug)]
pub struct QuestionLine {
    /// Which question.
    pub action: Action,
    /// The plate or pattern that was asked for.
    pub plate: Option<String>,
    /// What else was asked, and how much there is.
    pub details: serde_json::Value,
    /// The records that are shown; none when the answer has no records.
    pub shown: Option<Vec<Digest>>,
}

/// An answer whose line is committed.
#[derive(Debug)]
pub struct Answered<T> {
    /// The answer.
    pub answer: T,
    /// The number of its line.
    pub audit_line: u64,
}

impl TransitStore {
    /// Asks. `find` gets what may be processed now, and gives what it found with what the line says of
    /// it; what it found is given back once the line is committed.
    ///
    /// # Errors
    /// What `find` gives, and when the line cannot be written; then nothing may be shown.
    pub fn ask<T, E: From<StoreError> + From<AuditError>>(
        &self,
        asking: &Asking<'_>,
        find: impl FnOnce(&Allowed) -> Result<(T, QuestionLine), E>,
    ) -> Result<Answered<T>, E> {
        let allowed = self.allowed(asking.now, asking.reach)?;
        let (answer, said) = find(&allowed)?;
        let shown = said.shown.as_ref();
        let entry = AuditEntry {
            actor: asking.actor.clone(),
            action: said.action,
            grounds: asking.grounds.cloned(),
            query: said.plate,
            details: said.details,
            result_count: shown.map(|shown| number::count(shown.len())).transpose()?,
            result_digests: said.shown.unwrap_or_default(), // A count shows no records.
        };
        // The turn first: whoever waits for it must not keep the others from reading.
        let _turn = self.turn();
        let mut main = self.main();
        // A line would say that somebody was shown these.
        awaited::check()?;
        let transaction = main.transaction().doing("begin the audit line")?;
        let audit_line = audit::append(&transaction, &entry, asking.now, asking.key)?;
        transaction.commit().doing("commit the audit line")?;
        Ok(Answered { answer, audit_line })
    }
}
