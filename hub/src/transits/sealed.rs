//! The sealed index of an hour: written once, read in blocks, destroyed with the hour's key.
//!
//! The entries lie in it twice, by plate and by camera, and the tails of the transits' ids once,
//! all in blocks of one size, each sealed for its place. What comes to the hour later stays in
//! memory until the index is written anew. Whoever holds the disk learns how many transits an
//! hour has, and nothing else.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use super::entry::{self, ENTRY_BYTES, Entry};
use super::entry_block::EntryBlock;
use crate::hours::partition::Partition;
use crate::machine::files;
use crate::plates::plate::Plate;
use crate::store::StoreError;
use varco_proto::cipher::{Key, OVERHEAD_BYTES};

/// Entries in a block.
const ENTRIES_A_BLOCK: usize = 256;
/// Bytes of a block before sealing; the last of a section may be shorter, and is filled up.
const BLOCK_BYTES: usize = ENTRIES_A_BLOCK * ENTRY_BYTES;
/// Ids in a block.
const IDS_A_BLOCK: usize = BLOCK_BYTES / 8;
/// Bytes of a block on the disk.
const SEALED_BYTES: usize = BLOCK_BYTES + OVERHEAD_BYTES;
/// The file's first bytes: what it is, and for how many rows and transits.
const HEADER_BYTES: usize = 8 + 4 + 4;
const MAGIC: &[u8; 8] = b"VARCOix1";

/// The index of the rows that an hour had when it was written.
#[derive(Debug)]
pub struct Sealed {
    file: File,
    path: PathBuf,
    hour: Partition,
    key: Arc<Key>,
    /// Rows up to this one are in it.
    rows: u32,
    /// How many transits it has.
    count: u32,
    /// First key of each block by plate.
    plates: Vec<(Plate, u32, u32)>,
    /// First key of each block by camera.
    cameras: Vec<(u32, u32, u32)>,
    /// Read when the hour still gets transits.
    ids: OnceLock<Vec<u64>>,
}

/// Which section a block belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Section {
    Plates,
    Cameras,
    Ids,
}

fn blocks_of(count: u32, a_block: usize) -> usize {
    usize::try_from(count)
        .unwrap_or(usize::MAX)
        .div_ceil(a_block)
}

