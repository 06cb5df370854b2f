//! What a simulated camera has before it.

use serde::{Deserialize, Serialize};

use super::picture::Picture;

/// One plate that was shown.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Shown {
    /// Text in normal form.
    pub text: String,
    /// First and last frame in which it can be seen, counted from 0.
    pub first_frame: u64,
    /// See `first_frame`.
    pub last_frame: u64,
}

/// A scene that yields frame after frame.
pub trait Show: Send {
    /// Width and height of every frame, in pixels, both even.
    fn size_px(&self) -> (u32, u32);

    /// Frames a second.
    fn frames_per_second(&self) -> u32;

    /// The next frame, or none once the show is over.
    ///
    /// # Errors
    /// When a source cannot be read; the camera then stops and says so.
    fn next(&mut self) -> anyhow::Result<Option<Picture>>;

    /// Every plate of the whole show.
    fn shown(&self) -> Vec<Shown>;
}
