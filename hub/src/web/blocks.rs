//! `/api/v1/blocks`: what is kept while nobody may process it.

use std::collections::HashSet;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use varco_proto::ids::TransitId;

use super::approval_view::ApprovalView;
use super::cases::refused;
use super::errors::{ApiError, ErrorBody};
use super::grounds::GroundsRequest;
use super::request::{KeepCases, May, Sent};
use super::standing::Standing;
use super::state::{HubState, blocking};
use crate::cases::blocking::{self as desk, Blocking, Lifting};
use crate::policy::Deed;

/// Most transits that one request blocks.
const BLOCKED_MAX: usize = 200;

/// Transits to be blocked, or to be processed again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BlockRequest {
    /// UUIDs of transits, 200 at most.
    #[schema(format = "uuid", min_items = 1, max_items = 200)]
    pub transits: Vec<String>,
    /// The order or the request of the person concerned, with its date.
    #[schema(min_length = 1, max_length = 120)]
    pub order: String,
    /// Lift the blocks instead.
    #[serde(default)]
    pub lift: bool,
    /// Why.
    #[serde(flatten)]
    pub grounds: GroundsRequest,
}

/// Blocks transits, or lifts blocks: all that are named, or none.
///
/// What is blocked is kept as long as all others, also in cases, and nobody processes it. A block is lifted once another
/// person agreed at `/api/v1/approvals`: the first request asks them, and the same request then lifts.
///
/// # Errors
/// [`ApiError`].
#[utoipa::path(
    post, path = "/api/v1/blocks", tag = "cases", request_body = BlockRequest,
    security(("token" = [])),
    responses(
        (status = 202, description = "Asked; another person must agree that it be lifted", body = ApprovalView),
        (status = 204, description = "Done"),
        (status = 403, description = "The token is not for this", body = ErrorBody),
        (status = 409, description = "That it be lifted was asked already, and waits", body = ErrorBody),
        (status = 422, description = "A field is missing or wrong, or a transit is not there, or not \
            blocked", body = ErrorBody),
    )
)]
pub async fn block(
    State(state): State<HubState>,
    May { actor, caller, .. }: May<KeepCases>,
    Sent(request): Sent<BlockRequest>,
) -> Result<Response, ApiError> {
    let grounds = request.grounds.check(&caller.body)?;
    let order = request.order.trim().to_owned();
    if order.is_empty() || order.chars().count() > 120 || order.chars().any(char::is_control) {
        return Err(ApiError::field("order", "1 to 120 printable characters"));
    }
    if request.transits.is_empty() || request.transits.len() > BLOCKED_MAX {
        return Err(ApiError::field(
            "transits",
            format!("1 to {BLOCKED_MAX} UUIDs"),
        ));
    }
    let id = |text: &String| {
        let id: TransitId = text
            .parse()
            .map_err(|_| ApiError::field("transits", "UUIDs as a lookup shows them"))?;
        Ok(*id.as_bytes())
    };
    let transits: Vec<[u8; 16]> = request
        .transits
        .iter()
        .map(id)
        .collect::<Result<_, ApiError>>()?;
    let (looking, wanted, lift) = (state.clone(), transits.clone(), request.lift);
    let stated = grounds.clone();
    let stored = blocking(move || {
        let wanted = wanted.into_iter().collect();
        let main = looking.main()?;
        let standing = Standing::of(&looking, &main, &caller, looking.clock.now())?;
        standing.allow(&stated)?;
        let reach = standing.reach(Deed::Hold, Some(stated.purpose))?;
        if !looking.archive.out_of_reach(&wanted, &reach)?.is_empty() {
            let what = "only transits of gates within your reach; nothing was changed";
            return Err(ApiError::field("transits", what));
        }
        if lift {
            return Ok(HashSet::new()); // Its own block is looked for.
        }
        let stored = looking.archive.stored_among(&wanted);
        stored.map_err(ApiError::store)
    })
    .await?;
    let lifted = state.act(actor, move |main, _, acting| {
        let blocking = Blocking {
            transits: &transits,
            stored: &stored,
            order: &order,
            grounds: &grounds,
        };
        if !lift {
            desk::block(main, blocking, acting).map_err(refused)?;
            return Ok(None);
        }
        match desk::lift(main, blocking, acting).map_err(refused)? {
            Lifting::Asked(asked) => Ok(Some(ApprovalView::of(&asked, acting.now))),
            Lifting::Done => Ok(None),
        }
    });
    Ok(match lifted.await? {
        Some(asked) => (StatusCode::ACCEPTED, Json(asked)).into_response(),
        None => StatusCode::NO_CONTENT.into_response(),
    })
}
