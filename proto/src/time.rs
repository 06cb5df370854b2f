//! Moments in UTC, with the doubt of a capture.

use std::fmt;
use std::ops::{Add, Sub};
use std::str::FromStr;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Microseconds in a day.
const DAY_US: i64 = 86_400_000_000;

/// Microseconds since 1970-01-01T00:00:00Z. Text form: RFC 3339 in UTC.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize,
)]
#[serde(try_from = "String", into = "String")]
pub struct UtcTime(i64);

/// The text is no moment. The caller tells the person who wrote it.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{0}` is not a time: write it as 2026-11-22T08:30:00Z")]
pub struct TimeError(String);

impl UtcTime {
    /// From microseconds since the Unix epoch.
    #[must_use]
    pub const fn from_unix_us(unix_us: i64) -> Self {
        Self(unix_us)
    }

    /// Microseconds since the Unix epoch.
    #[must_use]
    pub const fn unix_us(self) -> i64 {
        self.0
    }

    /// Milliseconds since the Unix epoch; a moment before 1970 gives 0.
    #[must_use]
    pub fn unix_ms(self) -> u64 {
        u64::try_from(self.0.div_euclid(1000)).unwrap_or(0)
    }

    /// The UTC day this moment lies in.
    #[must_use]
    pub fn day(self) -> UtcDay {
        UtcDay(self.0.div_euclid(DAY_US))
    }

    /// How long after `earlier` this is; zero when it is before.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

impl Add<Duration> for UtcTime {
    type Output = Self;
    fn add(self, span: Duration) -> Self {
        Self(
            self.0
                .saturating_add(i64::try_from(span.as_micros()).unwrap_or(i64::MAX)),
        )
    }
}

impl Sub<Duration> for UtcTime {
    type Output = Self;
    fn sub(self, span: Duration) -> Self {
        Self(
            self.0
                .saturating_sub(i64::try_from(span.as_micros()).unwrap_or(i64::MAX)),
        )
    }
}

impl fmt::Display for UtcTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Timestamp::from_microsecond(self.0) {
            Ok(moment) => write!(f, "{moment:.6}"),
            // Outside year 9999: only a broken clock gives this, and it must still print.
            Err(_) => write!(f, "{} us", self.0),
        }
    }
}

impl FromStr for UtcTime {
    type Err = TimeError;
    fn from_str(text: &str) -> Result<Self, TimeError> {
        text.parse::<Timestamp>()
            .map(|moment| Self(moment.as_microsecond()))
            .map_err(|_| TimeError(text.chars().take(40).collect()))
    }
}

impl TryFrom<String> for UtcTime {
    type Error = TimeError;
    fn try_from(text: String) -> Result<Self, TimeError> {
        text.parse()
    }
}

impl From<UtcTime> for String {
    fn from(value: UtcTime) -> Self {
        value.to_string()
    }
}

/// A day in UTC, counted from 1970-01-01. Text form: `2026-11-22`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UtcDay(i64);

impl UtcDay {
    /// First moment of the day.
    #[must_use]
    pub fn start(self) -> UtcTime {
        UtcTime(self.0.saturating_mul(DAY_US))
    }

    /// First moment after the day.
    #[must_use]
    pub fn end(self) -> UtcTime {
        self.next().start()
    }

    /// The day after.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for UtcDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.start().to_string();
        // A year before 0 or after 9999 is longer.
        f.write_str(text.split_once('T').map_or(text.as_str(), |(day, _)| day))
    }
}

impl FromStr for UtcDay {
    type Err = TimeError;
    fn from_str(text: &str) -> Result<Self, TimeError> {
        format!("{text}T00:00:00Z")
            .parse::<UtcTime>()
            .map(UtcTime::day)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_rfc_3339_in_utc() {
        let time = UtcTime::from_unix_us(1_795_336_200_000_001);
        assert_eq!(time.to_string().parse::<UtcTime>().unwrap(), time);
        assert_eq!(
            "2026-11-22T09:30:00+01:00"
                .parse::<UtcTime>()
                .unwrap()
                .to_string(),
            "2026-11-22T08:30:00.000000Z"
        );
        assert!("yesterday".parse::<UtcTime>().is_err());
    }

    #[test]
    fn a_day_ends_where_the_next_begins() {
        let day: UtcDay = "2026-11-22".parse().unwrap();
        assert_eq!(day.to_string(), "2026-11-22");
        assert_eq!(day.end(), day.next().start());
        assert_eq!((day.end() - Duration::from_micros(1)).day(), day);
        assert_eq!(UtcTime::from_unix_us(-1).day().to_string(), "1969-12-31");
        let ancient: UtcDay = "-000001-01-01".parse().unwrap();
        assert_eq!(ancient.to_string().parse(), Ok(ancient));
    }
}
