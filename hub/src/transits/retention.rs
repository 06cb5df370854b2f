//! The end of a transit: not later than an hour after its term, which counts from its capture.
//!
//! Lookups stop at the second by themselves. What is stored goes by the hour: once the term of its
//! last moment is over, its key is destroyed and its files are unlinked. The audit line stands
//! before the destruction, so that a kill between them makes a second line and never a silent loss.

use crate::audit;
use crate::audit::AuditEntry;
use crate::audit::AuditError;
use crate::audit::action::Action;
use crate::audit::actor::Actor;
use crate::audit::told::{HourEnded, Told as _};
use std::time::Duration;

use serde::Serialize;
use thiserror::Error;
use varco_proto::keys::SealingKey;
use varco_proto::time::UtcTime;

use super::stored::StoredHours;
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
    /// The hours, oldest first. Their keys are gone; their files go with [`StoredHours::unlink`].
    #[serde(serialize_with = "as_texts")]
    pub hours: Vec<Partition>,
    /// How many transits they had.
    pub transits: u64,
}

fn as_texts<S: serde::Serializer>(hours: &[Partition], to: S) -> Result<S::Ok, S::Error> {
    to.collect_seq(hours.iter().map(ToString::to_string))
}

/// What is to end, and who says so.
#[derive(Debug, Clone, Copy)]
pub struct Over<'a> {
    /// How long transits are kept.
    pub term: Duration,
    /// The moment by which they are judged.
    pub now: Vouched,
    /// Signs the audit lines.
    pub key: &'a SealingKey,
    /// Most hours at once.
    pub most: usize,
}

/// What ends together with transits, in tables that other domains own.
#[derive(Debug, Clone, Copy)]
pub struct EndsWith {
    /// Lets go of what came of an hour: its key is gone.
    pub hour: fn(&Connection, Partition) -> Result<(), StoreError>,
    /// Lets go of what came of single transits, by their ids.
    pub transits: fn(&mut Connection, &[[u8; 16]]) -> Result<(), StoreError>,
    /// Who keeps copies of transits beyond their end, by an order.
    pub kept: KeptBy,
}

/// Names who keeps copies of transits, by their ids.
pub type KeptBy = fn(&Connection, &[[u8; 16]]) -> Result<Vec<String>, StoreError>;

/// An hour that is about to end.
#[derive(Debug, Clone, Copy)]
pub struct Ending {
    /// How many transits it has.
    pub transits: u64,
    /// Whether its line is written and its key destroyed already, so that only its remains are to go.
    pub is_dead: bool,
}

/// One writer's way to end hours in a store. [`expire`] calls these in their order.
pub trait Ends {
    /// The store.
    fn store(&self) -> &dyn StoredHours;

    /// The hours that have transits.
    ///
    /// # Errors
    /// [`StoreError`].
    fn hours(&mut self) -> Result<Vec<Partition>, StoreError>;

    /// Takes an hour to end it; none when another hub is at it, or was.
    ///
    /// # Errors
    /// [`StoreError`].
    fn begin(&mut self, hour: Partition) -> Result<Option<Ending>, StoreError>;

    /// Destroys the hour's key: nobody can read it any more.
    ///
    /// # Errors
    /// [`StoreError`].
    fn kill(&mut self, hour: Partition) -> Result<(), StoreError>;

    /// Removes what is left of an hour whose key is destroyed.
    ///
    /// # Errors
    /// [`StoreError`]; the next run goes on.
    fn clear(&mut self, main: &Connection, hour: Partition) -> Result<(), StoreError>;

    /// Gives an hour back that was taken and did not end.
    fn give_up(&mut self);

    /// Lets go, in memory, of hours that another hub ended.
    fn forget(&mut self, gone: &dyn Fn(Partition) -> bool);
}

