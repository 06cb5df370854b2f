//! Making a home, and enrolling edges and tokens in it.

use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;
use thiserror::Error;
use varco_proto::envelope::seal;
use varco_proto::ids::{EdgeId, GateId};
use varco_proto::keys::{KeyError, SealingKey};
use varco_proto::tamper::{PURPOSE_CHARACTERS, Release};
use varco_proto::time::UtcTime;

use crate::audit::acting::Acting;
use crate::audit::action::Action;
use crate::audit::actor::{Actor, ActorKind};
use crate::audit::told::{EdgeEnded, EdgeMade, HubMade, Told as _};
use crate::audit::{self, AuditError, Entry};
use crate::boxes::edges::{self, Edge, EdgeError};
use crate::boxes::mosquitto::{self, BrokerSettings, HUB_USER, hub_user};
use crate::boxes::{forks, tampering};
use crate::certificates::authority::{self, Authority, CertificateError, Issued};
use crate::config::Config;
use crate::edge_bundle::{BundleSettings, edge_configuration};
use crate::floor;
use crate::home::lock::{Holder, Lock};
use crate::home::{Home, HomeError};
use crate::machine::files::{self, FileError};
use crate::map::desk::{self, PlaceDeskError};
use crate::map::place::Place;
use crate::people::desk::{self as people, TokenDeskError, Wanted};
use crate::people::tokens::{DAYS_DEFAULT, Permissions};
use crate::store::sql::{Connection, TransactionBehavior};
use crate::store::{Doing as _, StoreError};
use crate::timekeeping;

/// Who bears the first token.
const FIRST_ACTOR: &str = "first-token";

