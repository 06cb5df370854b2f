//! How a picture is exposed: what it lost in the dark and in the light.

use super::hidden::Hidden;
use crate::core::frame::Frame;
use crate::core::number::{float, index};

/// Pixels between two that are looked at, across and down.
const STEP: usize = 4;
/// At most this bright a pixel shows nothing: black itself is 16.
const BLACK_MAX: usize = 20;
/// From here on a pixel shows nothing either: white is 235, in full range 255.
const BLOWN_MIN: usize = 235;

/// The exposure of one picture, without what is masked.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Light {
    /// Mean brightness, 0 to 255.
    pub mean: f32,
    /// Share of pixels crushed to black, 0 to 1.
    pub black_share: f32,
    /// Share of pixels blown out to white, 0 to 1.
    pub blown_share: f32,
    /// The brightness that all but one in two hundred pixels keep below.
    pub brightest: f32,
    /// What lies between the darkest and the brightest fiftieth, in levels.
    pub spread: f32,
}

impl Light {
    /// Measures a frame; none when nothing of it may be seen.
    #[must_use]
    pub fn of(frame: &Frame, hidden: &Hidden) -> Option<Self> {
        let width = index(frame.width_px);
        let mut counts = [0_usize; 256];
        for (y, row) in frame.luma.chunks_exact(width.max(1)).enumerate() {
            if !y.is_multiple_of(STEP) {
                continue;
            }
            for (x, value) in row.iter().enumerate().step_by(STEP) {
                if !hidden.has(frame, x, y) {
                    counts[usize::from(*value)] += 1;
                }
            }
        }
        let all: usize = counts.iter().sum();
        if all == 0 {
            return None;
        }
        let share = |counts: &[usize]| float(counts.iter().sum()) / float(all);
        let levels = counts.iter().enumerate();
        let mean = levels.map(|(level, count)| float(level) * float(*count));
        let at = |thousandths: usize| {
            let place = all.saturating_sub(1) * thousandths / 1000;
            let mut below = 0;
            let found = counts.iter().position(|count| {
                below += count;
                below > place
            });
            float(found.unwrap_or(0))
        };
        Some(Self {
            mean: mean.sum::<f32>() / float(all),
            black_share: share(&counts[..=BLACK_MAX]),
            blown_share: share(&counts[BLOWN_MIN..]),
            brightest: at(995),
            spread: at(980) - at(20),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::frame::tests::grey;
    use crate::core::view::mask::Polygon;

    #[test]
    fn what_is_crushed_and_what_is_blown_are_shares_of_what_may_be_seen() {
        let frame = grey(640, 360, |x, y| match (x < 160, y < 90) {
            (true, _) => 16,
            (false, true) => 250,
            (false, false) => 100,
        });
        let light = Light::of(&frame, &Hidden::default()).unwrap();
        assert!((light.black_share - 0.25).abs() < 0.01, "{light:?}");
        assert!((light.blown_share - 0.75 * 0.25).abs() < 0.01, "{light:?}");
        let masked = Polygon::new(&[[0.0, 0.0], [0.25, 0.0], [0.25, 1.0], [0.0, 1.0]]).unwrap();
        let light = Light::of(&frame, &Hidden::of(&[masked])).unwrap();
        assert!(light.black_share < 0.01, "{light:?}");
        let all = Polygon::new(&[[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]]).unwrap();
        assert_eq!(Light::of(&frame, &Hidden::of(&[all])), None);
    }

    #[test]
    fn a_lamp_in_a_black_picture_is_light() {
        let lamp = grey(640, 360, |x, y| if x < 64 && y < 36 { 200 } else { 16 });
        let light = Light::of(&lamp, &Hidden::default()).unwrap();
        assert!(light.brightest > 190.0 && light.black_share > 0.98);
        let cap = Light::of(
            &grey(640, 360, |x, _| 16 + u8::from(x % 2 == 0)),
            &Hidden::default(),
        );
        assert!(cap.unwrap().brightest < 20.0);
    }
}
