//! Room on the disk of the home: a reserve that only the end of transits may use, and whether the disk
//! takes what is written.
//!
//! A key is destroyed by writing: its audit line, the page without it. On a full disk that would wait,
//! while nothing else makes room. So a file keeps some, and is emptied for it; intake stops until it is
//! laid again, and the edges keep what they have.

use std::path::PathBuf;

use super::reserve::Reserve;
use super::trial::Trial;

/// The disk of a home.
#[derive(Debug)]
pub struct Room {
    /// What is kept for the end of transits.
    pub reserve: Reserve,
    /// Whether it takes what is written.
    pub trial: Trial,
}

impl Room {
    /// With the files that it uses in the home. Nothing is laid yet.
    #[must_use]
    pub fn of(reserve_file: PathBuf, trial_file: PathBuf) -> Self {
        Self {
            reserve: Reserve::at(reserve_file),
            trial: Trial::at(trial_file),
        }
    }
}
