//! The stored transits: an hour each in its own encrypted file, found through memory.
//!
//! One writer appends ([`Archive::batch`]); readers never wait for it longer than a batch takes to
//! be published. What is in memory is rebuilt from the disk at the start, and what a cut left
//! unfinished is taken back then.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use varco_proto::time::UtcTime;

use super::batch::Batch;
use super::dictionary::{Dictionaries, Dictionary, GatheringAll, counted};
use super::entry::Entry;
use super::hot::Hot;
use super::names::{self, Names};
use super::placed::Sought;
use super::purge::Clean;
use super::retention::EndsWith;
use super::rows::{self, HourPlace};
use super::sealed::Sealed;
use crate::home::disk::Room;
use crate::hours::keys::HourKeys;
use crate::hours::partition::Partition;
use crate::municipalities::Terms;
use crate::store::sql::Connection;
use crate::store::{self, StoreError};
use crate::timekeeping::Lead;

/// Connections to hours that are kept open for reading: about one for each hour of the term.
const READERS_MAX: usize = 176;
/// Transits in memory at which an hour is indexed, though it is not over.
pub(super) const SEAL_AT: usize = 200_000;
/// An hour that got nothing for so long is indexed when it is over.
pub(super) const SEAL_QUIET: Duration = Duration::from_secs(120);

/// Where everything lies.
#[derive(Debug, Clone)]
pub struct ArchiveSettings {
    /// The hours' folder.
    pub folder: PathBuf,
    /// The main database.
    pub main: PathBuf,
    /// The hours' keys.
    pub keys: PathBuf,
    /// What wraps them.
    pub store_key: PathBuf,
    /// How long a transit is shown, from its capture.
    pub term: Duration,
    /// How far the system's clock is ahead of the kept time.
    pub lead: Lead,
    /// Room on the disk of the home.
    pub room: Arc<Room>,
    /// What ends with transits.
    pub ends_with: EndsWith,
}

impl ArchiveSettings {
    /// Where the term begins at a kept time: what may be past it, by either reading of the time, lies
    /// before.
    #[must_use]
    pub fn begins(&self, now: UtcTime) -> UtcTime {
        self.lead.latest(now) - self.term
    }
}

/// The stored transits.
#[derive(Debug)]
pub struct Archive {
    pub(super) settings: ArchiveSettings,
    pub(super) keys: HourKeys,
    state: RwLock<State>,
    readers: Mutex<VecDeque<(Partition, Connection)>>,
    /// For the audit lines of lookups.
    pub(super) audit: Mutex<Connection>,
    /// Held while the main database is written: who waits is woken, where SQLite would look again
    /// after ever longer sleeps.
    pub(super) turn: Mutex<()>,
    /// What needs no purge.
    pub(super) clean: Clean,
    /// Where transits lie that were sought by their ids.
    pub(super) sought: Sought,
    /// Held while an index is written or an hour destroyed: one at a time changes the dictionary.
    upkeep: Mutex<()>,
}

/// What lookups see.
#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) names: Names,
    pub(super) hours: BTreeMap<Partition, Slot>,
    pub(super) dictionaries: Dictionaries,
}

/// One hour.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) place: HourPlace,
    /// Rows up to this one count.
    pub(super) rows: u32,
    /// So many of them were destroyed before their hour.
    pub(super) purged: u32,
    pub(super) hot: Hot,
    pub(super) sealed: Option<Arc<Sealed>>,
    /// When it last got a transit, by the hub's clock.
    pub(super) touched: UtcTime,
}

/// How much there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Size {
    /// Hours with transits.
    pub hours: usize,
    /// Transits.
    pub transits: u64,
    /// Of these, found in memory alone.
    pub hot: u64,
    /// Different plates in the sealed indexes, for each term.
    pub plates: usize,
}

