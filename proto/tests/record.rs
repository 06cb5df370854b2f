//! A record through the wire: what is sealed is what is opened, and limits hold.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use prost::Message as _;
use varco_proto::confidence::Confidence;
use varco_proto::envelope::{OpenError, Payload, PayloadError, open};
use varco_proto::ids::{Digest, EdgeId, TransitId};
use varco_proto::keys::SealingKey;
use varco_proto::onboard::OnboardReader;
use varco_proto::record::{ChainHead, Record, RecordBody};
use varco_proto::time::UtcTime;
use varco_proto::transit::{
    CaptureTime, CharacterCandidate, ClockSource, CountryCandidate, Direction, PlateCrop,
    PlateRead, Transit, Travel,
};
use varco_proto::wire;

fn candidate(symbol: char, confidence: f32) -> CharacterCandidate {
    CharacterCandidate {
        symbol,
        confidence: Confidence::new(confidence).unwrap(),
    }
}

fn transit() -> Transit {
    let at = UtcTime::from_unix_us(1_795_336_200_000_000);
    Transit {
        id: TransitId::from_parts(at.unix_ms(), [3; 10]),
        camera: "porta-nord-01".parse().unwrap(),
        gate: "porta-nord".parse().unwrap(),
        captured_at: CaptureTime {
            at,
            uncertainty: Duration::from_millis(50),
            source: ClockSource::Arrival,
        },
        first_seen: at - Duration::from_secs(1),
        last_seen: at + Duration::from_secs(1),
        direction: Some(Direction::Towards),
        lane: Some("corsia-1".parse().unwrap()),
        travel: Some(Travel::Out),
        plate: PlateRead {
            text: "AB1".parse().unwrap(),
            confidence: Confidence::new(0.9).unwrap(),
            characters: vec![
                vec![candidate('A', 0.95)],
                vec![candidate('B', 0.9), candidate('8', 0.1)],
                vec![candidate('1', 0.99)],
            ],
            agreeing_reads: 3,
            reads: 4,
            countries: vec![CountryCandidate {
                country: "IT".into(),
                confidence: Confidence::new(0.8).unwrap(),
            }],
            rows: 1,
        },
        crop: PlateCrop {
            jpeg: vec![0xff, 0xd8, 0xff, 0xd9],
            width_px: 160,
            height_px: 48,
        },
        model_digest: Digest::of(b"manifest"),
        onboard: Some(OnboardReader::new(
            "Hikvision",
            "DS-1",
            "e-1",
            Some(97.0),
            100.0,
        )),
    }
}

fn key() -> SealingKey {
    SealingKey::from_pkcs8(&SealingKey::generate().unwrap()).unwrap()
}

fn edge() -> EdgeId {
    "porta-nord-01".parse().unwrap()
}

#[test]
fn k03_part_a_sealed_transit_is_opened_as_it_was() {
    let key = key();
    let now = UtcTime::from_unix_us(1_795_336_201_000_000);
    let body = RecordBody::Transit(transit());
    let (head, sealed) = ChainHead::START.seal_next(&edge(), body.clone(), now, &key);
    let opened = open::<Record>(&sealed.envelope, &key.opening_key()).unwrap();
    assert_eq!(opened.value().body, body);
    assert_eq!(
        (opened.value().sequence, opened.value().previous),
        (1, Digest::ZERO)
    );
    assert_eq!(opened.digest(), head.digest);

    let (second, sealed) = head.seal_next(&edge(), body, now, &key);
    let opened = open::<Record>(&sealed.envelope, &key.opening_key()).unwrap();
    assert_eq!(opened.value().previous, head.digest);
    assert_eq!(second.sequence, 2);
}

/// Seals a wire record as the key's owner could, with whatever content.
fn seal_wire(record: &wire::Record, key: &SealingKey) -> Vec<u8> {
    let payload = record.encode_to_vec();
    let signed =
        varco_proto::envelope::pre_authentication_encoding(<Record as Payload>::TYPE, &payload);
    wire::Envelope {
        payload_type: <Record as Payload>::TYPE.into(),
        payload,
        key_id: key.opening_key().id().to_vec(),
        signature: key.sign(&signed).to_vec(),
    }
    .encode_to_vec()
}

#[test]
fn signed_content_that_breaks_a_limit_is_refused() {
    let key = key();
    type Spoil = fn(&mut wire::Record, &mut wire::Transit);
    let spoils: [(&str, Spoil); 9] = [
        ("sequence", |record, _| record.sequence = 0),
        ("previous_digest", |record, _| record.sequence = 2),
        ("edge_id", |record, _| record.edge_id = "../x".into()),
        ("transit_id", |_, transit| transit.transit_id = vec![1]),
        ("text", |_, transit| {
            transit.plate.as_mut().unwrap().text = "ab 1".into()
        }),
        ("characters", |_, transit| {
            transit.plate.as_mut().unwrap().characters.pop();
        }),
        ("confidence", |_, transit| {
            transit.plate.as_mut().unwrap().confidence = 1.5
        }),
        ("jpeg", |_, transit| {
            transit.crop.as_mut().unwrap().jpeg = vec![0; 70_000]
        }),
        ("last_seen_unix_us", |_, transit| {
            transit.last_seen_unix_us = 0
        }),
    ];
    for (field, spoil) in spoils {
        let mut inner = wire::Transit::from(&transit());
        let mut record = wire::Record {
            edge_id: edge().to_string(),
            sequence: 1,
            previous_digest: vec![0; 32],
            sealed_at_unix_us: 1,
            body: None,
        };
        spoil(&mut record, &mut inner);
        record.body = Some(wire::record::Body::Transit(inner));
        match open::<Record>(&seal_wire(&record, &key), &key.opening_key()) {
            Err(OpenError::Payload(PayloadError::Field { field: found, .. })) => {
                assert_eq!(found, field);
            }
            other => panic!("{field}: {other:?}"),
        }
    }
}

#[test]
fn a_refused_payload_never_repeats_the_plate() {
    let key = key();
    let mut inner = wire::Transit::from(&transit());
    inner.plate.as_mut().unwrap().text = "SECRET99!".into();
    let record = wire::Record {
        edge_id: edge().to_string(),
        sequence: 1,
        previous_digest: vec![0; 32],
        sealed_at_unix_us: 1,
        body: Some(wire::record::Body::Transit(inner)),
    };
    let error = open::<Record>(&seal_wire(&record, &key), &key.opening_key()).unwrap_err();
    assert!(
        !format!("{error:?} {error}").contains("SECRET99"),
        "{error:?}"
    );
}

#[test]
fn a_doubt_of_days_goes_over_the_wire_whole_and_one_without_end_is_refused() {
    for seconds in [0, 3, 4294, 4295, 86_400, 8 * 86_400] {
        let time = CaptureTime {
            uncertainty: Duration::from_secs(seconds),
            ..transit().captured_at
        };
        let sent = wire::CaptureTime::from(time);
        assert_eq!(CaptureTime::try_from(sent), Ok(time), "{seconds}");
    }
    let mut sent = wire::CaptureTime::from(transit().captured_at);
    for more in [9 * 86_400_000_000, u64::MAX] {
        sent.uncertainty_more_us = more;
        assert!(CaptureTime::try_from(sent).is_err(), "{more}");
    }
}
