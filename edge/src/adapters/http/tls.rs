//! The listener's TLS: 1.2 and 1.3 by ring, with cameras' certificates when they are asked for.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::server::WebPkiClientVerifier;
use thiserror::Error;

use crate::adapters::trust;
use crate::config::ListenerTls;

/// The listener's files cannot be used; the daemon does not start.
#[derive(Debug, Error)]
pub enum HttpTlsError {
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
    /// The files do not go together.
    #[error("the certificates of `listener` cannot be used together: {0}")]
    Pair(String),
}

/// Reads the files and makes the server's side of TLS.
///
/// # Errors
/// [`HttpTlsError`].
pub fn server(files: &ListenerTls) -> Result<Arc<ServerConfig>, HttpTlsError> {
    let pair = |error: &dyn std::fmt::Display| HttpTlsError::Pair(error.to_string());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let chain = trust::certificates(&files.certificate_file)
        .map_err(|why| file("listener.certificate_file", &files.certificate_file, &why))?;
    let key = PrivateKeyDer::from_pem_file(&files.key_file)
        .map_err(|error| file("listener.key_file", &files.key_file, &error))?;
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| pair(&error))?;
    let builder = match &files.client_ca_file {
        None => builder.with_no_client_auth(),
        Some(path) => {
            let roots = trust::authorities(path)
                .map_err(|why| file("listener.client_ca_file", path, &why))?;
            let roots = Arc::new(roots);
            let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider).build();
            builder.with_client_cert_verifier(verifier.map_err(|error| pair(&error))?)
        }
    };
    let config = builder.with_single_cert(chain, key);
    config.map(Arc::new).map_err(|error| pair(&error))
}

fn file(key: &'static str, path: &Path, why: &dyn std::fmt::Display) -> HttpTlsError {
    HttpTlsError::File {
        key,
        path: path.to_owned(),
        why: why.to_string(),
    }
}
