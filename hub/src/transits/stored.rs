//! What each store of transits does in its own way.
//!
//! Everything that must not differ between stores (searching, paging, what may be processed, audit lines, expiry, the end of shortened terms) is
//! written once above this seam, in [`crate::lookups`], [`super::retention`] and [`super::purge`].

use std::collections::{BTreeSet, HashMap, HashSet};
use std::fmt::Debug;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use varco_proto::ids::{CameraId, GateId};
use varco_proto::time::UtcTime;

use super::allowed::{Allowed, Placed};
use super::archive::{ArchiveSettings, Size};
use super::claims::StoredClaim;
use super::entry::Entry;
use super::names::Names;
use super::purge::{Clean, PurgeTurn};
use super::query::Query;
use super::retention::RetentionError;
use super::rows::Head;
use super::wanted::{Numbers, Wanted};
use crate::hours::keys::HourKeys;
use crate::hours::partition::{Partition, Term};
use crate::municipalities::reach::Reach;
use crate::plates::misread::Neighbour;
use crate::plates::plate::Plate;
use crate::store::StoreError;
use crate::store::sql::Connection;
use varco_proto::cipher::Key;

/// A transit as it lies in the store.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredTransit {
    /// What the hub knows of it.
    pub head: Head,
    /// When it was captured.
    pub captured_at: UtcTime,
    /// The edge that sealed it.
    pub edge: String,
    /// The sealed original.
    pub envelope: Vec<u8>,
    /// Why it matched a plate that may have been misread; none when the text matched.
    pub misread: Option<Neighbour>,
}

/// A transit that a search found, without its sealed original.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hit {
    /// The partition in which it lies.
    pub hour: Partition,
    /// What the index knows of it.
    pub entry: Entry,
    /// The store's own number of its row, by which [`StoredHours::fetch`] finds it.
    pub row_id: i64,
}

impl Hit {
    /// When it was captured.
    #[must_use]
    pub fn at(&self) -> UtcTime {
        self.hour.at(self.entry.offset_us)
    }

    /// What orders hits: two never share it.
    #[must_use]
    pub fn key(&self) -> (UtcTime, u32, Term) {
        (self.at(), self.entry.row, self.hour.term())
    }
}

/// The sealed originals of some hits.
#[derive(Debug, Default)]
pub struct Fetched {
    /// In the order of the hits; those of an hour that ended meanwhile are left out.
    pub transits: Vec<StoredTransit>,
    /// Hits that cannot be read any more; run `varco-hub audit verify`.
    pub broken: u64,
}

/// What a search wants, in the store's own numbers.
pub struct Wish<'q> {
    /// Which plates.
    pub(crate) wanted: Wanted,
    /// What else must hold, and what may be processed.
    pub(crate) numbers: Numbers<'q>,
    /// What may have been read instead, by folded plate.
    pub(crate) neighbours: HashMap<Plate, Neighbour>,
}

/// One search through a store, as it stood when the search began.
pub trait Look {
    /// The partitions that may have what is wanted, oldest first.
    fn hours(&self) -> &[Partition];

    /// How many partitions are read at once with profit.
    fn at_once(&self) -> usize;

    /// What fits in some of [`Look::hours`], in their order.
    fn read(&mut self, hours: Range<usize>) -> Result<Vec<Hit>, StoreError>;

    /// How many transits a partition has in all, known without reading it.
    fn all(&self, hour: usize) -> u64;

    /// How many a partition may have of what is wanted and may be processed, without reading it.
    fn about(&self, hour: usize) -> u64;

    /// Whether so much was read already that the rest of a total is estimated.
    fn is_dear(&self) -> bool;

    /// Rows met so far that cannot be read any more.
    fn broken(&self) -> u64;
}

/// A store of transits, by hours.
pub trait StoredHours: Debug + Send + Sync {
    /// Where what stays in the home lies.
    fn settings(&self) -> &ArchiveSettings;

    /// A connection to the main database, for audit lines and for what may be processed.
    fn main(&self) -> MutexGuard<'_, Connection>;

    /// Held while the main database is written, within this process: who waits is woken, where SQLite
    /// would look again after ever longer sleeps.
    fn turn_lock(&self) -> &Mutex<()>;

    /// The keys of the hours.
    fn keys(&self) -> &HourKeys;

