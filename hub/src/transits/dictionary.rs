//! Which plates there are in the sealed indexes, and in which hours: in memory, rebuilt from the
//! indexes, so that a pattern is held against each plate once and not against each transit.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::entry::Entry;
use crate::hours::partition::{Partition, Term};
use crate::plates::pattern::{Glob, letters_of};
use crate::plates::plate::{Plate, folded};

/// Hours that a dictionary can tell apart: the term of seven days, the hours that it runs through,
/// and room for clocks that are ahead.
pub const HOURS_MAX: i64 = 192;

/// Plates whose letters are looked at together.
const LETTERS_AT_ONCE: usize = 32;

/// A set of hours.
pub type HourSet = [u64; 3];

/// A plate with how many transits it has and in which hours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Known {
    /// Folded.
    pub plate: Plate,
    /// Transits in sealed indexes.
    pub count: u32,
    /// In which hours.
    pub hours: HourSet,
}

/// All known plates, ascending.
#[derive(Debug, Default, Clone)]
pub struct Dictionary {
    plates: Vec<Plate>,
    counts: Vec<u32>,
    hours: Vec<HourSet>,
    /// Which letters and digits a plate has: a pattern that needs others is told at once.
    letters: Vec<u32>,
}

/// Folded plates, ascending, each once, with how many transits it has in an hour.
pub type PlateCounts = Vec<(Plate, u32)>;

/// Counts the plates of entries in an index's order.
#[must_use]
pub fn counted(entries: &[Entry]) -> PlateCounts {
    let mut counted: PlateCounts = Vec::new();
    for entry in entries {
        let plate = folded(&entry.plate);
        match counted.last_mut() {
            Some((last, count)) if *last == plate => *count += 1,
            _ => counted.push((plate, 1)),
        }
    }
    counted
}

fn slot(hour: Partition) -> (usize, u64) {
    let slot = hour.hour().rem_euclid(HOURS_MAX);
    let slot = usize::try_from(slot).unwrap_or(0);
    (slot / 64, 1 << (slot % 64))
}

/// Whether an hour is in a set.
#[must_use]
pub fn has(hours: &HourSet, hour: Partition) -> bool {
    let (word, bit) = slot(hour);
    hours.get(word).is_some_and(|word| word & bit != 0)
}

/// How many hours are in a set.
#[must_use]
pub fn count(hours: &HourSet) -> u32 {
    hours.iter().map(|word| word.count_ones()).sum()
}

impl Dictionary {
    /// The dictionary of one hour.
    #[must_use]
    pub fn of_hour(hour: Partition, plates: &PlateCounts) -> Self {
        let mut one = Self::default();
        let (word, bit) = slot(hour);
        for (plate, count) in plates {
            let mut hours = HourSet::default();
            if let Some(word) = hours.get_mut(word) {
                *word = bit;
            }
            let known = Known {
                plate: *plate,
                count: *count,
                hours,
            };
            one.push(known, letters_of(plate));
        }
        one
    }

    fn push(&mut self, known: Known, letters: u32) {
        self.letters.push(letters);
        self.plates.push(known.plate);
        self.counts.push(known.count);
        self.hours.push(known.hours);
    }

