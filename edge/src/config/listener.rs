//! Where this edge listens: for the readings of cameras, and for whoever measures it.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use varco_proto::config::Faults;

use super::reader::{PushLogin, Reader, Way};

/// Where cameras push their readings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listener {
    /// On this box alone, or in its own network.
    pub address: SocketAddr,
    /// TLS; none for plain HTTP.
    pub tls: Option<ListenerTls>,
}

/// The listener's own certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListenerTls {
    /// PEM.
    pub certificate_file: PathBuf,
    /// PEM of its private key.
    pub key_file: PathBuf,
    /// PEM of the authority whose certificates cameras must show; none when they need not.
    pub client_ca_file: Option<PathBuf>,
}

#[derive(Debug, Deserialize)]
pub(super) struct ListenerSection {
    address: String,
    certificate_file: Option<PathBuf>,
    key_file: Option<PathBuf>,
    client_ca_file: Option<PathBuf>,
    #[serde(default)]
    allow_plain_passwords: bool,
}

#[derive(Debug, Deserialize)]
pub(super) struct MetricsSection {
    address: String,
}

/// Checks `[listener]` against the readers that need it.
pub(super) fn listener(
    section: Option<ListenerSection>,
    readers: &[Reader],
    folder: &Path,
    faults: &mut Faults,
) -> Option<Listener> {
    let mut pushes = readers.iter().filter_map(|reader| match &reader.way {
        Way::Push { login, .. } => Some(login),
        Way::Feed(_) => None,
    });
    let Some(section) = section else {
        let what = "readers that push need it: say where they reach this box, for example \
                    address = \"192.168.10.1:8480\"";
        faults.check(pushes.next().is_none(), "listener", what);
        return None;
    };
    let address = address(&section.address).and_then(|address| match is_near(address.ip()) {
        true => Ok(address),
        false => Err(format!(
            "`{address}` is not within a private network; write this box's own address there, \
             never 0.0.0.0 or a public one"
        )),
    });
    let address = faults.take("listener.address", address);
    let tls = match (section.certificate_file, section.key_file) {
        (Some(certificate_file), Some(key_file)) => Some(ListenerTls {
            certificate_file: folder.join(certificate_file),
            key_file: folder.join(key_file),
            client_ca_file: section.client_ca_file.map(|file| folder.join(file)),
        }),
        (None, None) => {
            let what = "it needs `certificate_file` and `key_file`";
            let lone = section.client_ca_file.is_some();
            faults.check(!lone, "listener.client_ca_file", what);
            None
        }
        _ => {
            let what = "`certificate_file` and `key_file` go together";
            faults.add("listener.certificate_file", what);
            None
        }
    };
    let plain = tls.is_none() && address.is_some_and(|address| !address.ip().is_loopback());
    let bare = pushes.any(|login| !matches!(login, PushLogin::Digest(_)));
    faults.check(
        !plain || !bare || section.allow_plain_passwords,
        "listener.allow_plain_passwords",
        "with `basic` and `path` the camera's secret crosses the network in the clear: use \
         `digest`, or give the listener a certificate, or say true here",
    );
    address.map(|address| Listener { address, tls })
}

/// Checks `[metrics]`.
pub(super) fn metrics(section: Option<MetricsSection>, faults: &mut Faults) -> Option<SocketAddr> {
    let address = address(&section?.address).and_then(|address| {
        if address.ip().is_loopback() {
            Ok(address)
        } else {
            Err(format!(
                "`{address}` is not on this box; write 127.0.0.1 and a port"
            ))
        }
    });
    faults.take("metrics.address", address)
}

fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse()
        .map_err(|_| format!("`{text}` is no address with a port, like 127.0.0.1:9480"))
}

