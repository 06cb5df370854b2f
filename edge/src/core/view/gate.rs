//! Whether anything moves before a camera, so that an empty road costs next to nothing.
//!
//! Each block of the small picture has a background that follows slow changes and a noise of its
//! own. Rain, leaves and a dark sensor raise the noise of their blocks, a cloud or the camera's
//! exposure moves all blocks together; a vehicle changes a patch of neighbouring blocks beyond
//! their noise. Brightness alone is looked at: it works the same in colour and in infrared.

use std::time::Duration;

use varco_proto::time::UtcTime;

use super::thumb::Thumb;

/// A change below this is never motion, in levels of brightness.
const CHANGE_MIN: f32 = 3.0;
/// Nor is one below so many times the block's noise.
const NOISE_FACTOR: f32 = 3.5;
/// Noise that a block begins with, in levels.
const NOISE_FIRST: f32 = 1.0;
/// No change counts as more noise than this: vehicles that pass must not make their lane blind.
const NOISE_STEP_MAX: f32 = 8.0;
/// Neighbouring blocks that must change together: the smallest vehicle whose plate can be read
/// covers some forty.
const PATCH_MIN: usize = 5;
/// A patch of this size is motion at once; a smaller one when the frame before had one too, which
/// drops of rain that touch by chance do not.
const PATCH_LARGE: usize = 20;
/// When so large a share changes at once it is the light or the camera, and the background begins
/// anew.
const ALL_SHARE: usize = 2;
/// How long the background takes to follow, in seconds: where nothing moves, and where something
/// does and stays.
const FOLLOW_S: f32 = 8.0;
const FOLLOW_CHANGED_S: f32 = 25.0;
/// Frames are looked at for so long after the last motion.
const HOLD: Duration = Duration::from_millis(1500);
/// A vehicle that stands is looked at so often: sooner than a track is given up as lost.
const STANDING_EVERY: Duration = Duration::from_millis(1000);

/// What is being followed, when the gate decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Following {
    /// No plate.
    Nothing,
    /// Only plates that have stood there for long.
    Standing,
    /// A plate of which a pass is still to come.
    Passing,
}

/// One camera's gate.
#[derive(Debug)]
pub struct MotionGate {
    whole_look_every: Duration,
    background: Thumb,
    /// Mean square of each block's changes: drops of rain, rare and strong, count for more.
    noise: Vec<f32>,
    changed: Vec<bool>,
    had_patch: bool,
    at: UtcTime,
    moved_at: Option<UtcTime>,
    looked_at: Option<UtcTime>,
}

impl MotionGate {
    /// Begins with an unknown background. With nothing moving, one frame in each
    /// `whole_look_every` is looked at all the same.
    #[must_use]
    pub fn new(whole_look_every: Duration) -> Self {
        Self {
            whole_look_every,
            background: Thumb::default(),
            noise: Vec::new(),
            changed: Vec::new(),
            had_patch: false,
            at: UtcTime::default(),
            moved_at: None,
            looked_at: None,
        }
    }

    /// Whether the frame of this picture, taken at `at`, is to be looked at.
    pub fn opens(&mut self, thumb: &Thumb, at: UtcTime, following: Following) -> bool {
        // A clock that was set back: old moments say nothing any more.
        if at < self.at {
            self.moved_at = None;
            self.looked_at = None;
        }
        if self.moves(thumb, at) {
            self.moved_at = Some(at);
        }
        let within = |moment: Option<UtcTime>, span: Duration| {
            moment.is_some_and(|moment| at.since(moment) < span)
        };
        let every = match following {
            Following::Passing => Duration::ZERO,
            Following::Standing => STANDING_EVERY.min(self.whole_look_every),
            Following::Nothing => self.whole_look_every,
        };
        let opens = within(self.moved_at, HOLD) || !within(self.looked_at, every);
        if opens {
            self.looked_at = Some(at);
        }
        opens
    }

    /// Whether something moved in the last frame.
    #[must_use]
    pub fn moves_now(&self) -> bool {
        self.moved_at == Some(self.at)
    }

