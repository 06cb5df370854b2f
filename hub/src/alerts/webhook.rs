//! Systems that are told of alerts over HTTPS. This module owns the table `webhooks`.

use serde::Serialize;
use thiserror::Error;
use utoipa::ToSchema;
use varco_proto::time::UtcTime;

use crate::bodies::BodyId;
use crate::hotlists::list::ListId;
use crate::machine::random::{self, RandomError};
use crate::store::sql::{Connection, params};
use crate::store::{Doing as _, StoreError};
use varco_proto::cipher::Key;

/// The tables, for [`crate::store::migrate`]; [`super::deliveries::SCHEMA`] brings them forward.
pub const SCHEMA: &str = "
    CREATE TABLE webhooks (
        id TEXT PRIMARY KEY,
        url TEXT NOT NULL,
        secret BLOB NOT NULL,
        authority TEXT,
        lists TEXT NOT NULL,
        made_at_us INTEGER NOT NULL,
        removed_at_us INTEGER
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE webhook_deliveries (
        webhook TEXT NOT NULL,
        alert INTEGER NOT NULL,
        attempts INTEGER NOT NULL DEFAULT 0,
        next_at_us INTEGER NOT NULL,
        PRIMARY KEY (webhook, alert)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX webhook_deliveries_due ON webhook_deliveries (next_at_us);";

/// What each webhook is told of, by name, with spaces between. Those made before this column was there
/// are told of alerts.
pub const SCHEMA_TELLS: &str =
    "ALTER TABLE webhooks ADD COLUMN tells TEXT NOT NULL DEFAULT 'alerts';";

/// Whose a webhook is; those of a version before are whoever's runs the hub.
pub const SCHEMA_BODY: &str = "ALTER TABLE webhooks ADD COLUMN body TEXT NOT NULL DEFAULT 'owner';";

/// What a webhook may be told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WebhookTells {
    /// Alerts, with plates.
    Alerts,
    /// What begins and ends to be wrong with boxes and gates; never a plate.
    Anomalies,
}

impl WebhookTells {
    /// The name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Alerts => "alerts",
            Self::Anomalies => "anomalies",
        }
    }
}

impl std::str::FromStr for WebhookTells {
    type Err = WebhookError;
    fn from_str(text: &str) -> Result<Self, WebhookError> {
        let all = [Self::Alerts, Self::Anomalies];
        let found = all.into_iter().find(|told| told.as_str() == text);
        found.ok_or(WebhookError::Told)
    }
}

/// A webhook is not made or removed.
#[derive(Debug, Error)]
pub enum WebhookError {
    /// The name.
    #[error("a webhook's name is 1 to 64 of a-z, 0-9 and '-'")]
    Id,
    /// The address.
    #[error("a webhook's address begins with https:// (http:// only to this machine itself)")]
    Url,
    /// There is nothing of this name to be told of.
    #[error("a webhook is told of alerts, of anomalies, or of both")]
    Told,
    /// The name is taken.
    #[error("there is a webhook of this name: remove it first, or choose another")]
    Taken,
    /// No such webhook.
    #[error("there is no webhook of this name; `varco-hub webhook list` shows those there are")]
    Unknown,
    /// No secret can be drawn.
    #[error(transparent)]
    Random(#[from] RandomError),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A system that is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct WebhookView {
    /// Its name.
    pub id: String,
    /// Where it is told.
    pub url: String,
    /// Of what: `alerts`, `anomalies`.
    pub tells: Vec<String>,
    /// Of alerts of which lists; of all when empty.
    pub lists: Vec<String>,
    /// Messages that it does not have yet.
    pub waiting: u64,
    /// Whether it takes what it is told.
    pub state: WebhookState,
    /// Since when it does not, RFC 3339, UTC.
    pub since: Option<String>,
    /// Why the last attempt failed.
    pub last_failure: Option<String>,
    /// Messages that it was never told, because too many waited or it was gone.
    pub dropped: u64,
}

/// Whether a system takes what it is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum WebhookState {
    /// It does.
    Well,
    /// The last attempts failed; it is tried again.
    Failing,
    /// It took nothing for a day: it is tried once an hour.
    Parked,
    /// It answered 410: it is not tried, and nothing is queued.
    Gone,
}

