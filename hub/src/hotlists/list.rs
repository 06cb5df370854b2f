//! A list and what it stands for. This module owns the tables `hotlists` and `hotlists_version`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;
use varco_proto::time::UtcTime;

use crate::audit::actor;
use crate::audit::actor::Actor;
use crate::audit::purpose::{Grounds, GroundsError, Purpose};
use crate::bodies::BodyId;
use crate::store::sql::{Connection, OptionalExtension as _, Row, params};
use crate::store::{Doing as _, StoreError};

/// The tables, for [`crate::store::migrate`].
pub const SCHEMA: &str = "
    CREATE TABLE hotlists (
        id TEXT PRIMARY KEY,
        name TEXT NOT NULL,
        reason TEXT NOT NULL,
        owner TEXT NOT NULL,
        purpose TEXT NOT NULL,
        case_reference TEXT NOT NULL,
        priority INTEGER NOT NULL CHECK (priority BETWEEN 0 AND 100),
        near INTEGER NOT NULL CHECK (near IN (0, 1)),
        valid_from_us INTEGER NOT NULL,
        valid_to_us INTEGER NOT NULL,
        seen_by TEXT NOT NULL,
        made_at_us INTEGER NOT NULL,
        closed_at_us INTEGER,
        entries INTEGER NOT NULL DEFAULT 0,
        imported_at_us INTEGER
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE hotlist_pages (
        list TEXT NOT NULL,
        page INTEGER NOT NULL,
        sealed BLOB NOT NULL,
        PRIMARY KEY (list, page)
    ) STRICT;
    CREATE TABLE hotlists_version (
        one INTEGER PRIMARY KEY CHECK (one = 1),
        version INTEGER NOT NULL
    ) STRICT;
    INSERT INTO hotlists_version VALUES (1, 0);";

/// Where a list's pages lie, so that an import is written beside what holds, and which pages were
/// changed singly since it.
pub const SCHEMA_EXTENT: &str = "
    ALTER TABLE hotlists ADD COLUMN first_page INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE hotlists ADD COLUMN pages INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE hotlists ADD COLUMN next_page INTEGER NOT NULL DEFAULT 0;
    UPDATE hotlists SET
        pages = (SELECT count(*) FROM hotlist_pages WHERE list = hotlists.id),
        next_page = 8192;
    CREATE TABLE hotlist_changes (
        list TEXT NOT NULL,
        page INTEGER NOT NULL,
        version INTEGER NOT NULL,
        PRIMARY KEY (list, page)
    ) STRICT, WITHOUT ROWID;";

/// Who made a list, to whom it is named whomever it is for. Of those made before nobody knows.
pub const SCHEMA_MAKER: &str = "
    ALTER TABLE hotlists ADD COLUMN made_by TEXT NOT NULL DEFAULT '';";

/// Whose a list is; those of a version before are whoever's runs the hub.
pub const SCHEMA_BODY: &str = "ALTER TABLE hotlists ADD COLUMN body TEXT NOT NULL DEFAULT 'owner';";

/// Whether a list's plates are sealed under its own key; a version before sealed all under one.
pub const SCHEMA_KEY: &str = "
    ALTER TABLE hotlists ADD COLUMN own_key INTEGER NOT NULL DEFAULT 0 CHECK (own_key IN (0, 1));";

/// Longest name, reason or owner, in characters.
const TEXT_CHARACTERS_MAX: usize = 120;
/// Longest validity: a year. What is still needed then is stated anew.
const VALID_US_MAX: i64 = 366 * 86_400 * 1_000_000;
/// Most actors that a list names.
const SEEN_BY_MAX: usize = 200;

/// A list's name in addresses and files: 1 to 64 of a-z, 0-9 and `-`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ListId(String);

impl ListId {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ListId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for ListId {
    type Err = ListError;
    fn from_str(text: &str) -> Result<Self, ListError> {
        let fits = |c: u8| matches!(c, b'a'..=b'z' | b'0'..=b'9' | b'-');
        if (1..=64).contains(&text.len()) && text.bytes().all(fits) {
            Ok(Self(text.to_owned()))
        } else {
            Err(ListError::Id)
        }
    }
}

impl TryFrom<String> for ListId {
    type Error = ListError;
    fn try_from(text: String) -> Result<Self, ListError> {
        text.parse()
    }
}

impl From<ListId> for String {
    fn from(id: ListId) -> Self {
        id.0
    }
}

/// A list is not made or changed.
#[derive(Debug, Error)]
pub enum ListError {
    /// The id.
    #[error("a hotlist's id is 1 to 64 of a-z, 0-9 and '-'")]
    Id,
    /// A text is missing or too long.
    #[error("`{0}` of a hotlist is 1 to {TEXT_CHARACTERS_MAX} printable characters")]
    Text(&'static str),
    /// Purpose or case.
    #[error(transparent)]
    Grounds(#[from] GroundsError),
    /// The priority.
    #[error("the priority is a number from 0 to 100, 100 the most urgent")]
    Priority,
    /// The term.
    #[error("a hotlist ends after it begins, not in the past, and at most 366 days on")]
    Validity,
    /// Too many actors, or a name that is none.
    #[error("name at most {SEEN_BY_MAX} actors who may see the alerts")]
    SeenBy,
    /// The id is taken, for good: the audit names the list that bore it.
    #[error("there is or was a hotlist `{0}`: choose another id, they are never reused")]
    Taken(ListId),
    /// No such list.
    #[error(
        "there is no hotlist `{0}` that is open; `varco-hub hotlist list` shows those there are"
    )]
    Unknown(ListId),
    /// Its key is destroyed, though it is open: an older main database lies here, or the keys' is gone.
    #[error("the key of the hotlist `{0}` is destroyed: close the list and make another")]
    Keyless(ListId),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What a list stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hotlist {
    /// Its id.
    pub id: ListId,
    /// As people call it.
    pub name: String,
    /// Why the vehicles are waited for.
    pub reason: String,
    /// The office that answers for it.
    pub owner: String,
    /// Purpose and case: an alert shows a transit, so that it needs what a lookup needs.
    pub grounds: Grounds,
    /// 0 to 100, 100 the most urgent.
    pub priority: u8,
    /// Whether plates that may have been misread raise an alert too.
    pub near: bool,
    /// From when it holds.
    pub valid_from: UtcTime,
    /// Until when.
    pub valid_to: UtcTime,
    /// Who sees its alerts; whoever may see alerts when it is empty.
    pub seen_by: Vec<String>,
    /// When it was made.
    pub made_at: UtcTime,
    /// By whom, their id; empty for one made by a version that did not keep it.
    pub made_by: String,
    /// Whose it is: the people of another body never learn of it.
    pub body: BodyId,
    /// Since when it is closed for good.
    pub closed_at: Option<UtcTime>,
    /// Plates on it.
    pub entries: u64,
    /// When these came.
    pub imported_at: Option<UtcTime>,
}

impl Hotlist {
    /// Whether it raises alerts at a moment.
    #[must_use]
    pub fn holds_at(&self, now: UtcTime) -> bool {
        self.closed_at.is_none() && self.valid_from <= now && now < self.valid_to
    }

    /// Whether an actor works for the body whose list it is.
    #[must_use]
    fn is_of(&self, actor: &Actor) -> bool {
        actor.body() == Some(self.body.as_str())
    }

    /// Whether an actor sees its alerts.
    #[must_use]
    pub fn is_seen_by(&self, actor: &Actor) -> bool {
        // A name belongs to one actor for good.
        let named = |seen_by: &String| seen_by.eq_ignore_ascii_case(actor.name());
        self.is_of(actor) && (self.seen_by.is_empty() || self.seen_by.iter().any(named))
    }

    /// Whether an actor may know that it is there, and change it: those whom it is for, whoever made
    /// it, and whoever works on the machine.
    #[must_use]
    pub fn is_named_to(&self, actor: &Actor) -> bool {
        let is_maker = self.is_of(actor) && self.made_by == actor.id();
        actor.is_system() || is_maker || self.is_seen_by(actor)
    }

    fn check(&self, now: UtcTime) -> Result<(), ListError> {
        let texts = [
            ("name", &self.name),
            ("reason", &self.reason),
            ("owner", &self.owner),
        ];
        for (field, text) in texts {
            let characters = text.trim().chars().count();
            if !(1..=TEXT_CHARACTERS_MAX).contains(&characters)
                || text.chars().any(char::is_control)
            {
                return Err(ListError::Text(field));
            }
        }
        if self.priority > 100 {
            return Err(ListError::Priority);
        }
        let length = self
            .valid_to
            .unix_us()
            .saturating_sub(self.valid_from.unix_us());
        if !(1..=VALID_US_MAX).contains(&length) || self.valid_to <= now {
            return Err(ListError::Validity);
        }
        if self.seen_by.len() > SEEN_BY_MAX
            || self.seen_by.iter().any(|a| actor::checked(a).is_err())
        {
            return Err(ListError::SeenBy);
        }
        Ok(())
    }
}

/// Makes a list, without plates and key yet.
///
/// # Errors
/// [`ListError`].
pub(super) fn make(main: &Connection, list: &Hotlist) -> Result<(), ListError> {
    list.check(list.made_at)?;
    let seen_by = serde_json::to_string(&list.seen_by).unwrap_or_default();
    let made = main
        .execute(
            "INSERT OR IGNORE INTO hotlists (id, name, reason, owner, purpose, case_reference,
             priority, near, valid_from_us, valid_to_us, seen_by, made_at_us, made_by, body, own_key)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 1)",
            params![
                list.id.as_str(),
                list.name.trim(),
                list.reason.trim(),
                list.owner.trim(),
                list.grounds.purpose.as_str(),
                list.grounds.case_reference,
                list.priority,
                list.near,
                list.valid_from.unix_us(),
                list.valid_to.unix_us(),
                seen_by,
                list.made_at.unix_us(),
                list.made_by,
                list.body.as_str(),
            ],
        )
        .doing("make the hotlist")?;
    if made == 0 {
        return Err(ListError::Taken(list.id.clone()));
    }
    Ok(bump(main)?)
}

/// Closes a list for good: its plates are destroyed, what it was stays for the audit. Its key goes with
/// [`super::keys::ListKeys::destroy_closed`], after the commit.
///
/// # Errors
/// [`ListError`].
pub(super) fn close(main: &Connection, id: &ListId, now: UtcTime) -> Result<(), ListError> {
    const DOING: &str = "close the hotlist";
    let closed = main
        .execute(
            "UPDATE hotlists SET closed_at_us = ?, entries = 0, pages = 0
             WHERE id = ? AND closed_at_us IS NULL",
            params![now.unix_us(), id.as_str()],
        )
        .doing(DOING)?;
    if closed == 0 {
        return Err(ListError::Unknown(id.clone()));
    }
    for table in ["hotlist_pages", "hotlist_changes"] {
        main.execute(
            &format!("DELETE FROM {table} WHERE list = ?"),
            [id.as_str()],
        )
        .doing(DOING)?;
    }
    Ok(bump(main)?)
}

/// Whether a list is there and closed.
pub(super) fn is_closed(main: &Connection, id: &str) -> Result<bool, StoreError> {
    let sql = "SELECT closed_at_us IS NOT NULL FROM hotlists WHERE id = ?";
    let closed = main.query_row(sql, [id], |row| row.get(0)).optional();
    Ok(closed.doing("look whether a hotlist is closed")? == Some(true))
}

/// Open lists whose plates a version before sealed.
///
/// # Errors
/// [`StoreError`].
pub fn without_own_key(main: &Connection) -> Result<Vec<ListId>, StoreError> {
    const DOING: &str = "find the hotlists of a version before";
    let sql = "SELECT id FROM hotlists WHERE own_key = 0 AND closed_at_us IS NULL ORDER BY id";
    let mut statement = main.prepare_cached(sql).doing(DOING)?;
    let ids = statement.query_map([], |row| row.get::<_, String>(0));
    let id = |id: Result<String, _>| {
        let damaged = |_| StoreError::Damaged { what: "hotlist" };
        id.doing(DOING)?.parse().map_err(damaged)
    };
    ids.doing(DOING)?.map(id).collect()
}

pub(super) fn note_own_key(main: &Connection, id: &ListId) -> Result<(), StoreError> {
    let sql = "UPDATE hotlists SET own_key = 1 WHERE id = ?";
    main.execute(sql, [id.as_str()])
        .doing("note that a hotlist has a key of its own")?;
    Ok(())
}

pub(super) fn bump(main: &Connection) -> Result<(), StoreError> {
    main.execute("UPDATE hotlists_version SET version = version + 1", [])
        .doing("note that the hotlists changed")?;
    Ok(())
}

/// A number that moves whenever lists or their plates change.
///
/// # Errors
/// [`StoreError`].
pub fn version(main: &Connection) -> Result<i64, StoreError> {
    main.prepare_cached("SELECT version FROM hotlists_version")
        .and_then(|mut statement| statement.query_row([], |row| row.get(0)))
        .doing("read the hotlists' version")
}

const COLUMNS: &str = "id, name, reason, owner, purpose, case_reference, priority, near,
    valid_from_us, valid_to_us, seen_by, made_at_us, closed_at_us, entries, imported_at_us, made_by,
    body";

/// Every list, closed ones too, by id.
///
/// # Errors
/// [`StoreError`].
pub fn all(main: &Connection) -> Result<Vec<Hotlist>, StoreError> {
    const DOING: &str = "list the hotlists";
    let mut statement = main
        .prepare(&format!("SELECT {COLUMNS} FROM hotlists ORDER BY id"))
        .doing(DOING)?;
    let mut rows = statement.query([]).doing(DOING)?;
    let mut lists = Vec::new();
    while let Some(row) = rows.next().doing(DOING)? {
        lists.push(from_row(row)?);
    }
    Ok(lists)
}

/// What a short list is to whoever searches under its reference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShortList {
    /// Its id.
    pub id: ListId,
    /// Its case reference.
    pub reference: String,
    /// Who made it, by id; empty where nobody knows.
    pub made_by: String,
}

