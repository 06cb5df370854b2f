//! Sealing and opening: Ed25519 over DSSE's pre-authentication encoding.
//!
//! The encoding binds the payload's type, so that a status cannot pass for a record, and its
//! length, so that bytes cannot move between fields.
//! Source: secure-systems-lab/dsse, protocol.md.

use prost::Message as _;
use thiserror::Error;

use crate::ids::Digest;
use crate::keys::{OpeningKey, SealingKey};
use crate::wire;

/// Largest envelope taken, in bytes: a record with the largest crop, and room to spare.
pub const ENVELOPE_BYTES_MAX: usize = 128 * 1024;

/// What can travel in an envelope: a checked value with a wire form and a type of its own.
pub trait Payload: Sized {
    /// Media type that the signature is bound to.
    const TYPE: &'static str;

    /// The value's wire bytes.
    fn encode(&self) -> Vec<u8>;

    /// Checks wire bytes and takes the value.
    ///
    /// # Errors
    /// [`PayloadError`] with the field that is wrong.
    fn decode(bytes: &[u8]) -> Result<Self, PayloadError>;
}

/// A payload breaks its contract. The receiver refuses it as malformed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PayloadError {
    /// Not protobuf of that type.
    #[error("the payload is not the message that its type says")]
    Protobuf,
    /// A field is missing.
    #[error("`{0}` is missing")]
    Missing(&'static str),
    /// A field is outside its limits. The text never holds a plate.
    #[error("`{field}` is wrong: {why}")]
    Field {
        /// Name in the .proto file.
        field: &'static str,
        /// What the limit is.
        why: String,
    },
}

impl PayloadError {
    /// For use with `map_err` on a field's own error.
    pub fn field<E: ToString>(field: &'static str) -> impl FnOnce(E) -> Self {
        move |why| Self::Field {
            field,
            why: why.to_string(),
        }
    }
}

/// An envelope is not opened. Nothing of its content may be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum OpenError {
    /// Larger than [`ENVELOPE_BYTES_MAX`]: refused before it is read.
    #[error("the envelope has {0} bytes, at most {ENVELOPE_BYTES_MAX} are taken")]
    Oversized(usize),
    /// Not an envelope at all.
    #[error("the bytes are no envelope")]
    Malformed,
    /// Another type of payload than expected.
    #[error("the envelope holds another type of payload than `{0}`")]
    Type(&'static str),
    /// The signature does not hold under the key given.
    #[error("the signature does not hold")]
    Signature,
    /// Properly signed, but the content breaks the contract.
    #[error("the signed payload is not acceptable")]
    Payload(#[from] PayloadError),
}

/// A value that a known key sealed. [`open`] alone makes it.
#[derive(Debug, Clone, PartialEq)]
pub struct Verified<T> {
    value: T,
    digest: Digest,
    envelope: Vec<u8>,
}

impl<T> Verified<T> {
    /// The value.
    pub fn value(&self) -> &T {
        &self.value
    }

    /// SHA-256 over the pre-authentication encoding: the value's name in a chain.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// The envelope's bytes as they came, to be kept so that anyone can check them again.
    pub fn envelope(&self) -> &[u8] {
        &self.envelope
    }
}

/// A sealed value on its way out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed {
    /// Bytes to send.
    pub envelope: Vec<u8>,
    /// SHA-256 over the pre-authentication encoding.
    pub digest: Digest,
}

/// DSSE's pre-authentication encoding of a payload under its type.
#[must_use]
pub fn pre_authentication_encoding(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(payload.len() + payload_type.len() + 48);
    out.extend_from_slice(format!("DSSEv1 {} {payload_type} ", payload_type.len()).as_bytes());
    out.extend_from_slice(format!("{} ", payload.len()).as_bytes());
    out.extend_from_slice(payload);
    out
}

/// Seals a value.
#[must_use]
pub fn seal<T: Payload>(value: &T, key: &SealingKey) -> Sealed {
    let payload = value.encode();
    let signed = pre_authentication_encoding(T::TYPE, &payload);
    let envelope = wire::Envelope {
        payload_type: T::TYPE.to_owned(),
        payload,
        key_id: key.opening_key().id().to_vec(),
        signature: key.sign(&signed).to_vec(),
    };
    Sealed {
        envelope: envelope.encode_to_vec(),
        digest: Digest::of(&signed),
    }
}

