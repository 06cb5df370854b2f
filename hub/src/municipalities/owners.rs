//! Whose a gate was, and from when until when: what a gate saw stays with whoever had it then, also once
//! the gate is another's.

use std::collections::BTreeMap;

use varco_proto::ids::GateId;
use varco_proto::time::UtcTime;

use super::Municipality;
use crate::hours::partition::HOUR_US;
use crate::store::sql::{Connection, OptionalExtension as _, params};
use crate::store::{Doing as _, StoreError};

/// The table, and the codes of the national institute of statistics, for [`crate::store::migrate`]. Whose a
/// gate was before this step nobody noted: it is taken for whose it was then.
pub const SCHEMA_OWNERS: &str = "
    ALTER TABLE municipalities ADD COLUMN istat TEXT
        CHECK (istat GLOB '[0-9][0-9][0-9][0-9][0-9][0-9]');
    CREATE UNIQUE INDEX municipalities_by_istat ON municipalities (istat) WHERE istat IS NOT NULL;
    CREATE TABLE gate_owners (
        gate TEXT NOT NULL,
        municipality TEXT NOT NULL,
        from_us INTEGER NOT NULL,
        until_us INTEGER,
        PRIMARY KEY (gate, from_us)
    ) STRICT, WITHOUT ROWID;
    INSERT INTO gate_owners SELECT gate, municipality, 0, NULL FROM municipality_gates;";

/// From when until when a gate was somebody's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Span {
    from_us: i64,
    /// The first microsecond in which it was not any more; none while it is.
    until_us: Option<i64>,
}

/// When a gate was a municipality's.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ownership(Vec<Span>);

impl Ownership {
    /// For good, as far as anybody noted.
    #[must_use]
    pub fn always() -> Self {
        Self(vec![Span {
            from_us: i64::MIN,
            until_us: None,
        }])
    }

    /// From a moment on, and up to another; in microseconds since 1970.
    #[cfg(test)]
    pub(super) fn between(from_us: i64, until_us: Option<i64>) -> Self {
        Self(vec![Span { from_us, until_us }])
    }

    /// Whether what the gate saw at a moment is the municipality's.
    #[must_use]
    pub fn has(&self, at: UtcTime) -> bool {
        let at_us = at.unix_us();
        let has =
            |span: &Span| at_us >= span.from_us && span.until_us.is_none_or(|until| at_us < until);
        self.0.iter().any(has)
    }

    /// Together with another's.
    pub fn add(&mut self, other: &Self) {
        self.0.extend(&other.0);
    }

    /// Whether it is for good, as far as anybody noted.
    #[must_use]
    pub(super) fn is_always(&self) -> bool {
        let always = |span: &Span| span.from_us <= 0 && span.until_us.is_none();
        self.0.iter().any(always)
    }

    /// Every hour of UTC of which it has a part, whole.
    #[must_use]
    pub(super) fn in_touched_hours(&self) -> Self {
        let spans = self.0.iter().map(|span| Span {
            from_us: span.from_us.div_euclid(HOUR_US).saturating_mul(HOUR_US),
            until_us: span.until_us.map(|until| {
                (until.saturating_add(HOUR_US - 1))
                    .div_euclid(HOUR_US)
                    .saturating_mul(HOUR_US)
            }),
        });
        Self(spans.collect())
    }

    /// Only the whole hours of UTC of it: a count takes an hour of a gate whole or not at all.
    #[must_use]
    pub fn in_whole_hours(&self) -> Self {
        let spans = self.0.iter().map(|span| Span {
            from_us: (span.from_us.saturating_add(HOUR_US - 1)).div_euclid(HOUR_US) * HOUR_US,
            until_us: span
                .until_us
                .map(|until| until.div_euclid(HOUR_US) * HOUR_US),
        });
        Self(spans.collect())
    }
}

