//! Which plates there are in which hours, in this process's memory: patterns and misread plates are
//! held against it, so that PostgreSQL never has to know a plate.
//!
//! Each batch leaves its plates as a sealed chunk, in the transaction that stores its transits.
//! Every hub reads the chunks that it has not seen, its own among them, before it answers. When an
//! hour is over its chunks are merged into one.

use std::collections::{BTreeMap, HashMap};

use varco_proto::plate::PLATE_CHARACTERS_MAX;

use super::connection::PgConnection;
use super::schema::{LOCK_CLASS, column};
use super::secrets::{Secret, Secrets};
use crate::hours::partition::Partition;
use crate::plates::plate::Plate;
use crate::store::StoreError;
use crate::transits::archive::Size;
use crate::transits::dictionary::{
    Dictionaries, Dictionary, GatheringAll, PlateCounts, count, has,
};
use crate::transits::wanted::Wanted;

/// Bytes of a plate with its count.
const ENTRY_BYTES: usize = PLATE_CHARACTERS_MAX + 4;
/// Chunks of an hour from which on merging them is worth it.
const CHUNKS_TO_MERGE: usize = 16;
/// The second number of the lock under which chunks are merged.
const LOCK_MERGE: i32 = -1;
/// What a chunk is bound to, besides its hour's key.
const PLACE: &[u8] = b"plates";

/// The plates that this process knows.
#[derive(Debug, Default)]
pub(super) struct Book {
    /// Every transaction before this one was over when the chunks were read last; none before the
    /// first time.
    marker: Option<i64>,
    /// Chunks of later transactions that were read.
    seen: HashMap<i64, i64>,
    /// Plates of hours that are settled.
    dictionaries: Dictionaries,
    /// Plates that came since.
    hot: BTreeMap<Partition, Hot>,
    /// Transits of each hour, as its chunks count them.
    transits: BTreeMap<Partition, u64>,
}

#[derive(Debug, Default)]
struct Hot {
    plates: HashMap<Plate, u32>,
    /// Whether something came since this was last looked at.
    grew: bool,
}

/// Plates with what they are estimated by, in one hour.
#[derive(Debug, Default)]
pub(super) struct Here {
    pub(super) plates: Vec<Plate>,
    /// Transits that they may have here.
    pub(super) about: u64,
}

/// Seals the plates of one hour's transits of a batch.
pub(super) fn seal(secret: &Secret, plates: &PlateCounts) -> Result<Vec<u8>, StoreError> {
    let mut plain = Vec::with_capacity(plates.len() * ENTRY_BYTES);
    for (plate, count) in plates {
        plain.extend_from_slice(plate);
        plain.extend_from_slice(&count.to_le_bytes());
    }
    secret.seal(PLACE, &plain)
}

fn open(secret: &Secret, sealed: &[u8]) -> Result<PlateCounts, StoreError> {
    const DAMAGED: StoreError = StoreError::Damaged { what: "plates" };
    let plain = secret.key.open(PLACE, sealed).map_err(|_| DAMAGED)?;
    let mut plates = Vec::with_capacity(plain.len() / ENTRY_BYTES);
    for entry in plain.chunks_exact(ENTRY_BYTES) {
        let (plate, count) = entry.split_first_chunk().ok_or(DAMAGED)?;
        let count = count.try_into().map_err(|_| DAMAGED)?;
        plates.push((*plate, u32::from_le_bytes(count)));
    }
    Ok(plates)
}

/// Puts a chunk into the database, in the caller's transaction.
pub(super) fn keep(
    link: &mut PgConnection,
    hour: Partition,
    sealed: &[u8],
) -> Result<(), StoreError> {
    link.change(
        "keep the batch's plates",
        "INSERT INTO plates (hour, merged, sealed) VALUES ($1, false, $2)",
        &[&column(hour), &sealed],
    )?;
    Ok(())
}

impl Book {
    /// Reads what was committed since the last time.
    ///
    /// # Errors
    /// [`StoreError`]; the next time reads the same again.
    pub(super) fn refresh(
        &mut self,
        link: &mut PgConnection,
        secrets: &Secrets,
    ) -> Result<(), StoreError> {
        const DOING: &str = "read the plates that came";
        let Some(marker) = self.marker else {
            return self.load(link, secrets);
        };
        let rows = link.rows(
            DOING,
            "SELECT now.first, p.chunk, p.made_by::text::bigint, p.hour, p.merged, p.sealed FROM
                 (SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint AS first) AS now
             LEFT JOIN plates AS p ON p.made_by >= $1::text::xid8",
            &[&marker.to_string()],
        )?;
        let Some(first) = rows.first().map(|row| row.get(0)) else {
            return Ok(());
        };
        for row in rows {
            let Some(chunk) = row.get::<_, Option<i64>>(1) else {
                continue;
            };
            if self.seen.contains_key(&chunk) {
                continue;
            }
            let hour = Partition::from_number(i64::from(row.get::<_, i32>(3)));
            // An hour without its key is past its term.
            if let Some(secret) = secrets.of(hour)? {
                self.take(hour, open(&secret, row.get(5))?, row.get(4));
            }
            self.seen.insert(chunk, row.get(2));
        }
        self.seen.retain(|_, made_by| *made_by >= first);
        self.marker = Some(first);
        Ok(())
    }

