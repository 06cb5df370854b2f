//! What reads and detections are worth against a person's labels.

use varco_proto::confidence::Confidence;
use varco_proto::plate::fold;

use super::index::{Kind, Picture};
use crate::core::edit;
use crate::core::geometry::Bounds;
use crate::core::number::{float, floor_within};

/// A plate's text is that of the detection that lies best on its box, from this overlap on.
const READ_IOU_MIN: f32 = 0.3;
/// Equal parts of 0..1 in which confidence is compared with the share that is right.
const CALIBRATION_BINS: usize = 10;

/// One detection and its text; empty when nothing could be read.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Found {
    pub(crate) bounds: Bounds,
    pub(crate) text: String,
    pub(crate) confidence: Confidence,
    /// Sure enough to count as a read.
    pub(crate) counts: bool,
}

impl Found {
    /// What counts as read.
    fn read(&self) -> &str {
        if self.counts { &self.text } else { "" }
    }
}

/// A plate that was not read as it is labelled, O as 0 and I as 1.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Fault {
    /// The picture's file name.
    pub(crate) picture: String,
    /// The label.
    pub(crate) text: String,
    /// What was read, sure enough or not; none where no plate was found.
    pub(crate) read: Option<(String, Confidence)>,
}

/// Counts over the pictures of one source.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Score {
    pub(crate) images: usize,
    /// Labels, with a box or without.
    pub(crate) plates: usize,
    /// Labels with a box in scenes.
    pub(crate) boxes: usize,
    pub(crate) hits_50: usize,
    pub(crate) hits_30: usize,
    /// Detections in scenes that have a box at all.
    pub(crate) found: usize,
    /// Of those, on a box with an overlap of 0.3.
    pub(crate) right: usize,
    /// Labels with a text.
    pub(crate) texts: usize,
    pub(crate) exact: usize,
    pub(crate) exact_folded: usize,
    /// Labels with a text that another text was read for.
    pub(crate) wrong: usize,
    pub(crate) edits: usize,
    pub(crate) characters: usize,
    /// Of each label with a text that was found: how sure its read was, and whether it was right,
    /// folded, sure enough or not.
    pub(crate) sure: Vec<(Confidence, bool)>,
    pub(crate) faults: Vec<Fault>,
}

/// `part / whole`; none when there is nothing to judge.
pub(crate) fn share(part: usize, whole: usize) -> Option<f64> {
    let (part, whole) = (u32::try_from(part).ok()?, u32::try_from(whole).ok()?);
    (whole > 0).then(|| f64::from(part) / f64::from(whole))
}

impl Score {
    /// Adds one picture. In a crop `found` holds its one read. For recall and precision, boxes
    /// narrower than `width_min_px`, detections on them and other detections as narrow count
    /// neither way.
    pub(crate) fn add(&mut self, picture: &Picture, found: &[Found], width_min_px: f32) {
        self.images += 1;
        self.plates += picture.plates.len();
        let boxes: Vec<Option<Bounds>> = picture.plates.iter().map(|p| p.bounds()).collect();
        let truth: Vec<Bounds> = boxes.iter().copied().flatten().collect();
        let seen: Vec<Bounds> = found.iter().map(|f| f.bounds).collect();
        let pairs = matches(&seen, &truth, READ_IOU_MIN);
        if picture.kind == Kind::Scene && !truth.is_empty() {
            self.add_boxes(&seen, &truth, width_min_px);
        }
        let name = picture.path.file_name().unwrap_or_default();
        let mut box_at = 0;
        for (label, bounds) in picture.plates.iter().zip(&boxes) {
            let at = box_at;
            box_at += usize::from(bounds.is_some());
            let Some(wanted) = &label.text else { continue };
            let read = match (picture.kind, bounds) {
                (Kind::Crop, _) => found.first(),
                (Kind::Scene, Some(_)) => pairs
                    .iter()
                    .find(|(_, truth)| *truth == at)
                    .map(|(seen, _)| &found[*seen]),
                (Kind::Scene, None) => nearest(found, wanted.as_str()),
            };
            self.add_text(&name.to_string_lossy(), wanted.as_str(), read);
        }
    }

    fn add_boxes(&mut self, seen: &[Bounds], truth: &[Bounds], width_min_px: f32) {
        let wide = |b: &Bounds| b.right - b.left >= width_min_px;
        let hits = |pairs: &[(usize, usize)]| pairs.iter().filter(|p| wide(&truth[p.1])).count();
        let pairs = matches(seen, truth, 0.3);
        self.boxes += truth.iter().filter(|b| wide(b)).count();
        self.hits_50 += hits(&matches(seen, truth, 0.5));
        self.hits_30 += hits(&pairs);
        self.right += hits(&pairs);
        let counts = |(at, found): (usize, &Bounds)| {
            let pair = pairs.iter().find(|pair| pair.0 == at);
            wide(pair.map_or(found, |pair| &truth[pair.1]))
        };
        self.found += seen.iter().enumerate().filter(|f| counts(*f)).count();
    }

