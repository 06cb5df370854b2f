//! Registering the edges of a version before by what is stored of them: once, when the store is
//! opened.

use std::collections::BTreeSet;

use varco_proto::ids::EdgeId;
use varco_proto::time::UtcTime;

use super::registered::{self, Claimed, Way};
use crate::lookups::store::TransitStore;
use crate::store::sql::{Connection, TransactionBehavior};
use crate::store::{Doing as _, StoreError};

/// Whether there is anything to learn.
///
/// # Errors
/// [`StoreError`].
pub fn is_due(main: &Connection) -> Result<bool, StoreError> {
    main.query_row("SELECT EXISTS (SELECT 1 FROM edges_to_learn)", [], |row| {
        row.get(0)
    })
    .doing("read which edges are to be learnt")
}

/// Registers each edge for the gates and cameras of its stored transits.
///
/// # Errors
/// [`StoreError`]; the next start tries again.
pub fn learn(main: &mut Connection, store: &TransitStore) -> Result<(), StoreError> {
    const DOING: &str = "register the edges by what is stored";
    let stored = store.claims()?;
    // Nobody knows when it was first stored.
    let since = UtcTime::from_unix_us(0);
    let transaction = main
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .doing(DOING)?;
    let edges: BTreeSet<String> = {
        let mut statement = transaction
            .prepare("SELECT edge FROM edges_to_learn")
            .doing(DOING)?;
        let rows = statement.query_map([], |row| row.get(0)).doing(DOING)?;
        rows.collect::<Result<_, _>>().doing(DOING)?
    };
    for claim in stored.iter().filter(|claim| edges.contains(&claim.edge)) {
        let Ok(edge) = claim.edge.parse::<EdgeId>() else {
            continue;
        };
        if let Ok(gate) = claim.gate.parse() {
            let gate = Claimed::Gate(gate);
            registered::register(&transaction, &edge, &gate, Way::Stored, since)?;
        }
        if let Ok(camera) = claim.camera.parse() {
            let camera = Claimed::Camera(camera);
            registered::register(&transaction, &edge, &camera, Way::Stored, since)?;
        }
    }
    transaction
        .execute("DELETE FROM edges_to_learn", [])
        .doing(DOING)?;
    transaction.commit().doing(DOING)?;
    tracing::info!(
        edges = edges.len(),
        "the edges are registered for the gates and cameras of what is stored of them"
    );
    Ok(())
}
