//! What a second person is asked to agree to, and what they said.
//!
//! This is the seam to whoever decides: the rule asks [`agreed_at`] and nothing else. Who may decide, and until when, is a request's (`approvals`), which names a
//! look by its number.
//!
//! The plate is sealed while somebody has to decide about it, and gone after.

use std::time::Duration;

use varco_proto::cipher::Key;
use varco_proto::time::UtcTime;

use super::rule::{Mark, SearchRule};
use crate::audit::actor::Actor;
use crate::audit::purpose::Grounds;
use crate::store::sql::{Connection, OptionalExtension as _, Row, params};
use crate::store::{Doing as _, StoreError};

/// How long a second person's word holds, and how long it is waited for.
pub const HOLDS: Duration = Duration::from_secs(24 * 3600);
/// Most requests of one person that wait at once.
pub const WAITING_MAX: i64 = 20;

const PLACE: &[u8] = b"second look";

/// A second look that is to be asked for.
#[derive(Debug, Clone, Copy)]
pub(super) struct NewLook<'a> {
    pub(super) actor: &'a Actor,
    pub(super) person: Mark,
    /// The plate that the word is about; none when it is about the reference, whatever plate.
    pub(super) plate: Option<Mark>,
    pub(super) reference: Mark,
    pub(super) rule: SearchRule,
    pub(super) grounds: &'a Grounds,
    /// What was asked, as written.
    pub(super) written: &'a str,
    pub(super) at: UtcTime,
}

/// A second look that waits for somebody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaitingLook {
    /// Its number.
    pub number: u64,
    /// Who asks, by id.
    pub asked_by: String,
    /// Who asks, by name.
    pub asked_name: String,
    /// The plate or the pattern.
    pub plate: String,
    /// Why.
    pub purpose: String,
    /// For which case.
    pub case_reference: String,
    /// The rule that stopped it.
    pub rule: SearchRule,
    /// When.
    pub asked_at: UtcTime,
}

/// When a second person last agreed that this person searches this plate under this reference; without a plate,
/// that they search under it whatever plate. None when nobody did.
///
/// # Errors
/// [`StoreError`]: then nobody agreed.
pub fn agreed_at(
    main: &Connection,
    person: Mark,
    plate: Option<Mark>,
    reference: Mark,
) -> Result<Option<UtcTime>, StoreError> {
    const DOING: &str = "look who agreed to a search";
    let sql = "SELECT max(decided_at_us) FROM second_looks
        WHERE person = ? AND reference = ? AND plate IS ? AND agreed = 1";
    let mut statement = main.prepare_cached(sql).doing(DOING)?;
    let at: Option<i64> = statement
        .query_row(params![person, reference, plate], |row| row.get(0))
        .doing(DOING)?;
    Ok(at.map(UtcTime::from_unix_us))
}

/// Asks; gives its number. None when too many wait already.
///
/// # Errors
/// [`StoreError`].
pub(super) fn ask(
    main: &Connection,
    key: &Key,
    new: &NewLook<'_>,
) -> Result<Option<u64>, StoreError> {
    const DOING: &str = "ask for a second look";
    let sql = "SELECT count(*) FROM second_looks
        WHERE person = ? AND decided_at_us IS NULL AND asked_at_us > ?";
    let since = (new.at - HOLDS).unix_us();
    let waiting: i64 = main
        .query_row(sql, params![new.person, since], |row| row.get(0))
        .doing(DOING)?;
    if waiting >= WAITING_MAX {
        return Ok(None);
    }
    let sealed = key
        .seal(PLACE, new.written.as_bytes())
        .map_err(StoreError::Key)?;
    let sql =
        "INSERT INTO second_looks (asked_by, asked_name, body, person, plate, reference, rule,
        purpose, case_reference, sealed, asked_at_us) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
        RETURNING number";
    let values = params![
        new.actor.id(),
        new.actor.name(),
        body_of(new.actor),
        new.person,
        new.plate,
        new.reference,
        new.rule.as_str(),
        new.grounds.purpose.as_str(),
        new.grounds.case_reference,
        sealed,
        new.at.unix_us(),
    ];
    let number: i64 = main.query_row(sql, values, |row| row.get(0)).doing(DOING)?;
    let number = u64::try_from(number).map_err(|_| StoreError::Damaged { what: "number" })?;
    Ok(Some(number))
}

/// For whom somebody works; whoever is of no body is of none that asks.
fn body_of(actor: &Actor) -> &str {
    actor.body().unwrap_or("")
}

