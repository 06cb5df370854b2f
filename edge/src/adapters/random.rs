//! The only place that asks the system for random bytes.

use std::path::Path;

use ring::rand::{SecureRandom as _, SystemRandom};
use thiserror::Error;

use super::files;

/// The system gave no random bytes. What needed them cannot go on; try again later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the system's random source failed")]
pub struct RandomError;

/// Random bytes fit for ids and keys.
///
/// # Errors
/// [`RandomError`].
pub fn bytes<const N: usize>() -> Result<[u8; N], RandomError> {
    let mut out = [0; N];
    SystemRandom::new()
        .fill(&mut out)
        .map_err(|_| RandomError)?;
    Ok(out)
}

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

/// A byte for jitter: without randomness, the middle will do.
#[must_use]
pub fn jitter() -> u8 {
    bytes::<1>().map_or(128, |[byte]| byte)
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
