//! Asking a camera and taking its answer, with the login that it wants.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use super::super::CaptureError;
use super::super::logins::Attempt;
use super::link::Link;
use super::login::{Login, Verdict};
use super::message::{Answer, Garbled, Head, Incoming, Message};
use super::url::Url;
use crate::adapters::clock::SharedClock;

/// Longest wait for an answer.
const ANSWER_WAIT: Duration = Duration::from_secs(5);
/// One reading.
const READ_BYTES: usize = 64 * 1024;
/// Most packets that are kept while an answer is waited for.
const EARLY_MAX: usize = 2048;
/// Most signs of a camera's own words that are told.
const REASON_MAX: usize = 60;
const AGENT: &str = concat!("varco-edge/", env!("CARGO_PKG_VERSION"));

/// A connection with whom to be.
#[derive(Debug)]
pub(super) struct Asking {
    pub(super) link: Link,
    pub(super) login: Login,
    attempt: Attempt,
    clock: SharedClock,
    incoming: Incoming,
    early: VecDeque<Message>,
    buffer: Vec<u8>,
    sequence: u32,
    port: u16,
}

impl Asking {
    pub(super) fn open(
        url: &Url,
        ca_file: Option<&Path>,
        login: Login,
        attempt: Attempt,
        clock: SharedClock,
    ) -> Result<Self, CaptureError> {
        Ok(Self {
            link: Link::open(url, ca_file)?,
            login,
            attempt,
            clock,
            incoming: Incoming::default(),
            early: VecDeque::new(),
            buffer: vec![0; READ_BYTES],
            sequence: 0,
            port: url.port,
        })
    }

    /// The next message, waiting a moment for one. What the camera itself asks is answered.
    pub(super) fn hear(&mut self) -> Result<Option<Message>, CaptureError> {
        if let Some(early) = self.early.pop_front() {
            return Ok(Some(early));
        }
        self.hear_fresh()
    }

    fn hear_fresh(&mut self) -> Result<Option<Message>, CaptureError> {
        if let Some(message) = self.parsed()? {
            return Ok(Some(message));
        }
        let length = self.link.read(&mut self.buffer)?;
        let came = self.buffer.get(..length).unwrap_or_default();
        self.incoming.push(came);
        self.parsed()
    }

    /// Whether a whole message waits here without the network.
    fn parsed(&mut self) -> Result<Option<Message>, CaptureError> {
        let port = self.port;
        match self.incoming.next() {
            Ok(Some(Message::Asked { method, head })) => {
                self.reply(&method, &head)?;
                Ok(None)
            }
            Ok(message) => Ok(message),
            Err(Garbled::Http) => Err(CaptureError::NotRtsp {
                port,
                what: "a web server answers there",
            }),
            Err(Garbled::Tls) => Err(CaptureError::NotRtsp {
                port,
                what: "it wants TLS there: write `rtsps://` and `transport = \"tls\"`",
            }),
            Err(Garbled::Other) => Err(CaptureError::NotRtsp {
                port,
                what: "what came is no RTSP",
            }),
        }
    }

    fn reply(&mut self, method: &str, head: &Head) -> Result<(), CaptureError> {
        let status = match method {
            "OPTIONS" | "GET_PARAMETER" | "SET_PARAMETER" => "200 OK",
            _ => "501 Not Implemented",
        };
        let mut text = format!("RTSP/1.0 {status}\r\n");
        for name in ["CSeq", "Session"] {
            if let Some(value) = head.get(name) {
                let _ = write!(text, "{name}: {value}\r\n");
            }
        }
        text.push_str("\r\n");
        self.link.write(text.as_bytes())
    }

    /// Sends a request and gives its number; whether it carried a login too.
    pub(super) fn send(
        &mut self,
        method: &str,
        url: &str,
        head: &[(&str, &str)],
    ) -> Result<Sent, CaptureError> {
        self.sequence = self.sequence.wrapping_add(1);
        let mut text = format!("{method} {url} RTSP/1.0\r\nCSeq: {}\r\n", self.sequence);
        let login = self.login.answer(method, url);
        if let Some(line) = &login {
            let _ = write!(text, "Authorization: {line}\r\n");
        }
        let _ = write!(text, "User-Agent: {AGENT}\r\n");
        for (name, value) in head {
            let _ = write!(text, "{name}: {value}\r\n");
        }
        text.push_str("\r\n");
        self.link.write(text.as_bytes())?;
        Ok(Sent {
            sequence: self.sequence,
            with_login: login.is_some(),
        })
    }

    /// Asks, logs in when the camera wants it, and gives an answer that says yes or leads elsewhere.
    pub(super) fn ask(
        &mut self,
        method: &str,
        url: &str,
        head: &[(&str, &str)],
    ) -> Result<Answer, CaptureError> {
        let mut renewed = false;
        loop {
            let sent = self.send(method, url, head)?;
            let answer = self.answer(sent.sequence)?;
            if answer.status != 401 {
                if sent.with_login && self.login.worked() {
                    self.attempt.worked();
                }
                return match answer.status {
                    200..=399 => Ok(answer),
                    _ => Err(refusal(&answer)),
                };
            }
            let said = answer.head.all("WWW-Authenticate");
            match self.login.refused(said, sent.with_login, renewed) {
                Verdict::Again => renewed = sent.with_login,
                Verdict::Wrong => {
                    self.attempt.refused();
                    return Err(CaptureError::Unauthorized);
                }
                Verdict::NoUser => return Err(CaptureError::LoginWanted),
                Verdict::Unknown(ways) => return Err(CaptureError::LoginUnknown { ways }),
            }
        }
    }

    fn answer(&mut self, sequence: u32) -> Result<Answer, CaptureError> {
        let begun = self.clock.monotonic();
        while self.clock.monotonic().saturating_sub(begun) < ANSWER_WAIT {
            let heard = self.hear_fresh().map_err(|error| match error {
                CaptureError::Ended => CaptureError::HungUp,
                error => error,
            });
            match heard? {
                Some(Message::Answer(answer)) if is_to(&answer, sequence) => return Ok(answer),
                Some(packet @ Message::Packet { .. }) if self.early.len() < EARLY_MAX => {
                    self.early.push_back(packet);
                }
                _ => {}
            }
        }
        Err(CaptureError::NoAnswer(ANSWER_WAIT))
    }
}

/// A request on its way.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sent {
    pub(super) sequence: u32,
    pub(super) with_login: bool,
}

/// Cameras that give no number answer in order.
pub(super) fn is_to(answer: &Answer, sequence: u32) -> bool {
    let number = answer.head.get("CSeq").and_then(|text| text.parse().ok());
    number.is_none_or(|number: u32| number == sequence)
}

/// A refusal in words of what to do.
pub(super) fn refusal(answer: &Answer) -> CaptureError {
    let retry_after = answer.head.get("Retry-After");
    let retry_after = retry_after.and_then(|text| text.parse().ok());
    match answer.status {
        401 => CaptureError::Unauthorized,
        403 => CaptureError::Forbidden,
        404 | 410 => CaptureError::NoSuchStream,
        453 => CaptureError::Full,
        454 => CaptureError::SessionLost,
        461 => CaptureError::Transport,
        503 => CaptureError::Busy {
            retry_after: retry_after.map(Duration::from_secs),
        },
        status => CaptureError::Refused {
            status,
            reason: plain(&answer.reason),
        },
    }
}

/// A camera's own words, short and printable.
fn plain(words: &str) -> String {
    let signs = words.chars().filter(|sign| !sign.is_control());
    signs.take(REASON_MAX).collect()
}
