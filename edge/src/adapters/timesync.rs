//! Whether the system's clock is kept right: asks chrony, or else systemd, which knows of every
//! other daemon by the kernel's own flag.

use std::fmt::Debug;
use std::io::Read as _;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use super::child::end_within;

/// Longest wait for a program's answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(3);
/// Longest answer that is read.
const ANSWER_BYTES_MAX: u64 = 4096;
/// Error of a clock that systemd vouches for without saying how well.
const ERROR_UNSAID: Duration = Duration::from_millis(250);
/// A clock that may be further off than this is not kept.
const ERROR_MAX: Duration = Duration::from_secs(1);

/// Whether anybody keeps the system's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeState {
    /// Somebody does, with at most this error.
    Synchronised(Duration),
    /// Nobody does.
    Unsynchronised,
    /// No program that would know is there. This counts as nobody.
    Unknown,
}

impl TimeState {
    /// The error that is vouched for.
    #[must_use]
    pub fn vouched(self) -> Option<Duration> {
        match self {
            Self::Synchronised(error) => Some(error),
            Self::Unsynchronised | Self::Unknown => None,
        }
    }
}

/// Who is asked; tests bring their own.
pub trait TimeSync: Debug + Send + Sync {
    /// How the clock is now. It may take seconds.
    fn ask(&self) -> TimeState;
}

/// One for several threads.
pub type SharedTimeSync = Arc<dyn TimeSync>;

/// The programs of this box.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemTimeSync;

impl TimeSync for SystemTimeSync {
    fn ask(&self) -> TimeState {
        let chrony = answer("chronyc", &["-n", "-c", "tracking"]).map(|text| by_chrony(&text));
        if let Some(known @ TimeState::Synchronised(_)) = chrony {
            return known;
        }
        let asked = ["show", "--property=NTPSynchronized", "--value"];
        let systemd = answer("timedatectl", &asked).map(|text| by_systemd(&text));
        match (systemd, chrony) {
            (Some(known), _) if known != TimeState::Unknown => known,
            (_, Some(known)) => known,
            _ => TimeState::Unknown,
        }
    }
}

/// The line of `chronyc -c tracking`: 14 values with commas, among them the offset, the delay
/// and dispersion to the root in seconds, and last whether the clock is kept.
fn by_chrony(line: &str) -> TimeState {
    let values: Vec<&str> = line.trim().split(',').collect();
    let [_, _, stratum, _, offset, .., delay, dispersion, _, leap] = values[..] else {
        return TimeState::Unknown;
    };
    let seconds = |text: &str| text.parse::<f64>().map_or(f64::INFINITY, f64::abs);
    let error = seconds(offset) + seconds(dispersion) + seconds(delay) / 2.0;
    if leap == "Not synchronised" || stratum == "0" || error > ERROR_MAX.as_secs_f64() {
        return TimeState::Unsynchronised;
    }
    TimeState::Synchronised(Duration::from_secs_f64(error))
}

fn by_systemd(answer: &str) -> TimeState {
    match answer.trim() {
        "yes" => TimeState::Synchronised(ERROR_UNSAID),
        "no" => TimeState::Unsynchronised,
        _ => TimeState::Unknown,
    }
}

/// What a program prints; none when it is not there, fails, or does not end.
fn answer(program: &str, arguments: &[&str]) -> Option<String> {
    let mut child = Command::new(program)
        .args(arguments)
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    let status = end_within(&mut child, ANSWER_WITHIN)?;
    let mut text = String::new();
    let output = child.stdout.take()?;
    output
        .take(ANSWER_BYTES_MAX)
        .read_to_string(&mut text)
        .ok()?;
    status.success().then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chronys_line_gives_the_error_and_whether_it_keeps_the_clock() {
        let kept = "C0248F97,192.36.143.151,2,1795336200.123,0.000020,-0.000010,0.00003,-15.3,\
                    0.002,0.05,0.020000,0.001000,64.3,Normal\n";
        let TimeState::Synchronised(error) = by_chrony(kept) else {
            panic!("not taken as kept");
        };
        assert_eq!(error.as_micros(), 11_020);
        let lost = kept.replace("Normal", "Not synchronised");
        assert_eq!(by_chrony(&lost), TimeState::Unsynchronised);
        let wide = kept.replace("0.001000", "2.5");
        assert_eq!(by_chrony(&wide), TimeState::Unsynchronised);
        for broken in ["", "506 Cannot talk to daemon", "a,b,c"] {
            assert_eq!(by_chrony(broken), TimeState::Unknown, "{broken}");
        }
        let garbled = kept.replace("0.020000", "NaN?");
        assert_eq!(by_chrony(&garbled), TimeState::Unsynchronised);
    }

    #[test]
    fn systemds_answer_is_taken_at_its_word_alone() {
        assert_eq!(by_systemd("yes\n"), TimeState::Synchronised(ERROR_UNSAID));
        assert_eq!(by_systemd("no\n"), TimeState::Unsynchronised);
        assert_eq!(by_systemd("System has not been booted"), TimeState::Unknown);
    }

    #[test]
    fn a_program_that_is_missing_fails_or_never_ends_says_nothing() {
        assert_eq!(answer("varco-no-such-program", &[]), None);
        assert_eq!(answer("false", &[]), None);
        assert_eq!(answer("sleep", &["60"]), None);
        assert_eq!(answer("echo", &["yes"]).as_deref(), Some("yes\n"));
    }
}
