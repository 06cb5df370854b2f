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

/// The transits that are blocked. They are few: each is somebody's own request or an order.
///
/// # Errors
/// [`StoreError`].
pub fn all(main: &Connection) -> Result<HashSet<[u8; 16]>, StoreError> {
    const DOING: &str = "list what is blocked";
    let mut statement = main
        .prepare_cached("SELECT transit FROM blocks WHERE lifted_at_us IS NULL")
        .doing(DOING)?;
    let rows = statement.query_map([], |row| row.get::<_, Vec<u8>>(0));
    let ids = rows.doing(DOING)?.map(|row| {
        let id = row.doing(DOING)?;
        let damaged = StoreError::Damaged { what: "block" };
        id.try_into().map_err(|_| damaged)
    });
    ids.collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use crate::transits::blocks::*;

    #[test]
    fn c01_part_what_is_free_is_what_nobody_blocked_or_whose_block_was_lifted() {
        let main = Connection::open_in_memory().unwrap();
        main.execute_batch(crate::cases::SCHEMA).unwrap();
        let now = UtcTime::from_unix_us(1);
        let sql = format!("SELECT {FREE} FROM (SELECT ? AS transit)");
        let is_free = |id: u8| -> bool {
            main.query_row(&sql, [&[id; 16][..]], |row| row.get(0))
                .unwrap()
        };
        for id in [1, 2] {
            block(&main, &[id; 16], "istanza 9/2026", now).unwrap();
        }
        assert!(lift(&main, &[2; 16], now).unwrap(), "it was blocked");
        assert!(!lift(&main, &[3; 16], now).unwrap(), "it was not");
        for (id, free) in [(1, false), (2, true), (3, true)] {
            assert_eq!((is_free(id), has(&main, &[id; 16]).unwrap()), (free, !free));
        }
        assert_eq!(all(&main).unwrap(), HashSet::from([[1; 16]]));
    }
}
