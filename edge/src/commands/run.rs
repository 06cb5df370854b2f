//! `varco-edge run`: cameras, nets, spool and uplink at work.

mod alarm;
mod guard;
mod renewal;
mod timekeeper;
mod watch;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use varco_proto::envelope::seal;
use varco_proto::ids::Digest;
use varco_proto::keys::SealingKey;

use self::alarm::Alarm;
use self::guard::Guard;
use self::renewal::Renewer;
use self::timekeeper::Timekeeper;
use self::watch::{Shared, Watch};
use super::parts;
use crate::adapters::capture::{self, CameraCapture};
use crate::adapters::clock::{SharedClock, SteadyClock, SystemClock};
use crate::adapters::onnx::Runtime;
use crate::adapters::spool::{Owner, SharedSpool, Spool};
use crate::adapters::timesync::SystemTimeSync;
use crate::adapters::uplink::{StatusSource, Uplink, UplinkSettings};
use crate::adapters::vault::Cipher;
use crate::config::Config;
use crate::core::pipeline::Pipeline;
use crate::core::track::TrackSettings;
use crate::logging;
use crate::status::{CameraCounters, ClockHealth, StatusReporter};

/// How long the daemon waits at its end for receipts of what it has just sent.
const DRAIN: Duration = Duration::from_secs(3);
/// How often records past their term are looked for.
const EXPIRE_EVERY: Duration = Duration::from_secs(60);
/// How often held records are tried again.
const RETRY_EVERY: Duration = Duration::from_secs(1);

/// Watch the cameras, read plates and send sealed transits to the hub, until SIGTERM or SIGINT.
///
/// What the hub has not yet stored stays in the spool and is sent at the next start. Exit code
/// 78: the configuration has faults, all of them are told; 1: anything else.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// Configuration in TOML, as `varco-hub edge add` writes it
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
}

/// Runs until a signal comes.
///
/// # Errors
/// What kept the daemon from starting: configuration, keys, models, spool, in this order. A
/// camera or a broker that cannot be reached is no such error.
pub fn run(args: &RunArgs) -> anyhow::Result<()> {
    let config = Config::load(&args.config)?;
    let steady = Arc::new(SteadyClock::new(SystemClock::shared()));
    let clock: SharedClock = steady.clone();
    let keys = parts::keys(&config)?;
    let key = Arc::new(keys.sealing);
    let uplink = UplinkSettings::new(&config.edge, &config.hub, &keys.tls_pem)?;
    let runtime = Runtime::load(config.models.onnxruntime_file.as_deref())?;
    let pipelines = pipelines(&config, &runtime)?;
    let model_digest = pipelines
        .first()
        .map_or(Digest::ZERO, Pipeline::model_digest);
    let spool = open_spool(&config, &key, keys.spool, &clock)?;
    capture::start()?;
    let depth = spool.depth()?;
    tracing::info!(
        edge.id = %config.edge,
        version = env!("CARGO_PKG_VERSION"),
        cameras = config.cameras.len(),
        spool.depth = depth.waiting,
        spool.last_sequence = depth.last_sequence,
        key.public = %key.opening_key(),
        "varco-edge starts"
    );
    let counters: Vec<_> = config.cameras.iter().map(|_| Arc::default()).collect();
    let health = Arc::new(ClockHealth::default());
    let status = status_source(
        &config,
        model_digest,
        &counters,
        &health,
        &spool,
        &key,
        &clock,
    );
    let stop = Arc::new(AtomicBool::new(false));
    let keeper = Timekeeper::new(
        steady,
        Arc::new(SystemTimeSync),
        config.clock,
        Arc::clone(&health),
    );
    let alarm = Alarm::new(spool.clone(), Arc::clone(&clock), config.tamper.clone());
    let guard = Guard::begin(&config, &args.config, model_digest, alarm.clone());
    let mut threads = vec![
        start_timekeeper(keeper, alarm.clone(), &stop)?,
        guard.start(&stop)?,
    ];
    for ((camera, pipeline), counters) in config.cameras.iter().zip(pipelines).zip(&counters) {
        let capture = CameraCapture::new(parts::camera_source(camera)?, Arc::clone(&clock));
        let shared = Shared {
            spool: spool.clone(),
            counters: Arc::clone(counters),
            clock: Arc::clone(&clock),
            health: Arc::clone(&health),
            alarm: alarm.clone(),
        };
        let watch = Watch::new(camera, capture, pipeline, shared);
        threads.push(start_thread(watch, &stop)?);
    }
    let renewer = Renewer {
        edge: config.edge.clone(),
        hub: config.hub.clone(),
        key: Arc::clone(&key),
        files: keys.files,
        clock: Arc::clone(&clock),
        health: Arc::clone(&health),
    };
    serve(uplink, &spool, renewer, status, &stop, threads)
}

fn open_spool(
    config: &Config,
    key: &Arc<SealingKey>,
    cipher: Cipher,
    clock: &SharedClock,
) -> anyhow::Result<SharedSpool> {
    let owner = Owner {
        edge: config.edge.clone(),
        key: Arc::clone(key),
        cipher,
        limits: config.spool,
    };
    let spool = Spool::open(&config.state_folder, owner, clock.now())?;
    Ok(SharedSpool::new(spool, Arc::clone(clock)))
}

