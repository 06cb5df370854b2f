//! What can go wrong while frames are taken in, in words for the person on site.

use std::path::PathBuf;
use std::time::Duration;

use gstreamer as gst;
use thiserror::Error;

/// No frame comes. A camera is tried again, for a file the command ends. No message holds a
/// user name or a password.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CaptureError {
    /// Install GStreamer, then start again.
    #[error("GStreamer cannot start: {0}")]
    Library(String),
    /// Install the package, then start again.
    #[error("GStreamer has no element `{element}`: install the package {package}")]
    ElementMissing {
        /// Name in GStreamer.
        element: &'static str,
        /// Debian package that holds it.
        package: &'static str,
    },
    /// Correct the path.
    #[error("cannot read the video file `{path}`: {why}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system or GStreamer says.
        why: String,
    },
    /// Check address, port, cable and power.
    #[error("the camera cannot be reached: {why}; check its address, port, cable and power")]
    Unreachable {
        /// What the network says.
        why: String,
    },
    /// Correct `user` and `password_file`.
    #[error(
        "the camera refuses the user or the password (401); check `user` and `password_file` \
         of this camera"
    )]
    Unauthorized,
    /// Correct the path in `url`.
    #[error(
        "the camera has no stream of that name (404); check the path in `url` against the \
         camera's manual"
    )]
    NoSuchStream,
    /// Correct `ca_file`, or the camera's certificate.
    #[error(
        "no secure connection to the camera: {why}; check that `ca_file` holds the authority \
         that signed the camera's certificate and that the certificate names the host in `url`"
    )]
    Tls {
        /// What is known.
        why: String,
    },
    /// Choose another codec in the camera's settings.
    #[error(
        "the camera sends {codec}, which is not read here; set the stream to H.264, H.265 or \
         MJPEG in the camera's settings"
    )]
    Codec {
        /// Its name in SDP; empty when there is no video at all.
        codec: String,
    },
    /// Wait: the camera is tried again.
    #[error("the camera closed the stream")]
    Ended,
    /// Wait: the camera is tried again.
    #[error("no frame for {} s; the camera or the link has stalled", .0.as_secs_f32())]
    Stalled(Duration),
    /// Wait; when it lasts, the text says what GStreamer misses.
    #[error("the stream failed: {0}")]
    Stream(String),
    /// A picture that cannot be used; the stream is opened anew.
    #[error("the decoder gave a picture that cannot be used: {0}")]
    Picture(String),
}

/// The Debian package that holds an element.
pub(super) fn package_of(element: &str) -> &'static str {
    match element {
        "filesrc" | "fakesink" => "libgstreamer1.0-0",
        "decodebin" | "videoconvert" | "appsink" => "gstreamer1.0-plugins-base",
        "h264parse" | "h265parse" => "gstreamer1.0-plugins-bad",
        "avdec_h264" | "avdec_h265" => "gstreamer1.0-libav",
        _ => "gstreamer1.0-plugins-good",
    }
}

/// An error message of the bus, sorted by what a person can do about it. `tls` says whether the
/// stream was to be secure.
pub(super) fn classify(message: &gst::message::Error, tls: bool) -> CaptureError {
    let error = message.error();
    let detail = message.debug().unwrap_or_default();
    // The detail's last line is the plain text; those before name source files.
    let why = detail.lines().last().unwrap_or_default().trim().to_owned();
    match error.kind::<gst::ResourceError>() {
        Some(gst::ResourceError::NotAuthorized) => CaptureError::Unauthorized,
        Some(gst::ResourceError::NotFound) if detail.contains("404") => CaptureError::NoSuchStream,
        // GIO says no more than this of a certificate that it refuses.
        Some(gst::ResourceError::OpenReadWrite | gst::ResourceError::OpenRead)
            if tls && why.contains("Generic error") =>
        {
            CaptureError::Tls { why }
        }
        Some(
            gst::ResourceError::OpenReadWrite
            | gst::ResourceError::OpenRead
            | gst::ResourceError::NotFound,
        ) => CaptureError::Unreachable { why },
        _ if why.is_empty() => CaptureError::Stream(error.to_string()),
        _ => CaptureError::Stream(format!("{error} ({why})")),
    }
}
