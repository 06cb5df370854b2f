//! `/api/v1/session`: signing in and out, locking and unlocking.

use axum::Json;
use axum::extract::{FromRequestParts, State};
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use varco_proto::ids::Digest;

use super::arrival::{Asking, ShownSession, session_of};
use super::attempts::Noted;
use super::cookies;
use super::errors::{ApiError, ErrorBody};
use super::request::Sent;
use super::same_site;
use super::session_view::{SeenSession, SessionAnswer, answer_of};
use super::state::{HubState, blocking};
use super::unsigned::Unsigned;
use crate::audit::AuditError;
use crate::audit::action::Action;
use crate::audit::actor::Actor;
use crate::audit::told::{SignInDenied, Told as _};
use crate::people::appointments;
use crate::signing::challenges::{self, ChallengeError};
use crate::signing::posts::Post;
use crate::signing::sessions::{self, KnownSession};
use crate::signing::sign_in::{
    self, BegunSession, Entrance, PostProof, Recognised, SignInError, Typed,
};
use crate::signing::unlocking::{self, UnlockError, UnlockedBy, Unlocking};

/// A request as it was sent, before anybody looks at whose it is.
#[derive(Debug)]
pub struct Unproven(pub(super) Asking);

impl FromRequestParts<HubState> for Unproven {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &HubState) -> Result<Self, ApiError> {
        Asking::of(parts).map(Self)
    }
}

/// Something for a post to sign.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ChallengeAnswer {
    /// Hexadecimal digits; it holds once.
    pub challenge: String,
    /// For how many seconds it holds.
    pub holds_s: u64,
    /// Whether a person can sign in without a post.
    pub post_required: bool,
    /// Whether a person can sign in with a passkey.
    pub passkeys: bool,
}

/// A post, as it shows that somebody signs in from it now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PostProofBody {
    /// Its id, as its enrolment gave it.
    pub post: String,
    /// As `GET /api/v1/session/challenge` gave it.
    pub challenge: String,
    /// ECDSA with P-256 and SHA-256 (r and s, 128 hexadecimal digits), with the post's key, over the lines
    /// `varco sign-in 1`, the challenge, the post's id, and the user name or one-time code as it is sent.
    pub signature: String,
}

impl PostProofBody {
    pub(super) fn check(&self) -> Result<PostProof, ApiError> {
        let wrong = |_| ApiError::field("signature", "write it in hexadecimal digits");
        Ok(PostProof {
            post: self.post.clone(),
            challenge: self.challenge.clone(),
            signature: hex::decode(&self.signature).map_err(wrong)?,
        })
    }
}

/// What a person types to sign in.
#[derive(Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SignInRequest {
    /// In any case.
    pub user_name: String,
    /// The password.
    pub password: String,
    /// The six digits that the app shows.
    pub code: String,
    /// The workstation; needed unless hub.toml says otherwise.
    pub post: Option<PostProofBody>,
}

/// A password, to unlock a session.
#[derive(Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UnlockRequest {
    /// The person's own.
    pub password: String,
}

/// Gives a challenge for a post to sign.
///
/// # Errors
/// [`ApiError`].
#[utoipa::path(
    get, path = "/api/v1/session/challenge", tag = "sessions",
    responses((status = 200, description = "A challenge", body = ChallengeAnswer))
)]
pub async fn challenge(State(state): State<HubState>) -> Result<Json<ChallengeAnswer>, ApiError> {
    let drawn = state.signing.challenges.draw(state.clock.now());
    Ok(Json(ChallengeAnswer {
        challenge: drawn.map_err(|_| ApiError::Internal)?,
        holds_s: challenges::VALID.as_secs(),
        post_required: state.signing.terms.post_required,
        passkeys: state.signing.site.is_some(),
    }))
}

