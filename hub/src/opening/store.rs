//! Opening the store of a home's transits: the one where they are, and no other.
//!
//! [`crate::home::whereabouts`] of the home decides; the configuration must agree with it.

use std::sync::Arc;
use std::time::Duration;

use crate::alerts::alert;
use crate::boxes::edges;
use crate::boxes::learning;
use crate::cases::case;
use crate::chains;
use crate::config::Config;
use crate::config::postgres_address::Address;
use crate::home::disk::Room;
use crate::home::whereabouts::{self, Whereabouts, WhereaboutsError};
use crate::home::{Home, HomeError};
use crate::hours::keys::HourKeys;
use crate::hours::partition::Partition;
use crate::lookups::store::TransitStore;
use crate::postgres::{FoundDatabase, Server};
use crate::store::sql::Connection;
use crate::store::{Doing as _, StoreError};
use crate::timekeeping::Lead;
use crate::transits::archive::{Archive, ArchiveSettings};
use crate::transits::corrections;
use crate::transits::names::{self, NameKind};
use crate::transits::retention::EndsWith;
use crate::transits::rows;

impl Home {
    /// Where the archive of the transits lies.
    #[must_use]
    pub fn archive_settings(&self, term: Duration) -> ArchiveSettings {
        ArchiveSettings {
            folder: self.partitions_folder(),
            main: self.main_database(),
            keys: self.hour_keys(),
            store_key: self.store_key_file(),
            term,
            lead: Lead::default(),
            room: Arc::new(Room::of(self.reserve_file(), self.trial_file())),
            ends_with: EndsWith {
                hour: forget_hour,
                transits: forget_transits,
                kept: cases_with,
            },
        }
    }

    /// The archive of the transits, for the process that stores and serves them.
    ///
    /// # Errors
    /// [`HomeError::Store`].
    pub fn open_archive(&self, term: Duration) -> Result<Arc<Archive>, HomeError> {
        drop(self.open_main()?);
        Ok(Arc::new(Archive::open(self.archive_settings(term))?))
    }

    /// The store of the transits, for a process that stores and serves them. What is not said yet
    /// about where they are is said now.
    ///
    /// # Errors
    /// [`HomeError::Store`]; [`HomeError::Whereabouts`] when the configuration names another store
    /// than the one where the transits are, of which nothing was opened then.
    pub fn open_store(&self, config: &Config) -> Result<TransitStore, HomeError> {
        let mut main = self.open_main()?;
        let Some(address) = config.postgres.clone() else {
            self.expect_here(&main)?;
            if whereabouts::read(&main)? == Whereabouts::Unsaid {
                whereabouts::say(&main, &Whereabouts::Home)?;
            }
            let store = self.open_archive(config.retention)?.into();
            learn(&mut main, &store)?;
            return Ok(store);
        };
        let is_named = self.expect_there(&main, &address)?;
        let server = Server::open(self.archive_settings(config.retention), address.clone())?;
        if !is_named {
            self.adopt(&mut main, &server, &address)?;
        }
        // Those that a move left when it was cut off after its end.
        for hour in rows::hours(&self.partitions_folder())? {
            rows::destroy(&self.partitions_folder(), hour)?;
        }
        let store = Arc::new(server.of_hubs(config.hubs)).into();
        learn(&mut main, &store)?;
        Ok(store)
    }

    /// The store in PostgreSQL, for reading; none when the transits are in the home.
    ///
    /// # Errors
    /// As [`Home::open_store`].
    pub fn open_server(&self, config: &Config) -> Result<Option<Arc<Server>>, HomeError> {
        let main = self.open_main()?;
        let Some(address) = config.postgres.clone() else {
            self.expect_here(&main)?;
            return Ok(None);
        };
        self.expect_there(&main, &address)?;
        let settings = self.archive_settings(config.retention);
        let server = Server::open_as_it_is(settings, address)?.of_hubs(config.hubs);
        Ok(Some(Arc::new(server)))
    }

    /// The transits must be in the home: hub.toml names no PostgreSQL.
    fn expect_here(&self, main: &Connection) -> Result<(), HomeError> {
        match whereabouts::read(main)? {
            Whereabouts::Postgres { lines, .. } => Err(WhereaboutsError::InPostgres(lines).into()),
            Whereabouts::Unsaid if self.has_left(main)? => Err(WhereaboutsError::Elsewhere.into()),
            _ => Ok(()),
        }
    }

