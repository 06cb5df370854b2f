//! Hands laid on the box: the real daemon keeps its transits back until the real hub releases it.

use std::fs;
use std::time::Duration;

use varco_edge::adapters::scene_file::SceneFile;
use varco_edge::adapters::vault::{BoxKey, Purpose};
use varco_edge::core::frame::Frame;
use varco_edge::core::view::scene::Scene;
use varco_edge::core::view::thumb::Thumb;
use varco_proto::time::UtcTime;
use varco_proto::transit::{CaptureTime, ClockSource};
use varco_rig::camera::clip::Clip;
use varco_rig::camera::picture::Picture;
use varco_rig::camera::{Camera, Show, Shown, StreamSettings};
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
async fn c31_c33_part_an_opened_cabinet_is_told_at_once_and_transits_wait_for_the_release() {
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

const SIDES: (u32, u32) = (640, 360);

/// A fixed pseudo-random brightness of each patch of a wall.
fn wall(salt: u32, x: u32, y: u32, second: u32) -> u8 {
    let hash = |x: u32, y: u32, salt: u32| {
        let mut h =
            x.wrapping_mul(374_761_393) ^ y.wrapping_mul(668_265_263) ^ salt.wrapping_mul(97);
        h = (h ^ (h >> 13)).wrapping_mul(1_274_126_177);
        h ^ (h >> 16)
    };
    let patch = 60 + hash(x / 31, y / 23, salt) % 130 + hash(x, y, second) % 5;
    u8::try_from(patch).unwrap()
}

/// A camera before a wall.
struct Wall {
    salt: u32,
    frames: u32,
}

impl Show for Wall {
    fn size_px(&self) -> (u32, u32) {
        SIDES
    }

    fn frames_per_second(&self) -> u32 {
        5
    }

    fn next(&mut self) -> anyhow::Result<Option<Picture>> {
        self.frames += 1;
        let (width, height) = (640_u32, 360_u32);
        let mut picture = Picture::grey(640, 360, 0);
        let places = (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
        for (value, (x, y)) in picture.i420.iter_mut().zip(places) {
            *value = wall(self.salt, x, y, self.frames);
        }
        Ok(Some(picture))
    }

    fn shown(&self) -> Vec<Shown> {
        Vec::new()
    }
}

/// A scene as the daemon learns it from a wall in some minutes, in no time.
fn learnt(salt: u32) -> Vec<u8> {
    let mut scene = Scene::default();
    for second in 0..130 {
        let (width_px, height_px) = SIDES;
        let places = (0..height_px).flat_map(|y| (0..width_px).map(move |x| (x, y)));
        let frame = Frame {
            luma: places.map(|(x, y)| wall(salt, x, y, second)).collect(),
            chroma: None,
            width_px,
            height_px,
            captured: CaptureTime {
                at: UtcTime::from_unix_us(0) + Duration::from_secs(1) * second,
                uncertainty: Duration::ZERO,
                source: ClockSource::File,
            },
            index: 0,
        };
        assert_eq!(scene.take(&frame, &Thumb::of(&frame)), None);
    }
    scene.kept().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn c31_part_a_camera_turned_while_the_box_was_off_is_told_until_the_release_takes_its_scene()
{
    let show = Wall { salt: 2, frames: 0 };
    let camera = Camera::start(Box::new(show), &StreamSettings::default()).unwrap();
    let mut stage = Stage::lay(&CameraAddress {
        url: camera.url(),
        credentials: None,
    });
    let bundle = stage.house.bundle();
    let config = bundle.join("edge.toml");
    let text = fs::read_to_string(&config).unwrap();
    let heard = text.replace(
        "ignored = [\"covered\", \"defocused\", \"turned\", ",
        "ignored = [",
    );
    assert_ne!(heard, text);
    fs::write(&config, heard).unwrap();
    let cipher = BoxKey::make(&bundle.join("box.key"))
        .unwrap()
        .cipher(Purpose::Scene);
    let state_folder = stage.house.edge_state();
    fs::create_dir_all(&state_folder).unwrap();
    let (edge, camera_id) = (EDGE.parse().unwrap(), EDGE.parse().unwrap());
    let file = SceneFile::new(&state_folder, cipher, &edge, &camera_id, "[]");
    file.write(&learnt(1)).unwrap();

    stage.house.start().unwrap();
    let log = stage.house.log("edge");
    until("the kept scene is taken", LONGEST, async || {
        let log = fs::read_to_string(&log).unwrap_or_default();
        log.contains("the scene of the last run is known")
            .then_some(())
    })
    .await;
    until("the alarm at the hub", LONGEST, async || {
        (state(&stage)["suspended_by"][0]["kind"] == "turned").then_some(())
    })
    .await;
    assert!(
        file.read().unwrap().is_some(),
        "what is wrong replaces nothing"
    );
    // The edge has looked whether it is released, and is not.
    tokio::time::sleep(Duration::from_secs(7)).await;
    let words = [
        "edge",
        "release",
        EDGE,
        "--purpose",
        "aimed anew by our fitter",
    ];
    stage.hub_says(&words).unwrap();
    until("the scene is learnt anew", LONGEST, async || {
        file.read().unwrap().is_none().then_some(())
    })
    .await;
    stage.house.end().unwrap();
}
