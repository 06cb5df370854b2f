//! From frames to passes: detect, read, follow, vote.

use varco_proto::ids::Digest;
use varco_proto::time::UtcTime;

use super::frame::Frame;
use super::pass::Pass;
use super::stages::{Stage, StageHook};
use super::track::TrackSettings;
use super::tracks::Tracks;
use super::view::gate::Following;
use super::vision::{Search, Vision, VisionError};

/// One camera's way from frames to passes. Not shared: each camera has its own.
#[derive(Debug)]
pub struct Pipeline {
    vision: Vision,
    tracks: Tracks,
    hook: Option<Box<dyn StageHook>>,
}

impl Pipeline {
    /// Begins with nothing in sight.
    #[must_use]
    pub fn new(vision: Vision, settings: TrackSettings) -> Self {
        Self {
            tracks: Tracks::new(settings, vision.manifest()),
            vision,
            hook: None,
        }
    }

    /// Tells `hook` the end of each step from now on.
    pub fn watch(&mut self, hook: Box<dyn StageHook>) {
        self.hook = Some(hook);
    }

    /// Which models read, for a transit's `model_digest`.
    #[must_use]
    pub fn model_digest(&self) -> Digest {
        self.vision.model_digest()
    }

    /// Looks at a frame and gives the passes that ended with it. Frames come in the order of
    /// their capture times.
    ///
    /// # Errors
    /// [`VisionError`]: the frame is lost, what is followed stays.
    pub fn take(&mut self, frame: &Frame) -> Result<Vec<Pass>, VisionError> {
        if let Some(hook) = &mut self.hook {
            hook.begin();
        }
        let found = self.vision.detect(frame, Search::Frame)?;
        self.told(Stage::Detect);
        let seen = self.vision.read(frame, &found, Search::Frame)?;
        let looks = self.vision.look_again(frame, Search::Frame, seen)?;
        self.told(Stage::Read);
        let passes = self.tracks.take(frame, looks);
        self.told(Stage::Track);
        Ok(passes)
    }

    /// What is being followed.
    #[must_use]
    pub fn following(&self) -> Following {
        self.tracks.following()
    }

    /// Ends what has not been seen lately, when no frames come; `now` is on the frames' clock.
    pub fn tick(&mut self, now: UtcTime) -> Vec<Pass> {
        self.tracks.tick(now)
    }

    /// Ends everything in sight: the stream is over.
    pub fn finish(&mut self) -> Vec<Pass> {
        self.tracks.finish()
    }

    /// Gives the nets back, for another clip; what is in sight is forgotten.
    #[must_use]
    pub fn into_vision(self) -> Vision {
        self.vision
    }

    fn told(&mut self, stage: Stage) {
        if let Some(hook) = &mut self.hook {
            hook.end(stage);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};
    use std::time::Duration;

    use super::*;
    use crate::core::frame::tests::grey;
    use crate::core::manifest::{Manifest, tests::TEXT};
    use crate::core::vision::tests::FakeNets;

    #[derive(Debug, Clone, Default)]
    struct Heard(Arc<Mutex<Vec<Option<Stage>>>>);

    impl StageHook for Heard {
        fn begin(&mut self) {
            self.0.lock().unwrap().push(None);
        }
        fn end(&mut self, stage: Stage) {
            self.0.lock().unwrap().push(Some(stage));
        }
    }

    fn pipeline(value: f32) -> Pipeline {
        let nets = FakeNets { value, short_by: 0 };
        let vision = Vision::new(Box::new(nets), Manifest::parse(TEXT).unwrap());
        Pipeline::new(vision, TrackSettings::default())
    }

    #[test]
    fn the_steps_are_told_in_order() {
        let mut pipeline = pipeline(0.1);
        let heard = Heard::default();
        pipeline.watch(Box::new(heard.clone()));
        pipeline.take(&grey(64, 48, |_, _| 9)).unwrap();
        let wanted = [
            None,
            Some(Stage::Detect),
            Some(Stage::Read),
            Some(Stage::Track),
        ];
        assert_eq!(*heard.0.lock().unwrap(), wanted);
    }

    #[test]
    fn many_frames_of_hostile_outputs_tell_no_pass() {
        for value in [f32::NAN, f32::INFINITY, 0.5, 1.0, 1e30] {
            let mut pipeline = pipeline(value);
            let mut frame = grey(320, 200, |x, _| u8::try_from(x % 256).unwrap());
            for _ in 0..50 {
                frame.captured.at = frame.captured.at + Duration::from_millis(40);
                assert!(pipeline.take(&frame).unwrap().is_empty());
            }
            assert!(pipeline.finish().is_empty(), "{value}");
        }
    }
}