    /// The transits must be in this database, or nowhere yet. Gives whether the database is known to
    /// be the one.
    fn expect_there(&self, main: &Connection, address: &Address) -> Result<bool, HomeError> {
        let whereabouts = whereabouts::read(main)?;
        let own = match whereabouts {
            Whereabouts::Postgres { id, .. } => {
                return match Server::look_at(address)? {
                    FoundDatabase::Named(found) if found == id => Ok(true),
                    FoundDatabase::Named(_) => Err(other("it belongs to another home")),
                    FoundDatabase::Empty => Err(other("it is empty")),
                    FoundDatabase::Unnamed => Err(other("it does not have this home's id")),
                };
            }
            Whereabouts::Moving(id) => Some(id),
            Whereabouts::Unsaid | Whereabouts::Home => None,
        };
        if is_filled(main)? {
            return Err(WhereaboutsError::NotMoved.into());
        }
        match Server::look_at(address)? {
            FoundDatabase::Named(found) if Some(found) == own => Ok(false),
            FoundDatabase::Named(_) => Err(other("it belongs to another home")),
            FoundDatabase::Empty
                if whereabouts == Whereabouts::Unsaid && self.has_left(main)? =>
            {
                Err(other("it is empty"))
            }
            FoundDatabase::Empty | FoundDatabase::Unnamed => Ok(false),
        }
    }

    /// Takes a database for the one of this home, which has no transits yet, or was there before
    /// databases had ids. A cut on the way leaves what the next start goes on with.
    fn adopt(
        &self,
        main: &mut Connection,
        server: &Server,
        address: &Address,
    ) -> Result<(), HomeError> {
        let own = edges::all(main)?;
        let is_own = |name: &String| own.iter().any(|edge| edge.id.as_str() == name);
        if !server.names_of(NameKind::Edge)?.iter().all(is_own) {
            return Err(other(
                "it has transits of edges that are not registered here",
            ));
        }
        let id = whereabouts::begin_moving(main)?;
        if server.claim(id)? != id {
            return Err(other("another home has just taken it"));
        }
        let lines = address.configuration();
        whereabouts::say(main, &Whereabouts::Postgres { id, lines })?;
        Ok(())
    }

    /// Whether the transits were in this home and are not any more, as a version before left it.
    fn has_left(&self, main: &Connection) -> Result<bool, HomeError> {
        if is_filled(main)? || !rows::hours(&self.partitions_folder())?.is_empty() {
            return Ok(false);
        }
        if !self.hour_keys().exists() {
            return Ok(false);
        }
        let keys = HourKeys::open(&self.hour_keys(), &self.store_key_file())?;
        Ok(!keys.hours()?.is_empty())
    }
}

/// Learns once, from what is stored, which gates and cameras the edges are believed about.
fn learn(main: &mut Connection, store: &TransitStore) -> Result<(), HomeError> {
    if learning::is_due(main)? {
        learning::learn(main, store)?;
    }
    Ok(())
}

/// Whether chains or transits are in the home.
fn is_filled(main: &Connection) -> Result<bool, HomeError> {
    Ok(chains::is_here(main)? || !names::hours(main)?.is_empty())
}

fn other(why: &'static str) -> HomeError {
    WhereaboutsError::OtherDatabase(why).into()
}

/// Lets go of what came of an hour whose key is gone: its alerts, and its corrections.
fn forget_hour(main: &Connection, hour: Partition) -> Result<(), StoreError> {
    alert::forget_hour(main, hour)?;
    corrections::forget_hour(main, hour)
}

/// The open cases that hold some transits.
fn cases_with(main: &Connection, ids: &[[u8; 16]]) -> Result<Vec<String>, StoreError> {
    let cases = case::holding(main, ids)?;
    Ok(cases.iter().map(ToString::to_string).collect())
}

/// Lets go of what came of single transits.
fn forget_transits(main: &mut Connection, ids: &[[u8; 16]]) -> Result<(), StoreError> {
    const DOING: &str = "let go of what came of destroyed transits";
    let transaction = main.transaction().doing(DOING)?;
    alert::forget_transits(&transaction, ids)?;
    corrections::forget_transits(&transaction, ids)?;
    transaction.commit().doing(DOING)
}
