//! Systems that are told of alerts over HTTPS, and what still has to be told. This module owns the
//! tables `webhooks` and `webhook_deliveries`.
//!
//! A delivery is noted in the transaction that raises the alert, so that none is forgotten; it is
//! tried again, ever later, until the other side has it or the alert's term is over.

use std::time::Duration;

use serde::Serialize;
use thiserror::Error;
use utoipa::ToSchema;
use varco_proto::time::UtcTime;

use crate::hotlists::list::ListId;
use crate::random::{self, RandomError};
use crate::store::cipher::{Key, hmac_sha256};
use crate::store::sql::{Connection, OptionalExtension as _, params};
use crate::store::{Doing as _, StoreError};

/// The tables, for [`crate::store::migrate`].
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

/// How long one attempt has before another process may make it, in microseconds.
const CLAIM_US: i64 = 30_000_000;
/// The first wait after a failure.
const RETRY_FIRST: Duration = Duration::from_secs(1);
/// The longest.
const RETRY_MAX: Duration = Duration::from_secs(600);

/// A webhook is not made or removed.
#[derive(Debug, Error)]
pub enum WebhookError {
    /// The name.
    #[error("a webhook's name is 1 to 64 of a-z, 0-9 and '-'")]
    Id,
    /// The address.
    #[error("a webhook's address begins with https:// (http:// only to this machine itself)")]
    Url,
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
    /// Of which lists; of all when empty.
    pub lists: Vec<String>,
    /// Alerts that it does not have yet.
    pub waiting: u64,
}

/// One alert that one system is to be told.
#[derive(Clone)]
pub struct Delivery {
    /// Which system.
    pub webhook: String,
    /// Where.
    pub url: String,
    /// Whose certificate to trust, PEM; the system's own authorities when there is none.
    pub authority: Option<String>,
    /// The alert.
    pub alert: i64,
    /// Attempts before this one.
    pub attempts: u32,
    secret: Vec<u8>,
}

impl Delivery {
    /// The signature over a message, as the Standard Webhooks specification writes it:
    /// HMAC-SHA256 of `id.timestamp.body`, Base64 behind `v1,`.
    #[must_use]
    pub fn signature(&self, id: &str, seconds: i64, body: &[u8]) -> String {
        use base64::Engine as _;
        let head = format!("{id}.{seconds}.");
        let mac = hmac_sha256(&self.secret, &[head.as_bytes(), body]);
        let encoded = base64::engine::general_purpose::STANDARD.encode(mac);
        format!("v1,{encoded}")
    }
}

fn place(id: &str) -> Vec<u8> {
    format!("webhook {id}").into_bytes()
}

fn is_allowed(url: &str) -> bool {
    let local = ["http://127.0.0.1", "http://localhost", "http://[::1]"];
    let local = local.iter().any(|start| {
        let rest = url.strip_prefix(start);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', ':']))
    });
    (local || url.starts_with("https://")) && !url.contains(['@', ' ']) && url.len() <= 500
}

/// Makes a webhook and gives the secret that signs what it gets, `whsec_` and Base64: shown once.
///
/// # Errors
/// [`WebhookError`].
pub fn make(
    main: &Connection,
    key: &Key,
    (id, url): (&str, &str),
    authority: Option<&str>,
    lists: &[ListId],
    now: UtcTime,
) -> Result<String, WebhookError> {
    use base64::Engine as _;
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
            "INSERT INTO webhooks (id, url, secret, authority, lists, made_at_us)
             VALUES (?, ?, ?, ?, ?, ?)
             ON CONFLICT (id) DO UPDATE SET url = excluded.url, secret = excluded.secret,
                authority = excluded.authority, lists = excluded.lists,
                made_at_us = excluded.made_at_us, removed_at_us = NULL
             WHERE removed_at_us IS NOT NULL",
            params![id, url, sealed, authority, lists, now.unix_us()],
        )
        .doing("make the webhook")?;
    if made == 0 {
        return Err(WebhookError::Taken);
    }
    let encoded = base64::engine::general_purpose::STANDARD.encode(secret);
    Ok(format!("whsec_{encoded}"))
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

/// The webhooks there are.
///
/// # Errors
/// [`StoreError`].
pub fn all(main: &Connection) -> Result<Vec<WebhookView>, StoreError> {
    const DOING: &str = "list the webhooks";
    let mut statement = main
        .prepare(
            "SELECT id, url, lists,
             (SELECT count(*) FROM webhook_deliveries WHERE webhook = webhooks.id)
             FROM webhooks WHERE removed_at_us IS NULL ORDER BY id",
        )
        .doing(DOING)?;
    let rows = statement.query_map([], |row| {
        Ok(WebhookView {
            id: row.get(0)?,
            url: row.get(1)?,
            lists: serde_json::from_str(&row.get::<_, String>(2)?).unwrap_or_default(),
            waiting: u64::try_from(row.get::<_, i64>(3)?).unwrap_or(0),
        })
    });
    rows.doing(DOING)?.map(|row| row.doing(DOING)).collect()
}

