//! Storing a batch: each hour's rows are committed first, then what counts of them in the main
//! database, and only then lookups see them.
//!
//! A cut between the two leaves rows that do not count; they are taken back before the hour is
//! written again, and their edges, which got no receipt, send them again.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use varco_proto::envelope::Verified;
use varco_proto::record::Record;
use varco_proto::time::UtcTime;
use varco_proto::transit::Transit;

use super::archive::{Archive, Slot};
use super::entry::{Entry, Marks};
use super::hot::Hot;
use super::names::{self, NameKind};
use super::rows::{self, Head, HourPlace};
use crate::hours::partition::{Partition, Term};
use crate::municipalities::Terms;
use crate::plates::plate::plate_of;
use crate::store::sql::Connection;
use crate::store::{Doing as _, StoreError};
use varco_proto::cipher::Key;

/// What came of putting a transit into its hour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Inserted {
    /// It is there now.
    New,
    /// Its id is another record's.
    IdTaken,
}

/// The transits of one batch, not yet seen by anybody.
#[derive(Debug)]
pub struct Batch<'a> {
    archive: &'a Archive,
    terms: Terms,
    hours: BTreeMap<Partition, Open>,
    names: Names,
}

/// An hour that the batch writes to.
#[derive(Debug)]
struct Open {
    place: HourPlace,
    connection: Connection,
    rows: u32,
    added: Vec<(Entry, u64)>,
    ids: HashSet<u64>,
}

/// Names that the batch brings.
#[derive(Debug, Default)]
struct Names {
    fresh: HashMap<(NameKind, String), u32>,
    last: u32,
}

impl<'a> Batch<'a> {
    pub(super) fn new(archive: &'a Archive, terms: Terms) -> Self {
        Self {
            archive,
            terms,
            hours: BTreeMap::new(),
            names: Names::default(),
        }
    }

    /// Puts a transit into its hour. Only what [`varco_proto::envelope::open`] verified can be put
    /// in. New names go into the caller's transaction on the main database.
    ///
    /// # Errors
    /// [`StoreError`]; the batch is then given up whole.
    pub fn insert(
        &mut self,
        main: &Connection,
        verified: &Verified<Record>,
        received_at: UtcTime,
    ) -> Result<Inserted, StoreError> {
        let record = verified.value();
        let damaged = StoreError::Damaged { what: "transit" };
        let transit = record.body.transit().ok_or(damaged)?;
        let hour = self.hour_of(transit);
        let camera = self.number(main, NameKind::Camera, transit.camera.as_str())?;
        let gate = self.number(main, NameKind::Gate, transit.gate.as_str())?;
        let edge = self.number(main, NameKind::Edge, record.edge.as_str())?;
        let archive = self.archive;
        let open = match self.hours.entry(hour) {
            std::collections::btree_map::Entry::Occupied(there) => there.into_mut(),
            std::collections::btree_map::Entry::Vacant(free) => free.insert(begin(archive, hour)?),
        };
        let numbers = Numbered { camera, gate, edge };
        let row = open.rows.saturating_add(1);
        let head = head_of(verified, transit, numbers, row, received_at);
        let id_mark = head.id_mark();
        if open.ids.contains(&id_mark) || is_known(archive, hour, &head.id)? {
            return Ok(Inserted::IdTaken);
        }
        open.place
            .append(&open.connection, &head, verified.envelope())?;
        open.rows = head.entry.row;
        open.ids.insert(id_mark);
        open.added.push((head.entry, id_mark));
        Ok(Inserted::New)
    }

    /// The partition that a transit belongs to, with its key.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn hour_key(&self, transit: &Transit) -> Result<(Partition, Arc<Key>), StoreError> {
        let hour = self.hour_of(transit);
        let key = match self.hours.get(&hour) {
            Some(open) => Arc::clone(&open.place.key),
            None => self.archive.place(hour)?.key,
        };
        Ok((hour, key))
    }

    fn hour_of(&self, transit: &Transit) -> Partition {
        Partition::of(transit.captured_at.at, self.terms.of(&transit.gate))
    }

    fn number(&mut self, main: &Connection, kind: NameKind, name: &str) -> Result<u32, StoreError> {
        let (known, last) = {
            let state = self.archive.read();
            (state.names.number(kind, name), state.names.last())
        };
        let key = (kind, name.to_owned());
        if let Some(number) = known.or_else(|| self.names.fresh.get(&key).copied()) {
            return Ok(number);
        }
        self.names.last = self.names.last.max(last) + 1;
        names::keep(main, self.names.last, kind, name)?;
        self.names.fresh.insert(key, self.names.last);
        Ok(self.names.last)
    }

    /// Commits the hours' rows, and notes in the caller's transaction how many count now.
    ///
    /// # Errors
    /// [`StoreError`]; the batch is then given up whole.
    pub fn commit(&mut self, main: &Connection) -> Result<(), StoreError> {
        for (hour, open) in &self.hours {
            open.connection
                .execute_batch("COMMIT")
                .doing("commit the hour's batch")?;
            names::note_rows(main, *hour, open.rows)?;
        }
        Ok(())
    }

    /// The hours that the batch writes to.
    #[must_use]
    pub fn hours(&self) -> Vec<Partition> {
        self.hours.keys().copied().collect()
    }

    /// Shows what the batch stored, once the main database is committed.
    pub fn publish(self, now: UtcTime) {
        let mut guard = self.archive.write();
        let state = &mut *guard;
        for ((kind, name), number) in self.names.fresh {
            state.names.add(number, kind, &name);
        }
        for (hour, open) in self.hours {
            let slot = state.hours.entry(hour).or_insert_with(|| Slot {
                place: open.place.clone(),
                rows: 0,
                purged: 0,
                hot: Hot::default(),
                sealed: None,
                touched: now,
            });
            slot.rows = open.rows;
            slot.touched = now;
            for (entry, id_mark) in open.added {
                state.names.meet(entry.gate, entry.camera);
                slot.hot.add(entry, id_mark);
            }
            self.archive.give_back(hour, open.connection);
        }
    }
}

