//! For the crate `fuzz`: what is read of a request before anything is looked up for it.

use axum::http::{HeaderMap, HeaderValue, Uri, header};
use serde::de::DeserializeOwned;
use utoipa::ToSchema;
use varco_proto::time::UtcTime;

use super::form::unknown_field;
use crate::bodies::{Body, BodyId, BodyKind};
use crate::map::gates::GateMap;

/// The session's cookie in some `Cookie` lines.
#[must_use]
pub fn cookie(lines: &[&[u8]]) -> Option<String> {
    let mut headers = HeaderMap::new();
    for line in lines {
        headers.append(header::COOKIE, HeaderValue::from_bytes(line).ok()?);
    }
    super::cookies::of(&headers)
}

/// Whether a body can be read as the request of this number; none when there is no such number.
#[must_use]
pub fn request(number: u8, body: &[u8]) -> Option<bool> {
    Some(match number {
        0 => looked_up(body),
        1 => read::<super::audit::AuditSearchRequest>(body).is_some(),
        2 => read::<super::blocks::BlockRequest>(body).is_some(),
        3 => read::<super::together::BothRequest>(body).is_some(),
        4 => read::<super::cases::CaseRequest>(body).is_some(),
        5 => read::<super::openings::CodeRequest>(body).is_some(),
        6 => read::<super::together::CompanionsRequest>(body).is_some(),
        7 => read::<super::counts::CountRequest>(body).is_some(),
        8 => read::<super::own_people::DutyRequest>(body).is_some(),
        9 => read::<super::enrolments::EnrolmentBody>(body).is_some(),
        10 => read::<super::hotlists::HotlistRequest>(body).is_some(),
        11 => read::<super::openings::OpeningBody>(body).is_some(),
        12 => read::<super::own_people::OwnPlatesRequest>(body).is_some(),
        13 => read::<super::hotlist_plates::PlateRequest>(body).is_some(),
        14 => read::<super::openings::PostEnrolmentRequest>(body).is_some(),
        15 => read::<super::enrolments::RenewalBody>(body).is_some(),
        16 => read::<super::evidence::StandingPermitRequest>(body).is_some(),
        17 => read::<super::second_looks::SecondLookRequest>(body).is_some(),
        18 => read::<super::sessions::SignInRequest>(body).is_some(),
        19 => read::<super::sessions::UnlockRequest>(body).is_some(),
        20 => read::<super::alerts::AcknowledgeRequest>(body).is_some(),
        21 => read::<super::access::AccessRequest>(body).is_some(),
        22 => read::<super::approvals::ApprovalDecisionRequest>(body).is_some(),
        23 => read::<super::approvals::ApprovalRequest>(body).is_some(),
        24 => read::<super::gate_claims::ClaimRequest>(body).is_some(),
        25 => read::<super::corrections::CorrectionRequest>(body).is_some(),
        26 => read::<super::evidence::EvidenceRequest>(body).is_some(),
        27 => read::<super::gate_claims::FreeRequest>(body).is_some(),
        28 => read::<super::passkeys::PasskeyProofBody>(body).is_some(),
        29 => read::<super::passkeys::PasskeyRequest>(body).is_some(),
        30 => read::<super::passkeys::PasskeySignIn>(body).is_some(),
        _ => return None,
    })
}

/// As [`super::request::Sent`] does, once the body is there.
fn read<T: DeserializeOwned + ToSchema + 'static>(body: &[u8]) -> Option<T> {
    let written: serde_json::Value = serde_json::from_slice(body).ok()?;
    if unknown_field::<T>(&written).is_some() {
        return None;
    }
    serde_json::from_slice(body).ok()
}

fn looked_up(body: &[u8]) -> bool {
    const RESULTS_MAX: u32 = 200;
    let asked = read::<super::lookups::LookupRequest>(body);
    let police = Body {
        id: BodyId::owner(),
        name: "Polizia Locale".to_owned(),
        kind: BodyKind::LocalPolice,
        municipality: None,
        reference_form: None,
        is_owner: true,
        made_at: UtcTime::from_unix_us(0),
        ended_at: None,
    };
    let map = GateMap::default();
    let asked = asked.and_then(|asked| asked.check(&police, RESULTS_MAX, &map).ok());
    let Some((query, grounds)) = asked else {
        return false;
    };
    // What passed is bounded, and states why.
    assert!(query.from <= query.to && query.limit <= RESULTS_MAX);
    assert!(!query.misread || query.plate.is_exact());
    assert!(grounds.case_reference.trim() == grounds.case_reference);
    true
}

/// What is behind an address: the grounds of a question, in any order.
#[must_use]
pub fn grounds(uri: &str) -> bool {
    let uri: Result<Uri, _> = uri.parse();
    uri.is_ok_and(|uri| {
        axum::extract::Query::<super::grounds::GroundsRequest>::try_from_uri(&uri).is_ok()
    })
}
