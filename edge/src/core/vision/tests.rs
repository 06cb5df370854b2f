//! Nets for tests, and what must hold whatever nets give.

use std::sync::{Arc, Mutex};

use super::*;
use crate::core::frame::tests::grey;
use crate::core::geometry::{Bounds, Point};
use crate::core::manifest::tests::TEXT;
use crate::core::nets::{Maps, NetError, Outputs};
use crate::core::read::CLASSES;

/// Nets that give the same number everywhere, or outputs of the wrong size.
#[derive(Debug)]
pub(crate) struct FakeNets {
    pub(crate) value: f32,
    pub(crate) short_by: usize,
}

/// Nets that find nothing and read nothing.
fn blank() -> FakeNets {
    FakeNets {
        value: 0.0,
        short_by: 0,
    }
}

impl Nets for FakeNets {
    fn detect(
        &mut self,
        luma: &[u8],
        width_px: usize,
        height_px: usize,
        maps: &mut Maps,
    ) -> Result<(), NetError> {
        assert_eq!(luma.len(), width_px * height_px);
        (maps.rows, maps.columns) = (height_px / 8, width_px / 8);
        let cells = maps.rows * maps.columns;
        maps.heat = vec![self.value; cells];
        maps.quad = vec![self.value; (cells * 8).saturating_sub(self.short_by)];
        Ok(())
    }

    fn recognise(
        &mut self,
        _plates: &[u8],
        count: usize,
        outputs: &mut Outputs,
    ) -> Result<(), NetError> {
        outputs.steps = 80;
        let size = (count * 80 * CLASSES).saturating_sub(self.short_by);
        outputs.characters = vec![self.value; size];
        outputs.country = vec![self.value; count * 3];
        outputs.plate = vec![self.value; count];
        outputs.corners = vec![self.value; count * 8];
        Ok(())
    }
}

/// An input of the detector: how wide it is, and its bytes.
pub(crate) type Shown = (usize, Vec<u8>);

/// Nets that find nothing, and keep what the detector is shown.
#[derive(Debug, Clone, Default)]
pub(crate) struct Spy(pub(crate) Arc<Mutex<Vec<Shown>>>);

impl Nets for Spy {
    fn detect(
        &mut self,
        luma: &[u8],
        width_px: usize,
        height_px: usize,
        maps: &mut Maps,
    ) -> Result<(), NetError> {
        self.0.lock().unwrap().push((width_px, luma.to_vec()));
        blank().detect(luma, width_px, height_px, maps)
    }

    fn recognise(&mut self, _: &[u8], _: usize, _: &mut Outputs) -> Result<(), NetError> {
        Err(NetError("nothing was found".to_owned()))
    }
}

/// Puts a plate of half sizes `w`, `h` round a cell's centre.
pub(crate) fn put(maps: &mut Maps, cell: usize, heat: f32, (w, h): (f32, f32)) {
    let cells = maps.heat.len();
    maps.heat[cell] = heat;
    for (k, offset) in [-w, -h, w, -h, w, h, -w, h].into_iter().enumerate() {
        maps.quad[k * cells + cell] = offset;
    }
}

/// Nets that find one plate, so sure, in inputs of these widths alone, and take it so far for one.
#[derive(Debug)]
struct OnePlate {
    finds: Vec<(usize, f32)>,
    plate: f32,
}

impl Nets for OnePlate {
    fn detect(
        &mut self,
        luma: &[u8],
        width_px: usize,
        height_px: usize,
        maps: &mut Maps,
    ) -> Result<(), NetError> {
        blank().detect(luma, width_px, height_px, maps)?;
        let middle = maps.heat.len() / 2 + maps.columns / 2;
        for (_, sure) in self.finds.iter().filter(|(at, _)| *at == width_px) {
            let scale = if width_px == 768 { 2.0 } else { 1.0 };
            put(maps, middle, *sure, (20.0 * scale, 9.0 * scale));
        }
        Ok(())
    }

    fn recognise(
        &mut self,
        plates: &[u8],
        count: usize,
        outputs: &mut Outputs,
    ) -> Result<(), NetError> {
        blank().recognise(plates, count, outputs)?;
        outputs.plate.fill(self.plate);
        Ok(())
    }
}