impl Sealed {
    /// Writes the index of these entries, which it orders itself, and opens it. `path` has it whole or
    /// not at all.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn write(
        path: &Path,
        hour: Partition,
        key: &Arc<Key>,
        rows: u32,
        mut entries: Vec<Entry>,
        mut ids: Vec<u64>,
    ) -> Result<Self, StoreError> {
        let count = u32::try_from(entries.len()).unwrap_or(u32::MAX);
        ids.sort_unstable();
        let mut bytes = Vec::new();
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&rows.to_le_bytes());
        bytes.extend_from_slice(&count.to_le_bytes());
        let mut ordinal = 0_u32;
        let mut put = |plain: Vec<u8>| -> Result<(), StoreError> {
            let mut plain = plain;
            plain.resize(BLOCK_BYTES, 0);
            let sealed = key.seal(&place(hour, rows, ordinal), &plain);
            let sealed = sealed.map_err(|source| failed_to_seal(path, source))?;
            bytes.extend_from_slice(&sealed);
            ordinal += 1;
            Ok(())
        };
        entries.sort_unstable_by_key(Entry::plate_key);
        for block in entries.chunks(ENTRIES_A_BLOCK) {
            put(entry::to_bytes(block))?;
        }
        entries.sort_unstable_by_key(Entry::camera_key);
        for block in entries.chunks(ENTRIES_A_BLOCK) {
            put(entry::to_bytes(block))?;
        }
        for block in ids.chunks(IDS_A_BLOCK) {
            put(block.iter().flat_map(|id| id.to_le_bytes()).collect())?;
        }
        files::write_private(path, &bytes).map_err(|error| StoreError::File {
            doing: "write the index",
            path: path.to_owned(),
            source: std::io::Error::other(error),
        })?;
        Self::open(path, hour, key)
    }

    /// Opens an index.
    ///
    /// # Errors
    /// [`StoreError`]: it can be written anew from the rows.
    pub fn open(path: &Path, hour: Partition, key: &Arc<Key>) -> Result<Self, StoreError> {
        let failed = |source| StoreError::File {
            doing: "open the index",
            path: path.to_owned(),
            source,
        };
        let file = File::open(path).map_err(failed)?;
        let mut header = [0; HEADER_BYTES];
        file.read_exact_at(&mut header, 0).map_err(failed)?;
        let (magic, counts) = header.split_at(MAGIC.len());
        let (rows, count) = counts.split_at(4);
        let number = |bytes: &[u8]| bytes.try_into().map(u32::from_le_bytes).ok();
        let (Some(rows), Some(count), true) = (number(rows), number(count), magic == MAGIC) else {
            return Err(StoreError::Damaged { what: "index" });
        };
        let mut sealed = Self {
            file,
            path: path.to_owned(),
            hour,
            key: Arc::clone(key),
            rows,
            count,
            plates: Vec::new(),
            cameras: Vec::new(),
            ids: OnceLock::new(),
        };
        let blocks = blocks_of(count, ENTRIES_A_BLOCK);
        for block in 0..blocks {
            let first = |section| -> Result<Entry, StoreError> {
                let first = sealed.entries(section, block)?.from(0).next();
                first.ok_or(StoreError::Damaged { what: "index" })
            };
            let (plate, camera) = (first(Section::Plates)?, first(Section::Cameras)?);
            sealed.plates.push(plate.plate_key());
            sealed.cameras.push(camera.camera_key());
        }
        Ok(sealed)
    }

    /// Rows up to this one are in it.
    #[must_use]
    pub fn rows(&self) -> u32 {
        self.rows
    }

    /// How many transits it has.
    #[must_use]
    pub fn count(&self) -> u32 {
        self.count
    }

    /// Blocks that its entries take, in either order.
    #[must_use]
    pub fn blocks(&self) -> usize {
        blocks_of(self.count, ENTRIES_A_BLOCK)
    }

    fn block(&self, section: Section, block: usize) -> Result<Vec<u8>, StoreError> {
        let entry_blocks = blocks_of(self.count, ENTRIES_A_BLOCK);
        let before = match section {
            Section::Plates => 0,
            Section::Cameras => entry_blocks,
            Section::Ids => 2 * entry_blocks,
        };
        let damaged = StoreError::Damaged { what: "index" };
        let Ok(ordinal) = u32::try_from(before + block) else {
            return Err(damaged);
        };
        let start = u64::from(ordinal) * as_u64(SEALED_BYTES) + as_u64(HEADER_BYTES);
        let mut bytes = vec![0; SEALED_BYTES];
        self.file
            .read_exact_at(&mut bytes, start)
            .map_err(|source| StoreError::File {
                doing: "read the index",
                path: self.path.clone(),
                source,
            })?;
        let place = place(self.hour, self.rows, ordinal);
        let opened = self.key.open_within(&place, &mut bytes);
        let length = opened.map_err(|_| damaged)?.len();
        bytes.truncate(length);
        Ok(bytes)
    }

    /// A block of entries.
    pub(super) fn entries(&self, section: Section, block: usize) -> Result<EntryBlock, StoreError> {
        let all = usize::try_from(self.count).unwrap_or(usize::MAX);
        let here = all
            .saturating_sub(block * ENTRIES_A_BLOCK)
            .min(ENTRIES_A_BLOCK);
        EntryBlock::new(self.block(section, block)?, here)
    }

    /// The block by plate in which the entries of a folded plate begin, if it has any.
    pub(super) fn block_of_plate(&self, plate: &Plate) -> usize {
        let first = self.plates.partition_point(|key| key.0 < *plate);
        first.saturating_sub(1)
    }

    /// The block by camera in which the entries of a camera from an offset on begin, if it has any.
    pub(super) fn block_of_camera(&self, camera: u32, from_us: u32) -> usize {
        let from = (camera, from_us, 0);
        let first = self.cameras.partition_point(|key| *key < from);
        first.saturating_sub(1)
    }

    /// All entries, by plate.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn all(&self) -> Result<Vec<Entry>, StoreError> {
        let mut all = Vec::with_capacity(usize::try_from(self.count).unwrap_or(0));
        for block in 0..self.blocks() {
            all.extend(self.entries(Section::Plates, block)?.from(0));
        }
        Ok(all)
    }

    /// Whether a transit's id is in it, by its mark; without keeping all ids in memory.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn has_id(&self, mark: u64) -> Result<bool, StoreError> {
        if let Some(ids) = self.ids.get() {
            return Ok(ids.binary_search(&mark).is_ok());
        }
        let all = usize::try_from(self.count).unwrap_or(usize::MAX);
        let (mut from, mut to) = (0, blocks_of(self.count, IDS_A_BLOCK));
        while from < to {
            let middle = from.midpoint(to);
            let bytes = self.block(Section::Ids, middle)?;
            let numbers = bytes.chunks_exact(8).filter_map(|n| n.try_into().ok());
            let mut ids: Vec<u64> = numbers.map(u64::from_le_bytes).collect();
            ids.truncate(all.saturating_sub(middle * IDS_A_BLOCK));
            match (ids.first(), ids.last()) {
                (Some(first), _) if mark < *first => to = middle,
                (_, Some(last)) if mark > *last => from = middle + 1,
                _ => return Ok(ids.binary_search(&mark).is_ok()),
            }
        }
        Ok(false)
    }

    /// The tails of the transits' ids, ascending.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn ids(&self) -> Result<&[u64], StoreError> {
        if let Some(ids) = self.ids.get() {
            return Ok(ids);
        }
        let all = usize::try_from(self.count).unwrap_or(usize::MAX);
        let mut ids = Vec::with_capacity(all);
        for block in 0..blocks_of(self.count, IDS_A_BLOCK) {
            let bytes = self.block(Section::Ids, block)?;
            let numbers = bytes.chunks_exact(8).filter_map(|n| n.try_into().ok());
            ids.extend(numbers.map(u64::from_le_bytes));
        }
        ids.truncate(all);
        Ok(self.ids.get_or_init(|| ids))
    }
}

