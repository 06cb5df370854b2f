//! Times as cameras write them: the only door to jiff in the edge.

use std::str::FromStr;

use jiff::civil::DateTime;
use jiff::tz::{Offset, TimeZone};
use thiserror::Error;
use varco_proto::time::UtcTime;

/// The zone of a camera's clock, for times that name none.
#[derive(Debug, Clone, PartialEq)]
pub struct Zone(TimeZone);

/// No zone of that name. The configuration's writer is told.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "`{0}` is no time zone of this box; write UTC, an offset like +01:00, or a name like \
     Europe/Rome (its package is tzdata)"
)]
pub struct ZoneError(String);

impl Zone {
    /// UTC.
    pub const UTC: Self = Self(TimeZone::UTC);

    fn fixed(seconds: i32) -> Option<Self> {
        let offset = Offset::from_seconds(seconds).ok()?;
        Some(Self(TimeZone::fixed(offset)))
    }

    /// The moment of a local time. Where clocks are set back it has two: the one nearer to `near`
    /// is given.
    fn moment(&self, local: DateTime, near: UtcTime) -> Option<UtcTime> {
        let moments = self.0.to_ambiguous_timestamp(local);
        let earlier = moments.earlier().ok()?.as_microsecond();
        let later = moments.later().ok()?.as_microsecond();
        let distance = |us: i64| us.abs_diff(near.unix_us());
        let nearer = if distance(later) < distance(earlier) {
            later
        } else {
            earlier
        };
        Some(UtcTime::from_unix_us(nearer))
    }
}

impl FromStr for Zone {
    type Err = ZoneError;
    fn from_str(text: &str) -> Result<Self, ZoneError> {
        let wrong = || ZoneError(text.chars().take(40).collect());
        if text == "UTC" {
            return Ok(Self::UTC);
        }
        if let Some(seconds) = offset_s(text) {
            return Self::fixed(seconds).ok_or_else(wrong);
        }
        TimeZone::get(text).map(Self).map_err(|_| wrong())
    }
}

/// A time as text: with an offset, or local in `zone`.
///
/// The forms are `2026-11-20T08:31:07.123` (or with a space) and `20261120083107123` (or with a
/// space after the day), with or without fraction and offset.
#[must_use]
pub fn of_text(text: &str, zone: &Zone, near: UtcTime) -> Option<UtcTime> {
    let text = text.trim();
    if !text.is_ascii() || text.len() > 40 {
        return None;
    }
    if let Ok(moment) = text.parse::<UtcTime>() {
        return Some(moment);
    }
    // Jiff would read `…T08:31:07+99:00` as local and pass the rest over.
    if text.get(4..5) == Some("-") {
        let has_offset = text.get(10..).is_some_and(|time| time.contains(['+', '-']));
        let local = text.parse::<DateTime>().ok().filter(|_| !has_offset);
        return zone.moment(local?, near);
    }
    let (digits, offset) = match text.rfind(['+', '-']) {
        Some(at) if at >= 8 => (text.get(..at)?, Some(offset_s(text.get(at..)?)?)),
        _ => (text, None),
    };
    let local = compact(digits.trim_end())?;
    match offset {
        Some(seconds) => Zone::fixed(seconds)?.moment(local, near),
        None => zone.moment(local, near),
    }
}

/// A time as a number since 1970: seconds, or milli-, micro- or nanoseconds by its size.
#[must_use]
pub fn of_number(value: i64) -> Option<UtcTime> {
    let us = match value {
        ..=99_999_999 => return None,
        100_000_000..=99_999_999_999 => value.checked_mul(1_000_000)?,
        100_000_000_000..=99_999_999_999_999 => value.checked_mul(1000)?,
        100_000_000_000_000..=99_999_999_999_999_999 => value,
        100_000_000_000_000_000.. => value / 1000,
    };
    Some(UtcTime::from_unix_us(us))
}

