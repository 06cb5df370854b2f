//! How many vehicles passed, without plates, so that no two answers can be subtracted to tell of a lone
//! one (C02).
//!
//! To hide the small numbers of each answer is not enough: nine over two cameras less seven over one of
//! them are the two of the other, and so are two windows that end a minute apart, a day less its hours,
//! or a day by country less the day. So an answer is not counted from the transits that a question
//! selects, but put together from a table that is the same whatever is asked:
//!
//! - Its cells are what passed one camera at one gate in one whole hour of UTC, under one term. A window
//!   counts the hours that lie in it whole, that are over, and of which nothing is past its term. A
//!   filter goes by camera and gate and by nothing else ([`Scope`]), so it takes a cell or leaves it.
//! - A cell of fewer than [`CELL_MIN`] is in no answer, in no sum and under no grouping.
//! - A cell that is told is told by country, or by way, in parts of at least [`CELL_MIN`]. What is left
//!   is counted as `others`, and is nothing or at least as many: otherwise the smallest part that would
//!   be told joins it. The parts always sum up to the cell.
//!
//! **Why it resists differencing.** Every number is a sum of such cells or parts. Where one question
//! holds another, their difference is the sum of the cells or parts that only one of them has: nothing,
//! or at least [`CELL_MIN`]. All that any number of questions can find out is the table of the told
//! cells and parts. Two groupings of one cell bound each other, no more: a country and a way that may
//! share a single vehicle may as well share more, unless one of them is the whole cell, and then what
//! they share is the other.
//!
//! **Why not noise.** Noise would have to be drawn once for each cell and kept, or be averaged away by
//! asking again; it would have to be large against nights of ten vehicles; every further question would
//! use up a budget that somebody has to set; and totals that do not sum up look like faults to whoever
//! plans traffic with them. The price here is that quiet hours are missing: `hidden` says how many at most.
//!
//! **What is left.** The table is that of now. A transit that comes after [`GRACE`], from an edge that was
//! cut off, or one that is blocked or freed, changes its cell, and whoever asks before and after sees by
//! how much. Passes are counted: a cell of five may be one vehicle that came five times. Who was there
//! oneself knows one of the five.

#[cfg(test)]
mod attack;
#[cfg(test)]
mod properties;
mod table;

use std::collections::BTreeSet;
use std::time::Duration;

use varco_proto::ids::{CameraId, GateId};
use varco_proto::time::UtcTime;

use super::search::visit;
use crate::hours::partition::{HOUR_US, Partition};
use crate::lookups::counts::table::{Of, Table, Told};
use crate::lookups::store::TransitStore;
use crate::map::gates::Within;
use crate::municipalities::Municipal;
use crate::municipalities::reach::Reach;
use crate::plates::pattern::PlatePattern;
use crate::store::StoreError;
use crate::transits::allowed::Allowed;
use crate::transits::query::{Filter, Query};

/// A cell or part with fewer is not told: whoever knows one vehicle of it would learn of the others.
pub const CELL_MIN: u64 = 5;
/// An hour is counted so long after its end: until then its last transits are still on their way.
pub const GRACE: Duration = Duration::from_secs(10 * 60);

/// By what is counted, besides the time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// Everything together.
    All,
    /// The camera.
    Camera,
    /// The gate.
    Gate,
    /// The likeliest country.
    Country,
    /// In or out, towards or away.
    Way,
}

/// Where is counted. It has nothing that could cut a cell: no plate, way, country or time of the day.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Scope {
    /// Only these; all when empty.
    pub cameras: Vec<CameraId>,
    /// Only these; all when empty.
    pub gates: Vec<GateId>,
    /// Only what stands in this area on the map.
    pub within: Option<Within>,
    /// Only the gates of these municipalities.
    pub municipal: Option<Municipal>,
}

/// What is to be counted.
#[derive(Debug, Clone, PartialEq)]
pub struct Counting {
    /// First moment.
    pub from: UtcTime,
    /// Last moment.
    pub to: UtcTime,
    /// Where.
    pub scope: Scope,
    /// By what.
    pub by: By,
    /// By day of UTC instead of by hour.
    pub daily: bool,
}

/// One cell of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cell {
    /// First moment of its hour or day.
    pub begins: UtcTime,
    /// What it counts.
    pub of: String,
    /// How many; at least [`CELL_MIN`].
    pub count: u64,
}

