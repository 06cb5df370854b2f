//! Plates in a frame: found, straightened and read. The daemon and every command use this.

mod added;
mod cuts;
mod error;
mod finder;
mod looks;
mod search;
mod still;
#[cfg(test)]
pub(crate) mod tests;
mod wider;

use varco_proto::confidence::Confidence;
use varco_proto::ids::Digest;

use self::cuts::{CutBuffers, Cuts};
pub use self::error::VisionError;
use self::error::check;
use self::finder::Finder;
use self::looks::Looks;
pub use self::search::Search;
use self::still::look_closer;
use self::wider::look_wider;
use super::frame::Frame;
use super::geometry::Quad;
use super::manifest::{Manifest, PlateRule};
use super::nets::Nets;
use super::number::float_px;
use super::scale::Scaler;
use super::sighting::{PlateDetection, PlateLook, Sighting};

/// No find counts as surer, nor as surely none.
const FIND_SUREST: f32 = 1.0 - 1e-6;

/// Looks at most at a plate in one of a camera's frames.
const FOLLOWED_LOOKS_MAX: u32 = 2;

/// How found plates are read.
struct Manner {
    search: Search,
    /// What is a plate.
    rule: PlateRule,
    looks_max: u32,
    /// Whether doubt is a reason to look again.
    doubts: bool,
    /// Of each in turn what other frames have surely read; none of those beyond its end.
    known: Vec<Option<String>>,
}

/// Both nets with their manifest and buffers. One thread uses it at a time.
#[derive(Debug)]
pub struct Vision {
    nets: Box<dyn Nets>,
    manifest: Manifest,
    finder: Finder,
    buffers: CutBuffers,
}

impl Vision {
    /// Takes nets that were loaded by this manifest.
    #[must_use]
    pub fn new(nets: Box<dyn Nets>, manifest: Manifest) -> Self {
        Self {
            nets,
            manifest,
            finder: Finder::default(),
            buffers: CutBuffers::default(),
        }
    }

    /// Which models these are: a transit's `model_digest`.
    #[must_use]
    pub fn model_digest(&self) -> Digest {
        self.manifest.digest
    }

    /// What the models say of themselves.
    #[must_use]
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The plates of a picture, the most confident first.
    ///
    /// # Errors
    /// [`VisionError`].
    pub fn detect(
        &mut self,
        frame: &Frame,
        search: Search,
    ) -> Result<Vec<PlateDetection>, VisionError> {
        let rules = &self.manifest.detector;
        self.finder.find(&mut *self.nets, rules, frame, search)
    }

    /// How wide a plate of this frame is, in its pixels, that only the search for the widest finds.
    #[must_use]
    pub fn wide_px(&self, frame: &Frame) -> f32 {
        let rules = &self.manifest.detector;
        float_px(rules.wide_px) * Scaler::frame_px(frame, rules)
    }

    /// The plates of a frame with what was read from them, the most confident first. What both
    /// nets together take for no plate is left out.
    ///
    /// # Errors
    /// [`VisionError`].
    pub fn look(&mut self, frame: &Frame, search: Search) -> Result<Vec<PlateLook>, VisionError> {
        let found = self.detect(frame, search)?;
        let seen = self.read(frame, &found, search)?;
        let mut all = self.look_again(frame, search, seen)?;
        let least = search.rule(&self.manifest.recogniser).min;
        all.retain(|PlateLook { look, .. }| look.plate >= least);
        Ok(all)
    }

    /// What [`Self::read`] saw in a frame; when none of it is a plate, noise or blur may hide one:
    /// then the plates of a much smaller copy come first, and take the place of what was seen
    /// there.
    ///
    /// # Errors
    /// [`VisionError`].
    pub fn look_again(
        &mut self,
        frame: &Frame,
        search: Search,
        mut seen: Vec<PlateLook>,
    ) -> Result<Vec<PlateLook>, VisionError> {
        let least = search.rule(&self.manifest.recogniser).min;
        if seen
            .iter()
            .any(|PlateLook { look, .. }| look.plate >= least)
        {
            return Ok(seen);
        }
        let rules = &self.manifest.detector;
        let found = self.finder.find_again(&mut *self.nets, rules, frame)?;
        let rule = self.manifest.recogniser.plate_again;
        let manner = Manner {
            rule,
            ..self.manner(search)
        };
        let mut plates = self.read_by(frame, &found, manner)?;
        plates.retain(|PlateLook { look, .. }| look.plate >= rule.min);
        let iou_max = self.manifest.detector.iou_max;
        seen.retain(|faint| {
            let bounds = faint.plate.quad.bounds();
            let mut there = plates.iter().map(|one| one.plate.quad.bounds());
            there.all(|plate| plate.iou(&bounds) <= iou_max)
        });
        plates.extend(seen);
        Ok(plates)
    }

