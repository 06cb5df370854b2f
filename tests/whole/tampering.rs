//! Hands laid on the box: the real daemon keeps its transits back until the real hub releases it.

use std::fs;
use std::time::Duration;

use varco_rig::camera::clip::Clip;
use varco_rig::camera::{Camera, StreamSettings};
use varco_rig::house::{CameraAddress, EDGE};

use crate::stage::{Stage, street, until};

const LONGEST: Duration = Duration::from_secs(120);

/// What `varco-hub edge list` says of the edge.
fn state(stage: &Stage) -> serde_json::Value {
    let text = stage.hub_says(&["edge", "list", "--json"]).unwrap();
    let answer: serde_json::Value = serde_json::from_str(&text).unwrap();
    answer["edges"][0].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn c31_c33_an_opened_cabinet_is_told_at_once_and_transits_wait_for_the_release() {
    let camera = Camera::start(
        Box::new(Clip::open(&street(), true).unwrap()),
        &StreamSettings::default(),
    )
    .unwrap();
    let mut stage = Stage::lay(&CameraAddress {
        url: camera.url(),
        credentials: None,
    });
    let contact = stage.with_cabinet();
    stage.house.start().unwrap();
    until("a first transit", LONGEST, async || {
        (!stage.stored().await.is_empty()).then_some(())
    })
    .await;

    fs::write(&contact, "1\n").unwrap();
    until(
        "the alarm at the hub",
        Duration::from_secs(10),
        async || (state(&stage)["suspended_by"][0]["kind"] == "cabinet").then_some(()),
    )
    .await;
    fs::write(&contact, "0\n").unwrap();
    // What was on its way has come by now; then nothing does, though vehicles pass.
    tokio::time::sleep(Duration::from_secs(3)).await;
    let before = stage.stored().await.len();
    tokio::time::sleep(Duration::from_secs(20)).await;
    assert_eq!(stage.stored().await.len(), before, "transits are kept back");

    let purpose = ["--purpose", "our own fitter opened it"];
    let words = [&["edge", "release", EDGE], &purpose[..]].concat();
    stage.hub_says(&words).unwrap();
    until("the transits that waited", LONGEST, async || {
        (stage.stored().await.len() > before).then_some(())
    })
    .await;
    assert!(state(&stage)["suspended_by"].as_array().unwrap().is_empty());
    let verified = stage.hub_says(&["audit", "verify"]).unwrap();
    assert!(verified.contains("intact"), "{verified}");
    stage.house.end().unwrap();
}
