//! One session with a camera: described, set up, played, kept alive, ended.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use varco_proto::time::UtcTime;

use super::super::logins::CameraLogins;
use super::ask::{Asking, Sent, is_to};
use super::login::Login;
use super::message::{Answer, Message};
use super::offer::{Format, Offer};
use super::rtp::{PacketHead, Row, SenderReport, receiver_report};
use super::udp::UdpPair;
use super::url::Url;
use crate::adapters::capture::clock_offset::{ClockFrom, ClockOffset};
use crate::adapters::capture::error::CaptureError;
use crate::adapters::capture::source::CameraSource;
use crate::adapters::clock::SharedClock;
use crate::config::Transport;

/// Most times that a camera may lead elsewhere.
const REDIRECTS_MAX: usize = 3;
/// A session's life when the camera does not say (RFC 2326, 12.37).
const SESSION_LIFE: Duration = Duration::from_secs(60);
/// Between two requests that keep the session, whatever its life.
const KEEP_EVERY_MAX: Duration = Duration::from_secs(30);
const KEEP_EVERY_MIN: Duration = Duration::from_millis(500);
/// Between two receiver reports.
const REPORT_EVERY: Duration = Duration::from_secs(5);
/// So many packets of a codec that is not read, and none of another: it is what the camera sends.
const STRANGERS_MAX: u32 = 300;
/// Longest wait for the camera to hear that a session ends.
const END_LOOKS: usize = 3;
/// What cameras were seen to send beside the stream, as padding.
const PADDING_TYPE: u8 = 50;
/// Requests that keep a session, those first that do nothing else.
const KEEPERS: [&str; 2] = ["GET_PARAMETER", "SET_PARAMETER"];

/// What a session gives.
#[derive(Debug)]
pub(in super::super) enum Heard {
    /// A packet of the chosen stream, with its moment by the camera's clock, where that is known.
    Packet {
        format: usize,
        bytes: Vec<u8>,
        captured: Option<UtcTime>,
    },
    /// How the camera's clock stands.
    Clock(ClockOffset),
    Nothing,
}

/// A session that plays.
#[derive(Debug)]
pub(in super::super) struct Session {
    asking: Asking,
    clock: SharedClock,
    base: String,
    id: String,
    formats: Vec<Format>,
    way: Way,
    row: Row,
    keeper: Keeper,
    report_due: Duration,
    camera_clock: Option<ClockOffset>,
    strangers: u32,
    has_packets: bool,
}

/// How packets come.
#[derive(Debug)]
enum Way {
    /// By channels of the connection.
    Channels {
        rtp: u8,
        rtcp: u8,
    },
    Udp {
        pair: UdpPair,
        to: Option<u16>,
    },
}

impl Way {
    fn new(pair: Option<UdpPair>, agreed: &Agreed) -> Self {
        match pair {
            Some(mut pair) => {
                pair.expect(agreed.source, agreed.server_port);
                Self::Udp {
                    pair,
                    to: agreed.server_port,
                }
            }
            None => Self::Channels {
                rtp: agreed.channels.map_or(0, |(rtp, _)| rtp),
                rtcp: agreed.channels.map_or(1, |(_, rtcp)| rtcp),
            },
        }
    }
}

/// Which request keeps the session, and when the next is due.
#[derive(Debug)]
struct Keeper {
    every: Duration,
    due: Duration,
    /// What the camera offers beside OPTIONS, and has not refused; none before it was asked.
    offered: Option<Vec<&'static str>>,
    sent: Option<(Sent, &'static str)>,
    /// Whether the request that is due has had a fresh nonce already.
    renewed: bool,
}

impl Session {
    /// Connects and plays. A login that was refused lately is not tried: `logins` knows. Once
    /// `stop` is set, nobody waits for it any more.
    pub(in super::super) fn open(
        source: &CameraSource,
        logins: &Arc<CameraLogins>,
        clock: &SharedClock,
        stop: &AtomicBool,
    ) -> Result<Self, CaptureError> {
        let first = Url::parse(&source.url).ok_or(CaptureError::Address)?;
        let mut url = first.clone();
        for _ in 0..=REDIRECTS_MAX {
            // The password is for the host and port of the configuration alone: at another port of
            // the same host may be a program that anybody started.
            let is_own = url.is_at(&first);
            let user = source.login.clone().filter(|_| is_own);
            let attempt = logins.begin(&url, user.as_ref())?;
            let (login, ca_file) = (Login::new(user), source.ca_file.as_deref());
            let mut asking = Asking::open(&url, ca_file, login, attempt, Arc::clone(clock), stop)?;
            let accept = [("Accept", "application/sdp")];
            let described = asking.ask("DESCRIBE", &url.text, &accept);
            let described = described.map_err(|error| match error {
                // The way to log in is the other camera's, which nobody wrote down.
                CaptureError::LoginWanted if !is_own => elsewhere(&url),
                error => error,
            })?;
            if (300..400).contains(&described.status) {
                url = led(&url, &described)?;
                continue;
            }
            return Self::set_up(asking, source, &url, &described, clock);
        }
        Err(elsewhere(&url))
    }

