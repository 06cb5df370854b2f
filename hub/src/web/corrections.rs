//! `/api/v1/transits/{id}/corrections`: a text that was misread is corrected; what was sealed never changes.

use std::collections::{HashMap, HashSet};

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use varco_proto::ids::TransitId;
use varco_proto::plate::PlateText;

use super::errors::{ApiError, ErrorBody};
use super::grounds::GroundsRequest;
use super::request::{Correct, May, Path, Sent};
use super::standing::Standing;
use super::state::{HubState, blocking};
use super::view::TransitView;
use crate::lookups::lookup::OneTransit;
use crate::plates::plate::text_of;
use crate::policy::Deed;
use crate::store::StoreError;
use crate::transits::corrections::{Correction, CorrectionError, WantedCorrection};

/// A text to be corrected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CorrectionRequest {
    /// The right text: letters and digits.
    #[schema(example = "AB123CD")]
    pub plate: String,
    /// Why, 3 to 200 characters: what shows that it was misread.
    #[schema(min_length = 3, max_length = 200)]
    pub reason: String,
    /// On which grounds.
    #[serde(flatten)]
    pub grounds: GroundsRequest,
}

/// A correction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CorrectionView {
    /// The text from then on.
    pub plate: String,
    /// Who corrected it.
    pub by: String,
    /// When, RFC 3339, UTC.
    pub at: String,
    /// Why.
    pub reason: String,
}

impl From<Correction> for CorrectionView {
    fn from(correction: Correction) -> Self {
        Self {
            plate: correction.plate,
            by: correction.by,
            at: correction.at.to_string(),
            reason: correction.reason,
        }
    }
}

/// Tells of the corrections of what is shown.
///
/// # Errors
/// [`StoreError`].
pub(super) fn tell<'a>(
    state: &HubState,
    views: impl Iterator<Item = &'a mut TransitView>,
) -> Result<(), StoreError> {
    let mut views: HashMap<[u8; 16], &'a mut TransitView> = views
        .filter_map(|view| Some((*view.transit_id.parse::<TransitId>().ok()?.as_bytes(), view)))
        .collect();
    let ids: Vec<_> = views.keys().copied().collect();
    for (id, all) in state.archive.hours().corrections_of(ids)? {
        if let Some(view) = views.get_mut(&id) {
            view.corrections = all.into_iter().map(Into::into).collect();
        }
    }
    Ok(())
}

/// A transit's corrections.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CorrectionsAnswer {
    /// As it was read; it stays findable by this.
    pub plate_read: String,
    /// Oldest first; the last holds.
    pub corrections: Vec<CorrectionView>,
}

fn refused(error: CorrectionError) -> ApiError {
    match error {
        CorrectionError::Audit(error) => ApiError::audit(error),
        CorrectionError::Store(error) => ApiError::store(error),
        CorrectionError::Cipher(_) => ApiError::Internal,
        CorrectionError::Reason => ApiError::field("reason", error.to_string()),
        CorrectionError::Same | CorrectionError::TooMany => {
            ApiError::field("plate", error.to_string())
        }
        CorrectionError::Ended => missing(),
    }
}

fn missing() -> ApiError {
    ApiError::field(
        "id",
        "the UUID of a transit that is there, within your reach, not past its term and not blocked",
    )
}

/// Corrects the text of a transit that was misread. The sealed original stays; lookups find the transit by both texts
/// and say so. It ends with the transit, and leaves an audit line.
///
/// # Errors
/// [`ApiError`].
#[utoipa::path(
    post, path = "/api/v1/transits/{id}/corrections", tag = "lookups", request_body = CorrectionRequest,
    params(("id" = String, Path, description = "The transit's UUID")), security(("token" = [])),
    responses(
        (status = 201, description = "Corrected: all its corrections", body = CorrectionsAnswer),
        (status = 403, description = "The token is not for this", body = ErrorBody),
        (status = 422, description = "A field is missing or wrong, or the transit is not there", body = ErrorBody),
    )
)]
pub async fn correct_plate(
    State(state): State<HubState>,
    May { actor, caller, .. }: May<Correct>,
    Path(id): Path<String>,
    Sent(request): Sent<CorrectionRequest>,
) -> Result<(StatusCode, Json<CorrectionsAnswer>), ApiError> {
    let grounds = request.grounds.check(&caller.body)?;
    let id: TransitId = id.parse().map_err(|_| missing())?;
    let plate = PlateText::normalise(&request.plate);
    let plate = plate.map_err(|error| ApiError::field("plate", error.to_string()))?;
    let (looking, stated) = (state.clone(), grounds.clone());
    let (placed, stored) = blocking(move || {
        let now = looking.clock.now();
        let standing = Standing::of(&looking, &*looking.main()?, &caller, now)?;
        standing.allow(&stated)?;
        let reach = standing.reach(Deed::Correct, Some(stated.purpose))?;
        let ids = HashSet::from([*id.as_bytes()]);
        let placed = looking.archive.placed(&ids)?.pop().ok_or_else(missing)?;
        let of = OneTransit {
            id: &placed.id,
            plate: &text_of(&placed.entry.plate),
            captured_at: placed.hour.at(placed.entry.offset_us),
        };
        let stored = looking.archive.one(&of, now, &reach)?;
        Ok((placed, stored.ok_or_else(missing)?))
    })
    .await?;
    let read = text_of(&stored.head.entry.plate);
    let answer = state.act(actor, move |main, state, acting| {
        let wanted = WantedCorrection {
            placed,
            digest: stored.head.digest,
            read: &read,
            plate: &plate,
            reason: &request.reason,
            grounds: &grounds,
        };
        let all = state
            .archive
            .hours()
            .correct(main, wanted, acting)
            .map_err(refused)?;
        Ok(CorrectionsAnswer {
            plate_read: read,
            corrections: all.into_iter().map(Into::into).collect(),
        })
    });
    Ok((StatusCode::CREATED, Json(answer.await?)))
}
