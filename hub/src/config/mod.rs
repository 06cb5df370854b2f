//! `hub.toml`: as written, and as checked. It owns what may stand there and within which bounds; it reads no
//! file but the password of PostgreSQL, and knows no home.

pub mod audit;
pub mod backup;
pub mod evidence;
pub mod http_limits;
pub mod postgres_address;
pub mod signing;
mod store;
mod template;
mod witness;
mod written;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use varco_proto::config::{Faults, parse};

use audit::AuditConfig;
use backup::Backup;
use evidence::StampingConfig;
use http_limits::HttpLimits;
use postgres_address::Address;
use signing::SigningConfig;
use written::{BrokerFile, ConfigFile, LookupFile, MetricsFile};

/// Retention's maximum: seven times twenty-four hours from the capture (Perugia, art. 10 c. 5).
/// A configuration may only shorten it.
pub const RETENTION_MAX: Duration = Duration::from_secs(7 * 24 * 3600);
/// Most connections of the hub to its broker.
pub const HUB_CONNECTIONS_MAX: usize = 8;

/// The configuration as checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Address of the HTTPS server.
    pub listen: SocketAddr,
    /// How many connections the HTTPS server keeps.
    pub http_limits: HttpLimits,
    /// The broker's name or address, as its certificate has it.
    pub broker_host: String,
    /// The broker's port.
    pub broker_port: u16,
    /// Most records in one commit.
    pub batch_records_max: usize,
    /// Longest wait for a batch to fill.
    pub batch_wait: Duration,
    /// How far ahead of the hub's clock a capture may lie.
    pub clock_ahead_max: Duration,
    /// Threads that check signatures; none for as many as the machine has cores.
    pub verify_threads: Option<usize>,
    /// Connections to the broker.
    pub broker_connections: usize,
    /// How long a transit is kept, from its capture; at most [`RETENTION_MAX`].
    pub retention: Duration,
    /// Most results of one lookup.
    pub results_max: u32,
    /// Whether vehicles that travel together may be asked for, by who has the permission.
    pub companions: bool,
    /// Most lookups running at once; more wait.
    pub lookups_at_once_max: usize,
    /// Where Prometheus measures this hub, on this machine alone; none for nowhere.
    pub metrics: Option<SocketAddr>,
    /// The backup that the running hub makes; none for none.
    pub backup: Option<Backup>,
    /// How long audit lines are kept, and who witnesses them.
    pub audit: AuditConfig,
    /// The folder of the witness that this hub runs for other hubs; none for none.
    pub witness: Option<PathBuf>,
    /// The service that stamps evidence with the time; none for none.
    pub stamping: Option<StampingConfig>,
    /// How long the certificate of an enrolled edge holds; edges renew it by themselves.
    pub certificate_valid: Duration,
    /// How persons sign in.
    pub signing: SigningConfig,
    /// PostgreSQL, when the transits are there and not in the home.
    pub postgres: Option<Address>,
    /// Hubs of this home that run at once; more than one needs PostgreSQL.
    pub hubs: usize,
    /// Which of them this is, from 0.
    pub hub: usize,
}