    /// Reads everything, an hour at a time.
    fn load(&mut self, link: &mut PgConnection, secrets: &Secrets) -> Result<(), StoreError> {
        const DOING: &str = "read the plates";
        const FIRST: &str = "SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint";
        let marker = link.row(DOING, FIRST, &[])?.map(|row| row.get::<_, i64>(0));
        let marker = marker.ok_or(StoreError::Damaged { what: "marker" })?;
        let hours = "SELECT DISTINCT hour FROM plates WHERE made_by < $1::text::xid8";
        let mut gathering = GatheringAll::default();
        let mut transits = BTreeMap::new();
        for row in link.rows(DOING, hours, &[&marker.to_string()])? {
            let number: i32 = row.get(0);
            let hour = Partition::from_number(i64::from(number));
            let Some(secret) = secrets.of(hour)? else {
                continue;
            };
            let rows = link.rows(
                DOING,
                "SELECT sealed FROM plates WHERE hour = $1 AND made_by < $2::text::xid8",
                &[&number, &marker.to_string()],
            )?;
            let mut plates = HashMap::new();
            for row in rows {
                for (plate, count) in open(&secret, row.get(0))? {
                    *plates.entry(plate).or_insert(0) += count;
                }
            }
            let counted = sorted(plates);
            transits.insert(hour, sum(&counted));
            gathering.add(hour, &counted);
        }
        self.dictionaries = gathering.whole();
        self.transits = transits;
        self.marker = Some(marker);
        self.refresh(link, secrets)
    }

    fn take(&mut self, hour: Partition, plates: PlateCounts, merged: bool) {
        let dictionary = self.dictionaries.of(hour.term());
        let known = |plate: &Plate| {
            let known = dictionary.find(plate);
            known.is_some_and(|known| has(&known.hours, hour))
        };
        let hot = self.hot.entry(hour).or_default();
        for (plate, count) in plates {
            // Most of what another hub merged was read before, chunk by chunk.
            if merged && (hot.plates.contains_key(&plate) || known(&plate)) {
                continue;
            }
            *hot.plates.entry(plate).or_insert(0) += count;
            *self.transits.entry(hour).or_insert(0) += u64::from(count);
        }
        hot.grew = true;
    }

    /// An hour that is over before `now` and got nothing since this was last asked.
    pub(super) fn due(&mut self, over: impl Fn(Partition) -> bool) -> Option<Partition> {
        let mut due = None;
        for (hour, hot) in &mut self.hot {
            if !std::mem::take(&mut hot.grew) && over(*hour) && due.is_none() {
                due = Some(*hour);
            }
        }
        due
    }

    /// Moves what came to an hour to where the settled ones are.
    pub(super) fn settle(&mut self, hour: Partition) {
        if let Some(hot) = self.hot.remove(&hour) {
            let of_hour = Dictionary::of_hour(hour, &sorted(hot.plates));
            let term = hour.term();
            let whole = self.dictionaries.of(term).union(&of_hour);
            self.dictionaries.set(term, whole);
        }
    }

    /// Forgets hours that nobody can read any more.
    pub(super) fn forget(&mut self, gone: impl Fn(Partition) -> bool) {
        let hours: Vec<Partition> = self.transits.keys().copied().filter(|h| gone(*h)).collect();
        if hours.is_empty() {
            return;
        }
        for hour in &hours {
            self.hot.remove(hour);
            self.transits.remove(hour);
        }
        self.dictionaries = self.dictionaries.without_hours(&hours);
    }

    /// How much there is.
    pub(super) fn forget_some(&mut self, hour: Partition, transits: u64) {
        if let Some(count) = self.transits.get_mut(&hour) {
            *count = count.saturating_sub(transits);
        }
    }

    /// The hours with how many transits each has, oldest first.
    pub(super) fn hours(&self) -> Vec<(Partition, u64)> {
        let hours = self.transits.iter();
        hours.map(|(hour, transits)| (*hour, *transits)).collect()
    }

    pub(super) fn size(&self) -> Size {
        let hot = self.hot.values().flat_map(|hot| hot.plates.values());
        Size {
            hours: self.transits.len(),
            transits: self.transits.values().sum(),
            hot: hot.map(|count| u64::from(*count)).sum(),
            plates: self.dictionaries.len(),
        }
    }