/// Destroys what is past its term, of `most` hours at most, oldest first.
///
/// Each hour's audit line comes first, then its key, then what came of it and its remains. What can be unlinked later goes with
/// [`StoredHours::unlink`], which nobody needs to wait for.
///
/// The keys are in the home. While the store is away, or has no room, they are destroyed all the same,
/// and the rest goes when it is back.
///
/// # Errors
/// [`RetentionError`]; the next run goes on.
pub fn expire(
    ends: &mut dyn Ends,
    main: &mut Connection,
    over: &Over<'_>,
) -> Result<Expired, RetentionError> {
    let expired = match expire_there(ends, main, over) {
        Err(RetentionError::Store(error @ StoreError::Server { .. })) => {
            let expired = end_keys(ends, main, over)?;
            if expired.hours.is_empty() {
                return Err(error.into());
            }
            tracing::error!(
                error = %error, hours = expired.hours.len(),
                "PostgreSQL did not take the end of hours; their keys are destroyed, and their tables \
                 go when it does"
            );
            expired
        }
        other => other?,
    };
    ends.forget(&|hour| hour.gone_at(over.term) <= over.now.at());
    Ok(expired)
}

fn expire_there(
    ends: &mut dyn Ends,
    main: &mut Connection,
    over: &Over<'_>,
) -> Result<Expired, RetentionError> {
    let mut expired = Expired::default();
    let hours = ends.hours()?;
    let due = due(ends.store(), hours, over.term, over.now.at())?;
    for hour in due.into_iter().take(over.most) {
        let Some(ending) = ends.begin(hour)? else {
            continue;
        };
        if let Err(error) = end(ends, main, hour, ending, over) {
            ends.give_up();
            return Err(error);
        }
        expired.hours.push(hour);
        expired.transits += ending.transits;
    }
    Ok(expired)
}

fn end(
    ends: &mut dyn Ends,
    main: &mut Connection,
    hour: Partition,
    ending: Ending,
    over: &Over<'_>,
) -> Result<(), RetentionError> {
    if !ending.is_dead {
        end_key(ends, main, hour, ending.transits, over)?;
    }
    Ok(ends.clear(main, hour)?)
}

/// Destroys the keys of hours past their term while the store cannot be asked. How many transits they
/// had stands in a second line, when the rest goes.
fn end_keys(
    ends: &mut dyn Ends,
    main: &mut Connection,
    over: &Over<'_>,
) -> Result<Expired, RetentionError> {
    let mut expired = Expired::default();
    let due = due(ends.store(), Vec::new(), over.term, over.now.at())?;
    for hour in due.into_iter().take(over.most) {
        end_key(ends, main, hour, 0, over)?;
        expired.hours.push(hour);
    }
    Ok(expired)
}

/// The line of an hour's end, and then the end of its key and of what came of it.
fn end_key(
    ends: &mut dyn Ends,
    main: &mut Connection,
    hour: Partition,
    transits: u64,
    over: &Over<'_>,
) -> Result<(), RetentionError> {
    let entry = end_entry(hour, transits)?;
    {
        let _turn = ends.store().turn();
        let line = main
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .doing("begin the expiry's audit line")?;
        audit::append(&line, &entry, over.now.at(), over.key)?;
        audit::hours::end(&line, hour)?;
        line.commit().doing("commit the expiry's audit line")?;
    }
    ends.kill(hour)?;
    (ends.store().settings().ends_with.hour)(main, hour)?;
    Ok(())
}

/// What the line of an hour's end says.
fn end_entry(hour: Partition, transits: u64) -> Result<AuditEntry, AuditError> {
    let told = HourEnded {
        hour: hour.to_string(),
        transits,
        captured_before: Some(hour.end()),
        term_hours: hour.term().hours(),
    };
    told.entry(Actor::hub(), Action::PartitionExpired)
}

impl dyn StoredHours + '_ {
    /// Hours that should have been destroyed by now: runs come each minute, so there are none but for
    /// a fault.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn overdue(&self, now: UtcTime) -> Result<Vec<Partition>, StoreError> {
        let held = self.held()?.into_iter();
        let hours = held.map(|(hour, _)| hour).collect();
        due(self, hours, self.settings().term, now - RUNS_APART)
    }
}

/// The hours past their term, oldest first: those that have transits, and those that have a key.
fn due(
    store: &dyn StoredHours,
    mut hours: Vec<Partition>,
    term: Duration,
    now: UtcTime,
) -> Result<Vec<Partition>, StoreError> {
    hours.extend(store.keys().hours()?);
    hours.retain(|hour| hour.gone_at(term) <= now);
    hours.sort_unstable();
    hours.dedup();
    Ok(hours)
}
