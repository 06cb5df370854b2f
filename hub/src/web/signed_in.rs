//! `/api/v1/sessions`: who of the asker's own body is signed in, and ending one of their sessions.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::errors::{ApiError, ErrorBody};
use super::request::{KeepPersons, May, Path};
use super::state::{HubState, blocking};
use crate::audit::AuditEntry;
use crate::audit::action::Action;
use crate::signing::desk::AccountError;
use crate::signing::watch_desk::{self, SignedIn};

/// Who is signed in. Times are RFC 3339, UTC.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SignedInAnswer {
    /// Of which body.
    pub body: String,
    /// Their sessions, oldest first.
    pub sessions: Vec<SignedInView>,
}

/// Somebody who is signed in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SignedInView {
    /// The session's id, as lines name it.
    pub session: String,
    /// Who.
    pub person: String,
    /// What the post is called; null where none was shown.
    pub post: Option<String>,
    /// Since when.
    pub since: String,
    /// When it was last noted that the person did something.
    pub seen_at: String,
    /// When the session ends at the latest.
    pub ends_at: String,
    /// Whether it shows nothing until the person proves anew who they are.
    pub locked: bool,
}

impl SignedInView {
    fn of(one: SignedIn, is_idle: bool) -> Self {
        Self {
            session: one.row.id,
            person: one.person,
            post: one.post,
            since: one.row.made_at.to_string(),
            seen_at: one.row.seen_at.to_string(),
            ends_at: one.row.ends_at.to_string(),
            locked: one.row.locked_at.is_some() || is_idle,
        }
    }
}

/// Lists who of the caller's own body is signed in, from where and since when. It leaves an audit line.
///
/// # Errors
/// [`ApiError`].
#[utoipa::path(
    get, path = "/api/v1/sessions", tag = "sessions", security(("token" = [])),
    responses(
        (status = 200, description = "The sessions", body = SignedInAnswer),
        (status = 401, description = "No valid token", body = ErrorBody),
        (status = 403, description = "The token is not for this", body = ErrorBody),
    )
)]
pub async fn list_sessions(
    State(state): State<HubState>,
    May { actor, caller, .. }: May<KeepPersons>,
) -> Result<Json<SignedInAnswer>, ApiError> {
    let (body, now) = (caller.body.id, state.clock.now());
    let listed = blocking(move || {
        let details = serde_json::json!({ "body": body });
        state.note(&AuditEntry::plain(actor, Action::SessionsListed, details))?;
        let all = watch_desk::signed_in(&*state.main()?, &body, now)?.into_iter();
        let views = all.map(|one| {
            let is_idle = now >= one.row.idle_at;
            SignedInView::of(one, is_idle)
        });
        Ok(SignedInAnswer {
            sessions: views.collect(),
            body: body.to_string(),
        })
    });
    Ok(Json(listed.await?))
}

/// Ends the session of somebody of the caller's own body: their streams end within seconds.
///
/// # Errors
/// [`ApiError`].
#[utoipa::path(
    post, path = "/api/v1/sessions/{id}/ending", tag = "sessions", security(("token" = [])),
    params(("id" = String, Path, description = "The session's id")),
    responses(
        (status = 204, description = "Ended"),
        (status = 401, description = "No valid token", body = ErrorBody),
        (status = 403, description = "The token is not for this", body = ErrorBody),
        (status = 404, description = "Nobody of the body has this session", body = ErrorBody),
    )
)]
pub async fn end_session(
    State(state): State<HubState>,
    May { actor, caller, .. }: May<KeepPersons>,
    Path(id): Path<String>,
) -> Result<StatusCode, ApiError> {
    let body = caller.body.id;
    let ended = state.clone().act(actor, move |main, _, acting| {
        Ok(watch_desk::end(main, &body, &id, acting))
    });
    match ended.await? {
        Ok(()) => {
            state.connections.tell_ended();
            Ok(StatusCode::NO_CONTENT)
        }
        Err(AccountError::NoSession(_)) => Err(ApiError::NotFound),
        Err(AccountError::Store(error)) => Err(ApiError::store(error)),
        Err(AccountError::Audit(error)) => Err(ApiError::audit(error)),
        Err(other) => {
            tracing::error!(error = %other, "a session cannot be ended");
            Err(ApiError::Internal)
        }
    }
}
