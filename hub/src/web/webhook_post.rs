//! One HTTPS request that tells a system one message.

use std::time::Duration;

use reqwest::header::RETRY_AFTER;
use varco_proto::time::UtcTime;

use crate::alerts::patience::{Failure, retry_after};
use crate::alerts::target::Target;
use crate::certificates::tls;
use crate::machine::files;
use crate::timekeeping::Clock;

/// Longest attempt.
const ATTEMPT_MAX: Duration = Duration::from_secs(10);
/// Longest wait for a connection.
const CONNECT_MAX: Duration = Duration::from_secs(5);
/// How long a connection that nothing uses is kept.
const IDLE_MAX: Duration = Duration::from_secs(60);
/// Where the system keeps the authorities that it believes.
const SYSTEM_AUTHORITIES: &str = "/etc/ssl/certs/ca-certificates.crt";

/// The client of one system, kept so that its connections are used again.
#[derive(Default)]
pub(super) struct Clients {
    made: Option<(Option<String>, reqwest::Client)>,
}

impl Clients {
    /// The client for a target: the one before, unless another authority is to be believed.
    pub(super) fn of(&mut self, target: &Target) -> Result<reqwest::Client, String> {
        match &self.made {
            Some((authority, client)) if *authority == target.authority => Ok(client.clone()),
            _ => {
                let client = client(target.authority.as_deref())?;
                self.made = Some((target.authority.clone(), client.clone()));
                Ok(client)
            }
        }
    }
}

fn client(authority: Option<&str>) -> Result<reqwest::Client, String> {
    let settings = match authority {
        Some(pem) => tls::client(pem),
        None => {
            let bundle = files::read_text(std::path::Path::new(SYSTEM_AUTHORITIES));
            tls::client_of_bundle(&bundle.map_err(|error| error.to_string())?)
        }
    };
    reqwest::Client::builder()
        .tls_backend_preconfigured(settings.map_err(|error| error.to_string())?)
        .timeout(ATTEMPT_MAX)
        .connect_timeout(CONNECT_MAX)
        .pool_idle_timeout(IDLE_MAX)
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .map_err(|error| error.to_string())
}

/// Why no answer came, without the address, which may hold a secret of the other side's.
fn said(error: reqwest::Error) -> String {
    if error.is_timeout() {
        return "it does not answer in time".to_owned();
    }
    let error = error.without_url();
    let mut cause: &dyn std::error::Error = &error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    format!("{error}: {cause}")
}

/// Tells a system a message. Its id is the same for every attempt, so that the other side knows one
/// that it had.
pub(super) async fn post(
    client: &reqwest::Client,
    target: &Target,
    id: &str,
    body: &[u8],
    now: UtcTime,
    clock: &dyn Clock,
) -> Result<(), Failure> {
    let seconds = now.unix_us().div_euclid(1_000_000);
    let sent = client
        .post(&target.url)
        .header("content-type", "application/json")
        .header("webhook-id", id)
        .header("webhook-timestamp", seconds.to_string())
        .header("webhook-signature", target.signature(id, seconds, body))
        .body(body.to_vec())
        .send()
        .await;
    let response = sent.map_err(|error| Failure::Silent(said(error)))?;
    if response.status().is_success() {
        return Ok(());
    }
    let asked = response.headers().get(RETRY_AFTER);
    Err(Failure::Answered {
        status: response.status().as_u16(),
        retry_after: asked
            .and_then(|value| value.to_str().ok())
            .and_then(|text| retry_after(text, clock.now())),
    })
}
