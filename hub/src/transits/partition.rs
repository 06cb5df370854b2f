//! A day's partition. This module owns the table `transits`, one a UTC day of capture.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use varco_proto::envelope::Verified;
use varco_proto::ids::{Digest, EdgeId};
use varco_proto::record::Record;
use varco_proto::time::{UtcDay, UtcTime};
use varco_proto::transit::{Direction, PlateRead, Transit};

use crate::store::sql::{Connection, OptionalExtension as _, Row, params};
use crate::store::{self, Doing as _, StoreError};

/// The plate index holds the folded text (O as 0, I as 1), so that one index serves lookups with
/// and without folding: every index with random keys costs intake.
const SCHEMA: &str = "
    CREATE TABLE transits (
        row INTEGER PRIMARY KEY,
        id BLOB NOT NULL UNIQUE CHECK (length(id) = 16),
        edge TEXT NOT NULL,
        sequence INTEGER NOT NULL CHECK (sequence > 0),
        digest BLOB NOT NULL CHECK (length(digest) = 32),
        captured_at_us INTEGER NOT NULL,
        uncertainty_us INTEGER NOT NULL,
        camera TEXT NOT NULL,
        gate TEXT NOT NULL,
        direction TEXT,
        plate TEXT NOT NULL,
        plate_folded TEXT NOT NULL,
        confidence REAL NOT NULL,
        candidates TEXT NOT NULL,
        countries TEXT NOT NULL,
        agreeing_reads INTEGER NOT NULL,
        reads INTEGER NOT NULL,
        received_at_us INTEGER NOT NULL,
        envelope BLOB NOT NULL,
        UNIQUE (edge, sequence)
    ) STRICT;
    CREATE INDEX transits_by_plate ON transits (plate_folded, captured_at_us);
    CREATE INDEX transits_by_camera ON transits (camera, captured_at_us);
    CREATE INDEX transits_by_time ON transits (captured_at_us);";

/// The columns that [`StoredTransit::read`] takes, in its order.
pub(super) const COLUMNS: &str = "id, edge, sequence, digest, captured_at_us, uncertainty_us,
    camera, gate, direction, plate, plate_folded, confidence, candidates, countries,
    agreeing_reads, reads, received_at_us, envelope";

/// A row as it lies in a partition, unchecked.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredTransit {
    /// The columns that must equal the sealed content.
    pub columns: Columns,
    /// By the hub's clock.
    pub received_at_us: i64,
    /// The sealed original.
    pub envelope: Vec<u8>,
}

/// What the columns of a row say, all of it derived from the sealed content.
#[derive(Debug, Clone, PartialEq)]
pub struct Columns {
    /// UUID, 16 bytes.
    pub id: Vec<u8>,
    /// Who sealed it.
    pub edge: String,
    /// Its place in the edge's chain.
    pub sequence: i64,
    /// The record's digest, 32 bytes.
    pub digest: Vec<u8>,
    /// Microseconds since 1970-01-01 UTC.
    pub captured_at_us: i64,
    /// Plus or minus, microseconds.
    pub uncertainty_us: i64,
    /// Which camera.
    pub camera: String,
    /// At which gate.
    pub gate: String,
    /// `towards`, `away` or none.
    pub direction: Option<String>,
    /// Normal form.
    pub plate: String,
    /// With O as 0 and I as 1.
    pub plate_folded: String,
    /// 0..=1.
    pub confidence: f64,
    /// `A:0.981,4:0.012 B:0.900`: characters in order, each with its candidates.
    pub candidates: String,
    /// `IT:0.910,FR:0.050`.
    pub countries: String,
    /// Frames that gave this text.
    pub agreeing_reads: i64,
    /// Frames that gave any.
    pub reads: i64,
}

