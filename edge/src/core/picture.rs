//! Pictures as files hold them: the only door to the `image` crate.

mod whole;

use std::time::Duration;

use image::codecs::jpeg::JpegEncoder;
use image::metadata::Orientation;
use image::{DynamicImage, ExtendedColorType, ImageDecoder as _, ImageFormat, ImageReader, Limits};
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
    /// It is damaged or too large.
    #[error("it cannot be opened as {0}")]
    Open(&'static str, #[source] image::ImageError),
    /// Save it as one of these.
    #[error(
        "it is no JPEG, PNG, WebP, TIFF or BMP (GIF, AVIF, HEIC, JPEG 2000 and JPEG XL are not read); \
         save it as one of these"
    )]
    Kind,
    /// Copy it again.
    #[error("it breaks off: the file holds only a part of the picture; copy or save it again")]
    BrokenOff,
    /// The bytes cannot be written as JPEG.
    #[error("it cannot be written as JPEG")]
    Write(#[source] image::ImageError),
}

/// Opens a JPEG, PNG, WebP, TIFF or BMP as a frame whose capture time is `at` on a file's own time
/// line. It stands upright: turned and mirrored as its EXIF orientation says.
///
/// # Errors
/// All of [`PictureError`] but the last.
pub fn open(bytes: &[u8], at: UtcTime) -> Result<Frame, PictureError> {
    // Its decoder paints what is missing grey and says nothing.
    if bytes.starts_with(&[0xff, 0xd8]) && !whole::is_whole_jpeg(bytes) {
        return Err(PictureError::BrokenOff);
    }
    let (mut picture, orientation) = decode(bytes, SIDE_PX_MAX, OPEN_BYTES_MAX)?;
    picture.apply_orientation(orientation);
    Ok(frame(picture, at))
}

/// The same for a stranger's picture: at most so large, and with at most so much memory.
///
/// It lies as its pixels are stored, because places in it are counted so; and half a JPEG is better than none. TIFF
/// is not opened.
///
/// # Errors
/// All of [`PictureError`] but the last.
pub fn open_within(
    bytes: &[u8],
    at: UtcTime,
    side_px_max: u32,
    open_bytes_max: u64,
) -> Result<Frame, PictureError> {
    // Of a TIFF the directory is read before the bounds hold, 32 bytes for each of the file; no camera sends one.
    if matches!(image::guess_format(bytes), Ok(ImageFormat::Tiff)) {
        return Err(PictureError::Kind);
    }
    let (picture, _) = decode(bytes, side_px_max, open_bytes_max)?;
    Ok(frame(picture, at))
}

fn decode(
    bytes: &[u8],
    side_px_max: u32,
    open_bytes_max: u64,
) -> Result<(DynamicImage, Orientation), PictureError> {
    let format = image::guess_format(bytes).map_err(|_| PictureError::Kind)?;
    let name = match format {
        ImageFormat::Jpeg => "JPEG",
        ImageFormat::Png => "PNG",
        ImageFormat::WebP => "WebP",
        ImageFormat::Tiff => "TIFF",
        ImageFormat::Bmp => "BMP",
        _ => return Err(PictureError::Kind),
    };
    let failed = |error| match error {
        image::ImageError::IoError(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
            PictureError::BrokenOff
        }
        error => PictureError::Open(name, error),
    };
    let mut reader = ImageReader::with_format(std::io::Cursor::new(bytes), format);
    let mut limits = Limits::default();
    limits.max_image_width = Some(side_px_max);
    limits.max_image_height = Some(side_px_max);
    limits.max_alloc = Some(open_bytes_max);
    reader.limits(limits);
    let mut decoder = reader.into_decoder().map_err(failed)?;
    // What cannot be read of it says nothing: the pixels count.
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let picture = DynamicImage::from_decoder(decoder).map_err(failed)?;
    Ok((picture, orientation))
}

