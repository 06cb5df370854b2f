//! TLS settings (rustls with ring): who the hub believes and who it says it is.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier as _;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use thiserror::Error;
use varco_proto::time::UtcTime;

/// TLS cannot be set up from the files given.
#[derive(Debug, Error)]
pub enum TlsError {
    /// A file is not the PEM it should be: restore it, or begin a new home.
    #[error("the {what} is not readable as PEM")]
    Pem {
        /// Which file.
        what: &'static str,
        /// Why.
        source: rustls::pki_types::pem::Error,
    },
    /// Certificate and key are refused together: they are of different pairs or damaged.
    #[error("the certificate and its key are not usable")]
    Refused(#[from] rustls::Error),
    /// The text has no certificate that anybody could check.
    #[error("there is no certificate whose authority is known")]
    NoCertificate,
    /// The certificate is for no name: it needs subject alternative names.
    #[error("the certificate is for no name or address (subject alternative name)")]
    NoHost,
}

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

fn certificates(pem: &str, what: &'static str) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    CertificateDer::pem_slice_iter(pem.as_bytes())
        .collect::<Result<_, _>>()
        .map_err(|source| TlsError::Pem { what, source })
}

fn private_key(pem: &str) -> Result<PrivateKeyDer<'static>, TlsError> {
    PrivateKeyDer::from_pem_slice(pem.as_bytes()).map_err(|source| TlsError::Pem {
        what: "private key",
        source,
    })
}

fn roots(authority_pem: &str) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(authority_pem, "authority's certificate")? {
        roots.add(certificate)?;
    }
    Ok(roots)
}

/// A client that believes the authorities of a bundle, as the system keeps it; those that rustls
/// does not take are left out.
///
/// # Errors
/// [`TlsError`].
pub fn client_of_bundle(bundle_pem: &str) -> Result<ClientConfig, TlsError> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(certificates(bundle_pem, "bundle of authorities")?);
    Ok(ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth())
}

/// The certificates of a PEM text, as DER.
///
/// # Errors
/// [`TlsError`].
pub fn certificates_of(pem: &str) -> Result<Vec<Vec<u8>>, TlsError> {
    let all = certificates(pem, "certificates")?.into_iter();
    Ok(all
        .map(|certificate| certificate.as_ref().to_vec())
        .collect())
}

/// A client that believes one authority alone and shows a certificate of its own.
///
/// # Errors
/// [`TlsError`].
pub fn client_with_certificate(
    authority_pem: &str,
    certificate_pem: &str,
    key_pem: &str,
) -> Result<ClientConfig, TlsError> {
    let chain = certificates(certificate_pem, "client's certificate")?;
    Ok(ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots(authority_pem)?)
        .with_client_auth_cert(chain, private_key(key_pem)?)?)
}

/// Shakes hands over a socket and hangs up.
///
/// # Errors
/// Why the other side, or this one, does not agree.
pub fn shake_hands(
    settings: Arc<ClientConfig>,
    host: &str,
    socket: &mut std::net::TcpStream,
) -> anyhow::Result<()> {
    let name = rustls::pki_types::ServerName::try_from(host.to_owned())?;
    let mut connection = rustls::ClientConnection::new(settings, name)?;
    while connection.is_handshaking() {
        connection.complete_io(socket)?;
    }
    connection.send_close_notify();
    connection.complete_io(socket)?;
    Ok(())
}

/// A client that believes one authority alone.
///
/// # Errors
/// [`TlsError`].
pub fn client(authority_pem: &str) -> Result<ClientConfig, TlsError> {
    Ok(ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots(authority_pem)?)
        .with_no_client_auth())
}

/// The HTTPS server's settings: HTTP/1.1 over TLS 1.2 or 1.3, with one certificate.
///
/// # Errors
/// [`TlsError`].
pub fn server(certificate_pem: &str, key_pem: &str) -> Result<ServerConfig, TlsError> {
    let served = Served::new(certificate_pem, key_pem, None)?;
    server_of(ServedCertificates::new(served))
}