impl Columns {
    /// The columns of a verified record; none when it is no transit.
    #[must_use]
    pub fn of(verified: &Verified<Record>) -> Option<Self> {
        let record = verified.value();
        let transit = record.body.transit()?;
        let Transit {
            captured_at, plate, ..
        } = transit;
        Some(Self {
            id: transit.id.as_bytes().to_vec(),
            edge: record.edge.to_string(),
            sequence: i64::try_from(record.sequence).unwrap_or(i64::MAX),
            digest: verified.digest().as_bytes().to_vec(),
            captured_at_us: captured_at.at.unix_us(),
            uncertainty_us: i64::try_from(captured_at.uncertainty.as_micros()).unwrap_or(i64::MAX),
            camera: transit.camera.to_string(),
            gate: transit.gate.to_string(),
            direction: transit.direction.map(|direction| {
                match direction {
                    Direction::Towards => "towards",
                    Direction::Away => "away",
                }
                .to_owned()
            }),
            plate: plate.text.to_string(),
            plate_folded: plate.text.folded(),
            confidence: f64::from(plate.confidence.get()),
            candidates: compact_candidates(plate),
            countries: compact_countries(plate),
            agreeing_reads: i64::from(plate.agreeing_reads),
            reads: i64::from(plate.reads),
        })
    }
}

fn compact_candidates(plate: &PlateRead) -> String {
    let character = |all: &Vec<varco_proto::transit::CharacterCandidate>| {
        let candidate = |c: &varco_proto::transit::CharacterCandidate| {
            format!("{}:{:.3}", c.symbol, c.confidence.get())
        };
        all.iter().map(candidate).collect::<Vec<_>>().join(",")
    };
    let characters = plate.characters.iter().map(character);
    characters.collect::<Vec<_>>().join(" ")
}

fn compact_countries(plate: &PlateRead) -> String {
    let country = |c: &varco_proto::transit::CountryCandidate| {
        format!("{}:{:.3}", c.country, c.confidence.get())
    };
    let countries = plate.countries.iter().map(country);
    countries.collect::<Vec<_>>().join(",")
}

impl StoredTransit {
    /// Takes a row selected as [`COLUMNS`].
    pub(super) fn read(row: &Row<'_>) -> Result<Self, store::sql::Error> {
        Ok(Self {
            columns: Columns {
                id: row.get(0)?,
                edge: row.get(1)?,
                sequence: row.get(2)?,
                digest: row.get(3)?,
                captured_at_us: row.get(4)?,
                uncertainty_us: row.get(5)?,
                camera: row.get(6)?,
                gate: row.get(7)?,
                direction: row.get(8)?,
                plate: row.get(9)?,
                plate_folded: row.get(10)?,
                confidence: row.get(11)?,
                candidates: row.get(12)?,
                countries: row.get(13)?,
                agreeing_reads: row.get(14)?,
                reads: row.get(15)?,
            },
            received_at_us: row.get(16)?,
            envelope: row.get(17)?,
        })
    }
}

/// What came of putting a transit into its partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Inserted {
    /// It is there now.
    New,
    /// The same record was there: a kill came between the partition's commit and the chain's.
    Already,
    /// Its place in the edge's chain is taken by another record.
    PlaceTaken,
    /// Its id is another record's.
    IdTaken,
}

