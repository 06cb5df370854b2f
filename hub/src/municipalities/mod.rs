//! Whose gate a gate is, and how long its municipality lets transits be kept. This module owns the
//! tables `municipalities`, `municipality_gates`, `gate_owners` and `gate_terms_before`.
//!
//! The hub's own term is the longest. A municipality may have a shorter one (D13): it holds for what
//! its gates see from then on, and for what is stored of them too.
//!
//! This room knows no place and no edge: a gate is its name here.

pub mod desk;
pub mod ended;
pub mod owners;
#[cfg(test)]
mod properties;
pub mod reach;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;
use varco_proto::ids::GateId;
use varco_proto::time::UtcTime;

use self::owners::Ownership;
use crate::hours::partition::Term;
use crate::store::sql::{Connection, OptionalExtension as _, params, params_from_iter};
use crate::store::{Doing as _, StoreError};

/// The tables, for [`crate::store::migrate`]. `gate_terms_before` has the shorter terms that gates
/// had, and until when.
pub const SCHEMA: &str = "
    CREATE TABLE municipalities (
        name TEXT PRIMARY KEY,
        term_hours INTEGER CHECK (term_hours BETWEEN 1 AND 168)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE municipality_gates (
        gate TEXT PRIMARY KEY,
        municipality TEXT NOT NULL REFERENCES municipalities (name)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE gate_terms_before (
        gate TEXT NOT NULL,
        term_hours INTEGER NOT NULL,
        until_us INTEGER NOT NULL
    ) STRICT;";

/// Longest name, in characters.
pub const NAME_CHARACTERS_MAX: usize = 64;

/// The name of a municipality, as people write it: `Città di Castello`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Municipality(String);

/// A text that is no name.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "a municipality's name has 1 to {NAME_CHARACTERS_MAX} characters, without control characters and without spaces at its ends"
)]
pub struct MunicipalityNameError;

impl Municipality {
    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Municipality {
    type Err = MunicipalityNameError;
    fn from_str(text: &str) -> Result<Self, MunicipalityNameError> {
        let fits = (1..=NAME_CHARACTERS_MAX).contains(&text.chars().count())
            && text.trim() == text
            && !text.chars().any(char::is_control);
        fits.then(|| Self(text.to_owned()))
            .ok_or(MunicipalityNameError)
    }
}

impl TryFrom<String> for Municipality {
    type Error = MunicipalityNameError;
    fn try_from(text: String) -> Result<Self, MunicipalityNameError> {
        text.parse()
    }
}

impl From<Municipality> for String {
    fn from(name: Municipality) -> Self {
        name.0
    }
}

impl fmt::Display for Municipality {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The six digits by which the national institute of statistics (ISTAT) knows a municipality: `054039`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct IstatCode(String);

/// A text that is no code.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("an ISTAT code of a municipality has six digits, as 054039")]
pub struct IstatCodeError;

impl IstatCode {
    /// Its digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for IstatCode {
    type Err = IstatCodeError;
    fn from_str(text: &str) -> Result<Self, IstatCodeError> {
        let fits = text.len() == 6 && text.bytes().all(|byte| byte.is_ascii_digit());
        fits.then(|| Self(text.to_owned())).ok_or(IstatCodeError)
    }
}

impl TryFrom<String> for IstatCode {
    type Error = IstatCodeError;
    fn try_from(text: String) -> Result<Self, IstatCodeError> {
        text.parse()
    }
}

impl From<IstatCode> for String {
    fn from(code: IstatCode) -> Self {
        code.0
    }
}

/// The gates whose transits end before the hub's own term.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Terms(HashMap<String, Term>);

impl Terms {
    /// The term of a gate's transits.
    #[must_use]
    pub fn of(&self, gate: &GateId) -> Term {
        // A gate that nobody gave a term has the hub's own.
        self.0.get(gate.as_str()).copied().unwrap_or_default()
    }

    /// Every gate with a term of its own.
    pub fn all(&self) -> impl Iterator<Item = (&str, Term)> {
        self.0.iter().map(|(gate, term)| (gate.as_str(), *term))
    }