    /// Reads these plates, whatever they show; as many answers, in the same order. A plate that is
    /// read with doubt, or was cut askew, is cut again by the corners that the last look saw, and
    /// its looks vote; one of a still picture, and one that slants much, some more times. Each
    /// comes back with its corners as both nets see them.
    ///
    /// # Errors
    /// [`VisionError`].
    pub fn read(
        &mut self,
        frame: &Frame,
        found: &[PlateDetection],
        search: Search,
    ) -> Result<Vec<PlateLook>, VisionError> {
        self.read_by(frame, found, self.manner(search))
    }

    /// [`Self::read`] of a camera's frame: the next frame dispels a doubt better than another look
    /// at this one. Only what was cut askew is looked at again, once, unless it says what other
    /// frames have surely read.
    ///
    /// # Errors
    /// [`VisionError`].
    pub fn read_followed(
        &mut self,
        frame: &Frame,
        worth: Vec<Sighting>,
    ) -> Result<Vec<PlateLook>, VisionError> {
        let (found, known): (Vec<PlateDetection>, Vec<Option<String>>) =
            worth.into_iter().map(|s| (s.plate, s.known)).unzip();
        let manner = Manner {
            looks_max: FOLLOWED_LOOKS_MAX,
            doubts: false,
            known,
            ..self.manner(Search::Frame)
        };
        self.read_by(frame, &found, manner)
    }

    /// How the plates of such a search are read.
    fn manner(&self, search: Search) -> Manner {
        let rules = &self.manifest.recogniser;
        Manner {
            search,
            rule: search.rule(rules),
            looks_max: rules.looks_max,
            doubts: true,
            known: Vec::new(),
        }
    }

    /// [`Self::read`] in this manner.
    fn read_by(
        &mut self,
        frame: &Frame,
        found: &[PlateDetection],
        manner: Manner,
    ) -> Result<Vec<PlateLook>, VisionError> {
        check(frame)?;
        let quads: Vec<Quad> = found.iter().map(|plate| plate.quad).collect();
        let Manner { search, rule, .. } = manner;
        let rules = &self.manifest.recogniser;
        let word_max = rules.plate_word_max;
        let mut cuts = Cuts {
            nets: &mut *self.nets,
            manifest: &self.manifest,
            buffers: &mut self.buffers,
            frame,
        };
        let mut first = cuts.read(&quads)?;
        for (sight, plate) in first.iter_mut().zip(found) {
            sight.look.plate = jointly(sight.look.plate, plate.confidence, rule, word_max);
        }
        let known = manner.known.into_iter().chain(std::iter::repeat(None));
        let looks = first.into_iter().zip(known);
        let mut looks: Vec<Looks> = looks
            .map(|(sight, known)| Looks::new(sight).known(known))
            .collect();
        for _ in 1..manner.looks_max {
            let (doubtful, again): (Vec<&mut Looks>, Vec<Quad>) = looks
                .iter_mut()
                .filter_map(|looks| {
                    let next = looks.next(rules, rule.min, manner.doubts);
                    next.map(|quad| (looks, quad))
                })
                .unzip();
            for (looks, sight) in doubtful.into_iter().zip(cuts.read(&again)?) {
                looks.add(sight);
            }
        }
        if search == Search::Still {
            look_closer(&mut cuts, &mut looks, rule.min)?;
        }
        look_wider(&mut cuts, &mut looks, search, rule.min)?;
        let answers = found.iter().zip(looks).filter_map(|(plate, looks)| {
            let (quad, look) = looks.elected(&rules.wider)?;
            Some(PlateLook {
                plate: PlateDetection { quad, ..*plate },
                look,
            })
        });
        Ok(answers.collect())
    }
}

/// Two nets on the same question: the mean of their odds' logarithms, the find's weighing
/// `find_weight` times the word of the recogniser, which sees no more than the cut.
fn jointly(
    word: Confidence,
    find: Confidence,
    rule: PlateRule,
    word_max: Confidence,
) -> Confidence {
    let log_odds = |of: Confidence, surest: f32| {
        let p = of.get().clamp(1.0 - surest, surest);
        (p / (1.0 - p)).ln()
    };
    let weight = rule.find_weight;
    let word = log_odds(word, word_max.get());
    let both = (weight * log_odds(find, FIND_SUREST) + word) / (weight + 1.0);
    Confidence::saturating(1.0 / (1.0 + (-both).exp()))
}