fn found(quad: Quad) -> PlateDetection {
    PlateDetection {
        quad,
        confidence: Confidence::saturating(0.5),
    }
}

#[test]
fn both_nets_are_heard_the_detector_more_and_the_recogniser_within_bounds() {
    let rules = Manifest::parse(TEXT).unwrap().recogniser;
    let p = Confidence::saturating;
    let joint = |word, find| {
        let (rule, word_max) = (rules.plate_frame, rules.plate_word_max);
        jointly(p(word), p(find), rule, word_max).get()
    };
    assert!((joint(0.7, 0.7) - 0.7).abs() < 1e-6);
    assert!((0.5..0.7).contains(&joint(0.5, 0.7)));
    assert!(joint(0.9, 0.4) > 0.5 && joint(0.4, 0.9) > joint(0.9, 0.4));
    assert!((joint(1.0, 0.5) - joint(0.99, 0.5)).abs() < 1e-6);
    assert!((joint(0.0, 0.5) - joint(0.01, 0.5)).abs() < 1e-6);
    assert!(joint(1.0, 1.0) <= 1.0 && joint(0.0, 1.0) > 0.0);
    assert!(joint(f32::NAN, 0.5) <= joint(0.01, 0.5) + 1e-6);
}

fn vision(value: f32, short_by: usize) -> Vision {
    let nets = FakeNets { value, short_by };
    Vision::new(Box::new(nets), Manifest::parse(TEXT).unwrap())
}

#[test]
fn hostile_outputs_break_nothing() {
    let frame = grey(640, 360, |x, _| u8::try_from(x % 256).unwrap());
    let corners = [0.5, f32::NAN, f32::INFINITY, -1e30];
    for value in [
        f32::NAN,
        f32::INFINITY,
        f32::NEG_INFINITY,
        1e30,
        -1e30,
        0.5,
        1.0,
    ] {
        let mut vision = vision(value, 0);
        assert!(vision.detect(&frame, Search::Frame).unwrap().len() <= 16);
        let quads = corners.map(|c| {
            found(Quad([
                Point::new(c, c),
                Point::new(9.0, c),
                Point::new(c, 9.0),
                Point::new(1.0, 2.0),
            ]))
        });
        for search in [Search::Frame, Search::Still] {
            let looks = vision.read(&frame, &quads, search).unwrap();
            assert_eq!(looks.len(), 4);
            let mut confidences = looks
                .iter()
                .map(|PlateLook { look, .. }| look.reading.confidence.get());
            assert!(confidences.all(|confidence| !confidence.is_nan()));
        }
    }
}

#[test]
fn what_is_no_plate_is_left_out_of_a_look_but_not_of_a_read() {
    let frame = grey(64, 64, |_, _| 0);
    for (plate, seen) in [(0.08, 1), (0.07, 0), (f32::NAN, 0)] {
        let nets = Box::new(OnePlate {
            finds: vec![(128, 0.5), (64, 0.5), (32, 0.5)], // in all searches
            plate,
        });
        let mut vision = Vision::new(nets, Manifest::parse(TEXT).unwrap());
        assert_eq!(
            vision.look(&frame, Search::Frame).unwrap().len(),
            seen,
            "{plate}"
        );
        let found = vision.detect(&frame, Search::Frame).unwrap();
        assert_eq!(
            vision
                .read(&frame, &found[..1], Search::Frame)
                .unwrap()
                .len(),
            1
        );
    }
}

#[test]
fn a_picture_without_a_plate_is_searched_once_more_and_smaller() {
    let frame = grey(768, 448, |_, _| 90);
    for (width_px, sure, seen) in [
        (768, 0.6, 1),  // by the first search
        (384, 0.6, 1),  // by the second, at half the scale
        (384, 0.4, 0),  // which must be surer
        (192, 0.99, 0), // where only plates count that fill the picture
    ] {
        for search in [Search::Frame, Search::Still] {
            let nets = Box::new(OnePlate {
                finds: vec![(width_px, sure)],
                plate: 0.9,
            });
            let mut vision = Vision::new(nets, Manifest::parse(TEXT).unwrap());
            let plates = vision.look(&frame, search).unwrap();
            let by_one_of_three = search == Search::Still && width_px == 768;
            let wanted = if by_one_of_three { 0 } else { seen };
            assert_eq!(plates.len(), wanted, "{width_px} px, {sure}, {search:?}");
            for PlateLook { plate, .. } in plates {
                assert!(plate.quad.centre().distance(Point::new(384.0, 224.0)) < 24.0);
            }
        }
    }
}

