//! `/api/v1/access-register`: who was let in to see recordings, by whom, from when until when.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse as _, Response};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use varco_proto::time::UtcTime;

use super::errors::{ApiError, ErrorBody};
use super::lookups::moment;
use super::request::{KeepCases, May, Path, Sent, UrlQuery as Query};
use super::state::HubState;
use super::words::{SignedHowView, VisitorView, Word};
use crate::audit::actor::Actor;
use crate::bodies::BodyId;
use crate::evidence::register::{self, AccessEntry, RegisterError, Visitor};
use crate::evidence::report::sheet;

/// Somebody who comes in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AccessRequest {
    /// Name and surname, 3 to 120 characters.
    #[schema(min_length = 3, max_length = 120)]
    pub name: String,
    /// As what they are let in.
    #[schema(value_type = VisitorView)]
    pub kind: Word<VisitorView>,
    /// Kind and number of the identity document, 3 to 120 characters.
    #[schema(min_length = 3, max_length = 120)]
    pub document: String,
    /// The authorisation, 3 to 120 characters.
    #[schema(min_length = 3, max_length = 120)]
    pub authorisation: String,
    /// Where they signed the declaration of confidentiality.
    #[schema(value_type = SignedHowView)]
    pub signed: Word<SignedHowView>,
    /// SHA-256 of the signed paper's scan, or of the signature that was drawn, hexadecimal.
    #[schema(pattern = "^[0-9a-f]{64}$")]
    pub signature_sha256: String,
}

/// An entry of the register.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AccessEntryView {
    /// By this number they leave.
    pub number: i64,
    /// When they came in, RFC 3339, UTC.
    pub entered_at: String,
    /// When they left; null while they are in.
    pub left_at: Option<String>,
    /// Who let them in.
    pub let_in_by: String,
    /// Name and surname.
    pub name: String,
    /// As what.
    pub kind: VisitorView,
    /// Kind and number of the identity document.
    pub document: String,
    /// The authorisation.
    pub authorisation: String,
    /// The declaration that they signed.
    pub declaration: String,
    /// Where.
    pub signed: SignedHowView,
    /// SHA-256 of what bears the signature, hexadecimal.
    pub signature_sha256: String,
}

impl From<AccessEntry> for AccessEntryView {
    fn from(entry: AccessEntry) -> Self {
        Self {
            number: entry.number,
            entered_at: entry.entered_at.to_string(),
            left_at: entry.left_at.map(|at| at.to_string()),
            let_in_by: entry.let_in_by,
            name: entry.visitor.name,
            kind: entry.visitor.kind.into(),
            document: entry.visitor.document,
            authorisation: entry.visitor.authorisation,
            declaration: register::DECLARATION.to_owned(),
            signed: entry.visitor.signed.into(),
            signature_sha256: entry.visitor.signature_sha256,
        }
    }
}

/// Somebody is in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AccessAnswer {
    /// By this number they leave.
    pub number: i64,
}

/// Which entries.
#[derive(Debug, Clone, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct AccessQuery {
    /// From when, RFC 3339.
    #[param(required = true, nullable = false, format = DateTime)]
    from: Option<String>,
    /// Until when, RFC 3339.
    #[param(required = true, nullable = false, format = DateTime)]
    to: Option<String>,
}

impl AccessQuery {
    fn span(&self) -> Result<std::ops::Range<UtcTime>, ApiError> {
        Ok(moment("from", self.from.as_deref())?..moment("to", self.to.as_deref())?)
    }
}

/// Entries of the register.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AccessRegisterAnswer {
    /// Oldest first, 500 at most.
    pub entries: Vec<AccessEntryView>,
}

fn refused(error: RegisterError) -> ApiError {
    match error {
        RegisterError::Audit(error) => ApiError::audit(error),
        RegisterError::Store(error) => ApiError::store(error),
        RegisterError::Cipher(_) => ApiError::Internal,
        RegisterError::Text(field) => ApiError::field(field, error.to_string()),
        RegisterError::Signature => ApiError::field("signature_sha256", error.to_string()),
        RegisterError::Unknown(_) => ApiError::Conflict(error.to_string()),
    }
}

