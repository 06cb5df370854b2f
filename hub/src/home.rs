//! The hub's home: one folder with everything that the hub is.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;
use varco_proto::config::Faults;
use varco_proto::keys::{KeyError, SealingKey};

use crate::alerts::{alert, deliveries, webhook};
use crate::boxes::{anomalies, gate_hours, history, learning, registered};
use crate::cases;
use crate::certificates::{Authority, CertificateError};
use crate::config::Config;
use crate::files::{self, FileError};
use crate::hotlists::list;
use crate::intake::{chain, drops, refusals};
use crate::people::{audit, tokens};
use crate::places::{edges, forks, gates, invitations, municipalities, tampering};
use crate::postgres::Server;
use crate::room::Room;
use crate::store::cipher::Key;
use crate::store::sql::Connection;
use crate::store::{self, StoreError};
use crate::timekeeping::Lead;
use crate::transits::archive::{Archive, ArchiveSettings};
use crate::transits::keys::HourKeys;
use crate::transits::names;
use crate::transits::store::TransitStore;

/// The main database's schema, step by step; steps are only added.
const MAIN_SCHEMA: [&str; 30] = [
    edges::SCHEMA,
    chain::SCHEMA,
    refusals::SCHEMA,
    tokens::SCHEMA,
    audit::SCHEMA,
    tampering::SCHEMA,
    chain::SCHEMA_KIND,
    chain::SCHEMA_DROPPED,
    drops::SCHEMA,
    forks::SCHEMA,
    edges::SCHEMA_CERTIFICATES,
    invitations::SCHEMA,
    names::SCHEMA,
    chain::SCHEMA_RECENT,
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
];

/// The home cannot be used.
#[derive(Debug, Error)]
pub enum HomeError {
    /// No home here: make one.
    #[error("there is no hub in `{0}`: make one with `varco-hub init --home {0}`")]
    None(String),
    /// The configuration has faults: mend them all; exit code 78.
    #[error("`{path}`: {faults}")]
    Config {
        /// Which file.
        path: PathBuf,
        /// All of them.
        faults: Faults,
    },
    /// A file is missing or not readable.
    #[error(transparent)]
    File(#[from] FileError),
    /// The hub's sealing key is damaged: restore it from the backup.
    #[error("the hub's sealing key cannot be taken")]
    Key(#[from] KeyError),
    /// The authority is damaged: restore it from the backup.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The chains of the edges are in the home still: begun anew in PostgreSQL, every edge would be
    /// asked for all that it ever sealed.
    #[error(
        "hub.toml names PostgreSQL, but transits and chains are in the home still: move them with \
         `varco-hub store move`"
    )]
    NotMoved,
}

/// Where everything lies in a home.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Home {
    root: PathBuf,
}

