//! What is told of plates that come, stay and go.

use std::time::Duration;

use varco_proto::confidence::Confidence;
use varco_proto::transit::Direction;

use super::*;
use crate::core::frame::tests::grey;
use crate::core::geometry::{Bounds, Quad};
use crate::core::manifest::tests::TEXT;
use crate::core::read::tests::reading;
use crate::core::sighting::Look;
use crate::core::view::gate::Following;

fn tracks() -> Tracks {
    Tracks::new(TrackSettings::default(), &Manifest::parse(TEXT).unwrap())
}

fn frame(at_ms: u64) -> Frame {
    let mut frame = grey(320, 200, |_, _| 60);
    frame.captured.at = UtcTime::default() + Duration::from_millis(at_ms);
    frame
}

fn sight(left: f32, top: f32, width: f32, text: &str, p: f32) -> PlateLook {
    let quad = Quad::from_bounds(Bounds {
        left,
        top,
        right: left + width,
        bottom: top + width / 4.7,
    });
    let plate = PlateDetection {
        quad,
        confidence: Confidence::saturating(0.9),
    };
    let look = Look {
        reading: reading(text, p),
        raw: reading(text, p),
        plate: Confidence::saturating(0.9),
        sharpness: 0.1,
    };
    PlateLook { plate, look }
}

fn texts(passes: &[Pass]) -> Vec<&str> {
    passes.iter().map(|p| p.plate.text.as_str()).collect()
}

#[test]
fn a_plate_that_moves_and_grows_is_one_pass_towards() {
    let mut tracks = tracks();
    for k in 0..20_u16 {
        let x = f32::from(k) * 6.0;
        let seen = vec![sight(x, 40.0 + x, 60.0 + x, "AB123CD", 0.9)];
        assert!(tracks.take(&frame(u64::from(k) * 40), seen).is_empty());
    }
    let passes = tracks.tick(UtcTime::default() + Duration::from_secs(4));
    assert_eq!(texts(&passes), ["AB123CD"]);
    assert_eq!(passes[0].direction, Some(Direction::Towards));
    assert_eq!(
        (passes[0].plate.agreeing_reads, passes[0].plate.reads),
        (20, 20)
    );
    assert!(passes[0].width_px > 90.0);
    assert!(passes[0].crop.jpeg.len() > 100);
    assert_eq!(passes[0].path.len(), 20);
    assert!(passes[0].path[0].x < passes[0].path[19].x);
    assert!(tracks.finish().is_empty());
    assert_eq!(tracks.following(), Following::Nothing);
}

#[test]
fn two_vehicles_side_by_side_are_two_passes() {
    let mut tracks = tracks();
    for k in 0..6 {
        let seen = vec![
            sight(20.0, 40.0, 60.0, "AB123CD", 0.9),
            sight(200.0, 40.0, 60.0, "XY987ZW", 0.9),
        ];
        tracks.take(&frame(k * 40), seen);
    }
    let passes = tracks.finish();
    assert_eq!(passes.len(), 2);
}

#[test]
fn a_vehicle_right_behind_another_is_split_by_its_text() {
    let mut tracks = tracks();
    for k in 0..10 {
        let text = if k < 5 { "AB123CD" } else { "XY987ZW" };
        tracks.take(&frame(k * 40), vec![sight(50.0, 50.0, 80.0, text, 0.9)]);
    }
    let passes = tracks.finish();
    let mut emitted = texts(&passes);
    emitted.sort_unstable();
    assert_eq!(emitted, ["AB123CD", "XY987ZW"]);
}

#[test]
fn a_plate_that_jumps_is_joined_by_its_text() {
    let mut tracks = tracks();
    for k in 0..6_u16 {
        let left = if k < 3 { 10.0 } else { 230.0 };
        let seen = vec![sight(left, 50.0, 40.0, "AB123CD", 0.9)];
        tracks.take(&frame(u64::from(k) * 300), seen);
    }
    assert_eq!(texts(&tracks.finish()), ["AB123CD"]);
}

