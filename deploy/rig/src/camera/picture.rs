//! Pictures in I420, as encoders take them.

use image::RgbImage;

/// One picture in planar YCbCr 4:2:0, BT.601 limited range, planes without padding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    /// Even width in pixels.
    pub width_px: usize,
    /// Even height in pixels.
    pub height_px: usize,
    /// Brightness, then blue difference, then red difference: `width * height * 3 / 2` bytes.
    pub i420: Vec<u8>,
}

/// One plane of a picture.
#[derive(Debug, Clone, Copy)]
pub struct Plane<'a> {
    /// Row by row.
    pub bytes: &'a [u8],
    /// Width in samples.
    pub width: usize,
    /// Height in samples.
    pub height: usize,
}

/// Where a picture lies on a canvas: `canvas = origin + scale * picture`, in pixels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Placement {
    /// Canvas x of the picture's left edge.
    pub x_px: f32,
    /// Canvas y of the picture's top edge.
    pub y_px: f32,
    /// Canvas pixels per picture pixel, above 0.
    pub scale: f32,
}

impl Picture {
    /// A picture of one brightness without colour; sides are rounded down to even.
    #[must_use]
    pub fn grey(width_px: usize, height_px: usize, luma: u8) -> Self {
        let (width_px, height_px) = (width_px & !1, height_px & !1);
        let pixels = width_px * height_px;
        let mut i420 = vec![128; pixels + pixels / 2];
        i420[..pixels].fill(luma);
        Self {
            width_px,
            height_px,
            i420,
        }
    }

    /// Converts from RGB; sides are cut down to even.
    #[must_use]
    pub fn from_rgb(rgb: &RgbImage) -> Self {
        let width_px = side(rgb.width()) & !1;
        let height_px = side(rgb.height()) & !1;
        let mut picture = Self::grey(width_px, height_px, 0);
        let pixels = width_px * height_px;
        let (luma, chroma) = picture.i420.split_at_mut(pixels);
        let (blue, red) = chroma.split_at_mut(pixels / 4);
        for (y, row) in rgb.rows().take(height_px).enumerate() {
            for (x, pixel) in row.take(width_px).enumerate() {
                let [r, g, b] = pixel.0.map(f32::from);
                luma[y * width_px + x] = byte(16.0 + 0.257 * r + 0.504 * g + 0.098 * b);
                if x % 2 == 0 && y % 2 == 0 {
                    let at = (y / 2) * (width_px / 2) + x / 2;
                    blue[at] = byte(128.0 - 0.148 * r - 0.291 * g + 0.439 * b);
                    red[at] = byte(128.0 + 0.439 * r - 0.368 * g - 0.071 * b);
                }
            }
        }
        picture
    }

    /// Brightness, blue difference, red difference.
    #[must_use]
    pub fn planes(&self) -> [Plane<'_>; 3] {
        let pixels = self.width_px * self.height_px;
        let (luma, chroma) = self.i420.split_at(pixels);
        let (blue, red) = chroma.split_at(pixels / 4);
        let (half_width, half_height) = (self.width_px / 2, self.height_px / 2);
        [
            Plane {
                bytes: luma,
                width: self.width_px,
                height: self.height_px,
            },
            Plane {
                bytes: blue,
                width: half_width,
                height: half_height,
            },
            Plane {
                bytes: red,
                width: half_width,
                height: half_height,
            },
        ]
    }

    /// Draws `source` onto this picture, bilinear; what lies outside the source is left alone.
    pub fn draw(&mut self, source: &Self, placement: Placement) {
        let (width, pixels) = (self.width_px, self.width_px * self.height_px);
        let (luma, chroma) = self.i420.split_at_mut(pixels);
        let (blue, red) = chroma.split_at_mut(pixels / 4);
        let [from_luma, from_blue, from_red] = source.planes();
        let half = Placement {
            x_px: placement.x_px / 2.0,
            y_px: placement.y_px / 2.0,
            scale: placement.scale,
        };
        draw_plane(luma, width, from_luma, placement);
        draw_plane(blue, width / 2, from_blue, half);
        draw_plane(red, width / 2, from_red, half);
    }
}

/// One axis of a bilinear scaling: for each target sample the source index and the weight of the
/// sample after it, in 1/256.
fn axis(target: usize, source: usize, origin: f32, scale: f32) -> Vec<Option<(usize, u32)>> {
    let last = real(source.saturating_sub(1));
    (0..target)
        .map(|at| {
            let position = (real(at) + 0.5 - origin) / scale - 0.5;
            if position < 0.0 || position >= last {
                return None;
            }
            let base = position.floor();
            Some((index(base), u32::from(byte((position - base) * 255.0))))
        })
        .collect()
}

fn draw_plane(target: &mut [u8], width: usize, source: Plane<'_>, placement: Placement) {
    let height = target.len() / width;
    let columns = axis(width, source.width, placement.x_px, placement.scale);
    let rows = axis(height, source.height, placement.y_px, placement.scale);
    for (out, row) in target.chunks_exact_mut(width).zip(rows) {
        let Some((y, down)) = row else { continue };
        let upper = &source.bytes[y * source.width..(y + 1) * source.width];
        let lower = &source.bytes[(y + 1) * source.width..(y + 2) * source.width];
        for (pixel, column) in out.iter_mut().zip(&columns) {
            let &Some((x, right)) = column else { continue };
            let top = mix(upper[x], upper[x + 1], right);
            let bottom = mix(lower[x], lower[x + 1], right);
            *pixel =
                u8::try_from((top * (255 - down) + bottom * down) / (255 * 255)).unwrap_or(255);
        }
    }
}

fn mix(a: u8, b: u8, weight: u32) -> u32 {
    u32::from(a) * (255 - weight) + u32::from(b) * weight
}

fn side(pixels: u32) -> usize {
    usize::try_from(pixels).unwrap_or(usize::MAX)
}

/// Rounds a number into a byte.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "clamped before"
)]
fn byte(value: f32) -> u8 {
    value.round().clamp(0.0, 255.0) as u8
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "checked as not below 0"
)]
fn index(value: f32) -> usize {
    value.max(0.0) as usize
}

/// A side as a real number.
#[expect(
    clippy::cast_precision_loss,
    reason = "picture sides are far below 2^24"
)]
pub(super) fn real(value: usize) -> f32 {
    value as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drawing_at_its_own_size_copies_the_inside() {
        let rgb = RgbImage::from_fn(16, 8, |x, y| {
            let v = u8::try_from(x * 10 + y * 5).unwrap();
            image::Rgb([v, v, v])
        });
        let source = Picture::from_rgb(&rgb);
        let mut canvas = Picture::grey(16, 8, 0);
        canvas.draw(
            &source,
            Placement {
                x_px: 0.0,
                y_px: 0.0,
                scale: 1.0,
            },
        );
        for y in 0..7 {
            for x in 0..15 {
                assert_eq!(canvas.i420[y * 16 + x], source.i420[y * 16 + x], "{x},{y}");
            }
        }
    }

    #[test]
    fn what_lies_outside_the_canvas_is_cut_off() {
        let source = Picture::grey(64, 64, 200);
        let mut canvas = Picture::grey(32, 32, 16);
        canvas.draw(
            &source,
            Placement {
                x_px: -30.0,
                y_px: 20.0,
                scale: 1.0,
            },
        );
        assert_eq!(canvas.i420[31 * 32], 200);
        assert_eq!(canvas.i420[0], 16);
    }
}