/// Opens an envelope: size, form, type, signature, then content, in this order.
///
/// # Errors
/// [`OpenError`] for the first of these that fails.
pub fn open<T: Payload>(bytes: &[u8], key: &OpeningKey) -> Result<Verified<T>, OpenError> {
    if bytes.len() > ENVELOPE_BYTES_MAX {
        return Err(OpenError::Oversized(bytes.len()));
    }
    let envelope = wire::Envelope::decode(bytes).map_err(|_| OpenError::Malformed)?;
    if envelope.payload_type != T::TYPE {
        return Err(OpenError::Type(T::TYPE));
    }
    let signed = pre_authentication_encoding(T::TYPE, &envelope.payload);
    if !key.verifies(&signed, &envelope.signature) {
        return Err(OpenError::Signature);
    }
    let value = T::decode(&envelope.payload)?;
    Ok(Verified {
        value,
        digest: Digest::of(&signed),
        envelope: bytes.to_vec(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Clone)]
    struct Note(String);

    impl Payload for Note {
        const TYPE: &'static str = "application/vnd.varco.note";
        fn encode(&self) -> Vec<u8> {
            self.0.clone().into_bytes()
        }
        fn decode(bytes: &[u8]) -> Result<Self, PayloadError> {
            String::from_utf8(bytes.to_vec())
                .map(Self)
                .map_err(|_| PayloadError::Protobuf)
        }
    }

    #[derive(Debug)]
    struct OtherNote;

    impl Payload for OtherNote {
        const TYPE: &'static str = "application/vnd.varco.other";
        fn encode(&self) -> Vec<u8> {
            Vec::new()
        }
        fn decode(_: &[u8]) -> Result<Self, PayloadError> {
            Ok(Self)
        }
    }

    fn key() -> SealingKey {
        SealingKey::from_pkcs8(&SealingKey::generate().unwrap()).unwrap()
    }

    #[test]
    fn the_encoding_is_the_one_that_dsse_publishes() {
        let expected = b"DSSEv1 29 http://example.com/HelloWorld 11 hello world";
        assert_eq!(
            pre_authentication_encoding("http://example.com/HelloWorld", b"hello world"),
            expected
        );
    }

    #[test]
    fn a_sealed_value_opens_with_its_key_alone() {
        let key = key();
        let sealed = seal(&Note("ciao".into()), &key);
        let opened = open::<Note>(&sealed.envelope, &key.opening_key()).unwrap();
        assert_eq!(opened.value(), &Note("ciao".into()));
        assert_eq!(opened.digest(), sealed.digest);
        let other = self::key().opening_key();
        assert_eq!(
            open::<Note>(&sealed.envelope, &other).unwrap_err(),
            OpenError::Signature
        );
    }

    #[test]
    fn one_type_never_passes_for_another() {
        let key = key();
        let sealed = seal(&Note("ciao".into()), &key);
        let error = open::<OtherNote>(&sealed.envelope, &key.opening_key()).unwrap_err();
        assert_eq!(error, OpenError::Type(OtherNote::TYPE));
        let mut forged = wire::Envelope::decode(&sealed.envelope[..]).unwrap();
        forged.payload_type = OtherNote::TYPE.into();
        let error = open::<OtherNote>(&forged.encode_to_vec(), &key.opening_key()).unwrap_err();
        assert_eq!(error, OpenError::Signature);
    }

    #[test]
    fn any_flipped_byte_is_noticed() {
        let key = key();
        let sealed = seal(&Note("ciao".into()), &key);
        for at in 0..sealed.envelope.len() {
            let mut bytes = sealed.envelope.clone();
            bytes[at] ^= 1;
            // The key id is a hint outside the signature: flipping it changes nothing else.
            if let Ok(opened) = open::<Note>(&bytes, &key.opening_key()) {
                assert_eq!(opened.digest(), sealed.digest, "byte {at}");
            }
        }
    }

    #[test]
    fn an_oversized_envelope_is_refused_unread() {
        let bytes = vec![0; ENVELOPE_BYTES_MAX + 1];
        let error = open::<Note>(&bytes, &key().opening_key()).unwrap_err();
        assert_eq!(error, OpenError::Oversized(ENVELOPE_BYTES_MAX + 1));
    }
}
