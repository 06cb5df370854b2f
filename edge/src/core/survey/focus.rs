//! How sharp a picture is: the width of its sharpest edges.
//!
//! The measure is the distance, in pixels of the frame, over which the brightness goes from a
//! quarter to three quarters of an edge's step (for a blur of standard deviation s it is 1.35 s).
//! Noise does not make an edge narrow, as it does raise gradients and variances, because it would
//! have to bridge half the step; four rows are taken together besides. The picture's sharpness is
//! the lower quartile over its tiles: what lies in front of or behind the road does not count, nor
//! does the sharp lettering that a camera writes into its picture.

use super::hidden::Hidden;
use crate::core::frame::Frame;
use crate::core::number::{float, index};

/// Tiles across and down, and how many of them must show an edge.
const TILES: (usize, usize) = (16, 9);
const TILES_MIN: usize = 8;
/// Rows taken together, and rows from one such band to the next.
const BAND: usize = 4;
const BAND_STEP: usize = 12;
/// Half of what is looked at round an edge, as a share of the picture's width: 24 px of 1920.
const REACH_SHARE: usize = 80;
const REACH_MIN: usize = 6;
/// Pixels at each end whose mean is the level there.
const END: usize = 3;
/// An edge's step is at least so many levels, and such a share of the picture's spread.
const STEP_MIN: f32 = 24.0;
const STEP_SHARE: f32 = 0.3;

/// Width of the picture's sharp edges in pixels of the frame; none when it shows too few edges to
/// judge by. `spread` is the picture's own, in levels.
#[must_use]
pub fn edge_px(frame: &Frame, hidden: &Hidden, spread: f32) -> Option<f32> {
    let (width, height) = (index(frame.width_px), index(frame.height_px));
    if width == 0 || frame.luma.len() < width * height {
        return None;
    }
    let reach = (width / REACH_SHARE).max(REACH_MIN);
    let step_min = STEP_MIN.max(spread * STEP_SHARE);
    let mut tiles = [f32::INFINITY; TILES.0 * TILES.1];
    let mut band = vec![0.0_f32; width];
    for y in (0..height.saturating_sub(BAND)).step_by(BAND_STEP) {
        for (x, mean) in band.iter_mut().enumerate() {
            let rows = (y..y + BAND).map(|y| f32::from(frame.luma[y * width + x]));
            *mean = rows.sum::<f32>() / float(BAND);
        }
        for x in (reach..width.saturating_sub(reach)).step_by(2) {
            let ends = [x - reach, x, x + reach];
            let Some(found) = across(&band[x - reach..=x + reach], step_min) else {
                continue;
            };
            if ends.iter().all(|x| !hidden.has(frame, *x, y)) {
                let tile = &mut tiles[y * TILES.1 / height * TILES.0 + x * TILES.0 / width];
                *tile = tile.min(found);
            }
        }
    }
    let mut widths: Vec<f32> = tiles
        .into_iter()
        .filter(|width| width.is_finite())
        .collect();
    widths.sort_by(f32::total_cmp);
    (widths.len() >= TILES_MIN).then(|| widths[widths.len() / 4])
}

/// The width of the edge at the middle of a row's part; none when there is no step.
fn across(part: &[f32], step_min: f32) -> Option<f32> {
    let level = |values: &[f32]| values.iter().sum::<f32>() / float(values.len().max(1));
    let low = level(part.get(..END)?);
    let step = level(part.get(part.len().checked_sub(END)?..)?) - low;
    if step.abs() < step_min {
        return None;
    }
    let at = |x: usize| (part[x] - low) / step;
    let middle = part.len() / 2;
    // The edge itself lies here: others are met when their own turn comes.
    if !(at(middle - 1) <= 0.5 && at(middle + 1) >= 0.5) {
        return None;
    }
    let quarter = |from: usize, to: usize, share: f32| {
        let (a, b) = (at(from), at(to));
        float(from) + (share - a) / (b - a).max(f32::EPSILON)
    };
    let left = (1..middle).rev().find(|x| at(*x) <= 0.25)?;
    let right = (middle + 1..part.len() - 1).find(|x| at(*x) >= 0.75)?;
    let first = quarter(left, left + 1, 0.25);
    let last = quarter(right - 1, right, 0.75);
    Some((last - first).max(0.0))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::core::frame::tests::grey;
    use crate::core::view::mask::{Masks, Polygon};

    /// Walls of different brightness, blurred over `blur` pixels, with noise of up to `noise` levels.
    pub(crate) fn walls(width: u32, height: u32, blur: u32, noise: u32) -> Frame {
        grey(width, height, |x, y| {
            let wall = |x: u32| 60 + (x / (width / 24)) % 2 * 100;
            let reach = blur.max(1);
            let sum: u32 = (0..reach).map(|k| wall(x + k)).sum();
            let mut h = x.wrapping_mul(374_761_393) ^ y.wrapping_mul(668_265_263);
            h = (h ^ (h >> 13)).wrapping_mul(1_274_126_177);
            let noise = (h ^ (h >> 16)) % (noise + 1);
            u8::try_from(sum / reach + noise).unwrap()
        })
    }

    fn px(frame: &Frame) -> Option<f32> {
        edge_px(frame, &Hidden::default(), 100.0)
    }

    #[test]
    fn a_wider_blur_is_a_wider_edge_whatever_the_noise() {
        for noise in [0, 12] {
            let widths = [1, 4, 8, 15].map(|blur| px(&walls(960, 540, blur, noise)).unwrap());
            // The middle half of a ramp is half its length.
            assert!(widths[0] < 1.2, "{widths:?}");
            assert!((1.2..2.6).contains(&widths[1]), "{widths:?}");
            assert!((2.5..5.0).contains(&widths[2]), "{widths:?}");
            assert!((4.5..8.0).contains(&widths[3]), "{widths:?}");
        }
    }

    #[test]
    fn the_same_scene_has_the_same_edges_as_a_share_of_any_resolution() {
        let large = px(&walls(1920, 1080, 12, 3)).unwrap();
        let small = px(&walls(640, 360, 4, 3)).unwrap();
        assert!((large / 3.0 - small).abs() < 0.7, "{large} {small}");
    }

    #[test]
    fn a_plain_or_noisy_picture_cannot_be_judged_and_neither_lettering_nor_masks_count() {
        assert_eq!(px(&grey(1280, 720, |_, _| 90)), None);
        assert_eq!(px(&walls(0, 0, 0, 0)), None);
        let lettered = |x: u32, y: u32| {
            let soft = u8::try_from(60 + 60 * (x % 240).min(240 - x % 240) / 40).unwrap_or(255);
            if x < 300 && y < 40 && (x / 8).is_multiple_of(2) {
                235
            } else {
                soft.min(160)
            }
        };
        let soft = px(&grey(1920, 1080, lettered)).unwrap();
        assert!(soft > 10.0, "{soft}");
        let mut masked = walls(1920, 1080, 30, 3);
        let fence: Vec<Polygon> = (0_u8..12)
            .map(|k| {
                let left = f32::from(k) / 12.0;
                let right = left + 0.03;
                Polygon::new(&[[left, 0.0], [right, 0.0], [right, 1.0], [left, 1.0]]).unwrap()
            })
            .collect();
        Masks::new(fence.clone()).cover(&mut masked);
        let hidden = edge_px(&masked, &Hidden::of(&fence), 100.0);
        assert!(hidden.is_none_or(|px| px > 8.0), "{hidden:?}");
    }
}
