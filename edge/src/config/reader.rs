//! The section of a camera that reads plates itself and pushes its readings.

use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use varco_proto::config::Faults;
use varco_proto::transit::Direction;

use crate::onboard::maker::Maker;
use crate::onboard::transit::Placing;
use crate::onboard::understanding::{Take, Understanding};

/// Smallest and largest `clock_error_ms`.
const CLOCK_ERROR_MS: RangeInclusive<u32> = 1..=60_000;
/// Most lanes of a camera.
const LANES_MAX: usize = 16;

/// A camera that reads plates itself.
#[derive(Debug, Clone, PartialEq)]
pub struct Reader {
    /// Its name, gate and lanes.
    pub placing: Placing,
    /// Its format, and how that is understood.
    pub understanding: Understanding,
    /// The error that is granted to its clock.
    pub clock_error: Duration,
    /// How its readings come.
    pub way: Way,
}

/// How readings come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Way {
    /// Pushed to this edge's listener.
    Push {
        /// How the camera shows who it is.
        login: PushLogin,
        /// The only address that it may come from; any when none is named.
        from: Option<IpAddr>,
    },
    /// Taken from a broker.
    Feed(Feed),
}

/// How a camera shows who it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PushLogin {
    /// HTTP Digest.
    Digest(Credentials),
    /// HTTP Basic: the password travels as it is.
    Basic(Credentials),
    /// A secret at the end of the address, in the first line of this file.
    Path(PathBuf),
}

/// A user, and the file with the password in its first line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials {
    /// User name.
    pub user: String,
    /// The file.
    pub password_file: PathBuf,
}

/// A topic of a broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Feed {
    /// Name or address.
    pub broker_host: String,
    /// TCP port.
    pub broker_port: u16,
    /// What is subscribed to.
    pub topic: String,
    /// PEM of the authority of the broker's certificate; none only with a broker on this box.
    pub ca_file: Option<PathBuf>,
    /// For the broker.
    pub credentials: Option<Credentials>,
}

#[derive(Debug, Deserialize)]
pub(super) struct ReaderSection {
    pub(super) id: String,
    gate: String,
    maker: String,
    #[serde(default)]
    lanes: Vec<String>,
    #[serde(rename = "in")]
    inward: Option<String>,
    #[serde(default = "default_zone")]
    time_zone: String,
    #[serde(default = "default_clock_error_ms")]
    clock_error_ms: u32,
    take: Option<String>,
    login: Option<String>,
    user: Option<String>,
    password_file: Option<PathBuf>,
    secret_file: Option<PathBuf>,
    from: Option<String>,
    broker_host: Option<String>,
    broker_port: Option<u16>,
    topic: Option<String>,
    ca_file: Option<PathBuf>,
}

fn default_zone() -> String {
    "UTC".to_owned()
}

fn default_clock_error_ms() -> u32 {
    1000
}

/// Checks one section; `key` is its place, `readers.0` and its like.
pub(super) fn reader(
    section: ReaderSection,
    key: &str,
    folder: &Path,
    faults: &mut Faults,
) -> Option<Reader> {
    let id = faults.take(&format!("{key}.id"), section.id.parse());
    let gate = faults.take(&format!("{key}.gate"), section.gate.parse());
    let maker = Maker::parse(&section.maker).ok_or_else(|| {
        let all = Maker::ALL.map(|(_, name)| name).join(", ");
        format!("`{}` is none of {all}", section.maker)
    });
    let maker = faults.take(&format!("{key}.maker"), maker);
    let zone = faults.take(&format!("{key}.time_zone"), section.time_zone.parse());
    let take = word(section.take.as_deref().unwrap_or("last"), TAKES);
    let take = faults.take(&format!("{key}.take"), take);
    let inward = section.inward.as_deref().map(|it| word(it, DIRECTIONS));
    let inward = faults.take(&format!("{key}.in"), inward.transpose());
    let (least, most) = (CLOCK_ERROR_MS.start(), CLOCK_ERROR_MS.end());
    faults.check(
        CLOCK_ERROR_MS.contains(&section.clock_error_ms),
        &format!("{key}.clock_error_ms"),
        format!("{} is not within {least}..={most}", section.clock_error_ms),
    );
    faults.check(
        section.lanes.len() <= LANES_MAX,
        &format!("{key}.lanes"),
        format!("at most {LANES_MAX} are taken"),
    );
    let lane =
        |(at, lane): (usize, &String)| faults.take(&format!("{key}.lanes.{at}"), lane.parse());
    let lanes: Vec<_> = section.lanes.iter().enumerate().filter_map(lane).collect();
    let clock_error = Duration::from_millis(u64::from(section.clock_error_ms));
    // Profile M is published; of other makers the configuration says which way they come.
    let is_fed = section.topic.is_some() || section.broker_host.is_some();
    let way = match maker? == Maker::Onvif || is_fed {
        true => feed(section, key, folder, faults).map(Way::Feed),
        false => push(section, key, folder, faults),
    };
    Some(Reader {
        placing: Placing {
            camera: id?,
            gate: gate?,
            lanes,
            inward: inward?,
        },
        understanding: Understanding {
            maker: maker?,
            zone: zone?,
            take: take?,
        },
        clock_error,
        way: way?,
    })
}