    /// Whether a patch has changed; takes the picture into the background.
    fn moves(&mut self, thumb: &Thumb, at: UtcTime) -> bool {
        let elapsed_s = at.since(self.at).as_secs_f32();
        self.at = at;
        if !thumb.fits(&self.background) {
            self.begin(thumb);
            return true;
        }
        let shift = common_shift(thumb, &self.background);
        let share = |follow_s: f32| elapsed_s / (elapsed_s + follow_s);
        let (still, moving) = (share(FOLLOW_S), share(FOLLOW_CHANGED_S));
        let blocks = thumb.luma.iter().zip(&mut self.background.luma);
        for ((now, background), (noise, changed)) in
            blocks.zip(self.noise.iter_mut().zip(&mut self.changed))
        {
            let off = (now - *background - shift).abs();
            *changed = off > CHANGE_MIN.max(NOISE_FACTOR * noise.sqrt());
            let follow = if *changed { moving } else { still };
            *background += (now - *background) * follow;
            *noise += (off.min(NOISE_STEP_MAX).powi(2) - *noise) * follow;
        }
        let count = self.changed.iter().filter(|changed| **changed).count();
        if count * ALL_SHARE > self.changed.len() {
            self.begin(thumb);
            return true;
        }
        let patch = largest_patch(&mut self.changed, thumb.columns);
        let had_patch = std::mem::replace(&mut self.had_patch, patch >= PATCH_MIN);
        patch >= PATCH_LARGE || (patch >= PATCH_MIN && had_patch)
    }

    fn begin(&mut self, thumb: &Thumb) {
        self.background = thumb.clone();
        self.noise = vec![NOISE_FIRST.powi(2); thumb.luma.len()];
        self.changed = vec![false; thumb.luma.len()];
    }
}

/// By how much all blocks together have become brighter: the median of the changes.
fn common_shift(thumb: &Thumb, background: &Thumb) -> f32 {
    let pairs = thumb.luma.iter().zip(&background.luma);
    let mut changes: Vec<f32> = pairs.map(|(now, before)| now - before).collect();
    if changes.is_empty() {
        return 0.0;
    }
    let middle = changes.len() / 2;
    *changes.select_nth_unstable_by(middle, f32::total_cmp).1
}

/// Most changed blocks that touch each other; blocks that were counted are cleared.
fn largest_patch(changed: &mut [bool], columns: usize) -> usize {
    let mut open = Vec::new();
    let mut largest = 0;
    for first in 0..changed.len() {
        if !std::mem::take(&mut changed[first]) {
            continue;
        }
        open.push(first);
        let mut size = 0;
        while let Some(at) = open.pop() {
            size += 1;
            let column = at % columns;
            let neighbours = [
                (column > 0).then(|| at - 1),
                (column + 1 < columns).then_some(at + 1),
                at.checked_sub(columns),
                Some(at + columns).filter(|below| *below < changed.len()),
            ];
            for next in neighbours.into_iter().flatten() {
                if std::mem::take(&mut changed[next]) {
                    open.push(next);
                }
            }
        }
        largest = largest.max(size);
    }
    largest
}

#[cfg(test)]
mod tests {
    use super::super::thumb::tests::thumb;
    use super::*;

    const FRAME: Duration = Duration::from_millis(80);
    const EVERY: Duration = Duration::from_secs(10);

    /// The same numbers at every run: 0 to 1.
    fn random(seed: &mut u64) -> f32 {
        *seed = seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        f32::from(u16::try_from(*seed >> 48).unwrap()) / f32::from(u16::MAX)
    }

    /// Shares of the frames that are looked at, after half a minute to learn the scene.
    fn looked_at(frames: u32, mut picture: impl FnMut(u32, &mut u64) -> Thumb) -> f32 {
        let mut gate = MotionGate::new(EVERY);
        let mut seed = 7;
        let learning = 400;
        let mut looked = 0_u16;
        for k in 0..learning + frames {
            let at = UtcTime::from_unix_us(1_800_000_000_000_000) + FRAME * k;
            let opens = gate.opens(&picture(k, &mut seed), at, Following::Nothing);
            looked += u16::from(opens && k >= learning);
        }
        f32::from(looked) / f32::from(u16::try_from(frames).unwrap())
    }

    fn road(x: usize, y: usize) -> f32 {
        let stripe = if x % 17 < 2 { 60.0 } else { 0.0 };
        70.0 + stripe + f32::from(u8::try_from(y).unwrap())
    }

