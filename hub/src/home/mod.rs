//! The hub's home: one folder with everything that the hub is.
//!
//! This room owns where each file lies, who works
//! on the home, where its transits are and the room on its disk; it opens no database and knows no table
//! but `whereabouts`.

pub mod disk;
pub mod lock;
pub mod reserve;
pub mod trial;
pub mod whereabouts;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use thiserror::Error;
use varco_proto::config::Faults;
use varco_proto::keys::{KeyError, SealingKey};

use crate::certificates::authority::{Authority, CertificateError};
use crate::config::Config;
use crate::machine::files::{self, FileError};
use crate::machine::random::RandomError;
use crate::store::StoreError;
use lock::LockError;
use whereabouts::WhereaboutsError;

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
}