/// Every gate that was ever a municipality's, with when, by the municipality's name.
///
/// # Errors
/// [`StoreError`].
pub(super) fn all(
    main: &Connection,
) -> Result<BTreeMap<String, BTreeMap<GateId, Ownership>>, StoreError> {
    const DOING: &str = "read whose gates were";
    let sql =
        "SELECT municipality, gate, from_us, until_us FROM gate_owners ORDER BY gate, from_us";
    let mut statement = main.prepare(sql).doing(DOING)?;
    let mut rows = statement.query([]).doing(DOING)?;
    let mut all: BTreeMap<String, BTreeMap<GateId, Ownership>> = BTreeMap::new();
    while let Some(row) = rows.next().doing(DOING)? {
        let gate: String = row.get(1).doing(DOING)?;
        let gate = gate
            .parse()
            .map_err(|_| StoreError::Damaged { what: "gate" })?;
        let of_whom = all.entry(row.get(0).doing(DOING)?).or_default();
        of_whom.entry(gate).or_default().0.push(Span {
            from_us: row.get(2).doing(DOING)?,
            until_us: row.get(3).doing(DOING)?,
        });
    }
    Ok(all)
}

/// Notes that a gate is a municipality's from now on, or nobody's. Who has it first has what it saw before
/// too, as nobody else has.
///
/// # Errors
/// [`StoreError`].
pub(super) fn note(
    main: &Connection,
    gate: &str,
    to: Option<&Municipality>,
    now: UtcTime,
) -> Result<(), StoreError> {
    const DOING: &str = "note whose the gate is";
    let now_us = now.unix_us();
    let open = "SELECT municipality FROM gate_owners WHERE gate = ? AND until_us IS NULL";
    let before: Option<String> = main
        .query_row(open, [gate], |row| row.get(0))
        .optional()
        .doing(DOING)?;
    if before.as_deref() == to.map(Municipality::as_str) {
        return Ok(());
    }
    let had = "SELECT EXISTS (SELECT 1 FROM gate_owners WHERE gate = ?)";
    let had: bool = main.query_row(had, [gate], |row| row.get(0)).doing(DOING)?;
    // It began in this very moment: nobody saw anything under it.
    let never = "DELETE FROM gate_owners WHERE gate = ? AND until_us IS NULL AND from_us >= ?";
    main.execute(never, params![gate, now_us]).doing(DOING)?;
    let until = "UPDATE gate_owners SET until_us = ?2 WHERE gate = ?1 AND until_us IS NULL";
    main.execute(until, params![gate, now_us]).doing(DOING)?;
    if let Some(name) = to {
        let from_us = if had { now_us } else { 0 };
        let from = "INSERT INTO gate_owners VALUES (?, ?, ?, NULL)";
        main.execute(from, params![gate, name.as_str(), from_us])
            .doing(DOING)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::municipalities::SCHEMA;
    use crate::municipalities::owners::*;

    fn at(hour: i64) -> UtcTime {
        UtcTime::from_unix_us(hour * HOUR_US)
    }

    #[test]
    fn what_a_gate_saw_stays_with_whoever_had_it_then() {
        let main = Connection::open_in_memory().unwrap();
        main.execute_batch(SCHEMA).unwrap();
        main.execute_batch(SCHEMA_OWNERS).unwrap();
        let (a, b): (Municipality, Municipality) = ("A".parse().unwrap(), "B".parse().unwrap());
        let half = UtcTime::from_unix_us(10 * HOUR_US + HOUR_US / 2);
        note(&main, "nord", Some(&a), at(5)).unwrap();
        note(&main, "nord", Some(&a), at(6)).unwrap();
        note(&main, "nord", Some(&b), half).unwrap();
        note(&main, "nord", None, at(20)).unwrap();
        note(&main, "nord", Some(&a), at(30)).unwrap();
        let owners = all(&main).unwrap();
        let nord: GateId = "nord".parse().unwrap();
        let has = |name: &str, at: UtcTime| owners[name][&nord].has(at);
        for (when, of_a, of_b) in [
            (at(0), true, false),
            (at(10), true, false),
            (half, false, true),
            (at(19), false, true),
            (at(20), false, false),
            (at(30), true, false),
        ] {
            assert_eq!((has("A", when), has("B", when)), (of_a, of_b), "{when}");
        }
        let whole = |name: &str, hour| owners[name][&nord].in_whole_hours().has(at(hour));
        assert!(whole("A", 9) && !whole("A", 10), "A has no part of an hour");
        assert!(!whole("B", 10) && whole("B", 11), "nor has B");
    }
}
