//! `/api/v1/hotlists/{id}/plates`: one plate more, changed or less, without a file. The plate stands
//! in the body, never in the address, which other programs log.

use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::errors::{ApiError, ErrorBody};
use super::hotlists::{beside_the_turn, refused};
use super::request::{KeepHotlists, May, Path, Sent};
use super::state::HubState;
use crate::audit::acting::Acting;
use crate::audit::actor::Actor;
use crate::hotlists::import::single::Single;
use crate::hotlists::list::ListId;
use crate::hotlists::singly::{self, PlateChange};

/// A plate and what is said of it, by the rules of an imported row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PlateRequest {
    /// The plate, in any writing.
    pub plate: String,
    /// Where it is registered: name, ISO code or oval sign.
    pub country: Option<String>,
    /// Why it is waited for, what to do.
    pub note: Option<String>,
    /// First day or moment: RFC 3339, `2026-12-31` or `31/12/2026`, local in Rome; the list's own
    /// when left out.
    pub valid_from: Option<String>,
    /// Last day, or the moment of the end; the list's own when left out.
    pub valid_to: Option<String>,
}

/// A plate to be taken off.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PlateRemoval {
    /// The plate, in any writing.
    pub plate: String,
}

impl From<PlateRequest> for Single {
    fn from(request: PlateRequest) -> Self {
        Self {
            plate: request.plate,
            country: request.country,
            note: request.note,
            from: request.valid_from,
            to: request.valid_to,
        }
    }
}

async fn changed(
    state: HubState,
    actor: Actor,
    id: &str,
    change: PlateChange,
) -> Result<(), ApiError> {
    let id: ListId = id.parse().map_err(refused)?;
    beside_the_turn(state, move |main, state, shelf| {
        let acting = Acting {
            actor: &actor,
            now: state.clock.now(),
            key: &state.key,
        };
        singly::change(main, shelf, &id, &change, &acting)
    })
    .await
}

/// Puts a plate on a list, beside what it says of the plate already.
///
/// It is waited for from the next transit on.
///
/// # Errors
/// [`ApiError`].
#[utoipa::path(
    post, path = "/api/v1/hotlists/{id}/plates", tag = "hotlists", request_body = PlateRequest,
    params(("id" = String, Path, description = "The list")), security(("token" = [])),
    responses(
        (status = 204, description = "On the list"),
        (status = 400, description = "The body cannot be read", body = ErrorBody),
        (status = 403, description = "The token is not for this", body = ErrorBody),
        (status = 409, description = "There is no such list, or it is closed, or the plate is on it \
            with the same words", body = ErrorBody),
        (status = 422, description = "A field is wrong", body = ErrorBody),
    )
)]
pub async fn add_plate(
    State(state): State<HubState>,
    May { actor, .. }: May<KeepHotlists>,
    Path(id): Path<String>,
    Sent(request): Sent<PlateRequest>,
) -> Result<StatusCode, ApiError> {
    changed(state, actor, &id, PlateChange::Add(request.into())).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Replaces all that a list says of a plate.
///
/// # Errors
/// [`ApiError`].
#[utoipa::path(
    post, path = "/api/v1/hotlists/{id}/plates/change", tag = "hotlists", request_body = PlateRequest,
    params(("id" = String, Path, description = "The list")), security(("token" = [])),
    responses(
        (status = 204, description = "Replaced"),
        (status = 400, description = "The body cannot be read", body = ErrorBody),
        (status = 403, description = "The token is not for this", body = ErrorBody),
        (status = 409, description = "There is no such list, or it is closed, or the plate is not \
            on it", body = ErrorBody),
        (status = 422, description = "A field is wrong", body = ErrorBody),
    )
)]
pub async fn change_plate(
    State(state): State<HubState>,
    May { actor, .. }: May<KeepHotlists>,
    Path(id): Path<String>,
    Sent(request): Sent<PlateRequest>,
) -> Result<StatusCode, ApiError> {
    changed(state, actor, &id, PlateChange::Change(request.into())).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Takes a plate off a list, with all that the list says of it.
///
/// # Errors
/// [`ApiError`].
#[utoipa::path(
    post, path = "/api/v1/hotlists/{id}/plates/removal", tag = "hotlists",
    request_body = PlateRemoval,
    params(("id" = String, Path, description = "The list")), security(("token" = [])),
    responses(
        (status = 204, description = "Off the list"),
        (status = 400, description = "The body cannot be read", body = ErrorBody),
        (status = 403, description = "The token is not for this", body = ErrorBody),
        (status = 409, description = "There is no such list, or it is closed, or the plate is not \
            on it", body = ErrorBody),
        (status = 422, description = "A field is wrong", body = ErrorBody),
    )
)]
pub async fn remove_plate(
    State(state): State<HubState>,
    May { actor, .. }: May<KeepHotlists>,
    Path(id): Path<String>,
    Sent(request): Sent<PlateRemoval>,
) -> Result<StatusCode, ApiError> {
    changed(state, actor, &id, PlateChange::Remove(request.plate)).await?;
    Ok(StatusCode::NO_CONTENT)
}
