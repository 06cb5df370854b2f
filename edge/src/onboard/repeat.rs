//! Cameras send an event again when they missed the answer: it makes one transit all the same.

use std::collections::{HashSet, VecDeque};
use std::time::Duration;

use varco_proto::ids::Digest;

/// Most events remembered of one camera.
const EVENTS_MAX: usize = 4096;

/// The events of one camera lately.
#[derive(Debug)]
pub struct Seen {
    window: Duration,
    known: HashSet<Digest>,
    order: VecDeque<(Duration, Digest)>,
}

impl Seen {
    /// Remembers each event for so long.
    #[must_use]
    pub fn new(window: Duration) -> Self {
        Self {
            window,
            known: HashSet::new(),
            order: VecDeque::new(),
        }
    }

    /// Whether the event was noted within the window.
    pub fn has(&mut self, event: &Digest, now: Duration) -> bool {
        while let Some((noted, old)) = self.order.front()
            && now.saturating_sub(*noted) > self.window
        {
            self.known.remove(old);
            self.order.pop_front();
        }
        self.known.contains(event)
    }

    /// Notes an event that is sealed.
    pub fn note(&mut self, event: Digest, now: Duration) {
        if self.order.len() >= EVENTS_MAX
            && let Some((_, old)) = self.order.pop_front()
        {
            self.known.remove(&old);
        }
        if self.known.insert(event) {
            self.order.push_back((now, event));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn d03_an_event_is_known_for_its_window_and_memory_is_bounded() {
        let mut seen = Seen::new(Duration::from_secs(60));
        let event = Digest::of(b"a");
        let at = Duration::from_secs;
        assert!(!seen.has(&event, at(0)));
        seen.note(event, at(0));
        assert!(seen.has(&event, at(60)));
        assert!(!seen.has(&event, at(61)));
        for k in 0..10_000_u32 {
            seen.note(Digest::of(&k.to_be_bytes()), at(100));
        }
        assert_eq!(
            (seen.known.len(), seen.order.len()),
            (EVENTS_MAX, EVENTS_MAX)
        );
        assert!(seen.has(&Digest::of(&9_999_u32.to_be_bytes()), at(100)));
    }
}
