//! `varco-edge evaluate`: reads labelled pictures with the code that `run` uses, and counts.

mod clips;
mod index;
mod passes;
mod pictures;
mod score;

use std::io::Write;
use std::path::PathBuf;

use anyhow::bail;
use clap::Args;

use super::models::ModelFlags;
use crate::core::vision::Search;
pub(super) use index::{Kind, read as read_index};

/// Judge the models on labelled pictures.
///
/// Prints a row for each source of the index. Detections and boxes are paired by falling overlap,
/// each used once; recall counts pairs from an overlap (`IoU`) of 0.5 and of 0.3, precision those
/// from 0.3 in pictures that have boxes. A plate's text is that of the detection paired with its
/// box from an overlap of 0.3; a read less sure than the models' own threshold counts as none.
/// A detection's box is what of it lies within the picture.
/// A plate without a box is right if its text is read anywhere in the picture. A plate without a
/// text does not count for reading. A picture of kind `crop` is one plate: it is not searched.
/// `exact` counts texts read as written, `folded` with O as 0 and I as 1, `wrong` the texts that
/// were read as another, `CER` is the edits needed for each character (not folded). The expected
/// calibration error is how far confidence and the share that is right lie apart.
///
/// With --clips whole clips go the way of a camera's frames, and their transits are counted: a
/// plate is `right` when one transit tells it (O as 0, I as 1), `doubled` when more do, `missed`
/// when none does; a transit of another text is `wrong`. For what voting gains, `best frame`
/// counts the plates whose transit's most confident single frame read them, and `frames` the
/// share of right reads among all frames of the transits.
#[derive(Debug, Args)]
#[command(
    after_help = "The index holds one JSON object a line, its paths relative to its folder:\n  \
    {\"path\": \"a.jpg\", \"source\": \"gate\", \"kind\": \"scene\", \"plates\": [{\"x\": 10, \"y\": 20,\n   \
    \"width\": 120, \"height\": 28, \"text\": \"AB123CD\"}]}\n\n\
    The clips' file holds a JSON array, its paths relative to its folder; or one such object\n  \
    without `clip`, beside an .mp4 of the same name:\n  \
    [{\"clip\": \"gate.mp4\", \"plates\": [{\"text\": \"AB123CD\"}]}]\n\n\
    Examples:\n  varco-edge evaluate --index dev.jsonl --source gate --threads 2\n  \
    varco-edge evaluate --index dev.jsonl --width-min 40 --faults\n  \
    varco-edge evaluate --clips clips.json"
)]
pub struct EvaluateArgs {
    /// Index of the pictures, JSON lines
    #[arg(
        long,
        value_name = "FILE",
        required_unless_present = "clips",
        conflicts_with = "clips"
    )]
    pub index: Option<PathBuf>,
    /// Labelled clips instead of pictures, JSON
    #[arg(long, value_name = "FILE")]
    pub clips: Option<PathBuf>,
    /// Only this source
    #[arg(long, value_name = "NAME", requires = "index")]
    pub source: Option<String>,
    /// For recall and precision, boxes narrower than this, detections on them, and detections as
    /// narrow that lie on no box count neither way
    #[arg(long, value_name = "PX", default_value_t = 0.0, requires = "index")]
    pub width_min: f32,
    /// Search each picture once, as a camera's frames are, and not at several scales, as `read`
    /// does with pictures
    #[arg(long, conflicts_with = "clips")]
    pub as_frames: bool,
    /// Also list the plates that were misread: source, picture, label, what was read and how
    /// surely; of clips: clip, label, what was told
    #[arg(long)]
    pub faults: bool,
    /// Print one JSON object instead of a table: `sources` by name, `calibration_error` and
    /// `faults`; or `clips`, `totals` and `faults`
    #[arg(long)]
    pub json: bool,
    /// Pictures or clips judged at once
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = super::threads)]
    pub threads: usize,
    #[command(flatten)]
    #[allow(missing_docs, reason = "clap would show it as the command's own help")]
    pub models: ModelFlags,
}

/// Runs the command.
///
/// # Errors
/// Models or library that cannot be loaded, labels, a picture or a clip that cannot be read.
pub fn run(args: &EvaluateArgs) -> anyhow::Result<()> {
    let visions = || args.models.visions(args.threads);
    let printed = match (&args.clips, &args.index) {
        (Some(path), _) => {
            let clips = clips::read(path)?;
            let scores = passes::judge(visions()?, &clips)?;
            if args.json {
                passes::scores_json(&scores, args.faults).to_string()
            } else {
                passes::scores_text(&scores, args.faults)
            }
        }
        (None, Some(path)) => {
            let pictures = read_index(path, args.source.as_deref())?;
            let search = if args.as_frames {
                Search::Frame
            } else {
                Search::Still
            };
            let scores = pictures::judge(visions()?, &pictures, search, args.width_min)?;
            if args.json {
                pictures::scores_json(&scores, args.faults).to_string()
            } else {
                pictures::scores_text(&scores, args.faults)
            }
        }
        (None, None) => bail!("name an index or clips"),
    };
    writeln!(std::io::stdout().lock(), "{printed}")?;
    Ok(())
}
