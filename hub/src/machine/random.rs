//! Random bytes from the system.

use ring::rand::{SecureRandom as _, SystemRandom};
use thiserror::Error;

/// The system gave no random bytes: nothing secret can be made until it does.
#[derive(Debug, Clone, Copy, Error)]
#[error("the system's random source failed")]
pub struct RandomError;

/// Fills an array.
///
/// # Errors
/// [`RandomError`].
pub fn bytes<const N: usize>() -> Result<[u8; N], RandomError> {
    let mut out = [0; N];
    SystemRandom::new()
        .fill(&mut out)
        .map_err(|_| RandomError)?;
    Ok(out)
}

/// A number in `0.0..=1.0`, for back-off with jitter.
#[must_use]
pub fn fraction() -> f64 {
    // Without random bytes, no jitter: the back-off itself still holds.
    bytes::<4>().map_or(0.5, |b| {
        f64::from(u32::from_le_bytes(b)) / f64::from(u32::MAX)
    })
}
