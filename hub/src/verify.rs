//! Checking that nothing was changed behind the hub's back: the audit chain, and every stored
//! transit against what its edge sealed.

use std::collections::HashMap;
use std::time::Duration;

use serde::Serialize;
use thiserror::Error;
use varco_proto::envelope::{Verified, open};
use varco_proto::ids::EdgeId;
use varco_proto::keys::OpeningKey;
use varco_proto::record::Record;
use varco_proto::time::UtcTime;

use crate::home::{Home, HomeError};
use crate::intake::chain::{self, StoredLink};
use crate::people::audit::{self, BrokenLine};
use crate::places::{edges, municipalities};
use crate::postgres::Server;
use crate::store::sql::Connection;
use crate::store::{Doing as _, StoreError};
use crate::transits::entry::text_of;
use crate::transits::horizon::Horizon;
use crate::transits::keys::HourKeys;
use crate::transits::names::{self, Names};
use crate::transits::partition::{Partition, Term};
use crate::transits::retention::RUNS_APART;
use crate::transits::rows::{Head, Place};

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
    /// Its hour.
    pub hour: String,
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
    let mut main = home.open_main()?;
    // One view of it all: what the hub stores meanwhile is neither missing nor unknown.
    let main = main.transaction().doing("begin the check")?;
    let (audit_lines, broken_audit_lines) = audit::verify(&main, &key)?;
    let mut check = Check {
        keys: edges::opening_keys(&main)?,
        names: Names::load(&main)?,
        recent: chain::Recent::read(&main)?,
        horizon: Horizon::at(&main, now - RUNS_APART, config.retention)?,
        over: (None, Vec::new()),
        ended: ended(&main, config.retention, now)?,
        seen: HashMap::new(),
        verification: Verification {
            audit_lines,
            broken_audit_lines,
            ..Verification::default()
        },
    };
    if let Some(server) = home.open_server(&config)? {
        check.names = server.names()?;
        check.server(&server, now - config.retention)?;
        return Ok(check.done());
    }
    let hour_keys = HourKeys::open(&home.hour_keys(), &home.store_key_file())?;
    for (hour, rows) in names::hours(&main)? {
        match hour_keys.get(hour)? {
            Some(key) => {
                let place = Place::new(&home.partitions_folder(), hour, key);
                check.hour(&main, &place, rows)?;
            }
            None if hour.gone_at(config.retention) <= now => {} // Its term is over.
            None => check.note(hour, "", 0, "its hour's key is gone before its term"),
        }
    }
    check.missing(&main, now - config.retention)?;
    Ok(check.done())
}

/// What a check knows and has found.
struct Check {
    keys: HashMap<EdgeId, OpeningKey>,
    names: Names,
    recent: chain::Recent,
    /// What should have been destroyed by the last run.
    horizon: Horizon,
    /// The hour that was asked for last, and the gates of which it should have nothing any more.
    over: (Option<Partition>, Vec<u32>),
    /// By edge: where the shortest term begins under which its transits may have been stored.
    ended: HashMap<String, UtcTime>,
    /// Sequences that are there, by edge.
    seen: HashMap<String, Vec<i64>>,
    verification: Verification,
}

impl Check {
    fn note(&mut self, hour: Partition, edge: &str, sequence: i64, what: &str) {
        self.verification.broken_transits.push(BrokenTransit {
            hour: hour.to_string(),
            edge: edge.to_owned(),
            sequence,
            what: what.to_owned(),
        });
    }

    /// Opens every row of an hour again.
    fn hour(&mut self, main: &Connection, place: &Place, rows: u32) -> Result<(), StoreError> {
        if !place.rows_file().exists() {
            self.note(place.hour, "", 0, "its hour's file is gone");
            return Ok(());
        }
        let connection = place.open()?;
        for row in 1..=rows {
            self.verification.transits += 1;
            let Ok((head, envelope)) = place.read(&connection, row) else {
                self.verification.transits -= 1;
                if place.is_overwritten(&connection, row)? {
                    // Whether that was right is seen by its edge's chain, in `missing`.
                    continue;
                }
                self.note(
                    place.hour,
                    "",
                    0,
                    "a row is gone, or does not open with its hour's key",
                );
                continue;
            };
            let edge = self.names.name(head.edge).unwrap_or_default().to_owned();
            let sequence = i64::try_from(head.sequence).unwrap_or(i64::MAX);
            let in_chain = self.recent.stored_digest(main, &edge, sequence)?;
            self.row(place.hour, &head, &envelope, in_chain.as_deref());
        }
        Ok(())
    }

