//! What is known around a place in a chain, and by which limits of time a record there is judged.

use std::time::Duration;

use varco_proto::ids::Digest;

use crate::timekeeping::Reading;

/// What the hub knows around a record's place in its chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Around {
    /// Highest sequence seen; 0 for none.
    pub head: u64,
    /// What has this place, if anything.
    pub here: Option<KnownLink>,
    /// Digest of the record before, when it is known.
    pub before: Option<Digest>,
    /// What the record after says its predecessor is, when it is known.
    pub after_follows: Option<Digest>,
    /// Whether the place is below the chain's end and nothing is missing there: the hub had its
    /// record, and has let its link go.
    pub pruned: bool,
}

/// A known record of a chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KnownLink {
    /// Its digest.
    pub digest: Digest,
    /// Whether its transit was stored; else it was refused, and only its place is known.
    pub stored: bool,
}

/// Records that are missing: first and last sequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Missing {
    /// First missing.
    pub first: u64,
    /// Last missing.
    pub last: u64,
}

/// The limits of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// How long a transit is kept, from its capture.
    pub term: Duration,
    /// How far ahead of the hub's clock a capture may lie.
    pub ahead_max: Duration,
}

/// How far ahead of the hub's clock a capture may lie while that clock is in doubt: the machine may
/// have been off for so long.
const AHEAD_IN_DOUBT_MAX: Duration = Duration::from_secs(31 * 24 * 3600);

impl Limits {
    /// The limits at a reading, for records that are judged at the earlier of its times. While the clock
    /// is in doubt, a record is too old only by both, and may come from a time that the hub missed.
    #[must_use]
    pub fn by(self, reading: &Reading) -> Self {
        let ahead_max = match reading.doubt() {
            None => self.ahead_max,
            Some(_) => reading.apart() + AHEAD_IN_DOUBT_MAX,
        };
        Self { ahead_max, ..self }
    }
}
