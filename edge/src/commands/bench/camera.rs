//! What one camera costs, as the daemon treats it: every frame decoded, few of them looked at.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use serde::Serialize;

use super::work::Work;
use crate::adapters::clock::SystemClock;
use crate::adapters::machine;
use crate::core::pipeline::Pipeline;
use crate::core::track::TrackSettings;
use crate::core::view::{View, ViewSettings};
use crate::core::vision::Vision;

/// What a camera of 1920 x 1080 and 25 frames a second may take of a core, with traffic ...
const TRAFFIC_LIMIT_CORES: f64 = 0.4;
/// ... and while the road lies empty.
const EMPTY_LIMIT_CORES: f64 = 0.12;
/// What the whole program may hold.
const MEMORY_LIMIT_MIB: f64 = 250.0;
/// As the daemon's configuration has them when it says nothing.
const FRAMES_PER_SECOND_MAX: f64 = 12.0;
const FROZEN_AFTER: Duration = Duration::from_secs(60);
const WHOLE_LOOK_EVERY: Duration = Duration::from_secs(10);

/// One camera over a clip.
#[derive(Debug, Clone, Default, Serialize)]
pub(super) struct CameraFigures {
    /// Processor time of the whole program over the clip's own time.
    cores: f64,
    /// Against the limit for traffic, or for an empty road when no vehicle passed.
    cores_of_limit: f64,
    /// The program's memory right afterwards.
    memory_mib: Option<f64>,
    memory_of_limit: Option<f64>,
    /// Length of the clip.
    seconds: f64,
    /// Decoded.
    frames: u32,
    /// Searched for plates.
    frames_looked_at: u32,
    /// Passed over by the bound on the frame rate, or because nothing moved.
    frames_passed_over: u32,
    /// Vehicles that passed.
    passes: usize,
    /// Signs of tampering that were seen: in ordinary traffic each is a false alarm.
    alarms: u32,
}

/// Plays the clip once with one pipeline.
///
/// # Errors
/// A clip that cannot be read, or a system that does not give the processor time.
pub(super) fn measure(work: &Work, vision: Vision) -> anyhow::Result<CameraFigures> {
    let mut pipeline = Pipeline::new(vision, TrackSettings::default());
    let mut view = View::new(ViewSettings {
        masks: Vec::new(),
        frozen_after: FROZEN_AFTER,
        whole_look_every: Some(WHOLE_LOOK_EVERY),
    });
    let clock = SystemClock::shared();
    let interval = Duration::from_secs_f64(1.0 / FRAMES_PER_SECOND_MAX);
    let mut figures = CameraFigures::default();
    let (mut first, mut last, mut due) = (None, None, None);
    let untold = "the system does not tell this program's processor time";
    let before = machine::cpu_time().context(untold)?;
    work.each(&Arc::clone(&clock), |_, frame| {
        let at = frame.captured.at;
        figures.frames += 1;
        first.get_or_insert(at);
        last = Some(at);
        if due.is_some_and(|due| at < due) {
            figures.frames_passed_over += 1;
            return Ok(true);
        }
        due = Some(due.map_or(at, |due| due + interval).max(at));
        let mut frame = frame.clone();
        let glance = view.take(&mut frame, pipeline.following());
        figures.alarms += u32::from(glance.fault.is_some()) + u32::from(glance.repeats);
        figures.passes += if glance.is_looked_at {
            figures.frames_looked_at += 1;
            pipeline.take(&frame)?.len()
        } else {
            figures.frames_passed_over += 1;
            pipeline.tick(at).len()
        };
        Ok(true)
    })?;
    figures.passes += pipeline.finish().len();
    let spent = machine::cpu_time().context(untold)?.saturating_sub(before);
    let (Some(first), Some(last)) = (first, last) else {
        bail!("the clip has no frames");
    };
    figures.seconds = last.since(first).as_secs_f64();
    if figures.seconds < 1.0 {
        bail!("the clip is shorter than a second: too short to tell what a camera costs");
    }
    figures.cores = spent.as_secs_f64() / figures.seconds;
    figures.cores_of_limit = figures.cores / figures.limit();
    figures.memory_mib = machine::memory_bytes().map(|bytes| mib(bytes >> 10));
    figures.memory_of_limit = figures.memory_mib.map(|held| held / MEMORY_LIMIT_MIB);
    Ok(figures)
}

fn mib(kib: u64) -> f64 {
    u32::try_from(kib).map_or(f64::INFINITY, f64::from) / 1024.0
}

impl CameraFigures {
    fn limit(&self) -> f64 {
        if self.passes == 0 {
            EMPTY_LIMIT_CORES
        } else {
            TRAFFIC_LIMIT_CORES
        }
    }

    pub(super) fn shown(&self) -> String {
        format!(
            "as one camera: {:.2} of a core, {:.2} of the {} that it may take {}; {} passes, {} \
             alarms; {} of {} frames looked at in {:.0} s; {} MiB of {MEMORY_LIMIT_MIB:.0}",
            self.cores,
            self.cores_of_limit,
            self.limit(),
            if self.passes == 0 {
                "on an empty road"
            } else {
                "in traffic"
            },
            self.passes,
            self.alarms,
            self.frames_looked_at,
            self.frames,
            self.seconds,
            self.memory_mib
                .map_or("unknown".to_owned(), |held| format!("{held:.0}")),
        )
    }
}
