//! What people do to cases and blocks: each act with its audit line, in one transaction.

use thiserror::Error;
use varco_proto::ids::Digest;
use varco_proto::time::UtcTime;

use super::block;
use super::case::{self, Case, CaseError, CaseId, Item};
use super::keys::CaseKeys;
use crate::hotlists::desk::Acting;
use crate::people::audit::{Action, AuditError, Entry};
use crate::people::purpose::Grounds;
use crate::store::StoreError;
use crate::store::sql::Connection;

/// Nothing was done.
#[derive(Debug, Error)]
pub enum CaseDeskError {
    /// The case.
    #[error(transparent)]
    Case(#[from] CaseError),
    /// No audit line, no act.
    #[error("the audit line cannot be written, so nothing was done")]
    Audit(#[from] AuditError),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

fn line(
    acting: &Acting<'_>,
    action: Action,
    grounds: &Grounds,
    details: serde_json::Value,
) -> Entry {
    Entry {
        grounds: Some(grounds.clone()),
        ..Entry::plain(acting.actor.clone(), action, details)
    }
}

/// Opens a case.
///
/// # Errors
/// [`CaseDeskError`].
pub fn open(
    main: &mut Connection,
    keys: &CaseKeys,
    case: &Case,
    acting: &Acting<'_>,
) -> Result<(), CaseDeskError> {
    let details = serde_json::json!({
        "case": case.id, "authority": case.authority, "order": case.order, "until": case.until,
    });
    let entry = line(acting, Action::CaseOpened, &case.grounds, details);
    acting.act(main, &entry, |main| Ok(case::open(main, keys, case)?))
}

/// Puts transits into an open case. Gives how many are new.
///
/// # Errors
/// [`CaseDeskError`].
pub fn hold(
    main: &mut Connection,
    keys: &CaseKeys,
    id: &CaseId,
    items: &[Item],
    acting: &Acting<'_>,
) -> Result<u64, CaseDeskError> {
    let case = find(main, id, acting.now)?;
    let entry = Entry {
        result_count: Some(u64::try_from(items.len()).unwrap_or(u64::MAX)),
        result_digests: items.iter().map(|item| item.digest).collect(),
        ..line(
            acting,
            Action::CaseHeld,
            &case.grounds,
            serde_json::json!({ "case": id }),
        )
    };
    let mut new = 0;
    acting.act(main, &entry, |main| {
        new = case::hold(main, keys, id, items, acting.now)?;
        Ok::<_, CaseDeskError>(())
    })?;
    Ok(new)
}

/// Checks that a case is open and its order's term not over.
///
/// # Errors
/// [`CaseDeskError`].
pub fn check_open(
    main: &Connection,
    id: &CaseId,
    acting: &Acting<'_>,
) -> Result<(), CaseDeskError> {
    find(main, id, acting.now).map(drop)
}

/// What a case holds; that it was shown is on the disk when this returns.
///
/// # Errors
/// [`CaseDeskError`].
pub fn show(
    main: &mut Connection,
    keys: &CaseKeys,
    id: &CaseId,
    acting: &Acting<'_>,
) -> Result<(Case, Vec<Item>), CaseDeskError> {
    let case = find(main, id, acting.now)?;
    let items = case::items(main, keys, id)?;
    let digests: Vec<Digest> = items.iter().map(|item| item.digest).collect();
    let entry = Entry {
        result_count: Some(u64::try_from(items.len()).unwrap_or(u64::MAX)),
        result_digests: digests,
        ..line(
            acting,
            Action::CaseShown,
            &case.grounds,
            serde_json::json!({ "case": id }),
        )
    };
    acting.act(main, &entry, |_| Ok::<_, CaseDeskError>(()))?;
    Ok((case, items))
}

/// Closes a case and destroys what it held.
///
/// # Errors
/// [`CaseDeskError`].
pub fn close(main: &mut Connection, id: &CaseId, acting: &Acting<'_>) -> Result<(), CaseDeskError> {
    let case = unclosed(main, id)?;
    let details = serde_json::json!({ "case": id, "transits": case.items });
    let entry = line(acting, Action::CaseClosed, &case.grounds, details);
    acting.act(main, &entry, |main| Ok(case::close(main, id, acting.now)?))
}

/// Closes the cases whose order's term is over.
///
/// # Errors
/// [`CaseDeskError`].
pub fn close_past(
    main: &mut Connection,
    acting: &Acting<'_>,
) -> Result<Vec<CaseId>, CaseDeskError> {
    let past = case::all(main)?.into_iter();
    let past = past.filter(|case| case.closed_at.is_none() && case.until <= acting.now);
    let mut closed = Vec::new();
    for case in past {
        close(main, &case.id, acting)?;
        closed.push(case.id);
    }
    Ok(closed)
}

/// Blocks transits, or lifts their blocks.
///
/// # Errors
/// [`CaseDeskError`].
pub fn block(
    main: &mut Connection,
    transits: &[[u8; 16]],
    (order, grounds): (&str, &Grounds),
    lift: bool,
    acting: &Acting<'_>,
) -> Result<(), CaseDeskError> {
    let ids: Vec<String> = transits.iter().map(hex::encode).collect();
    let action = if lift {
        Action::BlockLifted
    } else {
        Action::TransitBlocked
    };
    let details = serde_json::json!({ "transits": ids, "order": order });
    let entry = line(acting, action, grounds, details);
    acting.act(main, &entry, |main| {
        for transit in transits {
            if lift {
                block::lift(main, transit, acting.now)?;
            } else {
                block::block(main, transit, order, acting.now)?;
            }
        }
        Ok::<_, CaseDeskError>(())
    })
}

/// An open case whose term is not over.
fn find(main: &Connection, id: &CaseId, now: UtcTime) -> Result<Case, CaseDeskError> {
    let case = unclosed(main, id)?;
    if case.until > now {
        Ok(case)
    } else {
        Err(CaseError::Unknown(id.clone()).into())
    }
}

fn unclosed(main: &Connection, id: &CaseId) -> Result<Case, CaseDeskError> {
    let mut cases = case::all(main)?.into_iter();
    let found = cases.find(|case| case.id == *id && case.closed_at.is_none());
    Ok(found.ok_or_else(|| CaseError::Unknown(id.clone()))?)
}
