//! How plates are written, as evidence for a text: a doubtful S between digits becomes the 5 it
//! looks like, a sure one stays.
//!
//! A text is weighed under a mixture: no rule at all, or one of the written forms of the
//! countries that the plate looks like. A form makes its texts likelier by as much as it narrows
//! them, with a bound, so that a true text of any form wins as soon as the picture is sure of it.

use std::collections::BTreeMap;

use serde::Deserialize;
use varco_proto::confidence::Confidence;
use varco_proto::plate::PLATE_CHARACTERS_MAX;

use super::number::{float, narrow};
use super::read::{ALPHABET, Character, ConfidenceRule, Reading, SYMBOLS, confidence};

/// Characters whose probabilities add up to less have none.
const MASS_MIN: f32 = 1e-6;
/// Forms that weigh less change nothing.
const WEIGHT_MIN: f64 = 1e-9;

/// The manifest's `[syntax]` as written.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SyntaxTable {
    /// Weight of texts that follow no form, above 0, at most 1.
    pub free_share: f64,
    /// A form makes its texts at most so many times likelier, at least 1.
    pub boost_max: f64,
    /// By the codes of the recogniser's `countries`.
    #[serde(default)]
    pub countries: BTreeMap<String, CountryTable>,
}

/// One country's plates as written in the manifest.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CountryTable {
    /// Letters that stand on its plates where a form leaves them open.
    pub letters: String,
    /// Letters that stand in its numbers, where that is known better.
    #[serde(default)]
    pub serial: String,
    /// Codes that it has issued: of places, or a series' first letters.
    #[serde(default)]
    pub codes: Vec<String>,
    /// Each form with its share of the country's plates: `@` one of `letters`, `$` one of
    /// `serial`, `&` any letter, `#` a digit, `?` a digit or one of `letters`, `%` one of `codes`,
    /// anything else itself. A form with a code is one for each, each with the whole share, so
    /// that what was issued is likelier than what was not, however many codes there are.
    pub forms: Vec<(String, f64)>,
}

/// How plates are written, ready to weigh a text by.
#[derive(Debug, Clone, PartialEq)]
pub struct Syntax {
    free_share: f64,
    /// What may stand at a place of some form, each kind once.
    sets: Vec<Set>,
    forms: Vec<Form>,
}

/// Which symbols may stand at a place.
type Set = [bool; SYMBOLS];

/// One written form.
#[derive(Debug, Clone, PartialEq)]
struct Form {
    /// Place in the recogniser's `countries`.
    country: usize,
    /// Its share of that country's plates times its boost.
    weight: f64,
    /// For each place which of the `sets` may stand there.
    places: Vec<usize>,
}

impl Syntax {
    /// Checks what the manifest says; `countries` are the recogniser's. Adds what does not fit to
    /// `faults`, and leaves it out.
    #[must_use]
    pub fn check(table: &SyntaxTable, countries: &[String], faults: &mut Vec<String>) -> Self {
        let mut fault = |text: String| faults.push(text);
        if !(table.free_share > 0.0 && table.free_share <= 1.0) {
            fault("`syntax.free_share` must be above 0, at most 1".to_owned());
        }
        if !(table.boost_max >= 1.0 && table.boost_max.is_finite()) {
            fault("`syntax.boost_max` must be 1 or more".to_owned());
        }
        let (mut sets, mut forms) = (Vec::new(), Vec::new());
        for (code, country) in &table.countries {
            let key = format!("syntax.countries.{code}");
            let capitals = |text: &str| text.bytes().all(|b| b.is_ascii_uppercase());
            if country.letters.is_empty() || !capitals(&country.letters) {
                fault(format!("`{key}.letters` must be capitals, at least one"));
            }
            if !capitals(&country.serial) {
                fault(format!("`{key}.serial` must be capitals"));
            }
            if !country.codes.iter().all(|c| !c.is_empty() && capitals(c)) {
                fault(format!("`{key}.codes` must be capitals, at least one each"));
            }
            let Some(at) = countries.iter().position(|known| known == code) else {
                fault(format!("`{key}` is none of `recogniser.countries`"));
                continue;
            };
            for (signs, share) in &country.forms {
                match country.forms_of(signs) {
                    Err(why) => fault(format!("the form `{signs}` of `{key}` {why}")),
                    Ok(_) if !(0.0..=1.0).contains(share) => {
                        fault(format!("the share of `{signs}` of `{key}` must be 0 to 1"));
                    }
                    Ok(all) => {
                        let boost_max = table.boost_max;
                        let each = all.iter();
                        let new = each.map(|may| Form::new(at, *share, may, boost_max, &mut sets));
                        forms.extend(new);
                    }
                }
            }
        }
        Self {
            free_share: table.free_share,
            sets,
            forms,
        }
    }

