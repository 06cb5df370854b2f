//! The chains within one batch: what it reads and notes, before it is committed.

use std::collections::HashMap;

use varco_proto::drops::SequenceRange;
use varco_proto::envelope::Verified;
use varco_proto::ids::EdgeId;
use varco_proto::record::Record;
use varco_proto::time::UtcTime;

use crate::chains::heads::{ChainLink, Heads, RECENT_ROWS_MAX, RUN_LINKS, Standing};
use crate::chains::place::{Around, Missing};
use crate::chains::{column, settled};
use crate::store::sql::{Connection, params};
use crate::store::{Doing as _, StoreError};

/// Runs moved in a batch beyond those that its own records can fill.
const RUNS_SPARE: usize = 8;
/// Edges settled in a batch because their links are the oldest of `chain_recent`: so many, and one
/// more for each so many records, so that the table stays in bounds with ten thousand edges too.
const OLDEST_SETTLED: usize = 16;
/// Rows trimmed in a batch beyond as many as it appended.
const TRIM_SPARE: i64 = 1024;

/// What a batch changed of one chain.
#[derive(Debug)]
pub(super) struct Touched {
    pub(super) standing: Standing,
    /// Whether what was pending before the batch is in the keyed table now.
    pub(super) settled: bool,
    /// Links that came since, each with its row once the batch is finished.
    pub(super) appended: Vec<(i64, ChainLink)>,
}

/// What a batch changed of the chains: [`Heads::apply`] takes it once it is committed.
#[derive(Debug)]
pub struct Change {
    pub(super) touched: HashMap<EdgeId, Touched>,
    pub(super) turn: i64,
    pub(super) first_row: i64,
    pub(super) next_row: i64,
}

/// The chains within a batch. Dropped with it when it fails: the memory is as before then.
#[derive(Debug)]
pub struct Links<'a> {
    heads: &'a Heads,
    touched: HashMap<EdgeId, Touched>,
    noted: usize,
}

impl<'a> Links<'a> {
    pub(super) fn over(heads: &'a Heads) -> Self {
        Self {
            heads,
            touched: HashMap::new(),
            noted: 0,
        }
    }

    fn standing(&self, edge: &EdgeId) -> Standing {
        match (self.touched.get(edge), self.heads.edges.get(edge)) {
            (Some(touched), _) => touched.standing,
            (None, Some(head)) => head.standing,
            (None, None) => Standing::START,
        }
    }

    fn touch(&mut self, edge: &EdgeId) -> &mut Touched {
        let standing = self.standing(edge);
        self.touched.entry(edge.clone()).or_insert(Touched {
            standing,
            settled: false,
            appended: Vec::new(),
        })
    }

