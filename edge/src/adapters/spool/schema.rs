//! The spool's tables.

use std::path::Path;

use rusqlite::Connection;
use varco_proto::ids::Digest;
use varco_proto::record::ChainHead;

use super::error::{SpoolError, whole};
use super::owner::Owner;
use crate::adapters::vault::AadPlace;

/// Format of the tables, in `PRAGMA user_version`. Since 3, envelopes lie encrypted;
/// since 4, readings are known again after a restart.
pub(super) const VERSION: i64 = 4;
/// The format in which envelopes were first encrypted.
pub(super) const ENCRYPTED: i64 = 3;
/// What a waiting envelope is bound to.
pub(super) const WAITING: &str = "waiting";
/// What a refused envelope is bound to.
pub(super) const REFUSED: &str = "refused";
/// Encrypted in `chain.box_check`: opens with the box key that the spool was begun with alone.
pub(super) const BOX_CHECK: &[u8] = b"varco spool";

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

/// What says, when it opens, that the box key is the right one.
pub(super) fn box_check(owner: &Owner) -> Result<Vec<u8>, SpoolError> {
    Ok(owner.cipher.seal(check_place(owner), BOX_CHECK)?)
}

pub(super) fn check_place(owner: &Owner) -> AadPlace<'_> {
    AadPlace {
        edge: &owner.edge,
        table: "chain",
        sequence: 0,
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
