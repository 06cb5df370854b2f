//! Which messages tell of one vehicle passing: they make one transit.
//!
//! A camera sends a message again when it missed the answer; that one is known by all that it says:
//! the camera's own name for it, the time and the plate. Some cameras tell one vehicle several times;
//! these messages are known by the vehicle's number, but only while it is in sight, because numbers
//! begin anew when a camera restarts. What has neither number nor time is known by its content, and
//! only for a moment: the same vehicle may come again.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use varco_proto::ids::Digest;
use varco_proto::time::UtcTime;

use super::pushed::{Picture, Pushed, Telling};
use super::understanding::Take;

/// Most events remembered of one camera.
pub const EVENTS_MAX: usize = 4096;
/// How long an event with a time of its own is known.
pub const KNOWN: Duration = Duration::from_secs(3600);
/// How long one is known that says no time, but a number.
const KNOWN_BY_NUMBER: Duration = Duration::from_secs(60);
/// How long one is known that says neither.
const KNOWN_BY_CONTENT: Duration = Duration::from_secs(30);
/// An object that is told in each frame is out of sight when no frame has told it for so long.
const IN_SIGHT: Duration = Duration::from_secs(30);

/// What a reading is known by. Keyed digests: nobody reads a plate out of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    /// Of all that it says.
    pub event: Digest,
    /// Of the vehicle's number; none where one message tells the whole transit.
    pub vehicle: Option<Digest>,
    /// Of the plate.
    pub plate: Digest,
    /// When it was, by the camera or else by its arrival.
    pub moment: UtcTime,
    /// Which of its vehicle's messages it is.
    pub telling: Telling,
    /// How long it is known.
    pub known: Duration,
}

impl Identity {
    /// Of a reading that arrived at `arrived`; `tag` makes keyed digests of this camera.
    pub fn of(
        pushed: &Pushed,
        take: Take,
        arrived: UtcTime,
        tag: impl Fn(&[u8]) -> Digest,
    ) -> Self {
        let telling = match (take, pushed.telling) {
            // Of these only the last one counts, and it tells the whole transit.
            (Take::Last, Telling::Begins | Telling::Further) => Telling::Whole,
            (_, telling) => telling,
        };
        let plate = pushed.plate.as_str();
        let mut said = vec![pushed.key.as_str(), pushed.event.as_str(), plate];
        let moment = pushed.at.map(|at| at.unix_us().to_string());
        let content = content(pushed);
        said.push(moment.as_deref().unwrap_or(&content));
        let known = match (pushed.at, pushed.event.is_empty()) {
            (Some(_), _) => KNOWN,
            (None, false) => KNOWN_BY_NUMBER,
            (None, true) => KNOWN_BY_CONTENT,
        };
        Self {
            event: tag(&listed("event", &said)),
            vehicle: (telling != Telling::Whole).then(|| tag(&listed("vehicle", &[&pushed.key]))),
            plate: tag(&listed("plate", &[plate])),
            moment: pushed.at.unwrap_or(arrived),
            telling,
            known,
        }
    }
}

/// What tells two readings apart that say neither number nor time.
fn content(pushed: &Pushed) -> String {
    let picture = match &pushed.picture {
        None => Digest::ZERO,
        Some(Picture::Plate(bytes) | Picture::Scene(bytes, _)) => Digest::of(bytes),
    };
    let (confidence, lane) = (pushed.confidence, pushed.lane);
    format!("{picture} {confidence:?} {lane:?} {:?}", pushed.direction)
}

/// Texts in a form in which no two lists are the same.
fn listed(kind: &str, texts: &[&str]) -> Vec<u8> {
    let mut out = kind.as_bytes().to_vec();
    for text in texts {
        out.extend_from_slice(format!("|{}|{text}", text.len()).as_bytes());
    }
    out
}

/// A vehicle that is told several times.
#[derive(Debug, Clone, Copy)]
struct Vehicle {
    plate: Digest,
    first: UtcTime,
    last: UtcTime,
}

impl Vehicle {
    /// Whether a moment lies so near to those told that the vehicle was in sight all along.
    fn is_in_sight(&self, moment: UtcTime) -> bool {
        self.first - IN_SIGHT <= moment && moment <= self.last + IN_SIGHT
    }
}

