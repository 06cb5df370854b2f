//! The plates in sight of one camera: which sight is of which plate, and what is told of them.

use std::collections::VecDeque;

use varco_proto::time::UtcTime;

use super::frame::Frame;
use super::manifest::Recogniser;
use super::pass::Pass;
use super::read::Reading;
use super::track::{Track, TrackSettings};
use super::view::gate::Following;
use super::vision::{Look, PlateDetection};
use super::vote::same_plate;

/// Plates followed at once; a view that shows more is no gate.
const TRACKS_MAX: usize = 64;
/// Passes remembered so that none is told twice.
const TOLD_MAX: usize = 64;

/// A pass that was told.
#[derive(Debug, Clone)]
struct Told {
    verdict: Reading,
    agreeing: u32,
    last_seen: UtcTime,
}

/// The plates in sight of one camera.
#[derive(Debug)]
pub struct Tracks {
    settings: TrackSettings,
    rules: Recogniser,
    live: Vec<Track>,
    told: VecDeque<Told>,
    latest: Option<UtcTime>,
}

impl Tracks {
    /// Begins with nothing in sight; `rules` say what a read's confidence is and name countries.
    #[must_use]
    pub fn new(settings: TrackSettings, rules: Recogniser) -> Self {
        Self {
            settings,
            rules,
            live: Vec::new(),
            told: VecDeque::new(),
            latest: None,
        }
    }

    /// Takes one frame's plates with what was read from them, and gives the passes that ended.
    pub fn take(&mut self, frame: &Frame, seen: Vec<(PlateDetection, Look)>) -> Vec<Pass> {
        let now = frame.captured.at;
        let mut passes = self.tick(now);
        let partners = self.partners(now, &seen);
        for ((plate, look), partner) in seen.into_iter().zip(partners) {
            let rule = self.rules.confidence;
            let room = self.live.len() < TRACKS_MAX;
            match partner.and_then(|at| self.live.get_mut(at)) {
                Some(track) => track.see(frame, &plate, look, rule),
                None if room => self.live.push(Track::begin(frame, &plate, look, rule)),
                None => {}
            }
        }
        passes.extend(self.tell_long());
        passes
    }

    /// Gives the passes that have ended by `now`. A clock that was set back ends everything: times
    /// before and after it cannot be compared.
    pub fn tick(&mut self, now: UtcTime) -> Vec<Pass> {
        let set_back = self
            .latest
            .is_some_and(|latest| latest.since(now) > self.settings.lost_after);
        self.latest = Some(now);
        if set_back {
            let passes = self.finish();
            self.told.clear();
            return passes;
        }
        let mut passes = Vec::new();
        while let Some(at) = self
            .live
            .iter()
            .position(|track| now.since(track.last_seen) > self.settings.lost_after)
        {
            let track = self.live.swap_remove(at);
            passes.extend(self.end(track));
        }
        let within = self.settings.same_pass_within;
        self.told.retain(|told| now.since(told.last_seen) <= within);
        passes
    }

    /// What is being followed.
    #[must_use]
    pub fn following(&self) -> Following {
        let stands = |track: &Track| {
            track.told || track.last_seen.since(track.first_seen) > self.settings.told_after
        };
        match self.live.as_slice() {
            [] => Following::Nothing,
            live if live.iter().all(stands) => Following::Standing,
            _ => Following::Passing,
        }
    }

    /// Ends everything in sight.
    pub fn finish(&mut self) -> Vec<Pass> {
        let mut passes = Vec::new();
        while let Some(track) = self.live.pop() {
            passes.extend(self.end(track));
        }
        passes.sort_by_key(|pass| pass.first_seen);
        passes
    }

    /// For each sight the place of its track, the best fits first, each track once.
    fn partners(&self, now: UtcTime, seen: &[(PlateDetection, Look)]) -> Vec<Option<usize>> {
        let mut fits = Vec::new();
        for (sight, (plate, look)) in seen.iter().enumerate() {
            for (at, track) in self.live.iter().enumerate() {
                if let Some(fit) = track.fit(now, plate, look) {
                    fits.push((fit.score, sight, at));
                }
            }
        }
        fits.sort_by(|a, b| b.0.total_cmp(&a.0));
        let mut partners = vec![None; seen.len()];
        let mut taken = vec![false; self.live.len()];
        for (_, sight, at) in fits {
            if partners[sight].is_none() && !taken[at] {
                partners[sight] = Some(at);
                taken[at] = true;
            }
        }
        partners
    }

    /// Tells those that have been in sight for long and stay.
    fn tell_long(&mut self) -> Vec<Pass> {
        let mut passes = Vec::new();
        for at in 0..self.live.len() {
            let track = &self.live[at];
            if track.told || track.last_seen.since(track.first_seen) < self.settings.told_after {
                continue;
            }
            let mut copy = track.clone();
            copy.settle(self.rules.confidence);
            if let Some(pass) = self.pass(copy) {
                self.live[at].told = true;
                passes.push(pass);
            }
        }
        passes
    }