/// Notes that somebody comes in to see recordings: who, with which document, by which authorisation, and that they
/// signed the declaration. It is sealed, and in the audit.
///
/// # Errors
/// [`ApiError`].
#[utoipa::path(
    post, path = "/api/v1/access-register", tag = "evidence", request_body = AccessRequest,
    security(("token" = [])),
    responses(
        (status = 201, description = "They are in", body = AccessAnswer),
        (status = 403, description = "The token is not for this", body = ErrorBody),
        (status = 422, description = "A field is missing or wrong", body = ErrorBody),
    )
)]
pub async fn enter_register(
    State(state): State<HubState>,
    May { actor, caller, .. }: May<KeepCases>,
    Sent(request): Sent<AccessRequest>,
) -> Result<(StatusCode, Json<AccessAnswer>), ApiError> {
    let visitor = Visitor {
        name: request.name.trim().to_owned(),
        kind: request.kind.check("kind")?.into(),
        document: request.document.trim().to_owned(),
        authorisation: request.authorisation.trim().to_owned(),
        signed: request.signed.check("signed")?.into(),
        signature_sha256: request.signature_sha256.to_ascii_lowercase(),
    };
    let entered = state.act(actor, move |main, state, acting| {
        let (key, body) = (&state.evidence.register_key, &caller.body.id);
        register::enter(main, key, body, &visitor, acting).map_err(refused)
    });
    let number = entered.await?;
    Ok((StatusCode::CREATED, Json(AccessAnswer { number })))
}

/// Notes that somebody leaves. Their entry is closed by that, and never changes again.
///
/// # Errors
/// [`ApiError`].
#[utoipa::path(
    post, path = "/api/v1/access-register/{id}/exit", tag = "evidence",
    params(("id" = i64, Path, description = "Their number")), security(("token" = [])),
    responses(
        (status = 204, description = "They have left"),
        (status = 403, description = "The token is not for this", body = ErrorBody),
        (status = 409, description = "Nobody is in under this number", body = ErrorBody),
    )
)]
pub async fn leave_register(
    State(state): State<HubState>,
    May { actor, caller, .. }: May<KeepCases>,
    Path(number): Path<i64>,
) -> Result<StatusCode, ApiError> {
    state
        .act(actor, move |main, _, acting| {
            register::leave(main, number, &caller.body.id, acting).map_err(refused)
        })
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn shown(
    state: HubState,
    actor: Actor,
    body: BodyId,
    query: &AccessQuery,
) -> Result<Vec<AccessEntry>, ApiError> {
    let span = query.span()?;
    state
        .act(actor, move |main, state, acting| {
            let key = &state.evidence.register_key;
            register::show(main, key, &body, span, acting).map_err(refused)
        })
        .await
}

/// Shows the register of one's office. It leaves an audit line.
///
/// # Errors
/// [`ApiError`].
#[utoipa::path(
    get, path = "/api/v1/access-register", tag = "evidence", params(AccessQuery), security(("token" = [])),
    responses(
        (status = 200, description = "Oldest first", body = AccessRegisterAnswer),
        (status = 403, description = "The token is not for this", body = ErrorBody),
        (status = 422, description = "A field is missing or wrong", body = ErrorBody),
    )
)]
pub async fn show_register(
    State(state): State<HubState>,
    May { actor, caller, .. }: May<KeepCases>,
    Query(query): Query<AccessQuery>,
) -> Result<Json<AccessRegisterAnswer>, ApiError> {
    let entries = shown(state, actor, caller.body.id, &query).await?;
    let entries = entries.into_iter().map(Into::into).collect();
    Ok(Json(AccessRegisterAnswer { entries }))
}

/// The same as a sheet to be printed, as the regulation's form has it (PDF/A). It leaves an audit line.
///
/// # Errors
/// [`ApiError`].
#[utoipa::path(
    get, path = "/api/v1/access-register/sheet", tag = "evidence", params(AccessQuery), security(("token" = [])),
    responses(
        (status = 200, description = "The sheet", body = Vec<u8>, content_type = "application/pdf"),
        (status = 403, description = "The token is not for this", body = ErrorBody),
        (status = 422, description = "A field is missing or wrong", body = ErrorBody),
    )
)]
pub async fn print_register(
    State(state): State<HubState>,
    May { actor, caller, .. }: May<KeepCases>,
    Query(query): Query<AccessQuery>,
) -> Result<Response, ApiError> {
    let now = state.clock.now();
    let (name, span) = (caller.body.name.clone(), query.span()?);
    let entries = shown(state, actor, caller.body.id, &query).await?;
    let written = sheet::write(&name, span, &entries, now).map_err(|error| {
        tracing::error!(error = %error, "the sheet of the access register cannot be written");
        ApiError::Internal
    })?;
    Ok(([(CONTENT_TYPE, "application/pdf")], written).into_response())
}
