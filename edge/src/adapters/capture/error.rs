//! What can go wrong while frames are taken in, in words for the person on site.

use std::path::PathBuf;
use std::time::Duration;

use gstreamer as gst;
use thiserror::Error;

/// No frame comes. A camera is tried again, for a file the command ends. No message holds a
/// user name or a password.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CaptureError {
    /// Install GStreamer, then start again.
    #[error("GStreamer cannot start: {0}")]
    Library(String),
    /// Install the package, then start again.
    #[error("GStreamer has no element `{element}`: install the package {package}")]
    ElementMissing {
        /// Name in GStreamer.
        element: &'static str,
        /// Debian package that holds it.
        package: &'static str,
    },
    /// Correct the path.
    #[error("cannot read the video file `{path}`: {why}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system or GStreamer says.
        why: String,
    },
    /// Correct `url`.
    #[error("`url` is no address of RTSP; write it as rtsp://HOST:PORT/PATH")]
    Address,
    /// Correct the host in `url`, or the box's name server.
    #[error(
        "no address is known for the host `{host}`; check the host in `url`, and this box's name \
         server when the host is a name"
    )]
    NoHost {
        /// As `url` has it.
        host: String,
    },
    /// Check address, port, cable and power.
    #[error("the camera cannot be reached: {why}; check its address, port, cable and power")]
    Unreachable {
        /// What the network says.
        why: String,
    },
    /// Correct the port, or switch RTSP on.
    #[error(
        "the camera cannot be reached: its address answers, and nothing listens at port {port}; check \
         the port in `url` (mostly 554) and that RTSP is switched on in the camera"
    )]
    PortClosed {
        /// As `url` has it.
        port: u16,
    },
    /// Correct the port in `url`.
    #[error(
        "port {port} is not the camera's RTSP port: {what}; check port and `transport` against the \
         camera's settings"
    )]
    NotRtsp {
        /// As `url` has it.
        port: u16,
        /// What answers instead.
        what: &'static str,
    },
    /// Wait: the camera is tried again.
    #[error(
        "the camera takes the connection and does not answer within {} s; it may be starting or \
         overloaded: restart it when this lasts", .0.as_secs()
    )]
    NoAnswer(Duration),
    /// Look at the camera's lists of addresses, and at the port.
    #[error(
        "the camera closes the connection without an answer; it may have locked this address after \
         wrong logins (wait half an hour or restart it), or let in only addresses of a list"
    )]
    HungUp,
    /// Correct `user` and `password_file`.
    #[error(
        "the camera refuses the user or the password (401); check `user` and `password_file` \
         of this camera. It is tried again by minutes only, because makers lock an address after \
         some wrong logins"
    )]
    Unauthorized,
    /// Correct `user` and `password_file`, or wait.
    #[error(
        "the camera refused this user and password before (401), so they are not tried now: makers \
         lock an address after some wrong logins. Correct `user` and `password_file`: another login is \
         tried at once, this one {}", when(*again_in)
    )]
    LoginWithheld {
        /// The wait before it may be tried.
        again_in: Duration,
    },
    /// Write `user` and `password_file`.
    #[error("the camera wants a login (401); write `user` and `password_file` of this camera")]
    LoginWanted,
    /// Switch on Digest in the camera.
    #[error(
        "the camera wants a login of a kind that is not spoken here ({ways}); set its RTSP \
         authentication to Digest (MD5 or SHA-256)"
    )]
    LoginUnknown {
        /// As the camera calls them.
        ways: String,
    },
    /// Give the user the right, in the camera.
    #[error(
        "the camera does not let this user see the stream (403); give the user the right to live \
         video in the camera, and look whether its list of allowed addresses lacks this box"
    )]
    Forbidden,
    /// Correct the path in `url`.
    #[error(
        "the camera has no stream of that name (404); check the path in `url` against the \
         camera's manual"
    )]
    NoSuchStream,
    /// Close other viewers.
    #[error(
        "the camera gives no more streams (453, too little bandwidth); close other viewers or \
         recorders, or lower the bit rate in the camera"
    )]
    Full,
    /// Wait: the session is begun anew.
    #[error("the camera has forgotten the session (454); it is begun anew")]
    SessionLost,
    /// Change `transport`.
    #[error(
        "the camera does not give this stream in the way that `transport` says (461); write \
         `transport = \"udp\"` instead of \"tcp\", or the other way round, or allow it in the camera"
    )]
    Transport,
    /// Wait: the camera is tried again.
    #[error(
        "the camera is busy or starting (503){}; close other viewers or restart it when this lasts",
        after(*retry_after)
    )]
    Busy {
        /// As the camera asks for.
        retry_after: Option<Duration>,
    },
    /// Write the other address into `url`, if it is right.
    #[error(
        "the camera sends its clients elsewhere, to {place}, and the password goes to the host and \
         port in `url` alone; if the other place is right, write it in `url` with its own login"
    )]
    Elsewhere {
        /// Host and port.
        place: String,
    },
    /// Look into the camera's manual.
    #[error(
        "the camera refuses the stream ({status} {reason}); check the path in `url` against the \
         camera's manual, and restart the camera when this lasts"
    )]
    Refused {
        /// RTSP's number.
        status: u16,
        /// The camera's own words.
        reason: String,
    },
    /// Open the port, or take TCP.
    #[error(
        "the camera agreed to send by UDP, and nothing came within {} s; a firewall may hold it \
         back: write `transport = \"tcp\"`", .0.as_secs()
    )]
    NoDatagrams(Duration),
    /// Correct `ca_file`, or the camera's certificate.
    #[error(
        "no secure connection to the camera: {why}; check that `ca_file` holds the camera's \
         certificate or the authority that signed it, and that the certificate names the host in `url`"
    )]
    Tls {
        /// What is known.
        why: String,
    },
    /// Switch video on, or take another path.
    #[error(
        "the camera offers no video at this address, only sound or data; check the path in `url`, and \
         that video is switched on in the camera"
    )]
    NoVideo,
    /// Choose another codec in the camera's settings.
    #[error(
        "the camera sends {}, which is not read here; set the stream to H.264, H.265 or \
         MJPEG in the camera's settings",
        codec_words(codec)
    )]
    Codec {
        /// Its name in SDP; empty when the camera does not say.
        codec: String,
    },
    /// Wait: the camera is tried again.
    #[error("the camera closed the stream")]
    Ended,
    /// Wait: the camera is tried again.
    #[error("no frame for {} s; the camera or the link has stalled", .0.as_secs_f32())]
    Stalled(Duration),
    /// Wait; when it lasts, change the stream in the camera's settings.
    #[error(
        "the pictures that the camera sends cannot be decoded ({0}); restart the camera when this \
         lasts, and try another profile or codec in its settings"
    )]
    Stream(String),
    /// A picture that cannot be used; the stream is opened anew.
    #[error("the decoder gave a picture that cannot be used: {0}")]
    Picture(String),
}

