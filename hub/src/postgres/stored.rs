//! PostgreSQL behind the seam of [`crate::transits::stored`].

use std::collections::{BTreeSet, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use varco_proto::time::UtcTime;

use super::find::ServerLook;
use super::plates;
use super::server::{SETTLE_AFTER, Server};
use crate::hours::keys::HourKeys;
use crate::hours::partition::Partition;
use crate::store::StoreError;
use crate::store::sql::Connection;
use crate::transits::allowed::{Allowed, Placed};
use crate::transits::archive::{ArchiveSettings, Size};
use crate::transits::claims::StoredClaim;
use crate::transits::names::Names;
use crate::transits::purge::{Clean, PurgeTurn};
use crate::transits::query::Query;
use crate::transits::retention::RetentionError;
use crate::transits::stored::{Fetched, Hit, Look, StoredHours, Wish};
use crate::transits::wanted::Numbers;
use varco_proto::cipher::Key;

impl StoredHours for Server {
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
        self.secrets.keys()
    }

    fn numbers<'q>(
        &self,
        query: &'q Query,
        allowed: &'q Allowed,
    ) -> Result<Numbers<'q>, StoreError> {
        self.with(|link| self.numbers_of(link, query, allowed))
    }

    fn look<'a>(&'a self, wish: &'a Wish<'a>) -> Result<Box<dyn Look + 'a>, StoreError> {
        Ok(Box::new(ServerLook::begin(self, wish)?))
    }

    fn fetch(&self, hits: &[Hit]) -> Result<Fetched, StoreError> {
        if hits.is_empty() {
            return Ok(Fetched::default());
        }
        self.with(|link| self.fetch_from(link, hits))
    }

    fn placed(&self, ids: &HashSet<[u8; 16]>) -> Result<Vec<Placed>, StoreError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        self.find_placed(ids)
    }

    fn name(&self, number: u32) -> Option<String> {
        let names = self.names.read().unwrap_or_else(PoisonError::into_inner);
        names.name(number).map(str::to_owned)
    }

    fn names(&self) -> Result<Names, StoreError> {
        self.with(|link| self.reload_names(link))?;
        let names = self.names.read().unwrap_or_else(PoisonError::into_inner);
        Ok(names.clone())
    }

    fn claims(&self) -> Result<BTreeSet<StoredClaim>, StoreError> {
        self.stored_claims()
    }

    fn held(&self) -> Result<Vec<(Partition, u64)>, StoreError> {
        self.with(|link| Ok(self.book(link)?.hours()))
    }

    fn hour_key(&self, hour: Partition) -> Result<Option<Arc<Key>>, StoreError> {
        let secret = self.secrets.of(hour)?;
        Ok(secret.map(|secret| Arc::clone(&secret.key)))
    }

    fn check(&self) -> Result<(), StoreError> {
        self.with(|link| link.run("ask whether anybody is there", "SELECT 1"))
    }

    fn size(&self) -> Result<Size, StoreError> {
        self.with(|link| Ok(self.book(link)?.size()))
    }

    /// Merges the plates of one hour that is over.
    fn seal_one_due(&self, now: UtcTime) -> Result<Option<Partition>, StoreError> {
        let over = |hour: Partition| hour.end() + SETTLE_AFTER <= now;
        let due = self.with(|link| Ok(self.book(link)?.due(over)))?;
        if let Some(hour) = due {
            self.seal(hour)?;
        }
        Ok(due)
    }

    /// Merges the plates of an hour.
    fn seal(&self, hour: Partition) -> Result<(), StoreError> {
        let Some(secret) = self.secrets.of(hour)? else {
            return Ok(());
        };
        self.with(|link| {
            plates::merge(link, &secret, hour)?;
            self.book(link)?.settle(hour);
            Ok(())
        })
    }

    /// Forgets the hours: their tables went with their end.
    fn unlink(&self, hours: &[Partition]) -> Result<(), StoreError> {
        self.forget_where(|hour| hours.contains(&hour));
        Ok(())
    }

    fn clean(&self) -> &Clean {
        &self.clean
    }

    fn purge(&self, turn: &mut PurgeTurn<'_>) -> Result<u64, RetentionError> {
        self.purge_hour(turn)
    }
}
