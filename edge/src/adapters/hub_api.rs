//! The hub's HTTPS address, for enrolment and renewal: the only door to reqwest.

use std::sync::Arc;
use std::time::Duration;

use reqwest::Client;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::trust;

/// Longest wait for an answer.
const ANSWER_MAX: Duration = Duration::from_secs(30);

/// The hub does not give what was asked for.
#[derive(Debug, Error)]
pub enum HubApiError {
    /// Give the hub's own `ca.crt`.
    #[error("no authority to check the hub by: {0}")]
    Authority(String),
    /// Try again when the link is back, or correct the address.
    #[error("cannot reach the hub at {url}; check the address, the network, and the authority")]
    Unreachable {
        /// Its address.
        url: String,
        /// What went wrong.
        source: reqwest::Error,
    },
    /// What to do stands in the text.
    #[error("the hub says no: {error}. {what_to_do}")]
    Refused {
        /// Why.
        error: String,
        /// As the hub says.
        what_to_do: String,
    },
    /// It is no Varco hub, or of another version.
    #[error("the hub at {0} answers what cannot be understood")]
    Answer(String),
}

#[derive(Debug, Deserialize)]
struct ErrorBody {
    error: String,
    what_to_do: String,
}

/// What a box sends with its token.
#[derive(Serialize)]
pub struct Enrolment<'a> {
    /// As the person typed it.
    pub token: &'a str,
    /// Certificate request, DER, hexadecimal.
    pub request: String,
    /// Public sealing key.
    pub sealing_key: String,
    /// By the sealing key, hexadecimal.
    pub proof: String,
}

/// What an enrolled box gets.
#[derive(Debug, Deserialize)]
pub struct Enrolled {
    /// Its name.
    pub edge: String,
    /// Its gate.
    pub gate: String,
    /// Its certificate, PEM.
    pub certificate: String,
    /// The authority's certificate, PEM.
    pub authority: String,
    /// The broker; none for the host at which the hub was reached.
    pub broker_host: Option<String>,
    /// The broker's port.
    pub broker_port: u16,
    /// Opens receipts.
    pub hub_key: String,
}

#[derive(Serialize)]
struct Renewal<'a> {
    edge: &'a str,
    envelope: String,
}

#[derive(Debug, Deserialize)]
struct Renewed {
    certificate: String,
}

/// A hub's API.
#[derive(Debug)]
pub struct HubApi {
    client: Client,
    url: String,
}

impl HubApi {
    /// At an address, `https://HOST:PORT`. Its certificate must come from the authority given, or
    /// from one that the system believes.
    ///
    /// # Errors
    /// [`HubApiError::Authority`].
    pub fn new(url: &str, authority_pem: Option<&[u8]>) -> Result<Self, HubApiError> {
        let system;
        let pem = match authority_pem {
            Some(pem) => pem,
            None => {
                system = std::fs::read(trust::SYSTEM_AUTHORITIES).map_err(|error| {
                    let path = trust::SYSTEM_AUTHORITIES;
                    HubApiError::Authority(format!("`{path}`: {error}; give --ca"))
                })?;
                &system
            }
        };
        let why = |error: &dyn std::fmt::Display| HubApiError::Authority(error.to_string());
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(pem) {
            let certificate = certificate.map_err(|error| why(&error))?;
            roots.add(certificate).map_err(|error| why(&error))?;
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| why(&error))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let client = Client::builder()
            .tls_backend_preconfigured(tls)
            .https_only(true)
            .timeout(ANSWER_MAX)
            .build()
            .map_err(|error| why(&error))?;
        Ok(Self {
            client,
            url: url.trim_end_matches('/').to_owned(),
        })
    }

    /// Enrols this box.
    ///
    /// # Errors
    /// [`HubApiError`].
    pub async fn enrol(&self, enrolment: &Enrolment<'_>) -> Result<Enrolled, HubApiError> {
        self.post("/api/v1/enrolments", enrolment).await
    }

    /// Asks for a new certificate with a sealed request; gives it in PEM.
    ///
    /// # Errors
    /// [`HubApiError`].
    pub async fn renew(&self, edge: &str, envelope: &[u8]) -> Result<String, HubApiError> {
        let body = Renewal {
            edge,
            envelope: hex::encode(envelope),
        };
        let renewed: Renewed = self.post("/api/v1/renewals", &body).await?;
        Ok(renewed.certificate)
    }

    async fn post<A: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<A, HubApiError> {
        let unreachable = |source: reqwest::Error| HubApiError::Unreachable {
            url: self.url.clone(),
            source: source.without_url(),
        };
        let sent = self.client.post(format!("{}{path}", self.url)).json(body);
        let answer = sent.send().await.map_err(unreachable)?;
        let strange = |_: reqwest::Error| HubApiError::Answer(self.url.clone());
        if answer.status().is_success() {
            return answer.json().await.map_err(strange);
        }
        let refused: ErrorBody = answer.json().await.map_err(strange)?;
        Err(HubApiError::Refused {
            error: refused.error,
            what_to_do: refused.what_to_do,
        })
    }
}
