//! Room that only the end of transits may use: a file that is filled ahead, and emptied for it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{FallocateFlags, fallocate};

use crate::machine::files;
use crate::store::StoreError;

/// What is kept: hundreds of hours end with it.
const BYTES_MAX: u64 = 32 * 1024 * 1024;
/// On a small disk it is such a part of it, and at least so much.
const PART: u64 = 16;
const BYTES_MIN: u64 = 1024 * 1024;
/// Written at once where the disk does not reserve.
const CHUNK: usize = 64 * 1024;

/// See the module. Several hubs of one home share the file, so that its size is the truth.
#[derive(Debug)]
pub struct Reserve {
    file: PathBuf,
    /// Whether this process keeps it: the running hub does, commands do not.
    kept: AtomicBool,
}

impl Reserve {
    /// In a file of the home.
    #[must_use]
    pub fn at(file: PathBuf) -> Self {
        Self {
            file,
            kept: AtomicBool::new(false),
        }
    }

    /// Before the databases are opened, which needs room too: gives the reserve away when the disk is
    /// full.
    pub fn open_up(&self) {
        if self.is_short() && self.is_laid() {
            tracing::error!("the disk is full: the reserve is given to what is past its term");
            self.release();
        }
    }

    /// Keeps it from now on.
    pub fn keep(&self) {
        self.kept.store(true, Ordering::Relaxed);
        // Laid anew, it would give its room away for a moment.
        if self.is_laid() {
            return;
        }
        if let Err(error) = self.lay() {
            tracing::error!(error = %error, "there is no room for the reserve: nothing is taken in");
        }
    }

    /// Whether intake may write: not while the reserve is given away and cannot be laid again.
    ///
    /// # Errors
    /// [`StoreError::File`]: there is no room; try again later.
    pub fn spare(&self) -> Result<(), StoreError> {
        if !self.is_missing() {
            return Ok(());
        }
        self.lay().map_err(|source| StoreError::File {
            doing: "take transits in until there is room on the disk for",
            path: self.file.clone(),
            source,
        })
    }

    /// Does what ends transits. When it fails and the disk is full, the reserve is given to it, and it is
    /// done again.
    ///
    /// # Errors
    /// Those of `act`.
    pub fn lend<T, E: std::fmt::Display>(
        &self,
        mut act: impl FnMut() -> Result<T, E>,
    ) -> Result<T, E> {
        match act() {
            Err(error) if self.is_kept() && self.is_laid() && self.is_short() => {
                tracing::error!(
                    error = %error,
                    "the disk is full: the reserve is given to what is past its term, and nothing is \
                     taken in until there is room; make room"
                );
                self.release();
                act()
            }
            other => other,
        }
    }

    /// Lays it again when there is room.
    pub fn lay_again(&self) {
        if self.is_missing() {
            match self.lay() {
                Ok(()) => tracing::warn!("there is room again: the reserve is laid"),
                Err(error) => {
                    tracing::error!(error = %error, "there is no room for the reserve; make room");
                }
            }
        }
    }

    /// Whether this process keeps it and it is not there, so that nothing is taken in.
    #[must_use]
    pub fn is_missing(&self) -> bool {
        self.is_kept() && !self.is_laid()
    }

    /// Whether it is there, whole.
    #[must_use]
    pub fn is_laid(&self) -> bool {
        let size = fs::metadata(&self.file).map_or(0, |found| found.len());
        self.bytes().is_ok_and(|bytes| size >= bytes)
    }

    fn is_kept(&self) -> bool {
        self.kept.load(Ordering::Relaxed)
    }

    /// Whether the disk has less than the reserve; when that cannot be told, it has.
    fn is_short(&self) -> bool {
        let free = files::free_bytes(self.folder());
        self.bytes()
            .is_ok_and(|bytes| free.map_or(true, |free| free < bytes))
    }

    fn folder(&self) -> &Path {
        self.file.parent().unwrap_or(Path::new("."))
    }

    fn bytes(&self) -> io::Result<u64> {
        let disk = rustix::fs::statvfs(self.folder())?;
        let all = disk.f_blocks.saturating_mul(disk.f_frsize);
        Ok((all / PART).clamp(BYTES_MIN, BYTES_MAX))
    }

    fn lay(&self) -> io::Result<()> {
        let bytes = self.bytes()?;
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        let file = options.open(&self.file)?;
        let laid = fill(&file, bytes).and_then(|()| file.sync_all());
        if laid.is_err() {
            // Half a reserve would only take room.
            self.release();
        }
        laid
    }

    fn release(&self) {
        let emptied = OpenOptions::new().write(true).open(&self.file);
        let emptied = emptied.and_then(|file| file.set_len(0).and_then(|()| file.sync_all()));
        if let Err(error) = emptied {
            tracing::error!(error = %error, "the reserve cannot be given away");
        }
    }
}

fn fill(mut file: &File, bytes: u64) -> io::Result<()> {
    match fallocate(file, FallocateFlags::empty(), 0, bytes).map_err(io::Error::from) {
        Err(error) if error.kind() == ErrorKind::Unsupported => {}
        other => return other,
    }
    let mut left = bytes;
    let zeros = [0; CHUNK];
    while left > 0 {
        let next = usize::try_from(left).unwrap_or(CHUNK).min(CHUNK);
        file.write_all(zeros.get(..next).unwrap_or(&zeros))?;
        left -= u64::try_from(next).unwrap_or(left);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_laid_or_refused_before_somebody_keeps_it() {
        let folder = tempfile::tempdir().unwrap();
        let reserve = Reserve::at(folder.path().join("reserve"));
        reserve.spare().unwrap();
        assert!(!reserve.is_laid());
        reserve.keep();
        assert!(reserve.is_laid());
        reserve.release();
        assert!(!reserve.is_laid());
        reserve.spare().unwrap();
        assert!(
            reserve.is_laid(),
            "there is room: it is laid by who needs it"
        );
    }

    #[test]
    fn what_fails_on_a_disk_with_room_is_not_tried_again() {
        let folder = tempfile::tempdir().unwrap();
        let reserve = Reserve::at(folder.path().join("reserve"));
        reserve.keep();
        let mut tries = 0;
        let failed: Result<(), &str> = reserve.lend(|| {
            tries += 1;
            Err("no")
        });
        assert_eq!((failed, tries), (Err("no"), 1));
        assert!(reserve.is_laid());
    }
}
