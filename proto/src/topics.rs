//! MQTT topics. The broker's ACL keeps each edge to its own.

use crate::ids::EdgeId;

/// Every edge's records, for the hub.
pub const RECORDS_FILTER: &str = "varco/v1/edge/+/record";
/// Every edge's status, for the hub.
pub const STATUS_FILTER: &str = "varco/v1/edge/+/status";

/// What an edge publishes or reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Topic {
    /// Edge to hub: sealed records.
    Record(EdgeId),
    /// Edge to hub: sealed status.
    Status(EdgeId),
    /// Hub to edge: sealed receipts.
    Receipt(EdgeId),
    /// Hub to edge: sealed refusals.
    Refusal(EdgeId),
    /// Hub to edge: sealed releases.
    Release(EdgeId),
}

impl Topic {
    /// The topic's name.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::Record(edge) => format!("varco/v1/edge/{edge}/record"),
            Self::Status(edge) => format!("varco/v1/edge/{edge}/status"),
            Self::Receipt(edge) => format!("varco/v1/hub/{edge}/receipt"),
            Self::Refusal(edge) => format!("varco/v1/hub/{edge}/refusal"),
            Self::Release(edge) => format!("varco/v1/hub/{edge}/release"),
        }
    }

    /// Reads a topic's name; none when it is not one of ours.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        let mut parts = name.strip_prefix("varco/v1/")?.split('/');
        let (side, edge, what) = (parts.next()?, parts.next()?.parse().ok()?, parts.next()?);
        match (side, what, parts.next()) {
            ("edge", "record", None) => Some(Self::Record(edge)),
            ("edge", "status", None) => Some(Self::Status(edge)),
            ("hub", "receipt", None) => Some(Self::Receipt(edge)),
            ("hub", "refusal", None) => Some(Self::Refusal(edge)),
            ("hub", "release", None) => Some(Self::Release(edge)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_is_read_back_as_it_was_written() {
        let edge: EdgeId = "porta-nord-01".parse().unwrap();
        for topic in [
            Topic::Record(edge.clone()),
            Topic::Status(edge.clone()),
            Topic::Receipt(edge.clone()),
            Topic::Refusal(edge.clone()),
            Topic::Release(edge),
        ] {
            assert_eq!(Topic::parse(&topic.name()), Some(topic));
        }
        for other in [
            "varco/v1/edge/a/b/record",
            "varco/v1/edge/A/record",
            "varco/v2/edge/a/record",
        ] {
            assert_eq!(Topic::parse(other), None, "{other}");
        }
    }
}
