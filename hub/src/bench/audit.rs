//! What a line of the audit takes, and what it takes a stranger to check an exported audit.

use std::time::Duration;

use anyhow::Context as _;
use serde::Serialize;
use varco_proto::ids::Digest;

use super::fill;
use super::{BenchSettings, Quantiles};
use crate::audit::action::Action;
use crate::audit::actor::Actor;
use crate::audit::exported::{self, Trusted};
use crate::audit::purpose::Grounds;
use crate::audit::{AuditEntry, append, export, log};
use crate::machine::stopwatch::Stopwatch;
use crate::store::Doing as _;
use crate::store::sql::{Connection, TransactionBehavior};
use varco_proto::keys::SealingKey;

/// Lines that are written in one transaction: the disk's own part is measured elsewhere.
const LINES_AT_ONCE: u64 = 1000;
/// Records that each line says were shown.
const SHOWN: u64 = 20;

/// What the audit took.
#[derive(Debug, Serialize)]
pub struct AuditFigures {
    /// Lines.
    pub lines: u64,
    /// To write a line of a lookup that showed twenty records, without the commit.
    pub line: Quantiles,
    /// Seconds to export all.
    pub export_s: f64,
    /// Seconds for a stranger to check the export, down to each line's text.
    pub check_s: f64,
    /// The same, with each line's own signature too.
    pub check_each_signature_s: f64,
    /// Bytes of the proof that the middle line is in the log, as text with its checkpoint.
    pub proof_bytes: u64,
}

/// Measures it; `rows` are lines.
///
/// # Errors
/// When a part does not work.
pub fn audit(settings: &BenchSettings) -> anyhow::Result<AuditFigures> {
    let folder = super::fill_folder(settings)?;
    let few = BenchSettings {
        rows: 1000,
        ..settings.clone()
    };
    let filled = fill::fill(folder.path(), &few)?;
    let (mut main, key) = (filled.home.open_main()?, filled.home.sealing_key()?);
    let line = Quantiles::of(write(&mut main, &key, settings.rows, &filled)?);
    let lines = log::size(&main)?;

    let out = folder.path().join("export");
    let begun = Stopwatch::start();
    export::export(&main, &key, &out, |_| Ok(true))?;
    let export_s = begun.elapsed().as_secs_f64();
    let mut check_s = [0.0; 2];
    for (each_signature, took) in [false, true].into_iter().zip(&mut check_s) {
        let trusted = Trusted {
            log: log::public_key(&key)?,
            hub: key.opening_key(),
            witnesses: Vec::new(),
            checkpoints: Vec::new(),
            earlier: None,
            is_part: false,
            each_signature,
        };
        let begun = Stopwatch::start();
        let checked = exported::check(&out, &trusted)?;
        *took = begun.elapsed().as_secs_f64();
        anyhow::ensure!(checked.intact && checked.lines == lines, "{checked:?}");
    }
    let [check_s, check_each_signature_s] = check_s;
    let middle = lines / 2;
    let proof = log::StoredTree::of(&main).inclusion(middle, lines)?;
    let note = log::checkpoint(&main, &key)?.to_string();
    // As base64, with a line break each.
    let hashes = proof.len() * 45;
    Ok(AuditFigures {
        lines,
        line,
        export_s,
        check_s,
        check_each_signature_s,
        proof_bytes: u64::try_from(note.len() + hashes).context("a proof has a size")?,
    })
}

/// Writes lines as lookups do.
fn write(
    main: &mut Connection,
    key: &SealingKey,
    lines: u64,
    filled: &fill::Filled,
) -> anyhow::Result<Vec<Duration>> {
    let actor = Actor::at_console("bench")?;
    let grounds = Grounds::stated(Some("traffic"), Some("bench"))?;
    let mut times = Vec::new();
    let mut written = 0;
    while written < lines {
        let transaction = main
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .doing("begin lines")?;
        for number in written..lines.min(written + LINES_AT_ONCE) {
            let shown = (0..SHOWN).map(|of| Digest::of(&(number * SHOWN + of).to_be_bytes()));
            let entry = AuditEntry {
                actor: actor.clone(),
                action: Action::Lookup,
                grounds: Some(grounds.clone()),
                query: Some(fill::plate(number)),
                details: serde_json::json!({ "total": SHOWN, "limit": 50, "fold": false }),
                result_count: Some(SHOWN),
                result_digests: shown.collect(),
            };
            let begun = Stopwatch::start();
            append(&transaction, &entry, filled.now, key)?;
            times.push(begun.elapsed());
        }
        transaction.commit().doing("commit lines")?;
        written += LINES_AT_ONCE;
    }
    Ok(times)
}
