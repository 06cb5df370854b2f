use varco_proto::ids::{Digest, TransitId};
use varco_proto::transit::{CaptureTime, ClockSource, Direction, Travel};

use super::message::Readings;
use super::plate_picture::crop;
use super::pushed::Pushed;
use super::transit::{Placing, into_transit};
use super::understanding::Take;
use super::*;

mod hostile;
mod makers;
mod odd;

const AXIS: &str = include_str!("../../tests/messages/axis.json");
const MILESIGHT: &str = include_str!("../../tests/messages/milesight.json");
const ONVIF: [&str; 3] = [
    include_str!("../../tests/messages/onvif-event.json"),
    include_str!("../../tests/messages/onvif-items.json"),
    include_str!("../../tests/messages/onvif-scene.json"),
];
const HIKVISION: &[u8] = include_bytes!("../../tests/messages/hikvision.multipart");

fn utc(text: &str) -> UtcTime {
    text.parse().unwrap()
}

fn rules(maker: Maker, take: Take) -> Understanding {
    Understanding {
        maker,
        zone: "Europe/Rome".parse().unwrap(),
        take,
    }
}

fn part(text: &str) -> Vec<Part> {
    vec![Part {
        name: String::new(),
        bytes: text.as_bytes().to_vec(),
    }]
}

/// The parts of the recorded multipart, without its parser, which lives in the adapters.
fn hikvision() -> Vec<Part> {
    let end = b"</EventNotificationAlert>";
    let begin = HIKVISION.windows(5).position(|w| w == b"<?xml").unwrap();
    let stop = HIKVISION.windows(end.len()).position(|w| w == end).unwrap();
    let picture = HIKVISION
        .windows(2)
        .position(|w| w == [0xff, 0xd8])
        .unwrap();
    let picture_end = HIKVISION
        .windows(2)
        .rposition(|w| w == [0xff, 0xd9])
        .unwrap();
    vec![
        Part {
            name: "anpr.xml".to_owned(),
            bytes: HIKVISION[begin..stop + end.len()].to_vec(),
        },
        Part {
            name: "licensePlatePicture.jpg".to_owned(),
            bytes: HIKVISION[picture..picture_end + 2].to_vec(),
        },
    ]
}

fn reading(rules: &Understanding, parts: &[Part]) -> Pushed {
    match understand(rules, parts, utc("2026-11-20T07:31:09Z")) {
        Ok(Message::Readings(mut readings)) if readings.all.len() == 1 => readings.all.remove(0),
        other => panic!("not one reading: {other:?}"),
    }
}

#[test]
fn d03_part_hikvisions_message_is_read() {
    let pushed = reading(&rules(Maker::Hikvision, Take::Last), &hikvision());
    assert_eq!(pushed.plate.as_str(), "IO123QU");
    assert_eq!(pushed.at, Some(utc("2026-11-20T07:31:07Z")));
    assert_eq!(
        (pushed.confidence, pushed.confidence_top),
        (Some(97.0), 100.0)
    );
    assert_eq!(
        pushed.characters,
        [99.0, 98.0, 97.0, 99.0, 95.0, 99.0, 98.0]
    );
    assert_eq!(
        (pushed.direction, pushed.lane),
        (Some(Direction::Towards), Some(2))
    );
    assert!(crop(pushed.picture.as_ref()).is_some());
    let other = String::from_utf8(hikvision()[0].bytes.clone()).unwrap();
    for (from, to) in [
        ("<eventType>ANPR<", "<eventType>videoloss<"),
        ("IO123QU", "unknown"),
        (">active<", ">inactive<"),
    ] {
        let parts = part(&other.replace(from, to));
        let read = understand(
            &rules(Maker::Hikvision, Take::Last),
            &parts,
            utc("2026-11-20T07:31:09Z"),
        );
        assert!(matches!(read, Ok(Message::Other(_))), "{to}: {read:?}");
    }
}

