//! The plate cut out of a frame for people: no more of the scene than the plate and a margin.

use varco_proto::transit::{CROP_BYTES_MAX, CROP_SIDE_PX_MAX, PlateCrop};

use super::frame::Frame;
use super::geometry::Quad;
use super::number::{float_px, floor_within, index};
use super::picture::jpeg;

/// Room left round the plate, as a share of its height, on every side.
const MARGIN: f32 = 0.35;
/// JPEG qualities tried until the crop is small enough.
const QUALITIES: [u8; 5] = [88, 75, 60, 40, 20];

/// A part of a frame in colour.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cut {
    /// Red, green, blue for each pixel, row by row.
    pub rgb: Vec<u8>,
    /// Width in pixels.
    pub width_px: u32,
    /// Height in pixels.
    pub height_px: u32,
}

/// Cuts the plate with its margin, upright. A part too large for a message is thinned out.
#[must_use]
pub fn cut(frame: &Frame, quad: &Quad) -> Cut {
    let bounds = quad.bounds();
    let margin = (quad.height_px() * MARGIN).max(2.0);
    let (width, height) = (index(frame.width_px), index(frame.height_px));
    let span = |low: f32, high: f32, side: usize| {
        let first = floor_within(low - margin, side.saturating_sub(1));
        let last = floor_within(high + margin, side.saturating_sub(1)).max(first);
        (first, last + 1)
    };
    let (left, right) = span(bounds.left, bounds.right, width);
    let (top, bottom) = span(bounds.top, bounds.bottom, height);
    let step = (right - left)
        .max(bottom - top)
        .div_ceil(index(CROP_SIDE_PX_MAX))
        .max(1);
    let (columns, rows) = ((right - left).div_ceil(step), (bottom - top).div_ceil(step));
    let mut rgb = Vec::with_capacity(columns * rows * 3);
    for y in (top..bottom).step_by(step) {
        for x in (left..right).step_by(step) {
            rgb.extend(colour(frame, x, y));
        }
    }
    Cut {
        rgb,
        width_px: u32::try_from(columns).unwrap_or(CROP_SIDE_PX_MAX),
        height_px: u32::try_from(rows).unwrap_or(CROP_SIDE_PX_MAX),
    }
}

impl Cut {
    /// As JPEG of at most [`CROP_BYTES_MAX`], with as much quality as fits. A cut that cannot be
    /// written, which only a broken frame makes, becomes one grey pixel: its read is still emitted.
    #[must_use]
    pub fn encoded(&self) -> PlateCrop {
        let fitting = QUALITIES.into_iter().find_map(|quality| {
            jpeg(&self.rgb, self.width_px, self.height_px, quality)
                .ok()
                .filter(|bytes| bytes.len() <= CROP_BYTES_MAX)
        });
        if let Some(jpeg) = fitting {
            return PlateCrop {
                jpeg,
                width_px: self.width_px,
                height_px: self.height_px,
            };
        }
        if self.width_px > 1 && self.rgb.len() >= 12 {
            return self.halved().encoded();
        }
        PlateCrop {
            jpeg: jpeg(&[128; 3], 1, 1, 50).unwrap_or_else(|_| vec![0xff, 0xd8]),
            width_px: 1,
            height_px: 1,
        }
    }

    /// Every second pixel of every second row.
    fn halved(&self) -> Self {
        let width = index(self.width_px);
        let rgb = self
            .rgb
            .chunks_exact(width.max(1) * 3)
            .step_by(2)
            .flat_map(|row| row.chunks_exact(3).step_by(2).flatten().copied())
            .collect();
        Self {
            rgb,
            width_px: self.width_px.div_ceil(2),
            height_px: self.height_px.div_ceil(2),
        }
    }
}

/// Colour of one pixel by BT.601; grey where the frame has no chroma.
fn colour(frame: &Frame, x: usize, y: usize) -> [u8; 3] {
    let luma = frame
        .luma
        .get(y * index(frame.width_px) + x)
        .copied()
        .unwrap_or(0);
    let Some(chroma) = &frame.chroma else {
        return [luma; 3];
    };
    let at = (y / 2) * index(frame.width_px.div_ceil(2)) + x / 2;
    let part = |plane: &[u8]| f32::from(plane.get(at).copied().unwrap_or(128)) - 128.0;
    let (u, v, l) = (part(&chroma.u), part(&chroma.v), float_px(u32::from(luma)));
    [l + 1.596 * v, l - 0.391 * u - 0.813 * v, l + 2.018 * u].map(super::number::brightness)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::frame::Chroma;
    use crate::core::frame::tests::grey;
    use crate::core::geometry::{Bounds, Point};

    fn quad(left: f32, top: f32, right: f32, bottom: f32) -> Quad {
        Quad::from_bounds(Bounds {
            left,
            top,
            right,
            bottom,
        })
    }

    #[test]
    fn a_crop_holds_the_plate_and_a_margin_and_no_more() {
        let frame = grey(640, 480, |_, _| 90);
        let cut = cut(&frame, &quad(100.0, 100.0, 200.0, 120.0));
        assert_eq!((cut.width_px, cut.height_px), (115, 35));
        let crop = cut.encoded();
        assert!(crop.jpeg.starts_with(&[0xff, 0xd8]) && crop.jpeg.len() <= CROP_BYTES_MAX);
    }

    #[test]
    fn colour_comes_from_the_chroma() {
        let mut frame = grey(8, 8, |_, _| 120);
        frame.chroma = Some(Chroma {
            u: vec![90; 16],
            v: vec![200; 16],
        });
        let [r, g, b] = colour(&frame, 3, 3);
        assert!(r > 200 && g < 120 && b < 60, "{r} {g} {b}");
    }

    #[test]
    fn even_noise_that_fills_the_frame_fits_a_message() {
        let frame = grey(1920, 1080, |x, y| {
            u8::try_from((x.wrapping_mul(7919) ^ y.wrapping_mul(104_729)) % 256).unwrap()
        });
        let crop = cut(&frame, &quad(0.0, 0.0, 1920.0, 1080.0)).encoded();
        assert!(crop.jpeg.len() <= CROP_BYTES_MAX);
        assert!(crop.width_px <= CROP_SIDE_PX_MAX && crop.height_px <= CROP_SIDE_PX_MAX);
    }

    #[test]
    fn corners_outside_or_broken_still_give_a_picture() {
        let frame = grey(64, 48, |_, _| 5);
        let nan = Quad([Point::new(f32::NAN, f32::NAN); 4]);
        for quad in [
            quad(-500.0, -500.0, -400.0, -450.0),
            quad(900.0, 900.0, 1e9, 1e9),
            nan,
        ] {
            let cut = cut(&frame, &quad);
            assert!(cut.width_px >= 1 && cut.height_px >= 1);
            let pixels = usize::try_from(cut.width_px * cut.height_px).unwrap();
            assert_eq!(cut.rgb.len(), pixels * 3);
        }
    }
}
