//! Takes what cameras push, and seals it like any other transit.

mod waiting;

use std::fmt;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ring::hmac;
use varco_proto::ids::{Digest, TransitId};
use varco_proto::record::RecordBody;
use varco_proto::tamper::TamperKind;
use varco_proto::transit::{CaptureTime, ClockSource, Transit};

use self::waiting::{Waiting, WaitingRoom};
use super::alarm::Alarm;

use crate::adapters::clock::SharedClock;
use crate::adapters::spool::error::SpoolError;
use crate::adapters::spool::shared::SharedSpool;
use crate::adapters::spool::taken::{ClockNote, Taken};
use crate::config::{Reader, Way};
use crate::logging::chain;
use crate::onboard::malformed::Malformed;
use crate::onboard::message::{Message, Readings};
use crate::onboard::notes::LeftOut;
use crate::onboard::part::Part;
use crate::onboard::pushed::{Pushed, Telling};
use crate::onboard::repeat::{Identity, SeenEvents};
use crate::onboard::sink::{Answer, Sink};
use crate::onboard::timing::{Arrival, CameraClock, Dated, Trust};
use crate::onboard::transit::into_transit;
use crate::onboard::understand;
use crate::status::{CameraCounters, ClockHealth};

/// A camera's clock is reported as wrong at most so often, however it swings.
const ALARM_EVERY: Duration = Duration::from_secs(3600);

/// All readers of this edge.
pub(super) struct Taker {
    readers: Vec<One>,
    outside: Outside,
    id_key: hmac::Key,
    waiting: WaitingRoom,
}

/// What the readers share.
pub(super) struct Outside {
    pub(super) spool: SharedSpool,
    pub(super) clock: SharedClock,
    pub(super) health: Arc<ClockHealth>,
    pub(super) alarm: Alarm,
}

struct One {
    reader: Reader,
    counters: Arc<CameraCounters>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    seen: SeenEvents,
    clock: CameraClock,
    /// Whether what was known before the start is known again.
    recalled: bool,
    alarmed_at: Option<Duration>,
    busy_logged: bool,
    malformed_logged: bool,
    too_old_logged: bool,
    left_out_logged: Vec<LeftOut>,
}

impl One {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether what is not taken comes again. A broker is shown to send again; of no camera that
    /// pushes by HTTP its maker says so.
    fn sends_again(&self) -> bool {
        matches!(self.reader.way, Way::Feed(_))
    }
}

impl fmt::Debug for Taker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Taker({} readers)", self.readers.len())
    }
}

/// A reader with what is counted of it.
pub(super) struct CountedReader {
    pub(super) reader: Reader,
    pub(super) counters: Arc<CameraCounters>,
}

impl Taker {
    /// `id_secret` makes transit ids that nobody can guess and that an event sent again after a
    /// restart gets anew: the hub then takes it once.
    pub(super) fn new(
        readers: impl IntoIterator<Item = CountedReader>,
        outside: Outside,
        id_secret: &[u8; 32],
    ) -> Self {
        let one = |of: CountedReader| One {
            reader: of.reader,
            counters: of.counters,
            state: Mutex::default(),
        };
        Self {
            readers: readers.into_iter().map(one).collect(),
            outside,
            id_key: hmac::Key::new(hmac::HMAC_SHA256, id_secret),
            waiting: WaitingRoom::default(),
        }
    }

    /// Seals what waited for the clock, once it is good. It writes to the disk.
    pub(super) fn seal_waiting(&self) {
        if !self.is_clock_good() {
            return;
        }
        while let Some(reader) = self.waiting.first() {
            // Held before the reading is out of the room: a further one of this reader would come
            // in between, and be sealed first.
            let held = self.readers.get(reader).map(|one| (one, one.state()));
            let Some(waiting) = self.waiting.next_of(reader) else {
                continue;
            };
            let Some((one, mut state)) = held else {
                continue;
            };
            let answer = self.taken(one, &mut state, &waiting.pushed, waiting.came);
            if let Answer::Busy(_) = answer {
                self.waiting.put_back(waiting);
                return;
            }
        }
    }

