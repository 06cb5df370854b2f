//! One plate followed over frames. (Not a media track.)

use std::time::Duration;

use varco_proto::confidence::Confidence;
use varco_proto::time::UtcTime;
use varco_proto::transit::{CaptureTime, Direction};

use super::crop::{Cut, cut};
use super::edit;
use super::frame::Frame;
use super::geometry::{Bounds, Point, Quad};
use super::number::{float, float_px};
use super::read::{ConfidenceRule, Reading};
use super::sighting::{Look, PlateDetection};
use super::texts::Texts;
use super::view::lanes::Path;
use super::vote::{Ballot, likeness, vote};

/// When a plate is lost, emitted again, or not emitted at all.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TrackSettings {
    /// A plate not seen for so long has passed.
    pub lost_after: Duration,
    /// A plate that shows again within so long of its pass is the same pass.
    pub same_pass_within: Duration,
    /// A plate in sight for so long is emitted as a pass before it leaves.
    pub emitted_after: Duration,
    /// Frames that must have given the text.
    pub agreeing_reads_min: u32,
    /// Where fewer gave it: frames that must have given it but for one character.
    pub near_reads_min: u32,
    /// Least confidence of a voted text.
    pub confidence_min: f32,
    /// Least confidence of the surest frame that gave it: weak reads that agree, as a grille's
    /// do, are no plate.
    pub read_confidence_min: f32,
    /// Shorter texts are no plates but parts of them, signs or lamps.
    pub characters_min: usize,
    /// One frame in so long is looked at thoroughly; in the others plates that fill the picture are
    /// searched only while one is followed, and faint finds read only near what is followed.
    pub thorough_every: Duration,
    /// A find of less confidence is faint: mostly no plate.
    pub faint_below: f32,
    /// Least confidence of a vote that counts as known: a further frame that says the same as a
    /// known vote is looked at once only.
    pub known_confidence_min: f32,
    /// Least number of frames behind a vote that counts as known.
    pub known_reads_min: usize,
}

impl Default for TrackSettings {
    fn default() -> Self {
        Self {
            lost_after: Duration::from_millis(1500),
            same_pass_within: Duration::from_secs(8),
            emitted_after: Duration::from_secs(20),
            agreeing_reads_min: 2,
            near_reads_min: 4,
            confidence_min: 0.7,
            read_confidence_min: 0.4,
            characters_min: 4,
            thorough_every: Duration::from_millis(200),
            faint_below: 0.5,
            known_confidence_min: 0.95,
            known_reads_min: 6,
        }
    }
}

/// Ballots kept: more cost time and add nothing.
const BALLOTS_MAX: usize = 40;
/// Least confidence of a text by which a plate is recognised again.
const KNOWN_CONFIDENCE_MIN: f32 = 0.6;
/// Least number of characters of such a text.
const KNOWN_CHARACTERS_MIN: usize = 4;
/// Texts less alike than this are of two plates.
const ALIKE_MIN: f32 = 0.5;
/// Texts as alike as this are of one plate wherever it shows.
const SAME_TEXT_MIN: f32 = 0.75;
/// A plate known by its text is followed without a read that speaks for it for so long.
const CONFIRMED_WITHIN: Duration = Duration::from_millis(1000);
/// The vote is counted anew once this part of the ballots is new: one in so many.
const VOTE_SHARE: usize = 8;
/// Reads less sure than this do not vote.
const BALLOT_CONFIDENCE_MIN: f32 = 0.1;
/// A plate this wide in pixels is read as well as a wider one.
const WIDTH_FULL_PX: f32 = 100.0;
/// Strokes this sharp are read as well as sharper ones.
const SHARPNESS_FULL: f32 = 0.08;
/// The share of the newest step in the motion that is expected.
const MOTION_SHARE: f32 = 0.5;
/// How far a plate may lie from where it is expected, in its own widths, just after it was seen.
const REACH_WIDTHS: f32 = 0.7;
/// By how much that grows with each second since it was seen.
const REACH_WIDTHS_S: f32 = 6.0;
/// What it never exceeds.
const REACH_WIDTHS_MAX: f32 = 3.0;
/// Two widths of one plate in neighbouring frames differ by less than this factor.
const WIDTH_RATIO_MAX: f32 = 1.8;
/// A plate whose width changes by less than this factor over a pass has no direction.
const GROWTH_MIN: f32 = 1.12;

