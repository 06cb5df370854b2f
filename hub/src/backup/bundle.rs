//! What must stay secret, in one sealed file; and a database, sealed piece by piece.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Write};
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use varco_proto::time::UtcTime;

use super::BackupError;
use crate::cases::case::CaseId;
use crate::config::backup::BackupPlace;
use crate::hotlists::list::ListId;
use crate::machine::files;
use crate::opening::floor::Floor;
use varco_proto::cipher::Key;

/// Bytes of a piece before sealing.
const PIECE_BYTES: usize = 1024 * 1024;
/// What the keys file is bound to.
const PLACE: &[u8] = b"varco backup keys v1";

/// The hub's secrets, and the files that no hub is without.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Bundle {
    /// The home that it was made of.
    root: String,
    /// By path in the home.
    files: BTreeMap<String, Kept>,
    /// The keys of the hours that live, by the hour's number, wrapped by the store key, Base64.
    hours: BTreeMap<i64, String>,
    /// The keys of the cases that are open, as those of the hours.
    #[serde(default)]
    cases: BTreeMap<String, String>,
    /// The keys of the hotlists that are open, likewise.
    #[serde(default)]
    hotlists: BTreeMap<String, String>,
    /// What had ended.
    #[serde(default)]
    floor: Floor,
    /// When it was made, RFC 3339; empty in those of versions before.
    #[serde(default)]
    made_at: String,
}

/// A file of the home.
#[derive(Debug, Serialize, Deserialize)]
struct Kept {
    /// Whether only the hub's own user reads it.
    private: bool,
    /// Base64.
    bytes: String,
}

/// A file of the home, to be written again.
pub(super) struct HomeFile<'a> {
    /// Its path in the home.
    pub(super) name: &'a str,
    /// Whether only the hub's own user reads it.
    pub(super) private: bool,
    /// What it holds; none when that is damaged.
    pub(super) bytes: Option<Vec<u8>>,
}

impl Bundle {
    pub(super) fn of(root: &Path, floor: Floor, now: UtcTime) -> Self {
        Self {
            root: root.display().to_string(),
            files: BTreeMap::new(),
            hours: BTreeMap::new(),
            cases: BTreeMap::new(),
            hotlists: BTreeMap::new(),
            floor,
            made_at: now.to_string(),
        }
    }

    /// What had ended when it was made.
    pub(super) fn floor(&self) -> &Floor {
        &self.floor
    }

    /// When it was made.
    pub(super) fn made_at(&self) -> &str {
        &self.made_at
    }

    /// The home that it was made of.
    pub(super) fn root(&self) -> &str {
        &self.root
    }

    pub(super) fn add_file(&mut self, name: &str, private: bool, bytes: &[u8]) {
        let bytes = STANDARD.encode(bytes);
        self.files.insert(name.to_owned(), Kept { private, bytes });
    }

    pub(super) fn add_hour(&mut self, number: i64, wrapped: &[u8]) {
        self.hours.insert(number, STANDARD.encode(wrapped));
    }

    pub(super) fn add_case(&mut self, id: String, wrapped: &[u8]) {
        self.cases.insert(id, STANDARD.encode(wrapped));
    }

    pub(super) fn add_hotlist(&mut self, id: String, wrapped: &[u8]) {
        self.hotlists.insert(id, STANDARD.encode(wrapped));
    }

    /// The keys of cases; those that are damaged are none.
    pub(super) fn cases(&self) -> impl Iterator<Item = (CaseId, Vec<u8>)> {
        named(&self.cases)
    }

    /// The keys of hotlists; those that are damaged are none.
    pub(super) fn hotlists(&self) -> impl Iterator<Item = (ListId, Vec<u8>)> {
        named(&self.hotlists)
    }

    pub(super) fn files(&self) -> impl Iterator<Item = HomeFile<'_>> {
        self.files.iter().map(|(name, kept)| HomeFile {
            name,
            private: kept.private,
            bytes: STANDARD.decode(&kept.bytes).ok(),
        })
    }

    pub(super) fn hours(&self) -> impl Iterator<Item = (i64, Option<Vec<u8>>)> {
        let hours = self.hours.iter();
        hours.map(|(number, text)| (*number, STANDARD.decode(text).ok()))
    }

    pub(super) fn write(&self, place: &BackupPlace, key: &Key) -> Result<(), BackupError> {
        let path = place.keys_file();
        let plain = serde_json::to_vec(self).map_err(|_| BackupError::Damaged(path.clone()))?;
        files::write_private(&path, &key.seal(PLACE, &plain)?)?;
        Ok(())
    }

    pub(super) fn read(place: &BackupPlace, key: &Key) -> Result<Self, BackupError> {
        let path = place.keys_file();
        let sealed = files::read(&path)?;
        let plain = key
            .open(PLACE, &sealed)
            .map_err(|_| BackupError::Closed(path.clone()))?;
        serde_json::from_slice(&plain).map_err(|_| BackupError::Damaged(path))
    }
}

