//! Who may close a case: its order's term, or two persons. This module owns the table `case_closings`.
//!
//! Closing destroys the only copy of what a case holds, so that one person's word is not enough: one
//! asks, another confirms. [`Closing`] is made here alone, and nothing closes a case without one but the
//! floor, which closes again what was closed.

use std::collections::BTreeMap;
use std::time::Duration;

use varco_proto::time::UtcTime;

use super::case::{Case, CaseId};
use crate::audit::actor::Actor;
use crate::store::sql::{Connection, Row, params};
use crate::store::{Doing as _, StoreError};

/// The table, for [`crate::store::migrate`].
pub const SCHEMA: &str = "
    CREATE TABLE case_closings (
        id TEXT PRIMARY KEY,
        asked_by TEXT NOT NULL,
        asked_at_us INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;";

/// How long a request waits for the second person: seven days. Later it is asked anew.
pub const ASKED_US: u64 = 7 * 86_400 * 1_000_000;

/// Somebody asked for a case to be closed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    by: String,
    at: UtcTime,
}

impl Asked {
    /// Who asked.
    #[must_use]
    pub fn by(&self) -> &str {
        &self.by
    }

    /// When.
    #[must_use]
    pub fn at(&self) -> UtcTime {
        self.at
    }

    /// Until when a second person may confirm.
    #[must_use]
    pub fn ends_at(&self) -> UtcTime {
        self.at + Duration::from_micros(ASKED_US)
    }

    /// Whether it still waits. One of another time, because the clock was wrong, does not.
    fn stands_at(&self, now: UtcTime) -> bool {
        self.at.unix_us().abs_diff(now.unix_us()) < ASKED_US
    }
}

/// On whose word a case is closed.
#[derive(Debug, Clone, PartialEq, Eq)]
enum ClosedBy {
    Two { asked: Asked, confirmed_by: Actor },
    Term,
}

/// That a case may be closed, and on whose word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Closing {
    case: CaseId,
    by: ClosedBy,
}

impl Closing {
    /// Its order's term is over; none while it is not.
    #[must_use]
    pub fn of_term(case: &Case, now: UtcTime) -> Option<Self> {
        (case.until <= now).then(|| Self {
            case: case.id.clone(),
            by: ClosedBy::Term,
        })
    }

    /// Which case.
    #[must_use]
    pub fn case(&self) -> &CaseId {
        &self.case
    }

    /// Who asked for it; nobody when the term is over.
    #[must_use]
    pub fn asked_by(&self) -> Option<&str> {
        match &self.by {
            ClosedBy::Two { asked, .. } => Some(asked.by()),
            ClosedBy::Term => None,
        }
    }

    /// Who confirmed it; nobody when the term is over.
    #[must_use]
    pub fn confirmed_by(&self) -> Option<&Actor> {
        match &self.by {
            ClosedBy::Two { confirmed_by, .. } => Some(confirmed_by),
            ClosedBy::Term => None,
        }
    }
}

/// What a person's word comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClosingWord {
    /// The first: it is noted, and a second person is waited for.
    Asks,
    /// Their own, once more: a second person is still waited for.
    Again(Asked),
    /// The second person's.
    Closes(Closing),
}

/// What the word of a person who wants a case to be closed comes to.
#[must_use]
pub fn decide(id: &CaseId, asked: Option<Asked>, actor: &Actor, now: UtcTime) -> ClosingWord {
    match asked.filter(|asked| asked.stands_at(now)) {
        None => ClosingWord::Asks,
        Some(asked) if asked.by == actor.to_string() => ClosingWord::Again(asked),
        Some(asked) => ClosingWord::Closes(Closing {
            case: id.clone(),
            by: ClosedBy::Two {
                asked,
                confirmed_by: actor.clone(),
            },
        }),
    }
}

/// Notes who asks; what no longer waits gives way. None when another is waited for already.
///
/// # Errors
/// [`StoreError`].
pub(super) fn ask(
    main: &Connection,
    id: &CaseId,
    actor: &Actor,
    now: UtcTime,
) -> Result<Option<Asked>, StoreError> {
    if waiting(main, now)?.contains_key(id) {
        return Ok(None);
    }
    let asked = Asked {
        by: actor.to_string(),
        at: now,
    };
    let sql = "INSERT OR REPLACE INTO case_closings (id, asked_by, asked_at_us) VALUES (?, ?, ?)";
    main.execute(sql, params![id.as_str(), asked.by, now.unix_us()])
        .doing("note who asks for a case to be closed")?;
    Ok(Some(asked))
}

