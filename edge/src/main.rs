//! `varco-edge`: reads plates beside a camera and sends sealed transits to a hub.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use varco_edge::commands::{bench, check, conform, enrol, evaluate, read, run};
use varco_edge::logging::{self, LogFormat};
use varco_proto::config::Faults;

/// `EX_CONFIG` of sysexits: systemd need not start again what a person must mend first.
const EXIT_CONFIG: u8 = 78;

/// Read number plates beside a camera and send sealed transits to a hub.
#[derive(Debug, Parser)]
#[command(name = "varco-edge", version, arg_required_else_help = true)]
struct Cli {
    /// How log lines are written, on standard error; `RUST_LOG` says which
    #[arg(long, global = true, value_enum, default_value_t)]
    log_format: LogFormat,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Run(run::RunArgs),
    Check(check::CheckArgs),
    Enrol(enrol::EnrolArgs),
    Conform(conform::ConformArgs),
    Read(read::ReadArgs),
    Evaluate(evaluate::EvaluateArgs),
    Bench(bench::BenchArgs),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    logging::start(cli.log_format);
    let ended = match cli.command {
        Command::Run(args) => run::run(&args),
        Command::Check(args) => check::run(&args),
        Command::Enrol(args) => enrol::run(&args),
        Command::Conform(args) => conform::run(&args),
        Command::Read(args) => read::run(&args),
        Command::Evaluate(args) => evaluate::run(&args),
        Command::Bench(args) => bench::run(&args),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            #[expect(
                clippy::print_stderr,
                reason = "the command's own message to its caller"
            )]
            {
                eprintln!("varco-edge: {error:#}");
            }
            match error.downcast_ref::<Faults>() {
                Some(_) => ExitCode::from(EXIT_CONFIG),
                None => ExitCode::FAILURE,
            }
        }
    }
}
