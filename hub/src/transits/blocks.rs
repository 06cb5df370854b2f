//! Records that are kept while nobody may process them (C01: *blocco*).

use std::collections::HashSet;

use varco_proto::time::UtcTime;

use crate::store::sql::{Connection, params};
use crate::store::{Doing as _, StoreError};

/// What holds of a row whose column `transit` names one that nobody blocked, in SQL.
pub(crate) const FREE: &str =
    "transit NOT IN (SELECT transit FROM blocks WHERE lifted_at_us IS NULL)";

/// Blocks a transit, or says again that it is blocked.
///
/// # Errors
/// [`StoreError`].
pub fn block(
    main: &Connection,
    transit: &[u8; 16],
    order: &str,
    now: UtcTime,
) -> Result<(), StoreError> {
    main.execute(
        "INSERT INTO blocks (transit, order_reference, blocked_at_us) VALUES (?, ?, ?)
         ON CONFLICT (transit) DO UPDATE SET order_reference = excluded.order_reference,
            blocked_at_us = excluded.blocked_at_us, lifted_at_us = NULL
         WHERE lifted_at_us IS NOT NULL",
        params![&transit[..], order, now.unix_us()],
    )
    .doing("block a transit")?;
    Ok(())
}

/// Lifts a block; false when there is none.
///
/// # Errors
/// [`StoreError`].
pub fn lift(main: &Connection, transit: &[u8; 16], now: UtcTime) -> Result<bool, StoreError> {
    let lifted = main
        .execute(
            "UPDATE blocks SET lifted_at_us = ? WHERE transit = ? AND lifted_at_us IS NULL",
            params![now.unix_us(), &transit[..]],
        )
        .doing("lift a block")?;
    Ok(lifted > 0)
}

/// Whether a transit is blocked.
///
/// # Errors
/// [`StoreError`].
pub fn has(main: &Connection, transit: &[u8; 16]) -> Result<bool, StoreError> {
    let sql = "SELECT count(*) FROM blocks WHERE transit = ? AND lifted_at_us IS NULL";
    main.query_row(sql, [&transit[..]], |row| row.get(0))
        .doing("look whether a transit is blocked")
}

/// The transits that nobody may process: those that are blocked, and those that are to be destroyed at the request of
/// whom they are about. They are few: each is somebody's own request or an order.
///
/// # Errors
/// [`StoreError`].
pub fn all(main: &Connection) -> Result<HashSet<[u8; 16]>, StoreError> {
    const DOING: &str = "list what is blocked";
    let mut statement = main
        .prepare_cached(
            "SELECT transit FROM blocks WHERE lifted_at_us IS NULL
             UNION SELECT transit FROM erasures WHERE done_at_us IS NULL",
        )
        .doing(DOING)?;
    let rows = statement.query_map([], |row| row.get::<_, Vec<u8>>(0));
    let ids = rows.doing(DOING)?.map(|row| {
        let id = row.doing(DOING)?;
        let damaged = StoreError::Damaged { what: "block" };
        id.try_into().map_err(|_| damaged)
    });
    ids.collect()
}
