//! `POST /api/v1/lookups/both` and `/companions`: questions over several vehicles.
//!
//! Each leaves its audit line before it is answered; the second is off until it is switched on, and
//! needs a permission of its own.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::area::AreaView;
use super::errors::{ApiError, ErrorBody};
use super::filter::FilterRequest;
use super::gates::map_for;
use super::grounds::GroundsRequest;
use super::guard_view::{GuardBothAnswer, GuardBothView};
use super::left_out::{LeftOutView, in_use};
use super::lookups::moment;
use super::question::About;
use super::request::{FindCompanions, LookUp, May, Sent};
use super::state::HubState;
use super::view::TransitView;
use crate::audit::action::Action;
use crate::lookups::left_out;
use crate::lookups::question::{Answered, QuestionLine, ShownRecord};
use crate::lookups::together::{Company, Stretch, TOGETHER_MIN, TogetherError, WINDOW_MAX};
use crate::map::gates::{GateMap, Within};
use crate::municipalities::reach::LeftOut;
use crate::plates::pattern::PlatePattern;
use crate::transits::stored::StoredTransit;

/// Vehicles of one answer when no limit is asked for.
const VEHICLES_DEFAULT: usize = 25;
/// Most vehicles of one answer.
const VEHICLES_MAX: usize = 100;

/// A place and a time.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct StretchRequest {
    /// Where, and which way.
    #[serde(flatten)]
    pub filter: FilterRequest,
    /// First moment, RFC 3339.
    #[schema(required = true, nullable = false, format = DateTime)]
    pub from: Option<String>,
    /// Last moment, RFC 3339.
    #[schema(required = true, nullable = false, format = DateTime)]
    pub to: Option<String>,
}

impl StretchRequest {
    fn check(&self, map: &GateMap) -> Result<Stretch, ApiError> {
        Ok(Stretch {
            filter: self.filter.check(map)?,
            from: moment("from", self.from.as_deref())?,
            to: moment("to", self.to.as_deref())?,
        })
    }
}

/// Which vehicles passed both.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct BothRequest {
    /// One place and time.
    pub here: StretchRequest,
    /// The other.
    pub there: StretchRequest,
    /// Most vehicles; 100 at most.
    pub limit: Option<usize>,
    /// Why.
    #[serde(flatten)]
    pub grounds: GroundsRequest,
}

/// A vehicle that passed both.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct BothView {
    /// Its first pass at the first.
    pub here: TransitView,
    /// Its pass at the second that is nearest in time.
    pub there: TransitView,
}

/// Vehicles that passed both.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct BothAnswer {
    /// Those with the shortest time between first.
    pub vehicles: Vec<BothView>,
    /// How many there are in all.
    pub total: usize,
    /// What stands in the first area; null when none was asked for.
    #[serde(default)]
    pub here_area: Option<AreaView>,
    /// What stands in the second; null when none was asked for.
    #[serde(default)]
    pub there_area: Option<AreaView>,
    /// Gates that were not searched, of those that were asked for and that the office knows of, and why.
    #[serde(default)]
    pub left_out: Vec<LeftOutView>,
    /// Gates left out because the first level uses them.
    #[serde(default)]
    pub in_use: Vec<String>,
    /// The audit line that this left.
    pub audit_line: u64,
}

impl From<BothView> for GuardBothView {
    fn from(both: BothView) -> Self {
        Self {
            here: both.here.into(),
            there: both.there.into(),
        }
    }
}

/// Vehicles that passed both: whole, or as the guard corps sees them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum BothShown {
    /// Whole.
    Whole(Box<BothAnswer>),
    /// For the guard corps.
    Guard(Box<GuardBothAnswer>),
}

impl BothShown {
    pub(super) fn of(answer: BothAnswer, is_whole: bool) -> Self {
        if is_whole {
            return Self::Whole(Box::new(answer));
        }
        Self::Guard(Box::new(GuardBothAnswer {
            vehicles: answer
                .vehicles
                .into_iter()
                .map(GuardBothView::from)
                .collect(),
            total: answer.total,
            here_area: answer.here_area,
            there_area: answer.there_area,
            left_out: answer.left_out,
            in_use: answer.in_use,
            audit_line: answer.audit_line,
        }))
    }
}

