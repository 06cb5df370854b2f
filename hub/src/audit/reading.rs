//! Reading the lines back, for those who oversee. Each reading is a line itself ([`noted`]).

use serde_json::Value;
use varco_proto::time::UtcTime;

use crate::audit::action::Action;
use crate::audit::actor::Actor;
use crate::audit::log::Remains;
use crate::audit::overseen::Overseen;
use crate::audit::{AuditEntry, AuditLine};
use crate::store::sql::{Connection, OptionalExtension as _, Row, params};
use crate::store::{Doing as _, StoreError, number};

/// Most lines of one answer.
pub const LINES_MAX: u32 = 1000;
const READING: &str = "read the audit";

/// A line as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredLine {
    /// What stays for good.
    pub remains: Remains,
    /// The signed text; none once its term was over.
    pub text: Option<String>,
}

impl StoredLine {
    /// What it says; none once its term was over.
    ///
    /// # Errors
    /// [`StoreError::Damaged`].
    pub fn line(&self) -> Result<Option<AuditLine>, StoreError> {
        let text = self.text.as_deref();
        let line = text.map(serde_json::from_str).transpose();
        line.map_err(|_| StoreError::Damaged { what: "audit line" })
    }

    /// The same, field by field as it is signed.
    ///
    /// # Errors
    /// [`StoreError::Damaged`].
    pub(super) fn said(&self) -> Result<Option<Value>, StoreError> {
        let text = self.text.as_deref();
        let said = text.map(serde_json::from_str).transpose();
        said.map_err(|_| StoreError::Damaged { what: "audit line" })
    }
}

const COLUMNS: &str = "sequence, at_us, digest, signature, line";

fn of(row: &Row<'_>) -> Result<StoredLine, StoreError> {
    let sequence: i64 = row.get(0).doing(READING)?;
    let text: String = row.get(4).doing(READING)?;
    Ok(StoredLine {
        remains: Remains {
            sequence: number::unsigned(sequence, "audit line")?,
            at: UtcTime::from_unix_us(row.get(1).doing(READING)?),
            digest: row.get(2).doing(READING)?,
            signature: row.get(3).doing(READING)?,
        },
        text: (!text.is_empty()).then_some(text),
    })
}

/// The line of a number; none when there is none.
///
/// # Errors
/// [`StoreError`].
pub fn line(main: &Connection, sequence: u64) -> Result<Option<StoredLine>, StoreError> {
    // No line has a number that does not fit.
    let Ok(sequence) = i64::try_from(sequence) else {
        return Ok(None);
    };
    let sql = format!("SELECT {COLUMNS} FROM audit WHERE sequence = ?");
    main.query_row(&sql, [sequence], |row| Ok(of(row)))
        .optional()
        .doing(READING)?
        .transpose()
}

/// Hands each line on in its order, through `last`.
///
/// # Errors
/// [`StoreError`], or what `each` gives.
pub fn each<E: From<StoreError>>(
    main: &Connection,
    last: u64,
    mut each: impl FnMut(StoredLine) -> Result<(), E>,
) -> Result<(), E> {
    let last = number::signed(last, "audit line")?;
    let sql = format!("SELECT {COLUMNS} FROM audit WHERE sequence <= ? ORDER BY sequence");
    let mut statement = main.prepare(&sql).doing(READING)?;
    let mut rows = statement.query([last]).doing(READING)?;
    while let Some(row) = rows.next().doing(READING)? {
        each(of(row)?)?;
    }
    Ok(())
}

/// Which lines are looked for: those that fit all that is given.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WantedLines {
    /// Who acted: a name, an id or a credential.
    pub actor: Option<String>,
    /// What was done, as lines name it.
    pub action: Option<String>,
    /// Of which body whoever acted was.
    pub body: Option<String>,
    /// Written then or later.
    pub from: Option<UtcTime>,
    /// Written before.
    pub to: Option<UtcTime>,
    /// The case or request that was stated.
    pub case_reference: Option<String>,
    /// The plate that was asked for, or acted on; capitals and blanks do not matter.
    pub plate: Option<String>,
    /// Only lines before this one.
    pub before: Option<u64>,
}

