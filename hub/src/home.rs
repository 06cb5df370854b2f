//! The hub's home: one folder with everything that the hub is.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;
use varco_proto::config::Faults;
use varco_proto::keys::{KeyError, SealingKey};

use crate::alerts::{alert, deliveries, webhook};
use crate::boxes::{anomalies, gate_hours, history, registered};
use crate::cases::{self, keys::CaseKeys};
use crate::certificates::authority::{Authority, CertificateError};
use crate::config::Config;
use crate::hotlists::{keys::ListKeys, list};
use crate::hours::keys::HourKeys;
use crate::intake::{chain, drops, refusals};
use crate::lock::{Lock, LockError};
use crate::machine::files::{self, FileError};
use crate::machine::random::RandomError;
use crate::people::{actors, audit, tokens};
use crate::places::{edges, forks, gates, invitations, municipalities, tampering};
use crate::room::Room;
use crate::store::cipher::Key;
use crate::store::sql::Connection;
use crate::store::{self, StoreError};
use crate::timekeeping::Lead;
use crate::transits::archive::{Archive, ArchiveSettings};
use crate::transits::names;
use crate::whereabouts::{self, WhereaboutsError};

/// The main database's schema, step by step; steps are only added.
const MAIN_SCHEMA: [&str; 37] = [
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
    whereabouts::SCHEMA,
    audit::head::SCHEMA_HEAD,
    audit::hours::SCHEMA_HOURS,
    list::SCHEMA_MAKER,
    actors::SCHEMA,
    cases::closing::SCHEMA,
    list::SCHEMA_KEY,
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
    /// The configuration and the home do not agree on where the transits are; exit code 78.
    #[error(transparent)]
    Whereabouts(#[from] WhereaboutsError),
    /// Somebody else works on it: wait, or stop them; exit code 75.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// A new one would begin every chain anew: restore the backup.
    #[error(
        "`{0}` is missing, and a new one would know no edge and no transit: restore the backup"
    )]
    NoDatabase(PathBuf),
    /// A hub of another version runs, and would find the database changed: start it anew.
    #[error(
        "a hub of an older version runs here, and this version would change its database: start the \
         hub anew first (systemctl restart varco-hub)"
    )]
    OlderRuns,
    /// No random bytes.
    #[error(transparent)]
    Random(#[from] RandomError),
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
        /// What has ended, for good.
        floor_file => "floor.json";
        /// Who works on the home.
        lock_folder => "lock";
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
        if !list::without_own_key(&connection)?.is_empty() {
            self.list_keys()?.bring_forward(&mut connection)?;
        }
        Ok(connection)
    }

    /// What seals the secrets of webhooks. It bears the name of the lists, whose plates it sealed before
    /// they had keys of their own.
    ///
    /// # Errors
    /// [`HomeError::Store`].
    pub fn webhook_key(&self) -> Result<Key, HomeError> {
        let keys = HourKeys::open(&self.hour_keys(), &self.store_key_file())?;
        Ok(keys.derived(b"hotlists")?)
    }

    /// The keys of the hotlists.
    ///
    /// # Errors
    /// [`HomeError::Store`].
    pub fn list_keys(&self) -> Result<ListKeys, HomeError> {
        let keys = HourKeys::open(&self.hour_keys(), &self.store_key_file())?;
        let before = keys.derived(b"hotlists")?;
        Ok(ListKeys::over(keys, before)?)
    }

    /// The keys of the cases.
    ///
    /// # Errors
    /// [`HomeError::Store`].
    pub fn case_keys(&self) -> Result<CaseKeys, HomeError> {
        let keys = HourKeys::open(&self.hour_keys(), &self.store_key_file())?;
        Ok(CaseKeys::over(keys)?)
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

    /// The archive of the transits, for the process that stores and serves them.
    ///
    /// # Errors
    /// [`HomeError::Store`].
    pub fn open_archive(&self, term: Duration) -> Result<Arc<Archive>, HomeError> {
        drop(self.open_main()?);
        Ok(Arc::new(Archive::open(self.archive_settings(term))?))
    }
}
