//! `varco-edge run`: cameras, nets, spool and uplink at work.

mod alarm;
pub(super) mod doors;
mod guard;
mod measure;
mod renewal;
mod reporter;
mod scene_memory;
mod taker;
mod timekeeper;
mod watch;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use varco_proto::ids::{CameraId, Digest};
use varco_proto::keys::SealingKey;

use self::alarm::Alarm;
use self::doors::Doors;
use self::guard::Guard;
use self::measure::Measure;
use self::renewal::Renewer;
use self::reporter::Reporter;
use self::scene_memory::SceneMemory;
use self::taker::{CountedReader, Outside, Taker};
use self::timekeeper::Timekeeper;
use self::watch::{Shared, Watch};
use super::parts;
use crate::adapters::capture::camera::CameraCapture;
use crate::adapters::capture::elements;
use crate::adapters::capture::logins::{CameraLogins, Trying};
use crate::adapters::clock::steady::SteadyClock;
use crate::adapters::clock::{SharedClock, SystemClock};
use crate::adapters::feed;
use crate::adapters::folder_lock::FolderLock;
use crate::adapters::http::{self, Bound, Serving};
use crate::adapters::onnx::Runtime;
use crate::adapters::random;
use crate::adapters::spool::Spool;
use crate::adapters::spool::owner::Owner;
use crate::adapters::spool::shared::SharedSpool;
use crate::adapters::systemd::Systemd;
use crate::adapters::timesync::SystemTimeSync;
use crate::adapters::uplink::{StatusSource, Uplink, UplinkSettings};
use crate::adapters::vault::Cipher;
use crate::config::Config;
use crate::core::pipeline::Pipeline;
use crate::core::track::TrackSettings;
use crate::logging;
use crate::onboard::sink::Sink;
use crate::progress::{Beat, Progress};
use crate::status::{ClockHealth, StatusReporter, WatchedCamera};

/// How long the daemon waits at its end for receipts of what it has just sent.
const DRAIN: Duration = Duration::from_secs(3);
/// How often records past their term are looked for.
const EXPIRE_EVERY: Duration = Duration::from_secs(60);
/// How often held records are tried again, and the watchdog is fed.
const RETRY_EVERY: Duration = Duration::from_secs(1);
/// A thread that stands still for so long is logged, when no watchdog says otherwise.
const STALLED_AFTER: Duration = Duration::from_secs(30);
/// Threads for the disk and for pictures of cameras.
const BLOCKING_THREADS: usize = 4;

/// Watch the cameras, read plates and send sealed transits to the hub, until SIGTERM or SIGINT.
///
/// What the hub has not yet stored stays in the spool and is sent at the next start. Exit code
/// 78: the configuration has faults, all of them are told; 75: another edge runs on the state folder,
/// so nothing was opened or changed; 1: anything else.
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
    // Before keys, spool or sockets are touched: who comes second ends without a trace.
    let _state = FolderLock::of_state(&config.state_folder, clock.now())?;
    let _keys = FolderLock::of_used_keys(folder_of(&config.signing_key_file))?;
    let keys = parts::keys(&config)?;
    let key = Arc::new(keys.sealing);
    let uplink = UplinkSettings::new(&config.edge, &config.hub, &keys.tls_pem)?;
    let pipelines = pipelines(&config)?;
    let model_digest = pipelines
        .first()
        .map_or(Digest::ZERO, Pipeline::model_digest);
    let spool = open_spool(&config, &key, keys.spool, &clock)?;
    elements::start()?;
    let depth = spool.depth()?;
    tracing::info!(
        edge.id = %config.edge,
        version = env!("CARGO_PKG_VERSION"),
        cameras = config.cameras.len(),
        readers = config.readers.len(),
        spool.depth = depth.waiting,
        spool.last_sequence = depth.last_sequence,
        key.public = %key.opening_key(),
        "varco-edge starts"
    );
    let parts = Parts {
        watched: watched(&config),
        health: Arc::new(ClockHealth::default()),
        config,
        configuration: args.config.clone(),
        model_digest,
        key,
        spool,
        scenes: keys.scenes,
        clock,
    };
    let renewer = Renewer {
        edge: parts.config.edge.clone(),
        hub: parts.config.hub.clone(),
        key: Arc::clone(&parts.key),
        files: keys.files,
        clock: Arc::clone(&parts.clock),
        health: Arc::clone(&parts.health),
    };
    let ways = parts.ways()?;
    let stop = Arc::new(AtomicBool::new(false));
    let mut progress = Progress::default();
    let threads = parts.start_threads(pipelines, steady, &mut progress, &stop)?;
    let begun = Begun {
        uplink,
        renewer,
        ways,
        progress,
        threads,
    };
    serve(parts, begun, &stop)
}

