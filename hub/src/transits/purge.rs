//! The end of transits whose municipality shortened its term after they were stored: they lie with
//! others in partitions that last longer, are hidden at once, and are destroyed one by one.
//!
//! An hour is done when the shorter term of its last moment is over. Its audit line stands first; then
//! the rows are overwritten, and last the index is written without them, so that a cut anywhere leaves
//! them to be found and done again. Hours with hundreds of thousands of such rows hold nobody up: intake
//! writes to other hours, and waits for a thousand rows at most where it does not.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::Serialize;
use varco_proto::ids::Digest;
use varco_proto::keys::SealingKey;
use varco_proto::time::UtcTime;

use super::archive::Archive;
use super::entry::Entry;
use super::entry_block::IndexWalk;
use super::erase::Erasing;
use super::names::{self, Names};
use super::retention::{EndsWith, RetentionError};
use super::rows::Head;
use super::stored::StoredHours;
use crate::audit::action::Action;
use crate::audit::actor::Actor;
use crate::audit::told::{self, Told as _};
use crate::audit::{self, AuditEntry};
use crate::hours::partition::{HOUR_US, Partition};
use crate::store::sql::Connection;
use crate::store::{Doing as _, StoreError};
use crate::timekeeping::Vouched;

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
pub struct Clean(Mutex<HashMap<Partition, (u64, Vec<u32>)>>);

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

/// Which transits of a partition go.
#[derive(Clone, Copy)]
pub(crate) enum Leaving<'a> {
    /// Those of gates whose shorter term is over there, by their numbers, in their order.
    Gates(&'a [u32]),
    /// Those that somebody's own request ends.
    Erased(&'a Erasing),
}

/// Destroying some of what one partition has.
pub struct PurgeTurn<'a> {
    /// The partition.
    pub hour: Partition,
    pub(super) leaving: Leaving<'a>,
    pub(super) names: &'a Names,
    pub(super) main: &'a mut Connection,
    pub(super) turn: &'a Mutex<()>,
    pub(super) ends_with: EndsWith,
    pub(super) now: UtcTime,
    pub(super) key: &'a SealingKey,
}

/// Transits that are about to go.
pub(crate) struct Going {
    /// How many.
    pub(crate) transits: usize,
    /// Their gates, by their numbers.
    pub(crate) gates: BTreeSet<u32>,
    /// The digests of their records, as far as those still open.
    pub(crate) records: Vec<Digest>,
}

impl Going {
    pub(crate) fn of<'h>(entries: &[Entry], heads: impl Iterator<Item = &'h Head>) -> Self {
        Self {
            transits: entries.len(),
            gates: entries.iter().map(|entry| entry.gate).collect(),
            records: heads.map(|head| head.digest).collect(),
        }
    }
}

impl<'a> PurgeTurn<'a> {
    /// What the turn is about.
    pub(crate) fn leaving(&self) -> Leaving<'a> {
        self.leaving
    }

    fn gates(&self) -> &[u32] {
        match self.leaving {
            Leaving::Gates(gates) => gates,
            Leaving::Erased(_) => &[],
        }
    }

    /// The cameras that were met at the gates, by their numbers.
    pub(crate) fn cameras(&self) -> HashSet<u32> {
        let met = self.names.met();
        let met = met.filter(|(gate, _)| self.gates().binary_search(gate).is_ok());
        met.map(|(_, camera)| camera).collect()
    }

    /// Whether transits of cameras that were not met may lie in the partition.
    pub(crate) fn is_older(&self) -> bool {
        self.names.older().contains(&self.hour)
    }

    /// Whether a transit of the gates is one of those that go.
    pub(crate) fn has(&self, entry: &Entry) -> bool {
        self.gates().binary_search(&entry.gate).is_ok()
    }

    /// Writes the line of what goes. It stands before anything is destroyed, and nothing can be
    /// destroyed without what it gives.
    ///
    /// # Errors
    /// [`RetentionError`]: then nothing may be destroyed.
    pub(crate) fn begin(&mut self, going: Going) -> Result<Licence<'_>, RetentionError> {
        let line = match self.leaving {
            Leaving::Gates(gates) => {
                let named = gates.iter().filter_map(|gate| self.names.name(*gate));
                let told = told::Purged {
                    hour: self.hour.to_string(),
                    transits: count(going.transits)?,
                    gates: named.map(str::to_owned).collect(),
                    captured_before: Some(self.hour.end()),
                };
                told.entry(Actor::hub(), Action::TransitsPurged)?
            }
            Leaving::Erased(erasing) => self.erased(erasing, going)?,
        };
        let turn = self.turn.lock();
        let _turn = turn.unwrap_or_else(PoisonError::into_inner);
        audit::append_alone(self.main, &line, self.now, self.key)?;
        Ok(Licence {
            main: self.main,
            turn: self.turn,
            ends_with: self.ends_with,
        })
    }

    /// The line of transits that go at the request of whom they are about. It says which cases keep a copy, by an
    /// order.
    fn erased(&self, erasing: &Erasing, going: Going) -> Result<AuditEntry, RetentionError> {
        let ids: Vec<[u8; 16]> = erasing.ids.iter().copied().collect();
        let order = &erasing.erasure.order;
        let named = going.gates.iter().filter_map(|gate| self.names.name(*gate));
        let told = told::Erased {
            hour: self.hour.to_string(),
            transits: count(going.transits)?,
            gates: named.map(str::to_owned).collect(),
            approval: order.approval.clone(),
            request: order.request.clone(),
            requested_on: order.requested_on.clone(),
            right: order.right.clone(),
            kept_in_cases: (self.ends_with.kept)(self.main, &ids)?,
        };
        Ok(AuditEntry {
            result_count: Some(count(going.transits)?),
            result_digests: going.records,
            ..told.entry(Actor::hub(), Action::TransitsErased)?
        })
    }
}

