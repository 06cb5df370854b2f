//! What one look at a plate has that another left out.

use crate::core::manifest::Wider;
use crate::core::read::{Reading, symbol_at};

/// The least probability among the characters that a reading has more than `text`; none unless it
/// has all of the text's in their order, and some more: fewer than the text has, and at most as
/// many as the rules allow.
pub(super) fn added(text: &str, reading: &Reading, rules: &Wider) -> Option<f32> {
    let mut rest = text.chars().peekable();
    let (mut added, mut least) = (0, 1.0_f32);
    for character in &reading.characters {
        if rest.next_if_eq(&symbol_at(character.best())).is_none() {
            added += 1;
            least = least.min(character.probability());
        }
    }
    let few = (1..=rules.added_max).contains(&added) && added < text.len();
    (few && rest.peek().is_none()).then_some(least)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::manifest::{Manifest, tests::TEXT};
    use crate::core::read::tests::reading;

    #[test]
    fn a_text_may_lack_characters_anywhere_but_few() {
        let rules = Manifest::parse(TEXT).unwrap().recogniser.wider;
        let sure = |text: &str, seen: &str| added(text, &reading(seen, 0.9), &rules).is_some();
        assert!(sure("B123CD", "AB123CD"));
        assert!(sure("AB123C", "AB123CD"));
        assert!(sure("AB23CD", "AB123CD"), "the lower row's first");
        assert!(sure("123CD", "AB123CD"));
        assert!(!sure("AB123CD", "AB123CD"), "the same");
        assert!(!sure("AB123CD", "AB128CDE"), "another character");
        assert!(!sure("AB1234", "AB1234567X"), "too many more");
        assert!(!sure("AB", "AB12"), "as many more as it has");
        assert!(!sure("", "A"));
        let least = added("B123CD", &reading("AB123CD", 0.8), &rules).unwrap();
        assert!((least - 0.8).abs() < 1e-6);
    }
}