/// A plate followed, with its reads so far.
#[derive(Debug, Clone)]
pub(super) struct Track {
    pub(super) first_seen: UtcTime,
    pub(super) last_seen: UtcTime,
    /// It has been emitted, and stays only so that it is not emitted again.
    pub(super) emitted: bool,
    /// Frames whose read had a text.
    pub(super) reads: u32,
    /// Of all frames: how likely it is a plate at all, added up, and how many they are.
    plates: (f32, u32),
    quad: Quad,
    /// Pixels a second; none before the second frame.
    motion: Option<Point>,
    growth: Growth,
    path: Path,
    ballots: Vec<Ballot>,
    texts: Texts,
    /// When a read last spoke for this plate; until there is a sure text, when it was last seen.
    confirmed: UtcTime,
    best: Best,
    /// The vote so far, without the ballots that are uncounted.
    verdict: Option<Reading>,
    uncounted: usize,
}

/// The frame that shows the plate best.
#[derive(Debug, Clone)]
pub(super) struct Best {
    score: f32,
    pub(super) cut: Cut,
    pub(super) captured: CaptureTime,
    pub(super) width_px: f32,
}

/// Sums for a line through the logarithm of the width over time.
#[derive(Debug, Clone, Copy, Default)]
struct Growth {
    count: f32,
    t: f32,
    tt: f32,
    y: f32,
    ty: f32,
}

/// How well a detection fits a track.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Fit {
    /// Higher is better; for ordering.
    pub(super) score: f32,
}

impl Track {
    pub(super) fn begin(
        frame: &Frame,
        plate: &PlateDetection,
        look: Look,
        rule: ConfidenceRule,
    ) -> Self {
        let at = frame.captured.at;
        let mut track = Self {
            first_seen: at,
            last_seen: at,
            emitted: false,
            reads: 0,
            plates: (0.0, 0),
            quad: plate.quad,
            motion: None,
            growth: Growth::default(),
            path: Path::default(),
            ballots: Vec::new(),
            texts: Texts::default(),
            confirmed: at,
            best: Best {
                score: f32::NEG_INFINITY,
                cut: Cut {
                    rgb: Vec::new(),
                    width_px: 0,
                    height_px: 0,
                },
                captured: frame.captured,
                width_px: 0.0,
            },
            verdict: None,
            uncounted: 0,
        };
        track.note(frame, plate, look, rule);
        track
    }

    /// Takes another sight of the plate.
    pub(super) fn see(
        &mut self,
        frame: &Frame,
        plate: &PlateDetection,
        look: Look,
        rule: ConfidenceRule,
    ) {
        let elapsed_s = frame.captured.at.since(self.last_seen).as_secs_f32();
        if elapsed_s > 0.0 {
            let (from, to) = (self.quad.centre(), plate.quad.centre());
            let now = Point::new((to.x - from.x) / elapsed_s, (to.y - from.y) / elapsed_s);
            self.motion = Some(match self.motion {
                Some(before) => before.along(before, now, MOTION_SHARE),
                None => now,
            });
        }
        self.quad = plate.quad;
        self.last_seen = self.last_seen.max(frame.captured.at);
        if self.likeness(&look).is_some() || !self.is_sure() {
            self.confirmed = self.last_seen;
        }
        self.note(frame, plate, look, rule);
    }

    fn note(&mut self, frame: &Frame, plate: &PlateDetection, look: Look, rule: ConfidenceRule) {
        let width_px = plate.quad.width_px().max(1.0);
        let t = frame.captured.at.since(self.first_seen).as_secs_f32();
        self.growth.add(t, width_px.ln());
        self.plates.0 += look.plate.get();
        self.plates.1 = self.plates.1.saturating_add(1);
        let centre = plate.quad.centre();
        let sides = (
            float_px(frame.width_px.max(1)),
            float_px(frame.height_px.max(1)),
        );
        self.path
            .see(Point::new(centre.x / sides.0, centre.y / sides.1));
        let weight = weight(&look, width_px);
        // Without any read the widest, most certain sight is the best.
        let score = weight + 1e-3 * plate.confidence.get() * (width_px / WIDTH_FULL_PX).min(1.0);
        if score > self.best.score {
            self.best = Best {
                score,
                cut: cut(frame, &plate.quad),
                captured: frame.captured,
                width_px,
            };
        }
        self.count(frame.captured.at, look, weight, rule);
    }