    /// The reading with what is known of plates of its likely countries, its confidence by the
    /// manifest's rule. Each character's probabilities then add up to 1: how sure it is *which*
    /// one stands there. The countries stay as they are.
    #[must_use]
    pub fn weigh(&self, reading: &Reading, rule: ConfidenceRule) -> Reading {
        let plain: Vec<Character> = reading.characters.iter().map(normal).collect();
        // At each place, for each set, the probability of a symbol in it.
        let masses: Vec<Vec<f64>> = plain.iter().map(|c| self.masses(c)).collect();
        // And by how much the forms together speak for it.
        let mut spoken = vec![vec![0.0; self.sets.len()]; plain.len()];
        let mut total = self.free_share;
        for form in self.forms.iter().filter(|f| f.places.len() == plain.len()) {
            let country = reading.countries.get(form.country).copied().unwrap_or(0.0);
            let inside = form.places.iter().zip(&masses).map(|(set, of)| of[*set]);
            let weight = (1.0 - self.free_share)
                * f64::from(country)
                * form.weight
                * inside.product::<f64>();
            // NaN weighs nothing.
            if !(weight > WEIGHT_MIN && weight.is_finite()) {
                continue;
            }
            total += weight;
            for (place, set) in form.places.iter().enumerate() {
                spoken[place][*set] += weight / masses[place][*set];
            }
        }
        let mixed = plain.iter().zip(&spoken).map(|(character, spoken)| {
            let mut shares = [self.free_share; SYMBOLS];
            for (set, share) in self.sets.iter().zip(spoken).filter(|(_, s)| **s > 0.0) {
                for (to, _) in shares.iter_mut().zip(set).filter(|(_, may)| **may) {
                    *to += share;
                }
            }
            for (share, p) in shares.iter_mut().zip(character.0) {
                *share *= f64::from(p);
            }
            shares
        });
        let characters: Vec<Character> = mixed
            .map(|sums| Character(sums.map(|sum| narrow(sum / total))))
            .collect();
        Reading {
            confidence: confidence(&characters, rule).min(reading.whole),
            whole: reading.whole,
            characters,
            countries: reading.countries.clone(),
            rows: reading.rows,
        }
    }

    /// For each set the probability of a symbol in it.
    fn masses(&self, character: &Character) -> Vec<f64> {
        let mass = |set: &Set| {
            let inside = set.iter().zip(character.0).filter(|(may, _)| **may);
            inside.map(|(_, p)| f64::from(p)).sum()
        };
        self.sets.iter().map(mass).collect()
    }

    /// As [`Self::weigh`], for what many frames voted: where they doubted that a character is
    /// there at all, that doubt stays, and each character's probabilities add up to what they
    /// did.
    #[must_use]
    pub fn weigh_vote(&self, voted: &Reading, rule: ConfidenceRule) -> Reading {
        let mut weighed = self.weigh(voted, rule);
        for (to, from) in weighed.characters.iter_mut().zip(&voted.characters) {
            let mass = Confidence::saturating(from.0.iter().sum()).get();
            to.0 = to.0.map(|p| p * mass);
        }
        weighed.confidence = confidence(&weighed.characters, rule).min(voted.whole);
        weighed
    }
}

