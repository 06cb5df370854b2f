//! Agreements between municipalities and bodies: who lets whom see what, for which purposes, until when.
//!
//! Each has its legal basis. Without one nobody sees another municipality's transits. This room owns
//! the tables `agreements`, `agreement_givers`, `agreement_receivers` and `agreement_gates`.
//!
//! An agreement that was made is never widened: who wants more makes another. Members join and leave.

pub mod desk;
pub mod ended;
pub mod rights;

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;
use varco_proto::ids::GateId;
use varco_proto::time::UtcTime;

use crate::audit::purpose::Purpose;
use crate::bodies::BodyId;
use crate::municipalities::Municipality;
use crate::people::tokens::Permissions;
use crate::store::sql::{Connection, Row, params};
use crate::store::{Doing as _, StoreError};

/// The tables, for [`crate::store::migrate`].
pub const SCHEMA: &str = "
    CREATE TABLE agreements (
        id TEXT PRIMARY KEY,
        title TEXT NOT NULL,
        legal_basis TEXT NOT NULL,
        lead TEXT NOT NULL,
        purposes TEXT NOT NULL,
        may TEXT NOT NULL,
        admission INTEGER NOT NULL CHECK (admission IN (0, 1)),
        from_us INTEGER NOT NULL,
        until_us INTEGER NOT NULL CHECK (until_us > from_us),
        made_at_us INTEGER NOT NULL,
        ended_at_us INTEGER
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE agreement_givers (
        agreement TEXT NOT NULL REFERENCES agreements (id),
        municipality TEXT NOT NULL,
        joined_us INTEGER NOT NULL,
        left_us INTEGER,
        PRIMARY KEY (agreement, municipality, joined_us)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE agreement_receivers (
        agreement TEXT NOT NULL REFERENCES agreements (id),
        body TEXT NOT NULL,
        joined_us INTEGER NOT NULL,
        left_us INTEGER,
        PRIMARY KEY (agreement, body, joined_us)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE agreement_gates (
        agreement TEXT NOT NULL REFERENCES agreements (id),
        gate TEXT NOT NULL,
        PRIMARY KEY (agreement, gate)
    ) STRICT, WITHOUT ROWID;";

/// Longest id.
const ID_CHARACTERS_MAX: usize = 64;

/// The id of an agreement: 1 to 64 of a-z, 0-9 and `-`, for good.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AgreementId(String);

/// A text that is no id.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "the id of an agreement has 1 to {ID_CHARACTERS_MAX} of a-z, 0-9 and `-`, as macerata-2026"
)]
pub struct AgreementIdError;

impl AgreementId {
    /// As it is written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for AgreementId {
    type Err = AgreementIdError;
    fn from_str(text: &str) -> Result<Self, AgreementIdError> {
        let fits = (1..=ID_CHARACTERS_MAX).contains(&text.len())
            && text
                .bytes()
                .all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'));
        fits.then(|| Self(text.to_owned())).ok_or(AgreementIdError)
    }
}

impl TryFrom<String> for AgreementId {
    type Error = AgreementIdError;
    fn try_from(text: String) -> Result<Self, AgreementIdError> {
        text.parse()
    }
}

impl From<AgreementId> for String {
    fn from(id: AgreementId) -> Self {
        id.0
    }
}

impl fmt::Display for AgreementId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// When a member was one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member<T> {
    /// Who.
    pub who: T,
    /// Since when.
    pub joined_at: UtcTime,
    /// Until when; none while it is one.
    pub left_at: Option<UtcTime>,
}

impl<T> Member<T> {
    /// Whether it is one at a moment. Who left has left, also for a clock that was set back.
    #[must_use]
    pub fn holds_at(&self, now: UtcTime) -> bool {
        self.joined_at <= now && self.left_at.is_none()
    }
}

/// An agreement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Agreement {
    /// For good.
    pub id: AgreementId,
    /// As people call it.
    pub title: String,
    /// The law, regulation or deed that allows it (art. 17 c. 1 of Perugia's regulation).
    pub legal_basis: String,
    /// The municipality that leads (*ente capofila*).
    pub lead: Municipality,
    /// The purposes that it allows.
    pub purposes: BTreeSet<Purpose>,
    /// What it allows to be done.
    pub may: Permissions,
    /// Whether an officer on duty of the giver's own police lets each office in (art. 8 c. 2 A a3).
    pub admission: bool,
    /// When it begins.
    pub from: UtcTime,
    /// The first moment in which it does not hold any more.
    pub until: UtcTime,
    /// When it was written here.
    pub made_at: UtcTime,
    /// When it was ended before its end.
    pub ended_at: Option<UtcTime>,
    /// Municipalities whose transits may be seen.
    pub givers: Vec<Member<Municipality>>,
    /// Bodies that may see them.
    pub receivers: Vec<Member<BodyId>>,
    /// Only these gates of the givers; all when empty.
    pub gates: BTreeSet<GateId>,
}