    /// What a track that has ended comes to. One that turns out to be of a plate still in sight
    /// goes into that one's track.
    fn end(&mut self, mut track: Track) -> Option<Pass> {
        track.settle(self.rules.confidence);
        if track.told {
            self.remember(&track);
            return None;
        }
        if let Some(at) = self.still_live(&track) {
            self.live[at].absorb(track, self.rules.confidence);
            return None;
        }
        self.pass(track)
    }

    fn still_live(&self, track: &Track) -> Option<usize> {
        let ours = track.verdict()?;
        let agreeing = track.agreeing(&ours.text());
        self.live.iter().position(|other| {
            other.verdict().is_some_and(|theirs| {
                let known = other.agreeing(&theirs.text());
                same_plate(ours, agreeing, theirs, known)
            })
        })
    }

    /// A track as a pass, if it is sure enough and has not been told yet.
    fn pass(&mut self, track: Track) -> Option<Pass> {
        let verdict = track.verdict()?.clone();
        let text = verdict.text();
        let agreeing = track.agreeing(&text);
        let settings = &self.settings;
        let supported =
            agreeing >= settings.agreeing_reads_min || track.near(&text) >= settings.near_reads_min;
        if !supported
            || verdict.confidence.get() < settings.confidence_min
            || track.surest(&text) < settings.read_confidence_min
            || verdict.characters.len() < settings.characters_min
        {
            return None;
        }
        let plate = verdict.plate_read(agreeing, track.reads, &self.rules.countries)?;
        let known = self
            .told
            .iter_mut()
            .find(|told| same_plate(&verdict, agreeing, &told.verdict, told.agreeing));
        if let Some(known) = known {
            known.last_seen = known.last_seen.max(track.last_seen);
            return None;
        }
        self.remember(&track);
        let (first_seen, last_seen) = track.seen_with(&text);
        let (direction, path) = (track.direction(), track.path());
        let best = track.into_best();
        Some(Pass {
            first_seen,
            last_seen,
            captured: best.captured,
            direction,
            path,
            plate,
            crop: best.cut.encoded(),
            width_px: best.width_px,
        })
    }

