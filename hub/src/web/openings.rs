//! `/api/v1/openings` and `/api/v1/posts`: what is done with a one-time code. A person opens an account; a
//! workstation becomes a post.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::arrival::Asking;
use super::cookies;
use super::errors::{ApiError, ErrorBody};
use super::request::Sent;
use super::same_site;
use super::sessions::{PostProofBody, Unproven, entered, prove};
use super::state::{HubState, blocking};
use super::unsigned::Unsigned;
use crate::audit::actor::Actor;
use crate::signing::opening::{self, OpeningError, OpeningRequest};
use crate::signing::post_desk::{self, PostEnrolment, PostError};
use crate::signing::qr;
use crate::signing::sign_in::{Entrance, SignInError};

/// A one-time code.
#[derive(Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CodeRequest {
    /// As `varco-hub account invite` printed it; case, spaces and hyphens do not count.
    pub code: String,
}

/// What a code is for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct InvitationAnswer {
    /// What the person will type to sign in.
    pub user_name: String,
    /// The second factor's secret, as it is typed into an app.
    pub secret: String,
    /// The same as an `otpauth` address, as an app reads it.
    pub address: String,
    /// The same as a QR code: its rows, each of `1` for a dark square and `0` for a light one.
    pub qr: Vec<String>,
    /// Fewest characters of the password.
    pub password_characters_min: usize,
}

/// What a person sends to open an account.
#[derive(Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OpeningBody {
    /// The one-time code.
    pub code: String,
    /// The password to be.
    pub password: String,
    /// The six digits that the app shows for the secret.
    pub digits: String,
    /// The workstation; needed unless hub.toml says otherwise.
    pub post: Option<PostProofBody>,
}

/// What a workstation sends to become a post.
#[derive(Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PostEnrolmentRequest {
    /// As `varco-hub post invite` printed it.
    pub code: String,
    /// A point of P-256, uncompressed: 130 hexadecimal digits.
    pub public_key: String,
    /// ECDSA with P-256 and SHA-256 (r and s, 128 hexadecimal digits), with the key, over the lines `varco
    /// post 1` and the code as it is sent.
    pub signature: String,
}

/// A post that was enrolled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PostAnswer {
    /// Its id, which it sends with what it signs.
    pub post: String,
    /// What people call it.
    pub name: String,
    /// Whose it is.
    pub body: String,
}

/// Lets nobody try codes on and on.
fn knock(state: &HubState, asking: &Asking) -> Result<(), ApiError> {
    if !same_site::is_ours(&asking.headers) {
        return Err(Unsigned::Site.into());
    }
    let throttle = state.connections.throttle();
    match throttle.may_knock(asking.from(), state.clock.now()) {
        true => Ok(()),
        false => Err(ApiError::TooMany),
    }
}

fn failed(state: &HubState, asking: &Asking) {
    let throttle = state.connections.throttle();
    throttle.failed(asking.from(), state.clock.now());
}

fn refused(state: &HubState, asking: &Asking, error: OpeningError) -> ApiError {
    match error {
        OpeningError::Code => {
            failed(state, asking);
            Unsigned::Code.into()
        }
        OpeningError::Password(fault) => ApiError::field("password", fault.to_string()),
        OpeningError::Digits => {
            failed(state, asking);
            Unsigned::Digits.into()
        }
        OpeningError::NoOffice => Unsigned::NoOffice.into(),
        OpeningError::SignIn(SignInError::Store(error)) | OpeningError::Store(error) => {
            ApiError::store(error)
        }
        OpeningError::SignIn(SignInError::Audit(error)) | OpeningError::Audit(error) => {
            ApiError::audit(error)
        }
        other => {
            tracing::error!(error = %other, "an account cannot be opened");
            ApiError::Internal
        }
    }
}

/// Shows what a one-time code is for: the user name, and the second factor to be put into an app.
///
/// # Errors
/// [`ApiError`].
#[utoipa::path(
    post, path = "/api/v1/openings/invitation", tag = "sessions", request_body = CodeRequest,
    responses(
        (status = 200, description = "What the code is for", body = InvitationAnswer),
        (status = 401, description = "The code does not hold", body = ErrorBody),
        (status = 403, description = "Another site asks", body = ErrorBody),
        (status = 429, description = "Too many failures from this address", body = ErrorBody),
    )
)]
pub async fn show_invitation(
    State(state): State<HubState>,
    Unproven(asking): Unproven,
    Sent(request): Sent<CodeRequest>,
) -> Result<Json<InvitationAnswer>, ApiError> {
    knock(&state, &asking)?;
    let hub = state.clone();
    let shown = blocking(move || {
        let (main, now) = (hub.main()?, hub.clock.now());
        Ok(opening::show(&main, &hub.signing.key, &request.code, now))
    });
    let shown = shown
        .await?
        .map_err(|error| refused(&state, &asking, error))?;
    Ok(Json(InvitationAnswer {
        user_name: shown.user_name.to_string(),
        secret: shown.secret,
        qr: qr::rows(&shown.address).ok_or(ApiError::Internal)?,
        address: shown.address,
        password_characters_min: crate::signing::passwords::CHARACTERS_MIN,
    }))
}

