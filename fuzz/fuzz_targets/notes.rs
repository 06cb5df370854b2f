//! Signed notes, checkpoints, keys, proofs and tiles as text: each is written in one way alone.
#![no_main]

use std::sync::LazyLock;

use varco_fuzz::{Cut, within};
use varco_hub::fuzzing;
use varco_hub::tlog::checkpoint::Checkpoint;
use varco_hub::tlog::note::{Note, NoteKey, NoteKind, NoteSignature};
use varco_hub::tlog::proof::LeafProof;
use varco_hub::tlog::tile::{TILE_WIDTH, TileKind, TreeTile, hashes_of};
use varco_hub::tlog::tree::{LEAVES_MAX, TreeHash};
use varco_proto::keys::OpeningKey;

/// Keys whose private halves nobody has.
static KEYS: LazyLock<[NoteKey; 2]> = LazyLock::new(|| {
    let public = OpeningKey::from_bytes(&[7; 32]).expect("32 bytes");
    [("hub/1", NoteKind::Log), ("dpo", NoteKind::Witness)]
        .map(|(name, kind)| NoteKey::new(name, kind, public).expect("a name"))
});

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let mut cut = Cut(data);
    let kind = cut.byte();
    let bytes = cut.rest();
    within((1 << 18) + 64 * data.len(), || {
        match std::str::from_utf8(bytes) {
            Ok(text) => match kind % 5 {
                0 => note(text),
                1 => keys(text),
                2 => proof(text),
                3 => tile(text),
                _ => request(text),
            },
            Err(_) => hashes(bytes),
        }
    });
});

fn note(text: &str) {
    let Ok(note) = Note::parse(text) else {
        return;
    };
    assert_eq!(note.to_string(), text);
    for key in KEYS.iter() {
        assert!(!matches!(note.signed_by(key), Ok(Some(_))));
    }
    if let Ok(checkpoint) = Checkpoint::of(&note) {
        assert!(note.text.starts_with(&checkpoint.text()));
        assert!(checkpoint.head.size <= LEAVES_MAX);
    }
}

fn keys(text: &str) {
    if let Ok(key) = text.parse::<NoteKey>() {
        assert_eq!(key.to_string(), text.trim());
    }
    if let Ok(hash) = text.parse::<TreeHash>() {
        assert_eq!(hash.to_string(), text);
    }
    if let Ok(all) = NoteSignature::parse_all(text) {
        let written: String = all.iter().map(ToString::to_string).collect();
        assert_eq!(written, text);
    }
}

fn proof(text: &str) {
    let Ok(proof) = text.parse::<LeafProof>() else {
        return;
    };
    assert_eq!(proof.to_string(), text);
    // A root of a seed is no root of this leaf.
    assert!(proof.check(TreeHash::of_leaf(b"no such leaf")).is_err() || proof.hashes.is_empty());
}

fn tile(text: &str) {
    let Ok(tile) = TreeTile::parse(text) else {
        return;
    };
    assert_eq!(tile.to_string(), text);
    assert!((1..=TILE_WIDTH).contains(&tile.width));
    assert!(tile.begins() <= LEAVES_MAX);
    if tile.kind != TileKind::Entries {
        let _ = tile.is_within(LEAVES_MAX);
    }
}

fn request(text: &str) {
    if let Some(old) = fuzzing::witness_request(text) {
        assert!(text.starts_with(&format!("old {old}\n")));
    }
}

fn hashes(bytes: &[u8]) {
    match hashes_of(bytes) {
        Ok(all) => assert_eq!(all.len() * 32, bytes.len()),
        Err(_) => assert_ne!(bytes.len() % 32, 0),
    }
}
