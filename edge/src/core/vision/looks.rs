//! The looks at one plate: each cut by the corners that the one before saw, and their vote.

use std::collections::HashMap;

use varco_proto::confidence::Confidence;

use super::added::added;
use crate::core::geometry::Quad;
use crate::core::manifest::{Recogniser, Wider};
use crate::core::number::{float, float_px};
use crate::core::rectify::Homography;
use crate::core::sighting::Look;

/// One look at a plate, and where it saw the plate's corners.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Sight {
    /// The corners it was cut by, in pixels of the frame.
    pub(super) cut: Quad,
    /// What it gave.
    pub(super) look: Look,
    /// How sure its letters are, each for itself: what says whether to look again, and what votes.
    /// That one was left out makes the reading doubtful, but another look does not help it.
    pub(super) letters: Confidence,
    /// The plate's corners as this look saw them, in pixels of the frame; none when they make no
    /// quad.
    pub(super) refined: Option<Quad>,
    /// See [`moved_px`].
    pub(super) moved_px: f32,
}

impl Sight {
    /// Where it saw the plate; where it was cut, if it saw no quad.
    pub(super) fn place(&self) -> Quad {
        self.refined.unwrap_or(self.cut)
    }
}

/// By how many pixels of the straightened picture, along either side, the worst of the corners
/// (x and y of TL, TR, BR, BL, 0 to 1) lies off where a quad without fault has it.
pub(super) fn moved_px(corners: &[f32], rules: &Recogniser) -> f32 {
    let (left, top) = (
        rules.margin_x / (1.0 + 2.0 * rules.margin_x),
        rules.margin_y / (1.0 + 2.0 * rules.margin_y),
    );
    let (right, bottom) = (1.0 - left, 1.0 - top);
    let (width, height) = (float_px(rules.width_px), float_px(rules.height_px));
    let faultless = [left, top, right, top, right, bottom, left, bottom];
    corners
        .iter()
        .zip(faultless)
        .enumerate()
        .map(|(at, (seen, due))| (seen - due).abs() * if at % 2 == 0 { width } else { height })
        .fold(0.0, f32::max)
}

/// What the looks that read one text say together.
#[derive(Debug, Default)]
struct Votes {
    letters: f32,
    confidence: f32,
    looks: usize,
}

/// The looks at one plate so far, at least one.
#[derive(Debug)]
pub(super) struct Looks {
    /// What other frames have read of it, when that is sure.
    known: Option<String>,
    seen: Vec<Sight>,
    /// Looks that vote, and say nothing of where the plate lies.
    votes: Vec<Sight>,
    /// Looks that say what the others left out.
    wider: Vec<Sight>,
}

/// Those of the looks that both nets took for a plate at first sight, each with its corners.
pub(super) fn likely(
    all: &mut [Looks],
    plate_min: Confidence,
) -> impl Iterator<Item = (&mut Looks, Quad)> {
    let likely = all.iter_mut().filter(move |l| l.may_be_plate(plate_min));
    likely.filter_map(|looks| looks.corners().map(|quad| (looks, quad)))
}

impl Looks {
    pub(super) fn new(first: Sight) -> Self {
        Self {
            known: None,
            seen: vec![first],
            votes: Vec::new(),
            wider: Vec::new(),
        }
    }

    /// The same, of a plate of which other frames have surely read this.
    pub(super) fn known(self, known: Option<String>) -> Self {
        Self { known, ..self }
    }

    /// Whether the last look says what other frames have surely read: then there is nothing to
    /// look for again.
    pub(super) fn says_what_is_known(&self) -> bool {
        let (known, last) = (self.known.as_ref(), self.seen.last());
        known.is_some_and(|known| last.is_some_and(|last| last.look.raw.text() == *known))
    }

