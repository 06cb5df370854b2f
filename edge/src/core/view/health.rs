//! Whether a camera's picture can be of a street at all: black, blank and frozen ones cannot.

use std::time::Duration;

use varco_proto::time::UtcTime;

use super::thumb::Thumb;

/// Nearly every block of a black picture is at most this bright; black itself is 16.
const BLACK_MAX: f32 = 26.0;
/// The blocks of a blank picture differ by less than this. Fog on a road leaves more.
const BLANK_SPREAD_MAX: f32 = 6.0;
/// A black or blank picture lasts for so long before it is reported: a lorry passes sooner.
const REPORTED_AFTER: Duration = Duration::from_secs(10);

/// What a picture looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PictureState {
    /// Nothing is wrong with it.
    #[default]
    Fine,
    /// As good as no light anywhere.
    Black,
    /// One even brightness.
    Blank,
    /// The same, byte for byte, for long.
    Frozen,
}

impl PictureState {
    /// A word for logs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Fine => "fine",
            Self::Black => "black",
            Self::Blank => "blank",
            Self::Frozen => "frozen",
        }
    }
}

/// Follows one camera's picture.
#[derive(Debug)]
pub struct PictureHealth {
    frozen_after: Duration,
    last: Thumb,
    changed: UtcTime,
    suspect: PictureState,
    since: UtcTime,
}

impl PictureHealth {
    /// Begins; `frozen_after` says how long a picture may stay the same. Even on an empty road
    /// noise, or at least a key frame, changes it within seconds.
    #[must_use]
    pub fn new(frozen_after: Duration) -> Self {
        Self {
            frozen_after,
            last: Thumb::default(),
            changed: UtcTime::default(),
            suspect: PictureState::Fine,
            since: UtcTime::default(),
        }
    }

    /// What the picture looks like as of this frame, taken at `at`.
    pub fn take(&mut self, thumb: &Thumb, at: UtcTime) -> PictureState {
        // A clock that was set back begins anew.
        if *thumb != self.last || at < self.changed {
            self.last = thumb.clone();
            self.changed = at;
        }
        let now = suspect(thumb);
        if now != self.suspect || at < self.since {
            self.suspect = now;
            self.since = at;
        }
        if self.suspect != PictureState::Fine && at.since(self.since) >= REPORTED_AFTER {
            self.suspect
        } else if at.since(self.changed) >= self.frozen_after {
            PictureState::Frozen
        } else {
            PictureState::Fine
        }
    }
}

fn suspect(thumb: &Thumb) -> PictureState {
    let (low, high) = (thumb.quantile(2), thumb.quantile(99));
    if high <= BLACK_MAX {
        PictureState::Black
    } else if high - low <= BLANK_SPREAD_MAX {
        PictureState::Blank
    } else {
        PictureState::Fine
    }
}

#[cfg(test)]
mod tests {
    use super::super::thumb::tests::thumb;
    use super::*;

    fn after(seconds: u64) -> UtcTime {
        UtcTime::from_unix_us(1_800_000_000_000_000) + Duration::from_secs(seconds)
    }

    /// The states over 100 s, one frame a second.
    fn watched(picture: impl Fn(u64) -> Thumb) -> Vec<PictureState> {
        let mut health = PictureHealth::new(Duration::from_secs(60));
        (0..100)
            .map(|s| health.take(&picture(s), after(s)))
            .collect()
    }

    fn road(x: usize, noise: u64) -> f32 {
        let noise = f32::from(u16::try_from(noise % 3).unwrap());
        if x < 40 { 90.0 } else { 130.0 + noise }
    }

    #[test]
    fn a_road_with_noise_is_fine_by_day_and_by_night() {
        for darker in [0.0, 85.0] {
            let states = watched(|s| thumb(|x, _| road(x, s) - darker));
            assert!(states.iter().all(|state| *state == PictureState::Fine));
        }
    }

    #[test]
    fn black_and_blank_are_told_once_they_last() {
        let black = watched(|s| thumb(|x, _| 16.0 + road(x, s) / 100.0));
        assert_eq!(
            (black[5], black[20]),
            (PictureState::Fine, PictureState::Black)
        );
        let blank = watched(|s| thumb(|x, _| 120.0 + road(x, s) / 100.0));
        assert_eq!(
            (blank[5], blank[20]),
            (PictureState::Fine, PictureState::Blank)
        );
        let lorry = watched(|s| thumb(|x, _| if s % 20 < 8 { 50.0 } else { road(x, s) }));
        assert!(lorry.iter().all(|state| *state == PictureState::Fine));
    }

    #[test]
    fn a_picture_that_never_changes_is_frozen_until_it_does() {
        let states = watched(|s| thumb(|x, _| road(x, u64::from(s > 90))));
        assert_eq!(states[59], PictureState::Fine);
        assert_eq!(
            (states[60], states[90]),
            (PictureState::Frozen, PictureState::Frozen)
        );
        assert_eq!(states[91], PictureState::Fine);
    }

    #[test]
    fn a_clock_that_was_set_back_does_not_hide_a_frozen_picture() {
        let mut health = PictureHealth::new(Duration::from_secs(60));
        let still = thumb(|x, _| road(x, 0));
        health.take(&still, after(500_000));
        assert_eq!(health.take(&still, after(0)), PictureState::Fine);
        assert_eq!(health.take(&still, after(61)), PictureState::Frozen);
    }
}
