//! A case and what it holds.

use std::collections::BTreeSet;

use thiserror::Error;
use varco_proto::ids::Digest;
use varco_proto::time::UtcTime;

use super::keys::CaseKeys;
use crate::audit::actor::Actor;
use crate::audit::purpose::{Grounds, Purpose};
use crate::bodies::BodyId;
use crate::hotlists::list::ListId;
use crate::store::sql::{Connection, OptionalExtension as _, Row, params};
use crate::store::{Doing as _, StoreError};
use crate::transits::blocks;
use varco_proto::cipher::{CipherError, Key};

/// Longest authority and order, in characters.
const TEXT_CHARACTERS_MAX: usize = 120;
/// Longest term of an order: two years. What is still needed then is ordered anew.
const UNTIL_US_MAX: i64 = 2 * 366 * 86_400 * 1_000_000;
/// Most transits that a case holds: it is for a request, not for a copy of the store.
pub const ITEMS_MAX: u64 = 10_000;

/// A case's id is written as a hotlist's: 1 to 64 of a-z, 0-9 and `-`.
pub type CaseId = ListId;

/// Something is not done to a case.
#[derive(Debug, Error)]
pub enum CaseError {
    /// A text is missing or too long.
    #[error("`{0}` of a case is 1 to {TEXT_CHARACTERS_MAX} printable characters")]
    Text(&'static str),
    /// The term.
    #[error("the order's term lies in the future, and at most two years on")]
    Until,
    /// The id is taken, for good.
    #[error("there is or was a case `{0}`: choose another id, they are never reused")]
    Taken(CaseId),
    /// No such case.
    #[error("there is no case `{0}` that is open")]
    Unknown(CaseId),
    /// Too much.
    #[error("a case holds at most {ITEMS_MAX} transits: name plate and time more closely")]
    TooMany,
    /// No key can be made.
    #[error("the case's key cannot be made")]
    Key(#[from] CipherError),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Case {
    /// Its id.
    pub id: CaseId,
    /// Who ordered it: a court, a prosecutor, an office.
    pub authority: String,
    /// The order's own reference and date.
    pub order: String,
    /// Purpose and case.
    pub grounds: Grounds,
    /// When it is closed by itself.
    pub until: UtcTime,
    /// When it was opened.
    pub opened_at: UtcTime,
    /// By whom.
    pub opened_by: String,
    /// Whose it is: the people of another body never learn of it.
    pub body: BodyId,
    /// Since when it is closed and what it held is destroyed.
    pub closed_at: Option<UtcTime>,
    /// Transits that it holds and that nobody blocked.
    pub items: u64,
    /// Transits that it holds and nobody may process meanwhile.
    pub blocked: u64,
}

impl Case {
    /// Whether an actor may know of it: the people of the body whose it is, and whoever works on the machine.
    #[must_use]
    pub fn is_named_to(&self, actor: &Actor) -> bool {
        actor.is_system() || actor.body() == Some(self.body.as_str())
    }
}

/// A transit that a case holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// UUID.
    pub transit: [u8; 16],
    /// The record's digest.
    pub digest: Digest,
    /// The edge that sealed it.
    pub edge: String,
    /// The sealed original.
    pub envelope: Vec<u8>,
}

fn item_place(id: &CaseId, transit: &[u8; 16]) -> Vec<u8> {
    [format!("case {id} item ").as_bytes(), transit].concat()
}

fn damaged() -> StoreError {
    StoreError::Damaged { what: "case" }
}

/// Opens a case, and makes its key.
///
/// # Errors
/// [`CaseError`].
pub fn open(main: &Connection, keys: &CaseKeys, case: &Case) -> Result<(), CaseError> {
    for (field, text) in [("authority", &case.authority), ("order", &case.order)] {
        let characters = text.trim().chars().count();
        if !(1..=TEXT_CHARACTERS_MAX).contains(&characters) || text.chars().any(char::is_control) {
            return Err(CaseError::Text(field));
        }
    }
    let term = case
        .until
        .unix_us()
        .saturating_sub(case.opened_at.unix_us());
    if !(1..=UNTIL_US_MAX).contains(&term) {
        return Err(CaseError::Until);
    }
    let opened = main
        .execute(
            "INSERT OR IGNORE INTO cases (id, authority, order_reference, purpose, case_reference,
             until_us, opened_at_us, opened_by, body) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            params![
                case.id.as_str(),
                case.authority.trim(),
                case.order.trim(),
                case.grounds.purpose.as_str(),
                case.grounds.case_reference,
                case.until.unix_us(),
                case.opened_at.unix_us(),
                case.opened_by,
                case.body.as_str()
            ],
        )
        .doing("open the case")?;
    if opened == 0 {
        return Err(CaseError::Taken(case.id.clone()));
    }
    // Within the transaction that adds the case: nobody else opens one of this name meanwhile.
    Ok(keys.make(&case.id)?)
}

