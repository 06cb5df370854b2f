//! `POST /api/v1/lookups`.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use varco_proto::time::UtcTime;

use super::area::AreaView;
use super::corrections::tell;
use super::errors::{ApiError, ErrorBody};
use super::filter::FilterRequest;
use super::gates::map_for;
use super::grounds::GroundsRequest;
use super::guard_view::{GuardLookupAnswer, GuardView};
use super::left_out::{LeftOutView, in_use};
use super::near::NearView;
use super::opener::StoredOpener;
use super::request::{LookUp, May, Sent};
use super::state::HubState;
use super::view::{ShorterTerm, TransitView};
use crate::audit::purpose::Grounds;
use crate::bodies::Body;
use crate::lookups::question::Asking;
use crate::machine::measures::{self, LookedUp};
use crate::machine::stopwatch::Stopwatch;
use crate::map::gates::GateMap;
use crate::municipalities;
use crate::plates::pattern::PlatePattern;
use crate::store::StoreError;
use crate::store::sql::Connection;
use crate::transits::query::{Cursor, Filter, Query, TimeOfDay};

/// Results when no limit is asked for.
const RESULTS_DEFAULT: u32 = 50;

/// What is asked, by whom it does not say: the token does.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct LookupRequest {
    /// A plate, or a pattern with `*` (any characters) and `?` (one character).
    #[schema(required = true, nullable = false, example = "AB1*")]
    pub plate: Option<String>,
    /// First moment, RFC 3339.
    #[schema(required = true, nullable = false, format = DateTime, example = "2026-11-22T00:00:00Z")]
    pub from: Option<String>,
    /// Last moment, RFC 3339.
    #[schema(required = true, nullable = false, format = DateTime, example = "2026-11-22T12:00:00Z")]
    pub to: Option<String>,
    /// Where, and which way.
    #[serde(flatten)]
    pub filter: FilterRequest,
    /// Only plates that look most like this country's, ISO 3166-1 alpha-2.
    #[serde(default)]
    #[schema(pattern = "^[A-Z]{2}$")]
    pub country: Option<String>,
    /// Only reads at least so sure, 0 to 1.
    #[serde(default)]
    #[schema(minimum = 0, maximum = 1)]
    pub confidence_min: Option<f32>,
    /// Only at this time of each day.
    #[serde(default)]
    pub time_of_day: Option<TimeOfDayRequest>,
    /// Plates too that a camera may have read when this one was there; each says why it is shown.
    #[serde(default)]
    pub misread: bool,
    /// Oldest first: the route of a plate.
    #[serde(default)]
    pub oldest_first: bool,
    /// Why.
    #[serde(flatten)]
    pub grounds: GroundsRequest,
    /// Most results, newest first; the hub's own limit holds too.
    #[schema(format = "uint32", minimum = 1)]
    pub limit: Option<u32>,
    /// Take O for 0 and I for 1, which most plate fonts do not tell apart.
    #[serde(default)]
    pub fold: bool,
    /// `next` of the page before.
    pub after: Option<String>,
}

/// A stretch of every day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TimeOfDayRequest {
    /// First minute, as `22:00`.
    #[schema(pattern = "^([01][0-9]|2[0-3]):[0-5][0-9]$", example = "22:00")]
    pub from: String,
    /// The minute at which it ends; before the first, it goes over midnight.
    #[schema(pattern = "^([01][0-9]|2[0-3]):[0-5][0-9]$", example = "05:30")]
    pub to: String,
    /// By a clock so many minutes ahead of UTC: 60 in an Italian winter, 120 in summer.
    #[serde(default)]
    #[schema(minimum = -840, maximum = 840)]
    pub ahead_minutes: i16,
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct LookupAnswer {
    /// Newest first, or oldest first when that was asked.
    pub results: Vec<TransitView>,
    /// How many match in all.
    pub total: u64,
    /// Whether `total` is estimated, because counting would have taken long.
    #[serde(default)]
    pub total_is_estimate: bool,
    /// Pass it as `after` for the next page; null at the end.
    pub next: Option<String>,
    /// First moment that was searched: `from`, or the beginning of the retention term.
    pub searched_from: String,
    /// Results left out because their sealed original no longer opens; run `audit verify`.
    pub broken: u64,
    /// Transits that match and are left out of results and total, because their processing is blocked by
    /// an order or a request.
    #[serde(default)]
    pub blocked: u64,
    /// What stands in the area; null when none was asked for.
    #[serde(default)]
    pub area: Option<AreaView>,
    /// Municipalities of which a later part was searched only, because they keep their transits for
    /// a shorter time.
    #[serde(default)]
    pub shorter_terms: Vec<ShorterTerm>,
    /// Gates that were not searched, of those that were asked for and that the office knows of, and why.
    #[serde(default)]
    pub left_out: Vec<LeftOutView>,
    /// Gates left out because the first level uses them.
    #[serde(default)]
    pub in_use: Vec<String>,
    /// How near this lookup came to the rules against misuse; empty while it is far from all.
    #[serde(default)]
    pub near: Vec<NearView>,
    /// The audit line that this lookup left.
    pub audit_line: u64,
}

