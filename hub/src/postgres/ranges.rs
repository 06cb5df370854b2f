//! The gaps of a chain and what its edge let go, within a batch.

use varco_proto::time::UtcTime;

use super::chain::{column, place};
use super::link::Link;
use crate::store::StoreError;

/// Records that are missing, or that an edge let go.
#[derive(Debug, Clone, Copy)]
pub(super) struct Range {
    pub(super) first: u64,
    pub(super) last: u64,
    pub(super) missing: u64,
    pub(super) opened_at_us: i64,
    pub(super) closed_at_us: Option<i64>,
    pub(super) changed: bool,
}

impl Range {
    pub(super) fn has(&self, sequence: u64) -> bool {
        (self.first..=self.last).contains(&sequence)
    }

    pub(super) fn is_open(&self) -> bool {
        self.closed_at_us.is_none()
    }

    pub(super) fn narrow(&mut self, by: u64, now: UtcTime) {
        self.missing = self.missing.saturating_sub(by);
        self.closed_at_us = (self.missing == 0).then(|| now.unix_us());
        self.changed = true;
    }
}

/// What is missing of one chain, and what its edge let go.
#[derive(Debug, Default)]
pub(super) struct Ranges {
    pub(super) gaps: Vec<Range>,
    pub(super) dropped: Vec<Range>,
}

impl Ranges {
    /// A record came that is not the chain's next.
    pub(super) fn fill(&mut self, sequence: u64, now: UtcTime) {
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
}

/// What changed, of many chains.
#[derive(Default)]
pub(super) struct Changed {
    gaps: Columns,
    dropped: Columns,
}

impl Changed {
    /// Takes what changed of one chain, by its edge's number.
    pub(super) fn add(&mut self, edge: i32, ranges: &Ranges) -> Result<(), StoreError> {
        for gap in ranges.gaps.iter().filter(|gap| gap.changed) {
            self.gaps.add(edge, gap)?;
        }
        for told in ranges.dropped.iter().filter(|told| told.changed) {
            self.dropped.add(edge, told)?;
        }
        Ok(())
    }

    /// Writes it.
    pub(super) fn write(&self, link: &mut Link) -> Result<(), StoreError> {
        let (gaps, dropped) = (&self.gaps, &self.dropped);
        if !gaps.edges.is_empty() {
            link.change(
                "note the gaps",
                "INSERT INTO gaps (edge, first, last, missing, opened_at_us, closed_at_us)
                 SELECT * FROM unnest($1::integer[], $2::bigint[], $3::bigint[],
                     $4::bigint[], $5::bigint[], $6::bigint[])
                 ON CONFLICT (edge, first) DO UPDATE
                     SET missing = excluded.missing, closed_at_us = excluded.closed_at_us",
                &[
                    &gaps.edges,
                    &gaps.firsts,
                    &gaps.lasts,
                    &gaps.missing,
                    &gaps.opened,
                    &gaps.closed,
                ],
            )?;
        }
        if !dropped.edges.is_empty() {
            link.change(
                "note what was dropped",
                "INSERT INTO dropped SELECT * FROM unnest($1::integer[], $2::bigint[],
                     $3::bigint[], $4::bigint[])
                 ON CONFLICT (edge, first) DO UPDATE SET missing = excluded.missing",
                &[
                    &dropped.edges,
                    &dropped.firsts,
                    &dropped.lasts,
                    &dropped.missing,
                ],
            )?;
        }
        Ok(())
    }
}

/// Ranges as arrays, one for each column.
#[derive(Default)]
struct Columns {
    edges: Vec<i32>,
    firsts: Vec<i64>,
    lasts: Vec<i64>,
    missing: Vec<i64>,
    opened: Vec<i64>,
    closed: Vec<Option<i64>>,
}

impl Columns {
    fn add(&mut self, edge: i32, range: &Range) -> Result<(), StoreError> {
        self.edges.push(edge);
        self.firsts.push(place(range.first));
        self.lasts.push(place(range.last));
        self.missing.push(column(range.missing)?);
        self.opened.push(range.opened_at_us);
        self.closed.push(range.closed_at_us);
        Ok(())
    }
}
