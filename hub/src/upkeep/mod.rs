//! What the running hub does by itself, and how it is.
//!
//! It ends what is past its term, indexes hours, lets go of links that no question can come to, sends releases,
//! renews the server's certificate, and ends sessions and accounts that lie idle. It answers nobody and owns no
//! table.

pub mod health;
pub mod server_certificate;
pub(crate) mod signing;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Interval, MissedTickBehavior};
use varco_proto::keys::SealingKey;
use varco_proto::time::UtcTime;
use varco_proto::topics::Topic;

use crate::approvals::tidying;
use crate::audit::acting::Acting;
use crate::audit::actor::Actor;
use crate::audit::ending::end_due;
use crate::backup::create;
use crate::boxes;
use crate::boxes::tampering;
use crate::boxes::watch::{BoxWatch, Since};
use crate::cases::{self, keys::CaseKeys};
use crate::config::backup::Backup;
use crate::evidence::register;
use crate::home::Home;
use crate::hotlists::desk::{self};
use crate::hotlists::keys::ListKeys;
use crate::intake::batcher::{SharedWriter, with_writer};
use crate::intake::broker;
use crate::intake::writer::{Answer, Writer};
use crate::judgement::thresholds::THRESHOLDS;
use crate::judgement::{searches, second_looks};
use crate::lookups::store::TransitStore;
use crate::machine::measures;
use crate::store::sql::Connection;
use crate::store::{self, StoreError};
use crate::timekeeping::SharedClock;
use crate::transits::erasures;
use crate::transits::retention::RetentionError;
use crate::upkeep::server_certificate::CertificateKeeper;

/// How often what is past its term is destroyed.
const EXPIRY_EVERY: Duration = Duration::from_secs(60);
/// How often transits whose erasure was granted are looked for.
const ERASE_EVERY: Duration = Duration::from_secs(2);
/// How often hours to be indexed are looked for.
const SEAL_EVERY: Duration = Duration::from_secs(5);
/// How often the server's certificate is looked after.
const CERTIFICATES_EVERY: Duration = Duration::from_secs(5);
/// How often audit lines past their term are looked for.
const LINES_EVERY: Duration = Duration::from_secs(3600);
/// How often releases to be sent are looked for.
const RELEASES_EVERY: Duration = Duration::from_secs(2);
/// How often the chains' ends are looked at.
const PRUNE_EVERY: Duration = Duration::from_secs(600);
/// Between two steps of it, so that batches come first.
const PRUNE_PAUSE: Duration = Duration::from_millis(50);

/// What it works on.
pub(crate) struct Upkeep {
    /// The main database.
    pub(crate) main: PathBuf,
    /// The one writer.
    pub(crate) writer: SharedWriter,
    /// The stored transits.
    pub(crate) archive: TransitStore,
    /// Sends releases.
    pub(crate) sender: broker::Sender,
    /// Signs audit lines.
    pub(crate) key: Arc<SealingKey>,
    /// The hub's clock.
    pub(crate) clock: SharedClock,
    /// The keys that go when a case or a hotlist is closed.
    pub(crate) record_keys: RecordKeys,
    /// How long audit lines are kept.
    pub(crate) audit_term: Duration,
    /// What the server shows.
    pub(crate) certificates: CertificateKeeper,
}

/// The keys that lie beside those of the hours and go when what they are for is closed.
#[derive(Debug, Clone)]
pub(crate) struct RecordKeys {
    cases: Arc<CaseKeys>,
    lists: Arc<ListKeys>,
}

impl RecordKeys {
    /// Those that the routes use.
    pub(crate) fn of(cases: &Arc<CaseKeys>, lists: &Arc<ListKeys>) -> Self {
        Self {
            cases: Arc::clone(cases),
            lists: Arc::clone(lists),
        }
    }

    /// Destroys those of closed cases and hotlists.
    ///
    /// # Errors
    /// [`StoreError`]; it is tried again.
    pub(crate) fn destroy_closed(&self, main: &Connection) -> Result<(), StoreError> {
        self.cases.destroy_closed(main)?;
        self.lists.destroy_closed(main)
    }
}

