//! Messages of RTSP as they stand on the wire.

/// Longest head and body that are taken; a camera's description has some hundred bytes.
const HEAD_BYTES_MAX: usize = 16 * 1024;
const BODY_BYTES_MAX: usize = 256 * 1024;
/// Most bytes that wait: the longest message, and what one reading brings behind its beginning.
const WAITING_BYTES_MAX: usize = HEAD_BYTES_MAX + BODY_BYTES_MAX + 256 * 1024;

/// The lines `Name: value` of a message.
#[derive(Debug, Default)]
pub(super) struct Head(Vec<(String, String)>);

impl Head {
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    pub(super) fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        let lines = self.0.iter();
        lines
            .filter(move |(said, _)| said.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }
}

/// What a camera answers.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) reason: String,
    pub(super) head: Head,
    pub(super) body: Vec<u8>,
}

/// What comes on a connection.
#[derive(Debug)]
pub(super) enum Message {
    Answer(Answer),
    /// The camera asks something itself.
    Asked {
        method: String,
        head: Head,
    },
    /// A packet of a channel within the connection.
    Packet {
        channel: u8,
        bytes: Vec<u8>,
    },
}

/// What came is no RTSP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Garbled {
    /// A web server.
    Http,
    /// The other side wants TLS, or speaks it.
    Tls,
    Other,
}

/// Bytes that came, until they make messages.
#[derive(Debug, Default)]
pub(super) struct Incoming {
    bytes: Vec<u8>,
    at: usize,
}

impl Incoming {
    /// Takes what came, unless more waits than any message has.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Result<(), Garbled> {
        if self.at > 0 {
            self.bytes.drain(..self.at);
            self.at = 0;
        }
        if self.bytes.len() + bytes.len() > WAITING_BYTES_MAX {
            return Err(Garbled::Other);
        }
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    /// The next whole message, if there is one.
    pub(super) fn next(&mut self) -> Result<Option<Message>, Garbled> {
        // Empty lines between messages are allowed.
        while matches!(self.bytes.get(self.at), Some(b'\r' | b'\n')) {
            self.at += 1;
        }
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let [first, ..] = rest else {
            return Ok(None);
        };
        if *first == b'$' {
            return Ok(self.packet());
        }
        // A record of TLS begins with its kind and version 3.
        if matches!(rest, [0x14..=0x17, 3, ..]) {
            return Err(Garbled::Tls);
        }
        // Before the head is looked for: it must not matter how much of it has come.
        if !first.is_ascii_uppercase() {
            return Err(Garbled::Other);
        }
        let Some((head, body_at)) = head_of(rest) else {
            return if rest.len() <= HEAD_BYTES_MAX {
                Ok(None)
            } else {
                Err(Garbled::Other)
            };
        };
        let text = String::from_utf8_lossy(head).into_owned();
        let mut lines = text.lines();
        let first = lines.next().unwrap_or_default().to_owned();
        let head = Head(lines.filter_map(line).collect());
        let length = match head.get("Content-Length") {
            Some(length) => length.parse().unwrap_or(usize::MAX),
            None => 0,
        };
        if first.starts_with("HTTP/") {
            return Err(Garbled::Http);
        }
        if length > BODY_BYTES_MAX {
            return Err(Garbled::Other);
        }
        let Some(body) = rest.get(body_at..body_at + length) else {
            return Ok(None);
        };
        let message = message(&first, head, body.to_vec()).ok_or(Garbled::Other)?;
        self.at += body_at + length;
        Ok(Some(message))
    }

    fn packet(&mut self) -> Option<Message> {
        let rest = self.bytes.get(self.at..)?;
        let [_, channel, high, low, body @ ..] = rest else {
            return None;
        };
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        let bytes = body.get(..length)?.to_vec();
        let channel = *channel;
        self.at += 4 + length;
        Some(Message::Packet { channel, bytes })
    }
}

/// The head without its empty line, and where the body begins. Lines may end with LF alone.
fn head_of(bytes: &[u8]) -> Option<(&[u8], usize)> {
    let bytes = bytes.get(..bytes.len().min(HEAD_BYTES_MAX))?;
    let ends = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n');
    for (at, _) in ends {
        match bytes.get(at + 1..) {
            Some([b'\r', b'\n', ..]) => return Some((bytes.get(..at)?, at + 3)),
            Some([b'\n', ..]) => return Some((bytes.get(..at)?, at + 2)),
            _ => {}
        }
    }
    None
}

