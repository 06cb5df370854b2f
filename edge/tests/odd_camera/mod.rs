//! A camera with bad habits: RTSP over TCP on loopback, as cameras of the street were seen to speak
//! it. Own work, independent of the client that is tried on it.

mod login;
mod pictures;

use std::collections::HashMap;
use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use varco_edge::adapters::clock::{Clock as _, SystemClock};

pub(crate) use login::Auth;
pub(crate) use pictures::units;

const PERIOD: Duration = Duration::from_millis(80);
const NTP_TO_UNIX_US: i64 = 2_208_988_800_000_000;

/// What it does otherwise than one would wish.
#[derive(Debug, Clone)]
pub(crate) struct Habits {
    pub(crate) auth: Auth,
    pub(crate) user: &'static str,
    pub(crate) password: &'static str,
    /// Access units after which somebody changes its password; 0: never.
    pub(crate) password_until: usize,
    /// Media sections of its description.
    pub(crate) media: String,
    /// Before them.
    pub(crate) head: &'static str,
    pub(crate) payload_type: u8,
    /// Access units after which its encoder begins anew under another SSRC; 0: never.
    pub(crate) ssrc_every: usize,
    /// It also begins anew with other numbers and stamps.
    pub(crate) anew: bool,
    /// Seconds without a request after which it ends a session.
    pub(crate) session_s: Option<u64>,
    /// What it says that it can.
    pub(crate) public: &'static str,
    /// What it cannot, whatever it says.
    pub(crate) refused: &'static [&'static str],
    /// For DESCRIBE: status line and more lines of the head.
    pub(crate) status: Option<&'static str>,
    /// For SETUP.
    pub(crate) set_up_status: Option<&'static str>,
    /// It asks its client for a sign of life.
    pub(crate) asks: bool,
    /// How far its clock is ahead; none: it sends no sender reports.
    pub(crate) ahead_s: Option<i64>,
    /// The line `Date` of its answers.
    pub(crate) date: Option<&'static str>,
    /// It says this instead of RTSP.
    pub(crate) speaks: Option<&'static [u8]>,
}

pub(crate) const H264: &str = "m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n\
     a=fmtp:96 packetization-mode=1\r\na=control:trackID=1\r\n";

impl Default for Habits {
    fn default() -> Self {
        Self {
            auth: Auth::None,
            user: "varco",
            password: "segreto",
            password_until: 0,
            media: H264.to_owned(),
            head: "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=Media\r\nt=0 0\r\na=control:*\r\n",
            payload_type: 96,
            ssrc_every: 0,
            anew: false,
            session_s: None,
            public: "OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN, GET_PARAMETER",
            refused: &[],
            status: None,
            set_up_status: None,
            asks: false,
            ahead_s: Some(0),
            date: None,
            speaks: None,
        }
    }
}

/// What it saw of its clients.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) wrong_logins: AtomicUsize,
    pub(crate) connections: AtomicUsize,
    /// Its own request was answered with 200.
    pub(crate) answered: AtomicUsize,
    pub(crate) sessions_ended: AtomicUsize,
    /// Requests by their method.
    pub(crate) asked: Mutex<HashMap<String, usize>>,
}

impl Seen {
    pub(crate) fn wrong_logins(&self) -> usize {
        self.wrong_logins.load(Ordering::SeqCst)
    }

    pub(crate) fn asked(&self, method: &str) -> usize {
        self.asked.lock().unwrap().get(method).copied().unwrap_or(0)
    }
}

/// A camera that serves until the test ends.
#[derive(Debug)]
pub(crate) struct OddCamera {
    pub(crate) port: u16,
    pub(crate) seen: Arc<Seen>,
    over: Arc<AtomicBool>,
}

impl OddCamera {
    pub(crate) fn start(habits: Habits) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (seen, over) = (Arc::new(Seen::default()), Arc::new(AtomicBool::new(false)));
        let units = Arc::new(units());
        let (told, ended) = (Arc::clone(&seen), Arc::clone(&over));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if ended.load(Ordering::SeqCst) {
                    return;
                }
                let Ok(stream) = stream else { return };
                told.connections.fetch_add(1, Ordering::SeqCst);
                let client = Client {
                    habits: habits.clone(),
                    seen: Arc::clone(&told),
                    over: Arc::clone(&ended),
                    units: Arc::clone(&units),
                    stream,
                    clock: SystemClock::new(),
                    login: login::Door::default(),
                    playing: None,
                };
                std::thread::spawn(move || client.serve());
            }
        });
        Self { port, seen, over }
    }

    pub(crate) fn url(&self) -> String {
        format!("rtsp://127.0.0.1:{}/stream1", self.port)
    }
}

