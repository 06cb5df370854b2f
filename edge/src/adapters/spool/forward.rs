//! Spools of earlier versions, brought forward: what lay in the clear is encrypted and erased.

use std::path::Path;

use rusqlite::{Connection, Transaction, params};
use varco_proto::envelope::open;
use varco_proto::record::Record;

use super::error::SpoolError;
use super::kind::Kind;
use super::owner::Owner;
use super::schema::{ENCRYPTED, REFUSED, STEP_4, TABLES, VERSION, WAITING, box_check, fault};
use crate::adapters::vault::AadPlace;

/// From format 1: alarms, and what keeps transits back.
const STEP_2: &str = "
ALTER TABLE waiting ADD COLUMN tamper INTEGER NOT NULL DEFAULT 0;
ALTER TABLE chain ADD COLUMN suspended_by INTEGER NOT NULL DEFAULT 0;
";

/// From format 2: the clear tables make room for the new ones.
const STEP_3_BEGIN: &str = "
DROP INDEX IF EXISTS waiting_envelope_digest;
DROP INDEX IF EXISTS waiting_tamper;
ALTER TABLE chain RENAME TO clear_chain;
ALTER TABLE waiting RENAME TO clear_waiting;
ALTER TABLE refused RENAME TO clear_refused;
";

/// Dropped with `secure_delete`, their pages are overwritten.
const STEP_3_END: &str = "
DROP TABLE clear_chain;
DROP TABLE clear_waiting;
DROP TABLE clear_refused;
";

/// Encrypts every envelope, in one transaction: it is all done, or nothing is changed.
pub(super) fn encrypt(
    db: &mut Connection,
    owner: &Owner,
    found: i64,
    path: &Path,
) -> Result<(), SpoolError> {
    let fault = fault(path);
    tracing::info!("the spool of an earlier version is encrypted; this may take minutes");
    let tx = db.transaction().map_err(&fault)?;
    if found < 2 {
        tx.execute_batch(STEP_2).map_err(&fault)?;
    }
    tx.execute_batch(STEP_3_BEGIN).map_err(&fault)?;
    tx.execute_batch(TABLES).map_err(&fault)?;
    tx.execute(
        "INSERT INTO chain (one, edge, public_key, sequence, digest, suspended_by, dropped,
         box_check, clean)
         SELECT one, edge, public_key, sequence, digest, suspended_by, 0, ?1, 0 FROM clear_chain",
        [box_check(owner)?],
    )
    .map_err(&fault)?;
    for table in [WAITING, REFUSED] {
        for sequence in sequences(&tx, table).map_err(&fault)? {
            encrypt_row(&tx, owner, table, sequence, path)?;
        }
    }
    tx.execute_batch(STEP_3_END).map_err(&fault)?;
    tx.pragma_update(None, "user_version", ENCRYPTED)
        .map_err(&fault)?;
    tx.commit().map_err(&fault)
}

/// From format 3: what readings are known by.
pub(super) fn remember(db: &mut Connection) -> rusqlite::Result<()> {
    let tx = db.transaction()?;
    tx.execute_batch(STEP_4)?;
    tx.pragma_update(None, "user_version", VERSION)?;
    tx.commit()
}

fn sequences(tx: &Transaction<'_>, table: &str) -> rusqlite::Result<Vec<i64>> {
    tx.prepare(&format!(
        "SELECT sequence FROM clear_{table} ORDER BY sequence"
    ))?
    .query_map([], |row| row.get(0))?
    .collect()
}

fn encrypt_row(
    tx: &Transaction<'_>,
    owner: &Owner,
    table: &str,
    row: i64,
    path: &Path,
) -> Result<(), SpoolError> {
    let fault = fault(path);
    let (envelope, sealed_at): (Vec<u8>, i64) = tx
        .prepare_cached(&format!(
            "SELECT envelope, sealed_at_unix_us FROM clear_{table} WHERE sequence = ?1"
        ))
        .and_then(|mut read| read.query_row([row], |row| Ok((row.get(0)?, row.get(1)?))))
        .map_err(&fault)?;
    let record = open::<Record>(&envelope, &owner.key.opening_key());
    // What does not open is kept as it is, and refused by the hub.
    let (happened_at, kind) = record.map_or((sealed_at, Kind::Transit), |record| {
        let body = &record.value().body;
        (body.at().unix_us(), Kind::of(body))
    });
    let place = AadPlace {
        edge: &owner.edge,
        table,
        sequence: u64::try_from(row).unwrap_or(0),
    };
    let hidden = owner.cipher.seal(place, &envelope)?;
    let bytes = i64::try_from(hidden.len()).unwrap_or(i64::MAX);
    let insert = if table == WAITING {
        "INSERT INTO waiting SELECT sequence, digest, envelope_digest, ?2, ?3, sealed_at_unix_us,
             ?4, ?5 FROM clear_waiting WHERE sequence = ?1"
    } else {
        "INSERT INTO refused SELECT sequence, digest, ?2, ?3, sealed_at_unix_us, reason, detail,
             refused_at_unix_us, ?5 FROM clear_refused WHERE sequence = ?1 AND ?4 IS NOT NULL"
    };
    tx.prepare_cached(insert)
        .and_then(|mut insert| {
            insert.execute(params![row, bytes, happened_at, kind.number(), hidden])
        })
        .map_err(&fault)?;
    Ok(())
}

/// Leaves nothing of an earlier format in free pages or in the log. A cut before its end has it
/// done at the next start.
pub(super) fn clean(db: &Connection) -> rusqlite::Result<()> {
    let is_clean: bool = db.query_row("SELECT clean FROM chain", [], |row| row.get(0))?;
    if is_clean {
        return Ok(());
    }
    db.execute_batch("VACUUM")?;
    db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
    db.execute("UPDATE chain SET clean = 1", [])?;
    Ok(())
}
