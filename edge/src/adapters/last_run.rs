//! What this box remembers of the daemon's last run: whether it was ended, in which boot, and with
//! which programs. One small file in the state folder.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use thiserror::Error;
use varco_proto::ids::Digest;

use super::files;

/// Names this boot of the machine.
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// A run, as it is remembered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// Of the machine's boot.
    pub boot_id: String,
    /// The daemon was ended, and did not just vanish.
    pub ended: bool,
    /// SHA-256 of the program, hexadecimal.
    pub program: String,
    /// SHA-256 of the configuration.
    pub configuration: String,
    /// SHA-256 of the models' manifest.
    pub models: String,
}

/// The memory cannot be read or written; the caller treats it as an unexpected change.
#[derive(Debug, Error)]
#[error("cannot {doing} `{path}`")]
pub struct LastRunError {
    doing: &'static str,
    path: PathBuf,
    source: std::io::Error,
}

/// What differs from the last run.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Differences {
    /// The machine was started anew without the daemon being ended before.
    pub rebooted: bool,
    /// Which of `program`, `configuration` and `models` are others.
    pub changed: Vec<&'static str>,
}

impl Run {
    /// This run.
    ///
    /// # Errors
    /// [`LastRunError`] when the program or the boot's name cannot be read.
    pub fn now(configuration: &Path, models: Digest) -> Result<Self, LastRunError> {
        let read = |path: &Path| {
            std::fs::read(path).map_err(|source| LastRunError {
                doing: "read",
                path: path.to_owned(),
                source,
            })
        };
        let program = std::env::current_exe().map_err(|source| LastRunError {
            doing: "find",
            path: "varco-edge".into(),
            source,
        })?;
        let boot_id = String::from_utf8_lossy(&read(Path::new(BOOT_ID))?)
            .trim()
            .to_owned();
        Ok(Self {
            boot_id,
            ended: false,
            program: Digest::of(&read(&program)?).to_string(),
            configuration: Digest::of(&read(configuration)?).to_string(),
            models: models.to_string(),
        })
    }

    /// What is other than in the run before.
    #[must_use]
    pub fn differences(&self, before: &Self) -> Differences {
        let parts = [
            ("program", self.program != before.program),
            ("configuration", self.configuration != before.configuration),
            ("models", self.models != before.models),
        ];
        Differences {
            rebooted: self.boot_id != before.boot_id && !before.ended,
            changed: parts
                .into_iter()
                .filter_map(|(name, differs)| differs.then_some(name))
                .collect(),
        }
    }
}

/// The file.
#[derive(Debug, Clone)]
pub struct LastRun {
    path: PathBuf,
}

impl LastRun {
    /// In the state folder.
    #[must_use]
    pub fn in_folder(folder: &Path) -> Self {
        Self {
            path: folder.join("last-run.json"),
        }
    }

    /// The run before; none at the first. A file that cannot be understood counts as a run with
    /// which nothing agrees.
    ///
    /// # Errors
    /// [`LastRunError`].
    pub fn read(&self) -> Result<Option<Run>, LastRunError> {
        match std::fs::read(&self.path) {
            Ok(bytes) => Ok(Some(serde_json::from_slice(&bytes).unwrap_or(Run {
                boot_id: String::new(),
                ended: false,
                program: String::new(),
                configuration: String::new(),
                models: String::new(),
            }))),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(self.fault("read", source)),
        }
    }

    /// Remembers a run; whole or not at all, whatever the power does.
    ///
    /// # Errors
    /// [`LastRunError`].
    pub fn write(&self, run: &Run) -> Result<(), LastRunError> {
        let write = || files::replace(&self.path, &serde_json::to_vec(run)?, 0o666);
        write().map_err(|source| self.fault("write", source))
    }

    fn fault(&self, doing: &'static str, source: std::io::Error) -> LastRunError {
        LastRunError {
            doing,
            path: self.path.clone(),
            source,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c33_part_a_boot_without_an_end_and_other_programs_are_told() {
        let folder = tempfile::tempdir().unwrap();
        let configuration = folder.path().join("edge.toml");
        std::fs::write(&configuration, "a").unwrap();
        let file = LastRun::in_folder(folder.path());
        assert_eq!(file.read().unwrap(), None);
        let run = Run::now(&configuration, Digest::of(b"models")).unwrap();
        file.write(&run).unwrap();
        let before = file.read().unwrap().unwrap();
        assert_eq!(run.differences(&before), Differences::default());
        let other_boot = |ended| Run {
            boot_id: "another".to_owned(),
            ended,
            ..run.clone()
        };
        assert!(run.differences(&other_boot(false)).rebooted);
        assert!(!run.differences(&other_boot(true)).rebooted);
        std::fs::write(&configuration, "b").unwrap();
        let next = Run::now(&configuration, Digest::of(b"others")).unwrap();
        assert_eq!(next.differences(&run).changed, ["configuration", "models"]);
        std::fs::write(folder.path().join("last-run.json"), "torn").unwrap();
        let torn = file.read().unwrap().unwrap();
        assert_eq!(run.differences(&torn).changed.len(), 3);
    }
}
