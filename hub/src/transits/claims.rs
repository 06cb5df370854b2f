//! Which edges sent of which gates and cameras, by what is stored.

use std::collections::{BTreeMap, BTreeSet};

use super::archive::Archive;
use super::store::TransitStore;
use crate::boxes::learning::StoredClaim;
use crate::store::StoreError;

impl TransitStore {
    /// The edges with the gates and cameras of their stored transits. Of each hour the first and the
    /// last transit of a camera at a gate are looked at, not all.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn claims(&self) -> Result<BTreeSet<StoredClaim>, StoreError> {
        match self {
            Self::Embedded(archive) => archive.claims(),
            Self::Postgres(server) => server.claims(),
        }
    }
}

impl Archive {
    fn claims(&self) -> Result<BTreeSet<StoredClaim>, StoreError> {
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
