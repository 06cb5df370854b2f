//! One plate in one frame: where it was found, and what was read from it.

use varco_proto::confidence::Confidence;

use super::geometry::Quad;
use super::read::Reading;

/// One plate found in one frame.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PlateDetection {
    /// Its corners in pixels of the frame; they may lie a little outside.
    pub quad: Quad,
    /// That it is a plate.
    pub confidence: Confidence,
}

/// A find worth reading.
#[derive(Debug, Clone, PartialEq)]
pub struct Sighting {
    /// Where it is.
    pub plate: PlateDetection,
    /// What frames before have surely read of the one plate that is followed there.
    pub known: Option<String>,
}

/// What one straightened plate gave.
#[derive(Debug, Clone, PartialEq)]
pub struct Look {
    /// What this picture alone says, with what is known of how plates are written; its text is
    /// empty when nothing could be read.
    pub reading: Reading,
    /// What the net gave, which is what votes: over many frames the knowledge counts once.
    pub raw: Reading,
    /// That the picture shows a plate at all, by what both nets say.
    pub plate: Confidence,
    /// See [`super::rectify::sharpness`].
    pub sharpness: f32,
}

/// One plate found in one frame, and what was read from it.
#[derive(Debug, Clone, PartialEq)]
pub struct PlateLook {
    /// Where it is.
    pub plate: PlateDetection,
    /// What was read.
    pub look: Look,
}

impl Look {
    /// Takes what was read back: it is no plate's.
    pub fn silence(&mut self) {
        for reading in [&mut self.reading, &mut self.raw] {
            reading.characters.clear();
            reading.confidence = Confidence::ZERO;
            reading.rows = 0;
        }
    }
}
