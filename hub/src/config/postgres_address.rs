//! Where PostgreSQL is, and who the hub is there.

use std::path::PathBuf;
use std::time::Duration;

use thiserror::Error;
use tokio_postgres::config::{Config, Host};

use crate::machine::files::{self, FileError};

/// How long one connection may take to come about.
const CONNECT_MAX: Duration = Duration::from_secs(5);
/// What the server's list of connections shows.
const APPLICATION: &str = "varco-hub";

/// Why an address is not taken.
#[derive(Debug, Error)]
pub enum AddressError {
    /// It is no connection string.
    #[error("write it as \"host=/run/postgresql dbname=varco user=varco\"")]
    Malformed,
    /// A password in the configuration would be read by whoever reads that.
    #[error("put the password into a file of its own and name it as `password_file`")]
    Password,
    /// What is sent would be readable on the way.
    #[error(
        "PostgreSQL is reached over a Unix socket or this machine's own addresses alone: for \
         another machine, lay an encrypted tunnel and give its local end"
    )]
    Remote,
    /// No host at all.
    #[error("give a `host`: the folder of PostgreSQL's Unix socket, as \"host=/run/postgresql\"")]
    NoHost,
    /// The password's file.
    #[error(transparent)]
    File(#[from] FileError),
}

/// Where PostgreSQL is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    text: String,
    config: Config,
    password_file: Option<PathBuf>,
}

impl Address {
    /// From a connection string as libpq takes it, without a password.
    ///
    /// # Errors
    /// [`AddressError`]: the configuration is at fault.
    pub fn parse(text: &str, password_file: Option<PathBuf>) -> Result<Self, AddressError> {
        let mut config: Config = text.parse().map_err(|_| AddressError::Malformed)?;
        if config.get_password().is_some() {
            return Err(AddressError::Password);
        }
        if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
            return Err(AddressError::NoHost);
        }
        let own = |host: &Host| match host {
            Host::Unix(_) => true,
            Host::Tcp(name) => {
                let address: Result<std::net::IpAddr, _> = name.parse();
                name == "localhost" || address.is_ok_and(|address| address.is_loopback())
            }
        };
        let hosts = config.get_hosts().iter().all(own);
        if !hosts || !config.get_hostaddrs().iter().all(|a| a.is_loopback()) {
            return Err(AddressError::Remote);
        }
        config.connect_timeout(CONNECT_MAX);
        config.application_name(APPLICATION);
        Ok(Self {
            text: text.to_owned(),
            config,
            password_file,
        })
    }

    /// What hub.toml says to name this.
    #[must_use]
    pub fn configuration(&self) -> String {
        let quoted = |text: &str| toml::Value::from(text).to_string();
        let mut lines = format!("[store]\npostgres = {}", quoted(&self.text));
        if let Some(file) = &self.password_file {
            lines += &format!("\npassword_file = {}", quoted(&file.to_string_lossy()));
        }
        lines
    }

    /// What to connect with; the password is read anew each time, so that it may change.
    pub(crate) fn config(&self) -> Result<Config, AddressError> {
        let mut config = self.config.clone();
        if let Some(file) = &self.password_file {
            config.password(files::read_text(file)?.trim_end());
        }
        Ok(config)
    }
}

#[cfg(test)]
mod tests {
    use crate::config::postgres_address::*;

    #[test]
    fn only_this_machine_is_spoken_to_without_encryption() {
        for good in [
            "host=/run/postgresql dbname=varco user=varco",
            "host=127.0.0.1 port=5433",
            "host=localhost user=a",
            "host=::1",
        ] {
            assert!(Address::parse(good, None).is_ok(), "{good}");
        }
        for remote in [
            "host=192.0.2.7",
            "host=db.example.org dbname=a",
            "host=/run,192.0.2.7",
        ] {
            let refused = Address::parse(remote, None);
            assert!(matches!(refused, Err(AddressError::Remote)), "{remote}");
        }
        assert!(matches!(
            Address::parse("dbname=a", None),
            Err(AddressError::NoHost)
        ));
        assert!(matches!(
            Address::parse("what", None),
            Err(AddressError::Malformed)
        ));
        let with = Address::parse("host=/run password=secret", None);
        assert!(matches!(with, Err(AddressError::Password)));
    }
}
