//! How many transits of some gates are still stored: every row is looked at, also while the hub runs.

use std::collections::{BTreeMap, HashMap};

use varco_proto::ids::GateId;
use varco_proto::time::UtcTime;

use super::verification::VerifyError;
use crate::home::Home;
use crate::hours::keys::HourKeys;
use crate::hours::partition::Partition;
use crate::municipalities::owners::Ownership;
use crate::store::StoreError;
use crate::store::sql::Connection;
use crate::transits::names::{self, NameKind, Names};
use crate::transits::rows::HourPlace;
use crate::transits::stored::StoredHours as _;

/// Counts what gates saw while they were somebody's and what is still stored of it.
///
/// # Errors
/// [`VerifyError`]; also when a row cannot be read, of which nothing can be said.
pub fn stored_of(home: &Home, of: &BTreeMap<GateId, Ownership>) -> Result<u64, VerifyError> {
    let (config, main) = (home.config()?, home.open_main()?);
    if let Some(server) = home.open_server(&config)? {
        let mut counting = Counting::of(&server.names()?, of);
        for hour in server.hours()? {
            server.inspect(hour, |row| {
                let row = row.ok_or(StoreError::Damaged { what: "transit" })?;
                counting.take(row.head.entry.gate, hour.at(row.head.entry.offset_us));
                Ok(())
            })?;
        }
        return Ok(counting.stored);
    }
    let mut counting = Counting::of(&Names::load(&main)?, of);
    counting.home(home, &main)?;
    Ok(counting.stored)
}

/// The gates by their numbers, and how much was met of them.
struct Counting<'a> {
    gates: HashMap<u32, &'a Ownership>,
    stored: u64,
}

impl<'a> Counting<'a> {
    fn of(names: &Names, of: &'a BTreeMap<GateId, Ownership>) -> Self {
        let numbered = of.iter();
        let numbered = numbered
            .filter_map(|(gate, when)| Some((names.number(NameKind::Gate, gate.as_str())?, when)));
        Self {
            gates: numbered.collect(),
            stored: 0,
        }
    }

    fn take(&mut self, gate: u32, at: UtcTime) {
        let is_theirs = self.gates.get(&gate).is_some_and(|when| when.has(at));
        self.stored += u64::from(is_theirs);
    }

    fn home(&mut self, home: &Home, main: &Connection) -> Result<(), StoreError> {
        let keys = HourKeys::open(&home.hour_keys(), &home.store_key_file())?;
        for (hour, rows) in names::hours(main)? {
            // Without its key an hour is destroyed.
            let Some(key) = keys.get(hour)? else {
                continue;
            };
            let place = HourPlace::new(&home.partitions_folder(), hour, key);
            self.hour(&place, hour, rows)?;
        }
        Ok(())
    }

    fn hour(&mut self, place: &HourPlace, hour: Partition, rows: u32) -> Result<(), StoreError> {
        if rows == 0 || !place.rows_file().exists() {
            return Ok(());
        }
        let connection = place.open()?;
        place.heads(&connection, 1..=rows, |head| {
            let head = head.map_err(|_| StoreError::Damaged { what: "transit" })?;
            self.take(head.entry.gate, hour.at(head.entry.offset_us));
            Ok(())
        })
    }
}
