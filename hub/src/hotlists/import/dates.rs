//! Dates and times as offices write them. This is the hub's only door to jiff.
//!
//! `12/01/2026` is the twelfth of January in Italy and the first of December in the United States.
//! It is read only where another row, the heading's language or a person says which; else it is left
//! out and told.

use std::sync::OnceLock;

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use varco_proto::time::UtcTime;

/// Central European Time with the European Union's summer time, as in Rome since 1996: a box without
/// a time zone database knows it too.
const ROME: &str = "CET-1CEST,M3.5.0,M10.5.0/3";
/// From this year on an end means that there is none.
const YEAR_MAX: i16 = 2100;
/// Months by the three letters they begin with, in Italian, English, German, French and Spanish.
const MONTHS: [&str; 12] = [
    "gen jan ene",
    "feb fev fév",
    "mar mär mrz",
    "apr avr abr",
    "mag may mai",
    "giu jun juin",
    "lug jul juil",
    "ago aug aoû aou",
    "set sep",
    "ott oct okt",
    "nov",
    "dic dec dez déc",
];

/// Which of day and month stands first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum DateOrder {
    /// 31/12/2026.
    DayFirst,
    /// 12/31/2026.
    MonthFirst,
}

impl std::str::FromStr for DateOrder {
    type Err = &'static str;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "day-first" => Ok(Self::DayFirst),
            "month-first" => Ok(Self::MonthFirst),
            _ => Err("write day-first or month-first"),
        }
    }
}

/// The text is no date that can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DateFault {
    /// Day or month may stand first.
    Ambiguous,
    /// No date.
    Unreadable,
    /// So far away that it means no end.
    NoEnd,
}

/// A date's three numbers, and what is behind them.
struct Written<'a> {
    date: Numbers,
    time: &'a str,
}

/// How sure the order of a date's numbers is.
enum Numbers {
    Sure(i16, i8, i8),
    /// Year, and the two that may be day or month.
    Either(i16, i8, i8),
}

/// Which order a text shows, when it shows one.
pub(super) fn order_of(text: &str) -> Option<DateOrder> {
    match written(text)?.date {
        Numbers::Either(_, a, b) if a > 12 && b <= 12 => Some(DateOrder::DayFirst),
        Numbers::Either(_, a, b) if b > 12 && a <= 12 => Some(DateOrder::MonthFirst),
        _ => None,
    }
}

/// The moment from which something holds: a day from its beginning on.
pub(super) fn begin(text: &str, order: Option<DateOrder>) -> Result<UtcTime, DateFault> {
    moment(text, order).map(|(at, _)| at)
}

/// The moment until which something holds: a day to its end, also when midnight is written with it,
/// as spreadsheets do.
pub(super) fn end(text: &str, order: Option<DateOrder>) -> Result<UtcTime, DateFault> {
    moment(text, order).map(|(_, until)| until)
}

/// From when and until when a text may mean.
fn moment(text: &str, order: Option<DateOrder>) -> Result<(UtcTime, UtcTime), DateFault> {
    let text = text.trim();
    let exact = text.parse::<UtcTime>();
    if let Ok(at) = exact.or_else(|_| text.replacen(' ', "T", 1).parse()) {
        return Ok((at, at));
    }
    let written = written(text).ok_or(DateFault::Unreadable)?;
    let date = ordered(&written.date, order)?;
    let time = time(written.time).ok_or(DateFault::Unreadable)?;
    if date.year() >= YEAR_MAX {
        return Err(DateFault::NoEnd);
    }
    let at = local(date.to_datetime(time)).ok_or(DateFault::Unreadable)?;
    // To the end of the day: no time, midnight, or its last minute.
    let whole_day = time == Time::midnight() || (time.hour() == 23 && time.minute() == 59);
    let until = if whole_day {
        let next = date.tomorrow().map_err(|_| DateFault::NoEnd)?;
        local(next.to_datetime(Time::midnight())).ok_or(DateFault::Unreadable)?
    } else {
        at
    };
    Ok((at, until))
}

fn ordered(date: &Numbers, order: Option<DateOrder>) -> Result<Date, DateFault> {
    let of = |year, month, day| Date::new(year, month, day).map_err(|_| DateFault::Unreadable);
    match *date {
        Numbers::Sure(year, month, day) => of(year, month, day),
        Numbers::Either(year, day, month) if day > 12 || day == month => of(year, month, day),
        Numbers::Either(year, month, day) if day > 12 => of(year, month, day),
        Numbers::Either(year, a, b) => match order.ok_or(DateFault::Ambiguous)? {
            DateOrder::DayFirst => of(year, b, a),
            DateOrder::MonthFirst => of(year, a, b),
        },
    }
}

