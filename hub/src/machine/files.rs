//! Files that only the hub's own user may read.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, fchown};
use std::path::{Path, PathBuf};

use thiserror::Error;

/// A file of the hub's home cannot be handled: check its path, its owner and the disk.
#[derive(Debug, Error)]
#[error("cannot {doing} `{path}`")]
pub struct FileError {
    doing: &'static str,
    path: PathBuf,
    source: std::io::Error,
}

fn because(doing: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> FileError {
    move |source| FileError {
        doing,
        path: path.to_owned(),
        source,
    }
}

/// Room on the disk of a folder, in bytes, for whoever is not root.
///
/// # Errors
/// [`FileError`].
pub fn free_bytes(path: &Path) -> Result<u64, FileError> {
    let stat = rustix::fs::statvfs(path)
        .map_err(std::io::Error::from)
        .map_err(because("look at the disk of", path))?;
    Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
}

/// Waits until what was written so far is on its disk: who measures next is not measured against
/// the writing of what was made before.
pub fn settle() {
    rustix::fs::sync();
}

/// Makes a folder, and those above it, that only its owner enters (0700).
///
/// # Errors
/// [`FileError`].
pub fn make_private_folder(path: &Path) -> Result<(), FileError> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(because("make the folder", path))
}

/// Writes a file that only its owner reads (0600), whole or not at all.
///
/// # Errors
/// [`FileError`].
pub fn write_private(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    write(path, bytes, 0o600)
}

/// Writes a file that anyone may read (0644), whole or not at all.
///
/// # Errors
/// [`FileError`].
pub fn write_public(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    write(path, bytes, 0o644)
}

fn write(path: &Path, bytes: &[u8], mode: u32) -> Result<(), FileError> {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    let fresh = PathBuf::from(name);
    match fs::remove_file(&fresh) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            return Err(because("replace", &fresh)(error));
        }
        _ => {}
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(&fresh)
        .map_err(because("write", &fresh))?;
    file.write_all(bytes)
        .and_then(|()| file.sync_all())
        .map_err(because("write", &fresh))?;
    if let Some(folder) = path.parent().filter(|folder| *folder != Path::new("")) {
        give_to_owner_of(folder, &file).map_err(because("give away", &fresh))?;
    }
    fs::rename(&fresh, path).map_err(because("put in place", path))
}

/// Gives what root has made to whom the folder belongs, so that the hub's own user can use it. Who is not
/// root makes nothing for others.
///
/// # Errors
/// The system's.
pub fn give_to_owner_of(folder: &Path, made: &fs::File) -> std::io::Result<()> {
    let (folder, own) = (fs::metadata(folder)?, made.metadata()?);
    if own.uid() == 0 && folder.uid() != 0 {
        fchown(made, Some(folder.uid()), Some(folder.gid()))?;
    }
    Ok(())
}

/// Removes a file.
///
/// # Errors
/// [`FileError`].
pub fn remove(path: &Path) -> Result<(), FileError> {
    fs::remove_file(path).map_err(because("remove", path))
}

/// Reads a file.
///
/// # Errors
/// [`FileError`].
pub fn read(path: &Path) -> Result<Vec<u8>, FileError> {
    fs::read(path).map_err(because("read", path))
}

/// Reads a text file.
///
/// # Errors
/// [`FileError`].
pub fn read_text(path: &Path) -> Result<String, FileError> {
    fs::read_to_string(path).map_err(because("read", path))
}

#[cfg(test)]
mod tests {
    use crate::machine::files::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn c22_part_private_files_are_their_owners_alone() {
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("a/b");
        make_private_folder(&inner).unwrap();
        let file = inner.join("key");
        write_private(&file, b"1").unwrap();
        write_private(&file, b"2").unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&inner), mode(&file)), (0o700, 0o600));
        assert_eq!(read(&file).unwrap(), b"2");
    }
}
