//! One text from many frames: each character is voted by all of them.
//!
//! The frames' texts are aligned, so that a frame that lost or invented a character still votes
//! on the others. Probabilities are multiplied, but tempered: frames of one pass see the same
//! dirt and the same glare, so ten of them are worth far less than ten strangers.

use varco_proto::confidence::Confidence;
use varco_proto::plate::fold;

use super::edit::{self, Step, align};
use super::number::float;
use super::read::{Character, ConfidenceRule, Reading, SYMBOLS, confidence, symbol_at};

/// No symbol is less probable than this for a voter: a net is never so sure.
const PROBABILITY_MIN: f32 = 0.002;
/// What leaving a character alone costs in an alignment, where two that differ cost 1.
const GAP_COST: f32 = 0.6;
/// Texts that may become the one that all others are aligned to.
const PIVOTS_MAX: usize = 8;
/// Frames beyond this add nothing to the confidence.
const EFFECTIVE_READS_MAX: f32 = 9.0;
/// A symbol with this probability is a doubt worth hearing.
const DOUBT_MIN: f32 = 0.05;
/// Two texts that differ in more than this share of their characters are two plates.
const SAME_DIFFERENCE_MAX: f32 = 0.34;
/// From so many agreeing frames on each side, a sure difference makes two plates.
const SURE_READS_MIN: u32 = 3;

/// One frame's read with its weight.
#[derive(Debug, Clone, PartialEq)]
pub struct Ballot {
    /// What was read; never empty.
    pub reading: Reading,
    /// Above 0.
    pub weight: f32,
}

/// Counts the ballots: what the frames say together, its countries their weighted mean and its
/// rows those of most weight; none when there are none.
#[must_use]
pub fn vote(ballots: &[Ballot], rule: ConfidenceRule) -> Option<Reading> {
    let pivot = pivot(ballots)?;
    let total: f32 = ballots.iter().map(|b| b.weight).sum();
    let mut places = vec![Place::default(); pivot.characters.len()];
    // What stands before each place of the pivot, and after the last.
    let mut inserted = vec![Place::default(); pivot.characters.len() + 1];
    for ballot in ballots {
        let theirs = &ballot.reading.characters;
        let cost = |i: usize, j: usize| difference(&pivot.characters[i], &theirs[j]);
        let mut before = 0;
        let mut last_inserted = usize::MAX;
        for step in align(pivot.characters.len(), theirs.len(), cost, GAP_COST) {
            match step {
                Step::Both(i, j) => {
                    places[i].add(&theirs[j], ballot.weight);
                    before = i + 1;
                }
                Step::First(i) => before = i + 1,
                // Only the first of several: the pivot is the middle of all texts, so that
                // most frames never insert two at one place.
                Step::Second(j) if last_inserted != before => {
                    inserted[before].add(&theirs[j], ballot.weight);
                    last_inserted = before;
                }
                Step::Second(_) => {}
            }
        }
    }
    let strongest = ballots.iter().map(|b| b.weight).fold(0.0, f32::max);
    let mut characters = Vec::with_capacity(places.len());
    for (at, insert) in inserted.iter().enumerate() {
        let voted = [Some(insert), places.get(at)];
        for place in voted.into_iter().flatten() {
            if place.weight > total / 2.0 {
                characters.push(place.settled(total, strongest));
            }
        }
    }
    Some(Reading {
        confidence: confidence(&characters, rule),
        // Each character's probabilities hold the doubt that it is there.
        whole: Confidence::ONE,
        characters,
        countries: mean_countries(ballots, total),
        rows: rows(ballots),
    })
}

/// The text that is nearest to all others, and its most confident reading.
fn pivot(ballots: &[Ballot]) -> Option<&Reading> {
    let mut texts: Vec<(String, f32, &Ballot)> = Vec::new();
    for ballot in ballots {
        let text = ballot.reading.text();
        match texts.iter_mut().find(|(known, ..)| *known == text) {
            Some((_, weight, best)) => {
                *weight += ballot.weight;
                if ballot.weight > best.weight {
                    *best = ballot;
                }
            }
            None => texts.push((text, ballot.weight, ballot)),
        }
    }
    texts.sort_by(|a, b| b.1.total_cmp(&a.1));
    let far = |text: &str| -> f32 {
        let each = texts
            .iter()
            .map(|(other, weight, _)| float(edit::distance(text, other)) * weight);
        each.sum()
    };
    texts
        .iter()
        .take(PIVOTS_MAX)
        .map(|(text, _, ballot)| (far(text), ballot))
        .min_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, ballot)| &ballot.reading)
}

