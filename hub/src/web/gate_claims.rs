//! `/api/v1/gate-claims`: gates in use by the first level, which goes first (art. 8 c. 2 A a1, a2).

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use varco_proto::ids::GateId;

use super::approvals::refused;
use super::errors::{ApiError, ErrorBody};
use super::request::{Claim, May, Sent};
use super::state::HubState;
use crate::approvals::claims::{self, GateClaim, WantedClaim};
use crate::audit::AuditEntry;
use crate::audit::action::Action;
use crate::municipalities::Municipality;
use crate::policy::caller::Caller;

/// Most gates of one request.
const GATES_MAX: usize = 200;

/// Gates are to be used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ClaimRequest {
    /// Gates of one's own municipality, 200 at most.
    #[schema(min_items = 1, max_items = 200)]
    pub gates: Vec<String>,
    /// For how many minutes, 30 at most; they can be claimed again.
    #[schema(minimum = 1, maximum = 30)]
    pub minutes: u32,
}

/// Gates are not used any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FreeRequest {
    /// Which, 200 at most.
    #[schema(min_items = 1, max_items = 200)]
    pub gates: Vec<String>,
}

/// A gate in use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ClaimView {
    /// Which.
    pub gate: String,
    /// Who uses it.
    pub by: String,
    /// Since when, RFC 3339, UTC.
    pub from: String,
    /// Until when, RFC 3339, UTC.
    pub until: String,
}

impl From<GateClaim> for ClaimView {
    fn from(claim: GateClaim) -> Self {
        Self {
            gate: claim.gate.to_string(),
            by: claim.name,
            from: claim.from.to_string(),
            until: claim.until.to_string(),
        }
    }
}

/// Gates in use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ClaimsAnswer {
    /// Those of one's own municipality.
    pub claims: Vec<ClaimView>,
}

fn own(caller: &Caller) -> Result<Municipality, ApiError> {
    let own = caller.body.municipality.clone();
    own.ok_or_else(|| ApiError::Refused {
        why: "your body is of no municipality".to_owned(),
        what_to_do: "let whoever runs the hub say of which: `varco-hub body set`".to_owned(),
    })
}

fn gates(names: &[String]) -> Result<Vec<GateId>, ApiError> {
    let what = "1 to 200 names of gates of your own municipality";
    if !(1..=GATES_MAX).contains(&names.len()) {
        return Err(ApiError::field("gates", what));
    }
    let gate = |name: &String| name.parse().map_err(|_| ApiError::field("gates", what));
    names.iter().map(gate).collect()
}

/// Shows the gates of one's own municipality that are in use. It leaves an audit line.
///
/// # Errors
/// [`ApiError`].
#[utoipa::path(
    get, path = "/api/v1/gate-claims", tag = "approvals", security(("token" = [])),
    responses(
        (status = 200, description = "Gates in use", body = ClaimsAnswer),
        (status = 403, description = "Not for whoever asks", body = ErrorBody),
    )
)]
pub async fn list_claims(
    State(state): State<HubState>,
    May { actor, caller, .. }: May<Claim>,
) -> Result<Json<ClaimsAnswer>, ApiError> {
    let own = own(&caller)?;
    let held = state.act(actor, move |main, _, acting| {
        acting.change(main, |main| {
            let mut held = claims::held(main, acting.now)?;
            held.retain(|_, claim| claim.municipality == own);
            let details = serde_json::json!({ "gates": held.keys().collect::<Vec<_>>() });
            let entry = AuditEntry::plain(acting.actor.clone(), Action::ClaimsListed, details);
            Ok::<_, ApiError>((held, entry))
        })
    });
    let claims = held.await?.into_values().map(ClaimView::from).collect();
    Ok(Json(ClaimsAnswer { claims }))
}

/// Uses gates of one's own municipality, or uses them for longer: until then the second level sees nothing of them
/// live and finds nothing of them.
///
/// # Errors
/// [`ApiError`].
#[utoipa::path(
    post, path = "/api/v1/gate-claims", tag = "approvals", request_body = ClaimRequest,
    security(("token" = [])),
    responses(
        (status = 204, description = "In use"),
        (status = 400, description = "The body cannot be read", body = ErrorBody),
        (status = 403, description = "Not for whoever asks", body = ErrorBody),
        (status = 422, description = "A field is missing or wrong", body = ErrorBody),
    )
)]
pub async fn claim_gates(
    State(state): State<HubState>,
    May { actor, caller, .. }: May<Claim>,
    Sent(request): Sent<ClaimRequest>,
) -> Result<StatusCode, ApiError> {
    let (own, gates) = (own(&caller)?, gates(&request.gates)?);
    let lasts = Duration::from_secs(u64::from(request.minutes) * 60);
    let claimed = state.act(actor, move |main, _, acting| {
        let wanted = WantedClaim {
            municipality: &own,
            gates: &gates,
            lasts,
        };
        claims::claim(main, wanted, acting).map_err(refused)
    });
    claimed.await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Uses gates of one's own municipality no more, whoever claimed them.
///
/// # Errors
/// [`ApiError`].
#[utoipa::path(
    post, path = "/api/v1/gate-claims/ending", tag = "approvals", request_body = FreeRequest,
    security(("token" = [])),
    responses(
        (status = 204, description = "Free"),
        (status = 400, description = "The body cannot be read", body = ErrorBody),
        (status = 403, description = "Not for whoever asks", body = ErrorBody),
        (status = 409, description = "None of them is in use", body = ErrorBody),
        (status = 422, description = "A field is missing or wrong", body = ErrorBody),
    )
)]
pub async fn free_gates(
    State(state): State<HubState>,
    May { actor, caller, .. }: May<Claim>,
    Sent(request): Sent<FreeRequest>,
) -> Result<StatusCode, ApiError> {
    let (own, gates) = (own(&caller)?, gates(&request.gates)?);
    let freed = state.act(actor, move |main, _, acting| {
        claims::free(main, &own, &gates, acting).map_err(refused)
    });
    freed.await?;
    Ok(StatusCode::NO_CONTENT)
}
