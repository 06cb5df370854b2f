//! One connection to a camera, in the clear or by TLS.

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpStream, ToSocketAddrs as _};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, ClientConnection, DigitallySignedStruct, RootCertStore,
    SignatureScheme, StreamOwned,
};

use super::url::Url;
use crate::adapters::capture::error::CaptureError;
use crate::adapters::clock::SharedClock;
use crate::adapters::trust;

/// Longest wait for a connection, and for the camera to take what is sent. Short, because TCP itself
/// asks ever more rarely: a new attempt finds a link that is back sooner than an old one does.
const CONNECT_WAIT: Duration = Duration::from_secs(3);
/// Longest handshake of TLS, however its parts come.
const HANDSHAKE_WAIT: Duration = Duration::from_secs(5);
/// One look for what comes.
const LOOK: Duration = Duration::from_millis(100);
/// Most addresses of one name that are tried.
const ADDRESSES_MAX: usize = 4;

/// A connection.
#[derive(Debug)]
pub(super) struct Link {
    stream: Stream,
    peer: IpAddr,
    local: IpAddr,
}

#[derive(Debug)]
enum Stream {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

/// What a handshake is measured by, and whether anybody still waits for it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience<'a> {
    pub(super) clock: &'a SharedClock,
    pub(super) stop: &'a AtomicBool,
}

impl Link {
    /// Connects; `ca_file` is believed for `rtsps://`, or the system's authorities without it.
    pub(super) fn open(
        url: &Url,
        ca_file: Option<&Path>,
        patience: Patience<'_>,
    ) -> Result<Self, CaptureError> {
        let tcp = connect(url)?;
        let failed = |error: io::Error| unreachable(url, &error);
        let (peer, local) = (tcp.peer_addr(), tcp.local_addr());
        let (peer, local) = (peer.map_err(failed)?.ip(), local.map_err(failed)?.ip());
        let set = || -> io::Result<()> {
            tcp.set_nodelay(true)?;
            tcp.set_write_timeout(Some(CONNECT_WAIT))?;
            tcp.set_read_timeout(Some(LOOK))
        };
        set().map_err(failed)?;
        let stream = if url.is_tls {
            Stream::Tls(Box::new(secure(tcp, url, ca_file, patience)?))
        } else {
            Stream::Plain(tcp)
        };
        Ok(Self {
            stream,
            peer,
            local,
        })
    }

    pub(super) fn peer(&self) -> IpAddr {
        self.peer
    }

    pub(super) fn local(&self) -> IpAddr {
        self.local
    }

    /// What came, waiting a moment for it; nothing is no failure, the end is one.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> Result<usize, CaptureError> {
        let read = match &mut self.stream {
            Stream::Plain(tcp) => tcp.read(buffer),
            Stream::Tls(tls) => tls.read(buffer),
        };
        match read {
            Ok(0) => Err(CaptureError::Ended),
            Ok(length) => Ok(length),
            Err(error) => match error.kind() {
                ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted => Ok(0),
                _ => Err(CaptureError::Ended),
            },
        }
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<(), CaptureError> {
        let written = match &mut self.stream {
            Stream::Plain(tcp) => tcp.write_all(bytes),
            Stream::Tls(tls) => tls.write_all(bytes).and_then(|()| tls.flush()),
        };
        written.map_err(|_| CaptureError::Ended)
    }

    /// For waiting on several things at once.
    pub(super) fn handle(&self) -> BorrowedFd<'_> {
        match &self.stream {
            Stream::Plain(tcp) => tcp.as_fd(),
            Stream::Tls(tls) => tls.sock.as_fd(),
        }
    }
}

fn connect(url: &Url) -> Result<TcpStream, CaptureError> {
    let place = (url.host.as_str(), url.port);
    let addresses = place.to_socket_addrs().map_err(|_| CaptureError::NoHost {
        host: url.host.clone(),
    })?;
    let mut failure = None;
    for address in addresses.take(ADDRESSES_MAX) {
        match TcpStream::connect_timeout(&address, CONNECT_WAIT) {
            Ok(tcp) if is_itself(&tcp, address) => {
                // The system gave the asked port to the asking end: nobody listens there.
                failure = Some(ErrorKind::ConnectionRefused.into());
            }
            Ok(tcp) => return Ok(tcp),
            Err(error) => failure = Some(error),
        }
    }
    let failure = failure.unwrap_or(ErrorKind::NotFound.into());
    Err(unreachable(url, &failure))
}

fn is_itself(tcp: &TcpStream, address: SocketAddr) -> bool {
    tcp.local_addr().is_ok_and(|local| local == address)
}

fn unreachable(url: &Url, error: &io::Error) -> CaptureError {
    let port = url.port;
    match error.kind() {
        ErrorKind::ConnectionRefused => CaptureError::PortClosed { port },
        ErrorKind::TimedOut | ErrorKind::WouldBlock => CaptureError::Unreachable {
            why: format!("no answer within {} s", CONNECT_WAIT.as_secs()),
        },
        _ => CaptureError::Unreachable {
            why: error.to_string(),
        },
    }
}