impl Upkeep {
    /// Starts all of it.
    pub(crate) fn start(self, tasks: &mut JoinSet<()>, stop: &watch::Receiver<bool>) {
        let Self {
            main,
            writer,
            archive,
            sender,
            key,
            clock,
            record_keys,
            audit_term,
            certificates,
        } = self;
        let keeping = keep_certificates(certificates, clock.clone(), stop.clone());
        tasks.spawn(keeping);
        tasks.spawn(purge_regularly(
            main.clone(),
            key.clone(),
            clock.clone(),
            archive.clone(),
            stop.clone(),
        ));
        tasks.spawn(erase_regularly(
            main.clone(),
            key.clone(),
            clock.clone(),
            archive.clone(),
            stop.clone(),
        ));
        let ending = AuditEnding {
            main: main.clone(),
            archive: archive.clone(),
            clock: clock.clone(),
            key: key.clone(),
            term: audit_term,
        };
        tasks.spawn(end_lines_regularly(ending, stop.clone()));
        tasks.spawn(close_lists_regularly(
            main.clone(),
            archive.clone(),
            clock.clone(),
            key,
            record_keys,
            stop.clone(),
        ));
        tasks.spawn(release_regularly(main, sender, clock.clone(), stop.clone()));
        tasks.spawn(seal_regularly(archive.clone(), clock, stop.clone()));
        tasks.spawn(expire_regularly(writer.clone(), archive, stop.clone()));
        tasks.spawn(prune_regularly(writer, stop.clone()));
    }
}

/// When something that is done regularly is due: at once, and then each time a span is over.
struct Beat {
    ticks: Interval,
    stop: watch::Receiver<bool>,
}

impl Beat {
    fn every(span: Duration, stop: watch::Receiver<bool>) -> Self {
        let mut ticks = tokio::time::interval(span);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { ticks, stop }
    }

    /// Waits until it is due; false when the hub stops.
    async fn next(&mut self) -> bool {
        tokio::select! {
            _ = self.ticks.tick() => true,
            _ = self.stop.wait_for(|stop| *stop) => false,
        }
    }
}

/// Destroys what is past its term: at once, and then each minute.
async fn expire_regularly(
    writer: SharedWriter,
    archive: TransitStore,
    stop: watch::Receiver<bool>,
) {
    let mut beat = Beat::every(EXPIRY_EVERY, stop);
    while beat.next().await {
        if let Err(error) = expire_due(&writer, &archive).await {
            let source = error.source().map(ToString::to_string).unwrap_or_default();
            tracing::error!(error = %error, source, "an expiry run did not finish");
        }
    }
}

/// Destroys the keys of one hour at a time, so that intake never waits for more, and then the files.
async fn expire_due(
    writer: &SharedWriter,
    archive: &TransitStore,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let (mut hours, mut transits) = (Vec::new(), 0);
    let again = archive.clone();
    let ended = loop {
        match with_writer(writer, |writer| writer.expire(1)).await? {
            Ok(expired) if expired.hours.iter().all(|hour| hours.contains(hour)) => break Ok(()),
            Ok(expired) => {
                hours.extend(expired.hours);
                transits += expired.transits;
            }
            Err(error) => break Err(error),
        }
    };
    // The files of what is dead go also when the run broke off: on a full disk they make its room.
    let count = hours.len();
    let archive = archive.clone();
    let cleared = tokio::task::spawn_blocking(move || {
        let unlinked = archive.unlink(&hours);
        archive.settings().room.reserve.lay_again();
        unlinked
    });
    cleared.await??;
    if count > 0 {
        measures::expired(count, transits);
        tracing::info!(hours = count, transits, "destroyed what was past its term");
    }
    match ended {
        Err(_) if count > 0 => Box::pin(expire_due(writer, &again)).await,
        ended => Ok(ended?),
    }
}

/// Destroys transits whose erasure was granted, at the request of whom they are about: within seconds.
async fn erase_regularly(
    main: PathBuf,
    key: Arc<SealingKey>,
    clock: SharedClock,
    archive: TransitStore,
    stop: watch::Receiver<bool>,
) {
    let mut beat = Beat::every(ERASE_EVERY, stop);
    while beat.next().await {
        let Some(now) = clock.reading().may_destroy() else {
            continue;
        };
        let (main, key) = (main.clone(), key.clone());
        let archive = archive.clone();
        let erased = tokio::task::spawn_blocking(move || -> Result<u64, RetentionError> {
            if !erasures::is_any_pending(&archive.main())? {
                return Ok(0);
            }
            let mut main = store::open(&main)?;
            let mut transits = 0;
            let mut one = || archive.erase_one(&mut main, now, &key);
            while let Some(erased) = archive.settings().room.reserve.lend(&mut one)? {
                transits += erased.transits;
            }
            Ok(transits)
        });
        match erased.await {
            Ok(Ok(0)) => {}
            Ok(Ok(transits)) => {
                measures::expired(0, transits);
                tracing::info!(
                    transits,
                    "destroyed what whom it was about asked to destroy"
                );
            }
            Ok(Err(error)) => {
                tracing::error!(error = %error, "transits that are to be erased are left")
            }
            Err(_) => tracing::error!("erasing transits broke off"),
        }
    }
}

