//! `/api/v1/passkeys` and signing in with one: a passkey counts as password and second factor together.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::arrival::{Asking, ShownSession, session_of};
use super::errors::{ApiError, ErrorBody};
use super::request::{Path, Sent};
use super::session_view::SessionAnswer;
use super::sessions::{
    PostProofBody, Unproven, answer_unlocking, check_password, enter, missed, prove,
};
use super::state::{HubState, blocking};
use super::unsigned::Unsigned;
use crate::signing::challenges;
use crate::signing::passkey_desk::{
    self, AskedCeremony, CeremonyAnswer, PasskeyError, PasskeyRules, WantedPasskey,
};
use crate::signing::passkey_revoking;
use crate::signing::passkeys;
use crate::signing::sign_in;
use crate::signing::unlocking::{self, UnlockedBy};

/// Who signs in, in a post's proof, before it is known.
const BY_PASSKEY: &str = "passkey";

/// What a browser is given to make or show a passkey.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PasskeyChallenge {
    /// The hub's own, hexadecimal; it holds once.
    pub challenge: String,
    /// To be sent back, hexadecimal.
    pub state: String,
    /// What the browser does: JSON, as `WebAuthn` Level 3 writes it
    /// (`PublicKeyCredentialCreationOptionsJSON` or `PublicKeyCredentialRequestOptionsJSON`).
    pub options: String,
    /// For how many seconds it holds.
    pub holds_s: u64,
}

/// What a browser says at the end.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PasskeyProofBody {
    /// As it was given.
    pub challenge: String,
    /// As it was given.
    pub state: String,
    /// The device's answer: JSON, as `WebAuthn` Level 3 writes it (`RegistrationResponseJSON` or
    /// `AuthenticationResponseJSON`).
    pub answer: String,
}

impl PasskeyProofBody {
    fn check(self) -> Result<CeremonyAnswer, ApiError> {
        let wrong = |_| ApiError::field("state", "write it in hexadecimal digits");
        Ok(CeremonyAnswer {
            challenge: self.challenge,
            state: hex::decode(&self.state).map_err(wrong)?,
            answer: self.answer.into_bytes(),
        })
    }
}

/// A person who signs in with a passkey.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PasskeySignIn {
    /// What the browser says.
    pub passkey: PasskeyProofBody,
    /// The workstation, over the word `passkey` in the user name's place; needed unless hub.toml says otherwise.
    pub post: Option<PostProofBody>,
}

/// A passkey to be kept.
#[derive(Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PasskeyRequest {
    /// What its person calls it, 1 to 64 characters.
    pub name: String,
    /// The person's password: a session alone adds none.
    pub password: String,
    /// What the browser says.
    pub passkey: PasskeyProofBody,
}

/// A passkey, as its person sees it. Times are RFC 3339, UTC.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PasskeyView {
    /// Its id.
    pub passkey: String,
    /// What its person calls it.
    pub name: String,
    /// When it was made.
    pub made_at: String,
    /// When it was shown last; null when never.
    pub used_at: Option<String>,
}

/// The passkeys of whoever asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PasskeysAnswer {
    /// Whether passkeys are set up at this hub.
    pub enabled: bool,
    /// Those that hold, oldest first.
    pub passkeys: Vec<PasskeyView>,
}

fn rules(state: &HubState) -> Result<PasskeyRules<'_>, ApiError> {
    let site = state.signing.site.as_ref().ok_or(ApiError::NotFound)?;
    Ok(PasskeyRules {
        site,
        key: &state.signing.key,
        challenges: &state.signing.challenges,
    })
}

fn given(asked: AskedCeremony) -> Json<PasskeyChallenge> {
    Json(PasskeyChallenge {
        challenge: asked.challenge,
        state: hex::encode(asked.state),
        options: asked.options.to_string(),
        holds_s: challenges::VALID.as_secs(),
    })
}

fn refused(error: PasskeyError) -> ApiError {
    match error {
        PasskeyError::Challenge(_) => Unsigned::Challenge.into(),
        PasskeyError::Webauthn(_) => Unsigned::Passkey.into(),
        PasskeyError::Name => ApiError::field("name", error.to_string()),
        PasskeyError::TooMany | PasskeyError::NotOpen => ApiError::Conflict(error.to_string()),
        PasskeyError::Store(error) => ApiError::store(error),
        PasskeyError::Audit(error) => ApiError::audit(error),
        PasskeyError::Random(_) => ApiError::Internal,
    }
}

/// The session of a request, held and not locked.
async fn open_session(asking: &Asking, state: &HubState) -> Result<ShownSession, ApiError> {
    let shown = session_of(asking, state).await?;
    match shown.is_locked {
        true => Err(Unsigned::Locked.into()),
        false => Ok(shown),
    }
}