impl Config {
    /// Reads and checks a configuration.
    ///
    /// # Errors
    /// All its [`Faults`] at once; the caller prints them and exits with 78.
    pub fn from_toml(text: &str) -> Result<Self, Faults> {
        let mut faults = Faults::new();
        let Some(file) = parse::<ConfigFile>(text, &mut faults) else {
            return faults.finish(None);
        };
        let what = "write it as an address and a port, \"127.0.0.1:8443\"";
        let listen = file.http.listen.parse::<SocketAddr>().map_err(|_| what);
        let listen = faults.take("http.listen", listen);
        let http_limits = file.http.limits.check(&mut faults);
        check_broker(&file.broker, &mut faults);
        let intake = &file.intake;
        let (records, wait) = (intake.batch_records_max, intake.batch_wait_ms);
        within(&mut faults, "intake.batch_records_max", records, 1, 4096);
        within(&mut faults, "intake.batch_wait_ms", wait, 0, 1000);
        let ahead = intake.clock_ahead_max_s;
        within(&mut faults, "intake.clock_ahead_max_s", ahead, 1, 600);
        let (threads, connections) = (intake.verify_threads, intake.connections);
        within(&mut faults, "intake.verify_threads", threads, 0, 256);
        let most = u32::try_from(HUB_CONNECTIONS_MAX).unwrap_or(u32::MAX);
        within(&mut faults, "intake.connections", connections, 1, most);
        let term = file.retention.term_hours;
        within(&mut faults, "retention.term_hours", term, 1, 168);
        let LookupFile {
            results_max,
            at_once_max,
            companions,
        } = file.lookup;
        within(&mut faults, "lookup.results_max", results_max, 1, 1000);
        within(&mut faults, "lookup.at_once_max", at_once_max, 1, 64);
        let valid = file.edges.certificate_valid_h;
        within(&mut faults, "edges.certificate_valid_h", valid, 1, 87_600);
        let port = listen.as_ref().map(SocketAddr::port);
        let signing = file.signing.check(port, &mut faults);
        let metrics = metrics(file.metrics, &mut faults);
        let backup = file
            .backup
            .and_then(|file| backup::check(file, &mut faults));
        let audit = audit::check(file.audit, &mut faults);
        let witness = witness::check(file.witness, &mut faults);
        let stamping = evidence::check(file.evidence, &mut faults);
        let hubs_max = (most / connections.max(1)).max(1);
        let (postgres, hubs) = store::check(file.store, hubs_max, &mut faults);
        let config = listen.map(|listen| Self {
            listen,
            http_limits,
            metrics,
            backup,
            audit,
            witness,
            stamping,
            broker_host: file.broker.host,
            broker_port: file.broker.port,
            batch_records_max: usize::try_from(records).unwrap_or(usize::MAX),
            batch_wait: Duration::from_millis(u64::from(wait)),
            clock_ahead_max: Duration::from_secs(u64::from(ahead)),
            verify_threads: (threads > 0).then(|| usize::try_from(threads).unwrap_or(usize::MAX)),
            broker_connections: usize::try_from(connections).unwrap_or(1),
            retention: RETENTION_MAX.min(Duration::from_secs(u64::from(term) * 3600)),
            results_max,
            companions,
            lookups_at_once_max: usize::try_from(at_once_max).unwrap_or(usize::MAX),
            certificate_valid: Duration::from_secs(u64::from(valid) * 3600),
            signing,
            postgres,
            hubs,
            hub: 0,
        });
        faults.finish(config)
    }

    /// As one of several hubs of a home, counted from 1: what listens has a port of its own, that of
    /// the first and so many more. None when there are not that many.
    #[must_use]
    pub fn numbered(mut self, number: u32) -> Option<Self> {
        let hub = usize::try_from(number).ok()?.checked_sub(1)?;
        if hub >= self.hubs {
            return None;
        }
        let further = u16::try_from(hub).ok()?;
        let moved = |mut address: SocketAddr| {
            address.set_port(address.port().checked_add(further)?);
            Some(address)
        };
        self.listen = moved(self.listen)?;
        self.metrics = match self.metrics {
            Some(address) => Some(moved(address)?),
            None => None,
        };
        self.hub = hub;
        Some(self)
    }
}

fn within(faults: &mut Faults, key: &str, value: u32, least: u32, most: u32) {
    let holds = (least..=most).contains(&value);
    let what = format!("{value} is not within {least} to {most}");
    faults.check(holds, key, what);
}

fn check_broker(broker: &BrokerFile, faults: &mut Faults) {
    faults.check(
        !broker.host.is_empty() && !broker.host.contains(['/', ' ']),
        "broker.host",
        "a host name or an address, without scheme and port",
    );
    faults.check(broker.port != 0, "broker.port", "1 to 65535");
}

