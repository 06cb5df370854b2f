//! A frame made into the detector's input: the only door to `fast_image_resize`.

use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};

use super::frame::{Frame, Sides};
use super::manifest::Detector;
use super::number::{float_px, index, round_side_px};

/// Scales frames; keeps its buffers from one to the next.
#[derive(Debug, Default)]
pub struct Scaler {
    resizer: Resizer,
    small: Vec<u8>,
    tiny: Vec<u8>,
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
    /// What one pixel of it is in the frame.
    pub frame_px: FramePx,
}

/// Pixels of the frame to one of the detector's input.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FramePx {
    /// To the right.
    pub x: f32,
    /// Down.
    pub y: f32,
}

/// The frame cannot be scaled; see [`super::vision::VisionError::Frame`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the frame's luma does not have the frame's size")]
pub struct ScaleError;

impl Scaler {
    /// Pixels of the frame to one of what [`Self::scale`] gives, to the right.
    #[must_use]
    pub fn frame_px(frame: &Frame, rules: &Detector) -> f32 {
        let sides = frame.sides();
        float_px(sides.width_px) / float_px(fitted(sides, rules, 1.0).width_px)
    }

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
        let sides = frame.sides();
        let fitted = fitted(sides, rules, 1.0);
        let luma: &[u8] = if fitted == sides {
            &frame.luma
        } else {
            resize(
                &mut self.resizer,
                &frame.luma,
                sides,
                &mut self.small,
                fitted,
            )?;
            &self.small
        };
        Ok(padded(luma, fitted, sides, rules, &mut self.padded))
    }

    /// What [`Self::scale`] gives, so many `times` as large.
    ///
    /// # Errors
    /// As for [`Self::scale`].
    pub fn scale_times<'a>(
        &'a mut self,
        frame: &'a Frame,
        rules: &Detector,
        times: f64,
    ) -> Result<Scaled<'a>, ScaleError> {
        let (sides, fitted) = self.make_small(frame, rules, times)?;
        Ok(padded(&self.small, fitted, sides, rules, &mut self.padded))
    }

    /// What [`Self::scale_times`] gives, with left and right exchanged.
    ///
    /// # Errors
    /// As for [`Self::scale`].
    pub fn mirror<'a>(
        &'a mut self,
        frame: &'a Frame,
        rules: &Detector,
        times: f64,
    ) -> Result<Scaled<'a>, ScaleError> {
        let (sides, fitted) = self.make_small(frame, rules, times)?;
        for row in self.small.chunks_exact_mut(index(fitted.width_px)) {
            row.reverse();
        }
        Ok(padded(&self.small, fitted, sides, rules, &mut self.padded))
    }

    /// Makes the small picture so many `times` as large as [`Self::scale`] does; gives the
    /// frame's sides and the picture's.
    fn make_small(
        &mut self,
        frame: &Frame,
        rules: &Detector,
        times: f64,
    ) -> Result<(Sides, Sides), ScaleError> {
        let sides = frame.sides();
        let fitted = fitted(sides, rules, times);
        let small = &mut self.small;
        resize(&mut self.resizer, &frame.luma, sides, small, fitted)?;
        Ok((sides, fitted))
    }

    /// What [`Self::scale`] has just given for this frame, shrunk once more for the widest plates.
    ///
    /// # Errors
    /// As for [`Self::scale`].
    pub fn shrink<'a>(
        &'a mut self,
        frame: &'a Frame,
        rules: &Detector,
    ) -> Result<Scaled<'a>, ScaleError> {
        let sides = frame.sides();
        let fitted = fitted(sides, rules, 1.0);
        let source: &[u8] = if fitted == sides {
            &frame.luma
        } else {
            &self.small
        };
        let by = f64::from(rules.wide_shrink);
        let shrunk = Sides {
            width_px: round_side_px(f64::from(fitted.width_px) / by),
            height_px: round_side_px(f64::from(fitted.height_px) / by),
        };
        resize(&mut self.resizer, source, fitted, &mut self.tiny, shrunk)?;
        Ok(padded(&self.tiny, shrunk, sides, rules, &mut self.padded))
    }
}

fn resize(
    resizer: &mut Resizer,
    source: &[u8],
    from: Sides,
    target: &mut Vec<u8>,
    to: Sides,
) -> Result<(), ScaleError> {
    target.resize(index(to.width_px) * index(to.height_px), 0);
    let source = ImageRef::new(from.width_px, from.height_px, source, PixelType::U8)
        .map_err(|_| ScaleError)?;
    let mut target = Image::from_slice_u8(to.width_px, to.height_px, target, PixelType::U8)
        .map_err(|_| ScaleError)?;
    let options = ResizeOptions::new()
        .resize_alg(ResizeAlg::Convolution(FilterType::Bilinear))
        .use_alpha(false);
    resizer
        .resize(&source, &mut target, &options)
        .map_err(|_| ScaleError)
}

