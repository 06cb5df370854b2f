//! From the detector's maps to plates in the frame.

pub mod agreed;
mod surest;

use varco_proto::confidence::Confidence;

use super::geometry::{Point, Quad};
use super::manifest::Detector;
use super::nets::Maps;
use super::number::{float, float_px};
use super::scale::FramePx;
use super::sighting::PlateDetection;
use surest::surest;

/// Most cells considered, the most confident first: a bound for maps gone wrong.
const CELLS_MAX: usize = 512;
/// Corners further out than this are no plate, in pixels of the frame.
const CORNER_PX_MAX: f32 = 16_384.0;

/// The plates of a frame, the most confident first, in pixels of the frame.
///
/// Every cell of confidence `least` or more gives a quad; of those whose upright boxes
/// overlap, the most confident stays.
#[must_use]
pub fn plates(maps: &Maps, rules: &Detector, least: f32, frame_px: FramePx) -> Vec<PlateDetection> {
    let cells = maps.rows * maps.columns;
    if maps.heat.len() != cells || maps.quad.len() != cells * 8 {
        return Vec::new();
    }
    let mut kept: Vec<PlateDetection> = Vec::new();
    for cell in candidates(&maps.heat, least) {
        if kept.len() >= rules.detections_max {
            break;
        }
        let quad = quad_at(maps, cell, rules, frame_px);
        if !quad.is_within(CORNER_PX_MAX) || quad.bounds().area() <= 0.0 {
            continue;
        }
        let bounds = quad.bounds();
        if kept
            .iter()
            .all(|other| other.quad.bounds().iou(&bounds) <= rules.iou_max)
        {
            kept.push(PlateDetection {
                quad,
                confidence: Confidence::saturating(maps.heat[cell]),
            });
        }
    }
    kept
}

/// The finds of a frame, and of a copy shrunk for its widest plates, made one, the most confident
/// first. `frame_px` is pixels of the frame to one of the first input.
///
/// The net knows plates up to `wide_px` of its input: of the copy's finds only the wider ones
/// count. What lies within one of them is part of it, unless it is twice as sure.
#[must_use]
pub fn joined(
    all: Vec<PlateDetection>,
    wide: Vec<PlateDetection>,
    rules: &Detector,
    frame_px: f32,
) -> Vec<PlateDetection> {
    let limit = float_px(rules.wide_px) * frame_px;
    let mut joined: Vec<_> = wide
        .into_iter()
        .filter(|find| {
            let bounds = find.quad.bounds();
            bounds.right - bounds.left > limit
        })
        .collect();
    let count = joined.len();
    for find in all {
        let centre = find.quad.centre();
        let within = |other: &PlateDetection| {
            let bounds = other.quad.bounds();
            2.0 * other.confidence.get() >= find.confidence.get()
                && (bounds.left..=bounds.right).contains(&centre.x)
                && (bounds.top..=bounds.bottom).contains(&centre.y)
        };
        if !joined[..count].iter().any(within) {
            joined.push(find);
        }
    }
    surest(joined, rules)
}

/// Cells that may hold a plate, the most confident first. NaN is below every confidence.
fn candidates(heat: &[f32], confidence_min: f32) -> Vec<usize> {
    let mut cells: Vec<usize> = (0..heat.len())
        .filter(|cell| heat[*cell] >= confidence_min)
        .collect();
    cells.sort_by(|a, b| heat[*b].total_cmp(&heat[*a]));
    cells.truncate(CELLS_MAX);
    cells
}

