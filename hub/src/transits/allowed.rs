//! What may be processed: what is within its term, not blocked (C01), and within the asker's reach.
//!
//! Every search is handed it, so that nothing else is shown, paired, counted, kept or named in an audit line.

use std::collections::BTreeMap;

use varco_proto::time::UtcTime;

use super::blocks;
use super::entry::Entry;
use super::horizon::Horizon;
use super::stored::StoredHours;
use crate::hours::partition::Partition;
use crate::municipalities::reach::Reach;
use crate::store::StoreError;

/// A stored transit, found by its id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Placed {
    /// Its id.
    pub id: [u8; 16],
    /// The partition in which it lies.
    pub hour: Partition,
    /// What the index knows of it.
    pub entry: Entry,
}

/// What may be processed at a moment.
#[derive(Debug, Clone)]
pub struct Allowed {
    horizon: Horizon,
    /// By the hour in which they lie. They are few: each is somebody's own request or an order.
    blocked: BTreeMap<Partition, Vec<Entry>>,
    reach: Reach,
}

impl Allowed {
    pub(crate) fn of(horizon: Horizon, placed: Vec<Placed>, reach: Reach) -> Self {
        let mut blocked: BTreeMap<Partition, Vec<Entry>> = BTreeMap::new();
        for one in placed {
            blocked.entry(one.hour).or_default().push(one.entry);
        }
        Self {
            horizon,
            blocked,
            reach,
        }
    }

    /// With no hour of which a part is past its term.
    #[must_use]
    pub(crate) fn in_whole_hours(mut self) -> Self {
        self.horizon = self.horizon.in_whole_hours();
        self.reach = self.reach.in_whole_hours();
        self
    }

    /// How far back transits may be shown.
    #[must_use]
    pub fn horizon(&self) -> &Horizon {
        &self.horizon
    }

    /// The gates whose transits whoever asks may see.
    #[must_use]
    pub fn reach(&self) -> &Reach {
        &self.reach
    }

    /// The blocked transits of an hour.
    pub(crate) fn blocked_in(&self, hour: Partition) -> &[Entry] {
        self.blocked.get(&hour).map_or(&[], Vec::as_slice)
    }

    /// The blocked transits, by hour.
    pub(crate) fn blocked(&self) -> impl Iterator<Item = (Partition, &Entry)> {
        let of_hours = self.blocked.iter();
        of_hours.flat_map(|(hour, entries)| entries.iter().map(|entry| (*hour, entry)))
    }
}

impl dyn StoredHours + '_ {
    /// What may be processed now, of what is within reach.
    ///
    /// # Errors
    /// [`StoreError`]: then nothing may be.
    pub fn allowed(&self, now: UtcTime, reach: &Reach) -> Result<Allowed, StoreError> {
        let horizon = self.horizon(now)?;
        let blocked = blocks::all(&self.main())?;
        Ok(Allowed::of(horizon, self.placed(&blocked)?, reach.clone()))
    }

    /// How far back transits may be shown now.
    ///
    /// # Errors
    /// [`StoreError`]: then nothing may be shown.
    pub fn horizon(&self, now: UtcTime) -> Result<Horizon, StoreError> {
        let settings = self.settings();
        Horizon::at(&self.main(), settings.lead.latest(now), settings.term)
    }
}
