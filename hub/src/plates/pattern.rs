//! What a person writes to find a plate: the text itself, or with `*` and `?`.

use thiserror::Error;
use varco_proto::letters::{Letter, letter};
use varco_proto::plate::{PLATE_CHARACTERS_MAX, fold, fold_byte};

use crate::plates::plate::Plate;

/// Longest pattern, in characters, wildcards included.
pub const PATTERN_CHARACTERS_MAX: usize = 24;

/// A plate, or a pattern for plates: A-Z, 0-9, `?` for one character, `*` for any number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlatePattern(String);

/// The text is no pattern. It does not repeat the text, which must not reach a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum PatternError {
    /// Nothing is left once separators are removed.
    #[error("give a plate, or a pattern with `*` (any characters) and `?` (one character)")]
    Empty,
    /// No plate is that long.
    #[error(
        "a plate has at most {PLATE_CHARACTERS_MAX} characters, a pattern {PATTERN_CHARACTERS_MAX}"
    )]
    TooLong,
    /// Neither a Latin letter, a digit, a wildcard nor a separator.
    #[error("a plate has letters A-Z and digits only, besides the wildcards `*` and `?`")]
    Character,
}

impl PlatePattern {
    /// Brings what a person typed to the normal form, as plates are: upper case, without separators
    /// and marks; runs of `*` as one.
    ///
    /// # Errors
    /// [`PatternError`].
    pub fn normalise(typed: &str) -> Result<Self, PatternError> {
        let mut text = String::new();
        for character in typed.chars() {
            match (character, letter(character)) {
                ('*', _) if text.ends_with('*') => {}
                ('*' | '?', _) => text.push(character),
                (_, Letter::Plate(plain)) => text.push_str(&plain),
                (_, Letter::Nothing) => {}
                (_, Letter::Foreign(_)) => return Err(PatternError::Character),
            }
        }
        let pattern = Self(text);
        if pattern.0.is_empty() {
            return Err(PatternError::Empty);
        }
        let singles = pattern.0.chars().filter(|c| *c != '*').count();
        if singles > PLATE_CHARACTERS_MAX || pattern.0.len() > PATTERN_CHARACTERS_MAX {
            return Err(PatternError::TooLong);
        }
        Ok(pattern)
    }

    /// The pattern.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The pattern with O as 0 and I as 1.
    #[must_use]
    pub fn folded(&self) -> String {
        self.0.chars().map(fold).collect()
    }

    /// Whether it names one plate.
    #[must_use]
    pub fn is_exact(&self) -> bool {
        !self.0.contains(['*', '?'])
    }

    /// Whether every plate fits.
    #[must_use]
    pub fn is_any(&self) -> bool {
        self.0 == "*"
    }

    /// Letters and digits in it.
    #[must_use]
    pub fn literal_characters(&self) -> usize {
        self.0.chars().filter(|c| !matches!(c, '*' | '?')).count()
    }
}

/// A pattern made ready to be held against many plates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Glob(Vec<u8>);

impl Glob {
    /// For folded plates.
    #[must_use]
    pub fn of(pattern: &PlatePattern) -> Self {
        Self(pattern.folded().into_bytes())
    }

    /// For plates as they were read.
    #[must_use]
    pub fn unfolded(pattern: &PlatePattern) -> Self {
        Self(pattern.as_str().as_bytes().to_vec())
    }

    /// The letters and digits that a plate must have, as [`letters_of`].
    #[must_use]
    pub fn letters(&self) -> u32 {
        letters_of(&self.0)
    }

    /// The first and the last plate that may fit, by what stands before the first wildcard.
    #[must_use]
    pub fn range(&self) -> (Plate, Plate) {
        let known = self
            .0
            .iter()
            .take_while(|byte| !matches!(byte, b'*' | b'?'));
        let (mut first, mut last) = (Plate::default(), [u8::MAX; PLATE_CHARACTERS_MAX]);
        for ((low, high), byte) in first.iter_mut().zip(&mut last).zip(known) {
            (*low, *high) = (*byte, *byte);
        }
        (first, last)
    }

    /// Whether a plate fits. The last `*` is stretched until the rest fits.
    #[must_use]
    pub fn fits(&self, plate: &Plate) -> bool {
        let length = plate.iter().position(|byte| *byte == 0);
        let text = plate.get(..length.unwrap_or(plate.len())).unwrap_or(plate);
        let (mut at, mut in_pattern) = (0, 0);
        let mut star: Option<(usize, usize)> = None;
        while let Some(byte) = text.get(at) {
            match self.0.get(in_pattern) {
                Some(b'*') => {
                    star = Some((in_pattern, at));
                    in_pattern += 1;
                }
                Some(wanted) if *wanted == b'?' || wanted == byte => {
                    at += 1;
                    in_pattern += 1;
                }
                _ => {
                    let Some((star_at, from)) = star else {
                        return false;
                    };
                    star = Some((star_at, from + 1));
                    at = from + 1;
                    in_pattern = star_at + 1;
                }
            }
        }
        let rest = self.0.get(in_pattern..).unwrap_or_default();
        rest.iter().all(|byte| *byte == b'*')
    }
}

/// A mark for each letter and digit in a text, O as 0 and I as 1; wildcards and zeros have none.
///
/// A plate that fits a pattern has all marks of the pattern. So that half as much memory is gone through, W has
/// the mark of Q and X that of U, which Italian plates do not use.
#[must_use]
pub fn letters_of(text: &[u8]) -> u32 {
    text.iter().fold(0, |marks, byte| match fold_byte(*byte) {
        digit @ b'0'..=b'9' => marks | 1 << (digit - b'0'),
        b'W' => marks | 1 << (b'Q' - b'A' + 10),
        b'X' => marks | 1 << (b'U' - b'A' + 10),
        // The places of I and O, which are folded, are free.
        b'Y' => marks | 1 << (b'I' - b'A' + 10),
        b'Z' => marks | 1 << (b'O' - b'A' + 10),
        letter @ b'A'..=b'V' => marks | 1 << (letter - b'A' + 10),
        _ => marks,
    })
}

#[cfg(test)]
mod tests {
    use crate::plates::pattern::*;

    #[test]
    fn what_a_person_types_becomes_a_pattern() {
        let pattern = PlatePattern::normalise(" ab-1**? cd ").unwrap();
        assert_eq!(pattern.as_str(), "AB1*?CD");
        assert_eq!(pattern.literal_characters(), 5);
        assert!(!pattern.is_exact());
        assert!(PlatePattern::normalise("ab 123 cd").unwrap().is_exact());
        assert!(PlatePattern::normalise("**").unwrap().is_any());
        let marked = PlatePattern::normalise("gö * 12").unwrap();
        assert_eq!(marked.as_str(), "GO*12", "without marks, as plates are");
    }

    #[test]
    fn what_glob_knows_beyond_wildcards_is_refused() {
        for bad in ["AB[0-9]", "AB%", "Ж1", "AB'"] {
            assert_eq!(PlatePattern::normalise(bad), Err(PatternError::Character));
        }
        assert_eq!(PlatePattern::normalise("- "), Err(PatternError::Empty));
        let long = PlatePattern::normalise("ABCDEFGHIJKLM");
        assert_eq!(long, Err(PatternError::TooLong));
    }
}