    fn count(&mut self, at: UtcTime, look: Look, weight: f32, rule: ConfidenceRule) {
        if !self.texts.note(at, &look) {
            return;
        }
        self.reads = self.reads.saturating_add(1);
        let reading = look.raw;
        if reading.confidence.get() < BALLOT_CONFIDENCE_MIN || weight <= 0.0 {
            return;
        }
        self.ballot(Ballot { reading, weight });
        self.uncounted += 1;
        if self.uncounted * VOTE_SHARE > self.ballots.len() {
            self.settle(rule);
        }
    }

    /// Counts the ballots that have not been counted yet.
    pub(super) fn settle(&mut self, rule: ConfidenceRule) {
        if self.uncounted > 0 {
            self.verdict = vote(&self.ballots, rule);
            self.uncounted = 0;
        }
    }

    fn ballot(&mut self, ballot: Ballot) {
        if self.ballots.len() < BALLOTS_MAX {
            self.ballots.push(ballot);
            return;
        }
        let lightest = self
            .ballots
            .iter_mut()
            .min_by(|a, b| a.weight.total_cmp(&b.weight));
        if let Some(lightest) = lightest.filter(|kept| kept.weight < ballot.weight) {
            *lightest = ballot;
        }
    }

    /// How well a plate seen at `at` could be this one; none when it cannot.
    pub(super) fn fit(&self, at: UtcTime, plate: &PlateDetection, look: &Look) -> Option<Fit> {
        let elapsed_s = at.since(self.last_seen).as_secs_f32();
        let near = self.nearness(elapsed_s, &plate.quad);
        let lately = at.since(self.confirmed) <= CONFIRMED_WITHIN;
        match self.likeness(look) {
            // Sure of another text: another vehicle in the same place.
            Some(like) if like < ALIKE_MIN => None,
            Some(like) if near > 0.0 || like >= SAME_TEXT_MIN => Some(Fit {
                score: near + 2.0 * like,
            }),
            // Weak reads say nothing against what lies in place, for a while.
            None if near > 0.0 && lately => Some(Fit { score: near + 1.0 }),
            _ => None,
        }
    }

    /// Whether a find could be this plate.
    pub(super) fn is_near(&self, at: UtcTime, find: &PlateDetection) -> bool {
        self.nearness(at.since(self.last_seen).as_secs_f32(), &find.quad) > 0.0
    }

    /// Its width in pixels when it was last seen.
    pub(super) fn width_px(&self) -> f32 {
        self.quad.width_px()
    }

    /// Its text, when that is so sure that a frame which says the same needs no second look.
    pub(super) fn known(&self, settings: &TrackSettings) -> Option<String> {
        let verdict = self.verdict.as_ref()?;
        let sure = verdict.confidence.get() >= settings.known_confidence_min;
        (sure && self.ballots.len() >= settings.known_reads_min).then(|| verdict.text())
    }

    /// 1 where the plate is expected, 0 out of its reach.
    fn nearness(&self, elapsed_s: f32, quad: &Quad) -> f32 {
        let (was, is) = (self.quad.width_px().max(1.0), quad.width_px().max(1.0));
        if (was / is).max(is / was) > WIDTH_RATIO_MAX {
            return 0.0;
        }
        let moved = self.motion.unwrap_or_default();
        let shift = Point::new(moved.x * elapsed_s, moved.y * elapsed_s);
        let centre = self.quad.centre();
        let expected = Point::new(centre.x + shift.x, centre.y + shift.y);
        let reach = (REACH_WIDTHS + REACH_WIDTHS_S * elapsed_s).min(REACH_WIDTHS_MAX) * was.max(is);
        let place = 1.0 - expected.distance(quad.centre()) / reach;
        let overlap = moved_bounds(self.quad.bounds(), shift).iou(&quad.bounds());
        place.max(overlap).max(0.0)
    }

    /// Likeness of a read to what is known; none while either is weak.
    fn likeness(&self, look: &Look) -> Option<f32> {
        let read = &look.raw;
        let verdict = self.verdict.as_ref().filter(|_| self.is_sure())?;
        sure(read.confidence, read.characters.len())
            .then(|| likeness(&verdict.text(), &read.text()))
    }

    /// Whether it is known by its text.
    fn is_sure(&self) -> bool {
        self.verdict
            .as_ref()
            .is_some_and(|verdict| sure(verdict.confidence, verdict.characters.len()))
    }

