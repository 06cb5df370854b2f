//! `POST /api/v1/counts`: how many vehicles passed, without plates and without a case (C02).

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::area::{AreaRequest, AreaView};
use super::errors::{ApiError, ErrorBody};
use super::gates::map_for;
use super::lookups::{LookupRequest, moment};
use super::request::{Count, May, Sent};
use super::state::HubState;
use crate::people::audit::{Action, Entry};
use crate::places::gates::Within;
use crate::transits::counts::{By, CELL_MIN};
use crate::transits::pattern::PlatePattern;
use crate::transits::query::Query;

/// What is counted.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CountRequest {
    /// First moment, RFC 3339.
    #[schema(required = true, nullable = false)]
    pub from: Option<String>,
    /// Last moment, RFC 3339.
    #[schema(required = true, nullable = false)]
    pub to: Option<String>,
    /// Only these cameras; all when left out.
    #[serde(default)]
    pub cameras: Vec<String>,
    /// Only these gates; all when left out.
    #[serde(default)]
    pub gates: Vec<String>,
    /// Only the gates of these municipalities, by name; all when left out.
    #[serde(default)]
    pub municipalities: Vec<String>,
    /// Only what stands in this area on the map.
    #[serde(default)]
    pub area: Option<AreaRequest>,
    /// `all`, `camera`, `gate`, `country` or `way`; `all` when left out.
    pub by: Option<String>,
    /// By day of UTC instead of by hour.
    #[serde(default)]
    pub daily: bool,
}

/// One cell.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CellView {
    /// First moment of its hour or day, RFC 3339, UTC.
    pub begins: String,
    /// What it counts: `all`, a camera, a gate, a country, `in`, `out`, `towards`, `away`.
    pub of: String,
    /// How many vehicles; null for one to four, so that nobody can be told apart.
    pub count: Option<u64>,
}

/// The counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CountAnswer {
    /// By time, then by what is counted. Cells without vehicles are left out.
    pub cells: Vec<CellView>,
    /// A cell with fewer vehicles is not told.
    pub cell_min: u64,
    /// What stands in the area; null when none was asked for.
    #[serde(default)]
    pub area: Option<AreaView>,
    /// The audit line that this left.
    pub audit_line: u64,
}

/// Counts vehicles, without plates.
///
/// # Errors
/// [`ApiError`].
#[utoipa::path(
    post, path = "/api/v1/counts", tag = "statistics", request_body = CountRequest,
    security(("token" = [])),
    responses(
        (status = 200, description = "The counts", body = CountAnswer),
        (status = 400, description = "The body cannot be read", body = ErrorBody),
        (status = 403, description = "The token is not for this", body = ErrorBody),
        (status = 422, description = "A field is missing or wrong", body = ErrorBody),
    )
)]
pub async fn count(
    State(state): State<HubState>,
    May { actor, .. }: May<Count>,
    Sent(request): Sent<CountRequest>,
) -> Result<Json<CountAnswer>, ApiError> {
    let by = match request.by.as_deref() {
        None | Some("all") => By::All,
        Some("camera") => By::Camera,
        Some("gate") => By::Gate,
        Some("country") => By::Country,
        Some("way") => By::Way,
        Some(_) => {
            return Err(ApiError::field("by", "all, camera, gate, country or way"));
        }
    };
    let filter = LookupRequest {
        cameras: request.cameras.clone(),
        gates: request.gates.clone(),
        area: request.area.clone(),
        municipalities: request.municipalities.clone(),
        ..LookupRequest::default()
    };
    let map = map_for(&state, &[(&request.area, &request.municipalities)]).await?;
    let query = Query {
        plate: PlatePattern::normalise("*")?,
        fold: false,
        misread: false,
        from: moment("from", request.from.as_deref())?,
        to: moment("to", request.to.as_deref())?,
        filter: filter.filter(&map)?,
        limit: 1,
        oldest_first: true,
        after: None,
    };
    let answer = state.search(move |state| {
        let cells = state
            .archive
            .count_by(&query, state.clock.now(), (by, request.daily))
            .map_err(ApiError::store)?;
        let mut asked = serde_json::to_value(&request).unwrap_or_default();
        asked["area"] = query.filter.within.as_ref().map(Within::told).into();
        let entry = Entry::plain(actor, Action::Counted, asked);
        let audit_line = state.note(&entry)?;
        let cells = cells.into_iter().map(|cell| CellView {
            begins: cell.begins.to_string(),
            of: cell.of,
            count: cell.count,
        });
        Ok(CountAnswer {
            cells: cells.collect(),
            cell_min: CELL_MIN,
            area: query.filter.within.as_ref().map(AreaView::from),
            audit_line,
        })
    });
    Ok(Json(answer.await?))
}
