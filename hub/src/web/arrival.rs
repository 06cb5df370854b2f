//! Who asks: by a token in `Authorization`, or by a session in its cookie. A token that is there counts
//! alone.

use std::net::{IpAddr, SocketAddr};

use axum::extract::ConnectInfo;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method};
use varco_proto::ids::Digest;

use super::attempts::Trail;
use super::connections::address_of;
use super::cookies;
use super::errors::ApiError;
use super::let_in::LetInBy;
use super::presence;
use super::same_site;
use super::state::{HubState, blocking};
use super::unsigned::Unsigned;
use crate::audit::actor::Actor;
use crate::bodies::Body;
use crate::people::actors;
use crate::people::tokens::{self, Shown};
use crate::policy::caller::Caller;
use crate::signing::posts;
use crate::signing::sessions::{self, KnownSession, SessionShown};
use crate::store::StoreError;
use crate::store::sql::Connection;

/// The header that forms and pictures of other sites cannot send.
pub(super) const MARK: &str = "x-varco-session";

/// Who asks.
#[derive(Debug)]
pub(super) struct Arrival {
    /// For lines.
    pub(super) actor: Actor,
    /// As the policy judges them.
    pub(super) caller: Caller,
    pub(super) by: LetInBy,
}

/// What is read of a request before its body.
#[derive(Debug, Clone)]
pub(super) struct Asking {
    pub(super) headers: HeaderMap,
    pub(super) method: Method,
    pub(super) peer: Option<SocketAddr>,
    pub(super) trail: Trail,
}

impl Asking {
    /// Of a request, within the layer that notes attempts.
    pub(super) fn of(parts: &Parts) -> Result<Self, ApiError> {
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>();
        // Without it an attempt would leave no line.
        let trail = parts.extensions.get::<Trail>().ok_or(ApiError::Internal)?;
        Ok(Self {
            headers: parts.headers.clone(),
            method: parts.method.clone(),
            peer: peer.map(|ConnectInfo(peer)| *peer),
            trail: trail.clone(),
        })
    }

    /// Where from, as it is counted.
    pub(super) fn from(&self) -> Option<IpAddr> {
        self.peer.map(address_of)
    }
}

impl Arrival {
    /// Who asks, by either way.
    pub(super) async fn of(asking: &Asking, state: &HubState) -> Result<Self, ApiError> {
        let arrival = if asking.headers.contains_key(AUTHORIZATION) {
            by_token(asking, state).await?
        } else {
            by_session(asking, state).await?
        };
        let throttle = state.connections.throttle();
        let actor = &arrival.actor;
        let credential = actor.credential().or(actor.session()).unwrap_or(actor.id());
        if !throttle.may_ask(credential, state.clock.now()) {
            return Err(ApiError::TooMany);
        }
        if let Some(peer) = asking.peer {
            state.connections.know(peer, arrival.actor.id())?;
        }
        Ok(arrival)
    }
}

async fn by_token(asking: &Asking, state: &HubState) -> Result<Arrival, ApiError> {
    let header = asking.headers.get(AUTHORIZATION);
    let token = header
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, token)| token.trim().to_owned())
        .ok_or(ApiError::NoToken)?;
    let (from, now) = (asking.from(), state.clock.now());
    let (throttle, digest) = (state.connections.throttle(), Digest::of(token.as_bytes()));
    if !throttle.may_try(from, &digest, now) {
        return Err(ApiError::TooMany);
    }
    let reading = state.clone();
    let shown = blocking(move || {
        let main = reading.main()?;
        let shown = tokens::shown(&main, &token, now)?;
        let caller = match &shown {
            Shown::Holds(held) => Caller::by_token(&main, held)?,
            Shown::Ended(_) | Shown::Unknown => None,
        };
        Ok((shown, caller))
    });
    let (shown, caller) = shown.await?;
    let held = match shown {
        Shown::Holds(held) => held,
        Shown::Ended(actor) => {
            asking.trail.name(&actor);
            return Err(ApiError::TokenEnded);
        }
        Shown::Unknown => {
            throttle.failed(from, now);
            return Err(ApiError::NoToken);
        }
    };
    asking.trail.name(&held.actor);
    throttle.held(digest, now);
    let caller = caller.ok_or(ApiError::NoOffice)?;
    if held.is_to_be_noted {
        let noting = state.clone();
        blocking(move || {
            let main = noting.main()?;
            let _turn = noting.archive.turn();
            Ok(tokens::touch(&main, &digest, now)?)
        })
        .await?;
    }
    let by = LetInBy::Token(digest);
    let actor = held.actor.of_body(caller.body.id.as_str());
    asking.trail.name(&actor);
    Ok(Arrival { actor, caller, by })
}

/// A session that was shown, with whose it is.
#[derive(Debug)]
pub(super) struct ShownSession {
    pub(super) session: KnownSession,
    pub(super) actor: Actor,
    /// The same, as the policy judges them; none without an office.
    pub(super) caller: Option<Caller>,
    pub(super) cookie: String,
    pub(super) is_locked: bool,
}