    fn set_up(
        mut asking: Asking,
        source: &CameraSource,
        url: &Url,
        described: &Answer,
        clock: &SharedClock,
    ) -> Result<Self, CaptureError> {
        let offer = Offer::read(&String::from_utf8_lossy(&described.body));
        let medium = offer.choose()?;
        let named = ["Content-Base", "Content-Location"].into_iter();
        let mut named = named.filter_map(|name| described.head.get(name));
        let base = named.find(|base| base.contains("://")).unwrap_or(&url.text);
        let control = Url::control(base, medium.control.as_deref());
        let pair = match source.transport {
            Transport::Udp => Some(UdpPair::open(asking.link.local(), asking.link.peer())?),
            Transport::Tcp | Transport::Tls => None,
        };
        let wanted = match &pair {
            Some(pair) => format!(
                "RTP/AVP;unicast;client_port={}-{}",
                pair.port,
                pair.port + 1
            ),
            None => "RTP/AVP/TCP;unicast;interleaved=0-1".to_owned(),
        };
        let set_up = asking.ask("SETUP", &control, &[("Transport", &wanted)])?;
        let (id, life) = session(&set_up);
        let id = id.unwrap_or_default();
        let agreed = Agreed::read(set_up.head.get("Transport").unwrap_or_default());
        let way = Way::new(pair, &agreed);
        let whole = Url::control(base, offer.control.as_deref());
        let head = [("Session", id.as_str()), ("Range", "npt=0.000-")];
        let played = asking.ask("PLAY", &whole, &head);
        // Cameras have few sessions to give, and keep one that was set up for a minute.
        let played = played.inspect_err(|_| tear_down(&mut asking, &whole, &id))?;
        asking.plays();
        let life = session(&played).1.or(life).unwrap_or(SESSION_LIFE);
        let now = clock.monotonic();
        let date = described.head.get("Date").and_then(date);
        let camera_clock = date.map(|at| ClockOffset::new(at, clock.now(), ClockFrom::Date));
        Ok(Self {
            asking,
            clock: Arc::clone(clock),
            base: whole,
            id,
            formats: medium.formats.clone(),
            way,
            row: Row::default(),
            keeper: Keeper {
                every: every(life),
                due: now,
                offered: None,
                sent: None,
                renewed: false,
            },
            report_due: now,
            camera_clock,
            strangers: 0,
            has_packets: false,
        })
    }

    /// The ways in which the stream may be coded.
    pub(in super::super) fn formats(&self) -> &[Format] {
        &self.formats
    }

    /// What comes next, after at most a tenth of a second.
    ///
    /// # Errors
    /// The session is over, and why.
    pub(in super::super) fn next(&mut self) -> Result<Heard, CaptureError> {
        if let Some(clock) = self.camera_clock.take() {
            return Ok(Heard::Clock(clock));
        }
        self.keep()?;
        if let Some(heard) = self.hear_udp()? {
            return Ok(heard);
        }
        let message = self.asking.hear()?;
        let Some(message) = message else {
            return Ok(Heard::Nothing);
        };
        match (message, &self.way) {
            (Message::Packet { channel, bytes }, Way::Channels { rtp, .. }) if channel == *rtp => {
                self.packet(bytes)
            }
            (Message::Packet { channel, bytes }, Way::Channels { rtcp, .. })
                if channel == *rtcp =>
            {
                Ok(self.report(&bytes))
            }
            (Message::Answer(answer), _) => {
                self.kept(&answer)?;
                Ok(Heard::Nothing)
            }
            _ => Ok(Heard::Nothing),
        }
    }

    fn hear_udp(&mut self) -> Result<Option<Heard>, CaptureError> {
        let Way::Udp { pair, .. } = &mut self.way else {
            return Ok(None);
        };
        let mut datagram = pair.take();
        if datagram.is_none() {
            // The connection is read only when it would not be waited for.
            if pair.wait(self.asking.link.handle()) {
                return Ok(None);
            }
            datagram = pair.take();
        }
        match datagram {
            None => Ok(Some(Heard::Nothing)),
            Some(datagram) if datagram.is_rtcp => Ok(Some(self.report(&datagram.bytes))),
            Some(datagram) => self.packet(datagram.bytes).map(Some),
        }
    }

