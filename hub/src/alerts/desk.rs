//! Webhooks are made, tried again and removed, each with its line.

use serde_json::json;
use thiserror::Error;
use varco_proto::cipher::Key;
use varco_proto::ids::Digest;

use super::webhook::{self, NewWebhook, WebhookError, WebhookTells};
use crate::audit::acting::Acting;
use crate::audit::action::Action;
use crate::audit::{AuditEntry, AuditError};
use crate::store::StoreError;
use crate::store::sql::Connection;

/// Nothing was done.
#[derive(Debug, Error)]
pub enum WebhookDeskError {
    /// See [`WebhookError`].
    #[error(transparent)]
    Webhook(#[from] WebhookError),
    /// No audit line, no act.
    #[error("the audit line cannot be written, so nothing was done")]
    Audit(#[from] AuditError),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Makes a webhook that is told of something, and gives the secret that signs what it gets: shown once.
///
/// The line has digests of address and authority, and not the address: what stands behind the host may be a secret of
/// the other side's.
///
/// # Errors
/// [`WebhookDeskError`].
pub fn make(
    main: &mut Connection,
    key: &Key,
    new: NewWebhook<'_>,
    tells: &[WebhookTells],
    acting: &Acting<'_>,
) -> Result<String, WebhookDeskError> {
    let digest = |text: &str| Digest::of(text.as_bytes()).to_string();
    let names: Vec<_> = tells.iter().map(|told| told.as_str()).collect();
    let details = json!({
        "webhook": new.id, "lists": new.lists, "tells": names, "body": new.body,
        "url_digest": digest(new.url), "authority_digest": new.authority.map(digest),
    });
    acting.change(main, |main| {
        let secret = webhook::make(main, key, new, acting.now)?;
        webhook::tell_of(main, new.id, tells)?;
        Ok((secret, entry(acting, Action::WebhookMade, details)))
    })
}

/// Tries a webhook again at once that is failing, parked or gone.
///
/// # Errors
/// [`WebhookDeskError`].
pub fn resume(
    main: &mut Connection,
    id: &str,
    acting: &Acting<'_>,
) -> Result<(), WebhookDeskError> {
    let line = entry(acting, Action::WebhookResumed, json!({ "webhook": id }));
    acting.act(main, &line, |main| Ok(webhook::resume(main, id)?))
}

/// Removes a webhook; what it was not told it is not told any more.
///
/// # Errors
/// [`WebhookDeskError`].
pub fn remove(
    main: &mut Connection,
    id: &str,
    acting: &Acting<'_>,
) -> Result<(), WebhookDeskError> {
    let line = entry(acting, Action::WebhookRemoved, json!({ "webhook": id }));
    acting.act(main, &line, |main| {
        Ok(webhook::remove(main, id, acting.now)?)
    })
}

fn entry(acting: &Acting<'_>, action: Action, details: serde_json::Value) -> AuditEntry {
    AuditEntry::plain(acting.actor.clone(), action, details)
}
