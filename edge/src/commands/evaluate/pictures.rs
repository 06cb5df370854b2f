//! Labelled pictures: found, read, counted by their sources.

use std::collections::BTreeMap;

use anyhow::Context;
use serde_json::{Value, json};
use varco_proto::confidence::Confidence;
use varco_proto::time::UtcTime;

use super::index::{Kind, Picture};
use super::score::{Found, Score, calibration_error, share};
use crate::commands::table;
use crate::commands::workers::spread;
use crate::core::geometry::{Bounds, Quad};
use crate::core::number::float_px;
use crate::core::picture;
use crate::core::sighting::{Look, PlateDetection, PlateLook};
use crate::core::vision::{Search, Vision};

/// A score for each source.
pub(super) type Scores<'a> = BTreeMap<&'a str, Score>;

/// Judges all pictures, as many at once as there are visions.
///
/// # Errors
/// A picture that cannot be read.
pub(super) fn judge(
    visions: Vec<Vision>,
    pictures: &[Picture],
    search: Search,
    width_min_px: f32,
) -> anyhow::Result<Scores<'_>> {
    let all = spread(visions, pictures, |mut vision, picture| {
        let found = look(&mut vision, picture, search)
            .with_context(|| format!("cannot judge `{}`", picture.path.display()))?;
        Ok((vision, found))
    })?;
    let mut scores = Scores::new();
    for (picture, found) in pictures.iter().zip(all) {
        let score = scores.entry(picture.source.as_str()).or_default();
        score.add(picture, &found, width_min_px);
    }
    Ok(scores)
}

/// Finds and reads the plates of one picture; a crop is one plate as a whole, whatever it shows.
fn look(vision: &mut Vision, picture: &Picture, search: Search) -> anyhow::Result<Vec<Found>> {
    let frame = picture::open(&std::fs::read(&picture.path)?, UtcTime::default())?;
    let looks: Vec<(Quad, Look)> = match picture.kind {
        Kind::Scene => {
            let seen = vision.look(&frame, search)?.into_iter();
            seen.map(|PlateLook { plate, look }| (plate.quad, look))
                .collect()
        }
        Kind::Crop => {
            let whole = Quad::from_bounds(Bounds {
                left: 0.0,
                top: 0.0,
                right: float_px(frame.width_px),
                bottom: float_px(frame.height_px),
            });
            let whole_picture = PlateDetection {
                quad: whole,
                confidence: Confidence::saturating(1.0),
            };
            let seen = vision.read(&frame, &[whole_picture], search)?.into_iter();
            seen.map(|PlateLook { look, .. }| (whole, look)).collect()
        }
    };
    let least = vision.manifest().recogniser.confidence_min;
    Ok(looks
        .iter()
        .map(|(quad, look)| Found {
            bounds: quad.bounds().within(frame.width_px, frame.height_px),
            text: look.reading.text(),
            confidence: look.reading.confidence,
            counts: look.reading.confidence >= least,
        })
        .collect())
}

/// One JSON object: `sources` by name, `calibration_error`, and `faults` when they are wanted.
pub(super) fn scores_json(scores: &Scores<'_>, faults: bool) -> Value {
    let sources: BTreeMap<&str, Value> = scores
        .iter()
        .map(|(name, score)| (*name, row_json(score)))
        .collect();
    let mut out = json!({
        "sources": sources,
        "calibration_error": calibration_error(scores.values()),
    });
    if faults {
        let listed = scores.iter().flat_map(|(name, score)| {
            score.faults.iter().map(move |fault| {
                json!({
                    "source": name,
                    "picture": fault.picture,
                    "text": fault.text,
                    "read": fault.read.as_ref().map(|(text, _)| text),
                    "confidence": fault.read.as_ref().map(|(_, sure)| sure.get()),
                })
            })
        });
        out["faults"] = listed.collect();
    }
    out
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

/// A table, a line on the calibration, and a line for each fault when they are wanted.
pub(super) fn scores_text(scores: &Scores<'_>, faults: bool) -> String {
    let mut out = rows_text(scores);
    if let Some(error) = calibration_error(scores.values()) {
        out += &format!("\nexpected calibration error of the reads' confidence: {error:.3}");
    }
    if faults {
        for (name, score) in scores {
            for fault in &score.faults {
                let (read, sure) = match &fault.read {
                    Some((text, sure)) => (text.as_str(), format!(" {:.2}", sure.get())),
                    None => ("-", String::new()),
                };
                out += &format!("\n{name} {} {} {read}{sure}", fault.picture, fault.text);
            }
        }
    }
    out
}

fn rows_text(scores: &Scores<'_>) -> String {
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
