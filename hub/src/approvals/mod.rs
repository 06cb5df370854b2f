//! Approvals: what one person asks for and another allows, for a time.
//!
//! A request says what it is for, waits visibly, expires, may be withdrawn, and is decided by somebody else than who
//! asked, under whatever account. What it then unlocks ends by itself; what is used once is used once. Each step
//! leaves its line in the same transaction. Who may decide is judged by `policy`, which a caller of [`desk::decide`]
//! brings along: this room never asks who may.
//!
//! It owns the tables `approvals`, `approval_decisions`, `approval_notices` and `gate_claims`.

pub mod approval;
pub mod claims;
pub mod desk;
pub mod ended;
pub mod notices;
mod outcome;
mod refusal;
pub mod second_looks;
pub mod subject;
pub mod tidying;
pub mod using;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::machine::random::{self, RandomError};

/// The tables, for [`crate::store::migrate`]. `until_us` is the first moment in which what was approved is unlocked
/// no more; a request that was refused has none.
pub const SCHEMA: &str = "
    CREATE TABLE approvals (
        id TEXT PRIMARY KEY,
        kind TEXT NOT NULL,
        subject TEXT NOT NULL,
        asked_by TEXT NOT NULL,
        asked_name TEXT NOT NULL,
        asked_body TEXT NOT NULL,
        asked_session TEXT,
        reason TEXT NOT NULL,
        asked_at_us INTEGER NOT NULL,
        waits_until_us INTEGER NOT NULL CHECK (waits_until_us > asked_at_us),
        needed INTEGER NOT NULL CHECK (needed > 0),
        lasts_us INTEGER NOT NULL CHECK (lasts_us > 0),
        decided_at_us INTEGER,
        until_us INTEGER,
        used_at_us INTEGER,
        ended_at_us INTEGER,
        ended_why TEXT
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX approvals_waiting ON approvals (kind, asked_at_us) WHERE decided_at_us IS NULL
        AND ended_at_us IS NULL;
    CREATE INDEX approvals_open ON approvals (kind, until_us) WHERE until_us IS NOT NULL
        AND ended_at_us IS NULL AND used_at_us IS NULL;
    CREATE INDEX approvals_by_asker ON approvals (asked_by, asked_at_us);
    CREATE TABLE approval_decisions (
        approval TEXT NOT NULL REFERENCES approvals (id),
        actor_id TEXT NOT NULL,
        name TEXT NOT NULL,
        body TEXT NOT NULL,
        session TEXT,
        at_us INTEGER NOT NULL,
        approves INTEGER NOT NULL CHECK (approves IN (0, 1)),
        note TEXT NOT NULL,
        PRIMARY KEY (approval, actor_id)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE approval_notices (
        approval TEXT PRIMARY KEY REFERENCES approvals (id),
        body TEXT NOT NULL,
        made_at_us INTEGER NOT NULL,
        read_at_us INTEGER,
        read_by TEXT
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX approval_notices_unread ON approval_notices (body) WHERE read_at_us IS NULL;
    CREATE TABLE gate_claims (
        gate TEXT PRIMARY KEY,
        municipality TEXT NOT NULL,
        actor_id TEXT NOT NULL,
        name TEXT NOT NULL,
        body TEXT NOT NULL,
        from_us INTEGER NOT NULL,
        until_us INTEGER NOT NULL CHECK (until_us > from_us)
    ) STRICT, WITHOUT ROWID;
    CREATE TRIGGER approvals_made AFTER INSERT ON approvals
        BEGIN UPDATE rights SET version = version + 1; END;
    CREATE TRIGGER approvals_changed AFTER UPDATE ON approvals
        BEGIN UPDATE rights SET version = version + 1; END;
    CREATE TRIGGER approvals_gone AFTER DELETE ON approvals
        BEGIN UPDATE rights SET version = version + 1; END;
    CREATE TRIGGER gate_claims_made AFTER INSERT ON gate_claims
        BEGIN UPDATE rights SET version = version + 1; END;
    CREATE TRIGGER gate_claims_changed AFTER UPDATE ON gate_claims
        BEGIN UPDATE rights SET version = version + 1; END;
    CREATE TRIGGER gate_claims_gone AFTER DELETE ON gate_claims
        BEGIN UPDATE rights SET version = version + 1; END;";

/// The id of a request: `r` and sixteen hexadecimal digits, drawn at random.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ApprovalId(String);

/// A text that is no id.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("the id of a request is r and sixteen hexadecimal digits")]
pub struct ApprovalIdError;

impl ApprovalId {
    /// A new one.
    ///
    /// # Errors
    /// [`RandomError`].
    pub(crate) fn draw() -> Result<Self, RandomError> {
        Ok(Self(format!("r{}", hex::encode(random::bytes::<8>()?))))
    }

    /// As it is written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ApprovalId {
    type Err = ApprovalIdError;
    fn from_str(text: &str) -> Result<Self, ApprovalIdError> {
        let digits = text.strip_prefix('r').ok_or(ApprovalIdError)?;
        let fits = digits.len() == 16
            && digits
                .bytes()
                .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        fits.then(|| Self(text.to_owned())).ok_or(ApprovalIdError)
    }
}

impl TryFrom<String> for ApprovalId {
    type Error = ApprovalIdError;
    fn try_from(text: String) -> Result<Self, ApprovalIdError> {
        text.parse()
    }
}

impl From<ApprovalId> for String {
    fn from(id: ApprovalId) -> Self {
        id.0
    }
}

impl fmt::Display for ApprovalId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
