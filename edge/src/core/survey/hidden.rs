//! What of a picture is masked: nothing is measured there.

use crate::core::frame::Frame;
use crate::core::geometry::Point;
use crate::core::number::{float, index};
use crate::core::view::mask::Polygon;

/// Blocks of a picture that are masked or not.
const BLOCKS: (usize, usize) = (96, 54);

/// Which blocks of a picture a mask touches or borders on: there nothing is measured.
#[derive(Debug, Clone, Default)]
pub struct Hidden(Vec<bool>);

impl Hidden {
    /// By the camera's masks.
    #[must_use]
    pub fn of(masks: &[Polygon]) -> Self {
        if masks.is_empty() {
            return Self::default();
        }
        let covered = |column: usize, row: usize| {
            let share = |at: usize, of: usize, part: f32| (float(at) + part) / float(of);
            let parts = [0.1, 0.5, 0.9];
            parts.iter().any(|down| {
                parts.iter().any(|right| {
                    let x = share(column, BLOCKS.0, *right);
                    let place = Point::new(x, share(row, BLOCKS.1, *down));
                    masks.iter().any(|mask| mask.contains(place))
                })
            })
        };
        let rows = (0..BLOCKS.1).flat_map(|row| (0..BLOCKS.0).map(move |column| (column, row)));
        let covered: Vec<bool> = rows.map(|(column, row)| covered(column, row)).collect();
        let near = |at: usize| {
            let (column, row) = (at % BLOCKS.0, at / BLOCKS.0);
            let mut around =
                (row.saturating_sub(1)..=(row + 1).min(BLOCKS.1 - 1)).flat_map(|row| {
                    let columns = column.saturating_sub(1)..=(column + 1).min(BLOCKS.0 - 1);
                    columns.map(move |column| row * BLOCKS.0 + column)
                });
            around.any(|at| covered[at])
        };
        Self((0..covered.len()).map(near).collect())
    }

    /// Whether a pixel of a frame lies there.
    #[must_use]
    pub fn has(&self, frame: &Frame, x: usize, y: usize) -> bool {
        let (width, height) = (index(frame.width_px).max(1), index(frame.height_px).max(1));
        let at = y * BLOCKS.1 / height * BLOCKS.0 + x * BLOCKS.0 / width;
        self.0.get(at).copied().unwrap_or(false)
    }
}
