//! The disk under a folder: the only door to rustix.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use thiserror::Error;

/// The folder cannot be used. A person must correct its path or its rights.
#[derive(Debug, Error)]
pub enum DiskError {
    /// Not there, not a folder, or not writable.
    #[error(
        "cannot write into `{folder}`; make the folder and give it to the user that varco-edge \
         runs as"
    )]
    Write {
        /// The folder.
        folder: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// The free space cannot be asked for.
    #[error("cannot ask for the free space, or for the medium, of `{folder}`")]
    Space {
        /// The folder.
        folder: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
}

/// Makes the folder if it is missing, writes a file there and deletes it. Gives the bytes that
/// are free for this user.
///
/// # Errors
/// [`DiskError`].
pub fn probe(folder: &Path) -> Result<u64, DiskError> {
    let write = |source| DiskError::Write {
        folder: folder.to_owned(),
        source,
    };
    std::fs::create_dir_all(folder).map_err(write)?;
    let file = folder.join("check.tmp");
    std::fs::write(&file, b"varco-edge check").map_err(write)?;
    std::fs::remove_file(&file).map_err(write)?;
    free_bytes(folder)
}

/// The bytes that are free for this user under a folder.
///
/// # Errors
/// [`DiskError::Space`].
pub fn free_bytes(folder: &Path) -> Result<u64, DiskError> {
    let space = rustix::fs::statvfs(folder).map_err(|error| DiskError::Space {
        folder: folder.to_owned(),
        source: error.into(),
    })?;
    Ok(space.f_bavail.saturating_mul(space.f_frsize))
}

/// Whether two paths lie on one medium, as far as the file systems tell. A folder that is not
/// there yet counts as the one above it.
///
/// # Errors
/// [`DiskError::Space`].
pub fn same_medium(one: &Path, other: &Path) -> Result<bool, DiskError> {
    Ok(medium(one)? == medium(other)?)
}

fn medium(path: &Path) -> Result<u64, DiskError> {
    let there = path.ancestors().find(|path| path.exists());
    let there = there.unwrap_or(Path::new("/"));
    std::fs::metadata(there)
        .map(|meta| meta.dev())
        .map_err(|source| DiskError::Space {
            folder: path.to_owned(),
            source,
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_made_and_a_file_in_its_place_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().join("state");
        assert!(probe(&state).unwrap() > 0);
        assert!(std::fs::read_dir(&state).unwrap().next().is_none());
        let file = folder.path().join("file");
        std::fs::write(&file, b"").unwrap();
        assert!(probe(&file.join("state")).is_err());
    }
}
