//! What the routes share.

use crate::store::awaited::Waiting;
use crate::timekeeping::SharedClock;
use std::sync::Arc;

use tokio::sync::{Semaphore, broadcast, watch};
use varco_proto::envelope::Verified;
use varco_proto::keys::SealingKey;
use varco_proto::record::Record;

use super::connections::HttpConnections;
use super::enrolments::EnrolmentDesk;
use super::errors::ApiError;
use super::signing_desk::SigningDesk;
use crate::audit::acting::Acting;
use crate::audit::actor::Actor;
use crate::audit::{self, AuditEntry};
use crate::cases::keys::CaseKeys;
use crate::hotlists::active::ActiveLists;
use crate::intake::broker::Connected;
use crate::judgement::judge::Judge;
use crate::lookups::store::TransitStore;
use crate::policy::rights::Rights;
use crate::store::StoreError;
use crate::store::pool::{ConnectionPool, Pooled};
use crate::store::sql::Connection;
use varco_proto::cipher::Key;

/// What the routes share.
#[derive(Clone)]
pub struct HubState {
    /// The transits.
    pub archive: TransitStore,
    /// Connections to the main database.
    pub main_pool: ConnectionPool,
    /// The hub's key: signs audit lines.
    pub key: Arc<SealingKey>,
    /// The time.
    pub clock: SharedClock,
    /// Every transit as it is stored.
    pub live: broadcast::Sender<Arc<Verified<Record>>>,
    /// Tells that alerts were raised.
    pub alerts: watch::Receiver<u64>,
    /// The lists that hold.
    pub hotlists: Arc<ActiveLists>,
    /// Judges searches by what their person searched before.
    pub judge: Arc<Judge>,
    /// The keys of the cases.
    pub case_keys: Arc<CaseKeys>,
    /// What seals the secrets of webhooks.
    pub webhook_key: Arc<Key>,
    /// Whether the broker is there.
    pub broker: Connected,
    /// Lookups that may run at once.
    pub lookups: Arc<Semaphore>,
    /// Most results of one lookup.
    pub results_max: u32,
    /// Whether vehicles that travel together may be asked for.
    pub companions: bool,
    /// Who holds a connection or a stream.
    pub connections: Arc<HttpConnections>,
    /// Certificates for boxes.
    pub enrolment: EnrolmentDesk,
    /// What decides who may.
    pub rights: Arc<Rights>,
    /// What lets persons in.
    pub signing: SigningDesk,
    /// Ends the live streams when the hub stops.
    pub stop: watch::Receiver<bool>,
}

impl HubState {
    /// A connection to the main database.
    ///
    /// # Errors
    /// [`ApiError::Internal`], logged.
    pub fn main(&self) -> Result<Pooled, ApiError> {
        self.main_pool.take().map_err(ApiError::store)
    }

    /// Searches, off the async threads, once fewer searches run than may at once. Its turn lasts as long
    /// as the work does, also when the caller goes away.
    ///
    /// # Errors
    /// What `work` gives; [`ApiError::Internal`] when the hub stops.
    pub(super) async fn search<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Self) -> Result<T, ApiError> + Send + 'static,
    ) -> Result<T, ApiError> {
        let turn = self.lookups.clone().acquire_owned().await;
        let turn = turn.map_err(|_| ApiError::Internal)?;
        let state = self.clone();
        blocking(move || {
            let _turn = turn;
            work(&state)
        })
        .await
    }

    /// Writes an audit line in its turn, and gives its number.
    ///
    /// # Errors
    /// [`ApiError::Audit`], logged: then nothing may be shown.
    pub fn note(&self, entry: &AuditEntry) -> Result<u64, ApiError> {
        self.line(entry).map_err(|error| {
            tracing::error!(error = %error, "an audit line cannot be written");
            ApiError::Audit
        })
    }

    /// Writes an audit line that nobody waits for, off the async threads. A fault is logged.
    pub(super) fn note_later(&self, entry: AuditEntry) {
        let state = self.clone();
        let write = move || drop(state.note(&entry));
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn_blocking(write)),
            Err(_) => write(),
        }
    }

    /// Writes the audit line of what the hub does on its own, in its turn, and gives its number.
    ///
    /// # Errors
    /// [`StoreError`]: then it must not be done.
    pub fn line(&self, entry: &AuditEntry) -> Result<u64, StoreError> {
        let mut main = self.main_pool.take()?;
        let _turn = self.archive.turn();
        Ok(audit::append_alone(
            &mut main,
            entry,
            self.clock.now(),
            &self.key,
        )?)
    }

    /// Does something for a person, off the async threads and in its turn.
    ///
    /// # Errors
    /// What `work` gives.
    pub async fn act<T: Send + 'static>(
        self,
        actor: Actor,
        work: impl FnOnce(&mut Connection, &Self, &Acting<'_>) -> Result<T, ApiError> + Send + 'static,
    ) -> Result<T, ApiError> {
        blocking(move || {
            let mut main = self.main()?;
            let acting = Acting {
                actor: &actor,
                now: self.clock.now(),
                key: &self.key,
            };
            let _turn = self.archive.turn();
            work(&mut main, &self, &acting)
        })
        .await
    }
}

/// Runs database work off the async threads. A search in it ends early when the caller goes away.
///
/// # Errors
/// The work's own error, or [`ApiError::Internal`] when it panicked.
pub async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ApiError> + Send + 'static,
) -> Result<T, ApiError> {
    let waiting = Waiting::default();
    let done = tokio::task::spawn_blocking(waiting.work(work)).await;
    done.map_err(|_| ApiError::Internal)?
}
