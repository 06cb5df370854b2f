//! What a batch writes its records into: their chains and their hours, of whichever store.

use std::collections::BTreeSet;
use std::sync::Arc;

use varco_proto::drops::SequenceRange;
use varco_proto::envelope::Verified;
use varco_proto::ids::EdgeId;
use varco_proto::record::Record;
use varco_proto::time::UtcTime;
use varco_proto::transit::Transit;

use super::place::{Around, Limits, Missing};
use crate::chains::links::Links;
use crate::hours::partition::Partition;
use crate::municipalities::Terms;
use crate::store::StoreError;
use crate::store::sql::Connection;
use crate::transits::batch::{Batch, Inserted};
use varco_proto::cipher::Key;

/// What a store has to know of a batch before its records are judged.
#[derive(Debug)]
pub struct Coming<'a> {
    /// The edges whose records it may store.
    pub edges: BTreeSet<EdgeId>,
    /// The records that opened.
    pub records: Vec<&'a Verified<Record>>,
    /// The limits by which they are judged.
    pub limits: &'a Limits,
    /// For how long each gate's transits are kept.
    pub terms: &'a Terms,
    /// By the hub's clock.
    pub now: UtcTime,
    /// The moment at which ages are judged.
    pub judged_at: UtcTime,
}

/// One batch's chains and transits. What is written is seen by nobody until the batch is
/// committed; after an error the batch is given up whole.
pub trait Ledger {
    /// What is known around a record's place in its chain.
    ///
    /// # Errors
    /// [`StoreError`].
    fn around(&mut self, record: &Record) -> Result<Around, StoreError>;

    /// Notes a record in its edge's chain, and closes or narrows the gap that it fills.
    ///
    /// # Errors
    /// [`StoreError`].
    fn note(
        &mut self,
        verified: &Verified<Record>,
        stored: bool,
        now: UtcTime,
    ) -> Result<(), StoreError>;

    /// Notes that records are missing.
    ///
    /// # Errors
    /// [`StoreError`].
    fn open_gap(&mut self, edge: &EdgeId, missing: Missing, now: UtcTime)
    -> Result<(), StoreError>;

    /// Takes what an edge let go out of its gaps; a second time changes nothing.
    ///
    /// # Errors
    /// [`StoreError`].
    fn explain(
        &mut self,
        edge: &EdgeId,
        range: SequenceRange,
        now: UtcTime,
    ) -> Result<(), StoreError>;

    /// Puts a transit into its hour.
    ///
    /// # Errors
    /// [`StoreError`].
    fn insert(
        &mut self,
        verified: &Verified<Record>,
        received_at: UtcTime,
    ) -> Result<Inserted, StoreError>;

    /// Whether a gap is told to its edge as soon as it is seen. With several hubs, what is missing
    /// here is mostly on its way through another one.
    fn tells_gaps(&self) -> bool {
        true
    }

    /// A gap of this edge that nothing filled for long, to be told to it now, once.
    fn gap_to_tell(&mut self, _edge: &EdgeId) -> Option<Missing> {
        None
    }

    /// The partition of a transit, with its key.
    ///
    /// # Errors
    /// [`StoreError`].
    fn hour_key(&self, transit: &Transit) -> Result<(Partition, Arc<Key>), StoreError>;
}

/// The chains of the main database, and the hours of the home.
#[derive(Debug)]
pub struct Embedded<'a, 'hours> {
    pub(crate) main: &'a Connection,
    pub(crate) links: Links<'a>,
    pub(crate) hours: &'a mut Batch<'hours>,
}

impl Ledger for Embedded<'_, '_> {
    fn around(&mut self, record: &Record) -> Result<Around, StoreError> {
        self.links.around(self.main, record)
    }

    fn note(
        &mut self,
        verified: &Verified<Record>,
        stored: bool,
        now: UtcTime,
    ) -> Result<(), StoreError> {
        self.links.note(self.main, verified, stored, now)
    }

    fn open_gap(
        &mut self,
        edge: &EdgeId,
        missing: Missing,
        now: UtcTime,
    ) -> Result<(), StoreError> {
        self.links.open_gap(self.main, edge, missing, now)
    }

    fn explain(
        &mut self,
        edge: &EdgeId,
        range: SequenceRange,
        now: UtcTime,
    ) -> Result<(), StoreError> {
        self.links.explain(self.main, edge, range, now)
    }

    fn insert(
        &mut self,
        verified: &Verified<Record>,
        received_at: UtcTime,
    ) -> Result<Inserted, StoreError> {
        self.hours.insert(self.main, verified, received_at)
    }

    fn hour_key(&self, transit: &Transit) -> Result<(Partition, Arc<Key>), StoreError> {
        self.hours.hour_key(transit)
    }
}