impl Agreement {
    /// Whether it holds at a moment. What was ended has ended, also for a clock that was set back.
    #[must_use]
    pub fn holds_at(&self, now: UtcTime) -> bool {
        self.from <= now && now < self.until && self.ended_at.is_none()
    }

    /// The next moment at which it, or somebody's part in it, begins or ends by itself; none when nothing does.
    #[must_use]
    pub fn changes_after(&self, now: UtcTime) -> Option<UtcTime> {
        let givers = self.givers.iter().map(|giver| giver.joined_at);
        let receivers = self.receivers.iter().map(|receiver| receiver.joined_at);
        let moments = [self.from, self.until].into_iter();
        let moments = moments.chain(givers).chain(receivers);
        moments.filter(|moment| *moment > now).min()
    }

    /// Whether a municipality gives at a moment.
    #[must_use]
    pub fn gives(&self, municipality: &Municipality, now: UtcTime) -> bool {
        let mut givers = self.givers.iter();
        givers.any(|giver| giver.who == *municipality && giver.holds_at(now))
    }

    /// Whether a body receives at a moment.
    #[must_use]
    pub fn receives(&self, body: &BodyId, now: UtcTime) -> bool {
        let mut receivers = self.receivers.iter();
        receivers.any(|receiver| receiver.who == *body && receiver.holds_at(now))
    }
}

/// Every agreement, those that ended too, by id.
///
/// # Errors
/// [`StoreError`].
pub fn all(main: &Connection) -> Result<Vec<Agreement>, StoreError> {
    const DOING: &str = "read the agreements";
    let sql = "SELECT id, title, legal_basis, lead, purposes, may, admission, from_us, until_us,
        made_at_us, ended_at_us FROM agreements ORDER BY id";
    let mut statement = main.prepare_cached(sql).doing(DOING)?;
    let mut rows = statement.query([]).doing(DOING)?;
    let mut all = Vec::new();
    while let Some(row) = rows.next().doing(DOING)? {
        let mut agreement = from_row(row)?;
        let id = &agreement.id;
        agreement.givers = GIVERS.members(main, id)?;
        agreement.receivers = RECEIVERS.members(main, id)?;
        agreement.gates = gates(main, id)?;
        all.push(agreement);
    }
    Ok(all)
}

/// One of them.
///
/// # Errors
/// [`StoreError`].
pub fn find(main: &Connection, id: &AgreementId) -> Result<Option<Agreement>, StoreError> {
    Ok(all(main)?.into_iter().find(|agreement| agreement.id == *id))
}

const DAMAGED: StoreError = StoreError::Damaged { what: "agreement" };

fn from_row(row: &Row<'_>) -> Result<Agreement, StoreError> {
    const DOING: &str = "read an agreement";
    let text = |at: usize| row.get::<_, String>(at).doing(DOING);
    let time = |at: usize| row.get(at).map(UtcTime::from_unix_us).doing(DOING);
    let ended: Option<i64> = row.get(10).doing(DOING)?;
    let purposes = text(4)?;
    let purposes = purposes.split(' ').map(str::parse);
    Ok(Agreement {
        id: text(0)?.parse().map_err(|_| DAMAGED)?,
        title: text(1)?,
        legal_basis: text(2)?,
        lead: text(3)?.parse().map_err(|_| DAMAGED)?,
        purposes: purposes.collect::<Result<_, _>>().map_err(|_| DAMAGED)?,
        may: Permissions::read(&text(5)?).ok_or(DAMAGED)?,
        admission: row.get(6).doing(DOING)?,
        from: time(7)?,
        until: time(8)?,
        made_at: time(9)?,
        ended_at: ended.map(UtcTime::from_unix_us),
        givers: Vec::new(),
        receivers: Vec::new(),
        gates: BTreeSet::new(),
    })
}

fn gates(main: &Connection, id: &AgreementId) -> Result<BTreeSet<GateId>, StoreError> {
    const DOING: &str = "read the gates of an agreement";
    let sql = "SELECT gate FROM agreement_gates WHERE agreement = ?";
    let mut statement = main.prepare_cached(sql).doing(DOING)?;
    let rows = statement.query_map([id.as_str()], |row| row.get::<_, String>(0));
    let mut gates = BTreeSet::new();
    for gate in rows.doing(DOING)? {
        gates.insert(gate.doing(DOING)?.parse().map_err(|_| DAMAGED)?);
    }
    Ok(gates)
}

