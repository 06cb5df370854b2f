//! Any text in the characters of plates: A-Z and 0-9.
//!
//! Plates are searched without marks, as most readers give them: Ü is U and not UE. Full-width
//! letters, letters with marks and letters of other scripts that look like a Latin one are folded;
//! what has no Latin counterpart is named, never guessed.

use unicode_normalization::UnicodeNormalization as _;
use unicode_normalization::char::is_combining_mark;

/// What a text says in the characters of plates.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PlateLetters {
    /// A-Z and 0-9, without separators and without what is foreign.
    pub text: String,
    /// Whether a letter is written otherwise than it came: keep the original beside it. Case,
    /// separators and invisible characters do not count.
    pub changed: bool,
    /// Characters that are no separator and have no Latin counterpart, in their order.
    pub foreign: Vec<char>,
}

/// One character of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Letter {
    /// Stands for these plate characters, mostly one.
    Plate(String),
    /// Between plate characters, or invisible: left out.
    Nothing,
    /// No plate character looks or sounds like it.
    Foreign(char),
}

/// Letters that do not decompose, in upper case, and how plates and registers write them.
const LATIN: [(char, &str); 20] = [
    ('Æ', "AE"),
    ('Œ', "OE"),
    ('Ĳ', "IJ"),
    ('ẞ', "SS"),
    ('Þ', "TH"),
    ('Ø', "O"),
    ('Đ', "D"),
    ('Ð', "D"),
    ('Ɖ', "D"),
    ('Ł', "L"),
    ('Ħ', "H"),
    ('Ŧ', "T"),
    ('Ŋ', "N"),
    ('Ɨ', "I"),
    ('Ə', "E"),
    ('Ƶ', "Z"),
    ('Ɓ', "B"),
    ('Ɗ', "D"),
    ('Ƙ', "K"),
    ('Ƴ', "Y"),
];

/// Greek and Cyrillic capitals that look like a Latin one, as the Vienna Convention's states
/// choose the letters of their plates.
const LOOK_ALIKE: [(&str, &str); 2] = [
    ("ΑΒΕΖΗΙΚΜΝΟΡΤΥΧ", "ABEZHIKMNOPTYX"),
    ("АВЕКМНОРСТУХЅІЈԚԜҮ", "ABEKMHOPCTYXSIJQWY"),
];

/// Brings a text to plate characters, and says what it could not bring there.
#[must_use]
pub fn plate_letters(typed: &str) -> PlateLetters {
    let mut letters = PlateLetters::default();
    for character in typed.chars() {
        match letter(character) {
            Letter::Nothing => letters.changed |= is_combining_mark(character),
            Letter::Foreign(foreign) => letters.foreign.push(foreign),
            Letter::Plate(plain) => {
                letters.changed |= !character.is_ascii();
                letters.text.push_str(&plain);
            }
        }
    }
    letters
}

/// What one character stands for.
#[must_use]
pub fn letter(character: char) -> Letter {
    if character.is_ascii_alphanumeric() {
        return Letter::Plate(character.to_ascii_uppercase().to_string());
    }
    if is_separator(character) || is_invisible(character) {
        return Letter::Nothing;
    }
    let mut plain = String::new();
    for part in decomposed(character) {
        if is_combining_mark(part) {
            continue;
        }
        match plain_of(part) {
            Some(text) => plain.push_str(&text),
            None => return Letter::Foreign(character),
        }
    }
    if plain.is_empty() {
        return Letter::Nothing;
    }
    Letter::Plate(plain)
}

/// Whether plates or people put this between characters.
#[must_use]
pub fn is_separator(character: char) -> bool {
    character.is_whitespace()
        || matches!(
            character,
            '-' | '.' | '·' | '•' | '_' | '/' | '−' | '\u{2010}'..='\u{2015}'
        )
}

/// In upper case and without what was composed. Compatible forms count only where they are letters
/// and digits in another shape; `№`, `™` and `²` are signs.
fn decomposed(character: char) -> Vec<char> {
    let shaped = matches!(character,
        '\u{ff00}'..='\u{ffef}' | '\u{1d400}'..='\u{1d7ff}' | '\u{2160}'..='\u{217f}'
        | '\u{fb00}'..='\u{fb06}' | '\u{13f}'..='\u{140}');
    let one = std::iter::once(character);
    let parts: Vec<char> = if shaped {
        one.nfkd().collect()
    } else {
        one.nfd().collect()
    };
    let upper = parts.into_iter().flat_map(char::to_uppercase);
    upper.nfd().collect()
}

