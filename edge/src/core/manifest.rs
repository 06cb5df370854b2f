//! What the edge must know of the two nets, as their `manifest.toml` says it.

mod check;

use std::collections::BTreeMap;

use serde::Deserialize;
use thiserror::Error;
use varco_proto::confidence::Confidence;
use varco_proto::ids::Digest;

use super::read::ConfidenceRule;
use super::syntax::{Syntax, SyntaxTable};

/// The layout of the manifest that is understood here.
pub const VERSION: u32 = 1;

/// The manifest cannot be used. Take the folder of models whole from one release.
#[derive(Debug, Error)]
pub enum ManifestError {
    /// It is not TOML, or a key is missing, unknown or of the wrong kind.
    #[error("the manifest is not this program's; take the folder of models whole from its release")]
    Syntax(#[source] Box<toml::de::Error>),
    /// Values that this program cannot work with, all of them.
    #[error("the manifest holds values that do not fit: {}", .0.join("; "))]
    Values(Vec<String>),
}

/// The manifest, checked.
#[derive(Debug, Clone, PartialEq)]
pub struct Manifest {
    /// Of the manifest's bytes: says which nets read a transit.
    pub digest: Digest,
    /// The net that finds plates.
    pub detector: Detector,
    /// The net that reads them.
    pub recogniser: Recogniser,
    /// How plates are written: evidence for a text.
    pub syntax: Syntax,
    /// Golden tensors: name to file under `golden`.
    pub golden: BTreeMap<String, String>,
}

/// How the detector is fed and what its maps mean.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Detector {
    /// File beside the manifest.
    pub file: String,
    /// Lower-case hexadecimal.
    pub sha256: String,
    /// Name of the input, u8 `[1, 1, H, W]`.
    pub input: String,
    /// `luma`: one plane of brightness.
    pub colour: String,
    /// `inside the graph`: bytes go in as they are.
    pub scale: String,
    /// The picture is scaled so that its long side is this.
    pub long_side_px: u32,
    /// But it is not shrunk further than this, so that far plates stay,
    pub scale_min: f64,
    /// until its long side is this.
    pub long_side_max_px: u32,
    /// A small picture is enlarged at most so much.
    pub enlarge_max: f64,
    /// Plates wider than this in the input are found in a copy of it
    pub wide_px: u32,
    /// that is so many times smaller.
    pub wide_shrink: u32,
    /// A still picture is searched at these multiples of its scale too, mirrored.
    pub still_scales: Vec<f64>,
    /// A picture in which no plate was seen is searched once more at this multiple of its scale,
    /// where noise and blur average away.
    pub again_scale: f64,
    /// Both sides are padded to a multiple of this, right and bottom.
    pub pad_multiple_px: u32,
    /// Brightness of the padding.
    pub pad_value: u8,
    /// Side of a cell of the maps.
    pub stride_px: u32,
    /// Name of the output f32 `[1, 1, H/stride, W/stride]`.
    pub heat: String,
    /// Name of the output f32 `[1, 8, H/stride, W/stride]`.
    pub quad: String,
    /// Below it a cell holds no plate.
    pub confidence_min: f32,
    /// Of two boxes that overlap more, the less confident goes.
    pub iou_max: f32,
    /// Most plates of a frame.
    pub detections_max: usize,
}