    /// Holds a row against its sealed original, and against its edge's chain.
    fn row(&mut self, hour: Partition, head: &Head, envelope: &[u8], in_chain: Option<&[u8]>) {
        let edge = self.names.name(head.edge).unwrap_or_default().to_owned();
        let sequence = i64::try_from(head.sequence).unwrap_or(i64::MAX);
        self.seen.entry(edge.clone()).or_default().push(sequence);
        let id: Option<EdgeId> = edge.parse().ok();
        let mut faults = match id.and_then(|id| self.keys.get(&id)) {
            None => vec!["its edge is not registered"],
            Some(key) => faults_of(head, open::<Record>(envelope, key).ok(), &self.names),
        };
        match in_chain {
            Some(digest) if digest == &head.digest.as_bytes()[..] => {}
            Some(_) => faults.push("its digest is not the one in its edge's chain"),
            None => faults.push("it is not in its edge's chain"),
        }
        if self.over_in(hour).contains(&head.entry.gate) {
            faults.push("its municipality's term is over");
        }
        for what in faults {
            self.note(hour, &edge, sequence, what);
        }
    }

    /// The gates of which an hour should have nothing any more.
    fn over_in(&mut self, hour: Partition) -> &[u32] {
        if self.over.0 != Some(hour) {
            self.over = (Some(hour), self.horizon.over_in(hour, &self.names));
        }
        &self.over.1
    }

    /// Opens every row in PostgreSQL again. What the chains have is read first: all of it must be
    /// found after that, unless its term ends meanwhile.
    fn server(&mut self, server: &Server, since: UtcTime) -> Result<(), StoreError> {
        let mut stored = Vec::new();
        server.for_each_stored(since, |link| stored.push(link))?;
        for hour in server.hours()? {
            let opened = server.inspect(hour, |row| match row {
                Some(row) => {
                    self.verification.transits += 1;
                    self.row(hour, &row.head, &row.envelope, row.in_chain.as_deref());
                }
                None => self.note(hour, "", 0, "a row does not open with its hour's key"),
            })?;
            if !opened && hour.end() > since {
                self.note(hour, "", 0, "its hour's key is gone before its term");
            }
        }
        self.note_missing(stored.into_iter());
        Ok(())
    }

    fn done(self) -> Verification {
        let mut verification = self.verification;
        verification.intact =
            verification.broken_audit_lines.is_empty() && verification.broken_transits.is_empty();
        verification
    }

    /// Stored records within the term whose transit is gone.
    fn missing(&mut self, main: &Connection, since: UtcTime) -> Result<(), StoreError> {
        let mut stored = Vec::new();
        self.sort();
        chain::for_each_stored(main, since, |link| {
            if self.is_missed(&link) {
                stored.push(link);
            }
            Ok(())
        })?;
        self.note_missing(stored.into_iter());
        Ok(())
    }

    fn sort(&mut self) {
        for sequences in self.seen.values_mut() {
            sequences.sort_unstable();
        }
    }

    fn is_missed(&self, link: &StoredLink) -> bool {
        if (self.ended.get(&link.edge)).is_some_and(|begins| link.captured_at < *begins) {
            return false; // Its municipality's term was over.
        }
        let seen = self.seen.get(&link.edge);
        seen.is_none_or(|seen| seen.binary_search(&link.sequence).is_err())
    }

    /// Notes which of the chains' stored records were not seen.
    fn note_missing(&mut self, stored: impl Iterator<Item = StoredLink>) {
        self.sort();
        let missed: Vec<_> = stored.filter(|link| self.is_missed(link)).collect();
        for link in missed {
            let hour = Partition::of(link.captured_at, Term::WHOLE);
            let what = "it is in its edge's chain, but its transit is gone";
            self.note(hour, &link.edge, link.sequence, what);
        }
    }
}

/// What lies beside the sealed original and is not what it says.
/// By edge whose gate has, or had lately, a shorter term: where that begins.
fn ended(
    main: &Connection,
    hub: Duration,
    now: UtcTime,
) -> Result<HashMap<String, UtcTime>, StoreError> {
    let terms = municipalities::shortest_since(main, now - hub)?;
    let edges = edges::all(main)?.into_iter();
    Ok(edges
        .map(|edge| (edge.id.to_string(), now - terms.of(&edge.gate).within(hub)))
        .collect())
}

fn faults_of(head: &Head, sealed: Option<Verified<Record>>, names: &Names) -> Vec<&'static str> {
    let Some(verified) = sealed else {
        return vec!["its sealed original does not open with its edge's key"];
    };
    let Some(transit) = verified.value().body.transit() else {
        return vec!["its sealed original is no transit"];
    };
    let entry = &head.entry;
    let mut faults = Vec::new();
    if verified.digest() != head.digest || verified.value().sequence != head.sequence {
        faults.push("its digest or sequence is not that of its sealed original");
    }
    if text_of(&entry.plate) != transit.plate.text.as_str() {
        faults.push("its plate is not the sealed one");
    }
    let at = transit.captured_at.at;
    if Partition::of(at, Term::WHOLE).offset_us(at) != entry.offset_us {
        faults.push("its time is not the sealed one");
    }
    let name = |number| names.name(number).unwrap_or_default();
    if name(entry.camera) != transit.camera.as_str() || name(entry.gate) != transit.gate.as_str() {
        faults.push("its place is not the sealed one");
    }
    faults
}