/// Notes whom an alert has to be told, in the transaction that raises it.
///
/// # Errors
/// [`StoreError`].
pub fn enqueue(
    main: &Connection,
    alert: i64,
    list: &ListId,
    now: UtcTime,
) -> Result<(), StoreError> {
    for webhook in all(main)? {
        if webhook.lists.is_empty() || webhook.lists.iter().any(|of| of == list.as_str()) {
            main.execute(
                "INSERT INTO webhook_deliveries (webhook, alert, next_at_us) VALUES (?, ?, ?)",
                params![webhook.id, alert, now.unix_us()],
            )
            .doing("note whom the alert is told")?;
        }
    }
    Ok(())
}

/// Takes what is due, `most` at most: nobody else tries it for a while. What belongs to alerts that
/// are gone goes too.
///
/// # Errors
/// [`StoreError`].
pub fn take_due(
    main: &Connection,
    key: &Key,
    now: UtcTime,
    most: u32,
) -> Result<Vec<Delivery>, StoreError> {
    const DOING: &str = "take the deliveries that are due";
    let due: bool = main
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM webhook_deliveries WHERE next_at_us <= ?)")
        .and_then(|mut statement| statement.query_row([now.unix_us()], |row| row.get(0)))
        .doing(DOING)?;
    if !due {
        return Ok(Vec::new());
    }
    main.execute(
        "DELETE FROM webhook_deliveries WHERE alert NOT IN (SELECT id FROM alerts)",
        [],
    )
    .doing(DOING)?;
    let mut statement = main
        .prepare_cached(
            "UPDATE webhook_deliveries SET next_at_us = ?1 + ?2 WHERE (webhook, alert) IN
             (SELECT webhook, alert FROM webhook_deliveries WHERE next_at_us <= ?1
              ORDER BY next_at_us LIMIT ?3)
             RETURNING webhook, alert, attempts",
        )
        .doing(DOING)?;
    let rows = statement.query_map(params![now.unix_us(), CLAIM_US, most], |row| {
        Ok((row.get::<_, String>(0)?, row.get(1)?, row.get(2)?))
    });
    let taken: Result<Vec<(String, i64, u32)>, _> = rows.doing(DOING)?.collect();
    let mut deliveries = Vec::new();
    for (webhook, alert, attempts) in taken.doing(DOING)? {
        let found: Option<(String, Vec<u8>, Option<String>)> = main
            .query_row(
                "SELECT url, secret, authority FROM webhooks WHERE id = ?",
                [&webhook],
                |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
            )
            .optional()
            .doing(DOING)?;
        let Some((url, secret, authority)) = found else {
            continue;
        };
        let Ok(secret) = key.open(&place(&webhook), &secret) else {
            tracing::error!(
                webhook,
                "the secret of a webhook does not open; make it anew"
            );
            continue;
        };
        deliveries.push(Delivery {
            webhook,
            url,
            authority,
            alert,
            attempts,
            secret,
        });
    }
    Ok(deliveries)
}

/// Notes that a system has an alert.
///
/// # Errors
/// [`StoreError`].
pub fn delivered(main: &Connection, delivery: &Delivery) -> Result<(), StoreError> {
    main.execute(
        "DELETE FROM webhook_deliveries WHERE webhook = ? AND alert = ?",
        params![delivery.webhook, delivery.alert],
    )
    .doing("note a delivery")?;
    Ok(())
}

/// Notes that an attempt failed, and when the next is due.
///
/// # Errors
/// [`StoreError`].
pub fn failed(main: &Connection, delivery: &Delivery, now: UtcTime) -> Result<(), StoreError> {
    let wait = RETRY_FIRST
        .saturating_mul(1 << delivery.attempts.min(16))
        .min(RETRY_MAX);
    main.execute(
        "UPDATE webhook_deliveries SET attempts = attempts + 1, next_at_us = ?
         WHERE webhook = ? AND alert = ?",
        params![(now + wait).unix_us(), delivery.webhook, delivery.alert],
    )
    .doing("note a failed delivery")?;
    Ok(())
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

    #[test]
    fn a_signature_is_that_of_the_specification() {
        // The example of the specification's own libraries.
        use base64::Engine as _;
        let secret = base64::engine::general_purpose::STANDARD
            .decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
            .unwrap();
        let delivery = Delivery {
            webhook: String::new(),
            url: String::new(),
            authority: None,
            alert: 1,
            attempts: 0,
            secret,
        };
        let signed = delivery.signature(
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            1_614_265_330,
            br#"{"test": 2432232314}"#,
        );
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }
}