    fn remember(&mut self, track: &Track) {
        let Some(verdict) = track.verdict() else {
            return;
        };
        if self.told.len() >= TOLD_MAX {
            self.told.pop_front();
        }
        self.told.push_back(Told {
            verdict: verdict.clone(),
            agreeing: track.agreeing(&verdict.text()),
            last_seen: track.last_seen,
        });
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use varco_proto::confidence::Confidence;
    use varco_proto::transit::Direction;

    use super::*;
    use crate::core::frame::tests::grey;
    use crate::core::geometry::{Bounds, Quad};
    use crate::core::manifest::{Manifest, tests::TEXT};
    use crate::core::read::tests::reading;

    fn tracks() -> Tracks {
        let rules = Manifest::parse(TEXT).unwrap().recogniser;
        Tracks::new(TrackSettings::default(), rules)
    }

    fn frame(at_ms: u64) -> Frame {
        let mut frame = grey(320, 200, |_, _| 60);
        frame.captured.at = UtcTime::default() + Duration::from_millis(at_ms);
        frame
    }

    fn sight(left: f32, top: f32, width: f32, text: &str, p: f32) -> (PlateDetection, Look) {
        let quad = Quad::from_bounds(Bounds {
            left,
            top,
            right: left + width,
            bottom: top + width / 4.7,
        });
        let plate = PlateDetection {
            quad,
            confidence: Confidence::saturating(0.9),
        };
        let look = Look {
            reading: reading(text, p),
            sharpness: 0.1,
        };
        (plate, look)
    }

    fn texts(passes: &[Pass]) -> Vec<&str> {
        passes.iter().map(|p| p.plate.text.as_str()).collect()
    }

    #[test]
    fn a_plate_that_moves_and_grows_is_one_pass_towards() {
        let mut tracks = tracks();
        for k in 0..20_u16 {
            let x = f32::from(k) * 6.0;
            let seen = vec![sight(x, 40.0 + x, 60.0 + x, "AB123CD", 0.9)];
            assert!(tracks.take(&frame(u64::from(k) * 40), seen).is_empty());
        }
        let passes = tracks.tick(UtcTime::default() + Duration::from_secs(4));
        assert_eq!(texts(&passes), ["AB123CD"]);
        assert_eq!(passes[0].direction, Some(Direction::Towards));
        assert_eq!(
            (passes[0].plate.agreeing_reads, passes[0].plate.reads),
            (20, 20)
        );
        assert!(passes[0].width_px > 90.0);
        assert!(passes[0].crop.jpeg.len() > 100);
        assert_eq!(passes[0].path.len(), 20);
        assert!(passes[0].path[0].x < passes[0].path[19].x);
        assert!(tracks.finish().is_empty());
        assert_eq!(tracks.following(), Following::Nothing);
    }

    #[test]
    fn two_vehicles_side_by_side_are_two_passes() {
        let mut tracks = tracks();
        for k in 0..6 {
            let seen = vec![
                sight(20.0, 40.0, 60.0, "AB123CD", 0.9),
                sight(200.0, 40.0, 60.0, "XY987ZW", 0.9),
            ];
            tracks.take(&frame(k * 40), seen);
        }
        let passes = tracks.finish();
        assert_eq!(passes.len(), 2);
    }

    #[test]
    fn a_vehicle_right_behind_another_is_split_by_its_text() {
        let mut tracks = tracks();
        for k in 0..10 {
            let text = if k < 5 { "AB123CD" } else { "XY987ZW" };
            tracks.take(&frame(k * 40), vec![sight(50.0, 50.0, 80.0, text, 0.9)]);
        }
        let passes = tracks.finish();
        let mut told = texts(&passes);
        told.sort_unstable();
        assert_eq!(told, ["AB123CD", "XY987ZW"]);
    }

    #[test]
    fn a_plate_that_jumps_is_joined_by_its_text() {
        let mut tracks = tracks();
        for k in 0..6_u16 {
            let left = if k < 3 { 10.0 } else { 230.0 };
            let seen = vec![sight(left, 50.0, 40.0, "AB123CD", 0.9)];
            tracks.take(&frame(u64::from(k) * 300), seen);
        }
        assert_eq!(texts(&tracks.finish()), ["AB123CD"]);
    }

    #[test]
    fn a_plate_that_shows_again_soon_is_not_told_twice_but_later_it_is() {
        let mut tracks = tracks();
        let mut told = 0;
        for begin_ms in [0, 4000, 60_000] {
            for k in 0..5 {
                let seen = vec![sight(50.0, 50.0, 80.0, "AB123CD", 0.9)];
                told += tracks.take(&frame(begin_ms + k * 40), seen).len();
            }
        }
        told += tracks.finish().len();
        assert_eq!(told, 2);
    }

    #[test]
    fn a_text_of_one_frame_or_of_weak_reads_is_not_told() {
        let mut lone = tracks();
        lone.take(&frame(0), vec![sight(50.0, 50.0, 80.0, "AB123CD", 0.95)]);
        assert!(lone.finish().is_empty());
        let mut weak = tracks();
        for k in 0..10 {
            weak.take(
                &frame(k * 40),
                vec![sight(50.0, 50.0, 80.0, "AB123CD", 0.2)],
            );
        }
        assert!(weak.finish().is_empty());
        let mut short = tracks();
        for k in 0..10 {
            short.take(&frame(k * 40), vec![sight(50.0, 50.0, 80.0, "A1", 0.95)]);
        }
        assert!(short.finish().is_empty());
    }

    #[test]
    fn a_parked_vehicle_is_told_once_while_it_stays() {
        let mut tracks = tracks();
        let mut told = Vec::new();
        for k in 0..300 {
            let seen = vec![sight(50.0, 50.0, 80.0, "AB123CD", 0.9)];
            told.extend(tracks.take(&frame(k * 200), seen));
        }
        assert_eq!(texts(&told), ["AB123CD"]);
        assert_eq!(told[0].direction, None);
        assert_eq!(tracks.following(), Following::Standing);
        assert!(tracks.finish().is_empty());
    }

    #[test]
    fn a_clock_that_is_set_back_ends_what_is_in_sight() {
        let mut tracks = tracks();
        for k in 0..5 {
            let seen = vec![sight(50.0, 50.0, 80.0, "AB123CD", 0.9)];
            tracks.take(&frame(100_000 + k * 40), seen);
        }
        assert_eq!(tracks.take(&frame(0), Vec::new()).len(), 1);
    }

    #[test]
    fn misreads_on_the_way_are_outvoted() {
        let mut tracks = tracks();
        for k in 0..12 {
            let text = match k % 4 {
                0 => "A8123CD",
                1 => "AB123C0",
                _ => "AB123CD",
            };
            tracks.take(&frame(k * 40), vec![sight(50.0, 50.0, 80.0, text, 0.7)]);
        }
        let passes = tracks.finish();
        assert_eq!(texts(&passes), ["AB123CD"]);
        assert_eq!(
            (passes[0].plate.agreeing_reads, passes[0].plate.reads),
            (6, 12)
        );
    }
}
