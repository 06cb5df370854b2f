//! Edges that make their own keys: invited here, enrolled with a token, renewed before their
//! certificates end. No private key of an edge ever comes here.
//!
//! This room owns how a box comes into the registry of a home and leaves it; the tables are those of
//! [`crate::boxes`]. It judges nothing that a box sends but what proves its keys.

pub mod adding;
pub mod bundle;
pub mod desk;

use std::time::Duration;

use serde::Serialize;
use thiserror::Error;
use varco_proto::enrolment::{Renewal, enrolment_statement, token_for};
use varco_proto::envelope::{OpenError, open};
use varco_proto::ids::{Digest, EdgeId, GateId};
use varco_proto::keys::OpeningKey;
use varco_proto::time::UtcTime;

use crate::audit::acting::Acting;
use crate::audit::action::Action;
use crate::audit::actor::Actor;
use crate::audit::told::{EdgeMade, Told as _};
use crate::audit::{self, AuditEntry, AuditError};
use crate::boxes::edges::{self, Edge, EdgeError};
use crate::boxes::invitations::{self, Invitation};
use crate::boxes::mosquitto::is_hub_user;
use crate::certificates::authority::{CertificateError, SignedRequest};
use crate::home::{Home, HomeError};
use crate::machine::random;
use crate::map::desk::{PlaceDeskError, place_of_new_edge};
use crate::map::place::Place;
use crate::store::sql::{Connection, TransactionBehavior};
use crate::store::{Doing as _, StoreError};

/// Longest time for which a token holds.
pub const TOKEN_VALID_MAX: Duration = Duration::from_secs(30 * 86_400);
/// Shortest.
pub const TOKEN_VALID_MIN: Duration = Duration::from_secs(60);
/// How far ahead of the hub's clock a renewal may have been asked for.
const AHEAD_MAX: Duration = Duration::from_secs(3600);

