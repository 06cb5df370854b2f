//! Writing the gaps of chains, and what their edges let go, as arrays.

use super::connection::PgConnection;
use crate::chains::ranges::{Range, Ranges};
use crate::chains::{column, place};
use crate::store::StoreError;

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
    pub(super) fn write(&self, link: &mut PgConnection) -> Result<(), StoreError> {
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