/// Most plates of a list that stands for one case, and for no register.
const SHORT_ENTRIES_MAX: i64 = 20;

/// The lists that are so short that each stands for one case.
///
/// # Errors
/// [`StoreError`].
pub fn short_lists(main: &Connection) -> Result<Vec<ShortList>, StoreError> {
    const DOING: &str = "read the references of hotlists";
    let sql = "SELECT id, case_reference, made_by FROM hotlists
        WHERE closed_at_us IS NULL AND entries BETWEEN 1 AND ?";
    let mut statement = main.prepare_cached(sql).doing(DOING)?;
    let mut rows = statement.query([SHORT_ENTRIES_MAX]).doing(DOING)?;
    let mut all = Vec::new();
    while let Some(row) = rows.next().doing(DOING)? {
        let id: String = row.get(0).doing(DOING)?;
        let damaged = |_| StoreError::Damaged { what: "hotlist" };
        all.push(ShortList {
            id: id.parse().map_err(damaged)?,
            reference: row.get(1).doing(DOING)?,
            made_by: row.get(2).doing(DOING)?,
        });
    }
    Ok(all)
}

/// One list.
///
/// # Errors
/// [`StoreError`].
pub fn find(main: &Connection, id: &ListId) -> Result<Option<Hotlist>, StoreError> {
    const DOING: &str = "find the hotlist";
    let mut statement = main
        .prepare(&format!("SELECT {COLUMNS} FROM hotlists WHERE id = ?"))
        .doing(DOING)?;
    let found = statement
        .query_row([id.as_str()], |row| Ok(from_row(row)))
        .optional()
        .doing(DOING)?;
    found.transpose()
}

