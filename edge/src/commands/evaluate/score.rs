//! What reads and detections are worth against a person's labels.

use varco_proto::plate::fold;

use super::index::{Kind, Picture};
use crate::core::edit;
use crate::core::geometry::Bounds;

/// A plate's text is that of the detection that lies best on its box, from this overlap on: a
/// box drawn loosely still tells which plate was meant.
const READ_IOU_MIN: f32 = 0.1;

/// One detection and its text; empty when it could not be read.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Found {
    pub(crate) bounds: Bounds,
    pub(crate) text: String,
}

/// Counts over the pictures of one source.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
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
}

/// `part / whole`; none when there is nothing to judge.
pub(crate) fn share(part: usize, whole: usize) -> Option<f64> {
    let (part, whole) = (u32::try_from(part).ok()?, u32::try_from(whole).ok()?);
    (whole > 0).then(|| f64::from(part) / f64::from(whole))
}

impl Score {
    /// Adds one picture. In a crop `found` holds its one read.
    pub(crate) fn add(&mut self, picture: &Picture, found: &[Found]) {
        self.images += 1;
        self.plates += picture.plates.len();
        let boxes: Vec<Option<Bounds>> = picture.plates.iter().map(|p| p.bounds()).collect();
        let truth: Vec<Bounds> = boxes.iter().copied().flatten().collect();
        let seen: Vec<Bounds> = found.iter().map(|f| f.bounds).collect();
        if picture.kind == Kind::Scene && !truth.is_empty() {
            let right = matches(&seen, &truth, 0.3).len();
            self.boxes += truth.len();
            self.hits_50 += matches(&seen, &truth, 0.5).len();
            self.hits_30 += right;
            self.found += found.len();
            self.right += right;
        }
        let pairs = matches(&seen, &truth, READ_IOU_MIN);
        let mut box_at = 0;
        for (label, bounds) in picture.plates.iter().zip(&boxes) {
            let at = box_at;
            box_at += usize::from(bounds.is_some());
            let Some(wanted) = &label.text else { continue };
            let text = match (picture.kind, bounds) {
                (Kind::Crop, _) => found.first().map_or("", |f| &f.text),
                (Kind::Scene, Some(_)) => pairs
                    .iter()
                    .find(|(_, truth)| *truth == at)
                    .map_or("", |(seen, _)| &found[*seen].text),
                (Kind::Scene, None) => nearest(found, wanted.as_str()),
            };
            self.add_text(wanted.as_str(), text);
        }
    }

    fn add_text(&mut self, wanted: &str, text: &str) {
        let same = folded(text) == folded(wanted);
        self.texts += 1;
        self.exact += usize::from(text == wanted);
        self.exact_folded += usize::from(same);
        self.wrong += usize::from(!same && !text.is_empty());
        self.edits += edit::distance(text, wanted);
        self.characters += wanted.len();
    }

    /// Adds the counts of another part of the same source.
    pub(crate) fn merge(&mut self, other: &Self) {
        self.images += other.images;
        self.plates += other.plates;
        self.boxes += other.boxes;
        self.hits_50 += other.hits_50;
        self.hits_30 += other.hits_30;
        self.found += other.found;
        self.right += other.right;
        self.texts += other.texts;
        self.exact += other.exact;
        self.exact_folded += other.exact_folded;
        self.wrong += other.wrong;
        self.edits += other.edits;
        self.characters += other.characters;
    }
}

/// O as 0 and I as 1.
pub(crate) fn folded(text: &str) -> String {
    text.chars().map(fold).collect()
}

/// Of all texts of the picture, the one nearest to the label.
fn nearest<'a>(found: &'a [Found], wanted: &str) -> &'a str {
    let wanted = folded(wanted);
    found
        .iter()
        .map(|f| f.text.as_str())
        .min_by_key(|text| edit::distance(&folded(text), &wanted))
        .unwrap_or("")
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
        }
    }

    const BOXED: &str = r#"{"x": 0, "y": 0, "width": 100, "height": 20, "text": "AO123CD"}"#;

    #[test]
    fn a_scene_counts_hits_by_overlap_and_reads_folded_and_strict() {
        let mut score = Score::default();
        score.add(
            &picture("scene", BOXED),
            &[found(40.0, "A0123CD"), found(500.0, "X")],
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
        score.add(&picture("scene", BOXED), &[]);
        assert_eq!((score.texts, score.edits, score.wrong), (1, 7, 0));
    }

    #[test]
    fn a_plate_without_a_box_is_right_wherever_its_text_is_read() {
        let mut score = Score::default();
        let there = [found(900.0, "ZZ"), found(300.0, "AO123CD")];
        score.add(&picture("scene", r#"{"text": "AO123CD"}"#), &there);
        assert_eq!((score.boxes, score.found, score.exact), (0, 0, 1));
    }

    #[test]
    fn a_crop_is_read_and_not_searched() {
        let mut score = Score::default();
        score.add(&picture("crop", BOXED), &[found(700.0, "AO123CD")]);
        assert_eq!((score.boxes, score.found, score.exact), (0, 0, 1));
        assert_eq!(share(score.hits_30, score.boxes), None);
    }

    #[test]
    fn a_plate_without_a_text_does_not_count_for_reading() {
        let mut score = Score::default();
        let silent = BOXED.replace("\"AO123CD\"", "null");
        score.add(&picture("scene", &silent), &[found(0.0, "QQ")]);
        assert_eq!((score.texts, score.wrong, score.hits_50), (0, 0, 1));
    }

    #[test]
    fn each_detection_and_each_box_is_used_once() {
        let boxes = [found(0.0, "").bounds, found(60.0, "").bounds];
        assert_eq!(matches(&boxes[..1], &boxes, 0.1), [(0, 0)]);
        assert_eq!(matches(&boxes, &boxes, 0.1), [(0, 0), (1, 1)]);
    }
}
