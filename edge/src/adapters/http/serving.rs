//! Accepts connections and serves them, each in a task of its own.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

use super::guests::{Guest, Guests};

/// How long a TLS handshake may take.
const HANDSHAKE_WITHIN: Duration = Duration::from_secs(10);
/// How long the system is given when it has no more sockets.
const NO_SOCKETS: Duration = Duration::from_millis(100);
/// How long a connection that has to make room may take for the answer under way.
const LEAVE_WITHIN: Duration = Duration::from_secs(2);

/// The connection that a request came on, and the others of its listener.
#[derive(Debug, Clone)]
pub(super) struct Seat {
    pub(super) from: IpAddr,
    pub(super) guests: Arc<Guests>,
    pub(super) guest: Arc<Guest>,
}

impl Seat {
    /// Its login was right.
    pub(super) fn know(&self, reader: usize) {
        self.guests.know(&self.guest, reader);
    }
}

impl Drop for Leaving {
    fn drop(&mut self) {
        self.0.guests.leave(&self.0.guest);
    }
}

/// Leaves when it is dropped, however the connection ends.
struct Leaving(Seat);

/// What all connections of a listener have in common.
#[derive(Clone)]
pub(super) struct Common {
    pub(super) router: Router,
    pub(super) tls: Option<TlsAcceptor>,
    pub(super) guests: Arc<Guests>,
    pub(super) stop: watch::Receiver<bool>,
}

/// Accepts until it is stopped; gives the listener's own failure.
pub(super) async fn accept(
    listener: tokio::net::TcpListener,
    common: Common,
) -> std::io::Result<()> {
    let mut stop = common.stop.clone();
    let mut tasks = tokio::task::JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stop.wait_for(|stop| *stop) => break,
            Some(_) = tasks.join_next() => continue,
        };
        match accepted {
            Ok((stream, from)) => {
                tasks.spawn(common.clone().connection(stream, from));
            }
            // Nothing is wrong with the listener: a peer went, or there are no more sockets.
            Err(error) => {
                tracing::debug!(%error, "a connection is not accepted");
                tokio::time::sleep(NO_SOCKETS).await;
            }
        }
    }
    // Those that are being answered see the stop themselves.
    while tasks.join_next().await.is_some() {}
    Ok(())
}

impl Common {
    async fn connection(self, stream: TcpStream, from: SocketAddr) {
        let from = from.ip().to_canonical();
        let seat = Seat {
            from,
            guests: Arc::clone(&self.guests),
            guest: self.guests.enter(from),
        };
        let leaving = Leaving(seat.clone());
        // An answer is short: it must not wait for more of it.
        let _ = stream.set_nodelay(true);
        match self.tls.clone() {
            None => self.serve(stream, seat).await,
            Some(tls) => {
                let shaken = tokio::select! {
                    shaken = tokio::time::timeout(HANDSHAKE_WITHIN, tls.accept(stream)) => shaken,
                    () = seat.guest.leaves() => return,
                };
                if let Ok(Ok(stream)) = shaken {
                    self.serve(stream, seat).await;
                }
            }
        }
        drop(leaving);
    }

    async fn serve<S>(self, stream: S, seat: Seat)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let guest = Arc::clone(&seat.guest);
        let within = self.guests.stranger_within();
        let router = TowerToHyperService::new(self.router);
        let service = hyper::service::service_fn(move |request: hyper::Request<_>| {
            let mut request: Request = request.map(Body::new);
            request.extensions_mut().insert(seat.clone());
            hyper::service::Service::call(&router, request)
        });
        // Cameras keep a connection for their next vehicle, however long that takes: what bounds a
        // half-sent head is the stranger's time, and the number of a camera's connections.
        let connection = hyper::server::conn::http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(None)
            .half_close(true)
            .serve_connection(TokioIo::new(stream), service);
        tokio::pin!(connection);
        let mut stop = self.stop;
        let stranger_is_late = async {
            tokio::time::sleep(within).await;
            if guest.is_known() {
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            _ = connection.as_mut() => return,
            () = stranger_is_late => {}
            () = guest.leaves() => {}
            _ = stop.wait_for(|stop| *stop) => {}
        }
        connection.as_mut().graceful_shutdown();
        let _ = tokio::time::timeout(LEAVE_WITHIN, connection).await;
    }
}