/// `20261120083107123` or `20261120 083107123`.
fn compact(text: &str) -> Option<DateTime> {
    let digits: String = text.chars().filter(|c| *c != ' ').collect();
    if !(14..=17).contains(&digits.len()) || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let number = |from: usize, to: usize| digits.get(from..to)?.parse::<i16>().ok();
    let small = |from: usize, to: usize| i8::try_from(number(from, to)?).ok();
    let fraction = format!("{:0<9}", digits.get(14..)?);
    let (hour, minute, second) = (small(8, 10)?, small(10, 12)?, small(12, 14)?);
    let (month, day) = (small(4, 6)?, small(6, 8)?);
    let fraction = fraction.parse().ok()?;
    DateTime::new(number(0, 4)?, month, day, hour, minute, second, fraction).ok()
}

/// `+01:00`, `+0100` or `+01` in seconds.
fn offset_s(text: &str) -> Option<i32> {
    let (sign, rest) = match text.split_at_checked(1)? {
        ("+", rest) => (1, rest),
        ("-", rest) => (-1, rest),
        _ => return None,
    };
    let digits: String = rest.chars().filter(|c| *c != ':').collect();
    if !digits.bytes().all(|b| b.is_ascii_digit()) || ![2, 4].contains(&digits.len()) {
        return None;
    }
    let hours: i32 = digits.get(..2)?.parse().ok()?;
    let minutes: i32 = format!("0{}", digits.get(2..)?).parse().ok()?;
    (hours <= 14 && minutes < 60).then_some(sign * (hours * 3600 + minutes * 60))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn utc(text: &str) -> UtcTime {
        text.parse().unwrap()
    }

    #[test]
    fn d03_each_form_gives_the_same_moment() {
        let rome: Zone = "Europe/Rome".parse().unwrap();
        let moment = utc("2026-11-20T07:31:07.123Z");
        for text in [
            "2026-11-20T08:31:07.123+01:00",
            "2026-11-20T07:31:07.123Z",
            "2026-11-20 08:31:07.123",
            "2026-11-20T08:31:07.123",
            "20261120083107123",
            "20261120 083107123",
            "20261120 073107123+0000",
            "20261120 093107123 +0200",
        ] {
            assert_eq!(of_text(text, &rome, moment), Some(moment), "{text}");
        }
        let fixed: Zone = "+01:00".parse().unwrap();
        let whole = utc("2026-11-20T07:31:07Z");
        assert_eq!(of_text("20261120083107", &fixed, moment), Some(whole));
        let second = whole.unix_us() / 1_000_000;
        for scale in [1, 1_000, 1_000_000, 1_000_000_000] {
            assert_eq!(of_number(second * scale), Some(whole), "{scale}");
        }
    }

    #[test]
    fn d03_an_hour_that_comes_twice_is_the_one_nearer_to_the_arrival() {
        let rome: Zone = "Europe/Rome".parse().unwrap();
        let text = "2026-10-25 02:30:00";
        for hour in ["2026-10-25T00:30", "2026-10-25T01:30"] {
            let arrived = utc(&format!("{hour}:05Z"));
            let meant = utc(&format!("{hour}:00Z"));
            assert_eq!(of_text(text, &rome, arrived), Some(meant));
        }
        let never = of_text("2026-03-29 02:30:00", &rome, utc("2026-03-29T01:00:00Z"));
        assert!(never.is_some(), "an hour that never was");
    }

    #[test]
    fn what_is_no_time_is_none() {
        let near = utc("2026-10-25T00:30:05Z");
        for text in [
            "",
            "now",
            "20261320083107",
            "2026-11-20T08:31:07+99:00",
            "999999999999999999999",
            "20261120 08310\u{661}",
        ] {
            assert_eq!(of_text(text, &Zone::UTC, near), None, "{text}");
        }
        assert_eq!((of_number(0), of_number(-5)), (None, None));
        assert!("Europe/Atlantis".parse::<Zone>().is_err());
        assert!("../../etc/passwd".parse::<Zone>().is_err());
    }
}