    /// The corners to cut it by once more: when it is likely a plate, and no look is sure, where
    /// doubts count, or the last was cut askew, unless it says what is known. A plate that needs
    /// no further look never will: nothing about it changes after this.
    pub(super) fn next(
        &self,
        rules: &Recogniser,
        plate_min: Confidence,
        doubts: bool,
    ) -> Option<Quad> {
        let last = self.seen.last()?;
        let mut sights = self.seen.iter();
        let doubt = doubts && sights.all(|s| s.letters < rules.look_again_below);
        let askew = last.moved_px > rules.look_again_moved_px;
        let plate = self.may_be_plate(plate_min);
        let wanted = (doubt || askew) && !self.says_what_is_known();
        (plate && wanted).then_some(last.refined)?
    }

    /// Whether both nets at first sight took it for a plate.
    fn may_be_plate(&self, plate_min: Confidence) -> bool {
        let first = self.seen.first();
        first.is_some_and(|first| first.look.plate >= plate_min)
    }

    /// Takes one more.
    pub(super) fn add(&mut self, sight: Sight) {
        self.seen.push(sight);
    }

    /// Takes one more that votes only.
    pub(super) fn add_vote(&mut self, sight: Sight) {
        self.votes.push(sight);
    }

    /// Takes one that was cut wider at first.
    pub(super) fn add_wider(&mut self, sight: Sight) {
        self.wider.push(sight);
    }

    /// The corners in pixels of the frame as both nets see them: half way from where the plate was
    /// found to where the last look saw them.
    pub(super) fn corners(&self) -> Option<Quad> {
        let (first, last) = (self.seen.first()?, self.seen.last()?);
        let seen = last.refined.map(|refined| first.cut.half_way_to(&refined));
        seen.filter(|quad| Homography::onto(quad).is_some())
            .or(Some(last.cut))
    }

    /// The text that has the most confidence of all looks together, the earlier of equals, as
    /// the surest look saw it and as sure as those that agree are on average; whether it is a
    /// plate, and how sharp, as the first said; and the corners. Where a wider look has the same
    /// text and more, it is that one's, which lies where that look saw it. None only of no look
    /// at all.
    pub(super) fn elected(self, rules: &Wider) -> Option<(Quad, Look)> {
        let lies = self.corners()?;
        let mut votes: HashMap<String, Votes> = HashMap::new();
        for sight in self.seen.iter().chain(&self.votes) {
            let votes = votes.entry(sight.look.reading.text()).or_default();
            votes.letters += sight.letters.get();
            votes.confidence += sight.look.reading.confidence.get();
            votes.looks += 1;
        }
        let (plate, sharpness) = self
            .seen
            .first()
            .map(|s| (s.look.plate, s.look.sharpness))?;
        let weight = |sight: &Sight| {
            let text = votes.get(&sight.look.reading.text());
            (text.map_or(0.0, |votes| votes.letters), sight.letters.get())
        };
        let all = self.seen.into_iter().chain(self.votes);
        let mut best = all.reduce(|best, sight| {
            if weight(&sight) > weight(&best) {
                sight
            } else {
                best
            }
        })?;
        // As sure as the looks that agree are on average: the surest of many is too sure.
        let reading = &mut best.look.reading;
        if let Some(agree) = votes.get(&reading.text()) {
            reading.confidence = Confidence::saturating(agree.confidence / float(agree.looks));
        }
        let (quad, best) = completed(&reading.text(), &self.wider, rules)
            .map(|whole| (whole.place(), whole))
            .filter(|(quad, _)| quad.farthest_px(&lies) >= rules.moved_min * lies.height_px())
            .unwrap_or((lies, best));
        let look = Look {
            plate,
            sharpness,
            ..best.look
        };
        Some((quad, look))
    }
}

