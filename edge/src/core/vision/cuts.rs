//! Plates cut out of one frame: straightened and read.

use varco_proto::confidence::Confidence;

use super::error::VisionError;
use super::looks::{Sight, moved_px};
use crate::core::frame::Frame;
use crate::core::geometry::Quad;
use crate::core::manifest::Manifest;
use crate::core::nets::{NetError, Nets, Outputs};
use crate::core::number::index;
use crate::core::read::{self, CLASSES};
use crate::core::rectify;
use crate::core::sighting::Look;

/// What is kept from one frame to the next, so that no room is asked for anew.
#[derive(Debug, Default)]
pub(super) struct CutBuffers {
    plates: Vec<u8>,
    outputs: Outputs,
}

/// One frame, from which plates are cut and read.
pub(super) struct Cuts<'a> {
    pub(super) nets: &'a mut dyn Nets,
    pub(super) manifest: &'a Manifest,
    pub(super) buffers: &'a mut CutBuffers,
    pub(super) frame: &'a Frame,
}

impl Cuts<'_> {
    /// Reads the plates within these corners; and where their corners seem to lie, when that is
    /// a quad at all.
    ///
    /// # Errors
    /// [`VisionError::Recogniser`].
    pub(super) fn read(&mut self, quads: &[Quad]) -> Result<Vec<Sight>, VisionError> {
        if quads.is_empty() {
            return Ok(Vec::new());
        }
        let rules = &self.manifest.recogniser;
        let grown: Vec<Quad> = quads
            .iter()
            .map(|quad| quad.enlarged(rules.margin_x, rules.margin_y))
            .collect();
        let CutBuffers { plates, outputs } = &mut *self.buffers;
        plates.clear();
        for quad in &grown {
            rectify::straighten(self.frame, quad, rules, plates);
        }
        self.nets
            .recognise(plates, quads.len(), outputs)
            .map_err(VisionError::Recogniser)?;
        let characters = outputs.steps * CLASSES;
        let countries = rules.countries.len();
        let count = quads.len();
        let wanted = [count * characters, count * countries, count, count * 8];
        let given = [
            outputs.characters.len(),
            outputs.country.len(),
            outputs.plate.len(),
            outputs.corners.len(),
        ];
        if given != wanted || characters == 0 {
            let why = format!("{given:?} numbers instead of {wanted:?}");
            return Err(VisionError::Recogniser(NetError(why)));
        }
        let width = index(rules.width_px);
        let pictures = plates.chunks_exact(width * index(rules.height_px));
        let looks = pictures
            .zip(outputs.characters.chunks_exact(characters))
            .zip(outputs.country.chunks_exact(countries))
            .zip(&outputs.plate)
            .map(|(((picture, steps), country), plate)| {
                let raw = read::decode(steps, country, rules.confidence);
                Look {
                    reading: self.manifest.syntax.weigh(&raw, rules.confidence),
                    raw,
                    plate: Confidence::saturating(*plate),
                    sharpness: rectify::sharpness(picture, width),
                }
            });
        let cuts = quads.iter().zip(&grown);
        let corners = cuts.zip(outputs.corners.chunks_exact(8));
        let sights = looks
            .zip(corners)
            .map(|(look, ((cut, grown), corners))| Sight {
                cut: *cut,
                letters: read::confidence(&look.reading.characters, rules.confidence),
                look,
                refined: rectify::refined(grown, corners),
                moved_px: moved_px(corners, rules),
            });
        Ok(sights.collect())
    }
}