/// An answer to a lookup: whole, or as the guard corps gets it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum LookupShown {
    /// Whole.
    Whole(Box<LookupAnswer>),
    /// For the guard corps.
    Guard(Box<GuardLookupAnswer>),
}

impl LookupShown {
    pub(super) fn of(answer: LookupAnswer, is_whole: bool) -> Self {
        if is_whole {
            return Self::Whole(Box::new(answer));
        }
        Self::Guard(Box::new(GuardLookupAnswer {
            results: answer.results.into_iter().map(GuardView::from).collect(),
            total: answer.total,
            total_is_estimate: answer.total_is_estimate,
            next: answer.next,
            searched_from: answer.searched_from,
            broken: answer.broken,
            blocked: answer.blocked,
            area: answer.area,
            shorter_terms: answer.shorter_terms,
            left_out: answer.left_out,
            in_use: answer.in_use,
            near: answer.near,
            audit_line: answer.audit_line,
        }))
    }
}

/// Looks transits up. Every lookup leaves an audit line before it is answered.
///
/// # Errors
/// [`ApiError`].
#[utoipa::path(
    post, path = "/api/v1/lookups", tag = "lookups", request_body = LookupRequest,
    security(("token" = [])),
    responses(
        (status = 200, description = "What was found", body = LookupShown),
        (status = 400, description = "The body cannot be read", body = ErrorBody),
        (status = 401, description = "No valid token", body = ErrorBody),
        (status = 403, description = "Not for this token, or a second person is needed",
            body = ErrorBody),
        (status = 422, description = "No purpose or case, a pattern too wide, a wrong field",
            body = ErrorBody),
        (status = 503, description = "Not answered; above all when the audit line cannot be written",
            body = ErrorBody),
    )
)]
pub async fn look_up(
    State(state): State<HubState>,
    may: May<LookUp>,
    Sent(request): Sent<LookupRequest>,
) -> Result<Json<LookupShown>, ApiError> {
    let since = Stopwatch::start();
    let map = map_for(&state, &[&request.filter.places]).await?;
    let (query, grounds) = match request.check(&may.caller.body, state.results_max, &map) {
        Ok(checked) => checked,
        Err(refused) => {
            measures::looked_up(LookedUp::Refused, since.elapsed());
            return Err(refused);
        }
    };
    let is_whole = may.sees_whole(&state.rights)?;
    let question = may.asks(state, grounds);
    let looking = question.in_turn(move |state, asking| {
        let since = Stopwatch::start();
        let answer = answer(state, &query, asking);
        let outcome = match answer {
            Ok(_) => LookedUp::Answered,
            Err(_) => LookedUp::Failed,
        };
        measures::looked_up(outcome, since.elapsed());
        answer
    });
    Ok(Json(LookupShown::of(looking.await?, is_whole)))
}

