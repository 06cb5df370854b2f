//! `/api/v1/cases`: what a recorded order keeps beyond its term.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::approval_deciding::PolicyJudge;
use super::approvals;
use super::area::AreaView;
use super::communicated;
use super::corrections::tell;
use super::errors::{ApiError, ErrorBody};
use super::gates::map_for;
use super::grounds::GroundsRequest;
use super::left_out::{LeftOutView, in_use};
use super::lookups::{LookupRequest, moment};
use super::opener::StoredOpener;
use super::request::{Hold, KeepCases, May, Path, Sent};
use super::standing;
use super::state::{HubState, blocking};
use super::view::TransitView;
use super::words::PurposeView;
use crate::audit::AuditEntry;
use crate::audit::action::Action;
use crate::cases::case::{self, Case, CaseError, CaseId, Item};
use crate::cases::closing::{self, Asked};
use crate::cases::desk::{self, CaseDeskError, Said};

/// A case to be opened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CaseRequest {
    /// 1 to 64 of a-z, 0-9 and `-`; never used twice.
    #[schema(pattern = "^[a-z0-9-]{1,64}$")]
    pub id: String,
    /// Who ordered it: a court, a prosecutor, an office.
    #[schema(min_length = 1, max_length = 120)]
    pub authority: String,
    /// The order's own reference and date.
    #[schema(min_length = 1, max_length = 120)]
    pub order: String,
    /// When the order's term is over, RFC 3339; two years on at most.
    #[schema(format = DateTime)]
    pub until: String,
    /// Why.
    #[serde(flatten)]
    pub grounds: GroundsRequest,
}

/// A case, without what it holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CaseView {
    /// Its id.
    pub id: String,
    /// Who ordered it.
    pub authority: String,
    /// The order's own reference and date.
    pub order: String,
    /// Why it was opened.
    pub purpose: PurposeView,
    /// The case or request that it serves.
    pub case_reference: String,
    /// When it is closed by itself, RFC 3339, UTC.
    pub until: String,
    /// When it was opened, RFC 3339, UTC.
    pub opened_at: String,
    /// By whom.
    pub opened_by: String,
    /// Since when what it held is destroyed; null while it is open.
    pub closed_at: Option<String>,
    /// Transits that it holds and shows.
    pub transits: u64,
    /// Transits that it holds and does not show, because their processing is blocked.
    #[serde(default)]
    pub blocked: u64,
    /// Who asked for it to be closed, while a second person is waited for.
    #[serde(default)]
    pub closing_asked_by: Option<String>,
    /// When, RFC 3339, UTC.
    #[serde(default)]
    pub closing_asked_at: Option<String>,
}

impl CaseView {
    fn of(case: &Case, asked: Option<&Asked>) -> Self {
        Self {
            id: case.id.to_string(),
            authority: case.authority.clone(),
            order: case.order.clone(),
            purpose: case.grounds.purpose.into(),
            case_reference: case.grounds.case_reference.clone(),
            until: case.until.to_string(),
            opened_at: case.opened_at.to_string(),
            opened_by: case.opened_by.clone(),
            closed_at: case.closed_at.map(|at| at.to_string()),
            transits: case.items,
            blocked: case.blocked,
            closing_asked_by: asked.map(|asked| asked.by().to_owned()),
            closing_asked_at: asked.map(|asked| asked.at().to_string()),
        }
    }
}

/// That somebody asked for a case to be closed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ClosingAnswer {
    /// Who asked.
    pub asked_by: String,
    /// When, RFC 3339, UTC.
    pub asked_at: String,
    /// Until when a second person may confirm, RFC 3339, UTC; later it is asked anew.
    pub ends_at: String,
    /// What is waited for.
    pub awaits: String,
}

impl From<Asked> for ClosingAnswer {
    fn from(asked: Asked) -> Self {
        Self {
            asked_by: asked.by().to_owned(),
            asked_at: asked.at().to_string(),
            ends_at: asked.ends_at().to_string(),
            awaits: "a second person must confirm, with the same request and a token of their own"
                .to_owned(),
        }
    }
}

/// Every case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CasesAnswer {
    /// By id.
    pub cases: Vec<CaseView>,
}

/// A case with what it holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CaseAnswer {
    /// The case.
    pub case: CaseView,
    /// What it holds and nobody blocked, oldest first, each from its sealed original.
    pub transits: Vec<TransitView>,
    /// Of what it shows, what no longer opens.
    pub broken: usize,
}

/// What was put into a case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct HeldAnswer {
    /// Transits that the lookup found, on this page.
    pub found: u64,
    /// Of these, held now and not before.
    pub held: u64,
    /// Transits that match and were skipped, on this page and all others, because their processing is
    /// blocked.
    #[serde(default)]
    pub blocked: u64,
    /// Pass it as `after` to hold the next page; null at the end.
    pub next: Option<String>,
    /// What stands in the area; null when none was asked for.
    #[serde(default)]
    pub area: Option<AreaView>,
    /// Gates that were not searched, of those that were asked for and that the office knows of, and why.
    #[serde(default)]
    pub left_out: Vec<LeftOutView>,
    /// Gates left out because the first level uses them.
    #[serde(default)]
    pub in_use: Vec<String>,
}

