//! How much the spool may hold.

use std::time::Duration;

use serde::Deserialize;
use varco_proto::config::Faults;

use crate::onboard::timing::AGE_MAX;

/// Most records that a spool may be set to hold.
const RECORDS_LIMIT: u64 = 10_000_000;
/// Least and most bytes that a spool may be set to hold, in MiB.
const BYTES_LIMITS_MIB: std::ops::RangeInclusive<u64> = 16..=1024 * 1024;
const BYTES_PER_MIB: u64 = 1024 * 1024;
const SECONDS_PER_HOUR: u64 = 3600;

/// What a spool may hold. Where a bound is reached the oldest transits go, never an alarm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpoolLimits {
    /// Transits, those that the hub refused included.
    pub records_max: u64,
    /// Bytes of envelopes.
    pub bytes_max: u64,
    /// From a transit's capture; at most [`AGE_MAX`].
    pub age_max: Duration,
}

impl Default for SpoolLimits {
    fn default() -> Self {
        Self {
            records_max: 50_000,
            bytes_max: 2 * 1024 * 1024 * 1024,
            age_max: AGE_MAX,
        }
    }
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct SpoolSection {
    pub(super) records_max: Option<u64>,
    pub(super) bytes_max_mib: Option<u64>,
    pub(super) age_max_h: Option<u64>,
}

/// What is not written has its default.
pub(super) fn spool(section: &SpoolSection, faults: &mut Faults) -> SpoolLimits {
    let usual = SpoolLimits::default();
    let mut within = |key: &str, value: u64, allowed: std::ops::RangeInclusive<u64>| {
        let (least, most) = (allowed.start(), allowed.end());
        faults.check(
            allowed.contains(&value),
            key,
            format!("{value} is not within {least}..={most}"),
        );
        value
    };
    let records_max = section.records_max.unwrap_or(usual.records_max);
    let mib = section
        .bytes_max_mib
        .unwrap_or(usual.bytes_max / BYTES_PER_MIB);
    let hours = section
        .age_max_h
        .unwrap_or(usual.age_max.as_secs() / SECONDS_PER_HOUR);
    SpoolLimits {
        records_max: within("spool.records_max", records_max, 1..=RECORDS_LIMIT),
        bytes_max: within("spool.bytes_max_mib", mib, BYTES_LIMITS_MIB)
            .saturating_mul(BYTES_PER_MIB),
        age_max: Duration::from_secs(
            within(
                "spool.age_max_h",
                hours,
                1..=AGE_MAX.as_secs() / SECONDS_PER_HOUR,
            )
            .saturating_mul(SECONDS_PER_HOUR),
        ),
    }
}