/// How the recogniser is fed and what its outputs mean.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recogniser {
    /// File beside the manifest.
    pub file: String,
    /// Lower-case hexadecimal.
    pub sha256: String,
    /// Name of the input, u8 `[N, 1, height_px, width_px]`.
    pub input: String,
    /// Width of the straightened plate.
    pub width_px: u32,
    /// Height of the straightened plate.
    pub height_px: u32,
    /// Straightened to so many times the size, then averaged.
    pub oversample: u32,
    /// The quad grows by this share of its width on each side.
    pub margin_x: f32,
    /// The quad grows by this share of its height on each side.
    pub margin_y: f32,
    /// A plate is straightened and read at most so often, each time by the corners then seen.
    pub looks_max: u32,
    /// It is looked at again while no look is surer than this,
    pub look_again_below: Confidence,
    /// or a corner lies farther than this, in pixels of the straightened picture along either
    /// side, from where a faultless quad has it.
    pub look_again_moved_px: f32,
    /// A still picture's plate is cut again where it was seen, and round that with its sides
    /// grown by these shares at each end; those looks vote with the others.
    pub still_margins: Vec<f32>,
    /// How a plate is looked at wider.
    pub wider: Wider,
    /// Name of the output f32 `[N, T, 37]`, the last class is the blank.
    pub characters: String,
    /// Name of the output f32 `[N, countries]`.
    pub country: String,
    /// Name of the output f32 `[N, 1]`: probability that the picture shows a plate at all.
    pub plate: String,
    /// Name of the output f32 `[N, 8]`: where TL, TR, BR and BL of the plate lie in the
    /// straightened picture, x then y, 0 to 1 from its upper left, a little outside too.
    pub corners: String,
    /// The recogniser's word that a find is a plate is taken to be at most so sure, of a plate
    /// and of none.
    pub plate_word_max: Confidence,
    /// When a find in one of many frames of a camera is a plate.
    pub plate_frame: PlateRule,
    /// When what several searches of a still picture found is one.
    pub plate_still: PlateRule,
    /// When what the search at `again_scale` found is one.
    pub plate_again: PlateRule,
    /// Class index to symbol.
    pub alphabet: String,
    /// Class index to ISO 3166-1 alpha-2, `XX` for all others.
    pub countries: Vec<String>,
    /// What a read's confidence is.
    pub confidence: ConfidenceRule,
    /// A read below it counts as none.
    pub confidence_min: Confidence,
}

/// A wider look at a plate: what the first cuts left out of it comes in.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wider {
    /// Where the plate was seen, with its sides grown by this share at each end,
    pub margin_x: f32,
    /// and by this one above and below,
    pub margin_y: f32,
    /// it is cut once, and again so many times by the corners then seen.
    pub cuts: u32,
    /// So many of these looks count, the last ones: when each of them has all characters of the
    /// plate's text in their order
    pub counted: u32,
    /// and some more, at most so many,
    pub added_max: usize,
    /// which in one of them are each so sure, the text is that one's,
    pub sure: Confidence,
    /// if it sees the plate elsewhere: a corner by this share of the plate's height or more.
    pub moved_min: f32,
    /// A plate is looked at so when it slants by as many degrees,
    pub slant_deg: f32,
    /// and in a still picture when it is at most so many times as wide as high.
    pub compact: f32,
}

/// When a find is a plate, by both nets.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlateRule {
    /// The detector's word weighs so many times the recogniser's.
    pub find_weight: f32,
    /// A find below it, by both, is no plate.
    pub min: Confidence,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ManifestFile {
    version: u32,
    detector: Detector,
    recogniser: Recogniser,
    syntax: SyntaxTable,
    #[serde(default)]
    golden: BTreeMap<String, String>,
}

