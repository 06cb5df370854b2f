//! Takes what cameras push, and seals it like any other transit.

use std::fmt;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ring::hmac;
use varco_proto::ids::{Digest, TransitId};
use varco_proto::record::RecordBody;

use crate::adapters::clock::SharedClock;
use crate::adapters::spool::SharedSpool;
use crate::config::Reader;
use crate::logging::chain;
use crate::onboard::repeat::Seen;
use crate::onboard::sink::{Answer, Sink};
use crate::onboard::timing::CameraClock;
use crate::onboard::{
    LeftOut, Malformed, Message, Part, Pushed, Readings, Take, into_transit, understand,
};
use crate::status::{CameraCounters, ClockHealth};

/// How long an event is known by its own name.
const KNOWN: Duration = Duration::from_secs(3600);
/// How long a vehicle is known by a number that the camera counts from the beginning again.
const KNOWN_BY_NUMBER: Duration = Duration::from_secs(60);

/// All readers of this edge.
pub(super) struct Taker {
    readers: Vec<One>,
    spool: SharedSpool,
    clock: SharedClock,
    health: Arc<ClockHealth>,
    id_key: hmac::Key,
}

struct One {
    reader: Reader,
    counters: Arc<CameraCounters>,
    state: Mutex<State>,
}

struct State {
    seen: Seen,
    clock: CameraClock,
    busy_told: bool,
    malformed_told: bool,
    left_out_told: Vec<LeftOut>,
}

impl fmt::Debug for Taker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Taker({} readers)", self.readers.len())
    }
}

impl Taker {
    /// `id_secret` makes transit ids that nobody can guess and that an event sent again after a
    /// restart gets anew: the hub then takes it once.
    pub(super) fn new(
        readers: &[(Reader, Arc<CameraCounters>)],
        spool: SharedSpool,
        clock: SharedClock,
        health: Arc<ClockHealth>,
        id_secret: &[u8; 32],
    ) -> Self {
        let one = |(reader, counters): &(Reader, Arc<CameraCounters>)| {
            let by_number = reader.understanding.take == Take::First
                || reader.understanding.maker == crate::onboard::Maker::Onvif;
            let window = if by_number { KNOWN_BY_NUMBER } else { KNOWN };
            One {
                reader: reader.clone(),
                counters: Arc::clone(counters),
                state: Mutex::new(State {
                    seen: Seen::new(window),
                    clock: CameraClock::default(),
                    busy_told: false,
                    malformed_told: false,
                    left_out_told: Vec::new(),
                }),
            }
        };
        Self {
            readers: readers.iter().map(one).collect(),
            spool,
            clock,
            health,
            id_key: hmac::Key::new(hmac::HMAC_SHA256, id_secret),
        }
    }

    /// Each is counted by itself. The answer holds for all: what is sealed of a message that comes
    /// again is a repeat.
    fn readings(&self, one: &One, state: &mut State, readings: &Readings) -> Answer {
        let mut answers = Vec::with_capacity(readings.all.len());
        for pushed in &readings.all {
            tell_left_out(one, state, pushed);
            let answer = self.reading(one, state, pushed);
            self.count(one, state, answer);
            answers.push(answer);
        }
        if let Some(why) = readings.refused {
            self.count(one, state, Answer::Malformed(why));
        }
        Answer::of_all(&answers, readings.refused)
    }

