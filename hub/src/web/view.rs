//! A transit as the API shows it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use varco_proto::envelope::Verified;
use varco_proto::record::Record;

use super::corrections::CorrectionView;
use super::words::{DirectionView, TravelView};

/// One transit. Everything in it is read from the sealed original.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TransitView {
    /// UUID version 7.
    pub transit_id: String,
    /// Normal form: A-Z and 0-9.
    pub plate: String,
    /// Of the whole plate, 0 to 1.
    pub confidence: f32,
    /// Per character in reading order, what it may be, most probable first.
    pub candidates: Vec<Vec<CandidateView>>,
    /// Most probable first.
    pub countries: Vec<CountryView>,
    /// The gate.
    pub gate: String,
    /// The camera.
    pub camera: String,
    /// As the camera sees it; null when not known.
    pub direction: Option<DirectionView>,
    /// The lane; null when not known.
    #[serde(default)]
    pub lane: Option<String>,
    /// In to or out of the area behind the gate; null when not known.
    #[serde(default)]
    pub travel: Option<TravelView>,
    /// RFC 3339, UTC.
    pub captured_at: String,
    /// The true moment lies within plus or minus so many milliseconds.
    pub uncertainty_ms: f64,
    /// Frames whose own read gave exactly this plate.
    pub agreeing_reads: u32,
    /// Frames that gave a read at all.
    pub reads: u32,
    /// Who read the plate: null for Varco's own models, else the camera that reads on board.
    #[serde(default)]
    pub onboard: Option<OnboardView>,
    /// The plate cut out of the best frame, as a `data:image/jpeg;base64,` URL.
    pub crop: String,
    /// SHA-256 of the sealed record, hexadecimal: its name in the audit.
    pub record_digest: String,
    /// How the plate that was read differs from the one that was searched; null when it is what was
    /// searched.
    #[serde(default)]
    pub misread: Option<Vec<MisreadView>>,
    /// Corrections of the text, oldest first; the last holds, and `plate` stays what was read. Lookups and cases tell
    /// them; alerts and the live stream are of what was read.
    #[serde(default)]
    pub corrections: Vec<CorrectionView>,
}

/// How a plate that was read differs from the one that was searched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum MisreadKind {
    /// Another character was read.
    Other,
    /// A character was not read.
    Missed,
    /// A character was read that is not in the plate.
    TooMany,
}

/// One difference between a plate that was read and the one that was searched.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct MisreadView {
    /// How it differs.
    pub kind: MisreadKind,
    /// Which character, from 1: in what was searched, and for `too-many` in what was read.
    pub position: usize,
    /// The character that was searched; null for `too-many`.
    pub searched: Option<char>,
    /// The character that was read; null for `missed`.
    pub read: Option<char>,
    /// How far the camera itself held the searched character for possible, 0 to 1; null when it did
    /// not.
    pub confidence: Option<f32>,
}

/// A reader that is not Varco's.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct OnboardView {
    /// Whose format the reading came in: `Hikvision`, `Axis`, `Milesight`, `ONVIF`, `Dahua`, `plain`.
    pub maker: String,
    /// As the camera names itself; empty when it does not.
    pub device: String,
    /// The camera's own name for the event; may be empty.
    pub event: String,
    /// The confidence as the camera said it; null when it said none, and then `confidence` is 0.
    pub confidence_said: Option<f32>,
    /// The top of the camera's scale; null when it said none.
    pub confidence_top: Option<f32>,
    /// The plate as the camera wrote it, when the text says it otherwise, as for a letter with a
    /// mark; else empty.
    #[serde(default)]
    pub plate_said: String,
    /// Places in the plate, from 1, of characters that the camera did not read: the text has a
    /// stand-in there.
    #[serde(default)]
    pub unread: Vec<u32>,
}

/// One reading of one character.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CandidateView {
    /// A-Z or 0-9.
    pub symbol: String,
    /// 0 to 1.
    pub confidence: f32,
}

/// One hypothesis about the country.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CountryView {
    /// ISO 3166-1 alpha-2; XX when none of the known.
    pub country: String,
    /// 0 to 1.
    pub confidence: f32,
}

/// A municipality that keeps its transits for a shorter time than was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ShorterTerm {
    /// Its name.
    pub municipality: String,
    /// How many hours it keeps them.
    pub term_hours: u8,
    /// First moment of its transits that was searched.
    pub searched_from: String,
}

impl TransitView {
    /// Shows a verified record; none when it is no transit.
    #[must_use]
    pub fn of(verified: &Verified<Record>) -> Option<Self> {
        let transit = verified.value().body.transit()?;
        let plate = &transit.plate;
        let candidates = plate.characters.iter().map(|all| {
            all.iter()
                .map(|c| CandidateView {
                    symbol: c.symbol.to_string(),
                    confidence: c.confidence.get(),
                })
                .collect()
        });
        let countries = plate.countries.iter().map(|c| CountryView {
            country: c.country.clone(),
            confidence: c.confidence.get(),
        });
        Some(Self {
            transit_id: transit.id.to_string(),
            plate: plate.text.to_string(),
            confidence: plate.confidence.get(),
            candidates: candidates.collect(),
            countries: countries.collect(),
            gate: transit.gate.to_string(),
            camera: transit.camera.to_string(),
            direction: transit.direction.map(DirectionView::from),
            lane: transit.lane.as_ref().map(ToString::to_string),
            travel: transit.travel.map(TravelView::from),
            captured_at: transit.captured_at.at.to_string(),
            uncertainty_ms: transit.captured_at.uncertainty.as_secs_f64() * 1000.0,
            agreeing_reads: plate.agreeing_reads,
            reads: plate.reads,
            onboard: transit.onboard.as_ref().map(|reader| OnboardView {
                maker: reader.maker().to_owned(),
                device: reader.device().to_owned(),
                event: reader.event().to_owned(),
                confidence_said: reader.said().map(|(said, _)| said),
                confidence_top: reader.said().map(|(_, top)| top),
                plate_said: reader.plate_said().to_owned(),
                unread: reader.unread().iter().map(|at| at + 1).collect(),
            }),
            crop: format!(
                "data:image/jpeg;base64,{}",
                STANDARD.encode(&transit.crop.jpeg)
            ),
            record_digest: verified.digest().to_string(),
            misread: None,
            corrections: Vec::new(),
        })
    }
}
