//! Terms that were shortened, for the floor that no restored database goes below.

use std::collections::BTreeMap;

use varco_proto::time::UtcTime;

use super::owners;
use crate::store::sql::{Connection, params};
use crate::store::{Doing as _, StoreError};

/// Whose gate, and its term in hours, by the gate.
pub type GateTerms = BTreeMap<String, (String, i64)>;

/// The gates whose transits end before the hub's own term.
///
/// # Errors
/// [`StoreError`].
pub fn gate_terms(main: &Connection) -> Result<GateTerms, StoreError> {
    const DOING: &str = "list the gates' terms";
    let sql = "SELECT g.gate, m.name, m.term_hours FROM municipalities AS m
               JOIN municipality_gates AS g ON g.municipality = m.name
               WHERE m.term_hours IS NOT NULL";
    let mut statement = main.prepare(sql).doing(DOING)?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, (row.get(1)?, row.get(2)?))));
    rows.doing(DOING)?.map(|row| row.doing(DOING)).collect()
}

/// Shortens the terms of gates that are longer. Gives whose.
///
/// # Errors
/// [`StoreError`].
pub fn shorten(
    main: &Connection,
    terms: &GateTerms,
    now: UtcTime,
) -> Result<Vec<String>, StoreError> {
    const DOING: &str = "shorten a gate's term again";
    let there = gate_terms(main)?;
    let mut shortened = Vec::new();
    for (gate, (municipality, hours)) in terms {
        if there.get(gate).is_some_and(|(_, known)| known <= hours) {
            continue;
        }
        main.execute(
            "INSERT INTO municipalities (name, term_hours) VALUES (?, ?) ON CONFLICT (name)
             DO UPDATE SET term_hours = min(coalesce(term_hours, 168), excluded.term_hours)",
            params![municipality, hours],
        )
        .doing(DOING)?;
        main.execute(
            "INSERT OR REPLACE INTO municipality_gates (gate, municipality) VALUES (?, ?)",
            params![gate, municipality],
        )
        .doing(DOING)?;
        let name = municipality.parse();
        let name = name.map_err(|_| StoreError::Damaged {
            what: "municipality",
        })?;
        owners::note(main, gate, Some(&name), now)?;
        shortened.push(gate.clone());
    }
    Ok(shortened)
}
