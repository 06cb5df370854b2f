//! What a person types to say who signs in.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// Fewest characters.
const CHARACTERS_MIN: usize = 3;
/// Most characters.
const CHARACTERS_MAX: usize = 32;

/// A user name cannot be taken: write another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error(
    "a user name is {CHARACTERS_MIN} to {CHARACTERS_MAX} of a-z, 0-9, '.', '-' and '_', and begins with \
     a letter"
)]
pub struct UserNameError;

/// A user name: 3 to 32 of a-z, 0-9, '.', '-' and '_', beginning with a letter. Upper case is taken as
/// lower, so that two names never differ in case alone.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UserName(String);

impl UserName {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for UserName {
    type Err = UserNameError;
    fn from_str(text: &str) -> Result<Self, UserNameError> {
        let name = text.trim().to_ascii_lowercase();
        let is_of = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || ".-_".contains(c);
        let is_long_enough = (CHARACTERS_MIN..=CHARACTERS_MAX).contains(&name.chars().count());
        let begins = name.starts_with(|c: char| c.is_ascii_lowercase());
        if is_long_enough && begins && name.chars().all(is_of) {
            Ok(Self(name))
        } else {
            Err(UserNameError)
        }
    }
}

impl fmt::Display for UserName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c26_part_a_user_name_is_one_whatever_its_case() {
        let name: UserName = " A.Rossi ".parse().unwrap();
        assert_eq!(name, "a.rossi".parse().unwrap());
        for wrong in ["", "ab", "1abc", "a b c", "città", "a/b/c", &"a".repeat(33)] {
            assert_eq!(wrong.parse::<UserName>(), Err(UserNameError), "{wrong}");
        }
    }
}
