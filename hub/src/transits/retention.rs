//! The end of a transit: not later than its term after its capture.
//!
//! Lookups stop at the second by themselves. What is stored goes by runs each minute and at the
//! start: days wholly past the term are unlinked, and the one day that the term runs through is
//! emptied behind it. The audit line stands before the destruction, so that a kill between them
//! makes a second line and never a silent loss.

use std::time::Duration;

use serde::Serialize;
use thiserror::Error;
use varco_proto::keys::SealingKey;
use varco_proto::time::UtcTime;

use super::partition::{Partitions, count_before, delete_before};
use crate::people::audit::{self, Action, AuditError, Entry};
use crate::people::tokens::Actor;
use crate::store::sql::{Connection, TransactionBehavior};
use crate::store::{Doing as _, StoreError};

/// Rows destroyed in one transaction, so that nobody waits long.
const ROWS_AT_ONCE: u32 = 2000;

/// A run did not finish; the next one goes on where it stopped.
#[derive(Debug, Error)]
pub enum RetentionError {
    /// Without its audit line nothing is destroyed. Lookups hide what is past its term anyway.
    #[error("the audit line of an expiry cannot be written")]
    Audit(#[from] AuditError),
    /// The database or a file failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What a run destroyed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Expired {
    /// Whole days, oldest first.
    pub days: Vec<String>,
    /// Transits of the day that the term runs through.
    pub transits: u64,
}

/// Destroys what is past its term.
///
/// The caller has closed its own connections to days before `now - term`.
///
/// # Errors
/// [`RetentionError`].
pub fn expire(
    main: &mut Connection,
    partitions: &Partitions,
    term: Duration,
    now: UtcTime,
    key: &SealingKey,
) -> Result<Expired, RetentionError> {
    let cutoff = now - term;
    let mut expired = Expired::default();
    for day in partitions.days()? {
        if day.start() >= cutoff {
            break;
        }
        let partition = partitions.open(day)?;
        let transits = count_before(&partition, cutoff)?;
        let whole = day.end() <= cutoff;
        if !whole && transits == 0 {
            continue;
        }
        let action = if whole {
            Action::PartitionExpired
        } else {
            Action::TransitsExpired
        };
        let details = serde_json::json!({
            "day": day.to_string(), "transits": transits, "captured_before": cutoff,
        });
        let entry = Entry::plain(Actor::hub(), action, details);
        let transaction = main
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .doing("begin the expiry's audit line")?;
        audit::append(&transaction, &entry, now, key)?;
        transaction
            .commit()
            .doing("commit the expiry's audit line")?;
        if whole {
            drop(partition);
            partitions.destroy(day)?;
            expired.days.push(day.to_string());
        } else {
            while delete_before(&partition, cutoff, ROWS_AT_ONCE)? > 0 {}
            expired.transits += transits;
        }
    }
    Ok(expired)
}