/// Loopback, private (RFC 1918, RFC 4193) or link-local.
fn is_near(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_loopback() || v4.is_private() || v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests {
    use crate::config::Config;

    use super::*;

    const EXAMPLE: &str = include_str!("../../../deploy/examples/edge.toml");
    const READER: &str = "[[readers]]\nid = \"porta-sud-01\"\ngate = \"porta-sud\"\n\
        maker = \"hikvision\"\nlogin = \"digest\"\nuser = \"varco\"\npassword_file = \"p\"\n";
    const LISTENER: &str = "[listener]\naddress = \"192.168.10.1:8480\"\n";

    fn faults(text: &str) -> Vec<String> {
        let parsed = Config::parse(&format!("{EXAMPLE}\n{text}"), Path::new("."));
        let all = parsed.err().map(|faults| faults.all().to_vec());
        let all = all.unwrap_or_default();
        all.into_iter().map(|fault| fault.key).collect()
    }

    #[test]
    fn d03_part_a_reader_needs_a_listener_a_login_and_an_address_nearby() {
        assert_eq!(faults(&format!("{READER}{LISTENER}")), [""; 0]);
        assert_eq!(faults(READER), ["listener"]);
        let open = READER.replace("login = \"digest\"\n", "");
        assert_eq!(faults(&format!("{open}{LISTENER}")), ["readers.0.login"]);
        for address in ["0.0.0.0:8480", "8.8.8.8:8480", "[::]:8480", "here"] {
            let far = LISTENER.replace("192.168.10.1:8480", address);
            assert_eq!(
                faults(&format!("{READER}{far}")),
                ["listener.address"],
                "{address}"
            );
        }
    }

    #[test]
    fn d03_part_a_bare_secret_over_the_network_must_be_allowed() {
        let basic = READER.replace("digest", "basic");
        let key = "listener.allow_plain_passwords";
        assert_eq!(faults(&format!("{basic}{LISTENER}")), [key]);
        let allowed = format!("{basic}{LISTENER}allow_plain_passwords = true\n");
        assert_eq!(faults(&allowed), [""; 0]);
        let own = LISTENER.replace("192.168.10.1", "127.0.0.1");
        assert_eq!(faults(&format!("{basic}{own}")), [""; 0]);
        let tls = format!("{basic}{LISTENER}certificate_file = \"c\"\nkey_file = \"k\"\n");
        assert_eq!(faults(&tls), [""; 0]);
    }

    #[test]
    fn d03_part_a_broker_elsewhere_needs_tls() {
        let fed = "[[readers]]\nid = \"c\"\ngate = \"g\"\nmaker = \"onvif\"\ntopic = \"a/b\"\n";
        let own = format!("{fed}broker_host = \"127.0.0.1\"\n");
        assert_eq!(faults(&own), [""; 0]);
        let far = format!("{fed}broker_host = \"broker.example\"\n");
        assert_eq!(faults(&far), ["readers.0.ca_file"]);
        let axis = own.replace("onvif", "axis");
        assert_eq!(faults(&axis), [""; 0], "any maker may be fed by a broker");
        let both = format!("{axis}login = \"path\"\n");
        assert_eq!(faults(&both), ["readers.0.login"]);
        let half = axis.replace("topic = \"a/b\"\n", "");
        assert_eq!(faults(&half), ["readers.0.topic"]);
        let all = own.replace("a/b", "#");
        assert_eq!(faults(&all), ["readers.0.topic"]);
    }

    #[test]
    fn metrics_are_for_this_box_alone() {
        let metrics = |address: &str| faults(&format!("[metrics]\naddress = \"{address}\"\n"));
        assert_eq!(metrics("127.0.0.1:9464"), [""; 0]);
        assert_eq!(metrics("[::1]:9464"), [""; 0]);
        for far in ["0.0.0.0:9464", "192.168.10.1:9464", "localhost"] {
            assert_eq!(metrics(far), ["metrics.address"], "{far}");
        }
    }

    #[test]
    fn d03_part_the_name_of_a_camera_and_of_a_reader_are_not_the_same() {
        let twin = READER.replace("porta-sud-01", "porta-nord-01");
        assert_eq!(faults(&format!("{twin}{LISTENER}")), ["readers.0.id"]);
    }
}
