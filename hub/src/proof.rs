//! The proof that what had to go is gone: what was destroyed and when, by signed lines, and what is
//! stored, by the files and keys that are there.

use std::time::Duration;

use serde::Serialize;
use varco_proto::time::UtcTime;

use crate::home::Home;
use crate::people::audit::{self, Action, Line};
use crate::store::Doing as _;
use crate::transits::keys::HourKeys;
use crate::transits::partition::Partition;
use crate::transits::{names, rows};
use crate::verify::VerifyError;

/// Hours may lie over their term for as long as the runs are apart, and a little more.
const RUNS_APART: Duration = Duration::from_secs(180);

/// One hour that was destroyed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Destroyed {
    /// The hour of capture.
    pub hour: String,
    /// How many transits it had.
    pub transits: u64,
    /// When, by the hub's clock.
    pub at: UtcTime,
    /// The audit line that says so.
    pub audit_line: u64,
}

/// The proof.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Proof {
    /// Whether nothing older than the term is stored, and the audit is whole.
    pub holds: bool,
    /// Nothing captured before may be there.
    pub term_begins: UtcTime,
    /// The oldest hour that is stored.
    pub oldest_hour: Option<String>,
    /// Hours that are stored.
    pub hours: usize,
    /// Transits that are stored.
    pub transits: u64,
    /// Hours past their term of which a key or a file is there.
    pub overdue: Vec<String>,
    /// Audit lines that do not hold.
    pub broken_audit_lines: usize,
    /// What was destroyed, oldest line first.
    pub destroyed: Vec<Destroyed>,
    /// What was destroyed before its hour, because its municipality's term was shortened.
    pub purged: Vec<Destroyed>,
}

/// Gathers the proof, also while the hub runs.
///
/// # Errors
/// [`VerifyError`] when it cannot be gathered; that is no proof.
pub fn proof(home: &Home, now: UtcTime) -> Result<Proof, VerifyError> {
    let config = home.config()?;
    let term = config.retention;
    let key = home.sealing_key()?.opening_key();
    let mut main = home.open_main()?;
    let main = main.transaction().doing("begin the proof")?;
    let (_, broken) = audit::verify(&main, &key)?;
    let destroyed = told(audit::of_action(&main, Action::PartitionExpired)?);
    let purged = told(audit::of_action(&main, Action::TransitsPurged)?);
    let purged_rows = names::purged(&main)?;
    let mut stored: Vec<(Partition, u64)> = names::hours(&main)?
        .into_iter()
        .map(|(hour, rows)| {
            let gone = purged_rows.get(&hour).copied().unwrap_or(0);
            (hour, u64::from(rows.saturating_sub(gone)))
        })
        .collect();
    if let Some(server) = home.open_server(&config)? {
        stored.extend(server.counts()?);
    }
    let keys = HourKeys::open(&home.hour_keys(), &home.store_key_file())?;
    let mut there = rows::hours(&home.partitions_folder())?;
    there.extend(keys.hours()?);
    there.extend(stored.iter().map(|(hour, _)| *hour));
    there.sort_unstable();
    there.dedup();
    let cutoff = now - term;
    let overdue = |hour: &&Partition| hour.gone_at(term) + RUNS_APART <= now;
    let overdue: Vec<_> = there
        .iter()
        .filter(overdue)
        .map(ToString::to_string)
        .collect();
    Ok(Proof {
        holds: overdue.is_empty() && broken.is_empty(),
        term_begins: cutoff,
        oldest_hour: there.first().map(ToString::to_string),
        hours: stored.len(),
        transits: stored.iter().map(|(_, rows)| *rows).sum(),
        overdue,
        broken_audit_lines: broken.len(),
        destroyed,
        purged,
    })
}

fn told(lines: Vec<Line>) -> Vec<Destroyed> {
    let told = lines.into_iter().map(|line| Destroyed {
        hour: line.details["hour"].as_str().unwrap_or_default().to_owned(),
        transits: line.details["transits"].as_u64().unwrap_or_default(),
        at: line.at,
        audit_line: line.sequence,
    });
    told.collect()
}
