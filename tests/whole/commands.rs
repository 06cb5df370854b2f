//! The commands as a newcomer runs them, with wrong arguments too.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

use serde_json::Value;
use varco_rig::camera::clip::Clip;
use varco_rig::camera::{Camera, StreamSettings};
use varco_rig::house::{CameraAddress, Programs};

use crate::stage::{Stage, street};

const EX_CONFIG: i32 = 78;

fn edge(words: &[&str]) -> Output {
    let folder = Programs::find().unwrap().folder;
    Command::new(folder.join("varco-edge"))
        .args(words)
        .output()
        .unwrap()
}

fn complaint(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The edge's configuration of a fresh bundle, changed by the test.
fn with_config(change: impl FnOnce(String) -> String) -> (Stage, PathBuf) {
    let stage = Stage::without_camera();
    let file = stage.house.bundle().join("edge.toml");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, change(text)).unwrap();
    (stage, file)
}

#[test]
fn all_faults_of_a_configuration_are_told_at_once() {
    let (_stage, file) = with_config(|text| {
        text.replace("broker_port = ", "broker_prot = 1\nbroker_port = ")
            .replace("records_max = 50000", "records_max = 0")
            .replace("transport = \"tcp\"", "transport = \"carrier-pigeon\"")
    });
    let output = edge(&["run", "--config", file.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(EX_CONFIG));
    let text = complaint(&output);
    for word in ["broker_prot", "records_max", "transport"] {
        assert!(text.contains(word), "{word} is not named in:\n{text}");
    }
}

#[test]
fn c77_part_no_library_of_the_edge_reports_to_its_maker() {
    let home = tempfile::tempdir().unwrap();
    let folder = Programs::find().unwrap().folder;
    let clip = street();
    let output = Command::new(folder.join("varco-edge"))
        .args(["read", "--json", "--video", clip.to_str().unwrap()])
        .env_remove("ORT_DISABLE_TELEMETRY")
        .env_remove("XDG_CACHE_HOME")
        .env("HOME", home.path())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", complaint(&output));
    // Where ONNX Runtime keeps the device's number and what it could not send yet.
    let kept = home.path().join(".cache/Microsoft");
    assert!(!kept.exists(), "{}", kept.display());
}

#[test]
fn a_model_with_another_hash_is_refused() {
    let stage = Stage::without_camera();
    let programs = Programs::find().unwrap();
    let copy = stage.folder().join("models");
    fs::create_dir(&copy).unwrap();
    for name in ["manifest.toml", "detector.onnx", "recogniser.onnx"] {
        fs::copy(programs.models.join(name), copy.join(name)).unwrap();
    }
    let mut bytes = fs::read(copy.join("recogniser.onnx")).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    fs::write(copy.join("recogniser.onnx"), bytes).unwrap();
    let picture = stage.folder().join("a.png");
    fs::write(&picture, b"").unwrap();
    let output = edge(&[
        "read",
        "--models",
        copy.to_str().unwrap(),
        picture.to_str().unwrap(),
    ]);
    assert!(!output.status.success());
    let text = complaint(&output);
    assert!(
        text.contains("recogniser.onnx") && text.contains("SHA-256"),
        "{text}"
    );
}

#[test]
fn a_missing_onnx_runtime_is_named_with_its_cure() {
    let output = edge(&[
        "read",
        "--onnxruntime",
        "/nowhere/libonnxruntime.so",
        "a.png",
    ]);
    assert!(!output.status.success());
    let text = complaint(&output);
    assert!(text.contains("/nowhere/libonnxruntime.so"), "{text}");
}

#[test]
fn check_says_what_is_wrong_with_each_part() {
    let stage = Stage::without_camera();
    let file = stage.house.bundle().join("edge.toml");
    let output = edge(&["check", "--config", file.to_str().unwrap(), "--json"]);
    assert!(
        !output.status.success(),
        "no camera and no broker, and all is well?"
    );
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let text = report.to_string();
    assert!(text.contains("camera") && text.contains("broker"), "{text}");
}

#[test]
fn k02_the_clip_of_the_project_is_read_from_its_file() {
    let output = edge(&["read", "--video", street().to_str().unwrap(), "--json"]);
    assert!(output.status.success(), "{}", complaint(&output));
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    let read: Vec<_> = answer["transits"]
        .as_array()
        .unwrap()
        .iter()
        .map(|transit| transit["plate"].as_str().unwrap().to_owned())
        .collect();
    let truth: Value =
        serde_json::from_str(&fs::read_to_string(street().with_extension("json")).unwrap())
            .unwrap();
    let shown: Vec<_> = truth["plates"]
        .as_array()
        .unwrap()
        .iter()
        .map(|p| p["text"].as_str().unwrap())
        .collect();
    let right = shown
        .iter()
        .filter(|text| read.iter().any(|found| found == *text))
        .count();
    assert!(
        right * 100 >= shown.len() * 90,
        "{right} of {} plates: {read:?}",
        shown.len()
    );
    for text in &shown {
        assert!(
            read.iter().filter(|found| found == text).count() <= 1,
            "{text} twice"
        );
    }
}

#[test]
fn a_lookup_without_a_purpose_says_what_to_add() {
    let stage = Stage::without_camera();
    let mut command = stage.house.hub_command();
    let output = command
        .args(["lookup", "--plate", "AB123CD"])
        .output()
        .unwrap();
    assert!(!output.status.success());
    assert!(
        complaint(&output).contains("--purpose"),
        "{}",
        complaint(&output)
    );
}

#[test]
fn c24_part_what_the_console_reads_and_tokens_that_end_leave_lines() {
    let stage = Stage::without_camera();
    let person = stage.hub_says(&["token", "add", "--actor", "Anna Rossi"]);
    let told = person.unwrap_err().to_string();
    assert!(told.contains("varco-hub account invite"), "{told}");
    let words = "token add --service --actor Centrale --purpose traffic --may statistics --json";
    let issued = stage.hub_says(&words.split(' ').collect::<Vec<_>>());
    let issued: serde_json::Value = serde_json::from_str(&issued.unwrap()).unwrap();
    let id = issued["id"].as_str().unwrap();
    for (words, expected) in [
        (&["token", "list"][..], id),
        (&["token", "revoke", id], "lets nobody in any more"),
        (&["token", "list"], "revoked 20"),
        (&["edge", "list"], "porta"),
        (&["gate", "list"], ""),
        (&["municipality", "list"], ""),
        (&["body", "list"], "runs the hub"),
        (&["person", "list"], "Nobody is appointed yet"),
        (&["agreement", "list"], "No agreements"),
        (&["hotlist", "list"], ""),
        (&["webhook", "list"], ""),
    ] {
        let said = stage.hub_says(words).unwrap();
        assert!(said.contains(expected), "{words:?}: {said}");
        assert!(
            !said.contains(issued["token"].as_str().unwrap()),
            "{words:?}"
        );
    }
    let lines = stage.house.hub_home().join("main.sqlite");
    let lines = String::from_utf8_lossy(&fs::read(lines).unwrap()).into_owned();
    let wal = stage.house.hub_home().join("main.sqlite-wal");
    let lines = lines + &*String::from_utf8_lossy(&fs::read(wal).unwrap_or_default());
    for action in [
        "tokens-listed",
        "token-revoked",
        "edges-listed",
        "gates-listed",
        "municipalities-listed",
        "bodies-listed",
        "persons-listed",
        "agreements-listed",
        "hotlists-listed",
        "webhooks-listed",
    ] {
        assert!(
            lines.contains(&format!("\"action\":\"{action}\"")),
            "{action}"
        );
    }
    assert!(stage.hub_says(&["token", "revoke", id]).is_err());
}

#[test]
fn init_is_safe_to_run_again() {
    let stage = Stage::without_camera();
    let token = fs::read(stage.house.token_file()).unwrap();
    let key = fs::read(stage.house.bundle().join("ca.crt")).unwrap();
    stage.hub_says(&["init"]).unwrap();
    assert_eq!(fs::read(stage.house.token_file()).unwrap(), token);
    assert_eq!(
        fs::read(stage.house.hub_home().join("ca.crt")).unwrap(),
        key
    );
}

#[test]
fn c62_part_conform_says_point_by_point_and_passes_only_what_holds() {
    let street = street();
    let root = street.ancestors().nth(3).unwrap();
    let messages = root.join("edge/tests/messages");
    let conform = |file: &str, maker: &str, more: &[&str]| {
        let file = messages.join(file);
        let words = [
            "conform",
            "--message",
            file.to_str().unwrap(),
            "--maker",
            maker,
            "--json",
        ];
        edge(&[&words[..], more].concat())
    };
    let prompt = ["--arrived", "2026-11-20T07:31:09Z"];
    let good = conform("hikvision.multipart", "hikvision", &prompt);
    assert_eq!(good.status.code(), Some(0), "{}", complaint(&good));
    let answer: Value = serde_json::from_slice(&good.stdout).unwrap();
    assert_eq!(answer["compatible"], true);
    // An hour off, because the camera's times are local and nobody said where.
    let zone = conform("milesight.json", "milesight", &prompt);
    assert_eq!(zone.status.code(), Some(1));
    let answer: Value = serde_json::from_slice(&zone.stdout).unwrap();
    let failed = answer["points"]
        .as_array()
        .unwrap()
        .iter()
        .find(|point| point["holds"] == false);
    assert_eq!(failed.unwrap()["name"], "clock offset");
    assert!(
        failed.unwrap()["to_do"]
            .as_str()
            .unwrap()
            .contains("time_zone")
    );
    let rome = [&prompt[..], &["--time-zone", "Europe/Rome"]].concat();
    let mended = conform("milesight.json", "milesight", &rome);
    assert_eq!(mended.status.code(), Some(0), "{}", complaint(&mended));
    let mixed_up = conform("milesight.json", "hikvision", &prompt);
    assert_eq!(mixed_up.status.code(), Some(1));
}

#[test]
fn c62_part_conform_watches_a_real_stream() {
    let camera = Camera::start(
        Box::new(Clip::open(&street(), true).unwrap()),
        &StreamSettings::default(),
    )
    .unwrap();
    let stage = Stage::lay(&CameraAddress {
        url: camera.url(),
        credentials: None,
    });
    let file = stage.house.bundle().join("edge.toml");
    let words = ["conform", "--seconds", "10", "--json", "--config"];
    let output = edge(&[&words[..], &[file.to_str().unwrap()]].concat());
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    let points = answer["points"].as_array().unwrap();
    let holds = |name: &str| {
        let point = points.iter().find(|point| point["name"] == name);
        point.unwrap()["holds"].as_bool().unwrap()
    };
    for name in ["stream", "codec", "picture", "plate seen"] {
        assert!(holds(name), "{name}: {answer}");
    }
    assert!(!holds("direction"), "no zone is configured");
    assert_eq!(output.status.code(), Some(1), "one point does not hold");
    assert_eq!(answer["compatible"], false);
}
