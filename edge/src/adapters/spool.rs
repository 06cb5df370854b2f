//! Sealed records on the disk until the hub has stored them: the only door to SQLite.
//!
//! A record is sealed and stored in one transaction with the chain's head, so that a kill at any
//! point leaves a chain without holes. Only a receipt of the hub deletes a record, or a bound: what
//! goes then goes with a report of the same chain. A final refusal moves a record aside, where it
//! is kept. What was sent but has no receipt is not noted here: after a restart everything is sent
//! again, and the hub stores each record once.
//!
//! Envelopes lie encrypted, each bound to its place. What is left in the clear says how many
//! records there are and when they were sealed, not what passed.

pub mod answers;
mod change;
pub mod error;
mod forward;
mod kind;
mod on_hold;
mod opening;
pub mod owner;
mod room;
mod schema;
pub mod shared;
pub mod taken;
mod usage;
mod witness;

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OptionalExtension as _};
use varco_proto::drops::DropReason;
use varco_proto::ids::EdgeId;
use varco_proto::record::{ChainHead, RecordBody};
use varco_proto::time::UtcTime;

use self::error::{SpoolError, doing, whole};
use self::on_hold::OnHold;
use self::owner::Owner;
use self::usage::Usage;
use self::witness::Witness;
use super::vault::AadPlace;

/// One in so many places on the way is for the freshest transits, the others are for the oldest:
/// after a week without a link, what passes now is not a week late.
const FRESH_ONE_IN: usize = 4;

/// The spool of one edge. One process has it open at a time.
#[derive(Debug)]
pub struct Spool {
    db: Connection,
    path: PathBuf,
    owner: Owner,
    usage: Usage,
    on_hold: OnHold,
    witness: Witness,
    _lock: File,
}

/// Whether a daemon has the spool of this folder open.
#[must_use]
pub fn is_in_use(folder: &Path) -> bool {
    let lock = File::open(folder.join("spool.lock"));
    lock.is_ok_and(|lock| matches!(lock.try_lock_shared(), Err(TryLockError::WouldBlock)))
}

/// How much waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Depth {
    /// Records without a receipt.
    pub waiting: u64,
    /// Records that the hub refused for good, kept aside.
    pub refused: u64,
    /// When the oldest waiting one was sealed.
    pub oldest_sealed_at: Option<UtcTime>,
    /// Last sequence sealed; 0 when none.
    pub last_sequence: u64,
    /// The newest alarm that keeps transits back; 0 when none does.
    pub suspended_by: u64,
    /// Bytes of all envelopes.
    pub bytes: u64,
    /// Records let go since the spool was begun.
    pub dropped: u64,
}

impl Spool {
    /// Opens or begins the spool in `folder`. One that an earlier version left in the clear is
    /// encrypted first.
    ///
    /// # Errors
    /// [`SpoolError::InUse`], [`SpoolError::OtherEdge`], [`SpoolError::BoxKey`],
    /// [`SpoolError::Version`], [`SpoolError::Witness`] and [`SpoolError::Open`]: the daemon does
    /// not start, and nothing is changed.
    pub fn open(folder: &Path, owner: Owner, now: UtcTime) -> Result<Self, SpoolError> {
        let io = |source| SpoolError::Folder {
            folder: folder.to_owned(),
            source,
        };
        std::fs::create_dir_all(folder).map_err(io)?;
        let lock = File::create(folder.join("spool.lock")).map_err(io)?;
        lock.try_lock().map_err(|_| SpoolError::InUse {
            folder: folder.to_owned(),
        })?;
        let path = folder.join("spool.sqlite");
        let db = opening::open(&path, &owner)?;
        let witness = Witness::open(folder).map_err(io)?;
        let usage = Usage::of(&db).map_err(doing("measure the spool", &path))?;
        let mut spool = Self {
            db,
            path,
            owner,
            usage,
            on_hold: OnHold::default(),
            witness,
            _lock: lock,
        };
        spool.agree_with_witness(now)?;
        Ok(spool)
    }

    /// The chain goes on where its witness says that it stood, even when the disk lost its end: a
    /// second record in a place that the hub may have seen would be a fork.
    fn agree_with_witness(&mut self, now: UtcTime) -> Result<(), SpoolError> {
        let witnessed = self
            .witness
            .read(&self.owner)
            .map_err(|()| SpoolError::Witness {
                path: self.witness.path().to_owned(),
            })?;
        let head = self.head()?;
        let Some(witnessed) = witnessed.filter(|witnessed| witnessed.sequence > head.sequence)
        else {
            return Ok(());
        };
        let lost: Vec<u64> = (head.sequence + 1..=witnessed.sequence).collect();
        tracing::error!(
            record.first = head.sequence + 1,
            record.last = witnessed.sequence,
            "the disk lost records that had been sealed; the chain goes on after them, and the \
             hub is told"
        );
        self.change("go on after lost records", |change| {
            change.head = witnessed;
            change.report(DropReason::Damage, &lost, now)
        })
    }

    /// Seals the next record of the chain and keeps it. Where a bound is reached, the oldest
    /// transits go, and a report of it is sealed behind the record.
    ///
    /// # Errors
    /// Nothing is sealed: [`SpoolError::DiskFull`] says what to do; the caller holds the record
    /// and tries again.
    pub fn seal(&mut self, body: RecordBody, now: UtcTime) -> Result<u64, SpoolError> {
        self.change("seal a record", |change| {
            let sequence = change.append(body, now)?;
            change.make_room(now)?;
            Ok(sequence)
        })
    }

    /// Lets go what is older than it may be kept. Gives how many records went.
    ///
    /// # Errors
    /// Nothing went; the next call tries again.
    pub fn expire(&mut self, now: UtcTime) -> Result<u64, SpoolError> {
        self.change("let old records go", |change| change.expire(now))
    }

