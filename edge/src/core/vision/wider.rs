//! Plates looked at wider: a first cut that left out a character is read surely all the same.

use varco_proto::confidence::Confidence;

use super::cuts::Cuts;
use super::error::VisionError;
use super::looks::{Looks, likely};
use super::search::Search;
use crate::core::geometry::Quad;

/// Cuts plates whose corners are hard to see: those that slant much and in a still picture
/// the compact ones too, with their sides grown by the manifest's `wider`, then again by the
/// corners that each look saw. Those looks say what the others left out.
///
/// # Errors
/// [`VisionError`].
pub(super) fn look_wider(
    cuts: &mut Cuts<'_>,
    looks: &mut [Looks],
    search: Search,
    plate_min: Confidence,
) -> Result<(), VisionError> {
    let wider = cuts.manifest.recogniser.wider;
    let due = |quad: &Quad| {
        let compact = quad.width_px() <= wider.compact * quad.height_px();
        quad.slant_deg() >= wider.slant_deg || search == Search::Still && compact
    };
    let (mut likely, mut places): (Vec<&mut Looks>, Vec<Quad>) = likely(looks, plate_min)
        .filter(|(looks, quad)| due(quad) && !looks.says_what_is_known())
        .map(|(looks, quad)| (looks, quad.enlarged(wider.margin_x, wider.margin_y)))
        .unzip();
    for at in 0..=wider.cuts {
        let sights = cuts.read(&places)?;
        for ((looks, place), sight) in likely.iter_mut().zip(&mut places).zip(sights) {
            *place = sight.place();
            if at + wider.counted > wider.cuts {
                looks.add_wider(sight);
            }
        }
    }
    Ok(())
}
