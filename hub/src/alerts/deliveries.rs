//! What webhooks are still to be told: a queue each. This module owns the table
//! `webhook_deliveries`.
//!
//! A delivery is noted in the transaction that raises what it tells, so that none is forgotten. It
//! names a kind of message and the number of what is told, never its content: that is read when it is
//! sent, and what is gone by then is not told. Its message id ends in 128 random bits and is stored
//! with it: the same for every attempt, and never given twice, also by a hub that was restored from a
//! backup.

use std::collections::HashSet;
use std::time::Duration;

use varco_proto::time::UtcTime;

use super::patience::{self, Condition, Failure, Step, latest};
use super::webhook::{self, WebhookError, WebhookTells};
use crate::hotlists::list::ListId;
use crate::machine::random;
use crate::store::sql::{Connection, params};
use crate::store::{Doing as _, StoreError};

/// The queue as of this step, and what is known of each receiver, for [`crate::store::migrate`].
pub const SCHEMA: &str = "
    ALTER TABLE webhooks ADD COLUMN failures INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE webhooks ADD COLUMN failing_since_us INTEGER;
    ALTER TABLE webhooks ADD COLUMN next_at_us INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE webhooks ADD COLUMN parked_at_us INTEGER;
    ALTER TABLE webhooks ADD COLUMN gone_at_us INTEGER;
    ALTER TABLE webhooks ADD COLUMN last_failure TEXT;
    ALTER TABLE webhooks ADD COLUMN dropped INTEGER NOT NULL DEFAULT 0;
    CREATE TABLE webhook_queue (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        webhook TEXT NOT NULL,
        kind TEXT NOT NULL,
        reference INTEGER NOT NULL,
        message TEXT NOT NULL,
        attempts INTEGER NOT NULL DEFAULT 0,
        next_at_us INTEGER NOT NULL,
        UNIQUE (webhook, kind, reference)
    ) STRICT;
    INSERT INTO webhook_queue (webhook, kind, reference, message, attempts, next_at_us)
        SELECT webhook, 'alert', alert, 'alert-' || alert || '-' || lower(hex(randomblob(16))),
            attempts, next_at_us
        FROM webhook_deliveries ORDER BY alert;
    DROP TABLE webhook_deliveries;
    ALTER TABLE webhook_queue RENAME TO webhook_deliveries;
    CREATE INDEX webhook_deliveries_in_order ON webhook_deliveries (webhook, number);";

/// Most messages that wait for one webhook; beyond them the oldest are dropped, and that is told.
pub const WAITING_MAX: u32 = 10_000;
/// How long a message waits that cannot be told yet.
const POSTPONED: Duration = Duration::from_secs(10);

/// What a message tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DeliveryKind {
    /// An alert; the reference is its id.
    Alert,
    /// What is wrong with a box or a gate began or ended; the reference is the news' number.
    Anomaly,
}

impl DeliveryKind {
    const ALL: [(Self, &'static str); 2] = [(Self::Alert, "alert"), (Self::Anomaly, "anomaly")];

    /// The name, as the table has it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        let found = Self::ALL.iter().find(|(kind, _)| *kind == self);
        found.map_or("", |(_, name)| name)
    }

    fn named(name: &str) -> Option<Self> {
        let found = Self::ALL.iter().find(|(_, known)| *known == name);
        found.map(|(kind, _)| *kind)
    }
}

/// One message that one system is to be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookDelivery {
    /// Its number in the queue, ascending.
    pub number: i64,
    /// What it tells.
    pub kind: DeliveryKind,
    /// Of what, by the kind's own numbers.
    pub reference: i64,
    /// The message's id at the other side.
    pub message: String,
    /// Attempts before this one.
    pub attempts: u32,
}

