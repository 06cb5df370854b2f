//! Random bytes from the system, and fractions for back-off.

pub use varco_proto::random::{RandomError, bytes, jitter};

/// A number in `0.0..=1.0`, for back-off with jitter.
#[must_use]
pub fn fraction() -> f64 {
    // Without random bytes, no jitter: the back-off itself still holds.
    bytes::<4>().map_or(0.5, |b| {
        f64::from(u32::from_le_bytes(b)) / f64::from(u32::MAX)
    })
}