fn as_u64(bytes: usize) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX)
}

/// What a block is bound to: another hour's, an older index's, or another block does not open here.
fn place(hour: Partition, rows: u32, ordinal: u32) -> [u8; 21] {
    let mut place = [0; 21];
    let parts = [
        &b"index"[..],
        &hour.number().to_le_bytes(),
        &rows.to_le_bytes(),
        &ordinal.to_le_bytes(),
    ];
    for (to, from) in place.iter_mut().zip(parts.concat()) {
        *to = from;
    }
    place
}

fn failed_to_seal(path: &Path, source: varco_proto::cipher::CipherError) -> StoreError {
    StoreError::File {
        doing: "seal the index",
        path: path.to_owned(),
        source: std::io::Error::other(source),
    }
}

#[cfg(test)]
mod tests {
    use super::super::entry::tests::entry;
    use super::super::entry_block::IndexWalk;
    use super::*;
    use crate::plates::plate::{folded, plate_of, text_of};

    fn hour() -> Partition {
        "2026-11-22T13".parse().unwrap()
    }

    /// 2,000 transits of 500 plates at 7 cameras, a second apart.
    fn entries() -> Vec<Entry> {
        let one = |k: u32| {
            entry(
                &format!("AB{:03}CD", k * 7 % 500),
                k * 1_000_000,
                k + 1,
                k % 7,
            )
        };
        (0..2000).map(one).collect()
    }

    fn written(folder: &Path, key: &Arc<Key>) -> Sealed {
        let ids = (0..2000).rev().collect();
        Sealed::write(&folder.join("a"), hour(), key, 2000, entries(), ids).unwrap()
    }

