//! Whole clips, as a camera's frames: their transits counted against the plates that show.

use std::collections::BTreeMap;

use anyhow::Context;
use serde_json::{Value, json};

use super::clips::Clip;
use super::score::{folded, share};
use crate::commands::clip::passes;
use crate::commands::table;
use crate::commands::workers::spread;
use crate::core::pass::{FrameReads, Pass};
use crate::core::vision::Vision;
use crate::core::vote::likeness;

/// A wrong text as alike to a label as this was read from that plate.
const ALIKE_MIN: f32 = 0.5;

/// What a pass gave, and what its frames read, each on its own.
#[derive(Debug, Clone, Default, PartialEq)]
struct EmittedPass {
    text: String,
    reads: u32,
    frames: FrameReads,
}

/// Counts of one clip, or of several.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Counts {
    /// Plates that show.
    plates: usize,
    /// Plates emitted as one transit, O read as 0 and I as 1.
    right: usize,
    /// Plates emitted as more than one.
    doubled: usize,
    /// Plates emitted as none.
    missed: usize,
    /// All transits emitted.
    transits: usize,
    /// Transits of a text that does not show.
    wrong: usize,
    /// Plates that the most confident single frame of their transit read right.
    best_frame_right: usize,
    /// Reads of single frames in transits of a plate that shows.
    frame_reads: usize,
    /// Those of them that are right.
    frame_reads_right: usize,
}

/// A clip's counts with what was not right.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ClipScore {
    clip: String,
    counts: Counts,
    faults: Vec<Fault>,
}

/// A plate that was missed or emitted twice, or a transit that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Fault {
    /// The label; of a wrong transit the nearest one, when it is near.
    text: Option<String>,
    /// What was emitted.
    read: Option<String>,
}

/// Sends all clips through the chain, as many at once as there are visions.
///
/// # Errors
/// A clip that cannot be read.
pub(super) fn judge(visions: Vec<Vision>, clips: &[Clip]) -> anyhow::Result<Vec<ClipScore>> {
    spread(visions, clips, |vision, clip| {
        let (vision, passes) = passes(vision, &clip.path)
            .with_context(|| format!("cannot judge the clip `{}`", clip.path.display()))?;
        let plates: Vec<&str> = clip.plates.iter().map(|text| text.as_str()).collect();
        let (counts, faults) = count(
            &plates,
            &passes.into_iter().map(EmittedPass::of).collect::<Vec<_>>(),
        );
        let clip = clip.name.clone();
        let score = ClipScore {
            clip,
            counts,
            faults,
        };
        Ok((vision, score))
    })
}

impl EmittedPass {
    fn of(pass: Pass) -> Self {
        Self {
            text: pass.plate.text.as_str().to_owned(),
            reads: pass.plate.reads,
            frames: pass.frame_reads,
        }
    }

    /// Reads of its frames that are this text, folded.
    fn reads_of(&self, wanted: &str) -> usize {
        let same = |(text, count): (&String, &u32)| (folded(text) == wanted).then_some(*count);
        let right: u32 = self.frames.texts.iter().filter_map(same).sum();
        usize::try_from(right).unwrap_or(usize::MAX)
    }
}

