//! `POST /api/v1/counts`: how many vehicles passed, without plates and without a case (C02). What may be
//! told is [`crate::lookups::counts`]'s to say.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::area::AreaView;
use super::errors::{ApiError, ErrorBody};
use super::filter::PlacesRequest;
use super::gates::map_for;
use super::lookups::moment;
use super::question::About;
use super::request::{Count, May, Sent};
use super::state::HubState;
use super::words::{CountBy, Word};
use crate::audit::AuditError;
use crate::audit::action::Action;
use crate::lookups::counts::{CELL_MIN, Counting, Scope};
use crate::lookups::left_out;
use crate::lookups::question::{Answered, QuestionLine};
use crate::map::gates::Within;
use crate::transits::query::Filter;

/// What is counted: the hours of UTC that lie whole between `from` and `to`, and are over.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CountRequest {
    /// First moment, RFC 3339. An hour that begins before it is not counted.
    #[schema(required = true, nullable = false, format = DateTime)]
    pub from: Option<String>,
    /// Last moment, RFC 3339. An hour that ends after it is not counted, nor one that is not over by
    /// ten minutes, nor one of which a part is past its term.
    #[schema(required = true, nullable = false, format = DateTime)]
    pub to: Option<String>,
    /// Where.
    #[serde(flatten)]
    pub places: PlacesRequest,
    /// What is counted apart; `all` when left out.
    #[schema(value_type = Option<CountBy>)]
    pub by: Option<Word<CountBy>>,
    /// By day of UTC instead of by hour.
    #[serde(default)]
    pub daily: bool,
}

/// One cell.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CellView {
    /// First moment of its hour or day, RFC 3339, UTC.
    pub begins: String,
    /// What it counts: `all`, a camera, a gate, a country, `in`, `out`, `towards`, `away`, `unknown`;
    /// `others` for the countries or ways that are too few to be told by their names.
    pub of: String,
    /// How many vehicles; at least `cell_min`.
    pub count: u64,
}

/// The counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CountAnswer {
    /// By time, then by what is counted. What has nothing that may be told is not listed.
    pub cells: Vec<CellView>,
    /// An hour of a camera with fewer vehicles is in no number, whatever is asked: not in the sums
    /// either. So no two answers differ by fewer.
    pub cell_min: u64,
    /// First moment of the hours that were counted, RFC 3339, UTC; null when the window has no whole
    /// hour that is over.
    pub counted_from: Option<String>,
    /// First moment after them.
    pub counted_to: Option<String>,
    /// How many hours of the cameras that were asked for are not told, of those that were counted: in
    /// each passed fewer than `cell_min`, or nobody at all, or its gate's term is over. Which of these is
    /// not told.
    pub hidden_cells: u64,
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
    may: May<Count>,
    Sent(request): Sent<CountRequest>,
) -> Result<Json<CountAnswer>, ApiError> {
    let by = request.by.as_ref().map(|word| word.check("by"));
    let by = by.transpose()?.unwrap_or(CountBy::All).into();
    let map = map_for(&state, &[&request.places]).await?;
    let filter = request.places.check(&map)?;
    let asked = Counting {
        from: moment("from", request.from.as_deref())?,
        to: moment("to", request.to.as_deref())?,
        scope: scope(filter.clone()),
        by,
        daily: request.daily,
    };
    let within = asked.scope.within.clone();
    let mut details = serde_json::to_value(&request).map_err(AuditError::Encode)?;
    details["area"] = within.as_ref().map(Within::told).into();
    let counting = may
        .asks_without_grounds(state)
        .answer(About::Nobody, move |sources| {
            let counted = sources
                .store
                .count_by(&asked, sources.now, sources.allowed)?;
            let said = QuestionLine {
                action: Action::Counted,
                plate: None,
                details,
                left_out: left_out::of(sources.allowed.reach(), &[&filter]),
                shown: None,
                plates: Vec::new(),
            };
            Ok((counted, said))
        });
    let Answered {
        answer, audit_line, ..
    } = counting.await?;
    let cells = answer.cells.into_iter().map(|cell| CellView {
        begins: cell.begins.to_string(),
        of: cell.of,
        count: cell.count,
    });
    let hours = answer.hours;
    Ok(Json(CountAnswer {
        cells: cells.collect(),
        cell_min: CELL_MIN,
        counted_from: hours.map(|hours| hours.begins().to_string()),
        counted_to: hours.map(|hours| hours.ends().to_string()),
        hidden_cells: answer.hidden,
        area: within.as_ref().map(AreaView::from),
        audit_line,
    }))
}

/// What of a filter takes whole cells; the rest is not asked for in a count.
fn scope(filter: Filter) -> Scope {
    Scope {
        cameras: filter.cameras,
        gates: filter.gates,
        within: filter.within,
        municipal: filter.municipal,
    }
}