/// Signs a person in: password and the digits of the second factor, from an enrolled post. The session is
/// in the cookie `__Host-varco`.
///
/// # Errors
/// [`ApiError`].
#[utoipa::path(
    post, path = "/api/v1/session", tag = "sessions", request_body = SignInRequest,
    responses(
        (status = 201, description = "Signed in", body = SessionAnswer),
        (status = 401, description = "Not let in: the post, or what was typed", body = ErrorBody),
        (status = 403, description = "The account is disabled, or another site asks",
            body = ErrorBody),
        (status = 429, description = "Too many tries from this address, or with this user name",
            body = ErrorBody),
    )
)]
pub async fn sign_in(
    State(state): State<HubState>,
    Unproven(asking): Unproven,
    Sent(request): Sent<SignInRequest>,
) -> Result<Response, ApiError> {
    let proof = request
        .post
        .as_ref()
        .map(PostProofBody::check)
        .transpose()?;
    let post = prove(&state, &asking, proof, &request.user_name).await?;
    let name = name_digest(&request.user_name);
    let throttle = state.connections.throttle();
    if !throttle.may_sign_in(&name, state.clock.now()) {
        return Err(ApiError::TooMany);
    }
    let (desk, hub) = (state.signing.clone(), state.clone());
    let typed = Typed {
        user_name: request.user_name,
        password: request.password,
        digits: request.code,
    };
    let recognised = state.signing.hashing(move || {
        let main = hub.main()?;
        Ok(sign_in::recognise(
            &main,
            &desk.key,
            &typed,
            hub.clock.now(),
        ))
    });
    let recognised = recognised.await?;
    enter(&state, &asking, post, recognised, || {
        throttle.signed_in(&name)
    })
    .await
}

/// Lets in whoever was recognised, or says no. `signed_in` is done once their session began.
pub(super) async fn enter(
    state: &HubState,
    asking: &Asking,
    post: Option<Post>,
    recognised: Result<Recognised, SignInError>,
    signed_in: impl FnOnce(),
) -> Result<Response, ApiError> {
    let recognised = match recognised {
        Ok(recognised) => recognised,
        Err(error) => return denied(state, asking, post, error).await,
    };
    let (before, from) = (cookies::of(&asking.headers), asking.from());
    let (terms, shown) = (state.signing.terms, post.clone());
    let begun = state.clone().act(Actor::nobody(), move |main, _, acting| {
        let entrance = Entrance {
            post: shown.as_ref(),
            address: from,
            terms: &terms,
            before: before.as_deref(),
            passkey: None,
        };
        Ok(sign_in::let_in(main, &recognised, &entrance, acting))
    });
    match begun.await? {
        Ok(begun) => {
            signed_in();
            state.connections.tell_ended();
            asking.trail.name(&begun.actor);
            entered(state, &begun).await
        }
        Err(error) => denied(state, asking, post, error).await,
    }
}

fn name_digest(typed: &str) -> Digest {
    Digest::of(typed.trim().to_ascii_lowercase().as_bytes())
}

/// The post that was shown, where one is needed or was sent. Whoever fails here is a stranger and is
/// counted by address; who shows a post is not kept out by others of the address.
pub(super) async fn prove(
    state: &HubState,
    asking: &Asking,
    proof: Option<PostProof>,
    who: &str,
) -> Result<Option<Post>, ApiError> {
    if !same_site::is_ours(&asking.headers) {
        return Err(Unsigned::Site.into());
    }
    let (throttle, now) = (state.connections.throttle(), state.clock.now());
    let failed = |error: Unsigned| {
        if !throttle.may_knock(asking.from(), now) {
            return ApiError::TooMany;
        }
        throttle.failed(asking.from(), now);
        ApiError::Unsigned(error)
    };
    let Some(proof) = proof else {
        if state.signing.terms.post_required {
            return Err(failed(Unsigned::Post));
        }
        return match throttle.may_knock(asking.from(), now) {
            true => Ok(None),
            false => Err(ApiError::TooMany),
        };
    };
    let (hub, who) = (state.clone(), who.to_owned());
    let proven = blocking(move || {
        let mut main = hub.main()?;
        let _turn = hub.archive.turn();
        Ok(sign_in::prove_post(
            &mut main,
            &hub.signing.challenges,
            &proof,
            &who,
            now,
        ))
    });
    match proven.await? {
        Ok(post) => Ok(Some(post)),
        Err(SignInError::Post) => Err(failed(Unsigned::Post)),
        Err(SignInError::Challenge(_)) => Err(failed(Unsigned::Challenge)),
        Err(error) => Err(fault(error)),
    }
}

/// What is not the caller's doing.
fn fault(error: SignInError) -> ApiError {
    match error {
        SignInError::Store(error) => ApiError::store(error),
        SignInError::Audit(error) => ApiError::audit(error),
        other => {
            tracing::error!(error = %other, "somebody cannot be signed in");
            ApiError::Internal
        }
    }
}

