//! One reading as a camera pushes it, in one form for all makers.

use varco_proto::plate::PlateText;
use varco_proto::time::UtcTime;
use varco_proto::transit::Direction;

use super::notes::LeftOut;

/// A reading as the camera says it, in one form for all makers.
#[derive(Debug, Clone, PartialEq)]
pub struct Pushed {
    /// What makes two messages one event; never shown.
    pub key: String,
    /// The camera's own name for the event; empty when it gives none.
    pub event: String,
    /// As the camera names itself; empty when it does not.
    pub device: String,
    /// The text; a stand-in where the camera did not read a character.
    pub plate: PlateText,
    /// The plate as the camera wrote it, when the text says it otherwise; else empty.
    pub plate_said: String,
    /// Places in the text, from 0, of characters that the camera did not read.
    pub unread: Vec<u32>,
    /// The confidence on the camera's scale; none when it says none.
    pub confidence: Option<f32>,
    /// The top of that scale.
    pub confidence_top: f32,
    /// Of each character on the same scale; empty when the camera says none, or not as many as
    /// the text has.
    pub characters: Vec<f32>,
    /// ISO 3166-1 alpha-2.
    pub country: Option<String>,
    /// When it was captured; none when the camera does not say.
    pub at: Option<UtcTime>,
    /// As the camera sees it.
    pub direction: Option<Direction>,
    /// The camera's number of the lane, from 1.
    pub lane: Option<u32>,
    /// What there is of a picture.
    pub picture: Option<Picture>,
    /// What of the message could not be used, and why.
    pub left_out: Vec<LeftOut>,
    /// Whether the camera itself says that it sends this later than it could have: kept during an
    /// outage, or out of its history.
    pub late: bool,
    /// Which of its vehicle's messages this is.
    pub telling: Telling,
}

/// Which of its vehicle's messages a message is, as far as its camera says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Telling {
    /// The only one, or the camera does not say.
    #[default]
    Whole,
    /// The first of a vehicle: a number that was given before is given to another vehicle.
    Begins,
    /// A further one of a vehicle that was told before.
    Further,
    /// One frame of a vehicle in sight: each frame tells it anew.
    Frame,
}

/// A picture of a pushed reading, still as the camera encoded it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Picture {
    /// Of the plate alone.
    Plate(Vec<u8>),
    /// Of more, with the plate in this place of it: left, top, width and height in pixels.
    Scene(Vec<u8>, [u32; 4]),
}

impl Picture {
    /// Bytes of it.
    #[must_use]
    pub fn size(&self) -> usize {
        match self {
            Self::Plate(bytes) | Self::Scene(bytes, _) => bytes.len(),
        }
    }
}

/// Whether bytes begin like a picture: JPEG, PNG, WebP, BMP, TIFF or GIF.
pub(super) fn is_picture(bytes: &[u8]) -> bool {
    let begins: [&[u8]; 7] = [
        b"\xff\xd8",
        b"\x89PNG",
        b"RIFF",
        b"BM",
        b"II*\0",
        b"MM\0*",
        b"GIF8",
    ];
    begins.iter().any(|begin| bytes.starts_with(begin))
}