/// The labels and the transits of one clip, paired by text: as many transits of a text as plates
/// with it are right, more are doubled.
fn count(plates: &[&str], emitted: &[EmittedPass]) -> (Counts, Vec<Fault>) {
    let mut shown: BTreeMap<String, usize> = BTreeMap::new();
    for plate in plates {
        *shown.entry(folded(plate)).or_default() += 1;
    }
    let mut of_plate: BTreeMap<&str, Vec<&EmittedPass>> = BTreeMap::new();
    let mut counts = Counts {
        plates: plates.len(),
        transits: emitted.len(),
        ..Counts::default()
    };
    let mut faults = Vec::new();
    for one in emitted {
        let text = folded(&one.text);
        let plate = nearest(&shown, &text);
        if plate != Some(text.as_str()) {
            counts.wrong += 1;
            faults.push(Fault {
                text: plate.map(str::to_owned),
                read: Some(one.text.clone()),
            });
        }
        if let Some(plate) = plate {
            of_plate.entry(plate).or_default().push(one);
            counts.frame_reads += usize::try_from(one.reads).unwrap_or(usize::MAX);
            counts.frame_reads_right += one.reads_of(plate);
        }
    }
    for (plate, wanted) in &shown {
        let own = of_plate.get(plate.as_str()).map_or(&[][..], Vec::as_slice);
        let right = own.iter().filter(|t| folded(&t.text) == *plate).count();
        let best = |t: &&&EmittedPass| t.frames.best.as_ref().is_some_and(|b| folded(b) == *plate);
        counts.best_frame_right += own.iter().filter(best).count().min(*wanted);
        let doubled = usize::from(right > *wanted);
        counts.doubled += doubled;
        counts.right += right.min(*wanted) - doubled;
        let missed = wanted.saturating_sub(right);
        counts.missed += missed;
        let fault = |read| Fault {
            text: Some(plate.clone()),
            read,
        };
        faults.extend(std::iter::repeat_n(fault(None), missed));
        if doubled > 0 {
            faults.push(fault(Some(plate.clone())));
        }
    }
    (counts, faults)
}

/// The plate that a transit's text was read from, when one is alike; both folded.
fn nearest<'a>(shown: &'a BTreeMap<String, usize>, text: &str) -> Option<&'a str> {
    shown
        .keys()
        .map(|plate| (likeness(plate, text), plate.as_str()))
        .filter(|(like, _)| *like >= ALIKE_MIN)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, plate)| plate)
}

fn total(scores: &[ClipScore]) -> Counts {
    scores.iter().fold(Counts::default(), |sum, score| {
        let c = &score.counts;
        Counts {
            plates: sum.plates + c.plates,
            right: sum.right + c.right,
            doubled: sum.doubled + c.doubled,
            missed: sum.missed + c.missed,
            transits: sum.transits + c.transits,
            wrong: sum.wrong + c.wrong,
            best_frame_right: sum.best_frame_right + c.best_frame_right,
            frame_reads: sum.frame_reads + c.frame_reads,
            frame_reads_right: sum.frame_reads_right + c.frame_reads_right,
        }
    })
}

/// One JSON object: `clips`, `totals` with the shares, and `faults` when they are wanted.
pub(super) fn scores_json(scores: &[ClipScore], faults: bool) -> Value {
    let clips: Vec<Value> = scores
        .iter()
        .map(|score| {
            let mut row = row_json(&score.counts);
            row["clip"] = json!(score.clip);
            row
        })
        .collect();
    let sum = total(scores);
    let mut totals = row_json(&sum);
    totals["wrong_share"] = json!(share(sum.wrong, sum.transits));
    totals["frame_share"] = json!(share(sum.frame_reads_right, sum.frame_reads));
    let mut out = json!({ "clips": clips, "totals": totals });
    if faults {
        let listed = scores.iter().flat_map(|score| {
            let clip = &score.clip;
            score
                .faults
                .iter()
                .map(move |fault| json!({ "clip": clip, "text": fault.text, "read": fault.read }))
        });
        out["faults"] = listed.collect();
    }
    out
}

fn row_json(c: &Counts) -> Value {
    json!({
        "plates": c.plates,
        "right": c.right,
        "doubled": c.doubled,
        "missed": c.missed,
        "transits": c.transits,
        "wrong": c.wrong,
        "best_frame_right": c.best_frame_right,
        "frame_reads": c.frame_reads,
        "frame_reads_right": c.frame_reads_right,
    })
}

