//! The machine below the hub: private files, random bytes, spans of time, and the door to what Prometheus
//! measures. It knows nothing of transits, of the home or of who asks.

pub mod files;
pub mod measures;
pub mod random;
pub mod stopwatch;
