//! Holding a read against all lists at once, in memory.
//!
//! A plate that was read in full certainty costs one search among the sorted plates. A near match
//! needs the camera's own doubt: another character held for possible, or one that looks alike where
//! the read was not sure. A sure read of another plate never raises an alert, so that a list of a
//! million plates does not drown the night.

use std::sync::Arc;

use varco_proto::onboard::UNREAD_CONFIDENCE;
use varco_proto::plate::fold;
use varco_proto::time::UtcTime;
use varco_proto::transit::PlateRead;

use crate::plates::misread::{alike, symbols};
use crate::plates::plate::{Plate, folded, plate_of};

/// A plate with a smaller share of being what stood there raises no alert.
pub const SHARE_MIN: f32 = 0.01;
/// Lists of at most as many plates are searched together.
const TOGETHER_MAX: usize = 4096;
/// Most entries of one list that a read is said to be.
const NUMBERS_MAX: usize = 8;

/// A plate of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Listed {
    /// Folded.
    pub plate: Plate,
    /// Its list, by place among the matcher's lists.
    pub list: u16,
    /// Its number on the list.
    pub number: u32,
    /// From when, seconds since 1970.
    pub from_s: u32,
    /// Until when, seconds since 1970; it no longer holds at that second.
    pub to_s: u32,
}

/// A read that may be a listed plate.
#[derive(Debug, Clone, PartialEq)]
pub struct Match {
    /// The list, by place.
    pub list: u16,
    /// The numbers on it of the entries that hold for this plate: one, unless the list names the
    /// plate for several reasons, or plates that fonts do not tell apart.
    pub numbers: Vec<u32>,
    /// The share, 0 to 1, that the camera's own doubts leave to this plate.
    pub share: f32,
    /// What differs: place from 1, listed, read; nothing when the plate itself was read.
    pub differences: Vec<(usize, char, char)>,
}

/// All plates of all lists, sorted: those of small lists together, and of each large list by itself,
/// so that a change of one list never sorts the others again.
#[derive(Debug, Default)]
pub struct Matcher {
    together: Vec<Listed>,
    large: Vec<(u16, Arc<Vec<Listed>>)>,
    near: Vec<bool>,
}

/// Seconds since 1970, at the bounds what lies beyond them.
#[must_use]
pub fn seconds(at: UtcTime) -> u32 {
    let seconds = at.unix_us().max(0) / 1_000_000;
    u32::try_from(seconds).unwrap_or(u32::MAX)
}

/// One other character at one place.
struct Doubt {
    at: usize,
    symbol: u8,
    /// Against the character that was read.
    ratio: f32,
}

impl Match {
    fn note(&mut self, number: u32) {
        if self.numbers.len() < NUMBERS_MAX {
            self.numbers.push(number);
        }
    }
}

impl Matcher {
    /// Of each list's plates in their order; `near` says by list whether near matches count.
    #[must_use]
    pub fn over(tables: Vec<(u16, Arc<Vec<Listed>>)>, near: Vec<bool>) -> Self {
        let (small, large): (Vec<_>, Vec<_>) = tables
            .into_iter()
            .filter(|(_, plates)| !plates.is_empty())
            .partition(|(_, plates)| plates.len() <= TOGETHER_MAX);
        let small = small.iter().flat_map(|(list, plates)| {
            plates.iter().map(|one| Listed {
                list: *list,
                ..*one
            })
        });
        let mut together: Vec<Listed> = small.collect();
        together.sort_unstable_by_key(|one| (one.plate, one.list, one.number));
        Self {
            together,
            large,
            near,
        }
    }

    /// Plates that it holds.
    #[must_use]
    pub fn len(&self) -> usize {
        let large = self.large.iter().map(|(_, plates)| plates.len());
        self.together.len() + large.sum::<usize>()
    }

    /// Plates whose term is not over.
    #[must_use]
    pub fn waited_for(&self, now: UtcTime) -> usize {
        let now_s = seconds(now);
        let large = self.large.iter().flat_map(|(_, plates)| plates.iter());
        let all = self.together.iter().chain(large);
        all.filter(|one| now_s < one.to_s).count()
    }

