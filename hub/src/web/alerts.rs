//! `/api/v1/alerts`: shown with their pictures, told as they are raised, acknowledged by a person.

use std::collections::HashMap;
use std::convert::Infallible;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::Stream;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use utoipa::{IntoParams, ToSchema};

use super::alert_view::{AlertView, Shower};
use super::connections::StreamPlace;
use super::errors::{ApiError, ErrorBody};
use super::guard_view::{GuardAlertView, GuardAlertsAnswer};
use super::opener::StoredOpener;
use super::request::{May, Path, SeeAlerts, Sent, UrlQuery as Query};
use super::standing::Standing;
use super::state::{HubState, blocking};
use super::words::{OutcomeView, Word};
use crate::alerts::alert::{self, AcknowledgeError, Alert, AlertOutcome, WantedAlerts};
use crate::audit::acting::Acting;
use crate::audit::action::Action;
use crate::audit::actor::Actor;
use crate::audit::{AuditEntry, AuditError};
use crate::hotlists::list;
use crate::policy::Deed;
use crate::policy::caller::Caller;
use crate::store::sql::Connection;
use crate::store::{StoreError, number};

/// Alerts of one answer when no limit is asked for.
const ALERTS_DEFAULT: u32 = 50;
/// Most alerts of one answer.
const ALERTS_MAX: u32 = 200;
/// How often the stream looks for alerts that another process raised.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// Most alerts that the stream shows at once.
const AT_ONCE_MAX: u32 = 20;

/// Which alerts.
#[derive(Debug, Clone, Deserialize, IntoParams)]
pub struct AlertsQuery {
    /// Only those that nobody acknowledged.
    #[serde(default)]
    open: bool,
    /// Only those older than this one: `next` of the page before.
    before: Option<i64>,
    /// Most alerts, newest first; 200 at most.
    #[param(format = "uint32")]
    limit: Option<u32>,
}

/// Alerts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct AlertsAnswer {
    /// Newest first.
    pub alerts: Vec<AlertView>,
    /// Pass it as `before` for the next page; null at the end.
    pub next: Option<i64>,
    /// The newest alert when the list was read, whether the list shows it or not; 0 when there is
    /// none. To miss no later alert and repeat none, pass the greater of this and the newest alert
    /// shown as `after` to the stream.
    pub newest: i64,
    /// The audit line that this left.
    pub audit_line: Option<u64>,
}

/// Alerts: whole, or as the guard corps is told them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum AlertsShown {
    /// Whole.
    Whole(AlertsAnswer),
    /// For the guard corps.
    Guard(GuardAlertsAnswer),
}

impl AlertsShown {
    pub(super) fn of(answer: AlertsAnswer, is_whole: bool) -> Self {
        if is_whole {
            return Self::Whole(answer);
        }
        Self::Guard(GuardAlertsAnswer {
            alerts: answer
                .alerts
                .into_iter()
                .map(GuardAlertView::from)
                .collect(),
            next: answer.next,
            newest: answer.newest,
            audit_line: answer.audit_line,
        })
    }
}

/// Whom alerts are shown to.
#[derive(Debug, Clone)]
struct Told {
    actor: Actor,
    caller: Caller,
}

/// What is shown to one person, and the line that says so.
struct Shown {
    views: Vec<AlertView>,
    line: Option<u64>,
}

