//! The audit: who did what, when and why, in lines that nobody can change unseen. This module
//! owns the tables `audit`, `audit_head` and `audit_hours`.
//!
//! Each line carries the digest of the one before and the hub's signature, and the head says under
//! its signature which is the last. Lines are only ever added; nothing in Varco deletes one, so that
//! they are kept for longer than the year that art. 9 c. 2 C c4 asks for.

pub mod baseline;
pub mod check;
pub mod head;
pub mod hours;
pub mod told;

use serde::{Deserialize, Serialize};
use thiserror::Error;
use varco_proto::envelope::pre_authentication_encoding;
use varco_proto::ids::Digest;
use varco_proto::keys::SealingKey;
use varco_proto::time::UtcTime;

pub use check::{BrokenLine, verify};
use head::Head;

use super::actors::{Actor, ActorKind};
use super::purpose::Grounds;
use crate::store::sql::{Connection, OptionalExtension as _, TransactionBehavior, params};
use crate::store::{Doing as _, StoreError};

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
const LINE_TYPE: &str = "application/vnd.varco.audit-line.v1+json";

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// The hub's home was made.
    HubInitialised,
    /// An edge was registered.
    EdgeAdded,
    /// An edge was invited: a token was issued for it.
    EdgeInvited,
    /// An edge enrolled itself with its token.
    EdgeEnrolled,
    /// An edge got a new certificate.
    EdgeRenewed,
    /// An edge was revoked.
    EdgeRevoked,
    /// An edge that kept its transits back was released.
    EdgeReleased,
    /// An edge whose chain had forked was let in again.
    ForkReleased,
    /// An edge is believed about a further gate or camera.
    EdgeAllowed,
    /// Somebody said where a gate or a camera stands.
    GatePlaced,
    /// A municipality was named, or its term changed, or it was removed.
    MunicipalityChanged,
    /// A gate was given to a municipality, or to none.
    GateGiven,
    /// A token was issued.
    TokenIssued,
    /// What stood in the tables when a version that writes a line of every row first ran on them.
    TablesNoted,
    /// A token was revoked.
    TokenRevoked,
    /// The tokens were listed.
    TokensListed,
    /// The municipalities and their terms were listed.
    MunicipalitiesListed,
    /// The webhooks were listed.
    WebhooksListed,
    /// A backup was begun.
    BackupBegun,
    /// Alerts are told to another system, which they are sent to next.
    AlertsSent,
    /// Transits were looked up.
    Lookup,
    /// Vehicles that passed both of two places were looked up.
    LookupBoth,
    /// Vehicles that travel with one were looked up.
    LookupCompanions,
    /// Transits were counted, without plates.
    Counted,
    /// A lookup was refused or broken off, by versions before there was a line for every attempt.
    LookupRefused,
    /// Something that was asked for was refused, or failed, or was broken off.
    AttemptRefused,
    /// The state of the edges was read.
    EdgesListed,
    /// The gates and their places were read.
    GatesListed,
    /// Somebody began to watch the transits as they come.
    LiveOpened,
    /// Somebody stopped watching; the count says how many transits were shown.
    LiveClosed,
    /// The hub was restored from a backup.
    HubRestored,
    /// A hotlist was made.
    HotlistMade,
    /// The hotlists were listed.
    HotlistsListed,
    /// The plates of a hotlist were replaced.
    HotlistImported,
    /// A file was held against a hotlist, and nothing changed.
    HotlistCompared,
    /// A plate was put on a hotlist without a file.
    HotlistPlateAdded,
    /// What a hotlist says of a plate was replaced.
    HotlistPlateChanged,
    /// A plate was taken off a hotlist.
    HotlistPlateRemoved,
    /// A hotlist was closed and its plates destroyed.
    HotlistClosed,
    /// Alerts were shown.
    AlertsShown,
    /// Somebody said what an alert came to.
    AlertAcknowledged,
    /// An order opened a case.
    CaseOpened,
    /// The cases were listed.
    CasesListed,
    /// Transits were put into a case, which keeps them beyond their term.
    CaseHeld,
    /// What a case holds was shown.
    CaseShown,
    /// Somebody asked for a case to be closed; a second person is waited for.
    CaseClosingAsked,
    /// A case was closed and what it held destroyed.
    CaseClosed,
    /// Transits are kept, and nobody may process them.
    TransitBlocked,
    /// They may be processed again.
    BlockLifted,
    /// Alerts are told to another system.
    WebhookMade,
    /// A webhook that did not take them is tried again.
    WebhookResumed,
    /// Alerts are no longer told to it.
    WebhookRemoved,
    /// The server's certificate was issued anew.
    CertificateIssued,
    /// A certificate of another authority is shown by the server.
    CertificateTaken,
    /// It is shown no more.
    CertificateDropped,
    /// The first transit of an hour was stored, under a key of its own.
    PartitionBegun,
    /// An hour's partition was destroyed, because its term was over.
    PartitionExpired,
    /// Transits were destroyed within their hour, because their municipality's term was shortened and is over.
    TransitsPurged,
    /// A person vouched for the system's clock.
    ClockConfirmed,
    /// Transits of an expiring day were destroyed, by versions that kept days.
    TransitsExpired,
}

