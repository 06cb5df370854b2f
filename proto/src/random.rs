//! Random bytes from the system.

use ring::rand::{SecureRandom as _, SystemRandom};
use thiserror::Error;

/// The system gave no random bytes: nothing secret can be made until it does. Try again later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the system's random source failed")]
pub struct RandomError;

/// Random bytes fit for ids and keys.
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

/// A byte for jitter: without randomness, the middle will do.
#[must_use]
pub fn jitter() -> u8 {
    bytes::<1>().map_or(128, |[byte]| byte)
}
