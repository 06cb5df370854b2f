//! The cells of a count, and what of them may be told.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use varco_proto::transit::{Direction, Travel};

use crate::hours::partition::Partition;
use crate::lookups::counts::{By, CELL_MIN};
use crate::transits::entry::Entry;

/// What a number counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Of {
    All,
    Camera(u32),
    Gate(u32),
    Country([u8; 2]),
    Way(&'static str),
    /// What is not told by its own name.
    Others,
}

/// What passed one camera at one gate in one hour under one term. A camera that stated two gates within
/// an hour has two, and an hour within which a municipality's term changed has one for each term: they
/// are not past their terms at the same time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Base {
    hour: Partition,
    gate: u32,
    camera: u32,
}

/// The cells, each with its parts.
#[derive(Debug)]
pub(super) struct Table {
    by: By,
    cells: BTreeMap<Base, BTreeMap<Of, u64>>,
}

/// What may be told.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Told {
    /// By the first hour of the hour or day, since 1970-01-01T00, and by what is counted.
    pub(super) sums: BTreeMap<(i64, Of), u64>,
    /// Hour, gate and camera of the cells in them.
    cells: BTreeSet<(i64, u32, u32)>,
}

impl Table {
    pub(super) fn by(by: By) -> Self {
        Self {
            by,
            cells: BTreeMap::new(),
        }
    }

    /// Counts a transit.
    pub(super) fn add(&mut self, hour: Partition, entry: &Entry) {
        let (gate, camera) = (entry.gate, entry.camera);
        let cell = self.cells.entry(Base { hour, gate, camera }).or_default();
        *cell.entry(part(self.by, entry)).or_default() += 1;
    }

    /// Sums up what may be told, by hour or by day.
    pub(super) fn tell(&self, daily: bool) -> Told {
        let mut told = Told::default();
        for (base, parts) in &self.cells {
            let hour = base.hour.hour();
            let begins = if daily {
                hour - hour.rem_euclid(24)
            } else {
                hour
            };
            for (of, count) in tellable(parts) {
                *told.sums.entry((begins, of)).or_default() += count;
                told.cells.insert((hour, base.gate, base.camera));
            }
        }
        told
    }
}

impl Told {
    /// Gate and camera of the cells.
    pub(super) fn places(&self) -> BTreeSet<(u32, u32)> {
        let cells = self.cells.iter();
        cells.map(|(_, gate, camera)| (*gate, *camera)).collect()
    }

    /// How many hours of a camera at a gate are told.
    pub(super) fn hours_told(&self) -> u64 {
        u64::try_from(self.cells.len()).unwrap_or(u64::MAX)
    }
}

pub(super) fn part(by: By, entry: &Entry) -> Of {
    match by {
        By::All => Of::All,
        By::Camera => Of::Camera(entry.camera),
        By::Gate => Of::Gate(entry.gate),
        By::Country => Of::Country(entry.country),
        By::Way => Of::Way(way(entry)),
    }
}

fn way(entry: &Entry) -> &'static str {
    match (entry.marks.travel(), entry.marks.direction()) {
        (Some(Travel::In), _) => "in",
        (Some(Travel::Out), _) => "out",
        (None, Some(Direction::Towards)) => "towards",
        (None, Some(Direction::Away)) => "away",
        (None, None) => "unknown",
    }
}

/// The parts of one cell that may be told, with the others, summing up to the cell; nothing when the
/// cell is too small.
pub(super) fn tellable(parts: &BTreeMap<Of, u64>) -> Vec<(Of, u64)> {
    let total: u64 = parts.values().sum();
    if total < CELL_MIN {
        return Vec::new();
    }
    let large = parts.iter().filter(|(_, count)| **count >= CELL_MIN);
    let mut told: Vec<(Of, u64)> = large.map(|(of, count)| (*of, *count)).collect();
    // The smallest last; of equal ones always the same.
    told.sort_by_key(|(of, count)| (Reverse(*count), *of));
    let mut others = total - told.iter().map(|(_, count)| count).sum::<u64>();
    while others > 0 && others < CELL_MIN {
        let Some((_, count)) = told.pop() else {
            break;
        };
        others += count;
    }
    if others > 0 {
        told.push((Of::Others, others));
    }
    told
}

