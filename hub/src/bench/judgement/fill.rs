//! Made-up searches in the table, as many as are wished for.

use varco_proto::time::UtcTime;

use crate::judgement::rule::Mark;
use crate::store::sql::{Connection, params};
use crate::store::{Doing as _, StoreError};

/// Made-up searches, to measure with.
#[derive(Debug, Clone)]
pub(super) struct FilledSearches {
    /// How many in all.
    pub(super) rows: u64,
    /// How many of the one person who is judged.
    pub(super) of_person: u64,
    /// That person.
    pub(super) person: Mark,
    /// Their plates.
    pub(super) plates: Vec<Mark>,
    /// Their references.
    pub(super) references: Vec<Mark>,
    /// They lie in the 170 days before.
    pub(super) until: UtcTime,
}

/// Fills the table with made-up searches, spread over many people; the indexes are made anew at the end.
///
/// # Errors
/// [`StoreError`].
pub(super) fn fill(main: &mut Connection, filled: &FilledSearches) -> Result<(), StoreError> {
    const DOING: &str = "fill the table of searches";
    const SPAN_US: i64 = 170 * 86_400 * 1_000_000;
    let signed =
        |count: u64| i64::try_from(count).map_err(|_| StoreError::Damaged { what: "count" });
    let (rows, own) = (
        signed(filled.rows)?.max(1),
        signed(filled.of_person)?.max(1),
    );
    let sql = "SELECT sql, name FROM sqlite_master WHERE type = 'index' AND tbl_name = 'searches'
        AND sql IS NOT NULL";
    let transaction = main.transaction().doing(DOING)?;
    let mut indexes: Vec<(String, String)> = Vec::new();
    {
        let mut statement = transaction.prepare(sql).doing(DOING)?;
        let found = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)));
        for index in found.doing(DOING)? {
            indexes.push(index.doing(DOING)?);
        }
    }
    for (_, name) in &indexes {
        transaction
            .execute_batch(&format!("DROP INDEX {name}"))
            .doing(DOING)?;
    }
    {
        let sql = "INSERT INTO searches (person, at_us, plate, exact, reference, purpose, shown, off_duty,
            stopped, looks, run) VALUES (?, ?, ?, ?, ?, 'traffic', 3, 0, 0, ?, 1)";
        let mut statement = transaction.prepare(sql).doing(DOING)?;
        let step = (rows / own).max(1);
        let begins = filled.until.unix_us() - SPAN_US;
        for row in 0..rows {
            let at = begins + SPAN_US / rows * row;
            let mixed = row.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 8;
            let is_own = row % step == 0;
            let of = usize::try_from(mixed.rem_euclid(1 << 20))
                .map_err(|_| StoreError::Damaged { what: "row" })?;
            let plate = match filled.plates.get(of % filled.plates.len().max(1)) {
                Some(plate) if is_own => *plate,
                _ => mixed,
            };
            let person = if is_own {
                filled.person
            } else {
                mixed.rem_euclid(3000)
            };
            let reference = match filled
                .references
                .get((of / 7) % filled.references.len().max(1))
            {
                Some(reference) if is_own => *reference,
                _ => mixed.rem_euclid(200_000),
            };
            let looks = 1 + mixed.rem_euclid(10) / 9 * 2;
            let values = params![person, at, plate, plate, reference, looks];
            statement.execute(values).doing(DOING)?;
        }
    }
    for (sql, _) in &indexes {
        transaction.execute_batch(sql).doing(DOING)?;
    }
    transaction.commit().doing(DOING)
}
