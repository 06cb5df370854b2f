//! The shipped nets beside the same nets unquantised, in one run on the same frames.

use std::path::Path;

use anyhow::{Context, bail};
use serde_json::{Value, json};

use super::figures::{ms, quantile};
use super::work::{WARM_UP_FRAMES, Work};
use crate::adapters::clock::{SharedClock, SystemClock};
use crate::commands::models::ModelFlags;
use crate::commands::table;
use crate::core::detect;
use crate::core::frame::Frame;
use crate::core::manifest::Manifest;
use crate::core::nets::{Maps, Nets, Outputs};
use crate::core::rectify;
use crate::core::scale::Scaler;

/// Frames compared at most; the medians of more are the same.
const FRAMES_MAX: usize = 300;

/// Milliseconds of one frame in the shipped nets and in the float ones.
type Pair = [f64; 2];

/// Milliseconds of each frame. Recogniser and chain only of frames that show a plate, and of one
/// plate each.
#[derive(Debug, Default)]
pub(super) struct Comparison {
    detector: Vec<Pair>,
    recogniser: Vec<Pair>,
    /// Scaling, detector, straightening, recogniser.
    chain: Vec<Pair>,
}

/// Both sets of nets with what they share.
struct Sides {
    nets: [Box<dyn Nets>; 2],
    manifest: Manifest,
    clock: SharedClock,
    scaler: Scaler,
    maps: [Maps; 2],
    plates: Vec<u8>,
    outputs: [Outputs; 2],
    frames: usize,
}

/// Goes through the frames with the nets of `flags` and those of the folder `float`.
///
/// # Errors
/// Models that cannot be loaded or are not the same nets, frames that cannot be read.
pub(super) fn measure(work: &Work, flags: &ModelFlags, float: &Path) -> anyhow::Result<Comparison> {
    let (ours, manifest) = flags.nets(&flags.folder())?;
    let (theirs, other) = flags.nets(float)?;
    if shape(&manifest) != shape(&other) {
        bail!(
            "the models of `{}` are not the same nets: their inputs have other sizes",
            float.display()
        );
    }
    let mut sides = Sides {
        nets: [ours, theirs],
        manifest,
        clock: SystemClock::shared(),
        scaler: Scaler::default(),
        maps: [Maps::default(), Maps::default()],
        plates: Vec::new(),
        outputs: [Outputs::default(), Outputs::default()],
        frames: 0,
    };
    let mut out = Comparison::default();
    work.each(&SystemClock::shared(), |_, frame| {
        sides.take(frame, &mut out)?;
        Ok(sides.frames < WARM_UP_FRAMES + FRAMES_MAX)
    })?;
    if out.detector.is_empty() {
        bail!("there are too few frames to compare: more than {WARM_UP_FRAMES} are needed");
    }
    Ok(out)
}

fn shape(manifest: &Manifest) -> [u32; 5] {
    let (detector, recogniser) = (&manifest.detector, &manifest.recogniser);
    [
        detector.long_side_px,
        detector.pad_multiple_px,
        detector.stride_px,
        recogniser.width_px,
        recogniser.height_px,
    ]
}

impl Sides {
    /// Measures one frame; which set goes first changes from frame to frame.
    fn take(&mut self, frame: &Frame, out: &mut Comparison) -> anyhow::Result<()> {
        self.frames += 1;
        let order = if self.frames.is_multiple_of(2) {
            [0, 1]
        } else {
            [1, 0]
        };
        let begun = self.clock.monotonic();
        let rules = &self.manifest.detector;
        let scaled = self.scaler.scale(frame, rules)?;
        let mut shared = ms_since(&self.clock, begun);
        let mut detector: Pair = [0.0; 2];
        for side in order {
            let begun = self.clock.monotonic();
            self.nets[side]
                .detect(
                    scaled.luma,
                    scaled.width_px,
                    scaled.height_px,
                    &mut self.maps[side],
                )
                .context("cannot run the detector")?;
            detector[side] = ms_since(&self.clock, begun);
        }
        let begun = self.clock.monotonic();
        let found = detect::plates(&self.maps[0], rules, rules.confidence_min, scaled.frame_px);
        self.plates.clear();
        if let Some(plate) = found.first() {
            let rules = &self.manifest.recogniser;
            let grown = plate.quad.enlarged(rules.margin_x, rules.margin_y);
            rectify::straighten(frame, &grown, rules, &mut self.plates);
        }
        shared += ms_since(&self.clock, begun);
        let mut recogniser: Pair = [0.0; 2];
        for side in order.into_iter().take(2 * found.len().min(1)) {
            let begun = self.clock.monotonic();
            self.nets[side]
                .recognise(&self.plates, 1, &mut self.outputs[side])
                .context("cannot run the recogniser")?;
            recogniser[side] = ms_since(&self.clock, begun);
        }
        if self.frames > WARM_UP_FRAMES {
            out.detector.push(detector);
            if !found.is_empty() {
                out.recogniser.push(recogniser);
                out.chain
                    .push([0, 1].map(|side| shared + detector[side] + recogniser[side]));
            }
        }
        Ok(())
    }
}