/// The folder of a file.
fn folder_of(file: &Path) -> &Path {
    let folder = file.parent().filter(|folder| *folder != Path::new(""));
    folder.unwrap_or_else(|| Path::new("."))
}

/// Cameras first, then readers.
fn watched(config: &Config) -> Vec<WatchedCamera> {
    let cameras = config.cameras.iter().map(|camera| &camera.id);
    let readers = config.readers.iter().map(|reader| &reader.placing.camera);
    let counted = |id: &CameraId| WatchedCamera {
        id: id.clone(),
        counters: Arc::default(),
    };
    cameras.chain(readers).map(counted).collect()
}

/// What the parts of the daemon are made from.
struct Parts {
    config: Config,
    configuration: PathBuf,
    model_digest: Digest,
    watched: Vec<WatchedCamera>,
    health: Arc<ClockHealth>,
    key: Arc<SealingKey>,
    spool: SharedSpool,
    scenes: Cipher,
    clock: SharedClock,
}

/// Ways in from outside, listening.
struct Ways {
    doors: Doors,
    taker: Arc<Taker>,
    metrics: Option<Bound>,
}

/// What the daemon has begun or made ready when its life begins.
struct Begun {
    uplink: UplinkSettings,
    renewer: Renewer,
    ways: Ways,
    progress: Progress,
    threads: Vec<JoinHandle<()>>,
}

impl Parts {
    fn ways(&self) -> anyhow::Result<Ways> {
        let counters = self.watched.iter().skip(self.config.cameras.len());
        let readers = self.config.readers.iter().zip(counters);
        let readers = readers.map(|(reader, watched)| CountedReader {
            reader: reader.clone(),
            counters: Arc::clone(&watched.counters),
        });
        let secret = random::kept(&self.config.state_folder, "pushed.secret")
            .context("cannot keep the secret of pushed transits' ids in the state folder")?;
        let outside = Outside {
            spool: self.spool.clone(),
            clock: Arc::clone(&self.clock),
            health: Arc::clone(&self.health),
            alarm: self.alarm(),
        };
        let taker = Arc::new(Taker::new(readers, outside, &secret));
        let sink: Arc<dyn Sink> = taker.clone();
        let doors = Doors::open(&self.config, &sink, &self.clock)?;
        let metrics = match self.config.metrics {
            None => None,
            Some(address) => {
                let measure = self.measure()?;
                let router = http::metrics(Arc::new(move || measure.text()));
                Some(Bound::new("metrics.address", address, router, None)?)
            }
        };
        Ok(Ways {
            doors,
            taker,
            metrics,
        })
    }

    fn alarm(&self) -> Alarm {
        let (spool, clock) = (self.spool.clone(), Arc::clone(&self.clock));
        Alarm::new(spool, clock, self.config.tamper.clone())
    }

    fn measure(&self) -> anyhow::Result<Measure> {
        let configuration = std::fs::read(&self.configuration)
            .with_context(|| format!("cannot read `{}`", self.configuration.display()))?;
        Ok(Measure {
            cameras: self.watched.clone(),
            readers_from: self.config.cameras.len(),
            health: Arc::clone(&self.health),
            spool: self.spool.clone(),
            clock: Arc::clone(&self.clock),
            state_folder: self.config.state_folder.clone(),
            models: self.model_digest,
            configuration: Digest::of(&configuration),
            before: std::sync::Mutex::default(),
        })
    }