fn plain_of(part: char) -> Option<String> {
    if part.is_ascii_alphanumeric() {
        return Some(part.to_string());
    }
    if is_separator(part) {
        return Some(String::new());
    }
    if let Some((_, plain)) = LATIN.iter().find(|(letter, _)| *letter == part) {
        return Some((*plain).to_owned());
    }
    let alike = LOOK_ALIKE.iter().find_map(|(foreign, latin)| {
        let at = foreign.chars().position(|letter| letter == part)?;
        latin.chars().nth(at)
    });
    alike
        .or_else(|| arabic_digit(part))
        .map(|plain| plain.to_string())
}

/// The digits that stand beside Latin ones on plates of Arabic and Persian script.
fn arabic_digit(character: char) -> Option<char> {
    let code = u32::from(character);
    let value = match code {
        0x660..=0x669 => code - 0x660,
        0x6f0..=0x6f9 => code - 0x6f0,
        _ => return None,
    };
    char::from_digit(value, 10)
}

/// What no page shows and copying brings along: soft hyphens, joiners, marks of direction, byte
/// order marks, and marks that stand behind their letter.
fn is_invisible(character: char) -> bool {
    is_combining_mark(character)
        || matches!(character,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}'
            | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
            | '\u{fe00}'..='\u{fe0f}' | '\u{e0000}'..='\u{e01ef}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(typed: &str) -> String {
        let letters = plate_letters(typed);
        assert_eq!(letters.foreign, [], "{typed}");
        letters.text
    }

    #[test]
    fn letters_with_marks_are_searched_without_them() {
        for (typed, plain) in [
            ("GÖ AB 123", "GOAB123"),
            ("tü·xy 9", "TUXY9"),
            ("ŁÓDŐ1", "LODO1"),
            ("Éšžçñåİıģ", "ESZCNAIIG"),
            ("O\u{308}1", "O1"),
            ("øÆßđŒ", "OAESSDOE"),
        ] {
            assert_eq!(text(typed), plain);
            assert!(plate_letters(typed).changed, "{typed}");
        }
        assert!(!plate_letters("ab-123 cd").changed);
    }

    #[test]
    fn what_looks_latin_is_latin_and_the_rest_is_named() {
        assert_eq!(text("ЕКХ1234"), "EKX1234", "Cyrillic");
        assert_eq!(text("ΑΒΕ1234"), "ABE1234", "Greek");
        assert_eq!(text("аве ё"), "ABEE", "small Cyrillic");
        assert_eq!(text("ＡＢ１２３"), "AB123", "full width");
        assert_eq!(text("𝐀𝟏Ⅳ"), "A1IV", "other shapes");
        assert_eq!(text("١٢٣۴"), "1234", "Arabic and Persian digits");
        let letters = plate_letters("ЖA京1№²*");
        assert_eq!(letters.text, "A1");
        assert_eq!(letters.foreign, ['Ж', '京', '№', '²', '*']);
    }

    #[test]
    fn what_cannot_be_seen_says_nothing() {
        let typed = "\u{feff}AB\u{ad}123\u{200b}\u{200e}\u{a0}C\u{202f}D\u{2011}\u{2066}E\u{fe0f}";
        assert_eq!(text(typed), "AB123CDE");
        assert_eq!(
            plate_letters("AB\0").foreign,
            ['\0'],
            "no page hides a NUL: whoever sent it says what it is"
        );
    }

    #[test]
    fn every_character_is_brought_to_plate_characters_or_named() {
        for character in '\0'..=char::MAX {
            match letter(character) {
                Letter::Plate(plain) => assert!(
                    !plain.is_empty()
                        && plain
                            .bytes()
                            .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit()),
                    "{character:?} {plain}"
                ),
                Letter::Foreign(foreign) => assert_eq!(foreign, character),
                Letter::Nothing => {}
            }
        }
    }
}
