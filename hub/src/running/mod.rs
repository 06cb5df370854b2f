//! The running hub: only wiring. It owns the order in which a hub begins and ends, and decides nothing else.

mod shared;
mod sockets;
mod witness;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use shared::{Parts, broker_addresses, note_turn, sharing, state};
use sockets::Sockets;
use thiserror::Error;
use tokio::sync::{broadcast, watch};
use tokio::task::JoinSet;
use varco_proto::keys::SealingKey;
use varco_proto::time::UtcTime;
use witness::HubWitness;

use crate::audit;
use crate::audit::acting::Acting;
use crate::audit::action::Action;
use crate::audit::actor::Actor;
use crate::boxes::watch::BoxWatch;
use crate::certificates::tls::{self, TlsError};
use crate::chains::place::Limits;
use crate::config::Config;
use crate::evidence::stamping::StampingError;
use crate::home::lock::{Holder, Lock};
use crate::home::reserve::Reserve;
use crate::home::{Home, HomeError};
use crate::hotlists::active::ActiveLists;
use crate::hotlists::{desk, follow};
use crate::intake::batcher::{Batcher, SharedWriter};
use crate::intake::broker::{self, Connections};
use crate::intake::opening::Opener;
use crate::intake::pool::Pool;
use crate::intake::writer::Writer;
use crate::lookups::store::TransitStore;
use crate::machine::files::FileError;
use crate::opening::floor::{self, FloorError};
use crate::people::{desk as people, tokens};
use crate::policy::PolicyError;
use crate::store::StoreError;
use crate::timekeeping::SharedClock;
use crate::transits::names;
use crate::upkeep::server_certificate::{CertificateKeeper, ServerCertificateError};
use crate::upkeep::signing::SigningUpkeep;
use crate::upkeep::{self, RecordKeys, Upkeep};
use crate::web::readiness::{self, Measuring};
use crate::web::server::{self, ServeError};
use crate::web::state::HubState;
use crate::web::webhooks;
use crate::witnessing::sending::Sending;
use crate::witnessing::standing;

/// Transits that somebody watching may lag behind.
const LIVE_LAG_MAX: usize = 1024;

/// How often what has ended is noted outside the main database.
const FLOOR_EVERY: Duration = Duration::from_secs(10);