pub(super) fn place(id: &str) -> Vec<u8> {
    format!("webhook {id}").into_bytes()
}

/// Whether a webhook may be there: over HTTPS, or on this machine.
#[must_use]
pub(crate) fn is_allowed(url: &str) -> bool {
    let local = ["http://127.0.0.1", "http://localhost", "http://[::1]"];
    let local = local.iter().any(|start| {
        let rest = url.strip_prefix(start);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', ':']))
    });
    (local || url.starts_with("https://")) && !url.contains(['@', ' ']) && url.len() <= 500
}

/// A webhook that is to be made.
#[derive(Debug, Clone, Copy)]
pub struct NewWebhook<'a> {
    /// Its name.
    pub id: &'a str,
    /// Where it is told.
    pub url: &'a str,
    /// Whose certificate to trust there, PEM; the system's authorities when there is none.
    pub authority: Option<&'a str>,
    /// Of which lists it is told; of all that its body has when there is none.
    pub lists: &'a [ListId],
    /// Whose it is: it is told what this body may see.
    pub body: &'a BodyId,
}

/// Makes a webhook and gives the secret that signs what it gets, `whsec_` and Base64: shown once.
///
/// # Errors
/// [`WebhookError`].
pub fn make(
    main: &Connection,
    key: &Key,
    new: NewWebhook<'_>,
    now: UtcTime,
) -> Result<String, WebhookError> {
    use base64::Engine as _;
    let NewWebhook {
        id,
        url,
        authority,
        lists,
        body,
    } = new;
    if id.parse::<ListId>().is_err() {
        return Err(WebhookError::Id);
    }
    if !is_allowed(url) {
        return Err(WebhookError::Url);
    }
    let secret = random::bytes::<32>()?;
    let sealed = key.seal(&place(id), &secret).map_err(|_| RandomError)?;
    let lists = serde_json::to_string(lists).unwrap_or_default();
    let made = main
        .execute(
            "INSERT INTO webhooks (id, url, secret, authority, lists, made_at_us, body)
             VALUES (?, ?, ?, ?, ?, ?, ?)
             ON CONFLICT (id) DO UPDATE SET url = excluded.url, secret = excluded.secret,
                authority = excluded.authority, lists = excluded.lists, body = excluded.body,
                made_at_us = excluded.made_at_us, removed_at_us = NULL,
                failures = 0, failing_since_us = NULL, next_at_us = 0, parked_at_us = NULL,
                gone_at_us = NULL, last_failure = NULL, dropped = 0, tells = 'alerts'
             WHERE removed_at_us IS NOT NULL",
            params![
                id,
                url,
                sealed,
                authority,
                lists,
                now.unix_us(),
                body.as_str()
            ],
        )
        .doing("make the webhook")?;
    if made == 0 {
        return Err(WebhookError::Taken);
    }
    let encoded = base64::engine::general_purpose::STANDARD.encode(secret);
    Ok(format!("whsec_{encoded}"))
}

/// Says what a webhook is told of from now on: at first, of alerts.
///
/// # Errors
/// [`WebhookError`].
pub fn tell_of(main: &Connection, id: &str, tells: &[WebhookTells]) -> Result<(), WebhookError> {
    let names: Vec<_> = tells.iter().map(|told| told.as_str()).collect();
    let changed = main
        .execute(
            "UPDATE webhooks SET tells = ? WHERE id = ? AND removed_at_us IS NULL",
            params![names.join(" "), id],
        )
        .doing("note what the webhook is told of")?;
    if changed == 0 {
        return Err(WebhookError::Unknown);
    }
    Ok(())
}

/// Removes a webhook; what it was not told it is not told any more.
///
/// # Errors
/// [`WebhookError`].
pub fn remove(main: &Connection, id: &str, now: UtcTime) -> Result<(), WebhookError> {
    const DOING: &str = "remove the webhook";
    let removed = main
        .execute(
            "UPDATE webhooks SET removed_at_us = ? WHERE id = ? AND removed_at_us IS NULL",
            params![now.unix_us(), id],
        )
        .doing(DOING)?;
    if removed == 0 {
        return Err(WebhookError::Unknown);
    }
    main.execute("DELETE FROM webhook_deliveries WHERE webhook = ?", [id])
        .doing(DOING)?;
    Ok(())
}

