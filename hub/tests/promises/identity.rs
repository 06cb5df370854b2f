//! Who an edge is: invited, enrolled, renewed, revoked; and copied.

use std::time::Duration;

use rcgen::{CertificateParams, KeyPair};
use varco_hub::boxes::edges::{self, EdgeError};
use varco_hub::certificates::tls;
use varco_hub::enrolment::desk::{self, EdgeDeskError};
use varco_hub::enrolment::{self, EnrolmentError, EnrolmentRequest, Invitee};
use varco_hub::machine::files;
use varco_hub::timekeeping::Clock as _;
use varco_proto::enrolment::{Renewal, enrolment_statement};
use varco_proto::envelope::seal;
use varco_proto::ids::EdgeId;
use varco_proto::keys::SealingKey;
use varco_proto::receipt::RefusalReason;
use varco_proto::time::UtcTime;

use crate::support::{DAY, House, SECOND};

const VALID: Duration = Duration::from_secs(90 * 24 * 3600);

fn id() -> EdgeId {
    "porta-sud-01".parse().unwrap()
}

fn new_key() -> SealingKey {
    SealingKey::from_pkcs8(&SealingKey::generate().unwrap()).unwrap()
}

fn invite(house: &House, valid: Duration) -> Result<String, EnrolmentError> {
    let invitee = Invitee {
        edge: id(),
        gate: "porta-sud".parse().unwrap(),
        place: None,
        broker_host: None,
        broker_port: None,
        valid,
    };
    enrolment::invite(&house.home, invitee, house.clock.now()).map(|invited| invited.token)
}

fn request_der(key: &KeyPair) -> Vec<u8> {
    let request = CertificateParams::default().serialize_request(key).unwrap();
    request.der().to_vec()
}

fn request(token: &str, tls: &KeyPair, sealing: &SealingKey) -> EnrolmentRequest {
    let request_der = request_der(tls);
    EnrolmentRequest {
        proof: sealing
            .sign(&enrolment_statement(token, &request_der))
            .to_vec(),
        token: token.to_owned(),
        request_der,
        sealing_key: sealing.opening_key(),
    }
}

fn enrol(house: &House, request: &EnrolmentRequest) -> Result<String, EnrolmentError> {
    enrolment::enrol(&house.home, request, VALID, house.clock.now())
        .map(|enrolled| enrolled.certificate.certificate_pem)
}

fn renew(
    house: &House,
    sealing: &SealingKey,
    tls: &KeyPair,
    at: UtcTime,
) -> Result<String, EnrolmentError> {
    let renewal = Renewal {
        edge: id(),
        request_der: request_der(tls),
        requested_at: at,
    };
    let envelope = seal(&renewal, sealing).envelope;
    enrolment::renew(&house.home, &id(), &envelope, VALID, house.clock.now())
        .map(|renewed| renewed.certificate_pem)
}

#[test]
fn c32_part_a_token_enrols_one_box_once_and_the_hub_keeps_only_its_digest() {
    let house = House::new();
    let token = invite(&house, Duration::from_secs(3600)).unwrap();
    let (sealing, tls_key) = (new_key(), KeyPair::generate().unwrap());
    let good = request(&token, &tls_key, &sealing);
    let certificate = enrol(&house, &good).unwrap();
    let authority = files::read_text(&house.home.authority_certificate()).unwrap();
    tls::client_with_certificate(&authority, &certificate, &tls_key.serialize_pem()).unwrap();
    // Lost on its way: the same box may ask again, no other may.
    enrol(&house, &good).unwrap();
    let other = request(&token, &tls_key, &new_key());
    assert!(matches!(enrol(&house, &other), Err(EnrolmentError::Token)));
    let main = house.home.open_main().unwrap();
    let edge = edges::find(&main, &id()).unwrap().unwrap();
    assert_eq!(edge.opening_key, sealing.opening_key());
    drop(main);
    for name in ["main.sqlite", "main.sqlite-wal"] {
        let bytes = std::fs::read(house.home.root().join(name)).unwrap_or_default();
        let found = bytes
            .windows(token.len())
            .any(|part| part == token.as_bytes());
        assert!(!found, "the token lies in {name}");
    }
    let lines =
        house.count("SELECT count(*) FROM audit WHERE action IN ('edge-invited', 'edge-enrolled')");
    assert_eq!(lines, 3);
    let again = invite(&house, Duration::from_secs(3600));
    assert!(matches!(
        again,
        Err(EnrolmentError::Edge(EdgeError::Taken(_)))
    ));
}

