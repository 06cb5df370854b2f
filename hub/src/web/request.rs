//! What a handler takes: who asks and may do so, and what was sent. A route that shows something of
//! somebody takes the first, which checks who asks, by a token or a session, and what they may.

use std::marker::PhantomData;

use axum::body::Bytes;
use axum::extract;
use axum::extract::rejection::BytesRejection;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::IntoResponse as _;
use serde::de::DeserializeOwned;
use utoipa::ToSchema;

use super::arrival::{Arrival, Asking};
use super::attempts::Trail;
use super::errors::ApiError;
use super::form::unknown_field;
use super::let_in::{LetInBy, Permit};
use super::state::HubState;
use crate::audit::actor::Actor;
use crate::people::tokens::{Permission, Permissions};

/// Largest request body, in bytes.
pub(super) const BODY_BYTES_MAX: usize = 16 * 1024;
/// Largest file of plates, in bytes.
pub(super) const FILE_BYTES_MAX: usize = 128 * 1024 * 1024;

/// What somebody needs for a route.
#[derive(Debug)]
pub enum Needs {
    /// Each of these.
    All(&'static [Permission]),
    /// One of these.
    Any(&'static [Permission]),
}

impl Needs {
    /// What is lacking; none when nothing is.
    #[must_use]
    pub fn lacking(&self, may: &Permissions) -> Option<Permission> {
        match self {
            Self::All(all) => all.iter().find(|needed| !may.has(**needed)).copied(),
            Self::Any(any) if any.iter().any(|one| may.has(*one)) => None,
            Self::Any(any) => any.first().copied(),
        }
    }
}

/// Something that a person may do.
pub trait Right {
    /// What is needed for it.
    const NEEDS: &'static Needs;
}

macro_rules! rights {
    ($($(#[$doc:meta])* $name:ident: $rule:ident [$($permission:ident),+];)+) => { $(
        $(#[$doc])*
        #[derive(Debug)]
        pub struct $name;
        impl Right for $name {
            const NEEDS: &'static Needs = &Needs::$rule(&[$(Permission::$permission),+]);
        }
    )+ };
}

rights! {
    /// Look transits up and watch them.
    LookUp: All [Lookups];
    /// Ask which vehicles travel together.
    FindCompanions: All [Convoys];
    /// Count transits, without plates.
    Count: All [Statistics];
    /// See alerts and acknowledge them.
    SeeAlerts: All [Alerts];
    /// See which hotlists there are.
    SeeHotlists: Any [Hotlists, Alerts];
    /// Make, fill and close hotlists.
    KeepHotlists: All [Hotlists];
    /// Open, show and close cases, and block transits.
    KeepCases: All [Cases];
    /// Search transits to hold them in a case.
    HoldInCases: All [Cases, Lookups];
    /// See which edges there are: whoever looks up must know what may be missing, and whoever sees to
    /// them what to mend.
    SeeEdges: Any [Lookups, Edges];
    /// See to the edges.
    MindEdges: All [Edges];
}

/// Who asks, and may do this. There is no other way for a handler to learn who asks.
#[derive(Debug)]
pub struct May<R> {
    /// Who asks.
    pub actor: Actor,
    /// By what they were let in: a stream ends when that does.
    pub permit: Permit,
    right: PhantomData<R>,
}

impl<R: Right> May<R> {
    fn of(actor: Actor, may: &Permissions, by: LetInBy) -> Result<Self, ApiError> {
        match R::NEEDS.lacking(may) {
            None => Ok(Self {
                actor,
                permit: Permit {
                    by,
                    needs: R::NEEDS,
                },
                right: PhantomData,
            }),
            Some(lacking) => Err(ApiError::Forbidden(lacking)),
        }
    }
}

impl<R: Right> FromRequestParts<HubState> for May<R> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &HubState) -> Result<Self, ApiError> {
        let Arrival { actor, may, by } = Arrival::of(&Asking::of(parts)?, state).await?;
        Self::of(actor, &may, by)
    }
}

/// The JSON that was sent, of at most 16 KiB.
#[derive(Debug)]
pub struct Sent<T>(pub T);

impl<T: DeserializeOwned + ToSchema + 'static> FromRequest<HubState> for Sent<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &HubState) -> Result<Self, ApiError> {
        let trail = request.extensions().get::<Trail>().cloned();
        let body = bytes(request, state, BODY_BYTES_MAX).await?;
        if let Some(trail) = trail {
            trail.read(&body);
        }
        let wrong = |error: serde_json::Error| ApiError::Body(error.to_string());
        let written: serde_json::Value = serde_json::from_slice(&body).map_err(wrong)?;
        if let Some(unknown) = unknown_field::<T>(&written) {
            return Err(ApiError::Body(unknown));
        }
        // Not from what was just read, which forgets a field that is there twice.
        serde_json::from_slice(&body).map(Self).map_err(wrong)
    }
}

/// A part of the address.
#[derive(Debug)]
pub struct Path<T>(pub T);

impl<T: DeserializeOwned + Send> FromRequestParts<HubState> for Path<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &HubState) -> Result<Self, ApiError> {
        let read = extract::Path::from_request_parts(parts, state).await;
        let read = read.map(|extract::Path(read)| Self(read));
        read.map_err(|rejection| ApiError::Address(rejection.body_text()))
    }
}

/// What stands behind the address. Handlers import it as `Query`: by that name the description knows that its
/// fields are parameters of the query.
#[derive(Debug)]
pub struct UrlQuery<T>(pub T);

impl<T: DeserializeOwned> FromRequestParts<HubState> for UrlQuery<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &HubState) -> Result<Self, ApiError> {
        let read = extract::Query::try_from_uri(&parts.uri);
        let read = read.map(|extract::Query(read)| Self(read));
        read.map_err(|rejection| ApiError::Address(rejection.body_text()))
    }
}

/// The file that was sent, of at most 128 MiB.
#[derive(Debug)]
pub struct SentFile(pub Bytes);

impl FromRequest<HubState> for SentFile {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &HubState) -> Result<Self, ApiError> {
        bytes(request, state, FILE_BYTES_MAX).await.map(Self)
    }
}

async fn bytes(request: Request, state: &HubState, most: usize) -> Result<Bytes, ApiError> {
    let read = Bytes::from_request(request, state).await;
    read.map_err(
        |error: BytesRejection| match error.into_response().status() {
            StatusCode::PAYLOAD_TOO_LARGE => ApiError::TooLarge(most),
            _ => ApiError::Body("it broke off".to_owned()),
        },
    )
}

#[cfg(test)]
mod tests {
    use varco_proto::ids::Digest;

    use super::*;

    fn may_of<R: Right>(may: &Permissions) -> Result<May<R>, ApiError> {
        let actor = Actor::at_console("anna").unwrap();
        May::of(actor, may, LetInBy::Token(Digest::ZERO))
    }

    #[test]
    fn a_token_needs_all_that_a_right_names_or_one_of_them() {
        let may = |permissions: &[Permission]| Permissions::of(permissions);
        let cases = may(&[Permission::Cases]);
        let both = may(&[Permission::Cases, Permission::Lookups]);
        assert!(may_of::<KeepCases>(&cases).is_ok());
        let lacking = may_of::<HoldInCases>(&cases).unwrap_err();
        assert!(matches!(lacking, ApiError::Forbidden(Permission::Lookups)));
        assert!(may_of::<HoldInCases>(&both).is_ok());
        assert!(may_of::<SeeEdges>(&both).is_ok());
        assert!(may_of::<SeeEdges>(&cases).is_err());
        assert!(may_of::<SeeAlerts>(&may(&[])).is_err());
    }
}
