//! `[store]`: whether the transits are in PostgreSQL, and how many hubs work on them.

use std::path::PathBuf;

use serde::Deserialize;
use varco_proto::config::Faults;

use super::postgres_address::Address;

/// The table as written.
#[derive(Debug, Deserialize)]
#[serde(default)]
pub(super) struct StoreFile {
    pub(super) postgres: Option<String>,
    pub(super) password_file: Option<PathBuf>,
    pub(super) hubs: u32,
}

impl Default for StoreFile {
    fn default() -> Self {
        Self {
            postgres: None,
            password_file: None,
            hubs: 1,
        }
    }
}

/// Checks `[store]`: where the transits are, and how many hubs work on them.
pub(super) fn check(
    file: StoreFile,
    hubs_max: u32,
    faults: &mut Faults,
) -> (Option<Address>, usize) {
    let alone = file.postgres.is_none() && file.password_file.is_some();
    faults.check(!alone, "store.password_file", "it needs `store.postgres`");
    let several = file.postgres.is_none() && file.hubs > 1;
    faults.check(!several, "store.hubs", "several hubs need `store.postgres`");
    let what = format!("1 to {hubs_max}: they share the names that the broker knows");
    faults.check((1..=hubs_max).contains(&file.hubs), "store.hubs", what);
    let address = file.postgres.and_then(|text| {
        let address = Address::parse(&text, file.password_file);
        faults.take("store.postgres", address.map_err(|error| error.to_string()))
    });
    (address, usize::try_from(file.hubs).unwrap_or(1))
}
