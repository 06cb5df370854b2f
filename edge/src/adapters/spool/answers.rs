//! What the hub's answers do to the spool.

use rusqlite::{OptionalExtension as _, params};
use varco_proto::envelope::Verified;
use varco_proto::receipt::{Receipt, Refusal, RefusalReason};
use varco_proto::tamper::Release;

use super::change::Change;
use super::error::{SpoolError, doing, whole};
use super::{Spool, schema};
use crate::adapters::vault::AadPlace;

/// What a refusal of the hub comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// The hub has the record; its receipt comes, or came.
    Stored,
    /// The hub has the record but lacks some before it: send all that wait, oldest first.
    SendAgain,
    /// The hub takes nothing of this edge until a person releases it: the record waits on.
    OnHold,
    /// The hub does not take this record until a person lets its gate or camera in: it waits on, and
    /// others go.
    Held {
        /// Whether no other waits so.
        first: bool,
    },
    /// The record was moved aside with the hub's reason.
    Moved {
        /// Its place in the chain.
        sequence: u64,
    },
    /// No such record waits here.
    Unknown,
}

impl Spool {
    /// Deletes the records that the hub has stored: those whose sequence and digest both match.
    /// Gives their number.
    ///
    /// # Errors
    /// [`SpoolError::WrongEdge`]: the receipt is ignored. [`SpoolError::Database`]: nothing is
    /// deleted, the hub answers again when the records are sent again.
    pub fn take_receipt(&mut self, receipt: &Verified<Receipt>) -> Result<usize, SpoolError> {
        let receipt = receipt.value();
        self.check_edge(&receipt.edge)?;
        let deleted = self.change("take a receipt", |change| {
            let mut deleted = 0;
            for line in &receipt.lines {
                let sequence = i64::try_from(line.sequence).unwrap_or(-1);
                deleted += change.delete_stored(sequence, line.digest.as_bytes())?;
            }
            Ok(deleted)
        })?;
        for line in &receipt.lines {
            self.on_hold.stored(line.sequence);
        }
        Ok(deleted)
    }

    fn hold(&mut self, refusal: &Refusal) -> Result<Refused, SpoolError> {
        let waits: bool = self
            .db
            .query_row(
                "SELECT EXISTS (SELECT 1 FROM waiting WHERE sequence = ?1 AND digest = ?2)",
                params![
                    i64::try_from(refusal.sequence).unwrap_or(-1),
                    refusal.digest.as_bytes()
                ],
                |row| row.get(0),
            )
            .map_err(doing("take a refusal", &self.path))?;
        if !waits {
            return Ok(Refused::Unknown);
        }
        let first = self.on_hold.hold(refusal.sequence);
        Ok(Refused::Held { first })
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
            RefusalReason::OnHold if refusal.sequence > 0 => return self.hold(refusal),
            RefusalReason::OnHold => return Ok(Refused::OnHold),
            reason if reason.is_stored() => return Ok(Refused::Stored),
            _ => {}
        }
        self.change("take a refusal", |change| change.move_aside(refusal))
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
}

impl Change<'_> {
    fn delete_stored(&mut self, sequence: i64, digest: &[u8; 32]) -> Result<usize, SpoolError> {
        let fault = self.fault();
        let waited: Option<(i64, i64)> = self
            .tx
            .prepare_cached(
                "DELETE FROM waiting WHERE sequence = ?1 AND digest = ?2 RETURNING kind, bytes",
            )
            .and_then(|mut delete| {
                delete
                    .query_row(params![sequence, digest], |row| {
                        Ok((row.get(0)?, row.get(1)?))
                    })
                    .optional()
            })
            .map_err(&fault)?;
        // A record that was refused at first and stored later needs no keeping either.
        let refused: Option<i64> = self
            .tx
            .prepare_cached(
                "DELETE FROM refused WHERE sequence = ?1 AND digest = ?2 RETURNING bytes",
            )
            .and_then(|mut delete| {
                delete
                    .query_row(params![sequence, digest], |row| row.get(0))
                    .optional()
            })
            .map_err(&fault)?;
        if let Some(bytes) = refused {
            self.uncount_refused(bytes);
        }
        let Some((kind, bytes)) = waited else {
            return Ok(0);
        };
        self.uncount(kind, bytes);
        Ok(1)
    }

    fn move_aside(&mut self, refusal: &Refusal) -> Result<Refused, SpoolError> {
        let fault = self.fault();
        // A hub that could not open the envelope knows only the digest of its bytes.
        let found: Option<(i64, i64, Vec<u8>)> = self
            .tx
            .query_row(
                "SELECT sequence, kind, envelope FROM waiting
                 WHERE (sequence = ?1 AND digest = ?2) OR envelope_digest = ?2 LIMIT 1",
                params![
                    i64::try_from(refusal.sequence).unwrap_or(-1),
                    refusal.digest.as_bytes()
                ],
                |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
            )
            .optional()
            .map_err(&fault)?;
        let Some((row, kind, hidden)) = found else {
            return Ok(Refused::Unknown);
        };
        let sequence = whole(row);
        let from = |table| AadPlace {
            edge: &self.owner.edge,
            table,
            sequence,
        };
        let envelope = self
            .owner
            .cipher
            .open(from(schema::WAITING), &hidden)
            .ok_or(SpoolError::Damaged { sequence })?;
        let moved = self.owner.cipher.seal(from(schema::REFUSED), &envelope)?;
        self.tx
            .execute(
                "INSERT OR REPLACE INTO refused
                 SELECT sequence, digest, bytes, happened_at_unix_us, sealed_at_unix_us,
                     ?2, ?3, ?4, ?5
                 FROM waiting WHERE sequence = ?1",
                params![
                    row,
                    refusal.reason.as_str(),
                    refusal.detail,
                    refusal.refused_at.unix_us(),
                    moved,
                ],
            )
            .map_err(&fault)?;
        self.tx
            .execute("DELETE FROM waiting WHERE sequence = ?1", [row])
            .map_err(&fault)?;
        let bytes = i64::try_from(hidden.len()).unwrap_or(i64::MAX);
        self.uncount(kind, bytes);
        self.usage.refused += 1;
        self.usage.bytes += whole(bytes);
        Ok(Refused::Moved { sequence })
    }
}
