//! Private keys in files, sealed with the box's key.
//!
//! A clear file, as `varco-hub edge add` writes it, is taken once: its sealed form replaces it in
//! one rename, then the clear bytes are overwritten and unlinked. On flash the old blocks may
//! outlive that for a while; only a key made on the box (`varco-edge enrol`) never lay there.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use thiserror::Error;
use varco_proto::ids::EdgeId;

use super::{AadPlace, Cipher};
use crate::adapters::files::{remove, sync_folder};
use crate::adapters::random::RandomError;

/// What a sealed file begins with.
const MAGIC: &[u8] = b"varco-sealed-key 1\n";

/// Which key a file holds: one cannot be put in the other's place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyRole {
    /// Seals records.
    Sealing,
    /// Shows the edge to the broker.
    Tls,
}

impl KeyRole {
    fn name(self) -> &'static str {
        match self {
            Self::Sealing => "sealing-key",
            Self::Tls => "tls-key",
        }
    }
}

/// A private key cannot be read or written. The daemon does not start; no file was changed.
#[derive(Debug, Error)]
pub enum KeyFileError {
    /// Correct the path or the rights.
    #[error("cannot {doing} the key `{path}`")]
    File {
        /// What was being done.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// Restore the box key or the file.
    #[error(
        "the key `{0}` does not open: it was sealed with another box key, for another edge, or is \
         damaged; restore the box key that sealed it, or enrol the box anew"
    )]
    Sealed(PathBuf),
    /// Try again later.
    #[error("cannot seal the key")]
    Random(#[from] RandomError),
}

/// One file with a private key.
#[derive(Debug, Clone)]
pub struct KeyFile<'a> {
    path: &'a Path,
    role: KeyRole,
    edge: &'a EdgeId,
}

impl<'a> KeyFile<'a> {
    /// Where it lies, what it holds and whose it is.
    #[must_use]
    pub fn new(path: &'a Path, role: KeyRole, edge: &'a EdgeId) -> Self {
        Self { path, role, edge }
    }

    /// Whether it is there and sealed.
    ///
    /// # Errors
    /// [`KeyFileError::File`] when it cannot be read.
    pub fn is_sealed(&self) -> Result<bool, KeyFileError> {
        Ok(self.bytes()?.starts_with(MAGIC))
    }

    /// The key's bytes, from a sealed or from a clear file; changes nothing.
    ///
    /// # Errors
    /// [`KeyFileError`].
    pub fn read(&self, cipher: &Cipher) -> Result<Vec<u8>, KeyFileError> {
        let bytes = self.bytes()?;
        match bytes.strip_prefix(MAGIC) {
            None => Ok(bytes),
            Some(sealed) => cipher
                .open(self.place(), sealed)
                .ok_or_else(|| KeyFileError::Sealed(self.path.to_owned())),
        }
    }

    /// Writes a key sealed, whole or not at all. A clear one that lay there is overwritten.
    ///
    /// # Errors
    /// [`KeyFileError`].
    pub fn write(&self, cipher: &Cipher, key: &[u8]) -> Result<(), KeyFileError> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend(cipher.seal(self.place(), key)?);
        let fresh = self.beside("new");
        let clear = self.beside("clear");
        let put = || -> std::io::Result<()> {
            remove(&fresh)?;
            let mut file = OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(&fresh)?;
            file.write_all(&bytes)?;
            file.sync_all()?;
            // The old bytes keep a name, so that they can be overwritten after the sealed file
            // has taken their place: at no moment is there no key.
            erase(&clear)?;
            match std::fs::hard_link(self.path, &clear) {
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            std::fs::rename(&fresh, self.path)?;
            sync_folder(self.path)?;
            erase(&clear)
        };
        put().map_err(self.fault("seal"))
    }

    /// Seals a clear file, and ends what a power cut left of an earlier sealing. Gives the key's
    /// bytes, and whether the file lay clear.
    ///
    /// # Errors
    /// [`KeyFileError`].
    pub fn bring_forward(&self, cipher: &Cipher) -> Result<(Vec<u8>, bool), KeyFileError> {
        let was_clear = !self.is_sealed()?;
        let key = self.read(cipher)?;
        if was_clear {
            self.write(cipher, &key)?;
        } else {
            erase(&self.beside("clear")).map_err(self.fault("erase the clear copy of"))?;
        }
        Ok((key, was_clear))
    }

