//! The two nets, and what they give.

use thiserror::Error;

/// The two nets, whatever runs them.
pub trait Nets: std::fmt::Debug + Send {
    /// Runs the detector on one grey picture of `width_px * height_px` bytes, both multiples of
    /// the manifest's padding, and writes its maps.
    ///
    /// # Errors
    /// [`NetError`] when the net cannot run or gives other shapes than the manifest's.
    fn detect(
        &mut self,
        luma: &[u8],
        width_px: usize,
        height_px: usize,
        maps: &mut Maps,
    ) -> Result<(), NetError>;

    /// Runs the recogniser on `count` straightened plates, one after the other in `plates`.
    ///
    /// # Errors
    /// [`NetError`] when the net cannot run or gives other shapes than the manifest's.
    fn recognise(
        &mut self,
        plates: &[u8],
        count: usize,
        outputs: &mut Outputs,
    ) -> Result<(), NetError>;
}

/// What the detector gives: cells of the stride's size, row by row.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Maps {
    /// Rows of cells.
    pub rows: usize,
    /// Cells in a row.
    pub columns: usize,
    /// Probability that a plate's centre lies in the cell, `rows * columns`.
    pub heat: Vec<f32>,
    /// Eight planes of `rows * columns`: x and y of TL, TR, BR, BL from the cell's centre, in
    /// pixels of the detector's input.
    pub quad: Vec<f32>,
}

/// What the recogniser gives.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Outputs {
    /// Steps of reading for each plate.
    pub steps: usize,
    /// Probabilities, `count * steps * classes`.
    pub characters: Vec<f32>,
    /// Probabilities, `count * countries`.
    pub country: Vec<f32>,
    /// Probability that it is a plate at all, `count`.
    pub plate: Vec<f32>,
    /// Where the plate's corners lie in the straightened picture, `count * 8`: x and y of TL, TR,
    /// BR, BL, 0 to 1 from its upper left.
    pub corners: Vec<f32>,
}

/// A net cannot run. Check the model files against the manifest, then start again.
#[derive(Debug, Error)]
#[error("{0}")]
pub struct NetError(pub String);
