//! Keeps what one camera's scene looks like, so that a camera turned while the box is off is seen.

use std::time::Duration;

use varco_proto::ids::CameraId;

use crate::adapters::scene_file::SceneFile;
use crate::adapters::spool::shared::SharedSpool;
use crate::adapters::vault::Cipher;
use crate::config::{Camera, Config};
use crate::core::view::View;
use crate::core::view::scene::Scene;
use crate::logging::chain;

/// How often a scene is kept at most, once it is learnt: the disk is a flash that wears out.
const KEEP_EVERY: Duration = Duration::from_secs(3600);
/// How often a release is looked for while something is wrong.
const RELEASE_EVERY: Duration = Duration::from_secs(5);

/// One camera's.
#[derive(Debug)]
pub(super) struct SceneMemory {
    camera: CameraId,
    file: SceneFile,
    /// References in what was last kept, or tried to, and when.
    kept: (usize, Option<Duration>),
    asked: Option<Duration>,
    is_suspended: bool,
}

impl SceneMemory {
    pub(super) fn new(config: &Config, camera: &Camera, cipher: Cipher) -> Self {
        let masks = format!("{:?}", camera.masks);
        let (folder, edge) = (&config.state_folder, &config.edge);
        Self::of(
            SceneFile::new(folder, cipher, edge, &camera.id, &masks),
            &camera.id,
        )
    }

    fn of(file: SceneFile, camera: &CameraId) -> Self {
        Self {
            camera: camera.clone(),
            file,
            kept: (0, None),
            asked: None,
            is_suspended: false,
        }
    }

    /// The scene of the last run; none when it is to be learnt.
    pub(super) fn recall(&mut self) -> Option<Scene> {
        let camera = &self.camera;
        let found = match self.file.read() {
            Ok(None) => {
                tracing::info!(camera.id = %camera, "no scene is known yet: it is learnt");
                return None;
            }
            Ok(Some(bytes)) => Scene::from_kept(&bytes),
            Err(error) => {
                let error = chain(&error);
                tracing::warn!(camera.id = %camera, %error, "the scene is learnt anew");
                return None;
            }
        };
        match &found {
            Some(scene) => {
                self.kept.0 = scene.learnt();
                tracing::info!(camera.id = %camera, "the scene of the last run is known");
            }
            None => tracing::warn!(
                camera.id = %camera,
                "what was kept of the scene cannot be understood: it is learnt anew"
            ),
        }
        found
    }

    /// Looks whether the scene is to be kept, or to be learnt anew because what was wrong with it
    /// was released.
    pub(super) fn follow(&mut self, view: &mut View, spool: &SharedSpool, now: Duration) {
        if view.scene().is_reported() {
            if self.is_released(spool, now) {
                view.forget_scene();
                self.forget();
            }
            return;
        }
        self.is_suspended = false;
        self.keep(view.scene(), now);
    }

    fn keep(&mut self, scene: &Scene, now: Duration) {
        let (before, at) = self.kept;
        // What is known from the last run is young enough at first.
        let at = at.unwrap_or(now);
        self.kept.1 = Some(at);
        let learnt = scene.learnt();
        let is_due = now.saturating_sub(at) >= KEEP_EVERY;
        if learnt == 0 || (learnt <= before && !is_due) {
            return;
        }
        let Some(bytes) = scene.kept() else {
            return;
        };
        self.kept = (learnt, Some(now));
        if let Err(error) = self.file.write(&bytes) {
            let error = chain(&error);
            tracing::warn!(camera.id = %self.camera, %error, "the scene is kept an hour later");
        }
    }

    /// A person who answers for the edge has let it go on: the scene is as it should be now.
    fn is_released(&mut self, spool: &SharedSpool, now: Duration) -> bool {
        if self
            .asked
            .is_some_and(|asked| now.saturating_sub(asked) < RELEASE_EVERY)
        {
            return false;
        }
        self.asked = Some(now);
        let Ok(depth) = spool.depth() else {
            return false;
        };
        let was = std::mem::replace(&mut self.is_suspended, depth.suspended_by > 0);
        was && !self.is_suspended
    }

    fn forget(&mut self) {
        self.kept = (0, None);
        tracing::info!(camera.id = %self.camera, "released: the scene is learnt anew");
        if let Err(error) = self.file.remove() {
            let error = chain(&error);
            tracing::warn!(camera.id = %self.camera, %error, "the next start may tell it again");
        }
    }
}

#[cfg(test)]
mod tests {
    use varco_proto::time::UtcTime;

    use super::*;
    use crate::adapters::vault::{BoxKey, Purpose};
    use crate::core::frame::tests::grey;
    use crate::core::view::thumb::Thumb;

    fn scene(seconds: u32) -> Scene {
        let mut scene = Scene::default();
        for second in 0..seconds {
            let patch = |x: u32, y: u32| 60 + (x / 31 * 7 + y / 23 * 13) % 130;
            let mut frame = grey(192, 108, |x, y| u8::try_from(patch(x, y)).unwrap());
            frame.captured.at = UtcTime::from_unix_us(0) + Duration::from_secs(1) * second;
            let thumb = Thumb::of(&frame);
            scene.take(&frame, &thumb);
        }
        scene
    }

    #[test]
    fn c31_part_a_scene_is_kept_when_it_is_learnt_and_then_hourly_and_is_known_to_the_next_run() {
        let folder = tempfile::tempdir().unwrap();
        let cipher = BoxKey::from_bytes([7; 32]).cipher(Purpose::Scene);
        let (edge, camera) = ("nord".parse().unwrap(), "gate-1".parse().unwrap());
        let file = SceneFile::new(folder.path(), cipher, &edge, &camera, "[]");
        let path = folder.path().join("scene-gate-1.sealed");
        let mut memory = SceneMemory::of(file.clone(), &camera);
        assert!(memory.recall().is_none());
        let at = Duration::from_secs;
        memory.keep(&scene(60), at(60));
        assert!(!path.exists(), "half learnt");
        let learnt = scene(130);
        memory.keep(&learnt, at(130));
        std::fs::remove_file(&path).unwrap();
        memory.keep(&learnt, at(131));
        memory.keep(&learnt, at(3600));
        assert!(!path.exists(), "not within the hour");
        memory.keep(&learnt, at(3731));
        assert!(path.exists());

        let mut next = SceneMemory::of(file, &camera);
        assert_eq!(next.recall().unwrap().learnt(), 1);
        std::fs::remove_file(&path).unwrap();
        next.keep(&learnt, at(10));
        assert!(!path.exists(), "what is known is not kept at once again");
        next.keep(&learnt, at(3700));
        assert!(path.exists());
        std::fs::write(&path, b"torn").unwrap();
        assert!(next.recall().is_none(), "it is learnt anew");
    }
}
