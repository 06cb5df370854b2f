//! What people do to hotlists: each act with its audit line, in one transaction.

use thiserror::Error;
use varco_proto::keys::SealingKey;
use varco_proto::time::UtcTime;

use super::import::{self, ImportError, ImportReport};
use super::list::{self, Hotlist, ListError, ListId};
use super::pages;
use crate::people::audit::{self, Action, AuditError, Entry};
use crate::people::tokens::Actor;
use crate::store::cipher::Key;
use crate::store::sql::{Connection, TransactionBehavior};
use crate::store::{Doing as _, StoreError};

/// Nothing was done.
#[derive(Debug, Error)]
pub enum DeskError {
    /// The list.
    #[error(transparent)]
    List(#[from] ListError),
    /// The file.
    #[error(transparent)]
    Import(#[from] ImportError),
    /// No audit line, no act.
    #[error("the audit line cannot be written, so nothing was done")]
    Audit(#[from] AuditError),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Who acts, when, and what signs the line.
pub struct Acting<'a> {
    /// Who.
    pub actor: &'a Actor,
    /// By the hub's clock.
    pub now: UtcTime,
    /// The hub's key.
    pub key: &'a SealingKey,
}

impl Acting<'_> {
    /// Does something and writes its line, or neither.
    ///
    /// # Errors
    /// The work's own, or that of the line or the commit.
    pub(crate) fn act<E: From<StoreError> + From<AuditError>>(
        &self,
        main: &mut Connection,
        entry: &Entry,
        work: impl FnOnce(&Connection) -> Result<(), E>,
    ) -> Result<(), E> {
        let transaction = main
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .doing("begin the change")?;
        work(&transaction)?;
        audit::append(&transaction, entry, self.now, self.key)?;
        transaction.commit().doing("commit the change")?;
        Ok(())
    }

    fn line(&self, action: Action, list: &Hotlist, details: serde_json::Value) -> Entry {
        Entry {
            grounds: Some(list.grounds.clone()),
            ..Entry::plain(self.actor.clone(), action, details)
        }
    }
}

/// Makes a list, without plates yet.
///
/// # Errors
/// [`DeskError`].
pub fn make(main: &mut Connection, list: &Hotlist, acting: &Acting<'_>) -> Result<(), DeskError> {
    let details = serde_json::json!({
        "list": list.id, "name": list.name, "reason": list.reason, "owner": list.owner,
        "priority": list.priority, "near": list.near, "valid_from": list.valid_from,
        "valid_to": list.valid_to, "seen_by": list.seen_by,
    });
    let line = acting.line(Action::HotlistMade, list, details);
    acting.act(main, &line, |main| Ok(list::make(main, list)?))
}

/// Puts the plates of a CSV file in the place of all that a list had.
///
/// # Errors
/// [`DeskError`]; the list keeps what it had.
pub fn import(
    main: &mut Connection,
    plates_key: &Key,
    id: &ListId,
    (file, skip_faulty): (&[u8], bool),
    acting: &Acting<'_>,
) -> Result<ImportReport, DeskError> {
    let list = open(main, id)?;
    let (entries, report) = import::read(file, skip_faulty)?;
    let details = serde_json::json!({
        "list": id, "entries": report.entries, "repeated": report.repeated,
        "faulty": report.faulty,
        "file_digest": varco_proto::ids::Digest::of(file).to_string(),
    });
    let line = acting.line(Action::HotlistImported, &list, details);
    acting.act(main, &line, |main| {
        Ok::<_, DeskError>(pages::replace(main, plates_key, id, &entries, acting.now)?)
    })?;
    Ok(report)
}

/// Closes a list for good and destroys its plates.
///
/// # Errors
/// [`DeskError`].
pub fn close(main: &mut Connection, id: &ListId, acting: &Acting<'_>) -> Result<(), DeskError> {
    let list = open(main, id)?;
    let line = acting.line(
        Action::HotlistClosed,
        &list,
        serde_json::json!({ "list": id }),
    );
    acting.act(main, &line, |main| Ok(list::close(main, id, acting.now)?))
}

/// Closes the lists whose validity is over.
///
/// # Errors
/// [`DeskError`].
pub fn close_past(main: &mut Connection, acting: &Acting<'_>) -> Result<Vec<ListId>, DeskError> {
    let past = list::all(main)?.into_iter();
    let past = past.filter(|list| list.closed_at.is_none() && list.valid_to <= acting.now);
    let mut closed = Vec::new();
    for list in past {
        close(main, &list.id, acting)?;
        closed.push(list.id);
    }
    Ok(closed)
}

fn open(main: &Connection, id: &ListId) -> Result<Hotlist, DeskError> {
    let found = list::find(main, id)?.filter(|list| list.closed_at.is_none());
    Ok(found.ok_or_else(|| ListError::Unknown(id.clone()))?)
}