/// What lets transits be destroyed: their line stands in the audit.
pub(crate) struct Licence<'a> {
    main: &'a mut Connection,
    turn: &'a Mutex<()>,
    ends_with: EndsWith,
}

impl Licence<'_> {
    /// Lets go of what came of transits that are destroyed.
    pub(crate) fn forget(&mut self, ids: &[[u8; 16]]) -> Result<(), StoreError> {
        let turn = self.turn.lock();
        let _turn = turn.unwrap_or_else(PoisonError::into_inner);
        (self.ends_with.transits)(self.main, ids)
    }

    /// Notes in the main database how many went.
    pub(crate) fn note(&mut self, hour: Partition, transits: u32) -> Result<(), StoreError> {
        let turn = self.turn.lock();
        let _turn = turn.unwrap_or_else(PoisonError::into_inner);
        names::note_purged(self.main, hour, transits)
    }
}

impl dyn StoredHours + '_ {
    /// Destroys, in one hour, the transits of gates whose shorter term is over there; none when no
    /// hour has such.
    ///
    /// # Errors
    /// [`RetentionError`]; the next run goes on.
    pub fn purge_one(
        &self,
        main: &mut Connection,
        now: Vouched,
        key: &SealingKey,
    ) -> Result<Option<Purged>, RetentionError> {
        let now = now.at();
        let horizon = self.horizon(now)?;
        if horizon.gates().next().is_none() {
            return Ok(None);
        }
        let names = self.names()?;
        for (hour, held) in self.held()? {
            let gates = horizon.over_in(hour, &names);
            if gates.is_empty() || self.clean().has(hour, held, &gates) {
                continue;
            }
            let transits = self.purge(&mut PurgeTurn {
                hour,
                leaving: Leaving::Gates(&gates),
                names: &names,
                main,
                turn: self.turn_lock(),
                ends_with: self.settings().ends_with,
                now,
                key,
            })?;
            self.clean()
                .note(hour, held.saturating_sub(transits), gates);
            if transits > 0 {
                return Ok(Some(Purged { transits }));
            }
        }
        Ok(None)
    }
}

/// A number of rows, or a place in an hour, in another type.
fn count<F, T: TryFrom<F>>(count: F) -> Result<T, StoreError> {
    T::try_from(count).map_err(|_| StoreError::Damaged { what: "hour" })
}

impl Archive {
    /// Destroys what the turn's gates have in its hour; gives how many went.
    pub(super) fn purge_hour(&self, turn: &mut PurgeTurn<'_>) -> Result<u64, RetentionError> {
        let hour = turn.hour;
        self.seal(hour)?;
        let going = self.going(turn)?;
        if going.is_empty() {
            return Ok(0);
        }
        let heads = match turn.leaving() {
            Leaving::Gates(_) => Vec::new(), // Their line does not name them.
            Leaving::Erased(_) => self.heads_of(hour, &going)?,
        };
        let mut licence = turn.begin(Going::of(&going, heads.iter()))?;
        let id_marks = self.overwrite(&mut licence, hour, &going)?;
        self.index_without(hour, &going, &id_marks)?;
        Ok(count(going.len())?)
    }

    /// The heads of some transits, without those that were overwritten before a cut.
    fn heads_of(&self, hour: Partition, going: &[Entry]) -> Result<Vec<Head>, StoreError> {
        let place = self.read().hours.get(&hour).map(|slot| slot.place.clone());
        match place {
            Some(place) => place.some_heads(&place.open()?, going),
            None => Ok(Vec::new()),
        }
    }

    /// The indexed transits in an hour that go.
    fn going(&self, turn: &PurgeTurn<'_>) -> Result<Vec<Entry>, StoreError> {
        let sealed = {
            let state = self.read();
            let slot = state.hours.get(&turn.hour);
            slot.and_then(|slot| slot.sealed.clone())
        };
        let mut going = Vec::new();
        let Some(sealed) = sealed else {
            return Ok(going);
        };
        if let Leaving::Erased(erasing) = turn.leaving() {
            let all = sealed.all()?.into_iter();
            return Ok(all.filter(|one| erasing.rows.contains(&one.row)).collect());
        }
        let whole = 0..=count::<_, u32>(HOUR_US - 1)?;
        let mut walk = IndexWalk::through(&sealed);
        for camera in turn.cameras() {
            walk.of_camera(camera, whole.clone(), |entry: &Entry| {
                if turn.has(entry) {
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
        licence: &mut Licence<'_>,
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
            licence.forget(&ids)?;
            place.overwrite(&connection, some.iter().map(|entry| entry.row))?;
            licence.note(hour, count(heads.len())?)?;
        }
        connection
            .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
            .doing("empty the log of destroyed transits")?;
        Ok(id_marks)
    }
}
