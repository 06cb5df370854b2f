//! How a picture is searched for plates.

use super::{Maps, Nets, PlateDetection, Vision, VisionError, check, frame_error};
use crate::core::detect;
use crate::core::frame::Frame;
use crate::core::manifest::{Detector, PlateRule, Recogniser};
use crate::core::number::{float, float_px};
use crate::core::scale::{ScaleError, Scaled, Scaler};

/// How thoroughly a picture is searched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Search {
    /// Once: it is one of many frames of a camera, and must not take long.
    Frame,
    /// As [`Self::Frame`], but not for plates that fill the picture: a frame before has shown that
    /// there is none.
    Narrow,
    /// At several scales, mirrored too, which must agree: there is no other picture of its
    /// vehicles. Takes some four times as long.
    Still,
}

impl Search {
    /// When what it finds is a plate.
    pub(super) fn rule(self, rules: &Recogniser) -> PlateRule {
        match self {
            Self::Frame | Self::Narrow => rules.plate_frame,
            Self::Still => rules.plate_still,
        }
    }
}

impl Vision {
    /// The plates of a picture, the most confident first.
    ///
    /// # Errors
    /// [`VisionError`].
    pub fn detect(
        &mut self,
        frame: &Frame,
        search: Search,
    ) -> Result<Vec<PlateDetection>, VisionError> {
        check(frame)?;
        let rules = &self.manifest.detector;
        let times: &[f64] = match search {
            Search::Frame | Search::Narrow => &[],
            Search::Still => &rules.still_scales,
        };
        // What one scale sees faintly counts where the others are sure.
        let least = rules.confidence_min / float(times.len() + 1);
        let (nets, maps) = (&mut *self.nets, &mut self.maps);
        let scaled = self.scaler.scale(frame, rules);
        let frame_px = scaled.map_or(1.0, |scaled| scaled.frame_px_x);
        let mut all = found_in(nets, maps, scaled, frame, rules, least)?;
        if search == Search::Narrow {
            return Ok(all);
        }
        let shrunk = self.scaler.shrink(frame, rules);
        let wide = found_in(nets, maps, shrunk, frame, rules, rules.confidence_min)?;
        if !times.is_empty() {
            let mut scales = vec![all];
            for times in times {
                let scaled = self.scaler.mirror(frame, rules, *times);
                let mut finds = found_in(nets, maps, scaled, frame, rules, least)?;
                for find in &mut finds {
                    find.quad = find.quad.mirrored(frame.width_px);
                }
                scales.push(finds);
            }
            all = detect::agreed(&scales, rules);
        }
        Ok(detect::joined(all, wide, rules, frame_px))
    }

    /// How wide a plate of this frame is, in its pixels, that only the search for the widest finds.
    #[must_use]
    pub fn wide_px(&self, frame: &Frame) -> f32 {
        let rules = &self.manifest.detector;
        float_px(rules.wide_px) * Scaler::frame_px(frame, rules)
    }

    /// The plates of a much smaller copy of a picture, the most confident first.
    ///
    /// # Errors
    /// [`VisionError`].
    pub(super) fn detect_again(
        &mut self,
        frame: &Frame,
    ) -> Result<Vec<PlateDetection>, VisionError> {
        check(frame)?;
        let rules = &self.manifest.detector;
        let scaled = self.scaler.scale_times(frame, rules, rules.again_scale);
        let (nets, maps, least) = (&mut *self.nets, &mut self.maps, rules.confidence_min);
        found_in(nets, maps, scaled, frame, rules, least)
    }
}

/// Plates of one input of the detector, of confidence `least` or more, in pixels of the frame.
fn found_in(
    nets: &mut dyn Nets,
    maps: &mut Maps,
    scaled: Result<Scaled<'_>, ScaleError>,
    frame: &Frame,
    rules: &Detector,
    least: f32,
) -> Result<Vec<PlateDetection>, VisionError> {
    let scaled = scaled.map_err(|_| frame_error(frame))?;
    nets.detect(scaled.luma, scaled.width_px, scaled.height_px, maps)
        .map_err(VisionError::Detector)?;
    let frame_px = (scaled.frame_px_x, scaled.frame_px_y);
    Ok(detect::plates(maps, rules, least, frame_px))
}