/// Gives a browser what it needs to show a passkey, of whomever.
///
/// # Errors
/// [`ApiError`].
#[utoipa::path(
    get, path = "/api/v1/session/passkey", tag = "sessions",
    responses(
        (status = 200, description = "What the browser is to do", body = PasskeyChallenge),
        (status = 404, description = "Passkeys are not set up", body = ErrorBody),
    )
)]
pub async fn ask_passkey(
    State(state): State<HubState>,
) -> Result<Json<PasskeyChallenge>, ApiError> {
    let asked = passkey_desk::begin_showing(&rules(&state)?, state.clock.now());
    asked.map(given).map_err(refused)
}

/// Signs a person in with a passkey, from an enrolled post. The session is in the cookie `__Host-varco`.
///
/// # Errors
/// [`ApiError`].
#[utoipa::path(
    post, path = "/api/v1/session/passkey", tag = "sessions", request_body = PasskeySignIn,
    responses(
        (status = 201, description = "Signed in", body = SessionAnswer),
        (status = 401, description = "Not let in: the post, or the passkey", body = ErrorBody),
        (status = 403, description = "The account is disabled, or another site asks",
            body = ErrorBody),
        (status = 404, description = "Passkeys are not set up", body = ErrorBody),
        (status = 429, description = "Too many tries from this address", body = ErrorBody),
    )
)]
pub async fn sign_in_by_passkey(
    State(state): State<HubState>,
    Unproven(asking): Unproven,
    Sent(request): Sent<PasskeySignIn>,
) -> Result<Response, ApiError> {
    rules(&state)?;
    let answer = request.passkey.check()?;
    let proof = request
        .post
        .as_ref()
        .map(PostProofBody::check)
        .transpose()?;
    let post = prove(&state, &asking, proof, BY_PASSKEY).await?;
    let hub = state.clone();
    let recognised = blocking(move || {
        let mut main = hub.main()?;
        let _turn = hub.archive.turn();
        let now = hub.clock.now();
        Ok(passkey_desk::recognise(
            &mut main,
            &rules(&hub)?,
            &answer,
            now,
        ))
    });
    let recognised = recognised.await?;
    enter(&state, &asking, post, recognised, || ()).await
}

/// Unlocks the session with a passkey of its person; the fifth failure ends it.
///
/// # Errors
/// [`ApiError`].
#[utoipa::path(
    post, path = "/api/v1/session/passkey/unlocking", tag = "sessions",
    request_body = PasskeyProofBody,
    responses(
        (status = 200, description = "Unlocked", body = SessionAnswer),
        (status = 401, description = "The passkey is not its person's, or the session has ended",
            body = ErrorBody),
        (status = 403, description = "Without its mark, or another site asks", body = ErrorBody),
        (status = 404, description = "Passkeys are not set up", body = ErrorBody),
    )
)]
pub async fn unlock_by_passkey(
    State(state): State<HubState>,
    Unproven(asking): Unproven,
    Sent(request): Sent<PasskeyProofBody>,
) -> Result<Response, ApiError> {
    let shown = session_of(&asking, &state).await?;
    rules(&state)?;
    let answer = request.check()?;
    let (session, actor) = (shown.session.clone(), shown.actor.clone());
    let unlocked = state.clone().act(actor, move |main, hub, acting| {
        let recognised = passkey_desk::recognise(main, &rules(hub)?, &answer, acting.now);
        let by = match recognised {
            Ok(recognised) if recognised.is_of(&session.account) => {
                UnlockedBy::Passkey(Box::new(recognised))
            }
            Ok(_) => UnlockedBy::Nothing("another account's passkey"),
            Err(sign_in::SignInError::Store(error)) => return Err(ApiError::store(error)),
            Err(_) => UnlockedBy::Nothing("wrong passkey"),
        };
        unlocking::unlock(main, &session, &by, acting).map_err(ApiError::audit)
    });
    answer_unlocking(&state, shown, unlocked.await?, Unsigned::Passkey).await
}

/// Lists the passkeys of whoever is signed in.
///
/// # Errors
/// [`ApiError`].
#[utoipa::path(
    get, path = "/api/v1/passkeys", tag = "sessions",
    responses(
        (status = 200, description = "The passkeys", body = PasskeysAnswer),
        (status = 401, description = "No session, or it has ended", body = ErrorBody),
        (status = 403, description = "Another site asks", body = ErrorBody),
        (status = 423, description = "The session is locked", body = ErrorBody),
    )
)]
pub async fn list_passkeys(
    State(state): State<HubState>,
    Unproven(asking): Unproven,
) -> Result<Json<PasskeysAnswer>, ApiError> {
    let shown = open_session(&asking, &state).await?;
    let enabled = state.signing.site.is_some();
    let listed = blocking(move || {
        let found = passkeys::of_account(&*state.main()?, &shown.session.account)?;
        let views = found.into_iter().map(|one| PasskeyView {
            passkey: one.id,
            name: one.name,
            made_at: one.made_at.to_string(),
            used_at: one.used_at.map(|at| at.to_string()),
        });
        Ok(PasskeysAnswer {
            enabled,
            passkeys: views.collect(),
        })
    });
    Ok(Json(listed.await?))
}

