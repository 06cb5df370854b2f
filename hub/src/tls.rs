//! TLS settings (rustls with ring): who the hub believes and who it says it is.

use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use thiserror::Error;

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

/// The HTTPS server's settings: HTTP/1.1 over TLS 1.2 or 1.3.
///
/// # Errors
/// [`TlsError`].
pub fn server(certificate_pem: &str, key_pem: &str) -> Result<ServerConfig, TlsError> {
    let chain = certificates(certificate_pem, "server's certificate")?;
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, private_key(key_pem)?)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}
