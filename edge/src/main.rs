//! `varco-edge`: reads plates beside a camera and sends sealed transits to a hub.

use std::os::unix::process::CommandExt as _;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use varco_edge::adapters::folder_lock::FolderLockError;
use varco_edge::adapters::onnx;
use varco_edge::commands::{bench, check, conform, enrol, evaluate, read, run};
use varco_edge::logging::{self, LogFormat};
use varco_proto::config::Faults;

/// `EX_CONFIG` of sysexits: systemd need not start again what a person must mend first.
const EXIT_CONFIG: u8 = 78;
/// `EX_TEMPFAIL`: another edge works there; it may go later.
const EXIT_HELD: u8 = 75;

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

/// Begins the program anew, as the same process, with what keeps ONNX Runtime from reporting to its
/// maker. A program may not change its own environment while threads could read it.
fn silence() {
    if !onnx::is_silenced()
        && let Ok(program) = std::env::current_exe()
    {
        let mut words = std::env::args_os();
        let mut command = std::process::Command::new(program);
        if let Some(name) = words.next() {
            command.arg0(name);
        }
        // It comes back only when it failed; then no model is loaded, which says why.
        let _ = command.args(words).env(onnx::SILENCE_VARIABLE, "1").exec();
    }
}

fn main() -> ExitCode {
    silence();
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
            if error.downcast_ref::<Faults>().is_some() {
                return ExitCode::from(EXIT_CONFIG);
            }
            match error.downcast_ref::<FolderLockError>() {
                Some(FolderLockError::Held { .. }) => ExitCode::from(EXIT_HELD),
                _ => ExitCode::FAILURE,
            }
        }
    }
}