/// What was counted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Counted {
    /// By time, then by what is counted. What has no part that is told is not among them.
    pub cells: Vec<Cell>,
    /// The hours that were counted; none when the window has no whole one that is over.
    pub hours: Option<Hours>,
    /// How many hours of a camera at a gate are not told, of those that were counted.
    ///
    /// Those without any vehicle are among them. A number of those alone that have one to four would
    /// tell, asked for one camera and one hour, whether anybody passed there at night, and change with
    /// each transit that is blocked. This one is what can be reckoned from the told cells and the cameras
    /// that there are, and so it tells of nobody. A camera is known from its first stored transit.
    pub hidden: u64,
}

/// Whole hours, one behind the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hours {
    /// Hours since 1970-01-01T00.
    first: i64,
    /// The first one behind them.
    end: i64,
}

impl Hours {
    /// The hours that lie whole within a window, both of its ends included, that do not begin before
    /// `begins`, and that are over at `now`; none when there are none.
    #[must_use]
    pub fn whole(from: UtcTime, to: UtcTime, begins: UtcTime, now: UtcTime) -> Option<Self> {
        let from_us = from.max(begins).unix_us();
        let first = from_us.saturating_add(HOUR_US - 1).div_euclid(HOUR_US);
        let end_us = to.unix_us().saturating_add(1).min((now - GRACE).unix_us());
        let end = end_us.div_euclid(HOUR_US);
        (first < end).then_some(Self { first, end })
    }

    /// The first moment.
    #[must_use]
    pub fn begins(self) -> UtcTime {
        Partition::from_number(self.first).start()
    }

    /// The first moment behind them.
    #[must_use]
    pub fn ends(self) -> UtcTime {
        Partition::from_number(self.end).start()
    }

    fn count(self) -> u64 {
        u64::try_from(self.end - self.first).unwrap_or(0)
    }
}

impl Scope {
    /// Whether a camera at a gate is counted.
    fn has(&self, gate: &GateId, camera: &CameraId) -> bool {
        (self.cameras.is_empty() || self.cameras.contains(camera))
            && (self.gates.is_empty() || self.gates.contains(gate))
            && (self.within.as_ref()).is_none_or(|within| within.has(gate, camera))
            && (self.municipal.as_ref()).is_none_or(|own| own.gates.contains_key(gate))
    }

    /// What finds the transits of some hours.
    fn query(&self, hours: Hours) -> Result<Query, StoreError> {
        let damaged = |_| StoreError::Damaged { what: "pattern" };
        Ok(Query {
            plate: PlatePattern::normalise("*").map_err(damaged)?,
            fold: false,
            misread: false,
            from: hours.begins(),
            to: hours.ends() - Duration::from_micros(1),
            filter: Filter {
                cameras: self.cameras.clone(),
                gates: self.gates.clone(),
                within: self.within.clone(),
                municipal: self.municipal.clone().map(Municipal::in_whole_hours),
                ..Filter::default()
            },
            limit: 1,
            oldest_first: true,
            after: None,
        })
    }
}