impl Archive {
    /// Opens the archive for its one writer and all readers of a process: rows that no chain
    /// knows are taken back, and hours whose key is destroyed are unlinked.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn open(settings: ArchiveSettings) -> Result<Self, StoreError> {
        let keys = HourKeys::open(&settings.keys, &settings.store_key)?;
        let main = store::open(&settings.main)?;
        let known = names::hours(&main)?;
        let purged = names::purged(&main)?;
        for hour in rows::hours(&settings.folder)? {
            // Its destruction did not come to its end. One that has a key and is not known is left:
            // its first batch was cut off, and nothing of it counts.
            if keys.get(hour)?.is_none()
                && let Err(error) = rows::destroy(&settings.folder, hour)
            {
                tracing::error!(hour = %hour, error = %error, "files of a destroyed hour are left");
            }
        }
        let mut state = State {
            names: Names::load(&main)?,
            ..State::default()
        };
        let mut dictionaries = GatheringAll::default();
        let mut readers = VecDeque::new();
        for (hour, rows) in known {
            let Some(key) = keys.get(hour)? else {
                rows::destroy(&settings.folder, hour)?;
                (settings.ends_with.hour)(&main, hour)?;
                names::forget_hour(&main, hour)?;
                continue;
            };
            let place = HourPlace::new(&settings.folder, hour, key);
            let (mut slot, connection) = load(place, rows)?;
            slot.purged = purged.get(&hour).copied().unwrap_or(0);
            // The first lookups would wait for every hour that they open.
            readers.push_back((hour, connection));
            let names = &mut state.names;
            for (entry, _) in slot.hot.all() {
                names.meet(entry.gate, entry.camera);
            }
            if let Some(sealed) = &slot.sealed {
                let entries = sealed.all()?;
                for entry in &entries {
                    names.meet(entry.gate, entry.camera);
                }
                dictionaries.add(hour, &counted(&entries));
            }
            state.hours.insert(hour, slot);
        }
        state.dictionaries = dictionaries.whole();
        Ok(Self {
            settings,
            keys,
            state: RwLock::new(state),
            readers: Mutex::new(readers),
            audit: Mutex::new(main),
            turn: Mutex::default(),
            clean: Clean::default(),
            sought: Sought::default(),
            upkeep: Mutex::new(()),
        })
    }

    pub(super) fn read(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn upkeep(&self) -> MutexGuard<'_, ()> {
        self.upkeep.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins to store, each gate's transits under its own term. There is one writer: two batches at once would take the same rows.
    #[must_use]
    pub fn batch(&self, terms: Terms) -> Batch<'_> {
        Batch::new(self, terms)
    }

    /// A connection for reading an hour's rows; it goes back with [`Archive::give_back`].
    pub(super) fn reader(&self, place: &HourPlace) -> Result<Connection, StoreError> {
        let mut readers = self.readers.lock().unwrap_or_else(PoisonError::into_inner);
        let at = readers.iter().position(|(hour, _)| *hour == place.hour);
        if let Some((_, connection)) = at.and_then(|at| readers.remove(at)) {
            return Ok(connection);
        }
        drop(readers);
        place.open()
    }

    pub(super) fn give_back(&self, hour: Partition, connection: Connection) {
        let mut readers = self.readers.lock().unwrap_or_else(PoisonError::into_inner);
        readers.push_back((hour, connection));
        if readers.len() > READERS_MAX {
            readers.pop_front();
        }
    }

    pub(super) fn forget_readers(&self, hour: Partition) {
        let mut readers = self.readers.lock().unwrap_or_else(PoisonError::into_inner);
        readers.retain(|(other, _)| *other != hour);
    }

    /// Writes the index of an hour without what was destroyed of it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(super) fn index_without(
        &self,
        hour: Partition,
        going: &[Entry],
        id_marks: &HashSet<u64>,
    ) -> Result<(), StoreError> {
        let rows: HashSet<u32> = going.iter().map(|entry| entry.row).collect();
        let stays = |entry: &Entry| !rows.contains(&entry.row);
        let damaged = |_| StoreError::Damaged { what: "hour" };
        let gone = u32::try_from(id_marks.len()).map_err(damaged)?;
        self.index(hour, |_| true, stays, |id| !id_marks.contains(id))?;
        self.sought.forget(hour);
        if let Some(slot) = self.write().hours.get_mut(&hour) {
            // As `transit_hours` counts them: one that was overwritten before a cut is not counted again.
            slot.purged += gone;
        }
        Ok(())
    }

    pub(super) fn index(
        &self,
        hour: Partition,
        is_due: impl FnOnce(&Slot) -> bool,
        stays: impl Fn(&Entry) -> bool,
        id_stays: impl Fn(&u64) -> bool,
    ) -> Result<(), StoreError> {
        let _upkeep = self.upkeep();
        let (place, old, hot, dictionary) = {
            let state = self.read();
            let Some(slot) = state.hours.get(&hour).filter(|slot| is_due(slot)) else {
                return Ok(());
            };
            (
                slot.place.clone(),
                slot.sealed.clone(),
                slot.hot.all().to_vec(),
                state.dictionaries.of(hour.term()),
            )
        };
        let (mut entries, mut ids) = match &old {
            Some(old) => (old.all()?, old.ids()?.to_vec()),
            None => (Vec::new(), Vec::new()),
        };
        let without = dictionary.without(hour, &counted(&entries));
        let rows = hot.last().map_or(0, |(entry, _)| entry.row);
        let rows = rows.max(old.as_ref().map_or(0, |old| old.rows()));
        entries.extend(hot.iter().map(|(entry, _)| *entry));
        ids.extend(hot.iter().map(|(_, id_mark)| *id_mark));
        entries.retain(stays);
        ids.retain(id_stays);
        entries.sort_unstable_by_key(Entry::plate_key);
        let of_hour = Dictionary::of_hour(hour, &counted(&entries));
        let sealed = Sealed::write(&place.index_file(), hour, &place.key, rows, entries, ids)?;
        let dictionary = without.union(&of_hour);
        let mut state = self.write();
        state.dictionaries.set(hour.term(), dictionary);
        if let Some(slot) = state.hours.get_mut(&hour) {
            slot.hot = slot.hot.without_first(hot.len());
            slot.sealed = Some(Arc::new(sealed));
        }
        Ok(())
    }

    /// Where an hour lies, with its key, which is made when there is none.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(crate) fn place(&self, hour: Partition) -> Result<HourPlace, StoreError> {
        let key = self.keys.get_or_make(hour)?;
        Ok(HourPlace::new(&self.settings.folder, hour, key))
    }

    /// The folder of the hours.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.settings.folder
    }
}

