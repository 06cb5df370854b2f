//! The spool's tables.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension as _, params};
use varco_proto::ids::{Digest, EdgeId};
use varco_proto::keys::OpeningKey;
use varco_proto::record::ChainHead;

use super::error::{SpoolError, whole};

/// Format of the tables, in `PRAGMA user_version`.
const VERSION: i64 = 2;
/// Longest wait for a reader of the file.
const BUSY_WAIT: Duration = Duration::from_secs(5);

const TABLES: &str = "
CREATE TABLE chain (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    edge TEXT NOT NULL,
    public_key BLOB NOT NULL,
    sequence INTEGER NOT NULL,
    digest BLOB NOT NULL
) STRICT;
CREATE TABLE waiting (
    sequence INTEGER PRIMARY KEY,
    digest BLOB NOT NULL,
    envelope_digest BLOB NOT NULL,
    envelope BLOB NOT NULL,
    sealed_at_unix_us INTEGER NOT NULL
) STRICT;
CREATE INDEX waiting_envelope_digest ON waiting (envelope_digest);
CREATE TABLE refused (
    sequence INTEGER PRIMARY KEY,
    digest BLOB NOT NULL,
    envelope BLOB NOT NULL,
    sealed_at_unix_us INTEGER NOT NULL,
    reason TEXT NOT NULL,
    detail TEXT NOT NULL,
    refused_at_unix_us INTEGER NOT NULL
) STRICT;
";

/// From format 1: alarms, which are sent while transits are kept back, and what keeps them back.
const STEP_2: &str = "
ALTER TABLE waiting ADD COLUMN tamper INTEGER NOT NULL DEFAULT 0;
CREATE INDEX waiting_tamper ON waiting (sequence) WHERE tamper = 1;
ALTER TABLE chain ADD COLUMN suspended_by INTEGER NOT NULL DEFAULT 0;
";

/// Opens the file, makes the tables at first, and checks whose it is.
pub(super) fn open(path: &Path, edge: &EdgeId, key: &OpeningKey) -> Result<Connection, SpoolError> {
    let fault = |source: rusqlite::Error| match source.sqlite_error_code() {
        Some(rusqlite::ErrorCode::DiskFull) => SpoolError::DiskFull {
            path: path.to_owned(),
        },
        _ => SpoolError::Open {
            path: path.to_owned(),
            source,
        },
    };
    let mut db = Connection::open(path).map_err(fault)?;
    prepare(&db).map_err(fault)?;
    let found: i64 = db
        .query_row("PRAGMA user_version", [], |row| row.get(0))
        .map_err(fault)?;
    match found {
        0 => begin(&mut db, edge, key).map_err(fault)?,
        1 => bring_forward(&mut db).map_err(fault)?,
        VERSION => {}
        found => {
            let path = path.to_owned();
            return Err(SpoolError::Version { path, found });
        }
    }
    let owner: Option<(String, Vec<u8>)> = db
        .query_row("SELECT edge, public_key FROM chain", [], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .optional()
        .map_err(fault)?;
    match owner {
        Some((name, public)) if name == edge.as_str() && public == key.as_bytes() => Ok(db),
        other => Err(SpoolError::OtherEdge {
            path: path.to_owned(),
            edge: other.map_or_else(|| "unknown".to_owned(), |(name, _)| name),
        }),
    }
}

/// FULL: a sealed record is on the disk when `seal` returns, whatever the power does.
fn prepare(db: &Connection) -> rusqlite::Result<()> {
    db.busy_timeout(BUSY_WAIT)?;
    db.pragma_update(None, "journal_mode", "WAL")?;
    db.pragma_update(None, "synchronous", "FULL")?;
    // After a long outage the log must not keep the room that it once took.
    db.pragma_update(None, "journal_size_limit", 16 * 1024 * 1024)
}

fn begin(db: &mut Connection, edge: &EdgeId, key: &OpeningKey) -> rusqlite::Result<()> {
    let tx = db.transaction()?;
    tx.execute_batch(TABLES)?;
    tx.execute_batch(STEP_2)?;
    tx.execute(
        "INSERT INTO chain (one, edge, public_key, sequence, digest) VALUES (1, ?1, ?2, 0, ?3)",
        params![
            edge.as_str(),
            key.as_bytes(),
            ChainHead::START.digest.as_bytes()
        ],
    )?;
    tx.pragma_update(None, "user_version", VERSION)?;
    tx.commit()
}

fn bring_forward(db: &mut Connection) -> rusqlite::Result<()> {
    let tx = db.transaction()?;
    tx.execute_batch(STEP_2)?;
    tx.pragma_update(None, "user_version", VERSION)?;
    tx.commit()
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