impl CaptureError {
    /// Whether it is the same fault, whatever its numbers.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        let withheld = |error: &Self| matches!(error, Self::LoginWithheld { .. });
        let refused = |error: &Self| matches!(error, Self::Unauthorized) || withheld(error);
        self == other || (withheld(self) && refused(other))
    }

    /// Whether the camera refuses whom it should let in.
    #[must_use]
    pub fn is_login(&self) -> bool {
        matches!(
            self,
            Self::Unauthorized
                | Self::LoginWithheld { .. }
                | Self::LoginWanted
                | Self::LoginUnknown { .. }
                | Self::Forbidden
        )
    }
}

fn after(retry_after: Option<Duration>) -> String {
    retry_after.map_or(String::new(), |span| {
        format!(" and asks to come again after {} s", span.as_secs())
    })
}

fn codec_words(codec: &str) -> String {
    match codec {
        "" => "video without saying in what codec".to_owned(),
        "MP2T" => "an MPEG transport stream (MP2T)".to_owned(),
        other => other.to_owned(),
    }
}

/// The Debian package that holds an element.
pub(super) fn package_of(element: &str) -> &'static str {
    match element {
        "filesrc" | "fakesink" => "libgstreamer1.0-0",
        "decodebin" | "videoconvert" | "appsink" => "gstreamer1.0-plugins-base",
        "h264parse" | "h265parse" => "gstreamer1.0-plugins-bad",
        "avdec_h264" | "avdec_h265" => "gstreamer1.0-libav",
        _ => "gstreamer1.0-plugins-good",
    }
}

/// Why a stream that came cannot be decoded.
pub(super) fn of_stream(message: &gst::message::Error) -> CaptureError {
    CaptureError::Stream(message.error().to_string())
}

/// Whether pictures could not go from one part to the next, for whatever reason.
pub(super) fn is_of_flow(message: &gst::message::Error) -> bool {
    matches!(
        message.error().kind::<gst::StreamError>(),
        Some(gst::StreamError::Failed)
    )
}

/// Said of a file that ends too early or holds bytes that cannot be read.
pub(super) const BROKEN_FILE: &str = "it is damaged or breaks off; copy it again";