/// The events of one camera lately.
#[derive(Debug, Default)]
pub struct SeenEvents {
    /// Until when, by the monotonic clock.
    events: HashMap<Digest, Duration>,
    vehicles: HashMap<Digest, Vehicle>,
    order: VecDeque<(Digest, Option<Digest>)>,
}

impl SeenEvents {
    /// Whether the reading tells of a transit that was noted.
    pub fn has(&mut self, reading: &Identity, now: Duration) -> bool {
        if self
            .events
            .get(&reading.event)
            .is_some_and(|until| now <= *until)
        {
            return true;
        }
        let Some(vehicle) = reading.vehicle.and_then(|id| self.vehicles.get_mut(&id)) else {
            return false;
        };
        let in_sight = vehicle.is_in_sight(reading.moment);
        let same = match reading.telling {
            // The number is given anew, or the camera would not say that the vehicle is new.
            Telling::Whole | Telling::Begins => false,
            // It may wait at a barrier for long; within sight its plate may be read better.
            Telling::Further => in_sight || vehicle.plate == reading.plate,
            Telling::Frame => in_sight,
        };
        if same {
            vehicle.first = vehicle.first.min(reading.moment);
            vehicle.last = vehicle.last.max(reading.moment);
        }
        same
    }

    /// Notes one that was sealed so long ago, before a restart.
    pub fn recall(&mut self, reading: &Identity, age: Duration, now: Duration) {
        let known = reading.known.saturating_sub(age);
        self.note(&Identity { known, ..*reading }, now);
    }

    /// Notes a reading that is sealed.
    pub fn note(&mut self, reading: &Identity, now: Duration) {
        if self.order.len() >= EVENTS_MAX
            && let Some((event, vehicle)) = self.order.pop_front()
        {
            self.events.remove(&event);
            // A number that was given anew is noted further behind too.
            let is_last = |id: &Digest| !self.order.iter().any(|(_, other)| *other == Some(*id));
            if let Some(id) = vehicle.filter(is_last) {
                self.vehicles.remove(&id);
            }
        }
        self.events.insert(reading.event, now + reading.known);
        self.order.push_back((reading.event, reading.vehicle));
        if let Some(id) = reading.vehicle {
            let vehicle = Vehicle {
                plate: reading.plate,
                first: reading.moment,
                last: reading.moment,
            };
            self.vehicles.insert(id, vehicle);
        }
    }
}

#[cfg(test)]
mod tests {
    use ring::hmac;

    use super::*;

    fn reading(key: &str, plate: &str, at: Option<i64>, telling: Telling) -> Pushed {
        Pushed {
            key: key.to_owned(),
            event: key.to_owned(),
            device: String::new(),
            plate: plate.parse().unwrap(),
            confidence: None,
            confidence_top: 1.0,
            characters: Vec::new(),
            country: None,
            at: at.map(second),
            late: false,
            telling,
            direction: None,
            lane: None,
            picture: None,
            plate_said: String::new(),
            unread: Vec::new(),
            left_out: Vec::new(),
        }
    }

    fn second(second: i64) -> UtcTime {
        UtcTime::from_unix_us(second * 1_000_000)
    }

    /// Readings as they come, each with the second of its arrival; which are another transit.
    fn transits(take: Take, came: &[(i64, Pushed)]) -> Vec<bool> {
        let mut seen = SeenEvents::default();
        let each = |(arrived, pushed): &(i64, Pushed)| {
            let now = Duration::from_secs(u64::try_from(*arrived).unwrap());
            let identity = identity(pushed, take, *arrived);
            let is_new = !seen.has(&identity, now);
            if is_new {
                seen.note(&identity, now);
            }
            is_new
        };
        came.iter().map(each).collect()
    }

    fn identity(pushed: &Pushed, take: Take, arrived: i64) -> Identity {
        let key = hmac::Key::new(hmac::HMAC_SHA256, b"key");
        let tag = |bytes: &[u8]| Digest::try_from(hmac::sign(&key, bytes).as_ref()).unwrap();
        Identity::of(pushed, take, second(arrived), tag)
    }

