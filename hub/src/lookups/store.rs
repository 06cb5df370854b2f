//! Where the transits are: in the hub's own files, or in PostgreSQL. Whoever looks up, counts or ends
//! transits comes here and does not know which it is.

use std::ops::Deref;
use std::sync::Arc;

use varco_proto::ids::EdgeId;

use crate::intake::chain::{self, ChainState};
use crate::postgres::Server;
use crate::store::StoreError;
use crate::store::sql::Connection;
use crate::transits::archive::Archive;
use crate::transits::stored::StoredHours;

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
    /// The store, whichever it is.
    #[must_use]
    pub fn hours(&self) -> &(dyn StoredHours + 'static) {
        match self {
            Self::Embedded(archive) => archive.as_ref(),
            Self::Postgres(server) => server.as_ref(),
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
}

impl Deref for TransitStore {
    type Target = dyn StoredHours;

    fn deref(&self) -> &Self::Target {
        self.hours()
    }
}

/// Where an edge's chain stands: with the transits in PostgreSQL, else in the main database.
///
/// # Errors
/// [`StoreError`].
pub fn chain(
    main: &Connection,
    server: Option<&Server>,
    edge: &EdgeId,
) -> Result<ChainState, StoreError> {
    match server {
        Some(server) => server.chain(edge),
        None => chain::state(main, edge),
    }
}
