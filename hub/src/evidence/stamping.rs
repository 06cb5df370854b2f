//! Asking a time-stamping service over HTTP (RFC 3161, section 3.4).

use std::time::Duration;

use reqwest::{Client, Url};
use thiserror::Error;
use varco_proto::ids::Digest;

use super::stamp::{StampError, StampRequest};
use crate::certificates::tls::{self, TlsError};
use crate::config::evidence::StampingConfig;
use crate::machine::files::{self, FileError};

/// Longest time for an answer.
const ANSWER_MAX: Duration = Duration::from_secs(10);
/// Largest answer, in bytes.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// There is no time stamp, so that nothing is extracted.
#[derive(Debug, Error)]
pub enum StampingError {
    /// Its certificates cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// They cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The service is away, or answers with an error.
    #[error("the time-stamping service does not answer")]
    Away(#[from] reqwest::Error),
    /// The answer is too large.
    #[error("the time-stamping service's answer is larger than {ANSWER_BYTES_MAX} bytes")]
    Large,
    /// The answer.
    #[error(transparent)]
    Stamp(#[from] StampError),
}

/// A service that is configured.
#[derive(Debug)]
pub struct Stamper {
    client: Client,
    url: Url,
}

impl Stamper {
    /// One that hub.toml names.
    ///
    /// # Errors
    /// [`StampingError`].
    pub fn new(config: &StampingConfig) -> Result<Self, StampingError> {
        let mut client = Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(ANSWER_MAX);
        if let Some(file) = &config.ca_file {
            let bundle = files::read_text(file)?;
            client = client.tls_backend_preconfigured(tls::client_of_bundle(&bundle)?);
        }
        Ok(Self {
            client: client.build()?,
            url: config.url.clone(),
        })
    }

    /// A checked token for a digest.
    ///
    /// # Errors
    /// [`StampingError`].
    pub async fn stamp(&self, imprint: Digest) -> Result<Vec<u8>, StampingError> {
        let request = StampRequest::new(imprint)?;
        let asked = self.client.post(self.url.clone());
        let asked = asked
            .header("content-type", "application/timestamp-query")
            .body(request.encode()?);
        let mut answer = asked.send().await?.error_for_status()?;
        let mut bytes = Vec::new();
        while let Some(chunk) = answer.chunk().await? {
            bytes.extend(&chunk);
            if bytes.len() > ANSWER_BYTES_MAX {
                return Err(StampingError::Large);
            }
        }
        Ok(request.token(&bytes)?)
    }
}
