//! What outlives its term, by a recorded order alone (C40), and what nobody may process meanwhile
//! (C01). This module owns the tables `cases`, `case_items` and `blocks`.
//!
//! An order opens a case. Transits that it names are copied into the case, sealed under the case's
//! own key; the hours they were in come to their end as all others do. When the case is closed, or
//! its order's term is over, its key and its copies are destroyed. The key lies with those of the hours,
//! where no copy of the main database has it. Two persons close a case, or its term.

pub mod blocking;
pub mod case;
pub mod closing;
pub mod desk;
pub mod ended;
pub mod keys;

/// The tables, for [`crate::store::migrate`].
pub const SCHEMA: &str = "
    CREATE TABLE cases (
        id TEXT PRIMARY KEY,
        authority TEXT NOT NULL,
        order_reference TEXT NOT NULL,
        purpose TEXT NOT NULL,
        case_reference TEXT NOT NULL,
        until_us INTEGER NOT NULL,
        opened_at_us INTEGER NOT NULL,
        opened_by TEXT NOT NULL,
        closed_at_us INTEGER,
        key BLOB
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE case_items (
        id TEXT NOT NULL,
        transit BLOB NOT NULL CHECK (length(transit) = 16),
        digest BLOB NOT NULL CHECK (length(digest) = 32),
        held_at_us INTEGER NOT NULL,
        sealed BLOB NOT NULL,
        PRIMARY KEY (id, transit)
    ) STRICT;
    CREATE TABLE blocks (
        transit BLOB PRIMARY KEY CHECK (length(transit) = 16),
        order_reference TEXT NOT NULL,
        blocked_at_us INTEGER NOT NULL,
        lifted_at_us INTEGER
    ) STRICT, WITHOUT ROWID;";

/// Whose a case is; those of a version before are whoever's runs the hub.
pub const SCHEMA_BODY: &str = "ALTER TABLE cases ADD COLUMN body TEXT NOT NULL DEFAULT 'owner';";

/// When a case last grew.
pub const SCHEMA_BY_TIME: &str = "CREATE INDEX case_items_by_time ON case_items (id, held_at_us);";

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use std::collections::HashSet;

    use varco_proto::time::UtcTime;

    use crate::store::sql::Connection;
    use crate::transits::blocks::{FREE, all, block, has, lift};

    #[test]
    fn c01_part_what_is_free_is_what_nobody_blocked_or_whose_block_was_lifted() {
        let main = Connection::open_in_memory().unwrap();
        main.execute_batch(crate::cases::SCHEMA).unwrap();
        main.execute_batch(crate::transits::erasures::SCHEMA)
            .unwrap();
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
