//! The lists that were made, for the floor that no restored database goes below: an older copy would bring a wider
//! list back.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::store::sql::{Connection, params};
use crate::store::{Doing as _, StoreError};

/// A list as the table has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MadeList {
    purposes: String,
    act: String,
    sanction_basis: Option<String>,
    from_us: i64,
    made_at_us: i64,
}

/// Every list, by its kind, its name and its number, with line breaks between.
pub type MadeLists = BTreeMap<String, MadeList>;

/// Those that the database knows.
///
/// # Errors
/// [`StoreError`].
pub fn read(main: &Connection) -> Result<MadeLists, StoreError> {
    const DOING: &str = "list the lists of purposes";
    let sql = "SELECT scope || char(10) || name || char(10) || number, purposes, act,
        sanction_basis, from_us, made_at_us FROM purpose_lists";
    let mut statement = main.prepare(sql).doing(DOING)?;
    let rows = statement.query_map([], |row| {
        let list = MadeList {
            purposes: row.get(1)?,
            act: row.get(2)?,
            sanction_basis: row.get(3)?,
            from_us: row.get(4)?,
            made_at_us: row.get(5)?,
        };
        Ok((row.get(0)?, list))
    });
    rows.doing(DOING)?.map(|row| row.doing(DOING)).collect()
}

/// Makes those of them again that are not there. Gives these.
///
/// # Errors
/// [`StoreError`].
pub fn make(main: &Connection, made: &MadeLists) -> Result<MadeLists, StoreError> {
    const DAMAGED: StoreError = StoreError::Damaged { what: "floor" };
    let mut lacked = MadeLists::new();
    for (key, list) in made {
        let mut parts = key.split('\n');
        let (Some(scope), Some(name), Some(number), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(DAMAGED);
        };
        let number: u32 = number.parse().map_err(|_| DAMAGED)?;
        let added = main.execute(
            "INSERT OR IGNORE INTO purpose_lists VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            params![
                scope,
                name,
                number,
                list.purposes,
                list.act,
                list.sanction_basis,
                list.from_us,
                list.made_at_us,
            ],
        );
        if added.doing("make a list of purposes again")? > 0 {
            lacked.insert(key.clone(), list.clone());
        }
    }
    Ok(lacked)
}

/// Whose lists these are: each kind with its name.
#[must_use]
pub fn whose(made: &MadeLists) -> Vec<String> {
    let keys = made.keys().filter_map(|key| key.rsplit_once('\n'));
    let mut names: Vec<String> = keys
        .map(|(scope, _)| scope.replacen('\n', " ", 1))
        .collect();
    names.dedup();
    names
}
