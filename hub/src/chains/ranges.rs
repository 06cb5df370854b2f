//! The gaps of a chain and what its edge let go, within a batch.

use varco_proto::drops::SequenceRange;
use varco_proto::time::UtcTime;

use super::place::Missing;
use super::without;

use crate::store::StoreError;

/// Records that are missing, or that an edge let go.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Range {
    /// The first of them.
    pub(crate) first: u64,
    /// The last of them.
    pub(crate) last: u64,
    /// How many of them did not come.
    pub(crate) missing: u64,
    /// When a gap was seen, by the hub's clock; 0 for what an edge let go.
    pub(crate) opened_at_us: i64,
    /// When nothing of a gap was missing any more.
    pub(crate) closed_at_us: Option<i64>,
    /// Whether it is not yet stored as it stands here.
    pub(crate) changed: bool,
}

impl Range {
    pub(crate) fn has(&self, sequence: u64) -> bool {
        (self.first..=self.last).contains(&sequence)
    }

    pub(crate) fn is_open(&self) -> bool {
        self.closed_at_us.is_none()
    }

    pub(crate) fn narrow(&mut self, by: u64, now: UtcTime) {
        self.missing = self.missing.saturating_sub(by);
        self.closed_at_us = (self.missing == 0).then(|| now.unix_us());
        self.changed = true;
    }
}

/// What is missing of one chain, and what its edge let go.
#[derive(Debug, Default)]
pub(crate) struct Ranges {
    pub(crate) gaps: Vec<Range>,
    pub(crate) dropped: Vec<Range>,
}

impl Ranges {
    /// A record came that is not the chain's next.
    pub(crate) fn fill(&mut self, sequence: u64, now: UtcTime) {
        let told = self.dropped.iter_mut().find(|told| told.has(sequence));
        match told {
            // Let go at the edge, but already on its way: it came all the same.
            Some(told) => {
                told.changed |= told.missing > 0;
                told.missing = told.missing.saturating_sub(1);
            }
            None => {
                let gaps = self.gaps.iter_mut();
                for gap in gaps.filter(|gap| gap.is_open() && gap.has(sequence)) {
                    gap.narrow(1, now);
                }
            }
        }
    }

    /// Records are missing.
    pub(crate) fn open(&mut self, missing: Missing, now: UtcTime) {
        if !self.gaps.iter().any(|gap| gap.first == missing.first) {
            self.gaps.push(Range {
                first: missing.first,
                last: missing.last,
                missing: (missing.last - missing.first).saturating_add(1),
                opened_at_us: now.unix_us(),
                closed_at_us: None,
                changed: true,
            });
        }
    }

    /// Takes what an edge let go out of its gaps: it is explained, and not waited for any more. What an
    /// earlier report explained stays with that one, so that a second time changes nothing. `there` counts
    /// the records that came between two places, both included.
    ///
    /// # Errors
    /// Those of `there`.
    pub(crate) fn explain(
        &mut self,
        range: SequenceRange,
        now: UtcTime,
        mut there: impl FnMut(u64, u64) -> Result<u64, StoreError>,
    ) -> Result<(), StoreError> {
        let explained = |dropped: &Range| SequenceRange {
            first: dropped.first,
            last: dropped.last,
        };
        let earlier: Vec<SequenceRange> = self.dropped.iter().map(explained).collect();
        for (first, last) in without(range, &earlier) {
            let mut missing_of_it = 0;
            for gap in self.gaps.iter_mut().filter(|gap| gap.is_open()) {
                let (from, to) = (first.max(gap.first), last.min(gap.last));
                if from > to {
                    continue;
                }
                let missing = (to - from + 1).saturating_sub(there(from, to)?);
                gap.narrow(missing, now);
                missing_of_it += missing;
            }
            self.dropped.push(Range {
                first,
                last,
                missing: missing_of_it,
                opened_at_us: 0,
                closed_at_us: None,
                changed: true,
            });
            self.dropped.sort_unstable_by_key(|dropped| dropped.first);
        }
        Ok(())
    }
}