/// Local time in Rome as a moment. Where clocks are set back the later is meant, where they are set
/// forward the time that they then show.
fn local(at: DateTime) -> Option<UtcTime> {
    static ZONE: OnceLock<Option<TimeZone>> = OnceLock::new();
    let zone = ZONE.get_or_init(|| TimeZone::posix(ROME).ok()).as_ref()?;
    let moment = zone.to_ambiguous_timestamp(at).later().ok()?;
    Some(UtcTime::from_unix_us(moment.as_microsecond()))
}

/// The numbers of a text's date: `2026-12-31`, `31/12/2026`, `31.12.26`, `20261231`, `31 dic 2026`.
fn written(text: &str) -> Option<Written<'_>> {
    let text = text.trim();
    if text.len() > 60 {
        return None;
    }
    if let Some(found) = by_name(text) {
        return Some(found);
    }
    let end = text
        .find(|c: char| !(c.is_ascii_digit() || matches!(c, '/' | '-' | '.')))
        .unwrap_or(text.len());
    let (numbers, time) = text.split_at_checked(end)?;
    let date = if numbers.len() == 8 && numbers.bytes().all(|b| b.is_ascii_digit()) {
        packed(numbers)?
    } else {
        let sign = numbers.chars().find(|c| !c.is_ascii_digit())?;
        let parts: Vec<&str> = numbers.split(sign).collect();
        let [a, b, c] = parts[..] else {
            return None;
        };
        separated(sign, [a, b, c])?
    };
    Some(Written { date, time })
}

fn separated(sign: char, [a, b, c]: [&str; 3]) -> Option<Numbers> {
    if a.len() == 4 {
        return Some(Numbers::Sure(
            a.parse().ok()?,
            b.parse().ok()?,
            c.parse().ok()?,
        ));
    }
    let year: i16 = match c.len() {
        4 => c.parse().ok()?,
        2 => 2000 + c.parse::<i16>().ok()?,
        _ => return None,
    };
    let (first, second): (i8, i8) = (a.parse().ok()?, b.parse().ok()?);
    // Nobody who writes the month first puts dots.
    Some(match sign {
        '.' => Numbers::Sure(year, second, first),
        _ => Numbers::Either(year, first, second),
    })
}

fn packed(digits: &str) -> Option<Numbers> {
    let part = |from: usize, to: usize| digits.get(from..to)?.parse::<i16>().ok();
    let small = |from, to| i8::try_from(part(from, to)?).ok();
    let year_first = Numbers::Sure(part(0, 4)?, small(4, 6)?, small(6, 8)?);
    let holds = |date: &Numbers| match date {
        Numbers::Sure(year, month, day) => {
            (1990..YEAR_MAX).contains(year) && Date::new(*year, *month, *day).is_ok()
        }
        Numbers::Either(..) => false,
    };
    if holds(&year_first) {
        return Some(year_first);
    }
    Some(Numbers::Either(part(4, 8)?, small(0, 2)?, small(2, 4)?))
}

/// `31 dic 2026`, `31-Dec-26`, `Dec 31, 2026`.
fn by_name(text: &str) -> Option<Written<'_>> {
    let is_part = |c: char| c.is_alphanumeric();
    let mut parts = Vec::new();
    let mut rest = text;
    while parts.len() < 3 {
        rest = rest.trim_start_matches(|c: char| !is_part(c));
        let end = rest.find(|c: char| !is_part(c)).unwrap_or(rest.len());
        let (part, behind) = rest.split_at_checked(end)?;
        if part.is_empty() {
            return None;
        }
        parts.push(part);
        rest = behind;
    }
    let [a, b, c] = parts[..] else {
        return None;
    };
    let (day, month) = match (month(a), month(b)) {
        (None, Some(month)) => (a, month),
        (Some(month), None) => (b, month),
        _ => return None,
    };
    let year: i16 = match c.len() {
        4 => c.parse().ok()?,
        2 => 2000 + c.parse::<i16>().ok()?,
        _ => return None,
    };
    Some(Written {
        date: Numbers::Sure(year, month, day.parse().ok()?),
        time: rest,
    })
}

