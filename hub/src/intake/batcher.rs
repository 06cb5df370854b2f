//! From deliveries to batches: gather and open, store, answer and acknowledge.
//!
//! The three go on at the same time, each with a batch of its own, so that signatures are checked
//! while the disk works; the batches keep their order.
//!
//! Nothing here prefers fresh transits to a backlog: each edge already sends one fresh record with
//! every three old ones, of at most 64 that wait for a receipt. So no backlog of days ever stands
//! before this door, only some seconds of it, and within a batch all are answered at once.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{broadcast, mpsc, watch};
use varco_proto::envelope::Verified;
use varco_proto::record::Record;

use super::answers::{BatchOutcome, Taken};
use super::broker::{Closed, Delivery, Sender};
use super::opening::{Opened, Opener};
use super::pool::Pool;
use super::writer::{Message, Writer};
use crate::machine::measures;
use crate::machine::stopwatch::Stopwatch;
use crate::store::StoreError;

/// First wait when the store fails.
const RETRY_FIRST: Duration = Duration::from_millis(200);
/// Longest wait.
const RETRY_MAX: Duration = Duration::from_secs(10);

/// The writer, shared with the retention runs.
pub type SharedWriter = Arc<Mutex<Writer>>;

/// Runs something with the writer, off the async threads.
///
/// # Errors
/// [`tokio::task::JoinError`] when it panicked.
pub async fn with_writer<T: Send + 'static>(
    writer: &SharedWriter,
    work: impl FnOnce(&mut Writer) -> T + Send + 'static,
) -> Result<T, tokio::task::JoinError> {
    let writer = writer.clone();
    tokio::task::spawn_blocking(move || {
        // After a panic its transactions are rolled back, so the writer is as good as before.
        work(&mut writer.lock().unwrap_or_else(PoisonError::into_inner))
    })
    .await
}

/// Gathers and stores until the deliveries end.
pub struct Batcher {
    /// The one writer.
    pub writer: SharedWriter,
    /// Opens the envelopes.
    pub opener: Opener,
    /// Seals the answers.
    pub pool: Arc<Pool>,
    /// Answers and acknowledgements.
    pub sender: Sender,
    /// Tells who watches of every transit stored for the first time.
    pub live: broadcast::Sender<Arc<Verified<Record>>>,
    /// Tells that alerts were raised: how many so far.
    pub alerts: watch::Sender<u64>,
    /// Most records in one commit.
    pub records_max: usize,
    /// Longest wait for a batch to fill.
    pub wait: Duration,
    /// Whether the broker hands an edge's records to several connections, so that they come out
    /// of order.
    pub shared: bool,
}

/// A batch between gathering and storing.
struct Gathered {
    deliveries: Vec<Delivery>,
    opened: Opened,
}

/// A batch that is committed.
struct Stored {
    deliveries: Vec<Delivery>,
    outcomes: Vec<BatchOutcome>,
}

impl Batcher {
    /// Runs until the hub stops or the broker's side ends.
    pub async fn run(self, deliveries: mpsc::Receiver<Delivery>, mut stop: watch::Receiver<bool>) {
        // One batch waits at most between two stages: what the broker sends beyond is not
        // acknowledged, and it stops at its own limit.
        let (gathered, to_store) = mpsc::channel(1);
        let (stored, to_answer) = mpsc::channel(1);
        let gathering = Gathering {
            opener: Arc::new(Mutex::new(self.opener)),
            records_max: self.records_max,
            wait: self.wait,
            shared: self.shared,
        };
        let answering = Answering {
            writer: self.writer.clone(),
            pool: self.pool,
            sender: self.sender,
        };
        let stages = async {
            tokio::join!(
                gathering.run(deliveries, gathered),
                store_all(self.writer, self.live, self.alerts, to_store, stored),
                answering.run(to_answer),
            )
        };
        tokio::select! {
            _ = stages => {}
            _ = stop.wait_for(|stop| *stop) => {}
        }
    }
}

/// The first stage.
struct Gathering {
    opener: Arc<Mutex<Opener>>,
    records_max: usize,
    wait: Duration,
    shared: bool,
}

impl Gathering {
    async fn run(self, mut deliveries: mpsc::Receiver<Delivery>, next: mpsc::Sender<Gathered>) {
        while let Some(first) = deliveries.recv().await {
            let deliveries = self.gather(first, &mut deliveries).await;
            let opened = self.open(&deliveries).await;
            let gathered = Gathered { deliveries, opened };
            if next.send(gathered).await.is_err() {
                return;
            }
        }
    }

    async fn gather(
        &self,
        first: Delivery,
        deliveries: &mut mpsc::Receiver<Delivery>,
    ) -> Vec<Delivery> {
        let mut batch = vec![first];
        let full = async {
            while batch.len() < self.records_max {
                match deliveries.recv().await {
                    Some(delivery) => batch.push(delivery),
                    None => break,
                }
            }
        };
        // Whether it is full or time is over, what there is goes on.
        let _ = tokio::time::timeout(self.wait, full).await;
        batch
    }

    async fn open(&self, deliveries: &[Delivery]) -> Opened {
        let messages: Arc<[Message]> = deliveries.iter().map(|d| d.message.clone()).collect();
        let (opener, batch) = (self.opener.clone(), messages.clone());
        let opened = tokio::task::spawn_blocking(move || {
            opener
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .open(batch)
        });
        match opened.await {
            Ok(opened) if self.shared => opened.in_chain_order(),
            Ok(opened) => opened,
            // The writer opens it, message by message if need be.
            Err(_) => messages.into(),
        }
    }
}

