//! What is communicated: another municipality's transits, which an office sees by an agreement. What the appointed
//! persons of the gates' own municipality see is no communication (art. 17 c. 1 and c. 3 of Perugia's regulation),
//! and lines tell the two apart.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use varco_proto::ids::GateId;
use varco_proto::time::UtcTime;

use crate::bodies::Body;
use crate::municipalities::{self, Municipality};
use crate::store::StoreError;
use crate::store::sql::Connection;

/// A pass, as far as it says whose it is.
#[derive(Debug, Clone)]
pub(super) struct PassedAt {
    pub(super) gate: GateId,
    pub(super) at: UtcTime,
}

/// Adds to what a line tells which of its records are another municipality's than an office's, by their places from 0.
/// What one's own gates saw is left out, and what nobody's gates saw for whoever runs the hub.
///
/// # Errors
/// [`StoreError`].
pub(super) fn tell_others(
    details: &mut Value,
    main: &Connection,
    body: &Body,
    passes: &[Option<PassedAt>],
) -> Result<(), StoreError> {
    let all = municipalities::all(main)?;
    let whose = |pass: &PassedAt| {
        let has = |known: &municipalities::KnownMunicipality| {
            known
                .owned
                .get(&pass.gate)
                .is_some_and(|when| when.has(pass.at))
        };
        all.iter()
            .find(|(_, known)| has(known))
            .map(|(name, _)| name)
    };
    let mut places: BTreeMap<Option<&Municipality>, Vec<usize>> = BTreeMap::new();
    for (place, pass) in passes.iter().enumerate() {
        let Some(pass) = pass else { continue };
        let owner = whose(pass);
        let is_own = match owner {
            None => body.is_owner,
            Some(name) => body.municipality.as_ref() == Some(name),
        };
        if !is_own {
            places.entry(owner).or_default().push(place);
        }
    }
    let told = places.into_iter().map(|(municipality, records)| {
        json!({ "agreement": null, "municipality": municipality, "records": records })
    });
    let told: Vec<_> = told.collect();
    if let Some(details) = details.as_object_mut().filter(|_| !told.is_empty()) {
        details.insert("communicated".to_owned(), told.into());
    }
    Ok(())
}
