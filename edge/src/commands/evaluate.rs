//! `varco-edge evaluate`: reads labelled pictures with the code that `run` uses, and counts.

mod index;
mod score;

use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context, anyhow};
use clap::Args;
use serde_json::{Value, json};
use varco_proto::time::UtcTime;

use super::models::ModelFlags;
use super::table;
use crate::core::geometry::{Bounds, Quad};
use crate::core::number::float_px;
use crate::core::picture;
use crate::core::vision::{Look, Vision};
pub(super) use index::{Kind, Picture, read as read_index};
use score::{Found, Score, share};

/// Judge the models on labelled pictures.
///
/// Prints a row for each source of the index. Detections and boxes are paired by falling overlap,
/// each used once; recall counts pairs from an overlap (`IoU`) of 0.5 and of 0.3, precision those
/// from 0.3 in pictures that have boxes. A plate's text is that of the detection paired with its
/// box from an overlap of 0.1; a read less sure than the models' own threshold counts as none.
/// A plate without a box is right if its text is read anywhere in the picture. A plate without a
/// text does not count for reading. A picture of kind `crop` is one plate: it is not searched.
/// `exact` counts texts read as written, `folded` with O as 0 and I as 1, `wrong` the texts that
/// were read as another, `CER` is the edits needed for each character (not folded).
#[derive(Debug, Args)]
#[command(
    after_help = "The index holds one JSON object a line, its paths relative to its folder:\n  \
    {\"path\": \"a.jpg\", \"source\": \"gate\", \"kind\": \"scene\", \"plates\": [{\"x\": 10, \"y\": 20,\n   \
    \"width\": 120, \"height\": 28, \"text\": \"AB123CD\"}]}\n\n\
    Example:\n  varco-edge evaluate --index dev.jsonl --source gate --threads 2"
)]
pub struct EvaluateArgs {
    /// Index of the pictures, JSON lines
    #[arg(long, value_name = "FILE")]
    pub index: PathBuf,
    /// Only this source
    #[arg(long, value_name = "NAME")]
    pub source: Option<String>,
    /// Print one JSON object instead of a table: `sources` by name
    #[arg(long)]
    pub json: bool,
    /// Pictures judged at once
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = super::threads)]
    pub threads: usize,
    #[command(flatten)]
    #[allow(missing_docs, reason = "clap would show it as the command's own help")]
    pub models: ModelFlags,
}

/// Runs the command.
///
/// # Errors
/// Models or library that cannot be loaded, an index or a picture that cannot be read.
pub fn run(args: &EvaluateArgs) -> anyhow::Result<()> {
    let pictures = read_index(&args.index, args.source.as_deref())?;
    let visions = args.models.visions(args.threads)?;
    let scores = judge(visions, &pictures)?;
    let mut out = std::io::stdout().lock();
    if args.json {
        let sources: BTreeMap<&str, Value> = scores
            .iter()
            .map(|(name, s)| (*name, row_json(s)))
            .collect();
        writeln!(out, "{}", json!({ "sources": sources }))?;
    } else {
        writeln!(out, "{}", rows_text(&scores))?;
    }
    Ok(())
}

/// Judges all pictures, as many at once as there are visions.
fn judge(visions: Vec<Vision>, pictures: &[Picture]) -> anyhow::Result<BTreeMap<&str, Score>> {
    let next = AtomicUsize::new(0);
    let parts = std::thread::scope(|scope| {
        let workers: Vec<_> = visions
            .into_iter()
            .map(|vision| scope.spawn(|| work(vision, pictures, &next)))
            .collect();
        let ended = workers.into_iter().map(|worker| {
            worker
                .join()
                .map_err(|_| anyhow!("a worker has panicked"))?
        });
        ended.collect::<anyhow::Result<Vec<_>>>()
    })?;
    let mut scores: BTreeMap<&str, Score> = BTreeMap::new();
    for (name, score) in parts.into_iter().flatten() {
        scores.entry(name).or_default().merge(&score);
    }
    Ok(scores)
}

fn work<'a>(
    mut vision: Vision,
    pictures: &'a [Picture],
    next: &AtomicUsize,
) -> anyhow::Result<BTreeMap<&'a str, Score>> {
    let mut scores: BTreeMap<&str, Score> = BTreeMap::new();
    while let Some(picture) = pictures.get(next.fetch_add(1, Ordering::Relaxed)) {
        let found = look(&mut vision, picture)
            .with_context(|| format!("cannot judge `{}`", picture.path.display()))?;
        scores
            .entry(picture.source.as_str())
            .or_default()
            .add(picture, &found);
    }
    Ok(scores)
}

/// Finds and reads the plates of one picture; a crop is one plate as a whole.
fn look(vision: &mut Vision, picture: &Picture) -> anyhow::Result<Vec<Found>> {
    let frame = picture::open(&std::fs::read(&picture.path)?, UtcTime::default())?;
    let quads: Vec<Quad> = match picture.kind {
        Kind::Scene => vision.detect(&frame)?.iter().map(|p| p.quad).collect(),
        Kind::Crop => vec![Quad::from_bounds(Bounds {
            left: 0.0,
            top: 0.0,
            right: float_px(frame.width_px),
            bottom: float_px(frame.height_px),
        })],
    };
    let looks = vision.read(&frame, &quads)?;
    let least = vision.manifest().recogniser.confidence_min;
    let text = |look: &Look| {
        if look.reading.confidence >= least {
            look.reading.text()
        } else {
            String::new()
        }
    };
    Ok(quads
        .iter()
        .zip(&looks)
        .map(|(quad, look)| Found {
            bounds: quad.bounds(),
            text: text(look),
        })
        .collect())
}

fn row_json(s: &Score) -> Value {
    json!({
        "images": s.images,
        "plates": s.plates,
        "boxes": s.boxes,
        "recall_50": share(s.hits_50, s.boxes),
        "recall_30": share(s.hits_30, s.boxes),
        "precision": share(s.right, s.found),
        "texts": s.texts,
        "exact": s.exact,
        "exact_folded": s.exact_folded,
        "wrong": s.wrong,
        "cer": share(s.edits, s.characters),
    })
}

fn rows_text(scores: &BTreeMap<&str, Score>) -> String {
    let head = [
        "source",
        "images",
        "plates",
        "recall 0.5",
        "recall 0.3",
        "precision",
        "texts",
        "exact",
        "folded",
        "wrong",
        "CER",
    ];
    let part = |value: Option<f64>| value.map_or("-".to_owned(), |v| format!("{v:.3}"));
    let count = |value: usize, of: usize| {
        if of == 0 {
            "-".to_owned()
        } else {
            value.to_string()
        }
    };
    let rows = scores
        .iter()
        .map(|(name, s)| {
            vec![
                (*name).to_owned(),
                s.images.to_string(),
                s.plates.to_string(),
                part(share(s.hits_50, s.boxes)),
                part(share(s.hits_30, s.boxes)),
                part(share(s.right, s.found)),
                s.texts.to_string(),
                count(s.exact, s.texts),
                count(s.exact_folded, s.texts),
                count(s.wrong, s.texts),
                part(share(s.edits, s.characters)),
            ]
        })
        .collect();
    table::markdown(&head, rows)
}
