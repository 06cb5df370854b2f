//! What the machine says of the time: its clock, and its uptime.

use std::fs;
use std::time::Duration;

use varco_proto::time::UtcTime;

use crate::machine::stopwatch::Stopwatch;
use crate::timekeeping::{Clock as _, SystemClock};

/// The kernel's own: since the boot, with what the machine slept through.
const UPTIME_FILE: &str = "/proc/uptime";
/// Another at each boot.
const BOOT_FILE: &str = "/proc/sys/kernel/random/boot_id";
/// Two readings further apart are not of one moment.
const APART_MAX: Duration = Duration::from_millis(200);
const READ_TRIES: u32 = 5;

/// The system's clock and the uptime of one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moment {
    /// The system's clock. It may be set by anybody.
    pub system: UtcTime,
    /// Time since the boot, which nobody sets.
    pub uptime: Duration,
}

/// What stands for a boot that is not told: its uptime alone tells it from others.
const BOOT_UNTOLD: &str = "untold";

/// Where times come from; tests bring their own.
pub trait Source: Send + Sync + 'static {
    /// Both clocks now.
    fn moment(&self) -> Moment;

    /// Which boot this is; none when the machine has no uptime to remember by.
    fn boot(&self) -> Option<String>;
}

/// This machine.
#[derive(Debug)]
pub struct Machine {
    /// Counts where there is no uptime.
    since: Stopwatch,
    has_uptime: bool,
}

impl Machine {
    /// Of this process.
    #[must_use]
    pub fn new() -> Self {
        Self {
            since: Stopwatch::start(),
            has_uptime: uptime().is_some(),
        }
    }

    fn steady(&self) -> Duration {
        let known = self.has_uptime.then(uptime).flatten();
        known.unwrap_or_else(|| self.since.elapsed())
    }
}

impl Default for Machine {
    fn default() -> Self {
        Self::new()
    }
}

impl Source for Machine {
    fn moment(&self) -> Moment {
        let read = || {
            let (before, system) = (self.steady(), SystemClock.now());
            let apart = self.steady().saturating_sub(before);
            let uptime = before;
            (apart <= APART_MAX, Moment { system, uptime })
        };
        let together = (0..READ_TRIES).map(|_| read()).find(|(one, _)| *one);
        together.unwrap_or_else(read).1
    }

    fn boot(&self) -> Option<String> {
        let text = fs::read_to_string(BOOT_FILE).unwrap_or_default();
        let told = Some(text.trim()).filter(|boot| !boot.is_empty());
        let boot = told.unwrap_or(BOOT_UNTOLD).to_owned();
        self.has_uptime.then_some(boot)
    }
}

/// The kernel's uptime. It is read from its file: what sets the clocks of a process sets no file.
fn uptime() -> Option<Duration> {
    parse(&fs::read_to_string(UPTIME_FILE).ok()?)
}

fn parse(text: &str) -> Option<Duration> {
    let seconds: f64 = text.split_whitespace().next()?.parse().ok()?;
    Duration::try_from_secs_f64(seconds).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uptime_is_the_first_number_of_its_file() {
        assert_eq!(
            parse("802.76 252.90\n"),
            Some(Duration::from_millis(802_760))
        );
        for none in ["", "x", "-3 4", "NaN"] {
            assert_eq!(parse(none), None, "{none}");
        }
    }

    #[test]
    fn the_machine_has_both_clocks_and_they_go_on() {
        let machine = Machine::new();
        let (first, then) = (machine.moment(), machine.moment());
        assert!(then.uptime >= first.uptime);
        assert_eq!(machine.boot(), machine.boot());
    }
}
