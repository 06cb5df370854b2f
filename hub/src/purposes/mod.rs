//! What municipalities' gates are for (art. 4 c. 5 of Perugia's regulation). This room owns the table
//! `purpose_lists`.
//!
//! A municipality has a list, and each of its gates may have a shorter one. A list is never changed: a new one takes
//! its place from a moment on, by an act. Who made none has the nine purposes of Perugia's regulation. Sanctions are
//! on a list only with the regulation that allows them.

pub mod desk;
pub mod ended;

use std::collections::{BTreeMap, BTreeSet};

use varco_proto::ids::GateId;
use varco_proto::time::UtcTime;

use crate::audit::purpose::Purpose;
use crate::municipalities::Municipality;
use crate::store::sql::{Connection, Row, params};
use crate::store::{Doing as _, StoreError};

/// The table, for [`crate::store::migrate`]. An empty list of a gate stands for its municipality's.
pub const SCHEMA: &str = "
    CREATE TABLE purpose_lists (
        scope TEXT NOT NULL CHECK (scope IN ('municipality', 'gate')),
        name TEXT NOT NULL,
        number INTEGER NOT NULL CHECK (number >= 1),
        purposes TEXT NOT NULL CHECK (scope = 'gate' OR purposes <> ''),
        act TEXT NOT NULL,
        sanction_basis TEXT,
        from_us INTEGER NOT NULL,
        made_at_us INTEGER NOT NULL,
        PRIMARY KEY (scope, name, number)
    ) STRICT, WITHOUT ROWID;
    CREATE TRIGGER purpose_lists_are_never_changed BEFORE UPDATE ON purpose_lists
        BEGIN SELECT raise(ABORT, 'a list of purposes is never changed'); END;
    CREATE TRIGGER purpose_lists_are_never_deleted BEFORE DELETE ON purpose_lists
        BEGIN SELECT raise(ABORT, 'a list of purposes is never deleted'); END;";

/// Whose a list is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum PurposeScope {
    /// All gates of a municipality.
    Municipality(Municipality),
    /// One gate.
    Gate(GateId),
}

impl PurposeScope {
    /// Its kind and its name, as the table has them.
    fn columns(&self) -> [&str; 2] {
        match self {
            Self::Municipality(name) => ["municipality", name.as_str()],
            Self::Gate(gate) => ["gate", gate.as_str()],
        }
    }
}

/// A list, as it was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PurposeList {
    /// Whose.
    pub scope: PurposeScope,
    /// From 1, one more with each.
    pub number: u32,
    /// The purposes; none for a gate that is for all of its municipality's.
    pub purposes: BTreeSet<Purpose>,
    /// The act or resolution that makes it.
    pub act: String,
    /// The regulation that allows sanctions; none where they are not on it.
    pub sanction_basis: Option<String>,
    /// From when it holds.
    pub from: UtcTime,
    /// When it was written here.
    pub made_at: UtcTime,
}

/// Every list that was ever made, each municipality's and gate's in their order.
///
/// # Errors
/// [`StoreError`].
pub fn all(main: &Connection) -> Result<Vec<PurposeList>, StoreError> {
    const DOING: &str = "read the lists of purposes";
    let sql = "SELECT scope, name, number, purposes, act, sanction_basis, from_us, made_at_us
        FROM purpose_lists ORDER BY scope, name, number";
    let mut statement = main.prepare_cached(sql).doing(DOING)?;
    let mut rows = statement.query([]).doing(DOING)?;
    let mut all = Vec::new();
    while let Some(row) = rows.next().doing(DOING)? {
        all.push(from_row(row)?);
    }
    Ok(all)
}

fn from_row(row: &Row<'_>) -> Result<PurposeList, StoreError> {
    const DOING: &str = "read a list of purposes";
    const DAMAGED: StoreError = StoreError::Damaged {
        what: "list of purposes",
    };
    let text = |at: usize| row.get::<_, String>(at).doing(DOING);
    let time = |at: usize| row.get(at).map(UtcTime::from_unix_us).doing(DOING);
    let name = text(1)?;
    let scope = match text(0)?.as_str() {
        "municipality" => PurposeScope::Municipality(name.parse().map_err(|_| DAMAGED)?),
        "gate" => PurposeScope::Gate(name.parse().map_err(|_| DAMAGED)?),
        _ => return Err(DAMAGED),
    };
    Ok(PurposeList {
        scope,
        number: row.get(2).doing(DOING)?,
        purposes: read(&text(3)?).ok_or(DAMAGED)?,
        act: text(4)?,
        sanction_basis: row.get(5).doing(DOING)?,
        from: time(6)?,
        made_at: time(7)?,
    })
}

/// Purposes as they stand in a table: their names with blanks between.
fn read(text: &str) -> Option<BTreeSet<Purpose>> {
    text.split_whitespace()
        .map(|name| name.parse().ok())
        .collect()
}

fn written(purposes: &BTreeSet<Purpose>) -> String {
    let names: Vec<_> = purposes.iter().map(|purpose| purpose.as_str()).collect();
    names.join(" ")
}

