use std::path::Path;
use std::time::Duration;

use image::codecs::jpeg::JpegEncoder;
use varco_proto::confidence::Confidence;
use varco_proto::ids::{Digest, TransitId};
use varco_proto::onboard::OnboardReader;
use varco_proto::time::UtcTime;
use varco_proto::transit::{CaptureTime, CharacterCandidate, ClockSource, PlateCrop, PlateRead};

use super::*;

fn transit(jpeg: Vec<u8>, onboard: Option<OnboardReader>) -> Transit {
    let (at, confidence) = (UtcTime::from_unix_us(1), Confidence::new(0.9).unwrap());
    Transit {
        id: TransitId::from_parts(1, [7; 10]),
        camera: "c".parse().unwrap(),
        gate: "g".parse().unwrap(),
        captured_at: CaptureTime {
            at,
            uncertainty: Duration::ZERO,
            source: ClockSource::Camera,
        },
        first_seen: at,
        last_seen: at,
        direction: None,
        plate: PlateRead {
            text: "AB".parse().unwrap(),
            confidence,
            characters: ['A', 'B']
                .map(|symbol| vec![CharacterCandidate { symbol, confidence }])
                .to_vec(),
            agreeing_reads: 1,
            reads: 1,
            countries: Vec::new(),
            rows: 1,
        },
        crop: PlateCrop {
            jpeg,
            width_px: 1,
            height_px: 1,
        },
        model_digest: Digest::ZERO,
        lane: None,
        travel: None,
        onboard,
    }
}

fn jpeg(picture: &RgbImage) -> Vec<u8> {
    let mut out = Vec::new();
    JpegEncoder::new_with_quality(&mut out, 95)
        .encode_image(picture)
        .unwrap();
    out
}

fn reader() -> OnboardReader {
    OnboardReader::new("Hikvision", "DS-TCG", "1", None, 100.0)
}

fn of(obscured: &Obscured) -> RgbImage {
    let png = obscured.png().unwrap();
    image::load_from_memory_with_format(png, ImageFormat::Png)
        .unwrap()
        .into_rgb8()
}

/// A white plate of 200 x 42 with its margin of 15, and somebody's red face at the very edge.
fn scene() -> RgbImage {
    RgbImage::from_fn(230, 72, |x, y| match (x, y) {
        (15..215, 15..57) => Rgb([250, 250, 250]),
        (0..9, _) | (_, 0..9) => Rgb([220, 10, 10]),
        _ => Rgb([20, 20, 20]),
    })
}

#[test]
fn c69_part_what_lies_outside_the_plate_is_painted_over_and_the_plate_stays() {
    let obscured = obscure(&transit(jpeg(&scene()), None)).unwrap();
    assert_eq!(obscured.masking(), Masking::OutsideThePlate);
    let masked = of(&obscured);
    assert_eq!(masked.dimensions(), (230, 72));
    let is_red = |pixel: &Rgb<u8>| pixel.0[0] > 120 && pixel.0[1] < 80;
    assert!(scene().pixels().any(is_red) && !masked.pixels().any(is_red));
    for (x, y) in [(18, 18), (211, 53), (115, 36)] {
        assert!(
            masked.get_pixel(x, y).0[0] > 230,
            "the plate stays at {x}, {y}"
        );
    }
    assert_eq!(*masked.get_pixel(0, 36), PAINT);
}

#[test]
fn c71_part_a_picture_whose_plate_place_is_unknown_is_made_unreadable_whole() {
    let letters = RgbImage::from_fn(200, 50, |x, _| match (x / 5) % 2 {
        0 => Rgb([0, 0, 0]),
        _ => Rgb([255, 255, 255]),
    });
    let obscured = obscure(&transit(jpeg(&letters), Some(reader()))).unwrap();
    assert_eq!(obscured.masking(), Masking::Whole);
    let masked = of(&obscured);
    // Forty strokes were there; fields of a quarter of the height are left, each of one colour.
    for y in 0..masked.height() {
        let row: Vec<_> = (0..masked.width())
            .map(|x| *masked.get_pixel(x, y))
            .collect();
        let changes = row.windows(2).filter(|two| two[0] != two[1]).count();
        assert!(changes <= 200 / 13, "row {y} changes {changes} times");
    }
}

#[test]
fn c71_part_what_is_no_picture_is_not_released_as_it_is() {
    for bytes in [vec![0xff, 0xd8, 1, 2, 3], Vec::new(), b"GIF89a".to_vec()] {
        let obscured = obscure(&transit(bytes, None)).unwrap();
        assert_eq!(
            (obscured.png(), obscured.masking()),
            (None, Masking::NoPicture)
        );
    }
    let one = RgbImage::from_pixel(1, 1, Rgb([128; 3]));
    assert_eq!(obscure(&transit(jpeg(&one), None)).unwrap().png(), None);
}

#[test]
fn a_released_picture_carries_no_metadata() {
    // A comment in the JPEG, as cameras write the place in one.
    let mut with_comment = jpeg(&scene());
    let comment = b"\xff\xfe\x00\x12via Roma 1, Andrea";
    with_comment.splice(2..2, comment.iter().copied());
    let obscured = obscure(&transit(with_comment, None)).unwrap();
    let png = obscured.png().unwrap();
    assert!(!png.windows(4).any(|part| part == b"Roma"));
    for chunk in [b"tEXt", b"iTXt", b"eXIf", b"tIME", b"zTXt"] {
        assert!(!png.windows(4).any(|part| part == chunk));
    }
}

/// Crops that somebody cut from photographs, in the folder that `VARCO_CROPS` names. None is in the repository: this
/// says so and skips where there are none. The masked pictures go to a folder beside it, to be looked at.
#[test]
fn real_crops_are_masked_and_can_be_looked_at() {
    let Ok(folder) = std::env::var("VARCO_CROPS") else {
        eprintln!("VARCO_CROPS names no folder of crops: skipped");
        return;
    };
    let into = Path::new(&folder).join("masked");
    std::fs::create_dir_all(&into).unwrap();
    let mut masked = 0;
    for entry in std::fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|ending| ending != "jpg") {
            continue;
        }
        let obscured = obscure(&transit(std::fs::read(&path).unwrap(), None)).unwrap();
        let name = path.with_extension("png");
        std::fs::write(
            into.join(name.file_name().unwrap()),
            obscured.png().unwrap(),
        )
        .unwrap();
        masked += 1;
    }
    assert!(masked > 0);
}