/// Uses up what two persons said; false when it is not there any more. A term needs no word.
///
/// # Errors
/// [`StoreError`].
pub(super) fn use_up(main: &Connection, closing: &Closing) -> Result<bool, StoreError> {
    let ClosedBy::Two { asked, .. } = &closing.by else {
        return Ok(true);
    };
    let sql = "DELETE FROM case_closings WHERE id = ? AND asked_by = ? AND asked_at_us = ?";
    let used = main.execute(
        sql,
        params![closing.case.as_str(), asked.by, asked.at.unix_us()],
    );
    Ok(used.doing("use up who asked for a case to be closed")? == 1)
}

/// Forgets who asked: the case is closed.
///
/// # Errors
/// [`StoreError`].
pub(super) fn forget(main: &Connection, id: &CaseId) -> Result<(), StoreError> {
    main.execute("DELETE FROM case_closings WHERE id = ?", [id.as_str()])
        .doing("forget who asked for a case to be closed")?;
    Ok(())
}

/// Who asked for which case to be closed, as far as it still waits for a second person.
///
/// # Errors
/// [`StoreError`].
pub fn waiting(main: &Connection, now: UtcTime) -> Result<BTreeMap<CaseId, Asked>, StoreError> {
    let mut waiting = all(main)?;
    waiting.retain(|_, asked| asked.stands_at(now));
    Ok(waiting)
}

fn all(main: &Connection) -> Result<BTreeMap<CaseId, Asked>, StoreError> {
    const DOING: &str = "read who asked for cases to be closed";
    let sql = "SELECT id, asked_by, asked_at_us FROM case_closings";
    let mut statement = main.prepare_cached(sql).doing(DOING)?;
    let mut rows = statement.query([]).doing(DOING)?;
    let mut all = BTreeMap::new();
    while let Some(row) = rows.next().doing(DOING)? {
        let (id, asked) = from_row(row)?;
        all.insert(id, asked);
    }
    Ok(all)
}

fn from_row(row: &Row<'_>) -> Result<(CaseId, Asked), StoreError> {
    const DOING: &str = "read who asked for a case to be closed";
    let id: String = row.get(0).doing(DOING)?;
    let damaged = StoreError::Damaged {
        what: "request to close a case",
    };
    let asked = Asked {
        by: row.get(1).doing(DOING)?,
        at: UtcTime::from_unix_us(row.get(2).doing(DOING)?),
    };
    Ok((id.parse().map_err(|_| damaged)?, asked))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY_US: i64 = 86_400 * 1_000_000;

    fn at(days: i64) -> UtcTime {
        UtcTime::from_unix_us(days * DAY_US)
    }

    fn word(by: &str, asked: Option<(&str, i64)>, now: i64) -> ClosingWord {
        let asked = asked.map(|(by, days)| Asked {
            by: by.to_owned(),
            at: at(days),
        });
        let actor = Actor::at_console(by).unwrap();
        decide(&"c1".parse().unwrap(), asked, &actor, at(now))
    }

    #[test]
    fn one_person_asks_and_another_closes() {
        assert_eq!(word("Rossi", None, 20), ClosingWord::Asks);
        let again = word("Rossi", Some(("Rossi", 20)), 26);
        assert!(matches!(again, ClosingWord::Again(_)), "{again:?}");
        let ClosingWord::Closes(closing) = word("Verdi", Some(("Rossi", 20)), 26) else {
            panic!("a second person");
        };
        assert_eq!(closing.asked_by(), Some("Rossi"));
        assert_eq!(closing.confirmed_by().unwrap().to_string(), "Verdi");
    }

    #[test]
    fn what_nobody_confirmed_in_seven_days_is_asked_anew() {
        assert_eq!(word("Verdi", Some(("Rossi", 20)), 27), ClosingWord::Asks);
        assert_eq!(word("Rossi", Some(("Rossi", 20)), 27), ClosingWord::Asks);
        assert_eq!(word("Verdi", Some(("Rossi", 34)), 27), ClosingWord::Asks);
    }
}