    fn add_text(&mut self, picture: &str, wanted: &str, found: Option<&Found>) {
        let text = found.map_or("", Found::read);
        let same = folded(text) == folded(wanted);
        self.texts += 1;
        self.exact += usize::from(text == wanted);
        self.exact_folded += usize::from(same);
        self.wrong += usize::from(!same && !text.is_empty());
        self.edits += edit::distance(text, wanted);
        self.characters += wanted.len();
        if let Some(found) = found {
            let right = folded(&found.text) == folded(wanted);
            self.sure.push((found.confidence, right));
        }
        if !same {
            self.faults.push(Fault {
                picture: picture.to_owned(),
                text: wanted.to_owned(),
                read: found.map(|f| (f.text.clone(), f.confidence)),
            });
        }
    }
}

/// How far confidence and the share that is right lie apart, the mean over all labelled plates
/// that were found, of ten equal parts of 0..1; none when there are none.
pub(crate) fn calibration_error<'a>(scores: impl Iterator<Item = &'a Score>) -> Option<f64> {
    let mut bins = [(0.0_f64, 0.0_f64); CALIBRATION_BINS];
    let mut count = 0.0_f64;
    for (sure, right) in scores.flat_map(|score| &score.sure) {
        let part = sure.get() * float(CALIBRATION_BINS);
        let (confidences, rights) = &mut bins[floor_within(part, CALIBRATION_BINS - 1)];
        *confidences += f64::from(sure.get());
        *rights += f64::from(u8::from(*right));
        count += 1.0;
    }
    let apart = bins.iter().map(|(sure, right)| (sure - right).abs());
    (count > 0.0).then(|| apart.sum::<f64>() / count)
}

/// O as 0 and I as 1.
pub(crate) fn folded(text: &str) -> String {
    text.chars().map(fold).collect()
}

/// Of all detections of the picture, the one whose read is nearest to the label; none when none
/// of them was read.
fn nearest<'a>(found: &'a [Found], wanted: &str) -> Option<&'a Found> {
    let wanted = folded(wanted);
    found
        .iter()
        .min_by_key(|f| edit::distance(&folded(f.read()), &wanted))
        .filter(|f| !f.read().is_empty())
}