/// An edge is not invited, enrolled or renewed.
#[derive(Debug, Error)]
pub enum EnrolmentError {
    /// The token is nobody's, used by another box, or its time is over: ask for a new one.
    #[error("the token does not hold: unknown, used, or past its time")]
    Token,
    /// The box has not shown that it has the keys: the request was altered, or the box is wrong.
    #[error("the request does not prove that its sender has both keys")]
    Proof,
    /// The edge is unknown or revoked: it must be enrolled anew, under a new name.
    #[error("the edge is unknown here, or revoked")]
    Shut,
    /// Its chain has forked: a person must release it first.
    #[error("the edge's chain has forked, and nobody has released it yet")]
    Forked,
    /// Asked before, or by a clock that is wrong: ask again with the right time.
    #[error("the renewal is a repeated one, or its time is wrong")]
    Repeated,
    /// The token's term is out of bounds.
    #[error("a token holds for 1m to 30d")]
    Term,
    /// The edge.
    #[error(transparent)]
    Edge(#[from] EdgeError),
    /// Where its gate stands.
    #[error(transparent)]
    Place(#[from] PlaceDeskError),
    /// The home.
    #[error(transparent)]
    Home(#[from] HomeError),
    /// The certificate.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// The audit.
    #[error(transparent)]
    Audit(#[from] AuditError),
    /// The system's randomness.
    #[error(transparent)]
    Random(#[from] random::RandomError),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What a person carries to the box.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Invited {
    /// Whom.
    pub edge: EdgeId,
    /// Shown once.
    pub token: String,
    /// Until when.
    #[serde(rename = "expires_at")]
    pub until: UtcTime,
}

/// Whom to invite.
#[derive(Debug, Clone)]
pub struct Invitee {
    /// The edge's name.
    pub edge: EdgeId,
    /// Its gate.
    pub gate: GateId,
    /// Where the gate stands, when that is said now.
    pub place: Option<Place>,
    /// The broker as the edge reaches it, when that is another name than the hub's own.
    pub broker_host: Option<String>,
    /// Its port.
    pub broker_port: Option<u16>,
    /// How long the token holds.
    pub valid: Duration,
}

/// Invites an edge: gives a token that enrols one box, once.
///
/// # Errors
/// [`EnrolmentError`].
pub fn invite(home: &Home, invitee: Invitee, now: UtcTime) -> Result<Invited, EnrolmentError> {
    home.expect()?;
    if !(TOKEN_VALID_MIN..=TOKEN_VALID_MAX).contains(&invitee.valid) {
        return Err(EnrolmentError::Term);
    }
    if is_hub_user(invitee.edge.as_str()) {
        return Err(EdgeError::Reserved.into());
    }
    let key = home.sealing_key()?;
    let mut main = home.open_main()?;
    let transaction = begin(&mut main)?;
    if edges::find(&transaction, &invitee.edge)?.is_some() {
        return Err(EdgeError::Taken(invitee.edge).into());
    }
    let secret: String = random::bytes::<32>()?
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let token = token_for(&invitee.edge, &secret);
    let invitation = Invitation {
        edge: invitee.edge,
        gate: invitee.gate,
        broker_host: invitee.broker_host,
        broker_port: invitee.broker_port,
        expires_at: now + invitee.valid,
        used_by: None,
    };
    invitations::keep(&transaction, &invitation, &Digest::of(token.as_bytes()))?;
    let details = serde_json::json!({
        "edge": invitation.edge, "gate": invitation.gate, "expires_at": invitation.expires_at,
    });
    let entry = AuditEntry::plain(Actor::console(), Action::EdgeInvited, details);
    audit::append(&transaction, &entry, now, &key)?;
    if let Some(place) = invitee.place {
        let acting = Acting {
            actor: &Actor::console(),
            now,
            key: &key,
        };
        place_of_new_edge(&transaction, &invitation.gate, place, &acting)?;
    }
    transaction.commit().doing("commit the invitation")?;
    Ok(Invited {
        edge: invitation.edge,
        token,
        until: invitation.expires_at,
    })
}

/// What a box sends with its token.
#[derive(Debug, Clone)]
pub struct EnrolmentRequest {
    /// As the person typed it.
    pub token: String,
    /// PKCS#10, signed with the TLS key.
    pub request_der: Vec<u8>,
    /// Opens what the box will seal.
    pub sealing_key: OpeningKey,
    /// By the sealing key, over [`enrolment_statement`].
    pub proof: Vec<u8>,
}

/// What an enrolled box gets.
#[derive(Debug, Clone)]
pub struct Enrolled {
    /// Its invitation.
    pub invitation: Invitation,
    /// Its certificate.
    pub certificate: SignedRequest,
}

/// Enrols the box that has the token.
///
/// # Errors
/// [`EnrolmentError`]; nothing is registered then.
pub fn enrol(
    home: &Home,
    request: &EnrolmentRequest,
    valid: Duration,
    now: UtcTime,
) -> Result<Enrolled, EnrolmentError> {
    let key = home.sealing_key()?;
    let mut main = home.open_main()?;
    let transaction = begin(&mut main)?;
    let token = Digest::of(request.token.as_bytes());
    let invitation = invitations::find(&transaction, &token)?
        .filter(|invitation| now <= invitation.expires_at)
        .ok_or(EnrolmentError::Token)?;
    let is_own = |used_by: &OpeningKey| *used_by == request.sealing_key;
    if !invitation.used_by.as_ref().is_none_or(is_own) {
        return Err(EnrolmentError::Token);
    }
    let statement = enrolment_statement(&request.token, &request.request_der);
    if !request.sealing_key.verifies(&statement, &request.proof) {
        return Err(EnrolmentError::Proof);
    }
    let id = &invitation.edge;
    let certificate =
        home.authority()?
            .client_for(id.as_str(), &request.request_der, now, valid)?;
    match edges::find(&transaction, id)? {
        None => {
            let edge = Edge {
                id: id.clone(),
                gate: invitation.gate.clone(),
                opening_key: request.sealing_key,
                certificate_serial: certificate.serial.clone(),
                registered_at: now,
                revoked_at: None,
                forked_at: None,
                report: None,
            };
            edges::register(&transaction, &edge)?;
        }
        // The answer was lost on its way: the same box asks again.
        Some(edge) if edge.opening_key == request.sealing_key && edge.revoked_at.is_none() => {
            edges::note_certificate(&transaction, id, &certificate.serial, now)?;
        }
        Some(_) => return Err(EdgeError::Taken(id.clone()).into()),
    }
    invitations::used(&transaction, id, &request.sealing_key)?;
    let told = EdgeMade {
        edge: id.to_string(),
        gate: invitation.gate.to_string(),
        edge_key: request.sealing_key.to_string(),
        certificate_ends: Some(certificate.ends_at),
    };
    let entry = told.entry(Actor::hub(), Action::EdgeEnrolled)?;
    audit::append(&transaction, &entry, now, &key)?;
    transaction.commit().doing("commit the enrolment")?;
    Ok(Enrolled {
        invitation,
        certificate,
    })
}

/// Gives an enrolled edge a new certificate for a new key.
///
/// # Errors
/// [`EnrolmentError`]; the edge keeps the certificate that it has.
pub fn renew(
    home: &Home,
    id: &EdgeId,
    envelope: &[u8],
    valid: Duration,
    now: UtcTime,
) -> Result<SignedRequest, EnrolmentError> {
    let key = home.sealing_key()?;
    let mut main = home.open_main()?;
    let transaction = begin(&mut main)?;
    let edge = edges::find(&transaction, id)?
        .filter(|edge| edge.revoked_at.is_none())
        .ok_or(EnrolmentError::Shut)?;
    let renewal = open::<Renewal>(envelope, &edge.opening_key)
        .map_err(|_: OpenError| EnrolmentError::Proof)?;
    let renewal = renewal.value();
    if renewal.edge != *id {
        return Err(EnrolmentError::Proof);
    }
    if edge.forked_at.is_some() {
        return Err(EnrolmentError::Forked);
    }
    if renewal.requested_at > now + AHEAD_MAX
        || !edges::note_renewal(&transaction, id, renewal.requested_at)?
    {
        return Err(EnrolmentError::Repeated);
    }
    let certificate =
        home.authority()?
            .client_for(id.as_str(), &renewal.request_der, now, valid)?;
    edges::note_certificate(&transaction, id, &certificate.serial, now)?;
    let details = serde_json::json!({ "edge": id, "certificate_ends": certificate.ends_at });
    let entry = AuditEntry::plain(Actor::hub(), Action::EdgeRenewed, details);
    audit::append(&transaction, &entry, now, &key)?;
    transaction.commit().doing("commit the renewal")?;
    Ok(certificate)
}

fn begin(main: &mut Connection) -> Result<crate::store::sql::Transaction<'_>, StoreError> {
    main.transaction_with_behavior(TransactionBehavior::Immediate)
        .doing("begin the enrolment")
}
