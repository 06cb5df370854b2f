//! `varco-edge evaluate` as a person calls it, on rendered plates.
//!
//! Needs ONNX Runtime, as `golden.rs` does. The plates are the golden ones of the models.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{Value, json};
use varco_edge::core::manifest::Manifest;
use varco_edge::core::read::{CLASSES, decode};

fn models() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../models")
}

fn evaluate(index: &Path, more: &[&str]) -> Output {
    evaluate_by("--index", index, more)
}

fn evaluate_by(flag: &str, labels: &Path, more: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_varco-edge"))
        .arg("evaluate")
        .arg("--models")
        .arg(models())
        .arg(flag)
        .arg(labels)
        .args(more)
        .output()
        .expect("the command runs")
}

fn golden<T: ndarray_npy::ReadableElement>(name: &str) -> ndarray::ArrayD<T> {
    ndarray_npy::read_npy(models().join("golden").join(format!("{name}.npy")))
        .expect("a golden tensor")
}

/// Writes the golden plates as crops and their collage as a scene; gives the index.
fn write_pictures(folder: &Path) -> PathBuf {
    let manifest = std::fs::read_to_string(models().join("manifest.toml")).expect("a manifest");
    let rule = Manifest::parse(&manifest)
        .expect("a manifest that fits")
        .recogniser
        .confidence;
    let plates = golden::<u8>("plates");
    let characters: Vec<f32> = golden::<f32>("characters").into_iter().collect();
    let count = plates.shape()[0];
    let pixels: Vec<u8> = plates.into_iter().collect();
    let mut lines = Vec::new();
    for k in 0..count {
        let name = format!("plate{k}.png");
        let picture = &pixels[k * 160 * 48..(k + 1) * 160 * 48];
        image::save_buffer(folder.join(&name), picture, 160, 48, image::ColorType::L8)
            .expect("a picture is written");
        let steps = characters.len() / count / CLASSES;
        let size = steps * CLASSES;
        let text = decode(&characters[k * size..(k + 1) * size], &[], rule).text();
        let text = if text.is_empty() {
            Value::Null
        } else {
            json!(text)
        };
        lines.push(json!({
            "path": name, "source": "crops", "kind": "crop",
            "plates": [{ "x": 0, "y": 0, "width": 160, "height": 48, "text": text }],
        }));
    }
    let scene: Vec<u8> = golden::<u8>("luma").into_iter().collect();
    image::save_buffer(
        folder.join("scene.png"),
        &scene,
        384,
        256,
        image::ColorType::L8,
    )
    .expect("a picture is written");
    let boxes: Vec<Value> = (0..6)
        .map(|k| json!({ "x": 16 + k % 2 * 184, "y": 24 + k / 2 * 76, "width": 160, "height": 48 }))
        .collect();
    lines
        .push(json!({ "path": "scene.png", "source": "scenes", "kind": "scene", "plates": boxes }));
    let index = folder.join("index.jsonl");
    let text: Vec<String> = lines.iter().map(Value::to_string).collect();
    std::fs::write(&index, text.join("\n")).expect("an index is written");
    index
}

#[test]
fn an_index_gives_a_row_for_each_source() {
    let folder = tempfile::tempdir().unwrap();
    let index = write_pictures(folder.path());
    let output = evaluate(&index, &["--json", "--threads", "2"]);
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let printed: Value = serde_json::from_slice(&output.stdout).unwrap();
    let crops = &printed["sources"]["crops"];
    assert_eq!((&crops["images"], &crops["plates"]), (&json!(8), &json!(8)));
    assert_eq!(crops["recall_50"], Value::Null, "crops are not searched");
    // A crop is straightened with a margin, so that it is not the golden input to the pixel, and
    // a read that was weak there may be another here.
    let count = |key: &str| crops[key].as_u64().unwrap_or(0);
    assert!(count("texts") >= 4 && count("exact") >= 1, "{crops}");
    assert!(
        count("exact_folded") + count("wrong") <= count("texts"),
        "{crops}"
    );
    let scenes = &printed["sources"]["scenes"];
    assert_eq!(scenes["exact"], json!(0), "no texts, nothing to read");
    assert_eq!(scenes["cer"], Value::Null);
    assert!(scenes["recall_30"].as_f64() > Some(0.3), "{scenes}");
    let error = printed["calibration_error"].as_f64();
    assert!(error.is_some_and(|e| (0.0..=1.0).contains(&e)), "{error:?}");
    assert_eq!(printed["faults"], Value::Null, "only when asked");
    let table = evaluate(&index, &["--source", "crops"]);
    let table = String::from_utf8(table.stdout).unwrap();
    assert!(
        table.contains("| crops") && !table.contains("scenes"),
        "{table}"
    );
}

