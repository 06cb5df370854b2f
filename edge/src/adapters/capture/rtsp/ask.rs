//! Asking a camera and taking its answer, with the login that it wants.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use super::super::logins::Attempt;
use super::link::{Link, Patience};
use super::login::{Login, Verdict};
use super::message::{Answer, Garbled, Head, Incoming, Message};
use super::url::Url;
use crate::adapters::capture::error::CaptureError;
use crate::adapters::clock::SharedClock;

/// Longest wait for an answer.
const ANSWER_WAIT: Duration = Duration::from_secs(5);
/// One reading.
const READ_BYTES: usize = 64 * 1024;
/// Most packets that are kept while an answer is waited for, and most bytes of theirs.
const EARLY_MAX: usize = 2048;
const EARLY_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Most signs of a camera's own words that are shown.
const REASON_MAX: usize = 60;
const AGENT: &str = concat!("varco-edge/", env!("CARGO_PKG_VERSION"));

/// A connection with whom to be.
#[derive(Debug)]
pub(super) struct Asking {
    pub(super) link: Link,
    login: Login,
    attempt: Attempt,
    clock: SharedClock,
    incoming: Incoming,
    early: Early,
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
        stop: &AtomicBool,
    ) -> Result<Self, CaptureError> {
        let patience = Patience {
            clock: &clock,
            stop,
        };
        Ok(Self {
            link: Link::open(url, ca_file, patience)?,
            login,
            attempt,
            clock,
            incoming: Incoming::default(),
            early: Early::default(),
            buffer: vec![0; READ_BYTES],
            sequence: 0,
            port: url.port,
        })
    }

    /// The next message, waiting a moment for one. What the camera itself asks is answered.
    pub(super) fn hear(&mut self) -> Result<Option<Message>, CaptureError> {
        if let Some(early) = self.early.pop() {
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
        let pushed = self.incoming.push(came);
        pushed.map_err(|garbled| not_rtsp(self.port, garbled))?;
        self.parsed()
    }

    /// Whether a whole message waits here without the network. None means that all which came is
    /// used up, so that no more is read than is taken.
    fn parsed(&mut self) -> Result<Option<Message>, CaptureError> {
        loop {
            match self.incoming.next() {
                Ok(Some(Message::Asked { method, head })) => self.reply(&method, &head)?,
                Ok(message) => return Ok(message),
                Err(garbled) => return Err(not_rtsp(self.port, garbled)),
            }
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
                self.let_in(sent);
                return match answer.status {
                    200..=399 => Ok(answer),
                    _ => Err(refusal(&answer)),
                };
            }
            renewed = self.kept_out(&answer, sent, renewed)?;
        }
    }

    /// What was sent met no 401.
    pub(super) fn let_in(&mut self, sent: Sent) {
        if sent.with_login && self.login.worked() {
            self.attempt.worked();
        }
    }

    /// What was sent met a 401. When it may be sent again, whether it has had a fresh nonce then;
    /// `renewed` says whether it has had one already.
    pub(super) fn kept_out(
        &mut self,
        answer: &Answer,
        sent: Sent,
        renewed: bool,
    ) -> Result<bool, CaptureError> {
        let said = answer.head.all("WWW-Authenticate");
        match self.login.refused(said, sent.with_login, renewed) {
            Verdict::Again => Ok(sent.with_login),
            Verdict::Wrong => {
                self.attempt.refused();
                // Whatever is still sent, as a TEARDOWN, must not be one wrong login more.
                self.login = Login::new(None);
                Err(CaptureError::Unauthorized)
            }
            Verdict::NoUser => Err(CaptureError::LoginWanted),
            Verdict::Unknown(ways) => Err(CaptureError::LoginUnknown { ways }),
        }
    }

    /// The camera plays, whether it wanted a login or not: another stream may try its own.
    pub(super) fn plays(&self) {
        self.attempt.over();
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
                Some(Message::Packet { channel, bytes }) => self.early.push(channel, bytes),
                _ => {}
            }
        }
        Err(CaptureError::NoAnswer(ANSWER_WAIT))
    }
}

/// Packets that came while an answer was waited for.
#[derive(Debug, Default)]
struct Early {
    packets: VecDeque<(u8, Vec<u8>)>,
    /// Of all of them.
    bytes: usize,
}

impl Early {
    /// Keeps a packet while there is room.
    fn push(&mut self, channel: u8, bytes: Vec<u8>) {
        let sum = self.bytes.saturating_add(bytes.len());
        if self.packets.len() < EARLY_MAX && sum <= EARLY_BYTES_MAX {
            self.bytes = sum;
            self.packets.push_back((channel, bytes));
        }
    }

    fn pop(&mut self) -> Option<Message> {
        let (channel, bytes) = self.packets.pop_front()?;
        self.bytes = self.bytes.saturating_sub(bytes.len());
        Some(Message::Packet { channel, bytes })
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

fn not_rtsp(port: u16, garbled: Garbled) -> CaptureError {
    let what = match garbled {
        Garbled::Http => "a web server answers there",
        Garbled::Tls => "it wants TLS there: write `rtsps://` and `transport = \"tls\"`",
        Garbled::Other => "what came is no RTSP",
    };
    CaptureError::NotRtsp { port, what }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn early_packets_are_kept_by_number_and_by_bytes() {
        let mut small = Early::default();
        for _ in 0..EARLY_MAX + 9 {
            small.push(0, vec![0]);
        }
        assert_eq!(small.packets.len(), EARLY_MAX);
        let mut large = Early::default();
        for _ in 0..EARLY_MAX {
            large.push(0, vec![0; 65_535]);
        }
        assert!(large.bytes <= EARLY_BYTES_MAX);
        assert_eq!(large.packets.len(), EARLY_BYTES_MAX / 65_535);
        let mut taken = 0;
        while large.pop().is_some() {
            taken += 1;
        }
        assert_eq!((taken, large.bytes), (EARLY_BYTES_MAX / 65_535, 0));
    }
}