    /// Whether no gate has one.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn add(&mut self, gate: String, term: Term) {
        let known = self.0.entry(gate).or_insert(term);
        *known = (*known).min(term);
    }
}

/// The terms as they are now.
///
/// # Errors
/// [`StoreError`].
pub fn terms(main: &Connection) -> Result<Terms, StoreError> {
    let now = "SELECT g.gate, m.term_hours FROM municipalities AS m
        JOIN municipality_gates AS g ON g.municipality = m.name
        WHERE m.term_hours IS NOT NULL";
    read(main, now, None)
}

/// The shortest term of every gate since a moment: what was stored under it may be gone by now.
///
/// # Errors
/// [`StoreError`].
pub fn shortest_since(main: &Connection, since: UtcTime) -> Result<Terms, StoreError> {
    let mut terms = terms(main)?;
    let before = "SELECT gate, term_hours FROM gate_terms_before WHERE until_us >= ?1";
    for (gate, term) in read(main, before, Some(since))?.0 {
        terms.add(gate, term);
    }
    Ok(terms)
}

fn read(main: &Connection, sql: &str, since: Option<UtcTime>) -> Result<Terms, StoreError> {
    const DOING: &str = "read the municipalities' terms";
    let mut statement = main.prepare_cached(sql).doing(DOING)?;
    let since = params_from_iter(since.map(UtcTime::unix_us));
    let mut rows = statement.query(since).doing(DOING)?;
    let mut terms = Terms::default();
    while let Some(row) = rows.next().doing(DOING)? {
        let hours: u8 = row.get(1).doing(DOING)?;
        let term = Term::of_hours(hours).ok_or(StoreError::Damaged { what: "term" })?;
        terms.add(row.get(0).doing(DOING)?, term);
    }
    Ok(terms)
}

/// What is known of a municipality.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct KnownMunicipality {
    /// How long its transits are kept.
    pub term: Term,
    /// By which it is known besides its name.
    pub istat: Option<IstatCode>,
    /// Its gates.
    pub gates: BTreeSet<GateId>,
    /// The gates that are or were its own, and when.
    pub owned: BTreeMap<GateId, Ownership>,
}

/// Municipalities that a question asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Municipal {
    /// Their names.
    pub names: BTreeSet<Municipality>,
    /// The gates that are or were theirs, and when.
    pub gates: BTreeMap<GateId, Ownership>,
}

impl Municipal {
    /// Those of these names or ISTAT codes.
    ///
    /// # Errors
    /// The name that there is none of.
    pub fn of(
        all: &BTreeMap<Municipality, KnownMunicipality>,
        names: BTreeSet<Municipality>,
    ) -> Result<Self, Municipality> {
        let mut found = Self {
            names: BTreeSet::new(),
            gates: BTreeMap::new(),
        };
        for asked in names {
            let is_it = |(name, known): &(&Municipality, &KnownMunicipality)| {
                **name == asked || known.istat.as_ref().is_some_and(|code| code.0 == asked.0)
            };
            let Some((name, known)) = all.iter().find(is_it) else {
                return Err(asked);
            };
            found.names.insert(name.clone());
            for (gate, owned) in &known.owned {
                found.gates.entry(gate.clone()).or_default().add(owned);
            }
        }
        Ok(found)
    }

    /// Only the whole hours of UTC in which the gates were theirs.
    #[must_use]
    pub fn in_whole_hours(mut self) -> Self {
        for owned in self.gates.values_mut() {
            *owned = owned.in_whole_hours();
        }
        self
    }
}

/// All municipalities, by name.
///
/// # Errors
/// [`StoreError`].
pub fn all(main: &Connection) -> Result<BTreeMap<Municipality, KnownMunicipality>, StoreError> {
    const DOING: &str = "read the municipalities";
    let damaged = || StoreError::Damaged {
        what: "municipality",
    };
    let mut statement = main
        .prepare(
            "SELECT m.name, m.term_hours, g.gate, m.istat FROM municipalities AS m
             LEFT JOIN municipality_gates AS g ON g.municipality = m.name",
        )
        .doing(DOING)?;
    let mut rows = statement.query([]).doing(DOING)?;
    let mut all: BTreeMap<Municipality, KnownMunicipality> = BTreeMap::new();
    while let Some(row) = rows.next().doing(DOING)? {
        let name: String = row.get(0).doing(DOING)?;
        let hours: Option<u8> = row.get(1).doing(DOING)?;
        let gate: Option<String> = row.get(2).doing(DOING)?;
        let known = all.entry(name.parse().map_err(|_| damaged())?).or_default();
        if let Some(hours) = hours {
            known.term = Term::of_hours(hours).ok_or_else(damaged)?;
        }
        let istat: Option<String> = row.get(3).doing(DOING)?;
        known.istat = istat
            .map(|code| code.parse().map_err(|_| damaged()))
            .transpose()?;
        if let Some(gate) = gate {
            known.gates.insert(gate.parse().map_err(|_| damaged())?);
        }
    }
    for (name, owned) in owners::all(main)? {
        // One that was removed has nobody to be asked for.
        let known = all.iter_mut().find(|(known, _)| known.as_str() == name);
        if let Some((_, known)) = known {
            known.owned = owned;
        }
    }
    Ok(all)
}

