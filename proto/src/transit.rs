//! One vehicle passing one lane once, checked, and its wire form.

use std::time::Duration;

use crate::confidence::Confidence;
use crate::envelope::PayloadError;
use crate::ids::{CameraId, Digest, GateId, LaneId, TransitId};
use crate::onboard::OnboardReader;
use crate::plate::PlateText;
use crate::time::UtcTime;
use crate::wire;

/// Largest plate crop, in bytes of JPEG.
pub const CROP_BYTES_MAX: usize = 65_536;
/// Largest side of a plate crop, in pixels.
pub const CROP_SIDE_PX_MAX: u32 = 1024;
/// Most candidates kept for one character.
pub const CANDIDATES_MAX: usize = 5;
/// Largest doubt of a capture time: as long as a transit may be kept, and a day.
pub const UNCERTAINTY_MAX: Duration = Duration::from_secs(8 * 24 * 3600);
/// Most countries kept for one read.
pub const COUNTRIES_MAX: usize = 5;

/// A pass of one vehicle.
#[derive(Debug, Clone, PartialEq)]
pub struct Transit {
    /// Made on the edge.
    pub id: TransitId,
    /// Which camera saw it.
    pub camera: CameraId,
    /// At which gate.
    pub gate: GateId,
    /// When the frame of the best read was taken; retention counts from here.
    pub captured_at: CaptureTime,
    /// First frame in which the plate was followed.
    pub first_seen: UtcTime,
    /// Last frame in which the plate was followed.
    pub last_seen: UtcTime,
    /// As the camera sees it; none when the pass was too short to tell.
    pub direction: Option<Direction>,
    /// What was read, voted over the pass.
    pub plate: PlateRead,
    /// The plate cut out of the best frame.
    pub crop: PlateCrop,
    /// SHA-256 of the model manifest that was loaded; [`Digest::ZERO`] with an on-board reader.
    pub model_digest: Digest,
    /// On which lane; none when the edge does not know.
    pub lane: Option<LaneId>,
    /// Into the area behind the gate or out of it; none when the edge does not know.
    pub travel: Option<Travel>,
    /// The camera's own reader; none when Varco's models read the plate.
    pub onboard: Option<OnboardReader>,
}

/// A moment of capture with its doubt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CaptureTime {
    /// The moment.
    pub at: UtcTime,
    /// The true moment lies within plus or minus this; at most [`UNCERTAINTY_MAX`].
    pub uncertainty: Duration,
    /// Whose clock said so.
    pub source: ClockSource,
}

/// Where a capture time comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClockSource {
    /// The camera's own clock: by RTCP sender report, or as a pushed reading says.
    Camera,
    /// The edge's clock when the frame or the pushed reading arrived.
    Arrival,
    /// A file's own time line; never stored by a hub.
    File,
}

/// As seen by the camera.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// The plate grows.
    Towards,
    /// The plate shrinks.
    Away,
}

/// Into the area behind a gate, or out of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Travel {
    /// It came in.
    In,
    /// It went out.
    Out,
}

/// The text of a plate with its doubts.
#[derive(Debug, Clone, PartialEq)]
pub struct PlateRead {
    /// The text.
    pub text: PlateText,
    /// Of the whole text.
    pub confidence: Confidence,
    /// As many as the text has characters, each with its candidates, most probable first. The
    /// first candidate is the text's own character.
    pub characters: Vec<Vec<CharacterCandidate>>,
    /// Frames whose own read gave exactly this text.
    pub agreeing_reads: u32,
    /// Frames that gave a read.
    pub reads: u32,
    /// Most probable first.
    pub countries: Vec<CountryCandidate>,
    /// Rows of text, 1 or 2; 0 when not known.
    pub rows: u32,
}

/// One reading of one character.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CharacterCandidate {
    /// A-Z or 0-9.
    pub symbol: char,
    /// Of this symbol at this place.
    pub confidence: Confidence,
}

/// One hypothesis about the country of registration.
#[derive(Debug, Clone, PartialEq)]
pub struct CountryCandidate {
    /// ISO 3166-1 alpha-2, `XX` when none of the known.
    pub country: String,
    /// Of this country.
    pub confidence: Confidence,
}

/// The plate cut out of a frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlateCrop {
    /// Baseline JPEG, at most [`CROP_BYTES_MAX`].
    pub jpeg: Vec<u8>,
    /// Width in pixels.
    pub width_px: u32,
    /// Height in pixels.
    pub height_px: u32,
}