impl Manifest {
    /// Reads and checks a manifest.
    ///
    /// # Errors
    /// [`ManifestError`] with all values that do not fit.
    pub fn parse(text: &str) -> Result<Self, ManifestError> {
        let file: ManifestFile =
            toml::from_str(text).map_err(|error| ManifestError::Syntax(Box::new(error)))?;
        let mut faults = Vec::new();
        if file.version != VERSION {
            faults.push(format!(
                "`version` is {}, this program reads {VERSION}",
                file.version
            ));
        }
        file.detector.check(&mut faults);
        file.recogniser.check(&mut faults);
        let syntax = Syntax::check(&file.syntax, &file.recogniser.countries, &mut faults);
        if !faults.is_empty() {
            return Err(ManifestError::Values(faults));
        }
        Ok(Self {
            digest: Digest::of(text.as_bytes()),
            detector: file.detector,
            recogniser: file.recogniser,
            syntax,
            golden: file.golden,
        })
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A manifest as the trainer writes it, with small numbers where tests want them.
    pub(crate) const TEXT: &str = r#"
version = 1
[detector]
file = "detector.onnx"
sha256 = "00"
input = "luma"
colour = "luma"
scale = "inside the graph"
long_side_px = 768
scale_min = 0.6
long_side_max_px = 1152
enlarge_max = 2.0
wide_px = 280
wide_shrink = 4
still_scales = [0.75, 1.4]
again_scale = 0.5
pad_multiple_px = 32
pad_value = 114
stride_px = 8
heat = "heat"
quad = "quad"
confidence_min = 0.3
iou_max = 0.3
detections_max = 16
[recogniser]
file = "recogniser.onnx"
sha256 = "00"
input = "plates"
width_px = 160
height_px = 48
oversample = 2
margin_x = 0.03
margin_y = 0.08
looks_max = 3
look_again_below = 0.8
look_again_moved_px = 8.0
still_margins = [0.0, 0.02, -0.02]
wider = { margin_x = 0.25, margin_y = 0.5, cuts = 3, counted = 2, added_max = 3, sure = 0.9, moved_min = 0.05, slant_deg = 25.0, compact = 2.6 }
characters = "characters"
country = "country"
plate = "plate"
corners = "corners"
plate_word_max = 0.99
plate_frame = { find_weight = 2.0, min = 0.3 }
plate_still = { find_weight = 4.0, min = 0.3 }
plate_again = { find_weight = 4.0, min = 0.6 }
alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
countries = ["IT", "FR", "XX"]
confidence = "min"
confidence_min = 0.5
[syntax]
free_share = 0.5
boost_max = 20.0
[syntax.countries.IT]
letters = "ABCDEFGHJKLMNPRSTVWXYZ"
forms = [["@@###@@", 0.6274], ["CC@@###", 0.0119]]
[golden]
luma = "luma.npy"
"#;

    #[test]
    fn the_trainers_manifest_is_taken_with_the_digest_of_its_bytes() {
        let manifest = Manifest::parse(TEXT).unwrap();
        assert_eq!(manifest.digest, Digest::of(TEXT.as_bytes()));
        assert_eq!(manifest.recogniser.confidence, ConfidenceRule::Min);
        assert_eq!(manifest.golden["luma"], "luma.npy");
    }

    #[test]
    fn all_values_that_do_not_fit_are_told_at_once() {
        let text = TEXT
            .replace("version = 1", "version = 2")
            .replace("detector.onnx", "../detector.onnx")
            .replace("pad_multiple_px = 32", "pad_multiple_px = 30")
            .replace("\"ABCDEFGHI", "\"BACDEFGHI")
            .replace("countries.IT", "countries.ZZ")
            .replace("free_share = 0.5", "free_share = 0.0")
            .replace("find_weight = 4.0", "find_weight = 0.0")
            .replace("[0.75, 1.4]", "[0.75, 14.0]")
            .replace("counted = 2", "counted = 5");
        let Err(ManifestError::Values(faults)) = Manifest::parse(&text) else {
            panic!("taken");
        };
        assert_eq!(faults.len(), 10, "{faults:?}");
    }

    #[test]
    fn an_unknown_key_and_a_confidence_above_one_are_refused() {
        for (old, new) in [
            ("stride_px = 8", "stride_px = 8\nspeed = 1"),
            ("confidence_min = 0.5", "confidence_min = 1.5"),
            ("\"min\"", "\"max\""),
            ("2.0, min = 0.3", "2.0, min = -0.1"),
            ("plate_word_max = 0.99\n", ""),
            ("boost_max = 20.0", "boost_max = 20.0\nbonus = 1"),
            ("0.6274]", "\"much\"]"),
        ] {
            let text = TEXT.replace(old, new);
            assert!(
                matches!(Manifest::parse(&text), Err(ManifestError::Syntax(_))),
                "{new}"
            );
        }
    }
}
