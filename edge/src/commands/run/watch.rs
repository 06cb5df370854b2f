//! One camera's thread: frames in, sealed transits out.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use varco_proto::ids::{CameraId, GateId, TransitId};
use varco_proto::record::RecordBody;
use varco_proto::tamper::TamperKind;
use varco_proto::time::UtcTime;

use super::alarm::Alarm;
use super::scene_memory::SceneMemory;
use crate::adapters::capture::camera::{CameraCapture, CameraEvent};
use crate::adapters::capture::error::CaptureError;
use crate::adapters::capture::stream::StreamFormat;
use crate::adapters::clock::SharedClock;
use crate::adapters::random;
use crate::adapters::spool::shared::{Keeping, SharedSpool};
use crate::config::Camera;
use crate::core::frame::Frame;
use crate::core::pass::Pass;
use crate::core::pipeline::Pipeline;
use crate::core::view::health::PictureState;
use crate::core::view::lanes::{LaneZone, place};
use crate::core::view::scene::SceneFault;
use crate::core::view::{Glance, View, ViewSettings};
use crate::logging::chain;
use crate::progress::Beat;
use crate::status::{CameraCounters, ClockHealth};

/// Longest wait for a frame before passes are looked at for their end.
const WAIT: Duration = Duration::from_millis(200);

/// What one camera's thread owns.
pub(super) struct Watch {
    camera: CameraId,
    gate: GateId,
    zones: Vec<LaneZone>,
    view: View,
    capture: CameraCapture,
    pipeline: Pipeline,
    spool: SharedSpool,
    counters: Arc<CameraCounters>,
    clock: SharedClock,
    health: Arc<ClockHealth>,
    alarm: Alarm,
    scene: SceneMemory,
    beat: Beat,
    /// Width and height of the frames.
    sides: Option<(u32, u32)>,
    /// Capture time of the last frame, and when it was taken here.
    last: Option<(UtcTime, Duration)>,
    spool_logged: bool,
    vision_logged: bool,
}

/// What it shares with the rest of the daemon.
pub(super) struct Shared {
    pub(super) spool: SharedSpool,
    pub(super) counters: Arc<CameraCounters>,
    pub(super) clock: SharedClock,
    pub(super) health: Arc<ClockHealth>,
    pub(super) alarm: Alarm,
    pub(super) scene: SceneMemory,
    pub(super) beat: Beat,
}

impl Watch {
    pub(super) fn new(
        camera: &Camera,
        capture: CameraCapture,
        pipeline: Pipeline,
        shared: Shared,
    ) -> Self {
        Self {
            camera: camera.id.clone(),
            gate: camera.gate.clone(),
            zones: camera.zones.clone(),
            view: View::new(ViewSettings {
                masks: camera.masks.clone(),
                frozen_after: camera.frozen_after,
                whole_look_every: camera.motion_gate.then_some(camera.whole_look_every),
            }),
            capture,
            pipeline,
            spool: shared.spool,
            counters: shared.counters,
            clock: shared.clock,
            health: shared.health,
            alarm: shared.alarm,
            scene: shared.scene,
            beat: shared.beat,
            sides: None,
            last: None,
            spool_logged: false,
            vision_logged: false,
        }
    }

    pub(super) fn camera(&self) -> &CameraId {
        &self.camera
    }

    /// Until `stop`, then ends the passes in sight.
    pub(super) fn run(mut self, stop: &AtomicBool) {
        // What passes before the time is known would have no moment.
        while !stop.load(Ordering::Relaxed) && !self.health.is_good.load(Ordering::Relaxed) {
            self.beat.on(self.clock.monotonic());
            std::thread::sleep(WAIT);
        }
        if let Some(scene) = self.scene.recall() {
            self.view.recall(scene);
        }
        while !stop.load(Ordering::Relaxed) {
            self.beat.on(self.clock.monotonic());
            match self.capture.next(WAIT) {
                CameraEvent::Frame(frame) => self.take(frame),
                CameraEvent::Quiet => self.tick(),
                CameraEvent::Connected(format) => self.connected(format),
                CameraEvent::Failed {
                    error,
                    new,
                    again_in,
                } => {
                    self.failed(&error, new, again_in);
                    self.tick();
                }
            }
            let skipped = self.capture.frames_skipped();
            self.counters
                .frames_skipped
                .store(skipped, Ordering::Relaxed);
        }
        let passes = self.pipeline.finish();
        self.keep(passes);
    }

    /// What was followed in pictures of another size cannot be followed on.
    fn connected(&mut self, format: StreamFormat) {
        if !self.counters.connected.swap(true, Ordering::Relaxed) {
            self.counters.connections.fetch_add(1, Ordering::Relaxed);
        }
        let refused = &self.counters.login_refused;
        refused.store(false, Ordering::Relaxed);
        tracing::info!(
            camera.id = %self.camera,
            codec = format.codec,
            decoder = format.decoder,
            width_px = format.width_px,
            height_px = format.height_px,
            "the camera sends frames"
        );
        let sides = (format.width_px, format.height_px);
        let known = self.view.scene().sides();
        if known.is_some_and(|known| known != sides) {
            tracing::warn!(
                camera.id = %self.camera,
                "its pictures have another size than the scene that is known: it is learnt anew"
            );
        }
        if self
            .sides
            .replace(sides)
            .is_some_and(|before| before != sides)
        {
            let passes = self.pipeline.finish();
            self.keep(passes);
        }
        self.counters.sends(format);
    }

