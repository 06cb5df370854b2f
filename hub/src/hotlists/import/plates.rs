//! The plates of a cell: mostly one, sometimes a tractor's and its trailer's.

use varco_proto::letters::plate_letters;
use varco_proto::plate::PlateText;
use varco_proto::syntax::fits;

use super::countries::country;

/// Most plates of one cell.
const PLATES_MAX: usize = 4;
/// Longest text kept beside a plate that was folded, in characters.
const ORIGINAL_CHARACTERS_MAX: usize = 24;
/// Fewest characters of a plate that stands beside another in one cell.
const BESIDE_MIN: usize = 5;
/// No group of a plate's letters is as long.
const WORD_MIN: usize = 4;
/// What people write where they know no plate.
const NO_PLATE: [&str; 16] = [
    "na",
    "nd",
    "nn",
    "none",
    "null",
    "unknown",
    "sconosciuta",
    "sconosciuto",
    "nessuna",
    "nessuno",
    "ignota",
    "nontargato",
    "senzatarga",
    "noplate",
    "assente",
    "xxx",
];

/// A plate as listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Named {
    /// Normal form.
    pub(super) plate: PlateText,
    /// As it was written, where letters were folded.
    pub(super) original: Option<String>,
}

/// The plates of a cell; none where it says that there is none.
///
/// # Errors
/// Why the cell is no plate, without the cell.
pub(super) fn plates_of(cell: &str) -> Result<Vec<Named>, String> {
    let plain = super::headings::plain(cell);
    if plain.is_empty() && plate_letters(cell).foreign.is_empty() {
        return Ok(Vec::new());
    }
    if NO_PLATE.contains(&plain.as_str()) {
        return Ok(Vec::new());
    }
    let apart = parts(cell, |c| {
        matches!(
            c,
            '/' | ',' | ';' | '+' | '&' | '|' | '\n' | '-' | '–' | '—' | '_'
        )
    });
    if apart.len() > 1 && apart.iter().all(|part| stands_alone(part)) {
        return several(&apart);
    }
    let words: Vec<&str> = parts(cell, char::is_whitespace);
    if words.len() > 1 && words.iter().all(|part| stands_alone(part)) {
        return several(&words);
    }
    match named(cell) {
        Ok(one) => Ok(vec![one]),
        Err(why) => two_in_words(&words).ok_or(why),
    }
}

fn parts(cell: &str, between: impl Fn(char) -> bool) -> Vec<&str> {
    let parts = cell.split(between).map(str::trim);
    parts.filter(|part| !part.is_empty()).collect()
}

fn several(parts: &[&str]) -> Result<Vec<Named>, String> {
    if parts.len() > PLATES_MAX {
        return Err(format!("more than {PLATES_MAX} plates stand in one cell"));
    }
    parts.iter().map(|part| named(part)).collect()
}

fn named(text: &str) -> Result<Named, String> {
    let plate = PlateText::normalise(text).map_err(|error| error.to_string())?;
    if let Some(why) = stranger(text, &plate) {
        return Err(why.to_owned());
    }
    let changed = plate_letters(text).changed;
    let original = text.trim().chars().filter(|c| !c.is_control());
    Ok(Named {
        plate,
        original: changed.then(|| original.take(ORIGINAL_CHARACTERS_MAX).collect()),
    })
}

/// What stands beside the plate and would become a part of it: a word, or the country's sign.
fn stranger(text: &str, plate: &PlateText) -> Option<&'static str> {
    let words: Vec<&str> = parts(text, |c| c.is_whitespace() || c == '-');
    let (first, rest) = words.split_first().filter(|(_, rest)| !rest.is_empty())?;
    let is_word =
        |word: &&str| word.chars().count() >= WORD_MIN && word.chars().all(char::is_alphabetic);
    if words.iter().any(is_word) {
        return Some("a word stands beside the plate: give it a column of its own");
    }
    let country = country(first)?;
    let bare = PlateText::normalise(&rest.concat()).ok()?;
    let before = fits(plate).is_empty() && fits(&bare).contains(&country);
    before.then_some("the country stands before the plate: give it a column of its own")
}

/// Whether a part of a cell is a plate by itself: letters and digits, and enough of them.
fn stands_alone(part: &str) -> bool {
    let letters = plate_letters(part);
    letters.foreign.is_empty() && letters.text.len() >= BESIDE_MIN && is_mixed(&letters.text)
}

