//! How a spool's file is opened: begun, brought forward, or refused.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension as _, Transaction, params};
use varco_proto::record::ChainHead;

use super::error::SpoolError;
use super::forward;
use super::owner::Owner;
use super::schema::{BOX_CHECK, ENCRYPTED, STEP_4, TABLES, VERSION, box_check, check_place, fault};

/// Longest wait for a reader of the file.
const BUSY_WAIT: Duration = Duration::from_secs(5);

/// Opens the file, makes the tables at first, and checks whose it is.
pub(super) fn open(path: &Path, owner: &Owner) -> Result<Connection, SpoolError> {
    let fault = fault(path);
    let mut db = Connection::open(path).map_err(&fault)?;
    prepare(&db).map_err(&fault)?;
    let found: i64 = db
        .query_row("PRAGMA user_version", [], |row| row.get(0))
        .map_err(&fault)?;
    match found {
        0 => begin(&mut db, owner, path)?,
        1 | 2 | ENCRYPTED | VERSION => {}
        found => {
            let path = path.to_owned();
            return Err(SpoolError::Version { path, found });
        }
    }
    check_owner(&db, owner, path)?;
    if (1..ENCRYPTED).contains(&found) {
        forward::encrypt(&mut db, owner, found, path)?;
    }
    // An encrypted spool that does not open with this key stays as it is.
    check_box_key(&db, owner, path)?;
    if (1..VERSION).contains(&found) {
        forward::remember(&mut db).map_err(&fault)?;
    }
    forward::clean(&db).map_err(&fault)?;
    Ok(db)
}

/// FULL: a sealed record is on the disk when `seal` returns, whatever the power does.
fn prepare(db: &Connection) -> rusqlite::Result<()> {
    db.busy_timeout(BUSY_WAIT)?;
    db.pragma_update(None, "journal_mode", "WAL")?;
    db.pragma_update(None, "synchronous", "FULL")?;
    // What goes is overwritten: whoever has the box's key too must not find it in a free page.
    db.pragma_update(None, "secure_delete", "ON")?;
    // After a long outage the log must not keep the room that it once took.
    db.pragma_update(None, "journal_size_limit", 16 * 1024 * 1024)
}

fn begin(db: &mut Connection, owner: &Owner, path: &Path) -> Result<(), SpoolError> {
    let fault = fault(path);
    let check = box_check(owner)?;
    let make = |tx: &Transaction<'_>| -> rusqlite::Result<()> {
        tx.execute_batch(TABLES)?;
        tx.execute_batch(STEP_4)?;
        tx.execute(
            "INSERT INTO chain (one, edge, public_key, sequence, digest, suspended_by, dropped,
             box_check, clean) VALUES (1, ?1, ?2, 0, ?3, 0, 0, ?4, 1)",
            params![
                owner.edge.as_str(),
                owner.key.opening_key().as_bytes(),
                ChainHead::START.digest.as_bytes(),
                check,
            ],
        )?;
        tx.pragma_update(None, "user_version", VERSION)
    };
    let tx = db.transaction().map_err(&fault)?;
    make(&tx).map_err(&fault)?;
    tx.commit().map_err(&fault)
}

fn check_owner(db: &Connection, owner: &Owner, path: &Path) -> Result<(), SpoolError> {
    let found: Option<(String, Vec<u8>)> = db
        .query_row("SELECT edge, public_key FROM chain", [], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .optional()
        .map_err(fault(path))?;
    match found {
        Some((name, public))
            if name == owner.edge.as_str() && public == owner.key.opening_key().as_bytes() =>
        {
            Ok(())
        }
        other => Err(SpoolError::OtherEdge {
            path: path.to_owned(),
            edge: other.map_or_else(|| "unknown".to_owned(), |(name, _)| name),
        }),
    }
}

fn check_box_key(db: &Connection, owner: &Owner, path: &Path) -> Result<(), SpoolError> {
    let check: Vec<u8> = db
        .query_row("SELECT box_check FROM chain", [], |row| row.get(0))
        .map_err(fault(path))?;
    match owner.cipher.open(check_place(owner), &check) {
        Some(clear) if clear == BOX_CHECK => Ok(()),
        _ => Err(SpoolError::BoxKey {
            path: path.to_owned(),
        }),
    }
}