fn secure(
    mut tcp: TcpStream,
    url: &Url,
    ca_file: Option<&Path>,
    patience: Patience<'_>,
) -> Result<StreamOwned<ClientConnection, TcpStream>, CaptureError> {
    let failed = |why: String| CaptureError::Tls { why };
    let name = ServerName::try_from(url.host.clone())
        .map_err(|_| failed(format!("`{}` is no name of a host", url.host)))?;
    let config = client(ca_file).map_err(failed)?;
    let mut tls = ClientConnection::new(config, name).map_err(|error| failed(error.to_string()))?;
    let mut greeted = Greeted::new(&mut tcp, patience);
    while tls.is_handshaking() {
        tls.complete_io(&mut greeted)
            .map_err(|error| failed(tls_words(&error)))?;
    }
    Ok(StreamOwned::new(tls, tcp))
}

/// A connection during its handshake. Its reading ends in time however slowly bytes come, because
/// rustls itself reads on until the handshake is done.
struct Greeted<'a, S> {
    stream: &'a mut S,
    patience: Patience<'a>,
    begun: Duration,
}

impl<'a, S> Greeted<'a, S> {
    fn new(stream: &'a mut S, patience: Patience<'a>) -> Self {
        let begun = patience.clock.monotonic();
        Self {
            stream,
            patience,
            begun,
        }
    }

    fn check(&self) -> io::Result<()> {
        if self.patience.stop.load(Ordering::Relaxed) {
            return Err(ErrorKind::ConnectionAborted.into());
        }
        let lasted = self.patience.clock.monotonic().saturating_sub(self.begun);
        if lasted >= HANDSHAKE_WAIT {
            return Err(ErrorKind::TimedOut.into());
        }
        Ok(())
    }
}

impl<S: io::Read> io::Read for Greeted<'_, S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            self.check()?;
            match self.stream.read(buffer) {
                // One look without anything.
                Err(error)
                    if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                other => return other,
            }
        }
    }
}

impl<S: io::Write> io::Write for Greeted<'_, S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.check()?;
        self.stream.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

/// In words what is wrong with the camera's certificate.
fn tls_words(error: &io::Error) -> String {
    let inner = error.get_ref();
    let inner = inner.and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match inner {
        Some(rustls::Error::InvalidCertificate(fault)) => match fault {
            CertificateError::UnknownIssuer => {
                "the authority that signed its certificate is not one that is believed".to_owned()
            }
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                "its certificate has ended".to_owned()
            }
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                "its certificate does not hold yet; is this box's clock right?".to_owned()
            }
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                "its certificate is for another name".to_owned()
            }
            other => format!("its certificate is not taken ({other:?})"),
        },
        Some(rustls::Error::InvalidMessage(_)) => "it does not speak TLS on that port".to_owned(),
        Some(other) => other.to_string(),
        None if error.kind() == ErrorKind::TimedOut => format!(
            "it does not end its handshake within {} s",
            HANDSHAKE_WAIT.as_secs()
        ),
        None if error.kind() == ErrorKind::UnexpectedEof => {
            "it ended the connection; it may know no TLS 1.2".to_owned()
        }
        None => error.to_string(),
    }
}

fn client(ca_file: Option<&Path>) -> Result<Arc<ClientConfig>, String> {
    let path: PathBuf = ca_file
        .unwrap_or(Path::new(trust::SYSTEM_AUTHORITIES))
        .into();
    let named = |why: String| format!("`{}` cannot be taken: {why}", path.display());
    let certificates = trust::certificates(&path).map_err(named)?;
    let mut roots = RootCertStore::empty();
    let pinned = match ca_file {
        Some(_) => certificates.clone(),
        None => Vec::new(),
    };
    roots.add_parsable_certificates(certificates);
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let chain = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
        .build()
        .ok();
    let verifier = Verifier {
        pinned,
        chain,
        provider: Arc::clone(&provider),
    };
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    Ok(Arc::new(config))
}

/// Believes a certificate that `ca_file` holds itself, as cameras make their own, and any other by
/// its chain, its name and its term.
#[derive(Debug)]
struct Verifier {
    pinned: Vec<CertificateDer<'static>>,
    chain: Option<Arc<WebPkiServerVerifier>>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if self.pinned.iter().any(|pinned| pinned == certificate) {
            return Ok(ServerCertVerified::assertion());
        }
        let unknown = rustls::Error::from(CertificateError::UnknownIssuer);
        let chain = self.chain.as_ref().ok_or(unknown)?;
        chain.verify_server_cert(certificate, others, name, ocsp, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let known = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signed, known)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let known = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signed, known)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        let known = self.provider.signature_verification_algorithms;
        known.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;
    use crate::adapters::clock::HandClock;

    /// One byte a second, for ever.
    struct Trickle(Arc<HandClock>);

    impl Read for Trickle {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.0.advance(Duration::from_secs(1));
            buffer[0] = 0;
            Ok(1)
        }
    }

    #[test]
    fn a_handshake_ends_in_time_however_slowly_it_comes_and_when_it_is_stopped() {
        let hand = HandClock::at(1_800_000_000_000_000);
        let clock: SharedClock = hand.clone();
        let stop = AtomicBool::new(false);
        let patience = Patience {
            clock: &clock,
            stop: &stop,
        };
        let mut trickle = Trickle(hand);
        let mut bytes = Vec::new();
        let mut greeted = Greeted::new(&mut trickle, patience);
        let error = greeted.read_to_end(&mut bytes).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        assert!(tls_words(&error).contains("within 5 s"));
        assert_eq!(bytes.len(), 5);
        stop.store(true, Ordering::Relaxed);
        let mut greeted = Greeted::new(&mut trickle, patience);
        let error = greeted.read(&mut [0]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionAborted);
    }
}
