//! The register of who was let in to see recordings (All. 1 c. 9 of Perugia's regulation and its form). This module
//! owns the table `access_entries`.
//!
//! An entry is made when somebody comes in and closed when they leave; nothing else of it ever changes. Who they are
//! is sealed under a key of the hub's own. It ends two years after they left, or came.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use thiserror::Error;
use varco_proto::cipher::{CipherError, Key};
use varco_proto::ids::Digest;
use varco_proto::time::UtcTime;

use crate::audit::acting::Acting;
use crate::audit::action::Action;
use crate::audit::{AuditEntry, AuditError};
use crate::bodies::BodyId;
use crate::store::sql::{Connection, Row, params};
use crate::store::{Doing as _, StoreError, number};

/// The table, for [`crate::store::migrate`].
pub const SCHEMA: &str = "
    CREATE TABLE access_entries (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        body TEXT NOT NULL,
        entered_at_us INTEGER NOT NULL,
        let_in_by TEXT NOT NULL,
        sealed BLOB NOT NULL,
        left_at_us INTEGER CHECK (left_at_us >= entered_at_us)
    ) STRICT;
    CREATE TRIGGER access_entries_close_and_never_change BEFORE UPDATE ON access_entries
        WHEN OLD.left_at_us IS NOT NULL OR NEW.left_at_us IS NULL
            OR (OLD.number, OLD.body, OLD.entered_at_us, OLD.let_in_by, OLD.sealed)
            IS NOT (NEW.number, NEW.body, NEW.entered_at_us, NEW.let_in_by, NEW.sealed)
        BEGIN SELECT raise(ABORT, 'entries of the access register are closed, and never changed'); END;
    CREATE INDEX access_entries_by_time ON access_entries (body, entered_at_us);";

/// How long an entry is kept.
pub const TERM: Duration = Duration::from_secs(730 * 86_400);
/// Longest text, in characters.
const TEXT_CHARACTERS_MAX: usize = 120;
/// Most entries of one answer.
pub const ENTRIES_MAX: u32 = 500;
/// What whoever comes in declares and signs: the form's words.
pub const DECLARATION: &str = "Dichiaro di mantenere l’assoluta riservatezza su qualunque dato personale di cui possa essere venuto a \
    conoscenza durante la permanenza nel locale, ai sensi della vigente normativa sulla privacy.";

/// An entry is not made or closed.
#[derive(Debug, Error)]
pub enum RegisterError {
    /// A field.
    #[error("`{0}` is 3 to {TEXT_CHARACTERS_MAX} printable characters")]
    Text(&'static str),
    /// The signature.
    #[error(
        "`signature_sha256` is 64 hexadecimal digits: of the signed paper's scan, or of the signature drawn"
    )]
    Signature,
    /// Nobody who is in has this number.
    #[error("nobody is in under number {0}")]
    Unknown(i64),
    /// It cannot be sealed.
    #[error("the entry cannot be sealed")]
    Cipher(#[from] CipherError),
    /// No audit line, no entry.
    #[error("the audit line cannot be written, so nothing was done")]
    Audit(#[from] AuditError),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// As what somebody is let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum VisitorKind {
    /// The person whom recordings show.
    Subject,
    /// An authority.
    Authority,
    /// A firm's technician, or another who is authorised in writing.
    Authorised,
}

/// How the declaration was signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SignedHow {
    /// On paper, which the office keeps.
    Paper,
    /// Drawn on a screen.
    Drawn,
}

/// Who comes in. All of it is personal, and sealed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Visitor {
    /// Name and surname.
    pub name: String,
    /// As what they are let in.
    pub kind: VisitorKind,
    /// Kind and number of the identity document.
    pub document: String,
    /// The authorisation that they show or that was given.
    pub authorisation: String,
    /// How they signed the declaration of confidentiality.
    pub signed: SignedHow,
    /// SHA-256 of what bears the signature, hexadecimal.
    pub signature_sha256: String,
}

impl Visitor {
    fn check(&self) -> Result<(), RegisterError> {
        for (field, text) in [
            ("name", &self.name),
            ("document", &self.document),
            ("authorisation", &self.authorisation),
        ] {
            let fits = (3..=TEXT_CHARACTERS_MAX).contains(&text.trim().chars().count());
            if !fits || text.chars().any(char::is_control) {
                return Err(RegisterError::Text(field));
            }
        }
        let digest = hex::decode(&self.signature_sha256).ok();
        let is_digest = digest.is_some_and(|bytes| bytes.len() == 32);
        is_digest.then_some(()).ok_or(RegisterError::Signature)
    }
}

/// An entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessEntry {
    /// Its number.
    pub number: i64,
    /// When they came in.
    pub entered_at: UtcTime,
    /// When they left; none while they are in.
    pub left_at: Option<UtcTime>,
    /// Who let them in.
    pub let_in_by: String,
    /// Who they are.
    pub visitor: Visitor,
}

fn place(body: &BodyId, entered_at: UtcTime) -> Vec<u8> {
    format!("access register {body} {}", entered_at.unix_us()).into_bytes()
}

