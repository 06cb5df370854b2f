//! `GET /api/v1/transits/live`: transits as they are stored, as server-sent events.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::Stream;
use serde::{Deserialize, Serialize};
use tokio::sync::{broadcast, watch};
use utoipa::ToSchema;
use varco_proto::envelope::Verified;
use varco_proto::record::Record;

use super::connections::StreamPlace;
use super::errors::{ApiError, ErrorBody};
use super::grounds::GroundsRequest;
use super::guard_view::GuardView;
use super::left_out::in_use;
use super::question::grown_at;
use super::request::{May, UrlQuery as Query, Watch as WatchRight};
use super::standing::Standing;
use super::state::{HubState, blocking};
use super::view::TransitView;
use crate::audit::AuditEntry;
use crate::audit::action::Action;
use crate::audit::actor::Actor;
use crate::audit::purpose::Grounds;
use crate::judgement::judge::SearchTarget;
use crate::lookups::left_out;
use crate::lookups::question::{Asking, QuestionLine};
use crate::municipalities::reach::{Reach, SharedUnder};
use crate::policy::Deed;
use crate::policy::caller::Caller;
use crate::transits::blocks;

/// Watches transits as they are stored, as server-sent events.
///
/// Events are `transit` (a transit as a lookup shows it), `lagged` (how many were skipped because the reader is slow)
/// and `in-use` (which gates are left out from now on because the first level uses them). Opening and closing each
/// leave an audit line.
///
/// # Errors
/// [`ApiError`].
#[utoipa::path(
    get, path = "/api/v1/transits/live", tag = "transits", params(GroundsRequest),
    security(("token" = [])),
    responses(
        (status = 200, description = "Server-sent events", content_type = "text/event-stream",
            body = TransitView),
        (status = 401, description = "No valid token", body = ErrorBody),
        (status = 403, description = "Not for this token, or a second person is needed",
            body = ErrorBody),
        (status = 429, description = "Too many streams, or connections, of this token",
            body = ErrorBody),
        (status = 422, description = "No purpose or case", body = ErrorBody),
    )
)]
pub async fn watch_live(
    State(state): State<HubState>,
    may: May<WatchRight>,
    Query(grounds): Query<GroundsRequest>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, ApiError> {
    let grounds = grounds.check(&may.caller.body)?;
    let is_whole = may.sees_whole(&state.rights)?;
    let May {
        actor,
        caller,
        permit,
        ..
    } = may;
    let place = state.connections.stream(actor.id())?;
    let transits = state.live.subscribe();
    let watch = Watch {
        state: state.clone(),
        actor,
        caller,
        grounds,
        shown: Mutex::default(),
        opened: 0,
    };
    let watch = blocking(move || watch.open()).await?;
    let first = Watching {
        transits,
        stop: state.stop.clone(),
        watch,
        is_whole,
        in_use: Vec::new(),
        look: tokio::time::interval(LOOK_EVERY),
        _place: place,
    };
    let events = futures_util::stream::unfold(first, |mut watching| async move {
        let event = watching.next().await?;
        Some((Ok(event), watching))
    });
    let events = permit.while_it_holds(events, state);
    Ok(Sse::new(events).keep_alive(KeepAlive::default()))
}

/// How often it is looked which gates are in use.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Gates of which nothing is shown while the first level uses them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct GatesInUse {
    /// Which; empty when none is any more.
    pub gates: Vec<String>,
}

struct Watching {
    transits: broadcast::Receiver<Arc<Verified<Record>>>,
    stop: watch::Receiver<bool>,
    watch: Watch,
    is_whole: bool,
    /// The gates that were last told to be in use.
    in_use: Vec<String>,
    look: tokio::time::Interval,
    _place: StreamPlace,
}

impl Watching {
    async fn next(&mut self) -> Option<Event> {
        let received = loop {
            let received = tokio::select! {
                received = self.transits.recv() => Some(received),
                _ = self.look.tick() => None,
                _ = self.stop.wait_for(|stop| *stop) => return None,
            };
            let Some(received) = received else {
                let in_use = self.watch.in_use().await?;
                if in_use == self.in_use {
                    continue;
                }
                self.in_use = in_use;
                let gates = self.in_use.clone();
                let event = Event::default().event("in-use");
                return event.json_data(GatesInUse { gates }).ok();
            };
            // One that is slow to read may be shown what was blocked meanwhile.
            match &received {
                Ok(verified) => {
                    if let Some(under) = self.watch.shown_under(verified).await? {
                        self.watch.note(under);
                        break received;
                    }
                }
                Err(_) => break received,
            }
        };
        match received {
            Ok(verified) => {
                let event = Event::default().event("transit");
                let view = TransitView::of(&verified)?;
                match self.is_whole {
                    true => event.json_data(view).ok(),
                    false => event.json_data(GuardView::from(view)).ok(),
                }
            }
            Err(broadcast::error::RecvError::Lagged(skipped)) => {
                Some(Event::default().event("lagged").data(skipped.to_string()))
            }
            Err(broadcast::error::RecvError::Closed) => None,
        }
    }
}

