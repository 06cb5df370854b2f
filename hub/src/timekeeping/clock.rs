//! Where the hub takes the time from.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime};

use varco_proto::time::UtcTime;

use super::reading::{Lead, Reading};

/// Tells the time. `main` gives the home's ([`crate::timekeeping`]); tests give one that they move,
/// and vouch for it.
pub trait Clock: Send + Sync + 'static {
    /// The moment it is, as far as the hub may claim it.
    fn now(&self) -> UtcTime;

    /// The moment, and whether anything may be destroyed by it.
    fn reading(&self) -> Reading {
        Reading::vouched(self.now())
    }

    /// Tells somebody, from now on, how far the system's clock is ahead of the kept time.
    fn tell(&self, _lead: &Lead) {}
}

/// A clock that many hold.
pub type SharedClock = Arc<dyn Clock>;

/// The machine's own clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place where the hub asks the system for the time"
    )]
    fn now(&self) -> UtcTime {
        let since_epoch = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        UtcTime::from_unix_us(0) + since_epoch
    }
}

/// A clock that stands until it is moved.
#[derive(Debug)]
pub struct SetClock(AtomicI64);

impl SetClock {
    /// A clock standing at a moment.
    #[must_use]
    pub fn at(time: UtcTime) -> Arc<Self> {
        Arc::new(Self(AtomicI64::new(time.unix_us())))
    }

    /// Moves it forward.
    pub fn advance(&self, span: Duration) {
        self.set(self.now() + span);
    }

    /// Moves it anywhere.
    pub fn set(&self, time: UtcTime) {
        self.0.store(time.unix_us(), Ordering::SeqCst);
    }
}

impl Clock for SetClock {
    fn now(&self) -> UtcTime {
        UtcTime::from_unix_us(self.0.load(Ordering::SeqCst))
    }
}