fn case_id(text: &str) -> Result<CaseId, ApiError> {
    text.parse()
        .map_err(|_| ApiError::field("id", "1 to 64 of a-z, 0-9 and '-'"))
}

pub(super) fn refused(error: CaseDeskError) -> ApiError {
    match error {
        CaseDeskError::Audit(_) => ApiError::Audit,
        CaseDeskError::Store(error) | CaseDeskError::Case(CaseError::Store(error)) => {
            ApiError::store(error)
        }
        CaseDeskError::OnePerson(_) | CaseDeskError::Meanwhile => {
            ApiError::Conflict(error.to_string())
        }
        CaseDeskError::Approval(error) => approvals::refused(error),
        CaseDeskError::Unknown(why) => ApiError::field("transits", why),
        CaseDeskError::Case(CaseError::Key(_)) => ApiError::Internal,
        CaseDeskError::Case(error @ (CaseError::Taken(_) | CaseError::Unknown(_))) => {
            ApiError::Conflict(error.to_string())
        }
        CaseDeskError::Case(error) => ApiError::field("case", error.to_string()),
    }
}

/// Shows every case, without what it holds. It leaves an audit line.
///
/// # Errors
/// [`ApiError`].
#[utoipa::path(
    get, path = "/api/v1/cases", tag = "cases", security(("token" = [])),
    responses(
        (status = 200, description = "Every case, by id", body = CasesAnswer),
        (status = 403, description = "The token is not for this", body = ErrorBody),
    )
)]
pub async fn list_cases(
    State(state): State<HubState>,
    May { actor, .. }: May<KeepCases>,
) -> Result<Json<CasesAnswer>, ApiError> {
    let cases = blocking(move || {
        let entry = AuditEntry::plain(actor.clone(), Action::CasesListed, serde_json::json!({}));
        state.note(&entry)?;
        let main = state.main()?;
        let asked = closing::waiting(&main, state.clock.now())?;
        let cases = case::all(&main)?;
        let view = |case: &Case| CaseView::of(case, asked.get(&case.id));
        let cases = cases.iter().filter(|case| case.is_named_to(&actor));
        Ok(cases.map(view).collect())
    })
    .await?;
    Ok(Json(CasesAnswer { cases }))
}

/// Opens a case, by a recorded order.
///
/// # Errors
/// [`ApiError`].
#[utoipa::path(
    post, path = "/api/v1/cases", tag = "cases", request_body = CaseRequest,
    security(("token" = [])),
    responses(
        (status = 201, description = "Opened", body = CaseView),
        (status = 403, description = "The token is not for this", body = ErrorBody),
        (status = 409, description = "The id is or was taken", body = ErrorBody),
        (status = 422, description = "A field is missing or wrong", body = ErrorBody),
    )
)]
pub async fn open_case(
    State(state): State<HubState>,
    May { actor, caller, .. }: May<KeepCases>,
    Sent(request): Sent<CaseRequest>,
) -> Result<(StatusCode, Json<CaseView>), ApiError> {
    let grounds = request.grounds.check(&caller.body)?;
    let case = Case {
        id: case_id(&request.id)?,
        authority: request.authority,
        order: request.order,
        grounds,
        until: moment("until", Some(&request.until))?,
        opened_at: state.clock.now(),
        opened_by: actor.to_string(),
        body: caller.body.id.clone(),
        closed_at: None,
        items: 0,
        blocked: 0,
    };
    let view = CaseView::of(&case, None);
    state
        .act(actor, move |main, state, acting| {
            standing::allow(state, main, &caller, &case.grounds)?;
            desk::open(main, &state.case_keys, &case, acting).map_err(refused)
        })
        .await?;
    Ok((StatusCode::CREATED, Json(view)))
}