    const NEW: bool = true;
    const REPEAT: bool = false;

    #[test]
    fn d03_part_a_message_sent_again_is_known_and_a_later_transit_is_another() {
        let whole = |at| reading("uuid", "AB123CD", Some(at), Telling::Whole);
        let came = [
            (1, whole(0)),
            (30, whole(0)),
            (3600, whole(0)),
            (66, whole(65)),
        ];
        assert_eq!(transits(Take::Last, &came), [NEW, REPEAT, REPEAT, NEW]);
        let other = reading("uuid", "AB124CD", Some(0), Telling::Whole);
        let came = [(1, whole(0)), (2, other)];
        let both = transits(Take::Last, &came);
        assert_eq!(
            both,
            [NEW, NEW],
            "a camera whose events are all of one name"
        );
    }

    #[test]
    fn d03_part_a_camera_that_counts_from_one_again_tells_of_other_vehicles() {
        let car = |number: &str, plate, at, telling| reading(number, plate, Some(at), telling);
        let came = [
            (0, car("1", "UQ401OI", 0, Telling::Begins)),
            (0, car("2", "UQ402OI", 0, Telling::Begins)),
            // The second message of the first car, and its last, from a barrier where it waits.
            (2, car("1", "UQ401OI", 2, Telling::Further)),
            (300, car("1", "UQ401OI", 300, Telling::Further)),
            // It restarts.
            (301, car("1", "UQ403OI", 301, Telling::Begins)),
            (301, car("1", "UQ403OI", 301, Telling::Begins)),
            (363, car("1", "UQ404OI", 363, Telling::Begins)),
            (364, car("2", "UQ405OI", 364, Telling::Begins)),
            // Its first message was lost.
            (500, car("2", "UQ406OI", 500, Telling::Further)),
        ];
        let expected = [NEW, NEW, REPEAT, REPEAT, NEW, REPEAT, NEW, NEW, NEW];
        assert_eq!(transits(Take::First, &came), expected);
    }

    #[test]
    fn d03_part_an_object_told_in_each_frame_is_one_transit_while_it_is_in_sight() {
        let frame = |at| reading("21|OU321IQ", "OU321IQ", Some(at), Telling::Frame);
        let came: Vec<_> = [0, 1, 2, 25, 50, 78, 143].map(|at| (at, frame(at))).into();
        let expected = [NEW, REPEAT, REPEAT, REPEAT, REPEAT, REPEAT, NEW];
        assert_eq!(transits(Take::Last, &came), expected);
        // From a backlog, all at once.
        let came = [(200, frame(0)), (200, frame(1)), (200, frame(66))];
        assert_eq!(transits(Take::Last, &came), [NEW, REPEAT, NEW]);
    }

    #[test]
    fn d03_part_a_reading_without_time_and_number_is_known_for_a_moment_alone() {
        let nameless = Pushed {
            event: String::new(),
            ..reading("", "IO301QU", None, Telling::Whole)
        };
        let with_picture = Pushed {
            picture: Some(Picture::Plate(vec![1])),
            ..nameless.clone()
        };
        let came = [
            (0, nameless.clone()),
            (10, nameless.clone()),
            (11, with_picture),
            (65, nameless),
        ];
        assert_eq!(transits(Take::Last, &came), [NEW, REPEAT, NEW, NEW]);
        let numbered = reading("7", "IO301QU", None, Telling::Whole);
        let came = [
            (0, numbered.clone()),
            (59, numbered.clone()),
            (61, numbered),
        ];
        assert_eq!(transits(Take::Last, &came), [NEW, REPEAT, NEW]);
    }

    #[test]
    fn d03_part_memory_is_bounded() {
        let mut seen = SeenEvents::default();
        for k in 0..10_000_i64 {
            let key = format!("{}", k % 5000);
            let pushed = reading(&key, "AB123CD", Some(k * 100), Telling::Begins);
            seen.note(&identity(&pushed, Take::First, 0), Duration::ZERO);
        }
        assert!(seen.events.len() <= EVENTS_MAX && seen.order.len() <= EVENTS_MAX);
        assert!(seen.vehicles.len() <= EVENTS_MAX);
    }
}