/// Whoever signed in, as the policy judges them: at a post when that stands in the rooms of their own body, or of
/// the body of whoever sits beside them.
pub(super) fn caller_of(
    main: &Connection,
    state: &HubState,
    actor: &Actor,
    session: &KnownSession,
) -> Result<Option<Caller>, ApiError> {
    let Some(caller) = caller_of_person(main, state, actor, session)? else {
        return Ok(None);
    };
    let Some(mut caller) = with_beside(main, state, Some(caller))? else {
        return Ok(None);
    };
    if let Some(beside) = &caller.beside {
        caller.at_post |= is_post_of(main, session, &beside.body)?;
    }
    Ok(Some(caller))
}

/// The same without anybody beside them.
pub(super) fn caller_of_person(
    main: &Connection,
    state: &HubState,
    actor: &Actor,
    session: &KnownSession,
) -> Result<Option<Caller>, StoreError> {
    let Some(mut caller) = Caller::by_session(main, actor, state.clock.now())? else {
        return Ok(None);
    };
    caller.at_post = match &session.post {
        Some(_) => is_post_of(main, session, &caller.body)?,
        None => !state.signing.terms.post_required,
    };
    Ok(Some(caller))
}

fn is_post_of(main: &Connection, session: &KnownSession, body: &Body) -> Result<bool, StoreError> {
    let Some(post) = &session.post else {
        return Ok(false);
    };
    let post = posts::of_id(main, post)?;
    Ok(post.is_some_and(|post| post.holds() && post.body == body.id.as_str()))
}

/// A technician with whoever sits beside them; anybody else as they are.
pub(super) fn with_beside(
    main: &Connection,
    state: &HubState,
    caller: Option<Caller>,
) -> Result<Option<Caller>, ApiError> {
    match caller {
        Some(caller) if caller.is_technician() => {
            let beside = presence::beside(main, state, &caller)?;
            Ok(Some(caller.with(beside)))
        }
        caller => Ok(caller),
    }
}

/// The session of a request, held or locked. What changes something must carry its mark.
pub(super) async fn session_of(
    asking: &Asking,
    state: &HubState,
) -> Result<ShownSession, ApiError> {
    let cookie = cookies::of(&asking.headers).ok_or(Unsigned::NoSession)?;
    let (from, now) = (asking.from(), state.clock.now());
    let (throttle, digest) = (state.connections.throttle(), sessions::digest_of(&cookie));
    if !throttle.may_try(from, &digest, now) {
        return Err(ApiError::TooMany);
    }
    let (reading, shown) = (state.clone(), cookie.clone());
    let read = blocking(move || {
        let main = reading.main()?;
        let shown = sessions::shown(&main, &shown, now)?;
        let (known, is_locked, is_ended) = match shown {
            SessionShown::Holds(known) => (known, false, false),
            SessionShown::Locked(known) => (known, true, false),
            SessionShown::Ended(known) => (known, false, true),
            SessionShown::Unknown => return Ok(None),
        };
        let actor = actors::of_id(&main, &known.actor_id)?;
        let Some(actor) = actor else {
            return Ok(None);
        };
        let actor = actor.signed_in(known.id.clone(), known.post.clone());
        let caller = caller_of(&main, &reading, &actor, &known)?;
        let actor = match &caller {
            Some(caller) => actor.of_body(caller.body.id.as_str()),
            None => actor,
        };
        Ok(Some((known, actor, caller, is_locked, is_ended)))
    });
    let Some((session, actor, caller, is_locked, is_ended)) = read.await? else {
        throttle.failed(from, now);
        return Err(Unsigned::NoSession.into());
    };
    asking.trail.name(&actor);
    if is_ended {
        return Err(Unsigned::Ended.into());
    }
    throttle.held(digest, now);
    if !same_site::is_ours(&asking.headers) {
        return Err(Unsigned::Site.into());
    }
    if !asking.method.is_safe() {
        let mark = asking.headers.get(MARK).and_then(|mark| mark.to_str().ok());
        if !mark.is_some_and(|mark| state.signing.is_mark(&cookie, mark)) {
            return Err(Unsigned::Mark.into());
        }
    }
    Ok(ShownSession {
        session,
        actor,
        caller,
        cookie,
        is_locked,
    })
}

async fn by_session(asking: &Asking, state: &HubState) -> Result<Arrival, ApiError> {
    if !asking.headers.contains_key(axum::http::header::COOKIE) {
        return Err(ApiError::NoToken);
    }
    let shown = session_of(asking, state)
        .await
        .map_err(|error| match error {
            // Whoever has a cookie of something else has neither.
            ApiError::Unsigned(Unsigned::NoSession) => ApiError::NoToken,
            error => error,
        })?;
    if shown.is_locked {
        return Err(Unsigned::Locked.into());
    }
    let caller = shown.caller.ok_or(Unsigned::NoOffice)?;
    let now = state.clock.now();
    if shown.session.is_to_be_noted(now) {
        let (noting, id) = (state.clone(), shown.session.id.clone());
        blocking(move || {
            let main = noting.main()?;
            let _turn = noting.archive.turn();
            Ok(sessions::touch(&main, &id, now)?)
        })
        .await?;
    }
    let by = LetInBy::Session(sessions::digest_of(&shown.cookie));
    Ok(Arrival {
        actor: shown.actor,
        caller,
        by,
    })
}
