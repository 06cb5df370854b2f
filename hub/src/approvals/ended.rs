//! Requests that were decided, used or ended, for the floor that no restored database goes below.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use varco_proto::time::UtcTime;

use super::approval::{self, ApprovalEnd};
use super::outcome;
use crate::store::sql::{Connection, params};
use crate::store::{Doing as _, StoreError};

/// How long after the newest a request is remembered, in microseconds: none waits or unlocks for so long.
const REMEMBERED_US: i64 = 31 * 86_400 * 1_000_000;

/// When requests were refused, used up or ended, by their ids, in microseconds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EndedApprovals(BTreeMap<String, i64>);

impl EndedApprovals {
    /// What another knows, too.
    pub fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
        if let Some(newest) = self.0.values().max().copied() {
            self.0.retain(|_, at_us| *at_us >= newest - REMEMBERED_US);
        }
    }
}

/// Those that the database knows.
///
/// # Errors
/// [`StoreError`].
pub fn read(main: &Connection) -> Result<EndedApprovals, StoreError> {
    const DOING: &str = "list which requests ended";
    let sql = "SELECT id, coalesce(ended_at_us, used_at_us, decided_at_us) FROM approvals
        WHERE ended_at_us IS NOT NULL OR used_at_us IS NOT NULL
        OR (decided_at_us IS NOT NULL AND until_us IS NULL)";
    let mut statement = main.prepare(sql).doing(DOING)?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)));
    let rows = rows.doing(DOING)?.map(|row| row.doing(DOING));
    let mut ended = EndedApprovals::default();
    ended.extend(EndedApprovals(rows.collect::<Result<_, _>>()?));
    Ok(ended)
}

/// Ends those of them that wait or unlock something. Gives which did.
///
/// # Errors
/// [`StoreError`].
pub fn end(main: &Connection, ended: &EndedApprovals) -> Result<Vec<String>, StoreError> {
    const DOING: &str = "end a request again";
    let mut lived = Vec::new();
    for (id, at_us) in &ended.0 {
        let sql = "UPDATE approvals SET ended_at_us = ?, ended_why = ? WHERE id = ? AND ended_at_us IS NULL
            AND used_at_us IS NULL AND (decided_at_us IS NULL OR until_us IS NOT NULL)";
        let values = params![at_us, ApprovalEnd::Restored.as_str(), id];
        if main.execute(sql, values).doing(DOING)? > 0 {
            let known = id
                .parse()
                .map_err(|_| StoreError::Damaged { what: "floor" })?;
            if let Some(known) = approval::find(main, &known)? {
                outcome::taken_back(main, &known, UtcTime::from_unix_us(*at_us))?;
            }
            lived.push(id.clone());
        }
    }
    Ok(lived)
}