impl From<&Transit> for wire::Transit {
    fn from(transit: &Transit) -> Self {
        Self {
            transit_id: transit.id.as_bytes().to_vec(),
            camera_id: transit.camera.to_string(),
            gate_id: transit.gate.to_string(),
            captured_at: Some(transit.captured_at.into()),
            first_seen_unix_us: transit.first_seen.unix_us(),
            last_seen_unix_us: transit.last_seen.unix_us(),
            direction: match transit.direction {
                None => wire::Direction::Unspecified,
                Some(Direction::Towards) => wire::Direction::Towards,
                Some(Direction::Away) => wire::Direction::Away,
            }
            .into(),
            plate: Some((&transit.plate).into()),
            crop: Some(wire::PlateCrop {
                jpeg: transit.crop.jpeg.clone(),
                width_px: transit.crop.width_px,
                height_px: transit.crop.height_px,
            }),
            model_digest: transit.model_digest.as_bytes().to_vec(),
            lane_id: transit
                .lane
                .as_ref()
                .map(LaneId::to_string)
                .unwrap_or_default(),
            travel: match transit.travel {
                None => wire::Travel::Unspecified,
                Some(Travel::In) => wire::Travel::In,
                Some(Travel::Out) => wire::Travel::Out,
            }
            .into(),
            onboard: transit.onboard.as_ref().map(Into::into),
        }
    }
}

impl TryFrom<wire::Transit> for Transit {
    type Error = PayloadError;

    fn try_from(sent: wire::Transit) -> Result<Self, PayloadError> {
        use PayloadError as E;
        let direction = match sent.direction() {
            wire::Direction::Unspecified => None,
            wire::Direction::Towards => Some(Direction::Towards),
            wire::Direction::Away => Some(Direction::Away),
        };
        let travel = match sent.travel() {
            wire::Travel::Unspecified => None,
            wire::Travel::In => Some(Travel::In),
            wire::Travel::Out => Some(Travel::Out),
        };
        let lane = match sent.lane_id {
            none if none.is_empty() => None,
            name => Some(LaneId::try_from(name).map_err(E::field("lane_id"))?),
        };
        let transit = Self {
            id: TransitId::try_from(&sent.transit_id[..]).map_err(E::field("transit_id"))?,
            camera: CameraId::try_from(sent.camera_id).map_err(E::field("camera_id"))?,
            gate: GateId::try_from(sent.gate_id).map_err(E::field("gate_id"))?,
            captured_at: sent
                .captured_at
                .ok_or(E::Missing("captured_at"))?
                .try_into()?,
            first_seen: UtcTime::from_unix_us(sent.first_seen_unix_us),
            last_seen: UtcTime::from_unix_us(sent.last_seen_unix_us),
            direction,
            plate: sent.plate.ok_or(E::Missing("plate"))?.try_into()?,
            crop: sent.crop.ok_or(E::Missing("crop"))?.try_into()?,
            model_digest: Digest::try_from(&sent.model_digest[..])
                .map_err(E::field("model_digest"))?,
            lane,
            travel,
            onboard: sent.onboard.map(TryInto::try_into).transpose()?,
        };
        if transit.last_seen < transit.first_seen {
            let why = "it lies before first_seen_unix_us".to_owned();
            return Err(E::Field {
                field: "last_seen_unix_us",
                why,
            });
        }
        Ok(transit)
    }
}

impl From<CaptureTime> for wire::CaptureTime {
    fn from(time: CaptureTime) -> Self {
        let most = time.uncertainty.min(UNCERTAINTY_MAX);
        let micros = u64::try_from(most.as_micros()).unwrap_or(u64::MAX);
        let uncertainty_us = u32::try_from(micros).unwrap_or(u32::MAX);
        Self {
            unix_us: time.at.unix_us(),
            uncertainty_us,
            uncertainty_more_us: micros.saturating_sub(u64::from(uncertainty_us)),
            source: match time.source {
                ClockSource::Camera => wire::ClockSource::Camera,
                ClockSource::Arrival => wire::ClockSource::Arrival,
                ClockSource::File => wire::ClockSource::File,
            }
            .into(),
        }
    }
}

impl TryFrom<wire::CaptureTime> for CaptureTime {
    type Error = PayloadError;

    fn try_from(sent: wire::CaptureTime) -> Result<Self, PayloadError> {
        let source = match sent.source() {
            wire::ClockSource::Camera => ClockSource::Camera,
            wire::ClockSource::Arrival => ClockSource::Arrival,
            wire::ClockSource::File => ClockSource::File,
            wire::ClockSource::Unspecified => return Err(PayloadError::Missing("source")),
        };
        let micros = u64::from(sent.uncertainty_us).checked_add(sent.uncertainty_more_us);
        let uncertainty = micros.map(Duration::from_micros);
        let uncertainty = uncertainty.filter(|doubt| *doubt <= UNCERTAINTY_MAX);
        let beyond = || PayloadError::field("uncertainty_more_us")("it is more than any doubt");
        let uncertainty = uncertainty.ok_or_else(beyond)?;
        Ok(Self {
            at: UtcTime::from_unix_us(sent.unix_us),
            uncertainty,
            source,
        })
    }
}

