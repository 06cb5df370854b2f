//! What goes when a bound is reached, and what is left to say of it.
//!
//! Transits that the hub refused go first, then the oldest transits that wait. Alarms stay, up to
//! [`ALARMS_MAX`] of them, and the one that keeps transits back always does: without it no release
//! could cover it. Reports stay until the hub has them: each stands for many records.

use std::time::Duration;

use rusqlite::{Params, params};
use varco_proto::drops::DropReason;
use varco_proto::time::UtcTime;

use super::change::Change;
use super::error::{SpoolError, whole};
use super::kind::Kind;

/// Most alarms that wait. Beyond them the oldest go.
const ALARMS_MAX: u64 = 1000;
/// When a bound is reached, one part in so many is freed at once, so that reports stay few.
const FREED_PART: u64 = 100;
/// At least so many transits are freed at once, where the bound allows it.
const FREED_MIN: u64 = 16;
/// What will be too old within this goes with what already is.
const AHEAD_MAX: Duration = Duration::from_secs(3600);

/// A row that may go.
struct Candidate {
    sequence: u64,
    bytes: i64,
}

impl Change<'_> {
    /// Lets the oldest transits go until everything is within its bounds.
    pub(super) fn make_room(&mut self, now: UtcTime) -> Result<(), SpoolError> {
        let limits = self.owner.limits;
        let mut gone = Vec::new();
        if self.records() > limits.records_max || self.usage.bytes > limits.bytes_max {
            let freed = (limits.records_max / FREED_PART).max(FREED_MIN);
            let records = limits.records_max - freed.min(limits.records_max / 2);
            let bytes = limits.bytes_max - limits.bytes_max / FREED_PART;
            gone.extend(self.free("refused", records, bytes)?);
            gone.extend(self.free("waiting", records, bytes)?);
        }
        if self.usage.alarms > ALARMS_MAX {
            gone.extend(self.free_alarms()?);
        }
        gone.sort_unstable();
        if let (Some(first), Some(last)) = (gone.first(), gone.last()) {
            tracing::warn!(
                count = gone.len(),
                record.first = first,
                record.last = last,
                "the spool is full: its oldest records are let go, and the hub is told"
            );
        }
        self.report(DropReason::Size, &gone, now)
    }

    fn records(&self) -> u64 {
        self.usage.transits + self.usage.refused
    }

    /// Deletes the oldest transits of a table until so much is left, or none.
    fn free(&mut self, table: &str, records: u64, bytes: u64) -> Result<Vec<u64>, SpoolError> {
        let fault = self.fault();
        let which = if table == "waiting" {
            "WHERE kind = 0"
        } else {
            ""
        };
        let mut gone = Vec::new();
        while self.records() > records || self.usage.bytes > bytes {
            let batch = self.candidates(
                &format!("SELECT sequence, bytes FROM {table} {which} ORDER BY sequence LIMIT 64"),
                [],
            )?;
            if batch.is_empty() {
                break;
            }
            for candidate in batch {
                if self.records() <= records && self.usage.bytes <= bytes {
                    break;
                }
                let sequence = i64::try_from(candidate.sequence).unwrap_or(-1);
                self.tx
                    .execute(
                        &format!("DELETE FROM {table} WHERE sequence = ?1"),
                        [sequence],
                    )
                    .map_err(&fault)?;
                if table == "waiting" {
                    self.uncount(Kind::Transit.number(), candidate.bytes);
                } else {
                    self.uncount_refused(candidate.bytes);
                }
                gone.push(candidate.sequence);
            }
        }
        Ok(gone)
    }

    fn free_alarms(&mut self) -> Result<Vec<u64>, SpoolError> {
        let fault = self.fault();
        let freed = ALARMS_MAX / FREED_PART;
        let oldest = self.candidates(
            &format!(
                "SELECT sequence, bytes FROM waiting
             WHERE kind = 1 AND sequence <> (SELECT suspended_by FROM chain)
             ORDER BY sequence LIMIT {freed}"
            ),
            [],
        )?;
        for alarm in &oldest {
            let sequence = i64::try_from(alarm.sequence).unwrap_or(-1);
            self.tx
                .execute("DELETE FROM waiting WHERE sequence = ?1", [sequence])
                .map_err(&fault)?;
            self.uncount(Kind::Alarm.number(), alarm.bytes);
        }
        Ok(oldest.iter().map(|alarm| alarm.sequence).collect())
    }

    fn candidates(&self, sql: &str, values: impl Params) -> Result<Vec<Candidate>, SpoolError> {
        let read = || -> rusqlite::Result<Vec<Candidate>> {
            self.tx
                .prepare_cached(sql)?
                .query_map(values, |row| {
                    Ok(Candidate {
                        sequence: whole(row.get(0)?),
                        bytes: row.get(1)?,
                    })
                })?
                .collect()
        };
        read().map_err(self.fault())
    }

    /// Lets go what is too old, and what soon will be.
    pub(super) fn expire(&mut self, now: UtcTime) -> Result<u64, SpoolError> {
        let age_max = self.owner.limits.age_max;
        let too_old = now - age_max;
        let soon = now - (age_max - AHEAD_MAX.min(age_max / 10));
        let old = "(happened_at_unix_us <= ?1 OR sealed_at_unix_us <= ?1)";
        let is_due = format!(
            "SELECT EXISTS (SELECT 1 FROM waiting WHERE kind = 0 AND {old})
                 OR EXISTS (SELECT 1 FROM refused WHERE {old})"
        );
        let is_due: bool = self
            .tx
            .query_row(&is_due, [too_old.unix_us()], |row| row.get(0))
            .map_err(self.fault())?;
        if !is_due {
            return Ok(0);
        }
        let mut gone = Vec::new();
        for (table, which) in [("waiting", "kind = 0 AND"), ("refused", "")] {
            let sql = format!("DELETE FROM {table} WHERE {which} {old} RETURNING sequence, bytes");
            let rows = self.candidates(&sql, [soon.unix_us()])?;
            for row in rows {
                if table == "waiting" {
                    self.uncount(Kind::Transit.number(), row.bytes);
                } else {
                    self.uncount_refused(row.bytes);
                }
                gone.push(row.sequence);
            }
        }
        gone.sort_unstable();
        let count = u64::try_from(gone.len()).unwrap_or(u64::MAX);
        tracing::warn!(
            count,
            "transits that no hub took within their term are let go, and the hub is told"
        );
        self.report(DropReason::Age, &gone, now)?;
        Ok(count)
    }

    /// Lets one damaged record go.
    pub(super) fn give_up(&mut self, sequence: u64, now: UtcTime) -> Result<(), SpoolError> {
        let place = i64::try_from(sequence).unwrap_or(-1);
        let gone: Vec<(i64, i64)> = self
            .tx
            .prepare_cached("DELETE FROM waiting WHERE sequence = ?1 RETURNING kind, bytes")
            .and_then(|mut delete| {
                delete
                    .query_map(params![place], |row| Ok((row.get(0)?, row.get(1)?)))?
                    .collect()
            })
            .map_err(self.fault())?;
        for (kind, bytes) in gone {
            self.uncount(kind, bytes);
            self.report(DropReason::Damage, &[sequence], now)?;
        }
        Ok(())
    }
}
