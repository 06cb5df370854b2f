//! `POST /api/v1/enrolments` and `POST /api/v1/renewals`: certificates for boxes.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Json;
use axum::extract::{ConnectInfo, State};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use varco_proto::ids::EdgeId;
use varco_proto::keys::OpeningKey;
use varco_proto::time::UtcTime;

use super::connections::address_of;
use super::errors::{ApiError, ErrorBody};
use super::request::Sent;
use super::state::{HubState, blocking};
use crate::certificates::authority::CertificateError;
use crate::enrolment::{self, EnrolmentError};
use crate::home::Home;
use crate::machine::files;
use crate::upkeep::health::Check;
use crate::upkeep::server_certificate;

/// Most failures from one address within [`FAILURES_WITHIN`].
const FAILURES_MAX: u32 = 5;
const FAILURES_WITHIN: Duration = Duration::from_secs(60);
/// Most addresses remembered. Beyond them nobody is let in until the oldest are forgotten.
const ADDRESSES_MAX: usize = 4096;

/// What the routes need.
#[derive(Clone)]
pub struct EnrolmentDesk {
    home: Home,
    broker_host: String,
    broker_port: u16,
    valid: Duration,
    failures: Arc<Mutex<Failures>>,
}

impl EnrolmentDesk {
    /// Over a home, with the broker as the hub reaches it and the life of a certificate.
    #[must_use]
    pub fn new(home: Home, broker_host: String, broker_port: u16, valid: Duration) -> Self {
        Self {
            home,
            broker_host,
            broker_port,
            valid,
            failures: Arc::default(),
        }
    }

    /// Whether the hub's certificates hold.
    pub(super) fn certificates(&self, now: UtcTime) -> Vec<Check> {
        server_certificate::checks(&self.home, now)
    }

    /// When they end.
    pub(super) fn certificates_end(&self, now: UtcTime) -> Vec<(&'static str, UtcTime)> {
        let all = server_certificate::all(&self.home, now).unwrap_or_default();
        let ends = all
            .into_iter()
            .map(|one| Some((one.which, one.ends.parse().ok()?)));
        ends.flatten().collect()
    }

    fn failures(&self) -> std::sync::MutexGuard<'_, Failures> {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Who failed lately, and how often.
#[derive(Debug, Default)]
struct Failures {
    of: HashMap<IpAddr, (UtcTime, u32)>,
}

impl Failures {
    fn is_shut_out(&mut self, who: IpAddr, now: UtcTime) -> bool {
        self.of
            .retain(|_, (since, _)| now.since(*since) < FAILURES_WITHIN);
        match self.of.get(&who) {
            Some((_, times)) => *times >= FAILURES_MAX,
            None => self.of.len() >= ADDRESSES_MAX,
        }
    }

    fn note(&mut self, who: IpAddr, now: UtcTime) {
        let (_, times) = self.of.entry(who).or_insert((now, 0));
        *times += 1;
    }
}

/// What a box sends with its token.
#[derive(Clone, Deserialize, ToSchema)]
pub struct EnrolmentBody {
    /// As `varco-hub edge invite` gave it.
    pub token: String,
    /// PKCS#10 request (DER, hexadecimal), signed with the TLS key.
    pub request: String,
    /// The box's public sealing key, 64 hexadecimal digits.
    pub sealing_key: String,
    /// Ed25519 signature, hexadecimal, with the sealing key, over token and request.
    pub proof: String,
}

/// What an enrolled box gets.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct EnrolmentAnswer {
    /// Its name.
    pub edge: String,
    /// Its gate.
    pub gate: String,
    /// Its certificate, PEM.
    pub certificate: String,
    /// The authority's certificate, PEM.
    pub authority: String,
    /// The broker; null for the host at which the hub was reached.
    pub broker_host: Option<String>,
    /// The broker's port.
    pub broker_port: u16,
    /// The hub's public key, which opens receipts.
    pub hub_key: String,
}

/// A sealed request for a new certificate.
#[derive(Debug, Clone, Deserialize, ToSchema)]
pub struct RenewalBody {
    /// Who asks.
    pub edge: String,
    /// `varco.v1.Renewal` sealed with the box's key, hexadecimal.
    pub envelope: String,
}

/// The new certificate.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct RenewalAnswer {
    /// PEM.
    pub certificate: String,
}

/// Enrols the box that has the token: its own keys, the hub's certificate.
///
/// # Errors
/// [`ApiError`].
#[utoipa::path(
    post, path = "/api/v1/enrolments", tag = "edges", request_body = EnrolmentBody,
    responses(
        (status = 200, description = "Enrolled", body = EnrolmentAnswer),
        (status = 403, description = "The token does not hold, or the keys are not proven",
            body = ErrorBody),
        (status = 429, description = "Too many failures from this address", body = ErrorBody),
    )
)]
pub async fn enrol(
    State(state): State<HubState>,
    ConnectInfo(from): ConnectInfo<SocketAddr>,
    Sent(body): Sent<EnrolmentBody>,
) -> Result<Json<EnrolmentAnswer>, ApiError> {
    let (desk, now) = (state.enrolment.clone(), state.clock.now());
    let request = enrolment::EnrolmentRequest {
        request_der: decoded("request", &body.request)?,
        sealing_key: key("sealing_key", &body.sealing_key)?,
        proof: decoded("proof", &body.proof)?,
        token: body.token,
    };
    guarded(&state, from, move || {
        let enrolled = enrolment::enrol(&desk.home, &request, desk.valid, now)?;
        let authority = files::read_text(&desk.home.authority_certificate())
            .map_err(crate::home::HomeError::from)?;
        let hub_key = desk.home.sealing_key()?.opening_key().to_string();
        let invitation = enrolled.invitation;
        tracing::info!(edge.id = %invitation.edge, "an edge is enrolled");
        let own = desk.broker_host.parse::<IpAddr>();
        // The hub's own loopback leads nowhere from the box.
        let reachable = !own.is_ok_and(|address| address.is_loopback());
        let broker_host = invitation
            .broker_host
            .or_else(|| reachable.then(|| desk.broker_host.clone()));
        Ok(EnrolmentAnswer {
            edge: invitation.edge.to_string(),
            gate: invitation.gate.to_string(),
            certificate: enrolled.certificate.certificate_pem,
            authority,
            broker_host,
            broker_port: invitation.broker_port.unwrap_or(desk.broker_port),
            hub_key,
        })
    })
    .await
    .map(Json)
}

