//! Plates in a frame: found, straightened and read. The daemon and every command use this.

mod looks;
mod search;
mod still;
#[cfg(test)]
pub(crate) mod tests;
mod wider;

use thiserror::Error;
use varco_proto::confidence::Confidence;
use varco_proto::ids::Digest;

use self::looks::{Looks, Sight};
pub use self::search::Search;
use super::frame::Frame;
use super::geometry::Quad;
use super::manifest::{Manifest, PlateRule};
use super::number::index;
use super::read::{self, CLASSES, Reading};
use super::rectify;
use super::scale::Scaler;
use super::tracks::Sighting;

/// No find counts as surer, nor as surely none.
const FIND_SUREST: f32 = 1.0 - 1e-6;

/// Looks at most at a plate in one of a camera's frames.
const FOLLOWED_LOOKS_MAX: u32 = 2;

/// One plate found in one frame.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PlateDetection {
    /// Its corners in pixels of the frame; they may lie a little outside.
    pub quad: Quad,
    /// That it is a plate.
    pub confidence: Confidence,
}

/// The two nets, whatever runs them.
pub trait Nets: std::fmt::Debug + Send {
    /// Runs the detector on one grey picture of `width_px * height_px` bytes, both multiples of
    /// the manifest's padding, and writes its maps.
    ///
    /// # Errors
    /// [`NetError`] when the net cannot run or gives other shapes than the manifest's.
    fn detect(
        &mut self,
        luma: &[u8],
        width_px: usize,
        height_px: usize,
        maps: &mut Maps,
    ) -> Result<(), NetError>;

    /// Runs the recogniser on `count` straightened plates, one after the other in `plates`.
    ///
    /// # Errors
    /// [`NetError`] when the net cannot run or gives other shapes than the manifest's.
    fn recognise(
        &mut self,
        plates: &[u8],
        count: usize,
        outputs: &mut Outputs,
    ) -> Result<(), NetError>;
}

/// What the detector gives: cells of the stride's size, row by row.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Maps {
    /// Rows of cells.
    pub rows: usize,
    /// Cells in a row.
    pub columns: usize,
    /// Probability that a plate's centre lies in the cell, `rows * columns`.
    pub heat: Vec<f32>,
    /// Eight planes of `rows * columns`: x and y of TL, TR, BR, BL from the cell's centre, in
    /// pixels of the detector's input.
    pub quad: Vec<f32>,
}

/// What the recogniser gives.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Outputs {
    /// Steps of reading for each plate.
    pub steps: usize,
    /// Probabilities, `count * steps * classes`.
    pub characters: Vec<f32>,
    /// Probabilities, `count * countries`.
    pub country: Vec<f32>,
    /// Probability that it is a plate at all, `count`.
    pub plate: Vec<f32>,
    /// Where the plate's corners lie in the straightened picture, `count * 8`: x and y of TL, TR,
    /// BR, BL, 0 to 1 from its upper left.
    pub corners: Vec<f32>,
}

/// A net cannot run. Check the model files against the manifest, then start again.
#[derive(Debug, Error)]
#[error("{0}")]
pub struct NetError(pub String);

