//! The clock of a home.

use std::sync::Arc;

use varco_proto::time::UtcTime;

use crate::audit;
use crate::home::{Home, HomeError};
use crate::timekeeping::{HubClock, Machine, Source};

/// The clock of a home, for a process on this machine.
///
/// # Errors
/// [`HomeError`] when the home's own evidence of the time cannot be read.
pub fn of(home: &Home) -> Result<Arc<HubClock>, HomeError> {
    by(home, Arc::new(Machine::new()))
}

/// The same, by times that come from elsewhere.
///
/// # Errors
/// As [`of`].
pub fn by(home: &Home, source: Arc<dyn Source>) -> Result<Arc<HubClock>, HomeError> {
    HubClock::open(home.clock_file(), source, || latest_borne(home))
}

/// The latest time that the home's own records bear: it is not earlier than that.
fn latest_borne(home: &Home) -> Result<UtcTime, HomeError> {
    let main = home.open_main()?;
    // Captures bear no time of the hub's: an edge whose clock is ahead would set it.
    let latest = audit::last_at(&main)?;
    Ok(latest.unwrap_or(UtcTime::from_unix_us(0)))
}