fn ms_since(clock: &SharedClock, begun: std::time::Duration) -> f64 {
    ms(clock.monotonic().saturating_sub(begun))
}

/// Both sides' value that this share of all does not exceed; none where nothing was measured.
fn quantiles(pairs: &[Pair], hundredths: usize) -> Option<Pair> {
    let of = |side: usize| {
        let mut values: Vec<f64> = pairs.iter().map(|pair| pair[side]).collect();
        quantile(&mut values, hundredths)
    };
    (!pairs.is_empty()).then(|| [of(0), of(1)])
}

fn medians(pairs: &[Pair]) -> Option<Pair> {
    quantiles(pairs, 50)
}

/// The least times: what the nets take when nothing else wants the processor.
fn least(pairs: &[Pair]) -> Option<Pair> {
    quantiles(pairs, 0)
}

/// How many times as long the float nets take.
fn ratio(pair: Option<Pair>) -> Option<f64> {
    pair.and_then(|[ours, float]| (ours > 0.0).then(|| float / ours))
}

impl Comparison {
    /// The three with their names.
    fn parts(&self) -> [(&'static str, &[Pair]); 3] {
        [
            ("detector", &self.detector),
            ("recogniser", &self.recogniser),
            ("chain", &self.chain),
        ]
    }

    /// The block `compare` of the command's JSON: medians and least times with their ratios, null
    /// without a plate.
    pub(super) fn figures(&self) -> Value {
        let mut out = json!({ "frames": self.detector.len() });
        for (name, pairs) in self.parts() {
            for (kind, pair) in [("", medians(pairs)), ("_least", least(pairs))] {
                out[format!("{name}{kind}_ms")] = json!(pair.map(|pair| pair[0]));
                out[format!("{name}_float{kind}_ms")] = json!(pair.map(|pair| pair[1]));
                out[format!("{name}{kind}_ratio")] = json!(ratio(pair));
            }
        }
        out
    }

    /// The same as a table.
    pub(super) fn shown(&self) -> String {
        let rows = self.parts().map(|(name, pairs)| {
            let mut row = vec![name.to_owned()];
            for pair in [medians(pairs), least(pairs)] {
                let each = [pair.map(|p| p[0]), pair.map(|p| p[1]), ratio(pair)];
                row.extend(each.map(|v| v.map_or("-".to_owned(), |v| format!("{v:.2}"))));
            }
            row
        });
        let head = [
            "one plate",
            "median ms",
            "float",
            "ratio",
            "least ms",
            "float",
            "ratio",
        ];
        table::markdown(&head, rows.to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_and_ratios_are_of_their_own_side() {
        let comparison = Comparison {
            detector: vec![[2.0, 5.0], [4.0, 6.0], [3.0, 9.0]],
            ..Comparison::default()
        };
        let figures = comparison.figures();
        assert_eq!(figures["detector_ms"], json!(3.0));
        assert_eq!(figures["detector_float_ms"], json!(6.0));
        assert_eq!(figures["detector_ratio"], json!(2.0));
        assert_eq!(figures["detector_least_ms"], json!(2.0));
        assert_eq!(figures["detector_least_ratio"], json!(2.5));
        assert_eq!(figures["recogniser_ratio"], Value::Null);
        assert_eq!(figures["frames"], json!(3));
        assert!(comparison.shown().contains("| detector"));
    }
}