/// Probability that two characters are not the same symbol.
fn difference(a: &Character, b: &Character) -> f32 {
    let same: f32 = a.0.iter().zip(&b.0).map(|(x, y)| x * y).sum();
    1.0 - same
}

/// The votes on one character.
#[derive(Debug, Clone)]
struct Place {
    weight: f32,
    /// Weighted sums of logarithms: each symbol's, then that of none of them.
    logs: [f32; SYMBOLS + 1],
}

impl Default for Place {
    fn default() -> Self {
        Self {
            weight: 0.0,
            logs: [0.0; SYMBOLS + 1],
        }
    }
}

impl Place {
    fn add(&mut self, character: &Character, weight: f32) {
        self.weight += weight;
        let rest = 1.0 - character.0.iter().sum::<f32>();
        let all = character.0.iter().chain(std::iter::once(&rest));
        for (sum, probability) in self.logs.iter_mut().zip(all) {
            *sum += weight * probability.clamp(PROBABILITY_MIN, 1.0).ln();
        }
    }

    /// The character, once all have voted; `total` is the weight of all ballots, `strongest`
    /// that of one.
    fn settled(&self, total: f32, strongest: f32) -> Character {
        let reads =
            (self.weight / strongest.max(f32::MIN_POSITIVE)).clamp(1.0, EFFECTIVE_READS_MAX);
        let temper = reads.sqrt() / self.weight.max(f32::MIN_POSITIVE);
        let highest = self.logs.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let powers = self.logs.map(|log| ((log - highest) * temper).exp());
        let sum: f32 = powers.iter().sum();
        // Frames that saw nothing here doubt that there is a character at all.
        let present = (self.weight / total.max(f32::MIN_POSITIVE)).min(1.0);
        let mut out = [0.0; SYMBOLS];
        for (to, power) in out.iter_mut().zip(powers) {
            *to = power / sum * present;
        }
        Character(out)
    }
}

fn mean_countries(ballots: &[Ballot], total: f32) -> Vec<f32> {
    let count = ballots.iter().map(|b| b.reading.countries.len()).min();
    let mut mean = vec![0.0; count.unwrap_or(0)];
    for ballot in ballots {
        for (sum, probability) in mean.iter_mut().zip(&ballot.reading.countries) {
            *sum += probability * ballot.weight / total.max(f32::MIN_POSITIVE);
        }
    }
    mean
}

fn rows(ballots: &[Ballot]) -> u32 {
    let mut weights = [0.0_f32; 3];
    for ballot in ballots {
        let rows = usize::try_from(ballot.reading.rows).unwrap_or(0).min(2);
        weights[rows] += ballot.weight;
    }
    match weights {
        [_, one, two] if one >= two && one > 0.0 => 1,
        [_, _, two] if two > 0.0 => 2,
        _ => 0,
    }
}

/// Share of characters that two texts have in common, O and 0, I and 1 alike; 0..=1.
#[must_use]
pub fn likeness(a: &str, b: &str) -> f32 {
    let fold = |text: &str| text.chars().map(fold).collect::<String>();
    let longest = a.len().max(b.len()).max(1);
    1.0 - float(edit::distance(&fold(a), &fold(b))) / float(longest)
}

/// Whether two verdicts are of one plate: alike, and where they differ, one doubts. Consecutive
/// plates of a fleet differ in one character that both are sure of.
#[must_use]
pub fn same_plate(a: &Reading, a_agreeing: u32, b: &Reading, b_agreeing: u32) -> bool {
    let cost = |i: usize, j: usize| {
        let (x, y) = (&a.characters[i], &b.characters[j]);
        if alike(x, y) { 0.0 } else { 1.0 }
    };
    let longest = a.characters.len().max(b.characters.len());
    let mut differences = 0;
    let mut sure = false;
    for step in align(a.characters.len(), b.characters.len(), cost, GAP_COST) {
        match step {
            Step::Both(i, j) => {
                let (x, y) = (&a.characters[i], &b.characters[j]);
                if !alike(x, y) {
                    differences += 1;
                    let doubt = x.0[y.best()].max(y.0[x.best()]);
                    sure |= doubt < DOUBT_MIN;
                }
            }
            // A plate cut by the frame's border or hidden in part: no sure difference.
            Step::First(_) | Step::Second(_) => differences += 1,
        }
    }
    let both_sure = sure && a_agreeing.min(b_agreeing) >= SURE_READS_MIN;
    float(differences) <= float(longest) * SAME_DIFFERENCE_MAX && !both_sure
}

