//! An exported audit as a stranger brings it: its lines, its checkpoints, its bundles, its heads.
#![no_main]

use std::sync::LazyLock;

use varco_fuzz::{Cut, within};
use varco_hub::audit::AuditLine;
use varco_hub::audit::exported::Trusted;
use varco_hub::audit::head::{NotedHead, SignedHead};
use varco_hub::fuzzing::exported;
use varco_hub::tlog::note::{NoteKey, NoteKind};
use varco_hub::tlog::tree::TreeHash;
use varco_proto::keys::OpeningKey;

static TRUSTED: LazyLock<Trusted> = LazyLock::new(|| {
    let hub = OpeningKey::from_bytes(&[7; 32]).expect("32 bytes");
    let key = |name, kind| NoteKey::new(name, kind, hub).expect("a name");
    Trusted {
        log: key("hub/1", NoteKind::Log),
        hub,
        witnesses: vec![key("dpo", NoteKind::Witness)],
        checkpoints: Vec::new(),
        earlier: None,
        is_part: false,
        each_signature: false,
    }
});

libfuzzer_sys::fuzz_target!(init: { LazyLock::force(&TRUSTED); }, |data: &[u8]| {
    let mut cut = Cut(data);
    let kind = cut.byte();
    let bytes = cut.rest();
    within((1 << 20) + 128 * data.len(), || match kind % 4 {
        0 => drop(exported::row(bytes)),
        1 => checkpoints(bytes),
        2 => bundle(bytes),
        _ => heads(bytes),
    });
});

fn checkpoints(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let notes: Vec<&str> = text.split('\u{1f}').collect();
    let tree: Vec<TreeHash> = (0..notes.len())
        .map(|n| TreeHash::of_leaf(&n.to_be_bytes()))
        .collect();
    let (held, found) = exported::checkpoints(&notes, &TRUSTED, &tree);
    // Nobody has the log's private key.
    assert_eq!(held, 0);
    assert!(found > 0);
}

fn bundle(bytes: &[u8]) {
    let (entries, rest) = bytes.as_chunks::<34>();
    let leaves: Vec<_> = entries
        .iter()
        .map(|entry| TreeHash::of_leaf(&entry[2..]))
        .collect();
    let is_written_so = rest.is_empty() && entries.iter().all(|entry| entry[..2] == [0, 32]);
    assert_eq!(exported::bundle(bytes, &leaves), is_written_so);
}

fn heads(bytes: &[u8]) {
    if let Ok(line) = serde_json::from_slice::<AuditLine>(bytes) {
        let written = serde_json::to_vec(&line).expect("a line is written");
        let again: AuditLine = serde_json::from_slice(&written).expect("a line is read");
        assert_eq!(serde_json::to_vec(&again).ok(), Some(written));
    }
    if let Ok(head) = serde_json::from_slice::<SignedHead>(bytes) {
        assert!(!head.holds(&TRUSTED.hub));
        let noted = head.head.noted();
        if let Ok(read) = noted.to_string().parse::<NotedHead>() {
            assert_eq!(read.sequence, noted.sequence);
            assert!(read.digest.eq_ignore_ascii_case(&noted.digest));
        }
    }
    if let Ok(text) = std::str::from_utf8(bytes)
        && let Ok(noted) = text.parse::<NotedHead>()
    {
        assert_eq!(noted.to_string().parse(), Ok(noted));
    }
}