/// Something could not be set up; what was begun is not registered.
#[derive(Debug, Error)]
pub enum SetupError {
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
    /// An edge.
    #[error(transparent)]
    Edge(#[from] EdgeError),
    /// Where its gate stands.
    #[error(transparent)]
    Place(#[from] PlaceDeskError),
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
    /// The purpose is missing or too long: say what was found and done.
    #[error("say what was found and done, in 3 to 120 characters: --purpose TEXT")]
    Purpose,
    /// Nothing is to be released.
    #[error("nothing keeps the transits of `{0}` back; `varco-hub edge list` shows what does")]
    NotSuspended(EdgeId),
    /// The edge's chain is whole.
    #[error("the chain of `{0}` has not forked; `varco-hub edge list` shows its state")]
    NotForked(EdgeId),
    /// The bundle's folder already holds an edge's files: choose an empty one.
    #[error("`{0}` already holds an edge's files: choose an empty folder")]
    BundleThere(PathBuf),
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
/// [`SetupError`].
pub fn init(home: &Home, settings: &InitSettings, now: UtcTime) -> Result<InitReport, SetupError> {
    let found = || -> Result<InitReport, SetupError> {
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
    let token = first_token(&mut main, &key, (settings.first_token_valid, now))?;
    floor::keep(home, &main)?;
    files::write_private(&home.token_file(), format!("{token}\n").as_bytes())?;
    // Whoever makes a home has looked at the clock; a machine with a keeper of time asks that one.
    timekeeping::begin(&home.clock_file(), now).map_err(SetupError::Clock)?;
    // Last, because it says that the home is whole.
    let listen = SocketAddr::new(settings.bind, settings.http_port);
    let reachable = reachable(settings.bind).to_string();
    let text = Config::to_toml(listen, &reachable, settings.broker_port);
    files::write_private(&home.config_file(), text.as_bytes())?;
    let public = key.opening_key().to_string();
    Ok(report(home, listen, &public, Some(token)))
}

/// Certificate and key of one of the hub's connections to the broker, in PEM.
///
/// They hold ten years and are made anew when less than a third of that is left; those beyond the
/// first are made when they are first wanted.
///
/// # Errors
/// [`SetupError`].
pub fn connection_pair(
    home: &Home,
    number: usize,
    now: UtcTime,
) -> Result<(String, String), SetupError> {
    let (certificate, key) = home.connection_files(number);
    let due = match certificate.is_file() {
        true => authority::describe(&files::read_text(&certificate)?)
            .is_none_or(|described| described.is_due(now)),
        false => true,
    };
    if due {
        let client = home.authority()?.client(&hub_user(number), now)?;
        write_pair(&client, &certificate, &key)?;
    }
    Ok((files::read_text(&certificate)?, files::read_text(&key)?))
}

/// The address by which this machine itself reaches what listens on another.
fn reachable(bind: IpAddr) -> IpAddr {
    if bind.is_unspecified() {
        IpAddr::from([127, 0, 0, 1])
    } else {
        bind
    }
}

fn report(home: &Home, listen: SocketAddr, hub_key: &str, token: Option<String>) -> InitReport {
    let address = SocketAddr::new(reachable(listen.ip()), listen.port());
    InitReport {
        already_there: token.is_none(),
        home: home.root().to_owned(),
        url: format!("https://{address}"),
        ca_file: home.authority_certificate(),
        token_file: home.token_file(),
        token,
        mosquitto_configuration: home.broker_configuration(),
        hub_key: hub_key.to_owned(),
    }
}

fn make_authority(home: &Home, now: UtcTime) -> Result<Authority, SetupError> {
    let made = Authority::create(now)?;
    write_pair(&made, &home.authority_certificate(), &home.authority_key())?;
    Ok(Authority::from_pem(&made.certificate_pem, &made.key_pem)?)
}

fn write_pair(issued: &Issued, certificate: &Path, key: &Path) -> Result<(), FileError> {
    files::write_private(key, issued.key_pem.as_bytes())?;
    files::write_public(certificate, issued.certificate_pem.as_bytes())
}

fn write_broker(home: &Home, settings: &InitSettings) -> Result<(), SetupError> {
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

/// The Unix user that owns a folder, so that a broker started by root can read its files.
fn owner_of(folder: &Path) -> String {
    let owner = std::fs::metadata(folder).map(|meta| meta.uid()).ok();
    let accounts = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let name = accounts.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        let uid: u32 = fields.nth(1)?.parse().ok()?;
        (Some(uid) == owner).then(|| name.to_owned())
    });
    name.unwrap_or_else(|| "mosquitto".to_owned())
}

fn first_token(
    main: &mut Connection,
    key: &SealingKey,
    (valid, now): (Duration, UtcTime),
) -> Result<String, SetupError> {
    let transaction = begin(main)?;
    let made = HubMade {
        hub_key: key.opening_key().to_string(),
        tells_all: true,
    };
    let made = made.entry(Actor::console(), Action::HubInitialised)?;
    audit::append(&transaction, &made, now, key)?;
    let wanted = Wanted {
        name: FIRST_ACTOR,
        kind: ActorKind::Service,
        may: &Permissions::usual(),
        valid,
    };
    let issued = people::issue_within(&transaction, &wanted, (key, now))?;
    transaction.commit().doing("commit the first token")?;
    Ok(issued.token)
}

fn begin(main: &mut Connection) -> Result<crate::store::sql::Transaction<'_>, StoreError> {
    main.transaction_with_behavior(TransactionBehavior::Immediate)
        .doing("begin the change")
}

/// Issues a token to a person, who may do what stands in `may`, for as long as tokens hold unless
/// something else is said.
///
/// # Errors
/// [`SetupError`].
pub fn add_token(
    home: &Home,
    actor: &str,
    may: &Permissions,
    now: UtcTime,
) -> Result<String, SetupError> {
    let wanted = Wanted {
        name: actor,
        kind: ActorKind::Person,
        may,
        valid: Duration::from_secs(u64::from(DAYS_DEFAULT) * 86_400),
    };
    home.expect()?;
    let key = home.sealing_key()?;
    let issued = people::issue(&mut home.open_main()?, &wanted, (&key, now))?;
    Ok(issued.token)
}

/// What an enrolled edge got.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EdgeReport {
    /// The edge.
    pub edge: EdgeId,
    /// Its gate.
    pub gate: GateId,
    /// The folder of its files; all of it goes to the edge, and the hub keeps no copy.
    pub bundle: PathBuf,
    /// Its configuration in there.
    pub configuration: PathBuf,
    /// Its public key, as registered.
    pub edge_key: String,
}

/// Enrols an edge: certificate, sealing key, configuration. The private keys are in the bundle
/// alone. A place is its gate's.
///
/// # Errors
/// [`SetupError`].
pub fn add_edge(
    home: &Home,
    id: &EdgeId,
    (gate, place): (&GateId, Option<Place>),
    settings: &BundleSettings,
    now: UtcTime,
) -> Result<EdgeReport, SetupError> {
    let config = home.config()?;
    let hub_key = home.sealing_key()?;
    let out = &settings.out;
    if out.join("edge.key").exists() || out.join("signing.pk8").exists() {
        return Err(SetupError::BundleThere(out.clone()));
    }
    let mut main = home.open_main()?;
    if edges::find(&main, id)?.is_some() {
        return Err(EdgeError::Taken(id.clone()).into());
    }
    let issued = home.authority()?.client(id.as_str(), now)?;
    let key_bytes = SealingKey::generate()?;
    let edge = Edge {
        id: id.clone(),
        gate: gate.clone(),
        opening_key: SealingKey::from_pkcs8(&key_bytes)?.opening_key(),
        certificate_serial: issued.serial.clone(),
        registered_at: now,
        revoked_at: None,
        forked_at: None,
        report: None,
    };
    let transaction = begin(&mut main)?;
    edges::register(&transaction, &edge)?;
    let told = EdgeMade {
        edge: id.to_string(),
        gate: gate.to_string(),
        edge_key: edge.opening_key.to_string(),
        certificate_ends: None,
    };
    let entry = told.entry(Actor::console(), Action::EdgeAdded)?;
    audit::append(&transaction, &entry, now, &hub_key)?;
    if let Some(place) = place {
        place_gate(&transaction, (gate, place), now, &hub_key)?;
    }
    // The files come before the commit: an edge without its files could never be made whole,
    // because its name would be taken.
    files::make_private_folder(out)?;
    let authority = files::read(&home.authority_certificate())?;
    files::write_public(&out.join("ca.crt"), &authority)?;
    write_pair(&issued, &out.join("edge.crt"), &out.join("edge.key"))?;
    files::write_private(&out.join("signing.pk8"), &key_bytes)?;
    let text = edge_configuration(&edge, settings, &config, &hub_key.opening_key());
    files::write_private(&out.join("edge.toml"), text.as_bytes())?;
    transaction.commit().doing("commit the edge")?;
    Ok(EdgeReport {
        edge: edge.id,
        gate: edge.gate,
        bundle: out.clone(),
        configuration: out.join("edge.toml"),
        edge_key: edge.opening_key.to_string(),
    })
}

fn place_gate(
    transaction: &Connection,
    (gate, place): (&GateId, Place),
    now: UtcTime,
    key: &SealingKey,
) -> Result<(), SetupError> {
    let acting = Acting {
        actor: &Actor::console(),
        now,
        key,
    };
    Ok(desk::place_of_new_edge(transaction, gate, place, &acting)?)
}

/// Revokes an edge: the hub refuses it from the next batch on, and the list of revoked
/// certificates is written anew for the broker.
///
/// # Errors
/// [`SetupError`].
pub fn revoke_edge(home: &Home, id: &EdgeId, now: UtcTime) -> Result<UtcTime, SetupError> {
    home.expect()?;
    let key = home.sealing_key()?;
    let mut main = home.open_main()?;
    let transaction = begin(&mut main)?;
    let revoked_at = edges::revoke(&transaction, id, now)?;
    let told = EdgeEnded {
        edge: id.to_string(),
        revoked_at,
    };
    let entry = told.entry(Actor::console(), Action::EdgeRevoked)?;
    audit::append(&transaction, &entry, now, &key)?;
    transaction.commit().doing("commit the revocation")?;
    write_revocation_list(home, &main, now)?;
    Ok(revoked_at)
}

/// Writes the list of revoked certificates anew, for the broker.
///
/// # Errors
/// [`SetupError`].
pub fn write_revocation_list(
    home: &Home,
    main: &Connection,
    now: UtcTime,
) -> Result<(), SetupError> {
    let revoked = edges::revoked(main)?;
    let list = home.authority()?.revocation_list(&revoked, now)?;
    files::write_public(&home.revocation_list(), list.as_bytes())?;
    Ok(())
}

/// Releases an edge from everything that it has told of so far. The running hub sends it.
///
/// # Errors
/// [`SetupError`]; without its audit line nothing is released.
pub fn release_edge(
    home: &Home,
    id: &EdgeId,
    purpose: &str,
    now: UtcTime,
) -> Result<Release, SetupError> {
    home.expect()?;
    let purpose = purpose_of(purpose)?;
    let key = home.sealing_key()?;
    let mut main = home.open_main()?;
    let transaction = begin(&mut main)?;
    if edges::find(&transaction, id)?.is_none() {
        return Err(EdgeError::Unknown(id.clone()).into());
    }
    let events = tampering::open_events(&transaction, id)?;
    let Some(last) = events.last() else {
        return Err(SetupError::NotSuspended(id.clone()));
    };
    let release = Release {
        edge: id.clone(),
        up_to_sequence: last.sequence,
        purpose,
        released_at: now,
    };
    let envelope = seal(&release, &key).envelope;
    tampering::keep_release(&transaction, &release, &envelope)?;
    let kinds: Vec<_> = events.iter().map(|event| event.kind.as_str()).collect();
    let details = serde_json::json!({
        "edge": id, "up_to_sequence": last.sequence, "kinds": kinds, "purpose": release.purpose,
    });
    let entry = Entry::plain(Actor::console(), Action::EdgeReleased, details);
    audit::append(&transaction, &entry, now, &key)?;
    transaction.commit().doing("commit the release")?;
    Ok(release)
}

fn purpose_of(text: &str) -> Result<String, SetupError> {
    let text = text.trim();
    let fits = PURPOSE_CHARACTERS.contains(&text.chars().count());
    if !fits || text.chars().any(char::is_control) {
        return Err(SetupError::Purpose);
    }
    Ok(text.to_owned())
}

/// Lets an edge in again after its chain had forked, on the chain that the hub has. Gives the
/// place of the fork.
///
/// # Errors
/// [`SetupError`]; without its audit line nothing is released.
pub fn release_fork(
    home: &Home,
    id: &EdgeId,
    purpose: &str,
    now: UtcTime,
) -> Result<u64, SetupError> {
    home.expect()?;
    let purpose = purpose_of(purpose)?;
    let key = home.sealing_key()?;
    let mut main = home.open_main()?;
    let transaction = begin(&mut main)?;
    if edges::find(&transaction, id)?.is_none() {
        return Err(EdgeError::Unknown(id.clone()).into());
    }
    let Some(fork) = forks::open_fork(&transaction, id)? else {
        return Err(SetupError::NotForked(id.clone()));
    };
    forks::release(&transaction, id)?;
    let details = serde_json::json!({
        "edge": id, "sequence": fork.sequence, "noticed_at": fork.noticed_at, "purpose": purpose,
    });
    let entry = Entry::plain(Actor::console(), Action::ForkReleased, details);
    audit::append(&transaction, &entry, now, &key)?;
    transaction.commit().doing("commit the release")?;
    Ok(fork.sequence)
}
