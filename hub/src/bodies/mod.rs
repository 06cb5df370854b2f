//! Bodies: the offices whose people and systems use the hub.
//!
//! Each is of a kind and, if it is municipal, of a municipality; its cases have references of its own form. This room owns the table `bodies`. A body ends and is never removed: lines name it for good.

pub mod desk;
pub mod ended;
pub mod reference;

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;
use varco_proto::time::UtcTime;

use self::reference::ReferenceForm;
use crate::municipalities::Municipality;
use crate::store::sql::{Connection, Row, params};
use crate::store::{Doing as _, StoreError};

/// The table, for [`crate::store::migrate`]. Whoever runs the hub is a body from the beginning: what an older
/// version issued is its.
pub const SCHEMA: &str = "
    CREATE TABLE bodies (
        id TEXT PRIMARY KEY,
        name TEXT NOT NULL UNIQUE COLLATE NOCASE,
        kind TEXT NOT NULL,
        municipality TEXT,
        is_owner INTEGER NOT NULL CHECK (is_owner IN (0, 1)),
        made_at_us INTEGER NOT NULL,
        ended_at_us INTEGER
    ) STRICT, WITHOUT ROWID;
    CREATE UNIQUE INDEX bodies_one_owner ON bodies (is_owner) WHERE is_owner = 1;
    INSERT INTO bodies VALUES ('owner', 'Hub owner', 'local-police', NULL, 1, 0, NULL);";

/// How each writes the references of its cases.
pub const SCHEMA_REFERENCES: &str = "ALTER TABLE bodies ADD COLUMN reference_form TEXT;";

/// Longest id.
const ID_CHARACTERS_MAX: usize = 64;
/// Longest name, in characters.
const NAME_CHARACTERS_MAX: usize = 120;

/// The id of a body: 1 to 64 of a-z, 0-9 and `-`, for good.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct BodyId(String);

/// A text that is no id.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("the id of a body has 1 to {ID_CHARACTERS_MAX} of a-z, 0-9 and `-`, as questura-perugia")]
pub struct BodyIdError;

impl BodyId {
    /// Whoever runs the hub.
    #[must_use]
    pub fn owner() -> Self {
        Self("owner".to_owned())
    }

    /// As it is written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for BodyId {
    type Err = BodyIdError;
    fn from_str(text: &str) -> Result<Self, BodyIdError> {
        let fits = (1..=ID_CHARACTERS_MAX).contains(&text.len())
            && text
                .bytes()
                .all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'));
        fits.then(|| Self(text.to_owned())).ok_or(BodyIdError)
    }
}

impl TryFrom<String> for BodyId {
    type Error = BodyIdError;
    fn try_from(text: String) -> Result<Self, BodyIdError> {
        text.parse()
    }
}

impl From<BodyId> for String {
    fn from(id: BodyId) -> Self {
        id.0
    }
}

impl fmt::Display for BodyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a body is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum BodyKind {
    /// A municipality itself, the controller (*titolare*) of its gates.
    Municipality,
    /// The police of a municipality (*Polizia Locale*).
    LocalPolice,
    /// The police of the State (*Questura*, *Commissariato*).
    StatePolice,
    /// *Arma dei Carabinieri*.
    Carabinieri,
    /// *Guardia di Finanza*.
    FinancePolice,
    /// A prosecutor's office (*Procura*).
    Prosecutor,
    /// *Prefettura*.
    Prefecture,
    /// A firm that maintains boxes, hub or network.
    Maintenance,
}

/// A word that is no kind of body.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("there is no such kind of body; there are {}", kinds())]
pub struct BodyKindError;

fn kinds() -> String {
    BodyKind::ALL.map(|(_, name)| name).join(", ")
}

impl BodyKind {
    /// Every kind with its word.
    pub const ALL: [(Self, &'static str); 8] = [
        (Self::Municipality, "municipality"),
        (Self::LocalPolice, "local-police"),
        (Self::StatePolice, "state-police"),
        (Self::Carabinieri, "carabinieri"),
        (Self::FinancePolice, "finance-police"),
        (Self::Prosecutor, "prosecutor"),
        (Self::Prefecture, "prefecture"),
        (Self::Maintenance, "maintenance"),
    ];

    /// The word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        let found = Self::ALL.iter().find(|(kind, _)| *kind == self);
        found.map_or("", |(_, name)| name)
    }

    /// Whether such a body is of a municipality.
    #[must_use]
    pub fn is_municipal(self) -> bool {
        matches!(self, Self::Municipality | Self::LocalPolice)
    }
}

impl FromStr for BodyKind {
    type Err = BodyKindError;
    fn from_str(text: &str) -> Result<Self, BodyKindError> {
        let found = Self::ALL.iter().find(|(_, name)| *name == text);
        found.map(|(kind, _)| *kind).ok_or(BodyKindError)
    }
}

