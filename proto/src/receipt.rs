//! What the hub answers: receipts after a commit, refusals with their reason.

use std::fmt;
use std::str::FromStr;

use prost::Message as _;
use thiserror::Error;

use crate::envelope::{Payload, PayloadError};
use crate::ids::{Digest, EdgeId};
use crate::time::UtcTime;
use crate::wire;

/// Most lines in one receipt.
pub const RECEIPT_LINES_MAX: usize = 1024;
/// Longest detail of a refusal, in bytes.
pub const DETAIL_BYTES_MAX: usize = 512;

/// These records are committed at the hub. Sealed with the hub's key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// Whose records.
    pub edge: EdgeId,
    /// 1 to [`RECEIPT_LINES_MAX`].
    pub lines: Vec<ReceiptLine>,
    /// Hub's clock after the commit.
    pub stored_at: UtcTime,
}

/// One stored record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReceiptLine {
    /// Its place in the chain.
    pub sequence: u64,
    /// Its digest.
    pub digest: Digest,
}

impl Payload for Receipt {
    const TYPE: &'static str = "application/vnd.varco.receipt.v1+protobuf";

    fn encode(&self) -> Vec<u8> {
        let line = |line: &ReceiptLine| wire::ReceiptLine {
            sequence: line.sequence,
            record_digest: line.digest.as_bytes().to_vec(),
        };
        wire::Receipt {
            edge_id: self.edge.to_string(),
            lines: self.lines.iter().map(line).collect(),
            stored_at_unix_us: self.stored_at.unix_us(),
        }
        .encode_to_vec()
    }

    fn decode(bytes: &[u8]) -> Result<Self, PayloadError> {
        let sent = wire::Receipt::decode(bytes).map_err(|_| PayloadError::Protobuf)?;
        if sent.lines.is_empty() || sent.lines.len() > RECEIPT_LINES_MAX {
            let why = format!("a receipt has 1 to {RECEIPT_LINES_MAX} lines");
            return Err(PayloadError::Field {
                field: "lines",
                why,
            });
        }
        let line = |line: wire::ReceiptLine| {
            let digest = Digest::try_from(&line.record_digest[..])
                .map_err(PayloadError::field("record_digest"))?;
            Ok(ReceiptLine {
                sequence: line.sequence,
                digest,
            })
        };
        Ok(Self {
            edge: EdgeId::try_from(sent.edge_id).map_err(PayloadError::field("edge_id"))?,
            lines: sent
                .lines
                .into_iter()
                .map(line)
                .collect::<Result<_, PayloadError>>()?,
            stored_at: UtcTime::from_unix_us(sent.stored_at_unix_us),
        })
    }
}

/// An envelope was not taken as it came, and why. Sealed with the hub's key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The edge on whose topic it came.
    pub edge: EdgeId,
    /// 0 when the envelope could not be read so far.
    pub sequence: u64,
    /// Of the record, or of the bytes as received when they could not be opened.
    pub digest: Digest,
    /// Why.
    pub reason: RefusalReason,
    /// What was wrong, at most [`DETAIL_BYTES_MAX`]; never holds a plate.
    pub detail: String,
    /// Hub's clock.
    pub refused_at: UtcTime,
}

impl Payload for Refusal {
    const TYPE: &'static str = "application/vnd.varco.refusal.v1+protobuf";

    fn encode(&self) -> Vec<u8> {
        wire::Refusal {
            edge_id: self.edge.to_string(),
            sequence: self.sequence,
            record_digest: self.digest.as_bytes().to_vec(),
            reason: wire::RefusalReason::from(self.reason).into(),
            detail: self.detail.clone(),
            refused_at_unix_us: self.refused_at.unix_us(),
        }
        .encode_to_vec()
    }

