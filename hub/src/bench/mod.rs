//! `varco-hub bench`: how fast lookups are and how long an expiry holds others up, on made-up
//! transits in a folder that goes afterwards. It touches no home of anybody.

mod alerts;
mod audit;
mod authorising;
mod fill;
mod intake;
mod judgement;
mod lookup;
mod retention;
mod senders;

use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;

pub use alerts::{AlertFigures, alerts};
pub use audit::{AuditFigures, audit};
pub use intake::{IntakeFigures, intake};
pub use judgement::{JudgementFigures, judgement};
pub use lookup::{LookupFigures, lookup};
pub use retention::{RetentionFigures, retention};

/// How much, and where.
#[derive(Debug, Clone)]
pub struct BenchSettings {
    /// Transits stored beforehand.
    pub rows: u64,
    /// Lookups of each kind.
    pub lookups: u32,
    /// Cameras that the transits are of.
    pub cameras: u32,
    /// Where the home is made; the system's temporary folder when none.
    pub folder: Option<PathBuf>,
    /// A PostgreSQL to measure, as a connection string; the home's own store when none.
    pub postgres: Option<String>,
    /// Hubs that take records in at once, each with its share of the edges, when intake is measured
    /// in PostgreSQL.
    pub hubs: u32,
}

/// Intake, lookups and expiry over the same stored transits.
#[derive(Debug, Serialize)]
pub struct AllFigures {
    /// Transits that come in.
    pub intake: IntakeFigures,
    /// Lookups while more come in.
    pub lookup: LookupFigures,
    /// The end of the oldest day, while more come in.
    pub retention: RetentionFigures,
}

/// Measures all three in one run.
///
/// # Errors
/// When a part does not work.
pub fn all(settings: &BenchSettings) -> anyhow::Result<AllFigures> {
    let folder = fill_folder(settings)?;
    let filled = fill::fill(folder.path(), settings)?;
    Ok(AllFigures {
        lookup: lookup::lookup_on(&filled, settings)?,
        intake: intake::intake_on(&filled, settings.hubs)?,
        retention: retention::retention_on(&filled)?,
    })
}

/// Quantiles of times in milliseconds.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Quantiles {
    /// Half are shorter.
    pub p50_ms: f64,
    /// Ninety-nine of a hundred are shorter.
    pub p99_ms: f64,
    /// The longest.
    pub most_ms: f64,
}

impl Quantiles {
    fn of(mut times: Vec<Duration>) -> Self {
        times.sort_unstable();
        let at = |hundredths: usize| {
            let place = (times.len() * hundredths).div_ceil(100).saturating_sub(1);
            times.get(place).map_or(0.0, |t| t.as_secs_f64() * 1e3)
        };
        Self {
            p50_ms: at(50),
            p99_ms: at(99),
            most_ms: at(100),
        }
    }
}

/// The folder that everything is made in, and that goes afterwards.
fn fill_folder(settings: &BenchSettings) -> std::io::Result<tempfile::TempDir> {
    let mut builder = tempfile::Builder::new();
    builder.prefix("varco-hub-bench-");
    match &settings.folder {
        Some(folder) => builder.tempdir_in(folder),
        None => builder.tempdir(),
    }
}

/// What this process holds of the memory, in MiB; none where the kernel does not tell.
fn memory_mib() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u32 = line.split_whitespace().next()?.parse().ok()?;
    Some(f64::from(kib) / 1024.0)
}

/// A count as a number to divide by.
fn number(count: u64) -> f64 {
    u32::try_from(count).map_or(f64::INFINITY, f64::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_values_that_occurred() {
        let times = (1..=200).rev().map(Duration::from_millis).collect();
        let found = Quantiles::of(times);
        let near = |a: f64, b: f64| (a - b).abs() < 1e-9;
        assert!(near(found.p50_ms, 100.0) && near(found.p99_ms, 198.0));
        assert!(near(found.most_ms, 200.0) && memory_mib().is_some());
        assert!(near(Quantiles::of(Vec::new()).p99_ms, 0.0));
    }
}
