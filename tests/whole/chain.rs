//! A vehicle before an RTSP camera is found by lookup seconds later.

use std::time::Duration;

use varco_rig::camera::clip::Clip;
use varco_rig::camera::{Camera, Codec, Show, StreamSettings};
use varco_rig::clock;
use varco_rig::house::CameraAddress;

use crate::stage::{Stage, street, until};

/// Shows the first vehicles of the clip in a codec and finds the first of them.
async fn first_vehicle_is_found(codec: Codec) {
    let clip = Clip::open(&street(), false).unwrap();
    let first = clip.shown().into_iter().next().unwrap();
    let credentials = Some(("varco".to_owned(), "s3cret of the test".to_owned()));
    let settings = StreamSettings {
        codec,
        credentials: credentials.clone(),
        ..Default::default()
    };
    let camera = Camera::start(Box::new(clip), &settings).unwrap();
    let mut stage = Stage::lay(&CameraAddress {
        url: camera.url(),
        credentials,
    });
    stage.house.start().unwrap();
    let hub = stage.hub();
    let found = until(
        "the first vehicle is found",
        Duration::from_secs(40),
        async || {
            stage.house.check_running().unwrap();
            let to = clock::now() + Duration::from_secs(60);
            hub.find(&first.text, stage.since, to)
                .await
                .unwrap()
                .into_iter()
                .next()
        },
    )
    .await;
    assert_eq!(found.gate, "porta-nord");
    assert!(found.agreeing_reads >= 2, "{found:?}");
    let log = std::fs::read_to_string(stage.house.log("edge")).unwrap();
    assert!(
        !log.contains("s3cret"),
        "the camera's password is in the log"
    );
    assert!(!log.contains(&first.text), "a plate is in the log");
    let log = std::fs::read_to_string(stage.house.log("hub")).unwrap();
    assert!(!log.contains(&first.text), "a plate is in the hub's log");
    stage.house.end().unwrap();
}

#[tokio::test]
async fn k01_k05_a_vehicle_in_h264_is_found_by_lookup_seconds_later() {
    first_vehicle_is_found(Codec::H264).await;
}

#[tokio::test]
async fn k01_a_vehicle_in_h265_is_found_as_well() {
    first_vehicle_is_found(Codec::H265).await;
}
