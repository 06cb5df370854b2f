//! How the API says no: JSON with what is wrong and what to do.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use thiserror::Error;
use utoipa::ToSchema;

use super::attempts::Why;
use super::near::NearView;
use super::unsigned::Unsigned;
use crate::audit::AuditError;
use crate::audit::purpose::GroundsError;
use crate::judgement::judge::NeedsSecond;
use crate::judgement::words::{self, RuleWords};
use crate::lookups::question::LookupError;
use crate::people::tokens::Permission;
use crate::plates::pattern::PatternError;
use crate::policy::Deed;
use crate::store::StoreError;
use crate::transits::query::QueryError;

/// The body of every error.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ErrorBody {
    /// What is wrong.
    pub error: String,
    /// What the caller can do.
    pub what_to_do: String,
    /// Why a second person is needed; only where one is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub needs_second_person: Option<NearView>,
}

/// A request is not answered. What the caller should do stands in each answer.
#[derive(Debug, Error)]
pub enum ApiError {
    /// No token, or nobody's.
    #[error("the request has no valid token")]
    NoToken,
    /// The token held, and does no more.
    #[error("this token has ended or was revoked")]
    TokenEnded,
    /// Nobody is let in, or a session not taken.
    #[error(transparent)]
    Unsigned(#[from] Unsigned),
    /// No purpose or no case.
    #[error("the lookup has no grounds")]
    Grounds(#[from] GroundsError),
    /// The plate.
    #[error("the plate cannot be looked for")]
    Pattern(#[from] PatternError),
    /// Too wide.
    #[error("the query cannot be answered")]
    Query(#[from] QueryError),
    /// A field is missing or wrong.
    #[error("`{field}` is missing or wrong")]
    Field {
        /// Which.
        field: &'static str,
        /// What it should be.
        what_to_do: String,
    },
    /// The body is no such JSON.
    #[error("the body cannot be read: {0}")]
    Body(String),
    /// A part of the address is not of its form.
    #[error("the request cannot be read: {0}")]
    Address(String),
    /// The body is larger than so many bytes.
    #[error("the request is too large")]
    TooLarge(usize),
    /// The token is not for this.
    #[error("this token is not for {}", .0.as_str())]
    Forbidden(Permission),
    /// The policy does not let the caller do it, whatever the token is for.
    #[error("your office, role or post may not {}", .0.as_str())]
    Denied(Deed),
    /// The act that appointed the caller, or their office, has ended.
    #[error("nobody whom an office appointed shows this token")]
    NoOffice,
    /// What is asked for does not fit what there is.
    #[error("{0}")]
    Conflict(String),
    /// A box is not let in.
    #[error("{why}")]
    Refused {
        /// Why.
        why: String,
        /// What its caller can do.
        what_to_do: String,
    },
    /// The rule against misuse needs a second person.
    #[error(transparent)]
    NeedsSecond(#[from] NeedsSecond),
    /// Too many failures from one address, or with one token.
    #[error("too many failures from this address, or with this token")]
    TooMany,
    /// A limit of connections or streams is reached.
    #[error("{0}")]
    Busy(&'static str),
    /// No such route.
    #[error("there is nothing at this address")]
    NotFound,
    /// Another method.
    #[error("this address does not take this method")]
    Method,
    /// It took too long.
    #[error("the request took too long")]
    Timeout,
    /// The audit line cannot be written: nothing is shown.
    #[error("the audit line cannot be written, so nothing is shown")]
    Audit,
    /// The hub failed.
    #[error("the hub cannot answer now")]
    Internal,
}

impl ApiError {
    /// A field is missing or wrong.
    #[must_use]
    pub fn field(field: &'static str, what_to_do: impl Into<String>) -> Self {
        Self::Field {
            field,
            what_to_do: what_to_do.into(),
        }
    }

    /// Logs a database fault and hides it from the caller.
    #[must_use]
    pub fn store(error: StoreError) -> Self {
        if matches!(error, StoreError::Unawaited) {
            tracing::info!("a caller went away before the answer");
            return Self::Timeout;
        }
        log(&error);
        Self::Internal
    }

    /// Logs a lookup's fault and hides it from the caller.
    #[must_use]
    pub fn lookup(error: LookupError) -> Self {
        match error {
            LookupError::Audit(_) => {
                log(&error);
                Self::Audit
            }
            LookupError::NeedsSecond(why) => Self::NeedsSecond(why),
            LookupError::Store(error) => Self::store(error),
        }
    }

    /// Logs that a line cannot be written, and says that nothing is shown without it.
    #[must_use]
    pub fn audit(error: AuditError) -> Self {
        match error {
            AuditError::Store(StoreError::Unawaited) => Self::store(StoreError::Unawaited),
            error => {
                log(&error);
                Self::Audit
            }
        }
    }

    fn status(&self) -> StatusCode {
        match self {
            Self::NoToken | Self::TokenEnded => StatusCode::UNAUTHORIZED,
            Self::Unsigned(why) => why.status(),
            Self::Grounds(_) | Self::Pattern(_) | Self::Query(_) | Self::Field { .. } => {
                StatusCode::UNPROCESSABLE_ENTITY
            }
            Self::Refused { .. }
            | Self::Forbidden(_)
            | Self::Denied(_)
            | Self::NoOffice
            | Self::NeedsSecond(_) => StatusCode::FORBIDDEN,
            Self::Conflict(_) => StatusCode::CONFLICT,
            Self::TooMany | Self::Busy(_) => StatusCode::TOO_MANY_REQUESTS,
            Self::Body(_) | Self::Address(_) => StatusCode::BAD_REQUEST,
            Self::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::Timeout => StatusCode::GATEWAY_TIMEOUT,
            Self::Audit | Self::Internal => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// What the caller can do about it.
    #[must_use]
    pub fn what_to_do(&self) -> String {
        match self {
            Self::Unsigned(why) => why.what_to_do().to_owned(),
            Self::NoToken => {
                "sign in on the hub's page; a program sends the header `Authorization: Bearer \
                TOKEN`, which is issued with `varco-hub token add --service --actor NAME --purpose PURPOSE`"
                    .to_owned()
            }
            Self::TokenEnded => {
                "a person signs in; for a program ask for another one: `varco-hub token add --service \
                --actor NAME --purpose PURPOSE`; `varco-hub token list` shows when tokens end"
                    .to_owned()
            }
            Self::Forbidden(permission) => format!(
                "ask the person who answers for your office for an act with the task `{task}`; a program's token is \
                for what stood behind `--may` when it was issued: `varco-hub token add --service --actor NAME \
                --purpose PURPOSE --may {task}`",
                task = permission.as_str()
            ),
            Self::Denied(_) => {
                "ask the person who answers for your office: the act that appoints you \
                says as what you work and with which tasks (`varco-hub person list`)"
                    .to_owned()
            }
            Self::NoOffice => {
                "ask the person who answers for your office to appoint you: `varco-hub \
                person appoint`"
                    .to_owned()
            }
            Self::Conflict(why) => why.clone(),
            Self::Grounds(why) => why.to_string(),
            Self::Pattern(why) => why.to_string(),
            Self::Query(why) => why.to_string(),
            Self::Field { what_to_do, .. } | Self::Refused { what_to_do, .. } => what_to_do.clone(),
            Self::NeedsSecond(NeedsSecond(why)) => {
                let RuleWords { it, en } = words::stopped(why);
                format!("{en} POST /api/v1/second-looks asks for one. {it}")
            }
            Self::TooMany => "wait a minute and try again".to_owned(),
            Self::Busy(_) => "end those that nobody needs, and try again; `[http.limits]` in \
                hub.toml says how many there may be"
                .to_owned(),
            Self::Body(_) => "send JSON as /api/v1/openapi.json describes it".to_owned(),
            Self::TooLarge(most) if *most < 1 << 20 => {
                format!("send at most {} KiB", most >> 10)
            }
            Self::TooLarge(most) => format!("send at most {} MiB", most >> 20),
            Self::NotFound | Self::Method | Self::Address(_) => {
                "see /api/v1/openapi.json for what there is".to_owned()
            }
            Self::Timeout => "narrow the query and try again".to_owned(),
            Self::Audit | Self::Internal => {
                "try again shortly; if it stays so, tell whoever runs the hub".to_owned()
            }
        }
    }
}

fn log(error: &dyn std::error::Error) {
    let source = error.source().map(ToString::to_string).unwrap_or_default();
    tracing::error!(error = %error, source, "a request is not answered");
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let body = ErrorBody {
            error: self.to_string(),
            what_to_do: self.what_to_do(),
            needs_second_person: match &self {
                Self::NeedsSecond(NeedsSecond(why)) => Some(NearView::stopped(why)),
                _ => None,
            },
        };
        let mut response = (self.status(), Json(body)).into_response();
        response.extensions_mut().insert(Why::of(&self));
        if matches!(self, Self::NoToken | Self::TokenEnded) {
            let scheme = HeaderValue::from_static("Bearer");
            response
                .headers_mut()
                .insert(header::WWW_AUTHENTICATE, scheme);
        }
        response
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        Self::store(error)
    }
}

impl From<AuditError> for ApiError {
    fn from(error: AuditError) -> Self {
        Self::audit(error)
    }
}
