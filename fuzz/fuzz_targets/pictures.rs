//! A camera's pictures: opened within bounds, and what is made of them is a crop that an envelope takes.
#![no_main]

use varco_edge::core::picture::open_within;
use varco_edge::onboard::plate_picture::crop;
use varco_edge::onboard::pushed::Picture;
use varco_fuzz::{Cut, within};
use varco_proto::time::UtcTime;
use varco_proto::transit::{CROP_BYTES_MAX, CROP_SIDE_PX_MAX};

const SIDE_PX_MAX: u32 = 256;
const OPEN_BYTES_MAX: u64 = 1 << 20;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let mut cut = Cut(data);
    let place = cut.array::<4>();
    let bytes = cut.rest();
    // A decoder has tables of its own beside what it is granted; the frame is a copy.
    let opened = within(24 << 20, || {
        open_within(bytes, UtcTime::default(), SIDE_PX_MAX, OPEN_BYTES_MAX)
    });
    let Ok(frame) = opened else {
        return;
    };
    assert!(
        (1..=SIDE_PX_MAX).contains(&frame.width_px) && (1..=SIDE_PX_MAX).contains(&frame.height_px)
    );
    let picture = if place[0] & 1 == 0 {
        Picture::Plate(bytes.to_vec())
    } else {
        Picture::Scene(bytes.to_vec(), place.map(u32::from))
    };
    let Some(crop) = within(64 << 20, || crop(Some(&picture))) else {
        return;
    };
    assert!(crop.jpeg.len() <= CROP_BYTES_MAX && crop.jpeg.starts_with(&[0xff, 0xd8]));
    let sides = 1..=CROP_SIDE_PX_MAX;
    assert!(sides.contains(&crop.width_px) && sides.contains(&crop.height_px));
});