#[test]
fn d03_part_axis_message_is_read_when_the_vehicle_is_gone() {
    let last = rules(Maker::Axis, Take::Last);
    let pushed = reading(&last, &part(AXIS));
    assert_eq!(pushed.plate.as_str(), "UQ456OI");
    assert_eq!(pushed.at, Some(utc("2026-11-20T07:31:07.123Z")));
    assert_eq!(
        (pushed.confidence, pushed.confidence_top),
        (Some(0.8688), 1.0)
    );
    assert_eq!(pushed.country.as_deref(), Some("IT"));
    assert_eq!(pushed.direction, Some(Direction::Away));
    assert_eq!(pushed.device, "AXIS Q0000-LE INVENTED0001");
    assert!(crop(pushed.picture.as_ref()).is_some());
    let sight = AXIS.replace("\"lost\"", "\"new\"");
    let now = utc("2026-11-20T07:31:09Z");
    assert!(matches!(
        understand(&last, &part(&sight), now),
        Ok(Message::Other(_))
    ));
    let first = reading(&rules(Maker::Axis, Take::First), &part(&sight));
    let gone = reading(&rules(Maker::Axis, Take::First), &part(AXIS));
    assert_eq!(first.key, gone.key, "one vehicle, one event");
    let by_text = AXIS.replace("\"capture_timestamp\": \"1795159867123\",", "");
    assert_eq!(
        reading(&last, &part(&by_text)).at,
        Some(utc("2026-11-20T07:31:07.123Z"))
    );
}

#[test]
fn d03_part_milesights_local_time_is_that_of_its_zone() {
    let pushed = reading(&rules(Maker::Milesight, Take::Last), &part(MILESIGHT));
    assert_eq!(pushed.plate.as_str(), "QI789UO");
    assert_eq!(pushed.at, Some(utc("2026-11-20T07:31:07.123Z")));
    assert_eq!(
        (pushed.direction, pushed.lane),
        (Some(Direction::Away), Some(1))
    );
    assert_eq!(pushed.country.as_deref(), Some("IT"));
    assert!(crop(pushed.picture.as_ref()).is_some());
}

#[test]
fn d03_part_onvifs_forms_are_all_read() {
    let rules = rules(Maker::Onvif, Take::Last);
    for text in ONVIF {
        let pushed = reading(&rules, &part(text));
        assert_eq!(pushed.plate.as_str(), "OU321IQ", "{text}");
        assert_eq!(pushed.at, Some(utc("2026-11-20T07:31:07.123Z")), "{text}");
        assert_eq!(pushed.confidence, Some(0.91), "{text}");
        assert_eq!(pushed.event, "4711", "{text}");
        assert_eq!(pushed.country.as_deref(), Some("IT"), "{text}");
    }
    let none = "{\"UtcTime\": \"2026-11-20T07:31:07Z\", \"Data\": {\"State\": true}}";
    let read = understand(&rules, &part(none), utc("2026-11-20T07:31:09Z"));
    assert!(matches!(read, Ok(Message::Other(_))));
}

#[test]
fn d03_part_a_transit_states_its_reader_and_keeps_the_original_confidence() {
    let pushed = reading(&rules(Maker::Hikvision, Take::Last), &hikvision());
    let at = CaptureTime {
        at: utc("2026-11-20T07:31:07Z"),
        uncertainty: std::time::Duration::from_secs(1),
        source: ClockSource::Camera,
    };
    let placing = Placing {
        camera: "porta-sud-02".parse().unwrap(),
        gate: "porta-sud".parse().unwrap(),
        lanes: vec!["a".parse().unwrap(), "b".parse().unwrap()],
        inward: Some(Direction::Away),
    };
    let id = TransitId::from_parts(1, [2; 10]);
    let transit = into_transit(&pushed, Maker::Hikvision, &placing, at, id);
    let reader = transit.onboard.clone().unwrap();
    assert_eq!(
        (reader.maker(), reader.said()),
        ("Hikvision", Some((97.0, 100.0)))
    );
    assert!((transit.plate.confidence.get() - 0.97).abs() < 1e-6);
    assert!((transit.plate.characters[4][0].confidence.get() - 0.95).abs() < 1e-6);
    assert_eq!(transit.model_digest, Digest::ZERO);
    assert_eq!(transit.lane.as_ref().map(|lane| lane.as_str()), Some("b"));
    assert_eq!(transit.travel, Some(Travel::Out));
    // It passes every check of the wire.
    let sent = varco_proto::wire::Transit::from(&transit);
    let back = varco_proto::transit::Transit::try_from(sent).unwrap();
    assert_eq!(back, transit);
    let bare = Pushed {
        picture: None,
        confidence: None,
        characters: Vec::new(),
        ..pushed
    };
    let transit = into_transit(&bare, Maker::Onvif, &placing, at, id);
    assert_eq!(
        (transit.crop.width_px, transit.plate.confidence.get()),
        (1, 0.0)
    );
    assert_eq!(transit.onboard.unwrap().said(), None);
}
