//! How long a webhook that fails is waited for, and when it is given up: values in, values out.

use std::fmt;
use std::time::Duration;

use varco_proto::time::UtcTime;

/// The first wait after a failure.
const WAIT_FIRST: Duration = Duration::from_secs(1);
/// The longest that the hub itself chooses.
const WAIT_MAX: Duration = Duration::from_secs(600);
/// The longest `Retry-After` that is honoured.
const ASKED_MAX: Duration = Duration::from_secs(3600);
/// A webhook that took nothing for so long is parked.
pub const PARKED_AFTER: Duration = Duration::from_secs(24 * 3600);
/// How often one that is parked is tried, with one message.
pub const PARKED_EVERY: Duration = Duration::from_secs(3600);
/// Nothing is put off for longer.
pub const PUT_OFF_MAX: Duration = Duration::from_secs(2 * 3600);

/// How the last attempts at one webhook went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Condition {
    /// Failures in a row that kept it from being tried.
    pub failures: u32,
    /// Since when nothing was taken; none while it is well.
    pub failing_since: Option<UtcTime>,
    /// Nothing is tried before.
    pub next_at: UtcTime,
    /// Since when it is parked.
    pub parked_at: Option<UtcTime>,
}

/// Why an attempt failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// No answer came: no connection, TLS that does not hold, or too slow.
    Silent(String),
    /// It answered another status than a success.
    Answered {
        /// Which.
        status: u16,
        /// When it wants to be asked again.
        retry_after: Option<Duration>,
    },
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Silent(why) => f.write_str(why),
            Self::Answered { status, .. } => write!(f, "it answered {status}"),
        }
    }
}

impl Failure {
    /// Whether the message is at fault and not the webhook: others may be tried meanwhile.
    #[must_use]
    pub fn is_of_the_message(&self) -> bool {
        matches!(
            self,
            Self::Answered {
                status: 400 | 409 | 413 | 415 | 422,
                retry_after: None
            }
        )
    }

    fn asked(&self) -> Option<Duration> {
        match self {
            Self::Answered { retry_after, .. } => retry_after.map(|asked| asked.min(ASKED_MAX)),
            Self::Silent(_) => None,
        }
    }
}

/// What a failure means for the webhook.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// It is tried again.
    Again,
    /// It is parked from this moment on.
    Parked,
    /// It said that it is gone for good.
    Gone,
}

/// How long after so many failures, 0 for the first.
#[must_use]
pub fn wait(failures: u32) -> Duration {
    WAIT_FIRST
        .saturating_mul(1 << failures.min(16))
        .min(WAIT_MAX)
}

/// What is known of a webhook after a failure.
#[must_use]
pub fn after(before: Condition, failure: &Failure, now: UtcTime) -> (Condition, Step) {
    let since = before.failing_since.unwrap_or(now);
    let mut next = Condition {
        failing_since: Some(since),
        ..before
    };
    if matches!(failure, Failure::Answered { status: 410, .. }) {
        return (next, Step::Gone);
    }
    let dead = now.since(since) >= PARKED_AFTER;
    let step = if dead && before.parked_at.is_none() {
        next.parked_at = Some(now);
        Step::Parked
    } else {
        Step::Again
    };
    let asked = failure.asked();
    if next.parked_at.is_some() {
        next.next_at = now + asked.unwrap_or_default().max(PARKED_EVERY);
    } else if let Some(asked) = asked {
        next.next_at = before.next_at.max(now + asked);
    } else if !failure.is_of_the_message() && before.next_at <= now {
        // Those that were on their way together fail together, and count once.
        next.next_at = now + wait(before.failures);
        next.failures = before.failures.saturating_add(1);
    }
    (next, step)
}

