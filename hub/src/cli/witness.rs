//! `varco-hub witness`: somebody else's machine cosigns the checkpoints of a hub's audit.

use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
use clap::Subcommand;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use super::output::{Output, json};
use super::run::log_to_stderr;
use crate::certificates::tls;
use crate::machine::files;
use crate::timekeeping::SystemClock;
use crate::tlog::checkpoint::Checkpoint;
use crate::tlog::note::{Note, NoteKey};
use crate::web::server;
use crate::web::witness::{WitnessDesk, serve_witness};
use crate::witnessing::settings::{NewWitness, WitnessFolder, WitnessTls};

/// `witness`.
#[derive(Debug, Subcommand)]
pub enum WitnessCommand {
    /// Make a witness: a folder with a key of its own. Prints the key that the hub's hub.toml names.
    Init {
        /// A new folder, on a machine that whoever runs the hub has no hand on.
        #[arg(long, value_name = "DIR")]
        folder: PathBuf,
        /// The name that it signs by, without blanks and +: best one that nobody else bears, like a host's.
        #[arg(long, value_name = "NAME")]
        name: String,
        /// Where it listens.
        #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:9470")]
        listen: SocketAddr,
        /// The key of a log that it cosigns, as `varco-hub audit key` prints it; may be given several times.
        #[arg(long, value_name = "NAME+HASH+KEY", required = true)]
        log: Vec<NoteKey>,
    },
    /// Cosign until SIGTERM or SIGINT. Logs go to standard error.
    Run {
        /// Its folder.
        #[arg(long, value_name = "DIR")]
        folder: PathBuf,
    },
    /// Show its key, what it cosigned last of each log, and how many requests showed a fork.
    Show {
        /// Its folder.
        #[arg(long, value_name = "DIR")]
        folder: PathBuf,
    },
    /// Print the checkpoints that it cosigned, of each hour the last, for `audit verify --checkpoint`.
    Checkpoint {
        /// Its folder.
        #[arg(long, value_name = "DIR")]
        folder: PathBuf,
        /// Of this log; of all when left out.
        #[arg(long, value_name = "NAME")]
        log: Option<String>,
    },
}

/// Does what it says.
///
/// # Errors
/// What is wrong, and what to do.
pub(super) fn witness(
    command: WitnessCommand,
    output: Output,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    let at = |folder: PathBuf| -> anyhow::Result<WitnessFolder> {
        Ok(WitnessFolder::at(&std::path::absolute(folder)?))
    };
    match command {
        WitnessCommand::Init {
            folder,
            name,
            listen,
            log,
        } => {
            let folder = at(folder)?;
            let new = NewWitness {
                name,
                listen,
                logs: log,
            };
            let key = folder.init(&new)?.to_string();
            if output.json {
                return Ok(json(out, &serde_json::json!({ "key": key }))?);
            }
            writeln!(
                out,
                "Made a witness. Write into hub.toml of the hub:\n  [[audit.witnesses]]\n  address = \
                 \"http://{listen}\"\n  key = \"{key}\""
            )?;
        }
        WitnessCommand::Run { folder } => run(&at(folder)?)?,
        WitnessCommand::Show { folder } => show(&at(folder)?, output, out)?,
        WitnessCommand::Checkpoint { folder, log } => {
            let folder = at(folder)?;
            let witness = folder.open(&folder.config()?)?;
            json(out, &witness.cosigned(log.as_deref())?)?;
        }
    }
    Ok(())
}

fn show(folder: &WitnessFolder, output: Output, out: &mut impl Write) -> anyhow::Result<()> {
    let config = folder.config()?;
    let witness = folder.open(&config)?;
    let mut logs = Vec::new();
    for log in &config.logs {
        let last = witness.cosigned(Some(log.name()))?.pop();
        let last = last.map(|note| Note::parse(&note)).transpose()?;
        let size = last.as_ref().map(Checkpoint::of).transpose()?;
        let size = size.map(|checkpoint| checkpoint.head.size);
        let signed = last.map(|note| note.signed_by(witness.public()));
        let at_s = signed.transpose()?.flatten().and_then(|signed| signed.at_s);
        logs.push(serde_json::json!({ "log": log.name(), "lines": size, "at_s": at_s }));
    }
    let shown = serde_json::json!({
        "key": witness.public().to_string(),
        "listen": config.listen,
        "logs": logs,
        "evidence": witness.evidence()?,
    });
    if output.json {
        return Ok(json(out, &shown)?);
    }
    writeln!(out, "key     {}", witness.public())?;
    writeln!(out, "listen  {}", config.listen)?;
    for log in &logs {
        writeln!(out, "log     {log}")?;
    }
    let forks = witness.evidence()?.len();
    writeln!(out, "{forks} requests showed a fork; --json prints them.")?;
    Ok(())
}

fn shown(files: &WitnessTls) -> anyhow::Result<rustls::ServerConfig> {
    let certificate = files::read_text(&files.certificate_file)?;
    let key = files::read_text(&files.key_file)?;
    Ok(tls::server(&certificate, &key)?)
}

fn run(folder: &WitnessFolder) -> anyhow::Result<()> {
    log_to_stderr();
    let config = folder.config()?;
    let witness = Arc::new(folder.open(&config)?);
    let tls = config.tls.as_ref().map(shown).transpose()?;
    let listener = server::listen(config.listen)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    runtime.block_on(async {
        let (stop, stopping) = watch::channel(false);
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        tokio::spawn(async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            tracing::info!("stopping");
            // Whoever does not listen has stopped already.
            let _ = stop.send(true);
        });
        let desk = WitnessDesk {
            witness,
            clock: Arc::new(SystemClock),
            told: None,
        };
        serve_witness(listener, tls, desk, stopping).await?;
        Ok(())
    })
}
