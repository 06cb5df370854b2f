//! The rows of an hour: one SQLite file, append-only, each row sealed under the hour's key.
//!
//! This module owns the table `rows`, one a file. Nothing is indexed in it, so that storing costs
//! no page but the last; what finds rows is [`super::hot`] and [`super::sealed`].

use std::fs;
use std::io::ErrorKind;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use varco_proto::ids::Digest;
use varco_proto::time::{UtcDay, UtcTime};

use super::entry::{ENTRY_BYTES, Entry};
use crate::hours::partition::Partition;
use crate::store::sql::{Connection, OptionalExtension as _, params};
use crate::store::{self, Doing as _, StoreError};
use varco_proto::cipher::{CipherError, Key};

const SCHEMA: &str = "
    CREATE TABLE rows (
        row INTEGER PRIMARY KEY,
        head BLOB NOT NULL,
        envelope BLOB NOT NULL
    ) STRICT;";

/// What the hub knows of a stored transit without opening its sealed original.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// What the indexes hold.
    pub entry: Entry,
    /// UUID.
    pub id: [u8; 16],
    /// Who sealed it, by its number among the names.
    pub edge: u32,
    /// Its place in the edge's chain.
    pub sequence: u64,
    /// The record's digest.
    pub digest: Digest,
    /// By the hub's clock.
    pub received_at: UtcTime,
}

/// A whole id in 64 bits. Ids that differ in one half alone never share a mark, so that a transit is
/// not taken for another one whose id has the same random half and another time.
#[must_use]
pub fn id_mark(id: &[u8; 16]) -> u64 {
    /// Odd, so that no two first halves give the same product.
    const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;
    let head = id
        .first_chunk::<8>()
        .map_or(0, |half| u64::from_be_bytes(*half));
    id_tail(id).wrapping_add(head.wrapping_mul(SPREAD))
}

/// The random half of an id: what versions before compared alone.
#[must_use]
pub fn id_tail(id: &[u8; 16]) -> u64 {
    id.last_chunk::<8>()
        .map_or(0, |half| u64::from_be_bytes(*half))
}

/// What a connection to an hour keeps of it in memory, in KiB.
const CACHE_KIB: i64 = 512;
/// Bytes of a head.
const HEAD_BYTES: usize = ENTRY_BYTES + 16 + 4 + 8 + 32 + 8;

impl Head {
    /// What tells transits of one hour apart: see [`id_mark`].
    #[must_use]
    pub fn id_mark(&self) -> u64 {
        id_mark(&self.id)
    }

    pub(crate) fn to_bytes(self) -> Vec<u8> {
        let mut out = Vec::with_capacity(HEAD_BYTES);
        out.extend_from_slice(&self.entry.to_bytes());
        out.extend_from_slice(&self.id);
        out.extend_from_slice(&self.edge.to_le_bytes());
        out.extend_from_slice(&self.sequence.to_le_bytes());
        out.extend_from_slice(self.digest.as_bytes());
        out.extend_from_slice(&self.received_at.unix_us().to_le_bytes());
        out
    }

    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (entry, rest) = bytes.split_at_checked(ENTRY_BYTES)?;
        let (id, rest) = rest.split_first_chunk()?;
        let (edge, rest) = rest.split_first_chunk()?;
        let (sequence, rest) = rest.split_first_chunk()?;
        let (digest, rest) = rest.split_first_chunk::<32>()?;
        let received_at: [u8; 8] = rest.try_into().ok()?;
        Some(Self {
            entry: Entry::from_bytes(entry)?,
            id: *id,
            edge: u32::from_le_bytes(*edge),
            sequence: u64::from_le_bytes(*sequence),
            digest: Digest::try_from(&digest[..]).ok()?,
            received_at: UtcTime::from_unix_us(i64::from_le_bytes(received_at)),
        })
    }
}

/// Whether bytes are a head, and whether it is written as it was; for the crate `fuzz`.
#[cfg(feature = "fuzzing")]
#[must_use]
pub fn head_survives(bytes: &[u8]) -> Option<bool> {
    Head::from_bytes(bytes).map(|head| head.to_bytes() == bytes)
}

/// Where an hour's rows and index lie, and the key that opens them.
#[derive(Debug, Clone)]
pub struct HourPlace {
    /// Which hour.
    pub hour: Partition,
    /// Its key.
    pub key: Arc<Key>,
    folder: PathBuf,
}

#[derive(Debug, Clone, Copy)]
enum Column {
    Head,
    Envelope,
}

