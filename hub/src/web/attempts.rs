//! Attempts: what a token's route refuses, fails or breaks off leaves an audit line (C24).
//!
//! One layer lies over every route that asks for a token, so that no handler can forget it. Of what was
//! asked a line says the route and the grounds, never a plate.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::extract::{ConnectInfo, MatchedPath, Query, Request, State};
use axum::http::{StatusCode, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use tokio::sync::watch;

use super::connections::address_of;
use super::errors::ApiError;
use super::state::{HubState, blocking};
use super::strangers::{Seen, Strangers};
use crate::audit::AuditEntry;
use crate::audit::action::Action;
use crate::audit::actor::Actor;
use crate::audit::purpose::Grounds;

/// Most characters of grounds as a caller wrote them.
const WRITTEN_CHARACTERS_MAX: usize = 120;
/// Why those were refused who are counted.
const MORE: &str = "neither a valid token nor a session, or not let in";
/// How often it is looked whether a stranger's minute is over.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Writes the lines.
#[derive(Clone)]
pub(super) struct Attempts {
    state: HubState,
    strangers: Arc<Mutex<Strangers>>,
}

/// The grounds that a request states, as it writes them.
#[derive(Debug, Clone, Default, Deserialize)]
struct Written {
    purpose: Option<String>,
    case_reference: Option<String>,
}

#[derive(Debug, Default)]
struct Known {
    actor: Option<Actor>,
    written: Written,
}

/// What is known of a request so far. Whoever reads its token and its body writes it here.
#[derive(Debug, Clone, Default)]
pub(super) struct Trail(Arc<Mutex<Known>>);

impl Trail {
    fn of(uri: &Uri) -> Self {
        let written = Query::<Written>::try_from_uri(uri);
        let written = written.map_or_else(|_| Written::default(), |Query(written)| written);
        Self(Arc::new(Mutex::new(Known {
            actor: None,
            written,
        })))
    }

    fn known(&self) -> std::sync::MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Who asks.
    pub(super) fn name(&self, actor: &Actor) {
        self.known().actor = Some(actor.clone());
    }

    fn credential(&self) -> Option<String> {
        let known = self.known();
        known.actor.as_ref()?.credential().map(str::to_owned)
    }

    /// Reads the grounds out of a body, also of one that is refused.
    pub(super) fn read(&self, body: &[u8]) {
        if let Ok(written) = serde_json::from_slice(body) {
            self.known().written = written;
        }
    }
}

/// Why a request is not answered, for its line; what a caller wrote is not in it.
#[derive(Debug, Clone)]
pub(super) struct Why(pub String);

/// Marks an answer whose line is written already.
#[derive(Debug, Clone, Copy)]
pub(super) struct Noted;

/// One request.
struct Attempt {
    attempts: Attempts,
    trail: Trail,
    /// The method and the pattern of the route.
    asked: String,
    from: Option<IpAddr>,
}

/// A request that has no answer yet. When this is dropped, the request never gets one, and its line
/// is written.
struct Unanswered(Option<Attempt>);

/// Writes a line of every request that is not answered as it asked.
pub(super) async fn note(
    State(attempts): State<Attempts>,
    mut request: Request,
    next: Next,
) -> Response {
    let trail = Trail::of(request.uri());
    request.extensions_mut().insert(trail.clone());
    let route = request.extensions().get::<MatchedPath>();
    let route = route.map_or("", MatchedPath::as_str);
    let from = request.extensions().get::<ConnectInfo<SocketAddr>>();
    let mut unanswered = Unanswered(Some(Attempt {
        attempts,
        trail,
        asked: format!("{} {route}", request.method()),
        from: from.map(|ConnectInfo(peer)| address_of(*peer)),
    }));
    let response = next.run(request).await;
    match unanswered.0.take() {
        Some(attempt) => attempt.answered(response).await,
        None => response,
    }
}

impl Drop for Unanswered {
    fn drop(&mut self) {
        let Some(attempt) = self.0.take() else { return };
        let why = Why("the caller went away, or the time was up, before the answer".to_owned());
        let Some(entry) = attempt.entry(None, &why) else {
            return;
        };
        attempt.attempts.state.note_later(entry);
    }
}

impl Attempt {
    /// The answer, once its line is written, or that it cannot be.
    async fn answered(self, response: Response) -> Response {
        let status = response.status();
        let is_answer = !(status.is_client_error() || status.is_server_error());
        if is_answer || response.extensions().get::<Noted>().is_some() {
            return response;
        }
        let is_too_much = status == StatusCode::TOO_MANY_REQUESTS;
        let is_known = self.trail.known().actor.is_some();
        if is_too_much && is_known {
            return response;
        }
        self.count_refusal();
        let why = response.extensions().get::<Why>().cloned();
        let why = why.unwrap_or_else(|| Why("the request cannot be read".to_owned()));
        let entry = self.entry(Some(status), &why);
        let entry = match entry {
            None if is_too_much || status == StatusCode::UNAUTHORIZED => self.of_nobody(&why),
            entry => entry,
        };
        let Some(entry) = entry else { return response };
        let state = self.attempts.state.clone();
        match blocking(move || state.note(&entry)).await {
            Ok(_) => response,
            Err(error) => error.into_response(),
        }
    }

    fn count_refusal(&self) {
        let state = &self.attempts.state;
        if let Some(credential) = self.trail.credential() {
            state
                .connections
                .throttle()
                .refused(&credential, state.clock.now());
        }
    }

    /// The line of somebody who is known; none before that.
    fn entry(&self, status: Option<StatusCode>, why: &Why) -> Option<AuditEntry> {
        let known = self.trail.known();
        let actor = known.actor.clone()?;
        let Written {
            purpose,
            case_reference,
        } = known.written.clone();
        let grounds = Grounds::stated(purpose.as_deref(), case_reference.as_deref()).ok();
        let mut details = serde_json::json!({
            "asked": self.asked,
            "status": status.map(|status| status.as_u16()),
            "why": why.0,
            "address": self.from,
        });
        if grounds.is_none() {
            details["purpose"] = purpose.map(short).into();
            details["case_reference"] = case_reference.map(short).into();
        }
        Some(AuditEntry {
            grounds,
            ..AuditEntry::plain(actor, Action::AttemptRefused, details)
        })
    }

    /// The line of somebody who is not known, when it is the first from there; the rest is counted.
    fn of_nobody(&self, why: &Why) -> Option<AuditEntry> {
        let now = self.attempts.state.clock.now();
        let first = self.attempts.strangers().note(self.from, now);
        let seen = Seen {
            from: self.from,
            since: now,
            count: 1,
        };
        first.then(|| line_of(&seen, Some(&self.asked), &why.0))
    }
}

fn short(text: String) -> String {
    text.chars().take(WRITTEN_CHARACTERS_MAX).collect()
}

fn line_of(seen: &Seen, asked: Option<&str>, why: &str) -> AuditEntry {
    let details = serde_json::json!({
        "asked": asked,
        "status": StatusCode::UNAUTHORIZED.as_u16(),
        "why": why,
        "address": seen.from,
        "since": seen.since,
        "count": seen.count,
    });
    AuditEntry::plain(Actor::nobody(), Action::AttemptRefused, details)
}

impl Attempts {
    pub(super) fn new(state: &HubState) -> Self {
        Self {
            state: state.clone(),
            strangers: Arc::default(),
        }
    }

    fn strangers(&self) -> std::sync::MutexGuard<'_, Strangers> {
        self.strangers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes how often strangers tried, once their minute is over, until the hub stops; what was
    /// counted until then is written before this ends.
    pub(super) async fn tell_until(self, mut stop: watch::Receiver<bool>) {
        let mut stopping = false;
        while !stopping {
            stopping = tokio::select! {
                () = tokio::time::sleep(LOOK_EVERY) => false,
                _ = stop.wait_for(|stop| *stop) => true,
            };
            let now = self.state.clock.now();
            let over = self.strangers().over(now, stopping);
            for seen in over {
                let (state, entry) = (self.state.clone(), line_of(&seen, None, MORE));
                // The fault is logged there.
                let _ = blocking(move || state.note(&entry)).await;
            }
        }
    }
}

impl Why {
    /// Of an error of ours.
    pub(super) fn of(error: &ApiError) -> Self {
        Self(match error {
            // The parser's own words repeat what was sent.
            ApiError::Body(_) | ApiError::Address(_) => "the request cannot be read".to_owned(),
            ApiError::Grounds(why) => why.to_string(),
            ApiError::Pattern(why) => why.to_string(),
            ApiError::Query(why) => why.to_string(),
            error => error.to_string(),
        })
    }
}
