//! Packages of evidence, as somebody hands them over: written in one way alone, and nothing in them is believed that
//! nobody signed.
#![no_main]

use serde::Serialize;
use serde::de::DeserializeOwned;
use varco_fuzz::{Cut, within};
use varco_hub::evidence::container::{self, PackedFile};
use varco_hub::evidence::contents::{PackageContents, PackageKeys, PackageManifest};
use varco_hub::evidence::stamp::{self, StampRequest};
use varco_hub::evidence::verify::{EvidenceTrust, verify};
use varco_proto::ids::Digest;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let mut cut = Cut(data);
    let kind = cut.byte();
    let bytes = cut.rest();
    within((1 << 20) + 128 * data.len(), || match kind {
        b'z' => package(bytes),
        b'f' => files(bytes),
        b't' => time_stamp(bytes),
        b'c' => survives::<PackageContents>(bytes),
        b'k' => survives::<PackageKeys>(bytes),
        _ => survives::<PackageManifest>(bytes),
    });
});

fn package(bytes: &[u8]) {
    if let Ok(files) = container::read(bytes) {
        assert_eq!(container::write(&files).as_deref(), Ok(bytes));
    }
    let check = verify(bytes, &EvidenceTrust::default());
    assert!(!check.intact && !check.findings.is_empty());
}

/// Parts as files: a name, and behind a line's end what is in it.
fn files(bytes: &[u8]) {
    let files: Vec<PackedFile> = bytes
        .split(|byte| *byte == 0x1f)
        .map(|part| {
            let mut cut = Cut(part);
            let path = String::from_utf8_lossy(cut.until(b'\n')).into_owned();
            PackedFile::new(path, cut.rest())
        })
        .collect();
    let Ok(written) = container::write(&files) else {
        return;
    };
    assert_eq!(container::read(&written), Ok(files));
    package(&written);
    // No byte is free.
    let at = bytes.len() % written.len();
    let mut changed = written;
    changed[at] ^= 1;
    let again = container::read(&changed).and_then(|files| container::write(&files));
    assert!(again.is_err() || again.as_deref() == Ok(&changed[..]));
}

/// A stamp that holds is of these contents: nobody can make one for others.
fn time_stamp(bytes: &[u8]) {
    let other = Digest::of(b"contents that nobody stamped");
    assert!(stamp::check(bytes, other).is_err());
    if let Ok(request) = StampRequest::new(other) {
        assert!(request.token(bytes).is_err());
    }
}

fn survives<T: Serialize + DeserializeOwned>(bytes: &[u8]) {
    let Ok(value) = serde_json::from_slice::<T>(bytes) else {
        return;
    };
    let written = serde_json::to_vec(&value).expect("it is written");
    let again: T = serde_json::from_slice(&written).expect("what was written is read");
    assert_eq!(serde_json::to_vec(&again).ok(), Some(written));
}