/// Whether bytes are the secrets of a backup, once opened, and whether they are written as they were; for the
/// crate `fuzz`.
#[cfg(feature = "fuzzing")]
#[must_use]
pub fn bundle_survives(plain: &[u8]) -> Option<bool> {
    let bundle: Bundle = serde_json::from_slice(plain).ok()?;
    let found = bundle.files().filter(|file| file.bytes.is_some()).count();
    let keys = bundle.hours().count() + bundle.cases().count() + bundle.hotlists().count();
    let most = bundle.files.len() + bundle.hours.len() + bundle.cases.len() + bundle.hotlists.len();
    let written = serde_json::to_vec(&bundle).ok()?;
    let again: Bundle = serde_json::from_slice(&written).ok()?;
    let same = serde_json::to_vec(&again).ok()? == written;
    Some(same && found + keys <= most)
}

fn named(keys: &BTreeMap<String, String>) -> impl Iterator<Item = (ListId, Vec<u8>)> {
    let key =
        |(id, text): (&String, &String)| Some((id.parse().ok()?, STANDARD.decode(text).ok()?));
    keys.iter().filter_map(key)
}

fn copying(doing: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> BackupError {
    let path = path.to_owned();
    move |source| BackupError::Copy {
        doing,
        path,
        source,
    }
}

/// Bound to its number, and the last to being the last, so that no piece can be left out.
fn piece_place(number: u64, last: bool) -> Vec<u8> {
    format!("varco backup main v1 {number} {last}").into_bytes()
}

/// Fills a buffer as far as the file goes.
fn fill(from: &mut impl Read) -> std::io::Result<Vec<u8>> {
    let mut piece = Vec::with_capacity(PIECE_BYTES);
    let most = u64::try_from(PIECE_BYTES).unwrap_or(u64::MAX);
    from.take(most).read_to_end(&mut piece)?;
    Ok(piece)
}

/// Seals a file into another, which appears whole or not at all.
pub(super) fn seal_file(key: &Key, from: &Path, to: &Path) -> Result<(), BackupError> {
    let fresh = to.with_extension("new");
    let mut reader = BufReader::new(File::open(from).map_err(copying("read", from))?);
    let mut writer = BufWriter::new(File::create(&fresh).map_err(copying("write", &fresh))?);
    let mut piece = fill(&mut reader).map_err(copying("read", from))?;
    let mut number = 0;
    loop {
        let next = fill(&mut reader).map_err(copying("read", from))?;
        let last = next.is_empty();
        let sealed = key.seal(&piece_place(number, last), &piece)?;
        let length = u32::try_from(sealed.len())
            .unwrap_or(u32::MAX)
            .to_le_bytes();
        writer
            .write_all(&length)
            .map_err(copying("write", &fresh))?;
        writer
            .write_all(&sealed)
            .map_err(copying("write", &fresh))?;
        if last {
            break;
        }
        (piece, number) = (next, number + 1);
    }
    let file = writer.into_inner().map_err(|error| error.into_error());
    let file = file.map_err(copying("write", &fresh))?;
    file.sync_all().map_err(copying("write", &fresh))?;
    std::fs::rename(&fresh, to).map_err(copying("write", to))
}

/// Opens what [`seal_file`] sealed.
pub(super) fn open_file(key: &Key, from: &Path, to: &Path) -> Result<(), BackupError> {
    let closed = || BackupError::Closed(from.to_owned());
    let bytes = File::open(from).map_err(copying("read", from))?;
    let mut reader = BufReader::new(bytes);
    let mut writer = BufWriter::new(File::create(to).map_err(copying("write", to))?);
    let mut length = [0; 4];
    reader.read_exact(&mut length).map_err(|_| closed())?;
    for number in 0.. {
        let size = usize::try_from(u32::from_le_bytes(length)).unwrap_or(usize::MAX);
        if size > 2 * PIECE_BYTES {
            return Err(closed());
        }
        let mut sealed = vec![0; size];
        reader.read_exact(&mut sealed).map_err(|_| closed())?;
        let more = reader.read(&mut length).map_err(copying("read", from))?;
        if more > 0 {
            let rest = length.get_mut(more..).unwrap_or_default();
            reader.read_exact(rest).map_err(|_| closed())?;
        }
        let last = more == 0;
        let plain = key.open(&piece_place(number, last), &sealed);
        let plain = plain.map_err(|_| closed())?;
        writer.write_all(&plain).map_err(copying("write", to))?;
        if last {
            break;
        }
    }
    writer.flush().map_err(copying("write", to))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sealed_file_opens_whole_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let key = Key::random().unwrap();
        for size in [0, 1, PIECE_BYTES, 2 * PIECE_BYTES + 7] {
            let plain: Vec<u8> = (0..=250).cycle().take(size).collect();
            std::fs::write(path("plain"), &plain).unwrap();
            seal_file(&key, &path("plain"), &path("sealed")).unwrap();
            open_file(&key, &path("sealed"), &path("again")).unwrap();
            assert_eq!(std::fs::read(path("again")).unwrap(), plain);
            let sealed = std::fs::read(path("sealed")).unwrap();
            // Without its last piece it must not pass for a shorter file.
            let cut = sealed
                .len()
                .saturating_sub(if size > PIECE_BYTES { 40 } else { 1 });
            std::fs::write(path("cut"), &sealed[..cut]).unwrap();
            assert!(open_file(&key, &path("cut"), &path("again")).is_err());
        }
        let whole = std::fs::read(path("sealed")).unwrap();
        let first = 4 + PIECE_BYTES + varco_proto::cipher::OVERHEAD_BYTES;
        std::fs::write(path("cut"), &whole[..2 * first]).unwrap();
        assert!(
            open_file(&key, &path("cut"), &path("again")).is_err(),
            "a piece is missing"
        );
    }
}
