//! What an edge says when somebody may have laid hands on it, and the hub's release.

use std::fmt;

use prost::Message as _;

use crate::envelope::{Payload, PayloadError};
use crate::ids::{CameraId, EdgeId};
use crate::time::UtcTime;
use crate::wire;

/// Longest detail of an event, in bytes.
pub const DETAIL_BYTES_MAX: usize = 256;
/// Fewest and most characters of a release's purpose.
pub const PURPOSE_CHARACTERS: std::ops::RangeInclusive<usize> = 3..=120;

/// Somebody may have laid hands on an edge or a camera: a record of the edge's chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TamperEvent {
    /// What was noticed.
    pub kind: TamperKind,
    /// At which camera; none when the edge as a whole is meant.
    pub camera: Option<CameraId>,
    /// By the edge's clock.
    pub noticed_at: UtcTime,
    /// For the person who looks into it, at most [`DETAIL_BYTES_MAX`]; never a plate.
    pub detail: String,
    /// The edge sends no transit until the hub releases this record.
    pub suspends: bool,
}

/// What was noticed. Text form: `time-step` and its like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TamperKind {
    /// Something hides a camera's scene.
    Covered,
    /// A camera's picture has lost its detail.
    Defocused,
    /// A camera looks at another scene.
    Turned,
    /// A recording is played instead of a camera.
    Looped,
    /// The clock was set while the edge ran.
    TimeStep,
    /// The box was switched off or restarted without the daemon being ended.
    Reboot,
    /// The cabinet was opened.
    Cabinet,
    /// Another program, configuration or model than at the last run.
    Changed,
}

impl TamperKind {
    /// Every kind with its text form.
    pub const ALL: [(Self, &'static str); 8] = [
        (Self::Covered, "covered"),
        (Self::Defocused, "defocused"),
        (Self::Turned, "turned"),
        (Self::Looped, "looped"),
        (Self::TimeStep, "time-step"),
        (Self::Reboot, "reboot"),
        (Self::Cabinet, "cabinet"),
        (Self::Changed, "changed"),
    ];

    /// The text form.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        Self::ALL
            .iter()
            .find(|(kind, _)| *kind == self)
            .map_or("", |(_, text)| text)
    }

    /// The kind of a text form.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let found = Self::ALL.iter().find(|(_, name)| *name == text);
        found.map(|(kind, _)| *kind)
    }
}

impl fmt::Display for TamperKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl From<TamperKind> for wire::TamperKind {
    fn from(kind: TamperKind) -> Self {
        match kind {
            TamperKind::Covered => Self::Covered,
            TamperKind::Defocused => Self::Defocused,
            TamperKind::Turned => Self::Turned,
            TamperKind::Looped => Self::Looped,
            TamperKind::TimeStep => Self::TimeStep,
            TamperKind::Reboot => Self::Reboot,
            TamperKind::Cabinet => Self::Cabinet,
            TamperKind::Changed => Self::Changed,
        }
    }
}

impl From<&TamperEvent> for wire::TamperEvent {
    fn from(event: &TamperEvent) -> Self {
        Self {
            kind: wire::TamperKind::from(event.kind).into(),
            camera_id: event
                .camera
                .as_ref()
                .map(CameraId::to_string)
                .unwrap_or_default(),
            noticed_at_unix_us: event.noticed_at.unix_us(),
            detail: event.detail.clone(),
            suspends: event.suspends,
        }
    }
}

impl TryFrom<wire::TamperEvent> for TamperEvent {
    type Error = PayloadError;

    fn try_from(sent: wire::TamperEvent) -> Result<Self, PayloadError> {
        let kind = TamperKind::ALL
            .iter()
            .map(|(kind, _)| *kind)
            .find(|kind| wire::TamperKind::from(*kind) == sent.kind())
            .ok_or(PayloadError::Missing("kind"))?;
        if sent.detail.len() > DETAIL_BYTES_MAX {
            return Err(PayloadError::field("detail")("it is too long"));
        }
        let camera = match sent.camera_id {
            none if none.is_empty() => None,
            name => Some(CameraId::try_from(name).map_err(PayloadError::field("camera_id"))?),
        };
        Ok(Self {
            kind,
            camera,
            noticed_at: UtcTime::from_unix_us(sent.noticed_at_unix_us),
            detail: sent.detail,
            suspends: sent.suspends,
        })
    }
}

/// The hub lets an edge's transits flow again. Sealed with the hub's key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Release {
    /// Whose.
    pub edge: EdgeId,
    /// Every tamper record up to this one is released.
    pub up_to_sequence: u64,
    /// Why, as the person wrote it, [`PURPOSE_CHARACTERS`] long.
    pub purpose: String,
    /// Hub's clock.
    pub released_at: UtcTime,
}

impl Payload for Release {
    const TYPE: &'static str = "application/vnd.varco.release.v1+protobuf";

    fn encode(&self) -> Vec<u8> {
        wire::Release {
            edge_id: self.edge.to_string(),
            up_to_sequence: self.up_to_sequence,
            purpose: self.purpose.clone(),
            released_at_unix_us: self.released_at.unix_us(),
        }
        .encode_to_vec()
    }

    fn decode(bytes: &[u8]) -> Result<Self, PayloadError> {
        let sent = wire::Release::decode(bytes).map_err(|_| PayloadError::Protobuf)?;
        if sent.up_to_sequence == 0 {
            return Err(PayloadError::field("up_to_sequence")("it releases nothing"));
        }
        if !PURPOSE_CHARACTERS.contains(&sent.purpose.chars().count()) {
            return Err(PayloadError::field("purpose")(
                "it is too short or too long",
            ));
        }
        Ok(Self {
            edge: EdgeId::try_from(sent.edge_id).map_err(PayloadError::field("edge_id"))?,
            up_to_sequence: sent.up_to_sequence,
            purpose: sent.purpose,
            released_at: UtcTime::from_unix_us(sent.released_at_unix_us),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_keeps_its_name_and_its_number() {
        for (kind, text) in TamperKind::ALL {
            assert_eq!(TamperKind::parse(text), Some(kind));
            let event = TamperEvent {
                kind,
                camera: Some("nord-1".parse().unwrap()),
                noticed_at: UtcTime::from_unix_us(5),
                detail: "seen".to_owned(),
                suspends: true,
            };
            assert_eq!(
                TamperEvent::try_from(wire::TamperEvent::from(&event)),
                Ok(event)
            );
        }
    }

    #[test]
    fn events_and_releases_beyond_their_limits_are_refused() {
        let unknown = wire::TamperEvent::default();
        assert!(TamperEvent::try_from(unknown).is_err());
        let long = wire::TamperEvent {
            kind: wire::TamperKind::Reboot.into(),
            detail: "x".repeat(DETAIL_BYTES_MAX + 1),
            ..wire::TamperEvent::default()
        };
        assert!(TamperEvent::try_from(long).is_err());
        let mut release = Release {
            edge: "nord".parse().unwrap(),
            up_to_sequence: 4,
            purpose: "cabinet closed by our own".to_owned(),
            released_at: UtcTime::from_unix_us(5),
        };
        assert_eq!(Release::decode(&release.encode()), Ok(release.clone()));
        release.purpose = "no".to_owned();
        assert!(Release::decode(&release.encode()).is_err());
        release.purpose = "said".to_owned();
        release.up_to_sequence = 0;
        assert!(Release::decode(&release.encode()).is_err());
    }
}
