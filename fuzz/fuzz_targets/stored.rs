//! What the hub reads back from its own disk, which somebody may have changed: entries, hours, sealed notes.
#![no_main]

use serde::Serialize;
use serde::de::DeserializeOwned;
use varco_fuzz::{Cut, within};
use varco_hub::alerts::alert::Content;
use varco_hub::fuzzing;
use varco_hub::home::whereabouts::DatabaseId;
use varco_hub::hotlists::pages::HotlistEntry;
use varco_hub::hours::partition::{Partition, Term};
use varco_hub::opening::floor::Floor;
use varco_hub::timekeeping::Memory;
use varco_hub::transits::entry::{self, ENTRY_BYTES, Entry};
use varco_proto::cipher::{Key, OVERHEAD_BYTES};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let mut cut = Cut(data);
    let kind = cut.byte();
    let bytes = cut.rest();
    within((1 << 20) + 128 * data.len(), || match kind {
        b'e' => entries(bytes),
        b'h' => hours(bytes),
        b'k' => sealed(bytes),
        b'a' => survives::<Content>(bytes),
        b'p' => survives::<Vec<HotlistEntry>>(bytes),
        b'f' => survives::<Floor>(bytes),
        b'm' => survives::<Memory>(bytes),
        _ => assert_ne!(fuzzing::bundle_survives(bytes), Some(false)),
    });
});

fn entries(bytes: &[u8]) {
    let chunks = bytes.chunks_exact(entry::ENTRY_BYTES);
    let all: Vec<_> = chunks.filter_map(entry::Entry::from_bytes).collect();
    assert_eq!(all.len(), bytes.len() / ENTRY_BYTES);
    assert!(bytes.starts_with(&entry::to_bytes(&all)));
    for one in &all {
        let _ = (
            one.marks.direction(),
            one.marks.travel(),
            one.plate_key(),
            one.camera_key(),
        );
        assert_eq!(Entry::from_bytes(&one.to_bytes()), Some(*one));
    }
    assert_ne!(fuzzing::head_survives(bytes), Some(false));
    if let Some(id) = DatabaseId::from_bytes(bytes) {
        assert_eq!(id.as_bytes(), bytes);
    }
}

fn hours(bytes: &[u8]) {
    let mut cut = Cut(bytes);
    let number = cut.number().cast_signed();
    let hour = Partition::from_number(number);
    assert_eq!(hour.number(), number);
    assert!(
        hour.term()
            .hours()
            .is_none_or(|hours| hours <= Term::HOURS_MAX)
    );
    assert!(hour.start() <= hour.end());
    let (first, last) = hour.span();
    assert!(first <= hour && hour <= last);
    let offset_us = hour.offset_us(hour.start());
    let _ = (hour.to_string(), hour.day().to_string(), hour.at(offset_us));
    if let Ok(text) = std::str::from_utf8(bytes)
        && let Ok(hour) = text.parse::<Partition>()
    {
        assert_eq!(hour.to_string().parse(), Ok(hour));
    }
}

/// Nothing that was not sealed opens, and what opens is what was sealed.
fn sealed(bytes: &[u8]) {
    let key = Key::from_bytes(&[7; 32]).expect("32 bytes");
    assert!(key.open(b"place", bytes).is_err());
    let sealed = key.seal(b"place", bytes).expect("it is sealed");
    assert_eq!(sealed.len(), bytes.len() + OVERHEAD_BYTES);
    assert_eq!(key.open(b"place", &sealed).as_deref(), Ok(bytes));
    assert!(key.open(b"other", &sealed).is_err());
}

fn survives<T: Serialize + DeserializeOwned>(bytes: &[u8]) {
    let Ok(value) = serde_json::from_slice::<T>(bytes) else {
        return;
    };
    let written = serde_json::to_vec(&value).expect("it is written");
    let again: T = serde_json::from_slice(&written).expect("what was written is read");
    assert_eq!(serde_json::to_vec(&again).ok(), Some(written));
}