    fn report(&mut self, bytes: &[u8]) -> Heard {
        let Some(report) = SenderReport::read(bytes) else {
            return Heard::Nothing;
        };
        self.row.reported(report);
        Heard::Clock(ClockOffset::new(
            report.at(),
            self.clock.now(),
            ClockFrom::Report,
        ))
    }

    fn packet(&mut self, mut bytes: Vec<u8>) -> Result<Heard, CaptureError> {
        let Some(head) = PacketHead::read(&bytes) else {
            return Ok(Heard::Nothing);
        };
        let Some(format) = self.format(head.payload_type) else {
            return self.stranger(head.payload_type);
        };
        self.has_packets = true;
        let clock_hz = self.formats.get(format).map_or(0, |format| format.clock_hz);
        let captured = self.row.take(head, &mut bytes, clock_hz);
        Ok(Heard::Packet {
            format,
            bytes,
            captured,
        })
    }

    /// A type that the camera did not announce means the only codec that it did.
    fn format(&self, payload_type: u8) -> Option<usize> {
        let readable = |format: &Format| format.codec.is_some();
        let listed = |format: &Format| format.payload_type == payload_type;
        match self.formats.iter().position(listed) {
            Some(at) => self.formats.get(at).filter(|it| readable(it)).map(|_| at),
            None if payload_type == PADDING_TYPE => None,
            None => {
                let mut all = self.formats.iter();
                let first = all.position(readable)?;
                (!all.any(readable)).then_some(first)
            }
        }
    }

    fn stranger(&mut self, payload_type: u8) -> Result<Heard, CaptureError> {
        let named = |format: &&Format| format.payload_type == payload_type;
        let Some(format) = self.formats.iter().find(named) else {
            return Ok(Heard::Nothing);
        };
        self.strangers = self.strangers.saturating_add(1);
        if self.strangers < STRANGERS_MAX || self.has_packets {
            return Ok(Heard::Nothing);
        }
        Err(CaptureError::Codec {
            codec: format.name.clone(),
        })
    }

    /// Sends what keeps the session, when it is due.
    fn keep(&mut self) -> Result<(), CaptureError> {
        let now = self.clock.monotonic();
        if now >= self.report_due {
            self.report_due = now + REPORT_EVERY;
            match &self.way {
                Way::Channels { rtcp, .. } => {
                    let report = receiver_report();
                    let length = u16::try_from(report.len()).unwrap_or(0).to_be_bytes();
                    let head = [b'$', *rtcp, length[0], length[1]];
                    self.asking.link.write(&[&head[..], &report].concat())?;
                }
                Way::Udp { pair, to } => {
                    if let Some(port) = to {
                        pair.report(*port);
                    }
                }
            }
        }
        if now >= self.keeper.due {
            self.keeper.due = now + self.keeper.every;
            let offered = self.keeper.offered.iter().flatten();
            let method = offered.copied().next().unwrap_or("OPTIONS");
            let head = [("Session", self.id.as_str())];
            let sent = self.asking.send(method, &self.base, &head)?;
            self.keeper.sent = Some((sent, method));
        }
        Ok(())
    }

    fn kept(&mut self, answer: &Answer) -> Result<(), CaptureError> {
        let Some((sent, method)) = self
            .keeper
            .sent
            .take_if(|(sent, _)| is_to(answer, sent.sequence))
        else {
            return Ok(());
        };
        let now = self.clock.monotonic();
        if answer.status != 401 {
            self.keeper.renewed = false;
            self.asking.let_in(sent);
        }
        match answer.status {
            200..=299 => {
                if let Some(life) = session(answer).1 {
                    self.keeper.every = every(life);
                    self.keeper.due = self.keeper.due.min(now + self.keeper.every);
                }
                if method == "OPTIONS" && self.keeper.offered.is_none() {
                    let public = answer.head.get("Public").unwrap_or_default();
                    let offers = |name: &&str| public.split(',').any(|one| one.trim() == *name);
                    self.keeper.offered = Some(KEEPERS.into_iter().filter(offers).collect());
                }
            }
            401 => {
                let renewed = self.keeper.renewed;
                self.keeper.renewed = self.asking.kept_out(answer, sent, renewed)?;
                self.keeper.due = now;
            }
            454 => return Err(CaptureError::SessionLost),
            _ if method != "OPTIONS" => {
                let offered = self.keeper.offered.iter_mut();
                offered.for_each(|all| all.retain(|one| *one != method));
                self.keeper.due = now;
            }
            _ => {}
        }
        Ok(())
    }