impl CountryTable {
    /// What a form as written allows at each place: once, or once for each code.
    fn forms_of(&self, signs: &str) -> Result<Vec<Vec<Set>>, String> {
        let known = |sign: char| "@$&#?%".contains(sign) || ALPHABET.contains(sign);
        if !signs.chars().all(known) {
            return Err("may hold `@`, `$`, `&`, `#`, `?`, `%`, capitals and digits".to_owned());
        }
        for (sign, empty) in [('$', self.serial.is_empty()), ('%', self.codes.is_empty())] {
            if empty && signs.contains(sign) {
                return Err(format!("holds a `{sign}`, which its country does not tell"));
            }
        }
        let all = if signs.contains('%') {
            let each = self.codes.iter();
            each.map(|code| signs.replace('%', code)).collect()
        } else {
            vec![signs.to_owned()]
        };
        if !all
            .iter()
            .all(|one| (1..=PLATE_CHARACTERS_MAX).contains(&one.len()))
        {
            return Err(format!("must have 1 to {PLATE_CHARACTERS_MAX} signs"));
        }
        let each = all.iter();
        Ok(each
            .map(|one| one.chars().map(|sign| self.allowed(sign)).collect())
            .collect())
    }

    /// Which symbols a form's sign stands for.
    fn allowed(&self, sign: char) -> Set {
        let mut out = [false; SYMBOLS];
        for (to, symbol) in out.iter_mut().zip(ALPHABET.chars()) {
            *to = match sign {
                '@' => self.letters.contains(symbol),
                '$' => self.serial.contains(symbol),
                '&' => symbol.is_ascii_uppercase(),
                '#' => symbol.is_ascii_digit(),
                '?' => symbol.is_ascii_digit() || self.letters.contains(symbol),
                itself => symbol == itself,
            };
        }
        out
    }
}

impl Form {
    /// Puts what it allows into `sets`, unless it is there already.
    fn new(country: usize, share: f64, may: &[Set], boost_max: f64, sets: &mut Vec<Set>) -> Self {
        let narrowed = may.iter().map(|set| {
            let count = set.iter().filter(|may| **may).count();
            f64::from(float(SYMBOLS)) / f64::from(float(count.max(1)))
        });
        let weight = share * narrowed.product::<f64>().min(boost_max);
        let place = |set: &Set| {
            let known = sets.iter().position(|known| known == set);
            known.unwrap_or_else(|| {
                sets.push(*set);
                sets.len() - 1
            })
        };
        Self {
            country,
            weight,
            places: may.iter().map(place).collect(),
        }
    }
}

