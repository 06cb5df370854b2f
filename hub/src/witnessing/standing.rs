//! How the hub's witnesses stand: which there are, and when each cosigned last. This module owns the table
//! `audit_witnesses`.

use std::time::Duration;

use varco_proto::keys::SealingKey;
use varco_proto::time::UtcTime;

use crate::audit::action::Action;
use crate::audit::actor::Actor;
use crate::audit::{self, AuditEntry, AuditError};
use crate::config::audit::WitnessAddress;
use crate::store::sql::{Connection, TransactionBehavior, params};
use crate::store::{Doing as _, StoreError, number};

/// The table, for [`crate::store::migrate`].
pub const SCHEMA: &str = "
    CREATE TABLE audit_witnesses (
        key TEXT PRIMARY KEY,
        name TEXT NOT NULL,
        address TEXT NOT NULL,
        since_us INTEGER NOT NULL,
        cosigned_at_us INTEGER,
        size INTEGER NOT NULL DEFAULT 0,
        fault TEXT
    ) STRICT, WITHOUT ROWID;";

/// After so long without a cosignature a witness is missing, and that is an alarm.
pub const MISSING_AFTER: Duration = Duration::from_secs(3600);

/// A witness of this hub.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WitnessStanding {
    /// Its public key.
    pub key: String,
    /// Its name.
    pub name: String,
    /// Since when it is asked.
    pub since: UtcTime,
    /// When it cosigned last, by the hub's clock; none when it never did.
    pub cosigned_at: Option<UtcTime>,
    /// Lines that it has cosigned.
    pub size: u64,
    /// Why it did not, the last time; none when it did.
    pub fault: Option<String>,
}

impl WitnessStanding {
    /// Whether it has cosigned nothing for too long.
    #[must_use]
    pub fn is_missing(&self, now: UtcTime) -> bool {
        // Before its first cosignature it is waited for from when it was named.
        let last = self.cosigned_at.unwrap_or(self.since);
        now.since(last) > MISSING_AFTER
    }
}

/// The witnesses, by their names.
///
/// # Errors
/// [`StoreError`].
pub fn all(main: &Connection) -> Result<Vec<WitnessStanding>, StoreError> {
    const READING: &str = "read the witnesses";
    let mut statement = main
        .prepare(
            "SELECT key, name, since_us, cosigned_at_us, size, fault FROM audit_witnesses
             ORDER BY name, key",
        )
        .doing(READING)?;
    let mut rows = statement.query([]).doing(READING)?;
    let mut all = Vec::new();
    while let Some(row) = rows.next().doing(READING)? {
        let cosigned_at: Option<i64> = row.get(3).doing(READING)?;
        let size: i64 = row.get(4).doing(READING)?;
        all.push(WitnessStanding {
            key: row.get(0).doing(READING)?,
            name: row.get(1).doing(READING)?,
            since: UtcTime::from_unix_us(row.get(2).doing(READING)?),
            cosigned_at: cosigned_at.map(UtcTime::from_unix_us),
            size: number::unsigned(size, "witness")?,
            fault: row.get(5).doing(READING)?,
        });
    }
    Ok(all)
}

/// Takes over which witnesses the configuration names. A change has its line: who takes a witness away takes a
/// check away.
///
/// # Errors
/// [`AuditError`]; nothing is changed then.
pub fn take_over(
    main: &mut Connection,
    named: &[WitnessAddress],
    now: UtcTime,
    key: &SealingKey,
) -> Result<bool, AuditError> {
    const CHANGING: &str = "change the witnesses";
    let transaction = main
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .doing(CHANGING)?;
    let before = all(&transaction)?;
    let is_named = |key: &str| named.iter().any(|one| one.key.to_string() == key);
    let is_there = |key: &str| before.iter().any(|one| one.key == key);
    let gone = before.iter().filter(|one| !is_named(&one.key));
    let gone: Vec<&str> = gone.map(|one| one.key.as_str()).collect();
    let mut new = Vec::new();
    for witness in named {
        let public = witness.key.to_string();
        transaction
            .execute(
                "INSERT INTO audit_witnesses (key, name, address, since_us) VALUES (?, ?, ?, ?)
                 ON CONFLICT (key) DO UPDATE SET address = excluded.address",
                params![public, witness.key.name(), witness.address, now.unix_us()],
            )
            .doing(CHANGING)?;
        if !is_there(&public) {
            new.push(public);
        }
    }
    for key in &gone {
        transaction
            .execute("DELETE FROM audit_witnesses WHERE key = ?", [key])
            .doing(CHANGING)?;
    }
    let is_changed = !(gone.is_empty() && new.is_empty());
    if is_changed {
        let details = serde_json::json!({ "named": new, "removed": gone });
        let entry = AuditEntry::plain(Actor::hub(), Action::WitnessesChanged, details);
        audit::append(&transaction, &entry, now, key)?;
    }
    transaction.commit().doing(CHANGING)?;
    Ok(is_changed)
}

/// A witness cosigned so many lines.
///
/// # Errors
/// [`StoreError`].
pub(super) fn cosigned(
    main: &Connection,
    key: &str,
    size: u64,
    now: UtcTime,
) -> Result<(), StoreError> {
    let size = number::signed(size, "checkpoint")?;
    main.execute(
        "UPDATE audit_witnesses SET cosigned_at_us = ?, size = ?, fault = NULL WHERE key = ?",
        params![now.unix_us(), size, key],
    )
    .doing("note a cosignature")?;
    Ok(())
}

/// A witness did not cosign.
///
/// # Errors
/// [`StoreError`].
pub(super) fn failed(main: &Connection, key: &str, fault: &str) -> Result<(), StoreError> {
    main.execute(
        "UPDATE audit_witnesses SET fault = ? WHERE key = ?",
        params![fault, key],
    )
    .doing("note that a witness did not cosign")?;
    Ok(())
}