fn from_row(row: &Row<'_>) -> Result<Hotlist, StoreError> {
    const DOING: &str = "read a hotlist";
    let damaged = || StoreError::Damaged { what: "hotlist" };
    let text = |at: usize| row.get::<_, String>(at).doing(DOING);
    let time = |at: usize| {
        row.get::<_, i64>(at)
            .map(UtcTime::from_unix_us)
            .doing(DOING)
    };
    let maybe = |at: usize| {
        let value = row.get::<_, Option<i64>>(at).doing(DOING)?;
        Ok::<_, StoreError>(value.map(UtcTime::from_unix_us))
    };
    let purpose: Purpose = text(4)?.parse().map_err(|_| damaged())?;
    Ok(Hotlist {
        id: text(0)?.parse().map_err(|_| damaged())?,
        name: text(1)?,
        reason: text(2)?,
        owner: text(3)?,
        grounds: Grounds {
            purpose,
            case_reference: text(5)?,
        },
        priority: row.get(6).doing(DOING)?,
        near: row.get(7).doing(DOING)?,
        valid_from: time(8)?,
        valid_to: time(9)?,
        seen_by: serde_json::from_str(&text(10)?).map_err(|_| damaged())?,
        made_at: time(11)?,
        closed_at: maybe(12)?,
        entries: u64::try_from(row.get::<_, i64>(13).doing(DOING)?).map_err(|_| damaged())?,
        imported_at: maybe(14)?,
        made_by: text(15)?,
        body: text(16)?.parse().map_err(|_| damaged())?,
    })
}
