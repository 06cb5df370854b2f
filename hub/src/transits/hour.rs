//! An hour of capture: what one partition holds, and what goes at once when its term is over.

use std::fmt;
use std::str::FromStr;

use varco_proto::time::{UtcDay, UtcTime};

/// Microseconds in an hour.
pub const HOUR_US: i64 = 3_600_000_000;

/// An hour in UTC, counted from 1970-01-01T00. Text form: `2026-11-22T13`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UtcHour(i64);

impl UtcHour {
    /// The hour that a moment lies in.
    #[must_use]
    pub fn of(at: UtcTime) -> Self {
        Self(at.unix_us().div_euclid(HOUR_US))
    }

    /// By its number.
    #[must_use]
    pub const fn from_number(number: i64) -> Self {
        Self(number)
    }

    /// Hours since 1970-01-01T00.
    #[must_use]
    pub const fn number(self) -> i64 {
        self.0
    }

    /// First moment of the hour.
    #[must_use]
    pub fn start(self) -> UtcTime {
        UtcTime::from_unix_us(self.0.saturating_mul(HOUR_US))
    }

    /// First moment after the hour.
    #[must_use]
    pub fn end(self) -> UtcTime {
        Self(self.0.saturating_add(1)).start()
    }

    /// The day it lies in.
    #[must_use]
    pub fn day(self) -> UtcDay {
        self.start().day()
    }

    /// How far into the hour a moment lies, in microseconds.
    #[must_use]
    pub fn offset_us(self, at: UtcTime) -> u32 {
        let offset = at.unix_us().saturating_sub(self.start().unix_us());
        u32::try_from(offset.clamp(0, HOUR_US - 1)).unwrap_or(0)
    }

    /// The moment so far into the hour.
    #[must_use]
    pub fn at(self, offset_us: u32) -> UtcTime {
        UtcTime::from_unix_us(self.start().unix_us() + i64::from(offset_us))
    }
}

impl fmt::Display for UtcHour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.start().to_string();
        f.write_str(text.get(..13).unwrap_or(&text))
    }
}

impl FromStr for UtcHour {
    type Err = varco_proto::time::TimeError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        format!("{text}:00:00Z").parse::<UtcTime>().map(Self::of)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn an_hour_ends_where_the_next_begins() {
        let hour: UtcHour = "2026-11-22T13".parse().unwrap();
        assert_eq!(hour.to_string(), "2026-11-22T13");
        assert_eq!(hour.start().to_string(), "2026-11-22T13:00:00.000000Z");
        let last = hour.end() - Duration::from_micros(1);
        assert_eq!(UtcHour::of(last), hour);
        assert_eq!(hour.at(hour.offset_us(last)), last);
        assert_eq!(UtcHour::of(hour.end()).number(), hour.number() + 1);
        assert_eq!(hour.day().to_string(), "2026-11-22");
        assert!("2026-11-22".parse::<UtcHour>().is_err());
    }
}
