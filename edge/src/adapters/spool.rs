//! Sealed records on the disk until the hub has stored them: the only door to SQLite.
//!
//! A record is sealed and stored in one transaction with the chain's head, so that a kill at any
//! point leaves a chain without holes. Only a receipt of the hub deletes a record; a final
//! refusal moves it aside, where it is kept. What was sent but has no receipt is not noted here:
//! after a restart everything is sent again, and the hub stores each record once.

mod error;
mod schema;
mod shared;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension as _, TransactionBehavior, params};
use varco_proto::envelope::Verified;
use varco_proto::ids::{Digest, EdgeId};
use varco_proto::keys::SealingKey;
use varco_proto::receipt::{Receipt, Refusal, RefusalReason};
use varco_proto::record::{ChainHead, RecordBody};
use varco_proto::tamper::Release;
use varco_proto::time::UtcTime;

pub use error::SpoolError;
use error::{doing, whole};
pub use shared::{HELD_MAX, Keeping, SharedSpool};

/// Alarms that find room in a full spool.
const ALARMS_MAX: u64 = 1000;

/// The spool of one edge. One process has it open at a time.
#[derive(Debug)]
pub struct Spool {
    db: Connection,
    path: PathBuf,
    edge: EdgeId,
    key: Arc<SealingKey>,
    records_max: u64,
    _lock: File,
}

/// How much waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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
}

/// What a refusal of the hub comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// The hub has the record; its receipt comes, or came.
    Stored,
    /// The hub has the record but lacks some before it: send all that wait, oldest first.
    SendAgain,
    /// The record was moved aside with the hub's reason.
    Moved {
        /// Its place in the chain.
        sequence: u64,
    },
    /// No such record waits here.
    Unknown,
}

impl Spool {
    /// Opens or begins the spool in `folder`.
    ///
    /// # Errors
    /// [`SpoolError::InUse`], [`SpoolError::OtherEdge`], [`SpoolError::Version`] and
    /// [`SpoolError::Open`]: the daemon does not start.
    pub fn open(
        folder: &Path,
        edge: EdgeId,
        key: Arc<SealingKey>,
        records_max: u64,
    ) -> Result<Self, SpoolError> {
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
        let db = schema::open(&path, &edge, &key.opening_key())?;
        Ok(Self {
            db,
            path,
            edge,
            key,
            records_max,
            _lock: lock,
        })
    }

