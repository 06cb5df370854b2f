//! `/api/v1/approvals`: what one person asks for and another decides; `/api/v1/notices`: what whoever answers for a
//! body is told of it.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::approval_asking::check_asker;
use super::approval_deciding::PolicyJudge;
use super::approval_view::{ApprovalView, SubjectView};
use super::errors::{ApiError, ErrorBody};
use super::request::{Ask, May, Path, ReadNotices, Sent};
use super::second_looks;
use super::state::HubState;
use crate::approvals::ApprovalId;
use crate::approvals::approval::{Approval, ApprovalError};
use crate::approvals::desk::{self, ApprovalSaid, WantedApproval};
use crate::approvals::notices::{self, ApprovalNotice};
use crate::audit::AuditEntry;
use crate::audit::acting::Acting;
use crate::audit::action::Action;

/// Something is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ApprovalRequest {
    /// What it is about.
    pub subject: SubjectView,
    /// Why, in 1 to 500 characters.
    #[schema(max_length = 500)]
    pub reason: String,
    /// For how many minutes it is to be unlocked once somebody agreed.
    #[schema(minimum = 1)]
    pub minutes: u32,
}

/// Requests as they concern somebody.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ApprovalsAnswer {
    /// Those that wait for them to decide, oldest first.
    pub to_decide: Vec<ApprovalView>,
    /// What is unlocked now within what they decide about; they can take it back.
    pub unlocked: Vec<ApprovalView>,
    /// Their own, newest first, 50 at most.
    pub asked: Vec<ApprovalView>,
}

/// What somebody says of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ApprovalDecisionRequest {
    /// Whether they agree.
    pub approve: bool,
    /// What they add, in 500 characters at most.
    #[serde(default)]
    #[schema(max_length = 500)]
    pub note: String,
}

/// Something that whoever answers for a body is told of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NoticeView {
    /// Since when it waits, RFC 3339, UTC.
    pub made_at: String,
    /// What was decided.
    pub approval: ApprovalView,
}

impl From<ApprovalNotice> for NoticeView {
    fn from(notice: ApprovalNotice) -> Self {
        Self {
            made_at: notice.made_at.to_string(),
            approval: ApprovalView::of(&notice.approval, notice.made_at),
        }
    }
}

/// Notices.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NoticesAnswer {
    /// Those that nobody has read, oldest first.
    pub notices: Vec<NoticeView>,
}

pub(super) fn refused(error: ApprovalError) -> ApiError {
    match error {
        ApprovalError::Audit(error) => ApiError::audit(error),
        ApprovalError::Store(error) => ApiError::store(error),
        ApprovalError::Look(error) => second_looks::refused(error),
        ApprovalError::Random(_) | ApprovalError::Unjudged(_) => {
            tracing::error!(error = %error, "a request is not decided");
            ApiError::Internal
        }
        ApprovalError::Field("gates") => ApiError::field(
            "gates",
            "1 to 200 gates of your own municipality, or of the one that is named",
        ),
        ApprovalError::Field("transits") => {
            ApiError::field("transits", "1 to 1000 UUIDs as a lookup shows them")
        }
        ApprovalError::Field(field) => {
            ApiError::field(field, "printable characters: 1 to 200, or 500 for a reason")
        }
        ApprovalError::Lasts(_) => ApiError::field("minutes", error.to_string()),
        ApprovalError::Unknown
        | ApprovalError::Settled(_)
        | ApprovalError::Locked(_)
        | ApprovalError::Waits(_)
        | ApprovalError::Blocked
        | ApprovalError::TooMany => ApiError::Conflict(error.to_string()),
        ApprovalError::OnePerson
        | ApprovalError::Twice
        | ApprovalError::NoPerson
        | ApprovalError::MayNot
        | ApprovalError::NotTheirs
        | ApprovalError::Other => ApiError::Refused {
            why: error.to_string(),
            what_to_do: "let another person decide, who may: GET /api/v1/approvals shows each \
                what waits for them"
                .to_owned(),
        },
    }
}

fn approval_id(text: &str) -> Result<ApprovalId, ApiError> {
    text.parse()
        .map_err(|_| ApiError::field("id", "r and sixteen hexadecimal digits"))
}

