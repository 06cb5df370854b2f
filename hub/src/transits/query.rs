//! What a lookup asks, and whether it asks too much.

use std::time::Duration;

use thiserror::Error;
use varco_proto::ids::{CameraId, GateId};
use varco_proto::time::UtcTime;
use varco_proto::transit::{Direction, Travel};

use crate::hours::partition::Term;
use crate::map::gates::Within;
use crate::municipalities::Municipal;
use crate::plates::pattern::PlatePattern;

/// Fewest letters and digits of a pattern over many cameras and a long time.
pub const LITERAL_CHARACTERS_MIN: usize = 3;
/// Longest window that a wider pattern may have without naming a camera or a gate.
pub const WIDE_WINDOW_MAX: Duration = Duration::from_secs(24 * 3600);
/// Most cameras, or gates, named in one lookup.
pub const CAMERAS_MAX: usize = 64;

/// What is asked.
#[derive(Debug, Clone, PartialEq)]
pub struct Query {
    /// Plate or pattern.
    pub plate: PlatePattern,
    /// Whether O and 0, I and 1 are the same.
    pub fold: bool,
    /// Whether plates that may have been misread for this one are wanted too.
    pub misread: bool,
    /// First moment.
    pub from: UtcTime,
    /// Last moment.
    pub to: UtcTime,
    /// What else must hold.
    pub filter: Filter,
    /// Most results.
    pub limit: u32,
    /// Oldest first, as a route is read; else newest first.
    pub oldest_first: bool,
    /// Where the page before ended.
    pub after: Option<Cursor>,
}

/// What must hold of a transit besides plate and time.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Filter {
    /// Only these; all when empty.
    pub cameras: Vec<CameraId>,
    /// Only these; all when empty.
    pub gates: Vec<GateId>,
    /// Only what stands in this area on the map.
    pub within: Option<Within>,
    /// Only the gates of these municipalities.
    pub municipal: Option<Municipal>,
    /// Only this one.
    pub direction: Option<Direction>,
    /// Only this one.
    pub travel: Option<Travel>,
    /// Only where this is the likeliest, ISO 3166-1 alpha-2.
    pub country: Option<[u8; 2]>,
    /// At least this, 0..=1.
    pub confidence_min: Option<f32>,
    /// Only at this time of the day.
    pub time_of_day: Option<TimeOfDay>,
}

impl Filter {
    /// Whether it holds nearly everywhere: names no camera and no gate, and no area and no
    /// municipality, or those with more of them than anybody may name.
    #[must_use]
    pub fn is_anywhere(&self) -> bool {
        let many = |within: &Within| within.gates.len() + within.cameras.len() > CAMERAS_MAX;
        let many_own = |municipal: &Municipal| municipal.gates.len() > CAMERAS_MAX;
        self.cameras.is_empty()
            && self.gates.is_empty()
            && self.within.as_ref().is_none_or(many)
            && self.municipal.as_ref().is_none_or(many_own)
    }
}

/// A stretch of every day, on a clock that is so far ahead of UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeOfDay {
    /// First minute of the day, 0..1440.
    pub from_minute: u16,
    /// The minute at which it ends, 0..1440; before the first, it goes over midnight.
    pub to_minute: u16,
    /// Minutes ahead of UTC, -840..=840.
    pub ahead_minutes: i16,
}

impl TimeOfDay {
    /// From `22:00` and `05:30`; none when these are no times, or `ahead` is out of range.
    #[must_use]
    pub fn parse(from: &str, to: &str, ahead_minutes: i16) -> Option<Self> {
        let minute = |text: &str| {
            let (hours, minutes) = text.split_once(':')?;
            let (hours, minutes): (u16, u16) = (hours.parse().ok()?, minutes.parse().ok()?);
            (hours < 24 && minutes < 60).then_some(hours * 60 + minutes)
        };
        let within = (-840..=840).contains(&ahead_minutes);
        Some(Self {
            from_minute: minute(from)?,
            to_minute: minute(to)?,
            ahead_minutes,
        })
        .filter(|_| within)
    }

    /// Whether a moment lies in it.
    #[must_use]
    pub fn has(self, at: UtcTime) -> bool {
        let minutes = at.unix_us().div_euclid(60_000_000) + i64::from(self.ahead_minutes);
        let minute = minutes.rem_euclid(1440);
        let (from, to) = (i64::from(self.from_minute), i64::from(self.to_minute));
        if from <= to {
            (from..to).contains(&minute)
        } else {
            minute >= from || minute < to
        }
    }
}

