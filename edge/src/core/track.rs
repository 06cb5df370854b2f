//! Plates followed over frames, and what their passes come to.

use std::time::Duration;

use varco_proto::time::UtcTime;

use super::frame::Frame;
use super::pass::Pass;
use super::vision::{Look, PlateDetection};

/// When a plate is lost, told again, or not told at all.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TrackSettings {
    /// A plate not seen for so long has passed.
    pub lost_after: Duration,
    /// A plate that shows again within so long of its pass is the same pass.
    pub same_pass_within: Duration,
    /// A plate in sight for so long is told before it leaves.
    pub told_after: Duration,
    /// Frames that must have given the text.
    pub agreeing_reads_min: u32,
    /// Least confidence of a voted text.
    pub confidence_min: f32,
    /// Shorter texts are no plates but parts of them, signs or lamps.
    pub characters_min: usize,
}

impl Default for TrackSettings {
    fn default() -> Self {
        Self {
            lost_after: Duration::from_millis(1500),
            same_pass_within: Duration::from_secs(8),
            told_after: Duration::from_secs(20),
            agreeing_reads_min: 2,
            confidence_min: 0.6,
            characters_min: 4,
        }
    }
}

/// The plates in sight of one camera.
#[derive(Debug)]
pub struct Tracks {
    settings: TrackSettings,
}

impl Tracks {
    /// Begins with nothing in sight.
    #[must_use]
    pub fn new(settings: TrackSettings) -> Self {
        Self { settings }
    }

    /// Takes one frame's plates with what was read from them, and gives the passes that ended.
    pub fn take(&mut self, _frame: &Frame, _seen: Vec<(PlateDetection, Look)>) -> Vec<Pass> {
        let _ = self.settings;
        Vec::new()
    }

    /// Gives the passes that have ended by `now`.
    pub fn tick(&mut self, _now: UtcTime) -> Vec<Pass> {
        Vec::new()
    }

    /// Ends everything in sight.
    pub fn finish(&mut self) -> Vec<Pass> {
        Vec::new()
    }
}
