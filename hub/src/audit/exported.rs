//! Checking an exported audit where there is no hub: with the public keys, and with what a witness or an earlier
//! export has. It says what is wrong, and where.

mod checkpoints;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod rows;

use std::path::{Path, PathBuf};

use serde::Serialize;
use thiserror::Error;
use varco_proto::keys::OpeningKey;

use crate::audit::export::{CHECKPOINT_FILE, COSIGNED_FILE, LINES_FILE, TILE_FOLDER};
use crate::audit::log::origin;
use crate::tlog::note::{Note, NoteKey};
use crate::tlog::tile::{TileKind, TreeTile, hashes_of};
use crate::tlog::tree::{Frontier, TreeHash};
use checkpoints::Known;
use rows::Rows;

/// The folder cannot be checked at all; that is no clean bill.
#[derive(Debug, Error)]
pub enum FolderError {
    /// A file is missing or not readable.
    #[error("cannot read `{path}`")]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The log's key is not that of a log.
    #[error("`{0}` is the key of a witness, not of a log")]
    NotALog(String),
}

/// What the checker knows by itself, and believes.
#[derive(Debug, Clone)]
pub struct Trusted {
    /// The log's key.
    pub log: NoteKey,
    /// The hub's key, which signs each line.
    pub hub: OpeningKey,
    /// The witnesses, each of which must have cosigned.
    pub witnesses: Vec<NoteKey>,
    /// Checkpoints from a witness, or noted before.
    pub checkpoints: Vec<Note>,
    /// An earlier export: by its leaves a fork is named to the line.
    pub earlier: Option<PathBuf>,
    /// Lines may be missing from the folder, as it is a part.
    pub is_part: bool,
    /// Each line's own signature is checked too. Without it those of lines in a signed checkpoint are not: the
    /// log signed their leaves.
    pub each_signature: bool,
}

/// What is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Wrong {
    /// A line is not the one that was logged.
    Rewritten,
    /// Lines at the end are missing.
    Cut,
    /// From some line on the log is another than the one that was cosigned or exported before.
    Forked,
    /// A signature does not hold, or is missing.
    BadSignature,
    /// A witness has cosigned nothing of it.
    MissingWitness,
    /// A line, a tile or a bundle is missing, or cannot be read.
    Damaged,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What.
    pub wrong: Wrong,
    /// The line: the one that is wrong; of a cut the last that is there; of a fork the last that is known to be
    /// as it was, 0 for none.
    pub line: Option<u64>,
    /// In words.
    pub what: String,
}

impl Finding {
    fn of(wrong: Wrong, line: u64, what: impl Into<String>) -> Self {
        Self {
            wrong,
            line: Some(line),
            what: what.into(),
        }
    }

    fn whole(wrong: Wrong, what: impl Into<String>) -> Self {
        Self {
            wrong,
            line: None,
            what: what.into(),
        }
    }
}

/// Most findings of one kind that are told: who has changed all lines need not read of each.
const FINDINGS_MAX: usize = 100;

/// What was checked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FolderCheck {
    /// Whether nothing is wrong.
    pub intact: bool,
    /// The log.
    pub origin: String,
    /// Lines of the tree, by its leaves.
    pub size: u64,
    /// Lines in the folder.
    pub lines: u64,
    /// Of them, those whose term was over.
    pub ended: u64,
    /// Checkpoints that hold.
    pub checkpoints: usize,
    /// The last line that every witness has cosigned; what comes after it no witness has seen.
    pub witnessed: u64,
    /// What is wrong.
    pub findings: Vec<Finding>,
}

fn read(path: PathBuf) -> Result<Vec<u8>, FolderError> {
    std::fs::read(&path).map_err(|source| FolderError::Read { path, source })
}

