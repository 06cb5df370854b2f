//! One camera's section of the configuration.

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use varco_proto::config::Faults;
use varco_proto::ids::{CameraId, GateId, LaneId};

use crate::core::geometry::Point;
use crate::core::view::lanes::{Inward, LaneZone};
use crate::core::view::mask::Polygon;

/// Highest frame rate that may be asked for.
const FRAMES_PER_SECOND_LIMIT: f64 = 60.0;
/// Shortest and longest `stalled_after_s`.
const STALLED_AFTER_S: RangeInclusive<u64> = 1..=60;
/// Shortest and longest `frozen_after_s`.
const FROZEN_AFTER_S: RangeInclusive<u64> = 5..=3600;
/// Shortest and longest `whole_look_every_s`.
const WHOLE_LOOK_EVERY_S: RangeInclusive<u64> = 1..=60;
/// Most masks of a camera.
const MASKS_MAX: usize = 32;
/// Most zones of a camera.
const ZONES_MAX: usize = 16;

/// One camera.
#[derive(Debug, Clone, PartialEq)]
pub struct Camera {
    /// Its name.
    pub id: CameraId,
    /// The gate that it watches.
    pub gate: GateId,
    /// `rtsp://` or `rtsps://`, without user and password.
    pub url: String,
    /// For the camera's login.
    pub login: Option<CameraLogin>,
    /// How the stream travels.
    pub transport: Transport,
    /// PEM of a private authority, for `rtsps://`.
    pub ca_file: Option<PathBuf>,
    /// Above 0, at most 60.
    pub frames_per_second_max: f64,
    /// A stream that gives no frame for so long has stalled: it is opened anew. 1 to 60 s.
    pub stalled_after: Duration,
    /// A picture that stays the same, byte for byte, for so long is reported as frozen. 5 to
    /// 3600 s.
    pub frozen_after: Duration,
    /// What may decode the stream.
    pub decoding: Decoding,
    /// What nothing here ever sees.
    pub masks: Vec<Polygon>,
    /// Lanes; of those that overlap the first counts.
    pub zones: Vec<LaneZone>,
    /// Whether frames are looked at only when something moves.
    pub motion_gate: bool,
    /// With nothing moving, one frame is looked at this often all the same. 1 to 60 s.
    pub whole_look_every: Duration,
}

/// Who logs in to a camera, and where the password is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CameraLogin {
    /// User name.
    pub user: String,
    /// Holds the password in its first line.
    pub password_file: PathBuf,
}

/// How a camera's stream travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// Interleaved in the RTSP connection: loses nothing, passes firewalls. The default.
    Tcp,
    /// RTP over UDP.
    Udp,
    /// Interleaved in a TLS connection; needs an `rtsps://` address.
    Tls,
}

/// What may decode a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decoding {
    /// Hardware where GStreamer has it, else software. The default.
    Auto,
    /// Software alone: for a driver that gives wrong pictures.
    Software,
}

#[derive(Debug, Deserialize)]
pub(super) struct CameraSection {
    pub(super) id: String,
    gate: String,
    url: String,
    user: Option<String>,
    password_file: Option<PathBuf>,
    transport: Option<String>,
    ca_file: Option<PathBuf>,
    #[serde(default = "default_frames_per_second_max")]
    frames_per_second_max: f64,
    #[serde(default = "default_stalled_after_s")]
    stalled_after_s: u64,
    #[serde(default = "default_frozen_after_s")]
    frozen_after_s: u64,
    decoding: Option<String>,
    #[serde(default)]
    masks: Vec<Vec<[f32; 2]>>,
    #[serde(default)]
    zones: Vec<ZoneSection>,
    #[serde(default = "default_motion_gate")]
    motion_gate: bool,
    #[serde(default = "default_whole_look_every_s")]
    whole_look_every_s: u64,
}

fn default_frames_per_second_max() -> f64 {
    12.0
}