    /// The hours from the first to the last, oldest first, that have transits of wanted plates, with
    /// these plates. When every plate is wanted none is named.
    pub(super) fn find(
        &self,
        wanted: &Wanted,
        first: Partition,
        last: Partition,
    ) -> Vec<(Partition, Here)> {
        if first > last {
            return Vec::new();
        }
        let known = wanted.known(&self.dictionaries);
        let mut hours = Vec::new();
        for (hour, transits) in self.transits.range(first..=last) {
            if matches!(wanted, Wanted::Every) {
                let about = *transits;
                let plates = Vec::new();
                hours.push((*hour, Here { plates, about }));
                continue;
            }
            let mut here = Here::default();
            let of_term = known.get(&hour.term()).into_iter().flatten();
            for known in of_term.filter(|known| has(&known.hours, *hour)) {
                let hours = count(&known.hours).max(1);
                here.about += u64::from(known.count.div_ceil(hours));
                here.plates.push(known.plate);
            }
            if let Some(hot) = self.hot.get(hour) {
                hot.find(wanted, &mut here);
            }
            here.plates.sort_unstable();
            here.plates.dedup();
            if !here.plates.is_empty() {
                hours.push((*hour, here));
            }
        }
        hours
    }
}

impl Hot {
    fn find(&self, wanted: &Wanted, here: &mut Here) {
        let mut add = |plate: &Plate, count: u32| {
            here.about += u64::from(count);
            here.plates.push(*plate);
        };
        match wanted {
            Wanted::Every => {}
            Wanted::Plates(plates) => {
                for plate in plates {
                    if let Some(count) = self.plates.get(plate) {
                        add(plate, *count);
                    }
                }
            }
            Wanted::Fitting(glob) => {
                for (plate, count) in &self.plates {
                    if glob.fits(plate) {
                        add(plate, *count);
                    }
                }
            }
        }
    }
}

fn sorted(plates: HashMap<Plate, u32>) -> PlateCounts {
    let mut counted: PlateCounts = plates.into_iter().collect();
    counted.sort_unstable();
    counted
}

fn sum(counted: &PlateCounts) -> u64 {
    counted.iter().map(|(_, count)| u64::from(*count)).sum()
}

/// Merges an hour's chunks into one, unless another hub does, or they are few.
///
/// # Errors
/// [`StoreError`]; nothing was merged.
pub(super) fn merge(
    link: &mut PgConnection,
    secret: &Secret,
    hour: Partition,
) -> Result<(), StoreError> {
    const DOING: &str = "merge an hour's plates";
    link.run(DOING, "BEGIN")?;
    let merged = merge_within(link, secret, hour);
    let end = if merged.is_ok() { "COMMIT" } else { "ROLLBACK" };
    let ended = link.run(DOING, end);
    merged.and(ended)
}

fn merge_within(
    link: &mut PgConnection,
    secret: &Secret,
    hour: Partition,
) -> Result<(), StoreError> {
    const DOING: &str = "merge an hour's plates";
    let lock = format!("SELECT pg_try_advisory_xact_lock({LOCK_CLASS}, {LOCK_MERGE})");
    if !link.row(DOING, &lock, &[])?.is_some_and(|row| row.get(0)) {
        return Ok(());
    }
    let number = column(hour);
    let chunks = "SELECT chunk, sealed FROM plates WHERE hour = $1";
    let rows = link.rows(DOING, chunks, &[&number])?;
    if rows.len() < CHUNKS_TO_MERGE {
        return Ok(());
    }
    replace(link, secret, hour, &rows, &HashMap::new())
}

/// Writes an hour's chunks as one, without so many of each plate, in the caller's transaction.
fn replace(
    link: &mut PgConnection,
    secret: &Secret,
    hour: Partition,
    chunks: &[tokio_postgres::Row],
    without: &HashMap<Plate, u32>,
) -> Result<(), StoreError> {
    const DOING: &str = "merge an hour's plates";
    let mut plates: HashMap<Plate, u32> = HashMap::new();
    let mut gone: Vec<i64> = Vec::new();
    for row in chunks {
        for (plate, count) in open(secret, row.get(1))? {
            *plates.entry(plate).or_insert(0) += count;
        }
        gone.push(row.get(0));
    }
    for (plate, count) in without {
        if let Some(left) = plates.get_mut(plate) {
            *left = left.saturating_sub(*count);
        }
    }
    plates.retain(|_, count| *count > 0);
    link.change(DOING, "DELETE FROM plates WHERE chunk = ANY($1)", &[&gone])?;
    let sealed = seal(secret, &sorted(plates))?;
    let add = "INSERT INTO plates (hour, merged, sealed) VALUES ($1, true, $2)";
    link.change(DOING, add, &[&column(hour), &sealed])?;
    Ok(())
}

/// Takes so many of each plate out of what an hour's chunks say, in the caller's transaction.
///
/// # Errors
/// [`StoreError`].
pub(super) fn take_out(
    link: &mut PgConnection,
    secret: &Secret,
    hour: Partition,
    plates: &HashMap<Plate, u32>,
) -> Result<(), StoreError> {
    const DOING: &str = "take plates out of an hour";
    let lock = format!("SELECT pg_advisory_xact_lock({LOCK_CLASS}, {LOCK_MERGE})");
    link.run(DOING, &lock)?;
    let chunks = "SELECT chunk, sealed FROM plates WHERE hour = $1";
    let rows = link.rows(DOING, chunks, &[&column(hour)])?;
    replace(link, secret, hour, &rows, plates)
}