    /// Bytes of memory that its plates take.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.len() * size_of::<Listed>()
    }

    /// Whether nobody waits for anything.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.together.is_empty() && self.large.is_empty()
    }

    /// What holds now for a plate: list and number.
    fn with_plate(&self, plate: &Plate, now_s: u32) -> impl Iterator<Item = (u16, u32)> {
        let plate = *plate;
        let among = move |plates: &'_ [Listed]| plates.partition_point(|one| one.plate < plate);
        let holding = move |one: &&Listed| one.from_s <= now_s && now_s < one.to_s;
        let together = self
            .together
            .get(among(&self.together)..)
            .unwrap_or_default();
        let together = together.iter().take_while(move |one| one.plate == plate);
        let together = together.filter(holding).map(|one| (one.list, one.number));
        let large = self.large.iter().flat_map(move |(list, plates)| {
            let here = plates.get(among(plates)..).unwrap_or_default().iter();
            let here = here.take_while(move |one| one.plate == plate);
            here.filter(holding).map(|one| (*list, one.number))
        });
        together.chain(large)
    }

    /// The listed plates that this read is or may be, at most one of a list: the likeliest. Exact
    /// first.
    #[must_use]
    pub fn matches(&self, read: &PlateRead, now: UtcTime) -> Vec<Match> {
        let mut found: Vec<Match> = Vec::new();
        if self.is_empty() {
            return found;
        }
        let now_s = seconds(now);
        let plate = folded(&plate_of(read.text.as_str()));
        let sure = read.confidence.get();
        for (list, number) in self.with_plate(&plate, now_s) {
            match found.iter_mut().find(|m| m.list == list) {
                Some(known) => known.note(number),
                None => found.push(Match {
                    list,
                    numbers: vec![number],
                    share: sure,
                    differences: Vec::new(),
                }),
            }
        }
        if self.near.contains(&true) {
            self.add_near(read, &plate, now_s, &mut found);
        }
        found
    }

    fn add_near(&self, read: &PlateRead, plate: &Plate, now_s: u32, found: &mut Vec<Match>) {
        let exact = found.len();
        let doubts = doubts(read);
        let sure = read.confidence.get();
        let mut hold = |changed: &Plate, ratio: f32, of: &[&Doubt]| {
            for (list, number) in self.with_plate(changed, now_s) {
                if self.near.get(usize::from(list)) != Some(&true) {
                    continue;
                }
                let differences = of.iter().map(|doubt| {
                    let read = plate.get(doubt.at).copied().unwrap_or_default();
                    (doubt.at + 1, char::from(doubt.symbol), char::from(read))
                });
                let new = Match {
                    list,
                    numbers: vec![number],
                    share: sure * ratio,
                    differences: differences.collect(),
                };
                let Some(at) = found.iter().position(|m| m.list == list) else {
                    found.push(new);
                    continue;
                };
                match found.get_mut(at) {
                    Some(old) if at >= exact && old.differences == new.differences => {
                        old.note(number);
                    }
                    Some(old) if at >= exact && old.share < new.share => *old = new,
                    _ => {}
                }
            }
        };
        for (index, first) in doubts.iter().enumerate() {
            let once = changed(plate, first);
            if sure * first.ratio >= SHARE_MIN {
                hold(&once, first.ratio, &[first]);
            }
            for second in doubts.iter().skip(index + 1).filter(|d| d.at != first.at) {
                let ratio = first.ratio * second.ratio;
                if sure * ratio >= SHARE_MIN {
                    hold(&changed(&once, second), ratio, &[first, second]);
                }
            }
        }
    }
}

fn changed(plate: &Plate, doubt: &Doubt) -> Plate {
    let mut changed = *plate;
    if let Some(symbol) = changed.get_mut(doubt.at) {
        *symbol = doubt.symbol;
    }
    changed
}

fn folded_byte(symbol: char) -> u8 {
    u8::try_from(fold(symbol)).unwrap_or(b'?')
}

