//! What a camera has before it, apart from plates: what may be seen of it at all, whether the
//! picture is sound, whether anything moves, and which lanes there are.

pub mod gate;
pub mod health;
pub mod lanes;
pub mod mask;
pub mod repeat;
pub mod scene;
pub mod thumb;

use std::time::Duration;

use self::gate::{Following, MotionGate};
use self::health::{PictureHealth, PictureState};
use self::mask::{Masks, Polygon};
use self::repeat::Repeats;
use self::scene::{Scene, SceneFault};
use self::thumb::Thumb;
use super::frame::Frame;

/// How one camera's view is treated.
#[derive(Debug, Clone)]
pub struct ViewSettings {
    /// What nothing here ever sees.
    pub masks: Vec<Polygon>,
    /// A picture that stays the same for so long is frozen.
    pub frozen_after: Duration,
    /// With nothing moving, one frame is looked at this often; none: every frame is.
    pub whole_look_every: Option<Duration>,
}

/// One camera's view.
#[derive(Debug)]
pub struct View {
    masks: Masks,
    health: PictureHealth,
    gate: MotionGate,
    is_gated: bool,
    scene: Scene,
    repeats: Repeats,
    repeats_reported: bool,
}

/// What a frame shows at a glance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Glance {
    /// Whether the picture is sound.
    pub picture: PictureState,
    /// Whether plates are to be searched in it.
    pub is_looked_at: bool,
    /// What is wrong with the scene, reported once.
    pub fault: Option<SceneFault>,
    /// The feed has begun to repeat itself, reported once.
    pub repeats: bool,
}

impl View {
    /// Begins with nothing known.
    #[must_use]
    pub fn new(settings: ViewSettings) -> Self {
        Self {
            masks: Masks::new(settings.masks),
            health: PictureHealth::new(settings.frozen_after),
            is_gated: settings.whole_look_every.is_some(),
            gate: MotionGate::new(settings.whole_look_every.unwrap_or_default()),
            scene: Scene::default(),
            repeats: Repeats::default(),
            repeats_reported: false,
        }
    }

    /// The scene as it is known.
    #[must_use]
    pub fn scene(&self) -> &Scene {
        &self.scene
    }

    /// Goes on with a scene that is known from before.
    pub fn recall(&mut self, scene: Scene) {
        self.scene = scene;
    }

    /// Learns the scene anew.
    pub fn forget_scene(&mut self) {
        self.scene.forget();
    }

    /// Blacks out the masks, before anything else, and glances at what is left.
    pub fn take(&mut self, frame: &mut Frame, following: Following) -> Glance {
        self.masks.cover(frame);
        let at = frame.captured.at;
        let thumb = Thumb::of(frame);
        let picture = self.health.take(&thumb, at);
        let opens = self.gate.opens(&thumb, at, following);
        let repeats = self.gate.moves_now() && self.repeats.take(&thumb, at);
        Glance {
            picture,
            is_looked_at: opens || !self.is_gated,
            fault: self.scene.take(frame, &thumb),
            repeats: repeats && !std::mem::replace(&mut self.repeats_reported, repeats),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::crop::cut;
    use crate::core::frame::tests::grey;
    use crate::core::geometry::{Bounds, Quad};
    use crate::core::manifest::{Manifest, tests::TEXT};
    use crate::core::vision::tests::Spy;
    use crate::core::vision::{Search, Vision};

    fn view(masks: Vec<Polygon>) -> View {
        View::new(ViewSettings {
            masks,
            frozen_after: Duration::from_secs(60),
            whole_look_every: Some(Duration::from_secs(10)),
        })
    }

    /// A grey street with a bright window in its upper left quarter.
    fn street(window: u8) -> Frame {
        grey(
            768,
            432,
            move |x, y| if x < 300 && y < 150 { window } else { 90 },
        )
    }

    fn over_the_window() -> Polygon {
        Polygon::new(&[[0.0, 0.0], [0.4, 0.0], [0.4, 0.36], [0.0, 0.36]]).unwrap()
    }

    #[test]
    fn c37_c41_neither_detector_nor_crop_sees_what_is_masked() {
        for (masks, seen) in [(vec![over_the_window()], 90), (Vec::new(), 250)] {
            let mut frame = street(250);
            view(masks).take(&mut frame, Following::Nothing);
            let spy = Spy::default();
            let manifest = Manifest::parse(TEXT).unwrap();
            let mut vision = Vision::new(Box::new(spy.clone()), manifest);
            vision.detect(&frame, Search::Frame).unwrap();
            // The padding at the bottom is brighter than the street.
            let shown = spy.0.lock().unwrap();
            for ((_, picture), pixels) in shown.iter().zip([768 * 432, 192 * 108]) {
                assert_eq!(picture[..pixels].iter().max(), Some(&seen));
            }
            assert_eq!(shown.len(), 2, "the frame and its shrunk copy");
            let plate = Quad::from_bounds(Bounds {
                left: 40.0,
                top: 40.0,
                right: 140.0,
                bottom: 62.0,
            });
            let brightest = cut(&frame, &plate).rgb.into_iter().max().unwrap();
            assert_eq!(brightest > 30, seen == 250, "{brightest}");
        }
    }

    #[test]
    fn c37_what_moves_behind_a_mask_opens_no_gate() {
        for (masks, wanted) in [(vec![over_the_window()], 1), (Vec::new(), 40)] {
            let mut view = view(masks);
            let mut looks = 0;
            for k in 0..40_u8 {
                let mut frame = street(if k % 2 == 0 { 50 } else { 250 });
                frame.captured.at = frame.captured.at + Duration::from_millis(80) * u32::from(k);
                looks += u8::from(view.take(&mut frame, Following::Nothing).is_looked_at);
            }
            // The first frame is looked at whatever it shows, and held for a moment.
            assert!(looks.abs_diff(wanted) <= 20, "{looks} for {wanted}");
        }
    }
}
