//! What a camera sends over RTSP: messages, descriptions, challenges, addresses.
#![no_main]

use varco_edge::fuzzing::rtsp;
use varco_fuzz::{Cut, within};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let mut cut = Cut(data);
    let kind = cut.byte();
    let bytes = cut.rest();
    within((1 << 17) + 64 * data.len(), || match kind {
        b'm' => messages(bytes),
        b's' => description(&String::from_utf8_lossy(bytes)),
        b'l' => login(&String::from_utf8_lossy(bytes)),
        _ => address(&String::from_utf8_lossy(bytes)),
    });
});

/// However the network cuts it, the same messages come of the same bytes.
fn messages(bytes: &[u8]) {
    let (whole, size) = rtsp::messages(std::iter::once(bytes));
    assert!(size <= bytes.len() * 3 && whole <= bytes.len());
    if bytes.len() < 600 {
        assert_eq!(rtsp::messages(bytes.chunks(7)), (whole, size));
    }
}

fn description(text: &str) {
    if let Some((clock_hz, settings, place)) = rtsp::offer(text) {
        assert!(clock_hz > 0 && !place.is_empty());
        assert!(settings <= 64, "{settings} settings");
    }
}

fn login(text: &str) {
    let challenges: Vec<&str> = text.lines().collect();
    if let Some(line) = rtsp::answered(&challenges) {
        assert!(!line.contains('\n') && !line.contains("not a secret"));
    }
}

/// What is asked for stands in one line.
fn address(text: &str) {
    if let Some((url, again)) = rtsp::url(text) {
        assert!(!url.contains(char::is_control), "{url:?}");
        assert!(url.starts_with("rtsp://") || url.starts_with("rtsps://"));
        assert_eq!(again.as_deref(), Some(url.as_str()));
    }
}
