//! Tokens by which equal values are found without being told, and HMAC. What encrypts is
//! [`varco_proto::cipher`].

use ring::hmac;
use varco_proto::cipher::Key;

/// HMAC-SHA256 of `parts`, one behind the other.
#[must_use]
pub fn hmac_sha256(secret: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, secret));
    for part in parts {
        context.update(part);
    }
    let mut out = [0; 32];
    out.copy_from_slice(context.sign().as_ref());
    out
}

/// Makes tokens under a key: the same value gives the same token, and without the key nobody can
/// tell which value it was, not even by trying all of them.
pub struct Tokens(hmac::Key);

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tokens")
    }
}

impl Tokens {
    /// Under a key of their own, which is derived from one that seals.
    #[must_use]
    pub fn of(key: &Key) -> Self {
        let derived = hmac::Key::new(hmac::HMAC_SHA256, key.bytes());
        let derived = hmac::sign(&derived, b"varco tokens 1");
        Self(hmac::Key::new(hmac::HMAC_SHA256, derived.as_ref()))
    }

    /// The token of a value of some kind, 64 bits. Two values share one so seldom that whoever
    /// finds by tokens only has to look whether the value is the one that was meant.
    #[must_use]
    pub fn token(&self, kind: u8, value: &[u8]) -> i64 {
        let mut signing = hmac::Context::with_key(&self.0);
        signing.update(&[kind]);
        signing.update(value);
        let tag = signing.sign();
        let first = tag.as_ref().first_chunk::<8>().copied();
        first.map_or(0, i64::from_le_bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_tells_equal_values_of_one_kind_under_one_key() {
        let (key, other) = (Key::random().unwrap(), Key::random().unwrap());
        let token = Tokens::of(&key).token(1, b"AB123CD");
        assert_eq!(token, Tokens::of(&key).token(1, b"AB123CD"));
        assert_ne!(token, Tokens::of(&key).token(2, b"AB123CD"));
        assert_ne!(token, Tokens::of(&key).token(1, b"AB123CE"));
        assert_ne!(token, Tokens::of(&other).token(1, b"AB123CD"));
    }

    #[test]
    fn an_hmac_is_that_of_rfc_4231() {
        let mac = hmac_sha256(b"Jefe", &[b"what do ya want ", b"for nothing?"]);
        let wanted = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        assert_eq!(hex::encode(mac), wanted);
    }
}