impl Drop for OddCamera {
    fn drop(&mut self) {
        self.over.store(true, Ordering::SeqCst);
        // Wakes the one who waits for clients.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

/// One connection.
struct Client {
    habits: Habits,
    seen: Arc<Seen>,
    over: Arc<AtomicBool>,
    units: Arc<Vec<Vec<Vec<u8>>>>,
    stream: TcpStream,
    clock: SystemClock,
    login: login::Door,
    playing: Option<Playing>,
}

/// Where the stream is.
struct Playing {
    unit: usize,
    due: Duration,
    ssrc: u32,
    sequence: u16,
    stamp: u32,
    reported: Option<Duration>,
}

impl Client {
    fn serve(mut self) {
        self.stream.set_nodelay(true).unwrap();
        let tick = Some(Duration::from_millis(10));
        self.stream.set_read_timeout(tick).unwrap();
        if let Some(words) = self.habits.speaks {
            let _ = self.stream.write_all(words);
        }
        let (mut bytes, mut buffer) = (Vec::new(), [0; 4096]);
        let mut heard = self.clock.monotonic();
        while !self.over.load(Ordering::SeqCst) {
            match self.stream.read(&mut buffer) {
                Ok(0) => return,
                Ok(length) => bytes.extend_from_slice(&buffer[..length]),
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                Err(_) => return,
            }
            while let Some(request) = next(&mut bytes) {
                heard = self.clock.monotonic();
                if self.answer(&request).is_none() {
                    return;
                }
            }
            let life = self.habits.session_s.map(Duration::from_secs);
            let silent = self.clock.monotonic().saturating_sub(heard);
            if self.playing.is_some() && life.is_some_and(|life| silent > life) {
                self.seen.sessions_ended.fetch_add(1, Ordering::SeqCst);
                return;
            }
            if self.play().is_none() {
                return;
            }
        }
    }

    /// None when the connection is over.
    fn answer(&mut self, request: &str) -> Option<()> {
        let mut lines = request.lines();
        let mut words = lines.next()?.split(' ');
        let (method, url) = (words.next()?, words.next()?);
        let head: HashMap<String, &str> = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim()))
            .collect();
        let get = |name: &str| head.get(name).copied().unwrap_or_default();
        let number = get("cseq").to_owned();
        if method.starts_with("RTSP/") {
            assert!(url == "200" && number == "900", "{request}");
            self.seen.answered.fetch_add(1, Ordering::SeqCst);
            return Some(());
        }
        let mut asked = self.seen.asked.lock().unwrap();
        *asked.entry(method.to_owned()).or_default() += 1;
        drop(asked);
        if method == "OPTIONS" && self.playing.is_none() {
            return self.say(
                &number,
                "200 OK",
                &format!("Public: {}", self.habits.public),
                "",
            );
        }
        if let Err(challenges) = self
            .login
            .admit(&self.habits, (method, url), get("authorization"))
        {
            if !get("authorization").is_empty() && !self.login.is_stale() {
                self.seen.wrong_logins.fetch_add(1, Ordering::SeqCst);
            }
            return self.say(&number, "401 Unauthorized", &challenges, "");
        }
        if self.habits.refused.contains(&method) {
            return self.say(&number, "405 Method Not Allowed", "", "");
        }
        self.act((method, url), &number)
    }

    fn act(&mut self, (method, url): (&str, &str), number: &str) -> Option<()> {
        let life = self.habits.session_s.map(|life| format!(";timeout={life}"));
        let session = format!("Session: 4711{}", life.unwrap_or_default());
        match method {
            "DESCRIBE" => {
                if let Some(status) = self.habits.status {
                    let (status, more) = status.split_once('\n').unwrap_or((status, ""));
                    return self.say(number, status, more, "");
                }
                let mut more = format!("Content-Base: {url}/");
                if let Some(date) = self.habits.date {
                    let _ = write!(more, "\r\nDate: {date}");
                }
                let body = format!("{}{}", self.habits.head, self.habits.media);
                self.say(number, "200 OK", &more, &body)
            }
            "SETUP" => {
                if let Some(status) = self.habits.set_up_status {
                    return self.say(number, status, "", "");
                }
                assert!(
                    url.contains("trackID=1"),
                    "the readable stream is set up: {url}"
                );
                let transport = "Transport: RTP/AVP/TCP;unicast;interleaved=4-5";
                self.say(number, "200 OK", &format!("{session}\r\n{transport}"), "")
            }
            "PLAY" => {
                self.say(number, "200 OK", "Session: 4711", "")?;
                self.playing = Some(Playing {
                    unit: 0,
                    due: self.clock.monotonic(),
                    ssrc: 0x1234,
                    sequence: 65_000,
                    stamp: 1_000_000,
                    reported: None,
                });
                Some(())
            }
            "TEARDOWN" => {
                self.say(number, "200 OK", &session, "");
                None
            }
            "OPTIONS" => self.say(
                number,
                "200 OK",
                &format!("Public: {}", self.habits.public),
                "",
            ),
            _ => self.say(number, "200 OK", &session, ""),
        }
    }