#[test]
fn c32_part_a_token_past_its_time_or_taken_back_does_not_hold() {
    let house = House::new();
    let (sealing, tls_key) = (new_key(), KeyPair::generate().unwrap());
    assert!(matches!(invite(&house, SECOND), Err(EnrolmentError::Term)));
    let first = invite(&house, Duration::from_secs(3600)).unwrap();
    let second = invite(&house, Duration::from_secs(3600)).unwrap();
    let refused = |token: &str| {
        let error = enrol(&house, &request(token, &tls_key, &sealing)).unwrap_err();
        assert!(matches!(error, EnrolmentError::Token), "{error}");
    };
    refused(&first);
    refused("varco-enrol_porta-sud-01_00");
    house.clock.advance(Duration::from_secs(3601));
    refused(&second);
    assert!(
        edges::find(&house.home.open_main().unwrap(), &id())
            .unwrap()
            .is_none()
    );
}

#[test]
fn c32_part_who_does_not_show_that_he_has_both_keys_is_not_enrolled() {
    let house = House::new();
    let token = invite(&house, Duration::from_secs(3600)).unwrap();
    let (sealing, tls_key) = (new_key(), KeyPair::generate().unwrap());
    let good = request(&token, &tls_key, &sealing);
    // A proof for another request, and another's key without its proof.
    let swapped = EnrolmentRequest {
        request_der: request_der(&KeyPair::generate().unwrap()),
        ..good.clone()
    };
    let stolen = EnrolmentRequest {
        sealing_key: new_key().opening_key(),
        ..good.clone()
    };
    for bad in [swapped, stolen] {
        assert!(matches!(enrol(&house, &bad), Err(EnrolmentError::Proof)));
    }
    // A request that its own key did not sign.
    let mut request_der = good.request_der.clone();
    *request_der.last_mut().unwrap() ^= 1;
    let forged = EnrolmentRequest {
        proof: sealing
            .sign(&enrolment_statement(&token, &request_der))
            .to_vec(),
        request_der,
        ..good.clone()
    };
    assert!(matches!(
        enrol(&house, &forged),
        Err(EnrolmentError::Certificate(_))
    ));
    enrol(&house, &good).unwrap();
}

#[test]
fn c32_part_a_certificate_is_renewed_for_the_edges_own_key_and_never_after_its_revocation() {
    let house = House::new();
    let token = invite(&house, Duration::from_secs(3600)).unwrap();
    let (sealing, tls_key) = (new_key(), KeyPair::generate().unwrap());
    enrol(&house, &request(&token, &tls_key, &sealing)).unwrap();
    let (fresh, now) = (KeyPair::generate().unwrap(), house.clock.now());
    let certificate = renew(&house, &sealing, &fresh, now).unwrap();
    let authority = files::read_text(&house.home.authority_certificate()).unwrap();
    tls::client_with_certificate(&authority, &certificate, &fresh.serialize_pem()).unwrap();
    let refused = |sealing: &SealingKey, at| renew(&house, sealing, &fresh, at).unwrap_err();
    assert!(matches!(refused(&sealing, now), EnrolmentError::Repeated));
    assert!(matches!(
        refused(&sealing, now + DAY),
        EnrolmentError::Repeated
    ));
    assert!(matches!(
        refused(&new_key(), now + SECOND),
        EnrolmentError::Proof
    ));
    desk::revoke_edge(&house.home, &id(), now).unwrap();
    assert!(matches!(
        refused(&sealing, now + SECOND),
        EnrolmentError::Shut
    ));
    let revoked = edges::revoked(&house.home.open_main().unwrap()).unwrap();
    assert_eq!(revoked.len(), 2, "both certificates are on the list");
    // Not even its token lets it in again.
    let again = enrol(&house, &request(&token, &tls_key, &sealing));
    assert!(matches!(
        again,
        Err(EnrolmentError::Edge(EdgeError::Taken(_)))
    ));
}

