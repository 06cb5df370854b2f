//! The end of transits whose municipality shortened its term after they were stored: they lie with
//! others in partitions that last longer, are hidden at once, and are destroyed one by one.
//!
//! An hour is done when the shorter term of its last moment is over. Its audit line stands first; then
//! the rows are overwritten, and last the index is written without them, so that a cut anywhere leaves
//! them to be found and done again. Hours with hundreds of thousands of such rows hold nobody up: intake
//! writes to other hours, and waits for a thousand rows at most where it does not.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::Serialize;
use varco_proto::keys::SealingKey;
use varco_proto::time::UtcTime;

use super::archive::Archive;
use super::entry::Entry;
use super::names;
use super::retention::RetentionError;
use super::rows::Head;
use crate::alerts::alert;
use crate::audit::action::Action;
use crate::audit::actor::Actor;
use crate::audit::told::{self, Told as _};
use crate::audit::{self};
use crate::hours::partition::{HOUR_US, Partition};
use crate::store::sql::Connection;
use crate::store::{Doing as _, StoreError};

/// Rows that are overwritten in one transaction.
const ROWS_AT_ONCE: usize = 1000;

/// What was destroyed within one hour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Purged {
    /// How many transits.
    pub transits: u64,
}

/// Hours that were gone through for gates whose shorter term is over: with how many transits each had
/// then, and the gates. They are not read again for the same.
#[derive(Debug, Default)]
pub(crate) struct Clean(Mutex<HashMap<Partition, (u64, Vec<u32>)>>);

impl Clean {
    fn known(&self) -> MutexGuard<'_, HashMap<Partition, (u64, Vec<u32>)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether an hour, as many transits as it has, has nothing of these gates.
    pub(crate) fn has(&self, hour: Partition, transits: u64, gates: &[u32]) -> bool {
        let known = self.known();
        let known = known.get(&hour);
        known.is_some_and(|(of, at)| *of == transits && at == gates)
    }

    /// Notes that it has nothing of them.
    pub(crate) fn note(&self, hour: Partition, transits: u64, gates: Vec<u32>) {
        self.known().insert(hour, (transits, gates));
    }

    /// Forgets hours that are dead.
    pub(crate) fn forget(&self, gone: impl Fn(Partition) -> bool) {
        self.known().retain(|hour, _| !gone(*hour));
    }
}

/// The line of what goes; it stands before anything is destroyed.
///
/// # Errors
/// [`RetentionError`]: then nothing may be destroyed.
pub(crate) fn write_line(
    main: &mut Connection,
    (hour, transits, gates): (Partition, usize, &[String]),
    now: UtcTime,
    key: &SealingKey,
) -> Result<(), RetentionError> {
    let told = told::Purged {
        hour: hour.to_string(),
        transits: count(transits)?,
        gates: gates.to_vec(),
        captured_before: Some(hour.end()),
    };
    let line = told.entry(Actor::hub(), Action::TransitsPurged)?;
    audit::append_alone(main, &line, now, key)?;
    Ok(())
}

/// A number of rows, or a place in an hour, in another type.
fn count<F, T: TryFrom<F>>(count: F) -> Result<T, StoreError> {
    T::try_from(count).map_err(|_| StoreError::Damaged { what: "hour" })
}

impl Archive {
    /// Destroys, in one hour, the transits of gates whose shorter term is over there; none when no
    /// hour has such.
    ///
    /// # Errors
    /// [`RetentionError`]; the next run goes on.
    pub fn purge_one(
        &self,
        main: &mut Connection,
        now: UtcTime,
        key: &SealingKey,
    ) -> Result<Option<Purged>, RetentionError> {
        for (hour, gates) in self.to_purge(now)? {
            self.seal(hour)?;
            let going = self.going(hour, &gates)?;
            if going.is_empty() {
                self.clean.note(hour, self.rows_of(hour), gates);
                continue;
            }
            let name = |gate: &u32| self.read().names.name(*gate).map(str::to_owned);
            let named: Vec<String> = gates.iter().filter_map(name).collect();
            {
                let _turn = self.turn();
                write_line(main, (hour, going.len(), &named), now, key)?;
            }
            let id_marks = self.overwrite(main, hour, &going)?;
            self.index_without(hour, &going, &id_marks)?;
            self.clean.note(hour, self.rows_of(hour), gates);
            let transits = count(going.len())?;
            return Ok(Some(Purged { transits }));
        }
        Ok(None)
    }

    /// The hours in which gates may have transits whose shorter term is over, with these gates.
    fn to_purge(&self, now: UtcTime) -> Result<Vec<(Partition, Vec<u32>)>, StoreError> {
        let horizon = self.horizon(now)?;
        let state = self.read();
        let hours = state.hours.iter();
        let due = hours.filter_map(|(hour, slot)| {
            let gates = horizon.over_in(*hour, &state.names);
            let clean = self.clean.has(*hour, u64::from(slot.rows), &gates);
            (!gates.is_empty() && !clean).then_some((*hour, gates))
        });
        Ok(due.collect())
    }

    fn rows_of(&self, hour: Partition) -> u64 {
        let state = self.read();
        state
            .hours
            .get(&hour)
            .map_or(0, |slot| u64::from(slot.rows))
    }

    /// The indexed transits of these gates in an hour.
    fn going(&self, hour: Partition, gates: &[u32]) -> Result<Vec<Entry>, StoreError> {
        let (sealed, cameras) = {
            let state = self.read();
            let met = state.names.met();
            let cameras = met.filter(|(gate, _)| gates.binary_search(gate).is_ok());
            let cameras: HashSet<u32> = cameras.map(|(_, camera)| camera).collect();
            let slot = state.hours.get(&hour);
            (slot.and_then(|slot| slot.sealed.clone()), cameras)
        };
        let mut going = Vec::new();
        let Some(sealed) = sealed else {
            return Ok(going);
        };
        let whole = (0, count(HOUR_US - 1)?);
        for camera in cameras {
            sealed.of_camera(camera, whole, |entry: &Entry| {
                if gates.binary_search(&entry.gate).is_ok() {
                    going.push(*entry);
                }
            })?;
        }
        Ok(going)
    }

    /// Overwrites the rows of these in their hour's file and in its log, and lets go of their alerts.
    /// Gives the marks of their ids.
    fn overwrite(
        &self,
        main: &mut Connection,
        hour: Partition,
        going: &[Entry],
    ) -> Result<HashSet<u64>, StoreError> {
        let mut id_marks = HashSet::new();
        let place = {
            let state = self.read();
            state.hours.get(&hour).map(|slot| slot.place.clone())
        };
        let Some(place) = place else {
            return Ok(id_marks);
        };
        let connection = place.open()?;
        for some in going.chunks(ROWS_AT_ONCE) {
            // One that was overwritten before a cut has no head any more.
            let heads: Vec<Head> = place.some_heads(&connection, some)?;
            id_marks.extend(heads.iter().map(Head::id_mark));
            let ids: Vec<[u8; 16]> = heads.iter().map(|head| head.id).collect();
            {
                let _turn = self.turn();
                alert::forget_transits(main, &ids)?;
            }
            place.overwrite(&connection, some.iter().map(|entry| entry.row))?;
            let rows = count(heads.len())?;
            let _turn = self.turn();
            names::note_purged(main, hour, rows)?;
        }
        connection
            .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
            .doing("empty the log of destroyed transits")?;
        Ok(id_marks)
    }
}
