//! What a person writes to find a plate: the text itself, or with `*` and `?`.

use thiserror::Error;
use varco_proto::plate::{PLATE_CHARACTERS_MAX, fold, is_separator};

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
    /// Brings what a person typed to the normal form: upper case, without separators, runs of
    /// `*` as one.
    ///
    /// # Errors
    /// [`PatternError`].
    pub fn normalise(typed: &str) -> Result<Self, PatternError> {
        let mut text = String::new();
        for character in typed.chars() {
            match character.to_ascii_uppercase() {
                '*' if text.ends_with('*') => {}
                c @ ('A'..='Z' | '0'..='9' | '*' | '?') => text.push(c),
                c if is_separator(c) => {}
                _ => return Err(PatternError::Character),
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

    /// The pattern; also a GLOB, because it holds nothing else that GLOB knows.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_person_types_becomes_a_pattern() {
        let pattern = PlatePattern::normalise(" ab-1**? cd ").unwrap();
        assert_eq!(pattern.as_str(), "AB1*?CD");
        assert_eq!(pattern.literal_characters(), 5);
        assert!(!pattern.is_exact());
        assert!(PlatePattern::normalise("ab 123 cd").unwrap().is_exact());
        assert!(PlatePattern::normalise("**").unwrap().is_any());
    }

    #[test]
    fn what_glob_knows_beyond_wildcards_is_refused() {
        for bad in ["AB[0-9]", "AB%", "А1", "AB'"] {
            assert_eq!(PlatePattern::normalise(bad), Err(PatternError::Character));
        }
        assert_eq!(PlatePattern::normalise("- "), Err(PatternError::Empty));
        let long = PlatePattern::normalise("ABCDEFGHIJKLM");
        assert_eq!(long, Err(PatternError::TooLong));
    }
}
