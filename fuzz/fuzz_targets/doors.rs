//! Who stands at the edge's door, and the multipart that he brings: nobody is let in who does not know the password.
#![no_main]

use varco_edge::adapters::http::{parts, recorded_kind};
use varco_edge::fuzzing::http;
use varco_fuzz::{Cut, within};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    within((1 << 18) + 64 * data.len(), || {
        let mut cut = Cut(data);
        let seconds = cut.number();
        let first = String::from_utf8_lossy(cut.until(b'\n'));
        let (method, uri) = first.split_once(' ').unwrap_or((&first, ""));
        let second = String::from_utf8_lossy(cut.until(b'\n'));
        assert!(!http::admitted(method, uri, &second, seconds));
        let body = cut.rest();
        if let Ok(all) = parts(&second, body.to_vec()) {
            for part in &all {
                assert!(
                    part.bytes.is_empty()
                        || body.windows(part.bytes.len()).any(|at| at == part.bytes)
                );
            }
        }
        let _ = recorded_kind(body);
    });
});