/// The hub cannot start or go on.
#[derive(Debug, Error)]
pub enum HubError {
    /// The home.
    #[error(transparent)]
    Home(#[from] HomeError),
    /// A file.
    #[error(transparent)]
    File(#[from] FileError),
    /// The hotlists.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// TLS.
    #[error("cannot set up TLS")]
    Tls(#[from] TlsError),
    /// The server's certificate.
    #[error("cannot set the server's certificate up")]
    ServerCertificate(#[from] ServerCertificateError),
    /// What had ended cannot be ended again.
    #[error(transparent)]
    Floor(#[from] FloorError),
    /// The policy.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// The system gives no threads.
    #[error("cannot start the threads that check signatures")]
    Threads(#[source] std::io::Error),
    /// The time-stamping service.
    #[error("cannot set the time-stamping service up")]
    Stamping(#[from] StampingError),
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
    config: &Config,
    beginning: Beginning,
    clock: SharedClock,
    stop: watch::Receiver<bool>,
) -> Result<(), HubError> {
    let Beginning { lock, sockets } = beginning;
    end_again(home, clock.now())?;
    let (key, addresses) = (
        home.sealing_key()?,
        broker_addresses(home, config, clock.now())?,
    );
    let (certificates, server_tls) = certificates(home, config, clock.now())?;
    let sharing = sharing(config);
    let store = open_store(home, config, &clock)?;
    let (writer, hotlists) = writer(home, config, &store, &clock)?;
    let Connections {
        sender,
        deliveries,
        loops,
        connected,
    } = broker::connect(addresses, sharing);
    let (pool, (live, _)) = (pool(config)?, broadcast::channel(LIVE_LAG_MAX));
    let (alerts, news) = watch::channel(0);
    let state = state(
        home,
        config,
        Parts {
            archive: store.clone(),
            key: key.clone(),
            clock: clock.clone(),
            live: live.clone(),
            alerts: news,
            hotlists,
            broker: connected,
            stop: stop.clone(),
        },
    )?;
    let batcher = Batcher {
        writer: writer.clone(),
        opener: Opener::new(home.open_main()?, pool.clone()),
        pool,
        sender: sender.clone(),
        live,
        alerts,
        shared: sharing.shared,
        records_max: config.batch_records_max,
        wait: config.batch_wait,
    };
    let mut tasks = JoinSet::new();
    start_polling(loops, &stop, &mut tasks);
    tasks.spawn(batcher.run(deliveries, stop.clone()));
    start_watching_boxes(config, &writer, &state, &mut tasks);
    Upkeep {
        main: home.main_database(),
        writer: upkeep_writer(home, config, &store, &writer, &clock)?,
        archive: store,
        sender,
        key,
        clock,
        record_keys: RecordKeys::of(&state.case_keys, state.hotlists.keys()),
        audit_term: config.audit.term,
        certificates,
    }
    .start(&mut tasks, &stop);
    start_witness(sockets.witness, &server_tls, &state, &mut tasks);
    start_wished(home, config, &state, sockets.metrics, &mut tasks);
    let noting = state.clone();
    note_turn(&noting, config, Action::HubStarted);
    let served = server::serve_on(sockets.https, server_tls, state, stop).await;
    tasks.shutdown().await;
    note_turn(&noting, config, Action::HubStopped);
    end(home, config, lock)?;
    Ok(served?)
}

/// Starts the connections to the broker.
fn start_polling(loops: Vec<broker::Loop>, stop: &watch::Receiver<bool>, tasks: &mut JoinSet<()>) {
    for poll in loops {
        tasks.spawn(poll.run(stop.clone()));
    }
}

/// What checks signatures.
fn pool(config: &Config) -> Result<Arc<Pool>, HubError> {
    let pool = Pool::start(threads(config.verify_threads));
    Ok(Arc::new(pool.map_err(HubError::Threads)?))
}

/// The server's certificates, and how HTTPS shows them.
fn certificates(
    home: &Home,
    config: &Config,
    now: UtcTime,
) -> Result<(CertificateKeeper, rustls::ServerConfig), HubError> {
    let certificates = CertificateKeeper::start(home, config.hub == 0, now)?;
    let server_tls = tls::server_of(certificates.shown())?;
    Ok((certificates, server_tls))
}

/// The store, with room for the end of transits, and told how far the system's clock is ahead.
fn open_store(home: &Home, config: &Config, clock: &SharedClock) -> Result<TransitStore, HubError> {
    let store = home.open_store(config)?;
    store.settings().room.reserve.keep();
    clock.tell(&store.settings().lead);
    let key = home.sealing_key()?;
    note_what_an_older_version_left(home, &store, clock.now(), &key)?;
    take_witnesses_over(home, config, clock.now())?;
    Ok(store)
}

/// What a hub holds before it opens anything of its home.
pub struct Beginning {
    lock: Lock,
    sockets: Sockets,
}

/// Takes the home's lock and the sockets before anything is opened: who comes second ends without a
/// trace. On a full disk the reserve is given away first, as nothing could be opened then.
///
/// # Errors
/// [`HubError`]: another hub runs, or a port is taken.
pub fn begin(home: &Home, config: &Config, now: UtcTime) -> Result<Beginning, HubError> {
    let lock = lock(home, config, now)?;
    let sockets = Sockets::take(config)?;
    Reserve::at(home.reserve_file()).open_up();
    // The lock says that a hub runs: whoever opens an older database now takes this one for an older hub.
    home.bring_forward()?;
    end_tokens_of_persons(home, now)?;
    Ok(Beginning { lock, sockets })
}

/// Versions before gave tokens to persons, who sign in now.
fn end_tokens_of_persons(home: &Home, now: UtcTime) -> Result<(), HubError> {
    let (mut main, key) = (home.open_main()?, home.sealing_key()?);
    let acting = Acting {
        actor: &Actor::hub(),
        now,
        key: &key,
    };
    let ended = people::end_those_of_persons(&mut main, &acting).map_err(StoreError::from)?;
    if ended > 0 {
        tracing::warn!(
            ended,
            "tokens that an older version gave to persons ended: give persons accounts"
        );
    }
    Ok(())
}

/// Ends again what an older main database, put in place by hand, brought back to life.
fn end_again(home: &Home, now: UtcTime) -> Result<(), HubError> {
    let mut main = home.open_main()?;
    let raised = floor::hold(home, &mut main, now)?;
    if !raised.is_nothing() {
        tracing::error!(
            edges = raised.edges.len(),
            tokens = raised.tokens,
            cases = raised.cases.len(),
            hotlists = raised.hotlists.len(),
            "an older main database lies here; what had ended since was ended again"
        );
    }
    let keys = home.case_keys()?;
    keys.take_over(&main)?;
    keys.destroy_closed(&main)?;
    home.list_keys()?.destroy_closed(&main)?;
    Ok(())
}

/// A home of an older version has rows without lines: one line names them, once.
fn note_what_an_older_version_left(
    home: &Home,
    store: &TransitStore,
    now: UtcTime,
    key: &SealingKey,
) -> Result<(), HubError> {
    let mut main = home.open_main()?;
    let hours = match store.server() {
        Some(server) => server.hours()?.into_iter().collect(),
        None => names::hours(&main)?
            .into_iter()
            .map(|(hour, _)| hour)
            .collect(),
    };
    let noted = audit::baseline::note(&mut main, &hours, tokens::noted, now, key)
        .map_err(StoreError::from)?;
    if noted {
        tracing::info!("what an older version left without an audit line is noted in one");
    }
    Ok(())
}

/// Notes at the end what has ended since the last time, and lets the home go.
fn end(home: &Home, config: &Config, _lock: Lock) -> Result<(), HubError> {
    if config.hub == 0 {
        floor::keep(home, &home.open_main()?)?;
    }
    Ok(())
}

/// Notes regularly, outside the main database, what has ended.
async fn keep_the_floor(home: Home, state: HubState) {
    let mut stop = state.stop.clone();
    loop {
        let (home, state) = (home.clone(), state.clone());
        let kept = tokio::task::spawn_blocking(move || -> Result<(), HomeError> {
            let main = home.open_main()?;
            floor::keep(&home, &main)?;
            // Closed by hand or by another hub: what destroys them in its time may be away.
            let reserve = &state.archive.settings().room.reserve;
            reserve.lend(|| {
                RecordKeys::of(&state.case_keys, state.hotlists.keys()).destroy_closed(&main)
            })?;
            Ok(())
        });
        match kept.await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::error!(error = %error, "what has ended is not noted"),
            Err(_) => tracing::error!("noting what has ended broke off"),
        }
        let stopped = stop.wait_for(|stop| *stop);
        if tokio::time::timeout(FLOOR_EVERY, stopped).await.is_ok() {
            return;
        }
    }
}

/// The home's lock of this hub.
fn lock(home: &Home, config: &Config, now: UtcTime) -> Result<Lock, HomeError> {
    let command = match config.hub {
        0 => "varco-hub run".to_owned(),
        hub => format!("varco-hub run --hub {}", hub + 1),
    };
    Ok(Lock::of_hub(
        home,
        config.hub,
        &Holder::this(&command, now),
    )?)
}

/// Starts what goes on beside: following the hotlists, telling webhooks, noting what has ended, and what
/// the configuration may leave out, a backup and measuring.
fn start_wished(
    home: &Home,
    config: &Config,
    state: &HubState,
    metrics: Option<Measuring>,
    tasks: &mut JoinSet<()>,
) {
    let stop = &state.stop;
    let lists = state.hotlists.clone();
    tasks.spawn(follow::follow(home.main_database(), lists, stop.clone()));
    // One of several hubs is enough, and two would deliver twice.
    if config.hub == 0 {
        tasks.spawn(webhooks::deliver_regularly(state.clone()));
        tasks.spawn(keep_the_floor(home.clone(), state.clone()));
        tasks.spawn(sending(home, config, state).run(stop.clone()));
        let signing = SigningUpkeep {
            main: home.main_database(),
            archive: state.archive.clone(),
            key: state.key.clone(),
            clock: state.clock.clone(),
        };
        tasks.spawn(signing.regularly(stop.clone()));
    }
    // One of several hubs is enough.
    if let Some(backup) = config.backup.clone().filter(|_| config.hub == 0) {
        let (home, clock) = (home.clone(), state.clock.clone());
        tasks.spawn(upkeep::back_up_regularly(home, backup, clock, stop.clone()));
    }
    if let Some(measuring) = metrics {
        tasks.spawn(measured(measuring, state.clone(), stop.clone()));
    }
}

/// Starts witnessing the logs of other hubs, if it does.
fn start_witness(
    witness: Option<HubWitness>,
    server_tls: &rustls::ServerConfig,
    state: &HubState,
    tasks: &mut JoinSet<()>,
) {
    if let Some(witness) = witness {
        tasks.spawn(witness.serve(server_tls.clone(), state.clone(), state.stop.clone()));
    }
}

/// Whom the hub's checkpoints are sent to.
fn sending(home: &Home, config: &Config, state: &HubState) -> Sending {
    Sending {
        main: home.main_database(),
        key: state.key.clone(),
        clock: state.clock.clone(),
        witnesses: config.audit.witnesses.clone(),
        authority: home.authority_certificate(),
    }
}

/// Takes over which witnesses hub.toml names; a change has its line.
fn take_witnesses_over(home: &Home, config: &Config, now: UtcTime) -> Result<(), HubError> {
    if config.hub != 0 {
        return Ok(());
    }
    let (key, mut main) = (home.sealing_key()?, home.open_main()?);
    let named = &config.audit.witnesses;
    standing::take_over(&mut main, named, now, &key).map_err(StoreError::from)?;
    Ok(())
}

/// Lets Prometheus measure; the hub does its work without it.
async fn measured(measuring: Measuring, state: HubState, stop: watch::Receiver<bool>) {
    if let Err(error) = readiness::serve_metrics(measuring, state, stop).await {
        tracing::error!(error = %error, "the hub is not measured");
    }
}

/// The one writer, and the hotlists that it watches for.
fn writer(
    home: &Home,
    config: &Config,
    store: &TransitStore,
    clock: &SharedClock,
) -> Result<(SharedWriter, Arc<ActiveLists>), HubError> {
    let mut main = home.open_main()?;
    let keys = Arc::new(home.list_keys()?);
    desk::destroy_left_over(&mut main, &keys)?;
    let hotlists = Arc::new(ActiveLists::load(&main, keys)?);
    let limits = Limits {
        term: config.retention,
        ahead_max: config.clock_ahead_max,
    };
    let (store, clock) = (store.clone(), clock.clone());
    let writer = Writer::new(main, store, home.sealing_key()?, clock, limits);
    let writer = writer.watching(hotlists.clone());
    Ok((Arc::new(Mutex::new(writer)), hotlists))
}

/// Looks at the boxes, and at what the writer counts of each gate.
fn start_watching_boxes(
    config: &Config,
    writer: &SharedWriter,
    state: &HubState,
    tasks: &mut JoinSet<()>,
) {
    let counts = writer
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .gates();
    let boxes = BoxWatch {
        store: state.archive.clone(),
        counts,
        clock: state.clock.clone(),
        alone: config.hub == 0,
    };
    tasks.spawn(upkeep::watch_boxes(
        boxes,
        state.broker.clone(),
        state.stop.clone(),
    ));
}

/// The writer that ends what is past its term: the same, since the home has one writer; in PostgreSQL
/// one of its own, so that intake does not wait for it.
fn upkeep_writer(
    home: &Home,
    config: &Config,
    store: &TransitStore,
    writer: &SharedWriter,
    clock: &SharedClock,
) -> Result<SharedWriter, HubError> {
    if store.server().is_none() {
        return Ok(Arc::clone(writer));
    }
    let limits = Limits {
        term: config.retention,
        ahead_max: config.clock_ahead_max,
    };
    let (main, key) = (home.open_main()?, home.sealing_key()?);
    let writer = Writer::new(main, store.clone(), key, clock.clone(), limits);
    Ok(Arc::new(Mutex::new(writer)))
}

/// How many threads check signatures.
fn threads(wanted: Option<usize>) -> usize {
    wanted.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from))
}
