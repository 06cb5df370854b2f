//! The store in PostgreSQL as one hub holds it: its connections, and what it keeps in memory.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use varco_proto::ids::EdgeId;

use super::connection::PgConnection;
use super::plates::Book;
use super::schema::{self, table_of};
use super::secrets::Secrets;
use super::{chain, names};
use crate::chains::{self, ChainState};
use crate::config::postgres_address::Address;
use crate::hours::keys::HourKeys;
use crate::hours::partition::Partition;
use crate::store::sql::Connection;
use crate::store::{self, StoreError};
use crate::transits::archive::ArchiveSettings;
use crate::transits::names::{NameKind, Names};
use crate::transits::purge::Clean;

/// Connections that are kept for the next lookup.
const IDLE_MAX: usize = 8;
/// How long an hour is over before its plates are merged.
pub(super) const SETTLE_AFTER: Duration = Duration::from_secs(120);

/// The store in PostgreSQL.
#[derive(Debug)]
pub struct Server {
    pub(super) address: Arc<Address>,
    pub(super) settings: ArchiveSettings,
    pub(super) secrets: Secrets,
    pub(super) names: RwLock<Names>,
    book: Mutex<Book>,
    /// Hours whose tables are known to be there.
    pub(super) made: Mutex<HashSet<Partition>>,
    /// What needs no purge.
    pub(super) clean: Clean,
    /// Whether Citus spreads the transits.
    pub(super) citus: bool,
    /// Whether other hubs take records of the same edges.
    pub(super) shared: bool,
    idle: Mutex<Vec<PgConnection>>,
    /// For the audit lines of lookups.
    pub(super) audit: Mutex<Connection>,
    pub(super) turn: Mutex<()>,
}

impl Server {
    /// Connects, and brings the schema forward. `settings` say where what stays in the home lies;
    /// the folder of partitions is not used.
    ///
    /// # Errors
    /// [`StoreError`] when PostgreSQL is away, or the home's files cannot be used.
    pub fn open(settings: ArchiveSettings, address: Address) -> Result<Self, StoreError> {
        Self::open_with(settings, address, schema::migrate)
    }

    /// `schema` sees to the schema, and says whether Citus spreads the transits.
    pub(super) fn open_with(
        settings: ArchiveSettings,
        address: Address,
        schema: impl FnOnce(&mut PgConnection) -> Result<bool, StoreError>,
    ) -> Result<Self, StoreError> {
        let address = Arc::new(address);
        let keys = HourKeys::open(&settings.keys, &settings.store_key)?;
        let mut link = PgConnection::to(Arc::clone(&address));
        link.ready()?;
        let citus = schema(&mut link)?;
        let names = names::load(&mut link)?;
        Ok(Self {
            audit: Mutex::new(store::open(&settings.main)?),
            address,
            settings,
            secrets: Secrets::over(keys),
            names: RwLock::new(names),
            book: Mutex::default(),
            made: Mutex::default(),
            clean: Clean::default(),
            citus,
            shared: false,
            idle: Mutex::new(vec![link]),
            turn: Mutex::default(),
        })
    }

    /// As one of so many hubs, which take records of the same edges.
    #[must_use]
    pub fn of_hubs(self, count: usize) -> Self {
        Self {
            shared: count > 1,
            ..self
        }
    }

