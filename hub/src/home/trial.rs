//! Whether the disk takes what is written: tried, not remembered.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::machine::stopwatch::Stopwatch;

/// What is written: as much as a small commit.
const BYTES: usize = 16 * 1024;
/// A trial holds for so long, however often it is asked for.
const HOLDS_FOR: Duration = Duration::from_secs(10);

/// See the module.
#[derive(Debug)]
pub struct Trial {
    file: PathBuf,
    last: Mutex<Option<(Stopwatch, Result<(), String>)>>,
}

impl Trial {
    /// By a file of the home that comes and goes.
    #[must_use]
    pub fn at(file: PathBuf) -> Self {
        Self {
            file,
            last: Mutex::default(),
        }
    }

    /// Writes, unless it did so just now.
    ///
    /// # Errors
    /// Why the disk does not take it.
    pub fn write(&self) -> Result<(), String> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        match &*last {
            Some((since, found)) if since.elapsed() < HOLDS_FOR => found.clone(),
            _ => {
                let found = self.try_out().map_err(|error| error.to_string());
                *last = Some((Stopwatch::start(), found.clone()));
                found
            }
        }
    }

    /// A fresh file: the room of one that is there is there too.
    fn try_out(&self) -> io::Result<()> {
        let file = self.file.with_extension(std::process::id().to_string());
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        let written = options.open(&file).and_then(|mut opened| {
            opened.write_all(&[1; BYTES])?;
            opened.sync_all()
        });
        let removed = fs::remove_file(&file);
        written.and(removed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trial_leaves_nothing_and_says_why_it_fails() {
        let folder = tempfile::tempdir().unwrap();
        let trial = Trial::at(folder.path().join("trial"));
        trial.write().unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        let nowhere = Trial::at(folder.path().join("none/trial"));
        assert!(nowhere.write().unwrap_err().contains("No such file"));
    }
}
