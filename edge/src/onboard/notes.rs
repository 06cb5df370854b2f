//! What of a message could not be used as it came.

use std::fmt;

/// A field that a reading goes without, or that was changed to be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeftOut {
    /// Its name in the message.
    pub field: &'static str,
    /// Why, in words that repeat nothing of it.
    pub why: &'static str,
}

impl fmt::Display for LeftOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`: {}", self.field, self.why)
    }
}

/// Collects what is left out of one reading.
#[derive(Debug, Clone, Default)]
pub(super) struct Notes(Vec<LeftOut>);

impl Notes {
    pub(super) fn add(&mut self, field: &'static str, why: &'static str) {
        let left_out = LeftOut { field, why };
        if !self.0.contains(&left_out) {
            self.0.push(left_out);
        }
    }

    /// The value made of what was written; noted when there is none although something is written.
    pub(super) fn wanted<W, T>(
        &mut self,
        field: &'static str,
        written: Option<W>,
        why: &'static str,
        make: impl FnOnce(W) -> Option<T>,
    ) -> Option<T> {
        let made = make(written?);
        if made.is_none() {
            self.add(field, why);
        }
        made
    }

    pub(super) fn all(self) -> Vec<LeftOut> {
        self.0
    }
}

/// Whether a word says that there is nothing to say: cameras fill fields with such words.
pub(super) fn says_nothing(word: &str) -> bool {
    let letters = word.chars().filter(|c| c.is_alphanumeric());
    let word: String = letters.flat_map(char::to_lowercase).collect();
    let nothing = [
        "",
        "0",
        "unknown",
        "unknow",
        "unk",
        "none",
        "null",
        "nil",
        "na",
        "undefined",
        "other",
        "invalid",
        "all",
        "未知",
    ];
    nothing.contains(&word.as_str())
}