    fn reading(&self, one: &One, state: &mut State, pushed: &Pushed) -> Answer {
        let placing = &one.reader.placing;
        let event = Digest::of(format!("{}|{}", placing.camera, pushed.key).as_bytes());
        let now = self.clock.monotonic();
        if state.seen.has(&event, now) {
            return Answer::Repeated;
        }
        // What comes before the time is known could not be told when.
        if !self.health.is_good.load(Ordering::Relaxed) {
            return Answer::Busy("the clock of this edge is not synchronised yet");
        }
        let (arrived, error) = (self.clock.now(), self.clock.error());
        let granted = one.reader.clock_error;
        let captured = state.clock.captured(pushed.at, arrived, error, granted);
        let counters = &one.counters.pushed;
        let offset_us = state.clock.offset_us().unwrap_or_default();
        counters.clock_offset_us.store(offset_us, Ordering::Relaxed);
        let tag = hmac::sign(&self.id_key, event.as_bytes());
        let mut random = [0; 10];
        random.copy_from_slice(tag.as_ref().get(..10).unwrap_or(&[0; 10]));
        let dated = pushed.at.unwrap_or(captured.at);
        let id = TransitId::from_parts(dated.unix_ms(), random);
        let maker = one.reader.understanding.maker;
        let transit = into_transit(pushed, maker, placing, captured, id);
        let confidence = transit.plate.confidence.get();
        match self.spool.seal(RecordBody::Transit(transit)) {
            Ok(sequence) => {
                state.seen.note(event, now);
                state.busy_told = false;
                one.counters.passes(now);
                let last = &one.counters.last_frame_unix_us;
                last.store(arrived.unix_us(), Ordering::Relaxed);
                tracing::info!(
                    camera.id = %placing.camera,
                    transit.id = %id,
                    record.sequence = sequence,
                    confidence,
                    reader = %maker,
                    "a vehicle has passed"
                );
                Answer::Taken
            }
            Err(error) => {
                if !state.busy_told {
                    state.busy_told = true;
                    tracing::error!(
                        camera.id = %placing.camera,
                        error = %chain(&error),
                        "readings cannot be sealed: the camera is asked to send them again"
                    );
                }
                Answer::Busy("this edge cannot seal now")
            }
        }
    }

    fn count(&self, one: &One, state: &mut State, answer: Answer) {
        let counters = &one.counters.pushed;
        let counter = match answer {
            Answer::Taken => &counters.taken,
            Answer::Repeated => &counters.repeated,
            Answer::Other(_) => &counters.other,
            Answer::Part(_) | Answer::Malformed(_) => &counters.malformed,
            Answer::Busy(_) => &counters.busy,
        };
        counter.fetch_add(1, Ordering::Relaxed);
        if let Answer::Malformed(why) = answer {
            if !state.malformed_told {
                let camera = &one.reader.placing.camera;
                tracing::warn!(
                    camera.id = %camera,
                    %why,
                    "a message cannot be understood; told once until one can. Try `varco-edge conform`"
                );
            }
            state.malformed_told = true;
        } else {
            state.malformed_told = false;
            one.counters.comes();
        }
    }
}

/// Counts what a reading goes without, and tells each kind of it once.
fn tell_left_out(one: &One, state: &mut State, pushed: &Pushed) {
    for left_out in &pushed.left_out {
        one.counters.pushed.left_out.fetch_add(1, Ordering::Relaxed);
        // The kinds are as many as the readers' own words for them.
        if !state.left_out_told.contains(left_out) {
            state.left_out_told.push(*left_out);
            tracing::warn!(
                camera.id = %one.reader.placing.camera,
                field = left_out.field,
                why = left_out.why,
                "readings are taken without a field, or with a changed one; told once, then counted"
            );
        }
    }
}

impl Sink for Taker {
    fn take(&self, reader: usize, parts: &[Part]) -> Answer {
        let Some(one) = self.readers.get(reader) else {
            return Answer::Busy("there is no such reader");
        };
        let understood = understand(&one.reader.understanding, parts, self.clock.now());
        // Held over the sealing, so that an event sent twice at once is seen as one.
        let mut state = one.state.lock().unwrap_or_else(PoisonError::into_inner);
        let answer = match understood {
            Ok(Message::Readings(readings)) => return self.readings(one, &mut state, &readings),
            Ok(Message::Other(what)) => Answer::Other(what),
            Err(malformed) => Answer::Malformed(malformed),
        };
        self.count(one, &mut state, answer);
        answer
    }

    fn refused(&self, reader: usize, why: Malformed) -> Answer {
        let answer = Answer::Malformed(why);
        if let Some(one) = self.readers.get(reader) {
            let mut state = one.state.lock().unwrap_or_else(PoisonError::into_inner);
            self.count(one, &mut state, answer);
        }
        answer
    }

    fn turned_away(&self, reader: usize) {
        if let Some(one) = self.readers.get(reader) {
            let counter = &one.counters.pushed.turned_away;
            if counter.fetch_add(1, Ordering::Relaxed) == 0 {
                tracing::warn!(
                    camera.id = %one.reader.placing.camera,
                    "somebody without the right login was turned away; told once, then counted. \
                     The first try of each camera that logs in by Digest is one"
                );
            }
        }
    }
}
