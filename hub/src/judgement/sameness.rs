//! When two plates, or two references, are one to the rule.

use varco_proto::plate::fold;

use crate::plates::plate::{folded, plate_of, text_of};

/// Letters that readers take for one another, each class under its first. Wider than what one search finds as
/// misread, so that nobody searches for one plate under several spellings: two Italian plates drawn by
/// chance share a class about once in 300,000.
const CLASSES: [&str; 10] = [
    "0DQCG683B",
    "1LT7J",
    "2Z",
    "4A",
    "5S",
    "9P",
    "MNWH",
    "VYU",
    "EF",
    "KXR",
];

/// A plate, or a pattern, with each letter as the first of its class.
pub(super) fn class_of(text: &str) -> String {
    text.chars().map(fold).map(first_of_class).collect()
}

fn first_of_class(letter: char) -> char {
    let mut classes = CLASSES.iter().filter(|class| class.contains(letter));
    let class = classes.next().and_then(|class| class.chars().next());
    class.unwrap_or(letter)
}

/// A plate as the search sees it: O as 0 and I as 1.
pub(super) fn plain(text: &str) -> String {
    text_of(&folded(&plate_of(text)))
}

/// A reference without what people write differently: `PG 12/2026` and `pg 12-2026` are one.
pub(super) fn plain_reference(written: &str) -> String {
    let letters = written.chars().filter(|letter| letter.is_alphanumeric());
    let plain: String = letters.flat_map(char::to_uppercase).collect();
    match plain.is_empty() {
        true => written.trim().to_owned(),
        false => plain,
    }
}

/// The plates that stand one number before and after: `AB123CD` has `AB122CD` and `AB124CD`. None where there
/// is no number, or nothing before or after it.
pub(super) fn next_to(text: &str) -> Vec<String> {
    let digits: Vec<usize> = text
        .char_indices()
        .filter(|(_, letter)| letter.is_ascii_digit())
        .map(|(at, _)| at)
        .collect();
    let (Some(first), Some(last)) = (digits.first().copied(), digits.last().copied()) else {
        return Vec::new();
    };
    let (Some(before), Some(number), Some(after)) = (
        text.get(..first),
        text.get(first..=last),
        text.get(last + 1..),
    ) else {
        return Vec::new();
    };
    let Ok(value) = number.parse::<u64>() else {
        return Vec::new(); // Digits in two places are no number that goes up.
    };
    let width = number.len();
    let beside = [value.checked_sub(1), value.checked_add(1)];
    let texts = beside
        .into_iter()
        .flatten()
        .map(|value| format!("{value:0width$}"));
    texts
        .filter(|text| text.len() == width)
        .map(|number| format!("{before}{number}{after}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_misread_or_folded_is_one_plate() {
        for other in ["A8123CD", "AB123CO", "4B123CD", "ABI23CD", "A8I2BCQ"] {
            assert_eq!(class_of("AB123CD"), class_of(other), "{other}");
        }
        for other in ["AB124CD", "AX123CD", "AB12CD", "ZZ999ZZ"] {
            assert_ne!(class_of("AB123CD"), class_of(other), "{other}");
        }
        assert_eq!(plain("AOI23CD"), "A0123CD");
    }

    #[test]
    fn a_reference_is_one_however_it_is_written() {
        assert_eq!(
            plain_reference("PG 12/2026"),
            plain_reference("pg-12.2026 ")
        );
        assert_ne!(plain_reference("PG 12/2026"), plain_reference("PG 13/2026"));
        assert_eq!(plain_reference("///"), "///");
    }

    #[test]
    fn plates_stand_next_to_each_other_by_their_number() {
        assert_eq!(next_to("AB123CD"), ["AB122CD", "AB124CD"]);
        assert_eq!(next_to("AB000CD"), ["AB001CD"]);
        assert_eq!(next_to("AB999CD"), ["AB998CD"]);
        assert_eq!(next_to("ABCD"), Vec::<String>::new());
        assert_eq!(next_to("1AB2"), Vec::<String>::new());
    }
}
