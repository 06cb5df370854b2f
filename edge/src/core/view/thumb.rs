//! A frame made small: the mean brightness of its blocks, which everything but reading works on.

use crate::core::frame::Frame;
use crate::core::number::{float, floor_within, index};

/// Blocks across a frame: 20 pixels each at 1920, an eighth of a car whose plate can be read.
const COLUMNS: usize = 96;
/// Of each block's rows one in so many is looked at.
const ROW_STEP: usize = 2;

/// A frame's blocks, row by row.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Thumb {
    /// Blocks to a row.
    pub columns: usize,
    /// Rows of blocks.
    pub rows: usize,
    /// Mean brightness of each block, 0..=255.
    pub luma: Vec<f32>,
}

impl Thumb {
    /// Makes a frame small. A frame whose plane is too short gives an empty one.
    #[must_use]
    pub fn of(frame: &Frame) -> Self {
        let (width, height) = (index(frame.width_px), index(frame.height_px));
        if width == 0 || height == 0 || frame.luma.len() < width * height {
            return Self::default();
        }
        let columns = COLUMNS.min(width);
        let rows = (height * columns / width).clamp(1, height);
        let mut luma = Vec::with_capacity(columns * rows);
        let mut sums = vec![0_u32; columns];
        for row in 0..rows {
            let (top, bottom) = (row * height / rows, (row + 1) * height / rows);
            sums.fill(0);
            let mut lines: u32 = 0;
            for y in (top..bottom).step_by(ROW_STEP) {
                let line = &frame.luma[y * width..(y + 1) * width];
                for (column, sum) in sums.iter_mut().enumerate() {
                    let block =
                        &line[edge(column, width, columns)..edge(column + 1, width, columns)];
                    *sum += block.iter().map(|v| u32::from(*v)).sum::<u32>();
                }
                lines += 1;
            }
            for (column, sum) in sums.iter().enumerate() {
                let across = edge(column + 1, width, columns) - edge(column, width, columns);
                luma.push(float(index(*sum)) / float(across * index(lines).max(1)));
            }
        }
        Self {
            columns,
            rows,
            luma,
        }
    }

    /// Whether another one has the same blocks.
    #[must_use]
    pub fn fits(&self, other: &Self) -> bool {
        (self.columns, self.rows) == (other.columns, other.rows)
    }

    /// Mean brightness.
    #[must_use]
    pub fn mean(&self) -> f32 {
        self.luma.iter().sum::<f32>() / float(self.luma.len().max(1))
    }

    /// The whole brightness that this share of the blocks, in hundredths, does not exceed.
    #[must_use]
    pub fn quantile(&self, hundredths: usize) -> f32 {
        let mut counts = [0_usize; 256];
        for value in &self.luma {
            counts[floor_within(*value, 255)] += 1;
        }
        let place = self.luma.len().saturating_sub(1) * hundredths.min(100) / 100;
        let mut below = 0;
        let found = counts.iter().position(|count| {
            below += count;
            below > place
        });
        float(found.unwrap_or(0))
    }
}

fn edge(column: usize, width: usize, columns: usize) -> usize {
    column * width / columns
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::core::frame::tests::grey;

    /// A thumb whose brightness is a function of column and row.
    pub(crate) fn thumb(mut at: impl FnMut(usize, usize) -> f32) -> Thumb {
        let (columns, rows) = (96, 54);
        let places = (0..rows).flat_map(|y| (0..columns).map(move |x| (x, y)));
        Thumb {
            columns,
            rows,
            luma: places.map(|(x, y)| at(x, y)).collect(),
        }
    }

    #[test]
    fn blocks_are_means_of_their_pixels() {
        let frame = grey(1920, 1080, |x, _| if x < 960 { 40 } else { 200 });
        let thumb = Thumb::of(&frame);
        assert_eq!(
            (thumb.columns, thumb.rows, thumb.luma.len()),
            (96, 54, 96 * 54)
        );
        assert!((thumb.luma[0] - 40.0).abs() < 1e-3);
        assert!((thumb.luma[95] - 200.0).abs() < 1e-3);
        assert!((thumb.mean() - 120.0).abs() < 1e-2);
        assert!((thumb.quantile(10) - 40.0).abs() < 1e-3);
        assert!((thumb.quantile(90) - 200.0).abs() < 1e-3);
    }

    #[test]
    fn odd_sides_and_tiny_frames_are_covered_whole() {
        for (width, height) in [(1, 1), (7, 3), (95, 200), (322, 182), (1281, 719)] {
            let thumb = Thumb::of(&grey(width, height, |_, _| 77));
            assert_eq!(thumb.luma.len(), thumb.columns * thumb.rows);
            assert!(
                thumb.luma.iter().all(|v| (v - 77.0).abs() < 1e-3),
                "{width}x{height}"
            );
        }
        let mut short = grey(64, 48, |_, _| 1);
        short.luma.pop();
        assert!(Thumb::of(&short).luma.is_empty());
    }
}
