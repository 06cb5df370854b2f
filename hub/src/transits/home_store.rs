//! The home's own store behind the seam of [`super::stored`].

use std::collections::{BTreeSet, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use varco_proto::time::UtcTime;

use super::allowed::{Allowed, Placed};
use super::archive::{Archive, ArchiveSettings, SEAL_AT, SEAL_QUIET, Size};
use super::claims::StoredClaim;
use super::names::{self, Names};
use super::purge::{Clean, PurgeTurn};
use super::query::Query;
use super::retention::{Ending, Ends, RetentionError};
use super::rows;
use super::search::ArchiveLook;
use super::stored::{Fetched, Hit, Look, StoredHours, StoredTransit, Wish};
use super::wanted::Numbers;
use crate::hours::keys::HourKeys;
use crate::hours::partition::Partition;
use crate::store::StoreError;
use crate::store::sql::Connection;
use varco_proto::cipher::Key;

impl StoredHours for Archive {
    fn settings(&self) -> &ArchiveSettings {
        &self.settings
    }

    fn main(&self) -> MutexGuard<'_, Connection> {
        self.audit.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn turn_lock(&self) -> &Mutex<()> {
        &self.turn
    }

    fn keys(&self) -> &HourKeys {
        &self.keys
    }

    fn numbers<'q>(
        &self,
        query: &'q Query,
        allowed: &'q Allowed,
    ) -> Result<Numbers<'q>, StoreError> {
        Ok(Numbers::of(query, allowed, &self.read().names))
    }

    fn look<'a>(&'a self, wish: &'a Wish<'a>) -> Result<Box<dyn Look + 'a>, StoreError> {
        Ok(Box::new(ArchiveLook::begin(self, wish)))
    }

    fn fetch(&self, hits: &[Hit]) -> Result<Fetched, StoreError> {
        let mut fetched = Fetched::default();
        for of_one_hour in hits.chunk_by(|a, b| a.hour == b.hour) {
            let Some(hour) = of_one_hour.first().map(|hit| hit.hour) else {
                continue;
            };
            let place = self.read().hours.get(&hour).map(|slot| slot.place.clone());
            // Destroyed meanwhile: its term was over.
            let Some(place) = place.filter(|place| place.rows_file().exists()) else {
                continue;
            };
            let connection = self.reader(&place)?;
            for hit in of_one_hour {
                match place.read(&connection, hit.entry.row) {
                    // An index that points at another transit would show a wrong plate.
                    Ok((head, envelope)) if head.entry == hit.entry => match self.name(head.edge) {
                        Some(edge) => fetched.transits.push(StoredTransit {
                            head,
                            captured_at: hit.at(),
                            edge,
                            envelope,
                            misread: None,
                        }),
                        None => fetched.broken += 1,
                    },
                    Ok(_) | Err(StoreError::Damaged { .. }) => fetched.broken += 1,
                    Err(error) => return Err(error),
                }
            }
            self.give_back(hour, connection);
        }
        Ok(fetched)
    }

    fn placed(&self, ids: &HashSet<[u8; 16]>) -> Result<Vec<Placed>, StoreError> {
        self.find_placed(ids)
    }

    fn name(&self, number: u32) -> Option<String> {
        self.read().names.name(number).map(str::to_owned)
    }

    fn names(&self) -> Result<Names, StoreError> {
        Ok(self.read().names.clone())
    }

    fn claims(&self) -> Result<BTreeSet<StoredClaim>, StoreError> {
        self.stored_claims()
    }

    fn held(&self) -> Result<Vec<(Partition, u64)>, StoreError> {
        let state = self.read();
        let held = state.hours.iter().map(|(hour, slot)| {
            let rows = slot.rows.saturating_sub(slot.purged);
            (*hour, u64::from(rows))
        });
        Ok(held.collect())
    }

    fn hour_key(&self, hour: Partition) -> Result<Option<Arc<Key>>, StoreError> {
        self.keys.get(hour)
    }

    fn check(&self) -> Result<(), StoreError> {
        Ok(())
    }

    fn size(&self) -> Result<Size, StoreError> {
        let state = self.read();
        let mut size = Size {
            plates: state.dictionaries.len(),
            ..Size::default()
        };
        for slot in state.hours.values().filter(|slot| slot.rows > 0) {
            size.hours += 1;
            size.transits += u64::from(slot.rows.saturating_sub(slot.purged));
            size.hot += u64::try_from(slot.hot.len()).unwrap_or(u64::MAX);
        }
        Ok(size)
    }

    fn seal_one_due(&self, now: UtcTime) -> Result<Option<Partition>, StoreError> {
        let due = {
            let state = self.read();
            let due = state.hours.iter().find(|(hour, slot)| {
                let quiet = hour.end() <= now && now.since(slot.touched) >= SEAL_QUIET;
                slot.hot.len() >= SEAL_AT || (quiet && !slot.hot.is_empty())
            });
            due.map(|(hour, _)| *hour)
        };
        if let Some(hour) = due {
            self.seal(hour)?;
        }
        Ok(due)
    }

    fn seal(&self, hour: Partition) -> Result<(), StoreError> {
        self.index(hour, |slot| !slot.hot.is_empty(), |_| true, |_| true)
    }

    fn unlink(&self, hours: &[Partition]) -> Result<(), StoreError> {
        let _upkeep = self.upkeep();
        for hour in hours {
            rows::destroy(&self.settings.folder, *hour)?;
        }
        if !hours.is_empty() {
            let dictionaries = self.read().dictionaries.clone();
            self.write().dictionaries = dictionaries.without_hours(hours);
        }
        Ok(())
    }

    fn clean(&self) -> &Clean {
        &self.clean
    }

    fn purge(&self, turn: &mut PurgeTurn<'_>) -> Result<u64, RetentionError> {
        self.purge_hour(turn)
    }
}

/// The end of hours in the home: rows are unlinked later, by [`StoredHours::unlink`].
impl Ends for &Archive {
    fn store(&self) -> &dyn StoredHours {
        *self
    }

    fn hours(&mut self) -> Result<Vec<Partition>, StoreError> {
        Ok(self.read().hours.keys().copied().collect())
    }

    fn begin(&mut self, hour: Partition) -> Result<Option<Ending>, StoreError> {
        let rows = self.read().hours.get(&hour).map_or(0, |slot| slot.rows); // None of it counts.
        Ok(Some(Ending {
            transits: u64::from(rows),
            is_dead: false,
        }))
    }

    fn kill(&mut self, hour: Partition) -> Result<(), StoreError> {
        drop(self.write().hours.remove(&hour));
        self.keys.destroy(hour)?;
        self.clean.forget(|dead| dead == hour);
        self.forget_readers(hour);
        Ok(())
    }

    fn clear(&mut self, main: &Connection, hour: Partition) -> Result<(), StoreError> {
        names::forget_hour(main, hour)
    }

    fn give_up(&mut self) {}

    fn forget(&mut self, _gone: &dyn Fn(Partition) -> bool) {}
}