/// A body.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Body {
    /// For good.
    pub id: BodyId,
    /// As people call it.
    pub name: String,
    /// What it is.
    pub kind: BodyKind,
    /// Whose it is, for one that is municipal; none while nobody said.
    pub municipality: Option<Municipality>,
    /// How it writes the references of its cases; none while nobody said: any will do.
    pub reference_form: Option<ReferenceForm>,
    /// Whether it runs the hub: gates that are no municipality's are its.
    pub is_owner: bool,
    /// When it came.
    pub made_at: UtcTime,
    /// Since when it is none any more.
    pub ended_at: Option<UtcTime>,
}

impl Body {
    /// Whether it still is one.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.ended_at.is_none()
    }
}

/// A name that people can read.
#[must_use]
pub(super) fn is_name(name: &str) -> bool {
    (1..=NAME_CHARACTERS_MAX).contains(&name.chars().count())
        && name.trim() == name
        && !name.chars().any(char::is_control)
}

/// Every body, those that ended too.
///
/// # Errors
/// [`StoreError`].
pub fn all(main: &Connection) -> Result<BTreeMap<BodyId, Body>, StoreError> {
    const DOING: &str = "read the bodies";
    let sql =
        "SELECT id, name, kind, municipality, is_owner, made_at_us, ended_at_us, reference_form
        FROM bodies";
    let mut statement = main.prepare_cached(sql).doing(DOING)?;
    let mut rows = statement.query([]).doing(DOING)?;
    let mut all = BTreeMap::new();
    while let Some(row) = rows.next().doing(DOING)? {
        let body = from_row(row)?;
        all.insert(body.id.clone(), body);
    }
    Ok(all)
}

/// One of them.
///
/// # Errors
/// [`StoreError`].
pub fn find(main: &Connection, id: &BodyId) -> Result<Option<Body>, StoreError> {
    Ok(all(main)?.remove(id))
}

fn from_row(row: &Row<'_>) -> Result<Body, StoreError> {
    const DOING: &str = "read a body";
    const DAMAGED: StoreError = StoreError::Damaged { what: "body" };
    let text = |at: usize| row.get::<_, String>(at).doing(DOING);
    let municipality: Option<String> = row.get(3).doing(DOING)?;
    let ended: Option<i64> = row.get(6).doing(DOING)?;
    let form: Option<String> = row.get(7).doing(DOING)?;
    Ok(Body {
        id: text(0)?.parse().map_err(|_| DAMAGED)?,
        name: text(1)?,
        kind: text(2)?.parse().map_err(|_| DAMAGED)?,
        municipality: municipality
            .map(|name| name.parse().map_err(|_| DAMAGED))
            .transpose()?,
        reference_form: form
            .map(|form| form.parse().map_err(|_| DAMAGED))
            .transpose()?,
        is_owner: row.get(4).doing(DOING)?,
        made_at: row.get(5).map(UtcTime::from_unix_us).doing(DOING)?,
        ended_at: ended.map(UtcTime::from_unix_us),
    })
}

/// Adds a body, or writes one anew.
///
/// # Errors
/// [`StoreError`].
pub(super) fn keep(main: &Connection, body: &Body) -> Result<(), StoreError> {
    main.execute(
        "INSERT INTO bodies VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
         ON CONFLICT (id) DO UPDATE
         SET name = ?2, municipality = ?4, ended_at_us = ?7, reference_form = ?8",
        params![
            body.id.as_str(),
            body.name,
            body.kind.as_str(),
            body.municipality.as_ref().map(Municipality::as_str),
            body.is_owner,
            body.made_at.unix_us(),
            body.ended_at.map(UtcTime::unix_us),
            body.reference_form.as_ref().map(ReferenceForm::as_str),
        ],
    )
    .doing("keep the body")?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hub_has_an_owner_from_the_beginning_and_never_two() {
        let main = Connection::open_in_memory().unwrap();
        main.execute_batch(SCHEMA).unwrap();
        main.execute_batch(SCHEMA_REFERENCES).unwrap();
        let mut owner = find(&main, &BodyId::owner()).unwrap().unwrap();
        assert!(owner.is_owner && owner.municipality.is_none());
        owner.name = "Polizia Locale di Perugia".to_owned();
        owner.municipality = Some("Perugia".parse().unwrap());
        owner.reference_form = Some("PL/####/YYYY".parse().unwrap());
        keep(&main, &owner).unwrap();
        assert_eq!(find(&main, &BodyId::owner()).unwrap(), Some(owner.clone()));
        let second = Body {
            id: "questura-perugia".parse().unwrap(),
            name: "Questura di Perugia".to_owned(),
            ..owner
        };
        assert!(keep(&main, &second).is_err());
    }

    #[test]
    fn an_id_is_short_and_plain() {
        assert!("questura-perugia-1".parse::<BodyId>().is_ok());
        for none in ["", "Questura", "a b", "a_b", &"a".repeat(65)] {
            assert_eq!(none.parse::<BodyId>(), Err(BodyIdError), "{none}");
        }
        for (kind, name) in BodyKind::ALL {
            assert_eq!(name.parse(), Ok(kind));
        }
    }
}
