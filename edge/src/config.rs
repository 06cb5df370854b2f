//! The edge's configuration: as written in TOML, and as checked.

mod camera;
mod listener;
mod reader;
mod spool;
mod tamper;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use varco_proto::config::{Faults, parse};
use varco_proto::ids::EdgeId;
use varco_proto::keys::OpeningKey;
use varco_proto::status::CAMERAS_MAX;

pub use camera::{Camera, CameraLogin, Decoding, Transport};
use camera::{CameraSection, camera};
pub use listener::{Listener, ListenerTls};
use listener::{ListenerSection, MetricsSection, listener, metrics};
pub use reader::{Credentials, Feed, PushLogin, Reader, Way};
use reader::{ReaderSection, reader};
pub use spool::SpoolLimits;
use spool::{SpoolSection, spool};
pub use tamper::{Cabinet, Tamper};
use tamper::{TamperSection, tamper};

/// Longest wait for a receipt that may be asked for, in seconds.
const RECEIPT_WAIT_LIMIT_S: u64 = 3600;

/// As checked.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// This edge, as registered at the hub.
    pub edge: EdgeId,
    /// Holds `spool.sqlite`.
    pub state_folder: PathBuf,
    /// PKCS#8 of the key that seals, itself sealed with the box's key.
    pub signing_key_file: PathBuf,
    /// The box's key, when systemd gives none.
    pub box_key_file: PathBuf,
    /// The nets.
    pub models: Models,
    /// Where records go.
    pub hub: Hub,
    /// How much waits for the hub at most, and for how long.
    pub spool: SpoolLimits,
    /// Whose word on the time is good enough to seal.
    pub clock: ClockRule,
    /// Which signs of hands laid on the box are reported, and which suspend.
    pub tamper: Tamper,
    /// With the readers 1 to [`CAMERAS_MAX`], each with its own name.
    pub cameras: Vec<Camera>,
    /// Cameras that read plates themselves.
    pub readers: Vec<Reader>,
    /// Where those push their readings; none when none does.
    pub listener: Option<Listener>,
    /// Where metrics are given, on this box alone; none when nobody asks for them.
    pub metrics: Option<SocketAddr>,
}

/// Whose word on the time is good enough to seal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClockRule {
    /// Somebody keeps the clock right, by NTP or otherwise. The default.
    Synchronised,
    /// Any clock will do: for tests and demonstrations.
    Any,
}

/// The nets and what runs them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Models {
    /// Holds `manifest.toml` and the ONNX files.
    pub folder: PathBuf,
    /// ONNX Runtime's library; searched in the usual places when none is named.
    pub onnxruntime_file: Option<PathBuf>,
}

/// The broker, and the hub behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hub {
    /// Name or address of the broker; its certificate must name it.
    pub broker_host: String,
    /// TCP port.
    pub broker_port: u16,
    /// The hub's HTTPS address, `https://HOST:PORT`: certificates are renewed there. Without it
    /// none is.
    pub url: Option<String>,
    /// PEM of the authority that signed the broker's certificate.
    pub ca_file: PathBuf,
    /// PEM of this edge's certificate.
    pub certificate_file: PathBuf,
    /// PEM of its private key.
    pub key_file: PathBuf,
    /// Opens receipts and refusals.
    pub hub_key: OpeningKey,
    /// A record without a receipt is sent again after this.
    pub receipt_wait: Duration,
}

#[derive(Debug, Deserialize)]
struct ConfigFile {
    edge: EdgeSection,
    models: ModelsSection,
    hub: HubSection,
    #[serde(default)]
    spool: SpoolSection,
    #[serde(default)]
    clock: ClockSection,
    #[serde(default)]
    tamper: TamperSection,
    #[serde(default)]
    cameras: Vec<CameraSection>,
    #[serde(default)]
    readers: Vec<ReaderSection>,
    listener: Option<ListenerSection>,
    metrics: Option<MetricsSection>,
}

#[derive(Debug, Deserialize)]
struct EdgeSection {
    id: String,
    state_folder: PathBuf,
    signing_key_file: PathBuf,
    box_key_file: Option<PathBuf>,
}

#[derive(Debug, Deserialize)]
struct ModelsSection {
    folder: PathBuf,
    onnxruntime_file: Option<PathBuf>,
}