/// A search of the lines.
#[derive(Debug, Clone, Copy)]
pub struct LineSearch<'a> {
    /// Which are looked for.
    pub wanted: &'a WantedLines,
    /// Whose may be found.
    pub of: &'a Overseen,
    /// Most of them.
    pub limit: u32,
}

impl WantedLines {
    /// The line of this search, but for the plate, which stands in its `query`.
    fn details(&self) -> Value {
        serde_json::json!({
            "read": "search",
            "actor": self.actor,
            "action": self.action,
            "body": self.body,
            "from": self.from,
            "to": self.to,
            "case_reference": self.case_reference,
            "before": self.before,
        })
    }

    /// The entry of this search by somebody.
    #[must_use]
    pub fn entry(&self, actor: Actor) -> AuditEntry {
        AuditEntry {
            query: self.plate.clone(),
            ..AuditEntry::plain(actor, Action::AuditRead, self.details())
        }
    }

    /// Whether a line is one of these; any is, where nothing is wanted. One whose term was over tells nothing.
    ///
    /// # Errors
    /// [`StoreError::Damaged`].
    pub fn takes(&self, line: &StoredLine) -> Result<bool, StoreError> {
        if *self == Self::default() {
            return Ok(true);
        }
        let at = line.remains.at;
        let is_within = self.from.is_none_or(|from| at >= from) && self.to.is_none_or(|to| at < to);
        match &line.text {
            Some(_) if is_within => Ok(line.said()?.is_some_and(|said| self.fits(&said))),
            _ => Ok(false),
        }
    }

    fn fits(&self, line: &Value) -> bool {
        let is = |field: &str, wanted: &str| line[field].as_str() == Some(wanted);
        let has = |fields: &[&str], wanted: &Option<String>| {
            let wanted = wanted.as_deref();
            wanted.is_none_or(|wanted| fields.iter().any(|field| is(field, wanted)))
        };
        let plate = self.plate.as_deref().map(normal);
        has(&["actor", "actor_id", "credential"], &self.actor)
            && has(&["action"], &self.action)
            && has(&["body"], &self.body)
            && has(&["case_reference"], &self.case_reference)
            && plate.is_none_or(|plate| {
                names(&line["query"], &plate) || names(&line["details"], &plate)
            })
    }
}

/// Letters and digits alone, as capitals.
fn normal(plate: &str) -> String {
    let symbols = plate.chars().filter(|c| c.is_alphanumeric());
    symbols.flat_map(char::to_uppercase).collect()
}

/// Whether a plate stands in what was asked.
fn names(value: &Value, plate: &str) -> bool {
    match value {
        Value::String(text) => normal(text) == plate,
        Value::Array(all) => all.iter().any(|one| names(one, plate)),
        Value::Object(fields) => fields.values().any(|one| names(one, plate)),
        _ => false,
    }
}

/// The newest lines that fit, newest first; at most `limit`.
///
/// # Errors
/// [`StoreError`].
pub fn search(main: &Connection, asked: &LineSearch<'_>) -> Result<Vec<StoredLine>, StoreError> {
    let LineSearch {
        wanted,
        of: whose,
        limit,
    } = *asked;
    let limit = usize::try_from(limit.min(LINES_MAX));
    let limit = limit.map_err(|_| StoreError::Damaged { what: "count" })?;
    // A bound that is left out is no bound.
    let from = wanted.from.map_or(i64::MIN, UtcTime::unix_us);
    let to = wanted.to.map_or(i64::MAX, UtcTime::unix_us);
    let before = wanted.before.map_or(i64::MAX, |before| {
        i64::try_from(before).unwrap_or(i64::MAX) // No line has a number beyond.
    });
    let sql = format!(
        "SELECT {COLUMNS} FROM audit
         WHERE sequence < ?1 AND at_us >= ?2 AND at_us < ?3 AND line <> ''
           AND (?4 IS NULL OR action = ?4) AND (?5 IS NULL OR instr(line, ?5))
         ORDER BY sequence DESC"
    );
    let written = wanted.actor.as_ref().map(serde_json::to_string);
    let written = written
        .transpose()
        .map_err(|_| StoreError::Damaged { what: "actor" })?;
    let mut statement = main.prepare(&sql).doing(READING)?;
    let mut rows = statement
        .query(params![before, from, to, wanted.action, written])
        .doing(READING)?;
    let mut found = Vec::new();
    while found.len() < limit
        && let Some(row) = rows.next().doing(READING)?
    {
        let line = of(row)?;
        if line
            .said()?
            .is_some_and(|said| wanted.fits(&said) && whose.takes(&said))
        {
            found.push(line);
        }
    }
    Ok(found)
}