/// Opens an account with its one-time code: sets the password and the second factor, and signs the person
/// in.
///
/// # Errors
/// [`ApiError`].
#[utoipa::path(
    post, path = "/api/v1/openings", tag = "sessions", request_body = OpeningBody,
    responses(
        (status = 201, description = "Opened and signed in",
            body = super::session_view::SessionAnswer),
        (status = 401, description = "The code does not hold, or the post is not shown",
            body = ErrorBody),
        (status = 403, description = "The person holds no office, or another site asks",
            body = ErrorBody),
        (status = 422, description = "The password cannot be taken, or the digits are wrong",
            body = ErrorBody),
        (status = 429, description = "Too many failures from this address", body = ErrorBody),
    )
)]
pub async fn open_account(
    State(state): State<HubState>,
    Unproven(asking): Unproven,
    Sent(body): Sent<OpeningBody>,
) -> Result<Response, ApiError> {
    let proof = body.post.as_ref().map(PostProofBody::check).transpose()?;
    let post = prove(&state, &asking, proof, &body.code).await?;
    knock(&state, &asking)?;
    let hub = state.clone();
    let asked = OpeningRequest {
        code: body.code,
        password: body.password,
        digits: body.digits,
    };
    let ready = state.signing.hashing(move || {
        let (main, now) = (hub.main()?, hub.clock.now());
        Ok(opening::prepare(&main, &hub.signing.key, &asked, now))
    });
    let ready = ready
        .await?
        .map_err(|error| refused(&state, &asking, error))?;
    let (before, from, terms) = (
        cookies::of(&asking.headers),
        asking.from(),
        state.signing.terms,
    );
    let opened = state.clone().act(Actor::nobody(), move |main, _, acting| {
        let entrance = Entrance {
            post: post.as_ref(),
            address: from,
            terms: &terms,
            before: before.as_deref(),
            passkey: None,
        };
        Ok(opening::open(main, &ready, &entrance, acting))
    });
    let begun = opened
        .await?
        .map_err(|error| refused(&state, &asking, error))?;
    asking.trail.name(&begun.actor);
    state.connections.tell_ended();
    entered(&state, &begun).await
}

/// Enrols a workstation as a post with its one-time code: from then on persons sign in from it.
///
/// # Errors
/// [`ApiError`].
#[utoipa::path(
    post, path = "/api/v1/posts", tag = "sessions", request_body = PostEnrolmentRequest,
    responses(
        (status = 201, description = "Enrolled", body = PostAnswer),
        (status = 401, description = "The code does not hold", body = ErrorBody),
        (status = 403, description = "The key is not proven, or another site asks",
            body = ErrorBody),
        (status = 429, description = "Too many failures from this address", body = ErrorBody),
    )
)]
pub async fn enrol_post(
    State(state): State<HubState>,
    Unproven(asking): Unproven,
    Sent(request): Sent<PostEnrolmentRequest>,
) -> Result<(StatusCode, Json<PostAnswer>), ApiError> {
    knock(&state, &asking)?;
    let bytes = |name, text: &str| {
        hex::decode(text).map_err(|_| ApiError::field(name, "write it in hexadecimal digits"))
    };
    let asked = PostEnrolment {
        public_key: bytes("public_key", &request.public_key)?,
        signature: bytes("signature", &request.signature)?,
        code: request.code,
    };
    let enrolled = state.clone().act(Actor::nobody(), move |main, _, acting| {
        Ok(post_desk::enrol(main, &asked, acting))
    });
    let post = enrolled.await?.map_err(|error| match error {
        PostError::Code => {
            failed(&state, &asking);
            Unsigned::Code.into()
        }
        PostError::Key => Unsigned::Key.into(),
        PostError::Store(error) => ApiError::store(error),
        PostError::Audit(error) => ApiError::audit(error),
        other => {
            tracing::error!(error = %other, "a post cannot be enrolled");
            ApiError::Internal
        }
    })?;
    let answer = PostAnswer {
        post: post.id,
        name: post.name,
        body: post.body,
    };
    Ok((StatusCode::CREATED, Json(answer)))
}