#[tokio::test]
async fn c32_part_enrolment_over_https_says_what_to_do_and_slows_down_who_tries_on_and_on() {
    let house = House::new();
    let served = house.serve().await;
    let token = invite(&house, Duration::from_secs(3600)).unwrap();
    let (sealing, tls_key) = (new_key(), KeyPair::generate().unwrap());
    let body = |token: &str| {
        let request = request(token, &tls_key, &sealing);
        let hex = |bytes: &[u8]| -> String { bytes.iter().map(|b| format!("{b:02x}")).collect() };
        serde_json::json!({
            "token": token, "request": hex(&request.request_der), "proof": hex(&request.proof),
            "sealing_key": sealing.opening_key().to_string(),
        })
    };
    let post = async |token: &str| {
        let url = format!("{}/api/v1/enrolments", served.url);
        let sent = served
            .client
            .post(url)
            .json(&body(token))
            .send()
            .await
            .unwrap();
        let status = sent.status().as_u16();
        (status, sent.json::<serde_json::Value>().await.unwrap())
    };
    let wrong = token.replace(char::from(token.as_bytes()[token.len() - 1]), "_");
    for _ in 0..5 {
        let (status, answer) = post(&wrong).await;
        assert_eq!(status, 403);
        let told = answer["what_to_do"].as_str().unwrap();
        assert!(told.contains("edge invite") && !answer.to_string().contains(&wrong));
    }
    assert_eq!(
        post(&token).await.0,
        429,
        "not even the right one, for a minute"
    );
    house.clock.advance(Duration::from_secs(61));
    let (status, answer) = post(&token).await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(answer["edge"], "porta-sud-01");
    assert_eq!(answer["gate"], "porta-sud");
    assert!(
        answer["broker_host"].is_null(),
        "the hub's loopback leads nowhere"
    );
    assert_eq!(answer["hub_key"], house.init.hub_key.as_str());
    served.stop.send(true).unwrap();
}

#[test]
fn c33_part_a_fork_shuts_the_edge_out_until_a_person_lets_it_in_again() {
    let house = House::new();
    let mut edge = house.edge("porta-nord-01");
    let mut writer = house.writer();
    let now = house.clock.now();
    let start = edge.head;
    let first = edge.seal("AB123CD", now);
    let second = edge.seal("AB124CD", now);
    let after = edge.head;
    edge.head = start;
    let copied = edge.seal("XX999XX", now);
    edge.head = after;
    let third = edge.seal("AB125CD", now);
    writer.take(&[first, second]).unwrap();
    // Within one batch already, what comes behind the fork is not taken.
    let taken = writer.take(&[copied.clone(), third.clone()]).unwrap();
    assert!(house.receipts(&taken).is_empty());
    let reasons: Vec<_> = house.refusals(&taken).iter().map(|(_, r)| *r).collect();
    assert_eq!(reasons, [RefusalReason::Fork, RefusalReason::OnHold]);
    let shown = house.edge_views().remove(0);
    assert_eq!(shown.fork.unwrap().sequence, 1);
    let why = "the copy was found in a van and switched off";
    let nobody = "porta-sud-01".parse().unwrap();
    assert!(desk::release_fork(&house.home, &nobody, why, now).is_err());
    assert!(matches!(
        desk::release_fork(&house.home, &edge.id, "a", now),
        Err(EdgeDeskError::Purpose)
    ));
    assert_eq!(
        desk::release_fork(&house.home, &edge.id, why, now).unwrap(),
        1
    );
    let taken = writer.take(std::slice::from_ref(&third)).unwrap();
    assert_eq!(house.receipts(&taken), [3]);
    let again = desk::release_fork(&house.home, &edge.id, why, now);
    assert!(matches!(again, Err(EdgeDeskError::NotForked(_))));
    let lines = house.count("SELECT count(*) FROM audit WHERE action = 'fork-released'");
    assert_eq!(lines, 1);
    // The copy is still out there: it is noticed again.
    house.clock.advance(SECOND);
    writer.take(std::slice::from_ref(&copied)).unwrap();
    let shown = house.edge_views().remove(0);
    assert!(shown.fork.is_some());
}
