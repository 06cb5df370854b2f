//! A box that makes its own keys, renews its certificate, is copied, and is revoked.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use varco_edge::adapters::spool::Spool;
use varco_edge::adapters::spool::owner::Owner;
use varco_edge::adapters::vault::{BoxKey, Purpose};
use varco_edge::config::SpoolLimits;
use varco_proto::keys::SealingKey;
use varco_proto::receipt::RefusalReason;
use varco_proto::record::RecordBody;
use varco_rig::camera::clip::Clip;
use varco_rig::camera::{Camera, StreamSettings};
use varco_rig::clock;
use varco_rig::house::{EDGE, Programs};
use varco_rig::process::{self, Process};
use varco_rig::sender::{Answer, Sender, transit};

use crate::stage::{Stage, street, until};

const LONGEST: Duration = Duration::from_secs(90);
const NAME: &str = "porta-sud-01";

/// What `varco-hub edge list` says of an edge.
fn state(stage: &Stage, name: &str) -> serde_json::Value {
    let text = stage.hub_says(&["edge", "list", "--json"]).unwrap();
    let answer: serde_json::Value = serde_json::from_str(&text).unwrap();
    let edges = answer["edges"].as_array().unwrap().clone();
    edges.into_iter().find(|edge| edge["id"] == name).unwrap()
}

fn invite(stage: &Stage) -> String {
    let words = [
        "edge",
        "invite",
        NAME,
        "--gate",
        "porta-sud",
        "--valid",
        "10m",
        "--json",
    ];
    let text = stage.hub_says(&words).unwrap();
    let answer: serde_json::Value = serde_json::from_str(&text).unwrap();
    answer["token"].as_str().unwrap().to_owned()
}

fn edge_command() -> Command {
    let mut command = Command::new(Programs::find().unwrap().folder.join("varco-edge"));
    command
        .env("RUST_LOG", "info")
        .env_remove("CREDENTIALS_DIRECTORY");
    command
}

/// Runs `varco-edge enrol` into a folder.
fn enrol(stage: &Stage, token: &str, folder: &Path, camera: &str) -> anyhow::Result<String> {
    let programs = Programs::find().unwrap();
    let file = stage.folder().join("enrolment-token");
    fs::write(&file, format!("{token}\n")).unwrap();
    let mut command = edge_command();
    command
        .args([
            "enrol",
            "--hub",
            &stage.house.hub_url(),
            "--camera-url",
            camera,
            "--ca",
        ])
        .arg(stage.house.hub_home().join("ca.crt"))
        .arg("--token-file")
        .arg(file)
        .arg("--folder")
        .arg(folder)
        .arg("--state-folder")
        .arg(folder.join("state"))
        .arg("--models-folder")
        .arg(programs.models)
        .arg("--onnxruntime-file")
        .arg(programs.onnxruntime);
    process::run("varco-edge enrol", &mut command)
}

/// Every file below a folder, with its bytes.
fn files(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push((path.clone(), fs::read(&path).unwrap()));
        }
    }
    found
}

fn holds(bytes: &[u8], text: &str) -> bool {
    bytes
        .windows(text.len())
        .any(|part| part == text.as_bytes())
}

/// So short a life is in its last third from the beginning, because certificates begin a day
/// before they are made: a box renews its own as soon as it runs.
fn shorten_certificates(stage: &Stage) {
    let path = stage.house.hub_home().join("hub.toml");
    let text = fs::read_to_string(&path).unwrap();
    let short = text.replace("certificate_valid_h = 2160", "certificate_valid_h = 1");
    assert_ne!(short, text);
    fs::write(&path, short).unwrap();
}

/// The test's machine may have nobody who keeps its clock, and a clip is no street's scene.
fn settle(folder: &Path) -> PathBuf {
    let path = folder.join("edge.toml");
    let text = fs::read_to_string(&path).unwrap();
    let shows = "\"covered\", \"defocused\", \"turned\", \"looped\"";
    let text = format!("{text}\n[clock]\nrule = \"any\"\n\n[tamper]\nignored = [{shows}]\n");
    fs::write(&path, text).unwrap();
    path
}

