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
use super::let_in::Permit;
use super::question::{Asker, Question};
use super::state::HubState;
use crate::audit::actor::Actor;
use crate::audit::purpose::Grounds;
use crate::policy::Deed;
use crate::policy::caller::Caller;
use crate::policy::rights::Rights;

/// Largest request body, in bytes.
pub(super) const BODY_BYTES_MAX: usize = 16 * 1024;
/// Largest file of plates, in bytes.
pub(super) const FILE_BYTES_MAX: usize = 128 * 1024 * 1024;

/// Something that a person or a system may do.
pub trait Right {
    /// What the policy calls it.
    const DEED: Deed;
}

macro_rules! rights {
    ($($(#[$doc:meta])* $name:ident;)+) => { $(
        $(#[$doc])*
        #[derive(Debug)]
        pub struct $name;
        impl Right for $name {
            const DEED: Deed = Deed::$name;
        }
    )+ };
}

rights! {
    /// Look transits up.
    LookUp;
    /// Watch them as they come.
    Watch;
    /// Ask which vehicles travel together.
    FindCompanions;
    /// Count transits, without plates.
    Count;
    /// See alerts and acknowledge them.
    SeeAlerts;
    /// See which hotlists there are.
    SeeHotlists;
    /// Make, fill and close hotlists.
    KeepHotlists;
    /// Open, show and close cases, and block transits.
    KeepCases;
    /// Search transits to hold them in a case.
    Hold;
    /// See which edges there are.
    SeeEdges;
    /// Read the audit.
    Oversee;
    /// See to the edges.
    MindEdges;
    /// Ask for something that another must allow, and decide about it where the policy lets them.
    Ask;
    /// Be told of what an officer on duty decided.
    ReadNotices;
    /// Use gates before others do.
    Claim;
    /// Extract records into a package.
    Extract;
    /// Correct a text that was misread.
    Correct;
    /// Let records leave the hub.
    Authorise;
    /// See to the persons of one's own body, and to who is signed in.
    KeepPersons;
}

/// Who asks, and may. There is no other way for a handler to learn who asks.
#[derive(Debug)]
pub struct May<R> {
    /// Who asks, for lines.
    pub actor: Actor,
    /// The same, as the policy judges them.
    pub caller: Caller,
    /// By what they were let in: a stream ends when that does.
    pub permit: Permit,
    right: PhantomData<R>,
}

impl<R: Right> May<R> {
    fn of(arrival: Arrival, rights: &Rights) -> Result<Self, ApiError> {
        let deed = R::DEED;
        let Arrival { actor, caller, by } = arrival;
        if let Some(lacking) = deed.lacking(&caller.may) {
            return Err(ApiError::Forbidden(lacking));
        }
        match rights.may_try(&caller, deed) {
            Ok(true) => Ok(Self {
                actor,
                caller,
                permit: Permit { by, deed },
                right: PhantomData,
            }),
            Ok(false) => Err(ApiError::Denied(deed)),
            Err(error) => Err(error.into()),
        }
    }

    /// A question about vehicles.
    pub(super) fn asks(self, state: HubState, grounds: Grounds) -> Question {
        Question::on(state, self.asker(), Some(grounds))
    }

    /// A question whose answer tells of nobody, which needs no grounds.
    pub(super) fn asks_without_grounds(self, state: HubState) -> Question {
        Question::on(state, self.asker(), None)
    }

    /// Whether they see records whole, or as the guard corps does.
    pub(super) fn sees_whole(&self, rights: &Rights) -> Result<bool, ApiError> {
        Ok(rights.may_try(&self.caller, Deed::SeeWhole)?)
    }

    fn asker(self) -> Asker {
        Asker {
            actor: self.actor,
            caller: self.caller,
            deed: R::DEED,
        }
    }
}

impl<R: Right> FromRequestParts<HubState> for May<R> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &HubState) -> Result<Self, ApiError> {
        let arrival = Arrival::of(&Asking::of(parts)?, state).await?;
        Self::of(arrival, &state.rights)
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
