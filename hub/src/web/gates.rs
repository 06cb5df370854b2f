//! `GET /api/v1/gates`: the gates on the map.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use varco_proto::ids::GateId;

use super::errors::{ApiError, ErrorBody};
use super::filter::PlacesRequest;
use super::request::{LookUp, May};
use super::state::{HubState, blocking};
use crate::audit::AuditEntry;
use crate::audit::action::Action;
use crate::boxes::edges;
use crate::map::gates::{self, Gate, GateMap};
use crate::map::place::PlaceView;
use crate::municipalities;

/// A gate on the map.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct GateView {
    /// Its name.
    pub id: String,
    /// Whose it is; null when nobody said.
    #[serde(default)]
    pub municipality: Option<String>,
    /// How many hours its transits are kept, when that is less than the hub's own term; else null.
    #[serde(default)]
    pub term_hours: Option<u8>,
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
    May { actor, .. }: May<LookUp>,
) -> Result<Json<GatesAnswer>, ApiError> {
    let map = blocking(move || {
        let entry = AuditEntry::plain(actor, Action::GatesListed, serde_json::json!({}));
        state.note(&entry)?;
        map(&state)
    })
    .await?;
    let gates = map.gates.iter().map(|(id, gate)| view(&map, id, gate));
    Ok(Json(GatesAnswer {
        gates: gates.collect(),
    }))
}

fn view(map: &GateMap, id: &GateId, gate: &Gate) -> GateView {
    let municipality = map.municipality_of(id);
    let cameras = gate.cameras.iter().map(|(id, place)| GateCameraView {
        id: id.to_string(),
        place: place.map(PlaceView::from),
    });
    GateView {
        id: id.to_string(),
        municipality: municipality.map(|(name, _)| name.to_string()),
        term_hours: municipality.and_then(|(_, term)| term.hours()),
        place: gate.place.map(PlaceView::from),
        cameras: cameras.collect(),
    }
}

/// The gates that transits in store may name, with where they stand.
fn map(state: &HubState) -> Result<GateMap, ApiError> {
    let main = state.main()?;
    let begins = state.archive.settings().begins(state.clock.now());
    let placed = gates::all(&main)?;
    let registered = edges::gates_since(&main, begins)?;
    let met = state.archive.cameras_at_gates()?;
    let municipalities = municipalities::all(&main)?;
    Ok(GateMap::of(placed, registered, met).with(municipalities))
}

/// The map for questions that ask for an area or a municipality; an empty one for any other.
pub(super) async fn map_for(
    state: &HubState,
    places: &[&PlacesRequest],
) -> Result<GateMap, ApiError> {
    if !places.iter().any(|places| places.needs_map()) {
        return Ok(GateMap::default());
    }
    let state = state.clone();
    blocking(move || map(&state)).await
}
