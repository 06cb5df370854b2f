//! From the recogniser's probabilities to a text with its doubts.

use serde::Deserialize;
use varco_proto::confidence::Confidence;
use varco_proto::plate::PLATE_CHARACTERS_MAX;
use varco_proto::transit::{
    CANDIDATES_MAX, COUNTRIES_MAX, CharacterCandidate, CountryCandidate, PlateRead,
};

/// Class index to symbol; the class after the last is CTC's blank.
pub const ALPHABET: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
/// Symbols that a plate's character may be.
pub const SYMBOLS: usize = ALPHABET.len();
/// Symbols and the blank.
pub const CLASSES: usize = SYMBOLS + 1;
/// Candidates and countries below this are noise and stay out of messages.
const CANDIDATE_MIN: f32 = 0.001;

/// How the characters' probabilities make the read's confidence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ConfidenceRule {
    /// The least of them.
    Min,
    /// Their geometric mean.
    Mean,
}

/// What one character may be: a probability for each symbol, in the order of [`ALPHABET`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Character(pub [f32; SYMBOLS]);

impl Character {
    /// Index of the most probable symbol.
    #[must_use]
    pub fn best(&self) -> usize {
        let mut best = 0;
        for (symbol, probability) in self.0.iter().enumerate() {
            if *probability > self.0[best] {
                best = symbol;
            }
        }
        best
    }

    /// Its probability.
    #[must_use]
    pub fn probability(&self) -> f32 {
        self.0[self.best()]
    }

    /// The most probable symbols, the best first, the noise left out.
    #[must_use]
    pub fn candidates(&self) -> Vec<CharacterCandidate> {
        let mut order: Vec<usize> = (0..SYMBOLS).collect();
        // Stable, so that of equals the first is also what `best` gives.
        order.sort_by(|a, b| self.0[*b].total_cmp(&self.0[*a]));
        order
            .into_iter()
            .take(CANDIDATES_MAX)
            .enumerate()
            .filter(|(place, symbol)| *place == 0 || self.0[*symbol] >= CANDIDATE_MIN)
            .map(|(_, symbol)| CharacterCandidate {
                symbol: symbol_at(symbol),
                confidence: Confidence::saturating(self.0[symbol]),
            })
            .collect()
    }
}

/// The symbol of a class.
#[must_use]
pub fn symbol_at(class: usize) -> char {
    ALPHABET
        .as_bytes()
        .get(class)
        .map_or('?', |byte| char::from(*byte))
}

/// One text read from one plate, with all its probabilities: in one frame, or voted over many.
#[derive(Debug, Clone, PartialEq)]
pub struct Reading {
    /// In reading order, the upper row first.
    pub characters: Vec<Character>,
    /// That the text is right: of its characters by the manifest's rule, but not above `whole`; 0
    /// when there is none.
    pub confidence: Confidence,
    /// That these are all its characters, none left out and none made up.
    pub whole: Confidence,
    /// A probability for each country of the manifest.
    pub countries: Vec<f32>,
    /// Rows that text was found in: 1 or 2, 0 when there is none.
    pub rows: u32,
}

impl Reading {
    /// The most probable text; empty when nothing could be read.
    #[must_use]
    pub fn text(&self) -> String {
        self.characters
            .iter()
            .map(|c| symbol_at(c.best()))
            .collect()
    }

    /// As it is sent, with the frames that gave a read and those that gave just this one; `names`
    /// are the manifest's countries. None when it is no plate's length.
    #[must_use]
    pub fn plate_read(
        &self,
        agreeing_reads: u32,
        reads: u32,
        names: &[String],
    ) -> Option<PlateRead> {
        if self.characters.len() > PLATE_CHARACTERS_MAX {
            return None;
        }
        Some(PlateRead {
            text: self.text().parse().ok()?,
            confidence: self.confidence,
            characters: self.characters.iter().map(Character::candidates).collect(),
            agreeing_reads,
            reads: reads.max(agreeing_reads),
            countries: country_candidates(&self.countries, names),
            rows: self.rows,
        })
    }
}

/// The most probable countries, the best first.
fn country_candidates(probabilities: &[f32], names: &[String]) -> Vec<CountryCandidate> {
    let mut named: Vec<(&String, f32)> = names
        .iter()
        .zip(probabilities.iter().copied())
        .filter(|(_, probability)| *probability >= CANDIDATE_MIN)
        .collect();
    named.sort_by(|a, b| b.1.total_cmp(&a.1));
    named
        .into_iter()
        .take(COUNTRIES_MAX)
        .map(|(country, probability)| CountryCandidate {
            country: country.clone(),
            confidence: Confidence::saturating(probability),
        })
        .collect()
}

