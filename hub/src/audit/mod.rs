//! The audit: who did what, when and why, in lines that nobody can change unseen. This module
//! owns the tables `audit`, `audit_head` and `audit_hours`, and [`log`] those of the tree over the lines.
//!
//! Each line carries the digest of the one before and the hub's signature, and the head says under
//! its signature which is the last. Lines are only ever added; nothing in Varco deletes one. After a term, which
//! is longer than the year that art. 9 c. 2 C c4 asks for, their texts end ([`ending`]).
//!
//! This room also owns the values that every line has: who acts, what was done, and why. It knows no table
//! of another room; whoever acts hands in what its line tells.

pub mod acting;
pub mod action;
pub mod actor;
pub mod baseline;
pub mod check;
pub mod ending;
pub mod export;
pub mod exported;
pub mod head;
pub mod hours;
pub mod log;
pub mod overseen;
pub mod purpose;
pub mod reading;
pub mod told;

use serde::{Deserialize, Serialize};
use thiserror::Error;
use varco_proto::envelope::pre_authentication_encoding;
use varco_proto::ids::Digest;
use varco_proto::keys::SealingKey;
use varco_proto::time::UtcTime;

use action::{Action, ActionRead};
use actor::{Actor, ActorKind};
use head::AuditHead;
use log::Remains;
use purpose::Grounds;

use crate::store::sql::{Connection, OptionalExtension as _, TransactionBehavior, params};
use crate::store::{Doing as _, StoreError, number};

/// The tables, for [`crate::store::migrate`].
pub const SCHEMA: &str = "
    CREATE TABLE audit (
        sequence INTEGER PRIMARY KEY CHECK (sequence > 0),
        at_us INTEGER NOT NULL,
        actor TEXT NOT NULL,
        action TEXT NOT NULL,
        line TEXT NOT NULL,
        digest BLOB NOT NULL CHECK (length(digest) = 32),
        signature BLOB NOT NULL CHECK (length(signature) = 64)
    ) STRICT;
    CREATE INDEX audit_by_actor ON audit (actor, at_us);
    CREATE TRIGGER audit_is_never_changed BEFORE UPDATE ON audit
        BEGIN SELECT raise(ABORT, 'audit lines are never changed'); END;
    CREATE TRIGGER audit_is_never_deleted BEFORE DELETE ON audit
        BEGIN SELECT raise(ABORT, 'audit lines are never deleted'); END;
    CREATE TABLE audit_head (
        id INTEGER PRIMARY KEY CHECK (id = 1),
        sequence INTEGER NOT NULL,
        digest BLOB NOT NULL
    ) STRICT;
    INSERT INTO audit_head VALUES (1, 0, zeroblob(32));";

/// Media type that a line's digest and signature are bound to.
pub(crate) const LINE_TYPE: &str = "application/vnd.varco.audit-line.v1+json";

/// What a line says, before it has its place in the chain. Never an image, and of results only
/// their digests: the audit outlives the transits and must not become a copy of them.
#[derive(Debug, Clone, PartialEq)]
pub struct AuditEntry {
    /// Who.
    pub actor: Actor,
    /// What.
    pub action: Action,
    /// Why, for what needs grounds.
    pub grounds: Option<Grounds>,
    /// What was asked, as written.
    pub query: Option<String>,
    /// The rest of what was asked, or what it was done to.
    pub details: serde_json::Value,
    /// How many results were shown.
    pub result_count: Option<u64>,
    /// Digests of the records that were shown.
    pub result_digests: Vec<Digest>,
}

impl AuditEntry {
    /// An entry about something other than transits.
    #[must_use]
    pub fn plain(actor: Actor, action: Action, details: serde_json::Value) -> Self {
        Self {
            actor,
            action,
            grounds: None,
            query: None,
            details,
            result_count: None,
            result_digests: Vec::new(),
        }
    }
}

/// A line as signed. The order of the fields is that of the signed text.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AuditLine {
    /// 1 for the first.
    pub sequence: u64,
    /// Digest of the line before, hexadecimal; zeros for the first.
    pub previous: String,
    /// By the hub's clock.
    pub at: UtcTime,
    /// Who, by the name of then.
    pub actor: String,
    /// Who, for good; versions before there were ids did not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor_id: Option<String>,
    /// What that is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor_kind: Option<ActorKind>,
    /// By what it was let in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential: Option<String>,
    /// For whom they worked, as the id of a body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// The session that they had signed in with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
    /// The post at which they sat.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub post: Option<String>,
    /// What.
    pub action: ActionRead,
    /// One of the nine.
    pub purpose: Option<String>,
    /// As the person wrote it.
    pub case_reference: Option<String>,
    /// What was asked, as written.
    pub query: Option<String>,
    /// The rest of what was asked, or what it was done to.
    pub details: serde_json::Value,
    /// How many results were shown.
    pub result_count: Option<u64>,
    /// Digests of the records that were shown, hexadecimal.
    pub result_digests: Vec<String>,
}

