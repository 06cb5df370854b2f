//! The transits of an hour that no sealed index has yet: in memory, and in the hour's rows.

use std::collections::{HashMap, HashSet};

use super::entry::Entry;
use crate::plates::plate::{Plate, folded};

/// Entries in storing order, found by plate and by id.
#[derive(Debug, Default)]
pub struct Hot {
    entries: Vec<(Entry, u64)>,
    by_plate: HashMap<Plate, Vec<u32>>,
    ids: HashSet<u64>,
}

impl Hot {
    /// Takes one more, with the mark of its id.
    pub fn add(&mut self, entry: Entry, id_mark: u64) {
        let at = u32::try_from(self.entries.len()).unwrap_or(u32::MAX);
        self.by_plate
            .entry(folded(&entry.plate))
            .or_default()
            .push(at);
        self.ids.insert(id_mark);
        self.entries.push((entry, id_mark));
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Whether an id is among them.
    #[must_use]
    pub fn has(&self, id_mark: u64) -> bool {
        self.ids.contains(&id_mark)
    }

    /// All, in storing order, with the marks of their ids.
    #[must_use]
    pub fn all(&self) -> &[(Entry, u64)] {
        &self.entries
    }

    /// Hands the entries of one folded plate to `each`.
    pub fn of_plate(&self, plate: &Plate, mut each: impl FnMut(&Entry)) {
        let places = self.by_plate.get(plate).map_or(&[][..], Vec::as_slice);
        for at in places {
            let entry = usize::try_from(*at)
                .ok()
                .and_then(|at| self.entries.get(at));
            if let Some((entry, _)) = entry {
                each(entry);
            }
        }
    }

    /// The folded plates, in no order.
    pub fn plates(&self) -> impl Iterator<Item = &Plate> {
        self.by_plate.keys()
    }

    /// Without the first `count`, which a sealed index has now.
    #[must_use]
    pub fn without_first(&self, count: usize) -> Self {
        let mut rest = Self::default();
        for (entry, id_mark) in self.entries.iter().skip(count) {
            rest.add(*entry, *id_mark);
        }
        rest
    }
}