    /// How many readings wait in memory for the clock.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    fn is_clock_good(&self) -> bool {
        self.outside.health.is_good.load(Ordering::Relaxed)
    }

    /// Each is counted by itself. The answer holds for all: what is sealed of a message that comes
    /// again is a repeat.
    fn readings(&self, at: usize, one: &One, state: &mut State, readings: &Readings) -> Answer {
        let mut answers = Vec::with_capacity(readings.all.len());
        for pushed in &readings.all {
            log_left_out(one, state, pushed);
            let answer = self.reading(at, one, state, pushed);
            self.count(one, state, answer);
            answers.push(answer);
        }
        if let Some(why) = readings.refused {
            self.count(one, state, Answer::Malformed(why));
        }
        Answer::of_all(&answers, readings.refused)
    }

    fn reading(&self, at: usize, one: &One, state: &mut State, pushed: &Pushed) -> Answer {
        let came = self.outside.clock.monotonic();
        // What came before it goes first, or the end of a vehicle would be sealed before its begin.
        if self.is_clock_good() && !self.waiting.has(at) {
            return self.taken(one, state, pushed, came);
        }
        // What comes before the time is known has no moment yet, only an age.
        if one.sends_again() {
            return Answer::Busy("the clock of this edge is not synchronised yet");
        }
        let waiting = Waiting {
            reader: at,
            pushed: pushed.clone(),
            came,
        };
        match self.waiting.put(waiting) {
            true => Answer::Taken,
            false => {
                Answer::Busy("the clock of this edge is not synchronised, and much waits for it")
            }
        }
    }

    /// Seals a reading that came at this moment of the monotonic clock.
    fn taken(&self, one: &One, state: &mut State, pushed: &Pushed, came: Duration) -> Answer {
        let clock = &self.outside.clock;
        let waited = clock.monotonic().saturating_sub(came);
        let arrived = clock.now() - waited;
        self.recall(one, state);
        let take = one.reader.understanding.take;
        let camera = &one.reader.placing.camera;
        let tag = |bytes: &[u8]| self.tag(&[camera.as_str().as_bytes(), b"|", bytes].concat());
        let identity = Identity::of(pushed, take, arrived, tag);
        if state.seen.has(&identity, came) {
            return Answer::Repeated;
        }
        let arrival = Arrival {
            said: pushed.at,
            late: pushed.late,
            waits: pushed.telling == Telling::Further,
            at: arrived,
            error: clock.error(),
            granted: one.reader.clock_error,
        };
        let captured = match self.dated(one, state, &arrival) {
            Dated::At(captured) => captured,
            Dated::TooOld => {
                log_too_old(one, state);
                return Answer::Other("it is longer ago than a transit may be kept");
            }
            Dated::Unknown => return Answer::Other("it comes late, and says no time"),
        };
        let transit = self.transit(one, pushed, &identity, captured);
        let taken = Taken {
            camera: camera.clone(),
            identity,
            clock: ClockNote {
                newest: state.clock.newest(),
                behind_us: state.clock.offset_us(),
                is_bad: state.clock.trust().is_bad(),
                seen_at: arrived,
            },
        };
        let answer = self.sealed(one, state, transit, &taken);
        if let Answer::Taken = answer {
            state.seen.note(&taken.identity, came);
        }
        answer
    }

    fn transit(
        &self,
        one: &One,
        pushed: &Pushed,
        identity: &Identity,
        captured: CaptureTime,
    ) -> Transit {
        let mut named = identity.event.as_bytes().to_vec();
        let mut begin = captured.at;
        if pushed.late {
            // A broker gives what it kept at each connection: its arrival tells nothing apart.
            begin = identity.moment;
        } else if captured.source != ClockSource::Camera {
            // Its own time says nothing: what tells it from another transit is its arrival.
            named.extend_from_slice(&captured.at.unix_us().to_be_bytes());
        }
        let mut random = [0; 10];
        random.copy_from_slice(
            self.tag(&named)
                .as_bytes()
                .first_chunk::<10>()
                .unwrap_or(&[0; 10]),
        );
        let id = TransitId::from_parts(begin.unix_ms(), random);
        let maker = one.reader.understanding.maker;
        into_transit(pushed, maker, &one.reader.placing, captured, id)
    }

    fn tag(&self, bytes: &[u8]) -> Digest {
        let tag = hmac::sign(&self.id_key, bytes);
        Digest::try_from(tag.as_ref()).unwrap_or(Digest::ZERO)
    }

    fn sealed(&self, one: &One, state: &mut State, transit: Transit, taken: &Taken) -> Answer {
        let spool = &self.outside.spool;
        let (id, camera) = (transit.id, &one.reader.placing.camera);
        let confidence = transit.plate.confidence.get();
        let body = RecordBody::Transit(transit);
        let sequence = match spool.seal(body.clone(), taken) {
            Ok(sequence) => Some(sequence),
            Err(error) => {
                let held = !one.sends_again() && spool.hold(body, taken);
                log_busy(one, state, held, &error);
                if !held {
                    return Answer::Busy("this edge cannot seal now");
                }
                None
            }
        };
        if sequence.is_some() {
            state.busy_logged = false;
        }
        let now = self.outside.clock.monotonic();
        one.counters.passes(now);
        let last = &one.counters.last_frame_unix_us;
        last.store(taken.clock.seen_at.unix_us(), Ordering::Relaxed);
        tracing::info!(
            camera.id = %camera,
            transit.id = %id,
            record.sequence = sequence,
            confidence,
            reader = %one.reader.understanding.maker,
            "a vehicle has passed"
        );
        Answer::Taken
    }

    /// What was known of a camera before the daemon was started; once the clock is good, because
    /// that is how old it is.
    fn recall(&self, one: &One, state: &mut State) {
        if std::mem::replace(&mut state.recalled, true) {
            return;
        }
        let camera = &one.reader.placing.camera;
        let (now, monotonic) = (self.outside.clock.now(), self.outside.clock.monotonic());
        let read = self.outside.spool.with(|spool| -> Result<_, SpoolError> {
            Ok((spool.taken_of(camera, now)?, spool.clock_of(camera)?))
        });
        match read {
            Ok((taken, clock)) => {
                for (identity, age) in taken {
                    state.seen.recall(&identity, age, monotonic);
                }
                let newest = clock.filter(|clock| !clock.is_bad);
                if let Some(newest) = newest.and_then(|clock| clock.newest) {
                    state.clock = CameraClock::known(newest);
                }
            }
            Err(error) => tracing::error!(
                camera.id = %camera,
                error = %chain(&error),
                "what this camera sent before cannot be read: what it sends again is not known"
            ),
        }
    }

    /// Dates a reading, and reports when its camera's clock proves wrong or right.
    fn dated(&self, one: &One, state: &mut State, arrival: &Arrival) -> Dated {
        let before = state.clock.trust();
        let dated = state.clock.captured(arrival);
        let after = state.clock.trust();
        let counters = &one.counters.pushed;
        let behind_us = state.clock.offset_us().unwrap_or_default();
        counters.clock_offset_us.store(behind_us, Ordering::Relaxed);
        counters
            .clock_wrong
            .store(after.is_bad(), Ordering::Relaxed);
        let camera = &one.reader.placing.camera;
        if before.is_bad() && after == Trust::Right {
            tracing::info!(camera.id = %camera, "the camera's clock is right again");
        }
        // A broker holds readings up while this edge is away: only a clock that is surely wrong.
        let is_reported = match one.sends_again() {
            true => before != Trust::Wrong && after == Trust::Wrong,
            false => !before.is_bad() && after.is_bad(),
        };
        let now = self.outside.clock.monotonic();
        let lately = state
            .alarmed_at
            .is_some_and(|at| now.saturating_sub(at) < ALARM_EVERY);
        if is_reported && !lately {
            state.alarmed_at = Some(now);
            let detail = wrong(behind_us, after);
            self.outside
                .alarm
                .report(TamperKind::TimeStep, Some(camera), &detail);
        }
        dated
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
            if !state.malformed_logged {
                let camera = &one.reader.placing.camera;
                tracing::warn!(
                    camera.id = %camera,
                    %why,
                    "a message cannot be understood; told once until one can. Try `varco-edge conform`"
                );
            }
            state.malformed_logged = true;
        } else {
            state.malformed_logged = false;
            one.counters.comes();
        }
    }
}

