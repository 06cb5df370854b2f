//! Lets connections in and ends those that stand still: what stands between the socket and HTTP.
//!
//! The handshake has a term (axum-server's acceptor), and so has a request's head (hyper's
//! `header_read_timeout`). What neither knows is here: how many there may be, and whether the other
//! side reads what it is sent.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum_server::accept::Accept;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Sleep, sleep};

use super::connections::{Admission, HttpConnections};
use crate::machine::measures;

/// What a reader must take of what waits for it within the term, in bytes.
const TAKEN_MIN: usize = 16 * 1024;

/// Lets connections in before another acceptor has them.
#[derive(Debug, Clone)]
pub(super) struct Guard<A> {
    inner: A,
    connections: Arc<HttpConnections>,
}

impl<A> Guard<A> {
    pub(super) fn new(inner: A, connections: Arc<HttpConnections>) -> Self {
        Self { inner, connections }
    }
}

type Accepting<I, S> = Pin<Box<dyn Future<Output = io::Result<(Guarded<I>, S)>> + Send>>;

impl<A, S> Accept<TcpStream, S> for Guard<A>
where
    A: Accept<TcpStream, S>,
    A::Future: Send + 'static,
    A::Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    A::Service: Send + 'static,
{
    type Stream = Guarded<A::Stream>;
    type Service = A::Service;
    type Future = Accepting<A::Stream, A::Service>;

    fn accept(&self, stream: TcpStream, service: S) -> Self::Future {
        let admission = stream
            .peer_addr()
            .and_then(|peer| self.connections.admit(peer).ok_or_else(turned_away));
        let mut admission = match admission {
            Ok(admission) => admission,
            Err(error) => return Box::pin(std::future::ready(Err(error))),
        };
        // Without it small answers wait for the other side's acknowledgement.
        let _ = stream.set_nodelay(true);
        let accepting = self.inner.accept(stream, service);
        let term = self.connections.limits().stalled_timeout;
        Box::pin(async move {
            let (inner, service) = tokio::select! {
                accepted = accepting => accepted?,
                _ = &mut admission.ended => return Err(turned_away()),
            };
            let guarded = Guarded {
                inner,
                admission,
                gone: false,
                stalled: Stalled::new(term),
            };
            Ok((guarded, service))
        })
    }
}

fn turned_away() -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionAborted, "too many connections")
}

/// A connection that ends when its place is wanted, or when the other side does not read.
#[derive(Debug)]
pub(super) struct Guarded<I> {
    inner: I,
    admission: Admission,
    /// Whether it was told to go.
    gone: bool,
    stalled: Stalled,
}

/// How long the other side has not read.
#[derive(Debug)]
struct Stalled {
    term: Duration,
    /// Runs while something waits to be read.
    timer: Option<Pin<Box<Sleep>>>,
    taken: usize,
}

impl Stalled {
    fn new(term: Duration) -> Self {
        Self {
            term,
            timer: None,
            taken: 0,
        }
    }

    /// Some of what waits was taken.
    fn take(&mut self, count: usize) {
        self.taken += count;
        if self.taken >= TAKEN_MIN {
            self.timer = None;
        }
    }

    /// Something waits: an error when it has for too long.
    fn wait<T>(&mut self, context: &mut Context<'_>) -> Poll<io::Result<T>> {
        let term = self.term;
        let timer = self.timer.get_or_insert_with(|| {
            self.taken = 0;
            Box::pin(sleep(term))
        });
        ready!(timer.as_mut().poll(context));
        measures::turned_away("slow-reader");
        Poll::Ready(Err(io::Error::from(io::ErrorKind::TimedOut)))
    }
}

impl<I> Guarded<I> {
    /// An error when the connection has to go.
    fn go(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        self.gone = self.gone || Pin::new(&mut self.admission.ended).poll(context).is_ready();
        if self.gone {
            Err(turned_away())
        } else {
            Ok(())
        }
    }
}

impl<I: AsyncRead + Unpin> AsyncRead for Guarded<I> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.go(context)?;
        Pin::new(&mut self.inner).poll_read(context, buffer)
    }
}

impl<I: AsyncWrite + Unpin> AsyncWrite for Guarded<I> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.go(context)?;
        match Pin::new(&mut self.inner).poll_write(context, bytes) {
            Poll::Ready(Ok(count)) => {
                self.stalled.take(count);
                Poll::Ready(Ok(count))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => self.stalled.wait(context),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.go(context)?;
        match Pin::new(&mut self.inner).poll_flush(context) {
            Poll::Ready(flushed) => {
                // The system has all of it.
                self.stalled.timer = None;
                Poll::Ready(flushed)
            }
            Poll::Pending => self.stalled.wait(context),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.go(context)?;
        match Pin::new(&mut self.inner).poll_shutdown(context) {
            Poll::Ready(ended) => Poll::Ready(ended),
            Poll::Pending => self.stalled.wait(context),
        }
    }
}