/// While the box runs: no key, no plate, no token in any of its files, or in a log.
fn assert_nothing_is_told(folder: &Path, logs: &[PathBuf], token: &str, plates: &[String]) {
    assert!(!plates.is_empty());
    let logs = logs.iter().map(|log| (log.clone(), fs::read(log).unwrap()));
    for (path, bytes) in files(folder).into_iter().chain(logs) {
        let path = path.display();
        assert!(!holds(&bytes, "PRIVATE KEY"), "{path}");
        assert!(!holds(&bytes, token), "{path}");
        for plate in plates {
            assert!(!holds(&bytes, plate), "a plate lies in {path}");
        }
    }
}

/// Revoked, it is refused at once, while it goes on sending.
async fn assert_refused_once_revoked(stage: &Stage) {
    stage.hub_says(&["edge", "revoke", NAME]).unwrap();
    let at_once = stage.stored().await.len();
    until("its records are refused", LONGEST, async || {
        state(stage, NAME)["refusals"]["unknown-key"]
            .is_number()
            .then_some(())
    })
    .await;
    assert_eq!(stage.stored().await.len(), at_once);
}

#[tokio::test(flavor = "multi_thread")]
async fn c32_c66_part_a_box_enrols_itself_renews_its_certificate_and_hides_all_it_has() {
    let clip = Clip::open(&street(), true).unwrap();
    let camera = Camera::start(Box::new(clip), &StreamSettings::default()).unwrap();
    let mut stage = Stage::without_camera();
    shorten_certificates(&stage);
    stage.house.start_broker().unwrap();
    stage.house.start_hub().unwrap();

    let token = invite(&stage);
    let folder = stage.folder().join("box");
    let wrong = format!("{}0000", &token[..token.len() - 4]);
    let refused = enrol(&stage, &wrong, &folder, &camera.url()).unwrap_err();
    let words = format!("{refused:#}");
    assert!(
        words.contains("edge invite") && !words.contains(&token),
        "{words}"
    );
    let made = enrol(&stage, &token, &folder, &camera.url()).unwrap();
    assert!(made.contains("porta-sud"), "{made}");
    let elsewhere = stage.folder().join("other-box");
    enrol(&stage, &token, &elsewhere, &camera.url()).unwrap_err();
    assert!(
        enrol(&stage, &token, &folder, &camera.url()).is_err(),
        "it is enrolled"
    );

    let config = settle(&folder);
    let first = fs::read(folder.join("edge.crt")).unwrap();
    let log = stage.folder().join("box.log");
    let mut run = edge_command();
    run.args(["run", "--config"]).arg(&config);
    let daemon = Process::start("varco-edge", &mut run, &log).unwrap();
    until("the certificate is renewed", LONGEST, async || {
        (fs::read(folder.join("edge.crt")).unwrap() != first).then_some(())
    })
    .await;
    let said = || fs::read_to_string(&log).unwrap();
    until("a transit after the renewal", LONGEST, async || {
        let found = stage.stored().await;
        found
            .iter()
            .any(|found| found.gate == "porta-sud")
            .then_some(())
    })
    .await;
    until("it came by the new certificate", LONGEST, async || {
        let said = said();
        let renewed = said.find("connecting with the renewed certificate")?;
        said[renewed..]
            .contains("connected to the broker")
            .then_some(())
    })
    .await;
    let view = state(&stage, NAME);
    assert_eq!((&view["missing"], &view["dropped"]), (&0.into(), &0.into()));

    let plates: Vec<String> = stage.stored().await.into_iter().map(|f| f.plate).collect();
    assert_nothing_is_told(
        &folder,
        &[log.clone(), stage.house.log("hub")],
        &token,
        &plates,
    );

    assert_refused_once_revoked(&stage).await;
    daemon.end().unwrap();
    let daemon = Process::start("varco-edge", &mut run, &log).unwrap();
    until("no renewal", LONGEST, async || {
        said().contains("unknown here, or revoked").then_some(())
    })
    .await;
    drop(daemon);
    stage.hub_says(&["audit", "verify"]).unwrap();
    stage.house.end().unwrap();
}