impl HourPlace {
    /// An hour in a folder.
    #[must_use]
    pub fn new(folder: &Path, hour: Partition, key: Arc<Key>) -> Self {
        Self {
            hour,
            key,
            folder: folder.to_owned(),
        }
    }

    /// The rows' file.
    #[must_use]
    pub fn rows_file(&self) -> PathBuf {
        rows_file(&self.folder, self.hour)
    }

    /// The index's file.
    #[must_use]
    pub fn index_file(&self) -> PathBuf {
        index_file(&self.folder, self.hour)
    }

    /// Opens the rows, making the file when it is missing.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn open(&self) -> Result<Connection, StoreError> {
        let path = self.rows_file();
        let fresh = !path.exists();
        let mut connection = store::open(&path)?;
        // Rows are appended and read one by one: what is kept of them in memory is never asked again,
        // and an archive has a connection for each of its hours.
        connection
            .pragma_update(None, "cache_size", -CACHE_KIB)
            .doing("bound the hour's memory")?;
        store::migrate(&mut connection, &[SCHEMA])?;
        if fresh {
            sync_folder(&self.folder)?;
        }
        Ok(connection)
    }

    /// Appends a row, within the caller's transaction. Intake comes here through
    /// [`super::batch::Batch::insert`], which takes only what was verified.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(crate) fn append(
        &self,
        connection: &Connection,
        head: &Head,
        envelope: &[u8],
    ) -> Result<(), StoreError> {
        const DOING: &str = "store the transit";
        let row = head.entry.row;
        let sealed_head = self.seal(row, Column::Head, &head.to_bytes())?;
        let envelope = self.seal(row, Column::Envelope, envelope)?;
        connection
            .prepare_cached("INSERT INTO rows (row, head, envelope) VALUES (?, ?, ?)")
            .and_then(|mut statement| statement.execute(params![row, sealed_head, envelope]))
            .doing(DOING)?;
        Ok(())
    }

    /// Hands the heads of the rows from `first` to `last`, both included, to `each`, in order. A
    /// row that does not open is handed over as its number.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn heads(
        &self,
        connection: &Connection,
        wanted: RangeInclusive<u32>,
        mut each: impl FnMut(Result<Head, u32>) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        const DOING: &str = "read the hour";
        let mut statement = connection
            .prepare(
                "SELECT row, head FROM rows
                 WHERE row BETWEEN ? AND ? AND length(head) > 0 ORDER BY row",
            )
            .doing(DOING)?;
        let mut rows = statement
            .query([wanted.start(), wanted.end()])
            .doing(DOING)?;
        while let Some(found) = rows.next().doing(DOING)? {
            let row: u32 = found.get(0).doing(DOING)?;
            let sealed: Vec<u8> = found.get(1).doing(DOING)?;
            each(self.head(row, &sealed).ok_or(row))?;
        }
        Ok(())
    }

    /// Reads one row: its head, and its sealed original.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] when it does not open or is gone.
    pub fn read(&self, connection: &Connection, row: u32) -> Result<(Head, Vec<u8>), StoreError> {
        let found: Option<(Vec<u8>, Vec<u8>)> = connection
            .prepare_cached("SELECT head, envelope FROM rows WHERE row = ?")
            .and_then(|mut statement| {
                statement
                    .query_row([row], |found| Ok((found.get(0)?, found.get(1)?)))
                    .optional()
            })
            .doing("read the transit")?;
        let damaged = StoreError::Damaged { what: "transit" };
        let Some((head, envelope)) = found else {
            return Err(damaged);
        };
        let envelope = self.key.open(&self.aad(row, Column::Envelope), &envelope);
        match (self.head(row, &head), envelope) {
            (Some(head), Ok(envelope)) => Ok((head, envelope)),
            _ => Err(damaged),
        }
    }

    /// Destroys the rows behind `last`: what a cut left that no chain knows.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn cut_behind(&self, connection: &Connection, last: u32) -> Result<usize, StoreError> {
        connection
            .execute("DELETE FROM rows WHERE row > ?", [last])
            .doing("take back unfinished rows")
    }

    /// The heads of some rows, without those that were overwritten.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(super) fn some_heads(
        &self,
        connection: &Connection,
        entries: &[Entry],
    ) -> Result<Vec<Head>, StoreError> {
        const DOING: &str = "read the hour";
        let mut statement = connection
            .prepare_cached("SELECT head FROM rows WHERE row = ?")
            .doing(DOING)?;
        let mut heads = Vec::with_capacity(entries.len());
        for entry in entries {
            let sealed: Option<Vec<u8>> = statement
                .query_row([entry.row], |row| row.get(0))
                .optional()
                .doing(DOING)?;
            heads.extend(sealed.and_then(|sealed| self.head(entry.row, &sealed)));
        }
        Ok(heads)
    }

    /// Overwrites rows. Their numbers stay taken, so that those behind them keep theirs.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(super) fn overwrite(
        &self,
        connection: &Connection,
        rows: impl Iterator<Item = u32>,
    ) -> Result<(), StoreError> {
        const DOING: &str = "overwrite transits";
        connection.execute_batch("BEGIN IMMEDIATE").doing(DOING)?;
        for row in rows {
            connection
                .prepare_cached("UPDATE rows SET head = x'', envelope = x'' WHERE row = ?")
                .and_then(|mut statement| statement.execute([row]))
                .doing(DOING)?;
        }
        connection.execute_batch("COMMIT").doing(DOING)
    }

    /// Whether a row was overwritten, because the term of its gate was over before its hour's.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn is_overwritten(&self, connection: &Connection, row: u32) -> Result<bool, StoreError> {
        let empty: Option<bool> = connection
            .prepare_cached("SELECT length(head) = 0 FROM rows WHERE row = ?")
            .and_then(|mut statement| statement.query_row([row], |row| row.get(0)).optional())
            .doing("look at a row")?;
        Ok(empty.unwrap_or(false))
    }

    fn head(&self, row: u32, sealed: &[u8]) -> Option<Head> {
        let bytes = self.key.open(&self.aad(row, Column::Head), sealed).ok()?;
        let head = Head::from_bytes(&bytes)?;
        (head.entry.row == row).then_some(head)
    }

    fn seal(&self, row: u32, column: Column, plain: &[u8]) -> Result<Vec<u8>, StoreError> {
        let sealed = self.key.seal(&self.aad(row, column), plain);
        sealed.map_err(|source: CipherError| StoreError::File {
            doing: "seal a row of",
            path: self.rows_file(),
            source: std::io::Error::other(source),
        })
    }

    /// What a value is bound to: another row's or another hour's does not open here.
    fn aad(&self, row: u32, column: Column) -> Vec<u8> {
        let name: &[u8] = match column {
            Column::Head => b"head",
            Column::Envelope => b"envelope",
        };
        let hour = self.hour.number().to_le_bytes();
        [name, &hour, &row.to_le_bytes()].concat()
    }

    /// Unlinks rows and index.
    ///
    /// # Errors
    /// [`StoreError::File`].
    pub fn destroy(&self) -> Result<(), StoreError> {
        destroy(&self.folder, self.hour)
    }
}

