//! Taking frames in, from cameras and from files: the only door to GStreamer, which depacketises and
//! decodes; RTSP itself is spoken by [`rtsp`].
//!
//! [`CameraCapture`] gives the newest frames of a camera and connects again after every failure;
//! [`open_file`] gives every frame of a video file in order.

mod camera;
mod chain;
mod decoders;
mod error;
mod file;
mod logins;
mod picture;
mod rtsp;
mod stream;

use std::sync::OnceLock;

use gstreamer as gst;
use gstreamer::prelude::*;

pub use camera::{CameraCapture, CameraEvent};
pub use decoders::{Offer, offers};
pub use error::CaptureError;
pub use file::{FileFrame, FileFrames, open_file};
pub use logins::{CameraLogins, Trying};
pub use stream::{CameraClock, CameraSource, ClockFrom, Password, StreamFormat};

/// Starts GStreamer once for the whole process.
///
/// # Errors
/// [`CaptureError::Library`] when it cannot start.
pub fn start() -> Result<(), CaptureError> {
    static STARTED: OnceLock<Result<(), String>> = OnceLock::new();
    STARTED
        .get_or_init(|| gst::init().map_err(|error| error.to_string()))
        .clone()
        .map_err(CaptureError::Library)
}

/// Makes an element, or says which package has it.
fn element(factory: &'static str) -> Result<gst::Element, CaptureError> {
    gst::ElementFactory::make(factory)
        .build()
        .map_err(|_| CaptureError::ElementMissing {
            element: factory,
            package: error::package_of(factory),
        })
}

/// Holds a decoder of libav to one thread: two cost more in all and delay each frame.
fn limit_threads(decoder: &gst::Element) {
    if decoder.has_property_with_type("max-threads", i32::static_type()) {
        decoder.set_property("max-threads", 1_i32);
    }
}
