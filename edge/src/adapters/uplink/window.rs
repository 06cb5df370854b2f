//! Which records are to be sent, and sent again.

use std::collections::BTreeMap;
use std::time::Duration;

/// A record is sent again after a doubled wait each time, at most this many times the first one:
/// a hub that is down for an hour must not find sixty copies of each record.
const WAIT_DOUBLINGS_MAX: u32 = 3;

/// The records that were sent and wait for a receipt.
#[derive(Debug)]
pub(super) struct Window {
    sent: BTreeMap<u64, Sent>,
    receipt_wait: Duration,
}

#[derive(Debug, Clone, Copy)]
struct Sent {
    first: Duration,
    last: Duration,
    times: u32,
}

impl Window {
    pub(super) fn new(receipt_wait: Duration) -> Self {
        Self {
            sent: BTreeMap::new(),
            receipt_wait,
        }
    }

    /// Which of the oldest waiting records are to be sent now, oldest first. Those that no longer
    /// wait are forgotten.
    pub(super) fn due(&mut self, oldest: &[u64], now: Duration) -> Vec<u64> {
        self.sent.retain(|sequence, _| oldest.contains(sequence));
        let due = |sequence: &u64| match self.sent.get(sequence) {
            None => true,
            Some(sent) => {
                let doublings = sent.times.saturating_sub(1).min(WAIT_DOUBLINGS_MAX);
                now.saturating_sub(sent.last) >= self.receipt_wait * 2_u32.pow(doublings)
            }
        };
        oldest.iter().copied().filter(due).collect()
    }

    /// Notes that a record was handed to the broker's connection.
    pub(super) fn sent(&mut self, sequence: u64, now: Duration) {
        let sent = self.sent.entry(sequence).or_insert(Sent {
            first: now,
            last: now,
            times: 0,
        });
        sent.last = now;
        sent.times += 1;
    }

    /// Everything is to be sent anew: the connection was lost, or the hub misses records.
    pub(super) fn forget(&mut self) {
        self.sent.clear();
    }

    /// How long the record that has waited longest is without an answer.
    pub(super) fn longest_wait(&self, now: Duration) -> Duration {
        let first = self.sent.values().map(|sent| sent.first).min();
        first.map_or(Duration::ZERO, |first| now.saturating_sub(first))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: fn(u64) -> Duration = Duration::from_secs;

    #[test]
    fn a_record_is_sent_again_after_ever_longer_waits() {
        let mut window = Window::new(S(10));
        assert_eq!(window.due(&[1, 2], S(0)), [1, 2]);
        window.sent(1, S(0));
        window.sent(2, S(0));
        assert!(window.due(&[1, 2, 3], S(9)).contains(&3));
        assert_eq!(window.due(&[1, 2], S(10)), [1, 2]);
        window.sent(1, S(10));
        assert_eq!(window.due(&[1, 2], S(29)), [2]);
        assert_eq!(window.due(&[1, 2], S(30)), [1, 2]);
        assert_eq!(window.longest_wait(S(30)), S(30));
    }

    #[test]
    fn what_has_a_receipt_is_forgotten_and_a_lost_connection_sends_all_anew() {
        let mut window = Window::new(S(10));
        window.sent(1, S(0));
        window.sent(2, S(1));
        assert_eq!(window.due(&[2], S(2)), Vec::<u64>::new());
        assert_eq!(window.longest_wait(S(2)), S(1));
        window.forget();
        assert_eq!(window.due(&[2], S(2)), [2]);
    }
}