/// One that waits; none when it is not there, was decided, or is too old.
///
/// # Errors
/// [`StoreError`].
pub fn one(
    main: &Connection,
    key: &Key,
    number: u64,
    now: UtcTime,
) -> Result<Option<WaitingLook>, StoreError> {
    const DOING: &str = "read a second look";
    let sql =
        "SELECT number, asked_by, asked_name, sealed, purpose, case_reference, rule, asked_at_us
        FROM second_looks WHERE number = ? AND decided_at_us IS NULL AND asked_at_us > ?";
    let Ok(number) = i64::try_from(number) else {
        return Ok(None); // No row has it.
    };
    let values = params![number, (now - HOLDS).unix_us()];
    let found = main.query_row(sql, values, |row| Ok(from_row(row, key)));
    found.optional().doing(DOING)?.transpose()
}

/// Notes what a second person said, and destroys the plate. False when it waits no more.
///
/// # Errors
/// [`StoreError`].
pub fn decide(
    main: &Connection,
    number: u64,
    by: &Actor,
    agreed: bool,
    now: UtcTime,
) -> Result<bool, StoreError> {
    let sql = "UPDATE second_looks SET decided_at_us = ?, decided_by = ?, agreed = ?, sealed = NULL
        WHERE number = ? AND decided_at_us IS NULL";
    let values = params![now.unix_us(), by.id(), agreed, row_number(number)?];
    let changed = main.execute(sql, values);
    Ok(changed.doing("decide about a second look")? == 1)
}

/// Takes back what was asked or agreed to: the plate is destroyed, and nobody agreed.
///
/// # Errors
/// [`StoreError`].
pub fn take_back(main: &Connection, number: u64, now: UtcTime) -> Result<(), StoreError> {
    let sql = "UPDATE second_looks SET sealed = NULL, agreed = 0,
        decided_at_us = coalesce(decided_at_us, ?) WHERE number = ?";
    main.execute(sql, params![now.unix_us(), row_number(number)?])
        .doing("take a second look back")?;
    Ok(())
}

fn row_number(number: u64) -> Result<i64, StoreError> {
    i64::try_from(number).map_err(|_| StoreError::Damaged { what: "number" })
}

/// Destroys the plates of those that nobody decided in time, and everything older than the memory.
///
/// # Errors
/// [`StoreError`].
pub fn forget(main: &Connection, now: UtcTime, before: UtcTime) -> Result<(), StoreError> {
    const DOING: &str = "forget second looks";
    let sql = "UPDATE second_looks SET sealed = NULL WHERE sealed IS NOT NULL AND asked_at_us <= ?";
    main.execute(sql, [(now - HOLDS).unix_us()]).doing(DOING)?;
    let sql = "DELETE FROM second_looks WHERE coalesce(decided_at_us, asked_at_us) < ?";
    main.execute(sql, [before.unix_us()]).doing(DOING)?;
    Ok(())
}

/// Whether two actors are known to be accounts of one person.
///
/// # Errors
/// [`StoreError`]: then they count as one.
pub fn are_one_person(main: &Connection, one: &str, other: &str) -> Result<bool, StoreError> {
    let sql = "SELECT EXISTS (SELECT 1 FROM accounts_of_one AS one JOIN accounts_of_one AS other
        USING (person) WHERE one.actor = ? AND other.actor = ?)";
    let are = main.query_row(sql, [one, other], |row| row.get(0));
    Ok(one == other || are.doing("look whose accounts these are")?)
}

/// Notes whose account an actor is.
///
/// # Errors
/// [`StoreError`].
pub(super) fn note_account(main: &Connection, actor: &str, person: &str) -> Result<(), StoreError> {
    let sql = "INSERT OR REPLACE INTO accounts_of_one (actor, person) VALUES (?, ?)";
    main.execute(sql, [actor, person])
        .doing("note whose account this is")?;
    Ok(())
}

fn from_row(row: &Row<'_>, key: &Key) -> Result<WaitingLook, StoreError> {
    const DOING: &str = "read a second look";
    let damaged = StoreError::Damaged {
        what: "second look",
    };
    let text = |at: usize| row.get::<_, String>(at).doing(DOING);
    let number: i64 = row.get(0).doing(DOING)?;
    let sealed: Option<Vec<u8>> = row.get(3).doing(DOING)?;
    let plate = sealed.and_then(|sealed| key.open(PLACE, &sealed).ok());
    let plate = plate.and_then(|plate| String::from_utf8(plate).ok());
    let (Some(plate), Some(rule), Ok(number)) =
        (plate, SearchRule::named(&text(6)?), u64::try_from(number))
    else {
        return Err(damaged);
    };
    Ok(WaitingLook {
        number,
        asked_by: text(1)?,
        asked_name: text(2)?,
        plate,
        purpose: text(4)?,
        case_reference: text(5)?,
        rule,
        asked_at: UtcTime::from_unix_us(row.get(7).doing(DOING)?),
    })
}