macro_rules! places {
    ($($(#[$doc:meta])* $name:ident => $path:literal;)*) => {
        $($(#[$doc])* #[must_use] pub fn $name(&self) -> PathBuf { self.root.join($path) })*
    };
}

impl Home {
    /// A home in a folder.
    #[must_use]
    pub fn at(root: PathBuf) -> Self {
        Self { root }
    }

    /// The folder.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    places! {
        /// The configuration.
        config_file => "hub.toml";
        /// The authority's certificate; for everyone.
        authority_certificate => "ca.crt";
        /// The authority's private key.
        authority_key => "private/ca.key";
        /// The server's certificate, of the broker and of HTTPS.
        server_certificate => "certificates/server.crt";
        /// Its private key.
        server_key => "private/server.key";
        /// Certificate and key of another authority, for HTTPS, in one file; seldom there.
        own_certificate => "private/own.pem";
        /// The hub's certificate at the broker.
        client_certificate => "certificates/hub.crt";
        /// Its private key.
        client_key => "private/hub.key";
        /// The list of revoked certificates.
        revocation_list => "certificates/revoked.crl";
        /// The hub's sealing key.
        sealing_key_file => "private/sealing.pk8";
        /// The broker's configuration.
        broker_configuration => "mosquitto/mosquitto.conf";
        /// The broker's ACL.
        broker_access_control => "mosquitto/acl";
        /// The main database.
        main_database => "main.sqlite";
        /// The hours.
        partitions_folder => "partitions";
        /// The hours' keys.
        hour_keys => "keys.sqlite";
        /// What wraps the hours' keys.
        store_key_file => "private/store.key";
        /// What opens backups.
        recovery_key_file => "private/recovery.key";
        /// The first API token.
        token_file => "token";
        /// What is remembered of the time, on this machine.
        clock_file => "clock.json";
        /// Room that only the end of transits may use.
        reserve_file => "reserve";
        /// What is written to see whether the disk takes it.
        trial_file => "written-on-trial";
    }

    /// Certificate and private key of one of the hub's connections to the broker, the first
    /// being 0.
    #[must_use]
    pub fn connection_files(&self, number: usize) -> (PathBuf, PathBuf) {
        if number == 0 {
            return (self.client_certificate(), self.client_key());
        }
        let file = |folder: &str, ending: &str| {
            self.root
                .join(folder)
                .join(format!("hub-{}.{ending}", number + 1))
        };
        (file("certificates", "crt"), file("private", "key"))
    }

    /// Whether `init` made this home.
    #[must_use]
    pub fn exists(&self) -> bool {
        self.config_file().is_file()
    }

    /// Says what to do when there is no hub here.
    ///
    /// # Errors
    /// [`HomeError::None`].
    pub fn expect(&self) -> Result<(), HomeError> {
        if self.exists() {
            Ok(())
        } else {
            Err(HomeError::None(self.root.display().to_string()))
        }
    }

    /// The configuration, checked.
    ///
    /// # Errors
    /// [`HomeError::Config`] with all faults.
    pub fn config(&self) -> Result<Config, HomeError> {
        self.expect()?;
        let path = self.config_file();
        let text = files::read_text(&path)?;
        Config::from_toml(&text).map_err(|faults| HomeError::Config { path, faults })
    }

    /// The hub's sealing key.
    ///
    /// # Errors
    /// [`HomeError::File`], [`HomeError::Key`].
    pub fn sealing_key(&self) -> Result<Arc<SealingKey>, HomeError> {
        let bytes = files::read(&self.sealing_key_file())?;
        Ok(Arc::new(SealingKey::from_pkcs8(&bytes)?))
    }

    /// The authority.
    ///
    /// # Errors
    /// [`HomeError::File`], [`HomeError::Certificate`].
    pub fn authority(&self) -> Result<Authority, HomeError> {
        let certificate = files::read_text(&self.authority_certificate())?;
        let key = files::read_text(&self.authority_key())?;
        Ok(Authority::from_pem(&certificate, &key)?)
    }

    /// The main database, its schema brought forward.
    ///
    /// # Errors
    /// [`HomeError::Store`].
    pub fn open_main(&self) -> Result<Connection, HomeError> {
        let mut connection = store::open(&self.main_database())?;
        store::migrate(&mut connection, &MAIN_SCHEMA)?;
        Ok(connection)
    }

    fn derived_key(&self, usage: &[u8]) -> Result<Key, HomeError> {
        let keys = HourKeys::open(&self.hour_keys(), &self.store_key_file())?;
        Ok(keys.derived(usage)?)
    }

    /// What seals the entries of hotlists and the secrets of webhooks.
    ///
    /// # Errors
    /// [`HomeError::Store`].
    pub fn hotlist_key(&self) -> Result<Key, HomeError> {
        self.derived_key(b"hotlists")
    }

    /// What wraps the keys of cases.
    ///
    /// # Errors
    /// [`HomeError::Store`].
    pub fn case_key(&self) -> Result<Key, HomeError> {
        self.derived_key(b"cases")
    }

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
        }
    }

    /// The store of the transits that the configuration names, for a process that stores and serves
    /// them.
    ///
    /// # Errors
    /// [`HomeError::Store`]; [`HomeError::NotMoved`].
    pub fn open_store(&self, config: &Config) -> Result<TransitStore, HomeError> {
        let store: TransitStore = match self.open_server(config)? {
            Some(server) => server.into(),
            None => self.open_archive(config.retention)?.into(),
        };
        let mut main = self.open_main()?;
        if learning::is_due(&main)? {
            learning::learn(&mut main, &store)?;
        }
        Ok(store)
    }

    /// The store in PostgreSQL; none when the transits are in the home.
    ///
    /// # Errors
    /// [`HomeError::Store`] when PostgreSQL is away; [`HomeError::NotMoved`].
    pub fn open_server(&self, config: &Config) -> Result<Option<Arc<Server>>, HomeError> {
        let Some(address) = config.postgres.clone() else {
            return Ok(None);
        };
        if chain::is_here(&self.open_main()?)? {
            return Err(HomeError::NotMoved);
        }
        let settings = self.archive_settings(config.retention);
        let server = Server::open(settings, address)?.of_hubs(config.hubs);
        Ok(Some(Arc::new(server)))
    }

    /// The archive of the transits, for the process that stores and serves them.
    ///
    /// # Errors
    /// [`HomeError::Store`].
    pub fn open_archive(&self, term: Duration) -> Result<Arc<Archive>, HomeError> {
        drop(self.open_main()?);
        Ok(Arc::new(Archive::open(self.archive_settings(term))?))
    }
}