    fn reporter(&self) -> Box<dyn StatusSource> {
        Box::new(Reporter {
            reporter: StatusReporter::new(
                self.config.edge.clone(),
                self.model_digest,
                Arc::clone(&self.health),
                self.watched.clone(),
            ),
            cameras: self.watched.clone(),
            health: Arc::clone(&self.health),
            spool: self.spool.clone(),
            records_max: self.config.spool.records_max,
            key: Arc::clone(&self.key),
            clock: Arc::clone(&self.clock),
            state_folder: self.config.state_folder.clone(),
            readers_from: self.config.cameras.len(),
            reported: None,
        })
    }

    fn start_threads(
        &self,
        pipelines: Vec<Pipeline>,
        steady: Arc<SteadyClock>,
        progress: &mut Progress,
        stop: &Arc<AtomicBool>,
    ) -> anyhow::Result<Vec<JoinHandle<()>>> {
        let (config, clock) = (&self.config, &self.clock);
        let mut beat = |name: String| progress.expect(name, clock.monotonic());
        let sync = Arc::new(SystemTimeSync);
        let keeper = Timekeeper::new(steady, sync, config.clock, Arc::clone(&self.health));
        let alarm = self.alarm();
        let file = &self.configuration;
        let guard = Guard::begin(config, file, self.model_digest, alarm.clone());
        let mut threads = vec![
            start_timekeeper(keeper, alarm.clone(), beat("the clock".to_owned()), stop)?,
            guard.start(beat("the guard".to_owned()), Arc::clone(clock), stop)?,
        ];
        let counted = self.watched.iter().map(|of| &of.counters);
        let folder = Some(config.state_folder.as_path());
        let logins = CameraLogins::open(folder, Trying::Daemon, Arc::clone(clock));
        for ((camera, pipeline), counters) in config.cameras.iter().zip(pipelines).zip(counted) {
            let source = parts::camera_source(camera)?;
            let capture = CameraCapture::new(source, Arc::clone(&logins), Arc::clone(clock));
            let shared = Shared {
                spool: self.spool.clone(),
                counters: Arc::clone(counters),
                clock: Arc::clone(clock),
                health: Arc::clone(&self.health),
                alarm: alarm.clone(),
                scene: SceneMemory::new(config, camera, self.scenes.clone()),
                beat: beat(format!("the camera {}", camera.id)),
            };
            let watch = Watch::new(camera, capture, pipeline, shared);
            threads.push(start_thread(watch, stop)?);
        }
        Ok(threads)
    }
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
fn pipelines(config: &Config) -> anyhow::Result<Vec<Pipeline>> {
    let mut pipelines = Vec::new();
    // A box whose cameras all read themselves needs no nets.
    if config.cameras.is_empty() {
        return Ok(pipelines);
    }
    let runtime = Runtime::load(config.models.onnxruntime_file.as_deref())?;
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
    beat: Beat,
    stop: &Arc<AtomicBool>,
) -> anyhow::Result<JoinHandle<()>> {
    let stop = Arc::clone(stop);
    std::thread::Builder::new()
        .name("clock".to_owned())
        .spawn(move || keeper.run(&alarm, &beat, &stop))
        .context("cannot start the clock's thread")
}

/// The rest of the daemon's life: the uplink, the ways in, the retries of a full spool, the signs of
/// life, and the end.
fn serve(parts: Parts, begun: Begun, stop: &AtomicBool) -> anyhow::Result<()> {
    let Begun {
        uplink: settings,
        renewer,
        ways,
        mut progress,
        threads,
    } = begun;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .max_blocking_threads(BLOCKING_THREADS)
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    let (spool, clock) = (parts.spool.clone(), Arc::clone(&parts.clock));
    let main = progress.expect("the daemon itself", clock.monotonic());
    runtime.block_on(async {
        let uplink = Uplink::start(settings, spool.clone(), Arc::clone(&clock), parts.reporter());
        let serving = Serving::default();
        let taker = Arc::clone(&ways.taker);
        let served = start_ways(ways, &serving);
        let life = Life {
            spool: spool.clone(),
            taker: Arc::clone(&taker),
            clock,
            health: Arc::clone(&parts.health),
            progress,
            main,
        };
        Systemd.ready();
        let ended = tokio::select! {
            ended = life.until_signal(&threads) => ended,
            () = renewer.keep(&uplink) => Ok(()),
        };
        Systemd.stopping();
        // No reading is taken any more, and those at the door are answered.
        serving.stop();
        for task in served {
            let _ = tokio::time::timeout(DRAIN, task).await;
        }
        stop.store(true, Ordering::Relaxed);
        let joined = tokio::task::spawn_blocking(move || {
            threads.into_iter().all(|thread| thread.join().is_ok())
        });
        let whole = joined.await.unwrap_or(false);
        taker.seal_waiting();
        let waiting = taker.waiting();
        if waiting > 0 {
            tracing::error!(waiting, "readings that waited for the clock are lost");
        }
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

/// Serves in tasks of their own; gives those that end by themselves once `serving` is stopped.
fn start_ways(ways: Ways, serving: &Serving) -> Vec<tokio::task::JoinHandle<()>> {
    let sink: Arc<dyn Sink> = ways.taker;
    for settings in ways.doors.feeds {
        // It ends with the runtime: what it has not acknowledged stays with its broker.
        tokio::spawn(feed::run(settings, Arc::clone(&sink)));
    }
    let mut tasks = Vec::new();
    for bound in ways.doors.bound.into_iter().chain(ways.metrics) {
        tracing::info!(address = ?bound.address(), "listening");
        let serving = serving.clone();
        tasks.push(tokio::spawn(async move {
            if let Err(error) = bound.serve(&serving).await {
                tracing::error!(%error, "no longer listening");
            }
        }));
    }
    tasks
}

/// What the daemon's own loop looks after.
struct Life {
    spool: SharedSpool,
    taker: Arc<Taker>,
    clock: SharedClock,
    health: Arc<ClockHealth>,
    progress: Progress,
    main: Beat,
}

impl Life {
    async fn until_signal(self, threads: &[JoinHandle<()>]) -> anyhow::Result<()> {
        use tokio::signal::unix::{SignalKind, signal};
        let mut term = signal(SignalKind::terminate()).context("cannot wait for SIGTERM")?;
        let mut int = signal(SignalKind::interrupt()).context("cannot wait for SIGINT")?;
        let mut retry = tokio::time::interval(RETRY_EVERY);
        let mut expiry = tokio::time::interval(EXPIRE_EVERY);
        let mut stalled = String::new();
        loop {
            tokio::select! {
                _ = term.recv() => return Ok(()),
                _ = int.recv() => return Ok(()),
                // By a clock that nobody vouched for, all might seem old.
                _ = expiry.tick(), if self.health.is_good.load(Ordering::Relaxed) => {
                    let spool = self.spool.clone();
                    let expired = tokio::task::spawn_blocking(move || spool.expire()).await;
                    if let Ok(Err(error)) = expired {
                        tracing::error!(error = %logging::chain(&error), "old records cannot go");
                    }
                }
                _ = retry.tick() => {
                    let (spool, taker) = (self.spool.clone(), Arc::clone(&self.taker));
                    let work = move || {
                        taker.seal_waiting();
                        // Its failure was logged when the record was held.
                        let _ = spool.retry();
                    };
                    let _ = tokio::task::spawn_blocking(work).await;
                    // A camera without its thread is blind: systemd starts the whole anew.
                    anyhow::ensure!(
                        !threads.iter().any(JoinHandle::is_finished),
                        "a camera's, the clock's or the guard's thread ended by itself"
                    );
                    self.feed_watchdog(&mut stalled);
                }
            }
        }
    }

    /// Systemd hears nothing any more when a thread stands still, and starts the daemon anew.
    fn feed_watchdog(&self, logged: &mut String) {
        let now = self.clock.monotonic();
        self.main.on(now);
        let most = Systemd
            .watchdog()
            .map_or(STALLED_AFTER, |watchdog| watchdog / 2);
        match self.progress.stalled(now, most) {
            None => {
                logged.clear();
                Systemd.alive();
            }
            Some(name) if name == logged => {}
            Some(name) => {
                tracing::error!(thread = name, "it stands still: the watchdog is not fed");
                name.clone_into(logged);
            }
        }
    }
}
