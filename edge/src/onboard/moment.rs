//! Times as cameras write them: the only door to jiff in the edge.

mod offset;
mod written;

use std::str::FromStr;

use jiff::civil::DateTime;
use jiff::tz::{Offset, TimeZone};
use thiserror::Error;
use varco_proto::time::UtcTime;

use self::offset::offset_s;

/// The zone of a camera's clock, for times that name none.
#[derive(Debug, Clone, PartialEq)]
pub struct Zone(TimeZone);

/// No zone of that name. Correct the configuration.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "`{0}` is no time zone of this box; write UTC, an offset like +01:00, or a name like \
     Europe/Rome (its package is tzdata)"
)]
pub struct ZoneError(String);

impl Zone {
    /// UTC.
    pub const UTC: Self = Self(TimeZone::UTC);

    /// What is meant by a local time that was counted as if it were UTC.
    pub(super) fn as_local(&self, counted: UtcTime, near: UtcTime) -> Option<UtcTime> {
        let stamp = jiff::Timestamp::from_microsecond(counted.unix_us()).ok()?;
        self.moment(TimeZone::UTC.to_datetime(stamp), near)
    }

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

/// A time as text or as a number since 1970, in any form that cameras write.
#[must_use]
pub fn of_any(text: &str, zone: &Zone, near: UtcTime) -> Option<UtcTime> {
    let number = text.trim().parse().ok().and_then(of_number);
    // Fourteen digits and more that begin like a year are a date.
    let is_date = text.trim().starts_with("20") && (14..=17).contains(&text.trim().len());
    let dated = || of_text(text, zone, near);
    match is_date {
        true => dated().or(number),
        false => number.or_else(dated),
    }
}

/// A time as text: with an offset, or local in `zone`.
///
/// The date is `2026-11-20`, `20261120` or `20-11-2026`, with `-`, `/` or `.` between its parts;
/// of a day and a month that could be either, the order that lies nearer to `near` is taken. The
/// time is `08:31:07` or `083107`, with or without fraction, AM or PM, and offset. Some firmwares
/// write an offset without its plus.
#[must_use]
pub fn of_text(text: &str, zone: &Zone, near: UtcTime) -> Option<UtcTime> {
    let text = text.trim();
    if !text.is_ascii() || text.len() > 40 {
        return None;
    }
    if let Ok(moment) = text.parse::<UtcTime>() {
        return Some(moment);
    }
    let (dates, rest) = written::date(text)?;
    let time = written::time(rest.trim_start_matches(['T', 't', ' ', '_']))?;
    let zone = match time.offset {
        written::Offset::None => zone.clone(),
        written::Offset::Seconds(seconds) => Zone::fixed(seconds)?,
    };
    let moments = dates.iter().filter_map(|date| {
        let [year, month, day] = *date;
        let month = i8::try_from(month).ok()?;
        let day = i8::try_from(day).ok()?;
        let local = DateTime::new(year, month, day, time.hour, time.minute, 0, 0).ok()?;
        let moment = zone.moment(local, near)?.unix_us();
        Some(UtcTime::from_unix_us(
            moment.checked_add(time.within_minute_us)?,
        ))
    });
    moments.min_by_key(|moment| moment.unix_us().abs_diff(near.unix_us()))
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

#[cfg(test)]
mod tests {
    use super::*;

    fn utc(text: &str) -> UtcTime {
        text.parse().unwrap()
    }

    #[test]
    fn d03_part_each_form_gives_the_same_moment() {
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
            "2026-11-20 08:31:07:123",
            "2026-11-20T08:31:07,123+01:00",
            "2026/11/20 08:31:07.123",
            "20.11.2026 08:31:07.123",
            "11/20/2026 08:31:07.123 AM",
            "2026-11-20T08:31:07.123 01:00",
            "1795159867123",
        ] {
            assert_eq!(of_any(text, &rome, moment), Some(moment), "{text}");
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
    fn d03_part_times_that_makers_write_their_own_way_are_read() {
        let rome: Zone = "Europe/Rome".parse().unwrap();
        let near = utc("2026-11-20T07:31:09Z");
        let moment = utc("2026-11-20T07:31:07Z");
        for text in [
            "2026-11-20T07:31:0700:00",
            "2026-11-20T08:31:0701:00",
            "2026-11-20T08:31:07+1:00",
            "2026-11-20T08:31:07+0100",
            "2026-11-20T08:31:07+01",
            "2026-11-20T8:31:7+01:00",
            "2026-11-20T08:31:07 01:00",
            "20261120T083107+0100",
            "20261120T073107Z",
            "2026-11-20 07:31:07 UTC",
            "20-11-2026 08:31:07",
            "11/20/2026 8:31:07 am",
            "2026/11/20 08:31:07",
        ] {
            assert_eq!(of_any(text, &rome, near), Some(moment), "{text}");
        }
        let leap = of_any("2026-11-20T07:31:60Z", &rome, near);
        assert_eq!(leap, Some(utc("2026-11-20T07:31:59Z")));
        let evening = of_any("11/20/2026 08:31:07 PM", &rome, near);
        assert_eq!(evening, Some(utc("2026-11-20T19:31:07Z")));
        for (near, meant) in [("2026-05-04T00:00:00Z", 5), ("2026-04-05T00:00:00Z", 4)] {
            let found = of_any("04/05/2026 08:31:07", &Zone::UTC, utc(near));
            let meant = format!("2026-0{meant}-0{}T08:31:07Z", 9 - meant);
            assert_eq!(
                found,
                Some(utc(&meant)),
                "the day and the month nearer to the arrival"
            );
        }
    }

    #[test]
    fn d03_part_an_hour_that_comes_twice_is_the_one_nearer_to_the_arrival() {
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
            "20 Nov 2026",
            "0000-00-00T00:00:00+00:00",
            "2026-11-20",
            "2026-11-20T08:31:07+01:00 or so",
            "2026-11-20T25:31:07",
        ] {
            assert_eq!(of_text(text, &Zone::UTC, near), None, "{text}");
        }
        assert_eq!((of_number(0), of_number(-5)), (None, None));
        assert!("Europe/Atlantis".parse::<Zone>().is_err());
        assert!("../../etc/passwd".parse::<Zone>().is_err());
    }
}
