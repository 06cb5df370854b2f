//! The other side of a webhook: where it is, what signs what it is told, and how its last attempts went.

use varco_proto::time::UtcTime;

use super::patience::{Condition, latest};
use super::webhook;
use crate::store::sql::{Connection, OptionalExtension as _};
use crate::store::tokens::hmac_sha256;
use crate::store::{Doing as _, StoreError};
use varco_proto::cipher::Key;

/// Where a system is told, and how.
#[derive(Clone, PartialEq, Eq)]
pub struct Target {
    /// Where.
    pub url: String,
    /// Whose certificate to trust, PEM; the system's own authorities when there is none.
    pub authority: Option<String>,
    /// How its last attempts went.
    pub condition: Condition,
    /// Whose it is, as the id of a body.
    pub body: String,
    secret: Vec<u8>,
}

impl Target {
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

/// How a webhook is told; none when it may not be tried now, or is gone.
///
/// # Errors
/// [`StoreError`].
pub fn find(
    main: &Connection,
    key: &Key,
    webhook: &str,
    now: UtcTime,
) -> Result<Option<Target>, StoreError> {
    let found = main
        .query_row(
            "SELECT url, authority, secret, failures, failing_since_us, next_at_us, parked_at_us, body
             FROM webhooks WHERE id = ? AND removed_at_us IS NULL AND gone_at_us IS NULL",
            [webhook],
            |row| {
                let time = |at: Option<i64>| at.map(UtcTime::from_unix_us);
                Ok(Target {
                    url: row.get(0)?,
                    authority: row.get(1)?,
                    secret: row.get(2)?,
                    body: row.get(7)?,
                    condition: Condition {
                        failures: row.get(3)?,
                        failing_since: time(row.get(4)?),
                        next_at: UtcTime::from_unix_us(row.get(5)?),
                        parked_at: time(row.get(6)?),
                    },
                })
            },
        )
        .optional()
        .doing("find a webhook")?;
    let may_be_tried = |target: &Target| {
        let next_at = target.condition.next_at;
        next_at <= now || next_at.unix_us() > latest(now)
    };
    let Some(mut target) = found.filter(may_be_tried) else {
        return Ok(None);
    };
    let Ok(secret) = key.open(&webhook::place(webhook), &target.secret) else {
        tracing::error!(
            webhook,
            "the secret of a webhook does not open; make it anew"
        );
        return Ok(None);
    };
    target.secret = secret;
    Ok(Some(target))
}

/// How a webhook's last attempts went, read anew.
///
/// # Errors
/// [`StoreError`].
pub fn condition(main: &Connection, webhook: &str) -> Result<Option<Condition>, StoreError> {
    main.query_row(
        "SELECT failures, failing_since_us, next_at_us, parked_at_us FROM webhooks WHERE id = ?",
        [webhook],
        |row| {
            let time = |at: Option<i64>| at.map(UtcTime::from_unix_us);
            Ok(Condition {
                failures: row.get(0)?,
                failing_since: time(row.get(1)?),
                next_at: UtcTime::from_unix_us(row.get(2)?),
                parked_at: time(row.get(3)?),
            })
        },
    )
    .optional()
    .doing("find a webhook")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_that_of_the_specification() {
        // The example of the specification's own libraries.
        use base64::Engine as _;
        let secret = base64::engine::general_purpose::STANDARD
            .decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
            .unwrap();
        let target = Target {
            url: String::new(),
            authority: None,
            condition: Condition::default(),
            body: String::new(),
            secret,
        };
        let signed = target.signature(
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            1_614_265_330,
            br#"{"test": 2432232314}"#,
        );
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }
}
