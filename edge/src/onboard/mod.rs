//! Readings of cameras that read plates themselves: a maker's message in, one form of reading out.
//!
//! Nothing here waits, listens or knows the time: messages come from `adapters::http` and
//! `adapters::feed`, and what they say is judged by the configuration of their camera.

mod axis;
mod country;
mod dahua;
mod fields;
mod hikvision;
mod loose;
mod milesight;
pub mod moment;
mod notes;
mod onvif;
mod plain;
mod plate;
mod plate_picture;
pub mod repeat;
pub mod sink;
mod text;
pub mod timing;
mod transit;
mod tree;
mod words;

use std::fmt;

use thiserror::Error;
use varco_proto::plate::PlateText;
use varco_proto::time::UtcTime;
use varco_proto::transit::Direction;

use self::moment::Zone;

pub use notes::LeftOut;
pub use plate_picture::crop;
pub use transit::{Placing, into_transit};

/// Largest message of a camera, in bytes: two pictures of it, as base64.
pub const MESSAGE_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Most parts of one message.
pub const PARTS_MAX: usize = 32;

/// Whose format a camera sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Maker {
    /// ISAPI: XML and pictures in a multipart POST.
    Hikvision,
    /// License Plate Verifier and the like of Vaxtor: JSON with pictures in base64.
    Axis,
    /// JSON with pictures in base64.
    Milesight,
    /// Profile M: JSON or XML over MQTT.
    Onvif,
    /// `TrafficJunction` events, and the push of ITC cameras: JSON.
    Dahua,
    /// Any reader: the JSON that Varco documents.
    Plain,
}

impl Maker {
    /// All, with the words of the configuration.
    pub const ALL: [(Self, &'static str); 6] = [
        (Self::Hikvision, "hikvision"),
        (Self::Axis, "axis"),
        (Self::Milesight, "milesight"),
        (Self::Onvif, "onvif"),
        (Self::Dahua, "dahua"),
        (Self::Plain, "plain"),
    ];

    /// By the word of the configuration.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        let found = Self::ALL.iter().find(|(_, name)| *name == word);
        found.map(|(maker, _)| *maker)
    }

    /// As people write it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Hikvision => "Hikvision",
            Self::Axis => "Axis",
            Self::Milesight => "Milesight",
            Self::Onvif => "ONVIF",
            Self::Dahua => "Dahua",
            Self::Plain => "plain",
        }
    }
}

impl fmt::Display for Maker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One part of a message in parts.
#[derive(Clone, PartialEq, Eq)]
pub struct Part {
    /// As its header names it and its file, with a space between them when they differ.
    pub name: String,
    /// Its content.
    pub bytes: Vec<u8>,
}

// A part may hold a plate, and whatever can be printed ends up in a log.
impl fmt::Debug for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Part({:?}, {} bytes)", self.name, self.bytes.len())
    }
}

/// How a camera's messages are understood.
#[derive(Debug, Clone, PartialEq)]
pub struct Understanding {
    /// Whose format.
    pub maker: Maker,
    /// Of the times that name none.
    pub zone: Zone,
    /// Which of several messages of one vehicle counts.
    pub take: Take,
}

/// Which of several messages of one vehicle counts, where a camera sends several.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Take {
    /// The first: soonest, but its direction is not known yet.
    First,
    /// The last, when the vehicle is gone. The default.
    Last,
}

/// What a message is.
#[derive(Debug, Clone, PartialEq)]
pub enum Message {
    /// What one message tells of one vehicle or of several.
    Readings(Readings),
    /// Anything else that a camera rightly sends, in words.
    Other(&'static str),
}

/// The readings of one message.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Readings {
    /// One for each vehicle; none only when something is refused.
    pub all: Vec<Pushed>,
    /// Why a further vehicle of the same message could not be understood.
    pub refused: Option<Malformed>,
}

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

/// The message cannot be understood: the camera is told so, and it is counted. No text repeats
/// what the message held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Malformed {
    /// Not the format of its maker.
    #[error("it is no {0}; set the camera to the format that the configuration names")]
    Format(&'static str),
    /// More than is read.
    #[error("it has more {0} than are taken")]
    TooMuch(&'static str),
    /// A field is missing.
    #[error("it has no `{0}`; switch it on in the camera's settings")]
    Missing(&'static str),
    /// A field cannot be used.
    #[error("`{0}` is not {1}")]
    Field(&'static str, &'static str),
}

/// Understands one message, which arrived at `arrived` by the edge's clock.
///
/// # Errors
/// [`Malformed`].
pub fn understand(
    rules: &Understanding,
    parts: &[Part],
    arrived: UtcTime,
) -> Result<Message, Malformed> {
    match rules.maker {
        Maker::Hikvision => hikvision::understand(rules, parts, arrived),
        Maker::Axis => axis::understand(rules, parts, arrived),
        Maker::Milesight => milesight::understand(rules, parts, arrived),
        Maker::Onvif => onvif::understand(rules, parts, arrived),
        Maker::Dahua => dahua::understand(rules, parts, arrived),
        Maker::Plain => plain::understand(rules, parts, arrived),
    }
}

/// What one event of a message is.
enum Event {
    /// A reading.
    Reading(Box<Pushed>),
    /// Anything else, in words.
    Other(&'static str),
}

/// What the events of one message say together: one that cannot be understood does not cost the
/// others.
fn together(events: impl Iterator<Item = Result<Event, Malformed>>) -> Result<Message, Malformed> {
    let mut readings = Readings::default();
    let mut other = "a message without a reading";
    for event in events {
        match event {
            Ok(Event::Reading(pushed)) => {
                let known = readings.all.iter().any(|one| is_same(one, &pushed));
                if !known {
                    readings.all.push(*pushed);
                }
            }
            Ok(Event::Other(what)) => other = what,
            Err(why) => readings.refused = readings.refused.or(Some(why)),
        }
    }
    match (readings.all.is_empty(), readings.refused) {
        (true, Some(why)) => Err(why),
        (true, None) => Ok(Message::Other(other)),
        (false, _) => Ok(Message::Readings(readings)),
    }
}

/// Whether two readings of one message are one. Some cameras give all their events one key, and a
/// scene description tells an object anew in each frame.
fn is_same(one: &Pushed, other: &Pushed) -> bool {
    let is_frame = other.telling == Telling::Frame;
    one.key == other.key && one.plate == other.plate && (is_frame || one.at == other.at)
}

/// Whether bytes begin like a picture: JPEG, PNG, WebP, BMP, TIFF or GIF.
fn is_picture(bytes: &[u8]) -> bool {
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

#[cfg(test)]
mod tests;