#[derive(Debug, Deserialize)]
struct HubSection {
    broker_host: String,
    url: Option<String>,
    #[serde(default = "default_port")]
    broker_port: u16,
    ca_file: PathBuf,
    certificate_file: PathBuf,
    key_file: PathBuf,
    hub_key: String,
    #[serde(default = "default_receipt_wait_s")]
    receipt_wait_s: u64,
}

#[derive(Debug, Default, Deserialize)]
struct ClockSection {
    rule: Option<String>,
}

fn default_port() -> u16 {
    8883
}

fn default_receipt_wait_s() -> u64 {
    10
}

impl Config {
    /// Reads a file; relative paths in it are relative to its folder.
    ///
    /// # Errors
    /// All the faults at once; the daemon then exits with 78.
    pub fn load(path: &Path) -> Result<Self, Faults> {
        let mut faults = Faults::new();
        let text = faults.take(
            "-",
            std::fs::read_to_string(path)
                .map_err(|error| format!("cannot read `{}`: {error}", path.display())),
        );
        let Some(text) = text else {
            return faults.finish(None);
        };
        let folder = match path.parent() {
            Some(folder) if folder != Path::new("") => folder,
            _ => Path::new("."),
        };
        // GStreamer takes a private authority by absolute path alone.
        let folder = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
        Self::parse(&text, &folder)
    }

    /// Checks a configuration's text.
    ///
    /// # Errors
    /// All the faults at once.
    pub fn parse(text: &str, folder: &Path) -> Result<Self, Faults> {
        let mut faults = Faults::new();
        let file: Option<ConfigFile> = parse(text, &mut faults);
        let config = file.and_then(|file| checked(file, folder, &mut faults));
        faults.finish(config)
    }
}

fn checked(file: ConfigFile, folder: &Path, faults: &mut Faults) -> Option<Config> {
    let edge = faults.take("edge.id", file.edge.id.parse());
    let hub = hub(file.hub, folder, faults);
    let spool = spool(&file.spool, faults);
    let clock = match file.clock.rule.as_deref() {
        None | Some("synchronised") => Ok(ClockRule::Synchronised),
        Some("any") => Ok(ClockRule::Any),
        Some(other) => Err(format!("`{other}` is none of `synchronised` and `any`")),
    };
    let clock = faults.take("clock.rule", clock);
    let tamper = tamper(file.tamper, folder, faults);
    let count = file.cameras.len() + file.readers.len();
    faults.check(
        (1..=CAMERAS_MAX).contains(&count),
        "cameras",
        format!("{count} cameras; write 1 to {CAMERAS_MAX} sections [[cameras]] and [[readers]]"),
    );
    let (cameras, readers) = watched(file.cameras, file.readers, folder, faults);
    let known = readers.as_deref().unwrap_or_default();
    let listener = listener(file.listener, known, folder, faults);
    let metrics = metrics(file.metrics, faults);
    Some(Config {
        edge: edge?,
        state_folder: folder.join(file.edge.state_folder),
        box_key_file: match file.edge.box_key_file {
            Some(path) => folder.join(path),
            None => folder
                .join(&file.edge.signing_key_file)
                .with_file_name("box.key"),
        },
        signing_key_file: folder.join(file.edge.signing_key_file),
        models: Models {
            folder: folder.join(file.models.folder),
            onnxruntime_file: file.models.onnxruntime_file.map(|path| folder.join(path)),
        },
        hub: hub?,
        spool,
        clock: clock?,
        tamper,
        cameras: cameras?,
        readers: readers?,
        listener,
        metrics,
    })
}

/// Everything that watches a lane; names are given once.
fn watched(
    cameras: Vec<CameraSection>,
    readers: Vec<ReaderSection>,
    folder: &Path,
    faults: &mut Faults,
) -> (Option<Vec<Camera>>, Option<Vec<Reader>>) {
    let mut names = BTreeSet::new();
    let mut once = |name: &str, key: &str, faults: &mut Faults| {
        let what = format!("`{name}` is the name of another camera too");
        faults.check(names.insert(name.to_owned()), &format!("{key}.id"), what);
    };
    let mut checked_cameras = Vec::new();
    for (at, section) in cameras.into_iter().enumerate() {
        let key = format!("cameras.{at}");
        once(&section.id, &key, faults);
        checked_cameras.push(camera(section, &key, folder, faults));
    }
    let mut checked_readers = Vec::new();
    for (at, section) in readers.into_iter().enumerate() {
        let key = format!("readers.{at}");
        once(&section.id, &key, faults);
        checked_readers.push(reader(section, &key, folder, faults));
    }
    (
        checked_cameras.into_iter().collect(),
        checked_readers.into_iter().collect(),
    )
}

