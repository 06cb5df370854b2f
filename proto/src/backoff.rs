//! How long to wait before the next try.

use std::time::Duration;

/// Doubling waits with jitter, so that a hundred boxes do not come back in the same instant.
#[derive(Debug, Clone)]
pub struct Backoff {
    first: Duration,
    longest: Duration,
    next: Duration,
}

impl Backoff {
    /// Waits from about `first` to at most `longest`.
    #[must_use]
    pub fn new(first: Duration, longest: Duration) -> Self {
        Self {
            first,
            longest,
            next: first,
        }
    }

    /// The next wait: `random` 0 gives half of it, 255 nearly the whole.
    pub fn wait(&mut self, random: u8) -> Duration {
        let whole = self.next;
        self.next = (whole * 2).min(self.longest);
        whole / 2 + whole * u32::from(random) / 512
    }

    /// All is well again: the next wait is short.
    pub fn reset(&mut self) {
        self.next = self.first;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest_and_begin_anew() {
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(5));
        assert_eq!(backoff.wait(0), Duration::from_millis(50));
        assert!(backoff.wait(255) < Duration::from_millis(200));
        for _ in 0..20 {
            assert!(backoff.wait(255) <= Duration::from_secs(5));
        }
        assert_eq!(backoff.wait(0), Duration::from_millis(2500));
        backoff.reset();
        assert_eq!(backoff.wait(0), Duration::from_millis(50));
    }
}
