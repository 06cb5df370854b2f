//! How many vehicles passed, without plates (C02).

use std::collections::BTreeMap;

use varco_proto::time::UtcTime;
use varco_proto::transit::{Direction, Travel};

use super::entry::Entry;
use super::partition::Partition;
use super::query::Query;
use super::store::TransitStore;
use crate::store::StoreError;

/// A cell with fewer is not told: whoever knows one vehicle of it would learn of the others.
pub const CELL_MIN: u64 = 5;

/// By what is counted, besides the time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// Everything together.
    All,
    /// The camera.
    Camera,
    /// The gate.
    Gate,
    /// The likeliest country.
    Country,
    /// In or out, towards or away.
    Way,
}

/// One cell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cell {
    /// First moment of its hour or day.
    pub begins: UtcTime,
    /// What it counts.
    pub of: String,
    /// How many; none when it is fewer than [`CELL_MIN`].
    pub count: Option<u64>,
}

impl TransitStore {
    /// Counts what a query asks, by hour or by day of UTC.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn count_by(
        &self,
        query: &Query,
        now: UtcTime,
        (by, daily): (By, bool),
    ) -> Result<Vec<Cell>, StoreError> {
        let allowed = self.allowed(now)?;
        let mut cells: BTreeMap<(i64, Vec<u8>), u64> = BTreeMap::new();
        self.visit(query, &allowed, |hour, entry| {
            let hour = hour.hour();
            let begins = if daily {
                hour - hour.rem_euclid(24)
            } else {
                hour
            };
            *cells.entry((begins, key(by, entry))).or_default() += 1;
        })?;
        let name = |key: &[u8]| match by {
            By::All => "all".to_owned(),
            By::Camera | By::Gate => {
                let number = key.try_into().map_or(0, u32::from_be_bytes);
                self.name(number).unwrap_or_default()
            }
            By::Country | By::Way => String::from_utf8_lossy(key).into_owned(),
        };
        let cells = cells.into_iter().map(|((begins, key), count)| Cell {
            begins: Partition::from_number(begins).start(),
            of: name(&key),
            count: (count >= CELL_MIN).then_some(count),
        });
        Ok(cells.collect())
    }
}

fn key(by: By, entry: &Entry) -> Vec<u8> {
    match by {
        By::All => Vec::new(),
        By::Camera => entry.camera.to_be_bytes().to_vec(),
        By::Gate => entry.gate.to_be_bytes().to_vec(),
        By::Country if entry.country == [0, 0] => b"unknown".to_vec(),
        By::Country => entry.country.to_vec(),
        By::Way => way(entry).to_vec(),
    }
}

fn way(entry: &Entry) -> &'static [u8] {
    match (entry.marks.travel(), entry.marks.direction()) {
        (Some(Travel::In), _) => b"in",
        (Some(Travel::Out), _) => b"out",
        (None, Some(Direction::Towards)) => b"towards",
        (None, Some(Direction::Away)) => b"away",
        (None, None) => b"unknown",
    }
}
