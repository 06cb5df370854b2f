//! Names of things, each its own type so that none passes for another.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;
use uuid::Uuid;

/// Longest name of an edge, camera, gate or lane, in bytes.
pub const NAME_BYTES_MAX: usize = 64;

/// The text is not an id. The caller refuses the message or reports the key that held it.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum IdError {
    /// Names go into topics, file names and certificates, hence the small alphabet.
    #[error("`{0}` is not a name: 1 to 64 of a-z, 0-9 and '-', beginning and ending without '-'")]
    Name(String),
    /// A transit id is a UUID of 16 bytes.
    #[error("a transit id has 16 bytes, this has {0}")]
    TransitLength(usize),
    /// The text form of a transit id is a UUID.
    #[error("`{0}` is not a UUID")]
    TransitText(String),
    /// A digest is 32 bytes.
    #[error("a digest has 32 bytes, this has {0}")]
    DigestLength(usize),
}

fn check_name(text: &str) -> Result<(), IdError> {
    let fits = (1..=NAME_BYTES_MAX).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        && !text.starts_with('-')
        && !text.ends_with('-');
    if fits {
        Ok(())
    } else {
        Err(IdError::Name(text.chars().take(80).collect()))
    }
}

macro_rules! name_type {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = IdError;
            fn try_from(text: String) -> Result<Self, IdError> {
                check_name(&text)?;
                Ok(Self(text))
            }
        }

        impl FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                Self::try_from(text.to_owned())
            }
        }

        impl From<$name> for String {
            fn from(value: $name) -> Self {
                value.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

name_type!(
    /// The box beside a camera, as registered at the hub; also its certificate's common name.
    EdgeId
);
name_type!(
    /// One camera of an edge.
    CameraId
);
name_type!(
    /// One lane of a gate.
    LaneId
);
name_type!(
    /// A gate (*varco*): a place with lanes and cameras.
    GateId
);

/// UUID version 7 of a transit: its first 48 bits are the capture time in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TransitId(Uuid);

impl TransitId {
    /// Builds an id from a capture time and ten random bytes.
    #[must_use]
    pub fn from_parts(unix_ms: u64, random: [u8; 10]) -> Self {
        Self(uuid::Builder::from_unix_timestamp_millis(unix_ms, &random).into_uuid())
    }

    /// The 16 bytes as sent.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }
}

impl TryFrom<&[u8]> for TransitId {
    type Error = IdError;
    fn try_from(bytes: &[u8]) -> Result<Self, IdError> {
        Uuid::from_slice(bytes)
            .map(Self)
            .map_err(|_| IdError::TransitLength(bytes.len()))
    }
}

impl FromStr for TransitId {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        let short: String = text.chars().take(80).collect();
        Uuid::try_parse(text)
            .map(Self)
            .map_err(|_| IdError::TransitText(short))
    }
}

impl fmt::Display for TransitId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// SHA-256, 32 bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest([u8; 32]);

impl Digest {
    /// What stands before the first record of a chain.
    pub const ZERO: Self = Self([0; 32]);

    /// The SHA-256 of some bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        let mut out = [0; 32];
        out.copy_from_slice(ring::digest::digest(&ring::digest::SHA256, bytes).as_ref());
        Self(out)
    }

    /// The 32 bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl TryFrom<&[u8]> for Digest {
    type Error = IdError;
    fn try_from(bytes: &[u8]) -> Result<Self, IdError> {
        bytes
            .try_into()
            .map(Self)
            .map_err(|_| IdError::DigestLength(bytes.len()))
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_could_break_a_topic_or_a_path_are_refused() {
        for bad in [
            "",
            "-a",
            "a-",
            "A",
            "a/b",
            "a+",
            "#",
            "a b",
            "..",
            "è",
            &"a".repeat(65),
        ] {
            assert!(bad.parse::<EdgeId>().is_err(), "{bad:?} was taken");
        }
        assert_eq!(
            "porta-nord-01".parse::<GateId>().unwrap().as_str(),
            "porta-nord-01"
        );
    }

    #[test]
    fn a_transit_id_keeps_its_time_and_its_text_form() {
        let id = TransitId::from_parts(1_700_000_000_000, [7; 10]);
        assert_eq!(
            &id.as_bytes()[..6],
            &1_700_000_000_000_u64.to_be_bytes()[2..]
        );
        assert_eq!(id.to_string().parse::<TransitId>().unwrap(), id);
        assert_eq!(
            TransitId::try_from(&[1_u8; 15][..]),
            Err(IdError::TransitLength(15))
        );
    }

    #[test]
    fn a_digest_is_sha_256() {
        assert_eq!(
            Digest::of(b"abc").to_string(),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }
}
