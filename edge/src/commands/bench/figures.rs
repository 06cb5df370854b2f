//! How measured times are put into figures.

use std::time::Duration;

/// In milliseconds.
pub(super) fn ms(took: Duration) -> f64 {
    took.as_secs_f64() * 1e3
}

/// The value that this share of all values does not exceed.
pub(super) fn quantile(values: &mut [f64], hundredths: usize) -> f64 {
    values.sort_by(f64::total_cmp);
    let place = (values.len().saturating_sub(1) * hundredths).div_ceil(100);
    values.get(place).copied().unwrap_or(0.0)
}
