//! The plates in sight of one camera: which sight is of which plate, and which passes are emitted.

use std::collections::VecDeque;

use varco_proto::time::UtcTime;

use super::frame::Frame;
use super::manifest::{Manifest, Recogniser};
use super::pass::Pass;
use super::read::Reading;
use super::sighting::{PlateDetection, PlateLook, Sighting};
use super::syntax::Syntax;
use super::track::{Track, TrackSettings};
use super::view::gate::Following;
use super::vote::same_plate;

/// Plates followed at once; a view that shows more is no gate.
const TRACKS_MAX: usize = 64;
/// Passes remembered so that none is emitted twice.
const EMITTED_MAX: usize = 64;

/// A pass that was emitted.
#[derive(Debug, Clone)]
struct EmittedPass {
    /// As emitted.
    text: String,
    /// Of the frames alone.
    verdict: Reading,
    agreeing: u32,
    last_seen: UtcTime,
}

/// The plates in sight of one camera.
#[derive(Debug)]
pub struct Tracks {
    settings: TrackSettings,
    rules: Recogniser,
    syntax: Syntax,
    live: Vec<Track>,
    emitted: VecDeque<EmittedPass>,
    latest: Option<UtcTime>,
    /// The last frame that was looked at thoroughly.
    thorough: Option<UtcTime>,
}

impl Tracks {
    /// Begins with nothing in sight; the manifest says what a read's confidence is, what is no
    /// plate and how plates are written, and names countries.
    #[must_use]
    pub fn new(settings: TrackSettings, manifest: &Manifest) -> Self {
        Self {
            settings,
            rules: manifest.recogniser.clone(),
            syntax: manifest.syntax.clone(),
            live: Vec::new(),
            emitted: VecDeque::new(),
            latest: None,
            thorough: None,
        }
    }

    /// Whether the frame of this moment is one to be looked at thoroughly.
    pub fn thorough(&mut self, at: UtcTime) -> bool {
        let every = self.settings.thorough_every;
        let due = |last: UtcTime| at.since(last) >= every || last.since(at) >= every;
        let thorough = self.thorough.is_none_or(due);
        if thorough {
            self.thorough = Some(at);
        }
        thorough
    }

    /// Whether a plate at least this wide is followed.
    #[must_use]
    pub fn follows_wide(&self, width_px: f32) -> bool {
        self.live.iter().any(|track| track.width_px() >= width_px)
    }

    /// Those of a frame's finds that are worth reading. Most faint finds away from everything
    /// followed are grilles and signs, seen again in each frame: they wait for a thorough one.
    #[must_use]
    pub fn worth_reading(
        &self,
        at: UtcTime,
        found: &[PlateDetection],
        thorough: bool,
    ) -> Vec<Sighting> {
        let worth = found.iter().filter_map(|plate| {
            let near: Vec<&Track> = self.live.iter().filter(|t| t.is_near(at, plate)).collect();
            let faint = plate.confidence.get() < self.settings.faint_below;
            let known = match near.as_slice() {
                [] if faint && !thorough => return None,
                [one] => one.known(&self.settings),
                _ => None,
            };
            let plate = *plate;
            Some(Sighting { plate, known })
        });
        worth.collect()
    }

    /// Takes one frame's plates with what was read from them, and gives the passes that ended.
    ///
    /// A sight that the recogniser takes for no plate begins no track and adds no text, but it keeps
    /// the track of a plate alive that is followed there: a shadow on a plate ends no pass.
    pub fn take(&mut self, frame: &Frame, mut seen: Vec<PlateLook>) -> Vec<Pass> {
        for PlateLook { look, .. } in &mut seen {
            if look.plate < self.rules.plate_frame.min {
                look.silence();
            }
        }
        let now = frame.captured.at;
        let mut passes = self.tick(now);
        let partners = self.partners(now, &seen);
        for (PlateLook { plate, look }, partner) in seen.into_iter().zip(partners) {
            let rule = self.rules.confidence;
            let begins = look.plate >= self.rules.plate_frame.min && self.live.len() < TRACKS_MAX;
            match partner.and_then(|at| self.live.get_mut(at)) {
                Some(track) => track.see(frame, &plate, look, rule),
                None if begins => self.live.push(Track::begin(frame, &plate, look, rule)),
                None => {}
            }
        }
        passes.extend(self.emit_long());
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
            self.emitted.clear();
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
        self.emitted
            .retain(|emitted| now.since(emitted.last_seen) <= within);
        passes
    }

