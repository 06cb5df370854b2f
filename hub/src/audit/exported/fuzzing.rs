//! For the crate `fuzz`: the parts of a check that read what is in an exported folder.

use std::path::Path;

use super::checkpoints::Known;
use super::{Trusted, is_bundle, leaves, rows};
use crate::tlog::tree::TreeHash;

/// Whether a row of the lines can be read.
#[must_use]
pub fn row(bytes: &[u8]) -> bool {
    rows::row_of(bytes).is_some()
}

/// Holds checkpoints, the folder's own first, against leaves; gives how many hold and what is found.
#[must_use]
pub fn checkpoints(notes: &[&str], trusted: &Trusted, tree: &[TreeHash]) -> (usize, usize) {
    let mut known = Known::new(trusted);
    let mut notes = notes.iter();
    if let Some(own) = notes.next() {
        known.take_own(own);
    }
    notes.for_each(|note| known.take_text(note));
    let mut findings = Vec::new();
    // A folder without tiles: whatever size its checkpoint claims, the first is missing.
    let found = leaves(Path::new("/dev/null"), known.own_size(), &mut findings);
    let held = known.hold(tree);
    (
        held.held,
        held.findings.len() + findings.len() + found.len(),
    )
}

/// Whether bytes are the bundle of these leaves.
#[must_use]
pub fn bundle(bytes: &[u8], leaves: &[TreeHash]) -> bool {
    is_bundle(bytes, Some(leaves))
}
