//! How far a camera's clock is from this box's.

use std::time::Duration;

use varco_proto::time::UtcTime;

/// What a camera's clock said when it was last heard of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockOffset {
    /// Microseconds by which it is ahead of this box's.
    pub ahead_us: i64,
    /// How it was learnt.
    pub from: ClockFrom,
}

/// Where a camera says what time it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClockFrom {
    /// In an RTCP sender report, to the millisecond.
    Report,
    /// In the line `Date` of an answer, to the second.
    Date,
}

impl ClockOffset {
    pub(super) fn new(camera: UtcTime, here: UtcTime, from: ClockFrom) -> Self {
        Self {
            ahead_us: camera.unix_us().saturating_sub(here.unix_us()),
            from,
        }
    }

    /// By how much it differs from this box's.
    #[must_use]
    pub fn off(&self) -> Duration {
        Duration::from_micros(self.ahead_us.unsigned_abs())
    }
}
