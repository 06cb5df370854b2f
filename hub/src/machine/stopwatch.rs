//! Spans of time, by the machine itself.

use std::time::Duration;

/// Measures how long something takes.
#[derive(Debug, Clone, Copy)]
pub struct Stopwatch(std::time::Instant);

impl Stopwatch {
    /// Begins.
    #[must_use]
    #[expect(
        clippy::disallowed_methods,
        reason = "spans of the machine itself, not moments"
    )]
    pub fn start() -> Self {
        Self(std::time::Instant::now())
    }

    /// Since the beginning.
    #[must_use]
    pub fn elapsed(self) -> Duration {
        self.0.elapsed()
    }
}