/// Checks an exported folder.
///
/// # Errors
/// [`FolderError`] when the check cannot be made.
pub fn check(folder: &Path, trusted: &Trusted) -> Result<FolderCheck, FolderError> {
    if trusted.log.kind() != crate::tlog::note::NoteKind::Log {
        return Err(FolderError::NotALog(trusted.log.to_string()));
    }
    let mut findings = Vec::new();
    if trusted.log.name() != origin(&trusted.hub) {
        let what = "the log's key and the hub's key are of two hubs";
        findings.push(Finding::whole(Wrong::BadSignature, what));
    }
    let own = String::from_utf8_lossy(&read(folder.join(CHECKPOINT_FILE))?).into_owned();
    let cosigned: Result<Vec<String>, _> =
        serde_json::from_slice(&read(folder.join(COSIGNED_FILE))?);
    let cosigned = cosigned.unwrap_or_else(|_| {
        let what = format!("`{COSIGNED_FILE}` cannot be read");
        findings.push(Finding::whole(Wrong::Damaged, what));
        Vec::new()
    });
    let mut known = Known::new(trusted);
    known.take_own(&own);
    cosigned.iter().for_each(|note| known.take_text(note));
    trusted.checkpoints.iter().for_each(|note| known.take(note));
    let rows = Rows::read(&read(folder.join(LINES_FILE))?, trusted);
    // The tree of the folder: its size is that of its own checkpoint, as far as there are leaves.
    let leaves = leaves(folder, known.own_size(), &mut findings);
    let tree = rows.leaves(&leaves);
    findings.extend(rows.findings(&leaves, &tree));
    let held = known.hold(&tree);
    findings.extend(held.findings);
    if let Some(earlier) = &trusted.earlier {
        findings.extend(against_earlier(earlier, trusted, &tree)?);
    }
    let unsigned = if trusted.each_signature {
        0
    } else {
        held.signed
    };
    findings.extend(rows.signatures(unsigned, &trusted.hub));
    tiles(folder, &tree, &mut findings);
    findings.sort_by_key(|finding| (finding.wrong, finding.line));
    findings.dedup();
    let mut told = std::collections::HashMap::new();
    findings.retain(|finding| {
        let count = told.entry(finding.wrong).or_insert(0);
        *count += 1;
        *count <= FINDINGS_MAX
    });
    Ok(FolderCheck {
        intact: findings.is_empty(),
        origin: trusted.log.name().to_owned(),
        size: count(tree.len()),
        lines: count(rows.len()),
        ended: rows.ended(),
        checkpoints: held.held,
        witnessed: held.witnessed,
        findings,
    })
}

fn count(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX) // No memory has more.
}

/// The leaves of the tiles, as far as they are there.
fn leaves(folder: &Path, size: u64, findings: &mut Vec<Finding>) -> Vec<TreeHash> {
    let mut leaves = Vec::new();
    for tile in TreeTile::of_leaves(size) {
        let bytes = std::fs::read(folder.join(TILE_FOLDER).join(tile.to_string())).ok();
        let hashes = bytes.and_then(|bytes| hashes_of(&bytes).ok());
        let Some(hashes) = hashes.filter(|hashes| count(hashes.len()) == tile.width) else {
            let what = format!("tile {tile} is missing or damaged");
            findings.push(Finding::of(Wrong::Damaged, tile.begins() + 1, what));
            break;
        };
        leaves.extend(hashes);
    }
    leaves
}

/// Holds the tree against the leaves of an earlier export, whose own checkpoints must hold.
fn against_earlier(
    earlier: &Path,
    trusted: &Trusted,
    tree: &[TreeHash],
) -> Result<Vec<Finding>, FolderError> {
    let own = String::from_utf8_lossy(&read(earlier.join(CHECKPOINT_FILE))?).into_owned();
    let mut findings = Vec::new();
    let mut known = Known::new(trusted);
    known.take_own(&own);
    let before = leaves(earlier, known.own_size(), &mut findings);
    let held = known.hold(&before);
    let held = held.findings.into_iter();
    // Whoever kept it needs no witness for it.
    findings.extend(held.filter(|one| one.wrong != Wrong::MissingWitness));
    if !findings.is_empty() {
        let what = "the earlier export does not hold by itself: nothing is said by it";
        return Ok(vec![Finding::whole(Wrong::Damaged, what)]);
    }
    let differs = before.iter().zip(tree).position(|(was, is)| was != is);
    if let Some(at) = differs {
        let line = count(at);
        let what = format!("line {} is not the one that was exported before", line + 1);
        findings.push(Finding::of(Wrong::Forked, line, what));
    } else if tree.len() < before.len() {
        let (is, was) = (tree.len(), before.len());
        let what = format!("cut behind line {is}: there were {was} when it was exported before");
        findings.push(Finding::of(Wrong::Cut, count(is), what));
    }
    Ok(findings)
}

