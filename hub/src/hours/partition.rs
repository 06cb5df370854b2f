//! An hour of capture under one term: what one partition holds, and what goes at once when its
//! term is over.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use varco_proto::time::{UtcDay, UtcTime};

/// Microseconds in an hour.
pub const HOUR_US: i64 = 3_600_000_000;
/// Hours count from 1970 up to this many bits of a partition's number; its term stands above.
const TERM_SHIFT: u32 = 20;

/// How long a municipality lets its transits be kept, in whole hours, or that it says nothing of its
/// own and the hub's term holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Term(u8);

impl Term {
    /// The hub's own.
    pub const WHOLE: Self = Self(0);
    /// Most hours: what the agreement between the bodies allows (D13).
    pub const HOURS_MAX: u8 = 168;

    /// So many hours, 1 to [`Term::HOURS_MAX`]; none for any other number.
    #[must_use]
    pub fn of_hours(hours: u8) -> Option<Self> {
        (1..=Self::HOURS_MAX)
            .contains(&hours)
            .then_some(Self(hours))
    }

    /// The hours; none when the hub's own term holds.
    #[must_use]
    pub fn hours(self) -> Option<u8> {
        (self.0 > 0).then_some(self.0)
    }

    /// How long it is, at a hub whose own term is `hub`: never longer than that.
    #[must_use]
    pub fn within(self, hub: Duration) -> Duration {
        self.hours().map_or(hub, |hours| {
            Duration::from_secs(u64::from(hours) * 3600).min(hub)
        })
    }
}

/// An hour in UTC, counted from 1970-01-01T00, with the term under which its transits were stored.
/// Text form: `2026-11-22T13`, or `2026-11-22T13-72h` when the term is a municipality's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Partition {
    hour: i64,
    term: Term,
}

impl Partition {
    /// The partition of a moment under a term.
    #[must_use]
    pub fn of(at: UtcTime, term: Term) -> Self {
        let hour = at.unix_us().div_euclid(HOUR_US);
        Self { hour, term }
    }

    /// By its number. What is below the term's place counts hours, so that partitions of versions
    /// before are those of the hub's own term.
    #[must_use]
    pub const fn from_number(number: i64) -> Self {
        let term = number >> TERM_SHIFT;
        if term > 0 && term <= Term::HOURS_MAX as i64 {
            Self {
                hour: number & ((1 << TERM_SHIFT) - 1),
                #[allow(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "1..=168"
                )]
                term: Term(term as u8),
            }
        } else {
            Self {
                hour: number,
                term: Term::WHOLE,
            }
        }
    }

    /// Its number: hours since 1970-01-01T00, and above them its term.
    #[must_use]
    pub const fn number(self) -> i64 {
        self.hour | ((self.term.0 as i64) << TERM_SHIFT)
    }

    /// Hours since 1970-01-01T00.
    #[must_use]
    pub const fn hour(self) -> i64 {
        self.hour
    }

    /// The term of its transits.
    #[must_use]
    pub const fn term(self) -> Term {
        self.term
    }

    /// The first and the last partition that an hour can have.
    #[must_use]
    pub const fn span(self) -> (Self, Self) {
        let (hour, last) = (self.hour, Term(u8::MAX));
        let first = Term::WHOLE;
        (Self { hour, term: first }, Self { hour, term: last })
    }

    /// First moment of the hour.
    #[must_use]
    pub fn start(self) -> UtcTime {
        UtcTime::from_unix_us(self.hour.saturating_mul(HOUR_US))
    }

    /// First moment after the hour.
    #[must_use]
    pub fn end(self) -> UtcTime {
        UtcTime::from_unix_us(self.hour.saturating_add(1).saturating_mul(HOUR_US))
    }

    /// When the term of its last moment is over, at a hub whose own term is `hub`.
    #[must_use]
    pub fn gone_at(self, hub: Duration) -> UtcTime {
        self.end() + self.term.within(hub)
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
        self.start() + Duration::from_micros(u64::from(offset_us))
    }
}

impl fmt::Display for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.start().to_string();
        f.write_str(text.split_once(':').map_or(text.as_str(), |(hour, _)| hour))?;
        match self.term.hours() {
            Some(hours) => write!(f, "-{hours}h"),
            None => Ok(()),
        }
    }
}

impl FromStr for Partition {
    type Err = varco_proto::time::TimeError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // Behind the day stands the hour, of two digits.
        let end = text.find('T').map_or(13, |at| at + 3);
        let (hour, own) = text.split_at_checked(end).unwrap_or((text, ""));
        let own_hours = own.strip_prefix('-').and_then(|own| own.strip_suffix('h'));
        let term = match own_hours {
            Some(hours) => hours.parse().ok().and_then(Term::of_hours),
            None => own.is_empty().then_some(Term::WHOLE),
        };
        // What is no term makes the whole no time.
        let whole = term.map_or(text, |_| hour);
        let at: UtcTime = format!("{whole}:00:00Z").parse()?;
        Ok(Self::of(at, term.unwrap_or_default()))
    }
}

#[cfg(test)]
mod tests {
    use crate::hours::partition::*;

    #[test]
    fn an_hour_ends_where_the_next_begins() {
        let hour: Partition = "2026-11-22T13".parse().unwrap();
        assert_eq!(hour.to_string(), "2026-11-22T13");
        assert_eq!(hour.start().to_string(), "2026-11-22T13:00:00.000000Z");
        let last = hour.end() - Duration::from_micros(1);
        assert_eq!(Partition::of(last, Term::WHOLE), hour);
        assert_eq!(hour.at(hour.offset_us(last)), last);
        let next = Partition::of(hour.end(), Term::WHOLE);
        assert_eq!(next.number(), hour.number() + 1);
        assert_eq!(hour.day().to_string(), "2026-11-22");
        for far in ["-000001-01-01T05", "9999-12-30T21-72h"] {
            let far: Partition = far.parse().unwrap();
            assert_eq!(far.to_string().parse(), Ok(far));
        }
        let never = Partition::from_number(i64::MAX);
        assert!(never.at(5) >= never.start(), "beyond all time");
        for none in [
            "2026-11-22",
            "2026-11-22T13-0h",
            "2026-11-22T13-169h",
            "2026-11-22T13-x",
        ] {
            assert!(none.parse::<Partition>().is_err(), "{none}");
        }
    }

    #[test]
    fn a_term_of_its_own_makes_a_partition_of_its_own() {
        let week = Duration::from_secs(168 * 3600);
        let own: Partition = "2026-11-22T13-72h".parse().unwrap();
        let whole: Partition = "2026-11-22T13".parse().unwrap();
        assert_eq!(own.to_string().parse::<Partition>(), Ok(own));
        assert_eq!(Partition::from_number(own.number()), own);
        assert_eq!(Partition::from_number(whole.number()), whole);
        assert_eq!((own.hour(), own.start()), (whole.hour(), whole.start()));
        assert_ne!(own.number(), whole.number());
        assert_eq!(
            own.gone_at(week),
            own.end() + Duration::from_secs(72 * 3600)
        );
        assert_eq!(whole.gone_at(week), whole.end() + week);
        let day = Duration::from_secs(24 * 3600);
        assert_eq!(
            own.gone_at(day),
            whole.gone_at(day),
            "never longer than the hub's"
        );
        let (first, last) = own.span();
        assert!(first == whole && first < own && own < last);
        assert!(last < Partition::of(own.end(), Term::WHOLE));
        assert_eq!((Term::of_hours(0), Term::of_hours(169)), (None, None));
    }
}
