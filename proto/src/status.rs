//! How an edge is. Signed with the edge's key, not part of its chain.

use prost::Message as _;

use crate::envelope::{Payload, PayloadError};
use crate::ids::EdgeId;
use crate::wire;

/// Most cameras reported by one edge.
pub const CAMERAS_MAX: usize = 64;

/// A status as sent, with its edge's name checked. Fields and units: `status.proto`.
#[derive(Debug, Clone, PartialEq)]
pub struct EdgeStatus {
    /// Who reports.
    pub edge: EdgeId,
    /// The report.
    pub report: wire::EdgeStatus,
}

impl Payload for EdgeStatus {
    const TYPE: &'static str = "application/vnd.varco.edge-status.v1+protobuf";

    fn encode(&self) -> Vec<u8> {
        wire::EdgeStatus {
            edge_id: self.edge.to_string(),
            ..self.report.clone()
        }
        .encode_to_vec()
    }

    fn decode(bytes: &[u8]) -> Result<Self, PayloadError> {
        let report = wire::EdgeStatus::decode(bytes).map_err(|_| PayloadError::Protobuf)?;
        if report.cameras.len() > CAMERAS_MAX {
            return Err(PayloadError::field("cameras")("too many cameras"));
        }
        let edge = report
            .edge_id
            .parse()
            .map_err(PayloadError::field("edge_id"))?;
        Ok(Self { edge, report })
    }
}
