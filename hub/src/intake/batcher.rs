//! From deliveries to batches: gather, store, answer, acknowledge, in this order.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{broadcast, mpsc, watch};
use varco_proto::envelope::Verified;
use varco_proto::record::Record;

use super::broker::{Closed, Delivery, Sender};
use super::writer::{Message, Taken, Writer};
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
    /// Answers and acknowledgements.
    pub sender: Sender,
    /// Tells who watches of every transit stored for the first time.
    pub live: broadcast::Sender<Arc<Verified<Record>>>,
    /// Most records in one commit.
    pub records_max: usize,
    /// Longest wait for a batch to fill.
    pub wait: Duration,
}

impl Batcher {
    /// Runs until the hub stops or the broker's side ends.
    pub async fn run(
        self,
        mut deliveries: mpsc::Receiver<Delivery>,
        mut stop: watch::Receiver<bool>,
    ) {
        loop {
            let first = tokio::select! {
                first = deliveries.recv() => first,
                _ = stop.wait_for(|stop| *stop) => None,
            };
            let Some(first) = first else { break };
            let batch = self.gather(first, &mut deliveries).await;
            tokio::select! {
                done = self.settle(batch) => if done.is_err() { break },
                _ = stop.wait_for(|stop| *stop) => break,
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

    async fn settle(&self, batch: Vec<Delivery>) -> Result<(), Closed> {
        let messages: Arc<[Message]> = batch.iter().map(|d| d.message.clone()).collect();
        for taken in store(&self.writer, messages).await {
            for answer in taken.answers {
                self.sender.answer(answer).await?;
            }
            for transit in taken.stored {
                // Nobody watching is no fault.
                let _ = self.live.send(transit);
            }
        }
        for delivery in &batch {
            self.sender.acknowledge(delivery).await?;
        }
        Ok(())
    }
}

/// Stores a batch, however long the store fails. A message that the store cannot hold is found
/// by taking them one by one, and refused.
pub async fn store(writer: &SharedWriter, messages: Arc<[Message]>) -> Vec<Taken> {
    let mut wait = RETRY_FIRST;
    loop {
        let batch = messages.clone();
        match with_writer(writer, move |writer| writer.take(&batch)).await {
            Ok(Ok(taken)) => return vec![taken],
            Ok(Err(error)) if !error.is_of_the_record() => {
                report(&error);
                tokio::time::sleep(wait).await;
                wait = (wait * 2).min(RETRY_MAX);
            }
            Ok(Err(_)) | Err(_) => return store_singly(writer, &messages).await,
        }
    }
}

async fn store_singly(writer: &SharedWriter, messages: &[Message]) -> Vec<Taken> {
    let mut all = Vec::new();
    for message in messages {
        let mut wait = RETRY_FIRST;
        loop {
            let one = message.clone();
            let taken = with_writer(writer, move |writer| {
                match writer.take(std::slice::from_ref(&one)) {
                    Err(error) if error.is_of_the_record() => writer.refuse(&one),
                    other => other,
                }
            });
            let failed = match taken.await {
                Ok(Ok(taken)) => {
                    all.push(taken);
                    break;
                }
                Ok(Err(error)) => error,
                Err(_) => {
                    let one = message.clone();
                    match with_writer(writer, move |w| w.refuse(&one)).await {
                        Ok(Ok(taken)) => all.push(taken),
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

fn report(error: &StoreError) {
    let source = std::error::Error::source(error).map(ToString::to_string);
    tracing::error!(
        error = %error, source = source.unwrap_or_default(),
        "nothing is stored or receipted until the store works again"
    );
}