fn hub(section: HubSection, folder: &Path, faults: &mut Faults) -> Option<Hub> {
    faults.check(
        !section.broker_host.is_empty() && !section.broker_host.contains(['/', ' ', '@']),
        "hub.broker_host",
        "write a host name or an address alone, without port, path or spaces",
    );
    faults.check(section.broker_port != 0, "hub.broker_port", "0 is no port");
    faults.check(
        (1..=RECEIPT_WAIT_LIMIT_S).contains(&section.receipt_wait_s),
        "hub.receipt_wait_s",
        format!(
            "{} is not within 1..={RECEIPT_WAIT_LIMIT_S}",
            section.receipt_wait_s
        ),
    );
    faults.check(
        section.url.as_deref().is_none_or(is_https),
        "hub.url",
        "write it as https://HOST:PORT, without a path",
    );
    let hub_key = faults.take("hub.hub_key", section.hub_key.parse());
    Some(Hub {
        broker_host: section.broker_host,
        broker_port: section.broker_port,
        url: section.url,
        ca_file: folder.join(section.ca_file),
        certificate_file: folder.join(section.certificate_file),
        key_file: folder.join(section.key_file),
        hub_key: hub_key?,
        receipt_wait: Duration::from_secs(section.receipt_wait_s),
    })
}

/// `https://HOST` or `https://HOST:PORT`.
#[must_use]
pub fn is_https(url: &str) -> bool {
    url.strip_prefix("https://")
        .is_some_and(|rest| !rest.is_empty() && !rest.contains(['/', ' ', '@', '?', '#']))
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXAMPLE: &str = include_str!("../../deploy/examples/edge.toml");

    #[test]
    fn the_example_is_taken_as_it_is_written() {
        let config = Config::parse(EXAMPLE, Path::new("/etc/varco-edge")).unwrap();
        assert_eq!(config.edge.as_str(), "porta-nord-01");
        assert_eq!(
            config.signing_key_file,
            Path::new("/etc/varco-edge/signing.pk8")
        );
        assert_eq!(config.state_folder, Path::new("/var/lib/varco-edge"));
        assert_eq!(config.spool, SpoolLimits::default());
        assert_eq!(config.box_key_file, Path::new("/etc/varco-edge/box.key"));
        assert_eq!(config.cameras.len(), 1);
        assert_eq!(config.cameras[0].transport, Transport::Tcp);
    }

    #[test]
    fn all_faults_are_told_at_once() {
        let text = EXAMPLE
            .replace("id = \"porta-nord-01\"", "id = \"Porta Nord\"")
            .replace("records_max = 50000", "records_max = 0\nrecord_max = 1")
            .replace("age_max_h = 168", "age_max_h = 169")
            .replace("broker_port = 8883", "broker_port = 0")
            .replace("rule = \"synchronised\"", "rule = \"perhaps\"")
            .replace("frames_per_second_max = 12", "frames_per_second_max = 0.0");
        let faults = Config::parse(&text, Path::new(".")).unwrap_err();
        let keys: Vec<_> = faults.all().iter().map(|f| f.key.as_str()).collect();
        for key in [
            "edge.id",
            "cameras.0.id",
            "spool.records_max",
            "spool.record_max",
            "spool.age_max_h",
            "hub.broker_port",
            "clock.rule",
            "cameras.0.frames_per_second_max",
        ] {
            assert!(keys.contains(&key), "{key} is missing in {keys:?}");
        }
    }

    #[test]
    fn an_address_with_a_password_is_refused_and_never_repeated() {
        let text = EXAMPLE.replace("rtsp://", "rtsp://varco:gelato@");
        let faults = Config::parse(&text, Path::new(".")).unwrap_err();
        assert_eq!(faults.all()[0].key, "cameras.0.url");
        assert!(!faults.to_string().contains("gelato"), "{faults}");
    }
}
