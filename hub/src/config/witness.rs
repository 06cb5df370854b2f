//! `[witness]`: that this hub cosigns the logs of other hubs, beside its own work.

use std::path::PathBuf;

use serde::Deserialize;
use varco_proto::config::Faults;

/// The table as written.
#[derive(Debug, Deserialize)]
pub(super) struct WitnessingFile {
    folder: PathBuf,
}

/// Checks `[witness]`. Gives the witness's folder, as `varco-hub witness init` made it.
pub(super) fn check(file: Option<WitnessingFile>, faults: &mut Faults) -> Option<PathBuf> {
    let folder = file?.folder;
    let what = "write the folder that `varco-hub witness init` made, from the root, with /";
    faults.check(folder.is_absolute(), "witness.folder", what);
    Some(folder)
}
