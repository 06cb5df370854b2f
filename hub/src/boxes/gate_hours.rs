//! How many transits each gate sends in an hour, and whether that is much less than in the days
//! before. This module owns the table `gate_hours`.
//!
//! The rule: of the same hour of the seven days before, those of the same kind of day (working day,
//! or weekend) are taken when there are two at least, else all when there are three. Their median is
//! what is expected. A gate is quiet when it sent less than a third of that, less than half of the
//! least of those days too, and twenty were expected: a quiet night, a gate that nobody uses or a
//! single odd day is no alarm. It is well again from half of what is expected on. Hours and days are
//! those of UTC, an hour or two from Italy's: the days compared are shifted alike.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use varco_proto::ids::GateId;
use varco_proto::time::UtcTime;

use crate::store::sql::{Connection, params};
use crate::store::{Doing as _, StoreError};

/// The table, for [`crate::store::migrate`]. Hours are counted from 1970.
pub const SCHEMA: &str = "
    CREATE TABLE gate_hours (
        gate TEXT NOT NULL,
        hour INTEGER NOT NULL,
        transits INTEGER NOT NULL,
        PRIMARY KEY (gate, hour)
    ) STRICT, WITHOUT ROWID;";

/// Days that are compared.
const DAYS: i64 = 7;
const HOURS_A_DAY: i64 = 24;
const HOUR_US: i64 = 3_600_000_000;
/// Fewer expected transits than this are too few to tell.
const EXPECTED_MIN: u32 = 20;
/// Values of the same kind of day that are enough, and of any day.
const SAME_KIND_MIN: usize = 2;
const ANY_KIND_MIN: usize = 3;
/// Gates and hours counted between two writings: what a batch can hold is far less.
const COUNTED_MAX: usize = 100_000;

/// The hour of a moment, counted from 1970.
#[must_use]
pub fn hour_of(at: UtcTime) -> i64 {
    at.unix_us().div_euclid(HOUR_US)
}

/// When an hour begins.
#[must_use]
pub fn begin_of(hour: i64) -> UtcTime {
    UtcTime::from_unix_us(hour.saturating_mul(HOUR_US))
}

/// The counts since they were last written.
#[derive(Debug, Default)]
pub struct GateCounts(Mutex<HashMap<(GateId, i64), u32>>);

impl GateCounts {
    /// Counts a stored transit.
    pub fn count(&self, gate: &GateId, captured_at: UtcTime) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (gate.clone(), hour_of(captured_at));
        if counts.len() < COUNTED_MAX || counts.contains_key(&key) {
            *counts.entry(key).or_default() += 1;
        }
    }

    /// Takes back what could not be written.
    pub fn give_back(&self, counted: HashMap<(GateId, i64), u32>) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (key, transits) in counted {
            *counts.entry(key).or_default() += transits;
        }
    }

    /// Takes what was counted.
    #[must_use]
    pub fn take(&self) -> HashMap<(GateId, i64), u32> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Adds what was counted, and lets go of hours that nothing is compared with any more.
///
/// # Errors
/// [`StoreError`].
pub fn add(
    main: &Connection,
    counted: &HashMap<(GateId, i64), u32>,
    now: UtcTime,
) -> Result<(), StoreError> {
    const DOING: &str = "add to the gates' hours";
    let mut statement = main
        .prepare_cached(
            "INSERT INTO gate_hours VALUES (?1, ?2, ?3)
             ON CONFLICT DO UPDATE SET transits = transits + ?3",
        )
        .doing(DOING)?;
    for ((gate, hour), transits) in counted {
        statement
            .execute(params![gate.as_str(), hour, transits])
            .doing(DOING)?;
    }
    let oldest = hour_of(now) - (DAYS + 1) * HOURS_A_DAY;
    main.prepare_cached("DELETE FROM gate_hours WHERE hour < ?")
        .and_then(|mut statement| statement.execute([oldest]))
        .doing(DOING)?;
    Ok(())
}

/// Each gate's transits by hour.
///
/// # Errors
/// [`StoreError`].
pub fn all(main: &Connection) -> Result<HashMap<String, HashMap<i64, u32>>, StoreError> {
    const DOING: &str = "read the gates' hours";
    let mut statement = main
        .prepare_cached("SELECT gate, hour, transits FROM gate_hours")
        .doing(DOING)?;
    let mut rows = statement.query([]).doing(DOING)?;
    let mut gates: HashMap<String, HashMap<i64, u32>> = HashMap::new();
    while let Some(row) = rows.next().doing(DOING)? {
        let gate = gates.entry(row.get(0).doing(DOING)?).or_default();
        gate.insert(row.get(1).doing(DOING)?, row.get(2).doing(DOING)?);
    }
    Ok(gates)
}

/// How an hour of a gate compares with the days before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compared {
    /// Much less than was expected.
    Quiet {
        /// Transits of the hour.
        sent: u32,
        /// Transits that were expected.
        expected: u32,
    },
    /// About what was expected.
    Usual,
    /// Nothing to compare with, too little expected, or between the two.
    Unknown,
}

