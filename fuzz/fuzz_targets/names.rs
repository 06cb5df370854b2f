//! Names, times, plates and keys as text: what is read is written as it was, and the normal form is one.
#![no_main]

use varco_fuzz::within;
use varco_proto::enrolment::{edge_of_token, token_for};
use varco_proto::ids::{EdgeId, TransitId};
use varco_proto::keys::OpeningKey;
use varco_proto::letters::plate_letters;
use varco_proto::plate::{PLATE_CHARACTERS_MAX, PlateText};
use varco_proto::receipt::RefusalReason;
use varco_proto::syntax::fits;
use varco_proto::tamper::TamperKind;
use varco_proto::time::{UtcDay, UtcTime};
use varco_proto::topics::Topic;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    if let Ok(text) = std::str::from_utf8(data) {
        within((1 << 16) + 64 * data.len(), || {
            names(text);
            times(text);
            plates(text);
        });
    }
});

fn names(text: &str) {
    if let Some(topic) = Topic::parse(text) {
        assert_eq!(topic.name(), text);
    }
    if let Ok(edge) = text.parse::<EdgeId>() {
        assert_eq!(edge.as_str(), text);
        let topic = Topic::Record(edge);
        assert_eq!(Topic::parse(&topic.name()), Some(topic));
    }
    if let Ok(id) = text.parse::<TransitId>() {
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!(TransitId::try_from(&id.as_bytes()[..]), Ok(id));
    }
    if let Ok(key) = text.parse::<OpeningKey>() {
        assert_eq!(key.to_string().parse(), Ok(key));
    }
    if let Some(edge) = edge_of_token(text) {
        let secret = text.rsplit('_').next().unwrap_or_default();
        assert_eq!(token_for(&edge, secret), text);
    }
    if let Ok(reason) = text.parse::<RefusalReason>() {
        assert_eq!(reason.as_str(), text);
    }
    if let Some(kind) = TamperKind::parse(text) {
        assert_eq!(kind.as_str(), text);
    }
}

fn times(text: &str) {
    if let Ok(at) = text.parse::<UtcTime>() {
        assert_eq!(at.to_string().parse(), Ok(at));
        let day = at.day();
        assert!(day.start() <= at && at < day.end());
    }
    if let Ok(day) = text.parse::<UtcDay>() {
        assert_eq!(day.to_string().parse(), Ok(day));
    }
}

fn plates(text: &str) {
    let letters = plate_letters(text);
    let is_plain = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit();
    assert!(letters.text.chars().all(is_plain));
    let again = plate_letters(&letters.text);
    assert_eq!(
        (again.text.as_str(), again.changed),
        (letters.text.as_str(), false)
    );
    let Ok(plate) = PlateText::normalise(text) else {
        return;
    };
    assert!((1..=PLATE_CHARACTERS_MAX).contains(&plate.as_str().len()));
    assert_eq!(PlateText::normalise(plate.as_str()), Ok(plate.clone()));
    assert_eq!(plate.to_string().parse(), Ok(plate.clone()));
    let folded: PlateText = plate.folded().parse().expect("a plate stays one");
    assert_eq!(folded.folded(), plate.folded());
    assert!(fits(&plate).len() <= 48);
}
