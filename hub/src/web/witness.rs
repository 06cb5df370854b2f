//! A witness over HTTP or HTTPS: `POST /add-checkpoint` (C2SP tlog-witness), and nothing else. It knows nobody: what
//! counts is who signed the checkpoint.

use std::net::TcpListener;
use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use tokio::sync::watch;

use super::connections::HttpConnections;
use super::server::{ServeError, serve_plain, serve_tls};
use crate::config::http_limits::HttpLimits;
use crate::store::StoreError;
use crate::timekeeping::SharedClock;
use crate::witnessing::witness::{REQUEST_BYTES_MAX, ShownFork, Witness, WitnessAnswer, Witnessed};

/// Whom a fork is told to that a witness was shown.
pub type ForkTold = Arc<dyn Fn(&ShownFork) + Send + Sync>;

/// What the route works with.
#[derive(Clone)]
pub struct WitnessDesk {
    /// Who cosigns.
    pub witness: Arc<Witness>,
    /// The time of its cosignatures.
    pub clock: SharedClock,
    /// Told beside the log of the daemon.
    pub told: Option<ForkTold>,
}

impl WitnessDesk {
    fn answer(&self, body: &str) -> Result<WitnessAnswer, StoreError> {
        let Witnessed { answer, fork } = self.witness.witness(body, self.clock.now())?;
        if let Some(fork) = fork {
            tracing::error!(
                log = fork.log,
                cosigned = fork.cosigned,
                shown = fork.shown,
                "a log does not continue what was cosigned; the request is kept as evidence"
            );
            if let Some(told) = &self.told {
                told(&fork);
            }
        }
        Ok(answer)
    }
}

async fn add_checkpoint(State(desk): State<WitnessDesk>, body: String) -> Response {
    let asked = tokio::task::spawn_blocking(move || desk.answer(&body)).await;
    match asked {
        Ok(Ok(answer)) => written(answer),
        Ok(Err(error)) => {
            let source = std::error::Error::source(&error).map(ToString::to_string);
            let source = source.unwrap_or_default();
            tracing::error!(error = %error, source, "nothing can be cosigned");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

fn written(answer: WitnessAnswer) -> Response {
    match answer {
        WitnessAnswer::Cosigned(line) => line.into_response(),
        WitnessAnswer::Malformed => StatusCode::BAD_REQUEST.into_response(),
        WitnessAnswer::NotSigned => StatusCode::FORBIDDEN.into_response(),
        WitnessAnswer::UnknownLog => StatusCode::NOT_FOUND.into_response(),
        WitnessAnswer::Conflict(size) => {
            let kind = [(CONTENT_TYPE, "text/x.tlog.size")];
            (StatusCode::CONFLICT, kind, format!("{size}\n")).into_response()
        }
        WitnessAnswer::NotConsistent => StatusCode::UNPROCESSABLE_ENTITY.into_response(),
    }
}

/// Serves a witness on a socket, with HTTPS or without, until `stop` says so.
///
/// # Errors
/// [`ServeError::Broken`].
pub async fn serve_witness(
    listener: TcpListener,
    server_tls: Option<rustls::ServerConfig>,
    desk: WitnessDesk,
    stop: watch::Receiver<bool>,
) -> Result<(), ServeError> {
    tracing::info!(address = ?listener.local_addr().ok(), "witnessing");
    let router = Router::new()
        .route("/add-checkpoint", post(add_checkpoint))
        .layer(DefaultBodyLimit::max(REQUEST_BYTES_MAX))
        .with_state(desk);
    let connections = HttpConnections::new(HttpLimits::default());
    let served = match server_tls {
        Some(server_tls) => serve_tls(listener, server_tls, router, connections, stop).await,
        None => serve_plain(listener, router, connections, stop).await,
    };
    served.map_err(ServeError::Broken)
}