/// Compares an hour of a gate with the same hour of the days before. A day counts from the gate's
/// first transit on: an hour of such a day without any has none.
#[must_use]
pub fn compare(hours: &HashMap<i64, u32>, hour: i64) -> Compared {
    let Some(first) = hours.keys().min().copied() else {
        return Compared::Unknown;
    };
    let of = |hour: i64| hours.get(&hour).copied().unwrap_or(0);
    let before: Vec<i64> = (1..=DAYS)
        .map(|day| hour - day * HOURS_A_DAY)
        .filter(|before| *before >= first)
        .collect();
    let same: Vec<i64> = before
        .iter()
        .copied()
        .filter(|before| is_weekend(*before) == is_weekend(hour))
        .collect();
    let days = match (same.len(), before.len()) {
        (SAME_KIND_MIN.., _) => same,
        (_, ANY_KIND_MIN..) => before,
        _ => return Compared::Unknown,
    };
    let mut counts: Vec<u32> = days.into_iter().map(of).collect();
    counts.sort_unstable();
    let (least, expected) = (counts[0], counts[counts.len() / 2]);
    let sent = of(hour);
    if sent.saturating_mul(2) >= expected && sent > 0 {
        return Compared::Usual;
    }
    let is_quiet = expected >= EXPECTED_MIN
        && sent.saturating_mul(3) < expected
        && sent.saturating_mul(2) < least;
    if is_quiet {
        Compared::Quiet { sent, expected }
    } else {
        Compared::Unknown
    }
}

/// 1 January 1970 was a Thursday.
fn is_weekend(hour: i64) -> bool {
    (hour.div_euclid(HOURS_A_DAY) + 3).rem_euclid(7) >= 5
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A gate whose hour had these counts on the days before, yesterday's first, and now this.
    fn gate(now: &str, days: &[u32], sent: u32) -> (HashMap<i64, u32>, i64) {
        let hour = hour_of(now.parse().unwrap());
        let mut hours = HashMap::from([(hour, sent)]);
        for (count, day) in days.iter().zip(1..) {
            hours.insert(hour - day * HOURS_A_DAY, *count);
        }
        (hours, hour)
    }

    const THURSDAY: &str = "2026-11-26T08:00:00Z";
    const SATURDAY: &str = "2026-11-28T08:00:00Z";
    const MONDAY: &str = "2026-11-23T08:00:00Z";

    const fn quiet(sent: u32, expected: u32) -> Compared {
        Compared::Quiet { sent, expected }
    }

    /// What the days before had, yesterday first, what the hour sent, and what that is.
    type Row = (&'static str, &'static str, &'static [u32], u32, Compared);

    const USUAL: &[u32] = &[300, 310, 290, 40, 50, 305, 295];
    /// Seen from a Saturday: five working days, a Sunday and a Saturday.
    const WORK_FIRST: &[u32] = &[300, 310, 290, 305, 295, 60, 62];
    /// Seen from a Monday.
    const WEEKEND_FIRST: &[u32] = &[60, 62, 300, 310, 290, 305, 295];
    const NIGHT: &[u32] = &[3, 0, 5, 2, 4, 1, 3];
    const ONE_DEAD_DAY: &[u32] = &[300, 2, 290, 40, 50, 305, 295];

    #[rustfmt::skip]
    const TABLE: [Row; 15] = [
        ("a usual hour", THURSDAY, USUAL, 280, Compared::Usual),
        ("nothing at all", THURSDAY, USUAL, 0, quiet(0, 300)),
        ("less than a third", THURSDAY, USUAL, 99, quiet(99, 300)),
        ("between a third and a half", THURSDAY, &[300, 310, 290], 120, Compared::Unknown),
        ("half and more is usual", THURSDAY, &[300, 310, 290], 150, Compared::Usual),
        ("a quiet night", THURSDAY, NIGHT, 0, Compared::Unknown),
        ("just enough to tell", THURSDAY, &[20; 7], 0, quiet(0, 20)),
        ("just too few to tell", THURSDAY, &[19; 7], 0, Compared::Unknown),
        ("a weekend against the last", SATURDAY, WORK_FIRST, 55, Compared::Usual),
        ("a dead weekend", SATURDAY, WORK_FIRST, 3, quiet(3, 62)),
        ("a Monday against the week before", MONDAY, WEEKEND_FIRST, 10, quiet(10, 300)),
        ("a day as quiet among those before", THURSDAY, ONE_DEAD_DAY, 3, Compared::Unknown),
        ("the first day", THURSDAY, &[], 0, Compared::Unknown),
        ("the second day", THURSDAY, &[300], 0, Compared::Unknown),
        ("the third day", THURSDAY, &[300, 310], 0, quiet(0, 310)),
    ];

    #[test]
    fn a_gate_is_quiet_by_this_table() {
        for (what, now, days, sent, expected) in TABLE {
            let (hours, hour) = gate(now, days, sent);
            assert_eq!(compare(&hours, hour), expected, "{what}");
        }
        assert_eq!(compare(&HashMap::new(), 0), Compared::Unknown);
    }

    #[test]
    fn hours_of_known_days_without_a_transit_count_as_none() {
        let (mut hours, hour) = gate(THURSDAY, &[30, 30, 30, 30, 30], 0);
        hours.remove(&(hour - HOURS_A_DAY));
        assert_eq!(
            compare(&hours, hour),
            Compared::Unknown,
            "yesterday had none either"
        );
    }
}