    fn say(&mut self, number: &str, status: &str, more: &str, body: &str) -> Option<()> {
        let mut text = format!("RTSP/1.0 {status}\r\nCSeq: {number}\r\n");
        if !more.is_empty() {
            let _ = write!(text, "{more}\r\n");
        }
        if !body.is_empty() {
            let _ = write!(text, "Content-Length: {}\r\n", body.len());
        }
        let _ = write!(text, "\r\n{body}");
        self.stream.write_all(text.as_bytes()).ok()
    }

    /// Sends the access unit that is due. None when nobody listens.
    fn play(&mut self) -> Option<()> {
        let now = self.clock.monotonic();
        let Some(playing) = self.playing.as_mut().filter(|playing| now >= playing.due) else {
            return Some(());
        };
        playing.due += PERIOD;
        let unit = playing.unit;
        playing.unit += 1;
        playing.stamp = playing.stamp.wrapping_add(7200);
        if unit > 0 && unit == self.habits.password_until {
            self.habits.password = "cambiata";
        }
        let every = self.habits.ssrc_every;
        if every > 0 && unit > 0 && unit.is_multiple_of(every) {
            playing.ssrc += 1;
            if self.habits.anew {
                playing.sequence = playing.sequence.wrapping_add(30_000);
                playing.stamp = playing.stamp.wrapping_sub(5_000_000);
            }
        }
        let mut packets = Vec::new();
        let since = playing.reported.map(|at| now.saturating_sub(at));
        if let Some(ahead) = self.habits.ahead_s
            && since.is_none_or(|since| since > Duration::from_secs(1))
        {
            playing.reported = Some(now);
            let us = self.clock.now().unix_us() + ahead * 1_000_000;
            packets.push((5, report(playing.ssrc, playing.stamp, us)));
        }
        let payloads = pictures::payloads(&self.units[unit % self.units.len()]);
        for (payload, last) in payloads {
            let kind = self.habits.payload_type | if last { 0x80 } else { 0 };
            let mut packet = vec![0x80, kind];
            packet.extend(playing.sequence.to_be_bytes());
            packet.extend(playing.stamp.to_be_bytes());
            packet.extend(playing.ssrc.to_be_bytes());
            packet.extend(payload);
            playing.sequence = playing.sequence.wrapping_add(1);
            packets.push((4, packet));
        }
        for (channel, packet) in packets {
            let length = u16::try_from(packet.len()).unwrap().to_be_bytes();
            let framed = [&[b'$', channel][..], &length, &packet].concat();
            self.stream.write_all(&framed).ok()?;
        }
        if self.habits.asks && unit == 5 {
            let ask = "OPTIONS rtsp://client/ RTSP/1.0\r\nCSeq: 900\r\nSession: 4711\r\n\r\n";
            self.stream.write_all(ask.as_bytes()).ok()?;
        }
        Some(())
    }
}

fn report(ssrc: u32, stamp: u32, unix_us: i64) -> Vec<u8> {
    let us = u64::try_from(unix_us + NTP_TO_UNIX_US).unwrap();
    let seconds = u32::try_from(us / 1_000_000).unwrap();
    let fraction = u32::try_from(((us % 1_000_000) << 32) / 1_000_000).unwrap();
    let mut bytes = vec![0x80, 200, 0, 6];
    for word in [ssrc, seconds, fraction, stamp, 1, 1] {
        bytes.extend(word.to_be_bytes());
    }
    bytes
}

/// The next request, or answer; packets of the client are passed over.
fn next(bytes: &mut Vec<u8>) -> Option<String> {
    while bytes.first() == Some(&b'$') {
        let length = usize::from(u16::from_be_bytes([*bytes.get(2)?, *bytes.get(3)?]));
        if bytes.len() < 4 + length {
            return None;
        }
        bytes.drain(..4 + length);
    }
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
    let head: Vec<u8> = bytes.drain(..end + 4).collect();
    Some(String::from_utf8(head).unwrap())
}