/// What an open case is to whoever searches under its reference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenReference {
    /// Its id.
    pub id: CaseId,
    /// Its case reference.
    pub reference: String,
    /// Who opened it, by name.
    pub opened_by: String,
}

/// The references of the open cases.
///
/// # Errors
/// [`StoreError`].
pub fn open_references(main: &Connection) -> Result<Vec<OpenReference>, StoreError> {
    const DOING: &str = "read the references of cases";
    let sql = "SELECT id, case_reference, opened_by FROM cases WHERE closed_at_us IS NULL";
    let mut statement = main.prepare_cached(sql).doing(DOING)?;
    let mut rows = statement.query([]).doing(DOING)?;
    let mut all = Vec::new();
    while let Some(row) = rows.next().doing(DOING)? {
        let id: String = row.get(0).doing(DOING)?;
        all.push(OpenReference {
            id: id.parse().map_err(|_| damaged())?,
            reference: row.get(1).doing(DOING)?,
            opened_by: row.get(2).doing(DOING)?,
        });
    }
    Ok(all)
}

/// When a case last took a transit; none while it holds none.
///
/// # Errors
/// [`StoreError`].
pub fn held_at(main: &Connection, id: &CaseId) -> Result<Option<UtcTime>, StoreError> {
    const DOING: &str = "look when a case last grew";
    let sql = "SELECT max(held_at_us) FROM case_items WHERE id = ?";
    let mut statement = main.prepare_cached(sql).doing(DOING)?;
    let at: Option<i64> = statement
        .query_row([id.as_str()], |row| row.get(0))
        .doing(DOING)?;
    Ok(at.map(UtcTime::from_unix_us))
}

/// The key of an open case.
fn key(main: &Connection, keys: &CaseKeys, id: &CaseId) -> Result<Key, CaseError> {
    let unknown = || CaseError::Unknown(id.clone());
    let sql = "SELECT closed_at_us IS NULL FROM cases WHERE id = ?";
    let open = main.query_row(sql, [id.as_str()], |row| row.get(0));
    if open.optional().doing("look whether the case is open")? != Some(true) {
        return Err(unknown());
    }
    keys.get(main, id)?.ok_or_else(unknown)
}

/// Puts transits into a case; those that it holds already stay as they are. Gives how many are new.
///
/// # Errors
/// [`CaseError`].
pub fn hold(
    main: &Connection,
    keys: &CaseKeys,
    id: &CaseId,
    items: &[Item],
    now: UtcTime,
) -> Result<u64, CaseError> {
    let key = key(main, keys, id)?;
    let mut new = 0;
    for item in items {
        let plain = [item.edge.as_bytes(), b"\n", &item.envelope].concat();
        let sealed = key.seal(&item_place(id, &item.transit), &plain)?;
        let held = main
            .execute(
                "INSERT OR IGNORE INTO case_items (id, transit, digest, held_at_us, sealed)
                 VALUES (?, ?, ?, ?, ?)",
                params![
                    id.as_str(),
                    &item.transit[..],
                    item.digest.as_bytes(),
                    now.unix_us(),
                    sealed
                ],
            )
            .doing("hold a transit")?;
        new += u64::try_from(held).map_err(|_| damaged())?;
    }
    let held: i64 = main
        .query_row(
            "SELECT count(*) FROM case_items WHERE id = ?",
            [id.as_str()],
            |row| row.get(0),
        )
        .doing("count what the case holds")?;
    if u64::try_from(held).map_err(|_| damaged())? > ITEMS_MAX {
        return Err(CaseError::TooMany);
    }
    Ok(new)
}

/// What a case holds, by transit id, which is by time; without what is blocked.
///
/// # Errors
/// [`CaseError`].
pub fn items(main: &Connection, keys: &CaseKeys, id: &CaseId) -> Result<Vec<Item>, CaseError> {
    items_where(main, keys, id, blocks::FREE)
}

/// The same, with what is blocked: to be counted, and never shown.
///
/// # Errors
/// [`CaseError`].
pub fn items_with_blocked(
    main: &Connection,
    keys: &CaseKeys,
    id: &CaseId,
) -> Result<Vec<Item>, CaseError> {
    items_where(main, keys, id, "true")
}

fn items_where(
    main: &Connection,
    keys: &CaseKeys,
    id: &CaseId,
    which: &str,
) -> Result<Vec<Item>, CaseError> {
    const DOING: &str = "read what the case holds";
    let key = key(main, keys, id)?;
    let mut statement = main
        .prepare(&format!(
            "SELECT transit, digest, sealed FROM case_items WHERE id = ? AND {which}
             ORDER BY transit"
        ))
        .doing(DOING)?;
    let mut rows = statement.query([id.as_str()]).doing(DOING)?;
    let mut items = Vec::new();
    while let Some(row) = rows.next().doing(DOING)? {
        let bytes = |at: usize| row.get::<_, Vec<u8>>(at).doing(DOING);
        let transit: [u8; 16] = bytes(0)?.try_into().map_err(|_| damaged())?;
        let plain = key.open(&item_place(id, &transit), &bytes(2)?);
        let plain = plain.map_err(|_| damaged())?;
        let end = plain.iter().position(|byte| *byte == b'\n');
        let (edge, envelope) = plain.split_at(end.ok_or_else(damaged)?);
        items.push(Item {
            transit,
            digest: Digest::try_from(&bytes(1)?[..]).map_err(|_| damaged())?,
            edge: String::from_utf8_lossy(edge).into_owned(),
            envelope: envelope.get(1..).ok_or_else(damaged)?.to_vec(),
        });
    }
    Ok(items)
}