    /// What the frames say together so far, without what is known of how plates are written.
    pub(super) fn verdict(&self) -> Option<&Reading> {
        self.verdict.as_ref()
    }

    /// What the frames gave, each on its own.
    pub(super) fn texts(&self) -> &Texts {
        &self.texts
    }

    /// Confidence of the surest frame whose own read differs in one character at most.
    pub(super) fn surest(&self, text: &str) -> f32 {
        self.ballots
            .iter()
            .filter(|ballot| edit::distance(&ballot.reading.text(), text) <= 1)
            .map(|ballot| ballot.reading.confidence.get())
            .fold(0.0, f32::max)
    }

    /// How likely it is a plate at all, the mean of all frames.
    pub(super) fn plate(&self) -> f32 {
        let (sum, count) = self.plates;
        sum / float(usize::try_from(count).unwrap_or(usize::MAX).max(1))
    }

    /// First and last frame that read something like this text. What was followed before and
    /// after may have been a lamp or a shadow in the plate's way.
    pub(super) fn seen_with(&self, text: &str) -> (UtcTime, UtcTime) {
        let span = self.texts.span(text, ALIKE_MIN);
        span.unwrap_or((self.first_seen, self.last_seen))
    }

    /// Takes over what another track of the same plate has seen.
    pub(super) fn absorb(&mut self, other: Self, rule: ConfidenceRule) {
        self.first_seen = self.first_seen.min(other.first_seen);
        self.last_seen = self.last_seen.max(other.last_seen);
        self.reads = self.reads.saturating_add(other.reads);
        self.plates.0 += other.plates.0;
        self.plates.1 = self.plates.1.saturating_add(other.plates.1);
        self.texts.absorb(other.texts);
        for ballot in other.ballots {
            self.ballot(ballot);
        }
        if other.best.score > self.best.score {
            self.best = other.best;
        }
        self.path.absorb(other.path);
        self.verdict = vote(&self.ballots, rule);
    }

    /// Where the plate was seen, in shares of the picture's sides.
    pub(super) fn path(&self) -> Vec<Point> {
        self.path.places()
    }

    /// The frame that shows the plate best.
    pub(super) fn into_best(self) -> Best {
        self.best
    }

    /// Whether the plate grew or shrank; none when neither.
    pub(super) fn direction(&self) -> Option<Direction> {
        let seconds = self.last_seen.since(self.first_seen).as_secs_f32();
        let growth = self.growth.slope()? * seconds;
        match growth {
            g if g > GROWTH_MIN.ln() => Some(Direction::Towards),
            g if g < -GROWTH_MIN.ln() => Some(Direction::Away),
            _ => None,
        }
    }
}

impl Growth {
    fn add(&mut self, t: f32, y: f32) {
        self.count += 1.0;
        self.t += t;
        self.tt += t * t;
        self.y += y;
        self.ty += t * y;
    }

    /// Change a second; none from fewer than three frames or within one moment.
    fn slope(&self) -> Option<f32> {
        let spread = self.count * self.tt - self.t * self.t;
        (self.count >= 3.0 && spread > 1e-6)
            .then(|| (self.count * self.ty - self.t * self.y) / spread)
    }
}

/// What a read is worth in the vote: sure, wide and sharp ones are worth more.
fn weight(look: &Look, width_px: f32) -> f32 {
    let characters = &look.raw.characters;
    if characters.is_empty() {
        return 0.0;
    }
    let mean = characters.iter().map(|c| c.probability()).sum::<f32>() / float(characters.len());
    let least = look.raw.confidence.get();
    let width = (width_px / WIDTH_FULL_PX).clamp(0.1, 1.0);
    let sharp = (look.sharpness / SHARPNESS_FULL).clamp(0.2, 1.0);
    mean * (0.1 + 0.9 * least) * width.sqrt() * sharp.sqrt()
}

/// Whether a read or a vote is enough to know a plate by.
fn sure(confidence: Confidence, characters: usize) -> bool {
    confidence.get() >= KNOWN_CONFIDENCE_MIN && characters >= KNOWN_CHARACTERS_MIN
}

fn moved_bounds(b: Bounds, by: Point) -> Bounds {
    Bounds {
        left: b.left + by.x,
        top: b.top + by.y,
        right: b.right + by.x,
        bottom: b.bottom + by.y,
    }
}