/// Tries a webhook again at once that is failing, parked or gone.
///
/// # Errors
/// [`WebhookError`].
pub fn resume(main: &Connection, id: &str) -> Result<(), WebhookError> {
    let resumed = main
        .execute(
            "UPDATE webhooks SET failures = 0, failing_since_us = NULL, next_at_us = 0,
             parked_at_us = NULL, gone_at_us = NULL WHERE id = ? AND removed_at_us IS NULL",
            [id],
        )
        .doing("resume the webhook")?;
    if resumed == 0 {
        return Err(WebhookError::Unknown);
    }
    Ok(())
}

/// The webhooks there are.
///
/// # Errors
/// [`StoreError`].
pub fn all(main: &Connection) -> Result<Vec<WebhookView>, StoreError> {
    const DOING: &str = "list the webhooks";
    let mut statement = main
        .prepare_cached(
            "SELECT id, url, lists,
             (SELECT count(*) FROM webhook_deliveries WHERE webhook = webhooks.id),
             failing_since_us, parked_at_us, gone_at_us, last_failure, dropped, tells
             FROM webhooks WHERE removed_at_us IS NULL ORDER BY id",
        )
        .doing(DOING)?;
    let rows = statement.query_map([], |row| {
        let (failing, parked, gone) = (row.get(4)?, row.get(5)?, row.get(6)?);
        let (state, since): (_, Option<i64>) = match (gone, parked, failing) {
            (Some(at), _, _) => (WebhookState::Gone, Some(at)),
            (None, Some(at), _) => (WebhookState::Parked, Some(at)),
            (None, None, Some(at)) => (WebhookState::Failing, Some(at)),
            (None, None, None) => (WebhookState::Well, None),
        };
        Ok(WebhookView {
            id: row.get(0)?,
            url: row.get(1)?,
            tells: row
                .get::<_, String>(9)?
                .split_whitespace()
                .map(str::to_owned)
                .collect(),
            lists: serde_json::from_str(&row.get::<_, String>(2)?).unwrap_or_default(),
            waiting: u64::try_from(row.get::<_, i64>(3)?).unwrap_or(0),
            state,
            since: since.map(|at| UtcTime::from_unix_us(at).to_string()),
            last_failure: row.get(7)?,
            dropped: u64::try_from(row.get::<_, i64>(8)?).unwrap_or(0),
        })
    });
    rows.doing(DOING)?.map(|row| row.doing(DOING)).collect()
}

impl WebhookView {
    /// Whether it is told of something.
    #[must_use]
    pub fn is_told_of(&self, told: WebhookTells) -> bool {
        self.tells.iter().any(|name| name == told.as_str())
    }
}

/// How many webhooks there are, and how many of them do not take what they are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct WebhookCounts {
    /// All of them.
    pub all: u64,
    /// Failing, and tried again.
    pub failing: u64,
    /// Parked or gone.
    pub parked: u64,
    /// Messages that wait for them.
    pub waiting: u64,
}

/// Counts the webhooks.
///
/// # Errors
/// [`StoreError`].
pub fn count(main: &Connection) -> Result<WebhookCounts, StoreError> {
    let mut counts = WebhookCounts::default();
    for webhook in all(main)? {
        counts.all += 1;
        counts.waiting += webhook.waiting;
        counts.failing += u64::from(webhook.state == WebhookState::Failing);
        let parked = matches!(webhook.state, WebhookState::Parked | WebhookState::Gone);
        counts.parked += u64::from(parked);
    }
    Ok(counts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_https_leaves_the_machine() {
        for url in [
            "https://centrale.example/x",
            "http://127.0.0.1:9/x",
            "http://localhost/x",
        ] {
            assert!(is_allowed(url), "{url}");
        }
        for url in [
            "http://centrale.example/x",
            "http://localhost.example/x",
            "https://user:secret@centrale.example/x",
            "ftp://127.0.0.1/x",
            "",
        ] {
            assert!(!is_allowed(url), "{url}");
        }
    }
}
