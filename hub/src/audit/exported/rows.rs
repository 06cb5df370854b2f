//! The lines of an exported folder, each by itself: its text, its digest, its leaf, and the line before.

use std::collections::HashMap;
use std::thread;

use serde::Deserialize;
use varco_proto::envelope::pre_authentication_encoding;
use varco_proto::ids::Digest;
use varco_proto::keys::OpeningKey;
use varco_proto::time::UtcTime;

use crate::audit::action::{Action, ActionRead};
use crate::audit::ending::Endings;
use crate::audit::export::ExportedLine;
use crate::audit::exported::{Finding, Trusted, Wrong, count};
use crate::audit::{AuditLine, LINE_TYPE};
use crate::tlog::tree::TreeHash;

/// What is looked at of a line's text.
#[derive(Deserialize)]
struct Told {
    sequence: u64,
    previous: String,
    at: UtcTime,
    action: ActionRead,
}

/// A row that was read.
pub(super) struct ReadRow {
    sequence: u64,
    at: UtcTime,
    leaf: TreeHash,
    digest: [u8; 32],
    signature: [u8; 64],
    /// The signed bytes; none once its term was over.
    signed: Option<Vec<u8>>,
    /// The digest of the line before, as its text has it.
    previous: Option<String>,
    fault: Option<&'static str>,
    /// A line that tells which lines have ended.
    ending: Option<AuditLine>,
}

/// The rows of a folder.
pub(super) struct Rows {
    rows: Vec<ReadRow>,
    /// Rows that cannot be read, by their place in the file, from 1.
    unread: Vec<u64>,
    is_part: bool,
}

