//! Plates that a camera may have read when another was there: the neighbours of a plate.
//!
//! Characters that look alike cost least; any one character read wrong, missed or seen too many
//! costs as much as two that look alike. What costs more is another plate.

use std::collections::HashMap;

use varco_proto::plate::PLATE_CHARACTERS_MAX;

use crate::plates::plate::{Plate, folded, plate_of, text_of};

/// Characters that readers take for one another, folded: `O` is `0` and `I` is `1` already. From
/// the mistakes of our own readers on real plates, and from the shapes of plate fonts.
const ALIKE: [&str; 14] = [
    "0DQ", "0CG", "1LT7", "1J", "2Z", "3B8", "4A", "5S", "6G8", "9P", "MNWH", "VYU", "EF", "KXR",
];
/// Cost of one that looks alike.
const COST_ALIKE: u8 = 1;
/// Cost of any other mistake.
const COST_OTHER: u8 = 2;
/// What a neighbour may cost.
const COST_MAX: u8 = 2;

/// One difference between what was searched and what was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadDifference {
    /// Another character was read at this place, counted from 1.
    Other {
        /// Where.
        place: usize,
        /// What was searched.
        searched: char,
        /// What was read.
        read: char,
    },
    /// A character was not read.
    Missed {
        /// Where it stands in what was searched, from 1.
        place: usize,
        /// Which one.
        searched: char,
    },
    /// A character was read that is not there.
    TooMany {
        /// Where it stands in what was read, from 1.
        place: usize,
        /// Which one.
        read: char,
    },
}

/// A plate that may have been read instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Neighbour {
    /// Folded.
    pub plate: Plate,
    /// 0 for the plate itself, 1 for one character that looks alike, 2 for more.
    pub cost: u8,
    /// What differs.
    pub differences: Vec<ReadDifference>,
}

/// The folded characters that this one is taken for.
pub fn alike(symbol: u8) -> impl Iterator<Item = u8> {
    let groups = ALIKE
        .iter()
        .filter(move |group| group.as_bytes().contains(&symbol));
    groups
        .flat_map(|group| group.bytes())
        .filter(move |other| *other != symbol)
}

/// Every folded letter and digit.
pub fn symbols() -> impl Iterator<Item = u8> {
    (b'0'..=b'9')
        .chain(b'A'..=b'Z')
        .filter(|byte| !matches!(byte, b'O' | b'I'))
}

#[derive(Default)]
struct Found(HashMap<Plate, Neighbour>);

impl Found {
    fn add(&mut self, text: &[u8], cost: u8, differences: Vec<ReadDifference>) {
        let plate = folded(&plate_of(&String::from_utf8_lossy(text)));
        let known = self.0.get(&plate).map(|known| known.cost);
        if known.is_none_or(|known| cost < known) {
            let neighbour = Neighbour {
                plate,
                cost,
                differences,
            };
            self.0.insert(plate, neighbour);
        }
    }
}

fn other(text: &[u8], at: usize, read: u8) -> (Vec<u8>, ReadDifference) {
    let mut changed = text.to_vec();
    let searched = changed.get(at).copied().unwrap_or(read);
    if let Some(symbol) = changed.get_mut(at) {
        *symbol = read;
    }
    let difference = ReadDifference::Other {
        place: at + 1,
        searched: char::from(searched),
        read: char::from(read),
    };
    (changed, difference)
}

/// The neighbours of a plate, itself among them, ascending by plate.
#[must_use]
pub fn neighbours(plate: &Plate) -> Vec<Neighbour> {
    let plate = folded(plate);
    let text = text_of(&plate).into_bytes();
    let mut found = Found::default();
    found.add(&text, 0, Vec::new());
    for at in 0..text.len() {
        let here = text.get(at).copied().unwrap_or_default();
        for read in alike(here) {
            let (once, first) = other(&text, at, read);
            found.add(&once, COST_ALIKE, vec![first]);
            for beyond in at + 1..text.len() {
                let there = text.get(beyond).copied().unwrap_or_default();
                for read in alike(there) {
                    let (twice, second) = other(&once, beyond, read);
                    found.add(&twice, 2 * COST_ALIKE, vec![first, second]);
                }
            }
        }
        for read in symbols().filter(|read| *read != here) {
            let (once, difference) = other(&text, at, read);
            found.add(&once, COST_OTHER, vec![difference]);
        }
        let mut less = text.clone();
        less.remove(at);
        let missed = ReadDifference::Missed {
            place: at + 1,
            searched: char::from(here),
        };
        if !less.is_empty() {
            found.add(&less, COST_OTHER, vec![missed]);
        }
    }
    if text.len() < PLATE_CHARACTERS_MAX {
        for at in 0..=text.len() {
            for read in symbols() {
                let mut more = text.clone();
                more.insert(at, read);
                let too_many = ReadDifference::TooMany {
                    place: at + 1,
                    read: char::from(read),
                };
                found.add(&more, COST_OTHER, vec![too_many]);
            }
        }
    }
    let mut all: Vec<_> = found
        .0
        .into_values()
        .filter(|n| n.cost <= COST_MAX)
        .collect();
    all.sort_unstable_by_key(|neighbour| neighbour.plate);
    all
}

#[cfg(test)]
mod tests {
    use crate::plates::misread::*;

    fn of(searched: &str, read: &str) -> Option<Neighbour> {
        let plate = folded(&plate_of(read));
        neighbours(&plate_of(searched))
            .into_iter()
            .find(|n| n.plate == plate)
    }

    #[test]
    fn what_looks_alike_is_nearest() {
        assert_eq!(of("AB123CD", "AB123CD").unwrap().cost, 0);
        assert_eq!(of("AB123CD", "A8123CD").unwrap().cost, 1);
        assert_eq!(of("AB123CD", "A8123C0").unwrap().cost, 2);
        assert_eq!(of("AB123CD", "AX123CD").unwrap().cost, 2);
        assert_eq!(of("AB123CD", "AB12CD").unwrap().cost, 2);
        assert_eq!(of("AB123CD", "1AB123CD").unwrap().cost, 2);
        assert_eq!(of("AB123CD", "AX1X3CD"), None);
        assert_eq!(of("OI123CD", "01123CD").unwrap().cost, 0, "folded alike");
    }

    #[test]
    fn the_reason_names_place_and_characters() {
        let found = of("AB123CD", "A8123CD").unwrap();
        let wanted = ReadDifference::Other {
            place: 2,
            searched: 'B',
            read: '8',
        };
        assert_eq!(found.differences, [wanted]);
        let missed = of("AB123CD", "AB12CD").unwrap();
        assert!(matches!(
            missed.differences[..],
            [ReadDifference::Missed { place: 5, .. }]
        ));
    }

    #[test]
    fn neighbours_are_few_enough_to_be_looked_up_one_by_one() {
        let count = neighbours(&plate_of("AB123CD")).len();
        assert!((300..2000).contains(&count), "{count}");
        assert!(neighbours(&plate_of("A")).len() > 30);
        assert!(!neighbours(&plate_of("ABCDEFGH1234")).is_empty());
    }
}
