//! Marks: what stands for a plate, a reference or a person and tells none of them without the hub's key.

use varco_proto::cipher::Key;

use super::rule::Mark;
use super::sameness::{class_of, next_to, plain, plain_reference};
use crate::plates::pattern::PlatePattern;
use crate::plates::plate::{Plate, text_of};
use crate::store::tokens::Tokens;

const PLATE: u8 = 1;
const EXACT: u8 = 2;
const REFERENCE: u8 = 3;
const PERSON: u8 = 4;
const WIDE: u8 = 5;

/// Makes marks.
#[derive(Debug)]
pub struct SearchMarks(Tokens);

/// The two marks of a plate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlateMarks {
    /// Of all plates that may be misread for it: they are one to the rule.
    pub plate: Mark,
    /// Of itself; of a pattern, of its text.
    pub exact: Mark,
}

impl SearchMarks {
    /// Under a key of the hub's.
    #[must_use]
    pub fn under(key: &Key) -> Self {
        Self(Tokens::of(key))
    }

    /// Of a plate, or of a pattern that is about one.
    #[must_use]
    pub fn pattern(&self, pattern: &PlatePattern) -> PlateMarks {
        self.text(pattern.as_str())
    }

    /// Of a plate that an answer shows.
    #[must_use]
    pub fn shown(&self, plate: &Plate) -> PlateMarks {
        self.text(&text_of(plate))
    }

    fn text(&self, text: &str) -> PlateMarks {
        PlateMarks {
            plate: self.0.token(PLATE, class_of(text).as_bytes()),
            exact: self.exact(text),
        }
    }

    fn exact(&self, text: &str) -> Mark {
        // A pattern is longer than a plate may be.
        let whole = match text.contains(['*', '?']) {
            true => text.to_owned(),
            false => plain(text),
        };
        self.0.token(EXACT, whole.as_bytes())
    }

    /// Of the plates one number before and after.
    #[must_use]
    pub fn next_to(&self, pattern: &PlatePattern) -> Vec<Mark> {
        if !pattern.is_exact() {
            return Vec::new();
        }
        let beside = next_to(&plain(pattern.as_str()));
        beside.iter().map(|text| self.exact(text)).collect()
    }

    /// Of a wide question, by what is asked and where.
    #[must_use]
    pub fn wide(&self, asked: &str) -> Mark {
        self.0.token(WIDE, asked.as_bytes())
    }

    /// Of a case's reference, however it is written.
    #[must_use]
    pub fn reference(&self, written: &str) -> Mark {
        self.0.token(REFERENCE, plain_reference(written).as_bytes())
    }

    /// Of an actor, by its id.
    #[must_use]
    pub fn person(&self, id: &str) -> Mark {
        self.0.token(PERSON, id.as_bytes())
    }
}

/// Whether two references are one.
#[must_use]
pub fn is_same_reference(one: &str, other: &str) -> bool {
    plain_reference(one) == plain_reference(other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_of_a_plate_however_it_is_read_and_tells_nothing_without_the_key() {
        let (key, other) = (Key::random().unwrap(), Key::random().unwrap());
        let marks = SearchMarks::under(&key);
        let of = |marks: &SearchMarks, text: &str| {
            marks.pattern(&PlatePattern::normalise(text).unwrap())
        };
        let (one, misread) = (of(&marks, "ab 123 cd"), of(&marks, "A8123CD"));
        assert_eq!(one.plate, misread.plate);
        assert_ne!(one.exact, misread.exact);
        assert_eq!(one, of(&marks, "AB123CD"));
        assert_ne!(one, of(&SearchMarks::under(&other), "AB123CD"));
        assert_ne!(of(&marks, "AB123C*").plate, one.plate);
        let next = marks.next_to(&PlatePattern::normalise("AB122CD").unwrap());
        assert!(next.contains(&one.exact));
        assert_eq!(marks.reference("PG 1/26"), marks.reference("pg 1-26"));
        assert_ne!(marks.person("a1"), marks.person("a2"));
    }
}
