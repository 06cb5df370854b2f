//! What a camera that reads plates pushes: a body is taken apart and understood, for each maker.
#![no_main]

use std::time::Duration;

use varco_edge::adapters::http::{parts, recorded_kind};
use varco_edge::onboard::maker::Maker;
use varco_edge::onboard::message::Message;
use varco_edge::onboard::moment::{Zone, of_any};
use varco_edge::onboard::part::PARTS_MAX;
use varco_edge::onboard::pushed::Pushed;
use varco_edge::onboard::transit::{Placing, into_transit};
use varco_edge::onboard::understand;
use varco_edge::onboard::understanding::{Take, Understanding};
use varco_fuzz::within;
use varco_proto::envelope::{ENVELOPE_BYTES_MAX, Payload as _};
use varco_proto::ids::{Digest, TransitId};
use varco_proto::plate::PlateText;
use varco_proto::record::{Record, RecordBody};
use varco_proto::time::UtcTime;
use varco_proto::transit::{CaptureTime, ClockSource};

// Behind a body stands one byte: whose format, which of several messages counts, and whether a content type stands
// before the body, in its first line.
libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Some((how, bytes)) = data.split_last() else {
        return;
    };
    within((4 << 20) + 256 * data.len(), || {
        let (kind, body) = match how & 0x40 {
            0 => (recorded_kind(bytes), bytes),
            _ => {
                let at = bytes
                    .iter()
                    .position(|byte| *byte == b'\n')
                    .unwrap_or(bytes.len());
                let (kind, body) = bytes.split_at(at);
                (
                    String::from_utf8_lossy(kind).into_owned(),
                    body.get(1..).unwrap_or_default(),
                )
            }
        };
        let (maker, _) = Maker::ALL[usize::from(how & 0x0f) % Maker::ALL.len()];
        let take = if how & 0x20 == 0 {
            Take::Last
        } else {
            Take::First
        };
        message(
            &kind,
            body,
            Understanding {
                maker,
                zone: Zone::UTC,
                take,
            },
        );
        if let Ok(text) = std::str::from_utf8(body) {
            moment(text);
        }
    });
});

fn arrived() -> UtcTime {
    UtcTime::from_unix_us(1_795_000_000_000_000)
}

fn message(kind: &str, body: &[u8], rules: Understanding) {
    let Ok(parts) = parts(kind, body.to_vec()) else {
        return;
    };
    assert!(parts.len() <= PARTS_MAX);
    assert!(parts.iter().map(|part| part.bytes.len()).sum::<usize>() <= body.len());
    let maker = rules.maker;
    let came = understand(&rules, &parts, arrived());
    assert_eq!(came, understand(&rules, &parts, arrived()));
    let Ok(Message::Readings(readings)) = came else {
        return;
    };
    assert!(!readings.all.is_empty() || readings.refused.is_some());
    for read in &readings.all {
        assert_eq!(
            PlateText::normalise(read.plate.as_str()).as_ref(),
            Ok(&read.plate)
        );
        let length = read.plate.as_str().len();
        assert!(
            read.unread
                .iter()
                .all(|at| usize::try_from(*at).is_ok_and(|at| at < length))
        );
        assert!(read.characters.is_empty() || read.characters.len() == length);
        assert!(read.confidence.is_none_or(f32::is_finite));
        sealed(read, maker);
        assert!(
            read.country
                .as_ref()
                .is_none_or(|country| country.len() == 2)
        );
    }
}

/// The hub takes what the edge makes of it.
fn sealed(read: &Pushed, maker: Maker) {
    let name = || "porta-nord-01".to_owned();
    let placing = Placing {
        camera: name().try_into().expect("a name"),
        gate: name().try_into().expect("a name"),
        lanes: Vec::new(),
        inward: None,
    };
    let captured = CaptureTime {
        at: read.at.unwrap_or(arrived()),
        uncertainty: Duration::from_secs(1),
        source: ClockSource::Camera,
    };
    let id = TransitId::from_parts(captured.at.unix_ms(), [0; 10]);
    let record = Record {
        edge: name().try_into().expect("a name"),
        sequence: 1,
        previous: Digest::ZERO,
        sealed_at: arrived(),
        body: RecordBody::Transit(into_transit(read, maker, &placing, captured, id)),
    };
    let sent = record.encode();
    assert!(sent.len() < ENVELOPE_BYTES_MAX - 1024);
    assert_eq!(Record::decode(&sent), Ok(record));
}

fn moment(text: &str) {
    let zone: Zone = "+01:00".parse().expect("a zone");
    if let Some(at) = of_any(text, &zone, arrived()) {
        assert_eq!(of_any(&at.to_string(), &zone, arrived()), Some(at));
    }
}
