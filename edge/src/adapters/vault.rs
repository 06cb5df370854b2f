//! What keeps the box's disk unreadable: one key of the box, and what it encrypts.
//!
//! ChaCha20-Poly1305, because small ARM boxes have no AES in hardware. Each purpose has a key of
//! its own, derived from the box's by HKDF-SHA-256, and every ciphertext is bound to its place: a
//! row copied to another place, or to another edge's spool, does not open.

pub mod key_file;

use std::fmt;
use std::fs::OpenOptions;
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use thiserror::Error;
use varco_proto::cipher::{CipherError, KEY_BYTES, Key};
use varco_proto::ids::EdgeId;

use super::files;
use super::random::{self, RandomError};

/// The credential's name in systemd.
pub const CREDENTIAL: &str = "varco-box-key";
/// Separates these keys from whatever else is derived from the same secret.
const SALT: &[u8] = b"varco-edge at rest, 1";

/// The box's key cannot be had. The daemon does not start, and changes nothing.
#[derive(Debug, Error)]
pub enum VaultError {
    /// Correct the path or the rights.
    #[error("cannot {doing} the box key `{path}`")]
    File {
        /// What was being done.
        doing: &'static str,
        /// The file or credential.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// Restore it from where it was copied.
    #[error(
        "the box key `{0}` is not one: 32 bytes, or 64 hexadecimal digits; restore it, or what it \
         sealed cannot be opened"
    )]
    Form(PathBuf),
    /// Give it the mode 0600.
    #[error("the box key `{0}` can be read by others; give it to the daemon's user, mode 0600")]
    Mode(PathBuf),
    /// Restore the key; nothing was changed.
    #[error(
        "there is no box key: neither the systemd credential `{CREDENTIAL}` nor `{file}`; \
         `{sealed}` was sealed with one, so restore it, or enrol the box anew with empty folders"
    )]
    Missing {
        /// `edge.box_key_file`.
        file: PathBuf,
        /// What needs it.
        sealed: PathBuf,
    },
    /// Try again later.
    #[error("cannot make a box key")]
    Random(#[from] RandomError),
}

/// What a derived key is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Envelopes in the spool.
    Spool,
    /// Files with private keys.
    KeyFile,
    /// What is kept of cameras' scenes.
    Scene,
}

impl Purpose {
    fn label(self) -> &'static [u8] {
        match self {
            Self::Spool => b"spool",
            Self::KeyFile => b"key file",
            Self::Scene => b"scene",
        }
    }
}

/// Where the box's key came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BoxKeySource {
    /// A credential of systemd, which may be bound to a TPM.
    Credential(PathBuf),
    /// A file.
    File(PathBuf),
}

/// The one key of a box. Never printed.
#[derive(Clone)]
pub struct BoxKey([u8; KEY_BYTES]);

impl fmt::Debug for BoxKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BoxKey")
    }
}

impl BoxKey {
    /// A key from its bytes.
    #[must_use]
    pub fn from_bytes(bytes: [u8; KEY_BYTES]) -> Self {
        Self(bytes)
    }

    /// Finds the key: in the folder of systemd's credentials when there is one, else in the file.
    /// None when neither has it.
    ///
    /// # Errors
    /// [`VaultError`] when it is there and cannot be taken: another must not be taken instead.
    pub fn find(
        credentials: Option<&Path>,
        file: &Path,
    ) -> Result<Option<(Self, BoxKeySource)>, VaultError> {
        if let Some(folder) = credentials {
            let path = folder.join(CREDENTIAL);
            if let Some(bytes) = read(&path)? {
                let key = parse(&bytes, &path)?;
                return Ok(Some((key, BoxKeySource::Credential(path))));
            }
        }
        let Some(bytes) = read(file)? else {
            return Ok(None);
        };
        let mode = std::fs::metadata(file).map_err(fault("look at", file))?;
        if mode.permissions().mode() & 0o077 != 0 {
            return Err(VaultError::Mode(file.to_owned()));
        }
        let key = parse(&bytes, file)?;
        Ok(Some((key, BoxKeySource::File(file.to_owned()))))
    }

    /// Makes a new key in a file that only its owner reads. One that is there is never replaced.
    ///
    /// # Errors
    /// [`VaultError::File`], [`VaultError::Random`].
    pub fn make(path: &Path) -> Result<Self, VaultError> {
        let key = Self(random::bytes()?);
        // Under another name first: half a key must never lie where the key is looked for.
        let fresh = path.with_extension("new");
        files::remove(&fresh).map_err(fault("replace", &fresh))?;
        let write = || -> std::io::Result<()> {
            let mut file = OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(&fresh)?;
            writeln!(file, "{}", hex::encode(key.0))?;
            file.sync_all()?;
            // A link fails when the key is there already, where a rename would replace it.
            std::fs::hard_link(&fresh, path)?;
            std::fs::remove_file(&fresh)?;
            files::sync_folder(path)
        };
        write().map_err(fault("make", path))?;
        Ok(key)
    }

    /// Encrypts and decrypts for one purpose.
    #[must_use]
    pub fn cipher(&self, purpose: Purpose) -> Cipher {
        let key = Key::from_bytes(&self.0).expect("a box key has the bytes of a key");
        let key = key.derive_with(SALT, purpose.label());
        Cipher {
            key: Arc::new(key.expect("one key is far less than HKDF gives at most")),
        }
    }
}

fn fault(doing: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> VaultError {
    let path = path.to_owned();
    move |source| VaultError::File {
        doing,
        path,
        source,
    }
}

fn read(path: &Path) -> Result<Option<Vec<u8>>, VaultError> {
    match std::fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(fault("read", path)(error)),
    }
}