    fn bytes(&self) -> Result<Vec<u8>, KeyFileError> {
        std::fs::read(self.path).map_err(self.fault("read"))
    }

    fn place(&self) -> AadPlace<'_> {
        AadPlace {
            edge: self.edge,
            table: self.role.name(),
            sequence: 0,
        }
    }

    fn beside(&self, ending: &str) -> PathBuf {
        let mut name = self.path.as_os_str().to_owned();
        name.push(".");
        name.push(ending);
        PathBuf::from(name)
    }

    fn fault(&self, doing: &'static str) -> impl FnOnce(std::io::Error) -> KeyFileError {
        let path = self.path.to_owned();
        move |source| KeyFileError::File {
            doing,
            path,
            source,
        }
    }
}

/// Overwrites a file in place with zeros and unlinks it.
fn erase(path: &Path) -> std::io::Result<()> {
    let mut file = match File::options().write(true).open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        other => other?,
    };
    let length = usize::try_from(file.metadata()?.len()).unwrap_or(0);
    file.write_all(&vec![0; length])?;
    file.sync_all()?;
    std::fs::remove_file(path)?;
    sync_folder(path)
}

#[cfg(test)]
mod tests {
    use super::super::{BoxKey, Purpose};
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    const KEY: &[u8] = b"a private key that nobody may read";

    fn cipher(byte: u8) -> Cipher {
        BoxKey::from_bytes([byte; 32]).cipher(Purpose::KeyFile)
    }

    /// Whether the key's bytes lie in any file of the folder.
    fn is_told(folder: &Path) -> bool {
        std::fs::read_dir(folder).unwrap().any(|entry| {
            let bytes = std::fs::read(entry.unwrap().path()).unwrap();
            bytes.windows(KEY.len()).any(|part| part == KEY)
        })
    }

    #[test]
    fn c66_part_a_clear_key_is_sealed_in_place_and_its_bytes_are_gone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("signing.pk8");
        let edge = "nord".parse().unwrap();
        let file = KeyFile::new(&path, KeyRole::Sealing, &edge);
        std::fs::write(&path, KEY).unwrap();
        // The old bytes are overwritten, not only unlinked: a second name shows them.
        let witness = folder.path().join("witness");
        std::fs::hard_link(&path, &witness).unwrap();
        assert!(is_told(folder.path()));
        assert_eq!(
            file.bring_forward(&cipher(1)).unwrap(),
            (KEY.to_vec(), true)
        );
        assert!(!is_told(folder.path()));
        assert_eq!(std::fs::read(&witness).unwrap(), vec![0; KEY.len()]);
        assert_eq!(
            file.bring_forward(&cipher(1)).unwrap(),
            (KEY.to_vec(), false)
        );
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        // A power cut just before the end left the clear copy: the next start erases it.
        std::fs::write(folder.path().join("signing.pk8.clear"), KEY).unwrap();
        file.bring_forward(&cipher(1)).unwrap();
        assert!(!is_told(folder.path()));
    }

    #[test]
    fn a_key_of_another_box_edge_or_role_does_not_open_and_stays_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("edge.key");
        let (nord, sud) = ("nord".parse().unwrap(), "sud".parse().unwrap());
        let file = KeyFile::new(&path, KeyRole::Tls, &nord);
        file.write(&cipher(1), KEY).unwrap();
        let before = std::fs::read(&path).unwrap();
        let refused = |file: &KeyFile<'_>, cipher: &Cipher| {
            let error = file.bring_forward(cipher).unwrap_err();
            assert!(matches!(error, KeyFileError::Sealed(_)), "{error}");
        };
        refused(&file, &cipher(2));
        refused(&KeyFile::new(&path, KeyRole::Tls, &sud), &cipher(1));
        refused(&KeyFile::new(&path, KeyRole::Sealing, &nord), &cipher(1));
        assert_eq!(std::fs::read(&path).unwrap(), before);
    }
}