/// A frame could not be looked at. The frame is dropped; when it goes on, a person must act.
#[derive(Debug, Error)]
pub enum VisionError {
    /// The frame's planes do not have the size it claims.
    #[error("the frame of {width_px} x {height_px} px holds {bytes} bytes of luma")]
    Frame {
        /// As claimed.
        width_px: u32,
        /// As claimed.
        height_px: u32,
        /// As held.
        bytes: usize,
    },
    /// See [`NetError`].
    #[error("cannot run the detector")]
    Detector(#[source] NetError),
    /// See [`NetError`].
    #[error("cannot run the recogniser")]
    Recogniser(#[source] NetError),
}

/// What one straightened plate gave.
#[derive(Debug, Clone, PartialEq)]
pub struct Look {
    /// What this picture alone says, with what is known of how plates are written; its text is
    /// empty when nothing could be read.
    pub reading: Reading,
    /// What the net gave, which is what votes: over many frames the knowledge counts once.
    pub raw: Reading,
    /// That the picture shows a plate at all, by what both nets say.
    pub plate: Confidence,
    /// See [`rectify::sharpness`].
    pub sharpness: f32,
}

impl Look {
    /// Takes what was read back: it is no plate's.
    pub fn silence(&mut self) {
        for reading in [&mut self.reading, &mut self.raw] {
            reading.characters.clear();
            reading.confidence = Confidence::ZERO;
            reading.rows = 0;
        }
    }
}

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
    scaler: Scaler,
    maps: Maps,
    plates: Vec<u8>,
    outputs: Outputs,
}

impl Vision {
    /// Takes nets that were loaded by this manifest.
    #[must_use]
    pub fn new(nets: Box<dyn Nets>, manifest: Manifest) -> Self {
        Self {
            nets,
            manifest,
            scaler: Scaler::default(),
            maps: Maps::default(),
            plates: Vec::new(),
            outputs: Outputs::default(),
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

    /// The plates of a frame with what was read from them, the most confident first. What both
    /// nets together take for no plate is left out.
    ///
    /// # Errors
    /// [`VisionError`].
    pub fn look(
        &mut self,
        frame: &Frame,
        search: Search,
    ) -> Result<Vec<(PlateDetection, Look)>, VisionError> {
        let found = self.detect(frame, search)?;
        let seen = self.read(frame, &found, search)?;
        let mut all = self.look_again(frame, search, seen)?;
        let least = search.rule(&self.manifest.recogniser).min;
        all.retain(|(_, look)| look.plate >= least);
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
        mut seen: Vec<(PlateDetection, Look)>,
    ) -> Result<Vec<(PlateDetection, Look)>, VisionError> {
        let least = search.rule(&self.manifest.recogniser).min;
        if seen.iter().any(|(_, look)| look.plate >= least) {
            return Ok(seen);
        }
        let found = self.detect_again(frame)?;
        let rule = self.manifest.recogniser.plate_again;
        let manner = Manner {
            rule,
            ..self.manner(search)
        };
        let mut plates = self.read_by(frame, &found, manner)?;
        plates.retain(|(_, look)| look.plate >= rule.min);
        let iou_max = self.manifest.detector.iou_max;
        seen.retain(|(faint, _)| {
            let bounds = faint.quad.bounds();
            let mut there = plates.iter().map(|(plate, _)| plate.quad.bounds());
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
    ) -> Result<Vec<(PlateDetection, Look)>, VisionError> {
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
    ) -> Result<Vec<(PlateDetection, Look)>, VisionError> {
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
    ) -> Result<Vec<(PlateDetection, Look)>, VisionError> {
        check(frame)?;
        let quads: Vec<Quad> = found.iter().map(|plate| plate.quad).collect();
        let Manner { search, rule, .. } = manner;
        let word_max = self.manifest.recogniser.plate_word_max;
        let mut first = self.read_once(frame, &quads)?;
        for (sight, plate) in first.iter_mut().zip(found) {
            sight.look.plate = jointly(sight.look.plate, plate.confidence, rule, word_max);
        }
        let known = manner.known.into_iter().chain(std::iter::repeat(None));
        let looks = first.into_iter().zip(known);
        let mut looks: Vec<Looks> = looks
            .map(|(sight, known)| Looks::new(sight).known(known))
            .collect();
        for _ in 1..manner.looks_max {
            let rules = &self.manifest.recogniser;
            let (doubtful, again): (Vec<&mut Looks>, Vec<Quad>) = looks
                .iter_mut()
                .filter_map(|looks| {
                    let next = looks.next(rules, rule.min, manner.doubts);
                    next.map(|quad| (looks, quad))
                })
                .unzip();
            for (looks, sight) in doubtful.into_iter().zip(self.read_once(frame, &again)?) {
                looks.add(sight);
            }
        }
        if search == Search::Still {
            self.look_closer(frame, &mut looks, rule.min)?;
        }
        self.look_wider(frame, &mut looks, search, rule.min)?;
        let rules = &self.manifest.recogniser.wider;
        let answers = found.iter().zip(looks).filter_map(|(plate, looks)| {
            let (quad, look) = looks.elected(rules)?;
            Some((PlateDetection { quad, ..*plate }, look))
        });
        Ok(answers.collect())
    }

    /// Reads the plates within these corners; and where their corners seem to lie, when that is
    /// a quad at all.
    fn read_once(&mut self, frame: &Frame, quads: &[Quad]) -> Result<Vec<Sight>, VisionError> {
        if quads.is_empty() {
            return Ok(Vec::new());
        }
        let rules = &self.manifest.recogniser;
        let grown: Vec<Quad> = quads
            .iter()
            .map(|quad| quad.enlarged(rules.margin_x, rules.margin_y))
            .collect();
        self.plates.clear();
        for quad in &grown {
            rectify::straighten(frame, quad, rules, &mut self.plates);
        }
        self.nets
            .recognise(&self.plates, quads.len(), &mut self.outputs)
            .map_err(VisionError::Recogniser)?;
        let characters = self.outputs.steps * CLASSES;
        let countries = rules.countries.len();
        let count = quads.len();
        let wanted = [count * characters, count * countries, count, count * 8];
        let outputs = &self.outputs;
        let given = [
            outputs.characters.len(),
            outputs.country.len(),
            outputs.plate.len(),
            outputs.corners.len(),
        ];
        if given != wanted || characters == 0 {
            let why = format!("{given:?} numbers instead of {wanted:?}");
            return Err(VisionError::Recogniser(NetError(why)));
        }
        let width = index(rules.width_px);
        let pictures = self.plates.chunks_exact(width * index(rules.height_px));
        let looks = pictures
            .zip(outputs.characters.chunks_exact(characters))
            .zip(outputs.country.chunks_exact(countries))
            .zip(&outputs.plate)
            .map(|(((picture, steps), country), plate)| {
                let raw = read::decode(steps, country, rules.confidence);
                Look {
                    reading: self.manifest.syntax.weigh(&raw, rules.confidence),
                    raw,
                    plate: Confidence::saturating(*plate),
                    sharpness: rectify::sharpness(picture, width),
                }
            });
        let cuts = quads.iter().zip(&grown);
        let corners = cuts.zip(outputs.corners.chunks_exact(8));
        let sights = looks
            .zip(corners)
            .map(|(look, ((cut, grown), corners))| Sight {
                cut: *cut,
                letters: read::confidence(&look.reading.characters, rules.confidence),
                look,
                refined: rectify::refined(grown, corners),
                moved_px: looks::moved_px(corners, rules),
            });
        Ok(sights.collect())
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

fn check(frame: &Frame) -> Result<(), VisionError> {
    let wanted = index(frame.width_px).checked_mul(index(frame.height_px));
    if wanted == Some(frame.luma.len()) && wanted != Some(0) {
        Ok(())
    } else {
        Err(frame_error(frame))
    }
}

fn frame_error(frame: &Frame) -> VisionError {
    VisionError::Frame {
        width_px: frame.width_px,
        height_px: frame.height_px,
        bytes: frame.luma.len(),
    }
}