/// Which vehicles travel with one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CompanionsRequest {
    /// The whole plate.
    #[schema(required = true, nullable = false)]
    pub plate: Option<String>,
    /// First moment, RFC 3339.
    #[schema(required = true, nullable = false, format = DateTime)]
    pub from: Option<String>,
    /// Last moment, RFC 3339.
    #[schema(required = true, nullable = false, format = DateTime)]
    pub to: Option<String>,
    /// Longest time before or after it at the same camera, in seconds: 1 to 600.
    #[schema(minimum = 1, maximum = 600)]
    pub window_s: u64,
    /// Fewest passes together; 2 at least.
    #[schema(format = "uint32", minimum = 2)]
    pub least: u32,
    /// Most vehicles; 100 at most.
    pub limit: Option<usize>,
    /// Why.
    #[serde(flatten)]
    pub grounds: GroundsRequest,
}

/// A vehicle that may travel with the one asked about.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CompanionView {
    /// Its plate, as it was read.
    pub plate: String,
    /// Passes of the asked one that it passed with.
    pub together: u32,
    /// Cameras where it did: at one alone it may be the neighbour who drives at the same time.
    pub cameras: u32,
    /// Its own passes there, oldest first.
    pub passes: Vec<TransitView>,
}

impl CompanionsRequest {
    /// Checks which vehicle is asked about, when and how near.
    fn check(&self) -> Result<Company, ApiError> {
        let plate = PlatePattern::normalise(self.plate.as_deref().unwrap_or_default())?;
        if !plate.is_exact() {
            return Err(refused("plate")(TogetherError::Plate));
        }
        let window = Duration::from_secs(self.window_s);
        if window.is_zero() || window > WINDOW_MAX {
            return Err(refused("window_s")(TogetherError::Window));
        }
        if self.least < TOGETHER_MIN {
            return Err(refused("least")(TogetherError::Least));
        }
        let from = moment("from", self.from.as_deref())?;
        let to = moment("to", self.to.as_deref())?;
        Ok(Company {
            plate,
            from,
            to,
            window,
            least: self.least,
        })
    }
}

/// Vehicles that may travel with it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CompanionsAnswer {
    /// Those at the most cameras, and then the most often, first.
    pub vehicles: Vec<CompanionView>,
    /// How many there are in all.
    pub total: usize,
    /// Gates that were not searched, of those that the office knows of, and why.
    #[serde(default)]
    pub left_out: Vec<LeftOutView>,
    /// Gates left out because the first level uses them.
    #[serde(default)]
    pub in_use: Vec<String>,
    /// The audit line that this left.
    pub audit_line: u64,
}

fn refused(field: &'static str) -> impl FnOnce(TogetherError) -> ApiError {
    move |error| ApiError::field(field, error.to_string())
}

fn limit(asked: Option<usize>) -> usize {
    asked.unwrap_or(VEHICLES_DEFAULT).clamp(1, VEHICLES_MAX)
}

/// Finds the vehicles that passed both of two places.
///
/// # Errors
/// [`ApiError`].
#[utoipa::path(
    post, path = "/api/v1/lookups/both", tag = "lookups", request_body = BothRequest,
    security(("token" = [])),
    responses(
        (status = 200, description = "Vehicles that passed both", body = BothShown),
        (status = 400, description = "The body cannot be read", body = ErrorBody),
        (status = 401, description = "No valid token", body = ErrorBody),
        (status = 403, description = "Not for this token, or a second person is needed",
            body = ErrorBody),
        (status = 422, description = "No purpose or case, or no two places", body = ErrorBody),
    )
)]
pub async fn look_up_both(
    State(state): State<HubState>,
    may: May<LookUp>,
    Sent(request): Sent<BothRequest>,
) -> Result<Json<BothShown>, ApiError> {
    let grounds = request.grounds.check(&may.caller.body)?;
    let (here, there) = (&request.here, &request.there);
    let map = map_for(&state, &[&here.filter.places, &there.filter.places]).await?;
    let (here, there) = (here.check(&map)?, there.check(&map)?);
    Stretch::check_both(&here, &there).map_err(refused("there"))?;
    let about = About::Places(format!("{:?} {:?}", here.filter, there.filter));
    let is_whole = may.sees_whole(&state.rights)?;
    let question = may.asks(state, grounds);
    let answering = question.answer(about, move |sources| {
        let most = limit(request.limit);
        let matched = sources.store.both(&here, &there, most, sources.allowed)?;
        let mut shown: Vec<&StoredTransit> = Vec::new();
        let mut vehicles = Vec::new();
        for both in &matched.found {
            let opener = sources.opener;
            let views = (opener.shown(&both.here), opener.shown(&both.there));
            if let (Some(here), Some(there)) = views {
                vehicles.push(BothView { here, there });
                shown.extend([&both.here, &both.there]);
            }
        }
        let reach = sources.allowed.reach();
        let in_use = in_use(reach);
        let left_out = left_out::of(reach, &[&here.filter, &there.filter]);
        let (here, there) = (here.filter.within, there.filter.within);
        let asked = serde_json::json!({
            "here": request.here, "there": request.there, "total": matched.total,
            "here_area": here.as_ref().map(Within::told),
            "there_area": there.as_ref().map(Within::told),
        });
        let said = said(Action::LookupBoth, None, asked, &shown, &left_out);
        let answer = move |audit_line| BothAnswer {
            vehicles,
            total: matched.total,
            here_area: here.as_ref().map(AreaView::from),
            there_area: there.as_ref().map(AreaView::from),
            left_out: LeftOutView::all(&left_out),
            in_use,
            audit_line,
        };
        Ok((answer, said))
    });
    let Answered {
        answer, audit_line, ..
    } = answering.await?;
    Ok(Json(BothShown::of(answer(audit_line), is_whole)))
}

