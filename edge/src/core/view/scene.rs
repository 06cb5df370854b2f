//! Whether a camera still looks at its scene: covered, defocused and turned away are distinguished from
//! traffic, weather and night.
//!
//! The scene is kept as the edges of its still parts, each with the way in which it gets brighter,
//! one reference for daylight and one for night, which differ too much to share one. Night falls
//! slowly: what makes a picture dark at once is compared with the day. References follow slowly, so that
//! seasons and road works become part of them; what is wrong must last before it is reported, so that
//! a lorry that stands before the camera is not.

mod kept;

use std::time::Duration;

use varco_proto::time::UtcTime;

use super::thumb::Thumb;
use crate::core::frame::Frame;
use crate::core::number::{float, index};

/// How often the scene is compared.
const EVERY: Duration = Duration::from_secs(1);
/// A reference is sure after so many looks.
const LOOKS_MIN: u32 = 120;
/// Share of each look in the reference while it is learned, and afterwards (some half an hour).
const SHARE_LEARNING: f32 = 0.05;
const SHARE: f32 = 0.0005;
/// Share of each look in what is compared: some seconds, in which traffic passes.
const SHARE_RECENT: f32 = 0.15;
/// A change of brightness of so many levels from block to block is half a full edge.
const HALF_EDGE: f32 = 8.0;
/// A camera on a pole sways by up to so many blocks.
const SWAY: isize = 1;
/// Less of the reference's edges than this, and less of any edges than that: covered.
const COVERED_LIKENESS_MAX: f32 = 0.25;
const COVERED_EDGES_MAX: f32 = 0.3;
/// Edges there are, but not the reference's: turned away.
const TURNED_LIKENESS_MAX: f32 = 0.3;
/// The reference's coarse edges are there, but no more than this of its fine detail: defocused.
const DEFOCUSED_LIKENESS_MIN: f32 = 0.5;
const DEFOCUSED_DETAIL_MAX: f32 = 0.4;
/// Contrast in levels below which detail says ever less.
const CONTRAST_MIN: f32 = 2.0;
/// Mean brightness below which it is night; with the distance that keeps dusk from flickering.
const NIGHT_MAX: f32 = 50.0;
const DUSK: f32 = 8.0;
/// Share of each look in the brightness that distinguishes day from night: half a minute.
const SHARE_LEVEL: f32 = 0.03;
/// A night scene with fewer edges than this, as a share of a full edge, says nothing.
const EDGES_MIN: f32 = 0.01;
/// What is wrong is reported once it has lasted so long.
const REPORTED_AFTER: Duration = Duration::from_secs(20);
/// Rows of a frame between two that are looked at for fine detail.
const DETAIL_ROW_STEP: usize = 16;

/// What is wrong with a scene.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SceneFault {
    /// Something hides it.
    Covered,
    /// Its outlines are there, its detail is not.
    Defocused,
    /// Another scene is there.
    Turned,
}

/// One look at a scene.
#[derive(Debug, Clone, Default)]
struct SceneLook {
    /// How much of an edge each block is, to the right and down: -1 to 1, brighter is above 0.
    edges: Vec<[f32; 2]>,
    columns: usize,
    /// Mean change of brightness from pixel to pixel as against that from block to block: dusk and
    /// fog take from both, a lens out of focus from the first alone.
    detail: f32,
}

/// A scene as it should be.
#[derive(Debug, Clone, Default)]
struct Reference {
    look: SceneLook,
    looks: u32,
}

/// Follows one camera's scene.
#[derive(Debug, Default)]
pub struct Scene {
    day: Reference,
    night: Reference,
    recent: Option<SceneLook>,
    /// Width and height of the frames that the references were learnt from.
    sides: Option<(u32, u32)>,
    is_night: bool,
    /// Brightness over the last half minute; none before the first look.
    level: Option<f32>,
    due: Option<UtcTime>,
    suspect: Option<SceneFault>,
    since: UtcTime,
    reported: bool,
}

