//! `/api/v1/edges/{id}` and `/api/v1/anomalies`: how a box was over the week, what is wrong, and what
//! begins and ends, as it happens.

use std::convert::Infallible;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::Stream;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use utoipa::{IntoParams, ToSchema};
use varco_proto::ids::EdgeId;
use varco_proto::time::UtcTime;

use super::connections::StreamPlace;
use super::errors::{ApiError, ErrorBody};
use super::request::{May, MindEdges, Path, UrlQuery as Query};
use super::state::{HubState, blocking};
use crate::audit::AuditEntry;
use crate::audit::action::Action;
use crate::boxes::anomalies::{self, Anomaly, News};
use crate::boxes::edges;
use crate::boxes::history;
use crate::boxes::registered::{self, RegisteredFor};
use crate::boxes::report::BoxReport;
use crate::store::StoreError;
use crate::store::sql::Connection;

/// Most reports and anomalies of one answer.
const SHOWN_MAX: u32 = 2000;
/// Reports of one answer when no number is asked for.
const SHOWN_DEFAULT: u32 = 200;
/// How often the stream looks for what is new.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Most news that the stream tells at once.
const AT_ONCE_MAX: u32 = 20;

/// How much of a box's history.
#[derive(Debug, Clone, Deserialize, IntoParams)]
pub struct BoxQuery {
    /// Only reports since then, RFC 3339.
    #[param(format = DateTime)]
    since: Option<String>,
    /// Most reports, and most anomalies, newest first; 2,000 at most.
    #[param(format = "uint32")]
    limit: Option<u32>,
}

/// A box over the week.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct BoxView {
    /// The edge.
    pub edge: String,
    /// What it is believed about.
    pub registered_for: RegisteredFor,
    /// What it reported last; null when it never did.
    pub latest: Option<BoxReport>,
    /// What was wrong, newest first; what is over is kept for a week.
    pub anomalies: Vec<Anomaly>,
    /// What it reported: each change, and one in a quarter of an hour; newest first.
    pub history: Vec<BoxReport>,
}

/// A box over the week; none when there is no such edge.
///
/// # Errors
/// [`StoreError`].
pub fn view(
    main: &Connection,
    edge: &EdgeId,
    since: UtcTime,
    most: u32,
) -> Result<Option<BoxView>, StoreError> {
    if edges::find(main, edge)?.is_none() {
        return Ok(None);
    }
    Ok(Some(BoxView {
        edge: edge.to_string(),
        registered_for: registered::of_edge(main, edge)?,
        latest: history::latest(main, edge)?,
        anomalies: anomalies::of_edge(main, edge, most)?,
        history: history::of_edge(main, edge, since, most)?,
    }))
}

/// Shows how a box was over the week.
///
/// # Errors
/// [`ApiError`].
#[utoipa::path(
    get, path = "/api/v1/edges/{id}", tag = "edges",
    params(("id" = String, Path, description = "The edge"), BoxQuery),
    security(("token" = [])),
    responses(
        (status = 200, description = "Its reports and what was wrong", body = BoxView),
        (status = 401, description = "No valid token", body = ErrorBody),
        (status = 403, description = "The token is not for this", body = ErrorBody),
        (status = 404, description = "There is no such edge", body = ErrorBody),
        (status = 422, description = "`since` is no time", body = ErrorBody),
    )
)]
pub async fn show_box(
    State(state): State<HubState>,
    May { actor, .. }: May<MindEdges>,
    Path(id): Path<String>,
    Query(query): Query<BoxQuery>,
) -> Result<Json<BoxView>, ApiError> {
    let edge: EdgeId = id.parse().map_err(|_| ApiError::NotFound)?;
    let since = query
        .since
        .as_deref()
        .map(str::parse::<UtcTime>)
        .transpose();
    let since = since.map_err(|error| ApiError::field("since", error.to_string()))?;
    let since = since.unwrap_or(UtcTime::from_unix_us(0));
    let most = query.limit.unwrap_or(SHOWN_DEFAULT).clamp(1, SHOWN_MAX);
    let shown = blocking(move || {
        let details = serde_json::json!({ "edge": edge });
        let entry = AuditEntry::plain(actor, Action::EdgesListed, details);
        state.note(&entry)?;
        Ok(view(&*state.main()?, &edge, since, most)?)
    });
    shown.await?.map(Json).ok_or(ApiError::NotFound)
}

