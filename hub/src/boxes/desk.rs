//! What people say of boxes: each act with its audit line, in one transaction.

use thiserror::Error;
use varco_proto::ids::EdgeId;

use super::registered::{self, Claimed, Way};
use crate::audit::acting::Acting;
use crate::audit::action::Action;
use crate::audit::{self, AuditEntry, AuditError};
use crate::boxes::edges::{self, EdgeError};
use crate::store::sql::{Connection, TransactionBehavior};
use crate::store::{Doing as _, StoreError};

/// Nothing was changed.
#[derive(Debug, Error)]
pub enum BoxDeskError {
    /// The edge.
    #[error(transparent)]
    Edge(#[from] EdgeError),
    /// It is revoked.
    #[error("`{0}` is revoked: nothing of it is taken")]
    Revoked(EdgeId),
    /// Neither gate nor camera.
    #[error("say what the edge is allowed: --gate GATE or --camera CAMERA")]
    Nothing,
    /// No audit line, no act.
    #[error("the audit line cannot be written, so nothing was done")]
    Audit(#[from] AuditError),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Believes an edge about gates and cameras from now on. What its box kept back comes in by itself.
/// Gives how many of them are new.
///
/// # Errors
/// [`BoxDeskError`].
pub fn allow(
    main: &mut Connection,
    edge: &EdgeId,
    claimed: &[Claimed],
    acting: &Acting<'_>,
) -> Result<usize, BoxDeskError> {
    if claimed.is_empty() {
        return Err(BoxDeskError::Nothing);
    }
    let transaction = main
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .doing("begin the change")?;
    let known = edges::find(&transaction, edge)?;
    let known = known.ok_or_else(|| EdgeError::Unknown(edge.clone()))?;
    if known.revoked_at.is_some() {
        return Err(BoxDeskError::Revoked(edge.clone()));
    }
    let mut new = 0;
    for claimed in claimed {
        let way = Way::Person;
        if registered::register(&transaction, edge, claimed, way, acting.now)? {
            new += 1;
        }
        let details = serde_json::json!({ "edge": edge, claimed.kind(): claimed.name() });
        let entry = AuditEntry::plain(acting.actor.clone(), Action::EdgeAllowed, details);
        audit::append(&transaction, &entry, acting.now, acting.key)?;
    }
    transaction.commit().doing("commit the change")?;
    Ok(new)
}
