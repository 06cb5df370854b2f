//! The audit in a folder that is checked on another machine, with the public keys alone
//! ([`crate::audit::exported`]).

use std::fs::{self, File};
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use thiserror::Error;
use varco_proto::keys::SealingKey;
use varco_proto::time::UtcTime;

use crate::audit::log::{self, LogError, Remains, StoredTree};
use crate::audit::reading::{self, StoredLine};
use crate::machine::files::{self, FileError};
use crate::store::StoreError;
use crate::store::sql::Connection;
use crate::tlog::checkpoint::Checkpoint;
use crate::tlog::tile::{TileKind, TreeTile, bundle};

/// The lines, one a row.
pub const LINES_FILE: &str = "lines.jsonl";
/// The newest checkpoint.
pub const CHECKPOINT_FILE: &str = "checkpoint";
/// The checkpoints that witnesses cosigned, as an array of notes.
pub const COSIGNED_FILE: &str = "cosigned.json";
/// Tiles and bundles of entries.
pub const TILE_FOLDER: &str = "tile";
/// The public keys, for whoever has noted none: they prove nothing by themselves.
pub const KEYS_FILE: &str = "keys.json";

/// The audit was not exported; what was begun is no export.
#[derive(Debug, Error)]
pub enum ExportError {
    /// The folder has something already: name an empty or a new one.
    #[error("`{0}` is not empty: name a new folder")]
    NotEmpty(PathBuf),
    /// A file.
    #[error("cannot write `{path}`")]
    Write {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The folder.
    #[error(transparent)]
    File(#[from] FileError),
    /// The log.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A line cannot be put into words; a bug.
    #[error("cannot write an exported line")]
    Encode(#[from] serde_json::Error),
}

/// A line as a row of the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExportedLine {
    /// From 1.
    pub sequence: u64,
    /// When it was written.
    pub at: UtcTime,
    /// SHA-256 of its signed text, hexadecimal.
    pub digest: String,
    /// The hub's signature, hexadecimal.
    pub signature: String,
    /// The signed text; null once its term was over.
    pub line: Option<String>,
}

impl ExportedLine {
    /// Of a stored line.
    #[must_use]
    pub fn of(stored: StoredLine) -> Self {
        let Remains {
            sequence,
            at,
            digest,
            signature,
        } = stored.remains;
        Self {
            sequence,
            at,
            digest: hex::encode(digest),
            signature: hex::encode(signature),
            line: stored.text,
        }
    }

    /// What stays of it; none when it is not of this form.
    #[must_use]
    pub fn remains(&self) -> Option<Remains> {
        let mut remains = Remains {
            sequence: self.sequence,
            at: self.at,
            digest: [0; 32],
            signature: [0; 64],
        };
        hex::decode_to_slice(&self.digest, &mut remains.digest).ok()?;
        hex::decode_to_slice(&self.signature, &mut remains.signature).ok()?;
        Some(remains)
    }
}

/// The public keys of an export.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExportKeys {
    /// Checks checkpoints.
    pub log_key: String,
    /// Checks lines, 64 hexadecimal digits.
    pub hub_key: String,
}

/// What was exported.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Exported {
    /// Where.
    pub folder: PathBuf,
    /// Lines of the log.
    pub size: u64,
    /// Of them, those in the folder.
    pub lines: u64,
    /// Tiles and bundles.
    pub tiles: usize,
    /// Checkpoints that witnesses cosigned.
    pub cosigned: usize,
    /// The log's public key.
    pub log_key: String,
    /// The hub's public key.
    pub hub_key: String,
}

/// Writes the audit into a new folder: all lines, or those that `takes` takes. `main` is one view of the
/// database.
///
/// # Errors
/// [`ExportError`].
pub fn export(
    main: &Connection,
    key: &SealingKey,
    folder: &Path,
    mut takes: impl FnMut(&StoredLine) -> Result<bool, StoreError>,
) -> Result<Exported, ExportError> {
    let is_used = fs::read_dir(folder).is_ok_and(|mut found| found.next().is_some());
    if is_used {
        return Err(ExportError::NotEmpty(folder.to_owned()));
    }
    files::make_private_folder(folder)?;
    let size = log::size(main)?;
    let lines_file = folder.join(LINES_FILE);
    let written = |source| ExportError::Write {
        path: lines_file.clone(),
        source,
    };
    let mut out = BufWriter::new(File::create(&lines_file).map_err(written)?);
    let (mut lines, mut entries) = (0, Vec::new());
    reading::each(main, size, |line| -> Result<(), ExportError> {
        entries.push(line.remains.entry());
        if !takes(&line)? {
            return Ok(());
        }
        lines += 1;
        serde_json::to_writer(&mut out, &ExportedLine::of(line))?;
        out.write_all(b"\n").map_err(written)
    })?;
    out.flush().map_err(written)?;
    let tiles = tiles(main, folder, size, &entries)?;
    let cosigned = log::cosigned(main)?;
    let mut checkpoint = log::checkpoint_at(main, key, size)?;
    // The same tree, with the witnesses' signatures.
    if let Some(last) = cosigned.last()
        && Checkpoint::of(last).is_ok_and(|last| last.head.size == size)
    {
        checkpoint = last.clone();
    }
    let keys = ExportKeys {
        log_key: log::public_key(key)?.to_string(),
        hub_key: key.opening_key().to_string(),
    };
    let texts: Vec<_> = cosigned.iter().map(ToString::to_string).collect();
    write(folder, CHECKPOINT_FILE, checkpoint.to_string().as_bytes())?;
    write(folder, COSIGNED_FILE, &serde_json::to_vec_pretty(&texts)?)?;
    write(folder, KEYS_FILE, &serde_json::to_vec_pretty(&keys)?)?;
    Ok(Exported {
        folder: folder.to_owned(),
        size,
        lines,
        tiles,
        cosigned: cosigned.len(),
        log_key: keys.log_key,
        hub_key: keys.hub_key,
    })
}

fn tiles(
    main: &Connection,
    folder: &Path,
    size: u64,
    entries: &[[u8; 32]],
) -> Result<usize, ExportError> {
    let stored = StoredTree::of(main);
    let all = TreeTile::all(size);
    for tile in &all {
        let bytes = match tile.kind {
            TileKind::Hashes(_) => tile.hashes(&stored).map_err(LogError::from)?,
            TileKind::Entries => bundle(of_tile(entries, tile)).map_err(LogError::from)?,
        };
        write(folder, &format!("{TILE_FOLDER}/{tile}"), &bytes)?;
    }
    Ok(all.len())
}

fn of_tile<'a>(entries: &'a [[u8; 32]], tile: &TreeTile) -> &'a [[u8; 32]] {
    let begin = usize::try_from(tile.begins()).ok();
    let end = usize::try_from(tile.begins() + tile.width).ok();
    let range = begin.zip(end).map(|(begin, end)| begin..end);
    // A tile whose lines are gone is written empty, and does not hold.
    range.and_then(|range| entries.get(range)).unwrap_or(&[])
}

fn write(folder: &Path, name: &str, bytes: &[u8]) -> Result<(), ExportError> {
    let path = folder.join(name);
    if let Some(above) = path.parent() {
        files::make_private_folder(above)?;
    }
    fs::write(&path, bytes).map_err(|source| ExportError::Write { path, source })
}
