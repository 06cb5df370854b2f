//! `hub.toml`: as written, and as checked.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;
use varco_proto::config::{Faults, parse};

use crate::backup::BackupPlace;
use crate::http_limits::{HttpLimits, HttpLimitsFile};
use crate::mosquitto::HUB_CONNECTIONS_MAX;
use crate::postgres::Address;

/// Retention's maximum: seven times twenty-four hours from the capture (Perugia, art. 10 c. 5).
/// A configuration may only shorten it.
pub const RETENTION_MAX: Duration = Duration::from_secs(7 * 24 * 3600);

/// The file as written.
#[derive(Debug, Deserialize)]
struct ConfigFile {
    http: HttpFile,
    broker: BrokerFile,
    #[serde(default)]
    intake: IntakeFile,
    #[serde(default)]
    retention: RetentionFile,
    #[serde(default)]
    lookup: LookupFile,
    #[serde(default)]
    edges: EdgesFile,
    metrics: Option<MetricsFile>,
    backup: Option<BackupFile>,
    #[serde(default)]
    store: StoreFile,
}

#[derive(Debug, Deserialize)]
struct BackupFile {
    folder: PathBuf,
    keys_folder: PathBuf,
    #[serde(default = "an_hour")]
    every_minutes: u32,
}

fn an_hour() -> u32 {
    60
}

/// The backup that the running hub makes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backup {
    /// Where it lies.
    pub place: BackupPlace,
    /// How often it is brought up to date.
    pub every: Duration,
}

#[derive(Debug, Deserialize)]
struct MetricsFile {
    address: String,
}

#[derive(Debug, Deserialize)]
#[serde(default)]
struct StoreFile {
    postgres: Option<String>,
    password_file: Option<PathBuf>,
    hubs: u32,
}

impl Default for StoreFile {
    fn default() -> Self {
        Self {
            postgres: None,
            password_file: None,
            hubs: 1,
        }
    }
}

#[derive(Debug, Deserialize)]
struct HttpFile {
    listen: String,
    #[serde(default)]
    limits: HttpLimitsFile,
}

#[derive(Debug, Deserialize)]
struct BrokerFile {
    host: String,
    port: u16,
}

#[derive(Debug, Deserialize)]
#[serde(default)]
struct IntakeFile {
    batch_records_max: u32,
    batch_wait_ms: u32,
    clock_ahead_max_s: u32,
    verify_threads: u32,
    connections: u32,
}

