//! The door at which cameras push their readings.

use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, BodyDataStream};
use axum::extract::{Extension, Path, State};
use axum::http::header::{AUTHORIZATION, CONNECTION, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, HeaderName, Method, StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use axum::routing::any;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::StreamExt as _;
use serde::Deserialize;
use tokio::sync::Semaphore;
use varco_proto::ids::CameraId;

use super::digest::{Nonces, Request, same};
use super::multipart::parts;
use super::serving::Seat;
use crate::adapters::clock::SharedClock;
use crate::onboard::part::MESSAGE_BYTES_MAX;
use crate::onboard::sink::{Answer, Sink};

/// Messages of one camera that are read at once; further ones wait for their turn.
const AT_ONCE_MAX: usize = 2;
/// How long a message may take to come.
const MESSAGE_WITHIN: Duration = Duration::from_secs(20);
/// After how long a camera may come again, in seconds.
const AGAIN_S: &str = "5";

/// One camera's door.
#[derive(Debug, Clone)]
pub struct Door {
    /// Its place in the configuration.
    pub reader: usize,
    /// Its name, which is in the address.
    pub camera: CameraId,
    /// How it shows who it is.
    pub login: DoorLogin,
    /// The only address that it may come from.
    pub from: Option<IpAddr>,
}

/// How a camera shows who it is, with the secret itself.
#[derive(Clone)]
pub enum DoorLogin {
    /// User and password, for HTTP Digest.
    Digest(String, String),
    /// User and password, for HTTP Basic.
    Basic(String, String),
    /// The end of the address.
    Path(String),
}

// A secret must not be printed by accident.
impl fmt::Debug for DoorLogin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Digest(..) => "Digest",
            Self::Basic(..) => "Basic",
            Self::Path(_) => "Path",
        })
    }
}

#[derive(Debug)]
struct Shared {
    doors: Vec<Door>,
    sink: Arc<dyn Sink>,
    clock: SharedClock,
    nonces: Mutex<Nonces>,
    /// Of each door: a place is given after the login.
    places: Vec<Semaphore>,
}

/// How a stranger is answered.
enum Turned {
    Nobody,
    Elsewhere,
    Unknown,
    Method,
}

/// Answers `POST /push/CAMERA` and `/push/CAMERA/SECRET`.
pub fn push(
    doors: Vec<Door>,
    sink: Arc<dyn Sink>,
    clock: SharedClock,
    nonce_secret: &[u8; 32],
) -> Router {
    let place = |_: &Door| Semaphore::new(AT_ONCE_MAX);
    let shared = Shared {
        places: doors.iter().map(place).collect(),
        doors,
        sink,
        clock,
        nonces: Mutex::new(Nonces::new(nonce_secret)),
    };
    Router::new()
        .route("/push/{camera}", any(pushed))
        .route("/push/{camera}/{secret}", any(pushed))
        .with_state(Arc::new(shared))
}

/// What the address says.
#[derive(Deserialize)]
struct Named {
    camera: String,
    secret: Option<String>,
}

async fn pushed(
    State(shared): State<Arc<Shared>>,
    Extension(seat): Extension<Seat>,
    Path(Named { camera, secret }): Path<Named>,
    request: axum::extract::Request,
) -> Response {
    let (head, body) = request.into_parts();
    let came = Came {
        seat,
        camera,
        secret,
        method: head.method,
        uri: head.uri,
        headers: head.headers,
    };
    came.answer(&shared, body).await
}

struct Came {
    seat: Seat,
    camera: String,
    secret: Option<String>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
}

impl Came {
    async fn answer(self, shared: &Arc<Shared>, body: Body) -> Response {
        let mut known = shared.doors.iter().zip(&shared.places);
        let Some((door, place)) = known.find(|(door, _)| door.camera.as_str() == self.camera)
        else {
            return self.turn_away_after(body, shared, &Turned::Nobody).await;
        };
        if let Err(turned) = self.admitted(shared, door) {
            shared.sink.turned_away(door.reader);
            return self.turn_away_after(body, shared, &turned).await;
        }
        self.seat.know(door.reader);
        let read = async {
            // Held until the message is sealed: a camera can fill its own memory here, and no more.
            let turn = place.acquire().await;
            (turn, within(body, true).await)
        };
        match tokio::time::timeout(MESSAGE_WITHIN, read).await {
            Ok((_turn, Some(body))) => self.take(shared, door.reader, body).await,
            outcome => {
                shared.sink.turned_away(door.reader);
                let status = match outcome {
                    Err(_) => StatusCode::REQUEST_TIMEOUT,
                    Ok(_) => StatusCode::PAYLOAD_TOO_LARGE,
                };
                (
                    status,
                    [(CONNECTION, "close")],
                    "the message is not taken\n",
                )
                    .into_response()
            }
        }
    }

    /// What a stranger sends is read first, as far as the time of his connection goes.
    async fn turn_away_after(&self, body: Body, shared: &Shared, turned: &Turned) -> Response {
        let _ = tokio::time::timeout(MESSAGE_WITHIN, within(body, false)).await;
        self.turn_away(shared, turned)
    }

