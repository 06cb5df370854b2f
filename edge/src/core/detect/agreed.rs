//! The finds of one still picture at several scales, made one.

use super::surest::surest;
use crate::core::geometry::{Bounds, Point, Quad};
use crate::core::manifest::Detector;
use crate::core::number::float;
use crate::core::sighting::PlateDetection;

use varco_proto::confidence::Confidence;

/// Finds of two scales whose upright boxes overlap more are of the same plate.
const SAME_IOU: f32 = 0.4;

/// One plate as the scales saw it, the surest first.
struct SeenByScales {
    bounds: Bounds,
    by: Vec<(usize, PlateDetection)>,
}

/// What the scales of a picture say together, the most confident first, in its pixels.
///
/// Each plate is as sure as they are on average, a scale that did not find it being not sure at
/// all, and its corners lie at their mean, weighed by how sure they are. What is then below the
/// manifest's confidence goes.
#[must_use]
pub fn agreed(scales: &[Vec<PlateDetection>], rules: &Detector) -> Vec<PlateDetection> {
    let mut all: Vec<(usize, PlateDetection)> = scales
        .iter()
        .enumerate()
        .flat_map(|(scale, finds)| finds.iter().map(move |find| (scale, *find)))
        .collect();
    all.sort_by(|a, b| b.1.confidence.get().total_cmp(&a.1.confidence.get()));
    let mut plates: Vec<SeenByScales> = Vec::new();
    for (scale, find) in all {
        let bounds = find.quad.bounds();
        let overlaps: Vec<f32> = plates.iter().map(|s| s.bounds.iou(&bounds)).collect();
        let unseen = |at: &usize| plates[*at].by.iter().all(|by| by.0 != scale);
        let same = (0..plates.len())
            .filter(|at| overlaps[*at] > SAME_IOU && unseen(at))
            .max_by(|a, b| overlaps[*a].total_cmp(&overlaps[*b]));
        match same {
            Some(at) => plates[at].by.push((scale, find)),
            None if overlaps.iter().any(|overlap| *overlap > rules.iou_max) => {}
            None => plates.push(SeenByScales {
                bounds,
                by: vec![(scale, find)],
            }),
        }
    }
    let sure = plates
        .iter()
        .map(|seen| together(seen, scales.len()))
        .filter(|plate| plate.confidence.get() >= rules.confidence_min)
        .collect();
    surest(sure, rules)
}

fn together(seen: &SeenByScales, scales: usize) -> PlateDetection {
    let sum: f32 = seen.by.iter().map(|(_, find)| find.confidence.get()).sum();
    let mut corners = [Point::default(); 4];
    for (_, find) in &seen.by {
        let weight = find.confidence.get() / sum;
        for (corner, its) in corners.iter_mut().zip(find.quad.0) {
            corner.x += its.x * weight;
            corner.y += its.y * weight;
        }
    }
    PlateDetection {
        quad: Quad(corners),
        confidence: Confidence::saturating(sum / float(scales)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::detect::tests;
    use crate::core::manifest::{Manifest, tests::TEXT};

    fn find(confidence: f32, left: f32, width: f32) -> PlateDetection {
        tests::find(confidence, left, 100.0, width)
    }

    fn agreeing(scales: &[Vec<PlateDetection>]) -> Vec<(f32, f32)> {
        let rules = Manifest::parse(TEXT).unwrap().detector;
        let round = |v: f32| (v * 100.0).round() / 100.0;
        agreed(scales, &rules)
            .iter()
            .map(|p| (round(p.confidence.get()), round(p.quad.bounds().left)))
            .collect()
    }

    #[test]
    fn scales_that_agree_are_sure_and_lie_between_one_another() {
        let three = [
            vec![find(0.9, 100.0, 80.0)],
            vec![find(0.6, 110.0, 80.0)],
            vec![find(0.9, 100.0, 80.0)],
        ];
        assert_eq!(agreeing(&three), [(0.8, 102.5)]);
    }

    #[test]
    fn what_one_scale_alone_takes_for_a_plate_is_doubted() {
        let lone = [vec![find(0.96, 500.0, 60.0)], vec![], vec![]];
        assert_eq!(agreeing(&lone), [(0.32, 500.0)]);
        let faint = [vec![find(0.8, 500.0, 60.0)], vec![], vec![]];
        assert_eq!(agreeing(&faint), [], "below the manifest's 0.3");
    }

    #[test]
    fn a_scale_speaks_once_of_a_plate_and_neighbours_stay_two() {
        // Two finds of the second scale overlap the first's: one is its own, the other is a part.
        let parts = [
            vec![find(0.9, 100.0, 80.0)],
            vec![find(0.8, 104.0, 80.0), find(0.7, 130.0, 80.0)],
        ];
        assert_eq!(agreeing(&parts).len(), 1);
        let two = [
            vec![find(0.9, 100.0, 80.0), find(0.6, 200.0, 80.0)],
            vec![find(0.6, 200.0, 80.0), find(0.5, 100.0, 80.0)],
        ];
        assert_eq!(agreeing(&two), [(0.7, 100.0), (0.6, 200.0)]);
    }

    #[test]
    fn nothing_found_is_no_plate() {
        assert_eq!(agreeing(&[]), []);
        assert_eq!(agreeing(&[vec![], vec![]]), []);
        assert_eq!(agreeing(&[vec![find(0.0, 1.0, 9.0)]]), []);
    }
}