impl Default for IntakeFile {
    fn default() -> Self {
        Self {
            batch_records_max: 2048,
            batch_wait_ms: 20,
            clock_ahead_max_s: 60,
            verify_threads: 0,
            connections: 1,
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(default)]
struct RetentionFile {
    term_hours: u32,
}

impl Default for RetentionFile {
    fn default() -> Self {
        Self { term_hours: 168 }
    }
}

#[derive(Debug, Deserialize)]
#[serde(default)]
struct LookupFile {
    results_max: u32,
    at_once_max: u32,
    companions: bool,
}

impl Default for LookupFile {
    fn default() -> Self {
        Self {
            results_max: 200,
            at_once_max: 4,
            companions: false,
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(default)]
struct EdgesFile {
    certificate_valid_h: u32,
}

impl Default for EdgesFile {
    fn default() -> Self {
        Self {
            certificate_valid_h: 2160,
        }
    }
}

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
    /// How long the certificate of an enrolled edge holds; edges renew it by themselves.
    pub certificate_valid: Duration,
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
        let listen = faults.take(
            "http.listen",
            file.http
                .listen
                .parse::<SocketAddr>()
                .map_err(|_| "write it as an address and a port, \"127.0.0.1:8443\""),
        );
        let http_limits = file.http.limits.check(&mut faults);
        check_broker(&file.broker, &mut faults);
        let within = |faults: &mut Faults, key: &str, value: u32, least: u32, most: u32| {
            let holds = (least..=most).contains(&value);
            faults.check(
                holds,
                key,
                format!("{value} is not within {least} to {most}"),
            );
        };
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
        let metrics = metrics(file.metrics, &mut faults);
        let backup = backup(file.backup, &mut faults);
        let hubs_max = (most / connections.max(1)).max(1);
        let (postgres, hubs) = store(file.store, hubs_max, &mut faults);
        let config = listen.map(|listen| Self {
            listen,
            http_limits,
            metrics,
            backup,
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

    /// The file that `init` writes.
    #[must_use]
    pub fn to_toml(listen: SocketAddr, broker_host: &str, broker_port: u16) -> String {
        format!(
            "# Configuration of varco-hub. Unknown keys are refused.\n\
             \n\
             [http]\n\
             # Where the API and the page are served, over HTTPS.\n\
             listen = \"{listen}\"\n\
             # How many connections there may be at once, and how long they may stand still. A\n\
             # stranger is one on which no token was shown: for one too many the oldest goes.\n\
             [http.limits]\n\
             connections_max = 768\n\
             strangers_max = 256\n\
             strangers_per_address_max = 64\n\
             connections_per_actor_max = 64\n\
             streams_max = 128\n\
             streams_per_actor_max = 16\n\
             # A TLS handshake, and the head of a request.\n\
             head_timeout_s = 15\n\
             # A reader who takes less than 16 KiB of what waits for it.\n\
             stalled_timeout_s = 20\n\
             \n\
             [broker]\n\
             # As the broker's certificate has it.\n\
             host = \"{broker_host}\"\n\
             port = {broker_port}\n\
             \n\
             [intake]\n\
             # A batch is committed when it has so many records or is so old.\n\
             batch_records_max = 2048\n\
             batch_wait_ms = 20\n\
             # Threads that check signatures; 0 for as many as there are cores.\n\
             verify_threads = 0\n\
             # Connections to the broker. One brings more than one machine stores.\n\
             connections = 1\n\
             # A capture further ahead of the hub's clock is refused.\n\
             clock_ahead_max_s = 60\n\
             \n\
             [retention]\n\
             # From the capture; 168 hours (seven days) is the most that the law allows.\n\
             term_hours = 168\n\
             \n\
             [lookup]\n\
             results_max = 200\n\
             at_once_max = 4\n\
             # Which vehicles travel with another: a search to be decided on before it is switched on.\n\
             companions = false\n\
             \n\
             [edges]\n\
             # Of an enrolled edge; it renews its certificate when a third of this is left.\n\
             certificate_valid_h = 2160\n\
             \n\
             # Where the transits are; left out, in this home. In PostgreSQL, on this machine alone,\n\
             # several hubs can share them: `varco-hub run --hub 2`. See `varco-hub store move --help`.\n\
             # [store]\n\
             # postgres = \"host=/run/postgresql dbname=varco user=varco-hub\"\n\
             # password_file = \"/var/lib/varco-hub/private/postgresql\"\n\
             # hubs = 1\n\
             \n\
             # Measured by Prometheus at http://ADDRESS/metrics: counts, spans and states, never a\n\
             # plate. On this machine alone; left out, nobody is answered.\n\
             # [metrics]\n\
             # address = \"127.0.0.1:9465\"\n\
             \n\
             # A backup that the running hub keeps up to date. What lies in `folder` may be copied\n\
             # anywhere; what lies in `keys_folder` must not: see `varco-hub backup --help`.\n\
             # [backup]\n\
             # folder = \"/mnt/backup/varco\"\n\
             # keys_folder = \"/mnt/keys/varco\"\n\
             # every_minutes = 60\n"
        )
    }
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

/// Checks `[backup]`.
fn backup(file: Option<BackupFile>, faults: &mut Faults) -> Option<Backup> {
    let file = file?;
    let absolute = file.folder.is_absolute() && file.keys_folder.is_absolute();
    faults.check(
        absolute,
        "backup",
        "write both folders from the root, with /",
    );
    let apart = !file.keys_folder.starts_with(&file.folder);
    let what = "it must lie outside `folder`, on a medium of which nobody keeps old versions";
    faults.check(apart, "backup.keys_folder", what);
    let minutes = file.every_minutes;
    let often = (5..=24 * 60).contains(&minutes);
    faults.check(often, "backup.every_minutes", "5 to 1440");
    Some(Backup {
        place: BackupPlace {
            data: file.folder,
            keys: file.keys_folder,
        },
        every: Duration::from_secs(u64::from(minutes) * 60),
    })
}

/// Checks `[store]`: where the transits are, and how many hubs work on them.
fn store(file: StoreFile, hubs_max: u32, faults: &mut Faults) -> (Option<Address>, usize) {
    let alone = file.postgres.is_none() && file.password_file.is_some();
    faults.check(!alone, "store.password_file", "it needs `store.postgres`");
    let several = file.postgres.is_none() && file.hubs > 1;
    faults.check(!several, "store.hubs", "several hubs need `store.postgres`");
    let what = format!("1 to {hubs_max}: they share the names that the broker knows");
    faults.check((1..=hubs_max).contains(&file.hubs), "store.hubs", what);
    let address = file.postgres.and_then(|text| {
        let address = Address::parse(&text, file.password_file);
        faults.take("store.postgres", address.map_err(|error| error.to_string()))
    });
    (address, usize::try_from(file.hubs).unwrap_or(1))
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
        let example = include_str!("../../deploy/examples/hub.toml");
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
