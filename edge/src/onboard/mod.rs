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
pub mod maker;
pub mod malformed;
pub mod message;
mod milesight;
pub mod moment;
pub mod notes;
mod onvif;
pub mod part;
mod plain;
mod plate;
pub mod plate_picture;
pub mod pushed;
pub mod repeat;
pub mod sink;
mod text;
pub mod timing;
pub mod transit;
mod tree;
pub mod understanding;
mod words;

use varco_proto::time::UtcTime;

use self::maker::Maker;
use self::malformed::Malformed;
use self::message::Message;
use self::part::Part;
use self::understanding::Understanding;

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

#[cfg(test)]
mod tests;
