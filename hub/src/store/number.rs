//! Numbers into columns and out of them. One that does not fit is damage, never a zero or the highest.

use super::StoreError;

/// As a column has it.
///
/// # Errors
/// [`StoreError::Damaged`].
pub fn signed(value: u64, what: &'static str) -> Result<i64, StoreError> {
    i64::try_from(value).map_err(|_| StoreError::Damaged { what })
}

/// Out of a column.
///
/// # Errors
/// [`StoreError::Damaged`].
pub fn unsigned(value: i64, what: &'static str) -> Result<u64, StoreError> {
    u64::try_from(value).map_err(|_| StoreError::Damaged { what })
}

/// How many there are.
///
/// # Errors
/// [`StoreError::Damaged`].
pub fn count(value: usize) -> Result<u64, StoreError> {
    u64::try_from(value).map_err(|_| StoreError::Damaged { what: "count" })
}
