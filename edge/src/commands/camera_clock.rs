//! How a camera's clock stands, in words.

use std::time::Duration;

use crate::adapters::capture::clock_offset::{ClockFrom, ClockOffset};

/// Further back than this, a clock was never set: cameras begin at 1970 or 2000 without a battery.
const UNSET_US: i64 = -3650 * 24 * 3600 * 1_000_000;

/// How far a camera's clock is from this box's, and how that is known.
pub(super) fn clock_words(clock: Option<ClockOffset>) -> String {
    let Some(clock) = clock else {
        return "the camera tells no time: neither an RTCP sender report nor a `Date`".to_owned();
    };
    let source = match clock.from {
        ClockFrom::Report => "by its RTCP sender report",
        ClockFrom::Date => "by the `Date` of its answer, to the second",
    };
    let off = span(clock.off());
    if clock.ahead_us <= UNSET_US {
        return format!("its clock was never set: it is {off} behind this box's, {source}");
    }
    let way = if clock.ahead_us < 0 {
        "behind"
    } else {
        "ahead of"
    };
    format!("its clock is {off} {way} this box's, {source}")
}

/// A span in its two largest units.
fn span(span: Duration) -> String {
    let seconds = (span + Duration::from_millis(500)).as_secs();
    let (days, hours) = (seconds / 86_400, seconds / 3600 % 24);
    let (minutes, left) = (seconds / 60 % 60, seconds % 60);
    match (days, hours, minutes) {
        (0, 0, 0) if seconds < 10 => format!("{} ms", span.as_millis()),
        (0, 0, 0) => format!("{left} s"),
        (0, 0, _) => format!("{minutes} min {left} s"),
        (0, ..) => format!("{hours} h {minutes} min"),
        _ => format!("{days} days {hours} h"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_hour_is_told_as_an_hour_and_by_whom() {
        let words = |ahead_us, from| clock_words(Some(ClockOffset { ahead_us, from }));
        for us in [3_599_800_000, 3_600_400_000] {
            let hour = words(us, ClockFrom::Report);
            assert!(hour.contains("1 h 0 min ahead"), "{hour}");
        }
        let late = words(-2_000_000, ClockFrom::Date);
        assert!(
            late.contains("2000 ms behind") && late.contains("`Date`"),
            "{late}"
        );
        let unset = words(-1_790_000_000_000_000, ClockFrom::Report);
        assert!(
            unset.contains("never set") && unset.contains("days"),
            "{unset}"
        );
        assert!(clock_words(None).contains("tells no time"));
    }
}
