//! Third parties are obscured before anything is released (All. 1 c. 8 and c. 10 of Perugia's regulation). The hub's one
//! door to the `image` crate.
//!
//! A crop is the plate and a margin of it; the hub has no nets that find plates or faces, so that nothing is looked
//! for: what lies outside the plate's own place is painted over, whatever it is. Where the plate's place is not
//! known, as in a picture of a camera that reads plates itself, the whole picture is made unreadable. Only
//! [`Obscured`] pictures fit into a package, and only this file makes them.

use std::io::Cursor;

use image::codecs::png::PngEncoder;
use image::{ImageEncoder as _, ImageFormat, ImageReader, Limits, Rgb, RgbImage};
use serde::{Deserialize, Serialize};
use thiserror::Error;
use varco_proto::transit::{CROP_SIDE_PX_MAX, Transit};

/// What is painted over on each side, in hundredths of the crop's height. The edge leaves a margin of 35 hundredths of
/// the plate's height, which is 20 hundredths of the height of a crop with an upright plate, and less of one with a
/// tilted plate, whose corners must stay.
const BORDER_HUNDREDTHS: u32 = 14;
/// Into so many fields of one colour the height of a picture is parted that is made unreadable.
const FIELDS_HIGH: u32 = 4;
/// Most memory that opening a crop may take, in bytes.
const OPEN_BYTES_MAX: u64 = 64 << 20;
const PAINT: Rgb<u8> = Rgb([96, 96, 96]);

/// What was obscured of a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Masking {
    /// Everything outside the plate's place.
    OutsideThePlate,
    /// The whole picture: where the plate lies in it is not known.
    Whole,
    /// There is no picture, or none that opens: nothing is released.
    NoPicture,
}

/// A picture cannot be written.
#[derive(Debug, Error)]
#[error("the obscured picture cannot be written")]
pub struct MaskError(#[from] image::ImageError);

/// A picture that shows no third party. [`obscure`] alone makes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Obscured {
    png: Option<Vec<u8>>,
    masking: Masking,
}

impl Obscured {
    /// As PNG, without any metadata; none when there is no picture.
    #[must_use]
    pub fn png(&self) -> Option<&[u8]> {
        self.png.as_deref()
    }

    /// What was obscured.
    #[must_use]
    pub fn masking(&self) -> Masking {
        self.masking
    }

    fn none() -> Self {
        Self {
            png: None,
            masking: Masking::NoPicture,
        }
    }
}

/// Obscures what a transit's crop shows beside its plate. It cannot be undone: pixels are painted over, and the
/// picture is encoded anew.
///
/// # Errors
/// [`MaskError`].
pub fn obscure(transit: &Transit) -> Result<Obscured, MaskError> {
    let Some(mut picture) = opened(&transit.crop.jpeg) else {
        return Ok(Obscured::none());
    };
    // One pixel stands for a picture that there is not.
    if picture.width() < 2 || picture.height() < 2 {
        return Ok(Obscured::none());
    }
    let masking = match transit.onboard {
        None => Masking::OutsideThePlate,
        Some(_) => Masking::Whole,
    };
    match masking {
        Masking::OutsideThePlate => paint_border(&mut picture),
        _ => make_fields(&mut picture),
    }
    let mut png = Vec::new();
    let (width, height) = picture.dimensions();
    let kind = image::ExtendedColorType::Rgb8;
    PngEncoder::new(&mut png).write_image(picture.as_raw(), width, height, kind)?;
    Ok(Obscured {
        png: Some(png),
        masking,
    })
}

/// The pixels of a crop; none of what is no JPEG, or is too large for one.
fn opened(jpeg: &[u8]) -> Option<RgbImage> {
    let mut reader = ImageReader::with_format(Cursor::new(jpeg), ImageFormat::Jpeg);
    let mut limits = Limits::default();
    limits.max_image_width = Some(CROP_SIDE_PX_MAX);
    limits.max_image_height = Some(CROP_SIDE_PX_MAX);
    limits.max_alloc = Some(OPEN_BYTES_MAX);
    reader.limits(limits);
    reader.decode().ok().map(image::DynamicImage::into_rgb8)
}

fn paint_border(picture: &mut RgbImage) {
    let (width, height) = picture.dimensions();
    let border = (height * BORDER_HUNDREDTHS).div_ceil(100).max(1);
    for (x, y, pixel) in picture.enumerate_pixels_mut() {
        let is_within = |at: u32, side: u32| at >= border && at + border < side;
        if !is_within(x, width) || !is_within(y, height) {
            *pixel = PAINT;
        }
    }
}

/// Gives each field the mean colour of its pixels.
fn make_fields(picture: &mut RgbImage) {
    let (width, height) = picture.dimensions();
    let side = height.div_ceil(FIELDS_HIGH).max(1);
    for top in (0..height).step_by(usize::try_from(side).unwrap_or(usize::MAX)) {
        for left in (0..width).step_by(usize::try_from(side).unwrap_or(usize::MAX)) {
            let (right, bottom) = ((left + side).min(width), (top + side).min(height));
            make_field(picture, [left, top, right, bottom]);
        }
    }
}

fn make_field(picture: &mut RgbImage, [left, top, right, bottom]: [u32; 4]) {
    let mut sums = [0_u64; 3];
    let mut count = 0_u64;
    for y in top..bottom {
        for x in left..right {
            let Rgb(colours) = *picture.get_pixel(x, y);
            for (sum, colour) in sums.iter_mut().zip(colours) {
                *sum += u64::from(colour);
            }
            count += 1;
        }
    }
    let mean = sums.map(|sum| u8::try_from(sum / count.max(1)).unwrap_or(u8::MAX));
    for y in top..bottom {
        for x in left..right {
            picture.put_pixel(x, y, Rgb(mean));
        }
    }
}

#[cfg(test)]
#[path = "mask/tests.rs"]
mod tests;
