//! The running hub: only wiring.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use thiserror::Error;
use tokio::sync::{Semaphore, broadcast, watch};
use tokio::task::JoinSet;
use varco_proto::time::UtcTime;
use varco_proto::topics::Topic;

use crate::clock::SharedClock;
use crate::config::Config;
use crate::files::{self, FileError};
use crate::home::{Home, HomeError};
use crate::intake::batcher::{Batcher, SharedWriter, with_writer};
use crate::intake::broker::{self, BrokerAddress, Connections};
use crate::intake::judge::Limits;
use crate::intake::opening::Opener;
use crate::intake::pool::Pool;
use crate::intake::writer::{Answer, Writer};
use crate::places::tampering;
use crate::setup::{self, SetupError};
use crate::store::{self, StoreError};
use crate::tls::{self, TlsError};
use crate::transits::lookup::Archive;
use crate::web::enrolments::EnrolmentDesk;
use crate::web::server::{self, ServeError};
use crate::web::state::HubState;

/// How often what is past its term is destroyed.
const EXPIRY_EVERY: Duration = Duration::from_secs(60);
/// How often the chains' ends are looked at.
const PRUNE_EVERY: Duration = Duration::from_secs(600);
/// Between two steps of it, so that batches come first.
const PRUNE_PAUSE: Duration = Duration::from_millis(50);
/// How often releases to be sent are looked for.
const RELEASES_EVERY: Duration = Duration::from_secs(2);
/// Transits that somebody watching may lag behind.
const LIVE_LAG_MAX: usize = 1024;