    fn admitted(&self, shared: &Shared, door: &Door) -> Result<(), Turned> {
        let from = self.seat.from;
        if door.from.is_some_and(|only| only.to_canonical() != from) {
            return Err(Turned::Elsewhere);
        }
        let authorization = self.headers.get(AUTHORIZATION);
        let authorization = authorization.and_then(|value| value.to_str().ok());
        let authorization = authorization.unwrap_or_default();
        let knows = match (&door.login, &self.secret) {
            (DoorLogin::Path(secret), Some(said)) => same(said, secret),
            (DoorLogin::Path(_), None) | (_, Some(_)) => return Err(Turned::Nobody),
            (DoorLogin::Basic(user, password), None) => {
                let text = STANDARD.encode(format!("{user}:{password}"));
                let said = authorization.split_once(' ').unwrap_or_default();
                said.0.eq_ignore_ascii_case("Basic") && same(said.1.trim(), &text)
            }
            (DoorLogin::Digest(user, password), None) => {
                let uri = self.uri.path_and_query().map_or("", |uri| uri.as_str());
                let request = Request {
                    method: self.method.as_str(),
                    uri,
                    authorization,
                };
                let now = shared.clock.monotonic();
                let mut nonces = shared.nonces.lock().unwrap_or_else(PoisonError::into_inner);
                nonces.admit(request, user, password, now)
            }
        };
        match (knows, &door.login) {
            (true, _) if self.method != Method::POST => Err(Turned::Method),
            (true, _) => Ok(()),
            // Whoever guesses at secrets must not learn which camera there is.
            (false, DoorLogin::Path(_)) => Err(Turned::Nobody),
            (false, _) => Err(Turned::Unknown),
        }
    }

    fn turn_away(&self, shared: &Shared, turned: &Turned) -> Response {
        match turned {
            Turned::Nobody => StatusCode::NOT_FOUND.into_response(),
            Turned::Elsewhere => StatusCode::FORBIDDEN.into_response(),
            Turned::Method => {
                let what = "readings are sent by POST\n";
                (StatusCode::METHOD_NOT_ALLOWED, what).into_response()
            }
            Turned::Unknown => {
                let mut response = StatusCode::UNAUTHORIZED.into_response();
                for challenge in self.challenges(shared) {
                    if let Ok(value) = challenge.parse() {
                        response.headers_mut().append(WWW_AUTHENTICATE, value);
                    }
                }
                response
            }
        }
    }

    fn challenges(&self, shared: &Shared) -> Vec<String> {
        let mut doors = shared.doors.iter();
        let door = doors.find(|door| door.camera.as_str() == self.camera);
        match door.map(|door| &door.login) {
            Some(DoorLogin::Digest(..)) => {
                let mut nonces = shared.nonces.lock().unwrap_or_else(PoisonError::into_inner);
                nonces.challenges(shared.clock.monotonic()).into()
            }
            _ => vec!["Basic realm=\"varco-edge\"".to_owned()],
        }
    }

    async fn take(&self, shared: &Arc<Shared>, reader: usize, body: Vec<u8>) -> Response {
        let kind = self.headers.get(CONTENT_TYPE);
        let kind = kind.and_then(|value| value.to_str().ok());
        let kind = kind.unwrap_or_default().to_owned();
        let sink = Arc::clone(&shared.sink);
        let work = move || match parts(&kind, body) {
            Ok(parts) => sink.take(reader, &parts),
            Err(malformed) => sink.refused(reader, malformed),
        };
        // Megabytes are taken apart, pictures decoded and the disk written: not here. The work goes
        // on to its end, also when the camera goes before the answer.
        match tokio::task::spawn_blocking(work).await {
            Ok(answer) => respond(answer),
            Err(_) => busy("it failed; see the log"),
        }
    }
}

fn respond(answer: Answer) -> Response {
    match answer {
        Answer::Taken => (StatusCode::OK, "taken\n").into_response(),
        Answer::Repeated => (StatusCode::OK, "taken before\n").into_response(),
        Answer::Other(what) => {
            (StatusCode::OK, format!("nothing to take: {what}\n")).into_response()
        }
        // What was taken would only be repeated, so it is not sent again.
        Answer::Part(what) => (StatusCode::OK, format!("taken in part: {what}\n")).into_response(),
        Answer::Malformed(what) => (StatusCode::BAD_REQUEST, format!("{what}\n")).into_response(),
        Answer::Busy(why) => busy(why),
    }
}

fn busy(why: &str) -> Response {
    let again: [(HeaderName, &str); 1] = [(RETRY_AFTER, AGAIN_S)];
    let what = format!("send it again: {why}\n");
    (StatusCode::SERVICE_UNAVAILABLE, again, what).into_response()
}

/// The whole body, or none when it is too much or breaks off. What a stranger sends is read too,
/// or a camera would see a broken connection instead of the challenge; but it is not kept.
async fn within(body: Body, is_kept: bool) -> Option<Vec<u8>> {
    let mut stream: BodyDataStream = body.into_data_stream();
    let (mut kept, mut length) = (Vec::new(), 0_usize);
    while let Some(piece) = stream.next().await {
        let piece = piece.ok()?;
        length = length.checked_add(piece.len())?;
        if length > MESSAGE_BYTES_MAX {
            return None;
        }
        if is_kept {
            kept.extend_from_slice(&piece);
        }
    }
    Some(kept)
}
