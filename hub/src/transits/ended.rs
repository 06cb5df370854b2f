//! Transits that were erased, for the floor that no restored copy goes below: what an older copy brings back is
//! destroyed again.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::erasures::{self, ErasureOrder, REMEMBERED_US};
use crate::store::StoreError;
use crate::store::sql::Connection;

/// On whose word transits were erased, by their ids in hexadecimal digits.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ErasedTransits(BTreeMap<String, ErasureOrder>);

impl ErasedTransits {
    /// What another knows, too.
    pub fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
        let newest = self.0.values().map(|order| order.ordered_at.unix_us());
        if let Some(newest) = newest.max() {
            let is_kept =
                |order: &ErasureOrder| order.ordered_at.unix_us() >= newest - REMEMBERED_US;
            self.0.retain(|_, order| is_kept(order));
        }
    }
}

/// Those that the database knows.
///
/// # Errors
/// [`StoreError`].
pub fn read(main: &Connection) -> Result<ErasedTransits, StoreError> {
    let all = erasures::remembered(main)?.into_iter();
    let all = all.map(|(transit, order)| (hex::encode(transit), order));
    let mut erased = ErasedTransits::default();
    erased.extend(ErasedTransits(all.collect()));
    Ok(erased)
}

/// Orders again those that the database does not know. Gives which it did not.
///
/// # Errors
/// [`StoreError`].
pub fn end(main: &Connection, erased: &ErasedTransits) -> Result<Vec<String>, StoreError> {
    const DAMAGED: StoreError = StoreError::Damaged { what: "floor" };
    let mut lived = Vec::new();
    for (id, order) in &erased.0 {
        let transit: [u8; 16] = hex::decode(id)
            .ok()
            .and_then(|bytes| bytes.try_into().ok())
            .ok_or(DAMAGED)?;
        if !erasures::is_ordered(main, &transit)? {
            erasures::order(main, [transit], order)?;
            lived.push(id.clone());
        }
    }
    Ok(lived)
}
