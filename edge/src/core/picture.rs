//! Pictures as files hold them: the only door to the `image` crate.

use std::time::Duration;

use image::codecs::jpeg::JpegEncoder;
use image::{DynamicImage, ExtendedColorType, ImageReader, Limits};
use thiserror::Error;
use varco_proto::time::UtcTime;
use varco_proto::transit::{CaptureTime, ClockSource};

use super::frame::{Chroma, Frame};
use super::number::index;

/// Largest side of a picture that is opened.
const SIDE_PX_MAX: u32 = 16_384;
/// Most memory that opening a picture may take.
const OPEN_BYTES_MAX: u64 = 512 << 20;

/// The picture cannot be used. The caller names its file and goes on with the next.
#[derive(Debug, Error)]
pub enum PictureError {
    /// It is damaged, too large, or neither JPEG nor PNG.
    #[error("it is no JPEG or PNG that can be opened")]
    Open(#[source] image::ImageError),
    /// The bytes cannot be written as JPEG.
    #[error("it cannot be written as JPEG")]
    Write(#[source] image::ImageError),
}

/// Opens a JPEG or PNG as a frame whose capture time is `at` on a file's own time line.
///
/// # Errors
/// [`PictureError::Open`].
pub fn open(bytes: &[u8], at: UtcTime) -> Result<Frame, PictureError> {
    open_within(bytes, at, SIDE_PX_MAX, OPEN_BYTES_MAX)
}

/// The same for a stranger's picture: at most so large, and with at most so much memory.
///
/// # Errors
/// [`PictureError::Open`].
pub fn open_within(
    bytes: &[u8],
    at: UtcTime,
    side_px_max: u32,
    open_bytes_max: u64,
) -> Result<Frame, PictureError> {
    let mut reader = ImageReader::new(std::io::Cursor::new(bytes))
        .with_guessed_format()
        .map_err(|error| PictureError::Open(image::ImageError::IoError(error)))?;
    let mut limits = Limits::default();
    limits.max_image_width = Some(side_px_max);
    limits.max_image_height = Some(side_px_max);
    limits.max_alloc = Some(open_bytes_max);
    reader.limits(limits);
    let picture = reader.decode().map_err(PictureError::Open)?;
    let (width_px, height_px) = (picture.width(), picture.height());
    let (luma, chroma) = match picture {
        DynamicImage::ImageLuma8(grey) => (grey.into_raw(), None),
        DynamicImage::ImageLuma16(_) => (picture.into_luma8().into_raw(), None),
        colour => {
            let rgb = colour.into_rgb8().into_raw();
            let chroma = chroma(&rgb, index(width_px), index(height_px));
            (rgb.chunks_exact(3).map(luma).collect(), Some(chroma))
        }
    };
    Ok(Frame {
        luma,
        chroma,
        width_px,
        height_px,
        captured: CaptureTime {
            at,
            uncertainty: Duration::ZERO,
            source: ClockSource::File,
        },
        index: 0,
    })
}

/// Writes a baseline JPEG; `rgb` holds three bytes a pixel, row by row.
///
/// # Errors
/// [`PictureError::Write`] when the bytes do not fit the sides.
pub fn jpeg(
    rgb: &[u8],
    width_px: u32,
    height_px: u32,
    quality: u8,
) -> Result<Vec<u8>, PictureError> {
    let mut out = Vec::new();
    JpegEncoder::new_with_quality(&mut out, quality)
        .encode(rgb, width_px, height_px, ExtendedColorType::Rgb8)
        .map_err(PictureError::Write)?;
    Ok(out)
}

/// Brightness of a pixel by BT.601, as JPEG has it, in 16 bits of fraction.
fn luma(rgb: &[u8]) -> u8 {
    let weighted = |k: usize, weight: u32| rgb.get(k).map_or(0, |v| u32::from(*v)) * weight;
    let sum = weighted(0, 19_595) + weighted(1, 38_470) + weighted(2, 7_471) + 0x8000;
    u8::try_from(sum >> 16).unwrap_or(u8::MAX)
}

/// Chroma of each 2 x 2 pixels from its upper left one: enough for a crop that people look at.
fn chroma(rgb: &[u8], width: usize, height: usize) -> Chroma {
    let size = width.div_ceil(2) * height.div_ceil(2);
    let (mut u, mut v) = (Vec::with_capacity(size), Vec::with_capacity(size));
    for y in (0..height).step_by(2) {
        for x in (0..width).step_by(2) {
            let at = (y * width + x) * 3;
            let [r, g, b] = [rgb[at], rgb[at + 1], rgb[at + 2]].map(i32::from);
            let limited = |sum: i32| u8::try_from(((sum + 128) >> 8) + 128).unwrap_or(128);
            u.push(limited(-38 * r - 74 * g + 112 * b));
            v.push(limited(112 * r - 94 * g - 18 * b));
        }
    }
    Chroma { u, v }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opened(rgb: [u8; 3]) -> Frame {
        let pixels: Vec<u8> = rgb.iter().copied().cycle().take(17 * 9 * 3).collect();
        let bytes = jpeg(&pixels, 17, 9, 95).unwrap();
        open(&bytes, UtcTime::from_unix_us(7)).unwrap()
    }

    #[test]
    fn a_jpeg_becomes_a_frame_with_its_sides_and_brightness() {
        let frame = opened([200, 100, 50]);
        assert_eq!((frame.width_px, frame.height_px), (17, 9));
        assert!(frame.luma.iter().all(|v| v.abs_diff(124) <= 2));
        let chroma = frame.chroma.unwrap();
        assert_eq!((chroma.u.len(), chroma.v.len()), (9 * 5, 9 * 5));
        assert!(chroma.v[0] > 150 && chroma.u[0] < 110, "reddish");
        assert_eq!(frame.captured.at, UtcTime::from_unix_us(7));
    }

    #[test]
    fn what_is_no_picture_is_refused() {
        for bytes in [&b""[..], b"GIF89a", &[0xff, 0xd8, 0xff, 0xe0, 0, 16]] {
            assert!(open(bytes, UtcTime::from_unix_us(0)).is_err());
        }
    }

    #[test]
    fn grey_and_black_and_white_stay_what_they_are() {
        for value in [0, 128, 255] {
            assert!(
                opened([value; 3])
                    .luma
                    .iter()
                    .all(|v| v.abs_diff(value) <= 1)
            );
        }
    }
}