/// Holds the higher tiles and the bundles against the leaves.
fn tiles(folder: &Path, tree: &[TreeHash], findings: &mut Vec<Finding>) {
    let mut damaged = |tile: &TreeTile| {
        let what = format!("tile {tile} is not that of the lines");
        findings.push(Finding::whole(Wrong::Damaged, what));
    };
    let mut level = tree.to_vec();
    let mut of_level = 0;
    for tile in TreeTile::all(count(tree.len())) {
        let path = folder.join(TILE_FOLDER).join(tile.to_string());
        let bytes = std::fs::read(path).ok();
        let holds = match tile.kind {
            // Of the leaves themselves, `Rows::findings` says which line is wrong.
            TileKind::Hashes(0) => true,
            TileKind::Hashes(number) => {
                while of_level < number {
                    level = above(&level);
                    of_level += 1;
                }
                let hashes = bytes.and_then(|bytes| hashes_of(&bytes).ok());
                hashes.as_deref() == slice(&level, &tile)
            }
            TileKind::Entries => bytes.is_some_and(|bytes| is_bundle(&bytes, slice(tree, &tile))),
        };
        if !holds {
            damaged(&tile);
        }
    }
}

fn slice<'a>(hashes: &'a [TreeHash], tile: &TreeTile) -> Option<&'a [TreeHash]> {
    let begin = usize::try_from(tile.begins()).ok()?;
    let width = usize::try_from(tile.width).ok()?;
    hashes.get(begin..begin.checked_add(width)?)
}

/// The hashes of the next level of tiles: of each 256 one.
fn above(level: &[TreeHash]) -> Vec<TreeHash> {
    let (whole, _) = level.as_chunks::<256>();
    let of = |hashes: &[TreeHash; 256]| {
        let mut frontier = Frontier::default();
        hashes.iter().for_each(|hash| frontier.push(*hash));
        frontier.root()
    };
    whole.iter().map(of).collect()
}

/// Whether a bundle has the entries of these leaves.
fn is_bundle(bytes: &[u8], leaves: Option<&[TreeHash]>) -> bool {
    const LENGTH: [u8; 2] = [0, 32];
    let (entries, rest) = bytes.as_chunks::<34>();
    let leaf = |entry: &[u8; 34]| {
        let entry = entry.strip_prefix(&LENGTH[..])?;
        Some(TreeHash::of_leaf(entry))
    };
    let found: Option<Vec<_>> = entries.iter().map(leaf).collect();
    rest.is_empty() && found.as_deref() == leaves
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tlog::note::NoteKind;
    use crate::tlog::tree::LEAVES_MAX;

    #[test]
    fn a_checkpoint_that_claims_a_tree_of_any_size_is_a_finding_and_costs_no_memory() {
        let folder = tempfile::tempdir().unwrap();
        let hub = OpeningKey::from_bytes(&[7; 32]).unwrap();
        let trusted = Trusted {
            log: NoteKey::new(&origin(&hub), NoteKind::Log, hub).unwrap(),
            hub,
            witnesses: Vec::new(),
            checkpoints: Vec::new(),
            earlier: None,
            is_part: false,
            each_signature: true,
        };
        let (name, root) = (trusted.log.name(), TreeHash::EMPTY);
        let line = "\u{2014} x AAAAAAAA\n";
        let note = format!("{name}\n{LEAVES_MAX}\n{root}\n\n{line}");
        for (file, text) in [
            (CHECKPOINT_FILE, note.as_str()),
            (COSIGNED_FILE, "[]"),
            (LINES_FILE, ""),
        ] {
            std::fs::write(folder.path().join(file), text).unwrap();
        }
        let check = check(folder.path(), &trusted).unwrap();
        let found = |wrong| check.findings.iter().any(|one| one.wrong == wrong);
        assert!(found(Wrong::Damaged) && found(Wrong::BadSignature));
        assert!(!check.intact);
    }
}
