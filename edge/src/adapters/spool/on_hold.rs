//! Records that the hub does not take until a person there lets them in: they wait on, and stand in
//! nobody's way. In memory alone: after a restart all are sent again, and those that are still on hold
//! come back.

use std::cell::Cell;
use std::collections::BTreeSet;

/// So many of them are tried again at once, spread over all, so that each cause is among them.
const TRIED_AT_ONCE: usize = 16;

/// Which records are on hold.
#[derive(Debug, Default)]
pub(super) struct OnHold {
    held: BTreeSet<u64>,
    /// Sent again to see whether the hub takes them now.
    tried: BTreeSet<u64>,
    /// Counts the trials, so that each takes others.
    round: usize,
    /// Every transit that waits up to here is on hold: what is due is looked for behind it.
    floor: Cell<u64>,
}

impl OnHold {
    /// The hub does not take a record yet. Gives whether it is the first: one that was only tried
    /// again is not.
    pub(super) fn hold(&mut self, sequence: u64) -> bool {
        let is_first = self.held.is_empty() && self.tried.is_empty();
        self.tried.remove(&sequence);
        self.held.insert(sequence);
        is_first
    }

    pub(super) fn has(&self, sequence: u64) -> bool {
        self.held.contains(&sequence)
    }

    /// Behind which sequence to look for what is due.
    pub(super) fn floor(&self) -> u64 {
        self.floor.get()
    }

    /// Whatever waits up to here is on hold.
    pub(super) fn raise_floor(&self, floor: u64) {
        self.floor.set(floor.max(self.floor.get()));
    }

    /// The hub has stored a record. One that was tried shows that somebody let them in: all are sent
    /// again.
    pub(super) fn stored(&mut self, sequence: u64) {
        self.held.remove(&sequence);
        if self.tried.remove(&sequence) {
            self.held.clear();
            self.tried.clear();
            self.floor.set(0);
        }
    }

    /// Sends some again; `oldest` is the first record that waits at all.
    pub(super) fn try_some(&mut self, oldest: u64) {
        // What a bound took waits no longer.
        self.held = self.held.split_off(&oldest);
        self.tried = self.tried.split_off(&oldest);
        let step = self.held.len().div_ceil(TRIED_AT_ONCE).max(1);
        let offset = self.round % step;
        self.round = self.round.wrapping_add(1);
        let some: Vec<u64> = self
            .held
            .iter()
            .copied()
            .skip(offset)
            .step_by(step)
            .collect();
        for sequence in &some {
            self.held.remove(sequence);
            self.tried.insert(*sequence);
        }
        if let Some(first) = some.first() {
            self.floor.set(self.floor.get().min(first - 1));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_of_many_is_tried_in_its_turn_and_one_that_is_stored_lets_all_go() {
        let mut on_hold = OnHold::default();
        for sequence in 1..=100 {
            assert_eq!(on_hold.hold(sequence), sequence == 1);
        }
        on_hold.raise_floor(100);
        let mut seen = BTreeSet::new();
        for _ in 0..7 {
            on_hold.try_some(1);
            let tried = on_hold.tried.clone();
            assert!((1..=TRIED_AT_ONCE).contains(&tried.len()), "{tried:?}");
            assert!(on_hold.floor() < tried.first().copied().unwrap());
            for sequence in &tried {
                on_hold.hold(*sequence);
            }
            seen.extend(tried);
        }
        assert_eq!(seen.len(), 100);
        on_hold.stored(101);
        assert!(on_hold.has(7), "what was never on hold says nothing");
        on_hold.try_some(1);
        let one = on_hold.tried.first().copied().unwrap();
        on_hold.stored(one);
        assert!(!on_hold.has(7));
        assert_eq!(on_hold.floor(), 0);
    }

    #[test]
    fn the_first_of_a_few_is_told_once_until_the_hub_takes_one() {
        let mut on_hold = OnHold::default();
        for sequence in 1..=3 {
            assert_eq!(on_hold.hold(sequence), sequence == 1);
        }
        for _ in 0..3 {
            on_hold.try_some(1);
            assert_eq!(on_hold.tried.len(), 3, "all are tried at once");
            for sequence in 1..=3 {
                assert!(!on_hold.hold(sequence), "{sequence} was told before");
            }
        }
        on_hold.try_some(1);
        on_hold.stored(1);
        assert!(
            on_hold.hold(2),
            "somebody let them in, and it is not enough"
        );
    }
}