fn answer(state: &HubState, query: &Query, asking: &Asking<'_>) -> Result<LookupAnswer, ApiError> {
    let main = state.main()?;
    let opener = StoredOpener::read(&main)?;
    let (term, latest) = (
        state.archive.settings().term,
        state.clock.reading().latest(),
    );
    let shorter_terms = shorter_terms(&main, query, latest, term)?;
    let found = state.archive.look_up(query, asking);
    let found = found.map_err(ApiError::lookup)?;
    let (mut results, mut broken) = (Vec::new(), found.broken);
    for stored in &found.transits {
        match opener.open(stored) {
            Some(view) => results.push(view),
            None => broken += 1,
        }
    }
    tell(state, results.iter_mut())?;
    if broken > 0 {
        tracing::error!(
            broken,
            "stored transits no longer open; run `varco-hub audit verify`"
        );
    }
    Ok(LookupAnswer {
        results,
        total: found.total,
        total_is_estimate: found.total_is_estimate,
        next: found.next.map(Cursor::to_text),
        searched_from: found.searched_from.to_string(),
        broken,
        blocked: found.hidden,
        area: query.filter.within.as_ref().map(AreaView::from),
        shorter_terms,
        left_out: LeftOutView::all(&found.left_out),
        in_use: in_use(asking.reach),
        near: NearView::of(&found.judged),
        audit_line: found.audit_sequence,
    })
}

impl LookupRequest {
    /// Checks what somebody of a body sent: grounds first, because without them nothing else matters. `map` has
    /// the gates when an area is asked for.
    ///
    /// # Errors
    /// [`ApiError`] with what to do.
    pub fn check(
        &self,
        body: &Body,
        results_max: u32,
        map: &GateMap,
    ) -> Result<(Query, Grounds), ApiError> {
        let grounds = self.grounds.check(body)?;
        let plate = self.plate.as_deref().unwrap_or_default();
        let limit = self.limit.unwrap_or(RESULTS_DEFAULT);
        if limit == 0 {
            return Err(ApiError::field("limit", "1 or more"));
        }
        let after = match &self.after {
            None => None,
            Some(text) => Some(Cursor::parse(text).ok_or_else(|| {
                ApiError::field("after", "pass `next` of the page before, unchanged")
            })?),
        };
        let query = Query {
            plate: PlatePattern::normalise(plate)?,
            fold: self.fold,
            from: moment("from", self.from.as_deref())?,
            to: moment("to", self.to.as_deref())?,
            misread: self.misread,
            filter: self.filter(map)?,
            limit: limit.min(results_max),
            oldest_first: self.oldest_first,
            after,
        };
        query.check()?;
        Ok((query, grounds))
    }

    /// Checks what else must hold.
    fn filter(&self, map: &GateMap) -> Result<Filter, ApiError> {
        let country = match self.country.as_deref().map(str::as_bytes) {
            None => None,
            Some([a @ b'A'..=b'Z', b @ b'A'..=b'Z']) => Some([*a, *b]),
            Some(_) => return Err(ApiError::field("country", "two capital letters, as IT")),
        };
        if self
            .confidence_min
            .is_some_and(|min| !(0.0..=1.0).contains(&min))
        {
            return Err(ApiError::field("confidence_min", "a number from 0 to 1"));
        }
        let time_of_day = self.time_of_day.as_ref().map(|within| {
            let parsed = TimeOfDay::parse(&within.from, &within.to, within.ahead_minutes);
            parsed.ok_or_else(|| ApiError::field("time_of_day", "two times as 22:00 and 05:30"))
        });
        let time_of_day = time_of_day.transpose()?;
        Ok(Filter {
            country,
            confidence_min: self.confidence_min,
            time_of_day,
            ..self.filter.check(map)?
        })
    }
}

/// Municipalities that keep their transits for a shorter time than was asked for.
fn shorter_terms(
    main: &Connection,
    query: &Query,
    now: UtcTime,
    hub: Duration,
) -> Result<Vec<ShorterTerm>, StoreError> {
    let all = municipalities::all(main)?;
    let asked = query.filter.municipal.as_ref().map(|of| &of.names);
    let shorter = all.into_iter().filter_map(|(name, known)| {
        let begins = now - known.term.within(hub);
        let hours = known.term.hours()?;
        let meant = asked.is_none_or(|names| names.contains(&name)) && !known.gates.is_empty();
        (meant && begins > query.from.max(now - hub)).then(|| ShorterTerm {
            municipality: name.to_string(),
            term_hours: hours,
            searched_from: begins.to_string(),
        })
    });
    Ok(shorter.collect())
}

pub(super) fn moment(name: &'static str, text: Option<&str>) -> Result<UtcTime, ApiError> {
    let text = text.ok_or_else(|| ApiError::field(name, "give a time, as 2026-11-22T08:30:00Z"))?;
    text.parse::<UtcTime>()
        .map_err(|error| ApiError::field(name, error.to_string()))
}