/// The file of an hour's rows in a folder.
#[must_use]
pub fn rows_file(folder: &Path, hour: Partition) -> PathBuf {
    folder.join(format!("{hour}.sqlite"))
}

fn index_file(folder: &Path, hour: Partition) -> PathBuf {
    folder.join(format!("{hour}.index"))
}

/// The hours that have a file of rows, oldest first.
///
/// # Errors
/// [`StoreError::File`]; [`StoreError::Older`] when a day of a version before lies there.
pub fn hours(folder: &Path) -> Result<Vec<Partition>, StoreError> {
    let failed = |source| StoreError::File {
        doing: "list the hours in",
        path: folder.to_owned(),
        source,
    };
    let mut hours = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let name = entry.map_err(failed)?.file_name();
        let Some(stem) = name.to_str().and_then(|name| name.strip_suffix(".sqlite")) else {
            continue;
        };
        if stem.parse::<UtcDay>().is_ok() {
            return Err(StoreError::Older {
                path: folder.join(&name),
            });
        }
        hours.extend(stem.parse::<Partition>().ok());
    }
    hours.sort_unstable();
    Ok(hours)
}

/// Unlinks an hour, its rows first, so that no new reader finds it.
///
/// # Errors
/// [`StoreError::File`].
pub fn destroy(folder: &Path, hour: Partition) -> Result<(), StoreError> {
    let rows = rows_file(folder, hour);
    for suffix in ["", "-wal", "-shm"] {
        let mut name = rows.clone().into_os_string();
        name.push(suffix);
        remove(Path::new(&name))?;
    }
    remove(&index_file(folder, hour))?;
    sync_folder(folder)
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

/// A name must outlive a power cut as surely as what is stored under it, and its end too.
fn sync_folder(folder: &Path) -> Result<(), StoreError> {
    fs::File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(|source| StoreError::File {
            doing: "make sure of the names in",
            path: folder.to_owned(),
            source,
        })
}
