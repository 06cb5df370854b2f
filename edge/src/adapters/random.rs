//! Random bytes from the system, and those that a folder keeps.

use std::path::Path;

pub use varco_proto::random::{RandomError, bytes, jitter};

use super::files;

/// 32 random bytes that a folder keeps under a name: made at the first time, read ever after.
///
/// # Errors
/// What the disk says.
pub fn kept(folder: &Path, name: &str) -> std::io::Result<[u8; 32]> {
    let path = folder.join(name);
    let whole = |bytes: Vec<u8>| <[u8; 32]>::try_from(bytes).ok();
    match std::fs::read(&path) {
        Ok(bytes) => {
            if let Some(kept) = whole(bytes) {
                return Ok(kept);
            }
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let made = bytes::<32>().map_err(std::io::Error::other)?;
    files::replace(&path, &made, 0o600)?;
    Ok(made)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_stays_the_same_and_a_torn_file_is_made_anew() {
        let folder = tempfile::tempdir().unwrap();
        let first = kept(folder.path(), "a.secret").unwrap();
        assert_eq!(kept(folder.path(), "a.secret").unwrap(), first);
        std::fs::write(folder.path().join("a.secret"), b"torn").unwrap();
        assert_ne!(kept(folder.path(), "a.secret").unwrap(), first);
        assert!(kept(&folder.path().join("none"), "a").is_err());
    }
}
