//! What the hub knows of the time at one moment.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use varco_proto::time::UtcTime;

/// Why the clock is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doubt {
    /// It jumped, while the hub ran or while it did not.
    Jump,
    /// The machine was started anew, or nothing is remembered: how much time went by is not known.
    Start,
}

impl Doubt {
    /// For a person.
    #[must_use]
    pub fn why(self) -> &'static str {
        match self {
            Self::Jump => "the system's clock jumped",
            Self::Start => "nobody has vouched for the clock since the machine was started",
        }
    }
}

/// The time at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reading {
    kept: UtcTime,
    system: UtcTime,
    doubt: Option<Doubt>,
}

/// A moment by which the hub may destroy and prove. Only a reading without doubt gives one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Vouched(UtcTime);

impl Vouched {
    /// The moment.
    #[must_use]
    pub fn at(self) -> UtcTime {
        self.0
    }
}

impl Reading {
    /// Without doubt.
    #[must_use]
    pub fn vouched(at: UtcTime) -> Self {
        Self {
            kept: at,
            system: at,
            doubt: None,
        }
    }

    /// In doubt, with what was kept and what the system says.
    #[must_use]
    pub fn doubted(kept: UtcTime, system: UtcTime, doubt: Doubt) -> Self {
        Self {
            kept,
            system,
            doubt: Some(doubt),
        }
    }

    /// The time that the hub may claim.
    #[must_use]
    pub fn kept(&self) -> UtcTime {
        self.kept
    }

    /// What the system's clock says.
    #[must_use]
    pub fn system(&self) -> UtcTime {
        self.system
    }

    /// Why the clock is not believed; none when it is.
    #[must_use]
    pub fn doubt(&self) -> Option<Doubt> {
        self.doubt
    }

    /// By which moment the hub may destroy, prove and refuse; none while the clock is in doubt.
    #[must_use]
    pub fn may_destroy(&self) -> Option<Vouched> {
        self.doubt.is_none().then_some(Vouched(self.kept))
    }

    /// The later of both: what is past its term by it is hidden.
    #[must_use]
    pub fn latest(&self) -> UtcTime {
        self.kept.max(self.system)
    }

    /// The earlier of both: what is past its term by it is past its term by either.
    #[must_use]
    pub fn earliest(&self) -> UtcTime {
        self.kept.min(self.system)
    }

    /// How far the later of both is ahead of the kept one.
    #[must_use]
    pub fn lead(&self) -> Duration {
        self.latest().since(self.kept)
    }

    /// How far both are apart.
    #[must_use]
    pub fn apart(&self) -> Duration {
        self.latest().since(self.earliest())
    }
}

impl From<UtcTime> for Reading {
    fn from(at: UtcTime) -> Self {
        Self::vouched(at)
    }
}

/// How far the system's clock is ahead of the kept time, for whoever hides what is past its term. It
/// is set by each reading.
#[derive(Debug, Clone, Default)]
pub struct Lead(Arc<AtomicU64>);

impl Lead {
    /// Sets it.
    pub fn set(&self, lead: Duration) {
        let lead_us = u64::try_from(lead.as_micros()).unwrap_or(u64::MAX);
        self.0.store(lead_us, Ordering::SeqCst);
    }

    /// The span.
    #[must_use]
    pub fn get(&self) -> Duration {
        Duration::from_micros(self.0.load(Ordering::SeqCst))
    }

    /// The later reading of the time that goes with a kept one.
    #[must_use]
    pub fn latest(&self, kept: UtcTime) -> UtcTime {
        kept + self.get()
    }
}
