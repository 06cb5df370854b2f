//! A wall clock that steps of the system's clock do not tear.
//!
//! Its time is the monotonic time and an offset. Small differences to the system's clock are
//! followed, as NTP makes them; a step is reported, and followed only once the system's clock is known
//! to be right. Whoever sets the box's clock wrong thus moves no transit.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use varco_proto::time::UtcTime;

use super::{Clock, SharedClock};

/// A larger difference is a step.
const STEP_MIN: Duration = Duration::from_millis(500);
/// Two readings further apart are not of one moment.
const APART_MAX: Duration = Duration::from_millis(50);
const READ_TRIES: u32 = 5;
/// How far a cheap quartz goes wrong when nobody corrects it, in parts of a million.
const DRIFT_PPM: u32 = 50;
/// Doubt before anybody has vouched for the clock.
const ERROR_UNKNOWN: Duration = Duration::from_secs(10);

/// The system's clock was set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockStep {
    /// By so much.
    pub by: Duration,
    /// Whether it went forward.
    pub forward: bool,
    /// Whether it is followed: somebody vouches for the new time.
    pub followed: bool,
}

/// See the module.
#[derive(Debug)]
pub struct SteadyClock {
    system: SharedClock,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// Wall clock at the monotonic time 0.
    zero: UtcTime,
    /// A step that is not followed has been reported.
    reported: Option<Duration>,
    /// When somebody last vouched for the system's clock, and with what error.
    vouched: Option<(Duration, Duration)>,
}

impl SteadyClock {
    /// Begins with the system's time.
    #[must_use]
    pub fn new(system: SharedClock) -> Self {
        let together = (0..READ_TRIES).find_map(|_| read(&system));
        let (monotonic, now) = together.unwrap_or((system.monotonic(), system.now()));
        let zero = now - monotonic;
        Self {
            system,
            state: Mutex::new(State {
                zero,
                reported: None,
                vouched: None,
            }),
        }
    }

    /// Compares with the system's clock; to be called each second or so. `vouched` is the error
    /// that somebody vouches for at this moment, if anybody does. A step is reported once.
    pub fn watch(&self, vouched: Option<Duration>) -> Option<ClockStep> {
        let (monotonic, system) = read(&self.system)?;
        let mut state = self.state();
        let steady = state.zero + monotonic;
        let (ahead, behind) = (system.since(steady), steady.since(system));
        let by = ahead.max(behind);
        let is_step = by >= STEP_MIN;
        let follow = !is_step || vouched.is_some();
        if follow {
            state.zero = system - monotonic;
        }
        if let Some(error) = vouched {
            state.vouched = Some((monotonic, error));
        }
        let news = is_step && (follow || state.reported.is_none());
        state.reported = (!follow).then_some(by);
        news.then_some(ClockStep {
            by,
            forward: !ahead.is_zero(),
            followed: follow,
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Each change is whole: a panic elsewhere leaves nothing half done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Monotonic time and wall clock of one moment; none when something came between the two: on a
/// box without room the daemon may wait for a second there, which is no step.
fn read(system: &SharedClock) -> Option<(Duration, UtcTime)> {
    let (before, now, after) = (system.monotonic(), system.now(), system.monotonic());
    (after.saturating_sub(before) <= APART_MAX).then_some((before, now))
}

impl Clock for SteadyClock {
    fn now(&self) -> UtcTime {
        self.state().zero + self.system.monotonic()
    }

    fn monotonic(&self) -> Duration {
        self.system.monotonic()
    }

    fn error(&self) -> Duration {
        let state = self.state();
        match state.vouched {
            None => ERROR_UNKNOWN,
            Some((at, error)) => {
                let alone = self.system.monotonic().saturating_sub(at);
                error + alone * DRIFT_PPM / 1_000_000
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::HandClock;
    use super::*;

    const START_US: i64 = 1_800_000_000_000_000;
    const MS: fn(u64) -> Duration = Duration::from_millis;
    const GOOD: Option<Duration> = Some(Duration::from_millis(5));

    fn clocks() -> (Arc<HandClock>, SteadyClock) {
        let system = HandClock::at(START_US);
        let steady = SteadyClock::new(system.clone());
        (system, steady)
    }

    #[test]
    fn small_differences_are_followed_without_a_word() {
        let (system, steady) = clocks();
        for _ in 0..100 {
            system.advance(MS(1000));
            system.set_by(MS(40), false);
            assert_eq!(steady.watch(None), None);
        }
        assert_eq!(steady.now(), system.now());
    }

    #[test]
    fn a_step_is_told_once_and_moves_nothing_until_somebody_vouches() {
        for forward in [false, true] {
            let (system, steady) = clocks();
            let hour = Duration::from_secs(3600);
            system.advance(MS(1000));
            let before = steady.now();
            system.set_by(hour, forward);
            let step = steady.watch(None).unwrap();
            assert_eq!(
                (step.by, step.forward, step.followed),
                (hour, forward, false)
            );
            assert_eq!(steady.now(), before);
            system.advance(MS(1000));
            assert_eq!(steady.watch(None), None);
            assert_eq!(
                steady.now(),
                before + MS(1000),
                "it goes on as if nothing was"
            );
            let step = steady.watch(GOOD).unwrap();
            assert!(step.followed);
            assert_eq!(steady.now(), system.now());
        }
    }

    #[test]
    fn a_step_that_is_taken_back_leaves_no_trace_in_the_time() {
        let (system, steady) = clocks();
        let day = Duration::from_secs(86_400);
        system.set_by(day, true);
        assert!(steady.watch(None).is_some());
        system.advance(MS(5000));
        system.set_by(day, false);
        assert_eq!(steady.watch(None), None);
        assert_eq!(steady.now(), UtcTime::from_unix_us(START_US) + MS(5000));
    }

    #[test]
    fn the_doubt_grows_while_nobody_vouches() {
        let (system, steady) = clocks();
        assert_eq!(steady.error(), ERROR_UNKNOWN);
        steady.watch(GOOD);
        assert_eq!(steady.error(), MS(5));
        system.advance(Duration::from_secs(86_400));
        assert_eq!(steady.error(), MS(5 + 4320));
    }
}
