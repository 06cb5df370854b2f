//! Backups that live no longer than what they hold (C30).
//!
//! A backup is two folders. The *data* folder may be copied anywhere and kept for as long as one
//! likes: each hour in it is sealed under the hour's own key, which is not there. The *keys* folder
//! holds one small file, written anew by each run, sealed under the recovery key: the keys of the
//! hours that live, and the hub's own. When an hour is destroyed, its key leaves that file with the
//! next run, and every copy of the hour is dead. The same goes for the keys of a case and of a
//! hotlist. What else had
//! ended stands in that file by name, and a restore ends it again. Therefore the keys folder must lie
//! on a medium of which nobody keeps old versions.

mod bundle;
pub mod create;
pub mod restore;

#[cfg(feature = "fuzzing")]
pub use bundle::bundle_survives;

use std::path::PathBuf;

use thiserror::Error;

use crate::audit::AuditError;
use crate::config::backup::BackupPlace;
use crate::home::HomeError;
use crate::home::lock::{Holder, Lock};
use crate::machine::files::FileError;
use crate::opening::floor::FloorError;
use crate::proof::verification::VerifyError;
use crate::store::StoreError;
use varco_proto::cipher::CipherError;

impl BackupPlace {
    fn keys_file(&self) -> PathBuf {
        self.keys.join("varco.keys")
    }

    fn main_file(&self) -> PathBuf {
        self.data.join("main.sealed")
    }

    fn manifest_file(&self) -> PathBuf {
        self.data.join("manifest.json")
    }

    fn hours(&self) -> PathBuf {
        self.data.join("hours")
    }

    /// Against another that writes, or reads, the same folders.
    fn lock_for_writing(&self, holder: &Holder) -> Result<[Lock; 2], HomeError> {
        let data = Lock::of_backup_folder(&self.data, holder)?;
        Ok([data, Lock::of_backup_folder(&self.keys, holder)?])
    }

    /// Against one that writes the same folders.
    fn lock_for_reading(&self) -> Result<[Lock; 2], HomeError> {
        let data = Lock::of_read_backup(&self.data)?;
        Ok([data, Lock::of_read_backup(&self.keys)?])
    }
}

/// A backup is not made, or not restored.
#[derive(Debug, Error)]
pub enum BackupError {
    /// The folders.
    #[error(
        "the keys folder must lie outside the data folder: copies of the data outlive the keys"
    )]
    Place,
    /// The home.
    #[error(transparent)]
    Home(#[from] HomeError),
    /// A file.
    #[error(transparent)]
    File(#[from] FileError),
    /// A database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Copying.
    #[error("cannot {doing} `{path}`")]
    Copy {
        /// What was being done.
        doing: &'static str,
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The recovery key is another one, or the file is damaged.
    #[error("`{0}` does not open: is it the recovery key of this hub?")]
    Closed(PathBuf),
    /// What opens is no backup of this version.
    #[error("`{0}` is not what this version of varco-hub wrote")]
    Damaged(PathBuf),
    /// Nothing is written over: name other folders, or move it away.
    #[error(
        "`{0}` does not open with this hub's recovery key: it is another hub's, or damaged. Name other \
         folders, or move it away"
    )]
    Foreign(PathBuf),
    /// No random bytes.
    #[error(transparent)]
    Cipher(#[from] CipherError),
    /// The recovery key is not 64 hexadecimal digits.
    #[error("a recovery key is 64 hexadecimal digits, as `varco-hub backup` printed it")]
    RecoveryKey,
    /// Nothing is written over.
    #[error("`{0}` is not empty: restore into a new folder")]
    There(PathBuf),
    /// No audit line, no restored home.
    #[error(transparent)]
    Audit(#[from] AuditError),
    /// What had ended would live again.
    #[error(transparent)]
    Floor(#[from] FloorError),
    /// What was restored cannot be checked.
    #[error(transparent)]
    Verify(#[from] VerifyError),
}