    /// Lets go a record that the disk has altered, so that it does not hold up the others.
    ///
    /// # Errors
    /// As for [`Self::expire`].
    pub fn give_up(&mut self, sequence: u64, now: UtcTime) -> Result<(), SpoolError> {
        self.change("let a damaged record go", |change| {
            change.give_up(sequence, now)
        })
    }

    /// Where the chain stands.
    ///
    /// # Errors
    /// [`SpoolError::Database`].
    pub fn head(&self) -> Result<ChainHead, SpoolError> {
        schema::head(&self.db).map_err(doing("read the chain's head", &self.path))
    }

    /// The sequences of the records to be on their way, ascending: alarms and reports first, and
    /// of the rest one in [`FRESH_ONE_IN`] for the freshest transits. While an alarm keeps
    /// transits back, only alarms and reports. What the hub has on hold is in nobody's way.
    ///
    /// # Errors
    /// [`SpoolError::Database`].
    pub fn due(&self, limit: usize) -> Result<Vec<u64>, SpoolError> {
        let read = || -> rusqlite::Result<Vec<u64>> {
            let alarms = "SELECT sequence FROM waiting
                WHERE kind IN (1, 2) AND sequence > ?1 ORDER BY sequence";
            let (mut due, _) = self.list(alarms, 0, limit)?;
            let rest = limit.saturating_sub(due.len());
            let fresh = rest / FRESH_ONE_IN;
            let transits = "SELECT sequence FROM waiting
                WHERE kind = 0 AND (SELECT suspended_by FROM chain) = 0 AND sequence > ?1
                ORDER BY sequence";
            let (oldest, passed) = self.list(transits, self.on_hold.floor(), rest - fresh)?;
            self.on_hold.raise_floor(passed);
            due.extend(oldest);
            let newest = format!("{transits} DESC");
            due.extend(self.list(&newest, self.on_hold.floor(), fresh)?.0);
            due.sort_unstable();
            due.dedup();
            Ok(due)
        };
        read().map_err(doing("list the waiting records", &self.path))
    }

    /// The first records of a list behind `floor` that are not on hold, and the last of those before
    /// them that are.
    fn list(&self, sql: &str, floor: u64, limit: usize) -> rusqlite::Result<(Vec<u64>, u64)> {
        let mut statement = self.db.prepare_cached(sql)?;
        let mut rows = statement.query([i64::try_from(floor).unwrap_or(i64::MAX)])?;
        let (mut listed, mut passed) = (Vec::new(), floor);
        while listed.len() < limit {
            let Some(row) = rows.next()? else { break };
            let sequence = whole(row.get(0)?);
            if !self.on_hold.has(sequence) {
                listed.push(sequence);
            } else if listed.is_empty() {
                passed = sequence;
            }
        }
        Ok((listed, passed))
    }

    /// Sends some of what the hub has on hold again, to see whether somebody let it in there.
    ///
    /// # Errors
    /// [`SpoolError::Database`].
    pub fn try_on_hold(&mut self) -> Result<(), SpoolError> {
        let oldest = "SELECT coalesce(min(sequence), 0) FROM waiting";
        let oldest: i64 = self
            .db
            .query_row(oldest, [], |row| row.get(0))
            .map_err(doing("list the waiting records", &self.path))?;
        self.on_hold.try_some(whole(oldest));
        Ok(())
    }

    /// A waiting record's envelope; none when it no longer waits.
    ///
    /// # Errors
    /// [`SpoolError::Damaged`]: see [`Self::give_up`]. [`SpoolError::Database`].
    pub fn envelope(&self, sequence: u64) -> Result<Option<Vec<u8>>, SpoolError> {
        let read = || -> rusqlite::Result<Option<Vec<u8>>> {
            self.db
                .prepare_cached("SELECT envelope FROM waiting WHERE sequence = ?1")?
                .query_row([i64::try_from(sequence).unwrap_or(-1)], |row| row.get(0))
                .optional()
        };
        let Some(sealed) = read().map_err(doing("read a record", &self.path))? else {
            return Ok(None);
        };
        let place = AadPlace {
            edge: &self.owner.edge,
            table: schema::WAITING,
            sequence,
        };
        match self.owner.cipher.open(place, &sealed) {
            Some(envelope) => Ok(Some(envelope)),
            None => Err(SpoolError::Damaged { sequence }),
        }
    }

    /// How much waits.
    ///
    /// # Errors
    /// [`SpoolError::Database`].
    pub fn depth(&self) -> Result<Depth, SpoolError> {
        let usage = self.usage;
        let read = |row: &rusqlite::Row<'_>| {
            Ok(Depth {
                waiting: usage.waiting(),
                refused: usage.refused,
                oldest_sealed_at: row.get::<_, Option<i64>>(0)?.map(UtcTime::from_unix_us),
                last_sequence: whole(row.get(1)?),
                suspended_by: whole(row.get(2)?),
                bytes: usage.bytes,
                dropped: whole(row.get(3)?),
            })
        };
        let sql = "SELECT (SELECT sealed_at_unix_us FROM waiting ORDER BY sequence LIMIT 1),
            sequence, suspended_by, dropped FROM chain";
        self.db
            .query_row(sql, [], read)
            .map_err(doing("measure the spool", &self.path))
    }

    fn check_edge(&self, edge: &EdgeId) -> Result<(), SpoolError> {
        if *edge == self.owner.edge {
            Ok(())
        } else {
            Err(SpoolError::WrongEdge { edge: edge.clone() })
        }
    }
}

#[cfg(test)]
mod power;
#[cfg(test)]
mod tests;