impl Rows {
    /// Reads them, on all cores.
    pub(super) fn read(file: &[u8], trusted: &Trusted) -> Self {
        let lines: Vec<&[u8]> = file.split(|byte| *byte == b'\n').collect();
        let lines = match lines.split_last() {
            Some((&[], rest)) => rest,
            _ => &lines[..],
        };
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let each = lines.len().div_ceil(cores).max(1);
        let read: Vec<Option<ReadRow>> = thread::scope(|scope| {
            let chunks = lines.chunks(each);
            let workers: Vec<_> = chunks
                .map(|chunk| {
                    scope.spawn(|| chunk.iter().map(|row| row_of(row)).collect::<Vec<_>>())
                })
                .collect();
            let joined = workers.into_iter();
            // A worker that panicked has read nothing of its rows.
            joined
                .flat_map(|worker| worker.join().unwrap_or_else(|_| vec![None]))
                .collect()
        });
        let (mut rows, mut unread) = (Vec::with_capacity(read.len()), Vec::new());
        for (at, row) in read.into_iter().enumerate() {
            match row {
                Some(row) => rows.push(row),
                None => unread.push(count(at) + 1),
            }
        }
        Self {
            rows,
            unread,
            is_part: trusted.is_part,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    pub(super) fn ended(&self) -> u64 {
        count(self.rows.iter().filter(|row| row.signed.is_none()).count())
    }

    /// Whether the rows are those of the first lines, one after the other.
    fn is_whole(&self) -> bool {
        let numbers = self.rows.iter().zip(1..);
        self.unread.is_empty()
            && numbers
                .into_iter()
                .all(|(row, number)| row.sequence == number)
    }

    /// The leaves of the tree: of the lines, where none is missing between them, else of the tiles.
    pub(super) fn leaves(&self, tiles: &[TreeHash]) -> Vec<TreeHash> {
        if self.is_part || !self.is_whole() {
            return tiles.to_vec();
        }
        self.rows.iter().map(|row| row.leaf).collect()
    }

    /// What is wrong with lines, by themselves and against the leaves of the tiles.
    pub(super) fn findings(&self, tiles: &[TreeHash], tree: &[TreeHash]) -> Vec<Finding> {
        let mut findings = Vec::new();
        for at in &self.unread {
            let what = format!("row {at} of the lines cannot be read");
            findings.push(Finding::of(Wrong::Damaged, *at, what));
        }
        let digests: HashMap<u64, &[u8; 32]> = self
            .rows
            .iter()
            .map(|row| (row.sequence, &row.digest))
            .collect();
        findings.extend(self.untold());
        let mut before = 0;
        for row in &self.rows {
            let line = row.sequence;
            if let Some(fault) = row.fault {
                let what = format!("line {line}: {fault}");
                findings.push(Finding::of(Wrong::Rewritten, line, what));
            }
            if line <= before {
                let what = format!("line {line} stands behind line {before}");
                findings.push(Finding::of(Wrong::Damaged, line, what));
            } else if line > before + 1 && !self.is_part {
                let (first, last) = (before + 1, line - 1);
                let what = format!("lines {first} to {last} are missing");
                findings.push(Finding::of(Wrong::Damaged, first, what));
            }
            before = line;
            let first = [0; 32];
            let digest = match line.checked_sub(1) {
                Some(0) => Some(&first),
                Some(above) => digests.get(&above).copied(),
                None => None,
            };
            if let (Some(previous), Some(digest)) = (&row.previous, digest)
                && *previous != hex::encode(digest)
            {
                let what = format!("line {line} does not follow line {}", line - 1);
                findings.push(Finding::of(Wrong::Rewritten, line, what));
            }
            let leaf = line
                .checked_sub(1)
                .and_then(|at| tiles.get(usize::try_from(at).ok()?));
            if leaf.is_some_and(|leaf| *leaf != row.leaf) {
                let what = format!("line {line} is not the one whose hash is in the tiles");
                findings.push(Finding::of(Wrong::Rewritten, line, what));
            }
        }
        if tree.len() < tiles.len() {
            let (there, were) = (tree.len(), tiles.len());
            let what = format!("cut behind line {there}: the tiles have {were}");
            findings.push(Finding::of(Wrong::Cut, count(there), what));
        }
        if tiles.len() < tree.len() {
            let (there, were) = (tiles.len(), tree.len());
            let what = format!("{were} lines are there, and the tiles have {there}");
            findings.push(Finding::of(Wrong::Damaged, count(there), what));
        }
        findings
    }

    /// Lines without a text, of which no line tells that their term was over.
    fn untold(&self) -> Vec<Finding> {
        let (mut endings, mut findings) = (Endings::default(), Vec::new());
        for row in &self.rows {
            match &row.ending {
                Some(line) => {
                    if let Err(fault) = endings.take(line) {
                        let what = format!("line {}: {fault}", row.sequence);
                        findings.push(Finding::of(Wrong::Rewritten, row.sequence, what));
                    }
                }
                None if row.signed.is_none() => {
                    // No line has a number that does not fit.
                    endings.ended(i64::try_from(row.sequence).unwrap_or(i64::MAX), row.at);
                }
                None => {}
            }
        }
        let untold = endings.untold().filter_map(|line| u64::try_from(line).ok());
        findings.extend(untold.map(|line| {
            let what = format!(
                "the text of line {line} is gone, and no line tells that its term was over"
            );
            Finding::of(Wrong::Rewritten, line, what)
        }));
        findings
    }

    /// Checks the own signatures of the lines behind `after`.
    pub(super) fn signatures(&self, after: u64, hub: &OpeningKey) -> Vec<Finding> {
        let rows = self.rows.iter().filter(|row| row.sequence > after);
        let rows: Vec<_> = rows.collect();
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let each = rows.len().div_ceil(cores).max(1);
        let bad = |row: &&&ReadRow| {
            let signed = row.signed.as_ref();
            signed.is_some_and(|signed| !hub.verifies(signed, &row.signature))
        };
        let of = |row: &&ReadRow| {
            let line = row.sequence;
            let what = format!("the hub's signature of line {line} does not hold");
            Finding::of(Wrong::BadSignature, line, what)
        };
        thread::scope(|scope| {
            let chunks = rows.chunks(each);
            let workers: Vec<_> = chunks
                .map(|chunk| {
                    scope.spawn(move || chunk.iter().filter(bad).map(of).collect::<Vec<_>>())
                })
                .collect();
            let broken = || {
                vec![Finding::whole(
                    Wrong::Damaged,
                    "signatures were not checked",
                )]
            };
            let joined = workers.into_iter();
            joined
                .flat_map(|worker| worker.join().unwrap_or_else(|_| broken()))
                .collect()
        })
    }
}

pub(super) fn row_of(row: &[u8]) -> Option<ReadRow> {
    let exported: ExportedLine = serde_json::from_slice(row).ok()?;
    let remains = exported.remains()?;
    let mut read = ReadRow {
        sequence: remains.sequence,
        at: remains.at,
        leaf: remains.leaf(),
        digest: remains.digest,
        signature: remains.signature,
        signed: None,
        previous: None,
        fault: None,
        ending: None,
    };
    let Some(text) = exported.line else {
        return Some(read);
    };
    let signed = pre_authentication_encoding(LINE_TYPE, text.as_bytes());
    if Digest::of(&signed).as_bytes() != &remains.digest {
        read.fault = Some("its digest is not that of its text");
    }
    match serde_json::from_str::<Told>(&text) {
        Ok(told) if told.sequence == remains.sequence && told.at == remains.at => {
            read.previous = Some(told.previous);
            if told.action.known() == Some(Action::AuditLinesEnded) {
                match serde_json::from_str(&text) {
                    Ok(line) => read.ending = Some(line),
                    Err(_) => read.fault = Some("its text is no audit line"),
                }
            }
        }
        Ok(_) => read.fault = Some("its number or its time is not that of its text"),
        Err(_) => read.fault = Some("its text is no audit line"),
    }
    read.signed = Some(signed);
    Some(read)
}