const TAKES: &[(&str, Take)] = &[("last", Take::Last), ("first", Take::First)];
const DIRECTIONS: &[(&str, Direction)] =
    &[("towards", Direction::Towards), ("away", Direction::Away)];

fn word<T: Copy>(word: &str, all: &[(&str, T)]) -> Result<T, String> {
    let found = all.iter().find(|(name, _)| *name == word);
    found.map(|(_, value)| *value).ok_or_else(|| {
        let names: Vec<_> = all.iter().map(|(name, _)| format!("`{name}`")).collect();
        format!("`{word}` is none of {}", names.join(" and "))
    })
}

fn push(section: ReaderSection, key: &str, folder: &Path, faults: &mut Faults) -> Option<Way> {
    for (name, is_written) in [
        ("broker_port", section.broker_port.is_some()),
        ("ca_file", section.ca_file.is_some()),
    ] {
        let what = "only readers that are fed by a broker have it: write its `topic` too";
        faults.check(!is_written, &format!("{key}.{name}"), what);
    }
    let from = section.from.map(|text| {
        let address = text.parse::<IpAddr>();
        address.map_err(|_| format!("`{text}` is no address; write the camera's own"))
    });
    let from = faults.take(&format!("{key}.from"), from.transpose());
    let credentials = match (section.user, section.password_file) {
        (Some(user), Some(password_file)) => Some(Credentials {
            user,
            password_file: folder.join(password_file),
        }),
        _ => None,
    };
    let lone = "needs both `user` and `password_file`";
    let login = match section.login.as_deref() {
        Some("digest") => credentials.map(PushLogin::Digest).ok_or(lone.to_owned()),
        Some("basic") => credentials.map(PushLogin::Basic).ok_or(lone.to_owned()),
        Some("path") => section
            .secret_file
            .map(|file| PushLogin::Path(folder.join(file)))
            .ok_or("needs `secret_file`".to_owned()),
        Some(other) => Err(format!("`{other}` is none of `digest`, `basic` and `path`")),
        None => Err("say how the camera shows who it is: `digest`, `basic` or `path`".to_owned()),
    };
    let login = faults.take(&format!("{key}.login"), login);
    Some(Way::Push {
        login: login?,
        from: from?,
    })
}

fn feed(section: ReaderSection, key: &str, folder: &Path, faults: &mut Faults) -> Option<Feed> {
    for (name, is_written) in [
        ("login", section.login.is_some()),
        ("secret_file", section.secret_file.is_some()),
        ("from", section.from.is_some()),
    ] {
        let what = "readers that are fed by a broker have none";
        faults.check(!is_written, &format!("{key}.{name}"), what);
    }
    let host = section
        .broker_host
        .filter(|host| !host.is_empty() && !host.contains(['/', ' ', '@']));
    let what = "write the broker's host name or address alone";
    let host = faults.take(&format!("{key}.broker_host"), host.ok_or(what));
    let topic = section.topic.filter(|topic| {
        let long = topic.len() > 512 || topic.contains('\0');
        !long && !topic.is_empty() && topic != "#"
    });
    let what = "name the camera's topic, for example porta-sud/onvif-ej/RuleEngine/#";
    let topic = faults.take(&format!("{key}.topic"), topic.ok_or(what));
    let credentials = match (section.user, section.password_file) {
        (Some(user), Some(password_file)) => Some(Credentials {
            user,
            password_file: folder.join(password_file),
        }),
        (None, None) => None,
        _ => {
            faults.add(
                format!("{key}.user"),
                "`user` and `password_file` go together",
            );
            None
        }
    };
    let host = host?;
    let is_own = host == "localhost"
        || host
            .parse::<IpAddr>()
            .is_ok_and(|address| address.is_loopback());
    faults.check(
        section.ca_file.is_some() || is_own,
        &format!("{key}.ca_file"),
        "a broker that is not on this box needs TLS: name the authority of its certificate",
    );
    let port = section.broker_port;
    let usual = if section.ca_file.is_some() {
        8883
    } else {
        1883
    };
    Some(Feed {
        broker_host: host,
        broker_port: port.unwrap_or(usual),
        topic: topic?,
        ca_file: section.ca_file.map(|file| folder.join(file)),
        credentials,
    })
}