/// Writes a new agreement down, with its members.
///
/// # Errors
/// [`StoreError`].
fn add(main: &Connection, agreement: &Agreement) -> Result<(), StoreError> {
    const DOING: &str = "write the agreement down";
    let purposes: Vec<_> = agreement.purposes.iter().map(|p| p.as_str()).collect();
    main.execute(
        "INSERT INTO agreements VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, NULL)",
        params![
            agreement.id.as_str(),
            agreement.title,
            agreement.legal_basis,
            agreement.lead.as_str(),
            purposes.join(" "),
            agreement.may.to_text(),
            agreement.admission,
            agreement.from.unix_us(),
            agreement.until.unix_us(),
            agreement.made_at.unix_us(),
        ],
    )
    .doing(DOING)?;
    for giver in &agreement.givers {
        GIVERS.join(main, &agreement.id, giver.who.as_str(), giver.joined_at)?;
    }
    for receiver in &agreement.receivers {
        RECEIVERS.join(
            main,
            &agreement.id,
            receiver.who.as_str(),
            receiver.joined_at,
        )?;
    }
    for gate in &agreement.gates {
        let sql = "INSERT INTO agreement_gates VALUES (?, ?)";
        main.execute(sql, [agreement.id.as_str(), gate.as_str()])
            .doing(DOING)?;
    }
    Ok(())
}

/// Where the members of one side of an agreement stand.
#[derive(Debug, Clone, Copy)]
struct Side {
    table: &'static str,
    column: &'static str,
}

const GIVERS: Side = Side {
    table: "agreement_givers",
    column: "municipality",
};
const RECEIVERS: Side = Side {
    table: "agreement_receivers",
    column: "body",
};

impl Side {
    fn join(
        self,
        main: &Connection,
        id: &AgreementId,
        who: &str,
        now: UtcTime,
    ) -> Result<(), StoreError> {
        let sql = format!(
            "INSERT OR REPLACE INTO {} VALUES (?, ?, ?, NULL)",
            self.table
        );
        main.execute(&sql, params![id.as_str(), who, now.unix_us()])
            .doing("let a member join")?;
        Ok(())
    }

    /// Gives how many left: none when it was no member.
    fn leave(
        self,
        main: &Connection,
        id: &AgreementId,
        who: &str,
        now: UtcTime,
    ) -> Result<usize, StoreError> {
        let Self { table, column } = self;
        let sql = format!(
            "UPDATE {table} SET left_us = ?3
             WHERE agreement = ?1 AND {column} = ?2 AND left_us IS NULL"
        );
        main.execute(&sql, params![id.as_str(), who, now.unix_us()])
            .doing("let a member leave")
    }

    fn members<T: FromStr>(
        self,
        main: &Connection,
        id: &AgreementId,
    ) -> Result<Vec<Member<T>>, StoreError> {
        const DOING: &str = "read the members of an agreement";
        let Self { table, column } = self;
        let sql = format!(
            "SELECT {column}, joined_us, left_us FROM {table} WHERE agreement = ? ORDER BY 1, 2"
        );
        let mut statement = main.prepare_cached(&sql).doing(DOING)?;
        let mut rows = statement.query([id.as_str()]).doing(DOING)?;
        let mut members = Vec::new();
        while let Some(row) = rows.next().doing(DOING)? {
            let who: String = row.get(0).doing(DOING)?;
            let left: Option<i64> = row.get(2).doing(DOING)?;
            members.push(Member {
                who: who.parse().map_err(|_| DAMAGED)?,
                joined_at: row.get(1).map(UtcTime::from_unix_us).doing(DOING)?,
                left_at: left.map(UtcTime::from_unix_us),
            });
        }
        Ok(members)
    }
}

fn lead(main: &Connection, id: &AgreementId, lead: &Municipality) -> Result<(), StoreError> {
    let sql = "UPDATE agreements SET lead = ? WHERE id = ?";
    main.execute(sql, [lead.as_str(), id.as_str()])
        .doing("note who leads the agreement")?;
    Ok(())
}

fn end(main: &Connection, id: &AgreementId, now: UtcTime) -> Result<(), StoreError> {
    let sql = "UPDATE agreements SET ended_at_us = ? WHERE id = ? AND ended_at_us IS NULL";
    main.execute(sql, params![now.unix_us(), id.as_str()])
        .doing("end the agreement")?;
    Ok(())
}
