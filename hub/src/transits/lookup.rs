//! Looking transits up, with the audit line in the same transaction.

use std::path::PathBuf;
use std::time::Duration;

use thiserror::Error;
use varco_proto::ids::{CameraId, TransitId};
use varco_proto::keys::SealingKey;
use varco_proto::time::{UtcDay, UtcTime};

use super::partition::{COLUMNS, Partitions, StoredTransit, digest_of};
use super::pattern::PlatePattern;
use crate::people::audit::{self, Action, AuditError, Entry};
use crate::people::purpose::Grounds;
use crate::people::tokens::Actor;
use crate::store::sql::{Connection, Value, params_from_iter};
use crate::store::{self, Doing as _, StoreError};

/// Fewest letters and digits of a pattern over many cameras and a long time.
pub const LITERAL_CHARACTERS_MIN: usize = 3;
/// Longest window that a wider pattern may have without naming a camera.
pub const WIDE_WINDOW_MAX: Duration = Duration::from_secs(24 * 3600);
/// Most cameras named in one lookup.
pub const CAMERAS_MAX: usize = 64;

/// What is asked.
#[derive(Debug, Clone, PartialEq)]
pub struct Query {
    /// Plate or pattern.
    pub plate: PlatePattern,
    /// Whether O and 0, I and 1 are the same.
    pub fold: bool,
    /// First moment.
    pub from: UtcTime,
    /// Last moment.
    pub to: UtcTime,
    /// Only these; all when empty.
    pub cameras: Vec<CameraId>,
    /// Most results.
    pub limit: u32,
    /// Where the page before ended.
    pub after: Option<Cursor>,
}

/// Where a page ended: results go from new to old.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor {
    /// Capture of the last result.
    pub captured_at: UtcTime,
    /// Its id.
    pub id: TransitId,
}

impl Cursor {
    /// The text form that `next` gives.
    #[must_use]
    pub fn to_text(self) -> String {
        format!("{}_{}", self.captured_at.unix_us(), self.id)
    }

    /// Reads the text form; none when it is not one.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (captured_at_us, id) = text.split_once('_')?;
        Some(Self {
            captured_at: UtcTime::from_unix_us(captured_at_us.parse().ok()?),
            id: id.parse().ok()?,
        })
    }
}

/// A query that would show too much. The person narrows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum QueryError {
    /// Nothing can lie in the window.
    #[error("`from` lies after `to`")]
    Window,
    /// Nearly everything would match.
    #[error(
        "the pattern is too wide: give at least {LITERAL_CHARACTERS_MIN} letters or digits, or \
         name a camera, or a window of at most 24 hours"
    )]
    TooWide,
    /// More than a person can mean.
    #[error("name at most {CAMERAS_MAX} cameras")]
    TooManyCameras,
}

impl Query {
    /// Checks that a query is not too wide.
    ///
    /// # Errors
    /// [`QueryError`].
    pub fn check(&self) -> Result<(), QueryError> {
        if self.from > self.to {
            return Err(QueryError::Window);
        }
        if self.cameras.len() > CAMERAS_MAX {
            return Err(QueryError::TooManyCameras);
        }
        let few = self.plate.literal_characters() < LITERAL_CHARACTERS_MIN;
        if few && self.cameras.is_empty() && self.to.since(self.from) > WIDE_WINDOW_MAX {
            return Err(QueryError::TooWide);
        }
        Ok(())
    }
}

/// What was found.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// Newest first, at most the query's limit.
    pub transits: Vec<StoredTransit>,
    /// How many match in all, beyond the limit and before the cursor too.
    pub total: u64,
    /// Where to go on; none when this was the end.
    pub next: Option<Cursor>,
    /// First moment that was searched: the query's, or the beginning of the term.
    pub searched_from: UtcTime,
    /// The audit line that this lookup left.
    pub audit_sequence: u64,
}

/// A lookup is not answered.
#[derive(Debug, Error)]
pub enum LookupError {
    /// The audit line cannot be written, so nothing is shown.
    #[error("the audit line cannot be written, so the lookup is refused")]
    Audit(#[from] AuditError),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Who asks, why and when.
pub struct Asking<'a> {
    /// Who.
    pub actor: &'a Actor,
    /// Why.
    pub grounds: &'a Grounds,
    /// By the hub's clock.
    pub now: UtcTime,
    /// Signs the audit line.
    pub key: &'a SealingKey,
}

/// Where lookups read and write.
#[derive(Debug, Clone)]
pub struct Archive {
    /// The main database.
    pub main: PathBuf,
    /// The days.
    pub partitions: Partitions,
    /// How long a transit is shown, from its capture.
    pub term: Duration,
}

impl Archive {
    /// Looks up: reads the days and writes the audit line in one transaction, committed before
    /// anything is given back. Nothing older than the term is shown, to the microsecond.
    ///
    /// # Errors
    /// [`LookupError`]; then nothing was shown.
    pub fn look_up(&self, query: &Query, asking: &Asking<'_>) -> Result<Found, LookupError> {
        let searched_from = query.from.max(asking.now - self.term);
        let mut connection = store::open(&self.main)?;
        let attached = self.attach(&connection, searched_from, query.to)?;
        // Deferred: the days are read first, and the main database is locked only for the line.
        let transaction = connection.transaction().doing("begin the lookup")?;
        let (mut transits, mut total) = (Vec::new(), 0);
        let most = usize::try_from(query.limit).unwrap_or(usize::MAX);
        for schema in attached.iter().rev() {
            let conditions = Conditions::of(query, searched_from);
            total += conditions.count(&transaction, schema)?;
            if transits.len() <= most {
                // One more than asked for tells whether there is a next page.
                let wanted = most - transits.len() + 1;
                transits.extend(conditions.select(&transaction, schema, query.after, wanted)?);
            }
        }
        let more = transits.len() > most;
        transits.truncate(most);
        let entry = entry_of(query, asking, &transits, total, searched_from)?;
        let audit_sequence = audit::append(&transaction, &entry, asking.now, asking.key)?;
        transaction.commit().doing("commit the audit line")?;
        Ok(Found {
            next: transits.last().filter(|_| more).and_then(cursor_after),
            transits,
            total,
            searched_from,
            audit_sequence,
        })
    }

