//! The chain's head, written down a second time beside the database.
//!
//! A database that lost its end still opens, at an earlier head; going on from there would put a
//! second record into a place that the hub has seen. The head is written here after each commit,
//! in two slots in turn, so that a torn write spoils one at most.

use std::fs::File;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use varco_proto::ids::Digest;
use varco_proto::record::ChainHead;

use super::owner::Owner;
use crate::adapters::vault::AadPlace;

/// Each slot lies in a page of the disk of its own.
const SLOT_BYTES: u64 = 4096;
/// A sequence, a digest, a nonce and a tag.
const SEALED_BYTES: usize = 8 + 32 + 12 + 16;

/// See the module.
#[derive(Debug)]
pub(super) struct Witness {
    file: File,
    path: PathBuf,
}

impl Witness {
    pub(super) fn open(folder: &Path) -> std::io::Result<Self> {
        let path = folder.join("spool.head");
        let file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)?;
        Ok(Self { file, path })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The head last written; none when none ever was.
    ///
    /// # Errors
    /// Something is written, and nothing of it can be believed.
    pub(super) fn read(&self, owner: &Owner) -> Result<Option<ChainHead>, ()> {
        let mut bytes = [0; SEALED_BYTES];
        let mut newest: Option<ChainHead> = None;
        let mut is_written = false;
        for slot in 0..2 {
            if self
                .file
                .read_exact_at(&mut bytes, slot * SLOT_BYTES)
                .is_err()
            {
                continue;
            }
            if bytes.iter().all(|byte| *byte == 0) {
                continue;
            }
            is_written = true;
            let head = owner
                .cipher
                .open(place(owner, slot), &bytes)
                .and_then(|clear| parse(&clear));
            if head.is_some_and(|head| newest.is_none_or(|n| n.sequence < head.sequence)) {
                newest = head;
            }
        }
        if is_written && newest.is_none() {
            return Err(());
        }
        Ok(newest)
    }

    pub(super) fn write(&self, owner: &Owner, head: ChainHead) -> std::io::Result<()> {
        let slot = head.sequence % 2;
        let clear = [
            &head.sequence.to_be_bytes()[..],
            &head.digest.as_bytes()[..],
        ]
        .concat();
        let sealed = owner
            .cipher
            .seal(place(owner, slot), &clear)
            .map_err(std::io::Error::other)?;
        self.file.write_all_at(&sealed, slot * SLOT_BYTES)?;
        self.file.sync_data()
    }
}

fn place(owner: &Owner, slot: u64) -> AadPlace<'_> {
    AadPlace {
        edge: &owner.edge,
        table: "head",
        sequence: slot,
    }
}

fn parse(clear: &[u8]) -> Option<ChainHead> {
    let (sequence, digest) = clear.split_first_chunk::<8>()?;
    Some(ChainHead {
        sequence: u64::from_be_bytes(*sequence),
        digest: Digest::try_from(digest).ok()?,
    })
}
