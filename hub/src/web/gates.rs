//! `GET /api/v1/gates`: the gates on the map.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::errors::{ApiError, ErrorBody};
use super::live::write_line;
use super::state::{Caller, HubState, blocking};
use crate::people::audit::{Action, Entry};
use crate::people::tokens::Permission;
use crate::places::edges;
use crate::places::gates::{self, Gate, GateMap};
use crate::places::place::PlaceView;

/// A gate on the map.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct GateView {
    /// Its name.
    pub id: String,
    /// Where it stands; null when nobody said.
    pub place: Option<PlaceView>,
    /// Its cameras whose transits came, or that have a place of their own; by name.
    pub cameras: Vec<GateCameraView>,
}

/// A camera of a gate on the map.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct GateCameraView {
    /// Its name.
    pub id: String,
    /// Where it stands; null when it stands with its gate.
    pub place: Option<PlaceView>,
}

/// Every gate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct GatesAnswer {
    /// By name.
    pub gates: Vec<GateView>,
}

/// Shows the gates and where they stand.
///
/// # Errors
/// [`ApiError`].
#[utoipa::path(
    get, path = "/api/v1/gates", tag = "edges", security(("token" = [])),
    responses(
        (status = 200, description = "Every gate, by name", body = GatesAnswer),
        (status = 401, description = "No valid token", body = ErrorBody),
        (status = 403, description = "The token is not for this", body = ErrorBody),
    )
)]
pub async fn list_gates(
    State(state): State<HubState>,
    caller: Caller,
) -> Result<Json<GatesAnswer>, ApiError> {
    let actor = caller.who_may(Permission::Lookups)?;
    let map = blocking(move || {
        let entry = Entry::plain(actor, Action::GatesListed, serde_json::json!({}));
        write_line(&state, &entry).map_err(|()| ApiError::Audit)?;
        map(&state)
    })
    .await?;
    let gates = map.gates.iter().map(|(id, gate)| view(id.as_str(), gate));
    Ok(Json(GatesAnswer {
        gates: gates.collect(),
    }))
}

fn view(id: &str, gate: &Gate) -> GateView {
    let cameras = gate.cameras.iter().map(|(id, place)| GateCameraView {
        id: id.to_string(),
        place: place.map(PlaceView::from),
    });
    GateView {
        id: id.to_owned(),
        place: gate.place.map(PlaceView::from),
        cameras: cameras.collect(),
    }
}

/// The gates that transits in store may name, with where they stand.
fn map(state: &HubState) -> Result<GateMap, ApiError> {
    let main = state.main()?;
    let begins = state.clock.now() - state.archive.settings().term;
    let placed = gates::all(&main).map_err(ApiError::store)?;
    let registered = edges::gates_since(&main, begins).map_err(ApiError::store)?;
    let met = state.archive.cameras_at_gates().map_err(ApiError::store)?;
    Ok(GateMap::of(placed, registered, met))
}

/// The map for a question that asks for an area; an empty one for any other.
pub(super) async fn map_for(state: &HubState, wanted: bool) -> Result<GateMap, ApiError> {
    if !wanted {
        return Ok(GateMap::default());
    }
    let state = state.clone();
    blocking(move || map(&state)).await
}