/// What is wrong.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct AnomaliesAnswer {
    /// Oldest first.
    pub anomalies: Vec<Anomaly>,
}

/// Shows what is wrong with boxes and gates now.
///
/// # Errors
/// [`ApiError`].
#[utoipa::path(
    get, path = "/api/v1/anomalies", tag = "edges", security(("token" = [])),
    responses(
        (status = 200, description = "What is wrong now", body = AnomaliesAnswer),
        (status = 401, description = "No valid token", body = ErrorBody),
        (status = 403, description = "The token is not for this", body = ErrorBody),
    )
)]
pub async fn list_anomalies(
    State(state): State<HubState>,
    May { actor, .. }: May<MindEdges>,
) -> Result<Json<AnomaliesAnswer>, ApiError> {
    let anomalies = blocking(move || {
        let details = serde_json::json!({ "anomalies": true });
        let entry = AuditEntry::plain(actor, Action::EdgesListed, details);
        state.note(&entry)?;
        Ok(anomalies::open(&*state.main()?)?)
    });
    let anomalies = anomalies.await?;
    Ok(Json(AnomaliesAnswer { anomalies }))
}

/// Where a stream begins.
#[derive(Debug, Clone, Deserialize, IntoParams)]
pub struct AnomalyStreamQuery {
    /// Tell those after this one first, as the header `Last-Event-ID` does; without either the
    /// stream begins now.
    after: Option<i64>,
}

/// Tells what begins and ends to be wrong with boxes and gates, as it happens: events `anomaly`, each
/// with its number as the event's id, so that a stream that broke goes on where it was.
///
/// # Errors
/// [`ApiError`].
#[utoipa::path(
    get, path = "/api/v1/anomalies/live", tag = "edges", params(AnomalyStreamQuery),
    security(("token" = [])),
    responses(
        (status = 200, description = "Server-sent events", content_type = "text/event-stream",
            body = News),
        (status = 401, description = "No valid token", body = ErrorBody),
        (status = 429, description = "Too many streams, or connections, of this token",
            body = ErrorBody),
        (status = 403, description = "The token is not for this", body = ErrorBody),
    )
)]
pub async fn watch_anomalies(
    State(state): State<HubState>,
    May { actor, permit, .. }: May<MindEdges>,
    Query(query): Query<AnomalyStreamQuery>,
    headers: HeaderMap,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, ApiError> {
    let place = state.connections.stream(actor.id())?;
    let header = headers.get("last-event-id");
    let header = header.and_then(|value| value.to_str().ok()?.parse().ok());
    let opening = state.clone();
    let newest = blocking(move || {
        let details = serde_json::json!({ "anomalies": true, "live": true });
        let entry = AuditEntry::plain(actor, Action::EdgesListed, details);
        opening.note(&entry)?;
        Ok(anomalies::newest(&*opening.main()?)?)
    });
    let asking = state.clone();
    let watching = Watching {
        last: header.or(query.after).unwrap_or(newest.await?).max(0),
        ready: Vec::new(),
        stop: state.stop.clone(),
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

/// Somebody who sees to the boxes, waiting for news of them.
struct Watching {
    state: HubState,
    last: i64,
    /// Newest first.
    ready: Vec<News>,
    stop: watch::Receiver<bool>,
    _place: StreamPlace,
}

impl Watching {
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(news) = self.ready.pop() {
                self.last = news.id;
                let event = Event::default().event("anomaly").id(news.id.to_string());
                return event.json_data(&news).ok();
            }
            let (state, last) = (self.state.clone(), self.last);
            let looked = blocking(move || {
                let main = state.main()?;
                Ok(anomalies::news_after(&main, last, AT_ONCE_MAX)?)
            });
            // What cannot be read is not told; the reader comes again from where it was.
            self.ready = looked.await.ok()?;
            self.ready.reverse();
            if !self.ready.is_empty() {
                continue;
            }
            tokio::select! {
                () = tokio::time::sleep(LOOK_EVERY) => {}
                _ = self.stop.wait_for(|stop| *stop) => return None,
            }
        }
    }
}
