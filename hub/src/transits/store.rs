//! Where the transits are: in the hub's own files, or in PostgreSQL. Whoever looks up, stores or
//! ends transits comes here and does not know which it is.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use varco_proto::ids::{CameraId, GateId};
use varco_proto::keys::SealingKey;
use varco_proto::time::UtcTime;

use super::allowed::Allowed;
use super::archive::{Archive, ArchiveSettings, Size};
use super::entry::Entry;
use super::lookup::{Asking, Found, LookupError, StoredTransit};
use super::purge::Purged;
use super::query::Query;
use super::retention::{self, RetentionError};
use crate::hours::partition::Partition;
use crate::postgres::Server;
use crate::store::StoreError;
use crate::store::cipher::Key;
use crate::store::sql::Connection;

/// The stored transits.
#[derive(Debug, Clone)]
pub enum TransitStore {
    /// In an encrypted file an hour, in the home; for one hub.
    Embedded(Arc<Archive>),
    /// In PostgreSQL; for several hubs of one home.
    Postgres(Arc<Server>),
}

impl From<Arc<Archive>> for TransitStore {
    fn from(archive: Arc<Archive>) -> Self {
        Self::Embedded(archive)
    }
}

impl From<Arc<Server>> for TransitStore {
    fn from(server: Arc<Server>) -> Self {
        Self::Postgres(server)
    }
}

impl TransitStore {
    /// Where what stays in the home lies.
    #[must_use]
    pub fn settings(&self) -> &ArchiveSettings {
        match self {
            Self::Embedded(archive) => archive.settings(),
            Self::Postgres(server) => server.settings(),
        }
    }

    /// Looks up: the audit line is committed before anything is given back.
    ///
    /// # Errors
    /// [`LookupError`]; then nothing was shown.
    pub fn look_up(&self, query: &Query, asking: &Asking<'_>) -> Result<Found, LookupError> {
        match self {
            Self::Embedded(archive) => archive.look_up(query, asking),
            Self::Postgres(server) => server.look_up(query, asking),
        }
    }

    /// PostgreSQL, when the transits are there.
    #[must_use]
    pub fn server(&self) -> Option<&Server> {
        match self {
            Self::Embedded(_) => None,
            Self::Postgres(server) => Some(server),
        }
    }