/// One for each camera, with models of its own.
fn pipelines(config: &Config, runtime: &Runtime) -> anyhow::Result<Vec<Pipeline>> {
    let mut pipelines = Vec::new();
    for _ in &config.cameras {
        let vision = runtime.vision(&config.models.folder, 1).with_context(|| {
            let folder = config.models.folder.display();
            format!("cannot load the models of `{folder}`")
        })?;
        pipelines.push(Pipeline::new(vision, TrackSettings::default()));
    }
    Ok(pipelines)
}

fn start_thread(watch: Watch, stop: &Arc<AtomicBool>) -> anyhow::Result<JoinHandle<()>> {
    let stop = Arc::clone(stop);
    std::thread::Builder::new()
        .name(format!("camera {}", watch.camera()))
        .spawn(move || watch.run(&stop))
        .context("cannot start a camera's thread")
}

fn start_timekeeper(
    keeper: Timekeeper,
    alarm: Alarm,
    stop: &Arc<AtomicBool>,
) -> anyhow::Result<JoinHandle<()>> {
    let stop = Arc::clone(stop);
    std::thread::Builder::new()
        .name("clock".to_owned())
        .spawn(move || keeper.run(&alarm, &stop))
        .context("cannot start the clock's thread")
}

fn status_source(
    config: &Config,
    model_digest: Digest,
    counters: &[Arc<CameraCounters>],
    health: &Arc<ClockHealth>,
    spool: &SharedSpool,
    key: &Arc<SealingKey>,
    clock: &SharedClock,
) -> StatusSource {
    let cameras = config.cameras.iter().map(|camera| camera.id.clone());
    let cameras = cameras.zip(counters.iter().cloned());
    let mut reporter = StatusReporter::new(
        config.edge.clone(),
        model_digest,
        Arc::clone(health),
        cameras,
    );
    let (spool, key, clock) = (spool.clone(), Arc::clone(key), Arc::clone(clock));
    Box::new(move || {
        let depth = spool.depth().ok()?;
        let status = reporter.report(depth, clock.as_ref());
        Some(seal(&status, &key).envelope)
    })
}

/// The rest of the daemon's life: the uplink, the retries of a full spool, and the end.
fn serve(
    settings: UplinkSettings,
    spool: &SharedSpool,
    renewer: Renewer,
    status: StatusSource,
    stop: &AtomicBool,
    threads: Vec<JoinHandle<()>>,
) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .max_blocking_threads(2)
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    runtime.block_on(async {
        let (clock, health) = (Arc::clone(&renewer.clock), Arc::clone(&renewer.health));
        let uplink = Uplink::start(settings, spool.clone(), clock, status);
        let ended = tokio::select! {
            ended = until_signal(spool, &health, &threads) => ended,
            () = renewer.keep(&uplink) => Ok(()),
        };
        stop.store(true, Ordering::Relaxed);
        let joined = tokio::task::spawn_blocking(move || {
            threads.into_iter().all(|thread| thread.join().is_ok())
        });
        let whole = joined.await.unwrap_or(false);
        let (held, lost) = spool.held_and_lost();
        if let Err(error) = spool.retry() {
            tracing::error!(error = %logging::chain(&error), held, "records held in memory are lost");
        }
        uplink.stop(DRAIN).await;
        let left = spool.depth().map_or(0, |depth| depth.waiting);
        tracing::info!(
            spool.depth = left,
            lost,
            "varco-edge ends; the spool keeps what is left"
        );
        ended?;
        anyhow::ensure!(whole, "a camera's thread failed; its message stands above");
        Ok(())
    })
}

async fn until_signal(
    spool: &SharedSpool,
    health: &ClockHealth,
    threads: &[JoinHandle<()>],
) -> anyhow::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut term = signal(SignalKind::terminate()).context("cannot wait for SIGTERM")?;
    let mut int = signal(SignalKind::interrupt()).context("cannot wait for SIGINT")?;
    let mut retry = tokio::time::interval(RETRY_EVERY);
    let mut expiry = tokio::time::interval(EXPIRE_EVERY);
    loop {
        tokio::select! {
            _ = term.recv() => return Ok(()),
            _ = int.recv() => return Ok(()),
            // By a clock that nobody vouched for, all might seem old.
            _ = expiry.tick(), if health.is_good.load(Ordering::Relaxed) => {
                let spool = spool.clone();
                let expired = tokio::task::spawn_blocking(move || spool.expire()).await;
                if let Ok(Err(error)) = expired {
                    tracing::error!(error = %logging::chain(&error), "old records cannot go");
                }
            }
            _ = retry.tick() => {
                let spool = spool.clone();
                // Its failure was told when the record was held.
                let _ = tokio::task::spawn_blocking(move || spool.retry()).await;
                // A camera without its thread is blind: systemd starts the whole anew.
                anyhow::ensure!(
                    !threads.iter().any(JoinHandle::is_finished),
                    "a camera's, the clock's or the guard's thread ended by itself"
                );
            }
        }
    }
}