fn month(name: &str) -> Option<i8> {
    let name = name.to_lowercase();
    if name.chars().count() < 3 {
        return None;
    }
    let at = MONTHS
        .iter()
        .position(|names| names.split(' ').any(|known| name.starts_with(known)))?;
    i8::try_from(at + 1).ok()
}

/// A time of day behind a date: none, `23:59`, `T23:59:59.5`, `ore 18.30`, `11:59 PM`.
fn time(text: &str) -> Option<Time> {
    let text = text.trim_matches(|c: char| c.is_whitespace() || matches!(c, ',' | ';'));
    if text.is_empty() {
        return Some(Time::midnight());
    }
    let text = text.to_ascii_lowercase();
    let text = ["t", "ore", "alle", "h", "um", "at"]
        .iter()
        .find_map(|word| text.strip_prefix(word))
        .unwrap_or(&text)
        .trim();
    let (text, half) = match (text.strip_suffix("am"), text.strip_suffix("pm")) {
        (Some(text), _) => (text.trim(), Some(0)),
        (_, Some(text)) => (text.trim(), Some(12)),
        _ => (text, None),
    };
    let parts: Vec<&str> = text.split([':', '.', ',']).collect();
    let number = |at: usize| match parts.get(at) {
        None => Some(0),
        Some(part) => part.parse::<i8>().ok().filter(|n| *n >= 0),
    };
    if !(2..=4).contains(&parts.len()) || parts.get(3).is_some_and(|p| p.parse::<u32>().is_err()) {
        return None;
    }
    let hour = match (number(0)?, half) {
        (hour @ 1..=12, Some(half)) => hour % 12 + half,
        (_, Some(_)) => return None,
        // Midnight at the end of a day: the day's end, as without a time.
        (24, None) if number(1)? == 0 => 0,
        (hour, None) => hour,
    };
    Time::new(hour, number(1)?, number(2)?, 0).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn until(text: &str, order: Option<DateOrder>) -> String {
        match end(text, order) {
            Ok(at) => at.to_string().replace(".000000", ""),
            Err(fault) => format!("{fault:?}"),
        }
    }

    #[test]
    fn a_day_holds_to_its_end_in_rome() {
        for text in [
            "31/12/2026",
            "31.12.2026",
            "31-12-26",
            "2026-12-31",
            "2026/12/31",
            "20261231",
            "31122026",
            "31/12/2026 23:59",
            "31/12/2026 00:00:00",
            "2026-12-31 23:59:59",
            "2026-12-31T23:59:59",
            "12/31/2026",
            "12/31/2026 11:59 PM",
            "31 dicembre 2026",
            "31-Dec-26",
            "Dec 31, 2026",
            "31/12/2026 24:00",
        ] {
            assert_eq!(until(text, None), "2026-12-31T23:00:00Z", "{text}");
        }
        assert_eq!(
            until("01.07.2026", None),
            "2026-07-01T22:00:00Z",
            "summer time"
        );
        assert_eq!(until("31/12/2026 ore 18.30", None), "2026-12-31T17:30:00Z");
        assert_eq!(until("2026-12-31T18:00:00Z", None), "2026-12-31T18:00:00Z");
        assert_eq!(
            until("2026-12-31 18:00:00+01:00", None),
            "2026-12-31T17:00:00Z"
        );
        let begins = begin("31/12/2026", None).unwrap().to_string();
        assert_eq!(begins, "2026-12-30T23:00:00.000000Z");
    }

    #[test]
    fn an_ambiguous_date_is_not_guessed() {
        assert_eq!(until("12/01/2026", None), "Ambiguous");
        let us = Some(DateOrder::MonthFirst);
        assert_eq!(until("12/01/2026", us), "2026-12-01T23:00:00Z");
        let here = Some(DateOrder::DayFirst);
        assert_eq!(until("12/01/2026", here), "2026-01-12T23:00:00Z");
        assert_eq!(
            until("05/05/2026", None),
            "2026-05-05T22:00:00Z",
            "either way the same"
        );
        assert_eq!(order_of("12/31/2026"), us);
        assert_eq!(order_of("31/12/2026 08:00"), here);
        assert_eq!(order_of("12/01/2026"), None);
    }

    #[test]
    fn what_is_no_date_is_told_from_what_has_no_end() {
        for text in [
            "",
            "x",
            "31/02/2026",
            "2026",
            "31/12",
            "mai",
            "31/12/2026 25:00",
            "1/2/3/4",
        ] {
            assert_eq!(until(text, None), "Unreadable", "{text}");
        }
        assert_eq!(until("31/12/9999", None), "NoEnd");
    }
}