impl Action {
    /// As its lines have it.
    fn name(self) -> Result<String, serde_json::Error> {
        serde_json::to_value(self).and_then(serde_json::from_value)
    }
}

/// The action of a line that was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ActionRead {
    /// One that this version knows.
    Known(Action),
    /// One of a later version: its line holds in the chain, and what it tells is not known.
    Later(String),
}

impl ActionRead {
    /// The action, if this version knows it.
    #[must_use]
    pub fn known(&self) -> Option<Action> {
        match self {
            Self::Known(action) => Some(*action),
            Self::Later(_) => None,
        }
    }

    /// As its lines have it.
    fn name(&self) -> Result<String, serde_json::Error> {
        match self {
            Self::Known(action) => action.name(),
            Self::Later(name) => Ok(name.clone()),
        }
    }
}

/// What a line says, before it has its place in the chain. Never an image, and of results only
/// their digests: the audit outlives the transits and must not become a copy of them.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
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

impl Entry {
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
pub struct Line {
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
    entry: &Entry,
    now: UtcTime,
    key: &SealingKey,
) -> Result<u64, AuditError> {
    const DOING: &str = "write the audit line";
    let (sequence, previous): (i64, Vec<u8>) = connection
        .query_row(
            "UPDATE audit_head SET sequence = sequence + 1 WHERE id = 1
             RETURNING sequence, digest",
            [],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )
        .doing(DOING)?;
    let line = Line {
        sequence: u64::try_from(sequence)
            .map_err(|_| StoreError::Damaged { what: "audit head" })?,
        previous: hex::encode(previous),
        at: now,
        actor: entry.actor.to_string(),
        actor_id: Some(entry.actor.id().to_owned()),
        actor_kind: Some(entry.actor.kind()),
        credential: entry.actor.credential().map(str::to_owned),
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
    connection
        .execute(
            "INSERT INTO audit (sequence, at_us, actor, action, line, digest, signature)
             VALUES (?, ?, ?, ?, ?, ?, ?)",
            params![
                sequence,
                now.unix_us(),
                line.actor,
                entry.action.name()?,
                text,
                digest.as_bytes(),
                key.sign(&signed)
            ],
        )
        .doing(DOING)?;
    let head = Head {
        sequence: line.sequence,
        digest: hex::encode(digest.as_bytes()),
        at: now,
    };
    head::write(connection, &head.sign(key)?)?;
    Ok(line.sequence)
}

/// Adds a line in a transaction of its own.
///
/// # Errors
/// [`AuditError`]: then what it would have recorded must not happen.
pub fn append_alone(
    main: &mut Connection,
    entry: &Entry,
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
pub fn of_action(connection: &Connection, action: Action) -> Result<Vec<Line>, StoreError> {
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
