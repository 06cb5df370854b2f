//! The commands of `varco-edge`: they wire, and print.

pub mod bench;
mod camera_clock;
pub mod check;
mod clip;
pub mod conform;
pub mod enrol;
pub mod evaluate;
pub mod models;
mod parts;
pub mod read;
pub mod run;
mod table;
mod workers;

/// Most threads that a command starts.
const THREADS_MAX: usize = 64;

/// A number of threads, as flags take it.
fn threads(text: &str) -> Result<usize, String> {
    text.parse()
        .ok()
        .filter(|count| (1..=THREADS_MAX).contains(count))
        .ok_or_else(|| format!("a number from 1 to {THREADS_MAX}"))
}