/// Greedy CTC: the best class of each step, runs merged, blanks dropped. A character's
/// probabilities are those of the step of its run where it is most probable.
///
/// `steps` holds [`CLASSES`] probabilities a step; the first half of the steps is the plate's
/// upper band, the second its lower one. What is not a probability counts as 0.
#[must_use]
pub fn decode(steps: &[f32], countries: &[f32], rule: ConfidenceRule) -> Reading {
    let half = steps.len() / CLASSES / 2;
    let mut characters: Vec<Character> = Vec::new();
    let mut rows = [false; 2];
    let mut last = SYMBOLS;
    for (at, step) in steps.chunks_exact(CLASSES).enumerate() {
        let class = best_class(step);
        if class < SYMBOLS {
            let here = character(step);
            match characters.last_mut() {
                Some(run) if class == last => {
                    if here.0[class] > run.0[class] {
                        *run = here;
                    }
                }
                _ => {
                    characters.push(here);
                    rows[usize::from(at >= half)] = true;
                }
            }
        }
        last = class;
    }
    let whole = wholeness(steps, &characters);
    Reading {
        confidence: confidence(&characters, rule).min(whole),
        whole,
        characters,
        countries: countries.iter().copied().map(probability).collect(),
        rows: rows.into_iter().map(u32::from).sum(),
    }
}

/// The confidence of a text from its characters'.
#[must_use]
pub fn confidence(characters: &[Character], rule: ConfidenceRule) -> Confidence {
    let each = characters.iter().map(Character::probability);
    let value = match rule {
        _ if characters.is_empty() => 0.0,
        ConfidenceRule::Min => each.fold(1.0, f32::min),
        ConfidenceRule::Mean => {
            let sum: f32 = each.map(|p| p.max(1e-9).ln()).sum();
            (sum / super::number::float(characters.len())).exp()
        }
    };
    Confidence::saturating(value)
}

/// That a text has just these characters: its probability over all ways in which the steps can
/// spell it (CTC), as a share of what its characters' own would come to. A step that had half a
/// mind to say one more takes away from it what no character's probability shows.
fn wholeness(steps: &[f32], characters: &[Character]) -> Confidence {
    let text: Vec<usize> = characters.iter().map(Character::best).collect();
    // Blank, character, blank and so on: the share of all ways that have come as far as each.
    let mut ways = vec![0.0_f64; 2 * text.len() + 1];
    ways[0] = 1.0;
    for step in steps.chunks_exact(CLASSES) {
        // From the last one on: each comes from those before it, as they were.
        for state in (0..ways.len()).rev() {
            let place = state / 2;
            let class = if state % 2 == 0 { SYMBOLS } else { text[place] };
            let mut from = ways[state];
            if state > 0 {
                from += ways[state - 1];
            }
            if state % 2 == 1 && place > 0 && text[place] != text[place - 1] {
                from += ways[state - 2];
            }
            ways[state] = from * f64::from(probability(step[class]));
        }
    }
    let spelt: f64 = ways.iter().rev().take(2).sum();
    let own: f64 = characters
        .iter()
        .map(|c| f64::from(c.probability()))
        .product();
    let share = if own > 0.0 {
        (spelt / own).min(1.0)
    } else {
        0.0
    };
    Confidence::saturating(super::number::narrow(share))
}

fn probability(value: f32) -> f32 {
    Confidence::saturating(value).get()
}

fn best_class(step: &[f32]) -> usize {
    let mut best = (SYMBOLS, f32::NEG_INFINITY);
    for (class, value) in step.iter().enumerate() {
        if *value > best.1 {
            best = (class, *value);
        }
    }
    best.0
}