    fn noisy(level: f32, amount: f32, seed: &mut u64) -> Thumb {
        thumb(|x, y| road(x, y) * level + (random(seed) - 0.5) * amount)
    }

    #[test]
    fn c38_part_noise_rain_and_slow_light_leave_the_gate_shut_by_day_and_in_infrared() {
        // One look in ten seconds is due: 1 of 125 frames.
        let day = looked_at(1000, |_, seed| noisy(1.0, 2.0, seed));
        let infrared = looked_at(1000, |_, seed| noisy(0.3, 6.0, seed));
        let dusk = looked_at(1000, |k, seed| {
            let level = 1.0 - f32::from(u16::try_from(k).unwrap()) / 2000.0;
            noisy(level, 2.0, seed)
        });
        let exposure = looked_at(1000, |k, seed| {
            let mut picture = noisy(1.0, 2.0, seed);
            let step = if k % 200 < 100 { 0.0 } else { 12.0 };
            picture.luma.iter_mut().for_each(|v| *v += step);
            picture
        });
        let rain = looked_at(1000, |_, seed| {
            thumb(|x, y| {
                let drop = if random(seed) < 0.02 { 14.0 } else { 0.0 };
                road(x, y) + drop + (random(seed) - 0.5) * 3.0
            })
        });
        for (name, share) in [
            ("day", day),
            ("infrared", infrared),
            ("dusk", dusk),
            ("exposure", exposure),
            ("rain", rain),
        ] {
            println!("{name}: {:.1} % of the frames looked at", share * 100.0);
            assert!(share < 0.03, "{name}: {share}");
        }
    }

    #[test]
    fn c38_part_a_small_vehicle_opens_it_in_the_first_frames_by_day_and_in_infrared() {
        for (level, noise, contrast) in [(1.0, 2.0, 25.0), (0.3, 6.0, 14.0)] {
            let mut gate = MotionGate::new(EVERY);
            let (mut seed, begin) = (3, UtcTime::from_unix_us(1_800_000_000_000_000));
            let mut looks = Vec::new();
            for k in 0..475_u32 {
                let at = begin + FRAME * k;
                let mut picture = noisy(level, noise, &mut seed);
                // From frame 450 a motor cycle of 3 x 4 blocks rides across.
                if let Some(left) = k.checked_sub(450) {
                    let left = usize::try_from(left).unwrap() * 2;
                    for (y, x) in (20..24).flat_map(|y| (left..left + 3).map(move |x| (y, x))) {
                        picture.luma[y * 96 + x] += contrast;
                    }
                }
                looks.push(gate.opens(&picture, at, Following::Nothing));
            }
            assert!(looks[430..450].iter().filter(|looked| **looked).count() <= 1);
            assert!(looks[451..].iter().all(|looked| *looked), "{level}");
        }
    }

    #[test]
    fn what_is_followed_is_looked_at_and_what_stands_each_second() {
        let mut gate = MotionGate::new(EVERY);
        let still = thumb(road);
        let begin = UtcTime::from_unix_us(1_800_000_000_000_000);
        let mut count = |from: u32, following| {
            let frames = from..from + 125;
            frames
                .filter(|k| gate.opens(&still, begin + FRAME * *k, following))
                .count()
        };
        count(0, Following::Nothing);
        assert_eq!(count(125, Following::Nothing), 1);
        assert_eq!(count(250, Following::Passing), 125);
        assert!((9..=11).contains(&count(375, Following::Standing)));
    }

    #[test]
    fn another_size_a_new_view_and_a_clock_set_back_open_it() {
        let mut gate = MotionGate::new(EVERY);
        let begin = UtcTime::from_unix_us(1_800_000_000_000_000);
        let minute = Duration::from_secs(60);
        let at = |gate: &mut MotionGate, picture: &Thumb, at| {
            gate.opens(picture, at, Following::Nothing)
        };
        assert!(at(&mut gate, &thumb(road), begin));
        gate.looked_at = Some(begin + minute);
        gate.moved_at = None;
        let turned = thumb(|x, y| if (x + y) % 2 == 0 { 20.0 } else { 220.0 });
        assert!(at(&mut gate, &turned, begin + minute));
        assert!(at(&mut gate, &turned, begin));
        assert!(at(&mut gate, &Thumb::default(), begin + FRAME));
    }
}