    /// What is known around a record's place in its chain. One that follows its chain's head, as
    /// nearly all do, needs no look into the database: nothing can be at its place or after it,
    /// and no gap and no report of dropped records reaches beyond the head.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn around(&mut self, main: &Connection, record: &Record) -> Result<Around, StoreError> {
        let standing = self.standing(&record.edge);
        if record.sequence == standing.sequence + 1 && record.previous == standing.digest {
            return Ok(Around {
                head: standing.sequence,
                before: (standing.sequence > 0).then_some(standing.digest),
                ..Around::default()
            });
        }
        self.settle(main, &record.edge)?;
        settled::around(main, &record.edge, record.sequence, &standing)
    }

    /// Notes a record in its edge's chain, and closes or narrows the gap that it fills.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn note(
        &mut self,
        main: &Connection,
        verified: &Verified<Record>,
        stored: bool,
        now: UtcTime,
    ) -> Result<(), StoreError> {
        let edge = &verified.value().edge;
        let link = ChainLink::of(verified, stored, now);
        self.noted += 1;
        let follows = link.sequence == self.standing(edge).sequence + 1;
        if !follows {
            self.settle(main, edge)?;
            settled::note(main, edge, &link, now)?;
        }
        let touched = self.touch(edge);
        if follows {
            touched.appended.push((0, link));
        }
        if link.sequence >= touched.standing.sequence {
            touched.standing.sequence = link.sequence;
            touched.standing.digest = link.digest;
            touched.standing.received_at_us = link.received_at_us;
        }
        Ok(())
    }

    /// Notes that records are missing.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn open_gap(
        &self,
        main: &Connection,
        edge: &EdgeId,
        missing: Missing,
        now: UtcTime,
    ) -> Result<(), StoreError> {
        settled::open_gap(main, edge, missing, now)
    }

    /// Takes what an edge let go out of its gaps: it is explained, and not waited for any more.
    /// What an earlier report explained stays with that one.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn explain(
        &mut self,
        main: &Connection,
        edge: &EdgeId,
        range: SequenceRange,
        now: UtcTime,
    ) -> Result<(), StoreError> {
        self.settle(main, edge)?;
        settled::explain(main, edge, range, now)
    }

    /// Moves an edge's pending links to the keyed table.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn settle(&mut self, main: &Connection, edge: &EdgeId) -> Result<(), StoreError> {
        let heads = self.heads;
        let touched = self.touch(edge);
        let before = heads.edges.get(edge).filter(|_| !touched.settled);
        let before = before.map_or(&[][..], |head| &head.pending);
        for (_, link) in before.iter().chain(&touched.appended) {
            settled::insert(main, edge, link)?;
        }
        touched.settled = true;
        touched.appended.clear();
        touched.standing.settled_through = touched.standing.sequence;
        Ok(())
    }

    /// Writes what the batch changed: runs that are long enough to the keyed table, the other new
    /// links to the end of `chain_recent`, and each chain's head once.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn finish(mut self, main: &Connection) -> Result<Change, StoreError> {
        self.settle_runs(main)?;
        let mut next_row = self.heads.next_row;
        for (edge, touched) in &mut self.touched {
            for (row, link) in &mut touched.appended {
                *row = next_row;
                append(main, *row, edge, link)?;
                next_row += 1;
            }
            write_head(main, edge, &touched.standing)?;
        }
        let first_row = self.trim(main, next_row)?;
        let turn = main
            .prepare_cached("UPDATE chain_turn SET turn = turn + 1 RETURNING turn")
            .and_then(|mut statement| statement.query_row([], |row| row.get(0)))
            .doing("count the chain's turn")?;
        Ok(Change {
            touched: self.touched,
            turn,
            first_row,
            next_row,
        })
    }

    /// Moves runs, in bounds: as many links as came, so that runs never heap up, and some more.
    fn settle_runs(&mut self, main: &Connection) -> Result<(), StoreError> {
        let runs_max = self.noted / RUN_LINKS + RUNS_SPARE;
        let pending = |edge: &EdgeId, touched: &Touched| {
            let before = self.heads.edges.get(edge).filter(|_| !touched.settled);
            // No head, nothing pending.
            before.map_or(0, |head| head.pending.len()) + touched.appended.len()
        };
        let filled = self.touched.iter();
        let filled = filled.filter(|(edge, touched)| pending(edge, touched) >= RUN_LINKS);
        let due = self.heads.due.iter();
        let mut chosen: Vec<EdgeId> = due.chain(filled.map(|(edge, _)| edge)).cloned().collect();
        chosen.truncate(runs_max);
        let old = self.heads.next_row - RECENT_ROWS_MAX;
        let oldest_max = OLDEST_SETTLED + self.noted / OLDEST_SETTLED;
        let oldest = self.heads.by_row.range(..old).take(oldest_max);
        chosen.extend(oldest.map(|(_, edge)| edge.clone()));
        for edge in chosen {
            let empty = self.touched.get(&edge).is_some_and(|touched| {
                // Chosen twice, or settled before in this batch.
                touched.settled && touched.appended.is_empty()
            });
            if !empty {
                self.settle(main, &edge)?;
            }
        }
        Ok(())
    }

    /// Trims rows that every edge has settled, in bounds, and gives the first that may be left.
    fn trim(&self, main: &Connection, next_row: i64) -> Result<i64, StoreError> {
        let settled = |edge: &EdgeId| {
            self.touched
                .get(edge)
                .is_some_and(|touched| touched.settled)
        };
        let mut pending = self.heads.by_row.iter();
        let needed = pending.find(|(_, edge)| !settled(edge));
        let needed = needed.map_or(self.heads.next_row, |(row, _)| *row);
        let appended = next_row - self.heads.next_row;
        let first = self.heads.first_row;
        let until = needed.min(first + 2 * appended + TRIM_SPARE);
        if until > first {
            main.prepare_cached("DELETE FROM chain_recent WHERE row < ?")
                .and_then(|mut statement| statement.execute([until]))
                .doing("trim the recent links")?;
        }
        Ok(until.max(first))
    }
}

fn append(main: &Connection, row: i64, edge: &EdgeId, link: &ChainLink) -> Result<(), StoreError> {
    const DOING: &str = "append the link";
    main.prepare_cached("INSERT INTO chain_recent VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)")
        .doing(DOING)?
        .execute(params![
            row,
            edge.as_str(),
            column(link.sequence)?,
            link.digest.as_bytes(),
            link.previous.as_bytes(),
            link.captured_at_us,
            link.received_at_us,
            link.stored,
            link.kind,
        ])
        .doing(DOING)?;
    Ok(())
}

pub(super) fn write_head(
    main: &Connection,
    edge: &EdgeId,
    standing: &Standing,
) -> Result<(), StoreError> {
    const DOING: &str = "write the chain's head";
    if standing.sequence == 0 {
        return Ok(());
    }
    main.prepare_cached("INSERT OR REPLACE INTO heads VALUES (?, ?, ?, ?, ?, ?)")
        .doing(DOING)?
        .execute(params![
            edge.as_str(),
            column(standing.sequence)?,
            standing.digest.as_bytes(),
            standing.received_at_us,
            column(standing.settled_through)?,
            column(standing.pruned_through)?,
        ])
        .doing(DOING)?;
    Ok(())
}
