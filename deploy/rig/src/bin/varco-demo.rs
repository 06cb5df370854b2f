//! Camera, edge, broker and hub on this machine; see `deploy/demo`.
#![expect(
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "the demo talks to a person"
)]

use std::process::ExitCode;

use clap::Parser;
use varco_rig::demo;

/// Shows Varco at work on this machine: a simulated camera, an edge, a broker and a hub.
///
/// Vehicles drive before the camera; what is read appears as it happens. Without --once it goes on
/// until Ctrl-C. Ports and folders are its own, and it removes them when it ends.
#[derive(Debug, Parser)]
#[command(name = "deploy/demo", version)]
struct Arguments {
    #[command(flatten)]
    wish: demo::Wish,
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let outcome = match demo::run(&arguments.wish).await {
        Ok(Some(outcome)) => outcome,
        Ok(None) => return ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            return ExitCode::FAILURE;
        }
    };
    if arguments.wish.json {
        match serde_json::to_string_pretty(&outcome) {
            Ok(text) => println!("{text}"),
            Err(error) => eprintln!("error: {error}"),
        }
    } else {
        println!("{}", demo::table(&outcome));
    }
    if outcome.worked() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