/// Says no, once its line is written.
async fn denied(
    state: &HubState,
    asking: &Asking,
    post: Option<Post>,
    error: SignInError,
) -> Result<Response, ApiError> {
    let (why, account) = match error {
        SignInError::Wrong { account } => (Unsigned::Wrong, account),
        SignInError::Disabled { account } => (Unsigned::Disabled, Some(account)),
        SignInError::Challenge(ChallengeError::Ended | ChallengeError::Used) => {
            (Unsigned::Challenge, None)
        }
        error => return Err(fault(error)),
    };
    if post.is_none() {
        let throttle = state.connections.throttle();
        throttle.failed(asking.from(), state.clock.now());
    }
    let told = SignInDenied {
        account,
        post: post.map(|post| post.id),
        why: why.to_string(),
        address: asking.from(),
    };
    let hub = state.clone();
    blocking(move || {
        let entry = told.entry(Actor::nobody(), Action::SignInRefused)?;
        hub.note(&entry)
    })
    .await?;
    let mut response = ApiError::from(why).into_response();
    response.extensions_mut().insert(Noted);
    Ok(response)
}

/// The answer to who was let in, with the cookie.
pub(super) async fn entered(state: &HubState, begun: &BegunSession) -> Result<Response, ApiError> {
    let (hub, cookie) = (state.clone(), begun.cookie.clone());
    let answer = blocking(move || {
        let (main, now) = (hub.main()?, hub.clock.now());
        match sessions::shown(&main, &cookie, now)? {
            sessions::SessionShown::Holds(session) => {
                let may = appointments::permissions(&main, &session.actor_id, now)?;
                let seen = SeenSession {
                    session: &session,
                    cookie: &cookie,
                    may: may.as_ref(),
                    is_locked: false,
                };
                seen.answer(&main, &hub)
            }
            _ => Err(Unsigned::Ended.into()),
        }
    });
    let mut response = (StatusCode::CREATED, Json(answer.await?)).into_response();
    let cookie = cookies::give(&begun.cookie).ok_or(ApiError::Internal)?;
    response.headers_mut().insert(header::SET_COOKIE, cookie);
    Ok(response)
}

/// Shows the session of the cookie, also one that is locked.
///
/// # Errors
/// [`ApiError`].
#[utoipa::path(
    get, path = "/api/v1/session", tag = "sessions",
    responses(
        (status = 200, description = "The session", body = SessionAnswer),
        (status = 401, description = "No session, or it has ended", body = ErrorBody),
        (status = 403, description = "Another site asks", body = ErrorBody),
    )
)]
pub async fn show_session(
    State(state): State<HubState>,
    Unproven(asking): Unproven,
) -> Result<Json<SessionAnswer>, ApiError> {
    let shown = session_of(&asking, &state).await?;
    Ok(Json(answer_of(&state, shown).await?))
}

/// Says that the person is there, so that the session is not locked.
///
/// # Errors
/// [`ApiError`].
#[utoipa::path(
    post, path = "/api/v1/session/presence", tag = "sessions",
    responses(
        (status = 204, description = "Noted"),
        (status = 401, description = "No session, or it has ended", body = ErrorBody),
        (status = 403, description = "Without its mark, or another site asks", body = ErrorBody),
        (status = 423, description = "It is locked", body = ErrorBody),
    )
)]
pub async fn be_present(
    State(state): State<HubState>,
    Unproven(asking): Unproven,
) -> Result<StatusCode, ApiError> {
    let shown = session_of(&asking, &state).await?;
    if shown.is_locked {
        return Err(Unsigned::Locked.into());
    }
    blocking(move || {
        let main = state.main()?;
        let _turn = state.archive.turn();
        Ok(sessions::touch(
            &main,
            &shown.session.id,
            state.clock.now(),
        )?)
    })
    .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Locks the session: it shows nothing until the password is given.
///
/// # Errors
/// [`ApiError`].
#[utoipa::path(
    post, path = "/api/v1/session/locking", tag = "sessions",
    responses(
        (status = 204, description = "Locked"),
        (status = 401, description = "No session, or it has ended", body = ErrorBody),
        (status = 403, description = "Without its mark, or another site asks", body = ErrorBody),
    )
)]
pub async fn lock(
    State(state): State<HubState>,
    Unproven(asking): Unproven,
) -> Result<StatusCode, ApiError> {
    let ShownSession { session, actor, .. } = session_of(&asking, &state).await?;
    let locked = state.clone().act(actor, move |main, _, acting| {
        unlocking::lock(main, &session, acting).map_err(ApiError::from)
    });
    locked.await?;
    state.connections.tell_ended();
    Ok(StatusCode::NO_CONTENT)
}

