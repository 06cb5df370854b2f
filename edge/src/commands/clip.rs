//! A whole clip, read as a camera's stream is.

use std::path::Path;

use crate::adapters::capture::file::open_file;
use crate::adapters::clock::SystemClock;
use crate::core::pass::Pass;
use crate::core::pipeline::Pipeline;
use crate::core::track::TrackSettings;
use crate::core::vision::Vision;

/// The passes of a clip in the order in which they ended, and the vision back.
///
/// # Errors
/// A clip that cannot be read, models that cannot run.
pub(super) fn passes(vision: Vision, path: &Path) -> anyhow::Result<(Vision, Vec<Pass>)> {
    let mut pipeline = Pipeline::new(vision, TrackSettings::default());
    let mut passes = Vec::new();
    for frame in open_file(path, SystemClock::shared())? {
        passes.extend(pipeline.take(&frame?.frame)?);
    }
    passes.extend(pipeline.finish());
    Ok((pipeline.into_vision(), passes))
}
