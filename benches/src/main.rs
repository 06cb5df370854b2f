//! Speeds that can be compared on any machine: each as a ratio to a floor measured in the same run.
#![expect(
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "a tool that talks to a person"
)]

mod envelope;
mod growth;
mod intake;
mod soak;
mod spool;

use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};
use serde::Serialize;
use varco_rig::clock;

/// Measures parts of Varco against their floors. Run it with `--release`, on a quiet machine.
///
/// The reading of pictures is measured by `varco-edge bench`.
#[derive(Debug, Parser)]
#[command(name = "varco-bench", version)]
struct Arguments {
    #[command(subcommand)]
    part: Part,
    /// Print one JSON object
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Part {
    /// Sealing and opening a transit, against the bare signature
    Envelope {
        /// Rounds of each
        #[arg(long, default_value_t = 5000)]
        rounds: u32,
    },
    /// Sealing into the spool, durably, against SQLite's bare durable insert of the same bytes
    Spool {
        /// Records of each
        #[arg(long, default_value_t = 500)]
        rounds: u32,
    },
    /// Records through MQTT into a hub and receipts back, against verifying and storing alone
    ///
    /// Needs mosquitto, `VARCO_MODELS` and `ORT_DYLIB_PATH`, as the soak does.
    Intake(intake::Settings),
    /// Draws how the hub's figures grow: several `varco-hub bench all --json` side by side
    Growth(growth::Settings),
    /// Hours of traffic through camera, edge, broker and hub: memory and processor time
    ///
    /// Ask for it as deploy/test does: `VARCO_MODELS` and `ORT_DYLIB_PATH` say where models and
    /// ONNX Runtime are.
    Soak(soak::Settings),
}

/// One measured thing and its floor.
#[derive(Debug, Serialize)]
struct Speed {
    name: &'static str,
    per_second: f64,
    floor: &'static str,
    floor_per_second: f64,
    /// `per_second / floor_per_second`; 1 would be no cost above the floor.
    ratio_to_floor: f64,
}

impl Speed {
    fn new(
        name: &'static str,
        per_second: f64,
        floor: &'static str,
        floor_per_second: f64,
    ) -> Self {
        let ratio_to_floor = per_second / floor_per_second;
        Self {
            name,
            per_second,
            floor,
            floor_per_second,
            ratio_to_floor,
        }
    }
}

/// How often a second `work` can be done: the best of three runs, so that a busy neighbour counts
/// less.
fn per_second(rounds: u32, mut work: impl FnMut(u32) -> anyhow::Result<()>) -> anyhow::Result<f64> {
    let mut best = Duration::MAX;
    for _ in 0..3 {
        let begin = clock::instant();
        for round in 0..rounds {
            work(round)?;
        }
        best = best.min(begin.elapsed());
    }
    Ok(f64::from(rounds) / best.as_secs_f64())
}

fn tell_soak(settings: &soak::Settings, json: bool) -> ExitCode {
    match soak::run(settings) {
        Ok(courses) if json => println!("{}", serde_json::json!({ "processes": courses })),
        Ok(courses) => {
            for course in courses {
                println!("{course}");
            }
        }
        Err(error) => {
            eprintln!("error: {error:#}");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

fn tell_intake(settings: &intake::Settings, json: bool) -> ExitCode {
    match intake::run(settings) {
        Ok(figures) if json => println!("{}", serde_json::json!(figures)),
        Ok(figures) => println!("{figures}"),
        Err(error) => {
            eprintln!("error: {error:#}");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let speeds = match arguments.part {
        Part::Envelope { rounds } => envelope::measure(rounds),
        Part::Spool { rounds } => spool::measure(rounds),
        Part::Intake(settings) => return tell_intake(&settings, arguments.json),
        Part::Growth(settings) => growth::growth(&settings).map(|()| Vec::new()),
        Part::Soak(settings) => return tell_soak(&settings, arguments.json),
    };
    match speeds {
        Ok(speeds) if arguments.json => println!("{}", serde_json::json!({ "speeds": speeds })),
        Ok(speeds) => {
            for speed in speeds {
                println!(
                    "{:<22} {:>10.0} /s   {:.2} of {} ({:.0} /s)",
                    speed.name,
                    speed.per_second,
                    speed.ratio_to_floor,
                    speed.floor,
                    speed.floor_per_second
                );
            }
        }
        Err(error) => {
            eprintln!("error: {error:#}");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}
