//! The list of decoders in fuzz/README.md, held against the source and the fuzz targets.

use std::collections::BTreeSet;
use std::fs;

use super::root;

/// A row of the list.
#[derive(Debug)]
struct Decoder {
    file: String,
    function: String,
    target: String,
}

fn decoders() -> Vec<Decoder> {
    let page = fs::read_to_string(root().join("fuzz/README.md")).unwrap();
    let (_, rest) = page.split_once("<!-- decoders -->").unwrap();
    let (table, _) = rest.split_once("<!-- /decoders -->").unwrap();
    let rows = table.lines().filter(|line| line.contains('`'));
    let decoders: Vec<_> = rows
        .map(|line| {
            let mut words = line.split('`').skip(1).step_by(2).map(str::to_owned);
            let mut word = || words.next().unwrap();
            let (file, function, target) = (word(), word(), word());
            Decoder {
                file,
                function,
                target,
            }
        })
        .collect();
    assert!(decoders.len() > 60, "the list is read: {decoders:?}");
    decoders
}

/// The names of what lies in a folder, without what stands behind a dot.
fn names(folder: &str) -> BTreeSet<String> {
    let entries = fs::read_dir(root().join(folder)).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    paths
        .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
        .collect()
}

#[test]
fn every_decoder_that_is_listed_is_there_and_has_a_fuzz_target() {
    let targets = names("fuzz/fuzz_targets");
    let mut wrong = Vec::new();
    for decoder in decoders() {
        let text = fs::read_to_string(root().join(&decoder.file)).unwrap_or_default();
        let is_there = ["(", "<"]
            .iter()
            .any(|opens| text.contains(&format!("fn {}{opens}", decoder.function)));
        if !is_there || !targets.contains(&decoder.target) {
            wrong.push(decoder);
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn every_fuzz_target_is_listed_built_and_has_seeds() {
    let targets = names("fuzz/fuzz_targets");
    let listed: BTreeSet<String> = decoders().into_iter().map(|one| one.target).collect();
    assert_eq!(listed, targets, "in fuzz/README.md");
    assert_eq!(names("fuzz/seeds"), targets, "with seeds");
    let manifest = fs::read_to_string(root().join("fuzz/Cargo.toml")).unwrap();
    for target in &targets {
        assert!(
            manifest.contains(&format!("name = \"{target}\"")),
            "{target}"
        );
    }
}

#[test]
fn the_door_for_fuzzing_is_in_no_build_that_is_installed() {
    for krate in ["proto", "hub", "edge"] {
        let text = fs::read_to_string(root().join(krate).join("Cargo.toml")).unwrap();
        let manifest: toml::Table = text.parse().unwrap();
        let features = manifest["features"].as_table().unwrap();
        assert!(features["fuzzing"].as_array().unwrap().is_empty());
        assert!(!features.contains_key("default"), "{krate}");
    }
    for file in super::files(&["toml"]) {
        let text = fs::read_to_string(root().join(&file)).unwrap();
        let asks = text.contains("\"fuzzing\"");
        assert_eq!(asks, file.starts_with("fuzz/"), "{}", file.display());
    }
}
