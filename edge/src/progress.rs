//! Whether every thread of the daemon still gets on: the watchdog is fed only then.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// One thread's sign of life. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Beat(Arc<AtomicU64>);

impl Beat {
    /// The thread has got on to this moment of the monotonic clock.
    pub fn on(&self, now: Duration) {
        let millis = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
        self.0.store(millis, Ordering::Relaxed);
    }
}

/// All threads that must get on.
#[derive(Debug, Default)]
pub struct Progress {
    beats: Vec<(String, Beat)>,
}

impl Progress {
    /// A thread that must get on from now on.
    pub fn expect(&mut self, name: impl Into<String>, now: Duration) -> Beat {
        let beat = Beat::default();
        beat.on(now);
        self.beats.push((name.into(), beat.clone()));
        beat
    }

    /// A thread that has not got on for longer than `most`, if there is one.
    #[must_use]
    pub fn stalled(&self, now: Duration, most: Duration) -> Option<&str> {
        let is_late = |beat: &Beat| {
            let last = Duration::from_millis(beat.0.load(Ordering::Relaxed));
            now.saturating_sub(last) > most
        };
        let late = self.beats.iter().find(|(_, beat)| is_late(beat));
        late.map(|(name, _)| name.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_thread_that_stands_still_is_enough() {
        let at = Duration::from_secs;
        let mut progress = Progress::default();
        assert_eq!(progress.stalled(at(99), at(1)), None);
        let (first, second) = (
            progress.expect("first", at(0)),
            progress.expect("second", at(0)),
        );
        first.on(at(10));
        second.on(at(10));
        assert_eq!(progress.stalled(at(15), at(5)), None);
        first.on(at(20));
        assert_eq!(progress.stalled(at(20), at(5)), Some("second"));
        second.on(at(20));
        assert_eq!(progress.stalled(at(20), at(5)), None);
    }
}