impl Scene {
    /// Looks at a frame, at most once a second. Gives a fault once, when it has lasted.
    pub fn take(&mut self, frame: &Frame, thumb: &Thumb) -> Option<SceneFault> {
        let at = frame.captured.at;
        // A clock that was set back begins the wait anew.
        let waits = self
            .due
            .is_some_and(|due| at < due && due.since(at) <= EVERY);
        if waits || thumb.luma.is_empty() {
            return None;
        }
        self.due = Some(at + EVERY);
        let sides = (frame.width_px, frame.height_px);
        // Another resolution has other detail: it cannot be compared.
        if self.sides.is_some_and(|before| before != sides) {
            self.forget();
        }
        self.sides = Some(sides);
        let is_night = self.is_night_by(thumb.mean());
        let look = SceneLook::of(frame, thumb);
        let fits = self
            .recent
            .as_ref()
            .is_some_and(|recent| recent.fits(&look));
        if is_night != self.is_night || !fits {
            self.is_night = is_night;
            self.recent = None;
            self.suspect = None;
        }
        let recent = match self.recent.take() {
            Some(mut recent) => {
                recent.follow(&look, SHARE_RECENT);
                recent
            }
            None => look,
        };
        let reference = if is_night {
            &mut self.night
        } else {
            &mut self.day
        };
        let fault = reference.fault(&recent);
        if fault.is_none() {
            reference.learn(&recent);
        }
        self.recent = Some(recent);
        self.reported(fault, at)
    }

    /// References that are sure: none, day or night, both.
    #[must_use]
    pub fn learnt(&self) -> usize {
        let all = [&self.day, &self.night];
        all.into_iter().filter(|it| it.looks >= LOOKS_MIN).count()
    }

    /// Width and height of the frames that it knows.
    #[must_use]
    pub fn sides(&self) -> Option<(u32, u32)> {
        self.sides
    }

    /// Whether something is wrong that was reported.
    #[must_use]
    pub fn is_reported(&self) -> bool {
        self.reported
    }

    /// Begins anew: what it sees from now on is the scene as it should be.
    pub fn forget(&mut self) {
        *self = Self {
            due: self.due,
            ..Self::default()
        };
    }

    /// While something is wrong the brightness says nothing of the hour.
    fn is_night_by(&mut self, mean: f32) -> bool {
        let before = *self.level.get_or_insert(mean);
        if self.suspect.is_none() {
            self.level = Some(before + (mean - before) * SHARE_LEVEL);
        }
        let limit = if self.is_night { DUSK } else { -DUSK };
        before < NIGHT_MAX + limit
    }

    fn reported(&mut self, fault: Option<SceneFault>, at: UtcTime) -> Option<SceneFault> {
        if fault.is_none() || self.suspect.is_none() || at < self.since {
            self.since = at;
            self.reported &= fault.is_some();
        }
        self.suspect = fault;
        if self.reported || at.since(self.since) < REPORTED_AFTER {
            return None;
        }
        self.reported = fault.is_some();
        fault
    }
}

impl Reference {
    fn learn(&mut self, look: &SceneLook) {
        if !self.look.fits(look) {
            *self = Self {
                look: look.clone(),
                looks: 1,
            };
            return;
        }
        let is_sure = self.looks >= LOOKS_MIN;
        self.look
            .follow(look, if is_sure { SHARE } else { SHARE_LEARNING });
        self.looks = self.looks.saturating_add(1);
    }

    /// What is wrong as against this reference; none while it is being learned.
    fn fault(&self, look: &SceneLook) -> Option<SceneFault> {
        let ours = self.look.amount();
        if self.looks < LOOKS_MIN || !self.look.fits(look) || ours < EDGES_MIN {
            return None;
        }
        let likeness = self.look.likeness(look);
        let edges = look.amount() / ours;
        if likeness < COVERED_LIKENESS_MAX && edges < COVERED_EDGES_MAX {
            Some(SceneFault::Covered)
        } else if likeness < TURNED_LIKENESS_MAX {
            Some(SceneFault::Turned)
        } else if likeness > DEFOCUSED_LIKENESS_MIN
            && look.detail < self.look.detail * DEFOCUSED_DETAIL_MAX
        {
            Some(SceneFault::Defocused)
        } else {
            None
        }
    }
}

