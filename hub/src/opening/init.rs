//! Making a home, with its first token.

use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;
use thiserror::Error;
use varco_proto::keys::{KeyError, SealingKey};
use varco_proto::time::UtcTime;

use super::floor;
use super::pairs::write_pair;
use crate::audit::action::Action;
use crate::audit::actor::Actor;
use crate::audit::purpose::Purpose;
use crate::audit::told::{HubMade, Told as _};
use crate::audit::{self, AuditError};
use crate::boxes::mosquitto::{self, BrokerSettings, HUB_USER};
use crate::certificates::authority::{Authority, CertificateError};
use crate::config::Config;
use crate::home::lock::{Holder, Lock};
use crate::home::{Home, HomeError};
use crate::machine::files::{self, FileError};
use crate::people::desk::{self as people, TokenDeskError, WantedToken};
use crate::people::tokens::{Permissions, TokenBounds};
use crate::store::sql::{Connection, TransactionBehavior};
use crate::store::{Doing as _, StoreError};
use crate::timekeeping;

/// Who bears the first token.
const FIRST_ACTOR: &str = "first-token";

/// A home could not be made; what was begun is no home yet.
#[derive(Debug, Error)]
pub enum InitError {
    /// The home.
    #[error(transparent)]
    Home(#[from] HomeError),
    /// A file.
    #[error(transparent)]
    File(#[from] FileError),
    /// A certificate.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// A sealing key.
    #[error("cannot make a sealing key")]
    Key(#[from] KeyError),
    /// A token.
    #[error(transparent)]
    Token(#[from] TokenDeskError),
    /// The audit.
    #[error(transparent)]
    Audit(#[from] AuditError),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What time it is cannot be remembered: check the disk.
    #[error("cannot remember the time in the home")]
    Clock(#[source] std::io::Error),
}

/// What `init` is asked for.
#[derive(Debug, Clone)]
pub struct InitSettings {
    /// Further names and addresses of this machine, for the server's certificate.
    pub hosts: Vec<String>,
    /// Where the broker and HTTPS listen.
    pub bind: IpAddr,
    /// The broker's port.
    pub broker_port: u16,
    /// The port of HTTPS.
    pub http_port: u16,
    /// How long the first token holds.
    pub first_token_valid: Duration,
}

/// What `init` made or found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct InitReport {
    /// Whether it was there before, and nothing was changed.
    pub already_there: bool,
    /// The home.
    pub home: PathBuf,
    /// The API and the page.
    pub url: String,
    /// The authority's certificate.
    pub ca_file: PathBuf,
    /// The file with the first token.
    pub token_file: PathBuf,
    /// The first token, when it was made now.
    pub token: Option<String>,
    /// The broker's configuration.
    pub mosquitto_configuration: PathBuf,
    /// The hub's public key: edges check receipts with it.
    pub hub_key: String,
}

/// Makes a home, or says what is there and changes nothing.
///
/// # Errors
/// [`InitError`].
pub fn init(home: &Home, settings: &InitSettings, now: UtcTime) -> Result<InitReport, InitError> {
    let found = || -> Result<InitReport, InitError> {
        let config = home.config()?;
        let key = home.sealing_key()?.opening_key();
        Ok(report(home, config.listen, &key.to_string(), None))
    };
    if home.exists() {
        return found();
    }
    files::make_private_folder(home.root())?;
    let holder = Holder::this("varco-hub init", now);
    let _lock = Lock::alone(home, &holder).map_err(HomeError::from)?;
    if home.exists() {
        return found(); // Another was faster.
    }
    for folder in ["private", "certificates", "mosquitto", "partitions"] {
        files::make_private_folder(&home.root().join(folder))?;
    }
    let authority = make_authority(home, now)?;
    let mut hosts = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
    hosts.push(settings.bind.to_string());
    hosts.extend(settings.hosts.iter().cloned());
    hosts.sort();
    hosts.dedup();
    hosts.retain(|host| !host.parse::<IpAddr>().is_ok_and(|a| a.is_unspecified()));
    let server = authority.server(&hosts, now)?;
    write_pair(&server, &home.server_certificate(), &home.server_key())?;
    let client = authority.client(HUB_USER, now)?;
    write_pair(&client, &home.client_certificate(), &home.client_key())?;
    let list = authority.revocation_list(&[], now)?;
    files::write_public(&home.revocation_list(), list.as_bytes())?;
    let key_bytes = SealingKey::generate()?;
    files::write_private(&home.sealing_key_file(), &key_bytes)?;
    let key = SealingKey::from_pkcs8(&key_bytes)?;
    write_broker(home, settings)?;

    let mut main = home.open_main()?;
    let token = first_token(&mut main, &key, settings.first_token_valid, now)?;
    floor::keep(home, &main)?;
    files::write_private(&home.token_file(), format!("{token}\n").as_bytes())?;
    // Whoever makes a home has looked at the clock; a machine with a keeper of time asks that one.
    timekeeping::begin(&home.clock_file(), now).map_err(InitError::Clock)?;
    // Last, because it says that the home is whole.
    let listen = SocketAddr::new(settings.bind, settings.http_port);
    let reachable = reachable(settings.bind).to_string();
    let text = Config::to_toml(listen, &reachable, settings.broker_port);
    files::write_private(&home.config_file(), text.as_bytes())?;
    let public = key.opening_key().to_string();
    Ok(report(home, listen, &public, Some(token)))
}

/// The address by which this machine itself reaches what listens on another.
fn reachable(bind: IpAddr) -> IpAddr {
    if bind.is_unspecified() {
        IpAddr::from([127, 0, 0, 1])
    } else {
        bind
    }
}

/// The address of API and page, as this machine itself reaches them.
#[must_use]
pub fn url_of(listen: SocketAddr) -> String {
    let address = SocketAddr::new(reachable(listen.ip()), listen.port());
    format!("https://{address}")
}

fn report(home: &Home, listen: SocketAddr, hub_key: &str, token: Option<String>) -> InitReport {
    InitReport {
        already_there: token.is_none(),
        home: home.root().to_owned(),
        url: url_of(listen),
        ca_file: home.authority_certificate(),
        token_file: home.token_file(),
        token,
        mosquitto_configuration: home.broker_configuration(),
        hub_key: hub_key.to_owned(),
    }
}

fn make_authority(home: &Home, now: UtcTime) -> Result<Authority, InitError> {
    let made = Authority::create(now)?;
    write_pair(&made, &home.authority_certificate(), &home.authority_key())?;
    Ok(Authority::from_pem(&made.certificate_pem, &made.key_pem)?)
}

fn write_broker(home: &Home, settings: &InitSettings) -> Result<(), InitError> {
    let text = mosquitto::configuration(&BrokerSettings {
        home: home.root(),
        bind: settings.bind,
        port: settings.broker_port,
        user: &owner_of(home.root()),
    });
    files::write_private(&home.broker_configuration(), text.as_bytes())?;
    let acl = mosquitto::access_control();
    files::write_private(&home.broker_access_control(), acl.as_bytes())?;
    Ok(())
}

/// The Unix user that owns a folder, so that a broker started by root can read its files: by whatever
/// tells the system its users, the broker's own where nobody knows them.
fn owner_of(folder: &Path) -> String {
    let owner = std::fs::metadata(folder).ok();
    let owner = owner.and_then(|meta| uzers::get_user_by_uid(meta.uid()));
    let name = owner.and_then(|owner| owner.name().to_str().map(str::to_owned));
    name.unwrap_or_else(|| "mosquitto".to_owned())
}

fn first_token(
    main: &mut Connection,
    key: &SealingKey,
    valid: Duration,
    now: UtcTime,
) -> Result<String, InitError> {
    let transaction = main
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .doing("begin the change")?;
    let made = HubMade {
        hub_key: key.opening_key().to_string(),
        tells_all: true,
    };
    let made = made.entry(Actor::console(), Action::HubInitialised)?;
    audit::append(&transaction, &made, now, key)?;
    let wanted = WantedToken {
        name: FIRST_ACTOR,
        body: None,
        may: &Permissions::usual(),
        bounds: &TokenBounds::of(&Purpose::REGULATION),
        valid,
    };
    let issued = people::issue_within(&transaction, &wanted, key, now)?;
    transaction.commit().doing("commit the first token")?;
    Ok(issued.token)
}