/// What is said of a clock that is so far behind.
fn wrong(behind_us: i64, trust: Trust) -> String {
    let seconds = behind_us.unsigned_abs() / 1_000_000;
    let way = if behind_us < 0 { "ahead" } else { "behind" };
    let or = match trust {
        Trust::Doubtful => ", or its readings were held up",
        _ => "",
    };
    format!(
        "the camera's clock is {seconds} s {way}{or}: its transits carry the time of their arrival; \
         let the camera take its time by NTP"
    )
}

fn log_too_old(one: &One, state: &mut State) {
    if !std::mem::replace(&mut state.too_old_logged, true) {
        tracing::warn!(
            camera.id = %one.reader.placing.camera,
            "a camera sends readings out of its history that nobody may keep any more; they are \
             not taken; told once, then counted"
        );
    }
}

fn log_busy(one: &One, state: &mut State, held: bool, error: &SpoolError) {
    if std::mem::replace(&mut state.busy_logged, true) {
        return;
    }
    let camera = &one.reader.placing.camera;
    let error = chain(error);
    if held {
        tracing::error!(camera.id = %camera, %error, "readings cannot be sealed: they wait in memory");
    } else {
        tracing::error!(
            camera.id = %camera,
            %error,
            "readings can neither be sealed nor held: they are refused, and lost unless they are sent \
             again"
        );
    }
}

