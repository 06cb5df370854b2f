//! One transaction of the spool: records are added and go, the chain's head moves, all or nothing.

use rusqlite::{Transaction, TransactionBehavior, params};
use varco_proto::drops::{DropReason, DropReport, RANGES_MAX, SequenceRange};
use varco_proto::ids::Digest;
use varco_proto::record::{ChainHead, RecordBody};
use varco_proto::time::UtcTime;

use super::error::{SpoolError, doing, whole};
use super::kind::Kind;
use super::owner::Owner;
use super::usage::Usage;
use super::{Spool, schema};
use crate::adapters::vault::AadPlace;

/// A transaction begun.
pub(super) struct Change<'a> {
    pub(super) tx: Transaction<'a>,
    pub(super) owner: &'a Owner,
    pub(super) usage: Usage,
    pub(super) head: ChainHead,
    pub(super) dropped: u64,
    pub(super) what: &'static str,
    path: &'a std::path::Path,
}

impl Spool {
    /// Does some work in one transaction. When it fails nothing is changed.
    pub(super) fn change<T>(
        &mut self,
        what: &'static str,
        work: impl FnOnce(&mut Change<'_>) -> Result<T, SpoolError>,
    ) -> Result<T, SpoolError> {
        let fault = doing(what, &self.path);
        let tx = self
            .db
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(&fault)?;
        let before = schema::head(&tx).map_err(&fault)?;
        let mut change = Change {
            tx,
            owner: &self.owner,
            usage: self.usage,
            head: before,
            dropped: 0,
            what,
            path: &self.path,
        };
        let done = work(&mut change)?;
        let (usage, head) = (change.usage, change.head);
        change.commit(before)?;
        self.usage = usage;
        // The record is sealed, whatever becomes of its witness: to say otherwise would seal it
        // a second time.
        if head != before
            && let Err(error) = self.witness.write(&self.owner, head)
        {
            tracing::error!(%error, "the chain's head cannot be written down a second time");
        }
        Ok(done)
    }
}

impl Change<'_> {
    pub(super) fn fault(&self) -> impl Fn(rusqlite::Error) -> SpoolError + use<> {
        doing(self.what, self.path)
    }

    fn commit(self, before: ChainHead) -> Result<(), SpoolError> {
        let fault = self.fault();
        if self.head != before || self.dropped > 0 {
            self.tx
                .execute(
                    "UPDATE chain SET sequence = ?1, digest = ?2, dropped = dropped + ?3",
                    params![
                        i64::try_from(self.head.sequence).unwrap_or(i64::MAX),
                        self.head.digest.as_bytes(),
                        i64::try_from(self.dropped).unwrap_or(i64::MAX),
                    ],
                )
                .map_err(&fault)?;
        }
        self.tx.commit().map_err(&fault)
    }

    /// Seals the next record of the chain.
    pub(super) fn append(&mut self, body: RecordBody, now: UtcTime) -> Result<u64, SpoolError> {
        let fault = self.fault();
        let kind = Kind::of(&body);
        let happened_at = body.at();
        if let RecordBody::Drops(report) = &body {
            self.dropped += report.count;
        }
        let suspends = matches!(&body, RecordBody::Tamper(event) if event.suspends);
        let (next, sealed) = self
            .head
            .seal_next(&self.owner.edge, body, now, &self.owner.key);
        let place = AadPlace {
            edge: &self.owner.edge,
            table: schema::WAITING,
            sequence: next.sequence,
        };
        let hidden = self.owner.cipher.seal(place, &sealed.envelope)?;
        let sequence = i64::try_from(next.sequence).unwrap_or(i64::MAX);
        let bytes = u64::try_from(hidden.len()).unwrap_or(u64::MAX);
        self.tx
            .prepare_cached(
                "INSERT INTO waiting (sequence, digest, envelope_digest, bytes,
                 happened_at_unix_us, sealed_at_unix_us, kind, envelope)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            )
            .and_then(|mut insert| {
                insert.execute(params![
                    sequence,
                    sealed.digest.as_bytes(),
                    Digest::of(&sealed.envelope).as_bytes(),
                    i64::try_from(bytes).unwrap_or(i64::MAX),
                    happened_at.unix_us(),
                    now.unix_us(),
                    kind.number(),
                    hidden,
                ])
            })
            .map_err(&fault)?;
        if suspends {
            self.tx
                .execute("UPDATE chain SET suspended_by = ?1", [sequence])
                .map_err(&fault)?;
        }
        *self.usage.count(kind.number()) += 1;
        self.usage.bytes += bytes;
        self.head = next;
        Ok(next.sequence)
    }

    /// Seals what says that these records went, ascending.
    pub(super) fn report(
        &mut self,
        reason: DropReason,
        sequences: &[u64],
        now: UtcTime,
    ) -> Result<(), SpoolError> {
        for ranges in SequenceRange::of(sequences).chunks(RANGES_MAX) {
            let count = ranges.iter().map(|range| range.count()).sum();
            let report = DropReport {
                reason,
                ranges: ranges.to_vec(),
                count,
                dropped_at: now,
            };
            self.append(RecordBody::Drops(report), now)?;
        }
        Ok(())
    }

    /// Counts a waiting row that was deleted.
    pub(super) fn uncount(&mut self, kind: i64, bytes: i64) {
        let count = self.usage.count(kind);
        *count = count.saturating_sub(1);
        self.usage.bytes = self.usage.bytes.saturating_sub(whole(bytes));
    }

    /// Counts a refused row that was deleted.
    pub(super) fn uncount_refused(&mut self, bytes: i64) {
        self.usage.refused = self.usage.refused.saturating_sub(1);
        self.usage.bytes = self.usage.bytes.saturating_sub(whole(bytes));
    }
}
