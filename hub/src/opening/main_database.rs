//! The main database: its schema, and opening it.

use crate::agreements::{self, rights};
use crate::alerts::{alert, deliveries, webhook};
use crate::approvals;
use crate::audit;
use crate::bodies;
use crate::boxes::{anomalies, gate_hours, history, registered};
use crate::boxes::{edges, forks, invitations, tampering};
use crate::cases;
use crate::chains;
use crate::departures;
use crate::evidence::{register, standing as standing_permits};
use crate::home::lock::Lock;
use crate::home::{Home, HomeError, whereabouts};
use crate::hotlists::list;
use crate::intake::{drops, refusals};
use crate::judgement;
use crate::map::gates;
use crate::municipalities;
use crate::people::{actors, appointments, custody, delegations, external_staff, tokens};
use crate::purposes;
use crate::signing::{accounts, challenges, passkeys, posts, sessions};
use crate::store::sql::Connection;
use crate::store::{self, StoreError};
use crate::transits::{corrections, erasures, names};
use crate::witnessing::standing;

/// The main database's schema, step by step; steps are only added.
const MAIN_SCHEMA: [&str; 73] = [
    edges::SCHEMA,
    chains::SCHEMA,
    refusals::SCHEMA,
    tokens::SCHEMA,
    audit::SCHEMA,
    tampering::SCHEMA,
    chains::SCHEMA_KIND,
    chains::SCHEMA_DROPPED,
    drops::SCHEMA,
    forks::SCHEMA,
    edges::SCHEMA_CERTIFICATES,
    invitations::SCHEMA,
    names::SCHEMA,
    chains::SCHEMA_RECENT,
    edges::SCHEMA_VERSION,
    tokens::SCHEMA_MAY,
    list::SCHEMA,
    alert::SCHEMA,
    webhook::SCHEMA,
    cases::SCHEMA,
    gates::SCHEMA,
    municipalities::SCHEMA,
    names::SCHEMA_PURGED,
    deliveries::SCHEMA,
    history::SCHEMA,
    anomalies::SCHEMA,
    gate_hours::SCHEMA,
    registered::SCHEMA,
    webhook::SCHEMA_TELLS,
    list::SCHEMA_EXTENT,
    whereabouts::SCHEMA,
    audit::head::SCHEMA_HEAD,
    audit::hours::SCHEMA_HOURS,
    list::SCHEMA_MAKER,
    actors::SCHEMA,
    cases::closing::SCHEMA,
    list::SCHEMA_KEY,
    municipalities::owners::SCHEMA_OWNERS,
    bodies::SCHEMA,
    appointments::SCHEMA,
    agreements::SCHEMA,
    list::SCHEMA_BODY,
    cases::SCHEMA_BODY,
    webhook::SCHEMA_BODY,
    cases::SCHEMA_BY_TIME,
    alert::SCHEMA_BY_LIST,
    judgement::SCHEMA,
    audit::log::SCHEMA_LOG,
    audit::ending::SCHEMA_ENDED,
    standing::SCHEMA,
    accounts::SCHEMA,
    posts::SCHEMA,
    challenges::SCHEMA,
    sessions::SCHEMA,
    rights::SCHEMA,
    approvals::SCHEMA,
    cases::closing::SCHEMA_MOVED,
    corrections::SCHEMA,
    register::SCHEMA,
    standing_permits::SCHEMA,
    bodies::SCHEMA_REFERENCES,
    purposes::SCHEMA,
    delegations::SCHEMA,
    custody::SCHEMA,
    external_staff::SCHEMA,
    rights::SCHEMA_PURPOSES,
    departures::SCHEMA,
    judgement::SCHEMA_OWN_BODIES,
    external_staff::SCHEMA_SECRECY,
    erasures::SCHEMA,
    tokens::SCHEMA_BOUNDS,
    passkeys::SCHEMA,
    audit::ending::SCHEMA_STAYING,
];

impl Home {
    /// The main database. Its schema is brought forward, unless a hub of an older version runs on it.
    ///
    /// # Errors
    /// [`HomeError::Store`], [`HomeError::NoDatabase`], [`HomeError::OlderRuns`].
    pub fn open_main(&self) -> Result<Connection, HomeError> {
        self.open_main_when(|home| !Lock::is_any_hub_running(home))
    }

    /// The main database, for the hub that begins to work on it.
    ///
    /// # Errors
    /// [`HomeError::Store`], [`HomeError::NoDatabase`].
    pub fn bring_forward(&self) -> Result<Connection, HomeError> {
        self.open_main_when(|_| true)
    }

    fn open_main_when(
        &self,
        may_change: impl FnOnce(&Self) -> bool,
    ) -> Result<Connection, HomeError> {
        let path = self.main_database();
        if self.exists() && !path.exists() {
            return Err(HomeError::NoDatabase(path));
        }
        let mut connection = store::open(&path)?;
        if store::version(&connection)? < MAIN_SCHEMA.len() && !may_change(self) {
            return Err(HomeError::OlderRuns);
        }
        store::migrate(&mut connection, &MAIN_SCHEMA)?;
        audit::log::take_in(&mut connection).map_err(StoreError::from)?;
        if !list::without_own_key(&connection)?.is_empty() {
            self.list_keys()?.bring_forward(&mut connection)?;
        }
        Ok(connection)
    }
}
