//! Taking frames in, from cameras and from files: the only door to GStreamer, which depacketises and
//! decodes; RTSP itself is spoken by `rtsp`.
//!
//! [`camera::CameraCapture`] gives the newest frames of a camera and connects again after every
//! failure; [`file::open_file`] gives every frame of a video file in order.

pub mod camera;
mod chain;
pub mod clock_offset;
mod codec;
pub mod decoders;
pub mod elements;
pub mod error;
pub mod file;
pub mod logins;
mod picture;
mod rtsp;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub use rtsp::fuzzing as rtsp_fuzzing;
pub mod source;
pub mod stream;
