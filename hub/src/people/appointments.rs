//! Who holds an office, from when to when, and what it lets them do. This module owns the table
//! `appointments`.

use varco_proto::time::UtcTime;

use super::tokens::{Permission, Permissions};
use crate::store::sql::{Connection, params};
use crate::store::{Doing as _, StoreError};

/// The table, for [`crate::store::migrate`]. `may` has the names of permissions, with spaces between.
pub const SCHEMA: &str = "
    CREATE TABLE appointments (
        actor_id TEXT NOT NULL,
        may TEXT NOT NULL,
        from_us INTEGER NOT NULL,
        until_us INTEGER NOT NULL,
        PRIMARY KEY (actor_id, from_us)
    ) STRICT, WITHOUT ROWID;";

/// What somebody may do by the appointments that hold at a moment; none when none holds.
///
/// # Errors
/// [`StoreError`].
pub fn permissions(
    main: &Connection,
    actor_id: &str,
    now: UtcTime,
) -> Result<Option<Permissions>, StoreError> {
    const DOING: &str = "look appointments up";
    let sql =
        "SELECT may FROM appointments WHERE actor_id = ?1 AND from_us <= ?2 AND until_us > ?2";
    let mut statement = main.prepare_cached(sql).doing(DOING)?;
    let mut rows = statement
        .query(params![actor_id, now.unix_us()])
        .doing(DOING)?;
    let mut all: Option<Vec<Permission>> = None;
    while let Some(row) = rows.next().doing(DOING)? {
        let may: String = row.get(0).doing(DOING)?;
        // What is not known gives nothing.
        let known = may
            .split(' ')
            .filter_map(|name| name.parse::<Permission>().ok());
        all.get_or_insert_default().extend(known);
    }
    Ok(all.map(|all| Permissions::of(&all)))
}

/// Appoints somebody.
///
/// # Errors
/// [`StoreError`].
pub fn appoint(
    main: &Connection,
    actor_id: &str,
    may: &Permissions,
    from: UtcTime,
    until: UtcTime,
) -> Result<(), StoreError> {
    let sql = "INSERT OR REPLACE INTO appointments VALUES (?, ?, ?, ?)";
    let row = params![actor_id, may.to_text(), from.unix_us(), until.unix_us()];
    main.execute(sql, row).doing("appoint somebody")?;
    Ok(())
}
