//! Who works on a folder: one daemon on a state folder, nobody enrolling beside it.
//!
//! The operating system's own lock decides (`flock`): it goes with its process, however that ends.
//! What stands in the file says who took it, for people alone.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use thiserror::Error;
use varco_proto::time::UtcTime;

/// In a state folder.
const FILE: &str = "run.lock";
/// Longest note that is read, in bytes.
const NOTE_BYTES_MAX: u64 = 256;

/// A folder is in use, or cannot be locked. Nothing was opened or changed.
#[derive(Debug, Error)]
pub enum FolderLockError {
    /// Somebody else works there: stop them, or wait.
    #[error(
        "`{folder}` is in use: {holder}. A folder has one edge: stop that one first (systemctl stop \
         varco-edge). Nothing was opened or changed"
    )]
    Held {
        /// Which.
        folder: PathBuf,
        /// Who, as far as they said.
        holder: String,
    },
    /// The lock cannot be used: check the folder, its owner and the disk.
    #[error("cannot lock `{path}`, so nothing was opened or changed")]
    File {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

/// A lock; it is held until this is dropped, or the process ends.
#[derive(Debug)]
#[must_use = "the lock goes when this is dropped"]
pub struct FolderLock {
    _file: File,
}

impl FolderLock {
    /// For the one daemon that works on a state folder, which is made when it is missing.
    ///
    /// # Errors
    /// [`FolderLockError`].
    pub fn of_state(folder: &Path, now: UtcTime) -> Result<Self, FolderLockError> {
        let path = folder.join(FILE);
        let failed = |source| FolderLockError::File {
            path: path.clone(),
            source,
        };
        std::fs::create_dir_all(folder).map_err(failed)?;
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(held(folder, noted(&path))),
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        }
        let note = format!(
            "`varco-edge run` (process {}) since {now}",
            std::process::id()
        );
        let emptied = file.set_len(0);
        let written = emptied.and_then(|()| file.write_all(note.as_bytes()));
        // The lock holds without its note, and on a full disk the daemon is what makes room.
        if let Err(error) = written {
            tracing::warn!(path = %path.display(), %error, "who runs is not noted");
        }
        Ok(Self { _file: file })
    }

    /// For a daemon that uses a folder of keys, beside others that do.
    ///
    /// # Errors
    /// [`FolderLockError`].
    pub fn of_used_keys(folder: &Path) -> Result<Self, FolderLockError> {
        Self::of_keys(folder, File::try_lock_shared)
    }

    /// For who makes the keys of a folder.
    ///
    /// # Errors
    /// [`FolderLockError`].
    pub fn of_made_keys(folder: &Path) -> Result<Self, FolderLockError> {
        Self::of_keys(folder, File::try_lock)
    }

    /// The folder itself is locked: it may lie on a medium that nobody writes to.
    fn of_keys(
        folder: &Path,
        lock: impl FnOnce(&File) -> Result<(), TryLockError>,
    ) -> Result<Self, FolderLockError> {
        let failed = |source| FolderLockError::File {
            path: folder.to_owned(),
            source,
        };
        let file = File::open(folder).map_err(failed)?;
        match lock(&file) {
            Ok(()) => Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => Err(held(
                folder,
                "another `varco-edge` enrols or runs".to_owned(),
            )),
            Err(TryLockError::Error(source)) => Err(failed(source)),
        }
    }
}

fn held(folder: &Path, holder: String) -> FolderLockError {
    FolderLockError::Held {
        folder: folder.to_owned(),
        holder,
    }
}

/// What a holder said of itself.
fn noted(path: &Path) -> String {
    let mut text = String::new();
    let read =
        File::open(path).and_then(|file| file.take(NOTE_BYTES_MAX).read_to_string(&mut text));
    let said: String = text.chars().filter(|c| !c.is_control()).collect();
    if read.is_ok() && said.starts_with('`') {
        said
    } else {
        "another process, which did not say who it is".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_daemon_on_a_state_folder_is_told_who_runs() {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().join("state");
        let now = UtcTime::from_unix_us(0);
        let first = FolderLock::of_state(&state, now).unwrap();
        let said = FolderLock::of_state(&state, now).unwrap_err().to_string();
        let pid = format!("(process {}) since 1970", std::process::id());
        assert!(said.contains(&pid), "{said}");
        // A note decides nothing: that of one that was killed stands there still.
        std::fs::write(state.join(FILE), "\u{1b}[2J").unwrap();
        let said = FolderLock::of_state(&state, now).unwrap_err().to_string();
        assert!(said.contains("did not say who it is"), "{said}");
        drop(first);
        let _again = FolderLock::of_state(&state, now).unwrap();
    }

    #[test]
    fn a_note_that_cannot_be_written_stops_no_start() {
        let folder = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink("/dev/full", folder.path().join(FILE)).unwrap();
        let _lock = FolderLock::of_state(folder.path(), UtcTime::from_unix_us(0)).unwrap();
    }

    #[test]
    fn nobody_makes_keys_beside_a_daemon_that_uses_them_or_beside_another() {
        let folder = tempfile::tempdir().unwrap();
        let used = FolderLock::of_used_keys(folder.path()).unwrap();
        let other = FolderLock::of_used_keys(folder.path()).unwrap();
        assert!(FolderLock::of_made_keys(folder.path()).is_err());
        drop((used, other));
        let made = FolderLock::of_made_keys(folder.path()).unwrap();
        assert!(FolderLock::of_made_keys(folder.path()).is_err());
        assert!(FolderLock::of_used_keys(folder.path()).is_err());
        drop(made);
    }
}
