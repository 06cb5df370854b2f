//! What can go wrong with a frame.

use thiserror::Error;

use crate::core::frame::Frame;
use crate::core::nets::NetError;
use crate::core::number::index;

/// A frame could not be looked at. The frame is dropped; when it goes on, a person must act.
#[derive(Debug, Error)]
pub enum VisionError {
    /// The frame's planes do not have the size it claims.
    #[error("the frame of {width_px} x {height_px} px holds {bytes} bytes of luma")]
    Frame {
        /// As claimed.
        width_px: u32,
        /// As claimed.
        height_px: u32,
        /// As held.
        bytes: usize,
    },
    /// See [`NetError`].
    #[error("cannot run the detector")]
    Detector(#[source] NetError),
    /// See [`NetError`].
    #[error("cannot run the recogniser")]
    Recogniser(#[source] NetError),
}

/// Whether a frame's luma has the size that the frame claims.
///
/// # Errors
/// [`VisionError::Frame`].
pub(super) fn check(frame: &Frame) -> Result<(), VisionError> {
    let wanted = index(frame.width_px).checked_mul(index(frame.height_px));
    if wanted == Some(frame.luma.len()) && wanted != Some(0) {
        Ok(())
    } else {
        Err(frame_error(frame))
    }
}

pub(super) fn frame_error(frame: &Frame) -> VisionError {
    VisionError::Frame {
        width_px: frame.width_px,
        height_px: frame.height_px,
        bytes: frame.luma.len(),
    }
}