    fn decode(bytes: &[u8]) -> Result<Self, PayloadError> {
        let sent = wire::Refusal::decode(bytes).map_err(|_| PayloadError::Protobuf)?;
        let reason = RefusalReason::try_from(sent.reason()).map_err(|()| {
            PayloadError::field("reason")("the hub gives a reason that this version lacks")
        })?;
        if sent.detail.len() > DETAIL_BYTES_MAX {
            return Err(PayloadError::field("detail")("it is too long"));
        }
        Ok(Self {
            edge: EdgeId::try_from(sent.edge_id).map_err(PayloadError::field("edge_id"))?,
            sequence: sent.sequence,
            digest: Digest::try_from(&sent.record_digest[..])
                .map_err(PayloadError::field("record_digest"))?,
            reason,
            detail: sent.detail,
            refused_at: UtcTime::from_unix_us(sent.refused_at_unix_us),
        })
    }
}

/// Why a hub refuses. Text form: `bad-signature` and its like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RefusalReason {
    /// The bytes are no envelope, or the payload breaks a limit.
    Malformed,
    /// Larger than the hub takes.
    Oversized,
    /// No such edge, or it is revoked.
    UnknownKey,
    /// The signature does not hold.
    BadSignature,
    /// Sealed by another edge than the one whose topic it came on.
    WrongEdge,
    /// Stored before: receipted again, never stored again.
    Replay,
    /// Records before this one are missing. It is stored; the missing ones are asked for.
    Gap,
    /// Two records claim one place in the chain.
    Fork,
    /// Captured longer ago than the retention term.
    TooOld,
    /// Captured later than the hub's clock allows.
    FromTheFuture,
    /// A person must release it first: the record is to be kept and sent again later. The edge's
    /// chain has forked (sequence 0), or the record names a gate or camera that is not the edge's.
    OnHold,
}

impl RefusalReason {
    /// Every reason with its text form.
    pub const ALL: [(Self, &'static str); 11] = [
        (Self::Malformed, "malformed"),
        (Self::Oversized, "oversized"),
        (Self::UnknownKey, "unknown-key"),
        (Self::BadSignature, "bad-signature"),
        (Self::WrongEdge, "wrong-edge"),
        (Self::Replay, "replay"),
        (Self::Gap, "gap"),
        (Self::Fork, "fork"),
        (Self::TooOld, "too-old"),
        (Self::FromTheFuture, "from-the-future"),
        (Self::OnHold, "on-hold"),
    ];

    /// Whether the record is stored all the same, so that the edge may go on as usual.
    #[must_use]
    pub fn is_stored(self) -> bool {
        matches!(self, Self::Replay | Self::Gap)
    }

    /// The text form.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        Self::ALL
            .iter()
            .find(|(reason, _)| *reason == self)
            .map_or("", |(_, text)| text)
    }
}

impl fmt::Display for RefusalReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The text names no reason.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{0}` is no reason for a refusal")]
pub struct ReasonError(String);

impl FromStr for RefusalReason {
    type Err = ReasonError;
    fn from_str(text: &str) -> Result<Self, ReasonError> {
        let found = Self::ALL.iter().find(|(_, name)| *name == text);
        found
            .map(|(reason, _)| *reason)
            .ok_or_else(|| ReasonError(text.chars().take(40).collect()))
    }
}

impl From<RefusalReason> for wire::RefusalReason {
    fn from(reason: RefusalReason) -> Self {
        match reason {
            RefusalReason::Malformed => Self::Malformed,
            RefusalReason::Oversized => Self::Oversized,
            RefusalReason::UnknownKey => Self::UnknownKey,
            RefusalReason::BadSignature => Self::BadSignature,
            RefusalReason::WrongEdge => Self::WrongEdge,
            RefusalReason::Replay => Self::Replay,
            RefusalReason::Gap => Self::Gap,
            RefusalReason::Fork => Self::Fork,
            RefusalReason::TooOld => Self::TooOld,
            RefusalReason::FromTheFuture => Self::FromTheFuture,
            RefusalReason::OnHold => Self::OnHold,
        }
    }
}

impl TryFrom<wire::RefusalReason> for RefusalReason {
    type Error = ();
    fn try_from(sent: wire::RefusalReason) -> Result<Self, ()> {
        Self::ALL
            .iter()
            .map(|(r, _)| *r)
            .find(|r| wire::RefusalReason::from(*r) == sent)
            .ok_or(())
    }
}