    /// Waits for its turn to write to the main database, within this process.
    pub fn turn(&self) -> MutexGuard<'_, ()> {
        self.turn_lock()
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// One stored transit, by its id and by what finds it; none when it is not there, past its term or
    /// blocked. The caller writes the audit line.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn one(
        &self,
        (id, plate, at): (&[u8; 16], &str, UtcTime),
        now: UtcTime,
    ) -> Result<Option<StoredTransit>, StoreError> {
        match self {
            Self::Embedded(archive) => archive.one((id, plate, at), now),
            Self::Postgres(server) => server.one((id, plate, at), now),
        }
    }

    /// Gives every entry that a query asks for, oldest hour first: without its limit and cursor, and
    /// without reading a sealed original.
    pub(super) fn visit(
        &self,
        query: &Query,
        allowed: &Allowed,
        mut take: impl FnMut(Partition, &Entry),
    ) -> Result<(), StoreError> {
        match self {
            Self::Embedded(archive) => archive.visit(query, allowed, take),
            Self::Postgres(server) => server.visit(query, allowed, &mut take),
        }
    }

    /// The entries of a query's page.
    pub(super) fn page_of(
        &self,
        query: &Query,
        allowed: &Allowed,
    ) -> Result<Vec<(Partition, Entry)>, StoreError> {
        match self {
            Self::Embedded(archive) => {
                let page = archive.search(query, allowed)?.page.into_iter();
                Ok(page.map(|hit| (hit.place.hour, hit.entry)).collect())
            }
            Self::Postgres(server) => server.page_of(query, allowed),
        }
    }

    /// The name of a camera, a gate or an edge, by its number.
    pub(super) fn name(&self, number: u32) -> Option<String> {
        match self {
            Self::Embedded(archive) => archive.read().names.name(number).map(str::to_owned),
            Self::Postgres(server) => server.name(number),
        }
    }

    /// Every gate with a camera whose transits came from there.
    ///
    /// # Errors
    /// [`StoreError`] when PostgreSQL is away.
    pub fn cameras_at_gates(&self) -> Result<Vec<(GateId, CameraId)>, StoreError> {
        match self {
            Self::Embedded(archive) => Ok(archive.read().names.cameras_at_gates()),
            Self::Postgres(server) => server.cameras_at_gates(),
        }
    }

    /// The sealed originals of these, in their order; what is gone or does not open is left out.
    pub(super) fn stored_of(
        &self,
        passes: &[(Partition, Entry)],
    ) -> Result<Vec<StoredTransit>, StoreError> {
        match self {
            Self::Embedded(archive) => archive.stored_of(passes),
            Self::Postgres(server) => server.stored_of(passes),
        }
    }

    /// The key of an hour; none when it is destroyed or was never made.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn hour_key(&self, hour: Partition) -> Result<Option<Arc<Key>>, StoreError> {
        match self {
            Self::Embedded(archive) => archive.hour_key(hour),
            Self::Postgres(server) => server.hour_key(hour),
        }
    }

    /// Hours that should have been destroyed by now; there are none but for a fault.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn overdue(&self, now: UtcTime) -> Result<Vec<Partition>, StoreError> {
        match self {
            Self::Embedded(archive) => retention::overdue(archive, now),
            Self::Postgres(server) => server.overdue(now),
        }
    }

    /// Destroys, in one hour, the transits of gates whose shorter term is over there; none when no
    /// hour has such. `main` is the main database.
    ///
    /// # Errors
    /// [`RetentionError`]; the next run goes on.
    pub fn purge_one(
        &self,
        main: &mut Connection,
        now: UtcTime,
        key: &SealingKey,
    ) -> Result<Option<Purged>, RetentionError> {
        match self {
            Self::Embedded(archive) => archive.purge_one(main, now, key),
            Self::Postgres(server) => server.purge_one(main, now, key),
        }
    }

    /// Whether lookups can be answered now.
    ///
    /// # Errors
    /// [`StoreError`]: they cannot.
    pub fn check(&self) -> Result<(), StoreError> {
        match self {
            Self::Embedded(_) => Ok(()),
            Self::Postgres(server) => server.check(),
        }
    }

    /// How much there is.
    ///
    /// # Errors
    /// [`StoreError`] when PostgreSQL is away.
    pub fn size(&self) -> Result<Size, StoreError> {
        match self {
            Self::Embedded(archive) => Ok(archive.size()),
            Self::Postgres(server) => server.size(),
        }
    }

    /// Puts one hour that is over, or that has grown, into the form in which it stays; none when
    /// none is due.
    ///
    /// # Errors
    /// [`StoreError`]: the hour is tried again.
    pub fn seal_one_due(&self, now: UtcTime) -> Result<Option<Partition>, StoreError> {
        match self {
            Self::Embedded(archive) => archive.seal_one_due(now),
            Self::Postgres(server) => server.settle_one_due(now),
        }
    }

    /// Puts an hour into the form in which it stays, with all that it has now.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn seal(&self, hour: Partition) -> Result<(), StoreError> {
        match self {
            Self::Embedded(archive) => archive.seal(hour),
            Self::Postgres(server) => server.settle(hour),
        }
    }

    /// Clears away what hours that are dead leave behind.
    ///
    /// # Errors
    /// [`StoreError`]; the next start goes on.
    pub fn unlink(&self, hours: &[Partition]) -> Result<(), StoreError> {
        match self {
            Self::Embedded(archive) => archive.unlink(hours),
            Self::Postgres(server) => {
                server.forget(hours);
                Ok(())
            }
        }
    }

    /// What is held while the main database is written, within this process.
    pub(crate) fn turn_lock(&self) -> &Mutex<()> {
        match self {
            Self::Embedded(archive) => archive.turn_lock(),
            Self::Postgres(server) => server.turn_lock(),
        }
    }
}