/// Shows alerts to somebody: those of lists they may see. That they were shown is on the disk when
/// this returns.
fn show(state: &HubState, to: &Told, alerts: &[Alert]) -> Result<Shown, ApiError> {
    let actor = &to.actor;
    let failed = |error: AuditError| match error {
        AuditError::Store(error) => ApiError::store(error),
        AuditError::Encode(_) => ApiError::Audit,
    };
    // Whoever listens looks four times a second, mostly in vain.
    if alerts.is_empty() {
        return Ok(Shown {
            views: Vec::new(),
            line: None,
        });
    }
    let now = state.clock.now();
    let mut main = state.main()?;
    let (views, shown, named) = showing(state, to, &main, |shower| {
        let (mut views, mut shown, mut named) = (Vec::new(), Vec::new(), Vec::new());
        for alert in alerts {
            if let Some(view) = seen(shower, actor, alert)? {
                views.push(view);
                shown.push(alert);
                named.push(shower.named(alert)?);
            }
        }
        Ok((views, shown, named))
    })?;
    if shown.is_empty() {
        return Ok(Shown { views, line: None });
    }
    let details = serde_json::json!({ "alerts": named });
    let entry = AuditEntry {
        result_count: Some(number::count(shown.len())?),
        result_digests: shown.iter().map(|alert| alert.digest).collect(),
        ..AuditEntry::plain(actor.clone(), Action::AlertsShown, details)
    };
    let _turn = state.archive.turn();
    let acting = Acting {
        actor,
        now,
        key: &state.key,
    };
    let noted = acting.change_in(&mut main, |main| {
        for alert in &shown {
            alert::note_shown(main, alert.id, actor, now)?;
        }
        Ok::<_, AuditError>(((), entry))
    });
    Ok(Shown {
        views,
        line: Some(noted.map_err(failed)?.line),
    })
}

/// Does something with what shows alerts to somebody.
fn showing<T>(
    state: &HubState,
    to: &Told,
    main: &Connection,
    work: impl FnOnce(&Shower<'_>) -> Result<T, ApiError>,
) -> Result<T, ApiError> {
    let now = state.clock.now();
    let lists = list::all(main)?.into_iter();
    let lists: HashMap<_, _> = lists.map(|list| (list.id.clone(), list)).collect();
    let purposes = lists.values().map(|list| list.grounds.purpose);
    let reaches = Standing::of(state, main, &to.caller, now)?.reaches(Deed::SeeAlerts, purposes)?;
    work(&Shower {
        archive: &state.archive,
        main,
        opener: &StoredOpener::read(main)?,
        lists: &lists,
        reaches: &reaches,
        now,
    })
}

/// An alert as somebody sees it; none when they do not.
fn seen(
    shower: &Shower<'_>,
    actor: &Actor,
    alert: &Alert,
) -> Result<Option<AlertView>, StoreError> {
    let list = shower.lists.get(&alert.list);
    match list.filter(|list| list.is_seen_by(actor)) {
        Some(_) => shower.view(alert),
        None => Ok(None),
    }
}

/// Notes that somebody looked whether there are alerts.
fn note_looked(state: &HubState, actor: &Actor, by: &str) -> Result<u64, ApiError> {
    let details = serde_json::json!({ "alerts": [], "by": by });
    state.note(&AuditEntry {
        result_count: Some(0),
        ..AuditEntry::plain(actor.clone(), Action::AlertsShown, details)
    })
}

/// Shows alerts, newest first, with the pictures. It leaves an audit line.
///
/// # Errors
/// [`ApiError`].
#[utoipa::path(
    get, path = "/api/v1/alerts", tag = "alerts", params(AlertsQuery), security(("token" = [])),
    responses(
        (status = 200, description = "Alerts of lists that the caller may see", body = AlertsShown),
        (status = 401, description = "No valid token", body = ErrorBody),
        (status = 403, description = "The token is not for this", body = ErrorBody),
    )
)]
pub async fn list_alerts(
    State(state): State<HubState>,
    may: May<SeeAlerts>,
    Query(query): Query<AlertsQuery>,
) -> Result<Json<AlertsShown>, ApiError> {
    let is_whole = may.sees_whole(&state.rights)?;
    let May { actor, caller, .. } = may;
    let before = query.before.unwrap_or(i64::MAX);
    let wanted = if query.open {
        WantedAlerts::OpenBefore(before)
    } else {
        WantedAlerts::Before(before)
    };
    let to = Told { actor, caller };
    let most = query.limit.unwrap_or(ALERTS_DEFAULT).clamp(1, ALERTS_MAX);
    let answer = blocking(move || {
        let main = state.main()?;
        // Read before the list: the stream then shows an alert that is raised in between.
        let newest = alert::newest(&main)?;
        let alerts = alert::some(&main, wanted, most)?;
        let full = u32::try_from(alerts.len()) == Ok(most);
        let next = alerts.last().filter(|_| full).map(|alert| alert.id);
        let Shown { views, line } = show(&state, &to, &alerts)?;
        // Who looked and saw none looked too.
        let line = match line {
            None => Some(note_looked(&state, &to.actor, "list")?),
            line => line,
        };
        Ok(AlertsAnswer {
            alerts: views,
            next,
            newest,
            audit_line: line,
        })
    })
    .await?;
    Ok(Json(AlertsShown::of(answer, is_whole)))
}