/// A line cannot be written; what it would have recorded must not happen.
#[derive(Debug, Error)]
pub enum AuditError {
    /// The line cannot be put into words; a bug.
    #[error("cannot write the audit line")]
    Encode(#[from] serde_json::Error),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<AuditError> for StoreError {
    fn from(error: AuditError) -> Self {
        match error {
            AuditError::Encode(_) => Self::Damaged { what: "audit line" },
            AuditError::Store(error) => error,
        }
    }
}

/// Adds a line within the caller's transaction and gives its sequence.
///
/// It takes the write lock before it reads the head, so that it may follow reads of other
/// databases in one transaction without a conflict.
///
/// # Errors
/// [`AuditError`]; the caller rolls back and refuses what it was about to do.
pub fn append(
    connection: &Connection,
    entry: &AuditEntry,
    now: UtcTime,
    key: &SealingKey,
) -> Result<u64, AuditError> {
    const DOING: &str = "write the audit line";
    let action = entry.action.name()?;
    let (sequence, previous): (i64, Vec<u8>) = connection
        .prepare_cached(
            "UPDATE audit_head SET sequence = sequence + 1 WHERE id = 1
             RETURNING sequence, digest",
        )
        .and_then(|mut next| next.query_row([], |row| Ok((row.get(0)?, row.get(1)?))))
        .doing(DOING)?;
    let number = number::unsigned(sequence, "audit head")?;
    log::take_in_within(connection, number.saturating_sub(1)).map_err(StoreError::from)?;
    let line = AuditLine {
        sequence: number,
        previous: hex::encode(previous),
        at: now,
        actor: entry.actor.to_string(),
        actor_id: Some(entry.actor.id().to_owned()),
        actor_kind: Some(entry.actor.kind()),
        credential: entry.actor.credential().map(str::to_owned),
        body: entry.actor.body().map(str::to_owned),
        session: entry.actor.session().map(str::to_owned),
        post: entry.actor.post().map(str::to_owned),
        action: ActionRead::Known(entry.action),
        purpose: entry.grounds.as_ref().map(|g| g.purpose.to_string()),
        case_reference: entry.grounds.as_ref().map(|g| g.case_reference.clone()),
        query: entry.query.clone(),
        details: entry.details.clone(),
        result_count: entry.result_count,
        result_digests: entry.result_digests.iter().map(Digest::to_string).collect(),
    };
    let text = serde_json::to_string(&line)?;
    let signed = pre_authentication_encoding(LINE_TYPE, text.as_bytes());
    let digest = Digest::of(&signed);
    let signature = key.sign(&signed);
    connection
        .prepare_cached(
            "INSERT INTO audit (sequence, at_us, actor, action, line, digest, signature)
             VALUES (?, ?, ?, ?, ?, ?, ?)",
        )
        .and_then(|mut insert| {
            insert.execute(params![
                sequence,
                now.unix_us(),
                line.actor,
                action,
                text,
                digest.as_bytes(),
                signature
            ])
        })
        .doing(DOING)?;
    let remains = Remains {
        sequence: line.sequence,
        at: now,
        digest: *digest.as_bytes(),
        signature,
    };
    log::grow(connection, &remains).map_err(StoreError::from)?;
    let head = AuditHead {
        sequence: line.sequence,
        digest: hex::encode(digest.as_bytes()),
        at: now,
    };
    head::write(connection, &head.sign(key)?)?;
    Ok(line.sequence)
}

/// The digest of a line's text.
#[must_use]
pub fn digest_of(text: &str) -> [u8; 32] {
    *Digest::of(&pre_authentication_encoding(LINE_TYPE, text.as_bytes())).as_bytes()
}

/// Adds a line in a transaction of its own.
///
/// # Errors
/// [`AuditError`]: then what it would have recorded must not happen.
pub fn append_alone(
    main: &mut Connection,
    entry: &AuditEntry,
    now: UtcTime,
    key: &SealingKey,
) -> Result<u64, AuditError> {
    let transaction = main
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .doing("begin the audit line")?;
    let line = append(&transaction, entry, now, key)?;
    transaction.commit().doing("commit the audit line")?;
    Ok(line)
}

/// The lines of one action, oldest first, as they were signed.
///
/// # Errors
/// [`StoreError`].
pub fn of_action(connection: &Connection, action: Action) -> Result<Vec<AuditLine>, StoreError> {
    const DOING: &str = "read the audit";
    let damaged = |_| StoreError::Damaged { what: "audit line" };
    let name = action.name().map_err(damaged)?;
    let mut statement = connection
        .prepare("SELECT line FROM audit WHERE action = ? ORDER BY sequence")
        .doing(DOING)?;
    let texts = statement
        .query_map([name], |row| row.get::<_, String>(0))
        .doing(DOING)?;
    let mut lines = Vec::new();
    for text in texts {
        let line = serde_json::from_str(&text.doing(DOING)?);
        lines.push(line.map_err(damaged)?);
    }
    Ok(lines)
}

/// When the newest line was written; none before the first.
///
/// # Errors
/// [`StoreError`].
pub fn last_at(connection: &Connection) -> Result<Option<UtcTime>, StoreError> {
    let sql = "SELECT at_us FROM audit ORDER BY sequence DESC LIMIT 1";
    let at = connection.query_row(sql, [], |row| row.get(0)).optional();
    let at = at.doing("read the end of the audit")?;
    Ok(at.map(UtcTime::from_unix_us))
}
