//! What a camera's view costs and how often it errs, on the project's own clip and on weather
//! that is drawn over it. The figures are printed: `--nocapture`.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panicking and tells its figures"
)]

use std::path::Path;
use std::time::Duration;

use varco_edge::adapters::capture::file::open_file;
use varco_edge::adapters::clock::{Clock as _, SystemClock};
use varco_edge::core::frame::Frame;
use varco_edge::core::view::gate::Following;
use varco_edge::core::view::health::PictureState;
use varco_edge::core::view::{View, ViewSettings};
use varco_proto::time::UtcTime;

/// Frames taken a second, as the example configuration has it.
const FRAMES_PER_SECOND: u32 = 12;
const MINUTES: u32 = 4;
/// Frames of the clip that are kept in memory.
const CLIP_FRAMES: usize = 300;

/// The clip's frames, thinned out to the rate.
fn clip() -> Vec<Frame> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/clips/street.mp4");
    let frames = open_file(&path, SystemClock::shared()).unwrap();
    let frames = frames.map(|next| next.unwrap().frame);
    let luma = frames.map(|frame| Frame {
        chroma: None,
        ..frame
    });
    luma.step_by(2).take(CLIP_FRAMES).collect()
}

fn random(seed: &mut u32) -> u32 {
    *seed ^= *seed << 13;
    *seed ^= *seed >> 17;
    *seed ^= *seed << 5;
    *seed
}

fn byte(value: u32) -> u8 {
    u8::try_from(value.min(255)).unwrap()
}

/// A frame by another light: `light` in hundredths, with the sensor's noise.
fn lit(frame: &Frame, light: u32, noise: u32, seed: &mut u32) -> Frame {
    let mut lit = frame.clone();
    for value in &mut lit.luma {
        *value = byte(u32::from(*value) * light / 100 + 8 + random(seed) % noise);
    }
    lit
}

fn rain(frame: &mut Frame, seed: &mut u32) {
    let (width, height) = (frame.width_px, frame.height_px);
    for _ in 0..250 {
        let (x, y) = (random(seed) % width, random(seed) % height);
        for down in 0..(14.min(height - y)) {
            let at = usize::try_from((y + down) * width + x).unwrap();
            frame.luma[at] = byte(u32::from(frame.luma[at]) + 50);
        }
    }
}

/// Light of headlights on the lower part of the picture.
fn headlights(frame: &mut Frame, strength: u32) {
    let middle = usize::try_from(frame.width_px * frame.height_px / 2).unwrap();
    for value in &mut frame.luma[middle..] {
        *value = byte(u32::from(*value) + strength);
    }
}

#[derive(Debug, Default)]
struct Figures {
    frames: u32,
    looked_at: u32,
    alarms: u32,
    unsound: u32,
    took: Duration,
}

/// Some minutes of pictures before a fresh view.
fn watch(mut picture: impl FnMut(u32, &mut u32) -> Frame) -> Figures {
    let mut view = View::new(ViewSettings {
        masks: Vec::new(),
        frozen_after: Duration::from_secs(60),
        whole_look_every: Some(Duration::from_secs(10)),
    });
    let clock = SystemClock::new();
    let (mut figures, mut seed) = (Figures::default(), 77);
    for k in 0..MINUTES * 60 * FRAMES_PER_SECOND {
        let mut frame = picture(k, &mut seed);
        let at = Duration::from_secs(1) * k / FRAMES_PER_SECOND;
        frame.captured.at = UtcTime::from_unix_us(1_800_000_000_000_000) + at;
        let begun = clock.monotonic();
        let glance = view.take(&mut frame, Following::Nothing);
        figures.took += clock.monotonic().saturating_sub(begun);
        // The first minute is for learning the scene.
        if k >= 60 * FRAMES_PER_SECOND {
            figures.frames += 1;
            figures.looked_at += u32::from(glance.is_looked_at);
        }
        figures.alarms += u32::from(glance.fault.is_some()) + u32::from(glance.repeats);
        figures.unsound += u32::from(glance.picture != PictureState::Fine);
    }
    figures
}

fn told(name: &str, figures: &Figures) {
    let share = f64::from(figures.looked_at) / f64::from(figures.frames);
    let each = figures.took / (MINUTES * 60 * FRAMES_PER_SECOND);
    println!(
        "{name}: {:.1} % looked at, {} alarms, {} unsound, {each:?} a frame",
        share * 100.0,
        figures.alarms,
        figures.unsound
    );
}

#[test]
#[ignore = "minutes of pictures: for figures, by hand"]
fn c33_c38_part_weather_and_night_raise_no_alarm_and_an_empty_road_is_left_alone() {
    let clip = clip();
    let road = clip.first().unwrap().clone();
    let at = |k: u32| &clip[usize::try_from(k).unwrap() % clip.len()];
    let empty_day = watch(|_, seed| lit(&road, 92, 5, seed));
    let empty_night = watch(|_, seed| lit(&road, 30, 9, seed));
    let empty_rain = watch(|_, seed| {
        let mut frame = lit(&road, 80, 5, seed);
        rain(&mut frame, seed);
        frame
    });
    let night = watch(|k, seed| {
        let mut frame = lit(at(k), 25, 9, seed);
        if k % 240 < 30 {
            headlights(&mut frame, 20 + (k % 240) * 4);
        }
        frame
    });
    let wet = watch(|k, seed| {
        let mut frame = lit(at(k), 80, 5, seed);
        rain(&mut frame, seed);
        frame
    });
    let dusk = watch(|k, seed| lit(at(k), 100 - k / 100, 6, seed));
    let day = watch(|k, seed| lit(at(k), 92, 5, seed));
    let all = [
        ("empty road by day", &empty_day),
        ("empty road by night", &empty_night),
        ("empty road in rain", &empty_rain),
        ("traffic by day", &day),
        ("traffic by night with headlights", &night),
        ("traffic in rain", &wet),
        ("traffic at dusk", &dusk),
    ];
    for (name, figures) in all {
        told(name, figures);
    }
    for (name, figures) in all {
        assert_eq!((figures.alarms, figures.unsound), (0, 0), "{name}");
    }
    for empty in [&empty_day, &empty_night, &empty_rain] {
        assert!(empty.looked_at * 50 < empty.frames, "{empty:?}");
    }
}