/// Notes a message for one webhook, in the transaction that makes what it tells. What it is told
/// already, or is to be told, is noted once.
///
/// # Errors
/// [`WebhookError::Random`], [`WebhookError::Store`].
pub fn enqueue(
    main: &Connection,
    webhook: &str,
    kind: DeliveryKind,
    reference: i64,
    now: UtcTime,
) -> Result<(), WebhookError> {
    let drawn = hex::encode(random::bytes::<16>()?);
    let message = format!("{}-{reference}-{drawn}", kind.as_str());
    main.prepare_cached(
        "INSERT OR IGNORE INTO webhook_deliveries (webhook, kind, reference, message, next_at_us)
         SELECT id, ?, ?, ?, ? FROM webhooks
         WHERE id = ? AND removed_at_us IS NULL AND gone_at_us IS NULL",
    )
    .and_then(|mut statement| {
        let at = now.unix_us();
        statement.execute(params![kind.as_str(), reference, message, at, webhook])
    })
    .doing("note whom it is told")?;
    Ok(())
}

/// Notes whom an alert has to be told, in the transaction that raises it.
///
/// # Errors
/// [`StoreError`].
pub fn enqueue_alert(
    main: &Connection,
    alert: i64,
    list: &ListId,
    now: UtcTime,
) -> Result<(), StoreError> {
    for webhook in webhook::all(main)? {
        let of_list =
            webhook.lists.is_empty() || webhook.lists.iter().any(|of| of == list.as_str());
        if of_list && webhook.is_told_of(WebhookTells::Alerts) {
            enqueue_one(main, &webhook.id, DeliveryKind::Alert, alert, now)?;
        }
    }
    Ok(())
}

/// Notes whom the news of a box or a gate has to be told, in the transaction that makes it.
///
/// # Errors
/// [`StoreError`].
pub fn enqueue_anomaly(main: &Connection, news: i64, now: UtcTime) -> Result<(), StoreError> {
    for webhook in webhook::all(main)? {
        if webhook.is_told_of(WebhookTells::Anomalies) {
            enqueue_one(main, &webhook.id, DeliveryKind::Anomaly, news, now)?;
        }
    }
    Ok(())
}

fn enqueue_one(
    main: &Connection,
    webhook: &str,
    kind: DeliveryKind,
    reference: i64,
    now: UtcTime,
) -> Result<(), StoreError> {
    enqueue(main, webhook, kind, reference, now).map_err(|error| match error {
        WebhookError::Store(error) => error,
        // Without a number of its own it must not go out; the batch comes again.
        _ => StoreError::Damaged {
            what: "message id (no random bytes)",
        },
    })
}

/// The webhooks that have something due and may be tried.
///
/// # Errors
/// [`StoreError`].
pub fn due(main: &Connection, now: UtcTime) -> Result<Vec<String>, StoreError> {
    const DOING: &str = "find the webhooks that have something due";
    let mut statement = main
        .prepare_cached(
            "SELECT id FROM webhooks WHERE removed_at_us IS NULL AND gone_at_us IS NULL
             AND (next_at_us <= ?1 OR next_at_us > ?2) AND EXISTS
                (SELECT 1 FROM webhook_deliveries AS waiting WHERE webhook = webhooks.id
                 AND (waiting.next_at_us <= ?1 OR waiting.next_at_us > ?2))",
        )
        .doing(DOING)?;
    let rows = statement.query_map([now.unix_us(), latest(now)], |row| row.get(0));
    rows.doing(DOING)?.map(|row| row.doing(DOING)).collect()
}

/// What is due for one webhook, oldest first, `most` at most and without those on their way.
///
/// # Errors
/// [`StoreError`].
pub fn take(
    main: &Connection,
    webhook: &str,
    most: usize,
    on_their_way: &HashSet<i64>,
    now: UtcTime,
) -> Result<Vec<WebhookDelivery>, StoreError> {
    const DOING: &str = "take the deliveries that are due";
    let mut statement = main
        .prepare_cached(
            "SELECT number, kind, reference, message, attempts FROM webhook_deliveries
             WHERE webhook = ?1 AND (next_at_us <= ?2 OR next_at_us > ?3)
             ORDER BY number LIMIT ?4",
        )
        .doing(DOING)?;
    let limit = i64::try_from(most + on_their_way.len()).unwrap_or(i64::MAX);
    let mut rows = statement
        .query(params![webhook, now.unix_us(), latest(now), limit])
        .doing(DOING)?;
    let mut taken = Vec::new();
    while let Some(row) = rows.next().doing(DOING)? {
        let number = row.get(0).doing(DOING)?;
        let kind: String = row.get(1).doing(DOING)?;
        let Some(kind) = DeliveryKind::named(&kind) else {
            return Err(StoreError::Damaged {
                what: "kind of a message",
            });
        };
        if taken.len() < most && !on_their_way.contains(&number) {
            taken.push(WebhookDelivery {
                number,
                kind,
                reference: row.get(2).doing(DOING)?,
                message: row.get(3).doing(DOING)?,
                attempts: row.get(4).doing(DOING)?,
            });
        }
    }
    Ok(taken)
}

