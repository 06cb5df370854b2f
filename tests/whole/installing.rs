//! What an installer on site is told of a camera's picture.

use std::process::Command;

use serde_json::Value;
use varco_rig::camera::clip::Clip;
use varco_rig::camera::picture::Picture;
use varco_rig::camera::{Camera, Show, Shown, StreamSettings};
use varco_rig::house::{CameraAddress, EDGE, Programs};

use crate::stage::{Stage, street};

/// A show seen through a lens that is far out of focus.
struct Defocused(Clip);

/// How far each pixel is spread, in pixels to each side.
const BLUR_PX: usize = 40;

impl Show for Defocused {
    fn size_px(&self) -> (u32, u32) {
        self.0.size_px()
    }

    fn frames_per_second(&self) -> u32 {
        self.0.frames_per_second()
    }

    fn next(&mut self) -> anyhow::Result<Option<Picture>> {
        let mut picture = self.0.next()?;
        if let Some(picture) = &mut picture {
            let (width, pixels) = (picture.width_px, picture.width_px * picture.height_px);
            // Enough for a test: along the rows, which is the way that edges are measured.
            for row in picture.i420[..pixels].chunks_exact_mut(width) {
                blur(row);
            }
        }
        Ok(picture)
    }

    fn shown(&self) -> Vec<Shown> {
        self.0.shown()
    }
}

fn blur(row: &mut [u8]) {
    let sums: Vec<u32> = std::iter::once(0)
        .chain(row.iter().scan(0, |sum, value| {
            *sum += u32::from(*value);
            Some(*sum)
        }))
        .collect();
    for x in 0..row.len() {
        let (from, to) = (x.saturating_sub(BLUR_PX), (x + BLUR_PX).min(row.len()));
        let mean = (sums[to] - sums[from]) / u32::try_from(to - from).unwrap();
        row[x] = u8::try_from(mean).unwrap();
    }
}

/// What `check` prints, and its line on the camera's picture.
fn check(show: Box<dyn Show>, watch: &str) -> (String, Value) {
    let camera = Camera::start(show, &StreamSettings::default()).unwrap();
    let stage = Stage::lay(&CameraAddress {
        url: camera.url(),
        credentials: None,
    });
    let folder = Programs::find().unwrap().folder;
    let output = Command::new(folder.join("varco-edge"))
        .args(["check", "--json", "--watch", watch, "--config"])
        .arg(stage.house.bundle().join("edge.toml"))
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let answer: Value = serde_json::from_str(&text).unwrap();
    let name = format!("picture {EDGE}");
    let mut checks = answer["checks"].as_array().unwrap().iter();
    let found = checks.find(|check| check["name"] == name.as_str());
    let found = found.unwrap_or_else(|| panic!("no {name} in {text}"));
    (text.clone(), found.clone())
}

#[test]
fn e04_part_check_measures_the_picture_of_a_real_stream_and_tells_no_plate() {
    let clip = Clip::open(&street(), true).unwrap();
    let plates: Vec<String> = clip.shown().into_iter().map(|shown| shown.text).collect();
    let (text, found) = check(Box::new(clip), "12");
    println!("{}", found["says"]);
    assert_eq!(found["ok"], true, "{found}");
    let picture = &found["picture"];
    assert!(picture["frames_per_second"].as_f64().unwrap() > 5.0);
    assert!(picture["edge_px"].as_f64().unwrap() < 6.0, "{picture}");
    let plate = &picture["plate"];
    assert!(plate["width_px"].as_f64().unwrap() > 30.0, "{picture}");
    assert!(plate["pose"]["roll_deg"].is_number(), "{picture}");
    assert!(!plates.is_empty());
    for plate in plates {
        assert!(!text.contains(&plate), "a plate is told");
    }
}

#[test]
fn e04_part_check_fails_a_picture_without_hope_and_says_what_to_do() {
    let clip = Clip::open(&street(), true).unwrap();
    let (_, found) = check(Box::new(Defocused(clip)), "3");
    println!("{}", found["says"]);
    assert_eq!(found["ok"], false, "{found}");
    assert!(found["says"].as_str().unwrap().contains("focus the lens"));
    let black = Box::new(Black);
    let (_, found) = check(black, "2");
    println!("{}", found["says"]);
    assert_eq!(found["ok"], false, "{found}");
    assert!(found["says"].as_str().unwrap().contains("take off the cap"));
}

/// A camera whose cap is on.
struct Black;

impl Show for Black {
    fn size_px(&self) -> (u32, u32) {
        (1280, 720)
    }

    fn frames_per_second(&self) -> u32 {
        10
    }

    fn next(&mut self) -> anyhow::Result<Option<Picture>> {
        Ok(Some(Picture::grey(1280, 720, 17)))
    }

    fn shown(&self) -> Vec<Shown> {
        Vec::new()
    }
}
