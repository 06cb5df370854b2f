//! Finding stored transits by their ids alone, as a block names them.
//!
//! Indexes have no ids, so the hour's rows are read; what was found, and how far it was looked, is
//! remembered, so that a lookup looks through what came since alone.

use std::collections::{HashMap, HashSet};
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex, PoisonError};

use super::allowed::Placed;
use super::archive::Archive;
use super::entry::Entry;
use super::rows::{HourPlace, id_mark, id_tail};
use super::sealed::Sealed;
use crate::hours::partition::Partition;
use crate::store::StoreError;

/// Ids whose places are remembered beyond those that are asked for.
const IDS_KEPT_MAX: usize = 1000;

/// What is known of the places of some ids.
#[derive(Debug, Default)]
pub(super) struct Sought(Mutex<HashMap<[u8; 16], Known>>);

/// What is known of one id.
#[derive(Debug, Default)]
struct Known {
    entries: Vec<(Partition, Entry)>,
    /// Up to which row of each hour it was looked for.
    looked: HashMap<Partition, u32>,
}

/// Rows of an hour that may have the id.
struct Candidate {
    place: HourPlace,
    /// Rows that were not looked through yet, both included.
    rows: RangeInclusive<u32>,
    is_hot: bool,
    sealed: Option<Arc<Sealed>>,
}

impl Candidate {
    /// Whether it is worth reading the rows.
    fn may_have(&self, id: &[u8; 16]) -> Result<bool, StoreError> {
        if self.is_hot {
            return Ok(true);
        }
        let Some(sealed) = &self.sealed else {
            return Ok(false);
        };
        // An index of a version before holds random halves.
        Ok(sealed.has_id(id_mark(id))? || sealed.has_id(id_tail(id))?)
    }
}

impl Sought {
    /// Forgets what was found in an hour that was written anew.
    pub(super) fn forget(&self, hour: Partition) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for one in known.values_mut() {
            one.looked.remove(&hour);
            one.entries.retain(|(other, _)| *other != hour);
        }
    }
}

impl Archive {
    /// Where the transits of these ids lie; what is not stored is left out.
    pub(super) fn find_placed(&self, ids: &HashSet<[u8; 16]>) -> Result<Vec<Placed>, StoreError> {
        let mut all = (self.sought.0.lock()).unwrap_or_else(PoisonError::into_inner);
        if all.len() > IDS_KEPT_MAX {
            all.retain(|id, _| ids.contains(id));
        }
        let mut placed = Vec::new();
        for id in ids {
            let known = all.entry(*id).or_default();
            for candidate in self.candidates(id, known) {
                self.look_through(id, &candidate, known)?;
            }
            placed.extend(known.entries.iter().map(|(hour, entry)| Placed {
                id: *id,
                hour: *hour,
                entry: *entry,
            }));
        }
        Ok(placed)
    }

    /// What was not looked through yet. Hours that ended meanwhile are forgotten.
    fn candidates(&self, id: &[u8; 16], known: &mut Known) -> Vec<Candidate> {
        let mark = id_mark(id);
        let state = self.read();
        known
            .entries
            .retain(|(hour, _)| state.hours.contains_key(hour));
        known
            .looked
            .retain(|hour, _| state.hours.contains_key(hour));
        let fresh = state.hours.iter().filter_map(|(hour, slot)| {
            let looked = known.looked.get(hour).copied().unwrap_or(0);
            (slot.rows > looked).then(|| Candidate {
                place: slot.place.clone(),
                rows: looked.saturating_add(1)..=slot.rows,
                is_hot: slot.hot.has(mark),
                sealed: slot.sealed.clone().filter(|sealed| sealed.rows() > looked),
            })
        });
        fresh.collect()
    }

    fn look_through(
        &self,
        id: &[u8; 16],
        candidate: &Candidate,
        known: &mut Known,
    ) -> Result<(), StoreError> {
        let place = &candidate.place;
        if candidate.may_have(id)? && place.rows_file().exists() {
            let connection = self.reader(place)?;
            place.heads(&connection, candidate.rows.clone(), |head| {
                let head = head.ok().filter(|head| head.id == *id);
                known
                    .entries
                    .extend(head.map(|head| (place.hour, head.entry)));
                Ok(())
            })?;
            self.give_back(place.hour, connection);
        }
        known.looked.insert(place.hour, *candidate.rows.end());
        Ok(())
    }
}