    /// How many plates there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.plates.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.plates.is_empty()
    }

    fn at(&self, place: usize) -> Option<Known> {
        Some(Known {
            plate: *self.plates.get(place)?,
            count: *self.counts.get(place)?,
            hours: *self.hours.get(place)?,
        })
    }

    /// The letters of the plate at a place; all of them, so that it is held against any pattern, where there is none.
    fn letters_at(&self, place: usize) -> u32 {
        self.letters.get(place).copied().unwrap_or(u32::MAX)
    }

    /// Both together.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        let room = self.len().max(other.len());
        let mut both = Self {
            plates: Vec::with_capacity(room),
            counts: Vec::with_capacity(room),
            hours: Vec::with_capacity(room),
            letters: Vec::with_capacity(room),
        };
        let (mut i, mut j) = (0, 0);
        loop {
            let (a, b) = (self.at(i), other.at(j));
            let (known, letters) = match (a, b) {
                (None, None) => return both,
                (Some(a), Some(b)) if a.plate == b.plate => {
                    let letters = self.letters_at(i);
                    (i, j) = (i + 1, j + 1);
                    let [x, y, z] = a.hours;
                    let [u, v, w] = b.hours;
                    let known = Known {
                        plate: a.plate,
                        count: a.count.saturating_add(b.count),
                        hours: [x | u, y | v, z | w],
                    };
                    (known, letters)
                }
                (Some(a), b) if b.is_none_or(|b| a.plate < b.plate) => {
                    i += 1;
                    (a, self.letters_at(i - 1))
                }
                (_, Some(b)) => {
                    j += 1;
                    (b, other.letters_at(j - 1))
                }
                (Some(a), None) => {
                    i += 1;
                    (a, self.letters_at(i - 1))
                }
            };
            both.push(known, letters);
        }
    }

    /// Without an hour, whose plates with their counts are `plates`.
    #[must_use]
    pub fn without(&self, hour: Partition, plates: &PlateCounts) -> Self {
        let (word, bit) = slot(hour);
        let mut rest = Self::default();
        let mut gone = plates.iter().peekable();
        for place in 0..self.len() {
            let Some(mut known) = self.at(place) else {
                break;
            };
            while gone.next_if(|(plate, _)| *plate < known.plate).is_some() {}
            if let Some((_, count)) = gone.next_if(|(plate, _)| *plate == known.plate) {
                known.count = known.count.saturating_sub(*count);
                if let Some(word) = known.hours.get_mut(word) {
                    *word &= !bit;
                }
            }
            if known.hours != HourSet::default() {
                rest.push(known, self.letters_at(place));
            }
        }
        rest
    }

    /// Without some hours that cannot be read any more. The counts of plates that are in other
    /// hours too shrink by their share: they serve estimates alone.
    #[must_use]
    pub fn without_hours(&self, hours: &[Partition]) -> Self {
        let mut gone = HourSet::default();
        for (word, bit) in hours.iter().map(|hour| slot(*hour)) {
            if let Some(word) = gone.get_mut(word) {
                *word |= bit;
            }
        }
        let mut rest = Self::default();
        for place in 0..self.len() {
            let Some(mut known) = self.at(place) else {
                break;
            };
            let before = count(&known.hours);
            for (word, gone) in known.hours.iter_mut().zip(gone) {
                *word &= !gone;
            }
            let left = count(&known.hours);
            if left > 0 {
                let share = u64::from(known.count) * u64::from(left) / u64::from(before);
                known.count = u32::try_from(share).unwrap_or(u32::MAX).max(left);
                rest.push(known, self.letters_at(place));
            }
        }
        rest
    }

    /// One plate.
    #[must_use]
    pub fn find(&self, plate: &Plate) -> Option<Known> {
        self.at(self.plates.binary_search(plate).ok()?)
    }

    /// The plates that fit a pattern, ascending.
    #[must_use]
    pub fn matching(&self, glob: &Glob) -> Vec<Known> {
        let needed = glob.letters();
        let (first, last) = glob.range();
        let begin = self.plates.partition_point(|plate| *plate < first);
        let end = self.plates.partition_point(|plate| *plate <= last);
        let letters = self.letters.get(begin..end).unwrap_or_default();
        let mut found = Vec::new();
        for (group, letters) in letters.chunks(LETTERS_AT_ONCE).enumerate() {
            // Most groups have no plate that can fit. Without a branch for each plate, the processor looks at
            // several at once.
            let can_fit = |letters: &u32| needed & !letters == 0;
            if !letters.iter().fold(false, |any, one| any | can_fit(one)) {
                continue;
            }
            for (at, _) in letters.iter().enumerate().filter(|(_, one)| can_fit(one)) {
                let place = begin + group * LETTERS_AT_ONCE + at;
                found.extend(self.at(place).filter(|known| glob.fits(&known.plate)));
            }
        }
        found
    }
}

/// Puts many dictionaries together, those of one size first, so that each plate is moved few times
/// and little is held twice.
#[derive(Debug, Default)]
pub struct Gathering(Vec<(u32, Dictionary)>);

impl Gathering {
    /// Takes one more.
    pub fn add(&mut self, one: Dictionary) {
        let (mut level, mut joined) = (0, one);
        while let Some((_, other)) = self.0.pop_if(|(last, _)| *last == level) {
            joined = other.union(&joined);
            level += 1;
        }
        self.0.push((level, joined));
    }

    /// All together.
    #[must_use]
    pub fn whole(mut self) -> Dictionary {
        let mut whole = self
            .0
            .pop()
            .map_or_else(Dictionary::default, |(_, one)| one);
        while let Some((_, other)) = self.0.pop() {
            whole = other.union(&whole);
        }
        whole
    }
}

/// A dictionary for each term: partitions of one hour and different terms end at different times.
#[derive(Debug, Default, Clone)]
pub struct Dictionaries(BTreeMap<Term, Arc<Dictionary>>);

impl Dictionaries {
    /// That of a term; an empty one when there is none.
    #[must_use]
    pub fn of(&self, term: Term) -> Arc<Dictionary> {
        self.0.get(&term).cloned().unwrap_or_default()
    }

    /// Puts one in place of what its term had.
    pub fn set(&mut self, term: Term, dictionary: Dictionary) {
        if dictionary.is_empty() {
            self.0.remove(&term);
        } else {
            self.0.insert(term, Arc::new(dictionary));
        }
    }

