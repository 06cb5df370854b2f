//! The HTTPS server (axum-server).

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use axum_server::Handle;
use axum_server::tls_rustls::RustlsConfig;
use thiserror::Error;
use tokio::sync::watch;

use super::router::router;
use super::state::HubState;

/// How long running requests may take when the hub stops.
const GRACE: Duration = Duration::from_secs(3);

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
    mut stop: watch::Receiver<bool>,
) -> Result<(), ServeError> {
    let handle = Handle::new();
    let stopping = handle.clone();
    let watcher = tokio::spawn(async move {
        let _ = stop.wait_for(|stop| *stop).await;
        stopping.graceful_shutdown(Some(GRACE));
    });
    tracing::info!(address = ?listener.local_addr().ok(), "serving");
    let server = axum_server::from_tcp_rustls(listener, RustlsConfig::from_config(Arc::new(tls)))
        .map_err(ServeError::Broken)?;
    let served = server
        .handle(handle)
        .serve(router(state).into_make_service_with_connect_info::<SocketAddr>())
        .await;
    watcher.abort();
    served.map_err(ServeError::Broken)
}