    #[test]
    fn a_plate_and_a_camera_are_found_whole_and_alone() {
        let folder = tempfile::tempdir().unwrap();
        let key = Arc::new(Key::random().unwrap());
        let sealed = written(folder.path(), &key);
        let mut walk = IndexWalk::through(&sealed);
        for wanted in ["AB000CD", "AB123CD", "AB499CD"] {
            let mut found = Vec::new();
            let plate = folded(&plate_of(wanted));
            let read = walk.of_plate(&plate, |e| found.push(e.row)).unwrap();
            let mut all: Vec<_> = entries()
                .into_iter()
                .filter(|e| text_of(&e.plate) == wanted)
                .map(|e| e.row)
                .collect();
            all.sort_unstable();
            assert_eq!((found, read <= 2), (all, true));
        }
        let mut count = 0;
        walk.of_plate(&plate_of("ZZ999ZZ"), |_| count += 1).unwrap();
        assert_eq!(count, 0);
        let mut found = Vec::new();
        let window = 100_000_000..=1_500_000_000;
        walk.of_camera(3, window.clone(), |e| found.push(*e))
            .unwrap();
        let inside = |e: &Entry| e.camera == 3 && window.contains(&e.offset_us);
        assert_eq!(
            found,
            entries().into_iter().filter(inside).collect::<Vec<_>>()
        );
        assert_eq!(sealed.all().unwrap().len(), 2000);
        // Whatever block was opened before, each plate is found as by a walk of its own.
        for k in (0..500).map(|k| k * 77 % 500) {
            let plate = folded(&plate_of(&format!("AB{k:03}CD")));
            let (mut one, mut other) = (Vec::new(), Vec::new());
            walk.of_plate(&plate, |e| one.push(*e)).unwrap();
            let mut fresh = IndexWalk::through(&sealed);
            fresh.of_plate(&plate, |e| other.push(*e)).unwrap();
            assert_eq!((one.len(), one), (4, other), "{k}");
            if k % 50 == 0 {
                walk.of_camera(3, window.clone(), |_| ()).unwrap();
            }
        }
        for (id, is_there) in [
            (0, true),
            (1023, true),
            (1024, true),
            (1999, true),
            (2000, false),
        ] {
            assert_eq!(sealed.has_id(id).unwrap(), is_there, "{id}, from the disk");
        }
        assert_eq!(sealed.ids().unwrap(), (0..2000).collect::<Vec<_>>());
        assert!(sealed.has_id(1999).unwrap() && !sealed.has_id(2000).unwrap());
    }

    #[test]
    fn c66_part_the_file_tells_no_plate_and_opens_with_its_hours_key_alone() {
        let folder = tempfile::tempdir().unwrap();
        let key = Arc::new(Key::random().unwrap());
        written(folder.path(), &key);
        let path = folder.path().join("a");
        let bytes = std::fs::read(&path).unwrap();
        assert!(!bytes.windows(5).any(|w| w == b"AB123"));
        let other = Arc::new(Key::random().unwrap());
        assert!(Sealed::open(&path, hour(), &other).is_err());
        let next = Partition::from_number(hour().number() + 1);
        assert!(Sealed::open(&path, next, &key).is_err());
        for at in [3, 9, 100, bytes.len() - 1] {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            std::fs::write(&path, &changed).unwrap();
            let opened = Sealed::open(&path, hour(), &key);
            assert!(opened.and_then(|s| s.ids().map(drop)).is_err(), "{at}");
        }
    }

    #[test]
    fn an_hour_without_transits_has_an_index_too() {
        let folder = tempfile::tempdir().unwrap();
        let key = Arc::new(Key::random().unwrap());
        let path = folder.path().join("a");
        let sealed = Sealed::write(&path, hour(), &key, 0, Vec::new(), Vec::new()).unwrap();
        assert_eq!(
            (
                sealed.count(),
                IndexWalk::through(&sealed).each(|_| ()).unwrap_or(9)
            ),
            (0, 0),
            "no block"
        );
        assert!(sealed.ids().unwrap().is_empty());
    }
}
