//! Checking that nothing was changed behind the hub's back: the audit chain and its head, the tables
//! against the lines that made them, and every stored transit against what its edge sealed.

mod acts;
mod approvals;
mod expected;
pub mod register;
mod rows;
mod signing;
mod tables;

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use serde::Serialize;
use thiserror::Error;
use varco_proto::envelope::{Verified, open};
use varco_proto::ids::EdgeId;
use varco_proto::keys::{OpeningKey, SealingKey};
use varco_proto::record::Record;
use varco_proto::time::UtcTime;

use crate::audit::check::BrokenLine;
use crate::audit::check::verify_each;
use crate::audit::head::{self, AuditHead, HeadStanding, NotedHead};
use crate::audit::{self};
use crate::boxes::edges;
use crate::chains::{self, StoredLink};
use crate::home::{Home, HomeError};
use crate::hours::keys::HourKeys;
use crate::hours::partition::{Partition, Term};
use crate::municipalities;
use crate::opening::floor::{self, Floor};
use crate::plates::plate::text_of;
use crate::postgres::Server;
use crate::store::sql::Connection;
use crate::store::{Doing as _, StoreError};
use crate::transits::horizon::Horizon;
use crate::transits::names::{self, Names};
use crate::transits::retention::RUNS_APART;
use crate::transits::rows::{Head as RowHead, HourPlace};
use crate::transits::stored::StoredHours as _;
use expected::Expected;
use tables::Held;

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

/// A row of a table that is not what the audit's lines say. It names no person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BrokenRow {
    /// Which.
    pub table: &'static str,
    /// Which row.
    pub row: String,
    /// What is wrong with it.
    pub what: String,
}

/// What was checked and what is broken.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Verification {
    /// Whether nothing is broken, and all of it could be established.
    pub intact: bool,
    /// The audit's head: to be noted in a place of one's own.
    pub head: Option<AuditHead>,
    /// Audit lines checked.
    pub audit_lines: u64,
    /// Transits checked.
    pub transits: u64,
    /// Broken audit lines.
    pub broken_audit_lines: Vec<BrokenLine>,
    /// Rows that are not what the audit's lines say.
    pub broken_rows: Vec<BrokenRow>,
    /// Broken transits.
    pub broken_transits: Vec<BrokenTransit>,
    /// What cannot be established, and why.
    pub unestablished: Vec<String>,
}

impl Verification {
    /// Whether something is broken.
    #[must_use]
    pub fn is_broken(&self) -> bool {
        !(self.broken_audit_lines.is_empty()
            && self.broken_rows.is_empty()
            && self.broken_transits.is_empty())
    }
}

/// Checks a home, also while its hub runs.
///
/// # Errors
/// [`VerifyError`] when the check cannot be made.
pub fn verify(home: &Home, now: UtcTime) -> Result<Verification, VerifyError> {
    verify_from(home, None, now)
}

/// The same, with a head that was noted before.
///
/// # Errors
/// [`VerifyError`] when the check cannot be made.
pub fn verify_from(
    home: &Home,
    noted: Option<&NotedHead>,
    now: UtcTime,
) -> Result<Verification, VerifyError> {
    // Before the view is opened: it follows the main database.
    let floor = floor::kept(home)?;
    let config = home.config()?;
    let sealing_key = home.sealing_key()?;
    let key = sealing_key.opening_key();
    let mut main = home.open_main()?;
    // One view of it all: what the hub stores meanwhile is neither missing nor unknown.
    let main = main.transaction().doing("begin the check")?;
    let mut expected = Expected::default();
    let (audit_lines, mut broken_audit_lines) =
        verify_each(&main, &key, |line| expected.take(line))?;
    let mut held = Held::default();
    broken_audit_lines.extend(known_heads(&main, &floor, noted, &sealing_key)?);
    let head = head::read(&main)?;
    if head.signed.is_none() {
        let what = "the head is not signed";
        if expected.tells_all || floor.audit_head().is_some() {
            broken_audit_lines.push(of_head(head.sequence, what.to_owned()));
        } else {
            held.unestablished.push(format!(
                "{what}: an older version wrote the last line, so whether lines were cut shows from the \
                 next line on"
            ));
        }
    }
    if floor.audit_head().is_none() {
        held.unestablished.push(NO_HEAD.to_owned());
    }
    held.later(&expected);
    held.hold(&main, &mut expected, &floor)?;
    let mut check = Check {
        keys: edges::opening_keys(&main)?,
        names: Names::load(&main)?,
        recent: chains::Recent::read(&main)?,
        horizon: Horizon::at(&main, now - RUNS_APART, config.retention)?,
        over: (None, Vec::new()),
        erased: std::mem::take(&mut expected.erased),
        erased_by: now - RUNS_APART,
        ended: ended(&main, config.retention, now)?,
        seen: HashMap::new(),
        verification: Verification {
            head: head.signed.map(|signed| signed.head),
            audit_lines,
            broken_audit_lines,
            ..Verification::default()
        },
    };
    if let Some(server) = home.open_server(&config)? {
        check.names = server.names()?;
        check.server(&server, now - config.retention)?;
        let there: BTreeSet<_> = server.hours()?.into_iter().collect();
        // What this view does not have yet.
        let after = home.open_main()?;
        let is_told = |hour| audit::hours::is_told(&after, hour);
        held.hours(&there, &expected, config.retention, now, is_told)?;
        return Ok(check.done(held));
    }
    let hour_keys = HourKeys::open(&home.hour_keys(), &home.store_key_file())?;
    let hours = names::hours(&main)?;
    let there: BTreeSet<_> = hours.iter().map(|(hour, _)| *hour).collect();
    held.hours(&there, &expected, config.retention, now, |_| Ok(false))?;
    for (hour, rows) in hours {
        match hour_keys.get(hour)? {
            Some(key) => {
                let place = HourPlace::new(&home.partitions_folder(), hour, key);
                check.hour(&main, &place, rows)?;
            }
            None if hour.gone_at(config.retention) <= now => {} // Its term is over.
            None => check.note(hour, "", 0, "its hour's key is gone before its term"),
        }
    }
    check.missing(&main, now - config.retention)?;
    Ok(check.done(held))
}