/// `luma` of `sides`, of a frame of `whole`, with the manifest's padding.
fn padded<'a>(
    luma: &'a [u8],
    sides: Sides,
    whole: Sides,
    rules: &Detector,
    buffer: &'a mut Vec<u8>,
) -> Scaled<'a> {
    let (columns, rows) = (index(sides.width_px), index(sides.height_px));
    let multiple = index(rules.pad_multiple_px).max(1);
    let width_px = columns.next_multiple_of(multiple);
    let height_px = rows.next_multiple_of(multiple);
    let luma = if (width_px, height_px) == (columns, rows) {
        luma
    } else {
        buffer.clear();
        buffer.resize(width_px * height_px, rules.pad_value);
        for (to, from) in buffer
            .chunks_exact_mut(width_px)
            .zip(luma.chunks_exact(columns))
        {
            to[..columns].copy_from_slice(from);
        }
        buffer
    };
    Scaled {
        luma,
        width_px,
        height_px,
        frame_px: FramePx {
            x: float_px(whole.width_px) / float_px(sides.width_px),
            y: float_px(whole.height_px) / float_px(sides.height_px),
        },
    }
}

/// The frame's sides in the detector's input: its long side fits, but the far plates of a large
/// frame are not shrunk away. The whole so many `times`.
fn fitted(sides: Sides, rules: &Detector, times: f64) -> Sides {
    let long = f64::from(sides.width_px.max(sides.height_px).max(1));
    let fits = f64::from(rules.long_side_px) / long;
    let keeps = (f64::from(rules.long_side_max_px) / long).min(rules.scale_min);
    let scale = fits.max(keeps).min(rules.enlarge_max) * times;
    Sides {
        width_px: round_side_px(f64::from(sides.width_px) * scale),
        height_px: round_side_px(f64::from(sides.height_px) * scale),
    }
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
        assert!((scaled.frame_px.x - 1280.0 / 768.0).abs() < 1e-5);
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
        assert!((small.frame_px.y - 0.5).abs() < 1e-6);
        let frame = grey(768, 448, |x, y| u8::try_from((x + y) % 251).unwrap());
        assert_eq!(scaler.scale(&frame, &rules()).unwrap().luma, frame.luma);
    }

    #[test]
    fn a_large_frame_keeps_its_far_plates_and_is_shrunk_again_for_its_widest() {
        let mut scaler = Scaler::default();
        for (sides, wanted, wanted_shrunk) in [
            ((1920, 1080), (1152, 672), (288, 192)),
            ((3840, 2160), (1152, 672), (288, 192)),
            ((1280, 720), (768, 448), (192, 128)),
            ((768, 448), (768, 448), (192, 128)),
        ] {
            let frame = grey(sides.0, sides.1, |x, _| u8::try_from(x % 200).unwrap());
            let scaled = scaler.scale(&frame, &rules()).unwrap();
            assert_eq!((scaled.width_px, scaled.height_px), wanted, "{sides:?}");
            let ratio = scaled.frame_px.x;
            let shrunk = scaler.shrink(&frame, &rules()).unwrap();
            assert_eq!((shrunk.width_px, shrunk.height_px), wanted_shrunk);
            assert!((shrunk.frame_px.x - 4.0 * ratio).abs() < 1e-3, "{sides:?}");
        }
    }

    #[test]
    fn a_mirrored_picture_has_its_left_at_the_right_and_its_padding_where_it_was() {
        let frame = grey(768, 440, |x, _| if x < 300 { 10 } else { 200 });
        let mut scaler = Scaler::default();
        let mirrored = scaler.mirror(&frame, &rules(), 0.5).unwrap();
        assert_eq!((mirrored.width_px, mirrored.height_px), (384, 224));
        assert_eq!((mirrored.luma[0], mirrored.luma[383]), (200, 10));
        assert_eq!(mirrored.luma[384 * 223], 114, "the padding");
        let full = scaler.mirror(&frame, &rules(), 1.0).unwrap();
        assert_eq!((full.luma[0], full.luma[767]), (200, 10));
    }

    #[test]
    fn making_smaller_averages() {
        // Stripes one pixel wide become even grey; sampling without averaging would alias.
        let frame = grey(3072, 64, |x, _| if x % 2 == 0 { 0 } else { 200 });
        let mut scaler = Scaler::default();
        let scaled = scaler.scale(&frame, &rules()).unwrap();
        assert_eq!(scaled.width_px, 1152);
        assert!(scaled.luma[4..1148].iter().all(|v| (90..=110).contains(v)));
    }

    #[test]
    fn a_frame_with_too_few_bytes_is_refused() {
        let mut frame = grey(1000, 600, |_, _| 0);
        frame.luma.pop();
        assert_eq!(Scaler::default().scale(&frame, &rules()), Err(ScaleError));
    }
}