    /// Takes hours out, as [`Dictionary::without_hours`] does.
    #[must_use]
    pub fn without_hours(&self, hours: &[Partition]) -> Self {
        let mut rest = self.clone();
        for (term, dictionary) in &self.0 {
            let of_term = hours.iter().filter(|hour| hour.term() == *term);
            let of_term: Vec<Partition> = of_term.copied().collect();
            if !of_term.is_empty() {
                rest.set(*term, dictionary.without_hours(&of_term));
            }
        }
        rest
    }

    /// Plates in all of them: one that is in two counts twice.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.values().map(|dictionary| dictionary.len()).sum()
    }

    /// Whether there is no plate.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What each has of what is asked, by term.
    pub fn each<T>(&self, ask: impl Fn(&Dictionary) -> T) -> BTreeMap<Term, T> {
        let asked = self.0.iter();
        asked
            .map(|(term, dictionary)| (*term, ask(dictionary)))
            .collect()
    }
}

/// Dictionaries of single partitions that are to become one a term.
#[derive(Debug, Default)]
pub struct GatheringAll(BTreeMap<Term, Gathering>);

impl GatheringAll {
    /// Adds that of one partition.
    pub fn add(&mut self, hour: Partition, plates: &PlateCounts) {
        let gathering = self.0.entry(hour.term()).or_default();
        gathering.add(Dictionary::of_hour(hour, plates));
    }

    /// All of them.
    #[must_use]
    pub fn whole(self) -> Dictionaries {
        let mut all = Dictionaries::default();
        for (term, gathering) in self.0 {
            all.set(term, gathering.whole());
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plates::pattern::PlatePattern;
    use crate::plates::plate::{plate_of, text_of};

    fn hour(number: i64) -> Partition {
        Partition::from_number(number)
    }

    fn counted_of(texts: &[(&str, u32)]) -> PlateCounts {
        texts.iter().map(|(t, c)| (plate_of(t), *c)).collect()
    }

    fn texts_of(dictionary: &Dictionary) -> Vec<String> {
        dictionary.plates.iter().map(text_of).collect()
    }

    fn texts(found: &[Known]) -> Vec<String> {
        found.iter().map(|known| text_of(&known.plate)).collect()
    }

    #[test]
    fn hours_join_and_leave() {
        let one = counted_of(&[("AB123CD", 2), ("CD456EF", 1)]);
        let two = counted_of(&[("AB123CD", 1), ("ZZ999ZZ", 5)]);
        let three = counted_of(&[("CD456EF", 1)]);
        let mut gathering = Gathering::default();
        gathering.add(Dictionary::of_hour(hour(100), &one));
        gathering.add(Dictionary::of_hour(hour(200), &two));
        gathering.add(Dictionary::of_hour(hour(263), &three));
        let both = gathering.whole();
        assert_eq!(both.len(), 3);
        let known = both.find(&plate_of("AB123CD")).unwrap();
        assert_eq!(known.count, 3);
        assert!(has(&known.hours, hour(100)) && has(&known.hours, hour(200)));
        assert!(!has(&known.hours, hour(101)));
        let same = both.without_hours(&[hour(200), hour(263)]);
        assert_eq!(texts_of(&same), ["AB123CD", "CD456EF"]);
        let rest = both.without(hour(200), &two);
        assert_eq!(rest.len(), 2, "what was in that hour alone is gone");
        let known = rest.find(&plate_of("AB123CD")).unwrap();
        assert_eq!((known.count, has(&known.hours, hour(200))), (2, false));
        assert!(Gathering::default().whole().is_empty());
    }

    #[test]
    fn a_pattern_finds_what_fits_and_nothing_else() {
        let all = counted_of(&[
            ("AB123CD", 1),
            ("AB124CD", 1),
            ("AB12CD", 1),
            ("B123CDE", 1),
            ("XAB123", 1),
            ("ZZ999ZZ", 1),
        ]);
        let dictionary = Dictionary::of_hour(hour(1), &all);
        for (pattern, wanted) in [
            ("AB12?CD", vec!["AB123CD", "AB124CD"]),
            ("AB*CD", vec!["AB123CD", "AB124CD", "AB12CD"]),
            ("*123*", vec!["AB123CD", "B123CDE", "XAB123"]),
            ("?B123??", vec!["AB123CD"]),
            ("*123", vec!["XAB123"]),
            ("*B*2*D*", vec!["AB123CD", "AB124CD", "AB12CD", "B123CDE"]),
            ("ZZ999ZZ", vec!["ZZ999ZZ"]),
            ("ZZ999ZZZ", vec![]),
        ] {
            let glob = Glob::of(&PlatePattern::normalise(pattern).unwrap());
            assert_eq!(texts(&dictionary.matching(&glob)), wanted, "{pattern}");
        }
    }
}