/// Puts a transit into the partition that the connection has open, within the caller's
/// transaction. Only what [`varco_proto::envelope::open`] verified can be put in.
///
/// # Errors
/// [`StoreError`].
pub fn insert(
    partition: &Connection,
    verified: &Verified<Record>,
    received_at: UtcTime,
) -> Result<Inserted, StoreError> {
    const DOING: &str = "store the transit";
    let c = Columns::of(verified).ok_or(StoreError::Damaged { what: "transit" })?;
    let mut statement = partition
        .prepare_cached(
            "INSERT OR IGNORE INTO transits (id, edge, sequence, digest, captured_at_us,
             uncertainty_us, camera, gate, direction, plate, plate_folded, confidence, candidates,
             countries, agreeing_reads, reads, received_at_us, envelope)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        )
        .doing(DOING)?;
    let added = statement
        .execute(params![
            c.id,
            c.edge,
            c.sequence,
            c.digest,
            c.captured_at_us,
            c.uncertainty_us,
            c.camera,
            c.gate,
            c.direction,
            c.plate,
            c.plate_folded,
            c.confidence,
            c.candidates,
            c.countries,
            c.agreeing_reads,
            c.reads,
            received_at.unix_us(),
            verified.envelope(),
        ])
        .doing(DOING)?;
    if added == 1 {
        return Ok(Inserted::New);
    }
    let there: Option<Vec<u8>> = partition
        .query_row(
            "SELECT digest FROM transits WHERE edge = ? AND sequence = ?",
            params![c.edge, c.sequence],
            |row| row.get(0),
        )
        .optional()
        .doing(DOING)?;
    Ok(match there {
        Some(digest) if digest == c.digest => Inserted::Already,
        Some(_) => Inserted::PlaceTaken,
        None => Inserted::IdTaken,
    })
}

/// Whether a record is stored in the partition.
///
/// # Errors
/// [`StoreError`].
pub fn digest_at(
    partition: &Connection,
    edge: &EdgeId,
    sequence: i64,
) -> Result<Option<Vec<u8>>, StoreError> {
    partition
        .query_row(
            "SELECT digest FROM transits WHERE edge = ? AND sequence = ?",
            params![edge.as_str(), sequence],
            |row| row.get(0),
        )
        .optional()
        .doing("look a record up in its partition")
}

/// Hands every row to `each`, in storing order.
///
/// # Errors
/// [`StoreError`] when a row cannot be read at all.
pub fn for_each(
    partition: &Connection,
    mut each: impl FnMut(StoredTransit) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    const DOING: &str = "read the partition";
    let mut statement = partition
        .prepare(&format!("SELECT {COLUMNS} FROM transits ORDER BY row"))
        .doing(DOING)?;
    let mut rows = statement.query([]).doing(DOING)?;
    while let Some(row) = rows.next().doing(DOING)? {
        each(StoredTransit::read(row).doing(DOING)?)?;
    }
    Ok(())
}

/// Rows captured before a moment.
///
/// # Errors
/// [`StoreError`].
pub fn count_before(partition: &Connection, before: UtcTime) -> Result<u64, StoreError> {
    partition
        .query_row(
            "SELECT count(*) FROM transits WHERE captured_at_us < ?",
            [before.unix_us()],
            |row| row.get(0),
        )
        .map(|count: i64| u64::try_from(count).unwrap_or(0))
        .doing("count the transits past their term")
}

/// Destroys rows captured before a moment, at most `most` of them, and says how many.
///
/// # Errors
/// [`StoreError`].
pub(super) fn delete_before(
    partition: &Connection,
    before: UtcTime,
    most: u32,
) -> Result<usize, StoreError> {
    partition
        .execute(
            "DELETE FROM transits WHERE row IN (
                SELECT row FROM transits WHERE captured_at_us < ? LIMIT ?)",
            params![before.unix_us(), most],
        )
        .doing("destroy the transits past their term")
}

/// The folder of the partitions.
#[derive(Debug, Clone)]
pub struct Partitions {
    folder: PathBuf,
}

impl Partitions {
    /// The partitions in a folder.
    #[must_use]
    pub fn in_folder(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// Where a day lies.
    #[must_use]
    pub fn path(&self, day: UtcDay) -> PathBuf {
        self.folder.join(format!("{day}.sqlite"))
    }

    /// Opens a day for writing, making it when it is missing.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn open(&self, day: UtcDay) -> Result<Connection, StoreError> {
        let path = self.path(day);
        if !path.exists() {
            self.make(day)?;
        }
        let mut connection = store::open(&path)?;
        store::migrate(&mut connection, &[SCHEMA])?;
        Ok(connection)
    }

