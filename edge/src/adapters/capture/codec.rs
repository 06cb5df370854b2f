//! The codecs that cameras send.

/// A codec that is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Codec {
    H264,
    H265,
    Jpeg,
}

impl Codec {
    pub(super) const ALL: [Self; 3] = [Self::H264, Self::H265, Self::Jpeg];

    /// The name in SDP.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::H264 => "H264",
            Self::H265 => "H265",
            Self::Jpeg => "JPEG",
        }
    }

    /// Elements before the decoder.
    pub(super) fn front(self) -> &'static [&'static str] {
        match self {
            Self::H264 => &["rtph264depay", "h264parse"],
            Self::H265 => &["rtph265depay", "h265parse"],
            Self::Jpeg => &["rtpjpegdepay"],
        }
    }
}
