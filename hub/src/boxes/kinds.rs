//! What can be wrong with a box, as a closed list.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use varco_proto::tamper::TamperKind;

/// What is wrong. Text form: `picture-black` and its like.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// The hub has heard nothing of the box for minutes.
    Silent,
    /// Nobody keeps the box's clock.
    ClockNotKept,
    /// The box's clock and the hub's are minutes apart.
    ClockWrong,
    /// A camera gives no frames, or does not report.
    CameraAway,
    /// A camera's picture is black.
    PictureBlack,
    /// A camera's picture is one even brightness.
    PictureBlank,
    /// A camera gives the same picture again and again.
    PictureFrozen,
    /// A camera's stream is decoded by the processor, and was decoded by hardware before.
    DecoderFallback,
    /// A camera that reads plates has a clock that cannot be believed.
    ReaderClock,
    /// Little room is left on the box's disk.
    DiskLow,
    /// The box's disk takes nothing: records wait in memory.
    DiskFailing,
    /// Records wait on the box for long.
    SpoolGrowing,
    /// The box let records go that the hub never had.
    SpoolDropping,
    /// The box's certificate ends soon and was not renewed.
    CertificateEnding,
    /// The box claims a gate that it is not registered for.
    ForeignGate,
    /// The box claims a camera that it is not registered for.
    ForeignCamera,
    /// A gate sends much less than at this hour of the days before.
    GateQuiet,
    /// Something hides a camera's scene.
    CameraCovered,
    /// A camera's picture lost its sharpness.
    CameraDefocused,
    /// A camera looks at another scene.
    CameraTurned,
    /// A recording is played instead of a camera.
    CameraLooped,
    /// The box's clock was set while it ran.
    ClockStepped,
    /// The box was switched off or restarted without its daemon being ended.
    BoxRestarted,
    /// The box's cabinet is open.
    CabinetOpen,
    /// Another program, configuration or model than at the box's last run.
    BoxChanged,
}

impl Kind {
    /// Every kind with its text form.
    pub const ALL: [(Self, &'static str); 25] = [
        (Self::Silent, "silent"),
        (Self::ClockNotKept, "clock-not-kept"),
        (Self::ClockWrong, "clock-wrong"),
        (Self::CameraAway, "camera-away"),
        (Self::PictureBlack, "picture-black"),
        (Self::PictureBlank, "picture-blank"),
        (Self::PictureFrozen, "picture-frozen"),
        (Self::DecoderFallback, "decoder-fallback"),
        (Self::ReaderClock, "reader-clock"),
        (Self::DiskLow, "disk-low"),
        (Self::DiskFailing, "disk-failing"),
        (Self::SpoolGrowing, "spool-growing"),
        (Self::SpoolDropping, "spool-dropping"),
        (Self::CertificateEnding, "certificate-ending"),
        (Self::ForeignGate, "foreign-gate"),
        (Self::ForeignCamera, "foreign-camera"),
        (Self::GateQuiet, "gate-quiet"),
        (Self::CameraCovered, "camera-covered"),
        (Self::CameraDefocused, "camera-defocused"),
        (Self::CameraTurned, "camera-turned"),
        (Self::CameraLooped, "camera-looped"),
        (Self::ClockStepped, "clock-stepped"),
        (Self::BoxRestarted, "box-restarted"),
        (Self::CabinetOpen, "cabinet-open"),
        (Self::BoxChanged, "box-changed"),
    ];

    /// The text form.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        let found = Self::ALL.iter().find(|(kind, _)| *kind == self);
        found.map_or("", |(_, name)| name)
    }

    /// By its text form.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let found = Self::ALL.iter().find(|(_, known)| *known == name);
        found.map(|(kind, _)| *kind)
    }

    /// What an alarm of the box is told as.
    #[must_use]
    pub fn of_tampering(kind: TamperKind) -> Self {
        match kind {
            TamperKind::Covered => Self::CameraCovered,
            TamperKind::Defocused => Self::CameraDefocused,
            TamperKind::Turned => Self::CameraTurned,
            TamperKind::Looped => Self::CameraLooped,
            TamperKind::TimeStep => Self::ClockStepped,
            TamperKind::Reboot => Self::BoxRestarted,
            TamperKind::Cabinet => Self::CabinetOpen,
            TamperKind::Changed => Self::BoxChanged,
        }
    }

    /// Whether a status that shows nothing of it ends it.
    #[must_use]
    pub fn is_of_status(self) -> bool {
        matches!(
            self,
            Self::Silent
                | Self::ClockNotKept
                | Self::ClockWrong
                | Self::CameraAway
                | Self::PictureBlack
                | Self::PictureBlank
                | Self::PictureFrozen
                | Self::DecoderFallback
                | Self::ReaderClock
                | Self::DiskLow
                | Self::DiskFailing
                | Self::SpoolGrowing
                | Self::SpoolDropping
                | Self::CertificateEnding
        )
    }

    /// Whether it is an alarm of the box, which a person's release ends.
    #[must_use]
    pub fn is_of_tampering(self) -> bool {
        matches!(
            self,
            Self::CameraCovered
                | Self::CameraDefocused
                | Self::CameraTurned
                | Self::CameraLooped
                | Self::ClockStepped
                | Self::BoxRestarted
                | Self::CabinetOpen
                | Self::BoxChanged
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_has_one_name_everywhere_and_one_way_to_end() {
        for (kind, name) in Kind::ALL {
            assert_eq!(serde_json::to_value(kind).unwrap(), name);
            assert_eq!(Kind::named(name), Some(kind));
            assert!(!(kind.is_of_status() && kind.is_of_tampering()), "{name}");
        }
    }
}