/// How many transits somebody was shown.
#[derive(Debug, Default)]
struct ShownLive {
    all: u64,
    /// Of these, another municipality's, by what it shares them under.
    shared: BTreeMap<SharedUnder, u64>,
}

/// One person watching; its end leaves the closing line.
struct Watch {
    state: HubState,
    actor: Actor,
    caller: Caller,
    grounds: Grounds,
    shown: Mutex<ShownLive>,
    /// The audit line of its opening; 0 before that.
    opened: u64,
}

impl Watch {
    /// Judges the watching as a question about whatever passes, and writes the opening line; without it
    /// nothing is shown.
    fn open(mut self) -> Result<Self, ApiError> {
        let state = &self.state;
        let now = state.clock.now();
        let standing = Standing::of(state, &*state.main()?, &self.caller, now)?;
        standing.allow(&self.grounds)?;
        let seen = standing.reach(Deed::Watch, Some(self.grounds.purpose))?;
        let asking = Asking {
            actor: &self.actor,
            grounds: Some(&self.grounds),
            // It searches nothing: what comes is held against the reach of its moment.
            reach: &Reach::nowhere(),
            now,
            key: &state.key,
            judge: &state.judge,
            grown_at: grown_at(&state.archive.main(), &self.actor, &self.grounds)?,
        };
        let opened =
            state
                .archive
                .ask(&asking, SearchTarget::Everything { places: "live" }, |_| {
                    let said = QuestionLine {
                        action: Action::LiveOpened,
                        plate: None,
                        details: serde_json::json!({}),
                        left_out: left_out::of(&seen, &[]),
                        shown: None,
                        plates: Vec::new(),
                    };
                    Ok::<_, ApiError>(((), said))
                });
        self.opened = opened?.audit_line;
        Ok(self)
    }

    fn note(&self, under: Vec<SharedUnder>) {
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        shown.all += 1;
        for under in under {
            *shown.shared.entry(under).or_default() += 1;
        }
    }

    /// Under what a transit is shared, when it is within reach and may be processed; none inside when it is not, and
    /// outside when that cannot be read: then nothing is shown. Agreements end while somebody watches.
    async fn shown_under(&self, verified: &Verified<Record>) -> Option<Option<Vec<SharedUnder>>> {
        let transit = verified.value().body.transit()?;
        let (id, at) = (*transit.id.as_bytes(), transit.captured_at.at);
        let (gate, purpose) = (transit.gate.clone(), self.grounds.purpose);
        let (state, caller) = (self.state.clone(), self.caller.clone());
        let read = blocking(move || {
            let main = state.main()?;
            let standing = Standing::of(&state, &main, &caller, state.clock.now())?;
            let reach = standing.reach(Deed::Watch, Some(purpose))?;
            let is_shown = reach.has(&gate, at) && !blocks::has(&main, &id)?;
            Ok(is_shown.then(|| reach.shared(&gate, at).cloned().collect()))
        });
        read.await.ok()
    }

    /// The gates that are left out because the first level uses them; none when that cannot be read.
    async fn in_use(&self) -> Option<Vec<String>> {
        let (state, caller, purpose) = (
            self.state.clone(),
            self.caller.clone(),
            self.grounds.purpose,
        );
        let read = blocking(move || {
            let main = state.main()?;
            let standing = Standing::of(&state, &main, &caller, state.clock.now())?;
            Ok(in_use(&standing.reach(Deed::Watch, Some(purpose))?))
        });
        read.await.ok()
    }

    fn entry(&self, action: Action, details: serde_json::Value, shown: Option<u64>) -> AuditEntry {
        AuditEntry {
            actor: self.actor.clone(),
            action,
            grounds: Some(self.grounds.clone()),
            query: None,
            details,
            result_count: shown,
            result_digests: Vec::new(),
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if self.opened == 0 {
            return;
        }
        let shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        let mut details = serde_json::json!({ "opened_in_line": self.opened });
        let shared = shown.shared.iter().map(|(under, count)| {
            serde_json::json!({
                "agreement": under.agreement, "municipality": under.municipality, "count": count,
            })
        });
        let shared: Vec<_> = shared.collect();
        if let Some(details) = details.as_object_mut().filter(|_| !shared.is_empty()) {
            details.insert("communicated".to_owned(), shared.into());
        }
        let entry = self.entry(Action::LiveClosed, details, Some(shown.all));
        self.state.note_later(entry);
    }
}
