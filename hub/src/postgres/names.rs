//! Names of cameras, gates and edges as numbers, and which cameras were met at which gates, in
//! PostgreSQL.

use std::collections::BTreeSet;

use super::connection::PgConnection;
use crate::hours::partition::Partition;
use crate::store::StoreError;
use crate::transits::names::{NameKind, Names};

/// A name's number from its column.
pub(super) fn number(column: i32) -> Result<u32, StoreError> {
    u32::try_from(column).map_err(|_| StoreError::Damaged { what: "name" })
}

/// A name's number as its column has it: another in its place would be another edge's.
pub(super) fn column(number: u32) -> Result<i32, StoreError> {
    i32::try_from(number).map_err(|_| StoreError::Damaged { what: "name" })
}

/// Reads all.
///
/// # Errors
/// [`StoreError`].
pub(super) fn load(link: &mut PgConnection) -> Result<Names, StoreError> {
    let mut names = Names::default();
    let sql = "SELECT number, kind, name FROM names";
    for row in link.rows("read the names", sql, &[])? {
        let kind = NameKind::parse(row.get(1)).ok_or(StoreError::Damaged { what: "name" })?;
        names.add(number(row.get(0))?, kind, row.get(2));
    }
    for row in link.rows(
        "read which cameras were met",
        "SELECT gate, camera FROM met",
        &[],
    )? {
        names.meet(number(row.get(0))?, number(row.get(1))?);
    }
    let older = "SELECT hour FROM hours WHERE NOT all_met";
    for row in link.rows("read which hours are older", older, &[])? {
        names.add_older(Partition::from_number(i64::from(row.get::<_, i32>(0))));
    }
    Ok(names)
}

/// The number of a name, kept when it is new, in the caller's transaction.
///
/// # Errors
/// [`StoreError`].
pub(super) fn number_of(
    link: &mut PgConnection,
    kind: NameKind,
    name: &str,
) -> Result<u32, StoreError> {
    const DOING: &str = "keep a name";
    let find = "SELECT number FROM names WHERE kind = $1 AND name = $2";
    let keep = "INSERT INTO names (kind, name) VALUES ($1, $2) ON CONFLICT DO NOTHING
                RETURNING number";
    for sql in [find, keep, find] {
        if let Some(row) = link.row(DOING, sql, &[&kind.as_str(), &name])? {
            return number(row.get(0));
        }
    }
    Err(StoreError::Damaged { what: "name" })
}

/// Keeps which cameras were met at which gates, in the caller's transaction: gate and camera. In
/// their order, so that two hubs that meet the same at once wait and never block.
///
/// # Errors
/// [`StoreError`].
pub(super) fn keep_met(
    link: &mut PgConnection,
    met: &BTreeSet<(u32, u32)>,
) -> Result<(), StoreError> {
    if met.is_empty() {
        return Ok(());
    }
    let (mut gates, mut cameras) = (Vec::new(), Vec::new());
    for (gate, camera) in met {
        gates.push(column(*gate)?);
        cameras.push(column(*camera)?);
    }
    link.change(
        "keep which cameras were met",
        "INSERT INTO met SELECT * FROM unnest($1::integer[], $2::integer[])
         ON CONFLICT DO NOTHING",
        &[&gates, &cameras],
    )?;
    Ok(())
}
