//! Agreements that were ended and members that left, for the floor that no restored database goes below.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::store::sql::{Connection, params};
use crate::store::{Doing as _, StoreError};

/// What ended, with when, in microseconds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct EndedAgreements {
    /// By the agreement's id.
    agreements: BTreeMap<String, i64>,
    /// By the agreement's id and the municipality's name, with a line break between.
    givers: BTreeMap<String, i64>,
    /// By the agreement's id and the body's, with a line break between.
    receivers: BTreeMap<String, i64>,
}

impl EndedAgreements {
    /// What another knows, too; what both know counts from the later moment.
    pub fn extend(&mut self, other: Self) {
        let add = |own: &mut BTreeMap<String, i64>, theirs: BTreeMap<String, i64>| {
            for (what, at_us) in theirs {
                let known = own.entry(what).or_insert(at_us);
                *known = (*known).max(at_us);
            }
        };
        add(&mut self.agreements, other.agreements);
        add(&mut self.givers, other.givers);
        add(&mut self.receivers, other.receivers);
    }
}

/// Those that the database knows.
///
/// # Errors
/// [`StoreError`].
pub fn read(main: &Connection) -> Result<EndedAgreements, StoreError> {
    let left = |sql: &str| {
        const DOING: &str = "list what ended of agreements";
        let mut statement = main.prepare(sql).doing(DOING)?;
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)));
        let rows = rows.doing(DOING)?.map(|row| row.doing(DOING));
        rows.collect::<Result<BTreeMap<String, i64>, StoreError>>()
    };
    Ok(EndedAgreements {
        agreements: left("SELECT id, ended_at_us FROM agreements WHERE ended_at_us IS NOT NULL")?,
        givers: left(
            "SELECT agreement || char(10) || municipality, max(left_us) FROM agreement_givers
             WHERE left_us IS NOT NULL GROUP BY 1",
        )?,
        receivers: left(
            "SELECT agreement || char(10) || body, max(left_us) FROM agreement_receivers
             WHERE left_us IS NOT NULL GROUP BY 1",
        )?,
    })
}

/// Ends those of them that live. Gives which agreements did, whole or for a member.
///
/// # Errors
/// [`StoreError`].
pub fn end(main: &Connection, ended: &EndedAgreements) -> Result<Vec<String>, StoreError> {
    const DOING: &str = "end an agreement again";
    let mut lived = Vec::new();
    for (id, at_us) in &ended.agreements {
        let sql = "UPDATE agreements SET ended_at_us = ? WHERE id = ? AND ended_at_us IS NULL";
        if main.execute(sql, params![at_us, id]).doing(DOING)? > 0 {
            lived.push(id.clone());
        }
    }
    for (left, table, column) in [
        (&ended.givers, "agreement_givers", "municipality"),
        (&ended.receivers, "agreement_receivers", "body"),
    ] {
        // Who joined again since then is a member.
        let sql = format!(
            "UPDATE {table} SET left_us = ?1 WHERE agreement = ?2 AND {column} = ?3
             AND left_us IS NULL AND joined_us <= ?1"
        );
        for (what, at_us) in left {
            let damaged = StoreError::Damaged { what: "floor" };
            let (id, who) = what.split_once('\n').ok_or(damaged)?;
            if main.execute(&sql, params![at_us, id, who]).doing(DOING)? > 0 {
                lived.push(id.to_owned());
            }
        }
    }
    lived.sort();
    lived.dedup();
    Ok(lived)
}