/// Where Prometheus measures.
fn metrics(file: Option<MetricsFile>, faults: &mut Faults) -> Option<SocketAddr> {
    let address = file?.address.parse::<SocketAddr>().ok();
    let local = address.filter(|address| address.ip().is_loopback());
    let what = "an address of this machine alone and a port, \"127.0.0.1:9465\"";
    faults.take("metrics.address", local.ok_or(what))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_init_writes_is_taken() {
        let listen = "127.0.0.1:8443".parse().unwrap();
        let text = Config::to_toml(listen, "127.0.0.1", 8883);
        let config = Config::from_toml(&text).unwrap();
        assert_eq!(config.listen, listen);
        assert_eq!(config.retention, RETENTION_MAX);
        let least =
            "[http]\nlisten = \"127.0.0.1:8443\"\n[broker]\nhost = \"127.0.0.1\"\nport = 8883\n";
        assert_eq!(
            Config::from_toml(least).unwrap(),
            config,
            "the defaults are the same"
        );
    }

    #[test]
    fn the_example_is_what_init_writes() {
        let listen = "127.0.0.1:8443".parse().unwrap();
        let example = include_str!("../../../deploy/examples/hub.toml");
        assert_eq!(example, Config::to_toml(listen, "127.0.0.1", 8883));
    }

    #[test]
    fn every_fault_of_a_configuration_is_told_at_once() {
        let text = "[http]\nlisten = \"here\"\n[broker]\nhost = \"tls://a\"\nport = 0\n\
                    [intake]\nbatch_records_max = 0\nbatch_size = 3\n[retention]\nterm_hours = 169\n";
        let faults = Config::from_toml(text).unwrap_err();
        let keys: Vec<_> = faults
            .all()
            .iter()
            .map(|fault| fault.key.as_str())
            .collect();
        assert_eq!(
            keys,
            [
                "intake.batch_size",
                "http.listen",
                "broker.host",
                "broker.port",
                "intake.batch_records_max",
                "retention.term_hours"
            ]
        );
    }

    #[test]
    fn postgresql_is_named_without_a_password_and_on_this_machine() {
        let base = "[http]\nlisten = \"127.0.0.1:1\"\n[broker]\nhost = \"a\"\nport = 1\n[store]\n";
        let good = format!("{base}postgres = \"host=/run/postgresql dbname=varco\"\n");
        assert!(Config::from_toml(&good).unwrap().postgres.is_some());
        for bad in [
            "postgres = \"host=192.0.2.1 dbname=varco\"",
            "postgres = \"host=/run/postgresql password=x\"",
            "password_file = \"/etc/varco-hub/postgres\"",
            "hubs = 2",
        ] {
            assert!(
                Config::from_toml(&format!("{base}{bad}\n")).is_err(),
                "{bad}"
            );
        }
    }

    #[test]
    fn each_of_several_hubs_listens_for_itself() {
        let text = "[http]\nlisten = \"127.0.0.1:8443\"\n[broker]\nhost = \"a\"\nport = 1\n\
                    [store]\npostgres = \"host=/run/postgresql\"\nhubs = 2\n";
        let config = Config::from_toml(text).unwrap();
        let second = config.clone().numbered(2).unwrap();
        assert_eq!((second.hub, second.listen.port()), (1, 8444));
        assert_eq!(config.clone().numbered(1), Some(config.clone()));
        assert_eq!(
            (config.clone().numbered(3), config.numbered(0)),
            (None, None)
        );
    }

    #[test]
    fn c39_a_configuration_cannot_lengthen_the_term() {
        let text = "[http]\nlisten = \"127.0.0.1:1\"\n[broker]\nhost = \"a\"\nport = 1\n[retention]\nterm_hours = 200\n";
        assert!(Config::from_toml(text).is_err());
    }
}
