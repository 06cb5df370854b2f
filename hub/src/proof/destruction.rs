//! The proof that what had to go is gone: what was destroyed and when, by signed lines, and what is
//! stored, by the files and keys that are there.

use std::time::Duration;

use serde::Serialize;
use varco_proto::time::UtcTime;

use crate::audit::action::Action;
use crate::audit::told::{Erased, HourEnded, Purged, Told as _};
use crate::audit::{self, AuditLine};
use crate::home::Home;
use crate::hours::keys::HourKeys;
use crate::hours::partition::Partition;
use crate::proof::verification::VerifyError;
use crate::store::Doing as _;
use crate::timekeeping::Reading;
use crate::transits::retention::RUNS_APART;
use crate::transits::{names, rows};

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
    /// Whether nothing older than the term is stored, the audit is whole, and the clock is vouched for.
    pub holds: bool,
    /// The moment of which the proof is: never later than what the hub can vouch for.
    pub at: UtcTime,
    /// Why the clock is in doubt, which proves nothing; none when it is vouched for.
    pub clock_doubt: Option<String>,
    /// What the system's clock says, while it is in doubt.
    pub system_clock: Option<UtcTime>,
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
    /// Audit lines of a destruction that do not say what was destroyed, or that are of a later moment
    /// than the proof, by their numbers.
    pub unproved_audit_lines: Vec<u64>,
    /// What was destroyed, oldest line first.
    pub destroyed: Vec<Destroyed>,
    /// What was destroyed before its hour, because its municipality's term was shortened.
    pub purged: Vec<Destroyed>,
    /// What was destroyed before its term, at the request of whom it was about.
    pub erased: Vec<Destroyed>,
}

/// Gathers the proof, also while the hub runs.
///
/// # Errors
/// [`VerifyError`] when it cannot be gathered; that is no proof.
pub fn proof(home: &Home, now: impl Into<Reading>) -> Result<Proof, VerifyError> {
    let reading = now.into();
    let now = reading.kept();
    let config = home.config()?;
    let term = config.retention;
    let key = home.sealing_key()?.opening_key();
    let mut main = home.open_main()?;
    let main = main.transaction().doing("begin the proof")?;
    let (_, broken) = audit::check::verify(&main, &key)?;
    let mut unproved = Vec::new();
    let mut told = |action| -> Result<Vec<Destroyed>, VerifyError> {
        let (told, untold) = told(audit::of_action(&main, action)?, now);
        unproved.extend(untold);
        Ok(told)
    };
    let destroyed = told(Action::PartitionExpired)?;
    let purged = told(Action::TransitsPurged)?;
    let erased = told(Action::TransitsErased)?;
    let purged_rows = names::purged(&main)?;
    let mut stored: Vec<(Partition, u64)> = names::hours(&main)?
        .into_iter()
        .map(|(hour, rows)| {
            // Of most hours nothing was destroyed before their end.
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
        holds: overdue.is_empty()
            && broken.is_empty()
            && unproved.is_empty()
            && reading.may_destroy().is_some(),
        at: now,
        clock_doubt: reading.doubt().map(|doubt| doubt.why().to_owned()),
        system_clock: reading.doubt().map(|_| reading.system()),
        term_begins: cutoff,
        oldest_hour: there.first().map(ToString::to_string),
        hours: stored.len(),
        transits: stored.iter().map(|(_, rows)| *rows).sum(),
        overdue,
        broken_audit_lines: broken.len(),
        unproved_audit_lines: unproved,
        destroyed,
        purged,
        erased,
    })
}

/// How far a line may be ahead of the proof: hubs of one home, and a clock that was slewed back.
const AHEAD_MAX: Duration = Duration::from_secs(60);

/// What the lines tell, and the numbers of those that prove nothing.
fn told(lines: Vec<AuditLine>, now: UtcTime) -> (Vec<Destroyed>, Vec<u64>) {
    let (mut told, mut unproved) = (Vec::new(), Vec::new());
    for line in lines {
        let of_line = match line.action.known() {
            Some(Action::TransitsPurged) => {
                Purged::of(&line).map(|told| (told.hour, told.transits))
            }
            Some(Action::TransitsErased) => {
                Erased::of(&line).map(|told| (told.hour, told.transits))
            }
            _ => HourEnded::of(&line).map(|told| (told.hour, told.transits)),
        };
        match of_line {
            Ok((hour, transits))
                if hour.parse::<Partition>().is_ok() && line.at <= now + AHEAD_MAX =>
            {
                told.push(Destroyed {
                    hour,
                    transits,
                    at: line.at,
                    audit_line: line.sequence,
                });
            }
            _ => unproved.push(line.sequence),
        }
    }
    (told, unproved)
}
