//! What lines tell of acts that people decide: offices, bodies, agreements, purposes, certificates, corrections, the
//! access register, webhooks and what else stands in a table because somebody said so.

mod offices;
mod records;
mod sharing;
mod towns;
mod watching;

use serde_json::Value;
use varco_proto::time::UtcTime;

use crate::audit::AuditLine;
use crate::audit::action::Action;
use crate::audit::told::EndedAgain;
use crate::proof::verification::rows::{Fact, LinedTable, ToldRows};
use crate::proof::verification::tables::Held;
use crate::store::StoreError;
use crate::store::sql::Connection;

/// The tables that are held against what stands here.
pub(super) const LINED: [&[LinedTable]; 5] = [
    offices::TABLES,
    sharing::TABLES,
    towns::TABLES,
    records::TABLES,
    watching::TABLES,
];

/// A line does not say what lines of its action must say.
#[derive(Debug, Clone, Copy)]
pub(super) struct Unsaid;

/// A line, as what it tells is read.
#[derive(Debug, Clone, Copy)]
struct Said<'a> {
    line: &'a AuditLine,
}

impl<'a> Said<'a> {
    fn get(self, name: &str) -> &'a Value {
        self.line.details.get(name).unwrap_or(&Value::Null)
    }

    fn text(self, name: &str) -> Result<&'a str, Unsaid> {
        self.get(name).as_str().ok_or(Unsaid)
    }

    /// A text, or nothing; anything else is no such line.
    fn maybe(self, name: &str) -> Result<Option<&'a str>, Unsaid> {
        match self.get(name) {
            Value::Null => Ok(None),
            Value::String(text) => Ok(Some(text)),
            _ => Err(Unsaid),
        }
    }

    fn number(self, name: &str) -> Result<i64, Unsaid> {
        self.get(name).as_i64().ok_or(Unsaid)
    }

    fn texts(self, name: &str) -> Result<Vec<&'a str>, Unsaid> {
        let all = self.get(name).as_array().ok_or(Unsaid)?;
        let texts = all.iter().map(|one| one.as_str().ok_or(Unsaid));
        texts.collect()
    }

    /// A text without blanks at its ends, as it is stored.
    fn trimmed(self, name: &str) -> Result<Fact, Unsaid> {
        Ok(Fact::Text(self.text(name)?.trim().to_owned()))
    }

    fn fact(self, name: &str) -> Result<Fact, Unsaid> {
        Ok(Fact::Text(self.text(name)?.to_owned()))
    }

    fn moment(self, name: &str) -> Result<Fact, Unsaid> {
        Ok(Fact::Number(moment(self.text(name)?)?))
    }

    fn maybe_moment(self, name: &str) -> Result<Fact, Unsaid> {
        let told = self.maybe(name)?.map(moment).transpose()?;
        Ok(told.map_or(Fact::Empty, Fact::Number))
    }

    fn at_us(self) -> i64 {
        self.line.at.unix_us()
    }

    /// When the line was written.
    fn at(self) -> Fact {
        Fact::Number(self.at_us())
    }
}

fn moment(text: &str) -> Result<i64, Unsaid> {
    let at: Result<UtcTime, _> = text.parse();
    at.map(UtcTime::unix_us).map_err(|_| Unsaid)
}

/// Takes a line in, if it is one of these acts.
///
/// # Errors
/// [`Unsaid`].
pub(super) fn take(rows: &mut ToldRows, action: Action, line: &AuditLine) -> Result<(), Unsaid> {
    let said = Said { line };
    watching::acted(rows, line);
    offices::take(rows, action, said)?;
    sharing::take(rows, action, said)?;
    towns::take(rows, action, said)?;
    records::take(rows, action, said)?;
    watching::take(rows, action, said)
}

/// Takes in what a restore ended again.
///
/// # Errors
/// [`Unsaid`].
pub(super) fn restored(
    rows: &mut ToldRows,
    ended: &EndedAgain,
    line: &AuditLine,
) -> Result<(), Unsaid> {
    offices::restored(rows, ended);
    sharing::restored(rows, ended)?;
    towns::restored(rows, ended, Said { line });
    records::restored(rows, ended);
    watching::restored(rows, ended);
    Ok(())
}

/// Holds the tables.
///
/// # Errors
/// [`StoreError`].
pub(super) fn hold(held: &mut Held, main: &Connection, rows: &ToldRows) -> Result<(), StoreError> {
    for table in LINED.iter().copied().flatten() {
        rows.hold(held, main, table)?;
    }
    Ok(())
}