    /// A connection to work with; it is kept for the next one when it is dropped.
    pub(super) fn lend(&self) -> Lent<'_> {
        Lent {
            server: self,
            link: None,
        }
    }

    /// Works with a connection. One on which something failed is not used again.
    pub(super) fn with<T>(
        &self,
        work: impl FnOnce(&mut PgConnection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.lend().work(work)
    }

    fn idle(&self) -> MutexGuard<'_, Vec<PgConnection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The plates, with all that was committed before this is asked.
    pub(super) fn book(&self, link: &mut PgConnection) -> Result<MutexGuard<'_, Book>, StoreError> {
        let mut book = self.book.lock().unwrap_or_else(PoisonError::into_inner);
        book.refresh(link, &self.secrets)?;
        Ok(book)
    }

    /// The number of a name; none when no hub ever met it.
    pub(super) fn number(
        &self,
        link: &mut PgConnection,
        kind: NameKind,
        name: &str,
    ) -> Result<Option<u32>, StoreError> {
        let known = || {
            let names = self.names.read().unwrap_or_else(PoisonError::into_inner);
            names.number(kind, name)
        };
        if let Some(number) = known() {
            return Ok(Some(number));
        }
        self.reload_names(link)?;
        Ok(known())
    }

    /// All names of a kind that any hub met.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn names_of(&self, kind: NameKind) -> Result<Vec<String>, StoreError> {
        self.with(|link| self.reload_names(link))?;
        let names = self.names.read().unwrap_or_else(PoisonError::into_inner);
        Ok(names.of(kind))
    }

    /// Reads names that other hubs met since.
    pub(super) fn reload_names(&self, link: &mut PgConnection) -> Result<(), StoreError> {
        let loaded = names::load(link)?;
        *self.names.write().unwrap_or_else(PoisonError::into_inner) = loaded;
        Ok(())
    }

    /// The hours that have a table, oldest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn hours(&self) -> Result<Vec<Partition>, StoreError> {
        self.with(hours)
    }

    /// Bytes of all tables and indexes.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn bytes(&self) -> Result<u64, StoreError> {
        let sql = "SELECT coalesce(sum(pg_total_relation_size(oid)), 0)::bigint FROM pg_class
                   WHERE relkind = 'r' AND relnamespace =
                       (SELECT relnamespace FROM pg_class WHERE oid = 'transits'::regclass)";
        self.with(|link| {
            let row = link.row("measure the tables", sql, &[])?;
            row.map_or(Ok(0), |row| chains::whole(row.get(0)))
        })
    }

    /// Where an edge's chain stands.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn chain(&self, edge: &EdgeId) -> Result<ChainState, StoreError> {
        self.with(
            |link| match self.number(link, NameKind::Edge, edge.as_str())? {
                Some(number) => chain::state(link, names::column(number)?),
                None => Ok(ChainState::default()),
            },
        )
    }

    /// Counts transits out that were destroyed before their hour.
    pub(super) fn forget_some(&self, hour: Partition, transits: u64) {
        let mut book = self.book.lock().unwrap_or_else(PoisonError::into_inner);
        book.forget_some(hour, transits);
    }

    pub(super) fn forget_where(&self, gone: impl Fn(Partition) -> bool) {
        self.secrets.forget(&gone);
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        made.retain(|hour| !gone(*hour));
        self.clean.forget(&gone);
        let mut book = self.book.lock().unwrap_or_else(PoisonError::into_inner);
        book.forget(&gone);
    }
}

/// A connection that is in use.
#[derive(Debug)]
pub(super) struct Lent<'a> {
    server: &'a Server,
    link: Option<PgConnection>,
}

impl Lent<'_> {
    /// Works with it. One on which something failed is not used again.
    pub(super) fn work<T>(
        &mut self,
        work: impl FnOnce(&mut PgConnection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let kept = self.link.take().or_else(|| self.server.idle().pop());
        let mut link = kept.unwrap_or_else(|| PgConnection::to(Arc::clone(&self.server.address)));
        link.ready()?;
        let done = work(&mut link)?;
        self.link = Some(link);
        Ok(done)
    }
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        let mut idle = self.server.idle();
        if idle.len() < IDLE_MAX {
            idle.extend(self.link.take());
        }
    }
}

/// The hours that have a table, oldest first.
pub(super) fn hours(link: &mut PgConnection) -> Result<Vec<Partition>, StoreError> {
    let rows = link.rows("list the hours", "SELECT hour FROM hours", &[])?;
    let hour = |row: tokio_postgres::Row| Partition::from_number(i64::from(row.get::<_, i32>(0)));
    let mut hours: Vec<Partition> = rows.into_iter().map(hour).collect();
    // Their numbers go by term first.
    hours.sort_unstable();
    Ok(hours)
}

/// How many transits an hour has.
pub(super) fn count(link: &mut PgConnection, hour: Partition) -> Result<u64, StoreError> {
    let sql = format!("SELECT count(*) FROM {}", table_of(hour));
    match link.row("count an hour's transits", &sql, &[]) {
        Err(error) if error.is_no_such_table() => Ok(0),
        row => row?.map_or(Ok(0), |row| chains::whole(row.get(0))),
    }
}
