//! Which edges sent of which gates and cameras, by what is stored.

use std::collections::{BTreeMap, BTreeSet};

use super::archive::Archive;
use crate::store::StoreError;

/// A stored transit's edge with the gate and the camera that it states.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct StoredClaim {
    /// The edge that sealed it.
    pub edge: String,
    /// The gate that it states.
    pub gate: String,
    /// The camera that it states.
    pub camera: String,
}

impl Archive {
    pub(super) fn stored_claims(&self) -> Result<BTreeSet<StoredClaim>, StoreError> {
        let mut claims = BTreeSet::new();
        let state = self.read();
        for slot in state.hours.values().filter(|slot| slot.rows > 0) {
            let mut wanted = BTreeMap::new();
            let sealed = match &slot.sealed {
                Some(sealed) => sealed.all()?,
                None => Vec::new(),
            };
            let hot = slot.hot.all().iter().map(|(entry, _)| *entry);
            for entry in sealed.into_iter().chain(hot) {
                let ends = wanted.entry((entry.gate, entry.camera));
                let (first, last) = ends.or_insert((entry, entry));
                if entry.row < first.row {
                    *first = entry;
                }
                if entry.row > last.row {
                    *last = entry;
                }
            }
            let ends: Vec<_> = wanted
                .into_values()
                .flat_map(|(first, last)| [first, last])
                .collect();
            let connection = slot.place.open()?;
            for head in slot.place.some_heads(&connection, &ends)? {
                let name = |number| -> Result<String, StoreError> {
                    let name = state.names.name(number).map(str::to_owned);
                    name.ok_or(StoreError::Damaged { what: "name" })
                };
                claims.insert(StoredClaim {
                    edge: name(head.edge)?,
                    gate: name(head.entry.gate)?,
                    camera: name(head.entry.camera)?,
                });
            }
        }
        Ok(claims)
    }
}
