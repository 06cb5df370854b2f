//! `/api/v1/second-looks`: a second person for a search that the rule against misuse stopped.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::approval_deciding::PolicyJudge;
use super::approvals;
use super::errors::{ApiError, ErrorBody};
use super::grounds::GroundsRequest;
use super::near::NearView;
use super::question::grown_at;
use super::request::{KeepCases, LookUp, May, Sent};
use super::standing;
use super::state::HubState;
use super::words::SearchRuleView;
use crate::approvals::second_looks::{self as looks, LookToDecide};
use crate::judgement::desk::SecondLookError;
use crate::judgement::judge::Searcher;
use crate::plates::pattern::PlatePattern;
use crate::policy::Deed;
use crate::policy::caller::CallerKind;

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