/// Puts what a lookup finds into a case, page by page: it is a lookup, with its own audit line, and
/// what it finds is kept until the case is closed. What is blocked is skipped.
///
/// # Errors
/// [`ApiError`].
#[utoipa::path(
    post, path = "/api/v1/cases/{id}/holdings", tag = "cases", request_body = LookupRequest,
    params(("id" = String, Path, description = "The case")), security(("token" = [])),
    responses(
        (status = 200, description = "Held", body = HeldAnswer),
        (status = 403, description = "The token is not for this, or a second person is needed",
            body = ErrorBody),
        (status = 409, description = "There is no such case that is open", body = ErrorBody),
        (status = 422, description = "A field is missing or wrong", body = ErrorBody),
    )
)]
pub async fn hold(
    State(state): State<HubState>,
    may: May<Hold>,
    Path(id): Path<String>,
    Sent(request): Sent<LookupRequest>,
) -> Result<Json<HeldAnswer>, ApiError> {
    let id = case_id(&id)?;
    let map = map_for(&state, &[&request.filter.places]).await?;
    let (query, grounds) = request.check(&may.caller.body, state.results_max, &map)?;
    let area = query.filter.within.as_ref().map(AreaView::from);
    let actor = may.actor.clone();
    let question = may.asks(state.clone(), grounds);
    let looking = question.in_turn(move |state, asking| {
        let found = state.archive.look_up(&query, asking);
        let found = found.map_err(ApiError::lookup)?;
        let left_out = LeftOutView::all(&found.left_out);
        Ok((found, left_out, in_use(asking.reach)))
    });
    let (found, left_out, in_use) = looking.await?;
    let items: Vec<Item> = found
        .transits
        .into_iter()
        .map(|stored| Item {
            transit: stored.head.id,
            digest: stored.head.digest,
            edge: stored.edge,
            envelope: stored.envelope,
        })
        .collect();
    let count = u64::try_from(items.len()).unwrap_or(u64::MAX);
    let held = state
        .act(actor, move |main, state, acting| {
            desk::hold(main, &state.case_keys, &id, items, acting).map_err(refused)
        })
        .await?;
    Ok(Json(HeldAnswer {
        found: held.found,
        held: held.new,
        blocked: found.hidden + count.saturating_sub(held.found),
        next: found.next.map(crate::transits::query::Cursor::to_text),
        area,
        left_out,
        in_use,
    }))
}

/// Shows what a case holds, without what is blocked. It leaves an audit line.
///
/// # Errors
/// [`ApiError`].
#[utoipa::path(
    get, path = "/api/v1/cases/{id}", tag = "cases",
    params(("id" = String, Path, description = "The case")), security(("token" = [])),
    responses(
        (status = 200, description = "The case", body = CaseAnswer),
        (status = 403, description = "The token is not for this", body = ErrorBody),
        (status = 409, description = "There is no such case that is open", body = ErrorBody),
    )
)]
pub async fn show_case(
    State(state): State<HubState>,
    May { actor, caller, .. }: May<KeepCases>,
    Path(id): Path<String>,
) -> Result<Json<CaseAnswer>, ApiError> {
    let id = case_id(&id)?;
    let answer = state.act(actor, move |main, state, acting| {
        let opener = StoredOpener::read(main)?;
        // An order that is over by either reading of the time shows nothing.
        let latest = crate::audit::acting::Acting {
            now: state.clock.reading().latest(),
            ..*acting
        };
        desk::check_open(main, &id, &latest).map_err(refused)?;
        let others = |main: &crate::store::sql::Connection,
                      items: &[Item],
                      details: &mut serde_json::Value| {
            let passes = items
                .iter()
                .map(|item| opener.passed(&item.edge, &item.envelope));
            let passes: Vec<_> = passes.collect();
            communicated::tell_others(details, main, &caller.body, &passes)
        };
        let shown = desk::show(main, &state.case_keys, &id, acting, others);
        let (case, items) = shown.map_err(refused)?;
        let opened = items
            .iter()
            .map(|item| opener.held(&item.edge, &item.envelope));
        let mut transits: Vec<_> = opened.flatten().collect();
        tell(state, transits.iter_mut())?;
        let asked = closing::waiting(main, acting.now)?;
        Ok(CaseAnswer {
            broken: items.len() - transits.len(),
            case: CaseView::of(&case, asked.get(&case.id)),
            transits,
        })
    });
    Ok(Json(answer.await?))
}

/// Closes a case, on two persons' word: what it held is destroyed with its key. The first request asks,
/// and waits for seven days; the same request by another person confirms.
///
/// # Errors
/// [`ApiError`].
#[utoipa::path(
    post, path = "/api/v1/cases/{id}/closing", tag = "cases",
    params(("id" = String, Path, description = "The case")), security(("token" = [])),
    responses(
        (status = 202, description = "Asked; a second person must confirm", body = ClosingAnswer),
        (status = 204, description = "Confirmed by a second person, and closed"),
        (status = 403, description = "The token is not for this", body = ErrorBody),
        (status = 409, description = "There is no such case that is open, or who asks has asked already",
            body = ErrorBody),
    )
)]
pub async fn close_case(
    State(state): State<HubState>,
    May { actor, permit, .. }: May<KeepCases>,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    let id = case_id(&id)?;
    let said = state.act(actor, move |main, state, acting| {
        let judge = PolicyJudge::of(state, &permit.by, acting.actor);
        let said = desk::close_by(main, &id, &judge, acting).map_err(refused)?;
        // It may be closed; a key that stays is destroyed with the next round.
        if let Err(error) = state.case_keys.destroy_closed(main) {
            tracing::error!(error = %error, "the key of a closed case is not destroyed yet");
        }
        Ok(said)
    });
    Ok(match said.await? {
        Said::Asked(asked) => {
            (StatusCode::ACCEPTED, Json(ClosingAnswer::from(asked))).into_response()
        }
        Said::Closed => StatusCode::NO_CONTENT.into_response(),
    })
}