fn frame(picture: DynamicImage, at: UtcTime) -> Frame {
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
    Frame {
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
    }
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

    /// 16 x 8 grey pixels: the left upper quarter is white, all else black.
    fn corner() -> DynamicImage {
        DynamicImage::ImageLuma8(image::GrayImage::from_fn(16, 8, |x, y| {
            image::Luma([if x < 8 && y < 4 { 255 } else { 0 }])
        }))
    }

    fn written(picture: &DynamicImage, format: ImageFormat) -> Vec<u8> {
        let mut bytes = std::io::Cursor::new(Vec::new());
        // WebP's writer takes colour alone.
        let colour = DynamicImage::ImageRgb8(picture.to_rgb8());
        colour.write_to(&mut bytes, format).unwrap();
        bytes.into_inner()
    }

    const ALL: [ImageFormat; 5] = [
        ImageFormat::Jpeg,
        ImageFormat::Png,
        ImageFormat::WebP,
        ImageFormat::Tiff,
        ImageFormat::Bmp,
    ];

    /// A JPEG with one EXIF entry: the orientation.
    fn turned(orientation: u8) -> Vec<u8> {
        let plain = written(&corner(), ImageFormat::Jpeg);
        let mut exif = b"Exif\0\0MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0".to_vec();
        exif.extend([orientation, 0, 0, 0, 0, 0, 0]);
        let length = u16::try_from(exif.len() + 2).unwrap().to_be_bytes();
        [&plain[..2], &[0xff, 0xe1], &length, &exif, &plain[2..]].concat()
    }

    #[test]
    fn pictures_of_every_kind_that_is_named_are_opened() {
        for format in ALL {
            let frame = open(&written(&corner(), format), UtcTime::default()).unwrap();
            assert_eq!((frame.width_px, frame.height_px), (16, 8), "{format:?}");
            assert!(frame.luma[0] > 240 && frame.luma[15] < 15, "{format:?}");
        }
    }

    #[test]
    fn a_picture_stands_as_its_orientation_says() {
        // Where the white corner comes to lie: right and bottom.
        let places = [
            (1, false, false),
            (2, true, false),
            (3, true, true),
            (4, false, true),
            (5, false, false),
            (6, true, false),
            (7, true, true),
            (8, false, true),
        ];
        for (orientation, right, bottom) in places {
            let bytes = turned(orientation);
            let frame = open(&bytes, UtcTime::default()).unwrap();
            let upright = orientation >= 5;
            let sides = if upright { (8, 16) } else { (16, 8) };
            assert_eq!((frame.width_px, frame.height_px), sides, "{orientation}");
            for (x, y) in [(false, false), (true, false), (false, true), (true, true)] {
                let column = if x { frame.width_px - 2 } else { 1 };
                let row = if y { frame.height_px - 2 } else { 1 };
                let value = frame.luma[index(row * frame.width_px + column)];
                let white = (x, y) == (right, bottom);
                assert_eq!(value > 128, white, "{orientation}: {x} {y}");
            }
            // Places that a camera names are counted in the pixels as they are stored.
            let stored = open_within(&bytes, UtcTime::default(), 99, 1 << 20).unwrap();
            assert_eq!((stored.width_px, stored.height_px), (16, 8));
        }
    }

    #[test]
    fn a_picture_that_breaks_off_is_never_opened_wherever_it_does() {
        for format in ALL {
            let bytes = written(&corner(), format);
            for cut in 0..bytes.len() {
                let opened = open(&bytes[..cut], UtcTime::default());
                // The last bytes of PNG, TIFF and WebP hold no pixel.
                let slack = if format == ImageFormat::Jpeg { 0 } else { 16 };
                assert!(
                    opened.is_err() || cut + slack >= bytes.len(),
                    "{format:?} {cut}"
                );
            }
        }
        let jpeg = written(&corner(), ImageFormat::Jpeg);
        let half = open_within(&jpeg[..jpeg.len() - 9], UtcTime::default(), 99, 1 << 20);
        assert!(half.is_ok(), "a camera's picture of a passage is kept");
        let error = open(&jpeg[..jpeg.len() - 9], UtcTime::default()).unwrap_err();
        assert!(error.to_string().contains("breaks off"), "{error}");
        let bmp = written(&corner(), ImageFormat::Bmp);
        let error = open(&bmp[..bmp.len() - 99], UtcTime::default()).unwrap_err();
        assert!(error.to_string().contains("breaks off"), "{error}");
    }

    #[test]
    fn a_strangers_tiff_is_not_opened_as_its_directory_knows_no_bounds() {
        for format in ALL {
            let bytes = written(&corner(), format);
            let opened = open_within(&bytes, UtcTime::default(), 99, 1 << 20);
            assert_eq!(opened.is_ok(), format != ImageFormat::Tiff, "{format:?}");
        }
    }

    #[test]
    fn what_is_not_read_is_told_with_what_is() {
        for bytes in [&b"GIF89a"[..], b"\0\0\0\x20ftypavif", b"%PDF-1.7"] {
            let error = open(bytes, UtcTime::default()).unwrap_err();
            assert!(matches!(error, PictureError::Kind), "{error:?}");
        }
    }
}
