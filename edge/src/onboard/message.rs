//! What a camera's message says.

use super::malformed::Malformed;
use super::pushed::{Pushed, Telling};

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

/// What one event of a message is.
pub(super) enum Event {
    /// A reading.
    Reading(Box<Pushed>),
    /// Anything else, in words.
    Other(&'static str),
}

/// What the events of one message say together: one that cannot be understood does not cost the
/// others.
pub(super) fn together(
    events: impl Iterator<Item = Result<Event, Malformed>>,
) -> Result<Message, Malformed> {
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
