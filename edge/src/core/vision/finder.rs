//! How a picture is searched for plates.

use super::error::{VisionError, check, frame_error};
use super::search::Search;
use crate::core::detect;
use crate::core::detect::agreed::agreed;
use crate::core::frame::Frame;
use crate::core::manifest::Detector;
use crate::core::nets::{Maps, Nets};
use crate::core::number::float;
use crate::core::scale::{ScaleError, Scaled, Scaler};
use crate::core::sighting::PlateDetection;

/// Finds plates with the detector; keeps its buffers from one frame to the next.
#[derive(Debug, Default)]
pub(super) struct Finder {
    scaler: Scaler,
    maps: Maps,
}

impl Finder {
    /// The plates of a picture, the most confident first.
    ///
    /// # Errors
    /// [`VisionError`].
    pub(super) fn find(
        &mut self,
        nets: &mut dyn Nets,
        rules: &Detector,
        frame: &Frame,
        search: Search,
    ) -> Result<Vec<PlateDetection>, VisionError> {
        check(frame)?;
        let times: &[f64] = match search {
            Search::Frame | Search::Narrow => &[],
            Search::Still => &rules.still_scales,
        };
        // What one scale sees faintly counts where the others are sure.
        let least = rules.confidence_min / float(times.len() + 1);
        let maps = &mut self.maps;
        let scaled = self.scaler.scale(frame, rules);
        let frame_px = scaled.map_or(1.0, |scaled| scaled.frame_px.x);
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
            all = agreed(&scales, rules);
        }
        Ok(detect::joined(all, wide, rules, frame_px))
    }

    /// The plates of a much smaller copy of a picture, the most confident first.
    ///
    /// # Errors
    /// [`VisionError`].
    pub(super) fn find_again(
        &mut self,
        nets: &mut dyn Nets,
        rules: &Detector,
        frame: &Frame,
    ) -> Result<Vec<PlateDetection>, VisionError> {
        check(frame)?;
        let scaled = self.scaler.scale_times(frame, rules, rules.again_scale);
        found_in(
            nets,
            &mut self.maps,
            scaled,
            frame,
            rules,
            rules.confidence_min,
        )
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
    Ok(detect::plates(maps, rules, least, scaled.frame_px))
}
