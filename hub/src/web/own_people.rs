//! `/api/v1/own-plates` and `/api/v1/duty-hours`: what a body tells the rule against misuse. Whoever the rule watches
//! does not tell it: the person does who answers for the body.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::errors::{ApiError, ErrorBody};
use super::lookups::moment;
use super::request::{Authorise, May, Sent};
use super::second_looks::refused;
use super::state::HubState;
use crate::judgement::desk::{self, OwnPlates};
use crate::judgement::duty::DutyShift;
use crate::people::actors;
use crate::plates::pattern::PlatePattern;

/// Most plates, or shifts, of one request.
const ROWS_MAX: usize = 200;

/// Plates of a body's own people and of their families.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OwnPlatesRequest {
    /// Whole plates, 200 at most. The hub keeps marks of them, and no plate.
    #[schema(min_items = 1, max_items = 200)]
    pub plates: Vec<String>,
    /// Take them off instead: those that the own body listed.
    #[serde(default)]
    pub remove: bool,
}

/// How many plates were listed or taken off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OwnPlatesAnswer {
    /// Without those that were so already.
    pub changed: u64,
}

/// Somebody's shifts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DutyRequest {
    /// The name of their token.
    pub person: String,
    /// Shifts, 200 at most, in place of those told before of the same time.
    #[schema(min_items = 1, max_items = 200)]
    pub shifts: Vec<ShiftRequest>,
}

/// A shift.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ShiftRequest {
    /// From when, RFC 3339.
    #[schema(format = DateTime)]
    pub from: String,
    /// Until when, RFC 3339.
    #[schema(format = DateTime)]
    pub to: String,
}

/// Lists plates of a body's own people and of their families: whoever searches one needs a second person.
///
/// # Errors
/// [`ApiError`].
#[utoipa::path(
    post, path = "/api/v1/own-plates", tag = "lookups", request_body = OwnPlatesRequest,
    security(("token" = [])),
    responses(
        (status = 200, description = "Listed, or taken off", body = OwnPlatesAnswer),
        (status = 403, description = "Only who answers for the body says this", body = ErrorBody),
        (status = 422, description = "A plate cannot be read", body = ErrorBody),
    )
)]
pub async fn list_own_plates(
    State(state): State<HubState>,
    May { actor, caller, .. }: May<Authorise>,
    Sent(request): Sent<OwnPlatesRequest>,
) -> Result<Json<OwnPlatesAnswer>, ApiError> {
    if !(1..=ROWS_MAX).contains(&request.plates.len()) {
        return Err(ApiError::field("plates", format!("1 to {ROWS_MAX} plates")));
    }
    let mut plates = Vec::new();
    for plate in &request.plates {
        let plate = PlatePattern::normalise(plate)?;
        if !plate.is_exact() {
            return Err(ApiError::field(
                "plates",
                "whole plates, without `*` and `?`",
            ));
        }
        plates.push(plate);
    }
    let changed = state.act(actor, move |main, state, acting| {
        let of = OwnPlates {
            body: caller.body.id.as_str(),
            plates: &plates,
            listed: !request.remove,
        };
        desk::list_own(main, &state.judge, &of, acting).map_err(refused)
    });
    Ok(Json(OwnPlatesAnswer {
        changed: changed.await?,
    }))
}

/// Says when somebody is on duty. Of whom nobody says it, it is learned from when they search.
///
/// # Errors
/// [`ApiError`].
#[utoipa::path(
    post, path = "/api/v1/duty-hours", tag = "lookups", request_body = DutyRequest,
    security(("token" = [])),
    responses(
        (status = 204, description = "Noted"),
        (status = 403, description = "Only who answers for the body says this", body = ErrorBody),
        (status = 422, description = "Nobody has this name, or a shift is wrong", body = ErrorBody),
    )
)]
pub async fn tell_duty_hours(
    State(state): State<HubState>,
    May { actor, caller, .. }: May<Authorise>,
    Sent(request): Sent<DutyRequest>,
) -> Result<StatusCode, ApiError> {
    if request.shifts.len() > ROWS_MAX {
        return Err(ApiError::field("shifts", format!("1 to {ROWS_MAX} shifts")));
    }
    let shift = |shift: &ShiftRequest| {
        Ok(DutyShift {
            from: moment("from", Some(&shift.from))?,
            to: moment("to", Some(&shift.to))?,
        })
    };
    let shifts = request.shifts.iter().map(shift);
    let shifts = shifts.collect::<Result<Vec<_>, ApiError>>()?;
    let told = state.act(actor, move |main, _, acting| {
        let of = actors::of_name(main, &request.person)?;
        let of =
            of.ok_or_else(|| ApiError::field("person", "the name of somebody with a token"))?;
        if actors::body_of(main, of.id())? != caller.body.id {
            return Err(ApiError::field("person", "somebody of your own body"));
        }
        desk::tell_duty(main, &of, &shifts, acting).map_err(refused)
    });
    told.await?;
    Ok(StatusCode::NO_CONTENT)
}
