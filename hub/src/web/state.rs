//! What the routes share, and who calls them.

use std::sync::Arc;

use axum::extract::{ConnectInfo, FromRequestParts};
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use serde::de::DeserializeOwned;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, broadcast, watch};
use varco_proto::envelope::Verified;
use varco_proto::keys::SealingKey;
use varco_proto::record::Record;

use super::connections::Connections;
use super::enrolments::EnrolmentDesk;
use super::errors::ApiError;
use super::live::write_line;
use crate::awaited::Waiting;
use crate::cases::keys::CaseKeys;
use crate::clock::SharedClock;
use crate::hotlists::active::ActiveLists;
use crate::hotlists::desk::Acting;
use crate::intake::broker::Connected;
use crate::people::audit::{Action, Entry};
use crate::people::purpose::Grounds;
use crate::people::tokens::{self, Actor, Permission, Permissions};
use crate::store::sql::Connection;
use crate::store::{self, StoreError};
use crate::transits::lookup::LookupError;
use crate::transits::store::TransitStore;

/// What the routes share.
#[derive(Clone)]
pub struct HubState {
    /// The transits.
    pub archive: TransitStore,
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
    /// The keys of the cases.
    pub case_keys: Arc<CaseKeys>,
    /// Whether the broker is there.
    pub broker: Connected,
    /// Lookups that may run at once.
    pub lookups: Arc<Semaphore>,
    /// Most results of one lookup.
    pub results_max: u32,
    /// Whether vehicles that travel together may be asked for.
    pub companions: bool,
    /// Who holds a connection or a stream.
    pub connections: Arc<Connections>,
    /// Certificates for boxes.
    pub enrolment: EnrolmentDesk,
    /// Ends the live streams when the hub stops.
    pub stop: watch::Receiver<bool>,
}

impl HubState {
    /// A connection to the main database.
    ///
    /// # Errors
    /// [`ApiError::Internal`], logged.
    pub fn main(&self) -> Result<Connection, ApiError> {
        store::open(&self.archive.settings().main).map_err(ApiError::store)
    }

    /// Waits until one lookup more may run.
    ///
    /// # Errors
    /// [`ApiError::Internal`] when the hub stops.
    pub async fn turn_to_look(&self) -> Result<OwnedSemaphorePermit, ApiError> {
        let turn = self.lookups.clone().acquire_owned().await;
        turn.map_err(|_| ApiError::Internal)
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

/// Reads a request's JSON.
///
/// # Errors
/// [`ApiError::Body`].
pub fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, ApiError> {
    serde_json::from_slice(body).map_err(|error| ApiError::Body(error.to_string()))
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

/// Notes that a question was broken off, when that is what happened: an attempt leaves its line too.
pub(super) fn note_broken_off(
    state: &HubState,
    (actor, grounds): (&Actor, Option<&Grounds>),
    error: LookupError,
) -> ApiError {
    if matches!(error, LookupError::Store(StoreError::Unawaited)) {
        let why = "the caller went away before the answer";
        let details = serde_json::json!({ "why": why });
        let entry = Entry {
            grounds: grounds.cloned(),
            ..Entry::plain(actor.clone(), Action::LookupRefused, details)
        };
        let _turn = state.archive.turn();
        if write_line(state, &entry).is_err() {
            return ApiError::Audit;
        }
    }
    ApiError::lookup(error)
}

/// Who calls, by the token in the `Authorization` header.
#[derive(Debug, Clone)]
pub struct Caller(pub Actor, pub Permissions);

impl Caller {
    /// The actor, who may do this.
    ///
    /// # Errors
    /// [`ApiError::Forbidden`].
    pub fn who_may(self, permission: Permission) -> Result<Actor, ApiError> {
        if self.1.has(permission) {
            Ok(self.0)
        } else {
            Err(ApiError::Forbidden(permission))
        }
    }
}

impl FromRequestParts<HubState> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &HubState) -> Result<Self, ApiError> {
        let header = parts.headers.get(AUTHORIZATION);
        let token = header
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.split_once(' '))
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
            .map(|(_, token)| token.trim().to_owned())
            .ok_or(ApiError::NoToken)?;
        let main = state.archive.settings().main.clone();
        let found = blocking(move || {
            let connection = store::open(&main).map_err(ApiError::store)?;
            tokens::actor_of(&connection, &token).map_err(ApiError::store)
        })
        .await?;
        if found.is_none() {
            tracing::warn!("a request with a token that is nobody's");
        }
        let (actor, may) = found.ok_or(ApiError::NoToken)?;
        if let Some(ConnectInfo(peer)) = parts.extensions.get() {
            state.connections.know(*peer, &actor.to_string())?;
        }
        Ok(Self(actor, may))
    }
}
