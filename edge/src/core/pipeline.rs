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

/// From which share of the width that only a search for the widest plates finds a followed plate
/// makes that search needed: in the next frame it may be as wide.
const WIDE_SHARE: f32 = 0.6;

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

    /// Calls `hook` at the end of each step from now on.
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
        let at = frame.captured.at;
        let thorough = self.tracks.thorough(at);
        let wide_px = WIDE_SHARE * self.vision.wide_px(frame);
        let search = if thorough || self.tracks.follows_wide(wide_px) {
            Search::Frame
        } else {
            Search::Narrow
        };
        let found = self.vision.detect(frame, search)?;
        self.step_ended(Stage::Detect);
        let worth = self.tracks.worth_reading(at, &found, thorough);
        let seen = self.vision.read_followed(frame, worth)?;
        let looks = self.vision.look_again(frame, search, seen)?;
        self.step_ended(Stage::Read);
        let passes = self.tracks.take(frame, looks);
        self.step_ended(Stage::Track);
        Ok(passes)
    }

    /// What is being followed.
    #[must_use]
    pub fn following(&self) -> Following {
        self.tracks.following()
    }

    /// How many plates were seen in the frame of this moment.
    #[must_use]
    pub fn seen_at(&self, at: UtcTime) -> usize {
        self.tracks.seen_at(at)
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

    fn step_ended(&mut self, stage: Stage) {
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
    use crate::core::vision::tests::{FakeNets, Spy};

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

    #[test]
    fn plates_that_fill_the_picture_are_searched_in_thorough_frames() {
        let spy = Spy::default();
        let vision = Vision::new(Box::new(spy.clone()), Manifest::parse(TEXT).unwrap());
        let mut pipeline = Pipeline::new(vision, TrackSettings::default());
        let mut frame = grey(1280, 720, |_, _| 9);
        let mut searched = || {
            pipeline.take(&frame).unwrap();
            frame.captured.at = frame.captured.at + Duration::from_millis(100);
            let inputs = std::mem::take(&mut *spy.0.lock().unwrap());
            let widths: Vec<usize> = inputs.into_iter().map(|(width, _)| width).collect();
            widths
        };
        let first = searched();
        let (whole, again) = (first[0], first[2]);
        assert_eq!(first, [768, 192, again]);
        assert_eq!(searched(), [whole, again]);
        assert_eq!(searched(), first);
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
