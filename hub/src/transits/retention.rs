//! The end of a transit: not later than an hour after its term, which counts from its capture.
//!
//! Lookups stop at the second by themselves. What is stored goes by the hour: once the term of its
//! last moment is over, its key is destroyed and its files are unlinked. The audit line stands
//! before the destruction, so that a kill between them makes a second line and never a silent loss.

use std::time::Duration;

use serde::Serialize;
use thiserror::Error;
use varco_proto::keys::SealingKey;
use varco_proto::time::UtcTime;

use super::archive::Archive;
use super::names;
use crate::alerts::alert;
use crate::audit::action::Action;
use crate::audit::actor::Actor;
use crate::audit::told::{HourEnded, Told as _};
use crate::audit::{self, AuditEntry as Entry, AuditError};
use crate::hours::partition::Partition;
use crate::store::sql::{Connection, TransactionBehavior};
use crate::store::{Doing as _, StoreError};
use crate::timekeeping::Vouched;

/// Between two runs, with room: what lies over its term for longer is overdue.
pub(crate) const RUNS_APART: Duration = Duration::from_secs(300);

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
    /// The hours, oldest first. Their keys are gone; their files go with [`Archive::unlink`].
    #[serde(serialize_with = "as_texts")]
    pub hours: Vec<Partition>,
    /// How many transits they had.
    pub transits: u64,
}

fn as_texts<S: serde::Serializer>(hours: &[Partition], to: S) -> Result<S::Ok, S::Error> {
    to.collect_seq(hours.iter().map(ToString::to_string))
}

/// Destroys the keys of what is past its term, of `most` hours at most, oldest first. The hours' files are unreadable from then on, and go
/// with [`Archive::unlink`], which nobody needs to wait for.
///
/// # Errors
/// [`RetentionError`].
pub fn expire(
    main: &mut Connection,
    archive: &Archive,
    term: Duration,
    now: Vouched,
    key: &SealingKey,
    most: usize,
) -> Result<Expired, RetentionError> {
    let now = now.at();
    let mut expired = Expired::default();
    for (hour, transits) in due(archive, term, now)?.into_iter().take(most) {
        let entry = end_entry(hour, u64::from(transits))?;
        let transaction = main
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .doing("begin the expiry's audit line")?;
        audit::append(&transaction, &entry, now, key)?;
        audit::hours::end(&transaction, hour)?;
        transaction
            .commit()
            .doing("commit the expiry's audit line")?;
        archive.kill(hour)?;
        alert::forget_hour(main, hour)?;
        names::forget_hour(main, hour)?;
        expired.hours.push(hour);
        expired.transits += u64::from(transits);
    }
    Ok(expired)
}

/// What the line of an hour's end says.
pub(crate) fn end_entry(hour: Partition, transits: u64) -> Result<Entry, AuditError> {
    let told = HourEnded {
        hour: hour.to_string(),
        transits,
        captured_before: Some(hour.end()),
        term_hours: hour.term().hours(),
    };
    told.entry(Actor::hub(), Action::PartitionExpired)
}

/// Hours that should have been destroyed by now: runs come each minute, so there are none but for a
/// fault.
///
/// # Errors
/// [`StoreError`].
pub fn overdue(archive: &Archive, now: UtcTime) -> Result<Vec<Partition>, StoreError> {
    let due = due(archive, archive.settings().term, now - RUNS_APART)?;
    Ok(due.into_iter().map(|(hour, _)| hour).collect())
}

/// The hours past their term, oldest first, with what they hold; also those of which nothing counts.
fn due(
    archive: &Archive,
    term: Duration,
    now: UtcTime,
) -> Result<Vec<(Partition, u32)>, StoreError> {
    let mut hours: Vec<(Partition, u32)> = {
        let state = archive.read();
        let slots = state.hours.iter();
        slots.map(|(hour, slot)| (*hour, slot.rows)).collect()
    };
    for hour in archive.keys.hours()? {
        if !hours.iter().any(|(other, _)| *other == hour) {
            hours.push((hour, 0));
        }
    }
    hours.retain(|(hour, _)| hour.gone_at(term) <= now);
    hours.sort_unstable();
    Ok(hours)
}
