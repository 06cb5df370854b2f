//! A witness's folder: its key, `witness.toml` and what it has cosigned.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use thiserror::Error;
use varco_proto::config::{Faults, parse};
use varco_proto::keys::{KeyError, SealingKey};

use crate::machine::files::{self, FileError};
use crate::store::StoreError;
use crate::tlog::note::{NoteError, NoteKey, NoteKind, NoteSigner};
use crate::witnessing::witness::{self, Witness};

/// A witness cannot be made or begun.
#[derive(Debug, Error)]
pub enum WitnessError {
    /// It is there already: nothing was changed.
    #[error("there is a witness in `{0}` already; nothing was changed")]
    Exists(PathBuf),
    /// There is none.
    #[error("there is no witness in `{0}`: make one with `varco-hub witness init`")]
    None(PathBuf),
    /// What it has cosigned is gone. One that begins anew could be made to cosign another log: make a new
    /// witness, with a new key, and name that one to the hub.
    #[error(
        "`{0}` is gone, and with it what this witness has cosigned. It must not go on: make a new one in \
         another folder, and give its key to the hub and to whoever checks"
    )]
    Forgotten(PathBuf),
    /// Its configuration has faults: mend them all; exit code 78.
    #[error("`{path}`: {faults}")]
    Config {
        /// Which file.
        path: PathBuf,
        /// All of them.
        faults: Faults,
    },
    /// A file.
    #[error(transparent)]
    File(#[from] FileError),
    /// Its key.
    #[error("the witness's key cannot be taken")]
    Key(#[from] KeyError),
    /// Its name, or a key of a log.
    #[error(transparent)]
    Note(#[from] NoteError),
    /// Its database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Where everything lies in a witness's folder.
#[derive(Debug, Clone)]
pub struct WitnessFolder(PathBuf);

/// `witness.toml` as checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WitnessConfig {
    /// Its name, by which it signs.
    pub name: String,
    /// Where it listens.
    pub listen: SocketAddr,
    /// Certificate and private key for HTTPS; plain HTTP when left out, as all that is sent is signed.
    pub tls: Option<WitnessTls>,
    /// The logs that it cosigns.
    pub logs: Vec<NoteKey>,
}

/// What HTTPS shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WitnessTls {
    /// PEM.
    pub certificate_file: PathBuf,
    /// PEM.
    pub key_file: PathBuf,
}

#[derive(Debug, Deserialize)]
struct WitnessConfigFile {
    name: String,
    listen: String,
    certificate_file: Option<PathBuf>,
    key_file: Option<PathBuf>,
    #[serde(default)]
    logs: Vec<LogFile>,
}

#[derive(Debug, Deserialize)]
struct LogFile {
    key: String,
}

impl WitnessConfig {
    /// Reads and checks a configuration.
    ///
    /// # Errors
    /// All its [`Faults`] at once.
    pub fn from_toml(text: &str) -> Result<Self, Faults> {
        let mut faults = Faults::new();
        let Some(file) = parse::<WitnessConfigFile>(text, &mut faults) else {
            return faults.finish(None);
        };
        let what = "write it as an address and a port, \"127.0.0.1:9470\"";
        let listen = faults.take("listen", file.listen.parse().map_err(|_| what));
        let mut logs: Vec<NoteKey> = Vec::new();
        for (at, log) in file.logs.iter().enumerate() {
            let key = log.key.parse::<NoteKey>().ok();
            let key = key.filter(|key| key.kind() == NoteKind::Log);
            let what = "write the log's key as `varco-hub audit key` prints it: NAME+HASH+KEY";
            let Some(key) = faults.take(&format!("logs.{at}.key"), key.ok_or(what)) else {
                continue;
            };
            let is_new = logs.iter().all(|other| other.name() != key.name());
            faults.check(is_new, &format!("logs.{at}.key"), "this log is named twice");
            logs.push(key);
        }
        faults.check(!file.logs.is_empty(), "logs", "name one log at least");
        let tls = match (file.certificate_file, file.key_file) {
            (Some(certificate_file), Some(key_file)) => Some(WitnessTls {
                certificate_file,
                key_file,
            }),
            (None, None) => None,
            _ => {
                faults.add("key_file", "HTTPS needs certificate_file and key_file");
                None
            }
        };
        let config = listen.map(|listen| Self {
            name: file.name,
            listen,
            tls,
            logs,
        });
        faults.finish(config)
    }
}

/// What a witness is made from.
#[derive(Debug, Clone)]
pub struct NewWitness {
    /// Its name, by which it signs: best a name that nobody else bears, like a host's.
    pub name: String,
    /// Where it listens.
    pub listen: SocketAddr,
    /// The logs that it cosigns.
    pub logs: Vec<NoteKey>,
}

impl WitnessFolder {
    /// A folder.
    #[must_use]
    pub fn at(folder: &Path) -> Self {
        Self(folder.to_owned())
    }

    /// Its configuration.
    #[must_use]
    pub fn config_file(&self) -> PathBuf {
        self.0.join("witness.toml")
    }

    fn key_file(&self) -> PathBuf {
        self.0.join("private/witness.pk8")
    }

    /// What it has cosigned.
    #[must_use]
    pub fn database(&self) -> PathBuf {
        self.0.join("witness.sqlite")
    }

    /// Makes a witness. Gives its public key.
    ///
    /// # Errors
    /// [`WitnessError`].
    pub fn init(&self, new: &NewWitness) -> Result<NoteKey, WitnessError> {
        if self.key_file().exists() || self.config_file().exists() {
            return Err(WitnessError::Exists(self.0.clone()));
        }
        let bytes = SealingKey::generate()?;
        let key = SealingKey::from_pkcs8(&bytes)?;
        let signer = NoteSigner::new(&new.name, NoteKind::Witness, key)?;
        let logs: String = new
            .logs
            .iter()
            .map(|key| format!("\n[[logs]]\nkey = \"{key}\"\n"))
            .collect();
        let text = format!(
            "# Configuration of a witness. Unknown keys are refused.\n\
             name = \"{}\"\n\
             listen = \"{}\"\n\
             # For HTTPS; what is sent is signed in any case.\n\
             # certificate_file = \"/etc/varco-witness/witness.crt\"\n\
             # key_file = \"/etc/varco-witness/witness.key\"\n\
             \n\
             # The logs that it cosigns, by the keys that `varco-hub audit key` prints.{logs}",
            new.name, new.listen
        );
        let path = self.config_file();
        WitnessConfig::from_toml(&text).map_err(|faults| WitnessError::Config {
            path: path.clone(),
            faults,
        })?;
        files::make_private_folder(&self.0.join("private"))?;
        files::make_private_folder(&self.0)?;
        files::write_private(&self.key_file(), &bytes)?;
        witness::make_database(&self.database())?;
        // Last, because it says that the witness is whole.
        files::write_private(&path, text.as_bytes())?;
        Ok(signer.public().clone())
    }

    /// Its configuration, checked.
    ///
    /// # Errors
    /// [`WitnessError::None`], [`WitnessError::Config`].
    pub fn config(&self) -> Result<WitnessConfig, WitnessError> {
        let path = self.config_file();
        if !path.exists() {
            return Err(WitnessError::None(self.0.clone()));
        }
        let text = files::read_text(&path)?;
        WitnessConfig::from_toml(&text).map_err(|faults| WitnessError::Config { path, faults })
    }

    /// The witness, to be asked.
    ///
    /// # Errors
    /// [`WitnessError`]; [`WitnessError::Forgotten`] without what it has cosigned.
    pub fn open(&self, config: &WitnessConfig) -> Result<Witness, WitnessError> {
        if !self.database().exists() {
            return Err(WitnessError::Forgotten(self.database()));
        }
        let key = SealingKey::from_pkcs8(&files::read(&self.key_file())?)?;
        let signer = NoteSigner::new(&config.name, NoteKind::Witness, key)?;
        let witness = Witness::open(&self.database(), signer, config.logs.clone())?;
        Ok(witness)
    }
}
