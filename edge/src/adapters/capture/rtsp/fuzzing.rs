//! For the crate `fuzz`: what a camera sends over RTSP, read as the client reads it.

use super::super::source::{Password, StreamLogin};
use super::login::{Login, Verdict};
use super::message::{Incoming, Message};
use super::offer::Offer;
use super::rtp::{PacketHead, Row, SenderReport};
use super::session::{Agreed, date};
use super::url::Url;

/// Reads messages out of pieces; gives how many there are before it is no RTSP, and the bytes in them.
#[must_use]
pub fn messages<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> (usize, usize) {
    let mut incoming = Incoming::default();
    let (mut count, mut bytes) = (0, 0);
    for piece in pieces {
        if incoming.push(piece).is_err() {
            return (count, bytes);
        }
        loop {
            match incoming.next() {
                Ok(Some(message)) => {
                    count += 1;
                    bytes += size(&message);
                    login(&message);
                }
                Ok(None) => break,
                Err(_) => return (count, bytes),
            }
        }
    }
    (count, bytes)
}

fn size(message: &Message) -> usize {
    match message {
        Message::Answer(answer) => answer.body.len(),
        Message::Asked { method, .. } => method.len(),
        Message::Packet { bytes, .. } => bytes.len(),
    }
}

/// Whoever refuses is answered, or not, as the client would.
fn login(message: &Message) {
    let Message::Answer(answer) = message else {
        return;
    };
    for transport in answer.head.all("Transport") {
        let _ = Agreed::read(transport);
    }
    if let Some(text) = answer.head.get("Date") {
        let _ = date(text);
    }
    let mut challenges = answer.head.all("WWW-Authenticate").peekable();
    if challenges.peek().is_some() {
        let all: Vec<&str> = challenges.collect();
        let _ = answered(&all);
    }
}

/// The line `Authorization` after these challenges.
#[must_use]
pub fn answered(challenges: &[&str]) -> Option<String> {
    let mut login = Login::new(Some(StreamLogin {
        user: "varco".to_owned(),
        password: Password::new("not a secret"),
    }));
    let said = login.refused(challenges.iter().copied(), false, false);
    let line = login.answer("DESCRIBE", "rtsp://camera/1");
    assert_eq!(
        line.is_some(),
        said == Verdict::Again,
        "answered when asked again"
    );
    // The same once more is a wrong password, and never a second try of it.
    if line.is_some() {
        let again = login.refused(challenges.iter().copied(), true, false);
        let is_stale = challenges
            .iter()
            .any(|one| one.to_ascii_lowercase().contains("stale"));
        assert!(again == Verdict::Wrong || is_stale, "{again:?}");
    }
    line
}

/// The codec's clock and settings that are chosen of a description, and where its stream is asked for.
#[must_use]
pub fn offer(text: &str) -> Option<(u32, usize, String)> {
    let offer = Offer::read(text);
    let medium = offer.choose().ok()?;
    let format = medium
        .formats
        .iter()
        .find(|format| format.codec.is_some())?;
    let base = offer.control.as_deref().unwrap_or("rtsp://camera/1");
    let place = Url::control(base, medium.control.as_deref());
    Some((format.clock_hz, format.settings.len(), place))
}

/// How an address stands in a request, and read once more.
#[must_use]
pub fn url(text: &str) -> Option<(String, Option<String>)> {
    let url = Url::parse(text)?;
    assert!(url.is_at(&url) && !url.place().is_empty());
    let again = Url::parse(&url.to_string()).map(|url| url.to_string());
    Some((url.to_string(), again))
}

/// Puts packets into a row; a piece that begins with an odd byte is a report. Gives how many were packets.
#[must_use]
pub fn packets<'a>(pieces: impl Iterator<Item = &'a [u8]>, clock_hz: u32) -> usize {
    let (mut row, mut count) = (Row::default(), 0);
    for piece in pieces {
        let Some((kind, bytes)) = piece.split_first() else {
            continue;
        };
        if kind % 2 == 1 {
            if let Some(report) = SenderReport::read(bytes) {
                let _ = report.at();
                row.reported(report);
            }
            continue;
        }
        if let Some(head) = PacketHead::read(bytes) {
            let mut sent = bytes.to_vec();
            let at = row.take(head, &mut sent, clock_hz);
            let now = PacketHead::read(&sent);
            assert!(now.is_some_and(|now| now.payload_type == super::rtp::PAYLOAD_TYPE));
            assert_eq!((sent.len(), sent.get(4..8)), (bytes.len(), bytes.get(4..8)));
            let _ = at.and_then(super::rtp::since_1900);
            count += 1;
        }
    }
    count
}