fn quad_at(maps: &Maps, cell: usize, rules: &Detector, frame_px: FramePx) -> Quad {
    let cells = maps.rows * maps.columns;
    let stride = float_px(rules.stride_px);
    let centre_x = (float(cell % maps.columns) + 0.5) * stride;
    let centre_y = (float(cell / maps.columns) + 0.5) * stride;
    let corner = |k: usize| {
        Point::new(
            (centre_x + maps.quad[2 * k * cells + cell]) * frame_px.x,
            (centre_y + maps.quad[(2 * k + 1) * cells + cell]) * frame_px.y,
        )
    };
    Quad([corner(0), corner(1), corner(2), corner(3)])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::geometry::Bounds;
    use crate::core::manifest::{Manifest, tests::TEXT};

    const ROWS: usize = 12;
    const COLUMNS: usize = 20;

    fn rules() -> Detector {
        Manifest::parse(TEXT).unwrap().detector
    }

    fn detected(maps: &Maps, x: f32, y: f32) -> Vec<PlateDetection> {
        let rules = rules();
        plates(maps, &rules, rules.confidence_min, FramePx { x, y })
    }

    fn empty() -> Maps {
        Maps {
            rows: ROWS,
            columns: COLUMNS,
            heat: vec![0.01; ROWS * COLUMNS],
            quad: vec![0.0; ROWS * COLUMNS * 8],
        }
    }

    /// Puts a plate of half sizes `w`, `h` round a cell's centre.
    fn put(maps: &mut Maps, row: usize, column: usize, heat: f32, w: f32, h: f32) {
        crate::core::vision::tests::put(maps, row * COLUMNS + column, heat, (w, h));
    }

    /// An upright plate four times as wide as high.
    pub(super) fn find(confidence: f32, left: f32, top: f32, width: f32) -> PlateDetection {
        PlateDetection {
            quad: Quad::from_bounds(Bounds {
                left,
                top,
                right: left + width,
                bottom: top + width / 4.0,
            }),
            confidence: Confidence::saturating(confidence),
        }
    }

    #[test]
    fn a_plate_too_wide_for_the_net_is_told_once_and_swallows_its_letters() {
        let letters = find(0.7, 300.0, 310.0, 80.0);
        let far = find(0.8, 900.0, 40.0, 60.0);
        let sign = find(0.9, 400.0, 330.0, 70.0);
        let plate = find(0.6, 200.0, 280.0, 700.0);
        let narrow = find(0.9, 900.0, 40.0, 61.0);
        let detected = |wide: &[PlateDetection], frame_px| {
            joined(vec![letters, far, sign], wide.to_vec(), &rules(), frame_px)
        };
        assert_eq!(detected(&[plate, narrow], 2.0), [far, plate]);
        assert_eq!(detected(&[narrow], 2.0), [sign, far, letters]);
        // 700 px of the frame are 233 of the input: the first search knew it.
        assert_eq!(detected(&[plate], 3.0).len(), 3);
        let doubtful = find(0.4, 200.0, 280.0, 700.0);
        assert_eq!(detected(&[doubtful], 2.0), [sign, far, doubtful]);
    }

    #[test]
    fn a_peak_gives_its_quad_in_pixels_of_the_frame() {
        let mut maps = empty();
        put(&mut maps, 5, 7, 0.9, 30.0, 8.0);
        let found = detected(&maps, 2.0, 3.0);
        assert_eq!(found.len(), 1);
        // Cell (5, 7) has its centre at (60, 44) of the input.
        let wanted = Bounds {
            left: 60.0,
            top: 108.0,
            right: 180.0,
            bottom: 156.0,
        };
        assert_eq!(found[0].quad.bounds(), wanted);
        assert!((found[0].confidence.get() - 0.9).abs() < 1e-6);
    }

    #[test]
    fn neighbours_that_see_the_same_plate_are_one() {
        let mut maps = empty();
        put(&mut maps, 5, 7, 0.8, 30.0, 8.0);
        put(&mut maps, 5, 8, 0.9, 30.0, 8.0);
        put(&mut maps, 9, 15, 0.5, 16.0, 4.0);
        let found = detected(&maps, 1.0, 1.0);
        assert_eq!(found.len(), 2);
        assert!((found[0].quad.centre().x - 68.0).abs() < 1e-4);
    }

    #[test]
    fn a_frame_has_no_more_plates_than_the_manifest_allows() {
        let mut maps = empty();
        for row in 0..ROWS {
            for column in 0..COLUMNS {
                put(&mut maps, row, column, 0.9, 2.0, 1.0);
            }
        }
        assert_eq!(detected(&maps, 1.0, 1.0).len(), 16);
    }

    #[test]
    fn maps_gone_wrong_give_no_plate() {
        let mut maps = empty();
        put(&mut maps, 1, 1, f32::NAN, 30.0, 8.0);
        put(&mut maps, 3, 3, 0.9, f32::NAN, 8.0);
        put(&mut maps, 5, 5, 0.9, f32::INFINITY, 8.0);
        put(&mut maps, 7, 7, 0.9, 0.0, 0.0);
        assert!(detected(&maps, 1.0, 1.0).is_empty());
        maps.quad.pop();
        put(&mut maps, 9, 9, 0.9, 30.0, 8.0);
        assert!(detected(&maps, 1.0, 1.0).is_empty());
    }
}
