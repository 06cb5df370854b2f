//! What follows of itself when a request is settled or ends, in the same transaction.

use serde_json::json;
use varco_proto::time::UtcTime;

use super::approval::{Approval, ApprovalError};
use super::subject::{ApprovalSubject, LookSubject};
use super::using;
use crate::audit::acting::Acting;
use crate::audit::action::Action;
use crate::audit::purpose::Grounds;
use crate::audit::{self, AuditEntry};
use crate::judgement::second_looks;
use crate::store::StoreError;
use crate::store::sql::Connection;
use crate::transits::blocks;
use crate::transits::erasures::{self, ErasureOrder};

/// The last word was said: what it unlocks without anybody doing more is unlocked, with its line.
///
/// # Errors
/// [`ApprovalError`]: then the word was not said.
pub(super) fn settled(
    main: &Connection,
    approval: &Approval,
    acting: &Acting<'_>,
) -> Result<(), ApprovalError> {
    match &approval.subject {
        ApprovalSubject::SecondLook(look) => looked(main, approval, look, acting),
        ApprovalSubject::EarlyDeletion { .. } if approval.until.is_some() => {
            erased(main, approval, acting)
        }
        _ => Ok(()),
    }
}

/// Whoever answers for it granted what whom the transits are about asked for: nobody processes them from here on, and
/// the hub destroys them by itself.
fn erased(
    main: &Connection,
    approval: &Approval,
    acting: &Acting<'_>,
) -> Result<(), ApprovalError> {
    let ApprovalSubject::EarlyDeletion {
        request,
        requested_on: Some(requested_on),
        right: Some(right),
        transits,
        ..
    } = &approval.subject
    else {
        return Err(ApprovalError::Other);
    };
    let ids: Vec<[u8; 16]> = transits.iter().map(|id| *id.as_bytes()).collect();
    for id in &ids {
        if blocks::has(main, id)? {
            return Err(ApprovalError::Blocked);
        }
    }
    let used = using::mark_used(main, approval, acting)?;
    let order = ErasureOrder {
        approval: used.approval().id.to_string(),
        request: request.clone(),
        requested_on: requested_on.clone(),
        right: right.as_str().to_owned(),
        ordered_at: acting.now,
    };
    Ok(erasures::order(main, ids, &order)?)
}

/// A second person agreed to a search, or did not.
fn looked(
    main: &Connection,
    approval: &Approval,
    look: &LookSubject,
    acting: &Acting<'_>,
) -> Result<(), ApprovalError> {
    let agreed = approval.until.is_some();
    if !second_looks::decide(main, look.number, acting.actor, agreed, acting.now)? {
        return Err(ApprovalError::Unknown);
    }
    let grounds = Grounds::stated(Some(&look.purpose), Some(&look.case_reference));
    let details = json!({
        "second_look": look.number, "approval": approval.id, "rule": look.rule, "agreed": agreed,
        "asked_by": approval.asked_name, "asked_by_id": approval.asked_by,
    });
    let entry = AuditEntry {
        grounds: Some(grounds.map_err(|_| StoreError::Damaged { what: "grounds" })?),
        ..AuditEntry::plain(acting.actor.clone(), Action::SecondLookDecided, details)
    };
    audit::append(main, &entry, acting.now, acting.key)?;
    Ok(())
}

/// A request was withdrawn, or what it had unlocked was taken back.
///
/// # Errors
/// [`StoreError`].
pub(super) fn taken_back(
    main: &Connection,
    approval: &Approval,
    now: UtcTime,
) -> Result<(), StoreError> {
    match &approval.subject {
        ApprovalSubject::SecondLook(look) => second_looks::take_back(main, look.number, now),
        _ => Ok(()),
    }
}
