//! `varco-hub bench`.

use std::io::Write;
use std::path::PathBuf;

use clap::Args;

use super::output::Output;
use crate::bench::{self, BenchSettings};

/// `bench`.
#[derive(Debug, Args)]
pub struct Bench {
    /// What is measured.
    #[arg(value_enum)]
    pub what: BenchKind,
    /// Transits stored beforehand, spread over the seven days; a million takes some 0.5 GB.
    #[arg(long, value_name = "N", default_value_t = 1_000_000,
        value_parser = clap::value_parser!(u64).range(1000..=100_000_000))]
    pub rows: u64,
    /// Lookups of each kind.
    #[arg(long, value_name = "N", default_value_t = 500,
        value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub lookups: u32,
    /// Cameras that the transits are of.
    #[arg(long, value_name = "N", default_value_t = 1200,
        value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub cameras: u32,
    /// Folder in which a hub's home is made and removed again [default: the system's for
    /// temporary files]
    #[arg(long, value_name = "DIR")]
    pub folder: Option<PathBuf>,
    /// Which store is measured.
    #[arg(long, value_enum, default_value_t = BenchStore::Embedded)]
    pub store: BenchStore,
    /// Where PostgreSQL is; a schema is made in this database and dropped again.
    #[arg(
        long,
        value_name = "CONNECTION",
        default_value = "host=/run/postgresql dbname=varco user=varco"
    )]
    pub postgres: String,
    /// Hubs that take records in at once in PostgreSQL, besides one alone.
    #[arg(long, value_name = "N", default_value_t = 2,
        value_parser = clap::value_parser!(u32).range(1..=16))]
    pub hubs: u32,
}

/// What `bench` measures it in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum BenchStore {
    /// Files in a home.
    Embedded,
    /// A PostgreSQL that is there.
    Postgres,
}

/// What `bench` measures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum BenchKind {
    /// Records in, receipts out, against checking signatures and against storing alone.
    Intake,
    /// Lookups of each kind, while 250 transits a second come in.
    Lookup,
    /// Lookups, intake and expiry, one after the other over the same stored transits.
    All,
    /// A hotlist of N plates: what it costs intake, and how soon an alert is told.
    Alerts,
    /// N lines of the audit: to write one, to export all, and to check the export elsewhere.
    Audit,
    /// Judging N stored searches against misuse, and a simulated year in each of several worlds.
    Judgement,
    /// The end of the oldest day, while 250 transits a second come in.
    Retention,
}

/// Measures, and prints the figures.
///
/// # Errors
/// When a part does not work.
pub(super) fn bench(what: Bench, output: Output, out: &mut impl Write) -> anyhow::Result<()> {
    let settings = BenchSettings {
        rows: what.rows,
        lookups: what.lookups,
        cameras: what.cameras,
        folder: what.folder,
        postgres: (what.store == BenchStore::Postgres).then_some(what.postgres),
        hubs: what.hubs,
    };
    let figures = match what.what {
        BenchKind::Intake => serde_json::to_value(bench::intake(&settings)?)?,
        BenchKind::Lookup => serde_json::to_value(bench::lookup(&settings)?)?,
        BenchKind::All => serde_json::to_value(bench::all(&settings)?)?,
        BenchKind::Alerts => serde_json::to_value(bench::alerts(&settings)?)?,
        BenchKind::Audit => serde_json::to_value(bench::audit(&settings)?)?,
        BenchKind::Judgement => serde_json::to_value(bench::judgement(&settings)?)?,
        BenchKind::Retention => serde_json::to_value(bench::retention(&settings)?)?,
    };
    output.figures(out, &figures)?;
    Ok(())
}
