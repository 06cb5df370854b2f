//! The normal form of a plate's text.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::letters::plate_letters;

/// Longest plate taken, in characters. The longest in Europe have nine; the rest is room for
/// diplomatic and foreign ones.
pub const PLATE_CHARACTERS_MAX: usize = 12;

/// Plate text in normal form: 1 to 12 of A-Z and 0-9, no separators.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PlateText(String);

/// The text is no plate. It does not repeat the text, which must not reach a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum PlateError {
    /// Nothing is left once separators are removed.
    #[error("a plate has at least one letter or digit")]
    Empty,
    /// More than 12 characters.
    #[error("a plate has at most {PLATE_CHARACTERS_MAX} letters and digits, this has {0}")]
    TooLong(usize),
    /// Neither a letter that folds to a Latin one, a digit nor a separator.
    #[error("a plate has letters A-Z and digits only, not U+{:04X}", *.0 as u32)]
    Character(char),
}

impl PlateText {
    /// Brings what a person or a camera wrote to the normal form: upper case, without spaces, dots,
    /// hyphens and other separators that plates show; letters with marks and letters that look like
    /// a Latin one as that. [`plate_letters`] says whether a letter was changed.
    ///
    /// # Errors
    /// [`PlateError`] when something else is in it, or too much, or nothing.
    pub fn normalise(typed: &str) -> Result<Self, PlateError> {
        let letters = plate_letters(typed);
        if let Some(foreign) = letters.foreign.first() {
            return Err(PlateError::Character(*foreign));
        }
        match letters.text.len() {
            0 => Err(PlateError::Empty),
            1..=PLATE_CHARACTERS_MAX => Ok(Self(letters.text)),
            n => Err(PlateError::TooLong(n)),
        }
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The text with O written as 0 and I as 1, which most plate fonts do not tell apart.
    #[must_use]
    pub fn folded(&self) -> String {
        self.0.chars().map(fold).collect()
    }
}

/// O as 0 and I as 1; anything else as it is.
#[must_use]
pub fn fold(character: char) -> char {
    u8::try_from(character).map_or(character, |byte| char::from(fold_byte(byte)))
}

/// The same of a byte of ASCII.
#[must_use]
pub fn fold_byte(byte: u8) -> u8 {
    match byte {
        b'O' => b'0',
        b'I' => b'1',
        byte => byte,
    }
}

impl TryFrom<String> for PlateText {
    type Error = PlateError;
    fn try_from(text: String) -> Result<Self, PlateError> {
        text.parse()
    }
}

impl FromStr for PlateText {
    type Err = PlateError;
    /// Takes the normal form only; use [`PlateText::normalise`] for what a person typed.
    fn from_str(text: &str) -> Result<Self, PlateError> {
        match text.chars().find(|c| !matches!(c, 'A'..='Z' | '0'..='9')) {
            Some(c) => Err(PlateError::Character(c)),
            None => Self::normalise(text),
        }
    }
}

impl From<PlateText> for String {
    fn from(value: PlateText) -> Self {
        value.0
    }
}

impl fmt::Display for PlateText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_person_types_becomes_the_normal_form() {
        assert_eq!(
            PlateText::normalise(" ab-123 cd ").unwrap().as_str(),
            "AB123CD"
        );
        assert_eq!(
            PlateText::normalise("34A-368.37").unwrap().as_str(),
            "34A36837"
        );
        assert_eq!(PlateText::normalise("- ."), Err(PlateError::Empty));
        assert_eq!(PlateText::normalise("AB*"), Err(PlateError::Character('*')));
        assert_eq!(
            PlateText::normalise("ЖВ123"),
            Err(PlateError::Character('Ж')),
            "no Latin letter looks like it"
        );
        assert_eq!(PlateText::normalise("gö ав 1").unwrap().as_str(), "GOAB1");
        assert_eq!(
            PlateText::normalise("ABCDEFGHIJKLM"),
            Err(PlateError::TooLong(13))
        );
    }

    #[test]
    fn the_wire_takes_the_normal_form_only() {
        assert!("ab123cd".parse::<PlateText>().is_err());
        assert!("AB 123".parse::<PlateText>().is_err());
        assert_eq!(
            "AB123CD".parse::<PlateText>().unwrap().to_string(),
            "AB123CD"
        );
    }

    #[test]
    fn folding_joins_what_fonts_do_not_tell_apart() {
        assert_eq!("IO10A".parse::<PlateText>().unwrap().folded(), "1010A");
    }
}
