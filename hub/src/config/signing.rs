//! `[signing]`: how long a person stays signed in, and from where.

use std::time::Duration;

use serde::Deserialize;
use varco_proto::config::Faults;

/// How persons sign in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SigningConfig {
    /// How long a session may lie idle before it is locked.
    pub idle: Duration,
    /// How long a session lasts at most.
    pub longest: Duration,
    /// Whether persons sign in from enrolled posts alone.
    pub post_required: bool,
    /// The name to which browsers bind passkeys; none where there are none.
    pub passkeys: Option<PasskeyName>,
}

/// By which name and port browsers reach the page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PasskeyName {
    /// A name of letters, digits, hyphens and dots, in small letters; no address.
    pub host: String,
    /// The port on which the hub answers.
    pub port: u16,
}

/// A name as browsers bind passkeys to it; none for an address and for what is no name.
fn name(host: &str) -> Option<String> {
    let is_label = |label: &str| {
        let is_sign = |sign: u8| sign.is_ascii_alphanumeric() || sign == b'-';
        (1..=63).contains(&label.len()) && label.bytes().all(is_sign)
    };
    let is_name = host.len() <= 253 && host.split('.').all(is_label);
    let is_address = host.parse::<std::net::IpAddr>().is_ok();
    (is_name && !is_address).then(|| host.to_ascii_lowercase())
}

/// The table as written.
#[derive(Debug, Deserialize)]
#[serde(default)]
pub(super) struct SigningFile {
    idle_lock_minutes: u32,
    session_hours: u32,
    post_required: bool,
    passkey_host: Option<String>,
}

impl Default for SigningFile {
    fn default() -> Self {
        Self {
            idle_lock_minutes: 10,
            session_hours: 12,
            post_required: true,
            passkey_host: None,
        }
    }
}

impl SigningFile {
    /// Checks it; `port` is where the hub answers over HTTPS, when that is known.
    pub(super) fn check(&self, port: Option<u16>, faults: &mut Faults) -> SigningConfig {
        for (key, value, most) in [
            ("idle_lock_minutes", self.idle_lock_minutes, 120),
            ("session_hours", self.session_hours, 24),
        ] {
            let what = format!("{value} is not within 1 to {most}");
            let holds = (1..=most).contains(&value);
            faults.check(holds, &format!("signing.{key}"), what);
        }
        let host = self.passkey_host.as_deref();
        let passkeys = host.and_then(name).zip(port);
        let what = "a name of the hub's page, without scheme and port, and no address: browsers bind passkeys to it";
        let holds = host.is_none_or(|host| name(host).is_some());
        faults.check(holds, "signing.passkey_host", what.to_owned());
        SigningConfig {
            passkeys: passkeys.map(|(host, port)| PasskeyName { host, port }),
            idle: Duration::from_secs(u64::from(self.idle_lock_minutes) * 60),
            longest: Duration::from_secs(u64::from(self.session_hours) * 3600),
            post_required: self.post_required,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passkeys_are_bound_to_a_name_and_to_no_address() {
        assert_eq!(
            name("Varco.Comune.example").as_deref(),
            Some("varco.comune.example")
        );
        assert_eq!(name("localhost").as_deref(), Some("localhost"));
        for wrong in [
            "127.0.0.1",
            "::1",
            "",
            "a..b",
            "https://varco.example",
            "varco.example:8443",
            "a b",
        ] {
            assert_eq!(name(wrong), None, "{wrong}");
        }
    }
}
