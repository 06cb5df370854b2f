//! The head of the audit: which line is the last, under the hub's signature, so that nobody without
//! the hub's key can set it back and cut the lines behind it.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use varco_proto::envelope::pre_authentication_encoding;
use varco_proto::ids::Digest;
use varco_proto::keys::{OpeningKey, SealingKey};
use varco_proto::time::UtcTime;

use crate::audit::AuditError;
use crate::store::sql::{Connection, OptionalExtension as _, params};
use crate::store::{Doing as _, StoreError};

/// When the last line was written, and the hub's signature over the head; none in a home whose last
/// line an older version wrote.
pub const SCHEMA_HEAD: &str = "
    ALTER TABLE audit_head ADD COLUMN at_us INTEGER;
    ALTER TABLE audit_head ADD COLUMN signature BLOB CHECK (length(signature) = 64);";

/// Media type that a head's signature is bound to.
const HEAD_TYPE: &str = "application/vnd.varco.audit-head.v1+json";

/// Which line is the last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditHead {
    /// Its number.
    pub sequence: u64,
    /// Its digest, hexadecimal.
    pub digest: String,
    /// When it was written, by the hub's clock.
    pub at: UtcTime,
}

impl AuditHead {
    fn signed_text(&self) -> Result<Vec<u8>, serde_json::Error> {
        let text = serde_json::to_vec(self)?;
        Ok(pre_authentication_encoding(HEAD_TYPE, &text))
    }

    pub(super) fn sign(self, key: &SealingKey) -> Result<SignedHead, AuditError> {
        let signature = hex::encode(key.sign(&self.signed_text()?));
        let head = self;
        Ok(SignedHead { head, signature })
    }

    /// As an operator notes it, and gives it back to `--head`.
    #[must_use]
    pub fn noted(&self) -> NotedHead {
        NotedHead {
            sequence: self.sequence,
            digest: self.digest.clone(),
        }
    }
}

/// A head with the hub's signature over it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedHead {
    /// What is signed.
    pub head: AuditHead,
    /// By the hub's key, hexadecimal.
    pub signature: String,
}

impl SignedHead {
    /// Whether the hub signed it.
    #[must_use]
    pub fn holds(&self, key: &OpeningKey) -> bool {
        let signature = hex::decode(&self.signature);
        let text = self.head.signed_text();
        matches!((text, signature), (Ok(text), Ok(signature)) if key.verifies(&text, &signature))
    }
}

/// A head that somebody noted outside the hub: `SEQUENCE:DIGEST`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotedHead {
    /// The line's number.
    pub sequence: u64,
    /// Its digest, hexadecimal.
    pub digest: String,
}

impl fmt::Display for NotedHead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.sequence, self.digest)
    }
}

/// It is not written as a head is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a head is written SEQUENCE:DIGEST, as `audit verify` prints it")]
pub struct NotAHead;

impl FromStr for NotedHead {
    type Err = NotAHead;
    fn from_str(text: &str) -> Result<Self, NotAHead> {
        let (sequence, digest) = text.trim().split_once(':').ok_or(NotAHead)?;
        let sequence = sequence.parse().map_err(|_| NotAHead)?;
        let bytes = hex::decode(digest).map_err(|_| NotAHead)?;
        let digest = Digest::try_from(&bytes[..]).map_err(|_| NotAHead)?;
        let digest = hex::encode(digest.as_bytes());
        Ok(Self { sequence, digest })
    }
}

/// The head as the table has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeadRow {
    /// The last line's number.
    pub sequence: u64,
    /// Its digest, hexadecimal.
    pub digest: String,
    /// The same, signed; none when an older version wrote the last line.
    pub signed: Option<SignedHead>,
}

pub(super) fn write(connection: &Connection, signed: &SignedHead) -> Result<(), StoreError> {
    let damaged = |_| StoreError::Damaged { what: "audit head" };
    let digest = hex::decode(&signed.head.digest).map_err(damaged)?;
    let signature = hex::decode(&signed.signature).map_err(damaged)?;
    connection
        .prepare_cached("UPDATE audit_head SET digest = ?, at_us = ?, signature = ? WHERE id = 1")
        .and_then(|mut head| head.execute(params![digest, signed.head.at.unix_us(), signature]))
        .doing("write the audit's head")?;
    Ok(())
}

/// The head.
///
/// # Errors
/// [`StoreError`]; [`StoreError::Damaged`] when the row is gone or cannot be a head.
pub fn read(connection: &Connection) -> Result<HeadRow, StoreError> {
    const DAMAGED: StoreError = StoreError::Damaged { what: "audit head" };
    let row = connection
        .query_row(
            "SELECT sequence, digest, at_us, signature FROM audit_head WHERE id = 1",
            [],
            |row| {
                let sequence: i64 = row.get(0)?;
                let digest: Vec<u8> = row.get(1)?;
                let at_us: Option<i64> = row.get(2)?;
                let signature: Option<Vec<u8>> = row.get(3)?;
                Ok((sequence, digest, (at_us, signature)))
            },
        )
        .optional()
        .doing("read the audit's head")?;
    let (sequence, digest, signed) = row.ok_or(DAMAGED)?;
    let sequence = u64::try_from(sequence).map_err(|_| DAMAGED)?;
    let digest = hex::encode(digest);
    let signed = match signed {
        (Some(at_us), Some(signature)) => Some(SignedHead {
            head: AuditHead {
                sequence,
                digest: digest.clone(),
                at: UtcTime::from_unix_us(at_us),
            },
            signature: hex::encode(signature),
        }),
        _ => None,
    };
    Ok(HeadRow {
        sequence,
        digest,
        signed,
    })
}

/// How a head that was known before stands in the chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeadStanding {
    /// The chain goes through it.
    Within,
    /// The chain has another line in its place.
    Other,
    /// The chain ends before it.
    Beyond,
}

/// Holds a head that was known before against the chain.
///
/// # Errors
/// [`StoreError`].
pub fn standing(
    connection: &Connection,
    sequence: u64,
    digest: &str,
) -> Result<HeadStanding, StoreError> {
    // No chain is so long.
    let Ok(place) = i64::try_from(sequence) else {
        return Ok(HeadStanding::Beyond);
    };
    let found: Option<Vec<u8>> = connection
        .query_row(
            "SELECT digest FROM audit WHERE sequence = ?",
            [place],
            |row| row.get(0),
        )
        .optional()
        .doing("read the audit")?;
    let last: Option<i64> = connection
        .query_row("SELECT max(sequence) FROM audit", [], |row| row.get(0))
        .doing("read the end of the audit")?;
    Ok(match found {
        Some(found) if hex::encode(&found) == digest => HeadStanding::Within,
        None if last.is_none_or(|last| last < place) => HeadStanding::Beyond,
        _ => HeadStanding::Other,
    })
}