/// Where a stream begins.
#[derive(Debug, Clone, Deserialize, IntoParams)]
pub struct AlertStreamQuery {
    /// Show those after this one first, as the header `Last-Event-ID` does; without either the
    /// stream begins now.
    after: Option<i64>,
}

/// Tells alerts as they are raised: events `alert`, each with its number as the event's id, so that
/// a stream that broke goes on where it was. Each leaves an audit line before it is sent.
///
/// # Errors
/// [`ApiError`].
#[utoipa::path(
    get, path = "/api/v1/alerts/live", tag = "alerts", params(AlertStreamQuery),
    security(("token" = [])),
    responses(
        (status = 200, description = "Server-sent events", content_type = "text/event-stream",
            body = AlertView),
        (status = 401, description = "No valid token", body = ErrorBody),
        (status = 429, description = "Too many streams, or connections, of this token",
            body = ErrorBody),
        (status = 403, description = "The token is not for this", body = ErrorBody),
    )
)]
pub async fn watch_alerts(
    State(state): State<HubState>,
    may: May<SeeAlerts>,
    Query(query): Query<AlertStreamQuery>,
    headers: HeaderMap,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, ApiError> {
    let is_whole = may.sees_whole(&state.rights)?;
    let May {
        actor,
        caller,
        permit,
        ..
    } = may;
    let place = state.connections.stream(actor.id())?;
    let header = headers.get("last-event-id");
    let header = header.and_then(|value| value.to_str().ok()?.parse().ok());
    let (asking, news) = (state.clone(), state.alerts.clone());
    let who = actor.clone();
    let newest = blocking(move || {
        note_looked(&asking, &who, "stream")?;
        Ok(alert::newest(&*asking.main()?)?)
    });
    let newest = newest.await?;
    let asking = state.clone();
    let watching = Watching {
        last: header.or(query.after).unwrap_or(newest).max(0),
        ready: Vec::new(),
        news,
        stop: state.stop.clone(),
        to: Told { actor, caller },
        is_whole,
        state,
        _place: place,
    };
    let events = futures_util::stream::unfold(watching, |mut watching| async move {
        let event = watching.next().await?;
        Some((Ok(event), watching))
    });
    let events = permit.while_it_holds(events, asking);
    Ok(Sse::new(events).keep_alive(KeepAlive::default()))
}

/// One person, waiting for alerts.
struct Watching {
    state: HubState,
    to: Told,
    is_whole: bool,
    /// The newest alert that was looked at.
    last: i64,
    /// Shown and not sent yet, newest first.
    ready: Vec<AlertView>,
    news: watch::Receiver<u64>,
    stop: watch::Receiver<bool>,
    _place: StreamPlace,
}

impl Watching {
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(view) = self.ready.pop() {
                let event = Event::default().event("alert").id(view.id.to_string());
                return match self.is_whole {
                    true => event.json_data(&view).ok(),
                    false => event.json_data(GuardAlertView::from(view)).ok(),
                };
            }
            let (state, to, last) = (self.state.clone(), self.to.clone(), self.last);
            let looked = blocking(move || {
                let main = state.main()?;
                let alerts = alert::some(&main, WantedAlerts::After(last), AT_ONCE_MAX)?;
                let newest = alerts.last().map(|alert| alert.id);
                let shown = show(&state, &to, &alerts)?;
                Ok((newest, shown.views))
            });
            // What cannot be read or noted is not shown; the reader comes again from where it was.
            let (newest, mut views) = looked.await.ok()?;
            self.last = newest.unwrap_or(self.last);
            views.reverse();
            self.ready = views;
            if newest.is_some() {
                continue;
            }
            tokio::select! {
                _ = self.news.changed() => {}
                () = tokio::time::sleep(LOOK_EVERY) => {}
                _ = self.stop.wait_for(|stop| *stop) => return None,
            }
        }
    }
}

