//! What is kept of a camera's scene over a restart: one small file a camera in the state folder,
//! encrypted under the box key.

use std::path::{Path, PathBuf};

use thiserror::Error;
use varco_proto::ids::{CameraId, Digest, EdgeId};

use super::files;
use super::random::RandomError;
use super::vault::{AadPlace, Cipher};

/// Longest file that is read, in bytes: ten times what a scene needs.
const BYTES_MAX: u64 = 1 << 20;

/// The file cannot be used. The scene is learnt anew, or kept the next time.
#[derive(Debug, Error)]
pub enum SceneFileError {
    /// Look at the state folder's disk.
    #[error("cannot {doing} `{path}`")]
    File {
        /// What was being done.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// What the disk says.
        source: std::io::Error,
    },
    /// It is damaged, of another box, or of other masks.
    #[error("`{0}` does not open: it is damaged, or of another box key or of other masks")]
    Sealed(PathBuf),
    /// Try again later.
    #[error("cannot encrypt a scene")]
    Random(#[from] RandomError),
}

/// One camera's file.
#[derive(Debug, Clone)]
pub struct SceneFile {
    path: PathBuf,
    cipher: Cipher,
    edge: EdgeId,
    /// With what the scene depends on: it opens for the same alone.
    table: String,
}

impl SceneFile {
    /// In the state folder; `masks` are what the camera's masks are written like.
    #[must_use]
    pub fn new(
        folder: &Path,
        cipher: Cipher,
        edge: &EdgeId,
        camera: &CameraId,
        masks: &str,
    ) -> Self {
        let masks = Digest::of(masks.as_bytes());
        Self {
            path: folder.join(format!("scene-{camera}.sealed")),
            cipher,
            edge: edge.clone(),
            table: format!("scene of {camera} without {masks}"),
        }
    }

    fn place(&self) -> AadPlace<'_> {
        AadPlace {
            edge: &self.edge,
            table: &self.table,
            sequence: 0,
        }
    }

    /// What was kept; none when nothing was.
    ///
    /// # Errors
    /// [`SceneFileError`].
    pub fn read(&self) -> Result<Option<Vec<u8>>, SceneFileError> {
        match std::fs::metadata(&self.path) {
            Ok(found) if found.len() > BYTES_MAX => {
                return Err(SceneFileError::Sealed(self.path.clone()));
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            _ => {}
        }
        let sealed = std::fs::read(&self.path).map_err(|source| self.fault("read", source))?;
        let clear = self.cipher.open(self.place(), &sealed);
        clear
            .map(Some)
            .ok_or_else(|| SceneFileError::Sealed(self.path.clone()))
    }

    /// Keeps a scene; whole or not at all, whatever the power does.
    ///
    /// # Errors
    /// [`SceneFileError`]; what was kept before stays.
    pub fn write(&self, clear: &[u8]) -> Result<(), SceneFileError> {
        let sealed = self.cipher.seal(self.place(), clear)?;
        files::replace(&self.path, &sealed, 0o600).map_err(|source| self.fault("write", source))
    }

    /// Lets it go.
    ///
    /// # Errors
    /// [`SceneFileError::File`].
    pub fn remove(&self) -> Result<(), SceneFileError> {
        files::remove(&self.path).map_err(|source| self.fault("remove", source))
    }

    fn fault(&self, doing: &'static str, source: std::io::Error) -> SceneFileError {
        SceneFileError::File {
            doing,
            path: self.path.clone(),
            source,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapters::vault::{BoxKey, Purpose};

    #[test]
    fn c31_part_a_scene_lies_encrypted_and_opens_for_its_camera_and_masks_alone() {
        let folder = tempfile::tempdir().unwrap();
        let file = |key: u8, camera: &str, masks: &str| {
            let cipher = BoxKey::from_bytes([key; 32]).cipher(Purpose::Scene);
            let (edge, camera) = ("nord".parse().unwrap(), camera.parse().unwrap());
            SceneFile::new(folder.path(), cipher, &edge, &camera, masks)
        };
        let own = file(1, "gate-1", "[]");
        assert_eq!(own.read().unwrap(), None);
        own.write(b"a street, in short").unwrap();
        assert_eq!(own.read().unwrap().unwrap(), b"a street, in short");
        let path = folder.path().join("scene-gate-1.sealed");
        let sealed = std::fs::read(&path).unwrap();
        assert!(!sealed.windows(6).any(|part| part == b"street"));
        for other in [file(2, "gate-1", "[]"), file(1, "gate-1", "[[0.1]]")] {
            assert!(matches!(other.read(), Err(SceneFileError::Sealed(_))));
        }
        std::fs::copy(&path, folder.path().join("scene-gate-2.sealed")).unwrap();
        assert!(file(1, "gate-2", "[]").read().is_err());
        std::fs::write(&path, &sealed[..sealed.len() / 2]).unwrap();
        assert!(matches!(own.read(), Err(SceneFileError::Sealed(_))));
        own.remove().unwrap();
        own.remove().unwrap();
        assert_eq!(own.read().unwrap(), None);
    }
}