/// What the wider looks say when each of them has this text and more: the surest of those whose
/// additions are sure, as sure as those that agree with it are on average.
fn completed(text: &str, wider: &[Sight], rules: &Wider) -> Option<Sight> {
    let mut whole: Vec<&Sight> = Vec::with_capacity(wider.len());
    for sight in wider {
        if added(text, &sight.look.reading, rules)? >= rules.sure.get() {
            whole.push(sight);
        }
    }
    let surest = whole.iter().copied().reduce(|best, sight| {
        if sight.letters > best.letters {
            sight
        } else {
            best
        }
    });
    let mut best = surest?.clone();
    let text = best.look.reading.text();
    whole.retain(|sight| sight.look.reading.text() == text);
    let confidences = whole
        .iter()
        .map(|sight| sight.look.reading.confidence.get());
    let mean = confidences.sum::<f32>() / float(whole.len());
    best.look.reading.confidence = Confidence::saturating(mean);
    Some(best)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::geometry::{Bounds, Point, Quad};
    use crate::core::manifest::{Manifest, tests::TEXT};
    use crate::core::read::tests::reading;

    fn sight(text: &str, confidence: f32, moved_px: f32) -> Sight {
        let reading = reading(text, confidence);
        let upright = |left, right| {
            Quad::from_bounds(Bounds {
                left,
                top: 1.0,
                right,
                bottom: 3.0,
            })
        };
        Sight {
            cut: upright(0.0, 8.0),
            letters: Confidence::saturating(confidence),
            look: Look {
                raw: reading.clone(),
                reading,
                plate: Confidence::saturating(0.9),
                sharpness: confidence,
            },
            refined: Some(upright(1.0, 10.0)),
            moved_px,
        }
    }

    fn elected(looks: Looks) -> Look {
        let rules = Manifest::parse(TEXT).unwrap().recogniser.wider;
        looks.elected(&rules).unwrap().1
    }

    fn looks(all: &[(&str, f32)]) -> Looks {
        let mut sights = all.iter().map(|(text, sure)| sight(text, *sure, 0.0));
        let mut looks = Looks::new(sights.next().unwrap());
        sights.for_each(|sight| looks.add(sight));
        looks
    }

    #[test]
    fn two_looks_that_agree_outvote_a_surer_one() {
        let best = elected(looks(&[("CC435", 0.6), ("CG435", 0.5), ("CG435", 0.4)]));
        assert_eq!(best.reading.text(), "CG435");
        assert!((best.reading.confidence.get() - 0.45).abs() < 1e-6);
        assert!(
            (best.sharpness - 0.6).abs() < 1e-6,
            "as the first look had it"
        );
    }

    #[test]
    fn a_vote_counts_and_moves_no_corner() {
        let mut looks = looks(&[("CC435", 0.6)]);
        let lies = looks.corners();
        for _ in 0..2 {
            let mut vote = sight("CG435", 0.4, 0.0);
            vote.refined = Some(vote.cut);
            looks.add_vote(vote);
        }
        assert_eq!(looks.corners(), lies);
        assert_eq!(elected(looks).reading.text(), "CG435");
    }

    #[test]
    fn a_wider_look_says_what_was_cut_off_and_where_the_plate_lies() {
        let rules = Manifest::parse(TEXT).unwrap().recogniser.wider;
        let mut looks = looks(&[("B123CD", 0.99), ("B123CD", 0.98)]);
        for (text, sure) in [("AB123CD", 0.97), ("AB123CD", 0.93), ("AB123CDX", 0.8)] {
            let mut sight = sight(text, sure, 0.0);
            sight.refined = Some(sight.cut.enlarged(sure, 0.0));
            looks.add_wider(sight);
        }
        let (quad, look) = looks.elected(&rules).unwrap();
        assert_eq!(look.reading.text(), "AB123CD");
        assert!((look.reading.confidence.get() - 0.95).abs() < 1e-6);
        assert!(
            (look.sharpness - 0.99).abs() < 1e-6,
            "as the first look had it"
        );
        let right = 8.0 * 1.97;
        assert!((quad.bounds().right - right).abs() < 1e-3, "{quad:?}");
    }

    #[test]
    fn a_wider_look_at_the_same_place_changes_nothing() {
        let mut looks = looks(&[("X63XD3", 0.7)]);
        for _ in 0..2 {
            let mut sight = sight("X63XJD3", 0.99, 0.0);
            sight.refined = looks.corners();
            looks.add_wider(sight);
        }
        assert_eq!(elected(looks).reading.text(), "X63XD3");
    }

    #[test]
    fn a_wider_look_that_another_does_not_bear_out_changes_nothing() {
        let mut looks = looks(&[("RK115AN", 0.9)]);
        looks.add_wider(sight("MRK115AN", 0.99, 0.0));
        looks.add_wider(sight("RK115AN", 0.9, 0.0));
        assert_eq!(elected(looks).reading.text(), "RK115AN");
    }

    #[test]
    fn of_equals_the_earlier_stays_and_a_single_look_is_itself() {
        let best = elected(looks(&[("AB123", 0.5), ("AB128", 0.5)]));
        assert_eq!(best.reading.text(), "AB123");
        let one = elected(looks(&[("AB123", 0.5)]));
        assert_eq!(one.reading.text(), "AB123");
    }

    #[test]
    fn a_plate_is_looked_at_again_in_doubt_or_askew_and_not_otherwise() {
        let rules = Manifest::parse(TEXT).unwrap().recogniser;
        let least = rules.plate_frame.min;
        let next = |sight: Sight| Looks::new(sight).next(&rules, least, true);
        assert!(next(sight("AB123", 0.9, 7.9)).is_none());
        assert!(next(sight("AB123", 0.79, 0.0)).is_some());
        assert!(next(sight("AB123", 0.9, 8.1)).is_some());
        let mut nothing = sight("AB123", 0.5, 0.0);
        nothing.look.plate = Confidence::ZERO;
        assert!(next(nothing).is_none(), "it is no plate");
        let mut folded = sight("AB123", 0.5, f32::NAN);
        folded.refined = None;
        assert!(next(folded).is_none(), "its corners make no quad");
        let mut sure = Looks::new(sight("AB123", 0.9, 9.0));
        sure.add(sight("AB128", 0.5, 1.0));
        assert!(
            sure.next(&rules, least, true).is_none(),
            "one look was sure"
        );
    }

    #[test]
    fn in_a_stream_only_what_was_cut_askew_and_says_something_new_is_looked_at_again() {
        let rules = Manifest::parse(TEXT).unwrap().recogniser;
        let next = |sight: Sight, known: Option<&str>| {
            let looks = Looks::new(sight).known(known.map(str::to_owned));
            looks.next(&rules, rules.plate_frame.min, false)
        };
        assert!(next(sight("AB123", 0.1, 0.0), None).is_none());
        assert!(next(sight("AB123", 0.1, 9.0), None).is_some());
        assert!(next(sight("B123", 0.9, 9.0), Some("AB123")).is_some());
        assert!(next(sight("AB123", 0.1, 9.0), Some("AB123")).is_none());
    }

    #[test]
    fn the_plate_lies_half_way_between_where_it_was_found_and_where_it_was_last_seen() {
        let mut looks = Looks::new(sight("AB123", 0.9, 0.0));
        let mut second = sight("AB123", 0.9, 0.0);
        second.cut = second.cut.half_way_to(&Quad([Point::new(50.0, 50.0); 4]));
        looks.add(second);
        let bounds = looks.corners().unwrap().bounds();
        assert!((bounds.left - 0.5).abs() < 1e-6 && (bounds.right - 9.0).abs() < 1e-6);
        let mut unseen = sight("AB123", 0.9, 0.0);
        unseen.refined = None;
        let cut = unseen.cut;
        assert_eq!(Looks::new(unseen).corners(), Some(cut));
    }

    #[test]
    fn corners_are_measured_from_where_a_faultless_quad_has_them() {
        let rules = Manifest::parse(TEXT).unwrap().recogniser;
        let (x, y) = (0.03 / 1.06, 0.08 / 1.16);
        let mut corners = [x, y, 1.0 - x, y, 1.0 - x, 1.0 - y, x, 1.0 - y];
        assert!(moved_px(&corners, &rules) < 1e-3);
        corners[3] += 0.25;
        assert!((moved_px(&corners, &rules) - 12.0).abs() < 1e-3);
        corners[6] = f32::NAN;
        assert!((moved_px(&corners, &rules) - 12.0).abs() < 1e-3);
    }
}
