//! `GET /api/v1/edges` and `GET /healthz`.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

use super::errors::{ApiError, ErrorBody};
use super::request::{May, SeeEdges};
use super::state::{HubState, blocking};
use crate::audit::AuditEntry;
use crate::audit::action::Action;
use crate::boxes::anomalies::{self, Anomaly};
use crate::boxes::edges::{self, EdgeReport};
use crate::boxes::forks::{self, ForkView};
use crate::boxes::tampering::{self, TamperView};
use crate::intake::drops::{self, DropView};
use crate::intake::refusals;
use crate::lookups::store::chain;
use crate::map::gates::{self, Spot};
use crate::map::place::PlaceView;
use crate::postgres::Server;
use crate::store::{self, StoreError};

/// An edge as the hub sees it.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct EdgeView {
    /// Its name.
    pub id: String,
    /// Its gate.
    pub gate: String,
    /// Where its gate stands; null when nobody said.
    pub place: Option<PlaceView>,
    /// RFC 3339, UTC.
    pub registered_at: String,
    /// Since when nothing of it is taken; null while it is.
    pub revoked_at: Option<String>,
    /// Highest sequence known; 0 before its first record.
    pub last_sequence: u64,
    /// Records missing before that one, without those that the edge let go.
    pub missing: u64,
    /// Records that the edge let go, as it says itself.
    pub dropped: u64,
    /// Its newest reports of that, newest first.
    pub drops: Vec<DropView>,
    /// The fork of its chain, while nothing of it is taken until `varco-hub edge release --fork`.
    pub fork: Option<ForkView>,
    /// When its newest record came.
    pub last_received_at: Option<String>,
    /// Refusals by reason.
    pub refusals: BTreeMap<String, u64>,
    /// What keeps its transits back until `varco-hub edge release`, oldest first.
    pub suspended_by: Vec<TamperView>,
    /// What it last said of itself.
    pub report: Option<EdgeReport>,
    /// What is wrong with it now, oldest first; `/api/v1/edges/{id}` has the week.
    pub anomalies: Vec<Anomaly>,
}

/// Every edge.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct EdgesAnswer {
    /// By name.
    pub edges: Vec<EdgeView>,
}

/// Shows the state of every edge.
///
/// # Errors
/// [`ApiError`].
#[utoipa::path(
    get, path = "/api/v1/edges", tag = "edges", security(("token" = [])),
    responses(
        (status = 200, description = "Every edge, by name", body = EdgesAnswer),
        (status = 401, description = "No valid token", body = ErrorBody),
    )
)]
pub async fn list_edges(
    State(state): State<HubState>,
    May { actor, .. }: May<SeeEdges>,
) -> Result<Json<EdgesAnswer>, ApiError> {
    let edges = blocking(move || {
        let entry = AuditEntry::plain(actor, Action::EdgesListed, serde_json::json!({}));
        state.note(&entry)?;
        let main = state.main()?;
        Ok(views(&main, state.archive.server())?)
    })
    .await?;
    Ok(Json(EdgesAnswer { edges }))
}

/// Every edge with its chain, which PostgreSQL has when there is a server, and refusals.
///
/// # Errors
/// [`StoreError`].
pub fn views(
    main: &store::sql::Connection,
    server: Option<&Server>,
) -> Result<Vec<EdgeView>, StoreError> {
    let mut views = Vec::new();
    for edge in edges::all(main)? {
        let chain = chain(main, server, &edge.id)?;
        let dropped = chain.dropped + drops::unsealed(main, &edge.id)?;
        let spot = Spot {
            gate: edge.gate.clone(),
            camera: None,
        };
        let suspended_by = tampering::open_events(main, &edge.id)?;
        views.push(EdgeView {
            refusals: refusals::counts(main, &edge.id)?.into_iter().collect(),
            id: edge.id.to_string(),
            gate: edge.gate.to_string(),
            place: gates::find(main, &spot)?.map(PlaceView::from),
            registered_at: edge.registered_at.to_string(),
            revoked_at: edge.revoked_at.map(|at| at.to_string()),
            last_sequence: chain.head,
            missing: chain.missing,
            dropped,
            drops: drops::newest(main, &edge.id)?,
            fork: forks::open_fork(main, &edge.id)?,
            last_received_at: chain.received_at.map(|at| at.to_string()),
            suspended_by,
            anomalies: anomalies::open_of(main, Some(&edge.id))?,
            report: edge.report,
        });
    }
    Ok(views)
}

/// How the hub is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Health {
    /// Whether lookups are answered.
    pub store: bool,
    /// Whether the broker is there.
    pub broker: bool,
}

/// Says whether the hub answers lookups (200 or 503) and has its broker.
#[utoipa::path(
    get, path = "/healthz", tag = "health",
    responses(
        (status = 200, description = "Lookups are answered", body = Health),
        (status = 503, description = "They are not", body = Health),
    )
)]
pub async fn health(State(state): State<HubState>) -> (StatusCode, Json<Health>) {
    let broker = state.broker.get();
    let store = blocking(move || {
        let main = state.main()?;
        edges::all(&main).map_err(ApiError::store)?;
        // No audit line, no answer: a disk that takes nothing answers nothing.
        let room = &state.archive.settings().room;
        room.trial.write().map_err(|_| ApiError::Internal)?;
        state.archive.check().map_err(ApiError::store)
    })
    .await
    .is_ok();
    let status = if store {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (status, Json(Health { store, broker }))
}
