//! `varco-edge`: reads plates beside a camera and sends sealed transits to a hub.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use varco_edge::commands::{bench, evaluate, read};

/// Read number plates beside a camera and send sealed transits to a hub.
#[derive(Debug, Parser)]
#[command(name = "varco-edge", version, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Read(read::ReadArgs),
    Evaluate(evaluate::EvaluateArgs),
    Bench(bench::BenchArgs),
}

fn main() -> ExitCode {
    let ended = match Cli::parse().command {
        Command::Read(args) => read::run(&args),
        Command::Evaluate(args) => evaluate::run(&args),
        Command::Bench(args) => bench::run(&args),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            #[expect(clippy::print_stderr, reason = "the command's own message to its caller")]
            {
                eprintln!("varco-edge: {error:#}");
            }
            ExitCode::FAILURE
        }
    }
}
