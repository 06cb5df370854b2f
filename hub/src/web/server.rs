//! The HTTPS server (axum-server over hyper), and the plain one that measures.
//!
//! What holds a connection up has a term each: the TLS handshake (axum-server's acceptor), a
//! request's head and the wait for the next one (hyper's `header_read_timeout`, which needs a timer
//! and HTTP/1 alone: hyper-util's look for HTTP/2 has none), a request's body and the work on it
//! (`web/router.rs`), and a reader who does not read (`web/guard.rs`, which also counts).

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum_server::accept::DefaultAcceptor;
use axum_server::tls_rustls::{RustlsAcceptor, RustlsConfig};
use axum_server::{Handle, Server};
use hyper_util::rt::TokioTimer;
use thiserror::Error;
use tokio::sync::watch;

use super::attempts::Attempts;
use super::connections::HttpConnections;
use super::guard::Guard;
use super::router::router;
use super::state::HubState;

/// How long running requests may take when the hub stops.
const GRACE: Duration = Duration::from_secs(3);

/// Most bytes of a request's head.
const HEAD_BYTES_MAX: usize = 64 * 1024;

/// The server cannot run.
#[derive(Debug, Error)]
pub enum ServeError {
    /// The address is taken or not this machine's: change `http.listen`.
    #[error("cannot listen on {address}; change `http.listen` in hub.toml or free the port")]
    Listen {
        /// Which.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// The server broke off.
    #[error("the HTTPS server broke off")]
    Broken(#[source] std::io::Error),
}

/// Takes a socket to listen at.
///
/// # Errors
/// [`ServeError::Listen`].
pub fn listen(address: SocketAddr) -> Result<TcpListener, ServeError> {
    let failed = |source| ServeError::Listen { address, source };
    let listener = TcpListener::bind(address).map_err(failed)?;
    listener.set_nonblocking(true).map_err(failed)?;
    Ok(listener)
}

/// Serves on a socket that is already bound, until `stop` says so.
///
/// # Errors
/// [`ServeError`].
pub async fn serve_on(
    listener: TcpListener,
    tls: rustls::ServerConfig,
    state: HubState,
    stop: watch::Receiver<bool>,
) -> Result<(), ServeError> {
    tracing::info!(address = ?listener.local_addr().ok(), "serving");
    let connections = Arc::clone(&state.connections);
    let acceptor = RustlsAcceptor::new(RustlsConfig::from_config(Arc::new(tls)))
        .handshake_timeout(connections.limits().head_timeout);
    let guard = Guard::new(acceptor, Arc::clone(&connections));
    let server = axum_server::from_tcp(listener).map_err(ServeError::Broken)?;
    let mut server = server.acceptor(guard).http1_only();
    limit_heads(&mut server, &connections);
    let (handle, watcher) = until(stop);
    let attempts = Attempts::new(&state);
    let telling = tokio::spawn(attempts.clone().tell_until(state.stop.clone()));
    let router = router(state, attempts);
    let served = server
        .handle(handle)
        .serve(router.into_make_service_with_connect_info::<SocketAddr>())
        .await;
    watcher.abort();
    if served.is_ok() {
        // The hub stops: what was counted until now is written first.
        let _ = telling.await;
    } else {
        telling.abort();
    }
    served.map_err(ServeError::Broken)
}

/// Serves without TLS, on an address of this machine alone.
pub(super) async fn serve_plain(
    listener: TcpListener,
    router: Router,
    connections: Arc<HttpConnections>,
    stop: watch::Receiver<bool>,
) -> std::io::Result<()> {
    let guard = Guard::new(DefaultAcceptor::new(), Arc::clone(&connections));
    let mut server = axum_server::from_tcp(listener)?
        .acceptor(guard)
        .http1_only();
    limit_heads(&mut server, &connections);
    let (handle, watcher) = until(stop);
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    let served = server.handle(handle).serve(service).await;
    watcher.abort();
    served
}

/// Serves with TLS what has no callers that are known.
pub(super) async fn serve_tls(
    listener: TcpListener,
    tls: rustls::ServerConfig,
    router: Router,
    connections: Arc<HttpConnections>,
    stop: watch::Receiver<bool>,
) -> std::io::Result<()> {
    let acceptor = RustlsAcceptor::new(RustlsConfig::from_config(Arc::new(tls)))
        .handshake_timeout(connections.limits().head_timeout);
    let guard = Guard::new(acceptor, Arc::clone(&connections));
    let mut server = axum_server::from_tcp(listener)?
        .acceptor(guard)
        .http1_only();
    limit_heads(&mut server, &connections);
    let (handle, watcher) = until(stop);
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    let served = server.handle(handle).serve(service).await;
    watcher.abort();
    served
}

fn limit_heads<A>(server: &mut Server<SocketAddr, A>, connections: &HttpConnections) {
    server
        .http_builder()
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(connections.limits().head_timeout)
        .max_buf_size(HEAD_BYTES_MAX);
}

/// What ends a server when the hub stops.
fn until(mut stop: watch::Receiver<bool>) -> (Handle<SocketAddr>, tokio::task::JoinHandle<()>) {
    let handle = Handle::new();
    let stopping = handle.clone();
    let watcher = tokio::spawn(async move {
        let _ = stop.wait_for(|stop| *stop).await;
        stopping.graceful_shutdown(Some(GRACE));
    });
    (handle, watcher)
}