    /// A query with numbers for names, in a store that knows all names met until now.
    ///
    /// # Errors
    /// [`StoreError`].
    #[doc(hidden)]
    fn numbers<'q>(
        &self,
        query: &'q Query,
        allowed: &'q Allowed,
    ) -> Result<Numbers<'q>, StoreError>;

    /// Begins a search.
    ///
    /// # Errors
    /// [`StoreError`].
    #[doc(hidden)]
    fn look<'a>(&'a self, wish: &'a Wish<'a>) -> Result<Box<dyn Look + 'a>, StoreError>;

    /// Reads the sealed originals of hits.
    ///
    /// # Errors
    /// [`StoreError`].
    fn fetch(&self, hits: &[Hit]) -> Result<Fetched, StoreError>;

    /// Where the transits of these ids lie; what is not stored is left out.
    ///
    /// # Errors
    /// [`StoreError`].
    #[doc(hidden)]
    fn placed(&self, ids: &HashSet<[u8; 16]>) -> Result<Vec<Placed>, StoreError>;

    /// The name of a camera, a gate or an edge, by its number.
    fn name(&self, number: u32) -> Option<String>;

    /// All names that any hub met.
    ///
    /// # Errors
    /// [`StoreError`].
    fn names(&self) -> Result<Names, StoreError>;

    /// The edges with the gates and cameras of their stored transits. Of each hour the first and the
    /// last transit of a camera at a gate are looked at, not all.
    ///
    /// # Errors
    /// [`StoreError`].
    fn claims(&self) -> Result<BTreeSet<StoredClaim>, StoreError>;

    /// The partitions that have transits, with how many each has, oldest first.
    ///
    /// # Errors
    /// [`StoreError`].
    fn held(&self) -> Result<Vec<(Partition, u64)>, StoreError>;

    /// The key of a partition; none when it is destroyed or was never made.
    ///
    /// # Errors
    /// [`StoreError`].
    fn hour_key(&self, hour: Partition) -> Result<Option<Arc<Key>>, StoreError>;

    /// Whether the store answers.
    ///
    /// # Errors
    /// [`StoreError`]: it does not.
    fn check(&self) -> Result<(), StoreError>;

    /// How much there is.
    ///
    /// # Errors
    /// [`StoreError`].
    fn size(&self) -> Result<Size, StoreError>;

    /// Indexes one partition that is due, and says which; none when none is. Intake and lookups go on
    /// meanwhile.
    ///
    /// # Errors
    /// [`StoreError`]: it is tried again.
    fn seal_one_due(&self, now: UtcTime) -> Result<Option<Partition>, StoreError>;

    /// Indexes a partition with all that it has now.
    ///
    /// # Errors
    /// [`StoreError`].
    fn seal(&self, hour: Partition) -> Result<(), StoreError>;

    /// Lets go of what is left of partitions whose keys are destroyed.
    ///
    /// # Errors
    /// [`StoreError`]; the next start goes on.
    fn unlink(&self, hours: &[Partition]) -> Result<(), StoreError>;

    /// Partitions that are known to have nothing of gates whose shorter term is over.
    #[doc(hidden)]
    fn clean(&self) -> &Clean;

    /// Destroys what gates have in a partition, after [`PurgeTurn::begin`] wrote the audit line. Gives
    /// how many transits went.
    ///
    /// # Errors
    /// [`RetentionError`]; the next run goes on.
    #[doc(hidden)]
    fn purge(&self, turn: &mut PurgeTurn<'_>) -> Result<u64, RetentionError>;
}

impl dyn StoredHours + '_ {
    /// Waits for its turn to write to the main database, within this process.
    pub fn turn(&self) -> MutexGuard<'_, ()> {
        let turn = self.turn_lock().lock();
        turn.unwrap_or_else(PoisonError::into_inner)
    }

    /// Every gate with a camera that was met there, by whichever hub.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn cameras_at_gates(&self) -> Result<Vec<(GateId, CameraId)>, StoreError> {
        Ok(self.names()?.cameras_at_gates())
    }

    /// Which of these ids are those of stored transits, blocked or not.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn stored_among(&self, ids: &HashSet<[u8; 16]>) -> Result<HashSet<[u8; 16]>, StoreError> {
        let placed = self.placed(ids)?.into_iter();
        Ok(placed.map(|one| one.id).collect())
    }

    /// Those of some ids whose transits are stored and out of reach.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn out_of_reach(
        &self,
        ids: &HashSet<[u8; 16]>,
        reach: &Reach,
    ) -> Result<HashSet<[u8; 16]>, StoreError> {
        const DAMAGED: StoreError = StoreError::Damaged { what: "name" };
        let mut out = HashSet::new();
        for one in self.placed(ids)? {
            let gate = self.name(one.entry.gate).ok_or(DAMAGED)?;
            let gate = gate.parse().map_err(|_| DAMAGED)?;
            if !reach.has(&gate, one.hour.at(one.entry.offset_us)) {
                out.insert(one.id);
            }
        }
        Ok(out)
    }
}