    /// Seals the next record of the chain and keeps it.
    ///
    /// # Errors
    /// Nothing is sealed: [`SpoolError::DiskFull`] and [`SpoolError::Full`] say what to do; the
    /// caller holds the record and tries again.
    pub fn seal(&mut self, body: RecordBody, now: UtcTime) -> Result<u64, SpoolError> {
        let fault = doing("seal a record", &self.path);
        let tx = self
            .db
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(&fault)?;
        let waiting: i64 = tx
            .query_row("SELECT count(*) FROM waiting", [], |row| row.get(0))
            .map_err(&fault)?;
        let alarm = match &body {
            RecordBody::Transit(_) => None,
            RecordBody::Tamper(event) => Some(event.suspends),
        };
        // An alarm must find room when transits no longer do.
        let reserve = if alarm.is_some() { ALARMS_MAX } else { 0 };
        if whole(waiting) >= self.records_max + reserve {
            return Err(SpoolError::Full {
                records_max: self.records_max,
            });
        }
        let head = schema::head(&tx).map_err(&fault)?;
        let (next, sealed) = head.seal_next(&self.edge, body, now, &self.key);
        let sequence = i64::try_from(next.sequence).unwrap_or(i64::MAX);
        tx.execute(
            "INSERT INTO waiting (sequence, digest, envelope_digest, envelope, sealed_at_unix_us,
             tamper) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            params![
                sequence,
                sealed.digest.as_bytes(),
                Digest::of(&sealed.envelope).as_bytes(),
                sealed.envelope,
                now.unix_us(),
                alarm.is_some()
            ],
        )
        .map_err(&fault)?;
        if alarm == Some(true) {
            tx.execute("UPDATE chain SET suspended_by = ?1", [sequence])
                .map_err(&fault)?;
        }
        tx.execute(
            "UPDATE chain SET sequence = ?1, digest = ?2",
            params![sequence, next.digest.as_bytes()],
        )
        .map_err(&fault)?;
        tx.commit().map_err(&fault)?;
        Ok(next.sequence)
    }

    /// Where the chain stands.
    ///
    /// # Errors
    /// [`SpoolError::Database`].
    pub fn head(&self) -> Result<ChainHead, SpoolError> {
        schema::head(&self.db).map_err(doing("read the chain's head", &self.path))
    }

    /// The sequences of the oldest records to be sent: while an alarm keeps transits back, only
    /// alarms.
    ///
    /// # Errors
    /// [`SpoolError::Database`].
    pub fn oldest(&self, limit: u32) -> Result<Vec<u64>, SpoolError> {
        let read = || -> rusqlite::Result<Vec<u64>> {
            self.db
                .prepare_cached(
                    "SELECT sequence FROM waiting
                     WHERE tamper = 1 OR (SELECT suspended_by FROM chain) = 0
                     ORDER BY sequence LIMIT ?1",
                )?
                .query_map([limit], |row| row.get(0).map(whole))?
                .collect()
        };
        read().map_err(doing("list the waiting records", &self.path))
    }

    /// A waiting record's envelope; none when it no longer waits.
    ///
    /// # Errors
    /// [`SpoolError::Database`].
    pub fn envelope(&self, sequence: u64) -> Result<Option<Vec<u8>>, SpoolError> {
        let read = || -> rusqlite::Result<Option<Vec<u8>>> {
            self.db
                .prepare_cached("SELECT envelope FROM waiting WHERE sequence = ?1")?
                .query_row([i64::try_from(sequence).unwrap_or(-1)], |row| row.get(0))
                .optional()
        };
        read().map_err(doing("read a record", &self.path))
    }

    /// How much waits.
    ///
    /// # Errors
    /// [`SpoolError::Database`].
    pub fn depth(&self) -> Result<Depth, SpoolError> {
        let read = |row: &rusqlite::Row<'_>| {
            Ok(Depth {
                waiting: whole(row.get(0)?),
                refused: whole(row.get(1)?),
                oldest_sealed_at: row.get::<_, Option<i64>>(2)?.map(UtcTime::from_unix_us),
                last_sequence: whole(row.get(3)?),
                suspended_by: whole(row.get(4)?),
            })
        };
        let sql = "SELECT (SELECT count(*) FROM waiting), (SELECT count(*) FROM refused),
            (SELECT sealed_at_unix_us FROM waiting ORDER BY sequence LIMIT 1),
            (SELECT sequence FROM chain), (SELECT suspended_by FROM chain)";
        self.db
            .query_row(sql, [], read)
            .map_err(doing("measure the spool", &self.path))
    }

    /// Deletes the records that the hub has stored: those whose sequence and digest both match.
    /// Gives their number.
    ///
    /// # Errors
    /// [`SpoolError::WrongEdge`]: the receipt is ignored. [`SpoolError::Database`]: nothing is
    /// deleted, the hub answers again when the records are sent again.
    pub fn take_receipt(&mut self, receipt: &Verified<Receipt>) -> Result<usize, SpoolError> {
        let receipt = receipt.value();
        self.check_edge(&receipt.edge)?;
        let fault = doing("take a receipt", &self.path);
        let tx = self
            .db
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(&fault)?;
        let mut deleted = 0;
        for line in &receipt.lines {
            let sequence = i64::try_from(line.sequence).unwrap_or(-1);
            let place = params![sequence, line.digest.as_bytes()];
            deleted += tx
                .prepare_cached("DELETE FROM waiting WHERE sequence = ?1 AND digest = ?2")
                .and_then(|mut delete| delete.execute(place))
                .map_err(&fault)?;
            // A record that was refused at first and stored later needs no keeping either.
            tx.prepare_cached("DELETE FROM refused WHERE sequence = ?1 AND digest = ?2")
                .and_then(|mut delete| delete.execute(place))
                .map_err(&fault)?;
        }
        tx.commit().map_err(&fault)?;
        Ok(deleted)
    }

    /// Does what a refusal asks for.
    ///
    /// # Errors
    /// As for [`Self::take_receipt`].
    pub fn take_refusal(&mut self, refusal: &Verified<Refusal>) -> Result<Refused, SpoolError> {
        let refusal = refusal.value();
        self.check_edge(&refusal.edge)?;
        match refusal.reason {
            RefusalReason::Gap => return Ok(Refused::SendAgain),
            reason if reason.is_stored() => return Ok(Refused::Stored),
            _ => {}
        }
        let fault = doing("take a refusal", &self.path);
        let tx = self
            .db
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(&fault)?;
        // A hub that could not open the envelope knows only the digest of its bytes.
        let found: Option<i64> = tx
            .query_row(
                "SELECT sequence FROM waiting
                 WHERE (sequence = ?1 AND digest = ?2) OR envelope_digest = ?2 LIMIT 1",
                params![
                    i64::try_from(refusal.sequence).unwrap_or(-1),
                    refusal.digest.as_bytes()
                ],
                |row| row.get(0),
            )
            .optional()
            .map_err(&fault)?;
        let Some(sequence) = found else {
            return Ok(Refused::Unknown);
        };
        tx.execute(
            "INSERT OR REPLACE INTO refused
             SELECT sequence, digest, envelope, sealed_at_unix_us, ?2, ?3, ?4
             FROM waiting WHERE sequence = ?1",
            params![
                sequence,
                refusal.reason.as_str(),
                refusal.detail,
                refusal.refused_at.unix_us()
            ],
        )
        .map_err(&fault)?;
        tx.execute("DELETE FROM waiting WHERE sequence = ?1", [sequence])
            .map_err(&fault)?;
        tx.commit().map_err(&fault)?;
        Ok(Refused::Moved {
            sequence: whole(sequence),
        })
    }

    /// Lets transits flow again when the release covers the newest alarm. Gives whether it does.
    ///
    /// # Errors
    /// As for [`Self::take_receipt`].
    pub fn take_release(&mut self, release: &Verified<Release>) -> Result<bool, SpoolError> {
        let release = release.value();
        self.check_edge(&release.edge)?;
        let up_to = i64::try_from(release.up_to_sequence).unwrap_or(i64::MAX);
        // One from before an alarm came must not cover it: sequences only grow.
        let changed = self
            .db
            .execute(
                "UPDATE chain SET suspended_by = 0
                 WHERE suspended_by BETWEEN 1 AND ?1 AND ?1 <= sequence",
                [up_to],
            )
            .map_err(doing("take a release", &self.path))?;
        Ok(changed == 1)
    }

    fn check_edge(&self, edge: &EdgeId) -> Result<(), SpoolError> {
        if *edge == self.edge {
            Ok(())
        } else {
            Err(SpoolError::WrongEdge { edge: edge.clone() })
        }
    }
}

#[cfg(test)]
mod tests;
