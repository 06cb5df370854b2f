//! Numbers between pixels and floats: the one place where they are cast.

/// A count or coordinate as a float. Exact below 2^24, far above any picture's side.
#[must_use]
pub fn float(value: usize) -> f32 {
    #[expect(
        clippy::cast_precision_loss,
        reason = "sides and counts here are far below 2^24"
    )]
    {
        value as f32
    }
}

/// A side in pixels as a float.
#[must_use]
pub fn float_px(value: u32) -> f32 {
    float(index(value))
}

/// A side in pixels as an index.
#[must_use]
pub fn index(value: u32) -> usize {
    usize::try_from(value).unwrap_or(usize::MAX)
}

/// The whole number below, within `0..=limit`; NaN gives 0. Above 0 that is what a cast leaves: no
/// call of the mathematical library, which pixel loops would pay for.
#[must_use]
#[inline]
pub fn floor_within(value: f32, limit: usize) -> usize {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the cast saturates and maps NaN to 0, which is what is promised"
    )]
    let whole = value as i32;
    usize::try_from(whole).unwrap_or(0).min(limit)
}

/// The nearest side in pixels, at least 1, halves to the even one as Python's `round` does.
#[must_use]
pub fn round_side_px(value: f64) -> u32 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the cast saturates and maps NaN to 0, which the bound then lifts to 1"
    )]
    let whole = value.round_ties_even() as u32;
    whole.max(1)
}

/// The nearest brightness, within `0..=255`; NaN gives 0.
#[must_use]
pub fn brightness(value: f32) -> u8 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the cast saturates and maps NaN to 0, which is what is promised"
    )]
    {
        (value + 0.5) as u8
    }
}

/// A probability in the width that readings keep.
#[must_use]
pub fn narrow(value: f64) -> f32 {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "probabilities lose digits that no net has"
    )]
    {
        value as f32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn casts_saturate_and_swallow_nan() {
        assert_eq!(floor_within(-3.0, 9), 0);
        assert_eq!(floor_within(f32::NAN, 9), 0);
        assert_eq!(floor_within(f32::INFINITY, 9), 9);
        assert_eq!(floor_within(4.9, 9), 4);
        assert_eq!(brightness(300.0), 255);
        assert_eq!(brightness(-1.0), 0);
        assert_eq!(brightness(127.5), 128);
    }

    #[test]
    fn sides_round_as_the_trainer_rounds_them() {
        assert_eq!(round_side_px(2.5), 2);
        assert_eq!(round_side_px(3.5), 4);
        assert_eq!(round_side_px(0.2), 1);
        assert_eq!(round_side_px(f64::NAN), 1);
    }
}
