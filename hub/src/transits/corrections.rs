//! Corrections of plates that were misread (C35). This module owns the table `corrections`.
//!
//! A sealed original is never changed: a correction stands beside it, sealed under the key of its transit's hour, and
//! ends with that. All of a transit's corrections stay until then; the last holds. A lookup finds a transit by what
//! was read and by what it was corrected to. Lists were compared with what was read when it came: a correction
//! raises no alert.

use std::collections::HashMap;

use thiserror::Error;
use varco_proto::cipher::CipherError;
use varco_proto::ids::Digest;
use varco_proto::plate::PlateText;
use varco_proto::time::UtcTime;

use serde::{Deserialize, Serialize};

use super::allowed::Placed;
use super::stored::StoredHours;
use crate::audit::acting::Acting;
use crate::audit::action::Action;
use crate::audit::purpose::Grounds;
use crate::audit::{AuditEntry, AuditError};
use crate::hours::partition::Partition;
use crate::plates::plate::{Plate, plate_of};
use crate::store::sql::{Connection, Transaction, params};
use crate::store::{Doing as _, StoreError};

/// The table, for [`crate::store::migrate`].
pub const SCHEMA: &str = "
    CREATE TABLE corrections (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        transit BLOB NOT NULL CHECK (length(transit) = 16),
        hour INTEGER NOT NULL,
        captured_at_us INTEGER NOT NULL,
        sealed BLOB NOT NULL
    ) STRICT;
    CREATE INDEX corrections_by_time ON corrections (captured_at_us);
    CREATE INDEX corrections_by_transit ON corrections (transit, number);";

/// Longest reason, in characters.
pub const REASON_CHARACTERS_MAX: usize = 200;
/// Most corrections of one transit.
const CORRECTIONS_MAX: usize = 20;

/// A text is not corrected.
#[derive(Debug, Error)]
pub enum CorrectionError {
    /// The reason.
    #[error("say in 3 to {REASON_CHARACTERS_MAX} printable characters why it is corrected")]
    Reason,
    /// It is what holds already.
    #[error("this is the text that holds already")]
    Same,
    /// There are as many as there may be.
    #[error("a transit is corrected at most {CORRECTIONS_MAX} times")]
    TooMany,
    /// Its hour ended meanwhile.
    #[error("the transit has ended")]
    Ended,
    /// It cannot be sealed.
    #[error("the correction cannot be sealed")]
    Cipher(#[from] CipherError),
    /// No audit line, no correction.
    #[error("the audit line cannot be written, so nothing was corrected")]
    Audit(#[from] AuditError),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A correction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Correction {
    /// Of which transit.
    pub transit: [u8; 16],
    /// Its number, by which corrections are ordered.
    pub number: i64,
    /// The text from then on.
    pub plate: String,
    /// Who corrected it, by name.
    pub by: String,
    /// When.
    pub at: UtcTime,
    /// Why.
    pub reason: String,
}

impl Correction {
    /// The text as bytes.
    #[must_use]
    pub fn plate(&self) -> Plate {
        plate_of(&self.plate)
    }
}

/// What is sealed of one.
#[derive(Debug, Serialize, Deserialize)]
struct SealedCorrection {
    plate: String,
    by: String,
    at: UtcTime,
    reason: String,
}

/// What is to be corrected.
#[derive(Debug, Clone, Copy)]
pub struct WantedCorrection<'a> {
    /// Which transit, where it lies.
    pub placed: Placed,
    /// Its record's digest.
    pub digest: Digest,
    /// As it was read.
    pub read: &'a str,
    /// The right text.
    pub plate: &'a PlateText,
    /// Why.
    pub reason: &'a str,
    /// On which grounds.
    pub grounds: &'a Grounds,
}

fn damaged() -> StoreError {
    StoreError::Damaged { what: "correction" }
}

fn place(transit: &[u8; 16]) -> Vec<u8> {
    [&b"correction of "[..], transit].concat()
}

struct StoredRow {
    number: i64,
    transit: [u8; 16],
    hour: Partition,
    sealed: Vec<u8>,
}

fn rows(
    main: &Connection,
    wanted: &str,
    parameters: impl crate::store::sql::Params,
) -> Result<Vec<StoredRow>, StoreError> {
    const DOING: &str = "read corrections";
    let sql = format!(
        "SELECT number, transit, hour, sealed FROM corrections WHERE {wanted} ORDER BY number"
    );
    let mut statement = main.prepare_cached(&sql).doing(DOING)?;
    let mut rows = statement.query(parameters).doing(DOING)?;
    let mut all = Vec::new();
    while let Some(row) = rows.next().doing(DOING)? {
        let transit: Vec<u8> = row.get(1).doing(DOING)?;
        all.push(StoredRow {
            number: row.get(0).doing(DOING)?,
            transit: transit.try_into().map_err(|_| damaged())?,
            hour: Partition::from_number(row.get(2).doing(DOING)?),
            sealed: row.get(3).doing(DOING)?,
        });
    }
    Ok(all)
}

impl dyn StoredHours + '_ {
    /// Opens those whose hours are there.
    fn opened(&self, rows: Vec<StoredRow>) -> Result<Vec<Correction>, StoreError> {
        let mut all = Vec::new();
        for row in rows {
            // Its hour ended, and with it what is sealed under its key.
            let Some(key) = self.hour_key(row.hour)? else {
                continue;
            };
            let plain = key
                .open(&place(&row.transit), &row.sealed)
                .map_err(|_| damaged())?;
            let sealed: SealedCorrection = serde_json::from_slice(&plain).map_err(|_| damaged())?;
            all.push(Correction {
                transit: row.transit,
                number: row.number,
                plate: sealed.plate,
                by: sealed.by,
                at: sealed.at,
                reason: sealed.reason,
            });
        }
        Ok(all)
    }

