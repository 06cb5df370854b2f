//! Which database this is: the id that the home knows too.

use std::sync::Arc;

use super::connection::PgConnection;
use super::schema;
use super::server::Server;
use crate::config::postgres_address::Address;
use crate::home::whereabouts::DatabaseId;
use crate::store::StoreError;

/// What stands in a database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FoundDatabase {
    /// No table of ours.
    Empty,
    /// Tables of ours, and no id: those of a version before, or of a move that was just begun.
    Unnamed,
    /// This id.
    Named(DatabaseId),
}

impl Server {
    /// Looks what a database is, and changes nothing there.
    ///
    /// # Errors
    /// [`StoreError`] when PostgreSQL is away.
    pub fn look_at(address: &Address) -> Result<FoundDatabase, StoreError> {
        const DOING: &str = "look which database this is";
        let mut link = PgConnection::to(Arc::new(address.clone()));
        link.ready()?;
        let is_there = |link: &mut PgConnection, table: &str| -> Result<bool, StoreError> {
            let row = link.row(DOING, "SELECT to_regclass($1) IS NOT NULL", &[&table])?;
            Ok(row.is_some_and(|row| row.get(0)))
        };
        if !is_there(&mut link, "varco_schema")? {
            return Ok(FoundDatabase::Empty);
        }
        if !is_there(&mut link, "belongs_to")? {
            return Ok(FoundDatabase::Unnamed);
        }
        let row = link.row(DOING, "SELECT id FROM belongs_to", &[])?;
        let Some(row) = row else {
            return Ok(FoundDatabase::Unnamed);
        };
        let id = DatabaseId::from_bytes(row.get(0));
        let damaged = StoreError::Damaged {
            what: "id of the database in PostgreSQL",
        };
        Ok(FoundDatabase::Named(id.ok_or(damaged)?))
    }

    /// Gives the database an id, unless it has one; gives the one that it has.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn claim(&self, id: DatabaseId) -> Result<DatabaseId, StoreError> {
        const DOING: &str = "give the database its id";
        self.with(|link| {
            link.change(
                DOING,
                "INSERT INTO belongs_to VALUES (1, $1) ON CONFLICT DO NOTHING",
                &[&id.as_bytes()],
            )?;
            let row = link.row(DOING, "SELECT id FROM belongs_to", &[])?;
            let found = row.and_then(|row| DatabaseId::from_bytes(row.get(0)));
            found.ok_or(StoreError::Damaged {
                what: "id of the database in PostgreSQL",
            })
        })
    }

    /// Connects to a database whose schema is this version's, and changes nothing there.
    ///
    /// # Errors
    /// As [`Server::open`]; [`StoreError::OlderSchema`].
    pub fn open_as_it_is(
        settings: crate::transits::archive::ArchiveSettings,
        address: Address,
    ) -> Result<Self, StoreError> {
        Self::open_with(settings, address, schema::expect)
    }
}