    /// What is being followed.
    #[must_use]
    pub fn following(&self) -> Following {
        let stands = |track: &Track| {
            track.emitted || track.last_seen.since(track.first_seen) > self.settings.emitted_after
        };
        match self.live.as_slice() {
            [] => Following::Nothing,
            live if live.iter().all(stands) => Following::Standing,
            _ => Following::Passing,
        }
    }

    /// How many plates were seen in the frame of this moment.
    #[must_use]
    pub fn seen_at(&self, at: UtcTime) -> usize {
        self.live
            .iter()
            .filter(|track| track.last_seen == at)
            .count()
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
    fn partners(&self, now: UtcTime, seen: &[PlateLook]) -> Vec<Option<usize>> {
        let mut fits = Vec::new();
        for (sight, PlateLook { plate, look }) in seen.iter().enumerate() {
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

    /// Emits those that have been in sight for long and stay.
    fn emit_long(&mut self) -> Vec<Pass> {
        let mut passes = Vec::new();
        for at in 0..self.live.len() {
            let track = &self.live[at];
            if track.emitted
                || track.last_seen.since(track.first_seen) < self.settings.emitted_after
            {
                continue;
            }
            let mut copy = track.clone();
            copy.settle(self.rules.confidence);
            if let Some(pass) = self.pass(copy) {
                self.live[at].emitted = true;
                passes.push(pass);
            }
        }
        passes
    }

    /// What a track that has ended comes to. One that turns out to be of a plate still in sight
    /// goes into that one's track.
    fn end(&mut self, mut track: Track) -> Option<Pass> {
        track.settle(self.rules.confidence);
        if track.emitted {
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
        let agreeing = track.texts().agreeing(&ours.text());
        let text = self.emitted_as(ours).text();
        self.live.iter().position(|other| {
            other.verdict().is_some_and(|theirs| {
                let known = other.texts().agreeing(&theirs.text());
                same_plate(ours, agreeing, theirs, known) || self.emitted_as(theirs).text() == text
            })
        })
    }

    /// What is emitted of a verdict: the vote with what is known of how plates are written, once.
    fn emitted_as(&self, verdict: &Reading) -> Reading {
        self.syntax.weigh_vote(verdict, self.rules.confidence)
    }

    /// A track as a pass, if it is sure enough and has not been emitted yet.
    fn pass(&mut self, track: Track) -> Option<Pass> {
        let voted = track.verdict()?;
        let verdict = self.emitted_as(voted);
        let text = verdict.text();
        let agreeing = track.texts().agreeing(&text);
        let settings = &self.settings;
        let supported = agreeing >= settings.agreeing_reads_min
            || track.texts().near(&text) >= settings.near_reads_min;
        if !supported
            || verdict.confidence.get() < settings.confidence_min
            || track.surest(&voted.text()) < settings.read_confidence_min
            || track.plate() < self.rules.plate_frame.min.get()
            || verdict.characters.len() < settings.characters_min
        {
            return None;
        }
        let plate = verdict.plate_read(agreeing, track.reads, &self.rules.countries)?;
        let voted_agreeing = track.texts().agreeing(&voted.text());
        let known = self.emitted.iter_mut().find(|emitted| {
            emitted.text == text
                || same_plate(voted, voted_agreeing, &emitted.verdict, emitted.agreeing)
        });
        if let Some(known) = known {
            known.last_seen = known.last_seen.max(track.last_seen);
            return None;
        }
        self.remember(&track);
        let frame_reads = track.texts().frame_reads();
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
            frame_reads,
            crop: best.cut.encoded(),
            width_px: best.width_px,
        })
    }

    fn remember(&mut self, track: &Track) {
        let Some(verdict) = track.verdict() else {
            return;
        };
        if self.emitted.len() >= EMITTED_MAX {
            self.emitted.pop_front();
        }
        self.emitted.push_back(EmittedPass {
            text: self.emitted_as(verdict).text(),
            verdict: verdict.clone(),
            agreeing: track.texts().agreeing(&verdict.text()),
            last_seen: track.last_seen,
        });
    }
}

#[cfg(test)]
mod tests;