/// What else may have stood at each place, by what the camera held for possible; what looks alike
/// shares among itself what the read leaves over.
fn doubts(read: &PlateRead) -> Vec<Doubt> {
    let mut doubts = Vec::new();
    for (at, candidates) in read.characters.iter().enumerate() {
        let Some((top, others)) = candidates.split_first() else {
            continue;
        };
        let (here, sure) = (folded_byte(top.symbol), top.confidence.get().max(0.01));
        // A camera that did not read it holds every character for equally possible.
        if (0.001..=UNREAD_CONFIDENCE).contains(&top.confidence.get()) && others.is_empty() {
            let other = symbols().filter(|symbol| *symbol != here);
            let ratio = 1.0;
            doubts.extend(other.map(|symbol| Doubt { at, symbol, ratio }));
            continue;
        }
        let mut known = vec![here];
        let mut left = 1.0 - sure;
        for other in others {
            let symbol = folded_byte(other.symbol);
            left -= other.confidence.get();
            if !known.contains(&symbol) {
                known.push(symbol);
                doubts.push(Doubt {
                    at,
                    symbol,
                    ratio: other.confidence.get() / sure,
                });
            }
        }
        let alike: Vec<u8> = alike(here)
            .filter(|symbol| !known.contains(symbol))
            .collect();
        let shared = left.max(0.0) / f32::from(u8::try_from(alike.len().max(1)).unwrap_or(u8::MAX));
        doubts.extend(alike.into_iter().map(|symbol| Doubt {
            at,
            symbol,
            ratio: shared / sure,
        }));
    }
    doubts.retain(|doubt| doubt.ratio >= SHARE_MIN);
    doubts
}

#[cfg(test)]
mod tests {
    use super::*;
    use varco_proto::confidence::Confidence;
    use varco_proto::transit::CharacterCandidate;

    fn listed(plate: &str, list: u16, number: u32) -> Listed {
        Listed {
            plate: folded(&plate_of(plate)),
            list,
            number,
            from_s: 100,
            to_s: 200,
        }
    }

    fn read(text: &str, at: usize, others: &[(char, f32)]) -> PlateRead {
        let sure = 1.0 - others.iter().map(|(_, share)| share).sum::<f32>();
        let of = |symbol, share| CharacterCandidate {
            symbol,
            confidence: Confidence::new(share).unwrap(),
        };
        let characters = text.chars().enumerate().map(|(place, symbol)| {
            if place != at {
                return vec![of(symbol, 1.0)];
            }
            let others = others.iter().map(|(symbol, share)| of(*symbol, *share));
            std::iter::once(of(symbol, sure)).chain(others).collect()
        });
        PlateRead {
            text: text.parse().unwrap(),
            confidence: Confidence::new(sure).unwrap(),
            characters: characters.collect(),
            agreeing_reads: 1,
            reads: 1,
            countries: Vec::new(),
            rows: 1,
        }
    }

    fn matcher(listed: Vec<Listed>, near: Vec<bool>) -> Matcher {
        let lists = 0..u16::try_from(near.len()).unwrap();
        let of = |list| {
            let plates = listed.iter().filter(|one| one.list == list).copied();
            (list, Arc::new(plates.collect()))
        };
        Matcher::over(lists.map(of).collect(), near)
    }

    fn now() -> UtcTime {
        UtcTime::from_unix_us(150_000_000)
    }

    #[test]
    fn d03_part_a_character_that_was_not_read_is_near_every_plate_that_it_may_be() {
        let mut unread = read("ABQ23CD", 9, &[]);
        unread.confidence = Confidence::new(0.97 * UNREAD_CONFIDENCE).unwrap();
        unread.characters[2][0].confidence = Confidence::new(UNREAD_CONFIDENCE).unwrap();
        for (plate, is_near) in [("AB123CD", true), ("ABX23CD", true), ("AB124CD", false)] {
            let matcher = matcher(vec![listed(plate, 0, 1)], vec![true]);
            let found = matcher.matches(&unread, now());
            assert_eq!(found.len(), usize::from(is_near), "{plate}");
        }
    }

