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

/// How large a picture is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sides {
    /// In pixels.
    pub width_px: u32,
    /// In pixels.
    pub height_px: u32,
}

impl Frame {
    /// How large it is.
    #[must_use]
    pub fn sides(&self) -> Sides {
        Sides {
            width_px: self.width_px,
            height_px: self.height_px,
        }
    }
}

/// The colour planes of I420: each `ceil(width/2) * ceil(height/2)` bytes without padding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chroma {
    /// Blue difference, BT.601 or BT.709 limited range as the stream has it.
    pub u: Vec<u8>,
    /// Red difference.
    pub v: Vec<u8>,
}

#[cfg(test)]
pub(crate) mod tests {
    use std::time::Duration;

    use varco_proto::time::UtcTime;
    use varco_proto::transit::ClockSource;

    use super::*;

    /// A grey frame whose brightness is a function of x and y.
    pub(crate) fn grey(width_px: u32, height_px: u32, at: impl Fn(u32, u32) -> u8) -> Frame {
        let luma = (0..height_px)
            .flat_map(|y| (0..width_px).map(move |x| (x, y)))
            .map(|(x, y)| at(x, y))
            .collect();
        Frame {
            luma,
            chroma: None,
            width_px,
            height_px,
            captured: CaptureTime {
                at: UtcTime::from_unix_us(0),
                uncertainty: Duration::ZERO,
                source: ClockSource::File,
            },
            index: 0,
        }
    }
}
