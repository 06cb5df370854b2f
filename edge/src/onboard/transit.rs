//! A pushed reading becomes a transit like any other, with its reader stated.

use varco_proto::confidence::Confidence;
use varco_proto::ids::{CameraId, Digest, GateId, LaneId, TransitId};
use varco_proto::onboard::OnboardReader;
use varco_proto::transit::{
    CaptureTime, CharacterCandidate, CountryCandidate, Direction, PlateRead, Transit, Travel,
};

use super::plate_picture::{crop, none};
use super::{Maker, Pushed};

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
    );
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
    let one = |(at, symbol): (usize, char)| {
        let own = pushed.characters.get(at);
        let confidence = own.map_or(whole, |said| {
            Confidence::saturating(said / pushed.confidence_top)
        });
        vec![CharacterCandidate { symbol, confidence }]
    };
    let country = pushed.country.iter().map(|country| CountryCandidate {
        country: country.clone(),
        confidence: whole,
    });
    let text = pushed.plate.as_str();
    PlateRead {
        text: pushed.plate.clone(),
        confidence: whole,
        characters: text.chars().enumerate().map(one).collect(),
        // The camera tells one reading, whatever it voted over.
        agreeing_reads: 1,
        reads: 1,
        countries: country.collect(),
        rows: 0,
    }
}
