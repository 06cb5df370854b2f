//! Reading one person's past, as far as one search needs it: every question goes through an index and reads a
//! bounded number of rows, so that it costs the same with ten thousand searches as with ten.

use std::collections::BTreeSet;
use std::time::Duration;

use varco_proto::time::UtcTime;

use super::rule::{
    Agreed, Duty, Mark, OffDutySearch, RecentSearch, ReferencePast, SearchOf, SearchPast,
    SearchTime,
};
use super::second_looks;
use super::thresholds::{
    DAY, GROWN_MAX, HOUSEHOLD_MAX, OFF_DUTY_MAX, RECENT_MAX, REFERENCE_MAX, REPEATED_MAX, SAME_MAX,
    TIMES_MAX, TOGETHER, Thresholds,
};
use crate::store::sql::{Connection, OptionalExtension as _, Row, params};
use crate::store::{Doing as _, StoreError};

/// Most searches of colleagues that are gone through for one by somebody else.
const OTHERS_MAX: usize = 200;

const DOING: &str = "read a person's searches";

/// Whose past is read, and for which search.
#[derive(Debug, Clone)]
pub struct PastOf<'a> {
    /// Who.
    pub person: Mark,
    /// By the hub's clock.
    pub at: UtcTime,
    /// What for.
    pub of: SearchOf,
    /// The plates one number before and after.
    pub next_to: &'a [Mark],
    /// Under which reference.
    pub reference: Mark,
    /// When its case last grew: something held, an alert.
    pub grown_at: Option<UtcTime>,
    /// Whether a body lists the plate.
    pub is_listed: bool,
    /// Their duty now.
    pub duty: Duty,
}

/// A search of the same plate.
#[derive(Debug, Clone, Copy)]
struct Same {
    at: UtcTime,
    reference: Mark,
    grown_at: Option<UtcTime>,
}

