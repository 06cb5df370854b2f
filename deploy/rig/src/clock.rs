//! The one place of the rig that reads clocks.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use varco_proto::time::UtcTime;

/// Now, in UTC.
#[must_use]
#[expect(
    clippy::disallowed_methods,
    reason = "the rig drives real processes in real time"
)]
pub fn now() -> UtcTime {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    UtcTime::from_unix_us(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}

/// Now, for measuring spans.
#[must_use]
#[expect(
    clippy::disallowed_methods,
    reason = "the rig drives real processes in real time"
)]
pub fn instant() -> Instant {
    Instant::now()
}