fn alike(a: &Character, b: &Character) -> bool {
    fold(symbol_at(a.best())) == fold(symbol_at(b.best()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::read::tests::reading;

    fn ballot(text: &str, p: f32, weight: f32) -> Ballot {
        Ballot {
            reading: reading(text, p),
            weight,
        }
    }

    fn voted(ballots: &[Ballot]) -> Reading {
        vote(ballots, ConfidenceRule::Min).unwrap()
    }

    #[test]
    fn each_character_is_voted_on_its_own() {
        // No frame reads all of it; each misreads another character.
        let ballots = [
            ballot("AB123CX", 0.7, 1.0),
            ballot("AB1Z3CD", 0.7, 1.0),
            ballot("8B123CD", 0.7, 1.0),
        ];
        assert_eq!(voted(&ballots).text(), "AB123CD");
    }

    #[test]
    fn a_lost_and_an_invented_character_do_not_shift_the_others() {
        let ballots = [
            ballot("AB123CD", 0.8, 1.0),
            ballot("B123CD", 0.8, 1.0),
            ballot("AB1123CD", 0.8, 1.0),
            ballot("AB123CD", 0.8, 1.0),
        ];
        assert_eq!(voted(&ballots).text(), "AB123CD");
        let mostly = [
            ballot("AB12", 0.8, 1.0),
            ballot("AB12C", 0.8, 1.0),
            ballot("AB12C", 0.8, 1.0),
        ];
        assert_eq!(voted(&mostly).text(), "AB12C");
    }

    #[test]
    fn frames_that_agree_are_surer_than_one_but_not_without_bound() {
        let one = voted(&[ballot("AB123CD", 0.8, 1.0)]).confidence.get();
        let few = voted(&vec![ballot("AB123CD", 0.8, 1.0); 4])
            .confidence
            .get();
        let many = voted(&vec![ballot("AB123CD", 0.8, 1.0); 40])
            .confidence
            .get();
        assert!((one - 0.8).abs() < 0.02, "{one}");
        assert!(few > one && many >= few && many < 1.0, "{one} {few} {many}");
    }

    #[test]
    fn a_heavy_frame_outvotes_light_ones() {
        let ballots = [
            ballot("AB123CD", 0.9, 1.0),
            ballot("AB128CD", 0.5, 0.1),
            ballot("AB128CD", 0.5, 0.1),
        ];
        assert_eq!(voted(&ballots).text(), "AB123CD");
    }

    #[test]
    fn no_ballot_is_no_verdict_and_weights_of_zero_break_nothing() {
        assert!(vote(&[], ConfidenceRule::Min).is_none());
        let verdict = vote(&[ballot("AB", 0.9, 0.0)], ConfidenceRule::Mean).unwrap();
        assert!(!verdict.confidence.get().is_nan());
    }

    #[test]
    fn sure_neighbours_of_a_fleet_are_two_plates_and_doubtful_ones_are_one() {
        let sure = |text| voted(&vec![ballot(text, 0.99, 1.0); 5]);
        let (a, b) = (sure("AB123CD"), sure("AB124CD"));
        assert!(!same_plate(&a, 5, &b, 5));
        assert!(same_plate(&a, 5, &b, 1), "one frame alone may be a misread");
        assert!(
            same_plate(&sure("AO123CD"), 5, &sure("A0123CD"), 5),
            "O and 0"
        );
        assert!(same_plate(&a, 5, &sure("123CD"), 5), "a part of it");
        assert!(!same_plate(&a, 5, &sure("XY987ZW"), 1));
    }

    #[test]
    fn likeness_is_a_share_of_the_longer_text() {
        assert!((likeness("AO12", "A012") - 1.0).abs() < 1e-6);
        assert!((likeness("AB12", "AB") - 0.5).abs() < 1e-6);
        assert!(likeness("", "AB").abs() < 1e-6);
    }
}