/// Notes that somebody comes in. Gives the number by which they leave.
///
/// # Errors
/// [`RegisterError`].
pub fn enter(
    main: &mut Connection,
    key: &Key,
    body: &BodyId,
    visitor: &Visitor,
    acting: &Acting<'_>,
) -> Result<i64, RegisterError> {
    visitor.check()?;
    let plain = serde_json::to_vec(visitor).map_err(AuditError::from)?;
    let sealed = key.seal(&place(body, acting.now), &plain)?;
    acting.change(main, |main| {
        main.execute(
            "INSERT INTO access_entries (body, entered_at_us, let_in_by, sealed) VALUES (?, ?, ?, ?)",
            params![body.as_str(), acting.now.unix_us(), acting.actor.name(), sealed],
        )
        .doing("note who comes in")?;
        let entry = main.last_insert_rowid();
        // Who it is stands in the register alone, which the digest binds.
        let details = serde_json::json!({
            "entry": entry, "body": body.as_str(), "kind": visitor.kind,
            "sealed": Digest::of(&sealed).to_string(), "signature_sha256": visitor.signature_sha256,
        });
        let line = AuditEntry::plain(acting.actor.clone(), Action::AccessEntered, details);
        Ok((entry, line))
    })
}

/// Notes that somebody leaves.
///
/// # Errors
/// [`RegisterError`].
pub fn leave(
    main: &mut Connection,
    entry: i64,
    body: &BodyId,
    acting: &Acting<'_>,
) -> Result<(), RegisterError> {
    acting.change(main, |main| {
        let left = main
            .execute(
                "UPDATE access_entries SET left_at_us = max(?, entered_at_us)
                 WHERE number = ? AND body = ? AND left_at_us IS NULL",
                params![acting.now.unix_us(), entry, body.as_str()],
            )
            .doing("note who leaves")?;
        if left == 0 {
            return Err(RegisterError::Unknown(entry));
        }
        let details = serde_json::json!({ "entry": entry });
        let line = AuditEntry::plain(acting.actor.clone(), Action::AccessLeft, details);
        Ok(((), line))
    })
}

/// A body's entries from one moment until another, oldest first; that they were shown is on the disk when this returns.
///
/// # Errors
/// [`RegisterError`].
pub fn show(
    main: &mut Connection,
    key: &Key,
    body: &BodyId,
    span: std::ops::Range<UtcTime>,
    acting: &Acting<'_>,
) -> Result<Vec<AccessEntry>, RegisterError> {
    acting.change(main, |main| {
        let all = entries(main, key, body, &span)?;
        let details =
            serde_json::json!({ "from": span.start, "to": span.end, "entries": all.len() });
        let line = AuditEntry::plain(acting.actor.clone(), Action::AccessRegisterShown, details);
        Ok((all, line))
    })
}

fn entries(
    main: &Connection,
    key: &Key,
    body: &BodyId,
    span: &std::ops::Range<UtcTime>,
) -> Result<Vec<AccessEntry>, RegisterError> {
    const DOING: &str = "read the access register";
    let sql = "SELECT number, entered_at_us, left_at_us, let_in_by, sealed FROM access_entries
               WHERE body = ? AND entered_at_us >= ? AND entered_at_us < ? ORDER BY number LIMIT ?";
    let mut statement = main.prepare_cached(sql).doing(DOING)?;
    let wanted = params![
        body.as_str(),
        span.start.unix_us(),
        span.end.unix_us(),
        ENTRIES_MAX
    ];
    let mut rows = statement.query(wanted).doing(DOING)?;
    let mut all = Vec::new();
    while let Some(row) = rows.next().doing(DOING)? {
        all.push(from_row(row, key, body)?);
    }
    Ok(all)
}

fn from_row(row: &Row<'_>, key: &Key, body: &BodyId) -> Result<AccessEntry, StoreError> {
    const DOING: &str = "read an entry of the access register";
    let damaged = || StoreError::Damaged {
        what: "access register",
    };
    let entered_at = UtcTime::from_unix_us(row.get(1).doing(DOING)?);
    let left: Option<i64> = row.get(2).doing(DOING)?;
    let sealed: Vec<u8> = row.get(4).doing(DOING)?;
    let plain = key
        .open(&place(body, entered_at), &sealed)
        .map_err(|_| damaged())?;
    Ok(AccessEntry {
        number: row.get(0).doing(DOING)?,
        entered_at,
        left_at: left.map(UtcTime::from_unix_us),
        let_in_by: row.get(3).doing(DOING)?,
        visitor: serde_json::from_slice(&plain).map_err(|_| damaged())?,
    })
}

/// Ends the entries whose term is over, with a line that says how many. Gives how many.
///
/// # Errors
/// [`RegisterError`]; the next round goes on.
pub fn end_past(main: &mut Connection, acting: &Acting<'_>) -> Result<u64, RegisterError> {
    const PAST: &str = "coalesce(left_at_us, entered_at_us) < ?";
    let before = (acting.now - TERM).unix_us();
    let count = |main: &Connection| -> Result<u64, StoreError> {
        let sql = format!("SELECT count(*) FROM access_entries WHERE {PAST}");
        let count: i64 = main
            .query_row(&sql, [before], |row| row.get(0))
            .doing("count entries that are over")?;
        number::unsigned(count, "access register")
    };
    if count(main)? == 0 {
        return Ok(0);
    }
    acting.change(main, |main| {
        let ended = count(main)?;
        let sql = format!("DELETE FROM access_entries WHERE {PAST}");
        main.execute(&sql, [before])
            .doing("end entries of the access register")?;
        let details =
            serde_json::json!({ "entries": ended, "before": UtcTime::from_unix_us(before) });
        let line = AuditEntry::plain(acting.actor.clone(), Action::AccessEntriesEnded, details);
        Ok((ended, line))
    })
}