impl SceneLook {
    fn of(frame: &Frame, thumb: &Thumb) -> Self {
        let (columns, rows) = (thumb.columns, thumb.rows);
        let at = |x: usize, y: usize| thumb.luma[y * columns + x];
        let mut edges = vec![[0.0; 2]; thumb.luma.len()];
        let mut contrast = 0.0;
        for y in 1..rows.saturating_sub(1) {
            for x in 1..columns.saturating_sub(1) {
                let across = at(x + 1, y) - at(x - 1, y);
                let down = at(x, y + 1) - at(x, y - 1);
                let change = across.abs() + down.abs();
                contrast += change;
                let scale = change + HALF_EDGE;
                edges[y * columns + x] = [across / scale, down / scale];
            }
        }
        Self {
            edges,
            columns,
            detail: detail(frame) / (contrast / float(thumb.luma.len().max(1)) + CONTRAST_MIN),
        }
    }

    fn fits(&self, other: &Self) -> bool {
        (self.columns, self.edges.len()) == (other.columns, other.edges.len())
    }

    fn follow(&mut self, other: &Self, share: f32) {
        for (ours, theirs) in self.edges.iter_mut().zip(&other.edges) {
            for (ours, theirs) in ours.iter_mut().zip(theirs) {
                *ours += (theirs - *ours) * share;
            }
        }
        self.detail += (other.detail - self.detail) * share;
    }

    /// Mean of the edges, whichever way they lie.
    fn amount(&self) -> f32 {
        let sum: f32 = self.edges.iter().flatten().map(|edge| edge.abs()).sum();
        sum / float(self.edges.len().max(1))
    }

    /// How well another look's edges lie where these are: correlation, the best within the sway.
    fn likeness(&self, other: &Self) -> f32 {
        let mut best = f32::NEG_INFINITY;
        for down in -SWAY..=SWAY {
            for across in -SWAY..=SWAY {
                best = best.max(self.correlation(other, across, down));
            }
        }
        best
    }

    fn correlation(&self, other: &Self, across: isize, down: isize) -> f32 {
        let rows = self.edges.len() / self.columns.max(1);
        let (mut both, mut first, mut second) = (0.0_f32, 0.0_f32, 0.0_f32);
        let margin = SWAY.unsigned_abs();
        for y in margin..rows.saturating_sub(margin) {
            for x in margin..self.columns.saturating_sub(margin) {
                let moved = (
                    y.checked_add_signed(down).unwrap_or(y),
                    x.checked_add_signed(across).unwrap_or(x),
                );
                let ours = self.edges[y * self.columns + x];
                let theirs = other.edges[moved.0 * self.columns + moved.1];
                for (a, b) in ours.into_iter().zip(theirs) {
                    both += a * b;
                    first += a * a;
                    second += b * b;
                }
            }
        }
        let scale = (first * second).sqrt();
        if scale > f32::EPSILON {
            both / scale
        } else {
            0.0
        }
    }
}

