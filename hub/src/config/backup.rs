//! `[backup]`: where the running hub's backup lies, and how often it is made.

use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;
use varco_proto::config::Faults;

/// Where a backup lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackupPlace {
    /// The data folder.
    pub data: PathBuf,
    /// The keys folder; never within the data folder.
    pub keys: PathBuf,
}

/// The backup that the running hub makes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backup {
    /// Where it lies.
    pub place: BackupPlace,
    /// How often it is brought up to date.
    pub every: Duration,
}

/// The table as written.
#[derive(Debug, Deserialize)]
pub(super) struct BackupFile {
    pub(super) folder: PathBuf,
    pub(super) keys_folder: PathBuf,
    #[serde(default = "an_hour")]
    pub(super) every_minutes: u32,
}

fn an_hour() -> u32 {
    60
}

/// Checks `[backup]`.
pub(super) fn check(file: BackupFile, faults: &mut Faults) -> Option<Backup> {
    let absolute = file.folder.is_absolute() && file.keys_folder.is_absolute();
    faults.check(
        absolute,
        "backup",
        "write both folders from the root, with /",
    );
    let apart = !file.keys_folder.starts_with(&file.folder);
    let what = "it must lie outside `folder`, on a medium of which nobody keeps old versions";
    faults.check(apart, "backup.keys_folder", what);
    let minutes = file.every_minutes;
    let often = (5..=24 * 60).contains(&minutes);
    faults.check(often, "backup.every_minutes", "5 to 1440");
    Some(Backup {
        place: BackupPlace {
            data: file.folder,
            keys: file.keys_folder,
        },
        every: Duration::from_secs(u64::from(minutes) * 60),
    })
}
