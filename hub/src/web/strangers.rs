//! Who came without a valid token: the first attempt from an address is told at once, the rest of its
//! minute as one number, so that a flood of them neither hides nor fills the audit.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use varco_proto::time::UtcTime;

/// How long attempts are counted together.
const WITHIN: Duration = Duration::from_secs(60);
/// Most addresses that are counted each for itself; the rest is counted as one.
const ADDRESSES_MAX: usize = 32;

/// What came from an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Seen {
    /// Where from; none for all others together.
    pub(super) from: Option<IpAddr>,
    /// Since when it is counted.
    pub(super) since: UtcTime,
    /// How many attempts.
    pub(super) count: u64,
}

/// Those of the last minute.
#[derive(Debug, Default)]
pub(super) struct Strangers {
    /// Without the first of each.
    of: HashMap<Option<IpAddr>, Seen>,
}

impl Strangers {
    /// Counts an attempt. Whether it is the first from there, which is told at once.
    pub(super) fn note(&mut self, from: Option<IpAddr>, now: UtcTime) -> bool {
        let known = self.of.contains_key(&from) || self.of.len() < ADDRESSES_MAX;
        let from = from.filter(|_| known);
        let Some(seen) = self.of.get_mut(&from) else {
            let seen = Seen {
                from,
                since: now,
                count: 0,
            };
            self.of.insert(from, seen);
            return true;
        };
        seen.count += 1;
        false
    }

    /// Takes out those whose minute is over, or all, and gives what is still to be told of them.
    pub(super) fn over(&mut self, now: UtcTime, all: bool) -> Vec<Seen> {
        let mut over = Vec::new();
        self.of.retain(|_, seen| {
            // A clock that went back begins the minute anew rather than never ending it.
            let is_over = all || now < seen.since || now.since(seen.since) >= WITHIN;
            if is_over && seen.count > 0 {
                over.push(*seen);
            }
            !is_over
        });
        over
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(last: u8) -> Option<IpAddr> {
        Some(IpAddr::from([192, 0, 2, last]))
    }

    #[test]
    fn the_first_is_told_and_the_rest_of_its_minute_is_one_number() {
        let mut strangers = Strangers::default();
        let now: UtcTime = "2026-11-22T12:00:00Z".parse().unwrap();
        assert!(strangers.note(address(1), now));
        assert!(!strangers.note(address(1), now) && !strangers.note(address(1), now));
        assert!(strangers.note(address(2), now));
        assert!(strangers.over(now, false).is_empty());
        let over = strangers.over(now + WITHIN, false);
        let told: Vec<_> = over.iter().map(|seen| (seen.from, seen.count)).collect();
        assert_eq!(told, [(address(1), 2)]);
        assert!(strangers.note(address(1), now + WITHIN));
    }

    #[test]
    fn beyond_thirty_two_addresses_the_others_are_counted_as_one() {
        let mut strangers = Strangers::default();
        let now: UtcTime = "2026-11-22T12:00:00Z".parse().unwrap();
        let told = (0..=255).filter(|last| strangers.note(address(*last), now));
        assert_eq!(told.count(), ADDRESSES_MAX + 1);
        let over = strangers.over(now, true);
        let others: Vec<_> = over.iter().filter(|seen| seen.from.is_none()).collect();
        assert_eq!((over.len(), others[0].count), (1, 255 - 32));
    }
}
