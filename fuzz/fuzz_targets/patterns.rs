//! Patterns for plates against a matcher that tries everything, neighbours, and the other small texts of a search.
#![no_main]

use varco_fuzz::{Cut, within};
use varco_hub::plates::misread::neighbours;
use varco_hub::plates::pattern::{Glob, PlatePattern, letters_of};
use varco_hub::plates::plate::{folded, plate_of, text_of};
use varco_hub::transits::query::{Cursor, TimeOfDay};
use varco_proto::plate::PlateText;
use varco_proto::time::UtcTime;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    within((1 << 20) + 64 * data.len(), || {
        let mut cut = Cut(data);
        let near = cut.byte() == b'~';
        let typed = String::from_utf8_lossy(cut.until(b'\n'));
        let plate = String::from_utf8_lossy(cut.until(b'\n'));
        search(&typed, &plate, near);
        cursor(&typed);
        time_of_day(&typed, &plate, cut.number());
    });
});

fn search(typed: &str, plate: &str, near: bool) {
    let Ok(pattern) = PlatePattern::normalise(typed) else {
        return;
    };
    assert_eq!(
        PlatePattern::normalise(pattern.as_str()),
        Ok(pattern.clone())
    );
    let Ok(plate) = PlateText::normalise(plate) else {
        return;
    };
    let glob = Glob::of(&pattern);
    let bytes = folded(&plate_of(plate.as_str()));
    let fits = glob.fits(&bytes);
    assert_eq!(
        fits,
        tried(pattern.folded().as_bytes(), plate.folded().as_bytes())
    );
    let as_read = Glob::unfolded(&pattern).fits(&plate_of(plate.as_str()));
    assert!(!as_read || fits, "what fits as it was read fits folded");
    if fits {
        // An index leaves aside what lies outside these: nothing that fits may be left aside.
        let (first, last) = glob.range();
        assert!(first <= bytes && bytes <= last);
        let letters = glob.letters();
        assert_eq!(letters & letters_of(&bytes), letters);
    }
    if pattern.is_exact() {
        assert_eq!(fits, pattern.folded() == plate.folded());
        if near {
            misread(pattern.as_str());
        }
    }
}

fn misread(searched: &str) {
    let own = folded(&plate_of(searched));
    let all = neighbours(&plate_of(searched));
    assert!(all.is_sorted_by(|one, other| one.plate < other.plate));
    assert_eq!(all.iter().filter(|one| one.cost == 0).count(), 1);
    for one in &all {
        assert_eq!(one.cost == 0, one.plate == own);
        assert!(PlateText::normalise(&text_of(&one.plate)).is_ok());
    }
}

/// Every way of fitting, one after the other.
fn tried(pattern: &[u8], text: &[u8]) -> bool {
    match (pattern, text) {
        ([], text) => text.is_empty(),
        ([b'*', rest @ ..], text) => (0..=text.len()).any(|skipped| tried(rest, &text[skipped..])),
        ([b'?', rest @ ..], [_, more @ ..]) => tried(rest, more),
        ([one, rest @ ..], [other, more @ ..]) => one == other && tried(rest, more),
        (_, []) => false,
    }
}

fn cursor(text: &str) {
    if let Some(cursor) = Cursor::parse(text) {
        assert_eq!(Cursor::parse(&cursor.to_text()), Some(cursor));
    }
}

fn time_of_day(from: &str, to: &str, number: u64) {
    let ahead = i16::from_le_bytes([number.to_le_bytes()[0], number.to_le_bytes()[1]]);
    let at = UtcTime::from_unix_us(number.cast_signed());
    if let Some(stretch) = TimeOfDay::parse(from, to, ahead) {
        assert!(stretch.from_minute < 1440 && stretch.to_minute < 1440);
        let _ = stretch.has(at);
    }
}
