//! The numbered, linked records of an edge.

use prost::Message as _;

use crate::drops::DropReport;
use crate::envelope::{Payload, PayloadError, Sealed, seal};
use crate::ids::{Digest, EdgeId};
use crate::keys::SealingKey;
use crate::tamper::TamperEvent;
use crate::time::UtcTime;
use crate::transit::Transit;
use crate::wire;

/// One record of an edge's chain.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// Who sealed it.
    pub edge: EdgeId,
    /// 1 for the first, then one more each.
    pub sequence: u64,
    /// Digest of the record before; [`Digest::ZERO`] for the first.
    pub previous: Digest,
    /// By the edge's clock.
    pub sealed_at: UtcTime,
    /// What it says.
    pub body: RecordBody,
}

/// What a record says.
#[derive(Debug, Clone, PartialEq)]
#[expect(
    clippy::large_enum_variant,
    reason = "nearly every record is a transit, and none is kept for long"
)]
pub enum RecordBody {
    /// A vehicle passed.
    Transit(Transit),
    /// Somebody may have laid hands on the edge.
    Tamper(TamperEvent),
    /// Records were let go before the hub had them.
    Drops(DropReport),
}

impl RecordBody {
    /// The transit, when it is one.
    #[must_use]
    pub fn transit(&self) -> Option<&Transit> {
        match self {
            Self::Transit(transit) => Some(transit),
            Self::Tamper(_) | Self::Drops(_) => None,
        }
    }

    /// The moment that it tells of, by the edge's clock.
    #[must_use]
    pub fn at(&self) -> UtcTime {
        match self {
            Self::Transit(transit) => transit.captured_at.at,
            Self::Tamper(event) => event.noticed_at,
            Self::Drops(report) => report.dropped_at,
        }
    }
}

impl Payload for Record {
    const TYPE: &'static str = "application/vnd.varco.record.v1+protobuf";

    fn encode(&self) -> Vec<u8> {
        let body = match &self.body {
            RecordBody::Transit(transit) => wire::record::Body::Transit(transit.into()),
            RecordBody::Tamper(event) => wire::record::Body::Tamper(event.into()),
            RecordBody::Drops(report) => wire::record::Body::Drops(report.into()),
        };
        wire::Record {
            edge_id: self.edge.to_string(),
            sequence: self.sequence,
            previous_digest: self.previous.as_bytes().to_vec(),
            sealed_at_unix_us: self.sealed_at.unix_us(),
            body: Some(body),
        }
        .encode_to_vec()
    }

    fn decode(bytes: &[u8]) -> Result<Self, PayloadError> {
        let sent = wire::Record::decode(bytes).map_err(|_| PayloadError::Protobuf)?;
        if sent.sequence == 0 {
            return Err(PayloadError::field("sequence")("sequences begin at 1"));
        }
        let previous = Digest::try_from(&sent.previous_digest[..])
            .map_err(PayloadError::field("previous_digest"))?;
        if (sent.sequence == 1) != (previous == Digest::ZERO) {
            let why = "the first record, and it alone, follows no other";
            return Err(PayloadError::field("previous_digest")(why));
        }
        let body = match sent.body.ok_or(PayloadError::Missing("body"))? {
            wire::record::Body::Transit(transit) => RecordBody::Transit(transit.try_into()?),
            wire::record::Body::Tamper(event) => RecordBody::Tamper(event.try_into()?),
            wire::record::Body::Drops(report) => RecordBody::Drops(report.try_into()?),
        };
        if let RecordBody::Drops(report) = &body
            && report
                .ranges
                .iter()
                .any(|range| range.last >= sent.sequence)
        {
            let why = "a report tells of records before it alone";
            return Err(PayloadError::field("ranges")(why));
        }
        Ok(Self {
            edge: EdgeId::try_from(sent.edge_id).map_err(PayloadError::field("edge_id"))?,
            sequence: sent.sequence,
            previous,
            sealed_at: UtcTime::from_unix_us(sent.sealed_at_unix_us),
            body,
        })
    }
}

/// Where an edge's chain stands. The spool keeps it beside the records, in one transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChainHead {
    /// Last sequence sealed; 0 before the first.
    pub sequence: u64,
    /// Digest of that record; [`Digest::ZERO`] before the first.
    pub digest: Digest,
}

impl ChainHead {
    /// A chain with no record yet.
    pub const START: Self = Self {
        sequence: 0,
        digest: Digest::ZERO,
    };

    /// Seals the next record and gives the head after it. Nothing is kept here: the caller
    /// stores the envelope and the new head together, or neither.
    #[must_use]
    pub fn seal_next(
        self,
        edge: &EdgeId,
        body: RecordBody,
        sealed_at: UtcTime,
        key: &SealingKey,
    ) -> (Self, Sealed) {
        let sequence = self.sequence + 1;
        let record = Record {
            edge: edge.clone(),
            sequence,
            previous: self.digest,
            sealed_at,
            body,
        };
        let sealed = seal(&record, key);
        (
            Self {
                sequence,
                digest: sealed.digest,
            },
            sealed,
        )
    }
}