    /// Makes a day aside and gives it its name when it is whole: a lookup never meets a file
    /// without tables.
    fn make(&self, day: UtcDay) -> Result<(), StoreError> {
        let making = self.folder.join(format!("{day}.making"));
        let failed = |source| StoreError::File {
            doing: "make",
            path: making.clone(),
            source,
        };
        remove_database(&making)?;
        let mut connection = store::open(&making)?;
        store::migrate(&mut connection, &[SCHEMA])?;
        drop(connection);
        match fs::hard_link(&making, self.path(day)) {
            Err(source) if source.kind() != ErrorKind::AlreadyExists => return Err(failed(source)),
            _ => {}
        }
        remove(&making)?;
        // The name must outlive a power cut as surely as what is stored under it.
        let folder = fs::File::open(&self.folder).map_err(failed)?;
        folder.sync_all().map_err(failed)
    }

    /// The days there are, oldest first.
    ///
    /// # Errors
    /// [`StoreError::File`].
    pub fn days(&self) -> Result<Vec<UtcDay>, StoreError> {
        let failed = |source| StoreError::File {
            doing: "list the partitions in",
            path: self.folder.clone(),
            source,
        };
        let mut days = Vec::new();
        for entry in fs::read_dir(&self.folder).map_err(failed)? {
            let name = entry.map_err(failed)?.file_name();
            let day = name.to_str().and_then(|name| name.strip_suffix(".sqlite"));
            days.extend(day.and_then(|day| day.parse::<UtcDay>().ok()));
        }
        days.sort_unstable();
        Ok(days)
    }

    /// Destroys a day: its file first, so that no new reader finds it.
    ///
    /// # Errors
    /// [`StoreError::File`].
    pub(super) fn destroy(&self, day: UtcDay) -> Result<(), StoreError> {
        remove_database(&self.path(day))
    }
}

/// Removes a database, its own file before the two beside it.
fn remove_database(path: &Path) -> Result<(), StoreError> {
    for suffix in ["", "-wal", "-shm"] {
        let mut name = path.to_owned().into_os_string();
        name.push(suffix);
        remove(Path::new(&name))?;
    }
    Ok(())
}

fn remove(path: &Path) -> Result<(), StoreError> {
    match fs::remove_file(path) {
        Err(source) if source.kind() != ErrorKind::NotFound => Err(StoreError::File {
            doing: "destroy",
            path: path.to_owned(),
            source,
        }),
        _ => Ok(()),
    }
}

/// A record's digest from its column.
///
/// # Errors
/// [`StoreError::Damaged`].
pub fn digest_of(column: &[u8]) -> Result<Digest, StoreError> {
    Digest::try_from(column).map_err(|_| StoreError::Damaged { what: "digest" })
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_day_that_can_be_seen_has_its_table() {
        let folder = tempfile::tempdir().unwrap();
        let partitions = Partitions::in_folder(folder.path().to_owned());
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let reader = scope.spawn(|| {
                let mut seen = 0;
                while !done.load(Ordering::Relaxed) {
                    for day in partitions.days().unwrap() {
                        let uri = format!("file:{}?mode=ro", partitions.path(day).display());
                        let connection = store::open(&folder.path().join("other")).unwrap();
                        connection.execute("ATTACH ? AS day0", [uri]).unwrap();
                        let count = "SELECT count(*) FROM day0.transits";
                        seen += connection
                            .query_row(count, [], |row| row.get::<_, i64>(0))
                            .map(|_| 1)
                            .unwrap();
                    }
                }
                seen
            });
            for k in 0..40 {
                let day = (UtcTime::default() + Duration::from_secs(86_400 * k)).day();
                partitions.open(day).unwrap();
            }
            done.store(true, Ordering::Relaxed);
            assert!(reader.join().unwrap() > 0);
        });
    }
}