/// The hub cannot start or go on.
#[derive(Debug, Error)]
pub enum HubError {
    /// The home.
    #[error(transparent)]
    Home(#[from] HomeError),
    /// A file.
    #[error(transparent)]
    File(#[from] FileError),
    /// TLS.
    #[error("cannot set up TLS")]
    Tls(#[from] TlsError),
    /// A further certificate for the broker.
    #[error(transparent)]
    Setup(#[from] SetupError),
    /// The system gives no threads.
    #[error("cannot start the threads that check signatures")]
    Threads(#[source] std::io::Error),
    /// The HTTPS server.
    #[error(transparent)]
    Serve(#[from] ServeError),
}

/// Runs the hub until `stop` says so.
///
/// # Errors
/// [`HubError`] when it cannot start, or its server fails.
pub async fn run(
    home: &Home,
    clock: SharedClock,
    stop: watch::Receiver<bool>,
) -> Result<(), HubError> {
    let config = home.config()?;
    let key = home.sealing_key()?;
    let addresses = broker_addresses(home, &config, clock.now())?;
    let server_certificate = files::read_text(&home.server_certificate())?;
    let server_key = files::read_text(&home.server_key())?;
    let server_tls = tls::server(&server_certificate, &server_key)?;

    let limits = Limits {
        term: config.retention,
        ahead_max: config.clock_ahead_max,
    };
    let writer: SharedWriter = Arc::new(Mutex::new(Writer::new(
        home.open_main()?,
        home.partitions(),
        key.clone(),
        clock.clone(),
        limits,
    )));
    let Connections {
        sender,
        deliveries,
        loops,
        connected,
    } = broker::connect(addresses);
    let pool = Arc::new(Pool::start(threads(config.verify_threads)).map_err(HubError::Threads)?);
    let (live, _) = broadcast::channel(LIVE_LAG_MAX);
    let state = HubState {
        archive: Archive {
            main: home.main_database(),
            partitions: home.partitions(),
            term: config.retention,
        },
        key,
        clock: clock.clone(),
        live: live.clone(),
        broker: connected,
        lookups: Arc::new(Semaphore::new(config.lookups_at_once_max)),
        results_max: config.results_max,
        enrolment: enrolment_desk(home, &config),
        stop: stop.clone(),
    };
    let releases = sender.clone();
    let batcher = Batcher {
        writer: writer.clone(),
        opener: Opener::new(home.open_main()?, pool.clone()),
        pool,
        sender,
        live,
        shared: config.broker_connections > 1,
        records_max: config.batch_records_max,
        wait: config.batch_wait,
    };
    let mut tasks = JoinSet::new();
    tasks.spawn(release_regularly(
        home.main_database(),
        releases,
        clock,
        stop.clone(),
    ));
    for poll in loops {
        tasks.spawn(poll.run(stop.clone()));
    }
    tasks.spawn(batcher.run(deliveries, stop.clone()));
    tasks.spawn(expire_regularly(writer.clone(), stop.clone()));
    tasks.spawn(prune_regularly(writer, stop.clone()));
    let served = server::serve(config.listen, server_tls, state, stop).await;
    tasks.shutdown().await;
    Ok(served?)
}

/// The broker's address with each certificate that the hub shows there.
fn broker_addresses(
    home: &Home,
    config: &Config,
    now: UtcTime,
) -> Result<Vec<BrokerAddress>, HubError> {
    let authority = files::read_text(&home.authority_certificate())?;
    let address = |number| {
        let (certificate, key) = setup::connection_pair(home, number, now)?;
        Ok(BrokerAddress {
            host: config.broker_host.clone(),
            port: config.broker_port,
            tls: tls::client_with_certificate(&authority, &certificate, &key)?,
        })
    };
    (0..config.broker_connections).map(address).collect()
}

fn enrolment_desk(home: &Home, config: &Config) -> EnrolmentDesk {
    EnrolmentDesk::new(
        home.clone(),
        config.broker_host.clone(),
        config.broker_port,
        config.certificate_valid,
    )
}

/// Destroys what is past its term: at once, and then each minute.
async fn expire_regularly(writer: SharedWriter, mut stop: watch::Receiver<bool>) {
    let mut ticks = tokio::time::interval(EXPIRY_EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            _ = stop.wait_for(|stop| *stop) => return,
        }
        match with_writer(&writer, Writer::expire).await {
            Ok(Ok(expired)) => {
                if !expired.days.is_empty() || expired.transits > 0 {
                    tracing::info!(
                        days = ?expired.days, transits = expired.transits,
                        "destroyed what was past its term"
                    );
                }
            }
            Ok(Err(error)) => {
                let source = std::error::Error::source(&error).map(ToString::to_string);
                let source = source.unwrap_or_default();
                tracing::error!(error = %error, source, "an expiry run did not finish");
            }
            Err(_) => tracing::error!("an expiry run broke off"),
        }
    }
}

/// Lets go of the chains' ends, every ten minutes and in small steps.
async fn prune_regularly(writer: SharedWriter, mut stop: watch::Receiver<bool>) {
    let mut wait = PRUNE_PAUSE;
    loop {
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            _ = stop.wait_for(|stop| *stop) => return,
        }
        wait = match with_writer(&writer, Writer::prune).await {
            Ok(Ok(pruned)) if !pruned.finished => PRUNE_PAUSE,
            Ok(Ok(_)) => PRUNE_EVERY,
            Ok(Err(error)) => {
                tracing::error!(error = %error, "old links cannot be let go");
                PRUNE_EVERY
            }
            Err(_) => PRUNE_EVERY,
        };
    }
}

/// How many threads check signatures.
fn threads(wanted: Option<usize>) -> usize {
    wanted.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from))
}

/// Sends releases until their edges show that they have them.
async fn release_regularly(
    main: PathBuf,
    sender: broker::Sender,
    clock: SharedClock,
    mut stop: watch::Receiver<bool>,
) {
    let mut ticks = tokio::time::interval(RELEASES_EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            _ = stop.wait_for(|stop| *stop) => return,
        }
        let (path, now) = (main.clone(), clock.now());
        let due = tokio::task::spawn_blocking(move || take_due_releases(&path, now)).await;
        let due = match due {
            Ok(Ok(due)) => due,
            Ok(Err(error)) => {
                tracing::error!(error = %error, "the releases cannot be read");
                continue;
            }
            Err(_) => continue,
        };
        for answer in due {
            if sender.answer(answer).await.is_err() {
                return;
            }
        }
    }
}

/// The releases to be sent, noted as sent: those that do not arrive are due again.
fn take_due_releases(path: &Path, now: UtcTime) -> Result<Vec<Answer>, StoreError> {
    let main = store::open(path)?;
    let mut answers = Vec::new();
    for release in tampering::due_releases(&main, now)? {
        tampering::release_sent(&main, &release, now)?;
        if let Ok(edge) = release.edge.parse() {
            answers.push(Answer {
                topic: Topic::Release(edge),
                envelope: release.envelope,
            });
        }
    }
    Ok(answers)
}
