//! One-time codes that somebody hands over: to open an account, or to enrol a post. Only their digest is
//! kept.

use std::fmt;
use std::time::Duration;

use varco_proto::ids::Digest;

use crate::machine::random::{self, RandomError};

/// How long a code holds.
pub const VALID: Duration = Duration::from_secs(24 * 3600);

/// What a code is written with: no letter that is taken for a digit.
const SYMBOLS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
/// Random bytes of half a code.
const HALF_BYTES: usize = 5;

/// A code, as it is shown once: four groups of four, 80 bits.
#[derive(Clone, PartialEq, Eq)]
pub struct OneTimeCode(String);

impl OneTimeCode {
    /// A new one.
    ///
    /// # Errors
    /// [`RandomError`].
    pub fn draw() -> Result<Self, RandomError> {
        let mut text = String::with_capacity(19);
        for half in 0..2 {
            let bytes: [u8; HALF_BYTES] = random::bytes()?;
            let bits = bytes
                .iter()
                .fold(0_u64, |bits, byte| (bits << 8) | u64::from(*byte));
            for place in 0..8_u32 {
                if place % 4 == 0 && (half, place) != (0, 0) {
                    text.push('-');
                }
                let symbol = usize::try_from((bits >> (5 * (7 - place))) & 31);
                let symbol = symbol.ok().and_then(|symbol| SYMBOLS.get(symbol));
                text.push(symbol.copied().map_or('0', char::from));
            }
        }
        Ok(Self(text))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What is kept of it.
    #[must_use]
    pub fn digest(&self) -> Digest {
        digest_of(&self.0)
    }
}

/// What is kept of a code that somebody typed: case, spaces and hyphens do not count, and letters that are
/// taken for digits are those digits.
#[must_use]
pub fn digest_of(typed: &str) -> Digest {
    let plain: String = typed
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .map(|symbol| match symbol.to_ascii_uppercase() {
            'O' => '0',
            'I' | 'L' => '1',
            other => other,
        })
        .collect();
    Digest::of(format!("varco one-time code 1 {plain}").as_bytes())
}

impl fmt::Display for OneTimeCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for OneTimeCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OneTimeCode")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_known_again_as_people_type_it() {
        let code = OneTimeCode::draw().unwrap();
        let text = code.as_str();
        assert_eq!(text.len(), 19, "{text}");
        assert!(text.split('-').all(|group| group.len() == 4), "{text}");
        let typed = format!(" {} ", text.to_lowercase().replace('-', " "));
        let typed = typed.replace('0', "o").replace('1', "l");
        assert_eq!(digest_of(&typed), code.digest());
        assert_ne!(OneTimeCode::draw().unwrap(), code);
        assert_eq!(format!("{code:?}"), "OneTimeCode");
    }
}
