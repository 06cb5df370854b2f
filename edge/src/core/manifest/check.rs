//! What values of a manifest fit: a wrong one is named by its key with what it must be.

use super::{Detector, Recogniser};
use crate::core::read::ALPHABET;

/// Largest side of a net's input, in pixels: a bound on memory, far above need.
const INPUT_SIDE_PX_MAX: u32 = 4096;

/// Notes a fault unless the value is as it must be.
fn must(faults: &mut Vec<String>, fits: bool, key: &str, wanted: &str) {
    if !fits {
        faults.push(format!("`{key}` must be {wanted}"));
    }
}

impl Detector {
    pub(super) fn check(&self, faults: &mut Vec<String>) {
        let sides = 32..=INPUT_SIDE_PX_MAX;
        let shares = 0.0..=1.0;
        let mut must =
            |fits, key: &str, wanted| must(faults, fits, &format!("detector.{key}"), wanted);
        must(is_plain(&self.file), "file", "a file name without folders");
        must(self.colour == "luma", "colour", "`luma`");
        must(
            self.scale == "inside the graph",
            "scale",
            "`inside the graph`",
        );
        must(
            sides.contains(&self.long_side_px),
            "long_side_px",
            "32 to 4096",
        );
        must(
            sides.contains(&self.long_side_max_px) && self.long_side_max_px >= self.long_side_px,
            "long_side_max_px",
            "long_side_px to 4096",
        );
        must(
            (0.01..=1.0).contains(&self.scale_min),
            "scale_min",
            "0.01 to 1",
        );
        must((8..=4096).contains(&self.wide_px), "wide_px", "8 to 4096");
        must(
            (2..=16).contains(&self.wide_shrink),
            "wide_shrink",
            "2 to 16",
        );
        must(
            (0.1..=8.0).contains(&self.enlarge_max),
            "enlarge_max",
            "0.1 to 8",
        );
        must(
            self.still_scales.len() <= 4
                && self.still_scales.iter().all(|s| (0.25..=2.0).contains(s)),
            "still_scales",
            "at most four numbers, 0.25 to 2",
        );
        must(
            (0.1..=1.0).contains(&self.again_scale),
            "again_scale",
            "0.1 to 1",
        );
        must(
            (1..=64).contains(&self.stride_px)
                && (1..=256).contains(&self.pad_multiple_px)
                && self.pad_multiple_px.is_multiple_of(self.stride_px.max(1)),
            "pad_multiple_px",
            "1 to 256 and a multiple of stride_px",
        );
        must(
            self.confidence_min > 0.0 && self.confidence_min <= 1.0,
            "confidence_min",
            "above 0, at most 1",
        );
        must(shares.contains(&self.iou_max), "iou_max", "0 to 1");
        must(
            (1..=64).contains(&self.detections_max),
            "detections_max",
            "1 to 64",
        );
    }
}

impl Recogniser {
    pub(super) fn check(&self, faults: &mut Vec<String>) {
        let sides = 8..=1024;
        let margins = 0.0..=1.0;
        let mut must =
            |fits, key: &str, wanted| must(faults, fits, &format!("recogniser.{key}"), wanted);
        must(is_plain(&self.file), "file", "a file name without folders");
        must(sides.contains(&self.width_px), "width_px", "8 to 1024");
        must(sides.contains(&self.height_px), "height_px", "8 to 1024");
        must((1..=4).contains(&self.oversample), "oversample", "1 to 4");
        must(margins.contains(&self.margin_x), "margin_x", "0 to 1");
        must(margins.contains(&self.margin_y), "margin_y", "0 to 1");
        must((1..=8).contains(&self.looks_max), "looks_max", "1 to 8");
        must(
            self.still_margins.len() <= 8
                && self.still_margins.iter().all(|m| (-0.2..=0.2).contains(m)),
            "still_margins",
            "at most eight numbers, -0.2 to 0.2",
        );
        let wider = &self.wider;
        must(
            margins.contains(&wider.margin_x) && margins.contains(&wider.margin_y),
            "wider.margin_x and margin_y",
            "0 to 1",
        );
        must(
            wider.cuts <= 8 && wider.counted <= wider.cuts + 1,
            "wider.counted",
            "one more than wider.cuts or less, and those at most 8",
        );
        must(wider.moved_min >= 0.0, "wider.moved_min", "0 or more");
        must(wider.compact >= 0.0, "wider.compact", "0 or more");
        must(
            (0.0..=90.0).contains(&wider.slant_deg),
            "wider.slant_deg",
            "0 to 90",
        );
        must(
            self.look_again_moved_px >= 0.0,
            "look_again_moved_px",
            "0 or more",
        );
        for (key, rule) in [
            ("plate_frame.find_weight", self.plate_frame),
            ("plate_still.find_weight", self.plate_still),
            ("plate_again.find_weight", self.plate_again),
        ] {
            must((0.1..=10.0).contains(&rule.find_weight), key, "0.1 to 10");
        }
        must(
            [self.plate_frame, self.plate_still]
                .iter()
                .all(|rule| self.plate_again.min >= rule.min),
            "plate_again.min",
            "plate_frame.min and plate_still.min or more",
        );
        must(
            (0.5..1.0).contains(&self.plate_word_max.get()),
            "plate_word_max",
            "0.5 to less than 1",
        );
        must(self.alphabet == ALPHABET, "alphabet", "A to Z, then 0 to 9");
        let is_country = |c: &String| c.len() == 2 && c.bytes().all(|b| b.is_ascii_uppercase());
        must(
            !self.countries.is_empty() && self.countries.iter().all(is_country),
            "countries",
            "two capitals each, at least one",
        );
    }
}

/// Whether a name stays within its folder.
fn is_plain(name: &str) -> bool {
    !name.is_empty() && !name.contains(['/', '\\']) && name != ".."
}
