//! What whoever answers for a body is told of: that somebody on duty let another body in (art. 8 c. 2 A a3). A notice
//! waits until it is read. This module reads and writes `approval_notices`.

use serde_json::json;
use varco_proto::time::UtcTime;

use super::ApprovalId;
use super::approval::{self, Approval, ApprovalError};
use crate::audit::AuditEntry;
use crate::audit::acting::Acting;
use crate::audit::action::Action;
use crate::bodies::BodyId;
use crate::store::sql::{Connection, params};
use crate::store::{Doing as _, StoreError};

/// A notice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApprovalNotice {
    /// Of what.
    pub approval: Approval,
    /// Since when it waits.
    pub made_at: UtcTime,
    /// When it was read.
    pub read_at: Option<UtcTime>,
}

/// Leaves a notice for whoever answers for a body.
///
/// # Errors
/// [`StoreError`].
pub(super) fn leave(
    main: &Connection,
    id: &ApprovalId,
    body: &BodyId,
    now: UtcTime,
) -> Result<(), StoreError> {
    let sql = "INSERT INTO approval_notices (approval, body, made_at_us) VALUES (?, ?, ?)";
    main.execute(sql, params![id.as_str(), body.as_str(), now.unix_us()])
        .doing("leave a notice")?;
    Ok(())
}

/// The notices of a body that nobody has read, oldest first.
///
/// # Errors
/// [`StoreError`].
pub fn unread(main: &Connection, body: &BodyId) -> Result<Vec<ApprovalNotice>, StoreError> {
    const DOING: &str = "read notices";
    const DAMAGED: StoreError = StoreError::Damaged { what: "notice" };
    let sql =
        "SELECT approval, made_at_us FROM approval_notices WHERE body = ? AND read_at_us IS NULL
        ORDER BY made_at_us, approval";
    let mut statement = main.prepare_cached(sql).doing(DOING)?;
    let mut rows = statement.query([body.as_str()]).doing(DOING)?;
    let mut all = Vec::new();
    while let Some(row) = rows.next().doing(DOING)? {
        let id: String = row.get(0).doing(DOING)?;
        let id = id.parse().map_err(|_| DAMAGED)?;
        all.push(ApprovalNotice {
            approval: approval::find(main, &id)?.ok_or(DAMAGED)?,
            made_at: row.get(1).map(UtcTime::from_unix_us).doing(DOING)?,
            read_at: None,
        });
    }
    Ok(all)
}

/// Notes that whoever acts, who answers for their body, read a notice; with its line.
///
/// # Errors
/// [`ApprovalError::Unknown`] when none of their body waits.
pub fn read(
    main: &mut Connection,
    id: &ApprovalId,
    acting: &Acting<'_>,
) -> Result<(), ApprovalError> {
    acting.change(main, |main| {
        let body = acting.actor.body().ok_or(ApprovalError::NoPerson)?;
        let sql = "UPDATE approval_notices SET read_at_us = ?, read_by = ? WHERE approval = ? AND body = ?
            AND read_at_us IS NULL";
        let values = params![acting.now.unix_us(), acting.actor.id(), id.as_str(), body];
        let changed = main.execute(sql, values);
        match changed.doing("note that a notice was read")? {
            1 => {
                let details = json!({ "approval": id });
                let actor = acting.actor.clone();
                Ok(((), AuditEntry::plain(actor, Action::NoticeRead, details)))
            }
            _ => Err(ApprovalError::Unknown),
        }
    })
}
