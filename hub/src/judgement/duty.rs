//! Who is on duty when, as far as a body says so.

use std::time::Duration;

use varco_proto::time::UtcTime;

use super::rule::Duty;
use crate::store::sql::{Connection, OptionalExtension as _, params};
use crate::store::{Doing as _, StoreError};

/// Before a shift and after it, as work does not end by the minute.
const AROUND: Duration = Duration::from_secs(3600);
/// A body that told no shift of somebody for so long tells none: their hours are learned.
const TOLD_WITHIN: Duration = Duration::from_secs(14 * 24 * 3600);
/// Longest shift.
pub const SHIFT_MAX: Duration = Duration::from_secs(24 * 3600);

/// When somebody is on duty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DutyShift {
    /// From when.
    pub from: UtcTime,
    /// Until when.
    pub to: UtcTime,
}

/// Whether somebody is on duty at a moment.
///
/// # Errors
/// [`StoreError`].
pub fn at(main: &Connection, actor: &str, now: UtcTime) -> Result<Duty, StoreError> {
    const DOING: &str = "look who is on duty";
    let sql = "SELECT to_us FROM duty_hours WHERE actor = ? AND from_us <= ?
        ORDER BY from_us DESC LIMIT 1";
    let mut statement = main.prepare_cached(sql).doing(DOING)?;
    let begun = (now + AROUND).unix_us();
    let last: Option<i64> = statement
        .query_row(params![actor, begun], |row| row.get(0))
        .optional()
        .doing(DOING)?;
    let Some(ends) = last.map(UtcTime::from_unix_us) else {
        return Ok(Duty::Unknown);
    };
    Ok(match ends + AROUND > now {
        true => Duty::On,
        false if ends + TOLD_WITHIN > now => Duty::Off,
        false => Duty::Unknown,
    })
}

/// Notes somebody's shifts in place of those that begin within the same time.
///
/// # Errors
/// [`StoreError`].
pub(super) fn note(main: &Connection, actor: &str, shifts: &[DutyShift]) -> Result<(), StoreError> {
    const DOING: &str = "note who is on duty";
    let first = shifts.iter().map(|shift| shift.from).min();
    let last = shifts.iter().map(|shift| shift.to).max();
    let (Some(first), Some(last)) = (first, last) else {
        return Ok(());
    };
    let sql = "DELETE FROM duty_hours WHERE actor = ? AND from_us BETWEEN ? AND ?";
    main.execute(sql, params![actor, first.unix_us(), last.unix_us()])
        .doing(DOING)?;
    let sql = "INSERT INTO duty_hours VALUES (?, ?, ?)";
    let mut statement = main.prepare_cached(sql).doing(DOING)?;
    for shift in shifts {
        let values = params![actor, shift.from.unix_us(), shift.to.unix_us()];
        statement.execute(values).doing(DOING)?;
    }
    Ok(())
}
