//! A frame made into the detector's input: the only door to `fast_image_resize`.

use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};

use super::frame::Frame;
use super::manifest::Detector;
use super::number::{float_px, index, round_side_px};

/// Scales frames; keeps its buffers from one to the next.
#[derive(Debug, Default)]
pub struct Scaler {
    resizer: Resizer,
    small: Vec<u8>,
    padded: Vec<u8>,
}

/// A frame as the detector takes it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scaled<'a> {
    /// Row by row, `width_px * height_px` bytes.
    pub luma: &'a [u8],
    /// With the padding at the right.
    pub width_px: usize,
    /// With the padding at the bottom.
    pub height_px: usize,
    /// Pixels of the frame to one of the input, to the right.
    pub frame_px_x: f32,
    /// Pixels of the frame to one of the input, down.
    pub frame_px_y: f32,
}

/// The frame cannot be scaled; see [`super::vision::VisionError::Frame`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the frame's luma does not have the frame's size")]
pub struct ScaleError;

impl Scaler {
    /// Scales to the manifest's long side and pads. Convolution with a triangle, as Pillow's
    /// BILINEAR, which the nets were trained with: it averages when it makes smaller.
    ///
    /// # Errors
    /// [`ScaleError`] when the frame is empty or its plane has another size.
    pub fn scale<'a>(
        &'a mut self,
        frame: &'a Frame,
        rules: &Detector,
    ) -> Result<Scaled<'a>, ScaleError> {
        let (width, height) = (frame.width_px, frame.height_px);
        let (small_width, small_height) = fitted(width, height, rules);
        let (columns, rows) = (index(small_width), index(small_height));
        let small: &[u8] = if (small_width, small_height) == (width, height) {
            &frame.luma
        } else {
            self.small.resize(columns * rows, 0);
            let source =
                ImageRef::new(width, height, &frame.luma, PixelType::U8).map_err(|_| ScaleError)?;
            let mut target =
                Image::from_slice_u8(small_width, small_height, &mut self.small, PixelType::U8)
                    .map_err(|_| ScaleError)?;
            let options = ResizeOptions::new()
                .resize_alg(ResizeAlg::Convolution(FilterType::Bilinear))
                .use_alpha(false);
            self.resizer
                .resize(&source, &mut target, &options)
                .map_err(|_| ScaleError)?;
            &self.small
        };
        let multiple = index(rules.pad_multiple_px).max(1);
        let width_px = columns.next_multiple_of(multiple);
        let height_px = rows.next_multiple_of(multiple);
        let luma = if (width_px, height_px) == (columns, rows) {
            small
        } else {
            self.padded.clear();
            self.padded.resize(width_px * height_px, rules.pad_value);
            for (to, from) in self
                .padded
                .chunks_exact_mut(width_px)
                .zip(small.chunks_exact(columns))
            {
                to[..columns].copy_from_slice(from);
            }
            &self.padded
        };
        Ok(Scaled {
            luma,
            width_px,
            height_px,
            frame_px_x: float_px(width) / float_px(small_width),
            frame_px_y: float_px(height) / float_px(small_height),
        })
    }
}

/// The frame's sides once its long side fits the detector.
fn fitted(width_px: u32, height_px: u32, rules: &Detector) -> (u32, u32) {
    let long = f64::from(width_px.max(height_px).max(1));
    let scale = (f64::from(rules.long_side_px) / long).min(rules.enlarge_max);
    (
        round_side_px(f64::from(width_px) * scale),
        round_side_px(f64::from(height_px) * scale),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::frame::tests::grey;
    use crate::core::manifest::{Manifest, tests::TEXT};

    fn rules() -> Detector {
        Manifest::parse(TEXT).unwrap().detector
    }

    #[test]
    fn the_long_side_fits_and_the_rest_is_padded() {
        let frame = grey(1280, 720, |_, _| 50);
        let mut scaler = Scaler::default();
        let scaled = scaler.scale(&frame, &rules()).unwrap();
        assert_eq!((scaled.width_px, scaled.height_px), (768, 448));
        assert!((scaled.frame_px_x - 1280.0 / 768.0).abs() < 1e-5);
        assert_eq!(
            scaled.luma[768 * 431 + 767],
            50,
            "the last row of the picture"
        );
        assert_eq!(scaled.luma[768 * 432], 114, "the first row of the padding");
    }

    #[test]
    fn a_small_picture_is_enlarged_within_bounds_and_one_that_fits_stays() {
        let mut scaler = Scaler::default();
        let frame = grey(100, 50, |_, _| 9);
        let small = scaler.scale(&frame, &rules()).unwrap();
        assert_eq!((small.width_px, small.height_px), (224, 128));
        assert!((small.frame_px_y - 0.5).abs() < 1e-6);
        let frame = grey(768, 448, |x, y| u8::try_from((x + y) % 251).unwrap());
        assert_eq!(scaler.scale(&frame, &rules()).unwrap().luma, frame.luma);
    }

    #[test]
    fn making_smaller_averages() {
        // Stripes one pixel wide become even grey; sampling without averaging would alias.
        let frame = grey(1536, 64, |x, _| if x % 2 == 0 { 0 } else { 200 });
        let mut scaler = Scaler::default();
        let scaled = scaler.scale(&frame, &rules()).unwrap();
        assert!(scaled.luma[4..760].iter().all(|v| (90..=110).contains(v)));
    }

    #[test]
    fn a_frame_with_too_few_bytes_is_refused() {
        let mut frame = grey(1000, 600, |_, _| 0);
        frame.luma.pop();
        assert_eq!(Scaler::default().scale(&frame, &rules()), Err(ScaleError));
    }
}
