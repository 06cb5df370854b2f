//! A camera's address.

use std::fmt;

/// The port of RTSP, and of RTSP over TLS.
const PORT: u16 = 554;
const PORT_TLS: u16 = 322;

/// `rtsp://HOST:PORT/PATH`, or `rtsps://`; never a user or a password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) struct Url {
    pub(super) is_tls: bool,
    /// A name, or an address without brackets.
    pub(super) host: String,
    pub(super) port: u16,
    /// As requests name it.
    pub(super) text: String,
}

impl Url {
    /// None when it is no address of RTSP. A user and a password in it are left out.
    pub(in super::super) fn parse(text: &str) -> Option<Self> {
        // It is asked for in one line, and may have come in a redirection.
        let text = Some(text.trim()).filter(|text| !text.contains(char::is_control))?;
        let (scheme, rest) = text.split_once("://")?;
        let is_tls = match scheme.to_ascii_lowercase().as_str() {
            "rtsp" | "rtspt" => false,
            "rtsps" => true,
            _ => return None,
        };
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at_checked(end)?;
        let authority = authority.rsplit('@').next().unwrap_or_default();
        let (host, port) = match authority.strip_prefix('[') {
            Some(six) => six.split_once(']')?,
            None => {
                let at = authority.find(':').unwrap_or(authority.len());
                authority.split_at_checked(at)?
            }
        };
        let port = match port.strip_prefix(':') {
            Some(port) => port.parse().ok()?,
            None if is_tls => PORT_TLS,
            None => PORT,
        };
        if host.is_empty() {
            return None;
        }
        let scheme = if is_tls { "rtsps" } else { "rtsp" };
        Some(Self {
            is_tls,
            host: host.to_owned(),
            port,
            text: format!("{scheme}://{authority}{path}"),
        })
    }

    /// Host and port: which camera it is.
    pub(in super::super) fn place(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    /// Whether it is the same host and port: another port may be another program.
    pub(super) fn is_at(&self, other: &Self) -> bool {
        self.port == other.port && self.host.eq_ignore_ascii_case(&other.host)
    }

    /// Where a description's `control` leads, from the address that it counts from.
    pub(super) fn control(base: &str, control: Option<&str>) -> String {
        let control = control.unwrap_or("*").trim();
        if control == "*" || control.is_empty() {
            return base.to_owned();
        }
        if control.contains("://") {
            return control.to_owned();
        }
        // An address of its own only in name: cameras mean it below the base, as all clients take it.
        let slash = if base.ends_with('/') { "" } else { "/" };
        let control = control.trim_start_matches('/');
        format!("{base}{slash}{control}")
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_taken_apart_and_hold_no_password() {
        let url = Url::parse("rtsp://u:p@[2001:db8::7]:8554/a?b=1").unwrap();
        assert_eq!((url.host.as_str(), url.port), ("2001:db8::7", 8554));
        assert_eq!(url.text, "rtsp://[2001:db8::7]:8554/a?b=1");
        let url = Url::parse("RTSPS://cam.example").unwrap();
        assert_eq!((url.is_tls, url.port), (true, 322));
        assert_eq!(Url::parse("rtsp://192.0.2.1").unwrap().port, 554);
        for wrong in [
            "http://a/",
            "rtsp:///a",
            "rtsp://a:b/",
            "a",
            "rtsp://a/\rb",
            "rtsp://a/\nb",
        ] {
            assert_eq!(Url::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn another_port_of_a_host_is_another_place() {
        let camera = Url::parse("rtsp://cam.example/a").unwrap();
        let at = |text: &str| Url::parse(text).unwrap().is_at(&camera);
        assert!(at("rtsp://CAM.example:554/b"));
        assert!(!at("rtsp://cam.example:8554/a") && !at("rtsps://cam.example/a"));
        assert!(!at("rtsp://other.example/a"));
    }

    #[test]
    fn a_control_is_counted_from_its_base() {
        let base = "rtsp://h/s?x=1";
        for (control, wanted) in [
            (None, "rtsp://h/s?x=1"),
            (Some("*"), "rtsp://h/s?x=1"),
            (Some("trackID=1"), "rtsp://h/s?x=1/trackID=1"),
            (Some("rtsp://i/t"), "rtsp://i/t"),
        ] {
            assert_eq!(Url::control(base, control), wanted);
        }
        assert_eq!(Url::control("rtsp://h/s/", Some("t")), "rtsp://h/s/t");
    }
}