/// Counts what a reading goes without, and logs each kind of it once.
fn log_left_out(one: &One, state: &mut State, pushed: &Pushed) {
    for left_out in &pushed.left_out {
        one.counters.pushed.left_out.fetch_add(1, Ordering::Relaxed);
        // The kinds are as many as the readers' own words for them.
        if !state.left_out_logged.contains(left_out) {
            state.left_out_logged.push(*left_out);
            tracing::warn!(
                camera.id = %one.reader.placing.camera,
                field = left_out.field,
                why = left_out.why,
                "readings are taken without a field, or with a changed one; told once, then counted"
            );
        }
    }
}

impl Taker {
    fn message(&self, reader: usize, parts: &[Part], is_kept: bool) -> Answer {
        let Some(one) = self.readers.get(reader) else {
            return Answer::Busy("there is no such reader");
        };
        let now = self.outside.clock.now();
        let understood = understand(&one.reader.understanding, parts, now);
        // Held over the sealing, so that an event sent twice at once is seen as one.
        let mut state = one.state();
        let answer = match understood {
            Ok(Message::Readings(mut readings)) => {
                for pushed in &mut readings.all {
                    pushed.late |= is_kept;
                }
                return self.readings(reader, one, &mut state, &readings);
            }
            Ok(Message::Other(what)) => {
                state.clock.met(now);
                Answer::Other(what)
            }
            Err(malformed) => Answer::Malformed(malformed),
        };
        self.count(one, &mut state, answer);
        answer
    }
}

impl Sink for Taker {
    fn take(&self, reader: usize, parts: &[Part]) -> Answer {
        self.message(reader, parts, false)
    }

    fn take_kept(&self, reader: usize, parts: &[Part]) -> Answer {
        self.message(reader, parts, true)
    }

    fn refused(&self, reader: usize, why: Malformed) -> Answer {
        let answer = Answer::Malformed(why);
        if let Some(one) = self.readers.get(reader) {
            let mut state = one.state();
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

#[cfg(test)]
mod tests;