/// The second stage.
async fn store_all(
    writer: SharedWriter,
    live: broadcast::Sender<Arc<Verified<Record>>>,
    alerts: watch::Sender<u64>,
    mut batches: mpsc::Receiver<Gathered>,
    next: mpsc::Sender<Stored>,
) {
    while let Some(Gathered { deliveries, opened }) = batches.recv().await {
        let since = Stopwatch::start();
        let outcomes = store_opened(&writer, Arc::new(opened)).await;
        let raised: usize = outcomes.iter().map(BatchOutcome::alerts).sum();
        let transits = outcomes
            .iter()
            .map(|outcome| outcome.transits().count())
            .sum();
        measures::batch_stored(since, transits, raised);
        if raised > 0 {
            let raised = u64::try_from(raised).unwrap_or(u64::MAX);
            alerts.send_modify(|count| *count = count.wrapping_add(raised));
        }
        for transit in outcomes.iter().flat_map(BatchOutcome::transits) {
            // Nobody watching is no fault.
            let _ = live.send(transit.clone());
        }
        let stored = Stored {
            deliveries,
            outcomes,
        };
        if next.send(stored).await.is_err() {
            return;
        }
    }
}

/// The third stage.
struct Answering {
    writer: SharedWriter,
    pool: Arc<Pool>,
    sender: Sender,
}

impl Answering {
    async fn run(self, mut batches: mpsc::Receiver<Stored>) {
        let key = self
            .writer
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .key();
        while let Some(Stored {
            deliveries,
            outcomes,
        }) = batches.recv().await
        {
            let (key, pool) = (key.clone(), self.pool.clone());
            let sealed = tokio::task::spawn_blocking(move || {
                let outcomes = outcomes.into_iter();
                outcomes.map(|o| o.sealed_by(&key, &pool)).collect()
            });
            // Without answers nothing may be acknowledged; the edges send again.
            let Ok(taken) = sealed.await else { continue };
            if self.settle(taken, &deliveries).await.is_err() {
                return;
            }
        }
    }

    async fn settle(&self, taken: Vec<Taken>, deliveries: &[Delivery]) -> Result<(), Closed> {
        for answer in taken.into_iter().flat_map(|taken| taken.answers) {
            self.sender.answer(answer).await?;
        }
        for delivery in deliveries {
            self.sender.acknowledge(delivery).await?;
        }
        Ok(())
    }
}

/// Stores a batch, opening and sealing without the pool; otherwise as the hub does.
pub async fn store(writer: &SharedWriter, messages: Arc<[Message]>) -> Vec<Taken> {
    let outcomes = store_opened(writer, Arc::new(messages.into())).await;
    let key = writer.lock().unwrap_or_else(PoisonError::into_inner).key();
    let outcomes = outcomes.into_iter();
    outcomes.map(|outcome| outcome.sealed(&key)).collect()
}

/// Stores a batch, however long the store fails. A message that the store cannot hold is found
/// by taking them one by one, and refused.
pub async fn store_opened(writer: &SharedWriter, opened: Arc<Opened>) -> Vec<BatchOutcome> {
    let mut wait = RETRY_FIRST;
    loop {
        let batch = opened.clone();
        match with_writer(writer, move |writer| writer.take_opened(&batch)).await {
            Ok(Ok(outcome)) => return vec![outcome],
            Ok(Err(error)) if !error.is_of_the_record() => {
                report(&error);
                tokio::time::sleep(wait).await;
                wait = (wait * 2).min(RETRY_MAX);
            }
            Ok(Err(_)) | Err(_) => return store_singly(writer, &opened).await,
        }
    }
}

async fn store_singly(writer: &SharedWriter, opened: &Opened) -> Vec<BatchOutcome> {
    let mut all = Vec::new();
    for one in opened.singly() {
        let one = Arc::new(one);
        let mut wait = RETRY_FIRST;
        loop {
            let message = one.clone();
            let taken = with_writer(writer, move |writer| match writer.take_opened(&message) {
                Err(error) if error.is_of_the_record() => refuse(writer, &message),
                other => other,
            });
            let failed = match taken.await {
                Ok(Ok(outcome)) => {
                    all.push(outcome);
                    break;
                }
                Ok(Err(error)) => error,
                Err(_) => {
                    let message = one.clone();
                    match with_writer(writer, move |writer| refuse(writer, &message)).await {
                        Ok(Ok(outcome)) => all.push(outcome),
                        _ => tracing::error!("a message can be neither stored nor refused"),
                    }
                    break;
                }
            };
            report(&failed);
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(RETRY_MAX);
        }
    }
    all
}

fn refuse(writer: &mut Writer, one: &Opened) -> Result<BatchOutcome, StoreError> {
    match one.iter().next() {
        Some((message, _)) => writer.refuse(message),
        None => Ok(BatchOutcome::new()),
    }
}

fn report(error: &StoreError) {
    measures::batch_failed();
    let source = std::error::Error::source(error).map(ToString::to_string);
    tracing::error!(
        error = %error, source = source.unwrap_or_default(),
        "nothing is stored or receipted until the store works again"
    );
}
