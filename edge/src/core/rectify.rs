//! A plate straightened: its quad becomes the recogniser's upright picture.

use super::frame::Frame;
use super::geometry::{Point, Quad};
use super::manifest::Recogniser;
use super::number::{brightness, float, float_px, floor_within, index};

/// Farthest that a corner may lie from the straightened picture's upper left, in its sides.
const CORNER_MAX: f32 = 2.0;

/// Maps the unit square onto a quad: `(0, 0)` to TL, `(1, 0)` to TR, `(1, 1)` to BR.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Homography {
    /// Row by row: x numerator, y numerator, denominator, each for u, v, 1.
    rows: [[f32; 3]; 3],
}

impl Homography {
    /// None when three corners lie on a line, or a corner is no number.
    #[must_use]
    pub fn onto(quad: &Quad) -> Option<Self> {
        let [tl, tr, br, bl] = quad.0;
        let (dx1, dx2) = (tr.x - br.x, bl.x - br.x);
        let (dy1, dy2) = (tr.y - br.y, bl.y - br.y);
        let (sx, sy) = (tl.x - tr.x + br.x - bl.x, tl.y - tr.y + br.y - bl.y);
        let det = dx1 * dy2 - dx2 * dy1;
        if !det.is_finite() || det.abs() < 1e-6 {
            return None;
        }
        let g = (sx * dy2 - dx2 * sy) / det;
        let h = (dx1 * sy - sx * dy1) / det;
        let rows = [
            [tr.x - tl.x + g * tr.x, bl.x - tl.x + h * bl.x, tl.x],
            [tr.y - tl.y + g * tr.y, bl.y - tl.y + h * bl.y, tl.y],
            [g, h, 1.0],
        ];
        // A denominator that changes sign within the square would fold the picture.
        let positive = [1.0, 1.0 + g, 1.0 + h, 1.0 + g + h]
            .iter()
            .all(|d| *d > 1e-3);
        (positive && rows.iter().flatten().all(|v| v.is_finite())).then_some(Self { rows })
    }

    /// Where a place of the unit square lies.
    #[must_use]
    pub fn apply(&self, u: f32, v: f32) -> (f32, f32) {
        let [x, y, d] = self.rows.map(|r| r[0] * u + r[1] * v + r[2]);
        (x / d, y / d)
    }
}

/// Appends the straightened plate to `out`: `height_px * width_px` bytes, row by row.
///
/// The quad, margins and all, is sampled bilinearly `oversample` times as finely with the frame's
/// border repeated outside, and averaged. One that cannot be straightened gives an even grey,
/// which reads as nothing.
pub fn straighten(frame: &Frame, quad: &Quad, rules: &Recogniser, out: &mut Vec<u8>) {
    let (columns, rows) = (index(rules.width_px), index(rules.height_px));
    let Some(map) = Homography::onto(quad) else {
        out.resize(out.len() + columns * rows, 128);
        return;
    };
    let fine = index(rules.oversample).max(1);
    let step_u = 1.0 / (float_px(rules.width_px) * float(fine));
    let step_v = 1.0 / (float_px(rules.height_px) * float(fine));
    let share = 1.0 / float(fine * fine);
    let sampler = Sampler::new(frame);
    let mut sums = vec![0.0_f32; columns];
    // Places first, then pixels: the compiler does several places at once.
    let mut places = vec![Point::default(); columns * fine];
    for row in 0..rows {
        sums.fill(0.0);
        for sub in 0..fine {
            let v = (float(row * fine + sub) + 0.5) * step_v;
            for (column, place) in places.iter_mut().enumerate() {
                let (x, y) = map.apply((float(column) + 0.5) * step_u, v);
                *place = sampler.held(x, y);
            }
            for (sum, places) in sums.iter_mut().zip(places.chunks_exact(fine)) {
                for place in places {
                    *sum += sampler.at(*place);
                }
            }
        }
        out.extend(sums.iter().map(|sum| brightness(sum * share)));
    }
}

/// The quad whose corners were seen at these places of the straightened picture of `grown`: x and
/// y of TL, TR, BR, BL, 0 to 1 from its upper left. None when that is no quad.
#[must_use]
pub fn refined(grown: &Quad, corners: &[f32]) -> Option<Quad> {
    let map = Homography::onto(grown)?;
    let place = |k: usize| {
        let within = |at: usize| corners.get(at).filter(|v| v.abs() <= CORNER_MAX);
        let (x, y) = map.apply(*within(2 * k)?, *within(2 * k + 1)?);
        (x.is_finite() && y.is_finite()).then(|| Point::new(x, y))
    };
    let quad = Quad([place(0)?, place(1)?, place(2)?, place(3)?]);
    Homography::onto(&quad).map(|_| quad)
}