/// What cannot be established where the floor knows no head.
const NO_HEAD: &str = "floor.json knows no head: whether lines were cut shows from the next one that the hub or a \
    command notes there";

fn of_head(sequence: u64, what: String) -> BrokenLine {
    BrokenLine {
        sequence: i64::try_from(sequence).unwrap_or(i64::MAX), // A number that somebody typed.
        what,
    }
}

/// What is wrong with the chain by what is known of it: its tree, the checkpoints that witnesses cosigned, the
/// head in the home's floor, and one that was noted.
fn known_heads(
    main: &Connection,
    floor: &Floor,
    noted: Option<&NotedHead>,
    key: &SealingKey,
) -> Result<Vec<BrokenLine>, StoreError> {
    let mut faults = audit::check::verify_tree(main, key)?;
    let key = &key.opening_key();
    let mut known: Vec<(&str, NotedHead)> = Vec::new();
    if let Some(signed) = floor.audit_head() {
        let head = signed.head.noted();
        if signed.holds(key) {
            known.push(("floor.json knows", head));
        } else {
            let what = "the hub did not sign the head that floor.json knows";
            faults.push(of_head(head.sequence, what.to_owned()));
        }
    }
    known.extend(noted.map(|noted| ("somebody noted", noted.clone())));
    for (who, head) in known {
        let how = match head::standing(main, head.sequence, &head.digest)? {
            HeadStanding::Within => continue,
            HeadStanding::Other => "has another line in the place of a line that",
            HeadStanding::Beyond => "ends before a line that",
        };
        let what = format!("the chain {how} {who}: lines were cut, or an older copy was restored");
        faults.push(of_head(head.sequence, what));
    }
    Ok(faults)
}

/// What a check knows and has found.
struct Check {
    keys: HashMap<EdgeId, OpeningKey>,
    names: Names,
    recent: chains::Recent,
    /// What should have been destroyed by the last run.
    horizon: Horizon,
    /// The hour that was asked for last, and the gates of which it should have nothing any more.
    over: (Option<Partition>, Vec<u32>),
    /// When records were destroyed at the request of whom they were about, by their digests.
    erased: HashMap<Vec<u8>, UtcTime>,
    /// Of what was to be destroyed before this nothing is there.
    erased_by: UtcTime,
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
    fn hour(&mut self, main: &Connection, place: &HourPlace, rows: u32) -> Result<(), StoreError> {
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
            let edge = self.edge_of(&head)?;
            let sequence = sequence_of(&head)?;
            let in_chain = self.recent.stored_digest(main, &edge, sequence)?;
            self.row(place.hour, &head, &envelope, in_chain.as_deref())?;
        }
        Ok(())
    }

    /// Holds a row against its sealed original, and against its edge's chain.
    fn row(
        &mut self,
        hour: Partition,
        head: &RowHead,
        envelope: &[u8],
        in_chain: Option<&[u8]>,
    ) -> Result<(), StoreError> {
        let (edge, sequence) = (self.edge_of(head)?, sequence_of(head)?);
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
        let erased_at = self.erased.get(&head.digest.as_bytes()[..]);
        if erased_at.is_some_and(|at| *at < self.erased_by) {
            faults.push("a line says that it was destroyed at the request of whom it is about");
        }
        for what in faults {
            self.note(hour, &edge, sequence, what);
        }
        Ok(())
    }

    /// The name of a row's edge.
    fn edge_of(&self, head: &RowHead) -> Result<String, StoreError> {
        let name = self.names.name(head.edge).map(str::to_owned);
        name.ok_or(StoreError::Damaged { what: "name" })
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
            let opened = server.inspect(hour, |row| {
                if let Some(row) = row {
                    self.verification.transits += 1;
                    return self.row(hour, &row.head, &row.envelope, row.in_chain.as_deref());
                }
                self.note(hour, "", 0, "a row does not open with its hour's key");
                Ok(())
            })?;
            if !opened && hour.end() > since {
                self.note(hour, "", 0, "its hour's key is gone before its term");
            }
        }
        self.note_missing(stored.into_iter());
        Ok(())
    }

    fn done(self, held: Held) -> Verification {
        let mut verification = self.verification;
        verification.broken_rows = held.broken;
        verification.unestablished = held.unestablished;
        verification.intact = !verification.is_broken() && verification.unestablished.is_empty();
        verification
    }

    /// Stored records within the term whose transit is gone.
    fn missing(&mut self, main: &Connection, since: UtcTime) -> Result<(), StoreError> {
        let mut stored = Vec::new();
        self.sort();
        chains::for_each_stored(main, since, |link| {
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
        if self.erased.contains_key(&link.digest) {
            return false; // Whom it was about asked for that, and a line says so.
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

fn sequence_of(head: &RowHead) -> Result<i64, StoreError> {
    i64::try_from(head.sequence).map_err(|_| StoreError::Damaged { what: "transit" })
}

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

/// What lies beside the sealed original and is not what it says.
fn faults_of(head: &RowHead, sealed: Option<Verified<Record>>, names: &Names) -> Vec<&'static str> {
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
    let place = (names.name(entry.camera), names.name(entry.gate));
    if place != (Some(transit.camera.as_str()), Some(transit.gate.as_str())) {
        faults.push("its place is not the sealed one");
    }
    faults
}
