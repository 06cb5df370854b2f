//! The shipped nets give what they gave where they were made.
//!
//! Needs ONNX Runtime and fails without it: `deploy/test` names the library in `ORT_DYLIB_PATH`.

use std::path::PathBuf;

use ndarray_npy::read_npy;
use varco_edge::adapters::onnx::Runtime;
use varco_edge::core::manifest::Manifest;
use varco_edge::core::nets::{Maps, Nets, Outputs};
use varco_edge::core::read::{CLASSES, decode};

/// Processors without dot products of bytes saturate sums of int8 products, so probabilities
/// move a little from one to another; the same processor repeats them to the last bit.
const PROBABILITY_TOLERANCE: f32 = 0.08;
/// The same for corners, in pixels of the detector's input, where there is a plate.
const CORNER_TOLERANCE_PX: f32 = 3.0;

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../models")
}

fn shipped() -> (Box<dyn Nets>, Manifest) {
    let runtime = Runtime::load(None).expect("ONNX Runtime, by ORT_DYLIB_PATH");
    runtime.nets(&folder(), 1).expect("the shipped models")
}

/// A golden tensor by its name in the manifest, flat, with its shape.
fn golden<T: ndarray_npy::ReadableElement>(
    manifest: &Manifest,
    name: &str,
) -> (Vec<T>, Vec<usize>) {
    let path = folder().join("golden").join(&manifest.golden[name]);
    let array: ndarray::ArrayD<T> = read_npy(&path).expect("a golden tensor");
    let shape = array.shape().to_vec();
    (array.into_iter().collect(), shape)
}

fn largest_difference(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    a.iter()
        .zip(b)
        .map(|(x, y)| (x - y).abs())
        .fold(0.0, f32::max)
}

#[test]
fn the_detector_gives_its_golden_maps() {
    let (mut nets, manifest) = shipped();
    let (luma, shape) = golden::<u8>(&manifest, "luma");
    let (heat, _) = golden::<f32>(&manifest, "heat");
    let (quad, _) = golden::<f32>(&manifest, "quad");
    let mut maps = Maps::default();
    nets.detect(&luma, shape[3], shape[2], &mut maps).unwrap();
    assert!(largest_difference(&maps.heat, &heat) <= PROBABILITY_TOLERANCE);
    let cells = maps.rows * maps.columns;
    let mut plates = 0;
    for cell in (0..cells).filter(|cell| heat[*cell] >= manifest.detector.confidence_min) {
        plates += 1;
        for plane in 0..8 {
            let at = plane * cells + cell;
            let off = (maps.quad[at] - quad[at]).abs();
            assert!(
                off <= CORNER_TOLERANCE_PX,
                "{off} px in plane {plane} of cell {cell}"
            );
        }
    }
    assert!(plates > 0, "the golden picture shows plates");
}

#[test]
fn the_recogniser_gives_its_golden_texts() {
    let (mut nets, manifest) = shipped();
    let (plates, shape) = golden::<u8>(&manifest, "plates");
    let (characters, of) = golden::<f32>(&manifest, "characters");
    let (country, _) = golden::<f32>(&manifest, "country");
    let (plate, _) = golden::<f32>(&manifest, "plate");
    let (corners, _) = golden::<f32>(&manifest, "corners");
    let mut outputs = Outputs::default();
    nets.recognise(&plates, shape[0], &mut outputs).unwrap();
    assert_eq!((outputs.steps, CLASSES), (of[1], of[2]));
    assert!(largest_difference(&outputs.country, &country) <= PROBABILITY_TOLERANCE);
    assert!(largest_difference(&outputs.plate, &plate) <= PROBABILITY_TOLERANCE);
    assert!(largest_difference(&outputs.corners, &corners) <= PROBABILITY_TOLERANCE);
    let rule = manifest.recogniser.confidence;
    let size = outputs.steps * CLASSES;
    let mut sure = 0;
    for (ours, theirs) in outputs.characters.chunks(size).zip(characters.chunks(size)) {
        let (ours, theirs) = (decode(ours, &[], rule), decode(theirs, &[], rule));
        let off = (ours.confidence.get() - theirs.confidence.get()).abs();
        assert!(
            off <= 2.0 * PROBABILITY_TOLERANCE,
            "confidence moved by {off}"
        );
        // A read near its threshold may tip over; one that is sure may not.
        if theirs.confidence.get() > 0.7 {
            sure += 1;
            assert_eq!(ours.text(), theirs.text());
        }
    }
    assert!(sure > 0, "some golden plates are read with confidence");
}
