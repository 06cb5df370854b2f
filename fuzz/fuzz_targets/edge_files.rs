//! What the edge reads back from its own disk: a scene, the last run, the key of the box.
#![no_main]

use varco_edge::adapters::last_run::Run;
use varco_edge::core::view::scene::Scene;
use varco_edge::fuzzing;
use varco_fuzz::{Cut, within};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let mut cut = Cut(data);
    let kind = cut.byte();
    let bytes = cut.rest();
    within((1 << 18) + 64 * data.len(), || match kind {
        b's' => scene(bytes),
        b'r' => run(bytes),
        _ => assert_ne!(fuzzing::box_key_survives(bytes), Some(false)),
    });
});

fn scene(bytes: &[u8]) {
    let Some(kept) = Scene::from_kept(bytes).and_then(|scene| scene.kept()) else {
        return;
    };
    let again = Scene::from_kept(&kept).expect("what was kept is a scene");
    assert_eq!(again.kept(), Some(kept));
}

fn run(bytes: &[u8]) {
    if let Ok(run) = serde_json::from_slice::<Run>(bytes) {
        let written = serde_json::to_vec(&run).expect("it is written");
        assert_eq!(serde_json::from_slice::<Run>(&written).ok(), Some(run));
    }
}