    /// The corrections of transits that were captured from one moment through another, oldest correction first. They
    /// are few: a person made each.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn corrections_between(
        &self,
        from: UtcTime,
        to: UtcTime,
    ) -> Result<Vec<Correction>, StoreError> {
        let rows = rows(
            &self.main(),
            "captured_at_us BETWEEN ? AND ?",
            params![from.unix_us(), to.unix_us()],
        )?;
        self.opened(rows)
    }

    /// The corrections of some transits, by transit, oldest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn corrections_of(
        &self,
        transits: impl IntoIterator<Item = [u8; 16]>,
    ) -> Result<HashMap<[u8; 16], Vec<Correction>>, StoreError> {
        let ids = transits.into_iter().map(hex::encode);
        let ids = serde_json::Value::from_iter(ids).to_string();
        let wanted = "transit IN (SELECT unhex(value) FROM json_each(?))";
        let rows = rows(&self.main(), wanted, params![ids])?;
        let mut all: HashMap<[u8; 16], Vec<Correction>> = HashMap::new();
        for correction in self.opened(rows)? {
            all.entry(correction.transit).or_default().push(correction);
        }
        Ok(all)
    }

    /// Corrects a text, with its audit line, which has no plate. Gives all corrections of the transit, the new one
    /// last.
    ///
    /// # Errors
    /// [`CorrectionError`].
    pub fn correct(
        &self,
        main: &mut Connection,
        wanted: WantedCorrection<'_>,
        acting: &Acting<'_>,
    ) -> Result<Vec<Correction>, CorrectionError> {
        let reason = wanted.reason.trim();
        let fits = (3..=REASON_CHARACTERS_MAX).contains(&reason.chars().count());
        if !fits || reason.chars().any(char::is_control) {
            return Err(CorrectionError::Reason);
        }
        let Placed { id, hour, entry } = wanted.placed;
        let key = self.hour_key(hour)?.ok_or(CorrectionError::Ended)?;
        let sealed = SealedCorrection {
            plate: wanted.plate.to_string(),
            by: acting.actor.to_string(),
            at: acting.now,
            reason: reason.to_owned(),
        };
        let plain = serde_json::to_vec(&sealed).map_err(|_| damaged())?;
        let bytes = key.seal(&place(&id), &plain)?;
        let mut all = Vec::new();
        let correcting = |main: &Connection| -> Result<((), AuditEntry), CorrectionError> {
            let before = self.opened(rows(main, "transit = ?", params![&id[..]])?)?;
            if before.len() >= CORRECTIONS_MAX {
                return Err(CorrectionError::TooMany);
            }
            let holds = before.last().map_or(wanted.read, |last| &last.plate);
            if holds == wanted.plate.as_str() {
                return Err(CorrectionError::Same);
            }
            main.execute(
                "INSERT INTO corrections (transit, hour, captured_at_us, sealed) VALUES (?, ?, ?, ?)",
                params![&id[..], hour.number(), hour.at(entry.offset_us).unix_us(), bytes],
            )
            .doing("correct a text")?;
            let details = serde_json::json!({
                "transit": hex::encode(id), "before": before.len(), "hour": hour.to_string(),
                "sealed": Digest::of(&bytes).to_string(),
            });
            all = before;
            all.push(Correction {
                transit: id,
                number: main.last_insert_rowid(),
                plate: sealed.plate.clone(),
                by: sealed.by.clone(),
                at: sealed.at,
                reason: sealed.reason.clone(),
            });
            let entry = AuditEntry {
                grounds: Some(wanted.grounds.clone()),
                result_digests: vec![wanted.digest],
                result_count: Some(1),
                ..AuditEntry::plain(acting.actor.clone(), Action::PlateCorrected, details)
            };
            Ok(((), entry))
        };
        acting.change(main, correcting)?;
        Ok(all)
    }
}

/// Lets go of the corrections of an hour: its key is gone, so that nobody reads them any more.
///
/// # Errors
/// [`StoreError`].
pub fn forget_hour(main: &Connection, hour: Partition) -> Result<(), StoreError> {
    main.execute("DELETE FROM corrections WHERE hour = ?", [hour.number()])
        .doing("let go of an hour's corrections")?;
    Ok(())
}

/// Lets go of the corrections of single transits.
///
/// # Errors
/// [`StoreError`]; the next run goes on.
pub fn forget_transits(main: &Transaction<'_>, ids: &[[u8; 16]]) -> Result<(), StoreError> {
    const DOING: &str = "let go of transits' corrections";
    let mut delete = main
        .prepare_cached("DELETE FROM corrections WHERE transit = ?")
        .doing(DOING)?;
    for id in ids {
        delete.execute([&id[..]]).doing(DOING)?;
    }
    Ok(())
}
