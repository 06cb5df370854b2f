//! edge.toml, and the manifest of the models: what is refused says why.
#![no_main]

use std::path::Path;

use varco_edge::config::Config;
use varco_edge::core::manifest::Manifest;
use varco_fuzz::{Cut, within};
use varco_proto::ids::Digest;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let mut cut = Cut(data);
    let kind = cut.byte();
    let Ok(text) = std::str::from_utf8(cut.rest()) else {
        return;
    };
    within((8 << 20) + 1024 * data.len(), || match kind {
        b'm' => {
            if let Ok(manifest) = Manifest::parse(text) {
                assert_eq!(manifest.digest, Digest::of(text.as_bytes()));
            }
        }
        _ => {
            let parsed = Config::parse(text, Path::new("/etc/varco"));
            assert!(parsed.is_ok() || parsed.is_err_and(|faults| !faults.all().is_empty()));
        }
    });
});
