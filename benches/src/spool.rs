//! Sealing into the spool.

use std::path::Path;

use rusqlite::Connection;
use varco_edge::adapters::spool::Spool;
use varco_edge::adapters::spool::owner::Owner;
use varco_edge::adapters::vault::{BoxKey, Purpose};
use varco_edge::config::SpoolLimits;
use varco_proto::keys::SealingKey;
use varco_proto::record::{ChainHead, RecordBody};
use varco_rig::{clock, sender};

use crate::{Speed, per_second};

/// Records of a batch, as the hub takes them.
const BATCH: usize = 2048;

/// How many of these a second can be inserted durably, in batches as the hub's, and nothing else.
pub(crate) fn store_only(folder: &Path, records: &[&[u8]]) -> anyhow::Result<f64> {
    let floor = Connection::open(folder.join("store-only.sqlite"))?;
    floor.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; CREATE TABLE floor (bytes BLOB)",
    )?;
    let begun = clock::instant();
    for batch in records.chunks(BATCH) {
        floor.execute_batch("BEGIN IMMEDIATE")?;
        for bytes in batch {
            floor
                .prepare_cached("INSERT INTO floor VALUES (?1)")?
                .execute([bytes])?;
        }
        floor.execute_batch("COMMIT")?;
    }
    let count = u32::try_from(records.len())?;
    Ok(f64::from(count) / begun.elapsed().as_secs_f64())
}

pub(crate) fn measure(rounds: u32) -> anyhow::Result<Vec<Speed>> {
    let folder = tempfile::tempdir()?;
    let bytes = SealingKey::generate()?;
    let now = clock::now();
    let edge: varco_proto::ids::EdgeId = "porta-nord-01".parse()?;
    let body = RecordBody::Transit(sender::transit("AB123CD", now, [1; 10])?);
    let key = SealingKey::from_pkcs8(&bytes)?;
    let (_, sealed) = ChainHead::START.seal_next(&edge, body.clone(), now, &key);

    let db = Connection::open(folder.path().join("floor.sqlite"))?;
    db.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; CREATE TABLE floor (bytes BLOB)",
    )?;
    let floor = per_second(rounds, |_| {
        db.prepare_cached("INSERT INTO floor VALUES (?1)")?
            .execute([&sealed.envelope])?;
        Ok(())
    })?;
    let owner = Owner {
        edge,
        key: key.into(),
        cipher: BoxKey::from_bytes([7; 32]).cipher(Purpose::Spool),
        limits: SpoolLimits {
            records_max: 1_000_000,
            ..SpoolLimits::default()
        },
    };
    let mut spool = Spool::open(folder.path(), owner, now)?;
    let seal = per_second(rounds, |_| {
        spool.seal(body.clone(), now)?;
        Ok(())
    })?;
    Ok(vec![Speed::new(
        "seal into the spool",
        seal,
        "a bare durable insert",
        floor,
    )])
}