/// Destroys what municipalities keep for a shorter time than they did when it was stored: at once,
/// and then each minute.
async fn purge_regularly(
    main: PathBuf,
    key: Arc<SealingKey>,
    clock: SharedClock,
    archive: TransitStore,
    stop: watch::Receiver<bool>,
) {
    let mut beat = Beat::every(EXPIRY_EVERY, stop);
    while beat.next().await {
        let Some(now) = clock.reading().may_destroy() else {
            continue;
        };
        let (main, key) = (main.clone(), key.clone());
        let archive = archive.clone();
        let purged = tokio::task::spawn_blocking(move || -> Result<u64, RetentionError> {
            let mut main = store::open(&main)?;
            let mut transits = 0;
            let mut one = || archive.purge_one(&mut main, now, &key);
            while let Some(purged) = archive.settings().room.reserve.lend(&mut one)? {
                transits += purged.transits;
            }
            Ok(transits)
        });
        match purged.await {
            Ok(Ok(0)) => {}
            Ok(Ok(transits)) => {
                measures::expired(0, transits);
                tracing::info!(transits, "destroyed what is past its municipality's term");
            }
            Ok(Err(error)) => {
                tracing::error!(error = %error, "transits past a municipality's term are left")
            }
            Err(_) => tracing::error!("destroying what is past a municipality's term broke off"),
        }
    }
}

/// What the end of audit lines works on.
struct AuditEnding {
    main: PathBuf,
    archive: TransitStore,
    clock: SharedClock,
    key: Arc<SealingKey>,
    term: Duration,
}

/// Ends the texts of audit lines whose term is over: at once, and then each hour. While the clock is in doubt
/// nothing ends.
async fn end_lines_regularly(ending: AuditEnding, stop: watch::Receiver<bool>) {
    let mut beat = Beat::every(LINES_EVERY, stop);
    let ending = Arc::new(ending);
    while beat.next().await {
        let Some(now) = ending.clock.reading().may_destroy() else {
            continue;
        };
        let ending = Arc::clone(&ending);
        let ended = tokio::task::spawn_blocking(move || -> Result<u64, StoreError> {
            let mut main = store::open(&ending.main)?;
            let mut lines = 0;
            loop {
                let _turn = ending.archive.turn();
                match end_due(&mut main, ending.term, now.at(), &ending.key)? {
                    Some(ended) => lines += ended.lines,
                    None => return Ok(lines),
                }
            }
        });
        match ended.await {
            Ok(Ok(0)) => {}
            Ok(Ok(lines)) => tracing::info!(lines, "ended audit lines past their term"),
            Ok(Err(error)) => {
                tracing::error!(error = %error, "audit lines past their term are left")
            }
            Err(_) => tracing::error!("ending audit lines broke off"),
        }
    }
}

/// Indexes hours that are over, or that have grown.
async fn seal_regularly(archive: TransitStore, clock: SharedClock, stop: watch::Receiver<bool>) {
    let mut beat = Beat::every(SEAL_EVERY, stop);
    while beat.next().await {
        let (archive, now) = (archive.clone(), clock.now());
        match tokio::task::spawn_blocking(move || archive.seal_one_due(now)).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => {
                tracing::error!(error = %error, "an hour cannot be indexed; it stays in memory")
            }
            Err(_) => tracing::error!("indexing an hour broke off"),
        }
    }
}

/// Renews the server's certificate in time, and shows what a command wrote. The connections that are
/// open go on.
async fn keep_certificates(
    mut keeper: CertificateKeeper,
    clock: SharedClock,
    stop: watch::Receiver<bool>,
) {
    let mut beat = Beat::every(CERTIFICATES_EVERY, stop);
    while beat.next().await {
        let now = clock.now();
        let looked = tokio::task::spawn_blocking(move || {
            let looked = keeper.look(now);
            (keeper, looked)
        });
        let Ok((back, looked)) = looked.await else {
            tracing::error!("looking after the server's certificate broke off");
            return;
        };
        keeper = back;
        match looked {
            Ok(true) => tracing::info!("the server shows another certificate"),
            Ok(false) => {}
            Err(error) => {
                let source = std::error::Error::source(&error).map(ToString::to_string);
                let source = source.unwrap_or_default();
                tracing::error!(error = %error, source, "the server's certificate is not renewed");
            }
        }
    }
}

