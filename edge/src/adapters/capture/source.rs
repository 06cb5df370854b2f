//! Which camera is asked for its stream, and how.

use std::path::PathBuf;
use std::time::Duration;

use crate::config::{Decoding, Transport};

/// Which camera, and how to get in.
#[derive(Debug, Clone, PartialEq)]
pub struct CameraSource {
    /// `rtsp://` or `rtsps://`, without user and password.
    pub url: String,
    /// Who asks; none at a camera that lets everybody in.
    pub login: Option<StreamLogin>,
    /// How the stream travels.
    pub transport: Transport,
    /// PEM of a private authority, by absolute path.
    pub ca_file: Option<PathBuf>,
    /// Frames taken a second, at most.
    pub frames_per_second_max: f64,
    /// A stream that gives nothing for so long has stalled. GStreamer itself takes 27 s to notice.
    pub stalled_after: Duration,
    /// What may decode.
    pub decoding: Decoding,
}

/// A user at a camera, with the password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamLogin {
    /// As the camera knows it.
    pub user: String,
    /// The user's.
    pub password: Password,
}

/// Never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(String);

impl Password {
    /// Takes a password.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    pub(super) fn text(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Password {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Password(not shown)")
    }
}