/// Closes a case: its copies are destroyed, what it was stays for the audit. Its key goes with
/// [`CaseKeys::destroy_closed`], after the commit.
///
/// # Errors
/// [`CaseError`].
pub(super) fn close(main: &Connection, id: &CaseId, now: UtcTime) -> Result<(), CaseError> {
    const DOING: &str = "close the case";
    let closed = main
        .execute(
            "UPDATE cases SET closed_at_us = ?, key = NULL WHERE id = ? AND closed_at_us IS NULL",
            params![now.unix_us(), id.as_str()],
        )
        .doing(DOING)?;
    if closed == 0 {
        return Err(CaseError::Unknown(id.clone()));
    }
    main.execute("DELETE FROM case_items WHERE id = ?", [id.as_str()])
        .doing(DOING)?;
    Ok(())
}

const COLUMNS: &str = "id, authority, order_reference, purpose, case_reference, until_us,
    opened_at_us, opened_by, closed_at_us, body,
    (SELECT count(*) FROM case_items WHERE case_items.id = cases.id)";

/// Whether an open case holds a transit.
///
/// # Errors
/// [`StoreError`].
pub fn holds(main: &Connection, transit: &[u8; 16]) -> Result<bool, StoreError> {
    let sql = "SELECT EXISTS (SELECT 1 FROM case_items WHERE transit = ?)";
    main.query_row(sql, [&transit[..]], |row| row.get(0))
        .doing("look whether a case holds a transit")
}

/// The open cases that hold one of these transits, by id.
///
/// # Errors
/// [`StoreError`].
pub fn holding(main: &Connection, transits: &[[u8; 16]]) -> Result<BTreeSet<CaseId>, StoreError> {
    const DOING: &str = "look which cases hold transits";
    let mut holding = BTreeSet::new();
    let mut statement = main
        .prepare_cached("SELECT id FROM case_items WHERE transit = ?")
        .doing(DOING)?;
    for transit in transits {
        let mut rows = statement.query([&transit[..]]).doing(DOING)?;
        while let Some(row) = rows.next().doing(DOING)? {
            let id: String = row.get(0).doing(DOING)?;
            let id = id
                .parse()
                .map_err(|_| StoreError::Damaged { what: "case" })?;
            holding.insert(id);
        }
    }
    Ok(holding)
}

/// Every case, closed ones too, by id.
///
/// # Errors
/// [`StoreError`].
pub fn all(main: &Connection) -> Result<Vec<Case>, StoreError> {
    const DOING: &str = "list the cases";
    let mut statement = main
        .prepare(&format!(
            "SELECT {COLUMNS},
                (SELECT count(*) FROM case_items WHERE case_items.id = cases.id AND {})
             FROM cases ORDER BY id",
            blocks::FREE
        ))
        .doing(DOING)?;
    let mut rows = statement.query([]).doing(DOING)?;
    let mut cases = Vec::new();
    while let Some(row) = rows.next().doing(DOING)? {
        cases.push(from_row(row)?);
    }
    Ok(cases)
}

fn from_row(row: &Row<'_>) -> Result<Case, StoreError> {
    const DOING: &str = "read a case";
    let text = |at: usize| row.get::<_, String>(at).doing(DOING);
    let time = |at: usize| {
        row.get::<_, i64>(at)
            .map(UtcTime::from_unix_us)
            .doing(DOING)
    };
    let purpose: Purpose = text(3)?.parse().map_err(|_| damaged())?;
    let closed: Option<i64> = row.get(8).doing(DOING)?;
    let count = |at: usize| -> Result<u64, StoreError> {
        u64::try_from(row.get::<_, i64>(at).doing(DOING)?).map_err(|_| damaged())
    };
    let (all, items) = (count(10)?, count(11)?);
    Ok(Case {
        id: text(0)?.parse().map_err(|_| damaged())?,
        authority: text(1)?,
        order: text(2)?,
        grounds: Grounds {
            purpose,
            case_reference: text(4)?,
        },
        until: time(5)?,
        opened_at: time(6)?,
        opened_by: text(7)?,
        body: text(9)?.parse().map_err(|_| damaged())?,
        closed_at: closed.map(UtcTime::from_unix_us),
        items,
        blocked: all.checked_sub(items).ok_or_else(damaged)?,
    })
}
