//! Which hours the audit has told the beginning of: without such a line nobody could see that an hour
//! was taken away whole, with its key and its links.

use varco_proto::keys::SealingKey;
use varco_proto::time::UtcTime;

use crate::audit::action::Action;
use crate::audit::actor::Actor;
use crate::audit::told::{HourBegun, Told as _};
use crate::audit::{AuditError, append};
use crate::hours::partition::Partition;
use crate::store::sql::Connection;
use crate::store::{Doing as _, StoreError};

/// The hours whose beginning stands in the audit.
pub const SCHEMA_HOURS: &str = "CREATE TABLE audit_hours (hour INTEGER PRIMARY KEY) STRICT;";

/// Tells of an hour's beginning, once, in the caller's transaction. Gives whether it was told now.
///
/// # Errors
/// [`AuditError`]; the caller rolls back.
pub fn begin(
    main: &Connection,
    hour: Partition,
    now: UtcTime,
    key: &SealingKey,
) -> Result<bool, AuditError> {
    let new = main
        .prepare_cached("INSERT INTO audit_hours VALUES (?) ON CONFLICT DO NOTHING")
        .and_then(|mut statement| statement.execute([hour.number()]))
        .doing("note that an hour began")?;
    if new == 0 {
        return Ok(false);
    }
    let told = HourBegun {
        hour: hour.to_string(),
    };
    let entry = told.entry(Actor::hub(), Action::PartitionBegun)?;
    append(main, &entry, now, key)?;
    Ok(true)
}

/// Forgets an hour that ended, in the transaction of the line of its end.
///
/// # Errors
/// [`AuditError`]; the caller rolls back.
pub fn end(main: &Connection, hour: Partition) -> Result<(), AuditError> {
    main.execute("DELETE FROM audit_hours WHERE hour = ?", [hour.number()])
        .doing("note that an hour ended")?;
    Ok(())
}

/// Whether an hour's beginning was told.
///
/// # Errors
/// [`StoreError`].
pub fn is_told(main: &Connection, hour: Partition) -> Result<bool, StoreError> {
    let sql = "SELECT EXISTS (SELECT 1 FROM audit_hours WHERE hour = ?)";
    main.query_row(sql, [hour.number()], |row| row.get(0))
        .doing("look whether an hour began")
}