/// The character with probabilities that add up to 1; what is no number counts as 0.
fn normal(character: &Character) -> Character {
    let clean = character
        .0
        .map(|p| if p.is_finite() { p.max(0.0) } else { 0.0 });
    let sum = clean.iter().sum::<f32>().max(MASS_MIN);
    Character(clean.map(|p| p / sum))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIN: ConfidenceRule = ConfidenceRule::Min;

    fn table() -> SyntaxTable {
        let italian = CountryTable {
            letters: "ABCDEFGHJKLMNPRSTVWXYZ".to_owned(),
            serial: String::new(),
            codes: Vec::new(),
            forms: vec![("@@###@@".to_owned(), 0.6274), ("EI@@###".to_owned(), 0.01)],
        };
        SyntaxTable {
            free_share: 0.5,
            boost_max: 20.0,
            countries: BTreeMap::from([("IT".to_owned(), italian)]),
        }
    }

    fn countries() -> Vec<String> {
        ["IT", "FR", "XX"].map(str::to_owned).to_vec()
    }

    fn syntax() -> Syntax {
        let mut faults = Vec::new();
        let syntax = Syntax::check(&table(), &countries(), &mut faults);
        assert!(faults.is_empty(), "{faults:?}");
        syntax
    }

    /// A reading of `text`, each character with probability `p`; where `other` differs, its
    /// symbol has the rest.
    fn doubtful(text: &str, other: &str, p: f32, countries: [f32; 3]) -> Reading {
        let class = |symbol: char| ALPHABET.find(symbol).unwrap();
        let one = |(a, b): (char, char)| {
            let mut out = [0.0; SYMBOLS];
            out[class(b)] = 1.0 - p;
            out[class(a)] = if a == b { 1.0 } else { p };
            Character(out)
        };
        let characters: Vec<Character> = text.chars().zip(other.chars()).map(one).collect();
        Reading {
            confidence: confidence(&characters, MIN),
            whole: Confidence::ONE,
            characters,
            countries: countries.to_vec(),
            rows: 1,
        }
    }

    const ITALIAN: [f32; 3] = [0.9, 0.05, 0.05];

    #[test]
    fn a_doubtful_s_between_digits_is_a_5_on_an_italian_plate() {
        let read = doubtful("AB1S3CD", "AB153CD", 0.6, ITALIAN);
        let weighed = syntax().weigh(&read, MIN);
        assert_eq!(weighed.text(), "AB153CD");
        assert!(
            weighed.confidence.get() > 0.8,
            "{}",
            weighed.confidence.get()
        );
        assert_eq!((&weighed.countries, weighed.rows), (&read.countries, 1));
    }

    #[test]
    fn the_figures_are_those_of_the_trainers_rule() {
        // `train.read.prior.weigh` of the same: one form, mass 0.4, boost 20.
        let read = doubtful("AB1S3CD", "AB153CD", 0.6, ITALIAN);
        let weighed = syntax().weigh(&read, MIN);
        let form = 0.5 * 0.9 * 0.6274 * 20.0 * 0.4;
        let wanted = (0.5 * 0.4 + form) / (0.5 + form);
        let five = weighed.characters[3].probability();
        assert!((f64::from(five) - wanted).abs() < 1e-5, "{five} {wanted}");
    }

    #[test]
    fn a_sure_text_of_no_form_stays_on_an_italian_plate() {
        for text in ["ABS23CD", "1234567", "S123456"] {
            let other = text.replace('S', "5");
            let weighed = syntax().weigh(&doubtful(text, &other, 0.99, ITALIAN), MIN);
            assert_eq!(weighed.text(), text);
            assert!(weighed.confidence.get() > 0.8, "{text}");
        }
    }

    #[test]
    fn a_code_that_was_issued_is_likelier_than_one_that_was_not() {
        let mut with_codes = table();
        let italian = with_codes.countries.get_mut("IT").unwrap();
        italian.codes = ["A", "G", "HX"].map(str::to_owned).to_vec();
        italian.serial = "CD".to_owned();
        italian.forms = vec![("%@###$$".to_owned(), 0.5), ("@@###@@".to_owned(), 0.1)];
        let mut faults = Vec::new();
        let syntax = Syntax::check(&with_codes, &countries(), &mut faults);
        assert!(faults.is_empty(), "{faults:?}");
        let first = |text, other, p| {
            let read = doubtful(text, other, p, ITALIAN);
            syntax.weigh(&read, MIN).text()
        };
        assert_eq!(first("SB123CD", "GB123CD", 0.6), "GB123CD");
        assert_eq!(first("SB123CD", "GB123CD", 0.95), "SB123CD", "a sure one");
        assert_eq!(first("GB123GD", "GB123CD", 0.6), "GB123CD", "its number");
        assert_eq!(first("SB123CD", "TB123CD", 0.6), "SB123CD", "neither");
        assert_eq!(first("HY123CDX", "HX123CDX", 0.6), "HY123CDX", "no form");
        assert_eq!(
            first("HYB123CD", "HXB123CD", 0.6),
            "HXB123CD",
            "two letters"
        );
    }

    #[test]
    fn without_a_country_or_a_form_of_its_length_nothing_changes_but_the_sum() {
        let foreign = doubtful("AB1S3CD", "AB153CD", 0.6, [0.0, 0.5, 0.5]);
        let short = doubtful("AB1S3", "AB153", 0.6, ITALIAN);
        for read in [foreign, short] {
            let weighed = syntax().weigh(&read, MIN);
            assert_eq!(weighed.text(), read.text());
            assert!((weighed.confidence.get() - 0.6).abs() < 1e-6);
        }
        let mut half = doubtful("AB123", "AB123", 1.0, ITALIAN);
        half.characters[2].0[27] = 0.5;
        half.characters[2].0[28] = 0.25;
        let weighed = syntax().weigh(&half, MIN);
        assert!((weighed.confidence.get() - 2.0 / 3.0).abs() < 1e-6);
    }

    #[test]
    fn a_vote_keeps_its_doubt_that_a_character_is_there() {
        let mut read = doubtful("AB1S3CD", "AB153CD", 0.6, ITALIAN);
        read.characters[6] = Character(read.characters[6].0.map(|p| p * 0.55));
        let weighed = syntax().weigh_vote(&read, MIN);
        assert_eq!(weighed.text(), "AB153CD");
        assert!((weighed.confidence.get() - 0.55).abs() < 0.01);
    }

    #[test]
    fn hostile_numbers_break_nothing() {
        for hostile in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 0.0, -3.0, 1e38] {
            for length in [0, 1, 7, 40] {
                let read = Reading {
                    characters: vec![Character([hostile; SYMBOLS]); length],
                    confidence: Confidence::ZERO,
                    whole: Confidence::ONE,
                    countries: vec![hostile; length.min(3)],
                    rows: 1,
                };
                for weighed in [syntax().weigh(&read, MIN), syntax().weigh_vote(&read, MIN)] {
                    assert_eq!(weighed.characters.len(), length);
                    let all = weighed.characters.iter().flat_map(|c| c.0);
                    assert!(
                        all.into_iter().all(|p| (0.0..=1.0).contains(&p)),
                        "{hostile}"
                    );
                }
            }
        }
    }

    #[test]
    fn what_does_not_fit_is_told_by_its_name() {
        let country = |letters: &str, signs: &str, share| CountryTable {
            letters: letters.to_owned(),
            serial: String::new(),
            codes: Vec::new(),
            forms: vec![(signs.to_owned(), share)],
        };
        for (code, entry, word) in [
            ("ZZ", country("AB", "@@#", 0.5), "syntax.countries.ZZ"),
            ("IT", country("", "##", 0.5), "IT.letters"),
            ("IT", country("AB", "@@@@@@@@@@@@@", 0.5), "signs"),
            ("IT", country("AB", "@@-##", 0.5), "@@-##"),
            ("IT", country("AB", "%@##", 0.5), "%"),
            ("IT", country("AB", "@$##", 0.5), "$"),
            ("IT", country("AB", "@@##", 1.5), "share"),
            ("IT", country("AB", "@@##", f64::NAN), "share"),
        ] {
            let mut wrong = table();
            wrong.countries = BTreeMap::from([(code.to_owned(), entry)]);
            let mut faults = Vec::new();
            let _ = Syntax::check(&wrong, &countries(), &mut faults);
            assert_eq!(faults.len(), 1, "{faults:?}");
            assert!(faults[0].contains(word), "{faults:?}");
        }
        let mut wrong = table();
        (wrong.free_share, wrong.boost_max) = (0.0, 0.5);
        let mut faults = Vec::new();
        let _ = Syntax::check(&wrong, &countries(), &mut faults);
        assert_eq!(faults.len(), 2, "{faults:?}");
    }
}