impl From<&PlateRead> for wire::PlateRead {
    fn from(read: &PlateRead) -> Self {
        let candidate = |candidate: &CharacterCandidate| wire::CharacterCandidate {
            symbol: u32::from(candidate.symbol),
            confidence: candidate.confidence.get(),
        };
        Self {
            text: read.text.to_string(),
            confidence: read.confidence.get(),
            characters: read
                .characters
                .iter()
                .map(|all| wire::PlateCharacter {
                    candidates: all.iter().map(candidate).collect(),
                })
                .collect(),
            agreeing_reads: read.agreeing_reads,
            reads: read.reads,
            countries: read
                .countries
                .iter()
                .map(|c| wire::CountryCandidate {
                    country: c.country.clone(),
                    confidence: c.confidence.get(),
                })
                .collect(),
            rows: read.rows,
        }
    }
}

impl TryFrom<wire::PlateRead> for PlateRead {
    type Error = PayloadError;

    fn try_from(sent: wire::PlateRead) -> Result<Self, PayloadError> {
        use PayloadError as E;
        let text: PlateText = sent.text.parse().map_err(E::field("text"))?;
        let mut characters = Vec::with_capacity(sent.characters.len());
        for character in sent.characters {
            characters.push(character_candidates(character)?);
        }
        let first = characters
            .iter()
            .filter_map(|all: &Vec<CharacterCandidate>| all.first());
        if characters.len() != text.as_str().len()
            || !text.as_str().chars().eq(first.map(|best| best.symbol))
        {
            let why = "the first candidates do not spell the text".to_owned();
            return Err(E::Field {
                field: "characters",
                why,
            });
        }
        if sent.agreeing_reads > sent.reads || sent.rows > 2 {
            let why = "more agreeing reads than reads, or more than two rows".to_owned();
            return Err(E::Field {
                field: "reads",
                why,
            });
        }
        if sent.countries.len() > COUNTRIES_MAX {
            let why = format!("at most {COUNTRIES_MAX} are taken");
            return Err(E::Field {
                field: "countries",
                why,
            });
        }
        let countries = sent
            .countries
            .into_iter()
            .map(country_candidate)
            .collect::<Result<_, _>>()?;
        Ok(Self {
            text,
            confidence: Confidence::new(sent.confidence).map_err(E::field("confidence"))?,
            characters,
            agreeing_reads: sent.agreeing_reads,
            reads: sent.reads,
            countries,
            rows: sent.rows,
        })
    }
}

fn character_candidates(
    sent: wire::PlateCharacter,
) -> Result<Vec<CharacterCandidate>, PayloadError> {
    if sent.candidates.is_empty() || sent.candidates.len() > CANDIDATES_MAX {
        let why = format!("a character has 1 to {CANDIDATES_MAX} candidates");
        return Err(PayloadError::Field {
            field: "candidates",
            why,
        });
    }
    sent.candidates
        .into_iter()
        .map(|candidate| {
            let symbol = char::from_u32(candidate.symbol)
                .filter(|c| matches!(c, 'A'..='Z' | '0'..='9'))
                .ok_or_else(|| PayloadError::field("symbol")("a symbol is one of A-Z and 0-9"))?;
            let confidence =
                Confidence::new(candidate.confidence).map_err(PayloadError::field("confidence"))?;
            Ok(CharacterCandidate { symbol, confidence })
        })
        .collect()
}

fn country_candidate(sent: wire::CountryCandidate) -> Result<CountryCandidate, PayloadError> {
    if sent.country.len() != 2 || !sent.country.bytes().all(|b| b.is_ascii_uppercase()) {
        return Err(PayloadError::field("country")(
            "a country is two letters A-Z",
        ));
    }
    let confidence = Confidence::new(sent.confidence).map_err(PayloadError::field("confidence"))?;
    Ok(CountryCandidate {
        country: sent.country,
        confidence,
    })
}

impl TryFrom<wire::PlateCrop> for PlateCrop {
    type Error = PayloadError;

    fn try_from(sent: wire::PlateCrop) -> Result<Self, PayloadError> {
        if sent.jpeg.len() > CROP_BYTES_MAX || !sent.jpeg.starts_with(&[0xff, 0xd8]) {
            let why = format!("a crop is a JPEG of at most {CROP_BYTES_MAX} bytes");
            return Err(PayloadError::Field { field: "jpeg", why });
        }
        let sides = 1..=CROP_SIDE_PX_MAX;
        if !sides.contains(&sent.width_px) || !sides.contains(&sent.height_px) {
            let why = format!("each side is 1 to {CROP_SIDE_PX_MAX} px");
            return Err(PayloadError::Field {
                field: "width_px, height_px",
                why,
            });
        }
        Ok(Self {
            jpeg: sent.jpeg,
            width_px: sent.width_px,
            height_px: sent.height_px,
        })
    }
}