impl TransitStore {
    /// Counts what is asked, by hour or by day of UTC.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn count_by(
        &self,
        asked: &Counting,
        now: UtcTime,
        allowed: &Allowed,
    ) -> Result<Counted, StoreError> {
        let allowed = allowed.clone().in_whole_hours();
        let begins = allowed.horizon().begins();
        let Some(hours) = Hours::whole(asked.from, asked.to, begins, now) else {
            return Ok(Counted::default());
        };
        let mut table = Table::by(asked.by);
        let query = asked.scope.query(hours)?;
        visit(self.hours(), &query, &allowed, |hit| {
            table.add(hit.hour, &hit.entry)
        })?;
        let told = table.tell(asked.daily);
        let places = self.places(&asked.scope, &told, allowed.reach())?;
        let cells = told.sums.iter().map(|((begins, of), count)| {
            Ok(Cell {
                begins: Partition::from_number(*begins).start(),
                of: self.name_of(*of)?,
                count: *count,
            })
        });
        let mut cells = cells.collect::<Result<Vec<_>, StoreError>>()?;
        cells.sort_by(|a, b| (a.begins, &a.of).cmp(&(b.begins, &b.of)));
        let all = u64::try_from(places.len()).unwrap_or(u64::MAX);
        let hidden = all.saturating_mul(hours.count());
        Ok(Counted {
            cells,
            hours: Some(hours),
            hidden: hidden.saturating_sub(told.hours_told()),
        })
    }

    /// Gates and cameras that are counted, by name. Reads the names anew: another hub may have met
    /// cameras since.
    fn places(
        &self,
        scope: &Scope,
        told: &Told,
        reach: &Reach,
    ) -> Result<BTreeSet<(String, String)>, StoreError> {
        let met = self.cameras_at_gates()?.into_iter();
        let mut places: BTreeSet<(String, String)> = met
            .filter(|(gate, camera)| scope.has(gate, camera) && reach.has_ever(gate))
            .map(|(gate, camera)| (gate.as_str().to_owned(), camera.as_str().to_owned()))
            .collect();
        for (gate, camera) in told.places() {
            // Hours of a version before are not among those met.
            let gate = self.name_of(Of::Gate(gate))?;
            places.insert((gate, self.name_of(Of::Camera(camera))?));
        }
        Ok(places)
    }

    fn name_of(&self, of: Of) -> Result<String, StoreError> {
        match of {
            Of::Camera(number) | Of::Gate(number) => {
                let name = self.name(number);
                name.ok_or(StoreError::Damaged { what: "name" })
            }
            Of::All => Ok("all".to_owned()),
            Of::Country([0, 0]) => Ok("unknown".to_owned()),
            Of::Country(country) => Ok(String::from_utf8_lossy(&country).into_owned()),
            Of::Way(way) => Ok(way.to_owned()),
            Of::Others => Ok("others".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use crate::lookups::counts::*;

    fn at(text: &str) -> UtcTime {
        text.parse().unwrap()
    }

    #[test]
    fn a_window_counts_the_hours_that_lie_in_it_whole_and_are_over() {
        let now = "2026-11-22T12:30:00Z";
        let hours = |from: &str, to: &str, now: &str| {
            let hours = Hours::whole(at(from), at(to), at("2026-11-22T01:00:00Z"), at(now))?;
            Some((hours.begins().to_string(), hours.ends().to_string()))
        };
        let told = |first: u8, end: u8| {
            let moment = |hour| format!("2026-11-22T{hour:02}:00:00.000000Z");
            Some((moment(first), moment(end)))
        };
        let day = "2026-11-22T";
        let at = |time: &str| format!("{day}{time}Z");
        for (from, to, wanted) in [
            ("08:00:00", "10:00:00", told(8, 10)),
            ("08:00:00", "09:59:59.999999", told(8, 10)),
            ("08:00:00", "09:59:59", told(8, 9)),
            ("08:00:00", "10:01:00", told(8, 10)),
            ("08:00:00.000001", "10:00:00", told(9, 10)),
            ("08:30:00", "09:30:00", None),
            ("10:00:00", "08:00:00", None),
            ("08:00:00", "08:00:00", None),
            ("00:00:00", "23:00:00", told(1, 12)),
        ] {
            assert_eq!(hours(&at(from), &at(to), now), wanted, "{from} {to}");
        }
        let all = |now: &str| hours(&at("00:00:00"), &at("23:59:59"), &at(now));
        assert_eq!(all("12:09:59.999999"), told(1, 11), "the hour's grace");
        assert_eq!(all("12:10:00"), told(1, 12));
        assert_eq!(all("02:09:00"), None);
    }

    #[test]
    fn a_scope_says_of_a_camera_at_a_gate_whether_it_is_counted() {
        let (gate, camera): (GateId, CameraId) = ("nord".parse().unwrap(), "a".parse().unwrap());
        let mut scope = Scope::default();
        assert!(scope.has(&gate, &camera));
        scope.cameras = vec![camera.clone()];
        scope.gates = vec!["sud".parse().unwrap()];
        assert!(!scope.has(&gate, &camera), "both must hold");
        scope.gates.push(gate.clone());
        assert!(scope.has(&gate, &camera) && !scope.has(&gate, &"b".parse().unwrap()));
        scope.municipal = Some(Municipal {
            names: BTreeSet::new(),
            gates: BTreeMap::new(),
        });
        assert!(!scope.has(&gate, &camera));
    }
}