/// Notes that a system has a message. True when it was failing, and is well again.
///
/// # Errors
/// [`StoreError`].
pub fn delivered(main: &Connection, webhook: &str, number: i64) -> Result<bool, StoreError> {
    settle(main, number)?;
    let well = main
        .execute(
            "UPDATE webhooks SET failures = 0, failing_since_us = NULL, next_at_us = 0,
             parked_at_us = NULL, last_failure = NULL
             WHERE id = ? AND (failing_since_us IS NOT NULL OR parked_at_us IS NOT NULL)",
            [webhook],
        )
        .doing("note that a webhook is well")?;
    Ok(well > 0)
}

/// Lets go of a message: it was told, or there is nothing to be told any more.
///
/// # Errors
/// [`StoreError`].
pub fn settle(main: &Connection, number: i64) -> Result<(), StoreError> {
    main.prepare_cached("DELETE FROM webhook_deliveries WHERE number = ?")
        .and_then(|mut statement| statement.execute([number]))
        .doing("note a delivery")?;
    Ok(())
}

/// Lets a message wait that cannot be told yet, so that those behind it go first.
///
/// # Errors
/// [`StoreError`].
pub fn postpone(main: &Connection, number: i64, now: UtcTime) -> Result<(), StoreError> {
    main.execute(
        "UPDATE webhook_deliveries SET next_at_us = ? WHERE number = ?",
        params![(now + POSTPONED).unix_us(), number],
    )
    .doing("let a delivery wait")?;
    Ok(())
}

/// Notes that an attempt failed, and when the next is due. Gives what came of it for the webhook.
///
/// # Errors
/// [`StoreError`].
pub fn failed(
    main: &Connection,
    webhook: &str,
    delivery: &WebhookDelivery,
    failure: &Failure,
    condition: Condition,
    now: UtcTime,
) -> Result<Step, StoreError> {
    const DOING: &str = "note a failed delivery";
    let alone = if failure.is_of_the_message() {
        now + patience::wait(delivery.attempts)
    } else {
        now
    };
    main.execute(
        "UPDATE webhook_deliveries SET attempts = attempts + 1, next_at_us = ? WHERE number = ?",
        params![alone.unix_us(), delivery.number],
    )
    .doing(DOING)?;
    let (next, step) = patience::after(condition, failure, now);
    main.execute(
        "UPDATE webhooks SET failures = ?, failing_since_us = ?, next_at_us = ?, parked_at_us = ?,
         last_failure = ? WHERE id = ?",
        params![
            next.failures,
            next.failing_since.map(UtcTime::unix_us),
            next.next_at.unix_us(),
            next.parked_at.map(UtcTime::unix_us),
            failure.to_string(),
            webhook,
        ],
    )
    .doing(DOING)?;
    if step == Step::Gone {
        end(main, webhook, now)?;
    }
    Ok(step)
}

/// Ends a webhook whose other side says that it is gone: nothing is queued for it any more.
fn end(main: &Connection, webhook: &str, now: UtcTime) -> Result<(), StoreError> {
    const DOING: &str = "end a webhook that is gone";
    main.execute(
        "UPDATE webhooks SET gone_at_us = ?1, dropped = dropped +
            (SELECT count(*) FROM webhook_deliveries WHERE webhook = ?2) WHERE id = ?2",
        params![now.unix_us(), webhook],
    )
    .doing(DOING)?;
    main.execute(
        "DELETE FROM webhook_deliveries WHERE webhook = ?",
        [webhook],
    )
    .doing(DOING)?;
    Ok(())
}