/// Brings the backup up to date: at once, and then as often as the configuration says.
pub(crate) async fn back_up_regularly(
    home: Home,
    backup: Backup,
    clock: SharedClock,
    stop: watch::Receiver<bool>,
) {
    let mut beat = Beat::every(backup.every, stop);
    while beat.next().await {
        let (home, place, now) = (home.clone(), backup.place.clone(), clock.now());
        let made = tokio::task::spawn_blocking(move || create::create(&home, &place, now));
        match made.await {
            Ok(Ok(report)) => {
                measures::backed_up(now);
                tracing::info!(
                    hours = report.hours,
                    copied = report.copied,
                    removed = report.removed,
                    "the backup is up to date"
                );
                if report.recovery_key.is_some() {
                    tracing::warn!(
                        "a recovery key was made: write private/recovery.key down and keep it apart"
                    );
                }
            }
            Ok(Err(error)) => {
                let source = std::error::Error::source(&error).map(ToString::to_string);
                tracing::error!(error = %error, source = source.unwrap_or_default(), "no backup");
            }
            Err(_) => tracing::error!("a backup broke off"),
        }
    }
}

/// Closes hotlists and cases whose term is over, and destroys what they hold; forgets old searches; notes which
/// requests are over.
async fn close_lists_regularly(
    main: PathBuf,
    archive: TransitStore,
    clock: SharedClock,
    key: Arc<SealingKey>,
    record_keys: RecordKeys,
    stop: watch::Receiver<bool>,
) {
    let mut beat = Beat::every(EXPIRY_EVERY, stop);
    while beat.next().await {
        let Some(now) = clock.reading().may_destroy() else {
            continue;
        };
        let (main, key, now) = (main.clone(), key.clone(), now.at());
        let (archive, record_keys) = (archive.clone(), record_keys.clone());
        let closed = tokio::task::spawn_blocking(
            move || -> Result<_, Box<dyn std::error::Error + Send + Sync>> {
                let mut main = store::open(&main)?;
                let acting = Acting {
                    actor: &Actor::hub(),
                    now,
                    key: &key,
                };
                let _turn = archive.turn();
                let reserve = &archive.settings().room.reserve;
                let cases = reserve.lend(|| cases::desk::close_past(&mut main, &acting))?;
                let lists =
                    reserve.lend(|| desk::close_past(&mut main, &record_keys.lists, &acting))?;
                reserve.lend(|| record_keys.destroy_closed(&main))?;
                reserve.lend(|| forget_searches(&main, now))?;
                reserve.lend(|| tidying::note_ended(&mut main, &acting))?;
                reserve.lend(|| register::end_past(&mut main, &acting))?;
                Ok((lists, cases))
            },
        );
        match closed.await {
            Ok(Ok((lists, cases))) => {
                for case in cases {
                    tracing::info!(case = %case, "an order's term is over; its case is closed");
                }
                for list in lists {
                    tracing::info!(list = %list, "the validity of a hotlist is over; it is closed");
                }
            }
            Ok(Err(error)) => {
                tracing::error!(error = %error, "hotlists or cases that are over cannot be closed")
            }
            Err(_) => {}
        }
    }
}

/// Destroys what is known of searches beyond the memory of the rule against misuse.
fn forget_searches(main: &Connection, now: UtcTime) -> Result<(), StoreError> {
    let before = now - THRESHOLDS.memory;
    while searches::is_more_left(searches::forget(main, before)?) {}
    second_looks::forget(main, now, before)
}

/// Looks at the boxes, every ten seconds.
pub(crate) async fn watch_boxes(
    boxes: BoxWatch,
    broker: broker::Connected,
    stop: watch::Receiver<bool>,
) {
    let mut beat = Beat::every(boxes::watch::LOOK_EVERY, stop);
    let mut since = Since::now(boxes.clock.now());
    let boxes = Arc::new(boxes);
    while beat.next().await {
        let (looking, mut moved) = (Arc::clone(&boxes), since);
        let broker = broker.clone();
        let looked = tokio::task::spawn_blocking(move || {
            let looked = looking.look(&mut moved, broker.get());
            (looked, moved)
        });
        match looked.await {
            Ok((looked, moved)) => {
                since = moved;
                if let Err(error) = looked {
                    tracing::error!(error = %error, "the boxes cannot be looked at");
                }
            }
            Err(_) => tracing::error!("a look at the boxes broke off"),
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

/// Sends releases until their edges show that they have them.
async fn release_regularly(
    main: PathBuf,
    sender: broker::Sender,
    clock: SharedClock,
    stop: watch::Receiver<bool>,
) {
    let mut beat = Beat::every(RELEASES_EVERY, stop);
    while beat.next().await {
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
