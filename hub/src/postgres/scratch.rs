//! A schema for measuring, made anew and gone with its owner, and what the server takes to store
//! bytes alone.

use std::sync::Arc;

use tokio_postgres::types::{ToSql, Type};

use super::connection::PgConnection;
use crate::config::postgres_address::{Address, AddressError};
use crate::machine::random;
use crate::store::StoreError;

/// A schema of its own.
#[derive(Debug)]
pub struct Scratch {
    link: PgConnection,
    name: String,
    address: String,
}

impl Scratch {
    /// Makes a schema in the database of a connection string, which has no `options`.
    ///
    /// # Errors
    /// [`StoreError`] when the server is away or does not let the user make one.
    pub fn make(address: &str) -> Result<Self, StoreError> {
        let random: [u8; 8] = random::bytes().map_err(|source| failed(source.into()))?;
        let name = format!("varco_bench_{}", hex::encode(random));
        let parsed = Address::parse(address, None);
        let parsed = parsed.map_err(|source: AddressError| failed(source.into()))?;
        let mut link = PgConnection::to(Arc::new(parsed));
        link.ready()?;
        let sql = format!(
            "CREATE SCHEMA {name}; SET search_path = {name};
             CREATE TABLE floor (bytes bytea NOT NULL);
             ALTER TABLE floor ALTER COLUMN bytes SET STORAGE EXTERNAL"
        );
        link.run("make a schema", &sql)?;
        Ok(Self {
            address: format!("{address} options='-c search_path={name}'"),
            link,
            name,
        })
    }

    /// The connection string to work in the schema.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Stores values, durably and without anything else.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn store(&self, values: &[&[u8]]) -> Result<(), StoreError> {
        let rows = values.iter().map(|value| {
            let row: Vec<&(dyn ToSql + Sync)> = vec![value];
            row
        });
        let copied = self.link.copy("store bytes", "floor", &[Type::BYTEA], rows);
        copied.map(drop)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // Hour by hour, because a server takes only so many locks at once.
        let sql = format!(
            "DO $$ DECLARE t text; BEGIN FOR t IN SELECT oid::regclass::text FROM pg_class
                 WHERE relnamespace = '{name}'::regnamespace AND relispartition AND relkind = 'r'
             LOOP EXECUTE 'DROP TABLE ' || t; COMMIT; END LOOP; END $$",
            name = self.name
        );
        let dropped = self.link.run("drop the hours", &sql).and_then(|()| {
            let sql = format!("DROP SCHEMA {} CASCADE", self.name);
            self.link.run("drop a schema", &sql)
        });
        if let Err(error) = dropped {
            tracing::warn!(error = %error, schema = self.name, "a schema is left");
        }
    }
}

fn failed(source: Box<dyn std::error::Error + Send + Sync>) -> StoreError {
    StoreError::Server {
        doing: "make a schema",
        state: String::new(),
        source,
    }
}