#[test]
fn a_plate_that_shows_again_soon_is_not_told_twice_but_later_it_is() {
    let mut tracks = tracks();
    let mut emitted = 0;
    for begin_ms in [0, 4000, 60_000] {
        for k in 0..5 {
            let seen = vec![sight(50.0, 50.0, 80.0, "AB123CD", 0.9)];
            emitted += tracks.take(&frame(begin_ms + k * 40), seen).len();
        }
    }
    emitted += tracks.finish().len();
    assert_eq!(emitted, 2);
}

#[test]
fn a_text_of_one_frame_or_of_weak_reads_is_not_told() {
    let mut lone = tracks();
    lone.take(&frame(0), vec![sight(50.0, 50.0, 80.0, "AB123CD", 0.95)]);
    assert!(lone.finish().is_empty());
    let mut weak = tracks();
    for k in 0..10 {
        weak.take(
            &frame(k * 40),
            vec![sight(50.0, 50.0, 80.0, "AB123CD", 0.2)],
        );
    }
    assert!(weak.finish().is_empty());
    let mut short = tracks();
    for k in 0..10 {
        short.take(&frame(k * 40), vec![sight(50.0, 50.0, 80.0, "A1", 0.95)]);
    }
    assert!(short.finish().is_empty());
}

#[test]
fn a_parked_vehicle_is_told_once_while_it_stays() {
    let mut tracks = tracks();
    let mut emitted = Vec::new();
    for k in 0..300 {
        let seen = vec![sight(50.0, 50.0, 80.0, "AB123CD", 0.9)];
        emitted.extend(tracks.take(&frame(k * 200), seen));
    }
    assert_eq!(texts(&emitted), ["AB123CD"]);
    assert_eq!(emitted[0].direction, None);
    assert!(tracks.finish().is_empty());
}

#[test]
fn a_clock_that_is_set_back_ends_what_is_in_sight() {
    let mut tracks = tracks();
    for k in 0..5 {
        let seen = vec![sight(50.0, 50.0, 80.0, "AB123CD", 0.9)];
        tracks.take(&frame(100_000 + k * 40), seen);
    }
    assert_eq!(tracks.take(&frame(0), Vec::new()).len(), 1);
}

#[test]
fn misreads_on_the_way_are_outvoted() {
    let mut tracks = tracks();
    for k in 0..12 {
        let text = match k % 4 {
            0 => "A8123CD",
            1 => "AB123C0",
            _ => "AB123CD",
        };
        tracks.take(&frame(k * 40), vec![sight(50.0, 50.0, 80.0, text, 0.7)]);
    }
    let passes = tracks.finish();
    assert_eq!(texts(&passes), ["AB123CD"]);
    assert_eq!(
        (passes[0].plate.agreeing_reads, passes[0].plate.reads),
        (6, 12)
    );
}
/// The same sight, less likely a plate.
fn likely(plate: f32, mut seen: PlateLook) -> PlateLook {
    seen.look.plate = Confidence::saturating(plate);
    seen
}

#[test]
fn a_frame_that_looks_like_no_plate_neither_ends_a_pass_nor_votes() {
    let mut tracks = tracks();
    for k in 0..12 {
        // Once in a while a sure other text, said of what is taken for no plate.
        let (plate, text) = if k % 4 == 2 {
            (0.1, "XY987ZW")
        } else {
            (0.9, "AB123CD")
        };
        let seen = likely(plate, sight(50.0, 50.0, 80.0, text, 0.9));
        tracks.take(&frame(k * 40), vec![seen]);
    }
    let passes = tracks.finish();
    assert_eq!(texts(&passes), ["AB123CD"]);
    assert_eq!(passes[0].plate.reads, 9);
    assert_eq!(passes[0].frame_reads.texts.len(), 1);
}

#[test]
fn what_is_hardly_ever_taken_for_a_plate_is_not_told() {
    let mut never = tracks();
    let mut seldom = tracks();
    for k in 0..12 {
        let seen = sight(50.0, 50.0, 80.0, "AB123CD", 0.9);
        never.take(&frame(k * 40), vec![likely(0.2, seen.clone())]);
        let plate = if k % 6 == 0 { 0.6 } else { 0.1 };
        seldom.take(&frame(k * 40), vec![likely(plate, seen)]);
    }
    assert!(never.live.is_empty());
    assert_eq!(seldom.live.len(), 1);
    assert!(seldom.finish().is_empty());
}

