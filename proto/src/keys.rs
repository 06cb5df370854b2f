//! Ed25519 keys of edges and hubs (ring).

use std::fmt;
use std::str::FromStr;

use ring::hkdf::{HKDF_SHA256, Prk, Salt};
use ring::rand::SystemRandom;
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use thiserror::Error;

use crate::ids::Digest;

/// Bytes of a key id.
pub const KEY_ID_BYTES: usize = 8;

/// A key cannot be made or taken.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum KeyError {
    /// The file is damaged or holds something else: restore it, or enrol the edge anew.
    #[error("the bytes are no Ed25519 private key in PKCS#8")]
    Private,
    /// A public key is 64 hexadecimal digits.
    #[error("a public key is 64 hexadecimal digits (32 bytes)")]
    Public,
    /// The system gave no random bytes; nothing can be sealed until it does.
    #[error("the system's random source failed")]
    Random,
}

/// The private key that seals. Never printed.
pub struct SealingKey {
    pair: Ed25519KeyPair,
    public: OpeningKey,
    /// What keys for other uses are derived from.
    secret: Prk,
}

/// What sets derived keys apart from whatever else is derived of the same bytes.
const DERIVED: &[u8] = b"varco derived signing key v1";
/// Bytes of what an Ed25519 key is made from.
const SEED_BYTES: usize = 32;

impl SealingKey {
    /// Makes a fresh key, as PKCS#8 bytes to keep in a file that only the daemon may read.
    ///
    /// # Errors
    /// [`KeyError::Random`] when the system has no random bytes.
    pub fn generate() -> Result<Vec<u8>, KeyError> {
        Ed25519KeyPair::generate_pkcs8(&SystemRandom::new())
            .map(|document| document.as_ref().to_vec())
            .map_err(|_| KeyError::Random)
    }

    /// Takes a key from PKCS#8 bytes.
    ///
    /// # Errors
    /// [`KeyError::Private`] when they are not one.
    pub fn from_pkcs8(bytes: &[u8]) -> Result<Self, KeyError> {
        let pair = Ed25519KeyPair::from_pkcs8(bytes).map_err(|_| KeyError::Private)?;
        Self::of(pair, bytes)
    }

    fn of(pair: Ed25519KeyPair, secret: &[u8]) -> Result<Self, KeyError> {
        let public = OpeningKey::from_bytes(pair.public_key().as_ref())?;
        let secret = Salt::new(HKDF_SHA256, DERIVED).extract(secret);
        Ok(Self {
            pair,
            public,
            secret,
        })
    }

    /// A key for another use, so that no signature of the one can be taken for one of the other. The
    /// same `purpose` always gives the same key.
    ///
    /// # Errors
    /// [`KeyError::Private`] when none can be derived; a bug.
    pub fn derived(&self, purpose: &str) -> Result<Self, KeyError> {
        let mut seed = [0; SEED_BYTES];
        let info = [purpose.as_bytes()];
        let okm = self.secret.expand(&info, HKDF_SHA256);
        okm.and_then(|okm| okm.fill(&mut seed))
            .map_err(|_| KeyError::Private)?;
        let pair = Ed25519KeyPair::from_seed_unchecked(&seed).map_err(|_| KeyError::Private)?;
        Self::of(pair, &seed)
    }

    /// The key that opens what this one seals.
    #[must_use]
    pub fn opening_key(&self) -> OpeningKey {
        self.public
    }

    /// Signs, 64 bytes.
    #[must_use]
    pub fn sign(&self, bytes: &[u8]) -> [u8; 64] {
        let mut out = [0; 64];
        out.copy_from_slice(self.pair.sign(bytes).as_ref());
        out
    }
}

impl fmt::Debug for SealingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SealingKey(public {})", self.public)
    }
}

/// The public key that opens. Text form: 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct OpeningKey([u8; 32]);

impl OpeningKey {
    /// Takes the 32 raw bytes.
    ///
    /// # Errors
    /// [`KeyError::Public`] when there are not 32 of them.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, KeyError> {
        bytes.try_into().map(Self).map_err(|_| KeyError::Public)
    }

    /// The 32 raw bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// First 8 bytes of the key's SHA-256: tells keys apart in an envelope and in a log.
    #[must_use]
    pub fn id(&self) -> [u8; KEY_ID_BYTES] {
        let mut id = [0; KEY_ID_BYTES];
        id.copy_from_slice(&Digest::of(&self.0).as_bytes()[..KEY_ID_BYTES]);
        id
    }

    /// Whether the signature holds for these bytes.
    #[must_use]
    pub fn verifies(&self, bytes: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ED25519, self.0)
            .verify(bytes, signature)
            .is_ok()
    }
}

impl fmt::Display for OpeningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for OpeningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OpeningKey({self})")
    }
}

impl FromStr for OpeningKey {
    type Err = KeyError;
    fn from_str(text: &str) -> Result<Self, KeyError> {
        hex::decode(text.trim())
            .map_err(|_| KeyError::Public)
            .and_then(|b| Self::from_bytes(&b))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_survives_its_file() {
        let bytes = SealingKey::generate().unwrap();
        let key = SealingKey::from_pkcs8(&bytes).unwrap();
        let opening: OpeningKey = key.opening_key().to_string().parse().unwrap();
        assert!(opening.verifies(b"text", &key.sign(b"text")));
        assert!(!opening.verifies(b"texT", &key.sign(b"text")));
        assert_eq!(
            SealingKey::from_pkcs8(&bytes[1..]).unwrap_err(),
            KeyError::Private
        );
    }

    #[test]
    fn a_derived_key_is_another_one_and_always_the_same() {
        let bytes = SealingKey::generate().unwrap();
        let key = SealingKey::from_pkcs8(&bytes).unwrap();
        let public = |of: &str| key.derived(of).unwrap().opening_key();
        let again = SealingKey::from_pkcs8(&bytes).unwrap();
        assert_eq!(public("log"), again.derived("log").unwrap().opening_key());
        assert_ne!(public("log"), public("lot"));
        assert_ne!(public("log"), key.opening_key());
        let signed = key.derived("log").unwrap().sign(b"text");
        assert!(public("log").verifies(b"text", &signed));
        assert!(!key.opening_key().verifies(b"text", &signed));
    }

    #[test]
    fn a_private_key_is_never_printed() {
        let key = SealingKey::from_pkcs8(&SealingKey::generate().unwrap()).unwrap();
        assert_eq!(
            format!("{key:?}"),
            format!("SealingKey(public {})", key.opening_key())
        );
    }
}
