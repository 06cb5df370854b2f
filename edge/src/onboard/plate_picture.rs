//! A camera's picture becomes a crop of the plate and of nothing else.

use varco_proto::time::UtcTime;
use varco_proto::transit::PlateCrop;

use super::pushed::Picture;
use crate::core::crop::{Cut, cut};
use crate::core::geometry::{Bounds, Quad};
use crate::core::number::float_px;
use crate::core::picture;

/// Largest picture of a plate alone, in pixels: what is larger shows more than a plate, whatever
/// the camera calls it.
const PLATE_WIDTH_PX_MAX: u32 = 800;
const PLATE_HEIGHT_PX_MAX: u32 = 320;
/// A picture that nobody names is of a plate when it is so many times as wide as high: a vehicle is
/// not, and people are not.
const UNNAMED_ASPECT_MIN: u32 = 2;
/// Largest side of a scene, in pixels.
const SCENE_SIDE_PX_MAX: u32 = 8192;
/// Most memory that opening a scene may take.
const SCENE_BYTES_MAX: u64 = 160 << 20;
/// A plate takes at most one in so many pixels of a scene's width, and of its height.
const SHARES: (u32, u32) = (2, 5);

/// The plate's crop, encoded anew: what else a file carries, a place or a name, stays behind.
/// None when there is no picture that shows the plate alone.
#[must_use]
pub fn crop(picture: Option<&Picture>) -> Option<PlateCrop> {
    let open = |bytes: &[u8]| {
        let at = UtcTime::default();
        picture::open_within(bytes, at, SCENE_SIDE_PX_MAX, SCENE_BYTES_MAX).ok()
    };
    match picture? {
        Picture::Plate(bytes) => {
            let frame = open(bytes)?;
            let (width, height) = (frame.width_px, frame.height_px);
            let is_plate = width <= PLATE_WIDTH_PX_MAX && height <= PLATE_HEIGHT_PX_MAX;
            is_plate.then(|| cut(&frame, &quad([0, 0, width, height])).encoded())
        }
        Picture::Scene(bytes, place) => {
            let frame = open(bytes)?;
            let [left, top, width, height] = *place;
            let fits = |at: u32, side: u32, whole: u32, share: u32| {
                let ends_within = at.checked_add(side).is_some_and(|end| end <= whole);
                side > 0 && ends_within && side.saturating_mul(share) <= whole
            };
            let fits = fits(left, width, frame.width_px, SHARES.0)
                && fits(top, height, frame.height_px, SHARES.1)
                && height <= width;
            fits.then(|| cut(&frame, &quad(*place)).encoded())
        }
    }
}

/// A picture that nobody names, when it has the shape of a plate alone.
pub(super) fn by_shape(bytes: Vec<u8>) -> Option<Picture> {
    let at = UtcTime::default();
    let frame = picture::open_within(&bytes, at, PLATE_WIDTH_PX_MAX, SCENE_BYTES_MAX).ok()?;
    let is_flat = frame.height_px.saturating_mul(UNNAMED_ASPECT_MIN) <= frame.width_px;
    let is_plate = is_flat && frame.height_px <= PLATE_HEIGHT_PX_MAX;
    is_plate.then_some(Picture::Plate(bytes))
}

/// What stands for a picture that there is not: one grey pixel.
pub(super) fn none() -> PlateCrop {
    let pixel = Cut {
        rgb: vec![128; 3],
        width_px: 1,
        height_px: 1,
    };
    pixel.encoded()
}

fn quad([left, top, width, height]: [u32; 4]) -> Quad {
    Quad::from_bounds(Bounds {
        left: float_px(left),
        top: float_px(top),
        right: float_px(left.saturating_add(width)),
        bottom: float_px(top.saturating_add(height)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn jpeg(width: u32, height: u32) -> Vec<u8> {
        let pixels = usize::try_from(width * height * 3).unwrap();
        picture::jpeg(&vec![90; pixels], width, height, 90).unwrap()
    }

    #[test]
    fn c41_a_scene_leaves_as_its_plate_alone_or_not_at_all() {
        let plate = crop(Some(&Picture::Plate(jpeg(180, 40)))).unwrap();
        assert_eq!((plate.width_px, plate.height_px), (180, 40));
        let called_a_plate = crop(Some(&Picture::Plate(jpeg(1280, 720))));
        assert_eq!(called_a_plate, None);
        let unnamed = |width, height| by_shape(jpeg(width, height));
        assert!(unnamed(180, 40).is_some());
        for (width, height) in [(1280, 720), (300, 200), (800, 390)] {
            assert_eq!(unnamed(width, height), None, "{width} x {height}");
        }
        let scene = |place| crop(Some(&Picture::Scene(jpeg(1280, 720), place)));
        let cut = scene([600, 400, 120, 30]).unwrap();
        assert!(cut.width_px < 150 && cut.height_px < 60);
        for wrong in [
            [0, 0, 1280, 720],
            [1200, 400, 120, 30],
            [0, 0, 0, 0],
            [0, 0, 30, 120],
            [u32::MAX, 0, 9, 9],
        ] {
            assert_eq!(scene(wrong), None, "{wrong:?}");
        }
        assert_eq!(crop(Some(&Picture::Plate(b"no picture".to_vec()))), None);
        assert_eq!((crop(None), none().width_px), (None, 1));
    }
}
