//! A pushed reading becomes a transit like any other, with its reader stated.

use varco_proto::confidence::Confidence;
use varco_proto::ids::{CameraId, Digest, GateId, LaneId, TransitId};
use varco_proto::onboard::{OnboardReader, UNREAD_CONFIDENCE};
use varco_proto::transit::{
    CaptureTime, CharacterCandidate, CountryCandidate, Direction, PlateRead, Transit, Travel,
};

use super::maker::Maker;
use super::plate_picture::{crop, none};
use super::pushed::Pushed;

/// Where a camera stands, as the configuration says.
#[derive(Debug, Clone, PartialEq)]
pub struct Placing {
    /// The camera.
    pub camera: CameraId,
    /// Its gate.
    pub gate: GateId,
    /// Its lanes by the camera's own numbers, from 1; one alone holds for every reading.
    pub lanes: Vec<LaneId>,
    /// The direction that leads in; none when the configuration does not say.
    pub inward: Option<Direction>,
}

/// The transit that a reading tells of.
#[must_use]
pub fn into_transit(
    pushed: &Pushed,
    maker: Maker,
    placing: &Placing,
    captured_at: CaptureTime,
    id: TransitId,
) -> Transit {
    let reader = OnboardReader::new(
        maker.as_str(),
        &pushed.device,
        &pushed.event,
        pushed.confidence,
        pushed.confidence_top,
    )
    .with_plate_said(&pushed.plate_said, &pushed.unread);
    let lane = match placing.lanes.as_slice() {
        [only] => Some(only.clone()),
        all => pushed.lane.and_then(|number| {
            let at = usize::try_from(number.checked_sub(1)?).ok()?;
            all.get(at).cloned()
        }),
    };
    let both = pushed.direction.zip(placing.inward);
    let travel = both.map(|(direction, inward)| match direction == inward {
        true => Travel::In,
        false => Travel::Out,
    });
    Transit {
        id,
        camera: placing.camera.clone(),
        gate: placing.gate.clone(),
        captured_at,
        first_seen: captured_at.at,
        last_seen: captured_at.at,
        direction: pushed.direction,
        plate: read(pushed, reader.confidence()),
        crop: crop(pushed.picture.as_ref()).unwrap_or_else(none),
        // None of our nets read it.
        model_digest: Digest::ZERO,
        lane,
        travel,
        onboard: Some(reader),
    }
}

fn read(pushed: &Pushed, whole: Confidence) -> PlateRead {
    let is_unread = |at: usize| u32::try_from(at).is_ok_and(|at| pushed.unread.contains(&at));
    let one = |(at, symbol): (usize, char)| {
        let own = pushed.characters.get(at);
        let confidence = match own {
            _ if is_unread(at) => Confidence::saturating(UNREAD_CONFIDENCE),
            Some(said) => Confidence::saturating(said / pushed.confidence_top),
            None => whole,
        };
        vec![CharacterCandidate { symbol, confidence }]
    };
    let country = pushed.country.iter().map(|country| CountryCandidate {
        country: country.clone(),
        confidence: whole,
    });
    let unread = pushed.unread.iter();
    let sure = unread.fold(whole.get(), |sure, _| sure * UNREAD_CONFIDENCE);
    let text = pushed.plate.as_str();
    PlateRead {
        text: pushed.plate.clone(),
        confidence: Confidence::saturating(sure),
        characters: text.chars().enumerate().map(one).collect(),
        // The camera tells one reading, whatever it voted over.
        agreeing_reads: 1,
        reads: 1,
        countries: country.collect(),
        rows: 0,
    }
}