/// The next refusal, passing over receipts.
async fn refusal(sender: &mut Sender) -> RefusalReason {
    loop {
        if let Answer::Refusal(refusal) = sender.answer().await.unwrap() {
            return refusal.reason;
        }
    }
}

async fn receipt(sender: &mut Sender) -> u64 {
    loop {
        if let Answer::Receipt(receipt) = sender.answer().await.unwrap() {
            return receipt.lines[0].sequence;
        }
    }
}

/// Opens the spool in a folder as the box does that has its keys.
fn spool(folder: &Path, bundle: &Path) -> Spool {
    let key = SealingKey::from_pkcs8(&fs::read(bundle.join("signing.pk8")).unwrap()).unwrap();
    let (box_key, _) = BoxKey::find(None, &bundle.join("box.key"))
        .unwrap()
        .unwrap();
    let owner = Owner {
        edge: EDGE.parse().unwrap(),
        key: Arc::new(key),
        cipher: box_key.cipher(Purpose::Spool),
        limits: SpoolLimits::default(),
    };
    Spool::open(folder, owner, clock::now()).unwrap()
}

fn seal(spool: &mut Spool, plate: &str, number: u8) -> Vec<u8> {
    let now = clock::now();
    let body = RecordBody::Transit(transit(plate, now, [number; 10]).unwrap());
    let sequence = spool.seal(body, now).unwrap();
    spool.envelope(sequence).unwrap().unwrap()
}

#[tokio::test]
async fn c33_part_a_copied_box_is_noticed_and_shut_out_until_a_person_releases_it() {
    let (stage, mut sender) = Stage::with_sender().await;
    let bundle = stage.house.bundle();
    BoxKey::make(&bundle.join("box.key")).unwrap();
    let folder = stage.house.edge_state();
    let mut own = spool(&folder, &bundle);
    for (number, plate) in [(1, "AB123CD"), (2, "AB124CD")] {
        sender.send(seal(&mut own, plate, number)).await.unwrap();
        receipt(&mut sender).await;
    }
    // Somebody copies the box: its spool, whole, with all its keys.
    drop(own);
    let copied = stage.folder().join("copied-state");
    fs::create_dir(&copied).unwrap();
    for (path, bytes) in files(&folder) {
        fs::write(copied.join(path.file_name().unwrap()), bytes).unwrap();
    }
    let (mut own, mut copy) = (spool(&folder, &bundle), spool(&copied, &bundle));
    sender.send(seal(&mut own, "AB125CD", 3)).await.unwrap();
    assert_eq!(receipt(&mut sender).await, 3);
    sender.send(seal(&mut copy, "XX999XX", 4)).await.unwrap();
    assert_eq!(refusal(&mut sender).await, RefusalReason::Fork);
    assert_eq!(state(&stage, EDGE)["fork"]["sequence"], 3);
    let list = stage.hub_says(&["edge", "list"]).unwrap();
    assert!(list.contains("FORKED"), "{list}");
    // Whichever of the two it is, nothing more is taken; the box keeps it.
    let waiting = seal(&mut own, "AB126CD", 5);
    sender.send(waiting.clone()).await.unwrap();
    assert_eq!(refusal(&mut sender).await, RefusalReason::OnHold);
    assert_eq!(stage.stored().await.len(), 3);

    let found = "the copy was found and switched off";
    let words = ["edge", "release", EDGE, "--fork", "--purpose", found];
    stage.hub_says(&words).unwrap();
    sender.send(waiting).await.unwrap();
    assert_eq!(receipt(&mut sender).await, 4);
    assert!(state(&stage, EDGE)["fork"].is_null());
    assert_eq!(stage.stored().await.len(), 4);
    stage.hub_says(&["audit", "verify"]).unwrap();
}