/// Mean change of brightness from one pixel to the next but one, over some rows.
fn detail(frame: &Frame) -> f32 {
    let width = index(frame.width_px).max(1);
    let (mut sum, mut count) = (0_usize, 0_usize);
    for row in frame.luma.chunks_exact(width).step_by(DETAIL_ROW_STEP) {
        let pairs = row.iter().zip(row.iter().skip(2));
        sum += pairs
            .map(|(a, b)| usize::from(a.abs_diff(*b)))
            .sum::<usize>();
        count += width.saturating_sub(2);
    }
    // Exact far beyond any frame: a hundred thousand pixels of 255 levels stay below 2^25.
    float(sum) / float(count.max(1))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::core::frame::tests::grey;

    const WIDTH: u32 = 480;
    const HEIGHT: u32 = 270;

    /// A fixed pseudo-random number of a place.
    fn hash(x: u32, y: u32, salt: u32) -> u32 {
        let mut h =
            x.wrapping_mul(374_761_393) ^ y.wrapping_mul(668_265_263) ^ salt.wrapping_mul(97);
        h = (h ^ (h >> 13)).wrapping_mul(1_274_126_177);
        h ^ (h >> 16)
    }

    /// A street: patches of different brightness with fine texture, its light, and noise.
    pub(super) fn street(salt: u32, light: u32, x: u32, y: u32, second: u32) -> u32 {
        let patch = 60 + hash(x / 31, y / 23, salt) % 130;
        let texture = hash(x / 2, y / 2, salt) % 30;
        let noise = hash(x, y, second) % 5;
        (patch + texture) * light / 100 + noise
    }

    pub(super) fn byte(value: u32) -> u8 {
        u8::try_from(value.min(255)).unwrap()
    }

    /// The faults reported while `seconds` of a picture follow some minutes of the street.
    fn after_learning(seconds: u32, picture: impl Fn(u32, u32, u32) -> u8) -> Vec<SceneFault> {
        let mut scene = Scene::default();
        let learning = 140;
        let mut faults = Vec::new();
        for second in 0..learning + seconds {
            let mut frame = grey(WIDTH, HEIGHT, |x, y| {
                if second < learning {
                    byte(street(1, 100, x, y, second))
                } else {
                    picture(x, y, second - learning)
                }
            });
            frame.captured.at = UtcTime::from_unix_us(0) + EVERY * second;
            let thumb = Thumb::of(&frame);
            faults.extend(scene.take(&frame, &thumb));
        }
        faults
    }

    #[test]
    fn c33_part_a_covered_camera_is_told_once() {
        let cloth = after_learning(90, |x, y, s| byte(40 + hash(x, y, s) % 4));
        assert_eq!(cloth, [SceneFault::Covered]);
        let spray = after_learning(90, |x, y, s| byte(180 + hash(x, y, s) % 4));
        assert_eq!(spray, [SceneFault::Covered]);
    }

    #[test]
    fn c33_part_a_camera_that_was_turned_is_told_once() {
        let elsewhere = after_learning(90, |x, y, s| byte(street(2, 100, x, y, s)));
        assert_eq!(elsewhere, [SceneFault::Turned]);
        let shifted = after_learning(90, |x, y, s| byte(street(1, 100, x + 90, y + 40, s)));
        assert_eq!(shifted, [SceneFault::Turned]);
    }

    #[test]
    fn c33_part_a_defocused_lens_is_told_once() {
        let blurred = after_learning(90, |x, y, _| {
            let around = |reach: u32| {
                let places = (0..5).flat_map(move |j| (0..5).map(move |i| (i, j)));
                let sum: u32 = places
                    .map(|(i, j)| street(1, 100, x + i * reach / 2, y + j * reach / 2, 0))
                    .sum();
                sum / 25
            };
            byte(around(5))
        });
        assert_eq!(blurred, [SceneFault::Defocused]);
    }

    #[test]
    fn ordinary_days_are_no_faults() {
        let dusk = after_learning(400, |x, y, s| byte(street(1, 100 - s / 5, x, y, s)));
        let rain = after_learning(120, |x, y, s| {
            let drop = if hash(x / 2, y / 12, s).is_multiple_of(40) {
                40
            } else {
                0
            };
            byte(street(1, 80, x, y, s) + drop)
        });
        let sway = after_learning(120, |x, y, s| byte(street(1, 100, x + s % 4, y, s)));
        let lorry = after_learning(120, |x, y, s| {
            let stands = (20..35).contains(&s);
            byte(if stands && x > 60 {
                150
            } else {
                street(1, 100, x, y, s)
            })
        });
        let traffic = after_learning(120, |x, y, s| {
            let car = (s * 60) % (WIDTH + 200);
            let inside = x + 200 > car && x < car && y > 80 && y < 220;
            byte(if inside {
                40 + hash(x / 9, y / 9, s) % 90
            } else {
                street(1, 100, x, y, s)
            })
        });
        for (name, faults) in [
            ("dusk", dusk),
            ("rain", rain),
            ("sway", sway),
            ("lorry", lorry),
            ("traffic", traffic),
        ] {
            assert_eq!(faults, [], "{name}");
        }
    }

    #[test]
    fn night_has_a_reference_of_its_own() {
        let night = after_learning(600, |x, y, s| {
            let lamp = x.abs_diff(100) + y.abs_diff(60) < 50;
            let headlights = s % 30 < 3 && y > 150;
            let light = if lamp { 60 } else { 100 - (s / 2).min(94) };
            byte(street(1, light, x, y, s) + if headlights { 110 } else { 8 })
        });
        assert_eq!(night, []);
    }
}