/// Reads a plane between its pixels.
struct Sampler<'a> {
    luma: &'a [u8],
    /// Bytes from a row to the next; 0 in a frame of one row.
    row: usize,
    /// Bytes from a column to the next; 0 in a frame of one column.
    column: usize,
    /// First column and row of the last two, of which there may be one only.
    last: (usize, usize),
    max: (f32, f32),
}

impl<'a> Sampler<'a> {
    fn new(frame: &'a Frame) -> Self {
        let (width, height) = (index(frame.width_px), index(frame.height_px));
        Self {
            luma: &frame.luma,
            row: if height > 1 { width } else { 0 },
            column: usize::from(width > 1),
            last: (width.saturating_sub(2), height.saturating_sub(2)),
            max: (
                float(width.saturating_sub(1)),
                float(height.saturating_sub(1)),
            ),
        }
    }

    /// A place of the frame, where pixel `k` has its centre at `k + 0.5`, held within its pixels
    /// and counted from the first one's centre.
    #[inline]
    fn held(&self, x: f32, y: f32) -> Point {
        Point::new(
            (x - 0.5).clamp(0.0, self.max.0),
            (y - 0.5).clamp(0.0, self.max.1),
        )
    }

    /// Brightness at a place that [`Self::held`] gave.
    #[inline]
    fn at(&self, place: Point) -> f32 {
        let Point { x, y } = place;
        let (left, top) = (floor_within(x, self.last.0), floor_within(y, self.last.1));
        let (dx, dy) = (x - float(left), y - float(top));
        let here = top * self.row + left;
        let Some(corner) = self.luma.get(here..=here + self.row + self.column) else {
            return 0.0;
        };
        let [a, b, c, d] = [0, self.column, self.row, self.row + self.column]
            .map(|at| corner.get(at).copied().map_or(0.0, f32::from));
        let upper = a * (1.0 - dx) + b * dx;
        let lower = c * (1.0 - dx) + d * dx;
        upper * (1.0 - dy) + lower * dy
    }
}