/// Reads `Retry-After`: seconds, or a date as HTTP writes it.
#[must_use]
pub fn retry_after(text: &str, now: UtcTime) -> Option<Duration> {
    let text = text.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    // "Sun, 06 Nov 1994 08:49:37 GMT"
    let words: Vec<_> = text.split_whitespace().collect();
    let [_, day, month, year, time, "GMT"] = words[..] else {
        return None;
    };
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let month = MONTHS.iter().position(|name| *name == month)? + 1;
    let at: UtcTime = format!("{year}-{month:02}-{day:0>2}T{time}Z")
        .parse()
        .ok()?;
    Some(at.since(now))
}

/// The latest moment that anything is put off to. What stands after it was written by a clock that
/// had jumped ahead, and is due.
pub(super) fn latest(now: UtcTime) -> i64 {
    (now + PUT_OFF_MAX).unix_us()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noon() -> UtcTime {
        "2026-11-22T12:00:00Z".parse().unwrap()
    }

    fn silent() -> Failure {
        Failure::Silent("it hangs".to_owned())
    }

    fn answered(status: u16, seconds: Option<u64>) -> Failure {
        Failure::Answered {
            status,
            retry_after: seconds.map(Duration::from_secs),
        }
    }

    #[test]
    fn a_webhook_that_fails_is_waited_for_ever_longer_and_never_past_ten_minutes() {
        let (mut condition, mut now) = (Condition::default(), noon());
        let mut waits = Vec::new();
        for _ in 0..12 {
            condition = after(condition, &silent(), now).0;
            waits.push(condition.next_at.since(now).as_secs());
            now = condition.next_at;
        }
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 600, 600]);
    }

    #[test]
    fn those_that_fail_together_count_once() {
        let now = noon();
        let (first, _) = after(Condition::default(), &silent(), now);
        let (second, _) = after(first, &silent(), now);
        assert_eq!((first, first.failures), (second, 1));
    }

    #[test]
    fn what_it_asks_for_is_honoured_up_to_an_hour() {
        let now = noon();
        let wait = |failure| {
            let next = after(Condition::default(), &failure, now).0;
            next.next_at.since(now).as_secs()
        };
        assert_eq!(wait(answered(429, Some(90))), 90);
        assert_eq!(wait(answered(503, Some(1_000_000))), 3600);
        assert_eq!(wait(answered(503, None)), 1);
    }

    #[test]
    fn a_message_that_is_refused_does_not_keep_the_others_back() {
        let now = noon();
        let (next, step) = after(Condition::default(), &answered(422, None), now);
        assert!(next.next_at <= now && step == Step::Again);
        assert_eq!(next.failing_since, Some(now), "it still took nothing");
    }

    #[test]
    fn after_a_day_of_nothing_it_is_parked_once_and_tried_hourly() {
        let (first, _) = after(Condition::default(), &silent(), noon());
        let almost = noon() + PARKED_AFTER - Duration::from_secs(1);
        assert_eq!(after(first, &silent(), almost).1, Step::Again);
        let day = noon() + PARKED_AFTER;
        let (parked, step) = after(first, &silent(), day);
        assert_eq!((step, parked.parked_at), (Step::Parked, Some(day)));
        assert_eq!(parked.next_at, day + PARKED_EVERY);
        let (still, step) = after(parked, &silent(), parked.next_at);
        assert_eq!((step, still.parked_at), (Step::Again, Some(day)));
    }

    #[test]
    fn one_that_says_that_it_is_gone_is_ended() {
        let (_, step) = after(Condition::default(), &answered(410, None), noon());
        assert_eq!(step, Step::Gone);
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = noon();
        let seconds = |text| retry_after(text, now).map(|wait| wait.as_secs());
        assert_eq!(seconds("120"), Some(120));
        assert_eq!(seconds("Sun, 22 Nov 2026 12:01:30 GMT"), Some(90));
        assert_eq!(seconds("Sun, 22 Nov 2026 11:00:00 GMT"), Some(0), "past");
        for wrong in ["", "soon", "-5", "1.5", "Sun, 22 Abc 2026 12:01:30 GMT"] {
            assert_eq!(seconds(wrong), None, "{wrong}");
        }
    }
}
