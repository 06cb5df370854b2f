//! The parts of a date and a time as they are written.

use super::offset::offset_s;

/// Year, month and day.
pub(super) type Date = [i16; 3];

/// The offset of a written time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Offset {
    /// It names none.
    None,
    /// East of Greenwich.
    Seconds(i32),
}

/// A time of a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Time {
    pub(super) hour: i8,
    pub(super) minute: i8,
    /// Seconds and fraction; a leap second is the one before it.
    pub(super) within_minute_us: i64,
    pub(super) offset: Offset,
}

/// The date that a text begins with, in each order that its numbers allow, and the rest.
pub(super) fn date(text: &str) -> Option<(Vec<Date>, &str)> {
    let (first, rest) = digits(text);
    if first.len() >= 8 {
        let (date, _) = text.split_at_checked(8)?;
        let number = |from, to| date.get(from..to)?.parse().ok();
        let date = [number(0, 4)?, number(4, 6)?, number(6, 8)?];
        return Some((vec![date], text.get(8..)?));
    }
    let part = |rest: &str| rest.starts_with(['-', '/', '.']).then_some(());
    part(rest)?;
    let (second, rest) = digits(rest.get(1..)?);
    part(rest)?;
    let (third, rest) = digits(rest.get(1..)?);
    let number = |digits: &str| digits.parse::<i16>().ok();
    let (a, b, c) = (number(first)?, number(second)?, number(third)?);
    let dates = match (first.len(), third.len()) {
        (4, 1..=2) => vec![[a, b, c]],
        (1..=2, 4) => vec![[c, b, a], [c, a, b]],
        _ => return None,
    };
    Some((dates, rest))
}

/// A whole text as a time.
pub(super) fn time(text: &str) -> Option<Time> {
    let (hour, minute, second, rest) = match digits(text) {
        (all, rest) if all.len() >= 6 => {
            // A fraction may follow without a point.
            let (clock, fraction) = all.split_at_checked(6)?;
            let (hour, minute) = (clock.get(..2)?, clock.get(2..4)?);
            let fraction = (!fraction.is_empty()).then_some(fraction);
            (hour, minute, (clock.get(4..)?, fraction), rest)
        }
        (hour, rest) => {
            let (minute, rest) = digits(rest.strip_prefix(':')?);
            let (second, rest) = digits(rest.strip_prefix(':')?);
            // `07:31:0700:00`: the plus of an offset is not written.
            if second.len() == 4 && rest.starts_with(':') {
                let (second, _) = second.split_at_checked(2)?;
                let rest = text.get(text.len() - rest.len() - 2..)?;
                (hour, minute, (second, None), rest)
            } else {
                (hour, minute, (second, None), rest)
            }
        }
    };
    let (second, packed) = second;
    let (fraction, rest) = match (packed, rest.strip_prefix(['.', ',', ':'])) {
        (None, Some(after)) => digits(after),
        (packed, _) => (packed.unwrap_or_default(), rest),
    };
    let number = |digits: &str, most: i64| {
        let value = digits.parse::<i64>().ok().filter(|_| digits.len() <= 2);
        value.filter(|value| *value <= most)
    };
    let rest = rest.trim_start();
    let (half_day, rest) = half_day(number(hour, 23)?, rest)?;
    let micro: String = fraction.chars().chain("000000".chars()).take(6).collect();
    let micro: i64 = micro.parse().ok()?;
    Some(Time {
        hour: i8::try_from(half_day).ok()?,
        minute: i8::try_from(number(minute, 59)?).ok()?,
        within_minute_us: number(second, 60)?.min(59) * 1_000_000 + micro,
        offset: offset(rest.trim())?,
    })
}

/// The hour by the clock of 24, when AM or PM follows.
fn half_day(hour: i64, rest: &str) -> Option<(i64, &str)> {
    let word = rest.get(..2).unwrap_or_default().to_ascii_lowercase();
    let after = rest.get(2..).unwrap_or_default();
    match word.as_str() {
        "am" | "pm" if !(1..=12).contains(&hour) => None,
        "am" => Some((hour % 12, after)),
        "pm" => Some((hour % 12 + 12, after)),
        _ => Some((hour, rest)),
    }
}

fn offset(text: &str) -> Option<Offset> {
    if text.is_empty() {
        return Some(Offset::None);
    }
    if ["Z", "z", "UTC", "GMT"].contains(&text) {
        return Some(Offset::Seconds(0));
    }
    let signed = match text.starts_with(['+', '-']) {
        true => text.to_owned(),
        // A form that was decoded has a space where the plus was.
        false => format!("+{text}"),
    };
    // `+1:00`
    let padded = match signed.split_once(':') {
        Some((hours, minutes)) if hours.len() == 2 => {
            let (sign, hour) = hours.split_at_checked(1)?;
            format!("{sign}0{hour}:{minutes}")
        }
        _ => signed,
    };
    offset_s(&padded).map(Offset::Seconds)
}

fn digits(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !c.is_ascii_digit());
    text.split_at(end.unwrap_or(text.len()))
}
