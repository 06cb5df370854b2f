//! What this edge answers over HTTP: cameras that push, and whoever measures it. The only door to
//! axum, hyper, tokio-rustls, multer and MD5.

mod digest;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod guests;
mod metrics;
mod multipart;
mod push;
mod serving;
mod tls;

use std::net::{IpAddr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use thiserror::Error;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

use self::guests::{Guests, House};
use self::serving::Common;

pub use metrics::{Source, metrics};
pub use multipart::{parts, recorded_kind};
pub use push::{Door, DoorLogin, push};
pub use tls::{HttpTlsError, server as tls};

/// Most connections of strangers.
const STRANGERS_MAX: usize = 64;
/// Most connections from the address of a camera before its login.
const EXPECTED_MAX: usize = 8;
/// Most connections of one camera.
const KNOWN_MAX: usize = 8;
/// How long a connection may last without a login.
const STRANGER_WITHIN: Duration = Duration::from_secs(30);

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
    expected: Vec<IpAddr>,
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
            expected: Vec::new(),
        })
    }

    /// Keeps places for who comes from these addresses.
    #[must_use]
    pub fn expecting(self, addresses: impl IntoIterator<Item = IpAddr>) -> Self {
        let expected = addresses.into_iter().map(|address| address.to_canonical());
        Self {
            expected: expected.collect(),
            ..self
        }
    }

    /// Where it listens, when port 0 was asked for.
    #[must_use]
    pub fn address(&self) -> Option<SocketAddr> {
        self.listener.local_addr().ok()
    }

    /// Serves until it is stopped. Needs a tokio runtime.
    ///
    /// # Errors
    /// What broke it off.
    pub async fn serve(self, serving: &Serving) -> std::io::Result<()> {
        let common = Common {
            router: self.router,
            tls: self.tls.map(TlsAcceptor::from),
            guests: Arc::new(Guests::of(House {
                strangers_max: STRANGERS_MAX,
                expected_max: EXPECTED_MAX,
                known_max: KNOWN_MAX,
                stranger_within: STRANGER_WITHIN,
                expected: self.expected,
            })),
            stop: serving.0.subscribe(),
        };
        let listener = tokio::net::TcpListener::from_std(self.listener)?;
        serving::accept(listener, common).await
    }
}

/// Ends what serves. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Serving(Arc<watch::Sender<bool>>);

impl Serving {
    /// Lets running requests end, for a moment.
    pub fn stop(&self) {
        self.0.send_replace(true);
    }
}