#[cfg(test)]
mod tests {
    use crate::hours::partition::Term;
    use crate::lookups::counts::table::*;
    use crate::plates::plate::plate_of;

    fn parts(counts: &[(&[u8; 2], u64)]) -> BTreeMap<Of, u64> {
        let counts = counts.iter();
        counts
            .map(|(of, count)| (Of::Country(**of), *count))
            .collect()
    }

    #[test]
    fn what_is_hidden_of_a_cell_is_nothing_or_at_least_five() {
        let of = |country: &[u8; 2], count| (Of::Country(*country), count);
        for (counts, wanted) in [
            (vec![(b"IT", 4)], vec![]),
            (vec![(b"IT", 2), (b"DE", 2)], vec![]),
            (vec![(b"IT", 5)], vec![of(b"IT", 5)]),
            (vec![(b"IT", 3), (b"DE", 2)], vec![(Of::Others, 5)]),
            (
                vec![(b"IT", 9), (b"DE", 5)],
                vec![of(b"IT", 9), of(b"DE", 5)],
            ),
            (
                vec![(b"IT", 9), (b"DE", 3), (b"FR", 2)],
                vec![of(b"IT", 9), (Of::Others, 5)],
            ),
            // The one of France would be the cell less the other two.
            (
                vec![(b"IT", 9), (b"DE", 6), (b"FR", 1)],
                vec![of(b"IT", 9), (Of::Others, 7)],
            ),
            (vec![(b"IT", 40), (b"FR", 1)], vec![(Of::Others, 41)]),
            // Of two equal ones the later name joins, each time.
            (
                vec![(b"IT", 6), (b"DE", 6), (b"FR", 4)],
                vec![of(b"DE", 6), (Of::Others, 10)],
            ),
        ] {
            assert_eq!(tellable(&parts(&counts)), wanted, "{counts:?}");
        }
    }

    fn passes(table: &mut Table, count: u32, (hour, gate, camera): (Partition, u32, u32)) {
        for row in 0..count {
            let entry = Entry {
                plate: plate_of("AB123CD"),
                offset_us: row,
                row,
                camera,
                confidence: 250,
                marks: crate::transits::entry::Marks::default(),
                country: *b"IT",
                gate,
            };
            table.add(hour, &entry);
        }
    }

    #[test]
    fn a_sum_has_no_cell_that_is_too_small() {
        let hour = Partition::from_number(24 * 20_000);
        let next = Partition::from_number(hour.number() + 1);
        let mut table = Table::by(By::Gate);
        passes(&mut table, 7, (hour, 1, 11));
        passes(&mut table, 2, (hour, 1, 12));
        passes(&mut table, 6, (next, 1, 11));
        passes(&mut table, 4, (next, 2, 11));
        let gate = |hour: Partition| (hour.hour(), Of::Gate(1));
        let told = table.tell(false);
        assert_eq!(
            told.sums,
            BTreeMap::from([(gate(hour), 7), (gate(next), 6)])
        );
        assert_eq!(
            (told.hours_told(), told.places()),
            (2, BTreeSet::from([(1, 11)]))
        );
        let told = table.tell(true);
        assert_eq!(told.sums, BTreeMap::from([(gate(hour), 13)]));
    }

    #[test]
    fn an_hour_under_two_terms_has_two_cells() {
        let hour = Partition::from_number(24 * 20_000);
        let own = Partition::of(hour.start(), Term::of_hours(24).unwrap());
        let mut table = Table::by(By::All);
        passes(&mut table, 6, (hour, 1, 11));
        passes(&mut table, 3, (own, 1, 11));
        let told = table.tell(false);
        assert_eq!(told.sums, BTreeMap::from([((hour.hour(), Of::All), 6)]));
        passes(&mut table, 2, (own, 1, 11));
        let told = table.tell(false);
        assert_eq!(told.sums, BTreeMap::from([((hour.hour(), Of::All), 11)]));
        assert_eq!(told.hours_told(), 1);
    }
}