/// Pairs of a detection and a box, by falling overlap, each used once.
fn matches(found: &[Bounds], truth: &[Bounds], iou_min: f32) -> Vec<(usize, usize)> {
    let mut all: Vec<(f32, usize, usize)> = Vec::new();
    for (i, f) in found.iter().enumerate() {
        for (j, t) in truth.iter().enumerate() {
            let iou = f.iou(t);
            if iou >= iou_min {
                all.push((iou, i, j));
            }
        }
    }
    all.sort_by(|a, b| b.0.total_cmp(&a.0));
    let mut pairs: Vec<(usize, usize)> = Vec::new();
    for (_, i, j) in all {
        if pairs.iter().all(|(x, y)| *x != i && *y != j) {
            pairs.push((i, j));
        }
    }
    pairs
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(kind: &str, plates: &str) -> Picture {
        let text =
            format!(r#"{{"path": "a", "source": "s", "kind": "{kind}", "plates": [{plates}]}}"#);
        serde_json::from_str(&text).unwrap()
    }

    fn found(left: f32, text: &str) -> Found {
        Found {
            bounds: Bounds {
                left,
                top: 0.0,
                right: left + 100.0,
                bottom: 20.0,
            },
            text: text.to_owned(),
            confidence: Confidence::saturating(0.9),
            counts: true,
        }
    }

    const BOXED: &str = r#"{"x": 0, "y": 0, "width": 100, "height": 20, "text": "AO123CD"}"#;

    #[test]
    fn a_scene_counts_hits_by_overlap_and_reads_folded_and_strict() {
        let mut score = Score::default();
        score.add(
            &picture("scene", BOXED),
            &[found(40.0, "A0123CD"), found(500.0, "X")],
            0.0,
        );
        assert_eq!(
            (score.hits_30, score.hits_50),
            (1, 0),
            "an overlap of 60 in 140"
        );
        assert_eq!((score.found, score.right), (2, 1));
        assert_eq!((score.exact, score.exact_folded, score.wrong), (0, 1, 0));
        assert_eq!((score.edits, score.characters), (1, 7));
    }

    #[test]
    fn a_missed_plate_costs_all_its_characters_but_is_not_wrong() {
        let mut score = Score::default();
        score.add(&picture("scene", BOXED), &[], 0.0);
        assert_eq!((score.texts, score.edits, score.wrong), (1, 7, 0));
    }

    #[test]
    fn a_plate_without_a_box_is_right_wherever_its_text_is_read() {
        let mut score = Score::default();
        let there = [found(900.0, "ZZ"), found(300.0, "AO123CD")];
        score.add(&picture("scene", r#"{"text": "AO123CD"}"#), &there, 0.0);
        assert_eq!((score.boxes, score.found, score.exact), (0, 0, 1));
    }

    #[test]
    fn a_crop_is_read_and_not_searched() {
        let mut score = Score::default();
        score.add(&picture("crop", BOXED), &[found(700.0, "AO123CD")], 0.0);
        assert_eq!((score.boxes, score.found, score.exact), (0, 0, 1));
        assert_eq!(share(score.hits_30, score.boxes), None);
    }

    #[test]
    fn a_plate_without_a_text_does_not_count_for_reading() {
        let mut score = Score::default();
        let silent = BOXED.replace("\"AO123CD\"", "null");
        score.add(&picture("scene", &silent), &[found(0.0, "QQ")], 0.0);
        assert_eq!((score.texts, score.wrong, score.hits_50), (0, 0, 1));
    }

    #[test]
    fn each_detection_and_each_box_is_used_once() {
        let boxes = [found(0.0, "").bounds, found(60.0, "").bounds];
        assert_eq!(matches(&boxes[..1], &boxes, 0.1), [(0, 0)]);
        assert_eq!(matches(&boxes, &boxes, 0.1), [(0, 0), (1, 1)]);
    }
    #[test]
    fn what_is_narrower_than_asked_counts_neither_way() {
        let narrow = r#"{"x": 300, "y": 0, "width": 30, "height": 20, "text": "XY987ZW"}"#;
        let scene = picture("scene", &format!("{BOXED}, {narrow}"));
        let small = |left: f32| {
            let mut small = found(left, "");
            small.bounds.right = left + 31.0;
            small
        };
        // On the wide box, on the narrow one, a narrow one and a wide one on nothing.
        let seen = [
            found(0.0, "AO123CD"),
            small(300.0),
            small(500.0),
            found(700.0, ""),
        ];
        let mut all = Score::default();
        all.add(&scene, &seen, 0.0);
        assert_eq!((all.boxes, all.hits_30, all.found, all.right), (2, 2, 4, 2));
        let mut wide = Score::default();
        wide.add(&scene, &seen, 40.0);
        assert_eq!(
            (wide.boxes, wide.hits_50, wide.found, wide.right),
            (1, 1, 2, 1)
        );
        assert_eq!((wide.texts, wide.exact), (2, 1), "texts count all the same");
    }

    #[test]
    fn a_fault_tells_what_was_read_even_unsure() {
        let mut score = Score::default();
        let mut unsure = found(0.0, "AO128CD");
        (unsure.counts, unsure.confidence) = (false, Confidence::saturating(0.4));
        score.add(&picture("scene", BOXED), &[unsure], 0.0);
        score.add(&picture("scene", BOXED), &[], 0.0);
        score.add(&picture("scene", BOXED), &[found(0.0, "A0I23CD")], 0.0);
        assert_eq!((score.wrong, score.exact_folded), (0, 1));
        let reads: Vec<Option<&str>> = score
            .faults
            .iter()
            .map(|fault| fault.read.as_ref().map(|(text, _)| text.as_str()))
            .collect();
        assert_eq!(reads, [Some("AO128CD"), None]);
        assert_eq!(score.faults[0].text, "AO123CD");
    }

    #[test]
    fn the_calibration_error_is_the_mean_gap_of_ten_parts() {
        assert_eq!(calibration_error([Score::default()].iter()), None);
        let sure = |p, right| (Confidence::saturating(p), right);
        let score = Score {
            // 0.95 sure and half right, 0.3 sure and never right, wholly sure and right.
            sure: vec![
                sure(0.95, true),
                sure(0.95, false),
                sure(0.3, false),
                sure(1.0, true),
            ],
            ..Score::default()
        };
        // The first two and the last share a part: 2.9 against 2 of 3.
        let error = calibration_error([score].iter()).unwrap();
        assert!((error - (0.9 + 0.3) / 4.0).abs() < 1e-6, "{error}");
    }
}
