//! How many plates a frame may have.

use crate::core::manifest::Detector;
use crate::core::sighting::PlateDetection;

/// The most confident first, as many as a frame may have.
pub(super) fn surest(mut plates: Vec<PlateDetection>, rules: &Detector) -> Vec<PlateDetection> {
    plates.sort_by(|a, b| b.confidence.get().total_cmp(&a.confidence.get()));
    plates.truncate(rules.detections_max);
    plates
}