#[test]
fn bad_lines_and_a_missing_picture_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let index = folder.path().join("index.jsonl");
    std::fs::write(&index, "{}\n\nnonsense\n").unwrap();
    let output = evaluate(&index, &[]);
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success());
    assert!(
        told.contains("line 1:") && told.contains("line 3:"),
        "{told}"
    );
    let line = json!({ "path": "gone.jpg", "source": "s", "kind": "scene", "plates": [] });
    std::fs::write(&index, line.to_string()).unwrap();
    let output = evaluate(&index, &[]);
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(
        !output.status.success() && told.contains("gone.jpg"),
        "{told}"
    );
}

#[test]
fn a_missing_library_is_told_with_its_cure() {
    let folder = tempfile::tempdir().unwrap();
    let index = write_pictures(folder.path());
    let output = evaluate(&index, &["--onnxruntime", "/nowhere/libonnxruntime.so"]);
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success());
    assert!(
        told.contains("/nowhere/libonnxruntime.so") && told.contains("--onnxruntime"),
        "{told}"
    );
}

#[test]
fn faults_name_the_picture_and_what_was_read() {
    let folder = tempfile::tempdir().unwrap();
    write_pictures(folder.path());
    let plate = json!({ "x": 0, "y": 0, "width": 160, "height": 48, "text": "QQQQQQQQ" });
    let line = json!({ "path": "plate0.png", "source": "s", "kind": "crop", "plates": [plate] });
    let index = folder.path().join("wrong.jsonl");
    std::fs::write(&index, line.to_string()).unwrap();
    let output = evaluate(&index, &["--faults", "--json"]);
    let printed: Value = serde_json::from_slice(&output.stdout).unwrap();
    let fault = &printed["faults"][0];
    assert_eq!(fault["source"], json!("s"));
    assert_eq!(fault["picture"], json!("plate0.png"));
    assert_eq!(fault["text"], json!("QQQQQQQQ"));
    assert!(fault["read"].is_string(), "{fault}");
    let output = evaluate(&index, &["--faults"]);
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(told.contains("\ns plate0.png QQQQQQQQ "), "{told}");
}

#[test]
fn boxes_narrower_than_asked_do_not_count() {
    let folder = tempfile::tempdir().unwrap();
    let index = write_pictures(folder.path());
    let flags = ["--source", "scenes", "--json", "--width-min", "400"];
    let output = evaluate(&index, &flags);
    let printed: Value = serde_json::from_slice(&output.stdout).unwrap();
    let scenes = &printed["sources"]["scenes"];
    assert_eq!(
        (&scenes["boxes"], &scenes["plates"]),
        (&json!(0), &json!(6))
    );
    assert_eq!(scenes["precision"], Value::Null, "{scenes}");
}

#[test]
fn every_plate_of_the_demos_street_is_one_transit_and_no_other_is_told() {
    let labels = models().join("../deploy/clips/street.json");
    let output = evaluate_by("--clips", &labels, &["--json", "--faults"]);
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let printed: Value = serde_json::from_slice(&output.stdout).unwrap();
    let street = &printed["clips"][0];
    assert_eq!(street["clip"], json!("street.mp4"));
    assert_eq!(street["plates"], json!(15));
    assert_eq!(street["right"], json!(15), "{printed}");
    assert_eq!(street["wrong"], json!(0), "{printed}");
    let count = |key: &str| street[key].as_u64().unwrap_or_default();
    assert!(count("best_frame_right") <= count("plates"), "{street}");
    assert!(count("frame_reads") > 15 * 5, "{street}");
    assert!(
        count("frame_reads_right") <= count("frame_reads"),
        "{street}"
    );
    assert_eq!(printed["totals"]["wrong_share"], json!(0.0));
}

#[test]
fn labels_of_a_missing_clip_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let labels = folder.path().join("clips.json");
    std::fs::write(&labels, r#"[{"clip": "gone.mp4", "plates": []}]"#).unwrap();
    let output = evaluate_by("--clips", &labels, &[]);
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(
        !output.status.success() && told.contains("gone.mp4"),
        "{told}"
    );
    let both = evaluate_by("--clips", &labels, &["--index", "x.jsonl"]);
    assert!(!both.status.success());
}