    /// Tells the camera that nobody watches any more.
    pub(in super::super) fn end(mut self) {
        tear_down(&mut self.asking, &self.base, &self.id);
    }
}

fn tear_down(asking: &mut Asking, url: &str, id: &str) {
    let Ok(sent) = asking.send("TEARDOWN", url, &[("Session", id)]) else {
        return;
    };
    // What is closed with packets unread is lost on the way, this request too.
    for _ in 0..END_LOOKS {
        match asking.hear() {
            Ok(Some(Message::Answer(answer))) if is_to(&answer, sent.sequence) => return,
            Ok(_) => {}
            Err(_) => return,
        }
    }
}

fn every(life: Duration) -> Duration {
    (life / 2).clamp(KEEP_EVERY_MIN, KEEP_EVERY_MAX)
}

/// A session's name and its life. A life of nothing is no life that anybody could keep.
fn session(answer: &Answer) -> (Option<String>, Option<Duration>) {
    let Some(line) = answer.head.get("Session") else {
        return (None, None);
    };
    let mut parts = line.split(';').map(str::trim);
    let id = parts.next().map(str::to_owned);
    let life = parts.find_map(|part| part.strip_prefix("timeout="));
    let life = life
        .and_then(|text| text.trim().parse().ok())
        .filter(|life| *life > 0);
    (id, life.map(Duration::from_secs))
}

/// Where a camera leads; never from TLS into the clear.
fn led(from: &Url, answer: &Answer) -> Result<Url, CaptureError> {
    let to = answer.head.get("Location").and_then(Url::parse);
    match to {
        Some(to) if to.is_tls || !from.is_tls => Ok(to),
        Some(to) => Err(elsewhere(&to)),
        None => Err(CaptureError::Refused {
            status: answer.status,
            reason: "it leads elsewhere and does not say where".to_owned(),
        }),
    }
}

fn elsewhere(url: &Url) -> CaptureError {
    CaptureError::Elsewhere { place: url.place() }
}

/// What a camera says to a transport.
#[derive(Debug, Default)]
pub(super) struct Agreed {
    channels: Option<(u8, u8)>,
    server_port: Option<u16>,
    source: Option<IpAddr>,
}

impl Agreed {
    pub(super) fn read(line: &str) -> Self {
        let mut agreed = Self::default();
        for part in line.split(';') {
            let Some((name, value)) = part.trim().split_once('=') else {
                continue;
            };
            let (first, second) = value.split_once('-').unwrap_or((value, ""));
            match name.to_ascii_lowercase().as_str() {
                "interleaved" => {
                    agreed.channels = first.parse().ok().map(|rtp: u8| {
                        let next = rtp.saturating_add(1);
                        (rtp, second.parse().unwrap_or(next))
                    });
                }
                "server_port" => agreed.server_port = first.parse().ok(),
                "source" => agreed.source = value.parse().ok(),
                _ => {}
            }
        }
        agreed
    }
}

/// `Sat, 28 Nov 2026 23:59:59 GMT`
pub(super) fn date(text: &str) -> Option<UtcTime> {
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let mut words = text.split_once(',')?.1.split_whitespace();
    let (day, month, year) = (words.next()?, words.next()?, words.next()?);
    let time = words.next()?;
    let month = MONTHS.iter().position(|name| *name == month)? + 1;
    let day: u8 = day.parse().ok()?;
    format!("{year}-{month:02}-{day:02}T{time}Z").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_and_transports_are_read_as_cameras_write_them() {
        let at = date("Sat, 28 Nov 2026 23:59:59 GMT").unwrap();
        assert_eq!(at.to_string().get(..19), Some("2026-11-28T23:59:59"));
        assert_eq!(date("yesterday"), None);
        let agreed = Agreed::read("RTP/AVP/TCP;unicast;interleaved=4-5;ssrc=01");
        assert_eq!(agreed.channels, Some((4, 5)));
        let agreed = Agreed::read("RTP/AVP; unicast; source=192.0.2.7; server_port=6970-6971");
        assert_eq!(agreed.server_port, Some(6970));
        assert_eq!(agreed.source, "192.0.2.7".parse().ok());
    }

    #[test]
    fn requests_keep_a_session_well_before_its_life_ends() {
        let seconds = Duration::from_secs;
        assert_eq!(every(seconds(12)), seconds(6));
        assert_eq!(every(seconds(1)), KEEP_EVERY_MIN);
        assert_eq!(every(seconds(3600)), KEEP_EVERY_MAX);
    }
}