impl PastOf<'_> {
    /// Reads it.
    ///
    /// # Errors
    /// [`StoreError`]: then nobody can say that the search may be answered.
    pub fn read(&self, main: &Connection, limits: &Thresholds) -> Result<SearchPast, StoreError> {
        let since = self.at - limits.memory;
        let plate = match self.of {
            SearchOf::Plate(plate) => Some(plate),
            SearchOf::Wide(_) => None,
        };
        let rows = match plate {
            Some(plate) => self.same(main, plate, since)?,
            None => Vec::new(),
        };
        let (mut same, mut without) = (Vec::new(), Vec::new());
        let mut references: Vec<Mark> = Vec::new();
        for row in &rows {
            if references.len() < GROWN_MAX && !references.contains(&row.reference) {
                references.push(row.reference);
            }
        }
        let others = rows
            .iter()
            .filter(|row| !references.contains(&row.reference));
        let others: Vec<UtcTime> = others.map(|row| row.at).collect();
        same.extend(&others);
        without.extend(others);
        for (plate, reference) in plate
            .iter()
            .flat_map(|plate| references.iter().map(|reference| (*plate, *reference)))
        {
            let of_it = || rows.iter().filter(|row| row.reference == reference);
            let told = of_it().filter_map(|row| row.grown_at).max();
            let hard = self.hard_growth(main, plate, reference, told)?;
            let shared = self.by_others(main, plate, reference)?;
            let is_after =
                |row: &&Same, grown: Option<UtcTime>| grown.is_none_or(|grown| row.at > grown);
            without.extend(of_it().filter(|row| is_after(row, hard)).map(|row| row.at));
            let grown = hard.max(shared);
            same.extend(of_it().filter(|row| is_after(row, grown)).map(|row| row.at));
        }
        same.sort_unstable();
        without.sort_unstable();
        let recent = self.recent(main)?;
        let household = match plate {
            Some(plate) => self.household(main, plate, &rows, since)?,
            None => Vec::new(),
        };
        let next = recent
            .iter()
            .filter(|row| self.next_to.contains(&row.exact));
        Ok(SearchPast {
            household,
            reference: self.reference(main, limits, since)?,
            run: next.map(|row| row.run).max().unwrap_or(0), // None stands next to it.
            recent: recent.iter().map(|row| row.search).collect(),
            is_listed: self.is_listed,
            duty: self.duty,
            times: self.times(main, since)?,
            off_duty: self.off_duty(main, plate, self.at - limits.off_duty_memory)?,
            agreed: self.agreed(main, plate)?,
            same,
            same_without_colleagues: without,
        })
    }

    fn same(
        &self,
        main: &Connection,
        plate: Mark,
        since: UtcTime,
    ) -> Result<Vec<Same>, StoreError> {
        let sql = "SELECT at_us, reference, grown_at_us FROM searches
            WHERE person = ? AND plate = ? AND at_us >= ? ORDER BY at_us DESC LIMIT ?";
        let values = params![self.person, plate, since.unix_us(), limit(SAME_MAX)];
        all(main, sql, values, |row| {
            let grown: Option<i64> = row.get(2)?;
            Ok(Same {
                at: UtcTime::from_unix_us(row.get(0)?),
                reference: row.get(1)?,
                grown_at: grown.map(UtcTime::from_unix_us),
            })
        })
    }

    /// When a plate's case under a reference grew, colleagues apart.
    fn hard_growth(
        &self,
        main: &Connection,
        plate: Mark,
        reference: Mark,
        told: Option<UtcTime>,
    ) -> Result<Option<UtcTime>, StoreError> {
        let agreed = second_looks::agreed_at(main, self.person, Some(plate), reference)?;
        let now = self.grown_at.filter(|_| reference == self.reference);
        Ok(told.max(agreed).max(now))
    }

    /// When somebody else last searched a plate under a reference.
    fn by_others(
        &self,
        main: &Connection,
        plate: Mark,
        reference: Mark,
    ) -> Result<Option<UtcTime>, StoreError> {
        let sql = "SELECT max(at_us) FROM (SELECT at_us, person FROM searches
            WHERE plate = ? AND reference = ? AND stopped = 0 ORDER BY at_us DESC LIMIT ?)
            WHERE person <> ?";
        let values = params![plate, reference, limit(OTHERS_MAX), self.person];
        let mut statement = main.prepare_cached(sql).doing(DOING)?;
        let at: Option<i64> = statement.query_row(values, |row| row.get(0)).doing(DOING)?;
        Ok(at.map(UtcTime::from_unix_us))
    }

    fn recent(&self, main: &Connection) -> Result<Vec<RecentRow>, StoreError> {
        let sql = "SELECT at_us, plate, exact, run FROM searches
            WHERE person = ? AND at_us > ? ORDER BY at_us DESC LIMIT ?";
        let since = self.at - DAY;
        let values = params![self.person, since.unix_us(), limit(RECENT_MAX)];
        all(main, sql, values, |row| {
            let (plate, exact): (Option<Mark>, Mark) = (row.get(1)?, row.get(2)?);
            Ok(RecentRow {
                search: RecentSearch {
                    at: UtcTime::from_unix_us(row.get(0)?),
                    of: plate.map_or(SearchOf::Wide(exact), SearchOf::Plate),
                },
                exact,
                run: row.get(3)?,
            })
        })
    }

    /// Looks at each other plate that goes with this one.
    fn household(
        &self,
        main: &Connection,
        plate: Mark,
        same: &[Same],
        since: UtcTime,
    ) -> Result<Vec<u32>, StoreError> {
        let sql = "SELECT at_us, plate, reference FROM searches WHERE person = ? AND at_us >= ?
            AND plate IS NOT NULL AND looks >= 2 ORDER BY at_us DESC LIMIT ?";
        let values = params![self.person, since.unix_us(), limit(REPEATED_MAX)];
        let repeated = all(main, sql, values, |row| {
            Ok(Repeated {
                at: UtcTime::from_unix_us(row.get(0)?),
                plate: row.get(1)?,
                reference: row.get(2)?,
            })
        })?;
        let goes_with = |row: &&Repeated| {
            let is_near = |at: UtcTime| at.since(row.at).max(row.at.since(at)) <= TOGETHER;
            row.plate != plate
                && (row.reference == self.reference
                    || is_near(self.at)
                    || same.iter().any(|one| is_near(one.at)))
        };
        let mut plates: Vec<Mark> = Vec::new();
        for row in repeated.iter().filter(goes_with) {
            if plates.len() < HOUSEHOLD_MAX && !plates.contains(&row.plate) {
                plates.push(row.plate);
            }
        }
        let mut household = Vec::new();
        for other in plates {
            household.extend(self.newest_looks(main, other)?);
        }
        Ok(household)
    }

    /// Which look at a plate the newest search of it was, where it was the second or more and nothing grew since.
    fn newest_looks(&self, main: &Connection, plate: Mark) -> Result<Option<u32>, StoreError> {
        let sql = "SELECT looks, reference, at_us FROM searches WHERE person = ? AND plate = ?
            ORDER BY at_us DESC, number DESC LIMIT 1";
        let mut statement = main.prepare_cached(sql).doing(DOING)?;
        let newest = statement.query_row(params![self.person, plate], |row| {
            Ok(Newest {
                looks: row.get(0)?,
                reference: row.get(1)?,
                at: UtcTime::from_unix_us(row.get(2)?),
            })
        });
        let newest = newest.optional().doing(DOING)?;
        let is_grown = |of: &Newest| {
            of.reference == self.reference && self.grown_at.is_some_and(|grown| of.at <= grown)
        };
        Ok(newest
            .filter(|of| of.looks >= 2 && !is_grown(of))
            .map(|of| of.looks))
    }

    fn reference(
        &self,
        main: &Connection,
        limits: &Thresholds,
        since: UtcTime,
    ) -> Result<ReferencePast, StoreError> {
        let agreed = second_looks::agreed_at(main, self.person, None, self.reference)?;
        let grown = self
            .grown_at
            .max(agreed)
            .map(|grown| grown + Duration::from_micros(1));
        let since = grown.map_or(since, |grown| grown.max(since)).unix_us();
        let sql = "SELECT min(at_us) FROM searches
            WHERE reference = ? AND person = ? AND at_us >= ? AND stopped = 0";
        let mut statement = main.prepare_cached(sql).doing(DOING)?;
        let values = params![self.reference, self.person, since];
        let first: Option<i64> = statement.query_row(values, |row| row.get(0)).doing(DOING)?;
        let sql = "SELECT plate FROM searches WHERE reference = ? AND person = ? AND at_us >= ?
            AND stopped = 0 ORDER BY at_us DESC LIMIT ?";
        let values = params![self.reference, self.person, since, limit(REFERENCE_MAX)];
        let plates: Vec<Option<Mark>> = all(main, sql, values, |row| row.get(0))?;
        let plates: BTreeSet<Mark> = plates.into_iter().flatten().collect();
        Ok(ReferencePast {
            first_at: first.map(UtcTime::from_unix_us),
            has_this: matches!(self.of, SearchOf::Plate(plate) if plates.contains(&plate)),
            plates: u32::try_from(plates.len())
                .map_err(|_| StoreError::Damaged { what: "count" })?,
            shared_by: self.sharing(main, limits.shared_by)?,
        })
    }

    /// How many others search under the reference; no more are counted than matter.
    fn sharing(&self, main: &Connection, most: u32) -> Result<u32, StoreError> {
        let sql =
            "SELECT min(person) FROM searches WHERE reference = ? AND person > ? AND stopped = 0";
        let mut statement = main.prepare_cached(sql).doing(DOING)?;
        let (mut others, mut behind) = (0, Mark::MIN);
        while others < most {
            let values = params![self.reference, behind];
            let next: Option<Mark> = statement.query_row(values, |row| row.get(0)).doing(DOING)?;
            let Some(next) = next else { break };
            others += u32::from(next != self.person);
            behind = next;
        }
        Ok(others)
    }

    fn times(&self, main: &Connection, since: UtcTime) -> Result<Vec<SearchTime>, StoreError> {
        if self.duty != Duty::Unknown {
            return Ok(Vec::new());
        }
        let sql = "SELECT at_us, off_duty FROM searches WHERE person = ? AND at_us >= ?
            ORDER BY at_us DESC LIMIT ?";
        let values = params![self.person, since.unix_us(), limit(TIMES_MAX)];
        all(main, sql, values, |row| {
            Ok(SearchTime {
                at: UtcTime::from_unix_us(row.get(0)?),
                is_off_duty: row.get(1)?,
            })
        })
    }

    fn off_duty(
        &self,
        main: &Connection,
        plate: Option<Mark>,
        since: UtcTime,
    ) -> Result<Vec<OffDutySearch>, StoreError> {
        let sql = "SELECT at_us, plate FROM searches WHERE person = ? AND at_us >= ?
            AND off_duty = 1 ORDER BY at_us DESC LIMIT ?";
        let values = params![self.person, since.unix_us(), limit(OFF_DUTY_MAX)];
        all(main, sql, values, |row| {
            let of: Option<Mark> = row.get(1)?;
            Ok(OffDutySearch {
                at: UtcTime::from_unix_us(row.get(0)?),
                is_same: of == plate,
            })
        })
    }

    fn agreed(&self, main: &Connection, plate: Option<Mark>) -> Result<Agreed, StoreError> {
        let holds = |at: Option<UtcTime>| at.is_some_and(|at| self.at < at + second_looks::HOLDS);
        let of_plate = match plate {
            Some(plate) => second_looks::agreed_at(main, self.person, Some(plate), self.reference)?,
            None => None,
        };
        let of_any = second_looks::agreed_at(main, self.person, None, self.reference)?;
        Ok(Agreed {
            plate: holds(of_plate),
            reference: holds(of_any),
        })
    }
}

#[derive(Debug, Clone, Copy)]
struct RecentRow {
    search: RecentSearch,
    exact: Mark,
    run: u32,
}

#[derive(Debug, Clone, Copy)]
struct Repeated {
    at: UtcTime,
    plate: Mark,
    reference: Mark,
}

#[derive(Debug, Clone, Copy)]
struct Newest {
    looks: u32,
    reference: Mark,
    at: UtcTime,
}

/// As a statement takes it.
fn limit(most: usize) -> i64 {
    i64::try_from(most).unwrap_or(i64::MAX) // Of a constant above.
}

fn all<T>(
    main: &Connection,
    sql: &str,
    values: &[&dyn crate::store::sql::ToSql],
    of: impl Fn(&Row<'_>) -> Result<T, crate::store::sql::Error>,
) -> Result<Vec<T>, StoreError> {
    let mut statement = main.prepare_cached(sql).doing(DOING)?;
    let rows = statement.query_map(values, of).doing(DOING)?;
    rows.map(|row| row.doing(DOING)).collect()
}