/// Gives a browser what it needs to make a passkey for whoever is signed in.
///
/// # Errors
/// [`ApiError`].
#[utoipa::path(
    post, path = "/api/v1/passkeys/challenge", tag = "sessions",
    responses(
        (status = 200, description = "What the browser is to do", body = PasskeyChallenge),
        (status = 401, description = "No session, or it has ended", body = ErrorBody),
        (status = 403, description = "Without its mark, or another site asks", body = ErrorBody),
        (status = 404, description = "Passkeys are not set up", body = ErrorBody),
        (status = 409, description = "There are eight already", body = ErrorBody),
        (status = 423, description = "The session is locked", body = ErrorBody),
    )
)]
pub async fn begin_passkey(
    State(state): State<HubState>,
    Unproven(asking): Unproven,
) -> Result<Json<PasskeyChallenge>, ApiError> {
    let shown = open_session(&asking, &state).await?;
    let begun = blocking(move || {
        let (main, now) = (state.main()?, state.clock.now());
        let account = &shown.session.account;
        passkey_desk::begin_making(&main, &rules(&state)?, account, now).map_err(refused)
    });
    Ok(given(begun.await?))
}

/// Keeps a passkey of whoever is signed in and gives their password; the fifth wrong one ends the session.
///
/// # Errors
/// [`ApiError`].
#[utoipa::path(
    post, path = "/api/v1/passkeys", tag = "sessions", request_body = PasskeyRequest,
    responses(
        (status = 201, description = "Kept", body = PasskeyView),
        (status = 401, description = "The password or the passkey is wrong, or there is no session",
            body = ErrorBody),
        (status = 403, description = "Without its mark, or another site asks", body = ErrorBody),
        (status = 404, description = "Passkeys are not set up", body = ErrorBody),
        (status = 409, description = "There are eight already", body = ErrorBody),
        (status = 422, description = "The name cannot be taken", body = ErrorBody),
        (status = 423, description = "The session is locked", body = ErrorBody),
    )
)]
pub async fn make_passkey(
    State(state): State<HubState>,
    Unproven(asking): Unproven,
    Sent(request): Sent<PasskeyRequest>,
) -> Result<Response, ApiError> {
    let ShownSession { session, actor, .. } = open_session(&asking, &state).await?;
    rules(&state)?;
    let answer = request.passkey.check()?;
    if !check_password(&state, &session, request.password).await? {
        let by = UnlockedBy::Nothing("wrong password for a passkey");
        let counted = state.clone().act(actor, move |main, _, acting| {
            unlocking::unlock(main, &session, &by, acting).map_err(ApiError::audit)
        });
        let came = counted.await?;
        return missed(&state, came, Unsigned::Password);
    }
    let wanted = WantedPasskey {
        account: session.account,
        name: request.name,
        answer,
    };
    let made = state.clone().act(actor, move |main, hub, acting| {
        passkey_desk::make(main, &rules(hub)?, &wanted, acting).map_err(refused)
    });
    let made = made.await?;
    let view = PasskeyView {
        passkey: made.id,
        name: made.name,
        made_at: made.made_at.to_string(),
        used_at: None,
    };
    Ok((StatusCode::CREATED, Json(view)).into_response())
}

/// Revokes a passkey of whoever is signed in, for good.
///
/// # Errors
/// [`ApiError`].
#[utoipa::path(
    post, path = "/api/v1/passkeys/{id}/revocation", tag = "sessions",
    params(("id" = String, Path, description = "The passkey's id")),
    responses(
        (status = 204, description = "Revoked"),
        (status = 401, description = "No session, or it has ended", body = ErrorBody),
        (status = 403, description = "Without its mark, or another site asks", body = ErrorBody),
        (status = 404, description = "They have no such passkey", body = ErrorBody),
        (status = 423, description = "The session is locked", body = ErrorBody),
    )
)]
pub async fn revoke_passkey(
    State(state): State<HubState>,
    Unproven(asking): Unproven,
    Path(id): Path<String>,
) -> Result<StatusCode, ApiError> {
    let ShownSession { session, actor, .. } = open_session(&asking, &state).await?;
    let revoked = state.act(actor, move |main, _, acting| {
        let done = passkey_revoking::revoke(main, &id, &session.account, acting);
        done.map_err(ApiError::audit)
    });
    match revoked.await? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(ApiError::NotFound),
    }
}