/// Names a municipality, or changes its term, and its code when one is given.
///
/// # Errors
/// [`StoreError`].
pub(super) fn keep(
    main: &Connection,
    name: &Municipality,
    term: Term,
    istat: Option<&IstatCode>,
) -> Result<(), StoreError> {
    main.execute(
        "INSERT INTO municipalities (name, term_hours, istat) VALUES (?1, ?2, ?3)
         ON CONFLICT (name) DO UPDATE SET term_hours = ?2, istat = coalesce(?3, istat)",
        params![name.as_str(), term.hours(), istat.map(IstatCode::as_str)],
    )
    .doing("keep the municipality")?;
    Ok(())
}

/// Forgets a municipality without gates.
///
/// # Errors
/// [`StoreError`].
pub(super) fn forget(main: &Connection, name: &Municipality) -> Result<(), StoreError> {
    main.execute("DELETE FROM municipalities WHERE name = ?", [name.as_str()])
        .doing("forget the municipality")?;
    Ok(())
}

/// Whose gate it is; none when nobody said.
///
/// # Errors
/// [`StoreError`].
pub fn of_gate(main: &Connection, gate: &GateId) -> Result<Option<Municipality>, StoreError> {
    const DOING: &str = "look the gate's municipality up";
    let name: Option<String> = main
        .query_row(
            "SELECT municipality FROM municipality_gates WHERE gate = ?",
            [gate.as_str()],
            |row| row.get(0),
        )
        .optional()
        .doing(DOING)?;
    let damaged = StoreError::Damaged {
        what: "municipality",
    };
    name.map(|name| name.parse().map_err(|_| damaged))
        .transpose()
}

/// Gives a gate to a municipality, or to none.
///
/// # Errors
/// [`StoreError`].
pub(super) fn give(
    main: &Connection,
    gate: &GateId,
    to: Option<&Municipality>,
    now: UtcTime,
) -> Result<(), StoreError> {
    const DOING: &str = "give the gate to its municipality";
    let done = match to {
        Some(name) => main.execute(
            "INSERT OR REPLACE INTO municipality_gates VALUES (?, ?)",
            [gate.as_str(), name.as_str()],
        ),
        None => main.execute(
            "DELETE FROM municipality_gates WHERE gate = ?",
            [gate.as_str()],
        ),
    };
    done.doing(DOING)?;
    owners::note(main, gate.as_str(), to, now)
}

/// Notes the terms that held until now.
///
/// # Errors
/// [`StoreError`].
pub(super) fn note_before(
    main: &Connection,
    before: &Terms,
    now: UtcTime,
) -> Result<(), StoreError> {
    let after = terms(main)?;
    let changed = before
        .0
        .iter()
        .filter(|(gate, term)| after.0.get(*gate) != Some(term));
    for (gate, term) in changed {
        main.execute(
            "INSERT INTO gate_terms_before VALUES (?, ?, ?)",
            params![gate, term.hours(), now.unix_us()],
        )
        .doing("note the term before")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::municipalities::*;

    #[test]
    fn a_name_is_what_people_write() {
        for name in ["Città di Castello", "Macerata", "Reggio nell'Emilia"] {
            assert_eq!(name.parse::<Municipality>().unwrap().as_str(), name);
        }
        let long = "a".repeat(NAME_CHARACTERS_MAX + 1);
        for none in ["", " Macerata", "Macerata ", "Mace\nrata", &long] {
            assert!(none.parse::<Municipality>().is_err(), "{none:?}");
        }
    }

    #[test]
    fn the_shorter_of_two_terms_counts() {
        let mut terms = Terms::default();
        for hours in [72, 24, 48] {
            terms.add("nord".to_owned(), Term::of_hours(hours).unwrap());
        }
        assert_eq!(terms.of(&"nord".parse().unwrap()).hours(), Some(24));
        assert_eq!(terms.of(&"sud".parse().unwrap()), Term::WHOLE);
    }
}
