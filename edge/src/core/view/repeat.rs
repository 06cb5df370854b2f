//! Whether a feed repeats itself: a recording played instead of the camera.
//!
//! No two frames of a real camera are the same where something moves: its noise alone sees to
//! that. A recording gives the very same pictures again.

use std::collections::{HashMap, VecDeque};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::time::Duration;

use varco_proto::time::UtcTime;

use super::thumb::Thumb;

/// Pictures remembered: an hour of motion at ten a second.
const PICTURES_MAX: usize = 36_000;
/// A picture that comes again sooner is the stream's own doing.
const AGAIN_AFTER: Duration = Duration::from_secs(5);
/// Of the last so many pictures with motion,
const LAST: usize = 60;
/// so many have been there before. Not all: of a recording other frames may be taken each time.
const KNOWN_MIN: usize = 24;

/// Follows one camera's pictures.
#[derive(Debug, Default)]
pub struct Repeats {
    seen: HashMap<u64, UtcTime>,
    order: VecDeque<u64>,
    last: VecDeque<bool>,
}

impl Repeats {
    /// Takes a picture in which something moves; says whether the feed repeats itself.
    pub fn take(&mut self, thumb: &Thumb, at: UtcTime) -> bool {
        let mut hasher = DefaultHasher::new();
        thumb
            .luma
            .iter()
            .for_each(|v| v.to_bits().hash(&mut hasher));
        let picture = hasher.finish();
        let before = self.seen.get(&picture).copied();
        if before.is_none() {
            self.seen.insert(picture, at);
            self.order.push_back(picture);
            if self.order.len() > PICTURES_MAX
                && let Some(oldest) = self.order.pop_front()
            {
                self.seen.remove(&oldest);
            }
        }
        self.last
            .push_back(before.is_some_and(|before| at.since(before) >= AGAIN_AFTER));
        if self.last.len() > LAST {
            self.last.pop_front();
        }
        self.last.iter().filter(|known| **known).count() >= KNOWN_MIN
    }
}

#[cfg(test)]
mod tests {
    use super::super::thumb::tests::thumb;
    use super::*;

    fn picture(number: u32) -> Thumb {
        let number = f32::from(u16::try_from(number).unwrap());
        thumb(|x, _| if x == 5 { number / 7.0 } else { 90.0 })
    }

    fn repeats(frames: u32, number: impl Fn(u32) -> u32) -> Option<u32> {
        let mut repeats = Repeats::default();
        let at = |k: u32| UtcTime::from_unix_us(0) + Duration::from_millis(100) * k;
        (0..frames).find(|k| repeats.take(&picture(number(*k)), at(*k)))
    }

    #[test]
    fn c33_part_a_recording_is_known_when_it_comes_again() {
        let noticed = repeats(1000, |k| k % 300).unwrap();
        assert!((300..360).contains(&noticed), "{noticed}");
        // At another rate each time only every other picture has been there before.
        let noticed = repeats(1000, |k| if k < 300 { k * 2 } else { (k - 300) * 3 % 600 }).unwrap();
        assert!((300..420).contains(&noticed), "{noticed}");
    }

    #[test]
    fn a_camera_never_repeats_and_a_stutter_is_no_recording() {
        assert_eq!(repeats(3000, |k| k), None);
        assert_eq!(repeats(3000, |k| k - k % 10), None);
    }
}
