//! Who keeps the system's clock right: chrony, or systemd, which knows of every other program by the
//! kernel's own flag.

use std::io::Read as _;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use crate::machine::stopwatch::Stopwatch;

/// Longest wait for a program's answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(3);
/// How often it is looked whether the program has ended.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// Longest answer that is read.
const ANSWER_BYTES_MAX: u64 = 4096;
/// A clock that may be further off, in seconds, is not kept.
const ERROR_MAX_S: f64 = 1.0;

/// What a keeper of time says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Vouching {
    /// The system's clock is right.
    Yes,
    /// It is not, or that is not known.
    No,
    /// No program that would know is there. This counts as nobody.
    Nobody,
}

/// Who is asked; tests bring their own.
pub trait Keeper: Send + Sync + 'static {
    /// How the clock is now. It may take seconds.
    fn ask(&self) -> Vouching;
}

/// The programs of this machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemKeeper;

impl Keeper for SystemKeeper {
    fn ask(&self) -> Vouching {
        let chrony = answer("chronyc", &["-n", "-c", "tracking"]).map(|text| by_chrony(&text));
        if chrony == Some(Vouching::Yes) {
            return Vouching::Yes;
        }
        let asked = ["show", "--property=NTPSynchronized", "--value"];
        let systemd = answer("timedatectl", &asked).map(|text| by_systemd(&text));
        let said = systemd.filter(|said| *said != Vouching::Nobody).or(chrony);
        said.unwrap_or(Vouching::Nobody)
    }
}

/// The line of `chronyc -c tracking`: values with commas, third the stratum, fifth the offset, and last
/// the delay and the dispersion to the root in seconds, the interval, and whether the clock is kept.
fn by_chrony(line: &str) -> Vouching {
    let values: Vec<&str> = line.trim().split(',').collect();
    let [_, _, stratum, _, offset, .., delay, dispersion, _, leap] = values[..] else {
        return Vouching::Nobody;
    };
    let seconds = |text: &str| text.parse::<f64>().map_or(f64::INFINITY, f64::abs);
    let error = seconds(offset) + seconds(dispersion) + seconds(delay) / 2.0;
    let kept = leap != "Not synchronised" && stratum != "0" && error <= ERROR_MAX_S;
    if kept { Vouching::Yes } else { Vouching::No }
}

fn by_systemd(answer: &str) -> Vouching {
    match answer.trim() {
        "yes" => Vouching::Yes,
        "no" => Vouching::No,
        _ => Vouching::Nobody,
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

/// Waits for a program, and ends it when it takes too long.
fn end_within(child: &mut Child, longest: Duration) -> Option<ExitStatus> {
    let since = Stopwatch::start();
    while since.elapsed() < longest {
        if let Some(status) = child.try_wait().ok()? {
            return Some(status);
        }
        std::thread::sleep(LOOK_EVERY);
    }
    // It may end by itself meanwhile.
    let _ = child.kill();
    let _ = child.wait();
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chronys_line_says_whether_it_keeps_the_clock() {
        let kept = "C0248F97,192.36.143.151,2,1795336200.123,0.000020,-0.000010,0.00003,-15.3,\
                    0.002,0.05,0.020000,0.001000,64.3,Normal\n";
        assert_eq!(by_chrony(kept), Vouching::Yes);
        let lost = kept.replace("Normal", "Not synchronised");
        assert_eq!(by_chrony(&lost), Vouching::No);
        let wide = kept.replace("0.001000", "2.5");
        assert_eq!(by_chrony(&wide), Vouching::No);
        let garbled = kept.replace("0.020000", "NaN?");
        assert_eq!(by_chrony(&garbled), Vouching::No);
        for broken in ["", "506 Cannot talk to daemon", "a,b,c"] {
            assert_eq!(by_chrony(broken), Vouching::Nobody, "{broken}");
        }
    }

    #[test]
    fn systemd_is_taken_at_its_word_alone() {
        assert_eq!(by_systemd("yes\n"), Vouching::Yes);
        assert_eq!(by_systemd("no\n"), Vouching::No);
        let none = by_systemd("System has not been booted");
        assert_eq!(none, Vouching::Nobody);
    }

    #[test]
    fn a_program_that_is_missing_fails_or_never_ends_says_nothing() {
        assert_eq!(answer("varco-no-such-program", &[]), None);
        assert_eq!(answer("false", &[]), None);
        assert_eq!(answer("sleep", &["60"]), None);
        assert_eq!(answer("echo", &["yes"]).as_deref(), Some("yes\n"));
    }
}