/// Asks for something that another person must allow: that a body be let in, that somebody sit beside a technician,
/// that records leave the hub. The request waits and expires; `GET` shows it.
///
/// # Errors
/// [`ApiError`].
#[utoipa::path(
    post, path = "/api/v1/approvals", tag = "approvals", request_body = ApprovalRequest,
    security(("token" = [])),
    responses(
        (status = 201, description = "Asked", body = ApprovalView),
        (status = 400, description = "The body cannot be read", body = ErrorBody),
        (status = 403, description = "Not for whoever asks", body = ErrorBody),
        (status = 409, description = "The same waits already, or too many do", body = ErrorBody),
        (status = 422, description = "A field is missing or wrong", body = ErrorBody),
    )
)]
pub async fn ask_approval(
    State(state): State<HubState>,
    May { actor, caller, .. }: May<Ask>,
    Sent(request): Sent<ApprovalRequest>,
) -> Result<(StatusCode, Json<ApprovalView>), ApiError> {
    let wanted = WantedApproval {
        subject: request.subject.check(&caller.body.id)?,
        reason: request.reason,
        lasts: Duration::from_secs(u64::from(request.minutes) * 60),
    };
    let asked = state.act(actor, move |main, state, acting| {
        acting.change(main, |main| {
            check_asker(main, state, &caller, &wanted.subject)?;
            desk::ask_within(main, &wanted, acting).map_err(refused)
        })
    });
    let asked = asked.await?;
    let view = ApprovalView::of(&asked, asked.asked_at);
    Ok((StatusCode::CREATED, Json(view)))
}

/// Shows the requests that concern whoever asks: those that wait for them to decide, what is unlocked within what
/// they decide about, and their own. It leaves an audit line.
///
/// # Errors
/// [`ApiError`].
#[utoipa::path(
    get, path = "/api/v1/approvals", tag = "approvals", security(("token" = [])),
    responses(
        (status = 200, description = "Requests", body = ApprovalsAnswer),
        (status = 403, description = "Not for whoever asks", body = ErrorBody),
    )
)]
pub async fn list_approvals(
    State(state): State<HubState>,
    May { actor, permit, .. }: May<Ask>,
) -> Result<Json<ApprovalsAnswer>, ApiError> {
    let shown = state.act(actor, move |main, state, acting| {
        let judge = PolicyJudge::of(state, &permit.by, acting.actor);
        let shown = desk::show(main, &judge, acting).map_err(refused)?;
        let views = |all: &[Approval]| {
            let views = all.iter().map(|one| ApprovalView::of(one, acting.now));
            views.collect()
        };
        Ok(ApprovalsAnswer {
            to_decide: views(&shown.to_decide),
            unlocked: views(&shown.unlocked),
            asked: views(&shown.asked),
        })
    });
    shown.await.map(Json)
}

/// Decides about a request: another person than who asked, under no other account of theirs, whom the policy lets
/// decide at that moment. One refusal refuses.
///
/// # Errors
/// [`ApiError`].
#[utoipa::path(
    post, path = "/api/v1/approvals/{id}/decision", tag = "approvals",
    request_body = ApprovalDecisionRequest, security(("token" = [])),
    params(("id" = String, Path, description = "Which")),
    responses(
        (status = 200, description = "Decided: the request as it stands", body = ApprovalView),
        (status = 400, description = "The body cannot be read", body = ErrorBody),
        (status = 403, description = "Not for whoever asks, or it is their own request", body = ErrorBody),
        (status = 409, description = "None of this id waits for them", body = ErrorBody),
        (status = 422, description = "A field is missing or wrong", body = ErrorBody),
    )
)]
pub async fn decide_approval(
    State(state): State<HubState>,
    May { actor, permit, .. }: May<Ask>,
    Path(id): Path<String>,
    Sent(said): Sent<ApprovalDecisionRequest>,
) -> Result<Json<ApprovalView>, ApiError> {
    let id = approval_id(&id)?;
    let said = ApprovalSaid {
        approves: said.approve,
        note: said.note,
    };
    let decided = state.act(actor, move |main, state, acting| {
        let judge = PolicyJudge::of(state, &permit.by, acting.actor);
        let decided = desk::decide(main, &id, &said, &judge, acting).map_err(refused)?;
        Ok(ApprovalView::of(&decided, acting.now))
    });
    decided.await.map(Json)
}