    #[test]
    fn a_listed_plate_matches_while_it_holds() {
        let lists = matcher(
            vec![listed("AB123CD", 0, 7), listed("AB123CD", 1, 3)],
            vec![false; 2],
        );
        let found = lists.matches(&read("AB123CD", 0, &[]), now());
        let places: Vec<_> = found.iter().map(|m| (m.list, m.numbers[0])).collect();
        assert_eq!(places, [(0, 7), (1, 3)]);
        assert!(found.iter().all(|m| m.differences.is_empty()));
        let sure = read("AB123CD", 0, &[]);
        for past in [99_999_999, 200_000_000] {
            assert!(lists.matches(&sure, UtcTime::from_unix_us(past)).is_empty());
        }
        assert!(lists.matches(&read("AB124CD", 0, &[]), now()).is_empty());
    }

    #[test]
    fn a_near_match_needs_the_cameras_own_doubt() {
        let lists = matcher(vec![listed("A8123CD", 0, 1)], vec![true]);
        assert!(
            lists.matches(&read("AB123CD", 1, &[]), now()).is_empty(),
            "a sure read"
        );
        let found = lists.matches(&read("AB123CD", 1, &[('8', 0.3)]), now());
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].differences, [(2, '8', 'B')]);
        assert!((found[0].share - 0.3).abs() < 0.01, "{}", found[0].share);
        let off = matcher(vec![listed("A8123CD", 0, 1)], vec![false]);
        assert!(
            off.matches(&read("AB123CD", 1, &[('8', 0.3)]), now())
                .is_empty(),
            "switched off"
        );
    }

    #[test]
    fn what_looks_alike_counts_where_the_read_was_not_sure() {
        let lists = matcher(vec![listed("A8123CD", 0, 1)], vec![true]);
        // The camera held K for possible; what looks like B shares the rest.
        let mut unsure = read("AB123CD", 1, &[('K', 0.1)]);
        unsure.characters[1][0].confidence = Confidence::new(0.6).unwrap();
        let found = lists.matches(&unsure, now());
        assert_eq!(found.len(), 1);
        assert!(found[0].share < 0.3);
    }

    #[test]
    fn the_plate_itself_goes_before_its_neighbours() {
        let plates = vec![listed("A8123CD", 0, 1), listed("AB123CD", 0, 2)];
        let lists = matcher(plates, vec![true]);
        let found = lists.matches(&read("AB123CD", 1, &[('8', 0.4)]), now());
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].numbers[0], found[0].differences.len()), (2, 0));
    }

    #[test]
    fn every_entry_that_holds_for_a_plate_is_named_once() {
        let mut over = listed("AB123CD", 0, 1);
        over.to_s = 120;
        let plates = vec![over, listed("AB123CD", 0, 2), listed("AB123CD", 0, 3)];
        let found = matcher(plates, vec![true]).matches(&read("AB123CD", 0, &[]), now());
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].numbers, [2, 3], "the first is over");
        let waited = vec![over, listed("AB124CD", 0, 2)];
        assert_eq!(matcher(waited, vec![true]).waited_for(now()), 1);
        let twins = vec![listed("AO123OO", 0, 1), listed("A0123OO", 0, 2)];
        let found = matcher(twins, vec![false]).matches(&read("AO1230O", 0, &[]), now());
        assert_eq!(found[0].numbers, [1, 2]);
    }

    #[test]
    fn a_large_list_is_found_beside_small_ones() {
        let many: Vec<_> = (0..5000)
            .map(|n| listed(&format!("X{n:05}"), 0, n))
            .collect();
        let tables = vec![
            (0, Arc::new(many)),
            (1, Arc::new(vec![listed("X00042", 0, 7), listed("Y", 0, 8)])),
        ];
        let lists = Matcher::over(tables, vec![false; 2]);
        let found = lists.matches(&read("X00042", 0, &[]), now());
        let mut places: Vec<_> = found.iter().map(|m| (m.list, m.numbers.clone())).collect();
        places.sort();
        assert_eq!(places, [(0, vec![42]), (1, vec![7])]);
        assert_eq!(lists.len(), 5002);
    }
}