/// Gives an enrolled box a new certificate for its new TLS key.
///
/// # Errors
/// [`ApiError`].
#[utoipa::path(
    post, path = "/api/v1/renewals", tag = "edges", request_body = RenewalBody,
    responses(
        (status = 200, description = "Renewed", body = RenewalAnswer),
        (status = 403, description = "Unknown, revoked, forked, or not proven", body = ErrorBody),
        (status = 429, description = "Too many failures from this address", body = ErrorBody),
    )
)]
pub async fn renew(
    State(state): State<HubState>,
    ConnectInfo(from): ConnectInfo<SocketAddr>,
    Sent(body): Sent<RenewalBody>,
) -> Result<Json<RenewalAnswer>, ApiError> {
    let (desk, now) = (state.enrolment.clone(), state.clock.now());
    let edge: EdgeId = body
        .edge
        .parse()
        .map_err(|_| ApiError::field("edge", "the edge's name"))?;
    let envelope = decoded("envelope", &body.envelope)?;
    guarded(&state, from, move || {
        let renewed = enrolment::renew(&desk.home, &edge, &envelope, desk.valid, now)?;
        tracing::info!(edge.id = %edge, "an edge's certificate is renewed");
        Ok(RenewalAnswer {
            certificate: renewed.certificate_pem,
        })
    })
    .await
    .map(Json)
}

/// Counts failures by address, and lets nobody try on and on.
async fn guarded<T: Send + 'static>(
    state: &HubState,
    from: SocketAddr,
    work: impl FnOnce() -> Result<T, EnrolmentError> + Send + 'static,
) -> Result<T, ApiError> {
    let (desk, now) = (&state.enrolment, state.clock.now());
    if desk.failures().is_shut_out(address_of(from), now) {
        return Err(ApiError::TooMany);
    }
    let done = blocking(move || Ok(work())).await?;
    done.map_err(|error| {
        let refused = refusal(error);
        if matches!(refused, ApiError::Refused { .. }) {
            desk.failures().note(address_of(from), now);
            // What was sent is not told: it may hold a token that is right but for one letter.
            tracing::warn!(address = %from.ip(), error = %refused, "a box is not let in");
        }
        refused
    })
}

fn refusal(error: EnrolmentError) -> ApiError {
    let what_to_do = match &error {
        EnrolmentError::Token => {
            "ask for a new token: `varco-hub edge invite EDGE --gate GATE`".to_owned()
        }
        EnrolmentError::Proof => "try again; if it stays so, the box's keys are damaged".to_owned(),
        EnrolmentError::Shut => "enrol the box anew, under a new name".to_owned(),
        EnrolmentError::Forked => {
            "find the copy of the box, then `varco-hub edge release EDGE --fork --purpose TEXT`"
                .to_owned()
        }
        EnrolmentError::Repeated => "set the box's clock and try again".to_owned(),
        EnrolmentError::Edge(why) => why.to_string(),
        EnrolmentError::Certificate(CertificateError::Request) => {
            "send a PKCS#10 request with a P-256 key".to_owned()
        }
        _ => {
            let source = std::error::Error::source(&error).map(ToString::to_string);
            tracing::error!(
                error = %error, source = source.unwrap_or_default(),
                "an enrolment cannot be handled"
            );
            return ApiError::Internal;
        }
    };
    ApiError::Refused {
        why: error.to_string(),
        what_to_do,
    }
}

fn decoded(name: &'static str, text: &str) -> Result<Vec<u8>, ApiError> {
    hex::decode(text).map_err(|_| ApiError::field(name, "write it in hexadecimal digits"))
}

fn key(name: &'static str, text: &str) -> Result<OpeningKey, ApiError> {
    text.parse()
        .map_err(|_| ApiError::field(name, "64 hexadecimal digits"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_fails_too_often_is_shut_out_for_a_minute_and_nobody_else_is() {
        let mut failures = Failures::default();
        let now: UtcTime = "2026-11-22T12:00:00Z".parse().unwrap();
        let (one, other) = (IpAddr::from([192, 0, 2, 1]), IpAddr::from([192, 0, 2, 2]));
        for _ in 0..FAILURES_MAX {
            assert!(!failures.is_shut_out(one, now));
            failures.note(one, now);
        }
        assert!(failures.is_shut_out(one, now));
        assert!(!failures.is_shut_out(other, now));
        assert!(!failures.is_shut_out(one, now + FAILURES_WITHIN));
    }
}
