//! The client's side of RTSP 1.0 (RFC 2326): logs in, asks a camera for one video stream, keeps the
//! session alive, and gives the stream's RTP packets, over TCP, TLS or UDP.
//!
//! It is ours because neither client that is to be had does what cameras on the street need: that of
//! GStreamer 1.22 knows neither `qop` nor SHA-256, sends no request while packets flow over TCP and
//! tries a refused password again; the crate `retina` ends a stream whose SSRC changes, follows no
//! redirect, takes no fresh nonce and speaks no TLS. Depacketising and decoding stay GStreamer's.

mod ask;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod link;
mod login;
mod message;
pub(super) mod offer;
pub(super) mod rtp;
pub(super) mod session;
mod udp;
pub(super) mod url;