/// How sharp a straightened plate is: the mean step between neighbours in a row against the
/// plate's own contrast, about 0.02 for a blur and 0.2 for crisp strokes. 0 for an even grey.
#[must_use]
pub fn sharpness(plate: &[u8], width_px: usize) -> f32 {
    let mut steps = 0_u32;
    let mut count = 0_u32;
    for row in plate.chunks_exact(width_px.max(1)) {
        for pair in row.windows(2) {
            steps += u32::from(pair[0].abs_diff(pair[1]));
            count += 1;
        }
    }
    let (darkest, brightest) = plate
        .iter()
        .fold((u8::MAX, 0), |(low, high), v| (low.min(*v), high.max(*v)));
    let contrast = f32::from(brightest.saturating_sub(darkest));
    if count == 0 || contrast < 1.0 {
        return 0.0;
    }
    float_px(steps) / float_px(count) / contrast
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::frame::tests::grey;
    use crate::core::geometry::Bounds;
    use crate::core::manifest::{Manifest, tests::TEXT};

    fn rules() -> Recogniser {
        Manifest::parse(TEXT).unwrap().recogniser
    }

    #[test]
    fn the_square_lands_on_the_corners_and_their_diagonals_cross() {
        let quad = Quad([
            Point::new(10.0, 12.0),
            Point::new(200.0, 40.0),
            Point::new(190.0, 100.0),
            Point::new(20.0, 60.0),
        ]);
        let map = Homography::onto(&quad).unwrap();
        for (u, v, corner) in [(0.0, 0.0, 0), (1.0, 0.0, 1), (1.0, 1.0, 2), (0.0, 1.0, 3)] {
            let (x, y) = map.apply(u, v);
            assert!(Point::new(x, y).distance(quad.0[corner]) < 1e-2, "{corner}");
        }
        // Lines stay lines: the square's centre lies on both diagonals of the quad.
        let (x, y) = map.apply(0.5, 0.5);
        for (a, b) in [(0, 2), (1, 3)] {
            let (p, q) = (quad.0[a], quad.0[b]);
            let off = (q.x - p.x) * (y - p.y) - (q.y - p.y) * (x - p.x);
            assert!(off.abs() / p.distance(q) < 1e-2, "{off}");
        }
    }

    #[test]
    fn corners_seen_in_the_straightened_picture_are_found_again_in_the_frame() {
        let true_quad = Quad([
            Point::new(100.0, 40.0),
            Point::new(180.0, 62.0),
            Point::new(165.0, 118.0),
            Point::new(85.0, 96.0),
        ]);
        let upright = Quad::from_bounds(true_quad.bounds());
        let bounds = true_quad.bounds();
        let (wide, high) = (bounds.right - bounds.left, bounds.bottom - bounds.top);
        let seen: Vec<f32> = true_quad
            .0
            .iter()
            .flat_map(|p| [(p.x - bounds.left) / wide, (p.y - bounds.top) / high])
            .collect();
        let found = refined(&upright, &seen).unwrap();
        for (a, b) in found.0.iter().zip(&true_quad.0) {
            assert!(a.distance(*b) < 1e-2, "{found:?}");
        }
        for wrong in [f32::NAN, f32::INFINITY, 9.0] {
            let mut hostile = seen.clone();
            hostile[3] = wrong;
            assert_eq!(refined(&upright, &hostile), None);
        }
        assert_eq!(refined(&upright, &[0.5; 8]), None, "all in one place");
        assert_eq!(refined(&upright, &seen[..6]), None);
    }

    #[test]
    fn an_upright_box_of_the_recognisers_size_comes_out_as_it_is() {
        let frame = grey(300, 100, |x, y| {
            u8::try_from((x * 3 + y * 5) % 200).unwrap()
        });
        let quad = Quad::from_bounds(Bounds {
            left: 40.0,
            top: 20.0,
            right: 200.0,
            bottom: 68.0,
        });
        let mut out = Vec::new();
        let plain = Recogniser {
            oversample: 1,
            ..rules()
        };
        straighten(&frame, &quad, &plain, &mut out);
        assert_eq!(out.len(), 160 * 48);
        for y in 0..48_usize {
            let at = (y + 20) * 300 + 40;
            assert_eq!(
                out[y * 160..(y + 1) * 160],
                frame.luma[at..at + 160],
                "row {y}"
            );
        }
    }

    #[test]
    fn a_turned_plate_is_turned_back() {
        // The left half of the plate is dark, also when the plate stands on its side.
        let frame = grey(100, 200, |_, y| if y < 100 { 200 } else { 20 });
        let quad = Quad([
            Point::new(20.0, 180.0),
            Point::new(20.0, 20.0),
            Point::new(60.0, 20.0),
            Point::new(60.0, 180.0),
        ]);
        let mut out = Vec::new();
        straighten(&frame, &quad, &rules(), &mut out);
        assert_eq!((out[160 * 24 + 10], out[160 * 24 + 150]), (20, 200));
    }

    #[test]
    fn outside_the_frame_its_border_is_repeated() {
        let frame = grey(50, 50, |x, _| if x == 0 { 7 } else { 100 });
        let quad = Quad::from_bounds(Bounds {
            left: -400.0,
            top: -400.0,
            right: -100.0,
            bottom: -300.0,
        });
        let mut out = Vec::new();
        straighten(&frame, &quad, &rules(), &mut out);
        assert!(out.iter().all(|v| *v == 7));
    }

    #[test]
    fn corners_that_cannot_be_straightened_give_an_even_grey() {
        let frame = grey(50, 50, |_, _| 9);
        let flat = Quad([Point::new(3.0, 3.0); 4]);
        let nan = Quad([Point::new(f32::NAN, 3.0); 4]);
        let crossed = Quad([
            Point::new(0.0, 0.0),
            Point::new(40.0, 40.0),
            Point::new(40.0, 0.0),
            Point::new(0.0, 40.0),
        ]);
        for quad in [flat, nan, crossed] {
            let mut out = Vec::new();
            straighten(&frame, &quad, &rules(), &mut out);
            assert_eq!(out, vec![128; 160 * 48]);
            assert!(sharpness(&out, 160).abs() < 1e-6);
        }
    }

    #[test]
    fn strokes_are_sharper_than_their_blur() {
        let crisp: Vec<u8> = (0..160)
            .map(|x| if x / 4 % 2 == 0 { 0 } else { 200 })
            .collect();
        let soft: Vec<u8> = (0..160).map(|x| if x < 80 { x } else { 160 - x }).collect();
        assert!(sharpness(&crisp, 160) > 4.0 * sharpness(&soft, 160));
    }
}