#[derive(Debug, Deserialize)]
struct ZoneSection {
    lane: String,
    area: Vec<[f32; 2]>,
    #[serde(rename = "in")]
    inward: Option<InwardSection>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum InwardSection {
    Word(String),
    Arrow([f32; 2]),
}

fn default_motion_gate() -> bool {
    true
}

fn default_whole_look_every_s() -> u64 {
    10
}

fn default_stalled_after_s() -> u64 {
    5
}

fn default_frozen_after_s() -> u64 {
    60
}

/// Checks one section; `key` is its place, `cameras.0` and its like.
pub(super) fn camera(
    section: CameraSection,
    key: &str,
    folder: &Path,
    faults: &mut Faults,
) -> Option<Camera> {
    let id = faults.take(&format!("{key}.id"), section.id.parse());
    let gate = faults.take(&format!("{key}.gate"), section.gate.parse());
    let transport = transport(section.transport.as_deref().unwrap_or("tcp"));
    let transport = faults.take(&format!("{key}.transport"), transport);
    if let Some(transport) = transport {
        faults.take(&format!("{key}.url"), check_url(&section.url, transport));
    }
    let fps = section.frames_per_second_max;
    faults.check(
        fps > 0.0 && fps <= FRAMES_PER_SECOND_LIMIT,
        &format!("{key}.frames_per_second_max"),
        format!("{fps} is not above 0 and at most {FRAMES_PER_SECOND_LIMIT}"),
    );
    let stalled_after = seconds(
        section.stalled_after_s,
        STALLED_AFTER_S,
        &format!("{key}.stalled_after_s"),
        faults,
    );
    let frozen_after = seconds(
        section.frozen_after_s,
        FROZEN_AFTER_S,
        &format!("{key}.frozen_after_s"),
        faults,
    );
    let whole_look_every = seconds(
        section.whole_look_every_s,
        WHOLE_LOOK_EVERY_S,
        &format!("{key}.whole_look_every_s"),
        faults,
    );
    let masks = masks(&section.masks, key, faults);
    let zones = zones(section.zones, key, faults);
    let decoding = decoding(section.decoding.as_deref().unwrap_or("auto"));
    let decoding = faults.take(&format!("{key}.decoding"), decoding);
    faults.check(
        section.ca_file.is_none() || transport.is_none_or(|over| over == Transport::Tls),
        &format!("{key}.ca_file"),
        "it serves `transport = \"tls\"` alone; set that, or leave it out",
    );
    let login = login(section.user, section.password_file, key, folder, faults);
    Some(Camera {
        id: id?,
        gate: gate?,
        url: section.url,
        login,
        transport: transport?,
        ca_file: section.ca_file.map(|path| folder.join(path)),
        frames_per_second_max: fps,
        stalled_after,
        frozen_after,
        decoding: decoding?,
        masks,
        zones,
        motion_gate: section.motion_gate,
        whole_look_every,
    })
}

fn login(
    user: Option<String>,
    password_file: Option<PathBuf>,
    key: &str,
    folder: &Path,
    faults: &mut Faults,
) -> Option<CameraLogin> {
    match (user, password_file) {
        (Some(user), Some(password_file)) => Some(CameraLogin {
            user,
            password_file: folder.join(password_file),
        }),
        (None, None) => None,
        (Some(_), None) => {
            faults.add(format!("{key}.password_file"), "`user` needs it");
            None
        }
        (None, Some(_)) => {
            faults.add(format!("{key}.user"), "`password_file` needs it");
            None
        }
    }
}

fn masks(written: &[Vec<[f32; 2]>], key: &str, faults: &mut Faults) -> Vec<Polygon> {
    faults.check(
        written.len() <= MASKS_MAX,
        &format!("{key}.masks"),
        format!("{} masks; at most {MASKS_MAX} are taken", written.len()),
    );
    let shape = |(at, corners): (usize, &Vec<[f32; 2]>)| {
        faults.take(&format!("{key}.masks.{at}"), Polygon::new(corners))
    };
    written.iter().enumerate().filter_map(shape).collect()
}

fn zones(written: Vec<ZoneSection>, key: &str, faults: &mut Faults) -> Vec<LaneZone> {
    faults.check(
        written.len() <= ZONES_MAX,
        &format!("{key}.zones"),
        format!("{} zones; at most {ZONES_MAX} are taken", written.len()),
    );
    let mut zones = Vec::new();
    for (at, section) in written.into_iter().enumerate() {
        let key = format!("{key}.zones.{at}");
        let lane = faults.take(&format!("{key}.lane"), section.lane.parse::<LaneId>());
        let area = faults.take(&format!("{key}.area"), Polygon::new(&section.area));
        let inward = section.inward.map(inward).transpose();
        let inward = faults.take(&format!("{key}.in"), inward);
        if let (Some(lane), Some(area), Some(inward)) = (lane, area, inward) {
            zones.push(LaneZone { lane, area, inward });
        }
    }
    zones
}

fn inward(written: InwardSection) -> Result<Inward, String> {
    const FORMS: &str = "write `towards`, `away`, or the way in across the picture as \
                         [right, down], for example [1.0, 0.0]";
    match written {
        InwardSection::Word(word) if word == "towards" => Ok(Inward::Towards),
        InwardSection::Word(word) if word == "away" => Ok(Inward::Away),
        InwardSection::Word(word) => Err(format!("`{word}` is no way in; {FORMS}")),
        InwardSection::Arrow([x, y]) if x.hypot(y).is_normal() => {
            Ok(Inward::Along(Point::new(x, y)))
        }
        InwardSection::Arrow(_) => Err(format!("the arrow points nowhere; {FORMS}")),
    }
}

/// A number of seconds within its range.
fn seconds(value: u64, range: RangeInclusive<u64>, key: &str, faults: &mut Faults) -> Duration {
    let (least, most) = (range.start(), range.end());
    faults.check(
        range.contains(&value),
        key,
        format!("{value} is not within {least}..={most} seconds"),
    );
    Duration::from_secs(value)
}

fn decoding(word: &str) -> Result<Decoding, String> {
    match word {
        "auto" => Ok(Decoding::Auto),
        "software" => Ok(Decoding::Software),
        other => Err(format!("`{other}` is none of `auto` and `software`")),
    }
}

/// Written as text and taken here, so that a wrong word does not hide the other faults.
fn transport(word: &str) -> Result<Transport, String> {
    match word {
        "tcp" => Ok(Transport::Tcp),
        "udp" => Ok(Transport::Udp),
        "tls" => Ok(Transport::Tls),
        other => Err(format!("`{other}` is none of `tcp`, `udp` and `tls`")),
    }
}

/// The message never repeats the address: a password may stand in it.
fn check_url(url: &str, transport: Transport) -> Result<(), &'static str> {
    let (secure, rest) = match (url.strip_prefix("rtsp://"), url.strip_prefix("rtsps://")) {
        (Some(rest), _) => (false, rest),
        (None, Some(rest)) => (true, rest),
        (None, None) => return Err("write it as rtsp://HOST:PORT/PATH or rtsps://HOST:PORT/PATH"),
    };
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    if authority.contains('@') {
        return Err(
            "it holds a user or a password, which would end up in logs; write them as `user` and \
             `password_file`",
        );
    }
    if authority.is_empty() || authority.starts_with(':') {
        return Err("it names no host");
    }
    match (secure, transport == Transport::Tls) {
        (true, false) => Err("rtsps:// needs `transport = \"tls\"`"),
        (false, true) => Err("`transport = \"tls\"` needs an address that begins with rtsps://"),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tls_and_its_address_go_together() {
        for (url, transport) in [
            ("rtsps://192.0.2.10/a", Transport::Tcp),
            ("rtsp://192.0.2.10/a", Transport::Tls),
            ("http://192.0.2.10/a", Transport::Tcp),
            ("rtsp:///a", Transport::Tcp),
        ] {
            assert!(check_url(url, transport).is_err(), "{url}");
        }
        assert_eq!(check_url("rtsps://cam.example/a@b", Transport::Tls), Ok(()));
    }

    const EXAMPLE: &str = include_str!("../../../deploy/examples/edge.toml");

    fn with(lines: &str) -> Result<crate::config::Config, Faults> {
        crate::config::Config::parse(&format!("{EXAMPLE}\n{lines}"), Path::new("."))
    }

    #[test]
    fn masks_and_zones_are_taken_as_the_manual_writes_them() {
        let config = with(
            "[[cameras.zones]]\nlane = \"corsia-2\"\nin = [1.0, 0]\n\
             area = [[0, 0], [1, 0], [0.5, 1]]\n",
        )
        .unwrap();
        let camera = &config.cameras[0];
        assert_eq!((camera.masks.len(), camera.zones.len()), (1, 2));
        assert_eq!(camera.zones[0].inward, Some(Inward::Towards));
        assert_eq!(camera.zones[1].lane.as_str(), "corsia-2");
    }

    #[test]
    fn faults_of_masks_and_zones_are_told_with_their_place() {
        let faults = with(
            "[[cameras.zones]]\nlane = \"Corsia 2\"\nin = \"left\"\n\
             area = [[0, 0], [2, 0], [0.5, 1]]\n\
             [[cameras.zones]]\nlane = \"3\"\nin = [0, 0]\narea = [[0, 0], [1, 1]]\n",
        )
        .unwrap_err();
        let keys: Vec<_> = faults.all().iter().map(|f| f.key.as_str()).collect();
        let wanted = ["1.lane", "1.area", "1.in", "2.area", "2.in"];
        assert_eq!(keys, wanted.map(|key| format!("cameras.0.zones.{key}")));
    }
}
