//! The TLS of the broker's connection: TLS 1.2 and 1.3 by ring, with a client certificate.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::ClientConfig;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject as _;
use thiserror::Error;

use crate::adapters::trust;
use crate::config::Hub;

/// The files for TLS cannot be used; the daemon does not start.
#[derive(Debug, Error)]
pub enum TlsError {
    /// Correct the path or the file.
    #[error("`{key}`: cannot take PEM from `{path}`: {why}")]
    File {
        /// Key of the configuration.
        key: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// Certificate and key do not belong together, or are not of a kind that TLS takes.
    #[error("`hub.certificate_file` and `hub.key_file` cannot be used together")]
    Pair(#[source] rustls::Error),
}

/// Reads the files and makes the client's side of TLS.
pub(super) fn client(hub: &Hub, key_pem: &[u8]) -> Result<Arc<ClientConfig>, TlsError> {
    let roots =
        trust::authorities(&hub.ca_file).map_err(|why| file("hub.ca_file", &hub.ca_file, &why))?;
    let chain = trust::certificates(&hub.certificate_file)
        .map_err(|why| file("hub.certificate_file", &hub.certificate_file, &why))?;
    let key = PrivateKeyDer::from_pem_slice(key_pem)
        .map_err(|error| file("hub.key_file", &hub.key_file, &error))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|builder| {
            builder
                .with_root_certificates(roots)
                .with_client_auth_cert(chain, key)
        })
        .map(Arc::new)
        .map_err(TlsError::Pair)
}

fn file(key: &'static str, path: &Path, why: &dyn std::fmt::Display) -> TlsError {
    TlsError::File {
        key,
        path: path.to_owned(),
        why: why.to_string(),
    }
}
