//! The frames that a bench goes through.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use varco_proto::time::UtcTime;

use crate::adapters::capture::file::open_file;
use crate::adapters::clock::SharedClock;
use crate::core::frame::Frame;
use crate::core::picture;

/// Pictures of an index follow each other so far apart that none is the pass of another.
const PICTURE_SPAN: Duration = Duration::from_secs(60);
/// Frames left out at the beginning of each thread: buffers grow and caches fill.
pub(super) const WARM_UP_FRAMES: usize = 3;
/// The frames to go through.
pub(super) enum Work {
    Video(PathBuf),
    Pictures(Vec<PathBuf>),
}

impl Work {
    /// Gives each frame with the time its decoding took, until `act` says that it is enough.
    pub(super) fn each(
        &self,
        clock: &SharedClock,
        mut act: impl FnMut(Duration, &Frame) -> anyhow::Result<bool>,
    ) -> anyhow::Result<()> {
        match self {
            Self::Video(path) => {
                for next in open_file(path, Arc::clone(clock))? {
                    let next = next?;
                    if !act(next.decode, &next.frame)? {
                        break;
                    }
                }
            }
            Self::Pictures(paths) => {
                let mut at = UtcTime::default();
                for path in paths {
                    at = at + PICTURE_SPAN;
                    let named = || format!("cannot measure `{}`", path.display());
                    let bytes = std::fs::read(path).with_context(named)?;
                    let begun = clock.monotonic();
                    let frame = picture::open(&bytes, at).with_context(named)?;
                    let decode = clock.monotonic().saturating_sub(begun);
                    if !act(decode, &frame).with_context(named)? {
                        break;
                    }
                }
            }
        }
        Ok(())
    }
}
