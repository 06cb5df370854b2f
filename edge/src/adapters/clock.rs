//! The only place that asks the system for the time.

pub mod steady;

use std::fmt::Debug;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use varco_proto::time::UtcTime;

/// Where times come from; tests bring their own.
pub trait Clock: Debug + Send + Sync {
    /// The wall clock. It may step back or forward.
    fn now(&self) -> UtcTime;

    /// Time since some fixed moment; it never goes back and ignores steps of the wall clock.
    fn monotonic(&self) -> Duration;

    /// The wall clock is off by at most so much, as far as is known.
    fn error(&self) -> Duration {
        Duration::ZERO
    }
}

/// A clock that threads share.
pub type SharedClock = Arc<dyn Clock>;

/// The system's clocks.
#[derive(Debug, Clone, Copy)]
pub struct SystemClock {
    start: Instant,
}

impl SystemClock {
    /// Begins to count the monotonic time.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "this is the clock")]
    pub fn new() -> Self {
        Self {
            start: Instant::now(),
        }
    }

    /// The same, ready to be shared.
    #[must_use]
    pub fn shared() -> SharedClock {
        Arc::new(Self::new())
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the clock")]
    fn now(&self) -> UtcTime {
        let unix_us = match SystemTime::now().duration_since(UNIX_EPOCH) {
            Ok(after) => i64::try_from(after.as_micros()).unwrap_or(i64::MAX),
            Err(before) => i64::try_from(before.duration().as_micros()).map_or(i64::MIN, |us| -us),
        };
        UtcTime::from_unix_us(unix_us)
    }

    fn monotonic(&self) -> Duration {
        self.start.elapsed()
    }
}

/// A clock that moves only when it is told to.
#[cfg(test)]
#[derive(Debug, Default)]
pub(crate) struct HandClock {
    now_us: std::sync::atomic::AtomicI64,
    set_by_us: std::sync::atomic::AtomicI64,
}

#[cfg(test)]
impl HandClock {
    pub(crate) fn at(unix_us: i64) -> Arc<Self> {
        Arc::new(Self {
            now_us: unix_us.into(),
            set_by_us: 0.into(),
        })
    }

    pub(crate) fn advance(&self, span: Duration) {
        let span_us = i64::try_from(span.as_micros()).unwrap();
        self.now_us
            .fetch_add(span_us, std::sync::atomic::Ordering::SeqCst);
    }

    /// Sets the wall clock alone.
    pub(crate) fn set_by(&self, span: Duration, forward: bool) {
        let span_us = i64::try_from(span.as_micros()).unwrap();
        let span_us = if forward { span_us } else { -span_us };
        self.set_by_us
            .fetch_add(span_us, std::sync::atomic::Ordering::SeqCst);
    }
}

#[cfg(test)]
impl Clock for HandClock {
    fn now(&self) -> UtcTime {
        let set_by_us = self.set_by_us.load(std::sync::atomic::Ordering::SeqCst);
        let now_us = self.now_us.load(std::sync::atomic::Ordering::SeqCst);
        UtcTime::from_unix_us(now_us + set_by_us)
    }

    fn monotonic(&self) -> Duration {
        let now_us = self.now_us.load(std::sync::atomic::Ordering::SeqCst);
        UtcTime::from_unix_us(now_us).since(UtcTime::from_unix_us(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_clock_is_past_2020_and_its_monotonic_time_grows() {
        let clock = SystemClock::new();
        assert!(clock.now() > "2020-01-01T00:00:00Z".parse().unwrap());
        let first = clock.monotonic();
        assert!(clock.monotonic() >= first);
    }
}