fn character(step: &[f32]) -> Character {
    let mut out = [0.0; SYMBOLS];
    for (to, from) in out.iter_mut().zip(step) {
        *to = probability(*from);
    }
    Character(out)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Class of a symbol, the blank for `-`.
    fn class(symbol: char) -> usize {
        ALPHABET.find(symbol).unwrap_or(SYMBOLS)
    }

    /// Steps whose best classes spell `path`, each symbol with probability `p`; of `-`, the blank,
    /// they are sure.
    fn steps(path: &str, p: f32) -> Vec<f32> {
        let mut out = Vec::new();
        for symbol in path.chars() {
            let p = if symbol == '-' { 1.0 } else { p };
            let mut step = vec![(1.0 - p) / 36.0; CLASSES];
            step[class(symbol)] = p;
            out.extend(step);
        }
        out
    }

    /// A reading of `text` whose characters all have probability `p`.
    pub(crate) fn reading(text: &str, p: f32) -> Reading {
        let path: String = text.chars().flat_map(|c| [c, '-']).collect();
        let blanks = "-".repeat(path.len());
        decode(
            &steps(&format!("{path}{blanks}"), p),
            &[0.7, 0.2, 0.1],
            ConfidenceRule::Min,
        )
    }

    #[test]
    fn runs_are_merged_and_blanks_part_doubles() {
        let read = decode(&steps("AA-A1--1BB------", 0.9), &[], ConfidenceRule::Min);
        assert_eq!(read.text(), "AA11B");
        assert_eq!(
            read.rows, 2,
            "the second half of the steps is the lower row"
        );
        let one_row = decode(&steps("AB12----", 0.9), &[], ConfidenceRule::Min);
        assert_eq!((one_row.text().as_str(), one_row.rows), ("AB12", 1));
    }

    #[test]
    fn a_run_is_as_sure_as_its_surest_step() {
        let mut path = steps("AA", 0.6);
        path.extend(steps("A-", 0.8));
        let read = decode(&path, &[], ConfidenceRule::Min);
        assert_eq!(read.text(), "A");
        let letters = confidence(&read.characters, ConfidenceRule::Min);
        assert!((letters.get() - 0.8).abs() < 1e-6);
    }

    #[test]
    fn the_least_sure_character_or_the_mean_is_the_confidence() {
        let mut path = steps("A-", 0.9);
        path.extend(steps("B-", 0.4));
        let least = decode(&path, &[], ConfidenceRule::Min).confidence.get();
        let mean = decode(&path, &[], ConfidenceRule::Mean).confidence.get();
        assert!((least - 0.4).abs() < 1e-6, "{least}");
        assert!((mean - 0.6).abs() < 1e-6, "{mean}");
    }

    #[test]
    fn a_character_that_was_nearly_said_is_a_doubt() {
        let mut path = steps("AA-B--CC", 0.999);
        let sure = decode(&path, &[], ConfidenceRule::Min);
        assert!(sure.whole.get() > 0.98, "{}", sure.whole.get());
        // One blank step had as good a mind to say `1`.
        path[5 * CLASSES..6 * CLASSES].fill(0.0);
        (path[5 * CLASSES + SYMBOLS], path[5 * CLASSES + class('1')]) = (0.55, 0.45);
        let doubtful = decode(&path, &[], ConfidenceRule::Min);
        assert_eq!(doubtful.text(), "ABC");
        assert!(
            (doubtful.confidence.get() - 0.55).abs() < 0.02,
            "{doubtful:?}"
        );
        assert!(confidence(&doubtful.characters, ConfidenceRule::Min).get() > 0.99);
        // Two alike that no blank parts for sure may be one.
        let mut twice = steps("AA-AA---", 0.999);
        (
            twice[2 * CLASSES + SYMBOLS],
            twice[2 * CLASSES + class('A')],
        ) = (0.7, 0.3);
        let doubled = decode(&twice, &[], ConfidenceRule::Min);
        assert_eq!(doubled.text(), "AA");
        assert!((doubled.whole.get() - 0.7).abs() < 0.02, "{doubled:?}");
    }

    #[test]
    fn the_first_candidate_is_the_text_and_noise_is_left_out() {
        let names = ["IT", "FR", "XX"].map(str::to_owned);
        let read = reading("AB123CD", 0.97).plate_read(1, 1, &names).unwrap();
        assert_eq!(read.text.as_str(), "AB123CD");
        for (symbol, all) in read.text.as_str().chars().zip(&read.characters) {
            assert_eq!(all[0].symbol, symbol);
            assert!(all.len() <= CANDIDATES_MAX);
        }
        assert_eq!(read.countries[0].country, "IT");
    }

    #[test]
    fn nothing_or_too_much_is_no_plate() {
        let blank = decode(&steps("----", 0.9), &[], ConfidenceRule::Min);
        assert_eq!((blank.confidence, blank.rows), (Confidence::ZERO, 0));
        assert!(blank.plate_read(1, 1, &[]).is_none());
        assert!(
            reading("ABCDEFGHIJKLM", 0.9)
                .plate_read(1, 1, &[])
                .is_none()
        );
    }

    #[test]
    fn what_is_no_probability_breaks_nothing() {
        for hostile in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, -4.0, 9.0] {
            let read = decode(
                &[hostile; CLASSES * 8 + 5],
                &[hostile; 3],
                ConfidenceRule::Mean,
            );
            assert!((0.0..=1.0).contains(&read.confidence.get()));
            let _ = read.plate_read(1, 1, &["IT".to_owned(), "FR".to_owned()]);
        }
        assert_eq!(decode(&[], &[], ConfidenceRule::Min).text(), "");
    }
}
