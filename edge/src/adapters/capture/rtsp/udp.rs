//! The pair of UDP sockets that a stream comes by.

use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::fd::{AsFd as _, BorrowedFd};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::sockopt::set_socket_recv_buffer_size;

use crate::adapters::capture::error::CaptureError;

/// How often a free pair is looked for.
const TRIES: usize = 50;
/// A key frame comes in one burst.
const RECEIVE_BYTES: usize = 1 << 20;
/// Longest datagram.
const DATAGRAM_BYTES_MAX: usize = 65_536;
/// One look for what comes.
const LOOK: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 100_000_000,
};

/// For RTP an even port, for RTCP the odd one above it.
#[derive(Debug)]
pub(super) struct UdpPair {
    rtp: UdpSocket,
    rtcp: UdpSocket,
    pub(super) port: u16,
    /// Only what comes from here is the camera's.
    from: IpAddr,
    buffer: Vec<u8>,
}

/// What came by one of the two.
#[derive(Debug)]
pub(super) struct Datagram {
    pub(super) is_rtcp: bool,
    pub(super) bytes: Vec<u8>,
}

impl UdpPair {
    pub(super) fn open(local: IpAddr, from: IpAddr) -> Result<Self, CaptureError> {
        for _ in 0..TRIES {
            let pair = || -> std::io::Result<Option<Self>> {
                let rtp = UdpSocket::bind((local, 0))?;
                let port = rtp.local_addr()?.port();
                if port % 2 == 1 || port == u16::MAX {
                    return Ok(None);
                }
                let Ok(rtcp) = UdpSocket::bind((local, port + 1)) else {
                    return Ok(None);
                };
                rtp.set_nonblocking(true)?;
                rtcp.set_nonblocking(true)?;
                // The system may allow less: then that is it.
                let _ = set_socket_recv_buffer_size(&rtp, RECEIVE_BYTES);
                Ok(Some(Self {
                    rtp,
                    rtcp,
                    port,
                    from,
                    buffer: vec![0; DATAGRAM_BYTES_MAX],
                }))
            };
            match pair() {
                Ok(Some(pair)) => return Ok(pair),
                Ok(None) => {}
                Err(error) => {
                    return Err(CaptureError::Stream(format!("no UDP port here: {error}")));
                }
            }
        }
        Err(CaptureError::Stream(
            "no two UDP ports are free here".to_owned(),
        ))
    }

    /// The camera names where it sends from. Something sent there opens firewalls for what comes.
    pub(super) fn expect(&mut self, from: Option<IpAddr>, port: Option<u16>) {
        self.from = from.unwrap_or(self.from);
        if let Some(port) = port {
            // Lost, or refused: then nothing was to be opened.
            let _ = self.rtp.send_to(&[0x80, 0, 0, 0], (self.from, port));
            self.report(port);
        }
    }

    /// Sends a receiver report to the camera's port of RTP.
    pub(super) fn report(&self, port: u16) {
        let to = SocketAddr::new(self.from, port.saturating_add(1));
        // Lost like any datagram may be.
        let _ = self.rtcp.send_to(&super::rtp::receiver_report(), to);
    }

    /// Waits a moment until something comes, here or by `other`; whether it came by `other`.
    pub(super) fn wait(&self, other: BorrowedFd<'_>) -> bool {
        let mut all = [
            PollFd::from_borrowed_fd(self.rtp.as_fd(), PollFlags::IN),
            PollFd::from_borrowed_fd(self.rtcp.as_fd(), PollFlags::IN),
            PollFd::from_borrowed_fd(other, PollFlags::IN),
        ];
        // A failure is found by the reading that follows.
        let _ = poll(&mut all, Some(&LOOK));
        all.last().is_some_and(|other| !other.revents().is_empty())
    }

    /// The next datagram of the camera, if one has come.
    pub(super) fn take(&mut self) -> Option<Datagram> {
        for (socket, is_rtcp) in [(&self.rtcp, true), (&self.rtp, false)] {
            match socket.recv_from(&mut self.buffer) {
                Ok((length, from)) if from.ip() == self.from => {
                    let bytes = self.buffer.get(..length)?.to_vec();
                    return Some(Datagram { is_rtcp, bytes });
                }
                Ok(_) => {}
                // A port of the camera that is closed tells so here.
                Err(error) if error.kind() == ErrorKind::ConnectionRefused => {}
                Err(_) => {}
            }
        }
        None
    }
}