/// Unlocks the session with the person's password; the fifth wrong one ends it.
///
/// # Errors
/// [`ApiError`].
#[utoipa::path(
    post, path = "/api/v1/session/unlocking", tag = "sessions", request_body = UnlockRequest,
    responses(
        (status = 200, description = "Unlocked", body = SessionAnswer),
        (status = 401, description = "The password is wrong, or the session has ended",
            body = ErrorBody),
        (status = 403, description = "Without its mark, or another site asks", body = ErrorBody),
    )
)]
pub async fn unlock(
    State(state): State<HubState>,
    Unproven(asking): Unproven,
    Sent(request): Sent<UnlockRequest>,
) -> Result<Response, ApiError> {
    let shown = session_of(&asking, &state).await?;
    let by = match check_password(&state, &shown.session, request.password).await? {
        true => UnlockedBy::Password,
        false => UnlockedBy::Nothing("wrong password at a locked session"),
    };
    let (session, actor) = (shown.session.clone(), shown.actor.clone());
    let unlocked = state.clone().act(actor, move |main, _, acting| {
        let done = unlocking::unlock(main, &session, &by, acting);
        done.map_err(|error: AuditError| ApiError::audit(error))
    });
    answer_unlocking(&state, shown, unlocked.await?, Unsigned::Password).await
}

/// Whether a password is that of a session's person.
pub(super) async fn check_password(
    state: &HubState,
    session: &KnownSession,
    password: String,
) -> Result<bool, ApiError> {
    let (hub, session) = (state.clone(), session.clone());
    let right = state.signing.hashing(move || {
        let checked = unlocking::is_right(&*hub.main()?, &session, &password);
        checked.map_err(|error| match error {
            UnlockError::Store(error) => ApiError::store(error),
            UnlockError::Hash(error) => fault(error.into()),
        })
    });
    right.await
}

/// Says what came of a try to unlock a session, whose line is written: `wrong` where the proof was.
pub(super) async fn answer_unlocking(
    state: &HubState,
    mut shown: ShownSession,
    came: Unlocking,
    wrong: Unsigned,
) -> Result<Response, ApiError> {
    if came == Unlocking::Unlocked {
        shown.is_locked = false;
        return Ok(Json(answer_of(state, shown).await?).into_response());
    }
    missed(state, came, wrong)
}

/// Says that a proof at a session was wrong, whose line is written, or that the session ended by it.
pub(super) fn missed(
    state: &HubState,
    came: Unlocking,
    wrong: Unsigned,
) -> Result<Response, ApiError> {
    state.connections.tell_ended();
    let why = match came {
        Unlocking::Ended => Unsigned::Ended,
        _ => wrong,
    };
    let mut response = ApiError::from(why).into_response();
    response.extensions_mut().insert(Noted);
    Ok(response)
}

/// Signs out: the session ends for good, and its streams with it.
///
/// # Errors
/// [`ApiError`].
#[utoipa::path(
    post, path = "/api/v1/session/ending", tag = "sessions",
    responses(
        (status = 204, description = "Signed out"),
        (status = 401, description = "No session, or it has ended", body = ErrorBody),
        (status = 403, description = "Without its mark, or another site asks", body = ErrorBody),
    )
)]
pub async fn sign_out(
    State(state): State<HubState>,
    Unproven(asking): Unproven,
) -> Result<Response, ApiError> {
    let ShownSession { session, actor, .. } = session_of(&asking, &state).await?;
    let ended = state.clone().act(actor, move |main, _, acting| {
        unlocking::sign_out(main, &session, acting).map_err(ApiError::from)
    });
    ended.await?;
    state.connections.tell_ended();
    let mut response = StatusCode::NO_CONTENT.into_response();
    if let Some(cookie) = cookies::take_away() {
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    Ok(response)
}
