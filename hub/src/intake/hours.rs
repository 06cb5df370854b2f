//! Which hours the writer knows to stand in the audit: the first transit of an hour leaves a line.

use std::collections::HashSet;

use varco_proto::keys::SealingKey;

use crate::audit;
use crate::hours::partition::Partition;
use crate::store::StoreError;
use crate::store::notes::Notes;
use crate::timekeeping::Reading;

/// Hours kept in memory before it is emptied; the audit's own table is asked then.
const KNOWN_MAX: usize = 1024;

/// Hours whose beginning was told, as far as this process knows.
#[derive(Debug, Default)]
pub(super) struct ToldHours {
    known: HashSet<Partition>,
    /// Hours of which the line could not be written.
    waiting: HashSet<Partition>,
    /// Whether the hours that were stored before this process were looked at: an older version, or
    /// a cut behind a commit in PostgreSQL, left them without a line.
    is_caught_up: bool,
}

impl ToldHours {
    /// Of a batch's hours those that may not be told yet; the first time with all that are `stored`.
    pub(super) fn untold(
        &self,
        hours: &[Partition],
        stored: impl FnOnce() -> Result<Vec<Partition>, StoreError>,
    ) -> Result<Vec<Partition>, StoreError> {
        let mut all: HashSet<Partition> = self.waiting.clone();
        all.extend(hours);
        if !self.is_caught_up {
            all.extend(stored()?);
        }
        let mut untold: Vec<_> = all.difference(&self.known).copied().collect();
        untold.sort_unstable();
        Ok(untold)
    }

    /// Writes the lines of those that have none.
    pub(super) fn tell(
        &self,
        notes: &Notes<'_>,
        hours: &[Partition],
        reading: Reading,
        key: &SealingKey,
    ) -> Result<(), StoreError> {
        for hour in hours {
            audit::hours::begin(notes.writing()?, *hour, reading.kept(), key)?;
        }
        Ok(())
    }

    /// Notes hours that must be told by the next batch at the latest.
    pub(super) fn wait_for(&mut self, hours: &[Partition]) {
        self.waiting.extend(hours);
    }

    /// Notes that these are told, once that is committed.
    pub(super) fn told(&mut self, hours: Vec<Partition>) {
        if self.known.len() > KNOWN_MAX {
            self.known.clear();
        }
        self.known.extend(hours);
        self.waiting.clear();
        self.is_caught_up = true;
    }
}
