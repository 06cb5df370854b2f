//! Checking that nothing was changed behind the hub's back: the audit chain, and every stored
//! transit against what its edge sealed.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::time::Duration;

use serde::Serialize;
use thiserror::Error;
use varco_proto::envelope::open;
use varco_proto::record::Record;
use varco_proto::time::UtcTime;

use crate::home::{Home, HomeError};
use crate::intake::chain;
use crate::people::audit::{self, BrokenLine};
use crate::places::edges;
use crate::store::StoreError;
use crate::transits::partition::{self, Columns, StoredTransit};

/// How long a transit may lie in its day before its chain knows it.
const SETTLING: Duration = Duration::from_secs(60);

/// The check itself cannot be made; that is no clean bill.
#[derive(Debug, Error)]
pub enum VerifyError {
    /// The home.
    #[error(transparent)]
    Home(#[from] HomeError),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A stored transit that is not what its edge sealed. It names no plate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BrokenTransit {
    /// Its day.
    pub day: String,
    /// Whose it says it is.
    pub edge: String,
    /// Its place in that edge's chain.
    pub sequence: i64,
    /// What is wrong with it.
    pub what: String,
}

/// What was checked and what is broken.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Verification {
    /// Whether nothing is broken.
    pub intact: bool,
    /// Audit lines checked.
    pub audit_lines: u64,
    /// Transits checked.
    pub transits: u64,
    /// Broken audit lines.
    pub broken_audit_lines: Vec<BrokenLine>,
    /// Broken transits.
    pub broken_transits: Vec<BrokenTransit>,
}

/// Checks a home, also while its hub runs.
///
/// # Errors
/// [`VerifyError`] when the check cannot be made.
pub fn verify(home: &Home, now: UtcTime) -> Result<Verification, VerifyError> {
    let config = home.config()?;
    let key = home.sealing_key()?.opening_key();
    let main = home.open_main()?;
    let (audit_lines, broken_audit_lines) = audit::verify(&main, &key)?;
    let mut verification = Verification {
        audit_lines,
        broken_audit_lines,
        ..Verification::default()
    };
    let keys = edges::opening_keys(&main)?;
    let recent = chain::Recent::read(&main)?;
    let partitions = home.partitions();
    for day in partitions.days()? {
        let connection = partitions.open(day)?;
        partition::for_each(&connection, |stored| {
            verification.transits += 1;
            let edge = stored.columns.edge.parse().ok();
            let key = edge.and_then(|edge| keys.get(&edge));
            let faults = match key {
                None => vec!["its edge is not registered"],
                Some(key) => faults_of(&stored, |bytes| open::<Record>(bytes, key).ok()),
            };
            let mut note = |what: &str| {
                verification.broken_transits.push(BrokenTransit {
                    day: day.to_string(),
                    edge: stored.columns.edge.clone(),
                    sequence: stored.columns.sequence,
                    what: what.to_owned(),
                });
            };
            faults.into_iter().for_each(&mut note);
            let (edge, sequence) = (&stored.columns.edge, stored.columns.sequence);
            match recent.stored_digest(&main, edge, sequence)? {
                Some(digest) if digest == stored.columns.digest => {}
                Some(_) => note("its digest is not the one in its edge's chain"),
                // Its day is committed first; its chain follows, or the edge sends it again.
                None if stored.received_at_us > (now - SETTLING).unix_us() => {}
                None => note("it is not in its edge's chain"),
            }
            Ok(())
        })?;
    }
    missing_transits(home, &main, now - config.retention, &mut verification)?;
    verification.intact =
        verification.broken_audit_lines.is_empty() && verification.broken_transits.is_empty();
    Ok(verification)
}

fn faults_of(
    stored: &StoredTransit,
    open: impl Fn(&[u8]) -> Option<varco_proto::envelope::Verified<Record>>,
) -> Vec<&'static str> {
    let Some(verified) = open(&stored.envelope) else {
        return vec!["its sealed original does not open with its edge's key"];
    };
    let Some(sealed) = Columns::of(&verified) else {
        return vec!["its sealed original is no transit"];
    };
    let columns = &stored.columns;
    let mut faults = Vec::new();
    if sealed.digest != columns.digest {
        faults.push("its digest is not that of its sealed original");
    }
    if sealed.plate != columns.plate || sealed.plate_folded != columns.plate_folded {
        faults.push("its plate is not the sealed one");
    }
    if sealed.captured_at_us != columns.captured_at_us {
        faults.push("its time is not the sealed one");
    }
    if sealed.camera != columns.camera || sealed.gate != columns.gate {
        faults.push("its place is not the sealed one");
    }
    if faults.is_empty() && sealed != *columns {
        faults.push("a column is not what was sealed");
    }
    faults
}

/// Stored records within the term whose transit is gone.
fn missing_transits(
    home: &Home,
    main: &crate::store::sql::Connection,
    since: UtcTime,
    verification: &mut Verification,
) -> Result<(), VerifyError> {
    let partitions = home.partitions();
    let there = partitions.days()?;
    let mut open = BTreeMap::new();
    chain::for_each_stored(main, since, |link| {
        let day = link.captured_at.day();
        let digest = match (there.contains(&day), link.edge.parse()) {
            (true, Ok(edge)) => {
                let connection = match open.entry(day) {
                    Entry::Occupied(there) => there.into_mut(),
                    Entry::Vacant(free) => free.insert(partitions.open(day)?),
                };
                partition::digest_at(connection, &edge, link.sequence)?
            }
            _ => None,
        };
        if digest.is_none() {
            verification.broken_transits.push(BrokenTransit {
                day: day.to_string(),
                edge: link.edge,
                sequence: link.sequence,
                what: "it is in its edge's chain, but its transit is gone".to_owned(),
            });
        }
        Ok(())
    })?;
    Ok(())
}
