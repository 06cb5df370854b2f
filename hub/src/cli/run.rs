//! `varco-hub run`: the runtime, the logs and the signals.

use std::io::IsTerminal as _;
use std::sync::Arc;

use anyhow::Context as _;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tracing_subscriber::EnvFilter;

use crate::home::Home;
use crate::opening::clock;
use crate::running;
use crate::timekeeping::{self, SystemKeeper};
use crate::timekeeping::{Clock as _, SystemClock};

/// Runs the hub, the first or a further one of its home, until SIGTERM or SIGINT.
///
/// # Errors
/// When it cannot start, or its server breaks off.
pub fn run(home: &Home, number: u32) -> anyhow::Result<()> {
    log_to_stderr();
    // The configuration is checked before anything is opened, so that its faults come first.
    let config = home.config()?;
    let hubs = config.hubs;
    let config = config
        .numbered(number)
        .with_context(|| format!("`[store] hubs` says that there are {hubs}"))?;
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
        // What the clock remembers is asked only by who holds the home: the moment is told, not relied on.
        let beginning = running::begin(home, &config, SystemClock.now())?;
        let clock = clock::of(home)?;
        let keeper = Arc::new(SystemKeeper);
        tokio::spawn(timekeeping::keep(clock.clone(), keeper, stopping.clone()));
        running::run(home, &config, beginning, clock, stopping).await?;
        Ok(())
    })
}

/// Sends the logs to standard error; `RUST_LOG` sets their detail.
pub(super) fn log_to_stderr() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let colours = std::io::stderr().is_terminal();
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(colours)
        .init();
}
