//! The plates of a still picture looked at more often: there is no other frame to vote with.

use varco_proto::confidence::Confidence;

use super::cuts::Cuts;
use super::error::VisionError;
use super::looks::{Looks, likely};
use crate::core::geometry::Quad;

/// Cuts each likely plate where both nets see it, then a little closer and wider by the
/// manifest's `still_margins`, round the corners then seen. Those looks vote with the others.
///
/// # Errors
/// [`VisionError`].
pub(super) fn look_closer(
    cuts: &mut Cuts<'_>,
    looks: &mut [Looks],
    plate_min: Confidence,
) -> Result<(), VisionError> {
    let margins = cuts.manifest.recogniser.still_margins.clone();
    let (mut likely, quads): (Vec<&mut Looks>, Vec<Quad>) = likely(looks, plate_min).unzip();
    let mut closer = Vec::with_capacity(likely.len() * margins.len());
    let sights = cuts.read(&quads)?;
    for (looks, sight) in likely.iter_mut().zip(sights) {
        let seen = sight.place();
        closer.extend(margins.iter().map(|margin| seen.enlarged(*margin, *margin)));
        looks.add_vote(sight);
    }
    let more = cuts.read(&closer)?;
    let mut more = more.into_iter();
    for looks in likely {
        more.by_ref()
            .take(margins.len())
            .for_each(|sight| looks.add_vote(sight));
    }
    Ok(())
}
