//! `/api/v1/second-looks`: a second person for a search that the rule against misuse stopped.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::errors::{ApiError, ErrorBody};
use super::grounds::GroundsRequest;
use super::near::NearView;
use super::question::grown_at;
use super::request::{KeepCases, LookUp, May, Path, Sent};
use super::standing;
use super::state::HubState;
use super::words::SearchRuleView;
use crate::judgement::desk::{self, SecondLookError};
use crate::judgement::judge::Searcher;
use crate::judgement::second_looks::{HOLDS, WaitingLook};
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
    /// By this number somebody decides.
    pub number: u64,
    /// Why one is needed.
    pub why: NearView,
    /// Until when somebody may decide, RFC 3339, UTC.
    pub ends_at: String,
}

/// A second look that waits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SecondLookView {
    /// Its number.
    pub number: u64,
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

impl From<WaitingLook> for SecondLookView {
    fn from(look: WaitingLook) -> Self {
        Self {
            number: look.number,
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

/// What a second person says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SecondLookDecision {
    /// Whether they agree.
    pub agree: bool,
}

pub(super) fn refused(error: SecondLookError) -> ApiError {
    match error {
        SecondLookError::Audit(error) => ApiError::audit(error),
        SecondLookError::Store(error) => ApiError::store(error),
        SecondLookError::NotNeeded | SecondLookError::TooMany | SecondLookError::Unknown => {
            ApiError::Conflict(error.to_string())
        }
        SecondLookError::OnePerson | SecondLookError::NoPerson => ApiError::Refused {
            why: error.to_string(),
            what_to_do: "let another person decide, with a token of their own".to_owned(),
        },
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
        let asked = desk::ask(main, &state.judge, &searcher, &pattern, acting).map_err(refused)?;
        Ok(SecondLookAnswer {
            number: asked.number,
            why: NearView::stopped(&asked.why),
            ends_at: (acting.now + HOLDS).to_string(),
        })
    });
    Ok((StatusCode::CREATED, Json(asked.await?)))
}

/// Shows the second looks that wait for somebody else than who asks. It leaves an audit line.
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
    May { actor, .. }: May<KeepCases>,
) -> Result<Json<SecondLooksAnswer>, ApiError> {
    let waiting = state.act(actor, move |main, state, acting| {
        desk::waiting(main, &state.judge, acting).map_err(refused)
    });
    let second_looks = waiting
        .await?
        .into_iter()
        .map(SecondLookView::from)
        .collect();
    Ok(Json(SecondLooksAnswer { second_looks }))
}

/// Decides about a second look: another person than who asked, and under no other account of theirs.
///
/// # Errors
/// [`ApiError`].
#[utoipa::path(
    post, path = "/api/v1/second-looks/{id}/decision", tag = "lookups",
    request_body = SecondLookDecision, security(("token" = [])),
    params(("id" = u64, Path, description = "Which")),
    responses(
        (status = 204, description = "Decided"),
        (status = 400, description = "The request cannot be read", body = ErrorBody),
        (status = 403, description = "The token is not for this, or is of the one who asks",
            body = ErrorBody),
        (status = 409, description = "None of this number waits", body = ErrorBody),
    )
)]
pub async fn decide_second_look(
    State(state): State<HubState>,
    May { actor, .. }: May<KeepCases>,
    Path(number): Path<u64>,
    Sent(decision): Sent<SecondLookDecision>,
) -> Result<StatusCode, ApiError> {
    let decided = state.act(actor, move |main, state, acting| {
        desk::decide(main, &state.judge, number, decision.agree, acting).map_err(refused)
    });
    decided.await?;
    Ok(StatusCode::NO_CONTENT)
}