/// The HTTPS server's settings, with certificates that may be replaced while it runs. Connections
/// that are open are not touched.
///
/// # Errors
/// [`TlsError`].
pub fn server_of(certificates: Arc<ServedCertificates>) -> Result<ServerConfig, TlsError> {
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_cert_resolver(certificates);
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

fn certified(certificate_pem: &str, key_pem: &str) -> Result<Arc<CertifiedKey>, TlsError> {
    let chain = certificates(certificate_pem, "server's certificate")?;
    let key = CertifiedKey::from_der(chain, private_key(key_pem)?, &provider())?;
    Ok(Arc::new(key))
}

/// What is served: the authority's certificate, and perhaps one of another authority for some names.
#[derive(Debug, Clone)]
pub struct Served {
    authority: Arc<CertifiedKey>,
    own: Option<(Vec<String>, Arc<CertifiedKey>)>,
}

impl Served {
    /// From PEM: certificate and key of the hub's own authority; and for these hosts those of
    /// another, in one text.
    ///
    /// # Errors
    /// [`TlsError`].
    pub fn new(
        certificate_pem: &str,
        key_pem: &str,
        own: Option<(Vec<String>, &str)>,
    ) -> Result<Self, TlsError> {
        let authority = certified(certificate_pem, key_pem)?;
        let own = own.map(|(hosts, pem)| certified(pem, pem).map(|key| (hosts, key)));
        let own = own.transpose()?;
        Ok(Self { authority, own })
    }

    fn of(&self, name: Option<&str>) -> Arc<CertifiedKey> {
        match (&self.own, name) {
            (Some((hosts, own)), Some(name)) if hosts.iter().any(|host| covers(host, name)) => {
                Arc::clone(own)
            }
            _ => Arc::clone(&self.authority),
        }
    }
}

/// Whether a certificate's name is for a host: `*.` stands for one label.
#[must_use]
pub fn covers(of_certificate: &str, host: &str) -> bool {
    if let Some(rest) = of_certificate.strip_prefix("*.") {
        let below = host.split_once('.').map(|(_, below)| below);
        return below.is_some_and(|below| below.eq_ignore_ascii_case(rest));
    }
    of_certificate.eq_ignore_ascii_case(host)
}

/// The certificates that the HTTPS server shows, replaced while it runs.
#[derive(Debug)]
pub struct ServedCertificates(RwLock<Served>);

impl ServedCertificates {
    /// To begin with.
    #[must_use]
    pub fn new(served: Served) -> Arc<Self> {
        Arc::new(Self(RwLock::new(served)))
    }

    /// Shows others from the next handshake on.
    pub fn replace(&self, served: Served) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = served;
    }
}

impl ResolvesServerCert for ServedCertificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let served = self.0.read().unwrap_or_else(PoisonError::into_inner);
        Some(served.of(hello.server_name()))
    }
}

/// Checks a chain and its key, in PEM, as a caller at one of its hosts would: signatures, dates,
/// names. It must lead to an authority of `bundle_pem`, or to its own last certificate.
///
/// # Errors
/// [`TlsError`].
pub fn check_own(
    pem: &str,
    bundle_pem: Option<&str>,
    hosts: &[String],
    now: UtcTime,
) -> Result<(), TlsError> {
    let what = "certificate";
    certified(pem, pem)?;
    let chain = certificates(pem, what)?;
    let mut roots = RootCertStore::empty();
    if let Some(bundle) = bundle_pem {
        roots.add_parsable_certificates(certificates(bundle, "bundle of authorities")?);
    }
    let (first, rest) = chain.split_first().ok_or(TlsError::NoCertificate)?;
    if let Some(last) = rest.last() {
        roots.add(last.clone())?;
    }
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider())
        .build()
        .map_err(|_| TlsError::NoCertificate)?;
    let seconds = u64::try_from(now.unix_us() / 1_000_000).unwrap_or(0);
    let at = UnixTime::since_unix_epoch(Duration::from_secs(seconds));
    for host in hosts {
        let host = host.replacen('*', "any", 1);
        let name = ServerName::try_from(host).map_err(|_| TlsError::NoHost)?;
        verifier.verify_server_cert(first, rest, &name, &[], at)?;
    }
    if hosts.is_empty() {
        return Err(TlsError::NoHost);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::certificates::tls::*;

    #[test]
    fn a_star_stands_for_one_label() {
        assert!(covers("hub.example.it", "HUB.example.it"));
        assert!(covers("*.example.it", "hub.example.it"));
        for (name, host) in [
            ("*.example.it", "example.it"),
            ("*.example.it", "a.hub.example.it"),
            ("hub.example.it", "hub.example.com"),
        ] {
            assert!(!covers(name, host), "{name} {host}");
        }
    }
}
