//! GStreamer started, and its elements made.

use std::sync::OnceLock;

use gstreamer as gst;
use gstreamer::prelude::*;

use super::error::{CaptureError, package_of};

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
pub(super) fn element(factory: &'static str) -> Result<gst::Element, CaptureError> {
    gst::ElementFactory::make(factory)
        .build()
        .map_err(|_| CaptureError::ElementMissing {
            element: factory,
            package: package_of(factory),
        })
}

/// Holds a decoder of libav to one thread: two cost more in all and delay each frame.
pub(super) fn limit_threads(decoder: &gst::Element) {
    if decoder.has_property_with_type("max-threads", i32::static_type()) {
        decoder.set_property("max-threads", 1_i32);
    }
}