/// What somebody found out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AcknowledgeRequest {
    /// What it came to.
    #[schema(value_type = OutcomeView)]
    pub outcome: Word<OutcomeView>,
}

/// Says what an alert came to, once. It must have been shown to the caller, who compares the
/// picture with the plate.
///
/// # Errors
/// [`ApiError`].
#[utoipa::path(
    post, path = "/api/v1/alerts/{id}/acknowledgement", tag = "alerts",
    params(("id" = i64, Path, description = "The alert")), request_body = AcknowledgeRequest,
    security(("token" = [])),
    responses(
        (status = 204, description = "Noted"),
        (status = 403, description = "The token is not for this", body = ErrorBody),
        (status = 404, description = "There is no such alert for the caller", body = ErrorBody),
        (status = 409, description = "Not shown to the caller yet, or acknowledged before",
            body = ErrorBody),
        (status = 422, description = "No such outcome", body = ErrorBody),
    )
)]
pub async fn acknowledge(
    State(state): State<HubState>,
    May { actor, caller, .. }: May<SeeAlerts>,
    Path(id): Path<i64>,
    Sent(request): Sent<AcknowledgeRequest>,
) -> Result<StatusCode, ApiError> {
    let outcome = request.outcome.check("outcome")?.into();
    let by = Told { actor, caller };
    blocking(move || note_outcome(&state, &by, id, outcome)).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn note_outcome(
    state: &HubState,
    by: &Told,
    id: i64,
    outcome: AlertOutcome,
) -> Result<(), ApiError> {
    let actor = &by.actor;
    let now = state.clock.now();
    let mut main = state.main()?;
    // Nobody says what came of an alert that they do not see.
    let found = alert::find(&main, id)?.ok_or(ApiError::NotFound)?;
    let is_seen = showing(state, by, &main, |shower| {
        Ok(seen(shower, actor, &found)?.is_some())
    });
    if !is_seen? {
        return Err(ApiError::NotFound);
    }
    let _turn = state.archive.turn();
    let acting = Acting {
        actor,
        now,
        key: &state.key,
    };
    acting.change(&mut main, |main| {
        let found = alert::find(main, id)?;
        let list = match &found {
            Some(alert) => list::find(main, &alert.list)?,
            None => None,
        };
        let (Some(alert), Some(list)) = (found, list.filter(|list| list.is_seen_by(actor))) else {
            return Err(ApiError::NotFound);
        };
        let done = alert::acknowledge(main, id, actor, outcome, now);
        done.map_err(|error| match error {
            AcknowledgeError::Store(error) => ApiError::store(error),
            AcknowledgeError::None => ApiError::NotFound,
            other => ApiError::Conflict(other.to_string()),
        })?;
        let details = serde_json::json!({
            "alert": id, "list": alert.list, "outcome": outcome.as_str(), "near": alert.near,
        });
        let entry = AuditEntry {
            grounds: Some(list.grounds),
            result_digests: vec![alert.digest],
            ..AuditEntry::plain(actor.clone(), Action::AlertAcknowledged, details)
        };
        Ok(((), entry))
    })
}
