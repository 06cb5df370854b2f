//! `/api/v1/second-looks`: a second person for a search that the rule against misuse stopped;
//! `/api/v1/own-plates` and `/api/v1/duty-hours`: what a body tells the rule.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::approval_deciding::PolicyJudge;
use super::approvals;
use super::errors::{ApiError, ErrorBody};
use super::grounds::GroundsRequest;
use super::lookups::moment;
use super::near::NearView;
use super::question::grown_at;
use super::request::{KeepCases, LookUp, May, Sent};
use super::standing;
use super::state::HubState;
use super::words::SearchRuleView;
use crate::approvals::second_looks::{self as looks, LookToDecide};
use crate::judgement::desk::{self, SecondLookError};
use crate::judgement::duty::DutyShift;
use crate::judgement::judge::Searcher;
use crate::people::actors;
use crate::plates::pattern::PlatePattern;
use crate::policy::Deed;
use crate::policy::caller::CallerKind;

/// Most plates, or shifts, of one request.
const ROWS_MAX: usize = 200;

/// A second person is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SecondLookRequest {
    /// The plate or the pattern that was stopped.
    #[schema(example = "AB123CD")]
    pub plate: String,
    /// Why.
    #[serde(flatten)]
    pub grounds: GroundsRequest,
}

/// A second person was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SecondLookAnswer {
    /// The request that somebody decides about, at `/api/v1/approvals/{id}/decision`.
    pub approval: String,
    /// Why one is needed.
    pub why: NearView,
    /// Until when somebody may decide, RFC 3339, UTC.
    pub ends_at: String,
}

/// A second look that waits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SecondLookView {
    /// The request, by which somebody decides.
    pub approval: String,
    /// Who asks.
    pub asked_by: String,
    /// When, RFC 3339, UTC.
    pub asked_at: String,
    /// The plate or the pattern.
    pub plate: String,
    /// For which purpose.
    pub purpose: String,
    /// For which case.
    pub case_reference: String,
    /// The rule that stopped it.
    pub rule: SearchRuleView,
}

impl From<LookToDecide> for SecondLookView {
    fn from(LookToDecide { approval, look }: LookToDecide) -> Self {
        Self {
            approval: approval.id.to_string(),
            asked_by: look.asked_name,
            asked_at: look.asked_at.to_string(),
            plate: look.plate,
            purpose: look.purpose,
            case_reference: look.case_reference,
            rule: look.rule.into(),
        }
    }
}

/// Those that wait.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SecondLooksAnswer {
    /// Oldest first, without one's own.
    pub second_looks: Vec<SecondLookView>,
}

/// Plates of a body's own people and of their families.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OwnPlatesRequest {
    /// Whole plates, 200 at most. The hub keeps marks of them, and no plate.
    #[schema(min_items = 1, max_items = 200)]
    pub plates: Vec<String>,
    /// Take them off instead.
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

pub(super) fn refused(error: SecondLookError) -> ApiError {
    match error {
        SecondLookError::Audit(error) => ApiError::audit(error),
        SecondLookError::Store(error) => ApiError::store(error),
        SecondLookError::NotNeeded | SecondLookError::TooMany => {
            ApiError::Conflict(error.to_string())
        }
        SecondLookError::Shift => ApiError::field("shifts", error.to_string()),
    }
}

/// Asks for a second person, for a search that was stopped. Their word holds for 24 hours.
///
/// # Errors
/// [`ApiError`].
#[utoipa::path(
    post, path = "/api/v1/second-looks", tag = "lookups", request_body = SecondLookRequest,
    security(("token" = [])),
    responses(
        (status = 201, description = "Asked", body = SecondLookAnswer),
        (status = 403, description = "The token is not for this", body = ErrorBody),
        (status = 409, description = "None is needed, or too many wait", body = ErrorBody),
        (status = 422, description = "A field is missing or wrong", body = ErrorBody),
    )
)]
pub async fn ask_second_look(
    State(state): State<HubState>,
    May { actor, caller, .. }: May<LookUp>,
    Sent(request): Sent<SecondLookRequest>,
) -> Result<(StatusCode, Json<SecondLookAnswer>), ApiError> {
    // A person asks a person; whoever looks up may.
    if caller.kind == CallerKind::System {
        return Err(ApiError::Denied(Deed::Ask));
    }
    let grounds = request.grounds.check(&caller.body)?;
    let pattern = PlatePattern::normalise(&request.plate)?;
    let asked = state.act(actor, move |main, state, acting| {
        standing::allow(state, main, &caller, &grounds)?;
        let searcher = Searcher {
            actor: acting.actor,
            grounds: &grounds,
            grown_at: grown_at(main, acting.actor, &grounds)?,
            now: acting.now,
        };
        let asked = looks::ask(main, &state.judge, &searcher, &pattern, acting);
        let asked = asked.map_err(approvals::refused)?;
        Ok(SecondLookAnswer {
            approval: asked.approval.id.to_string(),
            why: NearView::stopped(&asked.why),
            ends_at: asked.approval.waits_until.to_string(),
        })
    });
    Ok((StatusCode::CREATED, Json(asked.await?)))
}

/// Shows the second looks that wait for whoever asks to decide, with their plates; they decide at
/// `/api/v1/approvals/{id}/decision`. It leaves an audit line.
///
/// # Errors
/// [`ApiError`].
#[utoipa::path(
    get, path = "/api/v1/second-looks", tag = "lookups", security(("token" = [])),
    responses(
        (status = 200, description = "Those that wait", body = SecondLooksAnswer),
        (status = 403, description = "The token is not for this", body = ErrorBody),
    )
)]
pub async fn list_second_looks(
    State(state): State<HubState>,
    May { actor, permit, .. }: May<KeepCases>,
) -> Result<Json<SecondLooksAnswer>, ApiError> {
    let waiting = state.act(actor, move |main, state, acting| {
        let judge = PolicyJudge::of(state, &permit.by, acting.actor);
        looks::waiting(main, &state.judge, &judge, acting).map_err(approvals::refused)
    });
    let second_looks = waiting.await?.into_iter();
    Ok(Json(SecondLooksAnswer {
        second_looks: second_looks.map(SecondLookView::from).collect(),
    }))
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
        (status = 403, description = "The token is not for this", body = ErrorBody),
        (status = 422, description = "A plate cannot be read", body = ErrorBody),
    )
)]
pub async fn list_own_plates(
    State(state): State<HubState>,
    May { actor, .. }: May<KeepCases>,
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
        desk::list_own(main, &state.judge, &plates, !request.remove, acting).map_err(refused)
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
        (status = 403, description = "The token is not for this", body = ErrorBody),
        (status = 422, description = "Nobody has this name, or a shift is wrong", body = ErrorBody),
    )
)]
pub async fn tell_duty_hours(
    State(state): State<HubState>,
    May { actor, .. }: May<KeepCases>,
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
        let body = actors::body_of(main, of.id())?;
        if acting.actor.body() != Some(body.as_str()) {
            return Err(ApiError::field("person", "somebody of your own body"));
        }
        desk::tell_duty(main, &of, &shifts, acting).map_err(refused)
    });
    told.await?;
    Ok(StatusCode::NO_CONTENT)
}