    /// Attaches the days of a window, read-only, oldest first, and gives their schema names.
    fn attach(
        &self,
        connection: &Connection,
        from: UtcTime,
        to: UtcTime,
    ) -> Result<Vec<String>, StoreError> {
        let wanted = |day: &UtcDay| (from.day()..=to.day()).contains(day);
        let mut attached = Vec::new();
        for day in self.partitions.days()?.into_iter().filter(wanted) {
            let schema = format!("day{}", attached.len());
            let path = self.partitions.path(day);
            let uri = format!("file:{}?mode=ro", escape(&path.to_string_lossy()));
            connection
                .execute(&format!("ATTACH ? AS {schema}"), [uri])
                .doing("attach a day")?;
            attached.push(schema);
        }
        Ok(attached)
    }
}

/// Escapes what has a meaning in a file URI.
fn escape(path: &str) -> String {
    path.replace('%', "%25")
        .replace('?', "%3f")
        .replace('#', "%23")
}

fn cursor_after(last: &StoredTransit) -> Option<Cursor> {
    Some(Cursor {
        captured_at: UtcTime::from_unix_us(last.columns.captured_at_us),
        id: TransitId::try_from(&last.columns.id[..]).ok()?,
    })
}

fn entry_of(
    query: &Query,
    asking: &Asking<'_>,
    transits: &[StoredTransit],
    total: u64,
    searched_from: UtcTime,
) -> Result<Entry, StoreError> {
    let digests = transits.iter().map(|t| digest_of(&t.columns.digest));
    Ok(Entry {
        actor: asking.actor.clone(),
        action: Action::Lookup,
        grounds: Some(asking.grounds.clone()),
        query: Some(query.plate.as_str().to_owned()),
        details: serde_json::json!({
            "from": query.from, "to": query.to, "searched_from": searched_from,
            "cameras": query.cameras, "fold": query.fold, "limit": query.limit,
            "after": query.after.map(Cursor::to_text), "total": total,
        }),
        result_count: Some(u64::try_from(transits.len()).unwrap_or(u64::MAX)),
        result_digests: digests.collect::<Result<_, _>>()?,
    })
}

/// The WHERE clause of a query and its values.
struct Conditions {
    clause: String,
    values: Vec<Value>,
}

impl Conditions {
    fn of(query: &Query, searched_from: UtcTime) -> Self {
        let mut clause = "captured_at_us BETWEEN ? AND ?".to_owned();
        let mut values = vec![
            Value::Integer(searched_from.unix_us()),
            Value::Integer(query.to.unix_us()),
        ];
        let mut and = |condition: &str, value: String| {
            clause.push_str(" AND ");
            clause.push_str(condition);
            values.push(Value::Text(value));
        };
        let operator = if query.plate.is_exact() { "=" } else { "GLOB" };
        if !query.plate.is_any() {
            and(&format!("plate_folded {operator} ?"), query.plate.folded());
            if !query.fold {
                and(&format!("plate {operator} ?"), query.plate.as_str().into());
            }
        }
        if !query.cameras.is_empty() {
            let names = serde_json::json!(query.cameras).to_string();
            and("camera IN (SELECT value FROM json_each(?))", names);
        }
        Self { clause, values }
    }

    fn count(&self, connection: &Connection, schema: &str) -> Result<u64, StoreError> {
        let sql = format!(
            "SELECT count(*) FROM {schema}.transits WHERE {}",
            self.clause
        );
        connection
            .query_row(&sql, params_from_iter(&self.values), |row| row.get(0))
            .map(|count: i64| u64::try_from(count).unwrap_or(0))
            .doing("count the matching transits")
    }

    fn select(
        &self,
        connection: &Connection,
        schema: &str,
        after: Option<Cursor>,
        most: usize,
    ) -> Result<Vec<StoredTransit>, StoreError> {
        const DOING: &str = "read the matching transits";
        let mut sql = format!(
            "SELECT {COLUMNS} FROM {schema}.transits WHERE {}",
            self.clause
        );
        let mut values = self.values.clone();
        if let Some(cursor) = after {
            sql.push_str(" AND (captured_at_us, id) < (?, ?)");
            values.push(Value::Integer(cursor.captured_at.unix_us()));
            values.push(Value::Blob(cursor.id.as_bytes().to_vec()));
        }
        sql.push_str(" ORDER BY captured_at_us DESC, id DESC LIMIT ?");
        values.push(Value::Integer(i64::try_from(most).unwrap_or(i64::MAX)));
        let mut statement = connection.prepare(&sql).doing(DOING)?;
        let rows = statement
            .query_map(params_from_iter(&values), StoredTransit::read)
            .doing(DOING)?;
        rows.map(|row| row.doing(DOING)).collect()
    }
}
