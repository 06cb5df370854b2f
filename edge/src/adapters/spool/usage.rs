//! How much the tables hold.

use rusqlite::Connection;

use super::error::whole;

/// How much the tables hold, kept beside them so that sealing need not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Usage {
    pub(super) transits: u64,
    pub(super) alarms: u64,
    pub(super) reports: u64,
    pub(super) refused: u64,
    pub(super) bytes: u64,
}

impl Usage {
    pub(super) fn of(db: &Connection) -> rusqlite::Result<Self> {
        let sql = "SELECT count(*) FILTER (WHERE kind = 0), count(*) FILTER (WHERE kind = 1),
            count(*) FILTER (WHERE kind = 2), (SELECT count(*) FROM refused),
            coalesce(sum(bytes), 0) + (SELECT coalesce(sum(bytes), 0) FROM refused) FROM waiting";
        db.query_row(sql, [], |row| {
            Ok(Self {
                transits: whole(row.get(0)?),
                alarms: whole(row.get(1)?),
                reports: whole(row.get(2)?),
                refused: whole(row.get(3)?),
                bytes: whole(row.get(4)?),
            })
        })
    }

    pub(super) fn waiting(self) -> u64 {
        self.transits + self.alarms + self.reports
    }

    pub(super) fn count(&mut self, kind: i64) -> &mut u64 {
        match kind {
            0 => &mut self.transits,
            1 => &mut self.alarms,
            _ => &mut self.reports,
        }
    }
}