/// A table with a row for each clip and one for all, and a line for each fault when they are
/// wanted.
pub(super) fn scores_text(scores: &[ClipScore], faults: bool) -> String {
    let head = [
        "clip",
        "plates",
        "right",
        "doubled",
        "missed",
        "transits",
        "wrong",
        "wrong share",
        "best frame",
        "frames",
    ];
    let part = |part, whole| share(part, whole).map_or("-".to_owned(), |v| format!("{v:.3}"));
    let row = |name: &str, c: &Counts| {
        let counts = [c.plates, c.right, c.doubled, c.missed, c.transits, c.wrong];
        let mut row = vec![name.to_owned()];
        row.extend(counts.map(|count| count.to_string()));
        row.extend([
            part(c.wrong, c.transits),
            c.best_frame_right.to_string(),
            part(c.frame_reads_right, c.frame_reads),
        ]);
        row
    };
    let mut rows: Vec<Vec<String>> = scores.iter().map(|s| row(&s.clip, &s.counts)).collect();
    rows.push(row("all", &total(scores)));
    let mut out = table::markdown(&head, rows);
    if faults {
        for score in scores {
            for fault in &score.faults {
                let shown = |text: &Option<String>| text.clone().unwrap_or("-".to_owned());
                out += &format!(
                    "\n{} {} {}",
                    score.clip,
                    shown(&fault.text),
                    shown(&fault.read)
                );
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn emitted(text: &str, best: &str, frames: &[(&str, u32)]) -> EmittedPass {
        let texts: BTreeMap<String, u32> = frames
            .iter()
            .map(|(text, count)| ((*text).to_owned(), *count))
            .collect();
        EmittedPass {
            text: text.to_owned(),
            reads: texts.values().sum(),
            frames: FrameReads {
                best: Some(best.to_owned()),
                texts,
            },
        }
    }

    #[test]
    fn each_plate_is_right_once_doubled_or_missed() {
        let plates = ["AO123CD", "XY987ZW", "EF456GH", "JK555KK"];
        let passes = [
            emitted(
                "A0123CD",
                "AO123CD",
                &[("AO123CD", 3), ("A0123CD", 4), ("A0128CD", 3)],
            ),
            emitted("XY987ZW", "XY981ZW", &[("XY987ZW", 5), ("XY981ZW", 5)]),
            emitted("XY987ZW", "XY987ZW", &[("XY987ZW", 2)]),
            // Read from EF456GH, and from nothing that shows.
            emitted("EF456CH", "EF456GH", &[("EF456CH", 6), ("EF456GH", 2)]),
            emitted("111111", "111111", &[("111111", 9)]),
        ];
        let (counts, faults) = count(&plates, &passes);
        let wanted = Counts {
            plates: 4,
            right: 1,
            doubled: 1,
            missed: 2,
            transits: 5,
            wrong: 2,
            best_frame_right: 3,
            frame_reads: 30,
            frame_reads_right: 16,
        };
        assert_eq!(counts, wanted);
        let listed: Vec<(Option<&str>, Option<&str>)> = faults
            .iter()
            .map(|fault| (fault.text.as_deref(), fault.read.as_deref()))
            .collect();
        let expected = [
            (Some("EF456GH"), Some("EF456CH")),
            (None, Some("111111")),
            (Some("EF456GH"), None),
            (Some("JK555KK"), None),
            (Some("XY987ZW"), Some("XY987ZW")),
        ];
        assert_eq!(listed, expected);
    }

    #[test]
    fn a_plate_that_passes_twice_is_told_twice() {
        let plates = ["AB123CD"; 2];
        let one = emitted("AB123CD", "AB123CD", &[("AB123CD", 4)]);
        for (times, right, doubled, missed) in
            [(0, 0, 0, 2), (1, 1, 0, 1), (2, 2, 0, 0), (3, 1, 1, 0)]
        {
            let (c, _) = count(&plates, &vec![one.clone(); times]);
            assert_eq!((c.right, c.doubled, c.missed), (right, doubled, missed));
            assert_eq!(c.right + c.doubled + c.missed, c.plates);
        }
    }

    #[test]
    fn totals_are_sums_and_shares_of_all_transits() {
        let score = |wrong: usize| ClipScore {
            clip: "a.mp4".to_owned(),
            counts: Counts {
                transits: 10,
                wrong,
                frame_reads: 8,
                frame_reads_right: 6,
                ..Counts::default()
            },
            faults: Vec::new(),
        };
        let printed = scores_json(&[score(1), score(0)], true);
        assert_eq!(printed["totals"]["wrong_share"], json!(0.05));
        assert_eq!(printed["totals"]["frame_share"], json!(0.75));
        assert_eq!(printed["clips"][0]["wrong"], json!(1));
        assert_eq!(printed["faults"], json!([]));
        assert_eq!(
            scores_json(&[], false)["totals"]["wrong_share"],
            Value::Null
        );
        assert_eq!(scores_text(&[score(1)], false).lines().count(), 4);
    }
}