/// Lets go of messages of alerts that are gone, and of the oldest of a queue that is too long.
/// Gives the webhooks that lost some of those, with how many.
///
/// # Errors
/// [`StoreError`].
pub fn tidy(main: &Connection, most: u32) -> Result<Vec<(String, u64)>, StoreError> {
    const DOING: &str = "tidy the queues of the webhooks";
    main.execute(
        "DELETE FROM webhook_deliveries
         WHERE kind = 'alert' AND reference NOT IN (SELECT id FROM alerts)",
        [],
    )
    .doing(DOING)?;
    let mut dropped = Vec::new();
    for webhook in webhook::all(main)? {
        if webhook.waiting <= u64::from(most) {
            continue;
        }
        let count = main
            .execute(
                "DELETE FROM webhook_deliveries WHERE webhook = ?1 AND number <=
                 (SELECT number FROM webhook_deliveries WHERE webhook = ?1
                  ORDER BY number DESC LIMIT 1 OFFSET ?2)",
                params![webhook.id, most],
            )
            .doing(DOING)?;
        let count = i64::try_from(count).unwrap_or(i64::MAX);
        main.execute(
            "UPDATE webhooks SET dropped = dropped + ? WHERE id = ?",
            params![count, webhook.id],
        )
        .doing(DOING)?;
        dropped.push((webhook.id, u64::try_from(count).unwrap_or(0)));
    }
    Ok(dropped)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store;

    #[test]
    fn what_an_older_home_had_to_tell_is_told_with_ids_of_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let mut main = store::open(&folder.path().join("main.sqlite")).unwrap();
        store::migrate(&mut main, &[webhook::SCHEMA]).unwrap();
        main.execute_batch(
            "INSERT INTO webhooks VALUES ('centrale', 'https://centrale.example/', x'00', NULL,
                '[]', 1, NULL);
             INSERT INTO webhook_deliveries VALUES ('centrale', 8, 0, 5), ('centrale', 7, 3, 5);",
        )
        .unwrap();
        store::migrate(&mut main, &[webhook::SCHEMA, SCHEMA]).unwrap();
        let now = UtcTime::from_unix_us(10);
        assert_eq!(due(&main, now).unwrap(), ["centrale"]);
        let taken = take(&main, "centrale", 9, &HashSet::new(), now).unwrap();
        let told: Vec<_> = taken
            .iter()
            .map(|delivery| (delivery.kind, delivery.reference, delivery.attempts))
            .collect();
        assert_eq!(
            told,
            [(DeliveryKind::Alert, 7, 3), (DeliveryKind::Alert, 8, 0)]
        );
        assert_ne!(taken[0].message, taken[1].message);
        assert!(taken[0].message.starts_with("alert-7-"));
    }

    #[test]
    fn a_clock_that_had_jumped_ahead_keeps_nobody_waiting() {
        let folder = tempfile::tempdir().unwrap();
        let mut main = store::open(&folder.path().join("main.sqlite")).unwrap();
        store::migrate(&mut main, &[webhook::SCHEMA, SCHEMA]).unwrap();
        let day = std::time::Duration::from_secs(86_400);
        let now: UtcTime = "2026-11-22T12:00:00Z".parse().unwrap();
        main.execute(
            "INSERT INTO webhooks (id, url, secret, lists, made_at_us) VALUES ('a', '', x'', '', 1)",
            [],
        )
        .unwrap();
        enqueue(&main, "a", DeliveryKind::Alert, 1, now + day * 8).unwrap();
        assert_eq!(due(&main, now).unwrap(), ["a"]);
        enqueue(&main, "a", DeliveryKind::Alert, 2, now + day / 48).unwrap();
        let taken = take(&main, "a", 9, &HashSet::new(), now).unwrap();
        assert_eq!(taken.len(), 1, "what is put off by half an hour waits");
    }
}
