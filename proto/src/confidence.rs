//! Confidence of a reading.

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// A probability-like number in `0..=1`; never NaN.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Default, Serialize, Deserialize)]
#[serde(try_from = "f32", into = "f32")]
pub struct Confidence(f32);

/// The number lies outside `0..=1`. The caller refuses the message that held it.
#[derive(Debug, Clone, Copy, PartialEq, Error)]
#[error("confidence {0} is not within 0..=1")]
pub struct ConfidenceError(pub f32);

impl Confidence {
    /// No confidence at all.
    pub const ZERO: Self = Self(0.0);
    /// Full confidence.
    pub const ONE: Self = Self(1.0);

    /// Takes a number in `0..=1`.
    ///
    /// # Errors
    /// [`ConfidenceError`] when it is outside or NaN.
    pub fn new(value: f32) -> Result<Self, ConfidenceError> {
        if (0.0..=1.0).contains(&value) {
            Ok(Self(value))
        } else {
            Err(ConfidenceError(value))
        }
    }

    /// Brings a number that rounding pushed outside back into `0..=1`; NaN becomes 0.
    #[must_use]
    pub fn saturating(value: f32) -> Self {
        Self(if value.is_nan() {
            0.0
        } else {
            value.clamp(0.0, 1.0)
        })
    }

    /// The lesser of both.
    #[must_use]
    pub fn min(self, other: Self) -> Self {
        Self(self.0.min(other.0))
    }

    /// The number.
    #[must_use]
    pub fn get(self) -> f32 {
        self.0
    }
}

impl TryFrom<f32> for Confidence {
    type Error = ConfidenceError;
    fn try_from(value: f32) -> Result<Self, Self::Error> {
        Self::new(value)
    }
}

impl From<Confidence> for f32 {
    fn from(value: Confidence) -> Self {
        value.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_confidence_outside_its_range_is_refused() {
        assert!(Confidence::new(-0.01).is_err());
        assert!(Confidence::new(1.01).is_err());
        assert!(Confidence::new(f32::NAN).is_err());
        assert_eq!(Confidence::new(1.0).unwrap(), Confidence::ONE);
    }

    #[test]
    fn saturating_never_makes_nan() {
        assert_eq!(Confidence::saturating(f32::NAN), Confidence::ZERO);
        assert_eq!(Confidence::saturating(1.0001), Confidence::ONE);
    }
}
