//! Which clock a pushed reading is dated by, and how far it can be trusted.

use std::collections::VecDeque;
use std::time::Duration;

use varco_proto::time::UtcTime;
use varco_proto::transit::{CaptureTime, ClockSource};

/// A reading is on its way for at most so long, unless something held it up.
const ON_ITS_WAY: Duration = Duration::from_secs(5);
/// A camera's clock that differs by more than this from the edge's is not kept.
pub const OFFSET_MAX: Duration = Duration::from_secs(10);
/// Largest doubt that a capture time can carry.
const DOUBT_MAX: Duration = Duration::from_secs(4294);
/// Readings by which a camera's clock is judged.
const READINGS: usize = 16;

/// One camera's clock, as its readings show it.
#[derive(Debug, Default)]
pub struct CameraClock {
    /// How much later each reading arrived than it says, in microseconds.
    late_us: VecDeque<i64>,
}

impl CameraClock {
    /// When a reading was captured. `error` is that of the edge's own clock, `camera_error` what
    /// the configuration grants the camera's.
    pub fn captured(
        &mut self,
        said: Option<UtcTime>,
        arrived: UtcTime,
        error: Duration,
        camera_error: Duration,
    ) -> CaptureTime {
        let by_arrival = |doubt: Duration| CaptureTime {
            at: arrived,
            uncertainty: doubt.saturating_add(error).min(DOUBT_MAX),
            source: ClockSource::Arrival,
        };
        let Some(said) = said else {
            return by_arrival(ON_ITS_WAY);
        };
        let late_us = arrived.unix_us().saturating_sub(said.unix_us());
        if self.late_us.len() >= READINGS {
            self.late_us.pop_front();
        }
        self.late_us.push_back(late_us);
        let kept = self.offset_us().is_some_and(within);
        if late_us < 0 && !within(late_us) {
            // From the future: only its clock can be wrong.
            return by_arrival(ON_ITS_WAY);
        }
        // With a clock that is right, a late one was held up: sent again after an outage.
        if within(late_us) || kept {
            return CaptureTime {
                at: said,
                uncertainty: camera_error.saturating_add(error).min(DOUBT_MAX),
                source: ClockSource::Camera,
            };
        }
        // Wrong clock or late reading, nobody knows: the doubt covers both.
        by_arrival(Duration::from_micros(late_us.unsigned_abs()))
    }

    /// How far the camera's clock is behind the edge's, in microseconds, by the promptest of its
    /// last readings; none before the first.
    #[must_use]
    pub fn offset_us(&self) -> Option<i64> {
        let all = self.late_us.iter().copied();
        all.min_by_key(|late| late.unsigned_abs())
    }
}

fn within(offset_us: i64) -> bool {
    Duration::from_micros(offset_us.unsigned_abs()) <= OFFSET_MAX
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn at(seconds: i64) -> UtcTime {
        UtcTime::from_unix_us(1_800_000_000_000_000 + seconds * 1_000_000)
    }

    fn captured(clock: &mut CameraClock, said: Option<i64>, arrived: i64) -> CaptureTime {
        clock.captured(said.map(at), at(arrived), MS, MS * 1000)
    }

    #[test]
    fn d03_a_reading_without_a_time_has_that_of_its_arrival_with_its_doubt() {
        let time = captured(&mut CameraClock::default(), None, 100);
        assert_eq!((time.at, time.source), (at(100), ClockSource::Arrival));
        assert_eq!(time.uncertainty, ON_ITS_WAY + MS);
    }

    #[test]
    fn d03_a_kept_clock_dates_prompt_and_late_readings() {
        let mut clock = CameraClock::default();
        let prompt = captured(&mut clock, Some(99), 100);
        assert_eq!((prompt.at, prompt.source), (at(99), ClockSource::Camera));
        assert_eq!(prompt.uncertainty, MS * 1001);
        let late = captured(&mut clock, Some(110), 4_000);
        assert_eq!((late.at, late.source), (at(110), ClockSource::Camera));
    }

    #[test]
    fn d03_a_wrong_clock_dates_nothing() {
        let time = captured(&mut CameraClock::default(), Some(3_700), 100);
        assert_eq!((time.at, time.source), (at(100), ClockSource::Arrival));
        let mut behind = CameraClock::default();
        let time = captured(&mut behind, Some(100), 3_700);
        assert_eq!((time.at, time.source), (at(3_700), ClockSource::Arrival));
        assert!(
            time.uncertainty >= Duration::from_secs(3_600),
            "it covers what was said"
        );
        let ancient = captured(&mut behind, Some(-9_000_000), 3_700);
        assert_eq!(ancient.uncertainty, DOUBT_MAX);
    }
}
