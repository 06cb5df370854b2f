//! Webhooks that were removed or made anew, and the highest number of an alert, for the floor that no
//! restored database goes below.

use std::collections::BTreeMap;

use varco_proto::time::UtcTime;

use super::webhook::{self, WebhookError};
use crate::store::sql::{Connection, OptionalExtension as _, params};
use crate::store::{Doing as _, StoreError};

/// When each removed webhook was, in microseconds.
pub type EndedWebhooks = BTreeMap<String, i64>;

/// When each webhook that is told was made, in microseconds.
pub type MadeWebhooks = BTreeMap<String, i64>;

/// Those that the database knows.
///
/// # Errors
/// [`StoreError`].
pub fn read(main: &Connection) -> Result<EndedWebhooks, StoreError> {
    const DOING: &str = "list the removed webhooks";
    let sql = "SELECT id, removed_at_us FROM webhooks WHERE removed_at_us IS NOT NULL";
    let mut statement = main.prepare(sql).doing(DOING)?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)));
    rows.doing(DOING)?.map(|row| row.doing(DOING)).collect()
}

/// Removes those of them that are told of alerts. Gives which were.
///
/// # Errors
/// [`StoreError`].
pub fn end(main: &Connection, ended: &EndedWebhooks) -> Result<Vec<String>, StoreError> {
    let mut removed = Vec::new();
    for (id, at_us) in ended {
        match webhook::remove(main, id, UtcTime::from_unix_us(*at_us)) {
            Ok(()) => removed.push(id.clone()),
            Err(WebhookError::Store(error)) => return Err(error),
            Err(_) => {} // Removed there too, or never made.
        }
    }
    Ok(removed)
}

/// When the webhooks there are were made.
///
/// # Errors
/// [`StoreError`].
pub fn made(main: &Connection) -> Result<MadeWebhooks, StoreError> {
    const DOING: &str = "list when the webhooks were made";
    let sql = "SELECT id, made_at_us FROM webhooks WHERE removed_at_us IS NULL";
    let mut statement = main.prepare(sql).doing(DOING)?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)));
    rows.doing(DOING)?.map(|row| row.doing(DOING)).collect()
}

/// Removes webhooks that others of their names took the place of: their addresses and secrets hold no
/// more. Gives which were.
///
/// # Errors
/// [`StoreError`].
pub fn end_replaced(main: &Connection, made: &MadeWebhooks) -> Result<Vec<String>, StoreError> {
    const DOING: &str = "find a webhook that was made anew";
    let sql = "SELECT id FROM webhooks
               WHERE id = ? AND made_at_us < ? AND removed_at_us IS NULL";
    let mut replaced = EndedWebhooks::new();
    for (id, at_us) in made {
        let found: Option<String> = main
            .query_row(sql, params![id, at_us], |row| row.get(0))
            .optional()
            .doing(DOING)?;
        replaced.extend(found.map(|id| (id, *at_us)));
    }
    end(main, &replaced)
}

/// The highest number that an alert ever had; 0 when there was none.
///
/// # Errors
/// [`StoreError`].
pub fn highest(main: &Connection) -> Result<i64, StoreError> {
    let sql = "SELECT seq FROM sqlite_sequence WHERE name = 'alerts'";
    let found = main.query_row(sql, [], |row| row.get(0)).optional();
    Ok(found.doing("read the alerts' highest number")?.unwrap_or(0))
}

/// No alert gets a number up to this one any more.
///
/// # Errors
/// [`StoreError`].
pub fn begin_above(main: &Connection, number: i64) -> Result<(), StoreError> {
    const DOING: &str = "number the alerts on";
    let sql = "UPDATE sqlite_sequence SET seq = max(seq, ?) WHERE name = 'alerts'";
    if main.execute(sql, [number]).doing(DOING)? == 0 {
        let sql = "INSERT INTO sqlite_sequence (name, seq) VALUES ('alerts', ?)";
        main.execute(sql, [number]).doing(DOING)?;
    }
    Ok(())
}