/// Why a file cannot be read, in words for who named it.
pub(super) fn of_file(message: &gst::message::Error) -> String {
    let error = message.error();
    if let Some(fault) = error.kind::<gst::CoreError>() {
        return match fault {
            gst::CoreError::MissingPlugin => {
                "GStreamer lacks what reads this kind of file; install \
                 gstreamer1.0-libav and gstreamer1.0-plugins-bad, or give it as MP4 with H.264"
                    .to_owned()
            }
            _ => format!("GStreamer failed ({error})"),
        };
    }
    match error.kind::<gst::StreamError>() {
        Some(gst::StreamError::TypeNotFound | gst::StreamError::WrongType) => {
            "it is no video of a kind that is known; give it as MP4 with H.264".to_owned()
        }
        Some(gst::StreamError::CodecNotFound) => {
            "nothing here decodes its codec; install gstreamer1.0-libav, or give it as MP4 with H.264"
                .to_owned()
        }
        Some(gst::StreamError::Demux | gst::StreamError::Decode | gst::StreamError::Format) => {
            BROKEN_FILE.to_owned()
        }
        _ => format!("it cannot be played ({error})"),
    }
}

/// When a login may be tried again, in words.
fn when(span: Duration) -> String {
    match span.as_secs().div_ceil(60) {
        0 => "when you ask again".to_owned(),
        1 => "in a minute".to_owned(),
        several => format!("in {several} minutes"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Row = (CaptureError, &'static str, &'static str);

    /// Each cause, and words that its text must have: what is wrong, and what to do.
    fn logins_and_refusals() -> Vec<Row> {
        let seconds = Duration::from_secs;
        let text = str::to_owned;
        let withheld = CaptureError::LoginWithheld {
            again_in: seconds(61),
        };
        let unknown = CaptureError::LoginUnknown { ways: text("NTLM") };
        let busy = CaptureError::Busy {
            retry_after: Some(seconds(30)),
        };
        let refused = CaptureError::Refused {
            status: 500,
            reason: text("Oops"),
        };
        vec![
            (
                CaptureError::Unauthorized,
                "password (401)",
                "`password_file`",
            ),
            (withheld, "not tried", "in 2 minutes"),
            (CaptureError::LoginWanted, "wants a login", "write `user`"),
            (unknown, "NTLM", "Digest"),
            (CaptureError::Forbidden, "403", "right to live"),
            (CaptureError::NoSuchStream, "404", "manual"),
            (CaptureError::Full, "453", "other viewers"),
            (CaptureError::SessionLost, "454", "anew"),
            (CaptureError::Transport, "461", "transport = \"udp\""),
            (busy, "after 30 s", "other viewers"),
            (
                CaptureError::Elsewhere { place: text("h:1") },
                "h:1",
                "write it in `url`",
            ),
            (refused, "500 Oops", "manual"),
        ]
    }

    fn network_and_codecs() -> Vec<Row> {
        let seconds = Duration::from_secs;
        let text = str::to_owned;
        let web = CaptureError::NotRtsp {
            port: 80,
            what: "a web server answers there",
        };
        let unreachable = CaptureError::Unreachable {
            why: text("no route"),
        };
        let tls = CaptureError::Tls {
            why: text("its certificate has ended"),
        };
        vec![
            (CaptureError::Address, "write it as rtsp://", "`url`"),
            (
                CaptureError::NoHost { host: text("cam") },
                "`cam`",
                "name server",
            ),
            (unreachable, "no route", "cable"),
            (
                CaptureError::PortClosed { port: 555 },
                "port 555",
                "switched on",
            ),
            (web, "port 80", "web server"),
            (CaptureError::NoAnswer(seconds(5)), "5 s", "restart it"),
            (CaptureError::HungUp, "without an answer", "half an hour"),
            (
                CaptureError::NoDatagrams(seconds(3)),
                "UDP",
                "transport = \"tcp\"",
            ),
            (tls, "ended", "`ca_file`"),
            (CaptureError::NoVideo, "no video", "switched on"),
            (
                CaptureError::Codec {
                    codec: text("MP2T"),
                },
                "MPEG transport stream",
                "H.264",
            ),
            (
                CaptureError::Codec { codec: text("") },
                "without saying",
                "H.264",
            ),
            (CaptureError::Stalled(seconds(5)), "5 s", "stalled"),
            (
                CaptureError::Stream(text("x")),
                "decoded",
                "another profile",
            ),
        ]
    }

    #[test]
    fn each_cause_is_told_in_plain_words_with_what_to_do() {
        for (error, what, to_do) in logins_and_refusals()
            .into_iter()
            .chain(network_and_codecs())
        {
            let said = error.to_string();
            assert!(said.contains(what) && said.contains(to_do), "{said}");
        }
    }

    #[test]
    fn a_login_that_is_held_back_is_no_news_after_its_refusal() {
        let held = |seconds| CaptureError::LoginWithheld {
            again_in: Duration::from_secs(seconds),
        };
        assert!(held(300).is_like(&CaptureError::Unauthorized));
        assert!(held(300).is_like(&held(270)));
        assert!(!CaptureError::Unauthorized.is_like(&held(1)));
        assert!(held(1).is_login() && !CaptureError::Ended.is_login());
    }
}