/// None of a line that holds a sign which would end it for others: what stands in it is said back.
fn line(line: &str) -> Option<(String, String)> {
    let (name, value) = line.split_once(':')?;
    let value = Some(value.trim()).filter(|value| is_one_line(value))?;
    Some((name.trim().to_owned(), value.to_owned()))
}

/// Whether a text stands in one line, for whoever reads it.
pub(super) fn is_one_line(text: &str) -> bool {
    !text.contains(|sign: char| sign.is_control() && sign != '\t')
}

fn message(first: &str, head: Head, body: Vec<u8>) -> Option<Message> {
    let mut words = first.splitn(3, ' ');
    let (one, two, three) = (words.next()?, words.next()?, words.next().unwrap_or(""));
    if one.starts_with("RTSP/") {
        return Some(Message::Answer(Answer {
            status: two.parse().ok()?,
            reason: three.trim().to_owned(),
            head,
            body,
        }));
    }
    three.starts_with("RTSP/").then(|| Message::Asked {
        method: one.to_owned(),
        head,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_rtsp_is_none_however_the_network_cuts_it() {
        let wire = b"ooOPTIONS rtsp://h/s RTSP/1.0\r\nCSeq: 9\r\n\r\n";
        for step in [1, 7, wire.len()] {
            let mut incoming = Incoming::default();
            let heard = wire.chunks(step).try_for_each(|part| {
                incoming.push(part)?;
                incoming.next().map(drop)
            });
            assert_eq!(heard, Err(Garbled::Other), "{step}");
        }
    }

    #[test]
    fn a_line_that_another_may_take_for_two_is_left_out() {
        let mut incoming = Incoming::default();
        let wire = b"RTSP/1.0 200 OK\r\nSession: 7\rX: y\r\nCSeq: 2 \r\r\n\r\n";
        incoming.push(wire).unwrap();
        let Some(Message::Answer(answer)) = incoming.next().unwrap() else {
            panic!("an answer")
        };
        assert_eq!(
            (answer.head.get("Session"), answer.head.get("CSeq")),
            (None, Some("2"))
        );
    }

    #[test]
    fn messages_come_whole_however_the_network_cuts_them() {
        let wire = b"RTSP/1.0 200 OK\r\nCSeq: 2\r\ncontent-length: 3\r\n\r\nabc$\x01\x00\x02xy\r\n\
                     OPTIONS rtsp://h/s RTSP/1.0\nCSeq: 9\n\n";
        for step in 1..wire.len() {
            let mut incoming = Incoming::default();
            let mut got = Vec::new();
            for part in wire.chunks(step) {
                incoming.push(part).unwrap();
                while let Some(message) = incoming.next().unwrap() {
                    got.push(message);
                }
            }
            let [
                Message::Answer(answer),
                Message::Packet { channel: 1, bytes },
                Message::Asked { method, head },
            ] = got.as_slice()
            else {
                panic!("{step}: {got:?}");
            };
            assert_eq!((answer.status, answer.body.as_slice()), (200, &b"abc"[..]));
            assert_eq!((bytes.as_slice(), method.as_str()), (&b"xy"[..], "OPTIONS"));
            assert_eq!(head.get("cseq"), Some("9"));
        }
    }

    #[test]
    fn what_is_no_rtsp_is_told_by_its_kind_and_never_waited_for() {
        for (bytes, garbled) in [
            (&b"HTTP/1.1 400 Bad Request\r\n\r\n"[..], Garbled::Http),
            (&[0x15, 3, 1, 0, 2, 2, 40], Garbled::Tls),
            (b"SSH-2.0-dropbear\n\n", Garbled::Other),
            (b"\x00\x01\x02", Garbled::Other),
            (
                b"RTSP/1.0 200 OK\r\nContent-Length: 999999999\r\n\r\n",
                Garbled::Other,
            ),
        ] {
            let mut incoming = Incoming::default();
            incoming.push(bytes).unwrap();
            assert_eq!(incoming.next().unwrap_err(), garbled, "{bytes:?}");
        }
        let mut endless = Incoming::default();
        endless.push(&[b'A'; HEAD_BYTES_MAX + 1]).unwrap();
        assert!(endless.next().is_err());
    }

    #[test]
    fn no_more_waits_than_the_longest_message_needs() {
        let mut incoming = Incoming::default();
        let reading = vec![b'$'; 64 * 1024];
        let taken = (0..1000).take_while(|_| incoming.push(&reading).is_ok());
        assert_eq!(taken.count(), WAITING_BYTES_MAX / reading.len());
    }
}
