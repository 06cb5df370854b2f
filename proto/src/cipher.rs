//! The one authenticated encryption of both daemons: ChaCha20-Poly1305 with random nonces.
//!
//! Small ARM boxes have no AES in hardware. A ciphertext is a nonce, the encrypted bytes and their tag, bound
//! to a place: it opens there alone.

use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::hkdf::{HKDF_SHA256, Salt};
use thiserror::Error;

use crate::random::{self, RandomError};

/// Bytes of a key.
pub const KEY_BYTES: usize = 32;
/// What sealing adds: the nonce before, the tag behind.
pub const OVERHEAD_BYTES: usize = NONCE_LEN + 16;

/// Something cannot be sealed or opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum CipherError {
    /// Changed, cut short, put elsewhere, or sealed with another key.
    #[error("sealed bytes do not open")]
    Open,
    /// No nonce can be made.
    #[error("the system's random source failed")]
    Random,
}

impl From<RandomError> for CipherError {
    fn from(_: RandomError) -> Self {
        Self::Random
    }
}

/// A key. Never printed.
pub struct Key {
    bytes: [u8; KEY_BYTES],
    key: LessSafeKey,
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key")
    }
}

impl Key {
    /// From its bytes; none when they are not 32.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let bytes: [u8; KEY_BYTES] = bytes.try_into().ok()?;
        let key = UnboundKey::new(&CHACHA20_POLY1305, &bytes).ok()?;
        Some(Self {
            bytes,
            key: LessSafeKey::new(key),
        })
    }

    /// A new one.
    ///
    /// # Errors
    /// [`CipherError::Random`].
    pub fn random() -> Result<Self, CipherError> {
        Self::from_bytes(&random::bytes::<KEY_BYTES>()?).ok_or(CipherError::Random)
    }

    /// A key for one use alone, from this one (HKDF-SHA256); `usage` names it.
    ///
    /// # Errors
    /// [`CipherError::Random`].
    pub fn derive(&self, usage: &[u8]) -> Result<Self, CipherError> {
        self.derive_with(&[], usage)
    }

    /// As [`Key::derive`], apart from what else is derived from the same key without this salt.
    ///
    /// # Errors
    /// [`CipherError::Random`].
    pub fn derive_with(&self, salt: &[u8], usage: &[u8]) -> Result<Self, CipherError> {
        let secret = Salt::new(HKDF_SHA256, salt).extract(&self.bytes);
        let mut bytes = [0; KEY_BYTES];
        secret
            .expand(&[usage], HKDF_SHA256)
            .and_then(|okm| okm.fill(&mut bytes))
            .map_err(|_| CipherError::Random)?;
        Self::from_bytes(&bytes).ok_or(CipherError::Random)
    }

    /// The key's own bytes, to be wrapped by another.
    #[must_use]
    pub fn bytes(&self) -> &[u8; KEY_BYTES] {
        &self.bytes
    }

    /// Seals `plain`, bound to `place`: it opens nowhere else.
    ///
    /// # Errors
    /// [`CipherError::Random`].
    pub fn seal(&self, place: &[u8], plain: &[u8]) -> Result<Vec<u8>, CipherError> {
        let nonce: [u8; NONCE_LEN] = random::bytes()?;
        let mut sealed = Vec::with_capacity(plain.len() + OVERHEAD_BYTES);
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(plain);
        let nonce = Nonce::assume_unique_for_key(nonce);
        let body = sealed.get_mut(NONCE_LEN..).ok_or(CipherError::Random)?;
        let tag = self
            .key
            .seal_in_place_separate_tag(nonce, Aad::from(place), body)
            .map_err(|_| CipherError::Random)?;
        sealed.extend_from_slice(tag.as_ref());
        Ok(sealed)
    }

    /// Opens what was sealed at `place`.
    ///
    /// # Errors
    /// [`CipherError::Open`].
    pub fn open(&self, place: &[u8], sealed: &[u8]) -> Result<Vec<u8>, CipherError> {
        let mut bytes = sealed.to_vec();
        let length = self.open_within(place, &mut bytes)?.len();
        bytes.truncate(length);
        Ok(bytes)
    }

    /// As [`Key::open`], in the bytes themselves: the plain ones come to stand at their beginning.
    ///
    /// # Errors
    /// [`CipherError::Open`]; then nothing of use is left in `sealed`.
    pub fn open_within<'a>(
        &self,
        place: &[u8],
        sealed: &'a mut [u8],
    ) -> Result<&'a [u8], CipherError> {
        let nonce = sealed.get(..NONCE_LEN).ok_or(CipherError::Open)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| CipherError::Open)?;
        let plain = self
            .key
            .open_within(nonce, Aad::from(place), sealed, NONCE_LEN..)
            .map_err(|_| CipherError::Open)?;
        Ok(plain)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sealed_opens_with_its_key_at_its_place_alone() {
        let (key, other) = (Key::random().unwrap(), Key::random().unwrap());
        let sealed = key.seal(b"here", b"a plate").unwrap();
        assert_eq!(sealed.len(), 7 + OVERHEAD_BYTES);
        assert_eq!(key.open(b"here", &sealed).unwrap(), b"a plate");
        assert_eq!(key.open(b"there", &sealed), Err(CipherError::Open));
        assert_eq!(other.open(b"here", &sealed), Err(CipherError::Open));
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert_eq!(key.open(b"here", &changed), Err(CipherError::Open));
        }
        assert_eq!(key.open(b"here", &sealed[..20]), Err(CipherError::Open));
        assert_ne!(sealed, key.seal(b"here", b"a plate").unwrap());
    }

    #[test]
    fn a_derived_key_is_for_one_use() {
        let key = Key::random().unwrap();
        let (one, two) = (key.derive(b"one").unwrap(), key.derive(b"two").unwrap());
        let sealed = one.seal(b"", b"x").unwrap();
        assert_eq!(
            key.derive(b"one").unwrap().open(b"", &sealed).unwrap(),
            b"x"
        );
        assert_eq!(two.open(b"", &sealed), Err(CipherError::Open));
        assert_eq!(key.open(b"", &sealed), Err(CipherError::Open));
    }

    #[test]
    fn a_derived_key_is_that_of_rfc_5869() {
        // HKDF-SHA256 of 32 bytes of 7, computed by another program.
        let key = Key::from_bytes(&[7; KEY_BYTES]).unwrap();
        let derived = key.derive_with(b"varco-edge at rest, 1", b"spool").unwrap();
        assert_eq!(
            derived.bytes()[..8],
            [0x58, 0x30, 0xad, 0x15, 0x30, 0x84, 0xaf, 0x36]
        );
    }
}