#[test]
fn what_the_second_search_sees_takes_the_place_of_a_faint_find() {
    let frame = grey(768, 448, |_, _| 90);
    let nets = Box::new(OnePlate {
        finds: vec![(768, 0.31), (384, 0.95)],
        plate: 0.05,
    });
    let mut vision = Vision::new(nets, Manifest::parse(TEXT).unwrap());
    let found = vision.detect(&frame, Search::Frame).unwrap();
    let seen = vision.read(&frame, &found, Search::Frame).unwrap();
    assert_eq!(seen.len(), 1);
    let seen = vision.look_again(&frame, Search::Frame, seen).unwrap();
    assert_eq!(seen.len(), 1, "one plate is seen once");
    assert!(seen[0].plate.confidence.get() > 0.9);
    let again = vision.look_again(&frame, Search::Frame, seen.clone());
    assert_eq!(again.unwrap(), seen, "a plate was seen");
}

/// Nets that find a plate wherever a cell's centre is dark.
#[derive(Debug)]
struct DarkSpot;

impl Nets for DarkSpot {
    fn detect(
        &mut self,
        luma: &[u8],
        width_px: usize,
        height_px: usize,
        maps: &mut Maps,
    ) -> Result<(), NetError> {
        blank().detect(luma, width_px, height_px, maps)?;
        let cells = maps.heat.len();
        for cell in 0..cells {
            let (row, column) = (cell / maps.columns, cell % maps.columns);
            let centre = (row * 8 + 4) * width_px + column * 8 + 4;
            if luma[centre] < 50 {
                put(maps, cell, 0.8, (30.0, 12.0));
            }
        }
        Ok(())
    }

    fn recognise(&mut self, _: &[u8], _: usize, _: &mut Outputs) -> Result<(), NetError> {
        Err(NetError("not asked".to_owned()))
    }
}

#[test]
fn a_still_picture_is_searched_at_scales_that_agree_on_the_place() {
    let dark = |x: u32, y: u32| (600..610).contains(&x) && (200..210).contains(&y);
    let frame = grey(768, 448, |x, y| if dark(x, y) { 10 } else { 200 });
    let mut vision = Vision::new(Box::new(DarkSpot), Manifest::parse(TEXT).unwrap());
    for search in [Search::Frame, Search::Still] {
        let plates = vision.detect(&frame, search).unwrap();
        assert_eq!(plates.len(), 1, "{search:?}");
        let centre = plates[0].quad.centre();
        let off = centre.distance(Point::new(605.0, 205.0));
        assert!(off < 8.0, "{search:?}: {centre:?}");
        assert!(plates[0].quad.0[0].x < plates[0].quad.0[1].x);
    }
}

#[test]
fn outputs_of_the_wrong_size_are_an_error_or_no_plate() {
    let frame = grey(64, 64, |_, _| 0);
    let quad = Quad::from_bounds(Bounds {
        left: 0.0,
        top: 0.0,
        right: 60.0,
        bottom: 20.0,
    });
    let mut vision = vision(0.9, 1);
    assert!(vision.detect(&frame, Search::Frame).unwrap().is_empty());
    assert!(matches!(
        vision.read(&frame, &[found(quad)], Search::Frame),
        Err(VisionError::Recogniser(_))
    ));
    assert!(vision.read(&frame, &[], Search::Frame).unwrap().is_empty());
}

#[test]
fn a_frame_that_lies_about_its_size_is_refused() {
    let mut frame = grey(64, 64, |_, _| 0);
    frame.width_px = 65;
    assert!(matches!(
        vision(0.1, 0).detect(&frame, Search::Frame),
        Err(VisionError::Frame { .. })
    ));
    let empty = grey(0, 64, |_, _| 0);
    assert!(matches!(
        vision(0.1, 0).detect(&empty, Search::Frame),
        Err(VisionError::Frame { .. })
    ));
}