    fn note_picture(&self, picture: PictureState) {
        let Some(before) = self.counters.looks(picture) else {
            return;
        };
        let (camera, before) = (&self.camera, before.as_str());
        match picture {
            PictureState::Fine => {
                tracing::info!(camera.id = %camera, before, "the picture is sound again");
            }
            other => tracing::warn!(
                camera.id = %camera, before, picture = other.as_str(),
                "the picture cannot be of a street: look at the camera, its lens and its light"
            ),
        }
    }

    fn guard(&self, glance: &Glance) {
        if let Some(fault) = glance.fault {
            let (kind, detail) = match fault {
                SceneFault::Covered => (TamperKind::Covered, "the scene is hidden"),
                SceneFault::Defocused => (TamperKind::Defocused, "the scene has lost its detail"),
                SceneFault::Turned => (TamperKind::Turned, "another scene is there"),
            };
            self.alarm.raise(kind, Some(&self.camera), detail);
        }
        if glance.repeats {
            let detail = "the same pictures come again";
            self.alarm
                .raise(TamperKind::Looped, Some(&self.camera), detail);
        }
    }

    fn take(&mut self, mut frame: Frame) {
        let at = frame.captured.at;
        let glance = self.view.take(&mut frame, self.pipeline.following());
        self.note_picture(glance.picture);
        self.guard(&glance);
        let now = self.clock.monotonic();
        self.scene.follow(&mut self.view, &self.spool, now);
        self.last = Some((at, now));
        let counters = &self.counters;
        counters
            .last_frame_unix_us
            .store(at.unix_us(), Ordering::Relaxed);
        if !glance.is_looked_at {
            counters.frames_gated.fetch_add(1, Ordering::Relaxed);
            let passes = self.pipeline.tick(at);
            self.keep(passes);
            return;
        }
        counters.frames_processed.fetch_add(1, Ordering::Relaxed);
        match self.pipeline.take(&frame) {
            Ok(passes) => {
                self.vision_logged = false;
                self.keep(passes);
            }
            Err(error) if !self.vision_logged => {
                self.vision_logged = true;
                tracing::error!(
                    camera.id = %self.camera,
                    error = %chain(&error),
                    "a frame cannot be read; told once until one can"
                );
            }
            Err(_) => {}
        }
    }

    /// Passes end even when no frames come. The time goes on from the last frame's own, because
    /// a camera's clock may differ from this box's.
    fn tick(&mut self) {
        if let Some((at, taken)) = self.last {
            let now = at + self.clock.monotonic().saturating_sub(taken);
            let passes = self.pipeline.tick(now);
            self.keep(passes);
        }
    }

    fn failed(&mut self, error: &CaptureError, new: bool, again_in: Duration) {
        let counters = &self.counters;
        counters.connected.store(false, Ordering::Relaxed);
        let refused = error.is_login();
        counters.login_refused.store(refused, Ordering::Relaxed);
        let again_in_ms = u64::try_from(again_in.as_millis()).unwrap_or(u64::MAX);
        if new && refused {
            // It does not mend itself: a person must act.
            tracing::error!(camera.id = %self.camera, again_in_ms, "no frames: {error}");
        } else if new {
            tracing::warn!(camera.id = %self.camera, again_in_ms, "no frames: {error}");
        } else {
            tracing::debug!(camera.id = %self.camera, again_in_ms, "still no frames: {error}");
        }
    }

    fn keep(&mut self, passes: Vec<Pass>) {
        for pass in passes {
            let Ok(random) = random::bytes::<10>() else {
                // The id must be hard to guess; without randomness nothing may leave.
                tracing::error!(camera.id = %self.camera, "no random bytes: a transit is lost");
                continue;
            };
            let id = TransitId::from_parts(pass.captured.at.unix_ms(), random);
            let placed = place(&self.zones, &pass.path, pass.direction);
            let transit = pass.into_transit(
                self.camera.clone(),
                self.gate.clone(),
                placed,
                id,
                self.pipeline.model_digest(),
            );
            self.counters.passes(self.clock.monotonic());
            tracing::info!(
                camera.id = %self.camera,
                transit.id = %id,
                agreeing_reads = transit.plate.agreeing_reads,
                reads = transit.plate.reads,
                confidence = transit.plate.confidence.get(),
                "a vehicle has passed"
            );
            self.keep_one(id, RecordBody::Transit(transit));
        }
    }

    fn keep_one(&mut self, id: TransitId, body: RecordBody) {
        match self.spool.keep(body) {
            Keeping::Sealed(sequence) => {
                self.spool_logged = false;
                tracing::debug!(transit.id = %id, record.sequence = sequence, "sealed");
            }
            Keeping::Held(error) if self.spool_logged => {
                tracing::debug!(transit.id = %id, error = %chain(&error), "held in memory");
            }
            Keeping::Held(error) => {
                self.spool_logged = true;
                tracing::error!(
                    transit.id = %id,
                    error = %chain(&error),
                    "transits are held in memory until they can be sealed"
                );
            }
            Keeping::Lost(error) => tracing::error!(
                transit.id = %id,
                error = %chain(&error),
                "a transit is LOST: neither the spool nor the memory has room"
            ),
        }
    }
}