/// Writes a new list down.
///
/// # Errors
/// [`StoreError`].
fn add(main: &Connection, list: &PurposeList) -> Result<(), StoreError> {
    let [scope, name] = list.scope.columns();
    main.execute(
        "INSERT INTO purpose_lists VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        params![
            scope,
            name,
            list.number,
            written(&list.purposes),
            list.act,
            list.sanction_basis,
            list.from.unix_us(),
            list.made_at.unix_us(),
        ],
    )
    .doing("write the list of purposes down")?;
    Ok(())
}

/// What gates are for at a moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PurposesInForce {
    municipalities: BTreeMap<Municipality, BTreeSet<Purpose>>,
    /// Gates with a list of their own.
    gates: BTreeMap<GateId, BTreeSet<Purpose>>,
    /// When the next list takes the place of one that holds.
    pub next_change: Option<UtcTime>,
}

impl PurposesInForce {
    /// Reads it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn read(main: &Connection, now: UtcTime) -> Result<Self, StoreError> {
        Ok(Self::of(all(main)?, now))
    }

    /// What holds of lists that are in their order: of each municipality or gate the one that was made last, of
    /// those that have begun.
    fn of(lists: Vec<PurposeList>, now: UtcTime) -> Self {
        let mut found = Self::default();
        for list in lists {
            // One that was to hold at once holds also for a clock that was set back.
            if list.from > now && list.from > list.made_at {
                let next = found.next_change.unwrap_or(list.from);
                found.next_change = Some(next.min(list.from));
                continue;
            }
            match list.scope {
                PurposeScope::Municipality(name) => {
                    found.municipalities.insert(name, list.purposes);
                }
                PurposeScope::Gate(gate) if list.purposes.is_empty() => {
                    found.gates.remove(&gate);
                }
                PurposeScope::Gate(gate) => {
                    found.gates.insert(gate, list.purposes);
                }
            }
        }
        found
    }

    /// What a municipality's gates are for; of none, the regulation's nine.
    #[must_use]
    pub fn of_municipality(&self, name: Option<&Municipality>) -> BTreeSet<Purpose> {
        let known = name.and_then(|name| self.municipalities.get(name));
        known.map_or_else(|| Purpose::REGULATION.into(), Clone::clone)
    }

    /// What a gate is for: its own list, as far as its municipality's has it too.
    #[must_use]
    pub fn of_gate(&self, gate: &GateId, whose: Option<&Municipality>) -> BTreeSet<Purpose> {
        let of_all = self.of_municipality(whose);
        match self.gates.get(gate) {
            Some(own) => own.intersection(&of_all).copied().collect(),
            None => of_all,
        }
    }

    /// The gates that have a list of their own.
    pub fn gates(&self) -> impl Iterator<Item = &GateId> {
        self.gates.keys()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> UtcTime {
        UtcTime::from_unix_us(second * 1_000_000)
    }

    fn list(scope: &PurposeScope, number: u32, purposes: &[Purpose], from: i64) -> PurposeList {
        PurposeList {
            scope: scope.clone(),
            number,
            purposes: purposes.iter().copied().collect(),
            act: "D.C.C. 1/2026".to_owned(),
            sanction_basis: None,
            from: at(from),
            made_at: at(0),
        }
    }

    #[test]
    fn the_list_that_was_made_last_holds_once_it_has_begun() {
        let main = Connection::open_in_memory().unwrap();
        main.execute_batch(SCHEMA).unwrap();
        let town: Municipality = "Sesto San Giovanni".parse().unwrap();
        let gate: GateId = "nord".parse().unwrap();
        let of_town = PurposeScope::Municipality(town.clone());
        let of_gate = PurposeScope::Gate(gate.clone());
        for made in [
            list(&of_town, 1, &[Purpose::Traffic, Purpose::Sanction], 0),
            list(&of_town, 2, &[Purpose::Events], 30),
            list(&of_town, 3, &[Purpose::Traffic, Purpose::Events], 20),
            list(&of_gate, 1, &[Purpose::Sanction, Purpose::Heritage], 0),
            list(&of_gate, 2, &[], 25),
        ] {
            add(&main, &made).unwrap();
        }
        assert!(
            add(&main, &list(&of_town, 0, &[Purpose::Traffic], 0)).is_err(),
            "numbers begin at 1"
        );
        let held = |second| PurposesInForce::read(&main, at(second)).unwrap();
        let names = |purposes: BTreeSet<Purpose>| written(&purposes);
        for (second, of_all, of_one, next) in [
            (10, "traffic sanction", "sanction", Some(20)),
            (20, "events traffic", "", Some(25)),
            (25, "events traffic", "events traffic", Some(30)),
            (40, "events traffic", "events traffic", None),
        ] {
            let held = held(second);
            assert_eq!(names(held.of_municipality(Some(&town))), of_all, "{second}");
            assert_eq!(names(held.of_gate(&gate, Some(&town))), of_one, "{second}");
            assert_eq!(held.next_change, next.map(at), "{second}");
        }
        let none = held(40).of_municipality(None);
        assert_eq!(none, Purpose::REGULATION.into());
        for sql in [
            "DELETE FROM purpose_lists",
            "UPDATE purpose_lists SET act = ''",
        ] {
            assert!(main.execute(sql, []).is_err(), "{sql}");
        }
    }
}