/// Opens an hour for writing, and takes back what a batch before left unfinished there.
fn begin(archive: &Archive, hour: Partition) -> Result<Open, StoreError> {
    let known = {
        let state = archive.read();
        let slot = state.hours.get(&hour);
        slot.map(|slot| (slot.place.clone(), slot.rows))
    };
    let (place, rows) = match known {
        Some(known) => known,
        None => (archive.place(hour)?, 0),
    };
    let connection = if rows == 0 {
        place.open()?
    } else {
        archive.reader(&place)?
    };
    connection
        .execute_batch("BEGIN IMMEDIATE")
        .doing("begin the hour's batch")?;
    place.cut_behind(&connection, rows)?;
    Ok(Open {
        place,
        connection,
        rows,
        added: Vec::new(),
        ids: HashSet::new(),
    })
}

/// Whether the hour has a transit of this id, under whichever term.
fn is_known(archive: &Archive, hour: Partition, id: &[u8; 16]) -> Result<bool, StoreError> {
    let (id_mark, id_tail) = (rows::id_mark(id), rows::id_tail(id));
    // The same event, told again after its gate's term changed, lies in another partition.
    let sealed: Vec<_> = {
        let (first, last) = hour.span();
        let state = archive.read();
        let slots = state.hours.range(first..=last).map(|(_, slot)| slot);
        if slots.clone().any(|slot| slot.hot.has(id_mark)) {
            return Ok(true);
        }
        let with_index = |slot: &Slot| Some((slot.place.clone(), slot.rows, slot.sealed.clone()?));
        slots.filter_map(with_index).collect()
    };
    for (place, rows, sealed) in sealed {
        let ids = sealed.ids()?;
        if ids.binary_search(&id_mark).is_ok() {
            return Ok(true);
        }
        // An index of a version before holds random halves: the rows say whose it is.
        if ids.binary_search(&id_tail).is_ok() && has_row(&place, rows, id)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether one of an hour's rows is of this transit.
fn has_row(place: &HourPlace, rows: u32, id: &[u8; 16]) -> Result<bool, StoreError> {
    let mut found = false;
    place.heads(&place.open()?, 1..=rows, |head| {
        found |= head.is_ok_and(|head| head.id == *id);
        Ok(())
    })?;
    Ok(found)
}

/// A transit's camera, gate and edge by their numbers among the names.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Numbered {
    pub(crate) camera: u32,
    pub(crate) gate: u32,
    pub(crate) edge: u32,
}

/// What a store keeps of a transit beside its sealed original.
pub(crate) fn head_of(
    verified: &Verified<Record>,
    transit: &Transit,
    numbers: Numbered,
    row: u32,
    received_at: UtcTime,
) -> Head {
    let at = transit.captured_at.at;
    let country = transit.plate.countries.first();
    let country = country.and_then(|c| c.country.as_bytes().try_into().ok());
    Head {
        entry: Entry {
            plate: plate_of(transit.plate.text.as_str()),
            offset_us: Partition::of(at, Term::WHOLE).offset_us(at),
            row,
            camera: numbers.camera,
            confidence: of_255(transit.plate.confidence.get()),
            marks: Marks::of(transit),
            country: country.unwrap_or_default(),
            gate: numbers.gate,
        },
        id: *transit.id.as_bytes(),
        edge: numbers.edge,
        sequence: verified.value().sequence,
        digest: verified.digest(),
        received_at,
    }
}

#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "clamped to 0..=255"
)]
pub(super) fn of_255(confidence: f32) -> u8 {
    (confidence.clamp(0.0, 1.0) * 255.0).round() as u8
}
