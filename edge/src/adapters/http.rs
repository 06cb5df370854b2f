//! What this edge answers over HTTP: cameras that push, and whoever measures it. The only door to
//! axum, multer and MD5.

mod digest;
mod metrics;
mod multipart;
mod push;
mod tls;

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum_server::Handle;
use axum_server::tls_rustls::RustlsConfig;
use thiserror::Error;

pub use metrics::{Source, metrics};
pub use multipart::{parts, recorded_kind};
pub use push::{Door, Login, push};
pub use tls::{HttpTlsError, server as tls};

/// How long running requests may take at the end.
const GRACE: Duration = Duration::from_secs(2);

/// The address is taken, or not this box's.
#[derive(Debug, Error)]
#[error("`{key}`: cannot listen on {address}; change it or free the port")]
pub struct ListenError {
    key: &'static str,
    address: SocketAddr,
    source: std::io::Error,
}

/// A listening socket that serves nobody yet.
#[derive(Debug)]
pub struct Bound {
    listener: TcpListener,
    router: Router,
    tls: Option<Arc<rustls::ServerConfig>>,
}

impl Bound {
    /// Listens; `key` names the address in the configuration.
    ///
    /// # Errors
    /// [`ListenError`].
    pub fn new(
        key: &'static str,
        address: SocketAddr,
        router: Router,
        tls: Option<Arc<rustls::ServerConfig>>,
    ) -> Result<Self, ListenError> {
        let failed = |source| ListenError {
            key,
            address,
            source,
        };
        let listener = TcpListener::bind(address).map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        Ok(Self {
            listener,
            router,
            tls,
        })
    }

    /// Where it listens, when port 0 was asked for.
    #[must_use]
    pub fn address(&self) -> Option<SocketAddr> {
        self.listener.local_addr().ok()
    }

    /// Serves until the handle ends it. Needs a tokio runtime.
    ///
    /// # Errors
    /// What broke it off.
    pub async fn serve(self, serving: &Serving) -> std::io::Result<()> {
        let handle = serving.0.clone();
        let service = self
            .router
            .into_make_service_with_connect_info::<SocketAddr>();
        match self.tls {
            Some(tls) => {
                let tls = RustlsConfig::from_config(tls);
                let server = axum_server::from_tcp_rustls(self.listener, tls)?;
                server.handle(handle).serve(service).await
            }
            None => {
                let server = axum_server::from_tcp(self.listener)?;
                server.handle(handle).serve(service).await
            }
        }
    }
}

/// Ends what serves. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Serving(Handle<SocketAddr>);

impl Serving {
    /// Lets running requests end, for a moment.
    pub fn stop(&self) {
        self.0.graceful_shutdown(Some(GRACE));
    }
}
