//! One picture of a camera, as the rest of the edge sees it.

use varco_proto::transit::CaptureTime;

/// A decoded picture: luma for reading, chroma kept only for the crop that a person will see.
///
/// Coordinates everywhere: origin at the top left, x to the right, y down, pixels of this frame.
#[derive(Debug, Clone, PartialEq)]
pub struct Frame {
    /// Brightness, row by row without padding, `width_px * height_px` bytes, 0..=255.
    pub luma: Vec<u8>,
    /// Colour at half the resolution; none for grey and infrared pictures.
    pub chroma: Option<Chroma>,
    /// Width in pixels.
    pub width_px: u32,
    /// Height in pixels.
    pub height_px: u32,
    /// When it was taken.
    pub captured: CaptureTime,
    /// Counts the decoded frames of its camera since the stream began, skipped ones too.
    pub index: u64,
}

/// The colour planes of I420: each `ceil(width/2) * ceil(height/2)` bytes without padding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chroma {
    /// Blue difference, BT.601 or BT.709 limited range as the stream has it.
    pub u: Vec<u8>,
    /// Red difference.
    pub v: Vec<u8>,
}