/// The entry of a reading of the audit by somebody: `what` was read, and which.
#[must_use]
pub fn noted(actor: Actor, what: &str, which: Value) -> AuditEntry {
    let details = serde_json::json!({ "read": what, "which": which });
    AuditEntry::plain(actor, Action::AuditRead, details)
}

#[cfg(test)]
mod tests {
    use varco_proto::keys::SealingKey;

    use super::*;
    use crate::audit::head::SCHEMA_HEAD;
    use crate::audit::log::SCHEMA_LOG;
    use crate::audit::purpose::Grounds;
    use crate::audit::{SCHEMA, append};
    use crate::store;

    fn all(wanted: &WantedLines, limit: u32) -> LineSearch<'_> {
        LineSearch {
            wanted,
            of: &Overseen::Everything,
            limit,
        }
    }

    #[test]
    fn lines_are_found_by_each_of_what_they_say() {
        let folder = tempfile::tempdir().unwrap();
        let mut main = store::open(&folder.path().join("main")).unwrap();
        store::migrate(&mut main, &[SCHEMA, SCHEMA_HEAD, SCHEMA_LOG]).unwrap();
        let key = SealingKey::from_pkcs8(&SealingKey::generate().unwrap()).unwrap();
        let now: UtcTime = "2026-11-22T12:00:00Z".parse().unwrap();
        let minute = std::time::Duration::from_secs(60);
        let rossi = Actor::at_console("Rossi \"Capo\"").unwrap();
        let verdi = Actor::at_console("Verdi").unwrap().by("c0ffee".to_owned());
        let lookup = AuditEntry {
            grounds: Some(Grounds::stated(Some("traffic"), Some("PG 1/2026")).unwrap()),
            query: Some("AB 123 cd".to_owned()),
            ..AuditEntry::plain(rossi, Action::Lookup, serde_json::json!({}))
        };
        let listed = serde_json::json!({ "list": "wanted", "plates": ["ZZ999ZZ"] });
        let listed = AuditEntry::plain(verdi, Action::HotlistPlateAdded, listed);
        append(&main, &lookup, now, &key).unwrap();
        append(&main, &listed, now + minute, &key).unwrap();
        let find = |wanted: WantedLines| {
            let found = search(&main, &all(&wanted, 10)).unwrap().into_iter();
            found.map(|line| line.remains.sequence).collect::<Vec<_>>()
        };
        let some = |text: &str| Some(text.to_owned());
        let none = WantedLines::default;
        assert_eq!(find(none()), [2, 1]);
        let by = |actor: &str| WantedLines {
            actor: some(actor),
            ..none()
        };
        assert_eq!(find(by("Rossi \"Capo\"")), [1]);
        assert_eq!(find(by("c0ffee")), [2]);
        assert!(find(by("Ross")).is_empty());
        let plate = |plate: &str| WantedLines {
            plate: some(plate),
            ..none()
        };
        assert_eq!(find(plate("ab123cd")), [1]);
        assert_eq!(find(plate("ZZ 999 ZZ")), [2]);
        assert!(find(plate("AB123")).is_empty());
        let action = WantedLines {
            action: some("lookup"),
            ..none()
        };
        assert_eq!(find(action), [1]);
        let case = WantedLines {
            case_reference: some("PG 1/2026"),
            ..none()
        };
        assert_eq!(find(case), [1]);
        let period = WantedLines {
            from: Some(now),
            to: Some(now + minute),
            ..none()
        };
        assert_eq!(find(period), [1]);
        let before = WantedLines {
            before: Some(2),
            ..none()
        };
        assert_eq!(find(before), [1]);
        let other = WantedLines {
            body: some("questura"),
            ..none()
        };
        assert!(find(other).is_empty());
        assert_eq!(search(&main, &all(&none(), 1)).unwrap().len(), 1);
        assert_eq!(line(&main, 3).unwrap(), None);
        let first = line(&main, 1).unwrap().unwrap().line().unwrap().unwrap();
        assert_eq!(first.query, some("AB 123 cd"));
    }
}