/// Where a page ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor {
    /// Capture of the last result.
    pub captured_at: UtcTime,
    /// Its row in its partition.
    pub row: u32,
    /// The term of its partition.
    pub term: Term,
}

impl Cursor {
    /// The text form that `next` gives.
    #[must_use]
    pub fn to_text(self) -> String {
        let (at, row) = (self.captured_at.unix_us(), self.row);
        match self.term.hours() {
            Some(hours) => format!("{at}_{row}_{hours}"),
            None => format!("{at}_{row}"),
        }
    }

    /// Reads the text form; none when it is not one.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (captured_at_us, rest) = text.split_once('_')?;
        let (row, term) = match rest.split_once('_') {
            Some((row, hours)) => (row, Term::of_hours(hours.parse().ok()?)?),
            None => (rest, Term::WHOLE),
        };
        Some(Self {
            captured_at: UtcTime::from_unix_us(captured_at_us.parse().ok()?),
            row: row.parse().ok()?,
            term,
        })
    }
}

/// A query that would show too much. The person narrows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum QueryError {
    /// Nothing can lie in the window.
    #[error("`from` lies after `to`")]
    Window,
    /// Nearly everything would match.
    #[error(
        "the pattern is too wide: give at least {LITERAL_CHARACTERS_MIN} letters or digits, or \
         name a camera, a gate, or an area or municipality with at most {CAMERAS_MAX} of them, or a \
         window of at most 24 hours"
    )]
    TooWide,
    /// More than a person can mean.
    #[error("name at most {CAMERAS_MAX} cameras, and as many gates")]
    TooManyCameras,
    /// A pattern has no neighbours.
    #[error("`misread` takes a whole plate, without `*` and `?`")]
    MisreadPattern,
}

impl Query {
    /// Checks that a query is not too wide.
    ///
    /// # Errors
    /// [`QueryError`].
    pub fn check(&self) -> Result<(), QueryError> {
        if self.from > self.to {
            return Err(QueryError::Window);
        }
        let filter = &self.filter;
        if filter.cameras.len() > CAMERAS_MAX || filter.gates.len() > CAMERAS_MAX {
            return Err(QueryError::TooManyCameras);
        }
        if self.misread && !self.plate.is_exact() {
            return Err(QueryError::MisreadPattern);
        }
        let few = self.plate.literal_characters() < LITERAL_CHARACTERS_MIN;
        if few && filter.is_anywhere() && self.to.since(self.from) > WIDE_WINDOW_MAX {
            return Err(QueryError::TooWide);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_of_day_goes_over_midnight_and_by_the_local_clock() {
        let at = |text: &str| text.parse::<UtcTime>().unwrap();
        let night = TimeOfDay::parse("22:00", "05:30", 60).unwrap();
        for (moment, inside) in [
            ("2026-11-22T20:59:59Z", false),
            ("2026-11-22T21:00:00Z", true),
            ("2026-11-23T04:29:59Z", true),
            ("2026-11-23T04:30:00Z", false),
        ] {
            assert_eq!(night.has(at(moment)), inside, "{moment}");
        }
        let noon = TimeOfDay::parse("12:00", "13:00", 0).unwrap();
        assert!(noon.has(at("2026-11-22T12:30:00Z")) && !noon.has(at("2026-11-22T13:00:00Z")));
        for (from, to) in [("24:00", "05:00"), ("5", "06:00"), ("05:60", "06:00")] {
            assert_eq!(TimeOfDay::parse(from, to, 0), None, "{from}");
        }
        assert_eq!(TimeOfDay::parse("05:00", "06:00", 900), None);
    }

    #[test]
    fn a_cursor_comes_back_from_its_text() {
        let cursor = Cursor {
            captured_at: UtcTime::from_unix_us(1_795_336_200_000_001),
            row: 7,
            term: Term::WHOLE,
        };
        assert_eq!(Cursor::parse(&cursor.to_text()), Some(cursor));
        let term = Term::of_hours(72).unwrap();
        let cursor = Cursor { term, ..cursor };
        assert_eq!(Cursor::parse(&cursor.to_text()), Some(cursor));
        assert_eq!(Cursor::parse("1_7_0"), None);
        assert_eq!(Cursor::parse("x_7"), None);
        assert_eq!(Cursor::parse("7"), None);
    }
}
