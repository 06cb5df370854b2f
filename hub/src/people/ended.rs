//! Tokens and appointments that were ended, for the floor that no restored database goes below.

use std::collections::BTreeMap;

use crate::store::sql::{Connection, params};
use crate::store::{Doing as _, StoreError};

/// When each ended token was, in microseconds, by its digest in hexadecimal digits.
pub type EndedTokens = BTreeMap<String, i64>;

/// Those that the database knows.
///
/// # Errors
/// [`StoreError`].
pub fn read(main: &Connection) -> Result<EndedTokens, StoreError> {
    const DOING: &str = "list the ended tokens";
    let sql = "SELECT hex(digest), revoked_at_us FROM tokens WHERE revoked_at_us IS NOT NULL";
    let mut statement = main.prepare(sql).doing(DOING)?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)));
    rows.doing(DOING)?.map(|row| row.doing(DOING)).collect()
}

/// Ends those of them that live. Gives how many did.
///
/// # Errors
/// [`StoreError`].
pub fn end(main: &Connection, ended: &EndedTokens) -> Result<usize, StoreError> {
    let sql = "UPDATE tokens SET revoked_at_us = ? WHERE hex(digest) = ? AND revoked_at_us IS NULL";
    let mut statement = main.prepare(sql).doing("end a token")?;
    let mut count = 0;
    for (digest, at_us) in ended {
        count += statement
            .execute(params![at_us, digest])
            .doing("end a token")?;
    }
    Ok(count)
}

/// When the last ended appointment of each actor was, in microseconds, by the actor's id.
pub type EndedAppointments = BTreeMap<String, i64>;

/// Delegations, custodies of keys and entries of external staff that ended, in microseconds: by their table, their
/// number and when they were made, with blanks between.
pub type EndedOffices = BTreeMap<String, i64>;

/// The tables of these.
const OFFICES: [&str; 3] = ["delegations", "key_custody", "external_staff"];

/// Those that the database knows.
///
/// # Errors
/// [`StoreError`].
pub fn offices(main: &Connection) -> Result<EndedOffices, StoreError> {
    const DOING: &str = "list what ended of offices";
    let mut ended = EndedOffices::new();
    for table in OFFICES {
        let sql = format!(
            "SELECT '{table} ' || number || ' ' || made_at_us, ended_at_us FROM {table}
             WHERE ended_at_us IS NOT NULL"
        );
        let mut statement = main.prepare(&sql).doing(DOING)?;
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)));
        for row in rows.doing(DOING)? {
            let (key, at_us): (String, i64) = row.doing(DOING)?;
            ended.insert(key, at_us);
        }
    }
    Ok(ended)
}

/// Ends those of them that live. Gives which did.
///
/// # Errors
/// [`StoreError`].
pub fn end_offices(main: &Connection, ended: &EndedOffices) -> Result<Vec<String>, StoreError> {
    const DAMAGED: StoreError = StoreError::Damaged { what: "floor" };
    let mut lived = Vec::new();
    for (key, at_us) in ended {
        let mut parts = key.split(' ');
        let name = parts.next();
        let table = OFFICES.iter().find(|table| name == Some(**table));
        let mut number = || parts.next()?.parse::<i64>().ok();
        let (Some(table), Some(number), Some(made_at)) = (table, number(), number()) else {
            return Err(DAMAGED);
        };
        let sql = format!(
            "UPDATE {table} SET ended_at_us = ? WHERE number = ? AND made_at_us = ?
             AND ended_at_us IS NULL"
        );
        let changed = main.execute(&sql, params![at_us, number, made_at]);
        if changed.doing("end what had ended of an office")? > 0 {
            lived.push(key.clone());
        }
    }
    Ok(lived)
}

/// Those that the database knows.
///
/// # Errors
/// [`StoreError`].
pub fn appointments(main: &Connection) -> Result<EndedAppointments, StoreError> {
    const DOING: &str = "list the ended appointments";
    let sql = "SELECT actor_id, max(ended_at_us) FROM appointments
        WHERE ended_at_us IS NOT NULL GROUP BY actor_id";
    let mut statement = main.prepare(sql).doing(DOING)?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)));
    rows.doing(DOING)?.map(|row| row.doing(DOING)).collect()
}

/// Ends what lives of appointments made before. Gives whose did.
///
/// # Errors
/// [`StoreError`].
pub fn end_appointments(
    main: &Connection,
    ended: &EndedAppointments,
) -> Result<Vec<String>, StoreError> {
    let sql = "UPDATE appointments SET ended_at_us = ?1 WHERE actor_id = ?2
        AND made_at_us < ?1 AND ended_at_us IS NULL";
    let mut lived = Vec::new();
    for (actor, at_us) in ended {
        let changed = main.execute(sql, params![at_us, actor]);
        if changed.doing("end an appointment again")? > 0 {
            lived.push(actor.clone());
        }
    }
    Ok(lived)
}