fn parse(bytes: &[u8], path: &Path) -> Result<BoxKey, VaultError> {
    let form = || VaultError::Form(path.to_owned());
    if let Ok(raw) = <[u8; KEY_BYTES]>::try_from(bytes) {
        return Ok(BoxKey(raw));
    }
    let text = std::str::from_utf8(bytes).map_err(|_| form())?;
    let raw = hex::decode(text.trim()).map_err(|_| form())?;
    raw.try_into().map(BoxKey).map_err(|_| form())
}

/// Whether bytes are a box key, and the same one written as its file is; for the crate `fuzz`.
#[cfg(feature = "fuzzing")]
#[must_use]
pub fn key_survives(bytes: &[u8]) -> Option<bool> {
    let nowhere = Path::new("");
    let key = parse(bytes, nowhere).ok()?;
    let written = format!("{}\n", hex::encode(key.0));
    let again = parse(written.as_bytes(), nowhere).ok()?;
    Some(again.0 == key.0)
}

/// Encrypts and decrypts for one purpose. Cheap to clone.
#[derive(Clone)]
pub struct Cipher {
    key: Arc<Key>,
}

impl fmt::Debug for Cipher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Cipher")
    }
}

/// Where a ciphertext belongs: it opens nowhere else. Names have no line ends, so that no two
/// places are written alike.
#[derive(Debug, Clone, Copy)]
pub struct AadPlace<'a> {
    /// Whose it is.
    pub edge: &'a EdgeId,
    /// The table, or what kind of file.
    pub table: &'a str,
    /// The row.
    pub sequence: u64,
}

impl AadPlace<'_> {
    fn bytes(&self) -> Vec<u8> {
        format!("{}\n{}\n{}", self.edge, self.table, self.sequence).into_bytes()
    }
}

impl Cipher {
    /// Encrypts for a place: a random nonce, the ciphertext, its tag.
    ///
    /// # Errors
    /// [`RandomError`]: without a fresh nonce nothing may be encrypted.
    pub fn seal(&self, place: AadPlace<'_>, clear: &[u8]) -> Result<Vec<u8>, RandomError> {
        self.key
            .seal(&place.bytes(), clear)
            .map_err(|_: CipherError| RandomError)
    }

    /// Decrypts what was sealed for this place with this key; none for anything else.
    #[must_use]
    pub fn open(&self, place: AadPlace<'_>, sealed: &[u8]) -> Option<Vec<u8>> {
        self.key.open(&place.bytes(), sealed).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place<'a>(edge: &'a EdgeId, table: &'a str, sequence: u64) -> AadPlace<'a> {
        AadPlace {
            edge,
            table,
            sequence,
        }
    }

    #[test]
    fn c66_part_a_ciphertext_opens_in_its_place_with_its_key_and_purpose_alone() {
        let key = BoxKey::from_bytes([7; 32]);
        let cipher = key.cipher(Purpose::Spool);
        let (nord, sud): (EdgeId, EdgeId) = ("nord".parse().unwrap(), "sud".parse().unwrap());
        let here = place(&nord, "waiting", 4);
        let sealed = cipher.seal(here, b"AB123CD").unwrap();
        assert!(!sealed.windows(7).any(|w| w == b"AB123CD"));
        assert_eq!(cipher.open(here, &sealed).unwrap(), b"AB123CD");
        for other in [
            place(&nord, "waiting", 5),
            place(&nord, "refused", 4),
            place(&sud, "waiting", 4),
        ] {
            assert_eq!(cipher.open(other, &sealed), None, "{other:?}");
        }
        for stranger in [
            key.cipher(Purpose::KeyFile),
            BoxKey::from_bytes([8; 32]).cipher(Purpose::Spool),
        ] {
            assert_eq!(stranger.open(here, &sealed), None);
        }
        for at in 0..sealed.len() {
            let mut bytes = sealed.clone();
            bytes[at] ^= 1;
            assert_eq!(cipher.open(here, &bytes), None, "byte {at}");
        }
        assert_eq!(cipher.open(here, &sealed[..11]), None);
        let again = cipher.seal(here, b"AB123CD").unwrap();
        assert_ne!(again, sealed, "a nonce is used once");
    }

    #[test]
    fn a_credential_goes_before_the_file_and_a_damaged_one_is_no_reason_for_another() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("box.key");
        let credentials = folder.path().join("credentials");
        std::fs::create_dir(&credentials).unwrap();
        assert!(BoxKey::find(Some(&credentials), &file).unwrap().is_none());
        let made = BoxKey::make(&file).unwrap();
        assert!(BoxKey::make(&file).is_err(), "a key is never replaced");
        let (found, source) = BoxKey::find(Some(&credentials), &file).unwrap().unwrap();
        assert_eq!(found.0, made.0);
        assert_eq!(source, BoxKeySource::File(file.clone()));
        let credential = credentials.join(CREDENTIAL);
        std::fs::write(&credential, [9; 32]).unwrap();
        let (found, source) = BoxKey::find(Some(&credentials), &file).unwrap().unwrap();
        assert_eq!(found.0, [9; 32]);
        assert_eq!(source, BoxKeySource::Credential(credential.clone()));
        std::fs::write(&credential, b"torn").unwrap();
        let error = BoxKey::find(Some(&credentials), &file).unwrap_err();
        assert!(matches!(error, VaultError::Form(_)), "{error}");
    }

    #[test]
    fn c22_part_a_key_that_others_can_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("box.key");
        BoxKey::make(&file).unwrap();
        let mode = std::fs::metadata(&file).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o640)).unwrap();
        let error = BoxKey::find(None, &file).unwrap_err();
        assert!(matches!(error, VaultError::Mode(_)), "{error}");
    }
}
