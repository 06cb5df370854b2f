//! What a pass before the camera comes to, before it is sent to the hub.

use std::collections::BTreeMap;

use varco_proto::ids::{CameraId, Digest, GateId, TransitId};
use varco_proto::time::UtcTime;
use varco_proto::transit::{CaptureTime, Direction, PlateCrop, PlateRead, Transit};

use super::geometry::Point;
use super::view::lanes::Placed;

/// What single frames of a pass read, each on its own: to judge the vote by. Never sent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FrameReads {
    /// The text of the frame that was most confident; none when none had a text.
    pub best: Option<String>,
    /// Each text with the frames that gave it.
    pub texts: BTreeMap<String, u32>,
}

/// One vehicle passing once: a [`Transit`] that does not know its camera and id yet.
#[derive(Debug, Clone, PartialEq)]
pub struct Pass {
    /// First frame in which the plate was followed.
    pub first_seen: UtcTime,
    /// Last frame in which the plate was followed.
    pub last_seen: UtcTime,
    /// When the frame of the best read was taken.
    pub captured: CaptureTime,
    /// As the camera sees it; none when the plate neither grew nor shrank.
    pub direction: Option<Direction>,
    /// Where the plate was seen, in order: its centres, in shares of the picture's sides.
    pub path: Vec<Point>,
    /// What was read, voted over the frames.
    pub plate: PlateRead,
    /// What single frames read.
    pub frame_reads: FrameReads,
    /// The plate cut out of the best frame.
    pub crop: PlateCrop,
    /// Width of the plate in the best frame, in pixels.
    pub width_px: f32,
}

impl Pass {
    /// The pass as it is sealed and sent.
    #[must_use]
    pub fn into_transit(
        self,
        camera: CameraId,
        gate: GateId,
        placed: Placed,
        id: TransitId,
        model_digest: Digest,
    ) -> Transit {
        Transit {
            id,
            camera,
            gate,
            captured_at: self.captured,
            first_seen: self.first_seen,
            last_seen: self.last_seen,
            direction: self.direction,
            plate: self.plate,
            crop: self.crop,
            model_digest,
            lane: placed.lane,
            travel: placed.travel,
            onboard: None,
        }
    }
}