/// An hour from the disk: its index, and what came after it; and a connection to read it by.
fn load(place: HourPlace, rows: u32) -> Result<(Slot, Connection), StoreError> {
    let connection = place.open()?;
    place.cut_behind(&connection, rows)?;
    let path = place.index_file();
    let sealed = if path.exists() {
        match Sealed::open(&path, place.hour, &place.key) {
            Ok(sealed) if sealed.rows() <= rows => Some(Arc::new(sealed)),
            // It is made anew from the rows.
            _ => None,
        }
    } else {
        None
    };
    let from = sealed.as_ref().map_or(0, |sealed| sealed.rows());
    let mut hot = Hot::default();
    let mut touched = UtcTime::from_unix_us(0);
    let mut broken = 0;
    place.heads(&connection, from.saturating_add(1)..=rows, |head| {
        match head {
            Ok(head) => {
                touched = head.received_at;
                hot.add(head.entry, head.id_mark());
            }
            Err(_) => broken += 1,
        }
        Ok(())
    })?;
    if broken > 0 {
        tracing::error!(
            hour = %place.hour, broken,
            "stored transits do not open; run `varco-hub audit verify`"
        );
    }
    let slot = Slot {
        place,
        rows,
        purged: 0,
        hot,
        sealed,
        touched,
    };
    Ok((slot, connection))
}