/// An Italian plate whose fourth character every frame takes rather for an S than for a 5.
fn doubtful() -> PlateLook {
    let manifest = Manifest::parse(TEXT).unwrap();
    let rule = manifest.recogniser.confidence;
    let mut seen = sight(50.0, 50.0, 80.0, "AB1S3CD", 0.9);
    let [s, five] = ['S', '5'].map(|c| crate::core::read::ALPHABET.find(c).unwrap());
    let character = &mut seen.look.raw.characters[3].0;
    (character[s], character[five]) = (0.52, 0.45);
    seen.look.reading = manifest.syntax.weigh(&seen.look.raw, rule);
    seen
}

#[test]
fn what_is_known_of_plates_settles_a_doubt_of_the_vote_once() {
    let mut tracks = tracks();
    for k in 0..3 {
        tracks.take(&frame(k * 40), vec![doubtful()]);
    }
    let passes = tracks.finish();
    assert_eq!(texts(&passes), ["AB153CD"]);
    assert_eq!(passes[0].plate.agreeing_reads, 3);
    let symbols: Vec<char> = passes[0].plate.characters[3]
        .iter()
        .map(|c| c.symbol)
        .collect();
    assert_eq!(
        symbols[..2],
        ['5', 'S'],
        "what was seen stays as the runner-up"
    );
    // It shows again, and is still the same plate.
    for k in 100..103 {
        tracks.take(
            &frame(k * 40),
            vec![sight(50.0, 50.0, 80.0, "AB153CD", 0.9)],
        );
    }
    assert!(tracks.finish().is_empty());
}

fn find(left: f32, confidence: f32) -> PlateDetection {
    let PlateLook { plate, .. } = sight(left, 40.0, 60.0, "", 0.0);
    PlateDetection {
        confidence: Confidence::saturating(confidence),
        ..plate
    }
}

#[test]
fn faint_finds_are_read_near_what_is_followed_and_in_thorough_frames() {
    let mut tracks = tracks();
    let now = frame(0).captured.at;
    tracks.take(&frame(0), vec![sight(20.0, 40.0, 60.0, "AB123CD", 0.9)]);
    let found = [find(22.0, 0.3), find(250.0, 0.3), find(250.0, 0.6)];
    let read = |thorough| -> Vec<PlateDetection> {
        let worth = tracks.worth_reading(now, &found, thorough);
        worth.into_iter().map(|sighting| sighting.plate).collect()
    };
    assert_eq!(read(false), [found[0], found[2]]);
    assert_eq!(read(true), found);
}

#[test]
fn one_frame_in_a_while_is_thorough_whatever_the_clock_does() {
    let mut tracks = tracks();
    let thorough: Vec<bool> = [0, 40, 199, 200, 239, 90_000, 89_990, 300]
        .into_iter()
        .map(|at_ms| tracks.thorough(frame(at_ms).captured.at))
        .collect();
    let wanted = [true, false, false, true, false, true, false, true];
    assert_eq!(thorough, wanted, "the last after the clock was set back");
}

#[test]
fn a_plate_is_known_after_many_sure_frames_and_only_where_it_is_alone() {
    let mut tracks = tracks();
    let known = |tracks: &Tracks, at_ms| {
        let worth = tracks.worth_reading(frame(at_ms).captured.at, &[find(20.0, 0.9)], false);
        worth[0].known.clone()
    };
    for k in 0..20 {
        tracks.take(
            &frame(k * 40),
            vec![sight(20.0, 40.0, 60.0, "AB123CD", 0.9)],
        );
        if k == 2 {
            assert_eq!(known(&tracks, 100), None);
        }
    }
    assert_eq!(known(&tracks, 800).as_deref(), Some("AB123CD"));
    assert!(tracks.follows_wide(60.0) && !tracks.follows_wide(61.0));
    let both = vec![
        sight(20.0, 40.0, 60.0, "AB123CD", 0.9),
        sight(50.0, 40.0, 60.0, "XY987ZW", 0.9),
    ];
    tracks.take(&frame(840), both);
    assert_eq!(known(&tracks, 880), None, "another is as near");
}