/// `AB 123 CD XA 123 YZ`: where one place alone leaves a known shape on both sides.
fn two_in_words(words: &[&str]) -> Option<Vec<Named>> {
    let shaped = |words: &[&str]| {
        let one = named(&words.concat()).ok()?;
        (!fits(&one.plate).is_empty()).then_some(one)
    };
    let mut found = (1..words.len()).filter_map(|at| {
        let (first, second) = words.split_at(at);
        Some(vec![shaped(first)?, shaped(second)?])
    });
    let one = found.next()?;
    found.next().is_none().then_some(one)
}

fn is_mixed(text: &str) -> bool {
    text.bytes().any(|b| b.is_ascii_digit()) && text.bytes().any(|b| b.is_ascii_uppercase())
}

/// Whether a cell by itself looks like a plate and like nothing else.
pub(super) fn is_plate_like(cell: &str) -> bool {
    let letters = plate_letters(cell);
    let plain = (4..=10).contains(&letters.text.len()) && letters.foreign.is_empty();
    plain && is_mixed(&letters.text) && super::dates::begin(cell, None).is_err()
}

/// Whether a cell is a plate of a known shape, and no number of a file or a date.
pub(super) fn is_whole_plate(cell: &str) -> bool {
    let known = |plate: &PlateText| !fits(plate).is_empty();
    let plate = PlateText::normalise(cell).ok().filter(known);
    plate.is_some() && is_plate_like(cell) && !cell.contains(['/', '.'])
}

/// Whether a text has a digit, without which it is a word and no plate.
pub(super) fn has_digit(text: &str) -> bool {
    plate_letters(text).text.bytes().any(|b| b.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(cell: &str) -> Vec<String> {
        let plates = plates_of(cell).unwrap();
        plates.iter().map(|one| one.plate.to_string()).collect()
    }

    #[test]
    fn two_plates_in_a_cell_are_two() {
        for (cell, plates) in [
            ("AB123CD AB124CD", vec!["AB123CD", "AB124CD"]),
            ("AB123CD/AB124", vec!["AB123CD", "AB124"]),
            ("AB 123 CD / XA 123 YZ", vec!["AB123CD", "XA123YZ"]),
            ("AB 123 CD XA 123 YZ", vec!["AB123CD", "XA123YZ"]),
            ("AB123CD + XA123YZ", vec!["AB123CD", "XA123YZ"]),
            ("AB123CD-AB124CD", vec!["AB123CD", "AB124CD"]),
        ] {
            assert_eq!(texts(cell), plates, "{cell}");
        }
    }

    #[test]
    fn one_plate_in_groups_is_one() {
        for (cell, plate) in [
            ("B AB 1234", "BAB1234"),
            ("AB 123 CD", "AB123CD"),
            ("34A-368.37", "34A36837"),
            ("12-AB-34", "12AB34"),
            ("A123BC 77", "A123BC77"),
            ("AB12 CDE", "AB12CDE"),
            ("ZG/1234/AB", "ZG1234AB"),
        ] {
            assert_eq!(texts(cell), [plate]);
        }
        for berlin in ["D AB 1234", "M-AB 1234"] {
            assert_eq!(texts(berlin).len(), 1, "{berlin}");
        }
        let marked = plates_of("GÖ AB 123").unwrap();
        assert_eq!(marked[0].original.as_deref(), Some("GÖ AB 123"));
        assert_eq!(plates_of("AB123CD").unwrap()[0].original, None);
    }

    #[test]
    fn what_is_no_plate_says_why_and_not_what() {
        for none in ["-", "N/A", "n.d.", "sconosciuta", ""] {
            assert_eq!(plates_of(none), Ok(Vec::new()), "{none}");
        }
        for stranger in [
            "AB123CD furto",
            "furto AB123CD",
            "IT AB123CD",
            "I-AB 123 CD",
        ] {
            let why = plates_of(stranger).unwrap_err();
            assert!(why.contains("column of its own"), "{stranger}: {why}");
        }
        for wrong in ["AB*", "Ж1", "ABCDEFGHIJKLM", "Totale: 12"] {
            let why = plates_of(wrong).unwrap_err();
            assert!(!why.contains(wrong), "{why}");
        }
        assert!(is_plate_like("AB 123 CD") && !is_plate_like("31 dic 2026"));
    }
}
