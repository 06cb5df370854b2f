//! What an edge says when it let records go before the hub had them.

use std::fmt;

use crate::envelope::PayloadError;
use crate::time::UtcTime;
use crate::wire;

/// Most ranges in one report.
pub const RANGES_MAX: usize = 256;

/// Records were let go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DropReport {
    /// Why.
    pub reason: DropReason,
    /// Which: ascending, apart from each other, at most [`RANGES_MAX`]. Empty exactly when they
    /// were never sealed.
    pub ranges: Vec<SequenceRange>,
    /// How many.
    pub count: u64,
    /// By the edge's clock.
    pub dropped_at: UtcTime,
}

/// Consecutive sequences, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SequenceRange {
    /// 1 at least.
    pub first: u64,
    /// `first` at least.
    pub last: u64,
}

impl SequenceRange {
    /// How many sequences it has.
    #[must_use]
    pub fn count(self) -> u64 {
        (self.last - self.first).saturating_add(1)
    }

    /// Puts ascending sequences together into ranges.
    #[must_use]
    pub fn of(sequences: &[u64]) -> Vec<Self> {
        let mut ranges: Vec<Self> = Vec::new();
        for &sequence in sequences {
            match ranges.last_mut() {
                Some(range) if range.last.checked_add(1) == Some(sequence) => range.last = sequence,
                _ => ranges.push(Self {
                    first: sequence,
                    last: sequence,
                }),
            }
        }
        ranges
    }
}

/// Why records were let go. Text form: `age` and its like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DropReason {
    /// Older than an edge may keep them.
    Age,
    /// More than the spool may hold: the oldest transits went.
    Size,
    /// The disk lost or altered them.
    Damage,
    /// The disk took nothing for so long that the memory was full too: they were never sealed.
    Unsealed,
}

impl DropReason {
    /// Every reason with its text form.
    pub const ALL: [(Self, &'static str); 4] = [
        (Self::Age, "age"),
        (Self::Size, "size"),
        (Self::Damage, "damage"),
        (Self::Unsealed, "unsealed"),
    ];

    /// The text form.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        Self::ALL
            .iter()
            .find(|(reason, _)| *reason == self)
            .map_or("", |(_, text)| text)
    }
}

impl fmt::Display for DropReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl From<DropReason> for wire::DropReason {
    fn from(reason: DropReason) -> Self {
        match reason {
            DropReason::Age => Self::Age,
            DropReason::Size => Self::Size,
            DropReason::Damage => Self::Damage,
            DropReason::Unsealed => Self::Unsealed,
        }
    }
}

impl From<&DropReport> for wire::DropReport {
    fn from(report: &DropReport) -> Self {
        let range = |range: &SequenceRange| wire::SequenceRange {
            first: range.first,
            last: range.last,
        };
        Self {
            reason: wire::DropReason::from(report.reason).into(),
            ranges: report.ranges.iter().map(range).collect(),
            count: report.count,
            dropped_at_unix_us: report.dropped_at.unix_us(),
        }
    }
}

impl TryFrom<wire::DropReport> for DropReport {
    type Error = PayloadError;

    fn try_from(sent: wire::DropReport) -> Result<Self, PayloadError> {
        let reason = DropReason::ALL
            .iter()
            .map(|(reason, _)| *reason)
            .find(|reason| wire::DropReason::from(*reason) == sent.reason())
            .ok_or(PayloadError::Missing("reason"))?;
        let wrong = |why: &str| Err(PayloadError::field("ranges")(why));
        if sent.ranges.len() > RANGES_MAX {
            return wrong("there are too many");
        }
        let mut before = 0_u64;
        for range in &sent.ranges {
            // Ranges that touch are one range.
            let apart = before == 0 || range.first > before.saturating_add(1);
            if range.first == 0 || range.last < range.first || !apart {
                return wrong("they are not ascending and apart");
            }
            before = range.last;
        }
        let ranges: Vec<_> = sent
            .ranges
            .iter()
            .map(|range| SequenceRange {
                first: range.first,
                last: range.last,
            })
            .collect();
        let told = ranges
            .iter()
            .fold(0_u64, |sum, range| sum.saturating_add(range.count()));
        let is_unsealed = reason == DropReason::Unsealed;
        if sent.count == 0
            || is_unsealed != ranges.is_empty()
            || (!is_unsealed && told != sent.count)
        {
            return Err(PayloadError::field("count")("it is not that of the ranges"));
        }
        Ok(Self {
            reason,
            ranges,
            count: sent.count,
            dropped_at: UtcTime::from_unix_us(sent.dropped_at_unix_us),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(reason: DropReason, ranges: &[(u64, u64)], count: u64) -> DropReport {
        let range = |&(first, last): &(u64, u64)| SequenceRange { first, last };
        DropReport {
            reason,
            ranges: ranges.iter().map(range).collect(),
            count,
            dropped_at: UtcTime::from_unix_us(5),
        }
    }

    #[test]
    fn every_reason_keeps_its_name_and_its_number() {
        for (reason, _) in DropReason::ALL {
            let report = match reason {
                DropReason::Unsealed => report(reason, &[], 3),
                _ => report(reason, &[(1, 3), (5, 5)], 4),
            };
            let wire = wire::DropReport::from(&report);
            assert_eq!(DropReport::try_from(wire), Ok(report));
        }
    }

    #[test]
    fn a_report_that_contradicts_itself_is_refused() {
        for (reason, ranges, count) in [
            (DropReason::Age, &[(1, 3)][..], 4),
            (DropReason::Age, &[], 1),
            (DropReason::Age, &[], 0),
            (DropReason::Unsealed, &[(1, 1)], 1),
            (DropReason::Size, &[(0, 2)], 3),
            (DropReason::Size, &[(3, 2)], 0),
            (DropReason::Size, &[(4, 5), (1, 2)], 4),
            (DropReason::Size, &[(1, 2), (2, 3)], 4),
            (DropReason::Size, &[(1, 2), (3, 3)], 3),
        ] {
            let wire = wire::DropReport::from(&report(reason, ranges, count));
            let refused = DropReport::try_from(wire);
            assert!(refused.is_err(), "{reason} {ranges:?} {count}");
        }
        assert!(DropReport::try_from(wire::DropReport::default()).is_err());
    }

    #[test]
    fn sequences_are_put_together_into_ranges() {
        let range = |first, last| SequenceRange { first, last };
        assert_eq!(
            SequenceRange::of(&[1, 2, 3, 7, 9, 10]),
            [range(1, 3), range(7, 7), range(9, 10)]
        );
        assert!(SequenceRange::of(&[]).is_empty());
    }
}