/// Takes one's own request back while it waits.
///
/// # Errors
/// [`ApiError`].
#[utoipa::path(
    post, path = "/api/v1/approvals/{id}/withdrawal", tag = "approvals", security(("token" = [])),
    params(("id" = String, Path, description = "Which")),
    responses(
        (status = 204, description = "Withdrawn"),
        (status = 403, description = "Not for whoever asks, or it is somebody else's", body = ErrorBody),
        (status = 409, description = "None of this id waits", body = ErrorBody),
        (status = 422, description = "No such id", body = ErrorBody),
    )
)]
pub async fn withdraw_approval(
    State(state): State<HubState>,
    May { actor, .. }: May<Ask>,
    Path(id): Path<String>,
) -> Result<StatusCode, ApiError> {
    let id = approval_id(&id)?;
    let withdrawn = state.act(actor, move |main, _, acting| {
        desk::withdraw(main, &id, acting).map_err(refused)
    });
    withdrawn.await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Takes back what a request unlocked: whoever may decide about it, or who asked. What is open ends within seconds.
///
/// # Errors
/// [`ApiError`].
#[utoipa::path(
    post, path = "/api/v1/approvals/{id}/ending", tag = "approvals", security(("token" = [])),
    params(("id" = String, Path, description = "Which")),
    responses(
        (status = 204, description = "Taken back"),
        (status = 403, description = "Not for whoever asks", body = ErrorBody),
        (status = 409, description = "None of this id unlocks anything", body = ErrorBody),
        (status = 422, description = "No such id", body = ErrorBody),
    )
)]
pub async fn end_approval(
    State(state): State<HubState>,
    May { actor, permit, .. }: May<Ask>,
    Path(id): Path<String>,
) -> Result<StatusCode, ApiError> {
    let id = approval_id(&id)?;
    let connections = std::sync::Arc::clone(&state.connections);
    let ended = state.act(actor, move |main, state, acting| {
        let judge = PolicyJudge::of(state, &permit.by, acting.actor);
        desk::take_back(main, &id, &judge, acting).map_err(refused)
    });
    ended.await?;
    connections.tell_ended();
    Ok(StatusCode::NO_CONTENT)
}

/// Shows whoever answers for a body what officers on duty decided and nobody has read yet. It leaves an audit line.
///
/// # Errors
/// [`ApiError`].
#[utoipa::path(
    get, path = "/api/v1/notices", tag = "approvals", security(("token" = [])),
    responses(
        (status = 200, description = "Notices", body = NoticesAnswer),
        (status = 403, description = "Not for whoever asks", body = ErrorBody),
    )
)]
pub async fn list_notices(
    State(state): State<HubState>,
    May { actor, caller, .. }: May<ReadNotices>,
) -> Result<Json<NoticesAnswer>, ApiError> {
    let shown = state.act(actor, move |main, _, acting| {
        let unread = acting.change(main, |main| {
            let unread = notices::unread(main, &caller.body.id)?;
            Ok::<_, ApiError>((unread.clone(), listed(&unread, acting)))
        });
        Ok(unread?.into_iter().map(NoticeView::from).collect())
    });
    Ok(Json(NoticesAnswer {
        notices: shown.await?,
    }))
}

fn listed(unread: &[ApprovalNotice], acting: &Acting<'_>) -> AuditEntry {
    let ids: Vec<_> = unread.iter().map(|one| &one.approval.id).collect();
    let details = serde_json::json!({ "approvals": ids });
    AuditEntry::plain(acting.actor.clone(), Action::NoticesListed, details)
}

/// Says that a notice was read: it waits no more.
///
/// # Errors
/// [`ApiError`].
#[utoipa::path(
    post, path = "/api/v1/notices/{id}/reading", tag = "approvals", security(("token" = [])),
    params(("id" = String, Path, description = "Of which request")),
    responses(
        (status = 204, description = "Noted"),
        (status = 403, description = "Not for whoever asks", body = ErrorBody),
        (status = 409, description = "No notice of this request waits", body = ErrorBody),
        (status = 422, description = "No such id", body = ErrorBody),
    )
)]
pub async fn read_notice(
    State(state): State<HubState>,
    May { actor, .. }: May<ReadNotices>,
    Path(id): Path<String>,
) -> Result<StatusCode, ApiError> {
    let id = approval_id(&id)?;
    let noted = state.act(actor, move |main, _, acting| {
        notices::read(main, &id, acting).map_err(refused)
    });
    noted.await?;
    Ok(StatusCode::NO_CONTENT)
}