/// Finds the vehicles that travel with one: that passed the same cameras shortly before or after it,
/// several times. Off until `lookup.companions` is true in hub.toml.
///
/// # Errors
/// [`ApiError`].
#[utoipa::path(
    post, path = "/api/v1/lookups/companions", tag = "lookups", request_body = CompanionsRequest,
    security(("token" = [])),
    responses(
        (status = 200, description = "Vehicles that may travel with it", body = CompanionsAnswer),
        (status = 400, description = "The body cannot be read", body = ErrorBody),
        (status = 401, description = "No valid token", body = ErrorBody),
        (status = 403, description = "Switched off here, not for this token, or a second person is needed",
            body = ErrorBody),
        (status = 422, description = "No purpose or case, or a wrong field", body = ErrorBody),
    )
)]
pub async fn look_up_companions(
    State(state): State<HubState>,
    may: May<FindCompanions>,
    Sent(request): Sent<CompanionsRequest>,
) -> Result<Json<CompanionsAnswer>, ApiError> {
    if !state.companions {
        return Err(switched_off());
    }
    let grounds = request.grounds.check(&may.caller.body)?;
    let company = request.check()?;
    let (from, to) = (company.from, company.to);
    let question = may.asks(state, grounds);
    let answering = question.answer(About::Plate(company.plate.clone()), move |sources| {
        let most = limit(request.limit);
        let matched = sources.store.companions(&company, most, sources.allowed)?;
        let mut shown: Vec<&StoredTransit> = Vec::new();
        let mut vehicles = Vec::new();
        for companion in &matched.found {
            let mut passes = Vec::new();
            for stored in &companion.passes {
                if let Some(view) = sources.opener.shown(stored) {
                    passes.push(view);
                    shown.push(stored);
                }
            }
            // What no sealed original says is not said.
            if !passes.is_empty() {
                vehicles.push(CompanionView {
                    plate: companion.plate.clone(),
                    together: companion.together,
                    cameras: companion.cameras,
                    passes,
                });
            }
        }
        let asked = serde_json::json!({
            "from": from, "to": to, "window_s": request.window_s, "least": request.least,
            "total": matched.total,
        });
        let reach = sources.allowed.reach();
        let (left_out, in_use) = (left_out::of(reach, &[]), in_use(reach));
        let plate = company.plate.as_str().to_owned();
        let said = said(
            Action::LookupCompanions,
            Some(plate),
            asked,
            &shown,
            &left_out,
        );
        let answer = move |audit_line| CompanionsAnswer {
            vehicles,
            total: matched.total,
            left_out: LeftOutView::all(&left_out),
            in_use,
            audit_line,
        };
        Ok((answer, said))
    });
    let Answered {
        answer, audit_line, ..
    } = answering.await?;
    Ok(Json(answer(audit_line)))
}

/// What whoever asks is told where this search is not decided on.
fn switched_off() -> ApiError {
    ApiError::Refused {
        why: "this search is switched off here".to_owned(),
        what_to_do: "whoever answers for the hub writes `companions = true` under [lookup] in \
            hub.toml, once its use is decided"
            .to_owned(),
    }
}

/// What the line says of an answer with transits.
fn said(
    action: Action,
    plate: Option<String>,
    details: serde_json::Value,
    shown: &[&StoredTransit],
    left_out: &[LeftOut],
) -> QuestionLine {
    let shown = shown
        .iter()
        .map(|stored| ShownRecord::from(*stored))
        .collect();
    QuestionLine {
        action,
        plate,
        details,
        left_out: left_out.to_vec(),
        shown: Some(shown),
        plates: Vec::new(),
    }
}
