//! The spool's tables.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension as _, Transaction, params};
use varco_proto::ids::Digest;
use varco_proto::record::ChainHead;

use super::error::{SpoolError, whole};
use super::{Owner, forward};
use crate::adapters::vault::Place;

/// Format of the tables, in `PRAGMA user_version`. Since 3, envelopes lie encrypted;
/// since 4, readings are known again after a restart.
pub(super) const VERSION: i64 = 4;
/// The format in which envelopes were first encrypted.
pub(super) const ENCRYPTED: i64 = 3;
/// What a waiting envelope is bound to.
pub(super) const WAITING: &str = "waiting";
/// What a refused envelope is bound to.
pub(super) const REFUSED: &str = "refused";
/// Longest wait for a reader of the file.
const BUSY_WAIT: Duration = Duration::from_secs(5);
/// Encrypted in `chain.box_check`: opens with the box key that the spool was begun with alone.
const BOX_CHECK: &[u8] = b"varco spool";

/// Envelopes come last in their rows: what stands before them is read without them.
pub(super) const TABLES: &str = "
CREATE TABLE chain (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    edge TEXT NOT NULL,
    public_key BLOB NOT NULL,
    sequence INTEGER NOT NULL,
    digest BLOB NOT NULL,
    suspended_by INTEGER NOT NULL,
    dropped INTEGER NOT NULL,
    box_check BLOB NOT NULL,
    clean INTEGER NOT NULL CHECK (clean IN (0, 1))
) STRICT;
CREATE TABLE waiting (
    sequence INTEGER PRIMARY KEY,
    digest BLOB NOT NULL,
    envelope_digest BLOB NOT NULL,
    bytes INTEGER NOT NULL,
    happened_at_unix_us INTEGER NOT NULL,
    sealed_at_unix_us INTEGER NOT NULL,
    kind INTEGER NOT NULL CHECK (kind IN (0, 1, 2)),
    envelope BLOB NOT NULL
) STRICT;
CREATE INDEX waiting_envelope_digest ON waiting (envelope_digest);
CREATE INDEX waiting_kind
    ON waiting (kind, sequence, bytes, happened_at_unix_us, sealed_at_unix_us);
CREATE TABLE refused (
    sequence INTEGER PRIMARY KEY,
    digest BLOB NOT NULL,
    bytes INTEGER NOT NULL,
    happened_at_unix_us INTEGER NOT NULL,
    sealed_at_unix_us INTEGER NOT NULL,
    reason TEXT NOT NULL,
    detail TEXT NOT NULL,
    refused_at_unix_us INTEGER NOT NULL,
    envelope BLOB NOT NULL
) STRICT;
";

/// What came to the tables with version 4; see [`super::taken`].
pub(super) const STEP_4: &str = "
CREATE TABLE taken (
    row INTEGER PRIMARY KEY,
    camera TEXT NOT NULL,
    event BLOB NOT NULL UNIQUE,
    vehicle BLOB,
    plate BLOB NOT NULL,
    moment_us INTEGER NOT NULL,
    known_s INTEGER NOT NULL,
    noted_us INTEGER NOT NULL
) STRICT;
CREATE INDEX taken_noted ON taken (noted_us);
CREATE TABLE clocks (
    camera TEXT PRIMARY KEY,
    newest_us INTEGER,
    behind_us INTEGER,
    is_bad INTEGER NOT NULL CHECK (is_bad IN (0, 1)),
    seen_us INTEGER NOT NULL
) STRICT;
";

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

pub(super) fn fault(path: &Path) -> impl Fn(rusqlite::Error) -> SpoolError + use<> {
    let path = path.to_owned();
    move |source| match source.sqlite_error_code() {
        Some(rusqlite::ErrorCode::DiskFull) => SpoolError::DiskFull { path: path.clone() },
        _ => SpoolError::Open {
            path: path.clone(),
            source,
        },
    }
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

/// What [`check_box_key`] opens.
pub(super) fn box_check(owner: &Owner) -> Result<Vec<u8>, SpoolError> {
    Ok(owner.cipher.seal(check_place(owner), BOX_CHECK)?)
}

fn check_place(owner: &Owner) -> Place<'_> {
    Place {
        edge: &owner.edge,
        table: "chain",
        sequence: 0,
    }
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

/// Where the chain stands.
pub(super) fn head(db: &Connection) -> rusqlite::Result<ChainHead> {
    db.query_row("SELECT sequence, digest FROM chain", [], |row| {
        let digest: Vec<u8> = row.get(1)?;
        let digest = Digest::try_from(&digest[..]).map_err(|error| {
            rusqlite::Error::FromSqlConversionFailure(
                1,
                rusqlite::types::Type::Blob,
                Box::new(error),
            )
        })?;
        Ok(ChainHead {
            sequence: whole(row.get(0)?),
            digest,
        })
    })
}
